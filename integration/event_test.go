package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/api"
	"singlewindow/declare"
	"singlewindow/declare/event"
)

// A listener follows a stream and takes it up again when it is lost, as a
// browser does, until its test ends.
type listener struct {
	name, key, url string

	mu     sync.Mutex
	last   string // id of the latest event, or of the place the stream began at
	heard  []string
	began  int // how often a stream was opened
	said   []string
	faults []string
}

// listening is a group of listeners that share a client.
type listening struct {
	client *http.Client
	ctx    context.Context
	all    sync.WaitGroup
}

func newListening(t *testing.T) *listening {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	g := &listening{client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, ctx: ctx}
	t.Cleanup(func() { stop(); g.all.Wait() })
	return g
}

// listen begins to follow a path of the line's first gateway.
func (g *listening) listen(l *line, tenant, path string) *listener {
	e := &listener{name: tenant + " " + path, key: l.keys[tenant], url: "http://" + l.gateway.address + path}
	g.all.Go(func() {
		look := time.NewTicker(50 * time.Millisecond)
		defer look.Stop()
		for g.ctx.Err() == nil {
			e.once(g)
			select {
			case <-look.C:
			case <-g.ctx.Done():
			}
		}
	})
	return e
}

// once follows one stream to its end.
func (e *listener) once(g *listening) {
	request, err := http.NewRequestWithContext(g.ctx, http.MethodGet, e.url, nil)
	if err != nil {
		e.fault("%v", err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+e.key)
	request.Header.Set("Accept", "text/event-stream")
	if last := e.place(); last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	response, err := g.client.Do(request)
	if err != nil {
		return // the gateway is away
	}
	switch {
	case response.StatusCode == http.StatusOK && response.Header.Get("Content-Type") == "text/event-stream":
		e.read(response.Body)
	case response.StatusCode != http.StatusServiceUnavailable:
		e.fault("%d %s", response.StatusCode, response.Header)
	}
	_ = response.Body.Close() // the stream is over, or was never one
}

// read takes Server-Sent Events in until there are no more.
func (e *listener) read(body io.Reader) {
	lines := bufio.NewReaderSize(body, 4096)
	var id, kind, data string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return // an event that is cut off is none
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n":
			e.take(id, kind, data)
			id, kind, data = "", "", ""
		case name == "id":
			id = value
		case name == "event":
			kind = value
		case name == "data":
			data = value
		case name == "" && value != "":
			e.hear(value)
		}
	}
}

func (e *listener) take(id, kind, data string) {
	if id == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = id
	if data == "" {
		e.began++
		return
	}
	var told struct{ Cursor, ID, Type string } // a thousand listeners need no more
	if err := json.Unmarshal([]byte(data), &told); err != nil || told.Cursor != id || told.Type != kind {
		e.faults = append(e.faults, fmt.Sprintf("%s %s %s: %v", id, kind, data, err))
		return
	}
	e.heard = append(e.heard, told.ID)
}

func (e *listener) hear(comment string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said = append(e.said, comment)
}

func (e *listener) wasTold(comment string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.said, func(said string) bool { return strings.Contains(said, comment) })
}

func (e *listener) place() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

func (e *listener) fault(format string, arguments ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.faults) < 5 {
		e.faults = append(e.faults, fmt.Sprintf(format, arguments...))
	}
}

func (e *listener) opened() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.began
}

// ids are the events heard so far, in their order.
func (e *listener) ids() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

func (e *listener) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.heard)
}

// awaitOpen waits until every listener has a stream, for the so-many-eth time.
func awaitOpen(t *testing.T, listeners []*listener, times int) {
	t.Helper()
	eventually(t, time.Minute, "every stream is open", func() bool {
		return !slices.ContainsFunc(listeners, func(e *listener) bool { return e.opened() < times })
	})
}

// eventsOnFile are the ids of events on file, in the feed's order.
func (l *line) eventsOnFile(t *testing.T, where string, arguments ...any) (ids []string) {
	t.Helper()
	l.query(t, where, arguments, func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), "SELECT id FROM event WHERE "+where+" ORDER BY xid, position", arguments...)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return ids
}

