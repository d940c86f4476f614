package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/batch"
	"singlewindow/declare/clearance"
	"singlewindow/declare/event"
	"singlewindow/declare/webhook"
)

// Options are what the handler stands on.
type Options struct {
	Gateway   *declare.Gateway
	Accounts  *account.Accounts
	Batches   *batch.Batches
	Clearance *clearance.Clearance
	Kinds     map[string]*declare.Kind
	Events    *event.Stream
	Webhooks  *webhook.Webhooks
	Follow    Following
	IDs       *declare.IDs
	Log       *slog.Logger
	Issuer    *Issuer // whose tokens are taken beside keys; nil: nobody's
	// TestClock moves a tenant's test clock; nil outside the test world.
	TestClock func(ctx context.Context, tenant string, by time.Duration) (TestTime, error)
	Version   string // of the product, for the OpenAPI document; "" is "unversioned"
	// Ping tells why requests cannot be answered now, nil when they can. It is
	// asked by /readyz.
	Ping func(context.Context) error
	// Limits, Load and Observe may be left out: then nothing is limited, and
	// nobody told.
	Limits  Limits
	Load    *Load
	Observe func(Exchange) // after each answer
}

type api struct {
	gateway   *declare.Gateway
	accounts  *account.Accounts
	batches   *batch.Batches
	clearance *clearance.Clearance
	kinds     map[string]*declare.Kind
	events    *event.Stream
	webhooks  *webhook.Webhooks
	streams   *streams
	ids       *declare.IDs
	log       *slog.Logger
	ping      func(context.Context) error
	issuer    *Issuer
	testClock func(context.Context, string, time.Duration) (TestTime, error)
	limits    *limiter
	strangers *strangers
	load      *Load
	observe   func(Exchange)

	register register
	routes   map[string]*huma.Operation // by the mux's pattern
	mux      *http.ServeMux
	huma     huma.API
}

// adoptProblems gives huma our one error type, for the whole process: huma
// keeps it in package variables.
var adoptProblems = sync.OnceFunc(func() {
	huma.NewError = func(status int, _ string, _ ...error) huma.StatusError { return &Problem{Status: status} }
	huma.NewErrorWithContext = humaProblem
	huma.DefaultArrayNullable = false
})

// New makes the handler. It panics when this package's own data, or a kind
// that was loaded, cannot be documented: that is a mistake in what was built.
func New(options Options) http.Handler {
	a, err := newAPI(options)
	if err != nil {
		panic("api: " + err.Error())
	}
	return a.front()
}

func newAPI(options Options) (*api, error) {
	adoptProblems()
	known, err := loadRegister(problemsYAML, faultsYAML)
	if err != nil {
		return nil, err
	}
	a := &api{
		gateway: options.Gateway, accounts: options.Accounts, batches: options.Batches, clearance: options.Clearance, kinds: options.Kinds,
		events: options.Events, streams: newStreams(options.Follow), ids: options.IDs, log: options.Log, ping: options.Ping,
		issuer: options.Issuer, testClock: options.TestClock,
		register: known, mux: http.NewServeMux(),
		limits: newLimiter(options.Limits, time.Now), strangers: newStrangers(options.Limits.Failures, time.Now),
		load: cmp.Or(options.Load, NewLoad(0, 0)), observe: options.Observe,
	}
	if a.observe == nil {
		a.observe = func(Exchange) {}
	}
	a.webhooks = options.Webhooks
	a.huma = humago.New(a.mux, configuration(cmp.Or(options.Version, "unversioned")))
	a.huma.UseMiddleware(a.begin)
	a.registerDeclarations()
	a.registerBatches()
	a.registerEvents()
	a.registerWebhooks()
	a.registerAgencies()
	a.registerKinds()
	a.registerCodeLists()
	a.registerStatistics()
	a.registerKeys()
	a.registerTestClock()
	a.registerProblems()
	a.registerHealth()
	a.routes = map[string]*huma.Operation{}
	for _, operation := range operationsOf(a.huma.OpenAPI()) {
		a.routes[operation.Method+" "+operation.Path] = operation
	}
	return a, a.serveDocument()
}

