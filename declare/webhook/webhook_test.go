package webhook

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDefaultTiming(t *testing.T) {
	timing := DefaultTiming()
	total := time.Duration(0)
	for attempts := 1; ; attempts++ {
		pause, again := timing.pause(attempts, "evt_1", 0)
		if !again {
			if attempts != 10 {
				t.Errorf("given up after %d attempts", attempts)
			}
			break
		}
		total += pause
	}
	if total < 72*time.Hour || total > 84*time.Hour {
		t.Errorf("given up after %v", total)
	}
	if timing.Attempt != 15*time.Second || timing.Overlap != 24*time.Hour || timing.LeaseGrace <= 0 || timing.InFlight*4 > timing.AllFlights {
		t.Errorf("%+v", timing)
	}
}

// A pause is never shorter than the schedule says or the receiver wishes, never
// longer than a sixteenth more, and the wish is bounded.
func TestPauses(t *testing.T) {
	timing := DefaultTiming()
	rapid.Check(t, func(t *rapid.T) {
		attempts := rapid.IntRange(0, 12).Draw(t, "attempts")
		wish := time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "wish"))
		event := rapid.String().Draw(t, "event")
		pause, again := timing.pause(attempts, event, wish)
		if again != (attempts <= len(timing.Pauses)) {
			t.Fatalf("another attempt: %v", again)
		}
		if !again {
			return
		}
		documented, asked := timing.Pauses[max(attempts, 1)-1], min(wish, timing.LongestAsk)
		if pause < documented || pause < asked || pause > max(documented+documented/spreadParts, asked) {
			t.Fatalf("%v, where %v is documented and %v asked", pause, documented, asked)
		}
	})
}

func TestThoseWhoFailTogetherDoNotComeBackTogether(t *testing.T) {
	timing, seen := DefaultTiming(), map[time.Duration]bool{}
	for i := range 100 {
		pause, _ := timing.pause(3, "evt_"+strings.Repeat("0", i), 0)
		seen[pause] = true
	}
	if len(seen) < 30 {
		t.Errorf("100 deliveries come back at %d moments", len(seen))
	}
}