// feed asks for a tenant's events page by page.
func (l *line) feed(t *testing.T, tenant, after string, limit int) (events []api.FeedEvent) {
	t.Helper()
	for {
		given := l.ask(t, l.keys[tenant], http.MethodGet, fmt.Sprintf("/v1/events?after=%s&limit=%d", after, limit), nil)
		if given.status != http.StatusOK {
			t.Fatalf("%d %s", given.status, given.body)
		}
		page := decoded[api.EventPage](t, given)
		events = append(events, page.Events...)
		if after = page.Next; len(page.Events) < limit {
			return events
		}
	}
}

func idsOf(events []api.FeedEvent) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// A writer is a transaction on the line's database that a test holds open.
type writer struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

func (l *line) writer(t *testing.T) *writer {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), l.database)
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close(context.Background())) })
	w := &writer{conn: conn}
	w.tx, err = conn.Begin(t.Context())
	must(t, err)
	_, err = w.tx.Exec(t.Context(), "SELECT pg_current_xact_id()")
	must(t, err)
	return w
}

// insert writes an event of a declaration of acme and gives its id.
func (w *writer) insert(t *testing.T, declaration string, number int) string {
	t.Helper()
	id := newIDs().New("evt")
	_, err := w.tx.Exec(t.Context(), "INSERT INTO event (tenant_id, declaration_id, number, id, type, at) VALUES ($1, $2, $3, $4, 'declaration.status', now())", acme, declaration, number, id)
	must(t, err)
	return id
}

func (w *writer) commit(t *testing.T) {
	t.Helper()
	must(t, w.tx.Commit(t.Context()))
}

// TestALateCommitIsNotSkipped: a transaction that wrote its event first and
// commits last holds back those behind it, so that nobody's cursor goes past
// an event that is not there yet.
func TestALateCommitIsNotSkipped(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{mute: true})
	g := newListening(t)
	mine, theirs := g.listen(l, acme, "/v1/events"), g.listen(l, bolt, "/v1/events")
	awaitOpen(t, []*listener{mine, theirs}, 1)
	ids := newIDs()
	late, early := l.writer(t), l.writer(t)
	want := []string{late.insert(t, ids.New("dec"), 1)}
	want = append(want, early.insert(t, ids.New("dec"), 1))
	early.commit(t)
	one := decoded[api.EventPage](t, l.ask(t, l.keys[acme], http.MethodGet, "/v1/events", nil)) // whose reader goes on from there
	if len(one.Events) > 0 {
		t.Errorf("told while an earlier one was on its way: %v", idsOf(one.Events))
	}
	late.commit(t)
	eventually(t, 20*time.Second, "both are told", func() bool { return len(mine.ids()) >= 2 })
	if heard := mine.ids(); !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	if asked := idsOf(l.feed(t, acme, one.Next, 1)); !slices.Equal(asked, want) {
		t.Errorf("given %v, want %v", asked, want)
	}
	if heard := theirs.ids(); len(heard) > 0 {
		t.Errorf("another enterprise hears %v", heard)
	}
}

// TestEventsOfADeclarationKeepTheirOrder: of two transactions that write to
// one declaration, the one that began first may write second.
func TestEventsOfADeclarationKeepTheirOrder(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{mute: true})
	g := newListening(t)
	declaration := newIDs().New("dec")
	mine := g.listen(l, acme, "/v1/events")
	awaitOpen(t, []*listener{mine}, 1)
	first, second := l.writer(t), l.writer(t)
	want := []string{second.insert(t, declaration, 1)}
	second.commit(t)
	want = append(want, first.insert(t, declaration, 2))
	first.commit(t)
	third := l.writer(t)
	want = append(want, third.insert(t, declaration, 3))
	third.commit(t)
	eventually(t, 20*time.Second, "all are told", func() bool { return len(mine.ids()) >= 3 })
	if heard := mine.ids(); !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	if asked := idsOf(l.feed(t, acme, "", 2)); !slices.Equal(asked, want) {
		t.Errorf("given %v, want %v", asked, want)
	}
}

