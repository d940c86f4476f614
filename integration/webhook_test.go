package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/declare"
	"singlewindow/declare/event"
	"singlewindow/declare/webhook"
)

// mostTries is how often a delivery is tried in these tests.
const mostTries = 8

// openWebhooks opens webhooks beside a ledger, with times a test can wait for.
func openWebhooks(t testing.TB, ledger *declare.Ledger, events *event.Stream, dialled func(netip.AddrPort, bool)) *webhook.Webhooks {
	t.Helper()
	timing := webhook.DefaultTiming()
	timing.Poll, timing.Sweep, timing.Attempt, timing.LeaseGrace, timing.Drain = 20*time.Millisecond, time.Second, 600*time.Millisecond, time.Second, time.Second
	timing.Pauses = slices.Repeat([]time.Duration{100 * time.Millisecond}, mostTries-1)
	timing.LongestAsk = time.Second
	opened, err := webhook.Open(t.Context(), webhook.Options{
		Ledger: ledger, Events: events, Secret: accountSecret, Body: api.WebhookBody, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		IDs: newIDs(), Now: time.Now, Random: rand.Reader, Timing: timing, Log: quiet(t), Dialled: dialled,
	})
	must(t, err)
	return opened
}

// A hookWindow is the API with webhooks that run, and a hand that writes events
// in the place of a gateway: that is all webhooks have to do with one.
type hookWindow struct {
	*restWindow
	conn *pgx.Conn

	mu      sync.Mutex
	allowed map[netip.AddrPort]int // connections that were made
	refused map[netip.AddrPort]int // connections the guard did not let be made
}

func newHookWindow(t *testing.T) *hookWindow {
	t.Helper()
	ledger, database := newLedger(t)
	w := &hookWindow{restWindow: &restWindow{ledger: ledger, accounts: openAccounts(t, ledger, accountSecret, time.Now)}, allowed: map[netip.AddrPort]int{}, refused: map[netip.AddrPort]int{}}
	for tenant, key := range map[string]*string{acme: &w.key, bolt: &w.other} {
		must(t, w.accounts.CreateTenant(t.Context(), tenant, tenant))
		made, err := w.accounts.CreateKey(t.Context(), tenant, "test")
		must(t, err)
		*key = made.Secret
	}
	kinds, err := restKinds()
	must(t, err)
	events := event.Open(ledger, quiet(t), 50*time.Millisecond)
	hooks := openWebhooks(t, ledger, events, w.dialled)
	w.options = api.Options{Accounts: w.accounts, Kinds: kinds, Events: events, Webhooks: hooks, IDs: newIDs(), Log: quiet(t), Version: "test", Ping: ledger.Ping}
	w.server = httptest.NewServer(api.New(w.options))
	t.Cleanup(w.server.Close)
	w.document = readDocument(t, w.server)
	w.tell(t, events)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); hooks.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	w.conn, err = pgx.Connect(t.Context(), database)
	must(t, err)
	t.Cleanup(func() { must(t, w.conn.Close(context.Background())) })
	return w
}

func (w *hookWindow) dialled(at netip.AddrPort, allowed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if allowed {
		w.allowed[at]++
	} else {
		w.refused[at]++
	}
}

// happen writes events of new declarations of acme, one after the other in
// turn, and says when each was written.
func (w *hookWindow) happen(t *testing.T, declarations, each int) map[string]time.Time {
	t.Helper()
	ids, written := newIDs(), map[string]time.Time{}
	of := make([]string, declarations)
	for i := range of {
		of[i] = ids.New("dec")
	}
	for number := range each {
		for _, declaration := range of {
			id := ids.New("evt")
			_, err := w.conn.Exec(t.Context(), "INSERT INTO event (tenant_id, declaration_id, number, id, type, at) VALUES ($1, $2, $3, $4, 'declaration.status', now())", acme, declaration, number+1, id)
			must(t, err)
			written[id] = time.Now()
		}
	}
	return written
}

// A sink is an enterprise's own server, which takes webhooks.
type sink struct {
	*httptest.Server
	id string

	answer func(try int, w http.ResponseWriter, r *http.Request) // nil: 204

	mu      sync.Mutex
	secrets []string
	tries   map[string]int
	taken   []hooked // those answered 2xx, in order
	faults  []string
}

