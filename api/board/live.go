package board

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/event"
)

const (
	livePath      = Root + "live"
	livePage      = 200              // events read at once
	liveHeartbeat = 15 * time.Second // silence shows that the line is open; the session is looked at again
	liveWrite     = 10 * time.Second // what a slow browser has for one write
	liveAgain     = time.Second      // until the next try when the database does not answer
	mostLive      = 500              // streams of one process
)

func (b *board) registerLive() {
	b.mux.HandleFunc("GET "+livePath, b.signedIn(b.live))
	b.mux.HandleFunc("GET "+Root+"declarations/{tenant}/{id}/row", b.signedIn(b.row))
}

// liveAddress is where what changes from now on is told; "" without a stream.
func (b *board) liveAddress(r *http.Request, v visitor) (string, error) {
	if b.events == nil {
		return "", nil
	}
	cursor, err := b.events.Last(r.Context(), event.Filter{Scope: v.Scope()})
	return livePath + "?" + url.Values{"after": {cursor}}.Encode(), err
}

// row draws one line of the list anew.
func (b *board) row(w http.ResponseWriter, r *http.Request, v visitor) {
	tenant, id, known := named(r)
	if !known {
		b.missing(w, r, v)
		return
	}
	line, err := b.queries.Line(r.Context(), v.Scope(), tenant, id)
	switch {
	case errors.Is(err, declare.ErrMissing):
		b.missing(w, r, v)
	case err != nil:
		b.fail(w, r, v, err)
	default:
		b.renderPart(w, r, v, "list", "one", b.lineRow(v, line))
	}
}

// live tells, as server-sent events, which of the declarations that the
// visitor may see have changed: their names, not what changed.
func (b *board) live(w http.ResponseWriter, r *http.Request, v visitor) {
	if b.events == nil {
		b.missing(w, r, v)
		return
	}
	select {
	case b.watching <- struct{}{}:
		defer func() { <-b.watching }()
	default:
		w.Header().Set("Retry-After", "30")
		b.renderStatus(w, r, v, http.StatusServiceUnavailable, "error", trouble{"frame.unavailable.title", "frame.unavailable.text", ""})
		return
	}
	news := b.events.Subscribe(event.Filter{Scope: v.Scope()})
	defer news.Close()
	cursor := r.Header.Get("Last-Event-ID")
	if cursor == "" {
		cursor = r.URL.Query().Get("after")
	}
	if cursor == "" {
		var err error
		if cursor, err = b.events.Last(r.Context(), event.Filter{Scope: v.Scope()}); err != nil {
			b.fail(w, r, v, err)
			return
		}
	}
	changed, err := news.After(r.Context(), cursor, livePage)
	switch {
	case errors.Is(err, event.ErrCursor):
		b.missing(w, r, v)
	case errors.Is(err, event.ErrStopped):
		b.fail(w, r, v, declare.ErrUnavailable)
	case err != nil:
		b.fail(w, r, v, err)
	default:
		teller := &teller{board: b, request: r, visitor: v, news: news, writer: w, control: http.NewResponseController(w)}
		teller.tell(r.Context(), changed)
	}
}

// teller writes one stream.
type teller struct {
	board   *board
	request *http.Request
	visitor visitor
	news    *event.Subscription
	writer  http.ResponseWriter
	control *http.ResponseController
}

// tell writes until the browser, the session or the gateway is gone.
func (t *teller) tell(ctx context.Context, changed *event.Page) {
	t.writer.Header().Set("Content-Type", "text/event-stream")
	t.writer.Header().Set("X-Accel-Buffering", "no") // else a proxy may keep events to itself
	// The time for reading the request is over when it is read; left as it is,
	// it would end the exchange.
	if !t.went(t.control.SetReadDeadline(time.Time{})) || !t.write("retry: 2000\n\n") {
		return
	}
	heartbeat := time.NewTicker(liveHeartbeat)
	defer heartbeat.Stop()
	for {
		if text, err := told(changed); err != nil || !t.write(text) {
			return
		}
		more := len(changed.Entries) == livePage
		if !more && !t.wait(ctx, heartbeat, nil) {
			return
		}
		next, err := t.news.After(ctx, changed.Next, livePage)
		for err != nil {
			if errors.Is(err, event.ErrCursor) || errors.Is(err, event.ErrStopped) || !t.wait(ctx, heartbeat, time.After(liveAgain)) {
				return
			}
			next, err = t.news.After(ctx, changed.Next, livePage)
		}
		changed = next
	}
}

// wait returns true when there may be something to tell, in any case at again.
func (t *teller) wait(ctx context.Context, heartbeat *time.Ticker, again <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case _, open := <-t.news.News():
			return open
		case <-again:
			return true
		case <-heartbeat.C:
			if !t.welcome(ctx) || !t.write(": \n\n") {
				return false
			}
		}
	}
}

// welcome tells whether the session still lasts, and its visitor may see the
// same.
func (t *teller) welcome(ctx context.Context) bool {
	token := t.board.sessions.of(t.request).Token(t.request.Context())
	_, lasts, err := t.board.accounts.Sessions().FindCtx(ctx, token)
	var user account.User
	if err == nil && lasts {
		user, err = t.board.accounts.User(ctx, t.visitor.ID)
	}
	if errors.Is(err, declare.ErrUnavailable) {
		return true // nothing can be read now either
	}
	return err == nil && lasts && !user.Disabled && user.Epoch == t.visitor.Epoch && user.Scope() == t.visitor.Scope()
}

// liveLine names a declaration that changed, as the script reads it.
type liveLine struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
	New    bool   `json:"new,omitempty"` // it was filed just now
}

// told writes one event for all that changed, each declaration once.
func told(changed *event.Page) (string, error) {
	var lines []liveLine
	place := map[string]int{}
	for _, entry := range changed.Entries {
		i, known := place[entry.DeclarationID]
		if !known {
			i = len(lines)
			place[entry.DeclarationID], lines = i, append(lines, liveLine{Tenant: entry.Tenant, ID: entry.DeclarationID})
		}
		lines[i].New = lines[i].New || entry.Number == 1
	}
	if len(lines) == 0 {
		return "", nil
	}
	data, err := json.Marshal(lines) // no line breaks
	return "id: " + changed.Next + "\nevent: declarations\ndata: " + string(data) + "\n\n", err
}

func (t *teller) write(text string) bool {
	if text == "" {
		return true
	}
	if !t.went(t.control.SetWriteDeadline(time.Now().Add(liveWrite))) {
		return false
	}
	_, err := t.writer.Write([]byte(text))
	return t.went(err) && t.went(t.control.Flush())
}

// went tells whether something went well; nobody is there to be told if not.
func (t *teller) went(err error) bool {
	if err != nil {
		t.board.log.Debug("live page ended by its browser", "error", err)
	}
	return err == nil
}
