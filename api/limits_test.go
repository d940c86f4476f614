package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// A bucket fills at its rate, holds ten seconds' worth, and may owe one body.
func TestBuckets(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	l := newLimiter(Limits{Requests: 1, Bytes: 100, Items: 2}, func() time.Time { return now })
	if l.told != `"requests";q=10;w=10, "bytes";q=1000;qu="content-bytes";w=10, "items";q=20;qu="items";w=10` {
		t.Error(l.told)
	}
	acme := l.of("acme")
	if l.of("acme") != acme || l.of("bolt") == acme {
		t.Error("tenants share")
	}
	take := func(wanted cost) string {
		if err := acme.take(now, wanted); err != nil {
			return err.Error()
		}
		return ""
	}
	told := func(want string) {
		t.Helper()
		if got := acme.tell(now); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	if refused := take(cost{"requests": 1, "items": 1, "bytes": 400}); refused != "" {
		t.Error(refused)
	}
	told(`"requests";r=9;t=1, "bytes";r=600;t=4, "items";r=19;t=1`)
	if refused := take(cost{"requests": 1, "bytes": 900}); refused != "" {
		t.Error(refused)
	}
	told(`"requests";r=8;t=2, "bytes";r=0;t=13, "items";r=19;t=1`)
	if refused := take(cost{"requests": 1, "bytes": 1}); refused != "limit.bytes" {
		t.Error(refused)
	}
	told(`"requests";r=8;t=2, "bytes";r=0;t=13, "items";r=19;t=1`)
	if err, soon := acme.take(now, cost{"requests": 1, "bytes": 1}).(*tooSoon); !soon || err.after != 4 { //nolint:errorlint // it is never wrapped
		t.Errorf("%+v", err)
	}
	now = now.Add(4 * time.Second)
	if refused := take(cost{"requests": 1, "bytes": 1 << 30}); refused != "" {
		t.Error(refused)
	}
	told(`"requests";r=9;t=1, "bytes";r=0;t=19, "items";r=20;t=0`)
	for range 9 {
		if refused := take(cost{"requests": 1}); refused != "" {
			t.Error(refused)
		}
	}
	if refused := take(cost{"requests": 1}); refused != "limit.requests" {
		t.Error(refused)
	}
}

func TestStrangers(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	s := newStrangers(3, func() time.Time { return now })
	here := addressOfStranger("192.0.2.1:5")
	for range 3 {
		if s.barred(here, "x") > 0 {
			t.Fatal("barred too early")
		}
		s.note(here, "x", false)
	}
	if after := s.barred(here, "x"); after != 20 {
		t.Errorf("%d", after)
	}
	s.note(addressOfStranger("192.0.2.2:5"), "good", true)
	if s.barred(here, "good") > 0 || s.barred(addressOfStranger("192.0.2.2:5"), "x") > 0 {
		t.Error("others are barred")
	}
	now = now.Add(20 * time.Second)
	if s.barred(here, "x") > 0 {
		t.Error("barred for ever")
	}
	for remote, want := range map[string]string{
		"[2001:db8::1:2]:5": "2001:db8::", "[::ffff:192.0.2.7]:5": "192.0.2.7", "127.0.0.1:5": "invalid IP", "[::1]:5": "invalid IP", "nonsense": "invalid IP",
	} {
		if got := addressOfStranger(remote).String(); got != want {
			t.Errorf("%s: %s", remote, got)
		}
	}
}

func TestLatelyForgets(t *testing.T) {
	l := newLately[int, int](2)
	for i := range 5 {
		l.put(i, i)
		if _, known := l.get(0); !known {
			t.Errorf("what is used is forgotten after %d", i)
		}
	}
	if _, known := l.get(1); known || len(l.young)+len(l.old) > 4 {
		t.Errorf("%v %v", l.young, l.old)
	}
}

func TestTraces(t *testing.T) {
	const good = "0af7651916cd43dd8448eb211c80319c"
	for given, want := range map[string]string{
		"00-" + good + "-b7ad6b7169203331-01":                     good,
		"01-" + good + "-b7ad6b7169203331-01-later":               good,
		"00-" + good + "-b7ad6b7169203331-01-later":               "",
		"ff-" + good + "-b7ad6b7169203331-01":                     "",
		"00-" + good + "-0000000000000000-01":                     "",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": "",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01": "",
		"00-" + good + "-b7ad6b7169203331":                        "",
		"":                                                        "",
	} {
		if got := traceOf(http.Header{headerTraceParent: {given}}); got != want {
			t.Errorf("%q: %q", given, got)
		}
	}
	if traceOf(http.Header{headerTraceParent: {"00-" + good + "-b7ad6b7169203331-01", "x"}}) != "" {
		t.Error("two of them")
	}
}

// Whom a request comes from: proxies are believed, others are not.
func TestBehind(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		remote    string
		forwarded []string
		protocol  string
		want      string
		over      string
	}{
		{"192.0.2.1:5", nil, "", "192.0.2.1:5", ""},
		{"192.0.2.1:5", []string{"198.51.100.7"}, "https", "192.0.2.1:5", ""},
		{"10.0.0.1:5", nil, "", "10.0.0.1:5", ""},
		{"10.0.0.1:5", []string{"198.51.100.7"}, "https", "198.51.100.7:0", "https"},
		{"10.0.0.1:5", []string{"6.6.6.6, 198.51.100.7, 10.9.9.9"}, "https, http", "198.51.100.7:0", ""},
		{"10.0.0.1:5", []string{"6.6.6.6", "198.51.100.7:4711"}, "http", "198.51.100.7:0", ""},
		{"10.0.0.1:5", []string{"198.51.100.7, nonsense"}, "", "10.0.0.1:5", ""},
		{"[::ffff:10.0.0.1]:5", []string{"2001:db8::1"}, "HTTPS", "[2001:db8::1]:0", "https"},
		{"[::1]:5", []string{"10.0.0.1"}, "", "10.0.0.1:0", ""},
	} {
		var seen *http.Request
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.RemoteAddr = c.remote
		request.Header[headerForwardedFor] = c.forwarded
		if c.protocol != "" {
			request.Header.Set(headerForwardedProto, c.protocol)
		}
		BehindProxy(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r })).ServeHTTP(httptest.NewRecorder(), request)
		if seen.RemoteAddr != c.want || seen.Header.Get(headerForwardedProto) != c.over || seen.Header.Get(headerForwardedFor) != "" {
			t.Errorf("%+v: %s %v", c, seen.RemoteAddr, seen.Header)
		}
	}
}