// hooked is a webhook that was taken.
type hooked struct {
	api.FeedEvent
	at         time.Time
	signatures int
}

func newSink(t *testing.T, answer func(int, http.ResponseWriter, *http.Request)) *sink {
	t.Helper()
	s := &sink{answer: answer, tries: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements [http.Handler].
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the gateway died in the middle
	}
	id := r.Header.Get(standardwebhooks.HeaderWebhookID)
	var told struct {
		Type      string
		Timestamp time.Time
		Data      api.FeedEvent
	}
	s.mu.Lock()
	s.tries[id]++
	try := s.tries[id]
	if err := json.Unmarshal(body, &told); err != nil || told.Data.ID != id || told.Type != told.Data.Type || !told.Timestamp.Equal(told.Data.At) || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		s.faults = append(s.faults, fmt.Sprintf("%s %v %s", id, err, body))
	}
	for _, secret := range s.secrets {
		if err := verify(secret, body, r.Header); err != nil {
			s.faults = append(s.faults, fmt.Sprintf("%s: %v", id, err))
		}
	}
	s.mu.Unlock()
	recorder := httptest.NewRecorder()
	recorder.Code = http.StatusNoContent
	if s.answer != nil {
		s.answer(try, recorder, r)
	}
	if recorder.Code < 300 {
		s.mu.Lock()
		s.taken = append(s.taken, hooked{told.Data, arrived, len(strings.Fields(r.Header.Get(standardwebhooks.HeaderWebhookSignature)))})
		s.mu.Unlock()
	}
	maps.Copy(w.Header(), recorder.Header())
	w.WriteHeader(recorder.Code)
}

func verify(secret string, body []byte, header http.Header) error {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	return verifier.Verify(body, header)
}

// got is what was taken so far.
func (s *sink) got() []hooked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

func (s *sink) verifyWith(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = secrets
}

// lacks is how many of these events were not taken.
func (s *sink) lacks(events map[string]time.Time) int {
	taken := map[string]bool{}
	for _, one := range s.got() {
		taken[one.ID] = true
	}
	lacking := 0
	for id := range events {
		if !taken[id] {
			lacking++
		}
	}
	return lacking
}

