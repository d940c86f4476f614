package simulated_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/adapters/simulated"
	"singlewindow/declare"
)

const demo = "demo-agency"

// A world is a simulator, and a gateway that hears its notices.
type world struct {
	agency  *adapters.Agency // as the gateway sees it
	ledger  string
	heard   chan string      // the status word of each notice
	answers func(string) int // the gateway's answer to a word
	stop    func()           // ends the simulator as SIGTERM would
	played  *simulated.Simulator
	gateway string
}

// patience is how long a test waits for what must come; only a failing test
// waits that long.
const patience = 20 * time.Second

func begin(t *testing.T, ledger string, answers func(string) int) *world {
	t.Helper()
	w := &world{ledger: ledger, heard: make(chan string, 1000), answers: answers}
	reader, err := adapters.Load(os.DirFS("../testdata/agencies"), demo, adapters.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	w.gateway = serve(t, w.hear(t, reader))
	w.play(t)
	return w
}

// hear is the gateway's notice endpoint.
func (w *world) hear(t *testing.T, reader *adapters.Agency) http.HandlerFunc {
	status := regexp.MustCompile(`<Status>(\w+)</Status>`)
	return func(answer http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/agencies/"+demo+"/notices" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		if r.Header.Get("Authorization") != "Bearer swa_1" || r.Header.Get("Content-Type") != "application/xml" {
			t.Errorf("headers %v", r.Header)
		}
		if _, err := reader.Read(body); err != nil {
			t.Error(err)
		}
		word := string(status.FindSubmatch(body)[1])
		code := w.answers(word)
		answer.WriteHeader(code)
		if code < 500 {
			w.heard <- word
		}
	}
}

// play starts the simulator, again after a stop.
func (w *world) play(t *testing.T) {
	t.Helper()
	folders := os.DirFS("../testdata/agencies")
	inside, err := adapters.Load(folders, demo, adapters.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	w.played, err = simulated.Open(inside, simulated.Options{
		Agencies: []string{demo, "other-agency"}, Gateways: []string{w.gateway}, Credential: "swa_1", Ledger: w.ledger, Pace: time.Millisecond,
		Clock: simulated.Clock{Now: time.Now, After: time.After}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.played.Run(ctx) })
	w.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := w.played.Close(); err != nil {
			t.Error(err)
		}
		inside.Close()
	})
	t.Cleanup(func() { w.stop() })
	if w.agency, err = adapters.Load(folders, demo, adapters.Deployment{URL: serve(t, w.played.Handler())}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.agency.Close)
}

func serve(t *testing.T, handler http.Handler) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var handling sync.WaitGroup // closing a server does not wait for its handlers
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handling.Add(1)
		defer handling.Done()
		handler.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
		handling.Wait()
	})
	return "http://" + listener.Addr().String()
}

func (w *world) send(t *testing.T, id, reference string) declare.Outcome {
	t.Helper()
	line := map[string]any{"name": "Tea", "mass": map[string]any{"value": "1", "unit": "KGM"}}
	draft, faults, err := w.agency.Draft(declare.Subject{
		MessageID: id, Reference: reference, Kind: "parcel", AcceptedAt: time.Date(2026, 3, 2, 2, 3, 4, 0, time.UTC),
		Tree: map[string]any{"kind": "parcel", "office": "south", "lines": []any{line}},
	})
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	return w.agency.Send(context.Background(), declare.Dispatch{MessageID: id, Body: draft.Body.Bytes()})
}

// post sends anything as a message.
func post(t *testing.T, address, body string) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/messages", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	return response.StatusCode
}

// settle waits until nothing is owed and gives the words heard.
func (w *world) settle(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.played.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	var words []string
	for len(w.heard) > 0 {
		words = append(words, <-w.heard)
	}
	return words
}

func lines(t *testing.T, file string) (entries []map[string]any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		entry := map[string]any{}
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry)
	}
	return entries
}