func TestWishes(t *testing.T) {
	now := time.Date(2026, 3, 2, 2, 3, 4, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-7": 0, "soon": 0, "99999999999999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := wishOf(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// forbidden are addresses that nobody may have us connect to.
var forbidden = strings.Fields(`0.0.0.0 10.1.2.3 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
	192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
	:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1::1
	3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 4000::1 8000::1 fe80::1%eth0`)

var public = strings.Fields("1.1.1.1 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.1.1.1 128.0.0.1 172.15.255.255 172.32.0.1 223.255.255.254 2606:4700::1 2a00:1450::1 2400:da00::1")

func TestWhatMayBeDialled(t *testing.T) {
	var told []bool
	guard := newGuard(nil, func(_ netip.AddrPort, allowed bool) { told = append(told, allowed) })
	dial := func(secure bool, address, port string) error {
		at, err := netip.ParseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		network := networkOf(at)
		if at.Is6() {
			network, address = "tcp6", "["+address+"]"
		}
		return guard.control(secure)(network, address+":"+port, nil)
	}
	for _, address := range forbidden {
		for _, port := range []string{"443", "80", "8443"} {
			for _, secure := range []bool{true, false} {
				if err := dial(secure, address, port); !errors.Is(err, errForbidden) || strings.Contains(err.Error(), address) {
					t.Errorf("%s port %s: %v", address, port, err)
				}
			}
		}
	}
	for _, allowed := range told {
		if allowed {
			t.Error("a forbidden address was told to be allowed")
		}
	}
	for _, address := range public {
		for port, allowed := range map[string]bool{"443": true, "8443": true, "1024": true, "65535": true, "80": false, "22": false, "25": false, "1023": false, "0": false} {
			if err := dial(true, address, port); (err == nil) != allowed {
				t.Errorf("%s port %s: %v", address, port, err)
			}
			if err := dial(false, address, port); err == nil {
				t.Errorf("%s port %s is dialled without TLS", address, port)
			}
		}
	}
	for _, odd := range []string{"", "x", "1.1.1.1", "example.com:443", "1.1.1.1:443:443"} {
		if err := guard.control(true)("tcp4", odd, nil); !errors.Is(err, errForbidden) {
			t.Errorf("%q: %v", odd, err)
		}
	}
	for _, network := range []string{"udp4", "unix", "tcp"} {
		if err := guard.control(true)(network, "1.1.1.1:443", nil); !errors.Is(err, errForbidden) {
			t.Errorf("%s is dialled", network)
		}
	}
}

// What a name resolves to is judged, not the name.
func TestNamesAreJudgedByWhatTheyResolveTo(t *testing.T) {
	asked := 0
	guard := newGuard(nil, func(_ netip.AddrPort, allowed bool) {
		if asked++; allowed {
			t.Error("allowed")
		}
	})
	for _, address := range []string{"https://localhost:9443/", "https://127.0.0.1:9443/", "https://[::ffff:127.0.0.1]/", "http://localhost/"} {
		response, err := guard.client(strings.HasPrefix(address, "https")).Get(address)
		if err == nil {
			t.Error(response.Body.Close())
		}
		if reason := reasonOf(t.Context(), err); reason != ReasonForbidden {
			t.Errorf("%s: %s, %v", address, reason, err)
		}
	}
	if asked < 4 {
		t.Errorf("asked %d times", asked)
	}
}

// An operator's exception holds for its prefix, over http and at any port, and
// for nothing beside it.
func TestExceptions(t *testing.T) {
	allow, err := ParseAllowed(" 127.0.0.1/32, fd00::/8,")
	if err != nil || len(allow) != 2 {
		t.Fatalf("%v %v", allow, err)
	}
	guard := newGuard(allow, nil)
	for address, allowed := range map[string]bool{"127.0.0.1:80": true, "127.0.0.1:22": true, "[fd00::1]:8080": true, "127.0.0.2:80": false, "10.0.0.1:443": false, "[fc00::1]:443": false, "1.1.1.1:80": false, "[fd00::1%eth0]:80": false} {
		network := "tcp4"
		if address[0] == '[' {
			network = "tcp6"
		}
		if err := guard.control(false)(network, address, nil); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, bad := range []string{"127.0.0.1", "x/8", "10.0.0.0/33", "::ffff:10.0.0.0/104"} {
		if _, err := ParseAllowed(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestURLs(t *testing.T) {
	strict, lenient := newGuard(nil, nil), newGuard([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)
	for raw, wants := range map[string][2]bool{ // without an exception, and with one
		"https://hooks.example.com/x?y=z": {true, true}, "https://hooks.example.com:8443": {true, true}, "https://1.1.1.1/": {true, true}, "https://[2606:4700::1]:9443/": {true, true},
		"https://hooks.example.com:22": {false, true}, "http://hooks.example.com/": {false, true}, "http://10.1.1.1:8080/": {false, true}, "https://10.1.1.1:25/": {false, true},
		"http://1.1.1.1/": {}, "https://127.0.0.1/": {}, "https://[::1]/": {}, "https://[::ffff:127.0.0.1]/": {}, "https://169.254.169.254/": {}, "https://[fe80::1%25eth0]/": {},
		"": {}, "x": {}, "/x": {}, "ftp://example.com/": {}, "https://": {}, "https:///x": {}, "https:example.com": {}, "https://example.com/#x": {}, "https://example.com:0/": {}, "https://example.com:99999/": {}, "https://example.com:x/": {},
		"https://user@example.com/": {}, "https://user:pass@example.com/": {}, "https://exa mple.com/": {}, "https://example.com/\n": {}, "https://example.com/" + strings.Repeat("x", 2000): {}, "https://example.com/\xff": {},
	} {
		for i, guard := range []*Guard{strict, lenient} {
			if text := guard.check(raw); (text == nil) != wants[i] {
				t.Errorf("%.50q, exceptions %v: %v", raw, i == 1, text)
			}
		}
	}
}

func TestSecretsAreSealed(t *testing.T) {
	v, err := newVault(bytes.Repeat([]byte("s"), 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newVault(bytes.Repeat([]byte("o"), 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := v.make()
	if err != nil || !strings.HasPrefix(secret, "whsec_") || len(secret) != len("whsec_")+44 {
		t.Fatalf("%d characters, %v", len(secret), err)
	}
	sealed, err := v.seal([]byte(secret), "acme", "whk_1")
	if err != nil || bytes.Contains(sealed, []byte(secret[6:])) {
		t.Fatalf("open: %v", err)
	}
	if plain, err := v.open(sealed, "acme", "whk_1"); err != nil || string(plain) != secret {
		t.Errorf("%v", err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for what, open := range map[string]func() ([]byte, error){
		"for another tenant":   func() ([]byte, error) { return v.open(sealed, "bolt", "whk_1") },
		"for another endpoint": func() ([]byte, error) { return v.open(sealed, "acme", "whk_2") },
		"by another gateway":   func() ([]byte, error) { return other.open(sealed, "acme", "whk_1") },
		"changed":              func() ([]byte, error) { return v.open(changed, "acme", "whk_1") },
		"empty":                func() ([]byte, error) { return v.open(nil, "acme", "whk_1") },
	} {
		if _, err := open(); !errors.Is(err, errSealed) {
			t.Errorf("%s it opens: %v", what, err)
		}
	}
	if _, err := newVault(make([]byte, 31), rand.Reader); err == nil {
		t.Error("a short secret is taken")
	}
}