// mustHold: every event was taken, those of a declaration first in the order of
// their numbers, and every request was sound. It gives how many came twice.
func (s *sink) mustHold(t *testing.T, name string, events map[string]time.Time) (twice int) {
	t.Helper()
	if lost := s.lacks(events); lost > 0 {
		t.Errorf("%s: %d of %d events lost", name, lost, len(events))
	}
	seen, last := map[string]bool{}, map[string]int{}
	for _, one := range s.got() {
		if seen[one.ID] {
			twice++
			continue
		}
		seen[one.ID] = true
		if one.DeclarationID == "" {
			continue
		}
		if one.Number != last[one.DeclarationID]+1 {
			t.Errorf("%s: %s has its number %d after %d", name, one.DeclarationID, one.Number, last[one.DeclarationID])
		}
		last[one.DeclarationID] = one.Number
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 {
		t.Errorf("%s: %d faults, such as %s", name, len(s.faults), s.faults[0])
	}
	return twice
}

// hook makes a webhook for acme and gives its id.
func (w *hookWindow) hook(t *testing.T, to string) (id, secret string) {
	t.Helper()
	given := w.ask(t, w.key, http.MethodPost, "/v1/webhooks", []byte(`{"url":"`+to+`"}`), "Idempotency-Key", rand.Text(), "Content-Type", "application/json")
	if given.status != http.StatusCreated {
		t.Fatalf("%d %s", given.status, given.body)
	}
	made := decoded[api.MadeWebhook](t, given)
	return made.ID, made.Secret
}

func (w *hookWindow) hookUp(t *testing.T, s *sink) *sink {
	t.Helper()
	id, secret := w.hook(t, s.URL+"/hook?token=not-for-logs")
	s.id = id
	s.verifyWith(secret)
	return s
}

func (w *hookWindow) hookState(t *testing.T, id string) api.WebhookView {
	t.Helper()
	return decoded[api.WebhookView](t, w.ask(t, w.key, http.MethodGet, "/v1/webhooks/"+id, nil))
}

func (w *hookWindow) deliveries(t *testing.T, id, query string) []api.DeliveryView {
	t.Helper()
	given := w.ask(t, w.key, http.MethodGet, "/v1/webhooks/"+id+"/deliveries?limit=200"+query, nil)
	return decoded[struct{ Deliveries []api.DeliveryView }](t, given).Deliveries
}

// latencies are how long events took to a sink, the shortest first.
func (s *sink) latencies(events map[string]time.Time) (took []time.Duration) {
	for _, one := range s.got() {
		if written, mine := events[one.ID]; mine {
			took = append(took, one.at.Sub(written))
		}
	}
	slices.Sort(took)
	return took
}

func latencyAt(of []time.Duration, percent int) time.Duration {
	return of[min(len(of)*percent/100, len(of)-1)].Round(time.Millisecond)
}

// TestWebhooksInTrouble sends the same events to sinks of every kind of
// trouble: nothing is lost, nothing goes where it must not, and the one that is
// well waits for none of the others.
func TestWebhooksInTrouble(t *testing.T) {
	t.Parallel()
	webhooksInTrouble(t, 12, 3)
}

// TestLongWebhooksInTrouble is the same with many events.
func TestLongWebhooksInTrouble(t *testing.T) {
	onlyLong(t)
	webhooksInTrouble(t, 300, 6)
}

func webhooksInTrouble(t *testing.T, declarations, each int) {
	w := newHookWindow(t)
	well := w.hookUp(t, newSink(t, nil))
	alone := w.happen(t, declarations, each)
	eventually(t, 5*time.Minute, "everything arrives where all is well", func() bool { return well.lacks(alone) == 0 })

	slow := w.hookUp(t, newSink(t, func(try int, rw http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get(standardwebhooks.HeaderWebhookID); try == 1 && id[len(id)-1] < '8' { // one of four
			<-r.Context().Done() // until the gateway has had enough
			rw.WriteHeader(http.StatusGatewayTimeout)
		}
	}))
	sick := w.hookUp(t, newSink(t, func(try int, rw http.ResponseWriter, _ *http.Request) {
		if try < 3 {
			rw.Header().Set("Retry-After", "0")
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	gone := w.hookUp(t, newSink(t, func(_ int, rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusGone) }))
	trap := newTrap(t)
	var leads atomic.Int32
	leading := w.hookUp(t, newSink(t, func(_ int, rw http.ResponseWriter, _ *http.Request) {
		to := []string{"http://" + trap.address + "/", "http://169.254.169.254/latest/meta-data/", "http://[::1]:" + trap.port + "/"}
		rw.Header().Set("Location", to[int(leads.Add(1))%len(to)])
		rw.WriteHeader(http.StatusTemporaryRedirect)
	}))
	dead, _ := w.hook(t, "http://"+freeAddress(t)+"/")
	rebound, _ := w.hook(t, well.URL+"/")
	_, err := w.conn.Exec(t.Context(), "UPDATE webhook_endpoint SET url = $1 WHERE id = $2", "http://"+trap.address+"/", rebound) // as if its name led there by now
	must(t, err)

	among := w.happen(t, declarations, each)
	eventually(t, 5*time.Minute, "everything arrives wherever it can", func() bool {
		return well.lacks(among)+slow.lacks(among)+sick.lacks(among) == 0
	})
	twice := well.mustHold(t, "well", alone) + slow.mustHold(t, "slow", among) + sick.mustHold(t, "sick", among)
	before, beside := well.latencies(alone), well.latencies(among)
	number(t, "webhooks: events lost by sinks well, slow and sick", well.lacks(alone)+well.lacks(among)+slow.lacks(among)+sick.lacks(among), 0)
	number(t, "webhooks: delivered more than once", twice, "few")
	number(t, "webhooks: from an event to a sink that is well, alone, p50 and p99", []time.Duration{latencyAt(before, 50), latencyAt(before, 99)}, "-")
	number(t, "webhooks: the same beside six in trouble, p50 and p99", []time.Duration{latencyAt(beside, 50), latencyAt(beside, 99)}, "a second later than three times that")
	// Seven deliveries of each event are written now, by the same database: of
	// many events that alone takes longer.
	if latencyAt(beside, 50) > 3*latencyAt(before, 50)+time.Second {
		t.Errorf("others hold up the sink that is well: %v after %v", latencyAt(beside, 50), latencyAt(before, 50))
	}
	eventually(t, time.Minute, "what cannot arrive is parked", func() bool {
		return w.hookState(t, gone.id).State == "gone" && w.hookState(t, leading.id).State == "parked" && w.hookState(t, dead).State == "parked" && w.hookState(t, rebound).State == "parked"
	})
	for id, reason := range map[string]string{gone.id: "gone", leading.id: "redirect", dead: "unreachable", rebound: "forbidden"} {
		parked := w.deliveries(t, id, "&state=parked")
		if len(parked) == 0 || !slices.ContainsFunc(parked, func(d api.DeliveryView) bool {
			return d.Reason == reason && (reason == "gone" || d.Attempts == mostTries)
		}) {
			t.Errorf("%s: %+v", reason, parked)
		}
	}
	w.mustDialOnly(t, trap, well, slow, sick, gone, leading)

	// What was parked is sent again when its endpoint is well.
	late := newSink(t, nil)
	address, err := json.Marshal(map[string]string{"url": late.URL, "state": "on"})
	must(t, err)
	if given := w.ask(t, w.key, http.MethodPatch, "/v1/webhooks/"+dead, address, "Content-Type", "application/json"); given.status != http.StatusOK {
		t.Fatalf("%d %s", given.status, given.body)
	}
	given := w.ask(t, w.key, http.MethodPost, "/v1/webhooks/"+dead+"/resend", []byte(`{"from":"2020-01-01T00:00:00Z"}`), "Content-Type", "application/json")
	if given.status != http.StatusAccepted {
		t.Fatalf("%d %s", given.status, given.body)
	}
	eventually(t, 5*time.Minute, "what was parked arrives", func() bool { return late.lacks(among) == 0 })
}

// A trap listens where nobody may be led to.
type trap struct {
	address, port string
	fell          atomic.Int32
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	must(t, err)
	c := &trap{address: listener.Addr().String()}
	c.port = fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			c.fell.Add(1)
			if err := connection.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() { must(t, listener.Close()); <-done })
	return c
}

// mustDialOnly: every connection that was made led to a sink or to where
// nothing listens, none into the trap.
func (w *hookWindow) mustDialOnly(t *testing.T, trap *trap, sinks ...*sink) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	own, kept := netip.MustParseAddr("127.0.0.1"), 0
	for at, times := range w.allowed {
		if at.Addr() != own {
			t.Errorf("%d connections to %v", times, at)
		}
	}
	for at, times := range w.refused {
		kept += times
		if at.String() != trap.address {
			t.Errorf("a redirect was followed: %v was to be dialled", at)
		}
	}
	number(t, "webhooks: connections to forbidden addresses", trap.fell.Load(), 0)
	if trap.fell.Load() > 0 || kept == 0 || len(w.allowed) < len(sinks) {
		t.Errorf("%d connections into the trap, %d kept from it, %d addresses dialled", trap.fell.Load(), kept, len(w.allowed))
	}
}

// Both secrets sign while one takes the other's place.
func TestWebhookSecretsRotate(t *testing.T) {
	t.Parallel()
	w := newHookWindow(t)
	s := newSink(t, nil)
	id, first := w.hook(t, s.URL)
	test := func(signatures int, secrets ...string) {
		t.Helper()
		s.verifyWith(secrets...)
		before := len(s.got())
		given := w.ask(t, w.key, http.MethodPost, "/v1/webhooks/"+id+"/test", nil, "Idempotency-Key", rand.Text())
		if given.status != http.StatusAccepted {
			t.Fatalf("%d %s", given.status, given.body)
		}
		eventually(t, 20*time.Second, "the test event arrives", func() bool { return len(s.got()) > before })
		if last := s.got()[before]; last.Type != "webhook.test" || last.signatures != signatures {
			t.Errorf("%+v, want %d signatures", last, signatures)
		}
		s.mustHold(t, "rotating", nil)
	}
	rotate := func(key string) (answer, api.MadeWebhook) {
		t.Helper()
		given := w.ask(t, w.key, http.MethodPost, "/v1/webhooks/"+id+"/secrets", nil, "Idempotency-Key", key)
		if given.status != http.StatusCreated {
			t.Fatalf("%d %s", given.status, given.body)
		}
		return given, decoded[api.MadeWebhook](t, given)
	}
	test(1, first)
	given, second := rotate("rotation-2")
	if again, _ := rotate("rotation-2"); !bytes.Equal(again.body, given.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("asked again: %s", again.body)
	}
	test(2, first, second.Secret)
	_, third := rotate("rotation-3")
	if third.Secret == second.Secret || len(third.Secrets) != 2 || third.Secrets[1].ExpiresAt == nil || third.Secrets[0].ExpiresAt != nil {
		t.Errorf("%+v", third.WebhookView)
	}
	test(2, second.Secret, third.Secret) // the first ended when there were two others
	_, err := w.conn.Exec(t.Context(), "UPDATE webhook_secret SET expires_at = now() WHERE expires_at > now()")
	must(t, err)
	test(1, third.Secret)
	var open int
	must(t, w.conn.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM webhook_secret s WHERE encode(sealed, 'escape') LIKE '%whsec%') + (SELECT count(*) FROM webhook_request r WHERE encode(answer, 'escape') LIKE '%whsec%')").Scan(&open))
	if open > 0 {
		t.Errorf("%d secrets lie open in the database", open)
	}
}

// TestWebhooksOverREST: making, changing, listing and ending them, and every
// way of being refused.
func TestWebhooksOverREST(t *testing.T) {
	t.Parallel()
	w := newHookWindow(t)
	s := newSink(t, nil)
	body := []byte(`{"url":"` + s.URL + `/x","description":"货代系统","eventTypes":["declaration.status"]}`)
	create := func(key string, body []byte) answer {
		t.Helper()
		return w.ask(t, w.key, http.MethodPost, "/v1/webhooks", body, "Idempotency-Key", key, "Content-Type", "application/json")
	}
	first := create("hook-1", body)
	made := decoded[api.MadeWebhook](t, first)
	if first.status != http.StatusCreated || first.header.Get("Location") != "/v1/webhooks/"+made.ID || made.State != "on" || made.Description != "货代系统" || !strings.HasPrefix(made.Secret, "whsec_") {
		t.Fatalf("%d %v %s", first.status, first.header, first.body)
	}
	w.mustMakeOnce(t, []byte(`{"url":"`+s.URL+`","state":"paused"}`))
	again := create("hook-1", body)
	if again.header.Get("Idempotent-Replayed") != "true" || !bytes.Equal(again.body, first.body) {
		t.Errorf("replay: %v %s", again.header, again.body)
	}
	refused(t, "same key, other body", create("hook-1", append(body, '\n')), 422, "idempotency.keyReused")
	refused(t, "no key", create("", body), 400, "idempotency.missing")
	refused(t, "no JSON", create("k", []byte("{")), 400, "json.invalid")
	for bad, pointer := range map[string]string{
		`{}`: "/url", `[]`: "", `{"url":1}`: "/url", `{"url":"https://127.0.0.2/"}`: "/url", `{"url":"http://169.254.169.254/"}`: "/url", `{"url":"https://u:secret-value@example.com/"}`: "/url",
		`{"url":"https://example.com/","eventTypes":["declaration.status","none"]}`: "/eventTypes/1", `{"url":"https://example.com/","eventTypes":"none"}`: "/eventTypes",
		`{"url":"https://example.com/","state":"gone"}`: "/state", `{"url":"https://example.com/","more":1}`: "/more", `{"url":"https://example.com/","description":"` + strings.Repeat("字", 201) + `"}`: "/description",
	} {
		given := create("bad", []byte(bad))
		if problem := refused(t, bad, given, 422, "webhook.refused"); len(problem.Errors) != 1 || problem.Errors[0].Pointer != pointer || bytes.Contains(given.body, []byte("secret-value")) {
			t.Errorf("%s: %s", bad, given.body)
		}
	}
	given := w.ask(t, w.key, http.MethodGet, "/v1/webhooks", nil)
	if listed := decoded[struct{ Webhooks []api.WebhookView }](t, given).Webhooks; len(listed) != 2 || listed[0].ID != made.ID || bytes.Contains(given.body, []byte(made.Secret)) {
		t.Errorf("%s", given.body)
	}
	w.mustHideWebhook(t, made.ID)

	change := func(body string) answer {
		t.Helper()
		return w.ask(t, w.key, http.MethodPatch, "/v1/webhooks/"+made.ID, []byte(body), "Content-Type", "application/json")
	}
	refused(t, "a bad change", change(`{"url":"http://example.com:x/"}`), 422, "webhook.refused")
	if paused := decoded[api.WebhookView](t, change(`{"state":"paused"}`)); paused.State != "paused" || paused.URL != s.URL+"/x" || len(paused.EventTypes) != 1 {
		t.Errorf("%+v", paused)
	}
	refused(t, "a test of one that is paused", w.ask(t, w.key, http.MethodPost, "/v1/webhooks/"+made.ID+"/test", nil, "Idempotency-Key", "t"), 409, "webhook.off")
	s.verifyWith(made.Secret)
	events := w.happen(t, 3, 2)
	if len(s.got()) > 0 {
		t.Error("a paused webhook was sent to")
	}
	change(`{"state":"on"}`)
	eventually(t, 20*time.Second, "what waited arrives", func() bool { return s.lacks(events) == 0 })
	s.mustHold(t, "paused for a while", events)
	eventually(t, 20*time.Second, "all is recorded", func() bool { return len(w.deliveries(t, made.ID, "&state=delivered")) == len(events) })

	all := w.deliveries(t, made.ID, "")
	if next := w.deliveries(t, made.ID, "&after="+all[1].EventID); !slices.EqualFunc(next, all[2:], func(a, b api.DeliveryView) bool { return a.EventID == b.EventID }) {
		t.Errorf("behind %s stands %+v", all[1].EventID, next)
	}
	if one := all[0]; one.Status != 204 || one.Attempts != 1 || one.Reason != "" || one.LastAttemptAt == nil || one.NextAt != nil {
		t.Errorf("%+v", one)
	}
	if odd := w.deliveries(t, made.ID, "&after=none"); len(odd) > 0 {
		t.Errorf("behind nothing stands %+v", odd)
	}
	resend := w.ask(t, w.key, http.MethodPost, "/v1/webhooks/"+made.ID+"/deliveries/"+all[0].EventID+"/resend", nil)
	if resend.status != http.StatusAccepted {
		t.Errorf("%d %s", resend.status, resend.body)
	}
	eventually(t, 20*time.Second, "it came twice", func() bool { return s.mustHold(t, "sent again", events) == 1 })
	ranged := w.ask(t, w.key, http.MethodPost, "/v1/webhooks/"+made.ID+"/resend", []byte(`{"from":"2020-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z"}`), "Content-Type", "application/json")
	if sent := decoded[struct{ Resent int }](t, ranged); ranged.status != http.StatusAccepted || sent.Resent < len(events)-1 {
		t.Errorf("%d %s", ranged.status, ranged.body)
	}
	eventually(t, 20*time.Second, "all came again", func() bool { return s.mustHold(t, "sent again", events) >= len(events) })
	refused(t, "no moment", w.ask(t, w.key, http.MethodPost, "/v1/webhooks/"+made.ID+"/resend", []byte(`{"from":"now"}`), "Content-Type", "application/json"), 422, "webhook.refused")

	if ended := w.ask(t, w.key, http.MethodDelete, "/v1/webhooks/"+made.ID, nil); ended.status != http.StatusNoContent {
		t.Errorf("%d %s", ended.status, ended.body)
	}
	refused(t, "deleted", w.ask(t, w.key, http.MethodGet, "/v1/webhooks/"+made.ID, nil), 404, "resource.missing")
	for i := range webhook.MostEndpoints { // there is one already
		given := create(fmt.Sprint("many-", i), body)
		if i == webhook.MostEndpoints-1 {
			refused(t, "one too many", given, 409, "webhook.tooMany")
		} else if given.status != http.StatusCreated {
			t.Fatalf("%d: %d %s", i, given.status, given.body)
		}
	}
}

// mustMakeOnce: of equal requests in the same moment one makes a webhook, and
// all have its answer.
func (w *hookWindow) mustMakeOnce(t *testing.T, body []byte) {
	t.Helper()
	var asking sync.WaitGroup
	answers := make(chan string, 8)
	for range cap(answers) {
		asking.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v1/webhooks", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+w.key)
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Idempotency-Key", "together")
			response, err := w.server.Client().Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			content, err := io.ReadAll(response.Body)
			if err != nil || response.Body.Close() != nil || response.StatusCode != http.StatusCreated {
				t.Errorf("%d %s %v", response.StatusCode, content, err)
			}
			answers <- string(content)
		})
	}
	asking.Wait()
	close(answers)
	different := map[string]bool{}
	for one := range answers {
		different[one] = true
	}
	if len(different) != 1 {
		t.Errorf("%d different answers", len(different))
	}
}