func taken(string) int { return http.StatusNoContent }

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "ledger") }

func TestNoticesOfEachWord(t *testing.T) {
	for word, want := range map[string]string{
		"default": "CHECKED FREE", "reject": "", "twice": "CHECKED CHECKED FREE FREE", "silent": "", "shuffle": "FREE CHECKED",
		"early": "CHECKED FREE", "drop": "CHECKED FREE", "garbage": "CHECKED FREE", "reset": "", "busy": "", "nonsense": "CHECKED FREE",
		"silent.other-agency": "CHECKED FREE", "silent.demo-agency": "", "twice.silent": "",
	} {
		t.Run(word, func(t *testing.T) {
			w := begin(t, file(t), taken)
			w.send(t, "msg_1", "T-1."+word)
			if got := strings.Join(w.settle(t), " "); got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
			if got := len(lines(t, w.ledger+".notices")); got != len(strings.Fields(want)) {
				t.Errorf("%d notices in the ledger", got)
			}
		})
	}
}

func TestEarlyNoticeComesBeforeTheAnswer(t *testing.T) {
	var answered atomic.Bool
	w := begin(t, file(t), func(word string) int {
		if word == "CHECKED" && answered.Load() {
			t.Error("the notice came after the answer")
		}
		return http.StatusNoContent
	})
	outcome := w.send(t, "msg_1", "T-1.early")
	answered.Store(true)
	if outcome.Verdict != declare.VerdictAccepted || <-w.heard != "CHECKED" {
		t.Errorf("got %+v", outcome)
	}
}

func TestBusyAndResetAreOver(t *testing.T) {
	w := begin(t, file(t), taken)
	for reference, hindered := range map[string]int{"T-1.busy": 2, "T-2.reset": 1} {
		for attempt := range hindered + 1 {
			outcome := w.send(t, "msg_"+reference, reference)
			if accepted := outcome.Verdict == declare.VerdictAccepted; accepted != (attempt == hindered) {
				t.Errorf("%s, attempt %d: %v %s", reference, attempt, outcome.Verdict, outcome.Reason)
			}
			w.agency.Resume() // the breaker is not what is asked here
		}
	}
	if got := len(lines(t, w.ledger)); got != 2 {
		t.Errorf("%d effects, want 2", got)
	}
}

// TestCopies: the demonstration agency is idempotent, so that a copy is
// answered like the first and has no effect; changed not to be, it counts.
func TestCopies(t *testing.T) {
	w := begin(t, file(t), taken)
	first, second := w.send(t, "msg_1", "T-1"), w.send(t, "msg_1", "T-1")
	if !bytes.Equal(first.Answer, second.Answer) || len(first.Answer) == 0 {
		t.Error("a copy is answered in another way")
	}
	if got := w.settle(t); len(got) != 2 {
		t.Errorf("heard %v", got)
	}
	entries := lines(t, w.ledger)
	if len(entries) != 1 || entries[0]["deliveryId"] != "msg_1" || entries[0]["reference"] != "T-1" || len(entries[0]["digest"].(string)) != 64 {
		t.Errorf("ledger: %v", entries)
	}
}