// TestAnOpenTransactionDelaysEvents: one that stays open, in whatever database
// of the server, makes events wait; they all come when it is over.
func TestAnOpenTransactionDelaysEvents(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{mute: true})
	from, _ := l.widest(t)
	g := newListening(t)
	mine := g.listen(l, acme, "/v1/events")
	awaitOpen(t, []*listener{mine}, 1)
	elsewhere, err := pgx.Connect(t.Context(), server.URL())
	must(t, err)
	defer func() { must(t, elsewhere.Close(context.Background())) }()
	open, err := elsewhere.Begin(t.Context())
	must(t, err)
	_, err = open.Exec(t.Context(), "SELECT pg_current_xact_id()")
	must(t, err)
	filed := l.file(t, acme, from, "DELAYED-1")
	eventually(t, 20*time.Second, "everything is sent", func() bool { return l.count(t, unsent) == 0 })
	if early := l.feed(t, acme, "", 100); len(early) > 0 || len(mine.ids()) > 0 {
		t.Errorf("told while a transaction is open: %v", idsOf(early))
	}
	given := l.ask(t, l.keys[acme], http.MethodGet, "/v1/declarations/"+filed.ID+"/events", nil)
	if own := decoded[api.EventList](t, given).Events; len(own) < 2 {
		t.Errorf("a declaration's own list waits too: %s", given.body)
	}
	must(t, open.Rollback(t.Context()))
	want := l.eventsOnFile(t, "tenant_id = $1", acme)
	eventually(t, 20*time.Second, "all are told", func() bool { return slices.Equal(mine.ids(), want) })
}

// TestEventsOverREST reads the feed page by page.
func TestEventsOverREST(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	from, _ := l.widest(t)
	references := map[string]string{}
	for n := range 3 {
		filed := l.file(t, acme, from, fmt.Sprintf("FEED-%d", n))
		references[filed.ID] = filed.Reference
	}
	foreign := l.file(t, bolt, from, "FEED-0")
	eventually(t, 30*time.Second, "every filing is decided", func() bool { return l.count(t, undecided) == 0 })
	l.closeOffices(t)
	var all []api.FeedEvent
	eventually(t, 20*time.Second, "the feed has everything", func() bool {
		all = l.feed(t, acme, "beginning", 100)
		return slices.Equal(idsOf(all), l.eventsOnFile(t, "tenant_id = $1", acme))
	})
	numbers := map[string]int{}
	for _, e := range all {
		if numbers[e.DeclarationID]++; e.Number != numbers[e.DeclarationID] || e.Reference != references[e.DeclarationID] || e.At.IsZero() || len(e.Data) == 0 {
			t.Errorf("%+v", e)
		}
	}
	if len(numbers) != len(references) || len(all) < 20 {
		t.Errorf("%d events of %d declarations", len(all), len(numbers))
	}
	for _, limit := range []int{1, 7, 500} {
		if pages := l.feed(t, acme, "", limit); !slices.Equal(idsOf(pages), idsOf(all)) {
			t.Errorf("by %d: %d events, want %d", limit, len(pages), len(all))
		}
	}
	middle := len(all) / 2
	if rest := l.feed(t, acme, all[middle].Cursor, 100); !slices.Equal(idsOf(rest), idsOf(all[middle+1:])) {
		t.Errorf("behind event %d come %v", middle, idsOf(rest))
	}
	if others := l.feed(t, bolt, "", 100); slices.ContainsFunc(others, func(e api.FeedEvent) bool { return e.DeclarationID != foreign.ID }) || len(others) == 0 {
		t.Errorf("another enterprise is given %v", idsOf(others))
	}
	if others := l.feed(t, bolt, all[middle].Cursor, 100); slices.ContainsFunc(others, func(e api.FeedEvent) bool { return e.DeclarationID != foreign.ID }) {
		t.Errorf("another enterprise is given %v", idsOf(others))
	}
}

// TestStreams follows many streams over kills and stops of the gateway.
func TestStreams(t *testing.T) {
	t.Parallel()
	followStreams(t, 60, 12, 2)
}

// TestLongStreams is the long form, and measures what a stream costs.
func TestLongStreams(t *testing.T) {
	onlyLong(t)
	followStreams(t, 1000, 120, 10)
}

// mostPerStream is what a stream may cost the gateway.
const mostPerStream = 64 << 10