// mustHideWebhook: another tenant's webhook, a missing one and an impossible id
// are told apart by nothing.
func (w *hookWindow) mustHideWebhook(t *testing.T, id string) {
	t.Helper()
	eventID := newIDs().New("evt")
	for _, c := range []struct{ method, tail, body string }{
		{http.MethodGet, "", ""}, {http.MethodPatch, "", `{"state":"paused"}`}, {http.MethodPatch, "", `{"state":1}`}, {http.MethodDelete, "", ""}, {http.MethodPost, "/secrets", ""}, {http.MethodPost, "/test", ""},
		{http.MethodGet, "/deliveries", ""}, {http.MethodPost, "/deliveries/" + eventID + "/resend", ""}, {http.MethodPost, "/deliveries/x/resend", ""},
		{http.MethodPost, "/resend", `{"from":"2020-01-01T00:00:00Z"}`}, {http.MethodPost, "/resend", `{}`},
	} {
		var told []string
		for _, other := range []string{id, id[:len(id)-1] + "Z", "whk_x", "%00", "%ff"} {
			given := w.ask(t, w.other, c.method, "/v1/webhooks/"+other+c.tail, []byte(c.body), "X-Request-Id", "same", "Content-Type", "application/json", "Idempotency-Key", "foreign")
			refused(t, c.method+c.tail, given, 404, "resource.missing")
			told = append(told, string(given.body))
		}
		if len(slices.Compact(told)) != 1 {
			t.Errorf("%s %s: %v", c.method, c.tail, told)
		}
	}
	if view := w.hookState(t, id); view.State != "on" || len(view.Secrets) != 1 {
		t.Errorf("another tenant changed it: %+v", view)
	}
}