func TestCopiesCountWhereTheFolderSaysSo(t *testing.T) {
	directory := t.TempDir()
	if err := os.CopyFS(directory, os.DirFS("../testdata/agencies")); err != nil {
		t.Fatal(err)
	}
	profile := filepath.Join(directory, demo, "agency.yaml")
	content, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	content = bytes.Replace(content, []byte("idempotent: true"), []byte("idempotent: false"), 1)
	if err := os.WriteFile(profile, content, 0o600); err != nil {
		t.Fatal(err)
	}
	agency, err := adapters.Load(os.DirFS(directory), demo, adapters.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agency.Close)
	ledger := file(t)
	simulator, err := simulated.Open(agency, simulated.Options{
		Ledger: ledger, Clock: simulated.Clock{Now: time.Now, After: time.After}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	message, err := os.ReadFile("../testdata/agencies/" + demo + "/samples/two-lines.xml")
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, simulator.Handler())
	for range 2 {
		if got := post(t, address, string(message)); got != http.StatusOK {
			t.Fatal(got)
		}
	}
	if got := len(lines(t, ledger)); got != 2 {
		t.Errorf("%d effects, want 2", got)
	}
	if err := simulator.Close(); err != nil {
		t.Error(err)
	}
}

func TestGatewayAwayForAWhile(t *testing.T) {
	var refusals atomic.Int32
	w := begin(t, file(t), func(string) int {
		if refusals.Add(1) <= 2 {
			return http.StatusServiceUnavailable
		}
		return http.StatusNoContent
	})
	w.send(t, "msg_1", "T-1")
	if got := w.settle(t); !slices.Equal(got, []string{"CHECKED", "FREE"}) {
		t.Errorf("heard %v", got)
	}
}

func TestNoticeRefusedForGood(t *testing.T) {
	w := begin(t, file(t), func(word string) int {
		if word == "CHECKED" {
			return http.StatusForbidden
		}
		return http.StatusNoContent
	})
	w.send(t, "msg_1", "T-1")
	if got := w.settle(t); !slices.Equal(got, []string{"CHECKED", "FREE"}) {
		t.Errorf("heard %v", got)
	}
	if w.played.Refused() != 1 {
		t.Errorf("%d refused, want 1", w.played.Refused())
	}
}

// TestRestart: what is owed, and what was answered, survives.
func TestRestart(t *testing.T) {
	var back atomic.Bool
	tried := make(chan struct{}, 1)
	w := begin(t, file(t), func(word string) int {
		if word == "CHECKED" || back.Load() {
			return http.StatusNoContent
		}
		select {
		case tried <- struct{}{}:
		default:
		}
		return http.StatusBadGateway
	})
	first := w.send(t, "msg_1", "T-1")
	<-tried // CHECKED was taken, FREE was not
	w.stop()
	back.Store(true)
	w.play(t)
	if got := w.settle(t); !slices.Equal(got, []string{"CHECKED", "FREE"}) {
		t.Errorf("heard %v", got)
	}
	inquired := w.agency.Inquire(context.Background(), declare.Dispatch{MessageID: "msg_1"})
	if !bytes.Equal(inquired.Answer, first.Answer) {
		t.Errorf("answered\n%s\nbefore, and now\n%s", first.Answer, inquired.Answer)
	}
	second := w.send(t, "msg_2", "T-2")
	if second.Reading.Numbers["parcelNo"] == first.Reading.Numbers["parcelNo"] {
		t.Error("a number was given twice")
	}
}

func TestBadMessages(t *testing.T) {
	w := begin(t, file(t), taken)
	address := serve(t, w.played.Handler())
	for _, body := range []string{"", "hm", "<!DOCTYPE x><x/>", "<Parcel/>", "<Letter/>"} {
		if got := post(t, address, body); got != http.StatusBadRequest {
			t.Errorf("%q: %d", body, got)
		}
	}
	if got := len(lines(t, w.ledger)); got != 0 {
		t.Errorf("%d effects", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	w := begin(t, file(t), taken)
	const senders, each = 4, 40
	many := senders * each
	var sending sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for i := range each {
				outcome := w.send(t, fmt.Sprintf("msg_%d_%d", sender, i), "T-1")
				if outcome.Verdict != declare.VerdictAccepted {
					t.Errorf("%v %s", outcome.Verdict, outcome.Reason)
				}
			}
		})
	}
	sending.Wait()
	if got := len(w.settle(t)); got != 2*many {
		t.Errorf("%d notices, want %d", got, 2*many)
	}
	serials := map[any]bool{}
	for _, entry := range lines(t, w.ledger) {
		serials[entry["serial"]] = true
	}
	if len(serials) != many {
		t.Errorf("%d serials for %d effects", len(serials), many)
	}
}
