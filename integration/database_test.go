package integration

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/cmd/privatepostgres"
	"singlewindow/declare"
)

// What an enterprise is promised while the database is in trouble.
const (
	answeredWithin  = 2 * time.Second
	recoveredWithin = 10 * time.Second
)

// tally counts answers by status and holds each to what is promised.
type tally struct {
	mu     sync.Mutex
	counts map[int]int
	worst  map[int]time.Duration
	broken []string
	last   time.Time // of the latest 202
}

func newTally() *tally { return &tally{counts: map[int]int{}, worst: map[int]time.Duration{}} }

// hold is for the campaign's clients: 202, or 503 in time and in form.
func (y *tally) hold(given answer, err error, took time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if err != nil {
		y.breach("no answer after %v: %v", took, err)
		return
	}
	y.counts[given.status]++
	y.worst[given.status] = max(y.worst[given.status], took)
	switch given.status {
	case http.StatusAccepted:
		y.last = time.Now()
	case http.StatusServiceUnavailable:
		if fault := badRefusal(given, took); fault != "" {
			y.breach("%s", fault)
		}
	default:
		y.breach("%d after %v: %s", given.status, took, given.body)
	}
}

func (y *tally) breach(format string, arguments ...any) {
	if len(y.broken) < 10 {
		y.broken = append(y.broken, fmt.Sprintf(format, arguments...))
	}
}

func (y *tally) report(t *testing.T) {
	t.Helper()
	y.mu.Lock()
	defer y.mu.Unlock()
	t.Logf("answers %v, slowest %v", y.counts, y.worst)
	for _, breach := range y.broken {
		t.Error(breach)
	}
}

// takenSince waits for a 202 later than a moment and gives how long it took.
func (y *tally) takenSince(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	var took time.Duration
	eventually(t, 30*time.Second, "declarations are taken again", func() bool {
		y.mu.Lock()
		defer y.mu.Unlock()
		took = y.last.Sub(since)
		return took > 0
	})
	return took
}

func (y *tally) count(status int) int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.counts[status]
}

// badRefusal says what is wrong with a 503, "" when nothing is.
func badRefusal(given answer, took time.Duration) string {
	var problem struct{ Code, Type, Title, Detail string }
	after, err := strconv.Atoi(given.header.Get("Retry-After"))
	switch {
	case took > answeredWithin:
		return fmt.Sprintf("%d only after %v", given.status, took)
	case err != nil || after < 1 || after > 60:
		return fmt.Sprintf("Retry-After is %q", given.header.Get("Retry-After"))
	case given.header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(given.body, &problem) != nil:
		return fmt.Sprintf("no problem: %s", given.body)
	case problem.Code != "unavailable" || problem.Title == "" || problem.Detail == "":
		return fmt.Sprintf("%+v", problem)
	}
	return ""
}

// keepFiling files samples at a pace until stop is called, which waits until
// each has its receipt.
func (l *line) keepFiling(t *testing.T, clients int, pause time.Duration, hold func(answer, error, time.Duration)) (c *campaign, stop func()) {
	t.Helper()
	journal, err := os.OpenFile(filepath.Join(l.folder, "receipts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	c = &campaign{l: l, journal: journal, hold: hold}
	all := samples(t)
	ending := make(chan struct{})
	var number atomic.Int64
	var working sync.WaitGroup
	for range clients {
		working.Go(func() {
			pace := time.NewTicker(pause)
			defer pace.Stop()
			for {
				select {
				case <-ending:
					return
				case <-pace.C:
				}
				mine := int(number.Add(1))
				reference := fmt.Sprintf("DB-%d", mine)
				if err := c.file(t.Context(), reference, all[mine%len(all)].as(t, reference)); err != nil {
					t.Errorf("%s: %v", reference, err)
					return
				}
			}
		})
	}
	return c, func() {
		close(ending)
		working.Wait()
		must(t, journal.Close())
	}
}

// mustHold: the journal of receipts and the database tell the same.
func (l *line) mustHold(t *testing.T, c *campaign) {
	t.Helper()
	onFile := map[string]string{}
	l.query(t, "declarations", nil, func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), "SELECT id, reference FROM declaration")
		if err != nil {
			return err
		}
		var id, reference string
		_, err = pgx.ForEachRow(rows, []any{&id, &reference}, func() error { onFile[id] = reference; return nil })
		return err
	})
	receipts := c.receipts(t)
	for _, receipt := range receipts {
		if onFile[receipt.ID] != receipt.Reference {
			t.Errorf("the receipt %s of %s is not on file", receipt.ID, receipt.Reference)
		}
	}
	if len(receipts) != len(onFile) {
		t.Errorf("%d receipts, %d declarations on file", len(receipts), len(onFile))
	}
	t.Logf("%d receipts, each on file", len(receipts))
}