// followStreams holds streams open, of one enterprise, of another and of
// single declarations, while declarations are filed and the gateway is killed
// or stopped. Each stream must have heard exactly what is on file.
func followStreams(t *testing.T, count, declarations, ends int) {
	t.Helper()
	l := newLine(t, lineOptions{pace: "100ms"})
	from, _ := l.widest(t)
	watched := []declare.Status{l.file(t, acme, from, "WATCHED-0.docs"), l.file(t, acme, from, "WATCHED-1.docs")}
	for n := range 5 { // so that the gateway has done everything once
		l.file(t, bolt, from, fmt.Sprintf("FOREIGN-%d.docs", n))
	}
	eventually(t, 30*time.Second, "every filing is decided", func() bool { return l.count(t, undecided) == 0 })
	before := l.gateway.memory(t)

	g := newListening(t)
	var all []*listener
	wants := map[*listener]string{}
	follow := func(tenant, path, where string) {
		e := g.listen(l, tenant, path)
		all, wants[e] = append(all, e), where
	}
	for n := range count {
		switch n % 10 {
		case 0:
			follow(bolt, "/v1/events?after=beginning", "tenant_id = 'bolt'")
		case 1, 2:
			id := watched[n%10-1].ID
			follow(acme, "/v1/declarations/"+id+"/events?after=beginning", "tenant_id = 'acme' AND declaration_id = '"+id+"'")
		case 3:
			follow(acme, "/v1/events", "tenant_id = 'acme'") // from now on
		default:
			follow(acme, "/v1/events?after=beginning", "tenant_id = 'acme'")
		}
	}
	awaitOpen(t, all, 1)
	caughtUp := l.eventsOnFile(t, "tenant_id = 'acme'")
	eventually(t, time.Minute, "every stream has caught up", func() bool {
		return !slices.ContainsFunc(all, func(e *listener) bool {
			return strings.HasSuffix(e.name, "acme /v1/events?after=beginning") && e.count() < len(caughtUp)
		})
	})
	each := (l.gateway.memory(t) - before) / count
	number(t, fmt.Sprintf("%d streams, growth of the gateway's process a stream, garbage and all", count), fmt.Sprintf("%d KB", each>>10), "64 KB")
	if each > mostPerStream && longForms() {
		t.Errorf("a stream costs %d bytes", each)
	}

	c, wait := l.begin(t, 4, declarations, []string{"default", "reject", "docs", "twice", "shuffle"})
	times := 1
	for end := range ends {
		l.awaitProgress(t, c, (end+1)*declarations*5/ends)
		if end%3 == 2 {
			l.gateway.stop(t)
		} else {
			l.gateway.kill(t)
		}
		l.startGateway(t)
		began := time.Now()
		times++
		awaitOpen(t, all, times)
		number(t, fmt.Sprintf("%d streams, all back after the gateway is", count), time.Since(began).Round(time.Millisecond), "-")
	}
	l.file(t, bolt, from, "FOREIGN-5")
	wait()
	eventually(t, 90*time.Second, "every filing is decided", func() bool { return l.count(t, undecided) == 0 && l.count(t, unsent) == 0 })
	l.closeOffices(t)
	l.mustHaveHeard(t, all, wants)
	l.mustKnowTypes(t)
}

// awaitProgress waits until so much has happened, or everything is filed.
func (l *line) awaitProgress(t *testing.T, c *campaign, happened int) {
	t.Helper()
	done, since := -1, time.Now()
	eventually(t, 2*time.Minute, "enough has happened", func() bool {
		if now := c.progress(t); now != done {
			done, since = now, time.Now()
		}
		return done >= happened || time.Since(since) > 2*time.Second
	})
}

// mustHaveHeard holds what each listener heard against what is on file: no
// gap, no copy, nobody else's.
func (l *line) mustHaveHeard(t *testing.T, all []*listener, wants map[*listener]string) {
	t.Helper()
	var wrong []string
	defer func() {
		for _, fault := range wrong[:min(len(wrong), 10)] {
			t.Error(fault)
		}
	}()
	eventually(t, 3*time.Minute, "every stream has heard what is on file", func() bool {
		wrong = nil
		onFile := map[string][]string{}
		for _, e := range all {
			where := wants[e]
			if onFile[where] == nil {
				onFile[where] = l.eventsOnFile(t, where)
			}
			if fault := e.compare(onFile[where]); fault != "" {
				wrong = append(wrong, fault)
			}
		}
		return len(wrong) == 0
	})
	events := 0
	for _, e := range all {
		events += e.count()
		for _, fault := range e.faults {
			t.Errorf("%s: %s", e.name, fault)
		}
	}
	number(t, fmt.Sprintf("%d streams, events heard", len(all)), events, "each once, in order")
}

