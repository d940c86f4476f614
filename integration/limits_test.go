package integration

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"singlewindow/api"
)

// limited serves the same gateway within other limits, behind a proxy on this
// machine.
func (w *restWindow) limited(t *testing.T, limits api.Limits, load *api.Load) *restWindow {
	t.Helper()
	other := *w
	other.options.Limits, other.options.Load = limits, load
	other.server = httptest.NewServer(api.BehindProxy([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, api.New(other.options)))
	t.Cleanup(other.server.Close)
	return &other
}

// untilTooMany asks until it is told to ask later, which must be soon.
func untilTooMany(t *testing.T, ask func() answer) (answer, int) {
	t.Helper()
	for number := range 500 {
		if given := ask(); given.status == http.StatusTooManyRequests {
			return given, number
		}
	}
	t.Fatal("never told to ask later")
	return answer{}, 0
}

var rateLimit = regexp.MustCompile(`^"([a-z]+)";r=(\d+);t=(\d+)$`)

// left reads what is left of a quota.
func left(t *testing.T, given answer, quota string) int {
	t.Helper()
	for part := range strings.SplitSeq(given.header.Get("RateLimit"), ", ") {
		found := rateLimit.FindStringSubmatch(part)
		if found == nil {
			t.Fatalf("RateLimit: %q", given.header.Get("RateLimit"))
		}
		if found[1] == quota {
			number, err := strconv.Atoi(found[2])
			must(t, err)
			return number
		}
	}
	t.Fatalf("no %s in %q", quota, given.header.Get("RateLimit"))
	return 0
}

func TestLimits(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	t.Run("requests", w.limitsRequests)
	t.Run("items and bytes", w.limitsItemsAndBytes)
	t.Run("before the body", w.limitsBeforeTheBody)
	t.Run("wrong keys", w.limitsWrongKeys)
	t.Run("one tenant has not all", w.limitsOneTenant)
	t.Run("overload", w.shedsLoad)
}

// Every answer tells what is left; when nothing is, it tells when to come back,
// and then there is something. Another tenant has its own.
func (w *restWindow) limitsRequests(t *testing.T) {
	limited := w.limited(t, api.Limits{Requests: 2, Bytes: 1000}, nil)
	get := func(bearer string) answer {
		return limited.ask(t, bearer, http.MethodGet, "/v1/declarations/none", nil)
	}
	first := get(w.key)
	if policy := first.header.Get("RateLimit-Policy"); first.status != http.StatusNotFound || policy != `"requests";q=20;w=10, "bytes";q=10000;qu="content-bytes";w=10` || left(t, first, "requests") != 19 {
		t.Errorf("%d %v", first.status, first.header)
	}
	last, number := untilTooMany(t, func() answer { return get(w.key) })
	refused(t, "too many", last, 429, "limit.requests")
	if number < 19 || left(t, last, "requests") != 0 || left(t, last, "bytes") != 10000 {
		t.Errorf("refused after %d more: %v", number, last.header)
	}
	if given := get(w.other); given.status != http.StatusNotFound {
		t.Errorf("another tenant: %d", given.status)
	}
	if given := limited.ask(t, "", http.MethodGet, "/livez", nil); given.status != http.StatusOK || given.header.Get("RateLimit") != "" {
		t.Errorf("health: %d %v", given.status, given.header)
	}
	after, err := strconv.Atoi(last.header.Get("Retry-After"))
	must(t, err)
	<-time.After(time.Duration(after) * time.Second)
	if given := get(w.key); given.status != http.StatusNotFound {
		t.Errorf("after %d s: %d", after, given.status)
	}
}

// Declarations tried or filed are counted apart, and so are bytes: a long body
// takes more than there is, and the next one waits.
func (w *restWindow) limitsItemsAndBytes(t *testing.T) {
	body := sampleDeclaration(t, func(map[string]any) {})
	try := func(at *restWindow, body []byte) answer {
		return at.ask(t, w.key, http.MethodPost, "/v1/declarations:validate", body, "Content-Type", "application/json")
	}
	items := w.limited(t, api.Limits{Items: 1}, nil)
	given, number := untilTooMany(t, func() answer { return try(items, body) })
	refused(t, "too many declarations", given, 429, "limit.items")
	if number < 10 {
		t.Errorf("refused after %d", number)
	}
	if given := items.ask(t, w.key, http.MethodGet, "/v1/declarations/none", nil); given.status != http.StatusNotFound {
		t.Errorf("reading: %d", given.status)
	}
	for name, length := range map[string]int64{"announced": 0, "not announced": -1} {
		narrow := w.limited(t, api.Limits{Bytes: 100}, nil)
		send := func() answer {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, narrow.server.URL+"/v1/declarations:validate", io.NopCloser(bytes.NewReader(body)))
			must(t, err)
			request.ContentLength = length
			if length == 0 {
				request.ContentLength = int64(len(body))
			}
			request.Header.Set("Authorization", "Bearer "+w.key)
			request.Header.Set("Content-Type", "application/json")
			response, err := narrow.server.Client().Do(request)
			must(t, err)
			content, err := io.ReadAll(response.Body)
			must(t, err)
			must(t, response.Body.Close())
			return answer{response.StatusCode, response.Header, content}
		}
		if given := send(); given.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, given.status, given.body)
		}
		last, _ := untilTooMany(t, send)
		refused(t, name, last, 429, "limit.bytes")
	}
}