// finish stops filing and holds everything against everything.
func (l *line) finish(t *testing.T, c *campaign, stop func(), y *tally) {
	t.Helper()
	stop()
	ended := time.Now()
	l.awaitEnd(t, c)
	t.Logf("all final %v after the last declaration", time.Since(ended).Round(time.Millisecond))
	l.closeOffices(t)
	l.mustHold(t, c)
	l.mustAgree(t, c.receipts(t))
	y.report(t)
}

// A databaseServer is a PostgreSQL of one test's own, to be ill-treated.
type databaseServer struct {
	options privatepostgres.Options
	*privatepostgres.Server
}

func newDatabaseServer(t *testing.T) *databaseServer {
	t.Helper()
	folder, err := os.MkdirTemp("", "swdb")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(folder)) })
	must(t, os.Chmod(folder, 0o711))
	return startDatabaseServer(t, folder)
}

func startDatabaseServer(t *testing.T, folder string) *databaseServer {
	t.Helper()
	d := &databaseServer{options: privatepostgres.Options{Folder: folder, Settings: map[string]string{"max_connections": "40"}}}
	d.start(t)
	t.Cleanup(func() { must(t, d.Stop(context.Background())) })
	return d
}

func (d *databaseServer) start(t *testing.T) {
	t.Helper()
	var err error
	d.Server, err = privatepostgres.Start(t.Context(), d.options)
	must(t, err)
}

// postmaster is the process id of the server in a folder.
func (d *databaseServer) postmaster(t *testing.T) int { return postmasterIn(t, d.options.Folder) }

// signal reaches the server and every one of its sessions.
func (d *databaseServer) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	server := d.postmaster(t)
	must(t, syscall.Kill(server, signal))
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", server, server))
	must(t, err)
	for _, child := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(child)
		must(t, err)
		if err := syscall.Kill(pid, signal); err != nil && err != syscall.ESRCH {
			t.Error(err)
		}
	}
}

// crash ends the server in a way that leaves recovery to the next start.
func (d *databaseServer) crash(t *testing.T, signal syscall.Signal) {
	t.Helper()
	must(t, syscall.Kill(d.postmaster(t), signal))
	<-d.Done()
}

// endSessions ends all sessions but the one that asks.
const endSessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"

// readOnly makes new sessions unable to write, and ends the old ones.
func (d *databaseServer) readOnly(t *testing.T, on bool) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.URL())
	must(t, err)
	defer func() { must(t, conn.Close(t.Context())) }()
	for _, statement := range []string{"SET default_transaction_read_only = off", "ALTER DATABASE singlewindow SET default_transaction_read_only = " + strconv.FormatBool(on)} {
		_, err = conn.Exec(t.Context(), statement)
		must(t, err)
	}
	if on {
		_, err = conn.Exec(t.Context(), endSessions)
		must(t, err)
	}
}

// crowd takes every connection there is and gives them back when told.
func (d *databaseServer) crowd(t *testing.T) (leave func()) {
	t.Helper()
	var held []*pgx.Conn
	first, err := pgx.Connect(t.Context(), d.URL())
	must(t, err)
	held = append(held, first)
	quiet := 0
	for quiet < 50 { // until nothing has come free for a while
		conn, err := pgx.Connect(t.Context(), d.URL())
		if err == nil {
			held, quiet = append(held, conn), 0
			continue
		}
		quiet++
		others := make([]int32, len(held))
		for i, mine := range held {
			others[i] = int32(mine.PgConn().PID())
		}
		_, err = first.Exec(t.Context(), endSessions+" AND pid <> ALL ($1::int[])", others)
		must(t, err)
	}
	t.Logf("%d connections held", len(held))
	return func() {
		for _, conn := range held {
			must(t, conn.Close(context.Background()))
		}
	}
}

// full makes every write that needs room fail as on a full disk.
func (d *databaseServer) full(t *testing.T) {
	t.Helper()
	execute(t, d.URL(), `CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`)
	for _, write := range []string{"INSERT ON declaration", "INSERT OR UPDATE ON message", "INSERT ON notice", "UPDATE ON agency_state", "UPDATE ON api_key"} {
		execute(t, d.URL(), fmt.Sprintf("CREATE TRIGGER no_room BEFORE %s FOR EACH STATEMENT EXECUTE FUNCTION no_room()", write))
	}
}

