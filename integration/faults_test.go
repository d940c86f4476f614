package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"
)

// faultPoint is a line of testdata/faults.yaml.
type faultPoint struct {
	Point   string
	Words   []string
	Away    string // until when an agency is stopped
	Lapse   bool
	Officer bool
}

var actions = []string{"panic", "kill", "error", "hang"}

// faultPoints reads testdata/faults.yaml, which must have every point there is.
func faultPoints(t *testing.T) (points []faultPoint) {
	t.Helper()
	content, err := os.ReadFile("testdata/faults.yaml")
	must(t, err)
	must(t, yaml.UnmarshalWithOptions(content, &points, yaml.Strict()))
	source, err := os.ReadFile("../declare/point_test.go")
	must(t, err)
	var listed, tried []string
	for _, found := range regexp.MustCompile(`(?m)^\t\{"([a-zA-Z.]+)", `).FindAllSubmatch(source, -1) {
		listed = append(listed, string(found[1]))
	}
	for _, p := range points {
		tried = append(tried, p.Point)
	}
	if !slices.Equal(listed, tried) {
		t.Fatalf("the points are\n%v, tried are\n%v", listed, tried)
	}
	return points
}

// The ordinary build knows no fault point, and not how it could be told.
func TestOrdinaryBuildHasNoFaultPoints(t *testing.T) {
	t.Parallel()
	folder, err := programs()
	must(t, err)
	program, err := os.ReadFile(filepath.Join(folder, "singlewindow"))
	must(t, err)
	for _, trace := range []string{"SINGLEWINDOW_FAULT", "submit.drafted", "record.committed", "resume.recorded"} {
		if bytes.Contains(program, []byte(trace)) {
			t.Errorf("%s is in the ordinary build", trace)
		}
	}
	folder, err = faulty()
	must(t, err)
	if program, err = os.ReadFile(filepath.Join(folder, "singlewindow")); err != nil || !bytes.Contains(program, []byte("resume.recorded")) {
		t.Errorf("the other build has none: %v", err)
	}
}

// TestFaultPoints strikes a gateway once at every other point; the seed draws
// which, and in what way.
func TestFaultPoints(t *testing.T) {
	t.Parallel()
	draw, points := seed(t).IntN(2*len(actions)), faultPoints(t)
	f := newFaults(t, time.Second)
	for i := draw % 2; i < len(points); i += 2 {
		f.strike(t, points[i], actions[(draw+i)/2%len(actions)])
	}
	f.end(t)
}

// TestChaosFaultPoints strikes a gateway at every point in every way.
func TestChaosFaultPoints(t *testing.T) {
	onlyLong(t)
	f := newFaults(t, 8*time.Second)
	points := faultPoints(t)
	for _, p := range points {
		for _, action := range actions {
			f.strike(t, p, action)
		}
	}
	f.end(t)
	number(t, "fault points", len(points), 25)
	number(t, "faults struck", f.struck, len(points)*len(actions))
}

// faults is a line of two gateways that can be told where to fail. Whichever
// passes the point first is struck; the other goes on.
type faults struct {
	*line
	c        *campaign
	patience time.Duration // how long a hang lasts at most
	all      []sample
	filing   sync.WaitGroup
	struck   int
	officers []func() // what they do once the agencies' books are closed
}

