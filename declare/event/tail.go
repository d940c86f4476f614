package event

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

const (
	// mostReading is how many subscribers read at once: a thousand that are
	// woken together must not take the database from those who file.
	mostReading = 6
	// readTime bounds a subscriber's wait for its turn and the page.
	readTime = 10 * time.Second
	// mostNews is how many new events are looked at to find whom to wake;
	// beyond it everybody is woken.
	mostNews = 2000
	// mostPages is how many pages are kept for those who wait for the same.
	mostPages = 8
)

// ErrStopped is given to subscribers when the stream has ended; it is a kind of
// [declare.ErrUnavailable].
var ErrStopped = fmt.Errorf("event: the stream has ended: %w", declare.ErrUnavailable)

// Subscription hears of news for one filter. Who subscribes reads first and
// waits afterwards: what comes between is news.
type Subscription struct {
	stream *Stream
	filter Filter
	news   chan struct{}
}

// topic is everybody who waits for the same, and the pages they read last.
type topic struct {
	subscriptions map[*Subscription]struct{}
	pages         map[place]*Page
}

// place is where a page begins and how long it may be.
type place struct {
	after string
	limit int
}

// Page is what stands behind a cursor. It is read once for all who stand
// there: nobody may change it.
type Page struct {
	Entries []Entry
	Next    string // the cursor to go on from

	place   place
	below   uint64        // as far as everybody was told when it was asked for
	done    chan struct{} // closed when the page is read
	err     error
	writing sync.Once
	text    []byte
}

// Text gives the page as its readers write it, which is done once for all who
// share it: every reader must write alike.
func (p *Page) Text(write func([]Entry) []byte) []byte {
	p.writing.Do(func() { p.text = write(p.Entries) })
	return p.text
}

// Subscribe begins to wait for events of a filter. Close it in the end.
func (s *Stream) Subscribe(filter Filter) *Subscription {
	sub := &Subscription{stream: s, filter: filter, news: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended() {
		close(sub.news)
		return sub
	}
	waiting := s.topics[filter]
	if waiting == nil {
		waiting = &topic{subscriptions: map[*Subscription]struct{}{}, pages: map[place]*Page{}}
		s.topics[filter] = waiting
	}
	waiting.subscriptions[sub] = struct{}{}
	return sub
}

// News receives when there may be something behind the cursor. It is closed
// when the stream ends, so that whoever waits goes elsewhere.
func (u *Subscription) News() <-chan struct{} { return u.news }

// Close ends the subscription; a second time does nothing.
func (u *Subscription) Close() {
	s := u.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.topics[u.filter]
	if waiting == nil {
		return
	}
	delete(waiting.subscriptions, u)
	if len(waiting.subscriptions) == 0 {
		delete(s.topics, u.filter)
	}
}

// After gives what [Stream.After] gives for the subscription's filter, as far
// as everybody has been told of it: so those who wait for the same come to
// stand at the same cursor, and who stands there shares one page. Few pages are
// read at once, the others wait for their turn. The error may also be
// [ErrStopped].
func (u *Subscription) After(ctx context.Context, after string, limit int) (*Page, error) {
	if u.stream.ended() {
		return nil, ErrStopped
	}
	page, mine := u.page(place{after, limit})
	if mine {
		page.Entries, page.Next, page.err = u.stream.inTurn(context.WithoutCancel(ctx), u.filter, page)
		if page.err != nil {
			u.stream.forget(u.filter, page)
		}
		close(page.done)
	}
	select {
	case <-page.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if page.err != nil {
		return nil, page.err
	}
	return page, nil
}

// page gives the page to read, and whether it is the caller who must read it.
func (u *Subscription) page(at place) (page *Page, mine bool) {
	s := u.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.topics[u.filter]
	if waiting != nil && waiting.pages[at] != nil {
		return waiting.pages[at], false
	}
	page = &Page{place: at, below: s.told, done: make(chan struct{})}
	if waiting != nil && len(waiting.subscriptions) > 1 {
		if len(waiting.pages) >= mostPages {
			clear(waiting.pages)
		}
		waiting.pages[at] = page
	}
	return page, true
}

// forget makes the next reader ask again.
func (s *Stream) forget(filter Filter, page *Page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if waiting := s.topics[filter]; waiting != nil && waiting.pages[page.place] == page {
		delete(waiting.pages, page.place)
	}
}

func (s *Stream) inTurn(ctx context.Context, filter Filter, page *Page) ([]Entry, string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	select {
	case s.reading <- struct{}{}:
	case <-s.stopped:
		return nil, "", ErrStopped
	case <-ctx.Done():
		return nil, "", declare.ErrUnavailable
	}
	defer func() { <-s.reading }()
	if page.below == 0 {
		return s.After(ctx, filter, page.place.after, page.place.limit)
	}
	return s.between(ctx, filter, page.place.after, page.below, page.place.limit)
}

// stale tells whether there may be more on a page than when it was read: a
// full one stays as it is.
func (p *Page) stale() bool {
	select {
	case <-p.done:
		return len(p.Entries) < p.place.limit
	default:
		return true
	}
}

// Run wakes subscribers until ctx ends, then ends every subscription.
func (s *Stream) Run(ctx context.Context) error {
	defer s.end()
	ticker := time.NewTicker(s.poll)
	defer ticker.Stop()
	var seen uint64 // every event below was told of; 0 while nobody waits
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if !s.awaited() {
			seen = 0
			continue
		}
		upTo, err := s.look(ctx, seen)
		if err == nil {
			seen = upTo
		} else if !failing && ctx.Err() == nil {
			s.log.Warn("events cannot be read, trying on", "error", err)
		}
		failing = err != nil
	}
}

// look wakes whoever has events from seen on, everybody when seen is 0, and
// says how far it saw.
func (s *Stream) look(ctx context.Context, seen uint64) (upTo uint64, err error) {
	var found []news
	err = s.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, statement("horizon")).Scan(&upTo); err != nil || seen == 0 || upTo == seen {
			return err
		}
		rows, err := tx.Query(ctx, statement("news"), seen, upTo, mostNews)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[news])
		return err
	})
	if err != nil {
		return seen, err
	}
	concerned := concerns(found)
	if seen == 0 || len(found) == mostNews {
		concerned = func(Filter) bool { return true }
	}
	s.wake(upTo, concerned)
	return upTo, nil
}

// news says which declaration something happened to.
type news struct{ Tenant, Declaration string }

// concerns tells whom news may concern.
func concerns(found []news) func(Filter) bool {
	known := map[news]bool{}
	for _, one := range found {
		known[one], known[news{Tenant: one.Tenant}] = true, true
	}
	return func(filter Filter) bool {
		return len(found) > 0 && (filter.Tenant == "" || known[news{filter.Tenant, filter.Declaration}])
	}
}

// wake tells those who are concerned of what stands below upTo.
func (s *Stream) wake(upTo uint64, concerned func(Filter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = upTo
	for filter, waiting := range s.topics {
		if !concerned(filter) {
			continue
		}
		maps.DeleteFunc(waiting.pages, func(_ place, page *Page) bool { return page.stale() })
		for sub := range waiting.subscriptions {
			select {
			case sub.news <- struct{}{}:
			default: // it has not looked since it was last woken
			}
		}
	}
}

func (s *Stream) awaited() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.topics) > 0
}

// ended tells whether Run is over.
func (s *Stream) ended() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

func (s *Stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.stopped)
	for _, waiting := range s.topics {
		for sub := range waiting.subscriptions {
			close(sub.news)
		}
	}
	clear(s.topics)
}