// room gives the disk back, a table at a time.
func (d *databaseServer) room(t *testing.T) {
	t.Helper()
	for _, table := range []string{"declaration", "message", "notice", "agency_state", "api_key"} {
		execute(t, d.URL(), "DROP TRIGGER no_room ON "+table)
	}
}

// TestDatabaseInTrouble lets the database of a busy gateway go, hang and fill
// up in every way: each answer is a receipt that holds or a 503 in time and in
// form, nothing is sent that cannot be recorded, and the gateway goes on by
// itself afterwards.
func TestDatabaseInTrouble(t *testing.T) {
	t.Parallel()
	d := newDatabaseServer(t)
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), at: d.URL()})
	y := newTally()
	c, stop := l.keepFiling(t, 3, 60*time.Millisecond, y.hold)
	y.takenSince(t, time.Now())
	type trouble struct {
		name       string
		begin, end func()
		reads      bool // what only reads may be answered
	}
	var leave func()
	troubles := []trouble{
		{"stopped", func() { must(t, d.Stop(t.Context())) }, func() { d.start(t) }, false},
		{"killed", func() { d.crash(t, syscall.SIGKILL) }, func() { d.start(t) }, false},
		{"restarted at once", func() { d.crash(t, syscall.SIGQUIT) }, func() { d.start(t) }, false},
		{"hanging", func() { d.signal(t, syscall.SIGSTOP) }, func() { d.signal(t, syscall.SIGCONT) }, false},
		{"read-only", func() { d.readOnly(t, true) }, func() { d.readOnly(t, false) }, true},
		{"out of connections", func() { leave = d.crowd(t) }, func() { leave() }, false},
		{"full", func() { d.full(t) }, func() { d.room(t) }, true},
	}
	for _, is := range troubles {
		said := len(l.gateway.allWords(t))
		is.begin()
		l.mustBeAway(t, y, is.name, is.reads)
		is.end()
		back := y.takenSince(t, time.Now())
		eventually(t, recoveredWithin, "the gateway says that it is back", func() bool { return strings.Contains(l.gateway.allWords(t)[said:], "the database is back") })
		lines := strings.Split(strings.TrimSpace(l.gateway.allWords(t)[said:]), "\n")
		t.Logf("%s: declarations are taken again after %v; the gateway said %d lines", is.name, back.Round(time.Millisecond), len(lines))
		if back > recoveredWithin {
			t.Errorf("%s: only after %v", is.name, back)
		}
		if len(lines) > 4 {
			t.Errorf("%s: the log is flooded:\n%s", is.name, strings.Join(lines[:min(len(lines), 20)], "\n"))
		}
	}
	if chaos() {
		l.mustSurviveCrashes(t, d, y, 20)
	}
	l.finish(t, c, stop, y)
}

// TestDiskFull fills the disk of the database to the last byte while
// declarations are filed, until PostgreSQL refuses or even ends, and then makes
// room: what was answered 202 stands, what was not is answered 503.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "swfull")
	must(t, err)
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=200m,mode=0711"); err != nil {
		must(t, os.Remove(folder))
		t.Skip("a disk of its own is needed: ", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(folder, 0)); must(t, os.Remove(folder)) })
	d := startDatabaseServer(t, folder)
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), at: d.URL()})
	y := newTally()
	c, stop := l.keepFiling(t, 3, 60*time.Millisecond, y.hold)
	y.takenSince(t, time.Now())
	ballast, err := os.Create(filepath.Join(folder, "ballast"))
	must(t, err)
	chunk := make([]byte, 64<<10)
	written := int64(0)
	eventually(t, time.Minute, "the disk is full and requests are refused", func() bool {
		for err == nil {
			var n int
			n, err = ballast.Write(chunk)
			written += int64(n)
		}
		err = nil
		return y.count(http.StatusServiceUnavailable) > 20
	})
	must(t, ballast.Close())
	must(t, os.Remove(ballast.Name()))
	select {
	case <-d.Done():
		t.Logf("PostgreSQL ended: %.200v", d.Err())
		d.start(t)
	default:
	}
	t.Logf("%d bytes filled the disk; declarations are taken again after %v", written, y.takenSince(t, time.Now()).Round(time.Millisecond))
	l.finish(t, c, stop, y)
}