func TestWebhookStatementsPrepareUnderTheApplicationRole(t *testing.T) {
	ledger, _ := newLedger(t)
	openWebhooks(t, ledger, event.Open(ledger, quiet(t), time.Second), nil)
	names, err := fs.Glob(webhook.Statements, "sql/*.sql")
	must(t, err)
	if len(names) < 20 {
		t.Fatalf("only %d statements found", len(names))
	}
	must(t, ledger.Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		for i, name := range names {
			text, err := fs.ReadFile(webhook.Statements, name)
			if err != nil {
				return err
			}
			if _, err := tx.Prepare(t.Context(), fmt.Sprintf("w%d", i), string(text)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}))
	for _, table := range []string{"webhook_endpoint", "webhook_secret", "webhook_delivery", "webhook_request"} {
		err := ledger.Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM "+table)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("DELETE FROM %s: %v", table, err)
		}
	}
}

// TestWebhooksOutliveAGateway kills one of two gateways while declarations are
// filed and their events sent: every event arrives, in its declaration's order.
func TestWebhooksOutliveAGateway(t *testing.T) {
	t.Parallel()
	webhooksOutliveGateways(t, 1, 10)
}

// TestLongWebhooksOutliveGateways is the same with many kills.
func TestLongWebhooksOutliveGateways(t *testing.T) {
	onlyLong(t)
	webhooksOutliveGateways(t, 20, 400)
}