// compare says how what was heard differs from what there is to hear.
func (e *listener) compare(want []string) string {
	heard := e.ids()
	if !strings.Contains(e.name, "?after=") && len(heard) > 0 && len(heard) <= len(want) { // it began somewhere
		want = want[len(want)-len(heard):]
	}
	for i, id := range heard[:min(len(heard), len(want))] {
		if id != want[i] {
			return fmt.Sprintf("%s: event %d of %d is %s, want %s, which it heard as %d", e.name, i, len(heard), id, want[i], slices.Index(heard, want[i]))
		}
	}
	if len(heard) != len(want) || len(heard) == 0 {
		return fmt.Sprintf("%s: heard %d events of %d", e.name, len(heard), len(want))
	}
	return ""
}

// mustKnowTypes: every type of event that was written is documented.
func (l *line) mustKnowTypes(t *testing.T) {
	t.Helper()
	var types []string
	l.query(t, "types", nil, func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), "SELECT DISTINCT type FROM event")
		if err != nil {
			return err
		}
		types, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	for _, name := range types {
		if !slices.ContainsFunc(event.Types, func(known event.Type) bool { return known.Name == name }) {
			t.Errorf("%s is not documented", name)
		}
	}
}

// memory is what a process holds of the machine's, in bytes.
func (p *process) memory(t *testing.T) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	must(t, err)
	for line := range strings.Lines(string(content)) {
		if value, is := strings.CutPrefix(line, "VmRSS:"); is {
			kilobytes, err := strconv.Atoi(strings.Fields(value)[0])
			must(t, err)
			return kilobytes << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// TestStreamsEndWithTheGateway: a stop says so on every stream and is not held
// up by any; the command follows on over it.
func TestStreamsEndWithTheGateway(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{mute: true})
	from, _ := l.widest(t)
	g := newListening(t)
	mine := g.listen(l, acme, "/v1/events")
	keyFile, shown := filepath.Join(l.folder, "key"), filepath.Join(l.folder, "shown")
	must(t, os.WriteFile(keyFile, []byte(l.keys[acme]), 0o600))
	arguments := []string{"events", "--server", "http://" + l.gateway.address, "--key-file", keyFile, "-o", "json"}
	out, err := os.Create(shown)
	must(t, err)
	following := l.command(t, "singlewindow", append(arguments, "--follow", "--after", "beginning")...)
	following.Stdout = out
	must(t, following.Start())
	must(t, out.Close())
	t.Cleanup(func() {
		must(t, following.Process.Signal(syscall.SIGTERM))
		if err := following.Wait(); err != nil {
			t.Errorf("events --follow: %v", err)
		}
	})
	awaitOpen(t, []*listener{mine}, 1)
	l.file(t, acme, from, "ENDS-1")
	eventually(t, 20*time.Second, "the first is shown", func() bool { return len(linesOf[api.FeedEvent](t, shown)) > 0 })

	asked := time.Now()
	l.gateway.stop(t)
	number(t, "stop of the gateway with open streams", time.Since(asked).Round(10*time.Millisecond), 5*time.Second)
	if took := time.Since(asked); took > patience(5*time.Second) {
		t.Errorf("the streams held up the stop: %v", took)
	}
	eventually(t, 5*time.Second, "the stream has said where to go on", func() bool { return mine.wasTold("come back with the last id") })
	l.startGateway(t)
	l.file(t, acme, from, "ENDS-2")
	eventually(t, 20*time.Second, "everything is sent", func() bool { return l.count(t, unsent) == 0 })
	want := l.eventsOnFile(t, "tenant_id = 'acme'")
	eventually(t, 20*time.Second, "everything is heard and shown", func() bool {
		return slices.Equal(mine.ids(), want) && slices.Equal(idsOf(linesOf[api.FeedEvent](t, shown)), want)
	})
	once := l.command(t, "singlewindow", arguments...)
	listed, err := once.Output()
	must(t, err)
	if lines := bytes.Count(listed, []byte("\n")); lines != len(want) {
		t.Errorf("the command lists %d events, want %d", lines, len(want))
	}
}

// An openStream is an answer that is still being given.
type openStream struct {
	status int
	header http.Header
	body   io.Reader
}

// open asks a server for a stream.
func (w *restWindow) open(t *testing.T, server, bearer, path string, headers ...string) openStream {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+path, nil)
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := w.server.Client().Do(request)
	must(t, err)
	t.Cleanup(func() { must(t, response.Body.Close()) })
	return openStream{response.StatusCode, response.Header, response.Body}
}