// mustSurviveCrashes crashes the server so often in each way and starts it
// again at once.
func (l *line) mustSurviveCrashes(t *testing.T, d *databaseServer, y *tally, times int) {
	t.Helper()
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGQUIT} {
		var worst time.Duration
		for range times {
			d.crash(t, signal)
			d.start(t)
			worst = max(worst, y.takenSince(t, time.Now()))
		}
		t.Logf("%d times %v: declarations are taken again after at most %v", times, signal, worst.Round(time.Millisecond))
		if worst > recoveredWithin {
			t.Errorf("%v: too late", signal)
		}
	}
}

// mustBeAway asks everything there is for three seconds.
func (l *line) mustBeAway(t *testing.T, y *tally, when string, reads bool) {
	t.Helper()
	from := samples(t)[0]
	var any string
	for name := range l.offices {
		any = name
	}
	free := []string{"/livez", "/problems/unavailable", "/openapi.json"}
	asks := []struct {
		bearer, method, path string
		body                 []byte
		reads                bool
	}{
		{l.keys[acme], http.MethodPost, "/v1/declarations?lang=zh", from.as(t, "REFUSED"), false},
		{l.keys[bolt], http.MethodGet, "/v1/declarations?limit=3", nil, true},
		{l.keys[acme], http.MethodGet, "/v1/declarations/dec_00000000000000000000000000", nil, true},
		{l.keys[acme], http.MethodGet, "/v1/agencies", nil, true},
		{l.offices[any].credential, http.MethodPost, "/v1/agencies/" + any + "/notices", []byte("<trouble/>"), false},
		{"", http.MethodGet, "/readyz", nil, true},
	}
	effects := -1
	seen := map[string]int{}
	before := y.count(http.StatusServiceUnavailable)
	eventually(t, 30*time.Second, when+": requests are refused", func() bool { return y.count(http.StatusServiceUnavailable) > before })
	begun := time.Now()
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for last := begun; last.Sub(begun) < 3*time.Second; last = <-pace.C {
		for _, path := range free {
			asked := time.Now()
			if given := l.ask(t, "", http.MethodGet, path, nil); given.status != http.StatusOK || time.Since(asked) > time.Second {
				t.Errorf("%s: %s: %d after %v", when, path, given.status, time.Since(asked))
			}
		}
		var asking sync.WaitGroup
		var mu sync.Mutex
		for _, ask := range asks {
			asking.Go(func() {
				asked := time.Now()
				given, err := l.try(t.Context(), ask.bearer, ask.method, ask.path, ask.body, "Content-Type", map[bool]string{true: "application/json", false: "application/xml"}[strings.Contains(ask.path, "declarations")], "Idempotency-Key", "key-trouble")
				took := time.Since(asked)
				mu.Lock()
				defer mu.Unlock()
				fault := ""
				switch {
				case err != nil:
					fault = err.Error()
				case given.status == http.StatusServiceUnavailable:
					fault = badRefusal(given, took)
				case !reads || !ask.reads:
					fault = fmt.Sprintf("%d %s", given.status, given.body)
				case given.status >= http.StatusInternalServerError:
					fault = fmt.Sprintf("%d %s", given.status, given.body)
				}
				seen[fmt.Sprintf("%s %d", ask.method, given.status)]++
				if fault != "" {
					t.Errorf("%s: %s %s: %s", when, ask.method, ask.path, fault)
				}
			})
		}
		asking.Wait()
		if now := l.effectCount(t); time.Since(begun) > 1500*time.Millisecond {
			if effects >= 0 && now != effects {
				t.Errorf("%s: %d messages were sent while their record could not be written", when, now-effects)
			}
			effects = now
		}
	}
	t.Logf("%s: %v", when, seen)
}

func (l *line) effectCount(t *testing.T) (count int) {
	t.Helper()
	for _, office := range l.offices {
		count += len(office.effects(t))
	}
	return count
}

// allWords is the whole log of a process.
func (p *process) allWords(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(p.log)
	must(t, err)
	return string(content)
}