// Whoever has nothing left is told so while the body is still with them, and
// nobody reads it.
func (w *restWindow) limitsBeforeTheBody(t *testing.T) {
	limited := w.limited(t, api.Limits{Requests: 1}, nil)
	for range 5 { // something may come into the bucket in between
		untilTooMany(t, func() answer {
			return limited.ask(t, w.key, http.MethodGet, "/v1/declarations/none", nil)
		})
		if limited.refusesAHead(t) {
			return
		}
	}
	t.Error("it waits for the body")
}

// refusesAHead sends the head of a long request, and tells whether that alone
// was refused.
func (w *restWindow) refusesAHead(t *testing.T) bool {
	t.Helper()
	connection, err := net.Dial("tcp", w.server.Listener.Addr().String())
	must(t, err)
	defer func() { must(t, connection.Close()) }()
	must(t, connection.SetDeadline(time.Now().Add(3*time.Second)))
	_, err = fmt.Fprintf(connection, "POST /v1/declarations:validate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n", w.key)
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	must(t, err)
	defer func() { must(t, response.Body.Close()) }()
	if response.StatusCode != http.StatusTooManyRequests || !response.Close || response.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	return true
}

// An address that shows wrong keys is soon not listened to; keys that were good
// lately pass, and so does every other address.
func (w *restWindow) limitsWrongKeys(t *testing.T) {
	limited := w.limited(t, api.Limits{Failures: 6}, nil)
	get := func(bearer, from string) answer {
		return limited.ask(t, bearer, http.MethodGet, "/v1/declarations/none", nil, "X-Forwarded-For", from)
	}
	const here, there = "192.0.2.1", "2001:db8::7"
	wrong := w.key[:len(w.key)-4] + "0000"
	if given := get(w.key, there); given.status != http.StatusNotFound {
		t.Fatalf("%d", given.status)
	}
	last, number := untilTooMany(t, func() answer { return get(wrong, here) })
	refused(t, "wrong keys", last, 429, "auth.tooMany")
	if number < 6 || last.header.Get("Retry-After") == "" {
		t.Errorf("refused after %d: %v", number, last.header)
	}
	if given := get(w.key, here); given.status != http.StatusNotFound {
		t.Errorf("a key that was good lately: %d", given.status)
	}
	refused(t, "a key nobody knows yet", get(w.other, here), 429, "auth.tooMany")
	refused(t, "the last hop counts", get(wrong, there+", "+here), 429, "auth.tooMany")
	refused(t, "elsewhere", get(wrong, there), 401, "auth.unknown")
	for range 20 {
		refused(t, "this machine", limited.ask(t, wrong, http.MethodGet, "/v1/declarations/none", nil), 401, "auth.unknown")
	}
}