// TestPlacesInTheFeed: what clients may say of where they stand, and how what
// is no cursor is answered.
func TestPlacesInTheFeed(t *testing.T) {
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	own := w.file(t, "PLACE-1")
	list := "/v1/declarations/" + own.ID + "/events"
	var page api.EventPage
	eventually(t, 10*time.Second, "the first event is told", func() bool {
		page = decoded[api.EventPage](t, w.ask(t, w.key, http.MethodGet, "/v1/events?limit=1", nil))
		return len(page.Events) == 1
	})
	first := page.Events[0]
	if page.Next != first.Cursor || first.Reference != "PLACE-1" || first.DeclarationID != own.ID || first.Number != 1 {
		t.Errorf("%+v", page)
	}
	empty := decoded[api.EventPage](t, w.ask(t, w.other, http.MethodGet, "/v1/events", nil))
	if len(empty.Events) > 0 || empty.Next != event.Beginning {
		t.Errorf("%+v", empty)
	}
	beyond := "AX__________AAAAAAAAAAA" // of a database that went much further
	for _, bad := range []string{"now", "AQ", first.Cursor + "A", "Ag" + first.Cursor[2:], "%00", strings.Repeat("A", 101), beyond} {
		for _, at := range []string{"/v1/events", list} {
			if at != list { // which takes a place for its stream alone
				problem := refused(t, bad, w.ask(t, w.key, http.MethodGet, at+"?after="+bad, nil), 422, "parameter.invalid")
				if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/query/after" {
					t.Errorf("%s: %+v", bad, problem)
				}
			}
			refused(t, bad, w.ask(t, w.key, http.MethodGet, at+"?after="+bad, nil, "Accept", "text/event-stream"), 422, "parameter.invalid")
			if bad == "%00" {
				continue // no header can carry it
			}
			problem := refused(t, bad, w.ask(t, w.key, http.MethodGet, at, nil, "Accept", "text/event-stream", "Last-Event-ID", bad), 422, "parameter.invalid")
			if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/header/Last-Event-ID" {
				t.Errorf("%s: %+v", bad, problem)
			}
		}
	}
	for _, query := range []string{"?limit=0", "?limit=501", "?limit=x", "?since=now"} {
		refused(t, query, w.ask(t, w.key, http.MethodGet, "/v1/events"+query, nil), 422, "parameter.invalid")
	}
	refused(t, "as XML", w.ask(t, w.key, http.MethodGet, "/v1/events", nil, "Accept", "application/xml"), 406, "accept.unsupported")
	refused(t, "nobody", w.ask(t, "", http.MethodGet, "/v1/events", nil, "Accept", "text/event-stream"), 401, "auth.missing")
	refused(t, "another's", w.ask(t, w.other, http.MethodGet, list, nil, "Accept", "text/event-stream"), 404, "resource.missing")
	if any := w.ask(t, w.key, http.MethodGet, "/v1/events", nil, "Accept", "*/*"); any.header.Get("Content-Type") != "application/json" {
		t.Errorf("who takes anything is given %v", any.header)
	}
	if head := w.ask(t, w.key, http.MethodHead, "/v1/events", nil, "Accept", "text/event-stream"); head.status != http.StatusOK {
		t.Errorf("HEAD: %d", head.status)
	}
	// The latest place counts: an old one stands in the address of whoever comes back.
	again := w.open(t, w.server.URL, w.key, list+"?after=beginning", "Last-Event-ID", first.Cursor, "Accept", "application/json;q=0.5, Text/Event-Stream")
	lines := bufio.NewScanner(again.body)
	for lines.Scan() {
		if id, is := strings.CutPrefix(lines.Text(), "id: "); is {
			if id != first.Cursor {
				t.Errorf("the stream begins at %s, want %s", id, first.Cursor)
			}
			return
		}
	}
	t.Errorf("no stream: %v", lines.Err())
}

