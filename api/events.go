package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/event"
)

// Following says how streams are held open. What is zero is as documented.
type Following struct {
	PerTenant  int           // streams of one tenant at this process; 1,000
	Heartbeat  time.Duration // between comments that keep a stream alive; 15 s
	SlowClient time.Duration // a client that takes nothing for so long is let go; 10 s
}

const (
	mediaStream = "text/event-stream"

	// fromBeginning asks for everything there is, where a cursor may stand.
	fromBeginning = "beginning"

	// streamPage is how many events a stream holds at a time: what a client
	// that reads slowly costs.
	streamPage = 25

	// readAgain is how long a stream waits when events cannot be read.
	readAgain = time.Second
)

// The first lines of a stream set how soon a client that lost it comes back,
// and where it stands before its first event.
const (
	streamBegins = "retry: 2000\nid: "
	streamLives  = ":\n\n"
	streamEnds   = ": the gateway stops; come back with the last id\n\n"
)

func (a *api) registerEvents() {
	feed := a.operation(route{
		id: "read-events", method: http.MethodGet, path: "/v1/events", tag: "Events", also: mediaStream,
		summary: "What happened to your declarations",
		description: "Every event of every declaration of yours, in one order that never changes: those of one declaration by their numbers, none missing, none twice. " +
			"Ask for what comes after a cursor and go on from next; fewer events than limit are all there are by now. " + streamText + typesText(),
		security: tenantKey, scope: account.ReadEvents,
		problems: []problemCode{codeStreamsTooMany},
	})
	feed.Middlewares = append(huma.Middlewares{a.inTurn}, feed.Middlewares...)
	a.givesPage(&feed, reflect.TypeFor[EventPage]())
	handle(a, feed, a.feed)

	list := a.operation(route{
		id: "list-events", method: http.MethodGet, path: "/v1/declarations/{id}/events", tag: "Events", also: mediaStream,
		summary:     "What happened to a declaration",
		description: "In order, numbered from 1 without gaps. " + streamText + typesText(),
		security:    tenantKey, scope: account.ReadEvents,
		problems: []problemCode{codeResourceMissing, codeStreamsTooMany},
	})
	list.Middlewares = append(huma.Middlewares{a.inTurn}, list.Middlewares...)
	a.givesPage(&list, reflect.TypeFor[EventList]())
	handle(a, list, a.list)
}

// streamText is said of both.
const streamText = "With Accept: text/event-stream the answer stays open and brings events as they happen: id is the event's cursor, event its type, data the event as JSON. " +
	"A stream begins where Last-Event-ID or after says, otherwise now; a comment every 15 seconds shows that it lives. It may end at any time: come back with the last id, as browsers do by themselves. "

// typesText documents every type of event there is.
func typesText() string {
	var text strings.Builder
	text.WriteString("Types of events, of which more may come:\n")
	for _, known := range event.Types {
		text.WriteString("\n- `" + known.Name + "`: " + known.Means.English)
	}
	return text.String()
}

// givesPage documents the JSON of an operation that writes it itself.
func (a *api) givesPage(operation *huma.Operation, form reflect.Type) {
	operation.Responses["200"].Content["application/json"].Schema = a.huma.OpenAPI().Components.Schemas.Schema(form, true, form.Name())
}

// EventPage is a part of a tenant's feed.
type EventPage struct {
	Events []FeedEvent `json:"events"`
	Next   string      `json:"next" doc:"The cursor to ask after next, also when nothing came"`
}

// FeedEvent is an event in its place in the feed.
type FeedEvent struct {
	Cursor        string          `json:"cursor" doc:"Opaque; ask after it for what comes next"`
	ID            string          `json:"id"`
	DeclarationID string          `json:"declarationId"`
	Reference     string          `json:"reference,omitempty" doc:"The declaration's own"`
	Number        int             `json:"number" doc:"Counts the declaration's events from 1 without gaps"`
	Type          string          `json:"type"`
	Agency        string          `json:"agency,omitempty"`
	At            time.Time       `json:"at"`
	Data          json.RawMessage `json:"data" doc:"As the type says"`
}

func told(e event.Entry) FeedEvent {
	return FeedEvent{e.Cursor, e.ID, e.DeclarationID, e.Reference, e.Number, e.Type, e.Agency, e.At, e.Data}
}

// EventList is everything that happened to one declaration.
type EventList struct {
	Events []declare.Event `json:"events"`
}

// place is where in the feed a client stands, and which of its parameters
// says so.
type place struct{ cursor, pointer string }

// complain turns what is no cursor into something to mend.
func (p place) complain(err error) error {
	if errors.Is(err, event.ErrCursor) {
		return &failure{code: codeParameterInvalid, faults: []declare.Fault{{Code: string(codeParameterInvalid), Pointer: p.pointer}}}
	}
	return err
}