// TestConnectionCutAtCommit cuts the gateway's connections to the database at
// COMMIT, before PostgreSQL hears of it or before the gateway hears that it is
// done: whoever asked asks again under the same key and gets the one receipt.
func TestConnectionCutAtCommit(t *testing.T) {
	t.Parallel()
	cuts := int64(20)
	if chaos() {
		cuts = 500
	}
	at := newDatabase(t)
	k := newCutter(t, at, seed(t))
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), at: at, via: k.url(at)})
	y := newTally()
	c, stop := l.keepFiling(t, 4, 25*time.Millisecond, y.hold)
	y.takenSince(t, time.Now())
	k.left.Store(cuts)
	eventually(t, 5*time.Minute, "every cut is made", func() bool { l.gateway.mustRun(t); return k.left.Load() <= 0 })
	y.takenSince(t, time.Now())
	t.Logf("%d COMMITs never arrived, %d were done and not answered, %d of them at the intake; %d connections", k.before.Load(), k.after.Load(), k.intakes.Load(), k.connections.Load())
	l.finish(t, c, stop, y)
	if k.before.Load()+k.after.Load() < cuts || k.before.Load() == 0 || k.after.Load() == 0 {
		t.Error("too few cuts")
	}
}

// TestLostCommitIsTakenUpAtOnce: what was written down by a COMMIT that nobody
// heard of certainly was not sent. It goes out well before its lease ends, and
// no agency is asked about it.
func TestLostCommitIsTakenUpAtOnce(t *testing.T) {
	t.Parallel()
	at := newDatabase(t)
	k := newCutter(t, at, seed(t))
	k.side, k.intakeOnly = "after", true
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), at: at, via: k.url(at)})
	from, _ := l.widest(t)
	body := from.as(t, "LIMBO-1")
	k.left.Store(1)
	asked := time.Now()
	refused, err := l.submit(t.Context(), acme, "key-LIMBO-1", body)
	must(t, err)
	if fault := badRefusal(refused, time.Since(asked)); refused.status != http.StatusServiceUnavailable || fault != "" {
		t.Fatalf("%d %s %s", refused.status, fault, refused.body)
	}
	given, err := l.submit(t.Context(), acme, "key-LIMBO-1", body)
	must(t, err)
	if given.status != http.StatusAccepted || given.header.Get("Idempotent-Replayed") != "true" {
		t.Fatalf("%d %v %s", given.status, given.header, given.body)
	}
	eventually(t, 8*time.Second, "everything is delivered", func() bool { return l.count(t, unsent) == 0 })
	t.Logf("delivered %v after the COMMIT was lost", time.Since(asked).Round(time.Millisecond))
	if unsure := l.count(t, "SELECT count(*) FROM event WHERE type = 'message.unsure'"); unsure != 0 {
		t.Errorf("%d messages were unsure", unsure)
	}
	eventually(t, 20*time.Second, "everything is decided", func() bool { return l.count(t, undecided) == 0 })
	l.closeOffices(t)
	l.mustAgree(t, []declare.Status{decoded[declare.Status](t, given)})
}

// A cutter is a way to PostgreSQL that breaks at COMMIT.
type cutter struct {
	address, socket            string
	left                       atomic.Int64 // cuts to make
	before, after, connections atomic.Int64
	intakes                    atomic.Int64 // cuts of what a 202 stands for
	side                       string       // before, after; "": either
	intakeOnly                 bool
	mu                         sync.Mutex
	random                     *rand.Rand
}

func newCutter(t *testing.T, at string, random *rand.Rand) *cutter {
	t.Helper()
	to, err := url.Parse(at)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	k := &cutter{address: listener.Addr().String(), random: random, socket: filepath.Join(to.Query().Get("host"), ".s.PGSQL."+to.Query().Get("port"))}
	var relaying sync.WaitGroup
	relaying.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed below
			}
			relaying.Go(func() { k.relay(client) })
		}
	})
	t.Cleanup(func() { must(t, listener.Close()); relaying.Wait() })
	return k
}

// url is the database's, through the cutter.
func (k *cutter) url(at string) string {
	to, _ := url.Parse(at) // parsed before
	return "postgres://postgres@" + k.address + to.Path + "?sslmode=disable"
}

// relay carries one connection, message by message from the client's side.
func (k *cutter) relay(client net.Conn) {
	k.connections.Add(1)
	server, err := net.Dial("unix", k.socket)
	if err != nil {
		client.Close() //nolint:errcheck // it is cut
		return
	}
	var mute atomic.Bool // what PostgreSQL answers is swallowed
	answered := make(chan struct{}, 1)
	var back sync.WaitGroup
	back.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if mute.Load() && n > 0 {
				select {
				case answered <- struct{}{}:
				default:
				}
				n = 0
			}
			if _, failed := client.Write(buffer[:n]); err != nil || failed != nil {
				client.Close() //nolint:errcheck // it is cut
				return
			}
		}
	})
	k.forward(client, server, &mute, answered)
	client.Close() //nolint:errcheck // it is cut
	server.Close() //nolint:errcheck // it is cut
	back.Wait()
}