func newFaults(t *testing.T, patience time.Duration) *faults {
	t.Helper()
	folders := copyFolders(t, map[string]string{
		"idempotent: true": "idempotent: false", `deadline: \d+s`: "deadline: 1s", "probe: 5s": "probe: 500ms", `minimum: \d+`: "minimum: 4"})
	f := &faults{line: newLine(t, lineOptions{folders: folders, gateways: 2, faults: true}), patience: patience, all: samples(t)}
	widest, _ := f.widest(t)
	f.all = append([]sample{widest}, f.all...)
	f.client.Timeout = 3 * time.Second // who is kept waiting asks the other gateway
	journal, err := os.OpenFile(filepath.Join(f.folder, "receipts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	f.c = &campaign{l: f.line, journal: journal}
	t.Cleanup(func() {
		f.tell(t, "")
		f.filing.Wait()
		must(t, journal.Close())
	})
	return f
}

// A blow is one gateway's failure at one point.
type blow struct {
	faultPoint
	action string
	serial int
	filed  int       // declarations, so far
	since  time.Time // the last were filed
	away   string    // the agency that is stopped
}

func (b *blow) text() string { return fmt.Sprintf("%s %s %d", b.Point, b.action, b.serial) }

// strike has one gateway fail at a point and mends what does not mend itself:
// a process that died is started again.
func (f *faults) strike(t *testing.T, p faultPoint, action string) {
	t.Helper()
	f.struck++
	b := &blow{faultPoint: p, action: action, serial: f.struck}
	if p.Officer {
		f.officers = append(f.officers, func() { f.closeTask(t, b) })
		return
	}
	begun := time.Now()
	if p.Away != "" {
		agencies := f.takers(t, f.all[0])
		b.away = agencies[b.serial%len(agencies)] // the one before may still be on its way back
		eventually(t, 30*time.Second, b.text()+": the agency is not paused any more", func() bool { return f.stands(t, b.away, "connected") })
	}
	f.tell(t, b.text())
	if b.away != "" { // told before: what is under way now may be what opens its breaker
		f.offices[b.away].process.stop(t)
	}
	eventually(t, time.Minute, b.text()+": somebody is struck", func() bool {
		f.provoke(t, b)
		return f.victim(t, b) != 0
	})
	f.comeBack(t, b)
	switch action {
	case "kill":
		victim := f.gateways[slices.IndexFunc(f.gateways, func(d *door) bool { return d.command.Process.Pid == f.victim(t, b) })]
		<-victim.ended
		f.startDoor(t, victim)
	case "hang":
		release := time.Now().Add(f.patience)
		eventually(t, time.Minute, b.text()+": the other gateway had its chance", func() bool {
			return time.Now().After(release) || f.isFinal(t, b)
		})
	}
	f.tell(t, "")
	for _, gateway := range f.gateways {
		gateway.mustRun(t)
	}
	t.Logf("%s after %v", b.text(), time.Since(begun).Round(time.Millisecond))
}

// tell says what shall go wrong from now on.
func (f *faults) tell(t *testing.T, text string) {
	t.Helper()
	must(t, os.WriteFile(f.faultFile()+".new", []byte(text), 0o600))
	must(t, os.Rename(f.faultFile()+".new", f.faultFile()))
}

func (l *line) faultFile() string { return filepath.Join(l.folder, "fault") }

// victim is the process that was struck; 0 while none was.
func (f *faults) victim(t *testing.T, b *blow) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("%s.%d", f.faultFile(), b.serial))
	if errors.Is(err, fs.ErrNotExist) || len(content) == 0 {
		return 0
	}
	must(t, err)
	pid, err := strconv.Atoi(string(content))
	must(t, err)
	return pid
}

// provoke does what leads past the point, again whenever it did not for a while.
func (f *faults) provoke(t *testing.T, b *blow) {
	t.Helper()
	if time.Since(b.since) > 2*time.Second {
		for _, word := range b.Words {
			reference := fmt.Sprintf("F%d-%d.%s", b.serial, b.filed, word)
			from := f.all[0]
			if b.Away == "" {
				from = f.all[(b.serial+b.filed)%len(f.all)]
			}
			body := from.as(t, reference)
			f.filing.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				if err := f.c.file(ctx, reference, body); err != nil {
					t.Errorf("%s: %v", b.text(), err)
				}
			})
			b.filed++
		}
		b.since = time.Now()
	}
	if b.Lapse {
		// What somebody holds locked is left alone: waiting for it could end in a deadlock.
		execute(t, f.database, `UPDATE message m SET lease_until = now() - interval '1 second' FROM (
			SELECT m.tenant_id, m.id FROM message m JOIN declaration d ON d.tenant_id = m.tenant_id AND d.id = m.declaration_id
			 WHERE m.delivery = 'sending' AND d.reference LIKE $1 FOR UPDATE OF m SKIP LOCKED) free
			WHERE m.tenant_id = free.tenant_id AND m.id = free.id`, fmt.Sprintf("F%d-%%", b.serial))
	}
	if b.Away == "open" && b.away != "" && f.stands(t, b.away, "paused") {
		f.comeBack(t, b)
	}
}

