package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// The headers by which a proxy tells for whom, and how, it asks.
const (
	headerForwardedFor   = "X-Forwarded-For"
	headerForwardedProto = "X-Forwarded-Proto"
)

// BehindProxy makes every request tell truly where it comes from: RemoteAddr is the
// client's address, and X-Forwarded-Proto stands there only, and says https,
// when the client spoke TLS to a proxy. Proxies are believed when they ask from
// one of the trusted networks; whatever else claims to be one is not.
func BehindProxy(trusted []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forwarded, protocol := r.Header.Values(headerForwardedFor), r.Header.Values(headerForwardedProto)
		r.Header.Del(headerForwardedFor)
		r.Header.Del(headerForwardedProto)
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && holds(trusted, peer.Addr()) {
			if client := clientOf(forwarded, trusted); client.IsValid() {
				r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
			}
			if last := lastOf(protocol); strings.EqualFold(last, "https") {
				r.Header.Set(headerForwardedProto, "https")
			}
		}
		next.ServeHTTP(w, r)
	})
}

// holds tells whether an address is in one of the networks.
func holds(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(address.Unmap().WithZone("")) })
}

// clientOf is the last address that a proxy of ours saw: what stands before it
// is the client's own word. It is not valid when there is none.
func clientOf(forwarded []string, trusted []netip.Prefix) (client netip.Addr) {
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for _, hop := range slices.Backward(hops) {
		address, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			whole, err := netip.ParseAddrPort(strings.TrimSpace(hop)) // some tell the port too
			if err != nil {
				return client
			}
			address = whole.Addr()
		}
		client = address.Unmap()
		if !holds(trusted, client) {
			return client
		}
	}
	return client
}

// lastOf is the last of the values in a header.
func lastOf(values []string) string {
	all := strings.Split(strings.Join(values, ","), ",")
	return strings.TrimSpace(all[len(all)-1])
}