// configuration leaves out what huma would do by itself: schema links in
// answers, a docs page from another host, a document written on first use.
func configuration(version string) huma.Config {
	config := huma.DefaultConfig("Single window", version)
	config.CreateHooks = nil
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.RejectUnknownQueryParameters = true
	config.Formats = maps.Clone(config.Formats)
	config.Formats["application/json"] = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshalStrictly}
	return config
}

// Names of members are told apart by case, as JSON does; huma keeps this for all
// of a program.
func init() { huma.ValidateStrictCasing = true }

// unmarshalStrictly reads bodies that huma reads as strictly as declarations are
// read: each member once, in UTF-8.
func unmarshalStrictly(body []byte, into any) error {
	if _, faults := declare.ParseJSON(body, mostKeyBytes); len(faults) > 0 {
		return &failure{code: codeJSONInvalid, faults: faults}
	}
	return json.Unmarshal(body, into)
}

// front is what every request meets first: an id, the headers of every
// answer, the route, whether there is room, and a net under everything.
func (a *api) front() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(headerRequestID)
		if !requestID.MatchString(id) {
			id = strings.ReplaceAll(a.ids.New("req"), "_", "-")
			r.Header.Set(headerRequestID, id)
		}
		w.Header().Set(headerRequestID, id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Accept-Language, Authorization")
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // nobody reads this body: else the server would wait for it before it answers
		}
		answer, began := &answer{ResponseWriter: w}, time.Now()
		route, pattern := a.mux.Handler(r)
		defer func() { a.observe(answer.exchange(a.nameOf(pattern), r, began)) }()
		defer a.catch(answer, r)
		if pattern == "" {
			a.noRoute(answer, r, route)
			return
		}
		leave, entered := a.enter(pattern, r)
		if !entered {
			a.turnAway(answer, r)
			return
		}
		defer leave()
		a.mux.ServeHTTP(answer, r)
	})
}

// noRoute answers where the mux has nothing: it knows whether another method
// would do.
func (a *api) noRoute(w http.ResponseWriter, r *http.Request, route http.Handler) {
	probe := verdict{header: http.Header{}}
	route.ServeHTTP(&probe, r)
	found := finding{code: codeRouteMissing}
	if probe.status == http.StatusMethodNotAllowed {
		found = finding{code: codeMethodNotAllowed, headers: map[string]string{"Allow": probe.header.Get("Allow")}}
	}
	a.write(w, askerOfRequest(r), found)
}

// catch turns a panic into a problem, or breaks the connection when an answer
// is already under way.
func (a *api) catch(w *answer, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // a panic's value is compared as net/http does
		panic(cause)
	}
	who := askerOfRequest(r)
	err, _ := cause.(error)
	var network net.Error
	if w.started && (errors.As(err, &network) || r.Context().Err() != nil) {
		panic(http.ErrAbortHandler) // the client is gone: nobody to tell
	}
	a.log.Error("panic", "requestId", who.requestID, "traceId", who.traceID, "cause", causeOf(cause), "stack", string(debug.Stack()))
	if w.started {
		panic(http.ErrAbortHandler)
	}
	a.write(w, who, finding{code: codeInternal})
}

// causeOf names a panic without what it may quote.
func causeOf(cause any) string {
	if fault, ok := cause.(runtime.Error); ok {
		return fault.Error()
	}
	return fmt.Sprintf("%T", cause)
}

// answer remembers whether an answer is under way, and what it is.
type answer struct {
	http.ResponseWriter
	started bool
	status  int
	bytes   int64
	tenant  string      // set by tenantOnly
	problem problemCode // "" when it is none
}

func (a *answer) WriteHeader(status int) {
	a.started = true
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(body []byte) (int, error) {
	a.started = true
	if a.status == 0 {
		a.status = http.StatusOK
	}
	written, err := a.ResponseWriter.Write(body)
	a.bytes += int64(written)
	return written, err
}

// mark notes which problem is answered.
func mark(w http.ResponseWriter, code problemCode) {
	if given, ours := w.(*answer); ours {
		given.problem = code
	}
}

// Unwrap lets deadlines reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// verdict takes what the mux would answer and keeps its status and headers.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header            { return v.header }
func (v *verdict) WriteHeader(status int)         { v.status = status }
func (v *verdict) Write(body []byte) (int, error) { return len(body), nil }