// One tenant cannot have all that may be under way: the others find room.
func (w *restWindow) limitsOneTenant(t *testing.T) {
	load := api.NewLoad(4, 0)
	limited := w.limited(t, api.Limits{}, load)
	var open []net.Conn
	defer func() {
		for _, connection := range open {
			must(t, connection.Close())
		}
	}()
	for range 3 { // each holds its place with a body that does not come
		connection, err := net.Dial("tcp", limited.server.Listener.Addr().String())
		must(t, err)
		open = append(open, connection)
		_, err = fmt.Fprintf(connection, "POST /v1/declarations:validate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", w.key)
		must(t, err)
	}
	given, _ := untilTooMany(t, func() answer {
		return limited.ask(t, w.key, http.MethodGet, "/v1/declarations/none", nil)
	})
	refused(t, "more than its share", given, 429, "limit.concurrent")
	if given := limited.ask(t, w.other, http.MethodGet, "/v1/declarations/none", nil); given.status != http.StatusNotFound {
		t.Errorf("another tenant: %d", given.status)
	}
}

// percentile gives the time that so many of a hundred did not exceed.
func percentile(times []time.Duration, of int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)-1, len(times)*of/100)]
}

// pressure makes callers ask as fast as they are answered, for a while, and
// gives how long accepted answers took and how many were turned away. Who is
// turned away waits as told, but not as long.
func (w *restWindow) pressure(t *testing.T, callers int, long time.Duration, body []byte) (took []time.Duration, away int) {
	t.Helper()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all sync.WaitGroup
	deadline := time.Now().Add(long)
	for caller := range callers {
		all.Go(func() {
			for time.Now().Before(deadline) {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v1/declarations:validate", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Authorization", "Bearer "+[]string{w.key, w.other}[caller%2])
				request.Header.Set("Content-Type", "application/json")
				began := time.Now()
				response, err := client.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				if err = errors.Join(err, response.Body.Close()); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				switch response.StatusCode {
				case http.StatusOK:
					took = append(took, time.Since(began))
				case http.StatusServiceUnavailable, http.StatusTooManyRequests:
					away++
				default:
					t.Errorf("%d", response.StatusCode)
				}
				mu.Unlock()
				if response.StatusCode != http.StatusOK {
					<-time.After(100 * time.Millisecond)
				}
			}
		})
	}
	all.Wait()
	return took, away
}

// With three times as many callers as there is room for, whoever is let in is
// answered about as fast as with just as many; without a bound, not.
func (w *restWindow) shedsLoad(t *testing.T) {
	const room = 16
	long := time.Second
	if longForms() {
		long = 10 * time.Second
	}
	body := sampleDeclaration(t, func(map[string]any) {})
	bounded := w.limited(t, api.Limits{}, api.NewLoad(room, 0))
	unbounded := w.limited(t, api.Limits{}, nil)
	calm, none := bounded.pressure(t, room*3/4, long, body)
	crowded, away := bounded.pressure(t, 3*room, long, body)
	endless, _ := unbounded.pressure(t, 3*room, long, body)
	before, during, without := percentile(calm, 99), percentile(crowded, 99), percentile(endless, 99)
	number(t, "p99 of accepted requests at 3× overload, against that without", fmt.Sprintf("%v against %v, %d accepted, %d turned away (no bound: %v)", during.Round(time.Millisecond), before.Round(time.Millisecond), len(crowded), away, without.Round(time.Millisecond)), "3×")
	if none > 0 || away == 0 || len(crowded) == 0 {
		t.Errorf("%d turned away without need, %d with, %d accepted", none, away, len(crowded))
	}
	if during > patience(3*before+20*time.Millisecond) {
		t.Errorf("whoever was let in waited %v, before the rush %v", during, before)
	}
	if given := bounded.ask(t, "", http.MethodGet, "/readyz", nil); given.status != http.StatusOK {
		t.Errorf("health: %d", given.status)
	}
}