func (f *faults) stands(t *testing.T, agency, state string) bool {
	t.Helper()
	return f.count(t, "SELECT count(*) FROM agency_state WHERE agency = $1 AND state = $2", agency, state) == 1
}

// comeBack starts the agency that was stopped.
func (f *faults) comeBack(t *testing.T, b *blow) {
	t.Helper()
	if b.away != "" {
		f.openOffice(t, b.away)
		b.away = ""
	}
}

// isFinal tells whether everything that was filed for a blow is decided.
func (f *faults) isFinal(t *testing.T, b *blow) bool {
	t.Helper()
	return f.count(t, "SELECT count(*) FROM declaration WHERE reference LIKE $1 AND status IN ('closed', 'rejected')", fmt.Sprintf("F%d-%%", b.serial)) == b.filed
}

// end waits until everything is decided and holds all ledgers against each other.
func (f *faults) end(t *testing.T) {
	t.Helper()
	f.filing.Wait()
	last := time.Now()
	eventually(t, 2*time.Minute, "every filing is decided", func() bool {
		return f.count(t, undecided) == 0 && f.count(t, unsent) == 0
	})
	number(t, "fault points, all final after the last", time.Since(last).Round(time.Millisecond), 2*time.Minute)
	f.judge(t, f.c.promised(t))
	for _, act := range f.officers {
		act()
	}
}

// closeTask: an agency's notice cannot be read, and the officer's command
// fails at the point. The task is open then; the next try closes it once.
func (f *faults) closeTask(t *testing.T, b *blow) {
	t.Helper()
	agency := f.takers(t, f.all[0])[0]
	if given := f.ask(t, f.offices[agency].credential, http.MethodPost, "/v1/agencies/"+agency+"/notices", []byte("<"+b.text()), "Content-Type", "application/xml"); given.status >= http.StatusInternalServerError {
		t.Fatalf("%d %s", given.status, given.body)
	}
	const open = "SELECT count(*) FROM task WHERE kind = 'unreadable' AND closed_at IS NULL"
	if tasks := f.count(t, open); tasks != 1 {
		t.Fatalf("%s: %d tasks are open", b.text(), tasks)
	}
	var notice string
	f.query(t, "the task", nil, func(conn *pgx.Conn) error {
		return conn.QueryRow(t.Context(), "SELECT subject FROM task WHERE kind = 'unreadable' AND closed_at IS NULL").Scan(&notice)
	})
	arguments := []string{"tasks", "close", notice, "--resolution", "abandon", "--by", "Li", "--note", "cannot be read", "--data", f.folder, "--database", f.database}
	f.tell(t, b.text())
	officer := f.start(t, "singlewindow", "officer", arguments...)
	eventually(t, 30*time.Second, b.text()+": the officer is struck", func() bool { return f.victim(t, b) != 0 })
	if tasks := f.count(t, open); tasks != 1 {
		t.Errorf("%s: %d tasks are open before the commit", b.text(), tasks)
	}
	f.tell(t, "")
	<-officer.ended
	closed := 1 - f.count(t, open)
	if (officer.exit == nil) != (closed == 1) {
		t.Errorf("%s: the officer's command ended with %v, %d tasks are closed", b.text(), officer.exit, closed)
	}
	if closed == 0 {
		again := f.start(t, "singlewindow", "officer", arguments...)
		<-again.ended
		must(t, again.exit)
	}
	if tasks, closings := f.count(t, open), f.count(t, "SELECT count(*) FROM task_closing WHERE subject = $1", notice); tasks != 0 || closings != 1 {
		t.Errorf("%s: %d tasks are open, %d closings recorded", b.text(), tasks, closings)
	}
}
