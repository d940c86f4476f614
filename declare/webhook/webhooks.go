package webhook

import (
	"context"
	"embed"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"singlewindow/declare"
	"singlewindow/declare/event"
)

// Statements are the package's SQL files, under sql/.
//
//go:embed sql
var Statements embed.FS

// MostEndpoints is how many endpoints a tenant may have.
const MostEndpoints = 50

// What may keep a call from succeeding, besides [declare.ErrMissing],
// [declare.ErrKeyReused] and what the ledger gives.
var (
	ErrTooMany = errors.New("webhook: the tenant has as many endpoints as there may be")
	ErrOff     = errors.New("webhook: the endpoint is not on")
)

// Refused is what is wrong with what somebody wants of an endpoint; the
// pointers are into its JSON form.
type Refused struct{ Faults []declare.Fault }

func (r *Refused) Error() string { return "webhook: refused" }

// Options are what [Open] stands on.
type Options struct {
	Ledger *declare.Ledger
	Events *event.Stream
	Secret []byte                            // the gateway's own, the same at every start
	Body   func(event.Entry) ([]byte, error) // what is sent of an event
	Allow  []netip.Prefix                    // addresses that may be sent to although they are not public
	IDs    *declare.IDs
	Now    func() time.Time
	Random io.Reader // safe for concurrent use
	Timing Timing
	Log    *slog.Logger
	// Dialled is told of every address that a connection is about to be made
	// to, and whether it is allowed; may be nil.
	Dialled func(address netip.AddrPort, allowed bool)
}

// Webhooks keeps endpoints and, while [Webhooks.Run] runs, sends them their
// events. Safe for concurrent use.
type Webhooks struct {
	ledger  *declare.Ledger // for callers who wait for an answer
	patient *declare.Ledger // for the work on deliveries
	events  *event.Stream
	vault   vault
	guard   *Guard
	body    func(event.Entry) ([]byte, error)
	ids     *declare.IDs
	now     func() time.Time
	timing  Timing
	log     *slog.Logger

	secure, plain *http.Client // for https and for http

	due  chan struct{} // hint: there may be deliveries to send
	news chan struct{} // hint: owed has grown

	recording chan struct{} // holds a token for each attempt that is being written down

	mu       sync.Mutex
	owed     map[string]bool // tenants whose endpoints must be looked at
	underWay int
	busy     map[string]int // deliveries under way, by endpoint
	failing  map[string]int // failures in a row, by endpoint
	sending  sync.WaitGroup
}

// Open brings the package's tables up to date.
func Open(ctx context.Context, o Options) (*Webhooks, error) {
	migrations, err := fs.Sub(Statements, "sql/migrations")
	if err != nil {
		return nil, err
	}
	if err := declare.Migrate(ctx, o.Ledger.URL(), "webhook_version", migrations); err != nil {
		return nil, err
	}
	vault, err := newVault(o.Secret, o.Random)
	if err != nil {
		return nil, err
	}
	w := &Webhooks{
		ledger: o.Ledger, patient: o.Ledger.Unhurried(), events: o.Events, vault: vault, guard: newGuard(o.Allow, o.Dialled),
		body: o.Body, ids: o.IDs, now: o.Now, timing: o.Timing, log: o.Log,
		due: make(chan struct{}, 1), news: make(chan struct{}, 1), recording: make(chan struct{}, mostRecording),
		owed: map[string]bool{}, busy: map[string]int{}, failing: map[string]int{},
	}
	w.secure, w.plain = w.guard.client(true), w.guard.client(false)
	return w, nil
}

// Run sends events to endpoints until ctx ends, then waits for what is under
// way, a while.
func (w *Webhooks) Run(ctx context.Context) {
	sending, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	var working sync.WaitGroup
	working.Go(func() { w.spreading(ctx) })
	working.Go(func() { w.taking(ctx, sending) })
	working.Wait()
	defer time.AfterFunc(w.timing.Drain, breakOff).Stop()
	w.sending.Wait()
	w.secure.CloseIdleConnections()
	w.plain.CloseIdleConnections()
}

// hint gives a hint, unless one is waiting to be taken.
func hint(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// failed tells of work that must be tried again; that the database is away is
// told by the gateway.
func (w *Webhooks) failed(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, declare.ErrUnavailable) {
		w.log.Error("webhooks: "+what, "error", err)
	}
}

func (w *Webhooks) moment() time.Time { return w.now().UTC().Truncate(time.Millisecond) }

// statement gives the text of sql/<name>.sql.
func statement(name string) string {
	text, err := Statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("webhook: " + err.Error())
	}
	return string(text)
}