// TestStreamsOfThoseWhoOweABody: a stream that is opened with a body which never
// comes keeps nobody else's from being opened.
func TestStreamsOfThoseWhoOweABody(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	at := w.another(t, api.Following{Heartbeat: 100 * time.Millisecond}) // by which it learns that they left
	for _, owed := range slices.Repeat([]string{"Content-Length: 10", "Transfer-Encoding: chunked"}, 4) {
		owing, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
		must(t, err)
		defer func() { must(t, owing.Close()) }()
		_, err = fmt.Fprintf(owing, "GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n%s\r\n\r\n", w.key, owed)
		must(t, err)
		must(t, owing.SetReadDeadline(time.Now().Add(10*time.Second)))
		if _, err := io.ReadFull(owing, make([]byte, 100)); err != nil {
			t.Errorf("%s: %v", owed, err)
		}
	}
	if other := w.open(t, at, w.other, "/v1/events"); other.status != http.StatusOK {
		t.Errorf("another tenant: %d", other.status)
	}
}

// TestStreamsAreBounded: so many a tenant, a sign of life, and a client that
// takes nothing is let go.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	ledger, url := newLedger(t)
	w := newRESTWindow(t, ledger)
	at := w.another(t, api.Following{PerTenant: 1, Heartbeat: 100 * time.Millisecond, SlowClient: 500 * time.Millisecond})
	// Twelve megabytes of events, more than any two sockets hold.
	execute(t, url, `INSERT INTO event (tenant_id, declaration_id, number, id, type, at, data)
		SELECT 'acme', 'dec_' || lpad('1', 26, '0'), n, 'evt_' || lpad(n::text, 26, '0'), 'filing.decision', now(), jsonb_build_object('remark', repeat('x', 1000))
		  FROM generate_series(1, 12000) n`)
	sleeper, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
	must(t, err)
	defer func() { must(t, sleeper.Close()) }()
	_, err = fmt.Fprintf(sleeper, "GET /v1/events?after=beginning HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n", w.key)
	must(t, err)
	_, err = io.ReadFull(sleeper, make([]byte, 100)) // it has begun, and is not read on
	must(t, err)
	full := w.open(t, at, w.key, "/v1/events")
	content, err := io.ReadAll(full.body)
	must(t, err)
	refused(t, "one too many", answer{full.status, full.header, content}, 429, "streams.tooMany")
	if full.header.Get("Retry-After") == "" {
		t.Errorf("%v", full.header)
	}
	other := w.open(t, at, w.other, "/v1/events")
	if other.status != http.StatusOK {
		t.Errorf("another tenant: %d", other.status)
	}
	lines := bufio.NewScanner(other.body)
	for lives := 0; lives < 3 && lines.Scan(); {
		if lines.Text() == ":" {
			lives++
		}
	}
	must(t, lines.Err())
	eventually(t, 20*time.Second, "who takes nothing is let go", func() bool {
		return w.open(t, at, w.key, "/v1/events").status == http.StatusOK
	})
}

// Every statement is known to PostgreSQL under the role that will run it.
func TestEventStatementsPrepare(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	names, err := fs.Glob(event.Statements, "sql/*.sql")
	must(t, err)
	if len(names) != 7 {
		t.Errorf("%d statements", len(names))
	}
	must(t, ledger.Patient(time.Minute).Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		for i, name := range names {
			text, err := fs.ReadFile(event.Statements, name)
			if err != nil {
				return err
			}
			if _, err := tx.Prepare(t.Context(), fmt.Sprintf("e%d", i), string(text)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}))
}

