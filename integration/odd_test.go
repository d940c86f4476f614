package integration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// An oddAgency behaves as a test tells it, in ways that no real one can be
// made to: it panics. Messages are the declaration's reference, in bytes.
type oddAgency struct {
	profile declare.Profile
	send    func(reference string, dispatch declare.Dispatch) declare.Outcome
	inquire func(reference string) declare.Outcome
	read    func(body string) (declare.Reading, error)
	locate  func() string

	mu   sync.Mutex
	sent map[string][]declare.Dispatch // by reference
}

func newOdd(name string) *oddAgency {
	return &oddAgency{
		profile: declare.Profile{
			Name: name, On: true, Zone: time.UTC, Version: "1", Deadline: time.Second, InFlight: 8, Probe: 50 * time.Millisecond, Order: []string{"issuedAt"},
		},
		send: func(string, declare.Dispatch) declare.Outcome {
			return declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered}
		},
		inquire: func(string) declare.Outcome { return declare.Outcome{} },
		read: func(string) (declare.Reading, error) {
			return declare.Reading{}, &declare.Unreadable{Code: "notice.word"}
		},
		locate: func() string { return "" },
		sent:   map[string][]declare.Dispatch{},
	}
}

func (a *oddAgency) Profile() declare.Profile { return a.profile }

func (a *oddAgency) Takes(string, map[string]any) (bool, error) { return true, nil }

func (a *oddAgency) Draft(subject declare.Subject) (declare.Draft, []declare.Fault, error) {
	return declare.Draft{Body: sealed(subject.Reference)}, nil, nil
}

func (a *oddAgency) Send(_ context.Context, dispatch declare.Dispatch) declare.Outcome {
	reference := string(dispatch.Body)
	a.mu.Lock()
	a.sent[reference] = append(a.sent[reference], dispatch)
	a.mu.Unlock()
	return a.send(reference, dispatch)
}

func (a *oddAgency) Inquire(_ context.Context, dispatch declare.Dispatch) declare.Outcome {
	return a.inquire(string(dispatch.Body))
}

func (a *oddAgency) Resume() {}

func (a *oddAgency) Read(body []byte) (declare.Reading, error) { return a.read(string(body)) }

func (a *oddAgency) Archive() []byte { return nil }

func (a *oddAgency) Locate(_ declare.Subject, xmlPaths ...string) []string {
	return slices.Repeat([]string{a.locate()}, len(xmlPaths))
}

// dispatches gives what was sent for a reference.
func (a *oddAgency) dispatches(reference string) []declare.Dispatch {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]declare.Dispatch{}, a.sent[reference]...)
}

// sealed is a message that no schema looked at.
type sealed string

func (s sealed) Bytes() []byte        { return []byte(s) }
func (s sealed) Digest() [32]byte     { return sha256.Sum256([]byte(s)) }
func (s sealed) SchemaDigest() string { return "" }

// quick is the default timing, scaled for agencies that answer at once.
func quick() declare.Timing {
	timing := declare.DefaultTiming()
	timing.Poll, timing.Sweep, timing.RetryFirst, timing.RetryMost = 20*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond
	timing.LeaseGrace, timing.Examine = 200*time.Millisecond, time.Hour
	return timing
}

// A bench is a gateway in this process with agencies made for the test.
type bench struct {
	*declare.Gateway
	ledger *declare.Ledger
	url    string
	sample sample
}

// newBench runs a gateway on a ledger of its own until the test ends.
func newBench(t *testing.T, timing declare.Timing, agencies ...declare.Agency) *bench {
	t.Helper()
	ledger, url := newLedger(t)
	execute(t, url, "INSERT INTO tenant (id, name, created_at) VALUES ($1, $1, now())", acme)
	b := &bench{ledger: ledger, url: url, sample: samples(t)[0]}
	b.Gateway = b.beside(t, timing, agencies...)
	return b
}

// beside runs one more gateway on the same ledger.
func (b *bench) beside(t *testing.T, timing declare.Timing, agencies ...declare.Agency) *declare.Gateway {
	t.Helper()
	known, err := kinds()
	must(t, err)
	gateway := declare.New(b.ledger, known, agencies, nil, newIDs(), time.Now, timing, quiet(t))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := gateway.Deliver(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return gateway
}

func (b *bench) file(t *testing.T, reference string) declare.Receipt {
	t.Helper()
	receipt, err := b.Submit(t.Context(), declare.Submission{Tenant: acme, Key: reference, Body: b.sample.as(t, reference)})
	must(t, err)
	return receipt
}

// await waits until a declaration's filing with an agency is as it should be.
func (b *bench) await(t *testing.T, id, agency, what string, holds func(declare.Status, declare.FilingStatus) bool) declare.Status {
	t.Helper()
	var status declare.Status
	eventually(t, 20*time.Second, what, func() bool {
		var err error
		status, err = b.Status(t.Context(), acme, id)
		must(t, err)
		return holds(status, filingAt(t, status, agency))
	})
	return status
}

func delivered(_ declare.Status, f declare.FilingStatus) bool {
	return f.Delivery == declare.DeliveryDelivered
}

func (b *bench) number(t *testing.T, query string, arguments ...any) (number int) {
	t.Helper()
	must(t, b.ledger.Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), query, arguments...).Scan(&number)
	}))
	return number
}

// corrupt changes the ledger as nothing of ours may: past its role, its
// policies and its triggers.
func (b *bench) corrupt(t *testing.T, statement string) {
	t.Helper()
	execute(t, b.url, "BEGIN; SET LOCAL session_replication_role = replica; "+statement+"; COMMIT")
}

// eventsOf gives the types of a declaration's events, in order.
func (b *bench) eventsOf(t *testing.T, id string) (types []string) {
	t.Helper()
	events, err := b.Events(t.Context(), acme, id)
	must(t, err)
	for i, event := range events {
		if event.Number != i+1 {
			t.Fatalf("event %d has number %d", i+1, event.Number)
		}
		types = append(types, event.Type)
	}
	return types
}

func countOf(list []string, word string) (count int) {
	for _, entry := range list {
		if entry == word {
			count++
		}
	}
	return count
}

func taskAbout(t *testing.T, g *declare.Gateway, id string) *declare.Task {
	t.Helper()
	tasks, err := g.Tasks(t.Context(), true, 1000)
	must(t, err)
	for _, task := range tasks {
		if task.ID == id {
			return &task
		}
	}
	return nil
}

func poisonous(reference string) bool { return strings.HasPrefix(reference, "POISON") }

var errInjected = fmt.Errorf("injected")