func (k *cutter) forward(client, server net.Conn, mute *atomic.Bool, answered <-chan struct{}) {
	intake := false
	for opening := true; ; opening = false {
		head := make([]byte, 5) // type and length; the opening message has no type
		if opening {
			head = head[:4]
		}
		if _, err := io.ReadFull(client, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[len(head)-4:])-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		cut := ""
		if !opening && head[0] == 'Q' {
			switch text := strings.ToLower(strings.TrimRight(string(body), "\x00")); {
			case strings.HasPrefix(text, "begin"):
				intake = strings.Contains(text, "tenant:")
			case text == "commit":
				cut = k.choose(intake)
			}
		}
		if cut == "before" {
			return
		}
		mute.Store(cut != "")
		if _, err := server.Write(append(head, body...)); err != nil {
			return
		}
		if cut == "after" {
			<-answered
			return
		}
	}
}

// choose decides whether this COMMIT is cut, and on which side of it: one in
// three at the intake, one in ten of all others.
func (k *cutter) choose(intake bool) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	odds := map[bool]int{true: 3, false: 10}[intake]
	if k.intakeOnly {
		odds = 1
	}
	if k.left.Load() <= 0 || k.intakeOnly && !intake || k.random.IntN(odds) > 0 {
		return ""
	}
	k.left.Add(-1)
	if intake {
		k.intakes.Add(1)
	}
	if k.side == "before" || k.side == "" && k.random.IntN(2) == 0 {
		k.before.Add(1)
		return "before"
	}
	k.after.Add(1)
	return "after"
}

// TestPrivatePostgresKilled kills the postmaster under a busy gateway with its
// own PostgreSQL: the gateway starts it again, refuses meanwhile, and nothing
// is lost.
func TestPrivatePostgresKilled(t *testing.T) {
	t.Parallel()
	kills, apart, pause := 2, 2*time.Second, 60*time.Millisecond
	if chaos() {
		// More than five within a minute end the gateway; and the simulators'
		// notices, which queue up meanwhile, are to be through in time.
		kills, apart, pause = 20, 13*time.Second, 150*time.Millisecond
	}
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), private: true})
	y := newTally()
	c, stop := l.keepFiling(t, 3, pause, y.hold)
	random := seed(t)
	var worst time.Duration
	for range kills {
		y.takenSince(t, time.Now())
		moment := time.Now().Add(apart + time.Duration(random.IntN(500))*time.Millisecond)
		eventually(t, time.Minute, "the moment has come", func() bool { l.gateway.mustRun(t); return time.Now().After(moment) })
		killed := l.postmaster(t)
		must(t, syscall.Kill(killed, syscall.SIGKILL))
		back := y.takenSince(t, time.Now())
		worst = max(worst, back)
		if now := l.postmaster(t); now == killed {
			eventually(t, recoveredWithin, "another postmaster runs", func() bool { return l.postmaster(t) != killed })
		}
	}
	t.Logf("killed %d times, declarations are taken again after at most %v", kills, worst.Round(time.Millisecond))
	if worst > recoveredWithin {
		t.Error("too late")
	}
	l.finish(t, c, stop, y)
}

// TestPrivatePostgresDiesTooOften: what starting again does not mend ends the
// gateway, which says why.
func TestPrivatePostgresDiesTooOften(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{private: true, mute: true})
	last := 0
	for range 6 {
		eventually(t, 30*time.Second, "there is one to kill", func() bool {
			now := l.postmaster(t)
			if now == 0 || now == last || syscall.Kill(now, syscall.SIGKILL) != nil {
				return !l.gateway.running()
			}
			last = now
			return true
		})
	}
	select {
	case <-l.gateway.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the gateway goes on")
	}
	if said := l.gateway.lastWords(t); l.gateway.exit == nil || !strings.Contains(said, "ended 6 times within") {
		t.Errorf("%v\n%s", l.gateway.exit, said)
	}
}

func postmasterIn(t *testing.T, folder string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "postgresql", "data", "postmaster.pid"))
	if os.IsNotExist(err) {
		return 0
	}
	must(t, err)
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0 // being written
	}
	return pid
}