// TestWhatAStreamHolds measures the memory that open streams hold, without
// what waits for the collector. The other ends of their connections are held
// by this same process and count.
func TestWhatAStreamHolds(t *testing.T) {
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	w.file(t, "HOLDS-1")
	const count = 300
	before := held()
	for range count {
		connection, err := net.Dial("tcp", w.server.Listener.Addr().String())
		must(t, err)
		t.Cleanup(func() { must(t, connection.Close()) })
		_, err = fmt.Fprintf(connection, "GET /v1/events?after=beginning HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n", w.key)
		must(t, err)
		for answer := bufio.NewReaderSize(connection, 16); ; { // until its first event
			line, err := answer.ReadString('\n')
			must(t, err)
			if strings.HasPrefix(line, "data: ") {
				break
			}
		}
	}
	each := (held() - before) / count
	number(t, fmt.Sprintf("%d streams, memory held a stream", count), fmt.Sprintf("%d KB", each>>10), "64 KB")
	if each > mostPerStream {
		t.Errorf("a stream holds %d bytes", each)
	}
}

// held is what this process's heap and stacks hold.
func held() int {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc + stats.StackInuse)
}

// TestEventsAreReadByTheirIndexes: a page, and the look for news, touch few
// blocks however many events there are, with statistics and without.
func TestEventsAreReadByTheirIndexes(t *testing.T) {
	t.Parallel()
	readByIndexes(t, 30_000)
}

func TestLongEventsAreReadByTheirIndexes(t *testing.T) {
	onlyLong(t)
	readByIndexes(t, 300_000)
}

func readByIndexes(t *testing.T, events int) {
	t.Helper()
	const most = 300
	ledger, url := newLedger(t)
	filled := time.Now()
	execute(t, url, `INSERT INTO event (tenant_id, declaration_id, number, id, type, at, xid, data)
		SELECT 'tenant-' || (n / 10 % 50), 'dec_' || lpad((n / 10)::text, 26, '0'), n % 10 + 1, 'evt_' || lpad(n::text, 26, '0'), 'filing.decision',
		       now() + (n % 3) * interval '1 month', (n / 20 + 3)::text::xid8, '{"remark": "as an example of something that an agency said"}'
		  FROM generate_series(0, $1 - 1) n`, events)
	number(t, fmt.Sprintf("writing %d events in one statement", events), time.Since(filled).Round(time.Millisecond), "-")
	middle, tenant := events/40+3, fmt.Sprintf("tenant-%d", events/20%50)
	declaration, below := fmt.Sprintf("dec_%026d", events/20), events
	for _, when := range []string{"without statistics", "with statistics"} {
		for what, asked := range map[string]struct {
			scope     declare.Scope
			statement string
			arguments []any
		}{
			"a tenant's page":      {declare.TenantScope(tenant), "after_of_tenant", []any{middle, 0, below, 25, tenant}},
			"a tenant's last page": {declare.TenantScope(tenant), "after_of_tenant", []any{events/20 + 1, 0, below, 25, tenant}},
			"a declaration's page": {declare.TenantScope(tenant), "after_of_declaration", []any{0, 0, below, 25, tenant, declaration}},
			"everybody's page":     {declare.SystemScope, "after", []any{middle, 0, below, 25}},
			"the look for news":    {declare.SystemScope, "news", []any{events/20 - 5, events/20 + 3, 2000}},
		} {
			blocks, took := explained(t, ledger, asked.scope, asked.statement, asked.arguments...)
			number(t, fmt.Sprintf("%s of %d events %s: blocks, time", what, events, when), fmt.Sprintf("%d, %v ms", blocks, took), fmt.Sprintf("%d blocks", most))
			if blocks > most {
				t.Errorf("%s, %s: %d blocks", what, when, blocks)
			}
		}
		execute(t, url, "ANALYZE event")
	}
}

// explained runs a statement under the application's role and gives how many
// blocks it touched, and its time in milliseconds.
func explained(t *testing.T, ledger *declare.Ledger, scope declare.Scope, name string, arguments ...any) (blocks int, took json.Number) {
	t.Helper()
	text, err := fs.ReadFile(event.Statements, "sql/"+name+".sql")
	must(t, err)
	values := make([]string, len(arguments))
	for i, argument := range arguments {
		values[i] = fmt.Sprintf("'%v'", argument)
	}
	var plan []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
		Time json.Number `json:"Execution Time"`
	}
	must(t, ledger.Within(t.Context(), scope, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "PREPARE asked AS "+string(text)); err != nil {
			return err
		}
		if err := tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked ("+strings.Join(values, ", ")+")").Scan(&plan); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "DEALLOCATE asked")
		return err
	}))
	return plan[0].Plan.Hit + plan[0].Plan.Read, plan[0].Time
}
