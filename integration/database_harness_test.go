package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/cmd/privatepostgres"
)

// What an enterprise is promised while the database is in trouble.
const (
	recoveredWithin = 10 * time.Second
	finalWithin     = 2 * time.Minute // after the last trouble
)

// answeredWithin is how soon a refusal is promised.
func answeredWithin() time.Duration { return patience(2 * time.Second) }

// tally counts answers by status and holds each to what is promised.
type tally struct {
	mu     sync.Mutex
	counts map[int]int
	worst  map[int]time.Duration
	broken []string
	asked  time.Time // of the latest 202, its request
	taken  time.Time // and its answer
}

func newTally() *tally { return &tally{counts: map[int]int{}, worst: map[int]time.Duration{}} }

// hold is for the campaign's clients: 202, or 503 in time and in form.
func (y *tally) hold(given answer, err error, took time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.counts[given.status]++ // 0: no answer
	if err != nil {
		y.breach("no answer after %v: %v", took, err)
		return
	}
	y.worst[given.status] = max(y.worst[given.status], took)
	switch given.status {
	case http.StatusAccepted:
		y.taken = time.Now()
		y.asked = y.taken.Add(-took)
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

// report prints what was measured in a trouble.
func (y *tally) report(t *testing.T, what string) {
	t.Helper()
	y.mu.Lock()
	defer y.mu.Unlock()
	other := 0
	for status, count := range y.counts {
		if status != http.StatusAccepted && status != http.StatusServiceUnavailable {
			other += count
		}
	}
	number(t, what+", declarations taken", y.counts[http.StatusAccepted], "-")
	number(t, what+", answers 503", y.counts[http.StatusServiceUnavailable], "-")
	number(t, what+", slowest 503", y.worst[http.StatusServiceUnavailable].Round(time.Millisecond), answeredWithin())
	number(t, what+", answers neither 202 nor 503", other, 0)
	for _, breach := range y.broken {
		t.Error(breach)
	}
}

// takenSince waits for the 202 of a request made after a moment, and gives how
// long after that it came.
func (y *tally) takenSince(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	var took time.Duration
	eventually(t, 30*time.Second, "declarations are taken again", func() bool {
		y.mu.Lock()
		defer y.mu.Unlock()
		took = y.taken.Sub(since)
		return y.asked.After(since)
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
	case took > answeredWithin():
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

// strict is a line whose agencies act on every copy of a message, and whose
// load is held to what is promised.
func strict(t *testing.T, options lineOptions) (*line, *tally) {
	t.Helper()
	y := newTally()
	options.hold = y.hold
	options.folders = copyFolders(t, notIdempotent)
	if !longForms() { // a message whose taking was lost waits for its lease
		options.folders = copyFolders(t, map[string]string{"idempotent: true": "idempotent: false", `deadline: \d+s`: "deadline: 2s"})
	}
	return newLine(t, options), y
}

// finish ends the load and holds everything against everything.
func (l *line) finish(t *testing.T, c *campaign, wait func(), y *tally, what string) {
	t.Helper()
	last := time.Now()
	c.enough()
	wait()
	eventually(t, 2*finalWithin, "every filing is decided", func() bool {
		return l.count(t, undecided) == 0 && l.count(t, unsent) == 0
	})
	took := time.Since(last)
	number(t, what+", all final after the last", took.Round(time.Millisecond), finalWithin)
	if took > patience(finalWithin) {
		t.Error("too late")
	}
	y.report(t, what)
	l.judge(t, c.promised(t))
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
	d := &databaseServer{options: privatepostgres.Options{Folder: folder, Settings: map[string]string{"max_connections": "60"}}}
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

// signalAll reaches a server and every one of its sessions.
func signalAll(t *testing.T, server int, signal syscall.Signal) {
	t.Helper()
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

// roomless are the writes that a full disk stops first.
var roomless = map[string]string{
	"declaration": "INSERT", "message": "INSERT OR UPDATE", "notice": "INSERT", "agency_state": "UPDATE", "api_key": "UPDATE",
}

// fillUp makes every write that needs room fail as on a full disk.
func fillUp(t *testing.T, at string) {
	t.Helper()
	execute(t, at, `CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`)
	for table, write := range roomless {
		execute(t, at, fmt.Sprintf("CREATE TRIGGER no_room BEFORE %s ON %s FOR EACH STATEMENT EXECUTE FUNCTION no_room()", write, table))
	}
}

// makeRoom gives the disk back, a table at a time.
func makeRoom(t *testing.T, at string) {
	t.Helper()
	for table := range roomless {
		execute(t, at, "DROP TRIGGER no_room ON "+table)
	}
	execute(t, at, "DROP FUNCTION no_room()")
}

// postmasterIn is the process id of the server in a folder, 0 while none runs.
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