func webhooksOutliveGateways(t *testing.T, kills, declarations int) {
	names, err := adapters.Names(adapters.Embedded())
	must(t, err)
	l := newLine(t, lineOptions{connect: names[:1], gateways: 2, flags: []string{"--webhook-allow", "127.0.0.1/32"}})
	var arrivals atomic.Int32
	s := newSink(t, func(_ int, rw http.ResponseWriter, r *http.Request) {
		arrivals.Add(1)
		select { // so that some are under way whenever a gateway dies
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
			rw.WriteHeader(http.StatusGatewayTimeout)
		}
	})
	made := decoded[api.MadeWebhook](t, answer{body: l.webhooks(t, "create", s.URL, "-o", "json")})
	s.verifyWith(made.Secret)
	from, _ := l.widest(t)
	for filed, killed := 0, 0; filed < declarations; filed++ {
		l.file(t, acme, from, fmt.Sprintf("HOOK-%d", filed))
		if filed >= (killed+1)*declarations/(kills+1) && killed < kills {
			before := arrivals.Load()
			eventually(t, time.Minute, "something is under way", func() bool { return arrivals.Load() > before })
			victim := l.gateways[killed%2]
			victim.kill(t)
			l.startDoor(t, victim)
			killed++
		}
	}
	eventually(t, 2*time.Minute, "every filing is decided", func() bool { return l.count(t, undecided) == 0 && l.count(t, unsent) == 0 })
	begun, events := time.Now(), map[string]time.Time{}
	eventually(t, 5*time.Minute, "every event arrived", func() bool {
		for _, e := range l.feed(t, acme, "", 500) {
			events[e.ID] = e.At
		}
		return s.lacks(events) == 0
	})
	twice := s.mustHold(t, "sink", events)
	number(t, "webhooks: events lost to kill -9 of a gateway", s.lacks(events), 0)
	number(t, fmt.Sprintf("webhooks: of %d events, %d kills: delivered more than once", len(events), kills), twice, "few")
	number(t, "webhooks: all delivered, after the last decision", time.Since(begun).Round(time.Second), "a lease, 20 s, and the queue")
	l.mustCommandWebhooks(t, made.ID, s)
	for _, gateway := range l.gateways {
		if words := gateway.lastWords(t); strings.Contains(words, "whsec_") {
			t.Error("a secret is in the log")
		}
	}
}

