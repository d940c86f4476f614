package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/batch"
	"singlewindow/declare/clearance"
	"singlewindow/declare/event"
)

// Options are what the handler stands on.
type Options struct {
	Gateway   *declare.Gateway
	Accounts  *account.Accounts
	Batches   *batch.Batches
	Clearance *clearance.Clearance
	Kinds     map[string]*declare.Kind
	Events    *event.Stream
	Follow    Following
	IDs       *declare.IDs
	Log       *slog.Logger
	Version   string // of the product, for the OpenAPI document; "" is "unversioned"
	// Ping tells why requests cannot be answered now, nil when they can. It is
	// asked by /readyz.
	Ping func(context.Context) error
}

type api struct {
	gateway   *declare.Gateway
	accounts  *account.Accounts
	batches   *batch.Batches
	clearance *clearance.Clearance
	kinds     map[string]*declare.Kind
	events    *event.Stream
	streams   *streams
	ids       *declare.IDs
	log       *slog.Logger
	ping      func(context.Context) error

	register register
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
	known, err := loadRegister(problemsYAML)
	if err != nil {
		return nil, err
	}
	a := &api{
		gateway: options.Gateway, accounts: options.Accounts, batches: options.Batches, clearance: options.Clearance, kinds: options.Kinds,
		events: options.Events, streams: newStreams(options.Follow), ids: options.IDs, log: options.Log, ping: options.Ping,
		register: known, mux: http.NewServeMux(),
	}
	a.huma = humago.New(a.mux, configuration(cmp.Or(options.Version, "unversioned")))
	a.huma.UseMiddleware(a.begin)
	a.registerDeclarations()
	a.registerBatches()
	a.registerEvents()
	a.registerAgencies()
	a.registerKinds()
	a.registerCodeLists()
	a.registerStatistics()
	a.registerProblems()
	a.registerHealth()
	return a, a.serveDocument()
}

// configuration leaves out what huma would do by itself: schema links in
// answers, a docs page from another host, a document written on first use.
func configuration(version string) huma.Config {
	config := huma.DefaultConfig("Single window", version)
	config.CreateHooks = nil
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.RejectUnknownQueryParameters = true
	return config
}

// front is what every request meets first: an id, the headers of every
// answer, the route, and a net under everything.
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
		answer := &answer{ResponseWriter: w}
		defer a.catch(answer, r)
		if route, pattern := a.mux.Handler(r); pattern == "" {
			a.noRoute(answer, r, route)
			return
		}
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
	a.log.Error("panic", "requestId", who.requestID, "cause", causeOf(cause), "stack", string(debug.Stack()))
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

// answer remembers whether an answer is under way.
type answer struct {
	http.ResponseWriter
	started bool
}

func (a *answer) WriteHeader(status int) {
	a.started = true
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(body []byte) (int, error) {
	a.started = true
	return a.ResponseWriter.Write(body)
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
