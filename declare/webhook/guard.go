package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"code.dny.dev/ssrf"

	"singlewindow/declare"
)

// errForbidden is given for an address that may not be connected to.
var errForbidden = errors.New("webhook: the address is not allowed")

// longestURL bounds an endpoint's address.
const longestURL = 2000

// Guard decides where connections may go, by the address that is about to be
// dialled: so a name that resolves to something else the second time, or a
// number written in an odd way, does not get past it. Allowed is any global
// unicast address that is not of a special purpose (loopback, private,
// link-local, shared, multicast, documentation, translated or tunnelled IPv4 …)
// over TLS, at port 443 or one above 1023; and whatever an operator allows, at
// any port and without TLS too.
type Guard struct {
	special *ssrf.Guardian
	allow   []netip.Prefix
	dialled func(address netip.AddrPort, allowed bool)
}

// notGlobal is all of IPv6 but what is handed out as global unicast, and of
// that what is kept for documentation.
var notGlobal = []netip.Prefix{
	netip.MustParsePrefix("::/3"), netip.MustParsePrefix("4000::/2"), netip.MustParsePrefix("8000::/1"), netip.MustParsePrefix("3fff::/20"),
}

func newGuard(allow []netip.Prefix, dialled func(netip.AddrPort, bool)) *Guard {
	return &Guard{special: ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV6Prefixes(notGlobal...)), allow: allow, dialled: dialled}
}

// ParseAllowed reads a list of CIDR prefixes, separated by commas.
func ParseAllowed(list string) (prefixes []netip.Prefix, err error) {
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if err != nil || prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is no CIDR prefix such as 10.1.0.0/16", part)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

// control is a dialer's last question before it connects: with TLS to follow,
// or without.
func (g *Guard) control(secure bool) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err == nil {
			err = g.judge(network, at, secure)
		}
		if g.dialled != nil {
			g.dialled(at, err == nil)
		}
		if err != nil {
			return errForbidden // the address itself is nobody's business but the resolver's
		}
		return nil
	}
}

func (g *Guard) judge(network string, at netip.AddrPort, secure bool) error {
	address := at.Addr()
	if address.Zone() != "" || network != "tcp4" && network != "tcp6" {
		return errForbidden
	}
	if g.allows(address) {
		return nil
	}
	if !secure || at.Port() != 443 && at.Port() < 1024 {
		return errForbidden
	}
	return g.special.Safe(network, at.String(), nil)
}

func (g *Guard) allows(address netip.Addr) bool {
	return slices.ContainsFunc(g.allow, func(prefix netip.Prefix) bool { return prefix.Contains(address.Unmap()) })
}

// The ways in which an address may be refused at once. One whose name resolves
// to what is not allowed is found out when it is dialled.
var (
	urlMalformed = declare.Text{English: "An absolute https URL of at most 2000 characters is wanted, without a fragment.", Chinese: "须为不超过 2000 个字符的绝对 https 地址，且不含片段标识。"}
	urlUser      = declare.Text{English: "A user name or password has no place in the URL: requests are signed.", Chinese: "地址中不得包含用户名或密码：请求已有签名。"}
	urlPlain     = declare.Text{English: "Only https is sent to, unless an operator has allowed the address.", Chinese: "除非运维人员已允许该地址，否则只向 https 地址发送。"}
	urlForbidden = declare.Text{English: "This address is not on the public internet, or this port is not sent to (443 and those above 1023 are), and no operator has allowed it.", Chinese: "该地址不在公共互联网上，或不向该端口发送（可用 443 及 1023 以上的端口），且运维人员未予允许。"}
)

// check says what is wrong with an endpoint's URL, nil when it may be tried.
func (g *Guard) check(raw string) *declare.Text {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > longestURL || strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }) ||
		u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "" || u.Fragment != "" {
		return &urlMalformed
	}
	if u.User != nil {
		return &urlUser
	}
	port, ok := portOf(u)
	if !ok {
		return &urlMalformed
	}
	secure := u.Scheme == "https"
	address, err := netip.ParseAddr(u.Hostname())
	if err != nil { // a name: what it stands for is seen when it is dialled
		if !secure && len(g.allow) == 0 {
			return &urlPlain
		}
		if secure && port != 443 && port < 1024 && len(g.allow) == 0 {
			return &urlForbidden
		}
		return nil
	}
	if g.judge(networkOf(address), netip.AddrPortFrom(address.Unmap(), port), true) != nil {
		return &urlForbidden
	}
	if !secure && !g.allows(address) {
		return &urlPlain
	}
	return nil
}

func networkOf(address netip.Addr) string {
	if address.Unmap().Is4() {
		return "tcp4"
	}
	return "tcp6"
}

func portOf(u *url.URL) (uint16, bool) {
	switch text := u.Port(); {
	case text == "" && u.Scheme == "https":
		return 443, true
	case text == "":
		return 80, true
	default:
		port, err := strconv.ParseUint(text, 10, 16)
		return uint16(port), err == nil && port > 0
	}
}