// webhooks runs `singlewindow webhooks` for acme and gives what it prints.
func (l *line) webhooks(t *testing.T, arguments ...string) []byte {
	t.Helper()
	command := l.command(t, "singlewindow", append([]string{"webhooks", arguments[0], "--server", "http://" + l.gateways[1].address}, arguments[1:]...)...)
	command.Env = append(command.Environ(), "SINGLEWINDOW_KEY="+l.keys[acme])
	var complaints bytes.Buffer
	command.Stderr = &complaints
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v %s", arguments, err, &complaints)
	}
	return printed
}

// mustCommandWebhooks: each command does what it says.
func (l *line) mustCommandWebhooks(t *testing.T, id string, s *sink) {
	t.Helper()
	before, last := len(s.got()), ""
	eventually(t, 30*time.Second, "the latest is recorded", func() bool {
		last, _, _ = strings.Cut(string(l.webhooks(t, "deliveries", id, "--state", "delivered", "--limit", "1")), " ")
		return last != ""
	})
	for _, c := range []struct{ arguments, prints string }{
		{"list", id + "  on"}, {"disable " + id, "paused"}, {"list", id + "  paused"}, {"enable " + id, "on"},
		{"test " + id, "pending"}, {"resend " + id + " " + last, "pending"}, {"resend " + id + " --from 2100-01-01T00:00:00Z", "0"},
		{"rotate " + id, "whsec_"}, {"deliveries " + id + " --state parked", ""}, {"delete " + id, ""}, {"list", ""},
	} {
		printed := string(l.webhooks(t, strings.Fields(c.arguments)...))
		if !strings.Contains(printed, c.prints) || (c.prints == "") != (printed == "") {
			t.Errorf("%s prints %q", c.arguments, printed)
		}
		if strings.HasPrefix(c.arguments, "resend "+id+" evt") {
			eventually(t, 30*time.Second, "the test event and the one sent again arrive", func() bool { return len(s.got()) >= before+2 })
		}
	}
}
