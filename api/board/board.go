package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"singlewindow/declare"
	"singlewindow/declare/account"
	queries "singlewindow/declare/board"
	"singlewindow/declare/clearance"
	"singlewindow/declare/event"
)

// Root is the path under which every page stands.
const Root = "/board/"

// Options are what the pages stand on.
type Options struct {
	Gateway   *declare.Gateway // nil where there are no declarations to look at
	Ledger    *declare.Ledger
	Accounts  *account.Accounts
	Clearance *clearance.Clearance
	Events    *event.Stream
	Kinds     map[string]*declare.Kind
	IDs       *declare.IDs
	Log       *slog.Logger
	Now       func() time.Time
	Zone      *time.Location // of the times shown
}

type board struct {
	gateway   *declare.Gateway
	queries   *queries.Board
	accounts  *account.Accounts
	clearance *clearance.Clearance
	events    *event.Stream
	kinds     map[string]*declare.Kind
	ids       *declare.IDs
	log       *slog.Logger
	now       func() time.Time
	zone      *time.Location

	mux      *http.ServeMux
	static   static
	texts    texts
	pages    pages
	sessions sessions
	watching chan struct{} // holds a token for each live page
}

// Holds tells whether a path is one of the board's.
func Holds(path string) bool { return strings.HasPrefix(path+"/", Root) }

// New makes the handler of what [Holds]. It panics when one of this
// package's own files is wrong: that is a mistake in what was built.
func New(options Options) http.Handler {
	b, err := newBoard(options)
	if err != nil {
		panic("board: " + err.Error())
	}
	return b.front()
}

func newBoard(options Options) (*board, error) {
	b := &board{
		gateway: options.Gateway, queries: queries.Open(options.Ledger, options.Now), accounts: options.Accounts, clearance: options.Clearance, events: options.Events, kinds: options.Kinds,
		ids: options.IDs, log: options.Log, now: options.Now, zone: options.Zone,
		mux: http.NewServeMux(), watching: make(chan struct{}, mostLive),
	}
	var err error
	if b.static, err = loadStatic(); err != nil {
		return nil, err
	}
	if b.texts, err = loadTexts(); err != nil {
		return nil, err
	}
	if b.pages, err = b.loadPages(); err != nil {
		return nil, err
	}
	b.sessions = newSessions(options.Accounts.Sessions())
	b.mux.Handle("GET "+strings.TrimSuffix(Root, "/"), http.RedirectHandler(Root, http.StatusSeeOther))
	b.registerSigning()
	b.registerList()
	b.registerDeclaration()
	b.registerTasks()
	b.registerLive()
	b.registerClearance()
	return b, nil
}

// policy lets a page load our own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// frameHeaders stand on every answer, also on files and faults. The referrer
// is kept for our own pages: without it browsers also hide the origin of a
// form, by which a foreign one is told from ours.
var frameHeaders = map[string]string{
	"Content-Security-Policy":      policy,
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Cache-Control":                "no-store",
	"Vary":                         "Accept-Language, Cookie, HX-Request",
}

const headerRequestID = "X-Request-Id"

var requestID = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// front is what every request meets first: an id, the headers of every answer,
// files before sessions, and a net under everything.
func (b *board) front() http.Handler {
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(b.refuseForeign))
	pages := foreign.Handler(b.withSession(http.HandlerFunc(b.route)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range frameHeaders {
			w.Header().Set(name, value)
		}
		if overTLS(r) {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		id := r.Header.Get(headerRequestID)
		if !requestID.MatchString(id) {
			id = strings.ReplaceAll(b.ids.New("req"), "_", "-")
		}
		w.Header().Set(headerRequestID, id)
		answer := &answer{ResponseWriter: w}
		defer b.catch(answer, r)
		if b.serveStatic(answer, r) {
			return
		}
		b.switchLanguage(answer, r)
		pages.ServeHTTP(answer, r)
	})
}

// route finds the page. What the mux does not know is missing in our words.
func (b *board) route(w http.ResponseWriter, r *http.Request) {
	if _, pattern := b.mux.Handler(r); pattern != "" {
		b.mux.ServeHTTP(w, r)
		return
	}
	v, err := b.visitorOf(r)
	if err != nil {
		b.fail(w, r, v, err)
		return
	}
	b.missing(w, r, v)
}

// missing answers for what does not exist, and for what the visitor may not
// see.
func (b *board) missing(w http.ResponseWriter, r *http.Request, v visitor) {
	b.renderStatus(w, r, v, http.StatusNotFound, "error", trouble{"frame.missing.title", "frame.missing.text", ""})
}

// fail answers for what went wrong here. The visitor gets the number under
// which it is in the log. Where the browser has broken off there is nobody to
// answer, and what failed did so because of that.
func (b *board) fail(w http.ResponseWriter, r *http.Request, v visitor, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return
	}
	id := w.Header().Get(headerRequestID)
	if errors.Is(err, declare.ErrUnavailable) {
		b.log.Warn("the database is not available", "requestId", id, "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "5")
		b.renderStatus(w, r, v, http.StatusServiceUnavailable, "error", trouble{"frame.unavailable.title", "frame.unavailable.text", ""})
		return
	}
	b.log.Error("page", "requestId", id, "path", r.URL.Path, "error", err)
	b.renderStatus(w, r, v, http.StatusInternalServerError, "error", trouble{"frame.fault.title", "frame.fault.text", id})
}

func (b *board) refuseForeign(w http.ResponseWriter, r *http.Request) {
	b.renderStatus(w, r, b.stranger(r), http.StatusForbidden, "error", trouble{"frame.foreign.title", "frame.foreign.text", ""})
}

// trouble is what the error page shows: keys of texts, and the incident.
type trouble struct{ Title, Text, Incident string }

// catch turns a panic into the error page, or breaks the connection when an
// answer is already under way.
func (b *board) catch(w *answer, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler || w.started { //nolint:errorlint // a panic's value is compared as net/http does
		panic(http.ErrAbortHandler)
	}
	b.log.Error("panic", "requestId", w.Header().Get(headerRequestID), "cause", causeOf(cause), "stack", string(debug.Stack()))
	b.fail(w, r, b.stranger(r), errPanic)
}

var errPanic = errors.New("board: a page panicked")

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

// Unwrap lets deadlines and flushing reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