// Behind is part of the input of both: where in the feed the client stands.
type Behind struct {
	After       string `query:"after" maxLength:"100" doc:"The cursor to go on behind; beginning: everything there is" example:"AQAAAAAAAALoAAAAAAAAAAw"`
	LastEventID string `header:"Last-Event-ID" maxLength:"100" doc:"Of a stream that is taken up again: the last id that came, before after" example:"AQAAAAAAAALoAAAAAAAAAAw"`
}

func (b Behind) place() place {
	p := place{b.After, "/query/after"}
	if b.LastEventID != "" {
		p = place{b.LastEventID, "/header/Last-Event-ID"}
	}
	if p.cursor == fromBeginning {
		p.cursor = event.Beginning
	}
	return p
}

type feedInput struct {
	Caller
	Behind
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"At most so many; a stream has no end"`
}

func (a *api) feed(ctx context.Context, in *feedInput) (*huma.StreamResponse, error) {
	filter := event.Filter{Scope: declare.TenantScope(in.request.tenant), Tenant: in.request.tenant}
	if wantsStream(in.request) {
		return a.follow(ctx, in.request, filter, in.place())
	}
	in.LastEventID = ""
	at := in.place()
	entries, next, err := a.events.After(ctx, filter, at.cursor, in.Limit)
	if err != nil {
		return nil, at.complain(err)
	}
	page := EventPage{Events: make([]FeedEvent, len(entries)), Next: next}
	for i, entry := range entries {
		page.Events[i] = told(entry)
	}
	return a.givenAs(page), nil
}

type listInput struct {
	Caller
	Behind
	ID string `path:"id" doc:"The declaration's id" example:"dec_01KDTP3X8Q0000000000000001"`
}

func (a *api) list(ctx context.Context, in *listInput) (*huma.StreamResponse, error) {
	if !declarationID.MatchString(in.ID) {
		return nil, declare.ErrMissing
	}
	events, err := a.gateway.Events(ctx, in.request.tenant, in.ID)
	if err != nil {
		return nil, err
	}
	if wantsStream(in.request) {
		filter := event.Filter{Scope: declare.TenantScope(in.request.tenant), Tenant: in.request.tenant, Declaration: in.ID}
		return a.follow(ctx, in.request, filter, in.place())
	}
	return a.givenAs(EventList{events}), nil
}

// givenAs answers with JSON where the operation may also give a stream.
func (a *api) givenAs(body any) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/json")
		ctx.SetStatus(http.StatusOK)
		if err := json.NewEncoder(ctx.BodyWriter()).Encode(body); err != nil {
			a.log.Debug("answer not read", "error", err)
		}
	}}
}

// wantsStream tells whether a stream is asked for by its name: who takes
// anything gets JSON.
func wantsStream(r *request) bool { return asksForStream(r.Header("Accept")) }

func asksForStream(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		if strings.Contains(strings.ToLower(part), mediaStream) && accepts(part, mediaStream) {
			return true
		}
	}
	return false
}

// streams counts the open ones of each tenant.
type streams struct {
	Following
	opening chan struct{} // holds a token for each that is being opened
	mu      sync.Mutex
	open    map[string]int
}

// mostOpening is how many streams are opened at once: when a gateway is back,
// all its clients are too, and each asks the database who it is and where it
// stands.
const mostOpening = 6

func newStreams(f Following) *streams {
	f.PerTenant = cmp.Or(f.PerTenant, 1000)
	f.Heartbeat = cmp.Or(f.Heartbeat, 15*time.Second)
	f.SlowClient = cmp.Or(f.SlowClient, 10*time.Second)
	return &streams{Following: f, opening: make(chan struct{}, mostOpening), open: map[string]int{}}
}

// inTurn lets streams be opened a few at a time. It stands before the question
// who asks; a stream that has begun makes room for the next.
func (a *api) inTurn(ctx huma.Context, next func(huma.Context)) {
	r := ctx.(*request)
	if !wantsStream(r) {
		next(r)
		return
	}
	tooLong := time.NewTimer(patience)
	select {
	case a.streams.opening <- struct{}{}:
		tooLong.Stop()
	case <-tooLong.C:
		a.refuse(r, declare.ErrUnavailable)
		return
	}
	r.opened = sync.OnceFunc(func() { <-a.streams.opening })
	defer r.opened()
	next(r)
}

// enter counts a stream of a tenant where there is room for it.
func (s *streams) enter(tenant string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[tenant] >= s.PerTenant {
		return false
	}
	s.open[tenant]++
	return true
}

func (s *streams) leave(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[tenant]--; s.open[tenant] == 0 {
		delete(s.open, tenant)
	}
}

// follow opens a stream. What keeps it from beginning is a problem as
// everywhere; from then on it can only end.
func (a *api) follow(ctx context.Context, r *request, filter event.Filter, from place) (*huma.StreamResponse, error) {
	if !a.streams.enter(r.tenant) {
		return nil, &failure{code: codeStreamsTooMany}
	}
	news := a.events.Subscribe(filter)
	context.AfterFunc(r.Context(), func() { // when the exchange is over, however it ends
		news.Close()
		a.streams.leave(r.tenant)
	})
	f := &follower{api: a, request: r, news: news, cursor: from.cursor}
	var err error
	if f.cursor == "" {
		if f.cursor, err = a.events.Last(ctx, filter); err != nil {
			return nil, err
		}
	}
	first, err := news.After(ctx, f.cursor, streamPage)
	if err != nil {
		return nil, from.complain(err)
	}
	return &huma.StreamResponse{Body: func(huma.Context) { f.run(first) }}, nil
}

// follower writes one stream. It holds one page of events at a time.
type follower struct {
	api     *api
	request *request
	news    *event.Subscription
	cursor  string // behind the last event written

	writer    http.ResponseWriter
	control   *http.ResponseController
	heartbeat *time.Ticker
	welcomed  time.Time // when the key was last asked about
}

// keyAge is for how long a stream goes by what it knows of its key.
const keyAge = 5 * time.Second

// run writes events until the client, its key or the gateway is gone.
func (f *follower) run(page *event.Page) {
	f.request.opened() // what follows takes as long as the client likes
	if !f.begin() {
		return
	}
	f.welcomed = time.Now()
	f.heartbeat = time.NewTicker(f.api.streams.Heartbeat)
	defer f.heartbeat.Stop()
	for f.write(page) && (full(page) || f.wait(page == nil)) {
		var err error
		if page, err = f.news.After(f.request.Context(), f.cursor, streamPage); errors.Is(err, event.ErrCursor) {
			return // the database is an older one now
		}
	}
}

// full tells whether there may be more behind a page at once.
func full(page *event.Page) bool { return page != nil && len(page.Entries) == streamPage }

// begin writes the headers and where the stream stands.
func (f *follower) begin() bool {
	f.request.SetHeader("Content-Type", mediaStream)
	f.request.SetHeader("X-Accel-Buffering", "no") // else a proxy may keep events to itself
	f.request.SetStatus(http.StatusOK)
	if f.request.Method() == http.MethodHead {
		return false
	}
	f.writer = f.request.BodyWriter().(http.ResponseWriter)
	f.control = http.NewResponseController(f.writer)
	// The time for reading the request is over when it is read; left as it
	// is, it would end the exchange.
	return f.went(f.control.SetReadDeadline(time.Time{})) && f.send([]byte(streamBegins+f.cursor+"\n\n"))
}

// wait returns true when there may be more to write, in any case soon if
// reading failed.
func (f *follower) wait(failed bool) bool {
	var again <-chan time.Time
	if failed {
		again = time.After(readAgain)
	}
	for {
		select {
		case <-f.request.Context().Done():
			return false
		case _, open := <-f.news.News():
			return open || f.send([]byte(streamEnds)) && false
		case <-again:
			return true
		case <-f.heartbeat.C:
			if !f.welcome() || !f.send([]byte(streamLives)) {
				return false
			}
		}
	}
}

// welcome tells whether the key or token that opened the stream is still good.
func (f *follower) welcome() bool {
	f.welcomed = time.Now()
	_, err := authenticate(f.request, f.api.principal)
	return !errors.Is(err, account.ErrUnknown)
}

// write writes a page; there is none when it could not be read.
func (f *follower) write(page *event.Page) bool {
	if page == nil || len(page.Entries) == 0 {
		return true
	}
	if time.Since(f.welcomed) > keyAge && !f.welcome() {
		return false
	}
	if !f.send(page.Text(f.api.streamed)) {
		return false
	}
	f.cursor = page.Next
	return true
}

// streamed is a page as it stands in a stream.
func (a *api) streamed(entries []event.Entry) (text []byte) {
	for _, e := range entries {
		data, err := json.Marshal(told(e)) // no line breaks
		if err != nil {
			a.log.Error("an event cannot be written", "event", e.ID)
		}
		text = fmt.Appendf(text, "id: %s\nevent: %s\ndata: %s\n\n", e.Cursor, e.Type, data)
	}
	return text
}

// send writes within the time a slow client has.
func (f *follower) send(text []byte) bool {
	if !f.went(f.control.SetWriteDeadline(time.Now().Add(f.api.streams.SlowClient))) {
		return false
	}
	_, err := f.writer.Write(text)
	return f.went(err) && f.went(f.control.Flush())
}

// went tells whether something went well; nobody is there to be told if not.
func (f *follower) went(err error) bool {
	if err != nil {
		f.api.log.Debug("stream ended by its client", "requestId", f.request.requestID, "error", err)
	}
	return err == nil
}
