package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A trouble is something that happens to a database, and how it ends.
type trouble struct {
	name       string
	begin, end func()
	reads      bool // what only reads is answered all the same
}

// TestDatabaseInTrouble lets the database of a busy gateway hang, refuse to
// write and fill up: each answer is a receipt that holds or a 503 in time and
// in form, nothing is sent that cannot be recorded, and the gateway goes on by
// itself afterwards.
func TestDatabaseInTrouble(t *testing.T) {
	t.Parallel()
	databaseInTrouble(t, "hanging", "read-only", "full")
}

func TestChaosDatabaseInTrouble(t *testing.T) {
	onlyLong(t)
	databaseInTrouble(t, "stopped", "killed", "restarted at once", "hanging", "read-only", "out of connections", "full")
}

func databaseInTrouble(t *testing.T, names ...string) {
	t.Helper()
	d := newDatabaseServer(t)
	l, y := strict(t, lineOptions{at: d.URL()})
	c, wait := l.load(t, 25, 8, 1_000_000, []string{"default"})
	y.takenSince(t, time.Now())
	var leave func()
	troubles := []trouble{
		{"stopped", func() { must(t, d.Stop(t.Context())) }, func() { d.start(t) }, false},
		{"killed", func() { d.crash(t, syscall.SIGKILL) }, func() { d.start(t) }, false},
		{"restarted at once", func() { d.crash(t, syscall.SIGQUIT) }, func() { d.start(t) }, false},
		{"hanging", func() { signalAll(t, d.postmaster(t), syscall.SIGSTOP) }, func() { signalAll(t, d.postmaster(t), syscall.SIGCONT) }, false},
		{"read-only", func() { d.readOnly(t, true) }, func() { d.readOnly(t, false) }, true},
		{"out of connections", func() { leave = d.crowd(t) }, func() { leave() }, false},
		{"full", func() { fillUp(t, d.URL()) }, func() { makeRoom(t, d.URL()) }, true},
	}
	for _, is := range troubles {
		if !slices.Contains(names, is.name) {
			continue
		}
		asks := l.questions(t)
		said := len(l.gateway.allWords(t))
		is.begin()
		l.mustBeAway(t, y, is, asks)
		is.end()
		back := y.takenSince(t, time.Now())
		eventually(t, recoveredWithin, "the gateway says that it is back", func() bool { return strings.Contains(l.gateway.allWords(t)[said:], "the database is back") })
		number(t, "PostgreSQL "+is.name+", recovery", back.Round(time.Millisecond), recoveredWithin)
		if back > patience(recoveredWithin) {
			t.Errorf("%s: only after %v", is.name, back)
		}
		lines := strings.Split(strings.TrimSpace(l.gateway.allWords(t)[said:]), "\n")
		if len(lines) > 20 { // leases lost in a hang are told too; requests refused are a hundred
			t.Errorf("%s: the log is flooded:\n%s", is.name, strings.Join(lines[:min(len(lines), 20)], "\n"))
		}
	}
	l.finish(t, c, wait, y, "PostgreSQL in trouble")
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
	l, y := strict(t, lineOptions{at: d.URL()})
	c, wait := l.load(t, 25, 8, 1_000_000, []string{"default"})
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
	l.finish(t, c, wait, y, "disk full")
}

// A question is a request that needs the database.
type question struct {
	bearer, method, path, media string
	body                        []byte
	reads                       bool
}

// questions are one of each sort. The notice is one that was heard before.
func (l *line) questions(t *testing.T) []question {
	t.Helper()
	type heard struct {
		Agency string
		Body   []byte
	}
	var notices []heard
	eventually(t, 20*time.Second, "an agency has said something later", func() bool {
		notices = rows[heard](t, l, "SELECT agency, body FROM notice WHERE source = 'notice' LIMIT 1")
		return len(notices) > 0
	})
	agency := notices[0].Agency
	return []question{
		{l.keys[acme], http.MethodPost, "/v1/declarations?lang=zh", "application/json", samples(t)[0].as(t, "REFUSED"), false},
		{l.offices[agency].credential, http.MethodPost, "/v1/agencies/" + agency + "/notices", "application/xml", notices[0].Body, false},
		{l.keys[bolt], http.MethodGet, "/v1/declarations?limit=3", "", nil, true},
		{l.keys[acme], http.MethodGet, "/v1/declarations/dec_00000000000000000000000000", "", nil, true},
		{l.keys[acme], http.MethodGet, "/v1/agencies", "", nil, true},
		{"", http.MethodGet, "/readyz", "", nil, false},
	}
}

// mustBeAway asks everything there is for two seconds.
func (l *line) mustBeAway(t *testing.T, y *tally, is trouble, asks []question) {
	t.Helper()
	before := y.count(http.StatusServiceUnavailable)
	eventually(t, 30*time.Second, is.name+": requests are refused", func() bool { return y.count(http.StatusServiceUnavailable) > before })
	begun, effects := time.Now(), -1
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for last := begun; last.Sub(begun) < 2*time.Second; last = <-pace.C {
		for _, path := range []string{"/livez", "/problems/unavailable", "/openapi.json"} {
			asked := time.Now()
			if given := l.ask(t, "", http.MethodGet, path, nil); given.status != http.StatusOK || time.Since(asked) > patience(time.Second) {
				t.Errorf("%s: %s: %d after %v", is.name, path, given.status, time.Since(asked))
			}
		}
		settled := time.Since(begun) > 1500*time.Millisecond // exchanges under way are over, broken sessions noticed
		var asking sync.WaitGroup
		for _, q := range asks {
			asking.Go(func() {
				readable := is.reads && (q.reads || !settled && q.method == http.MethodGet) // /readyz learns it with the next sweep
				if fault := l.badAnswer(t, q, readable, settled); fault != "" {
					t.Errorf("%s: %s %s: %s", is.name, q.method, q.path, fault)
				}
			})
		}
		asking.Wait()
		if now := l.effectCount(t); settled {
			if effects >= 0 && now != effects {
				t.Errorf("%s: %d messages were sent while their record could not be written", is.name, now-effects)
			}
			effects = now
		}
	}
}

// badAnswer asks and says what is wrong with the answer, "" when nothing is.
func (l *line) badAnswer(t *testing.T, q question, readable, settled bool) string {
	t.Helper()
	asked := time.Now()
	given, err := l.try(t.Context(), q.bearer, q.method, q.path, q.body, "Content-Type", q.media, "Idempotency-Key", "key-trouble")
	took := time.Since(asked)
	switch {
	case err != nil:
		return err.Error()
	case given.status == http.StatusServiceUnavailable && (!readable || !settled):
		return badRefusal(given, took)
	case !readable || given.status >= http.StatusInternalServerError || took > answeredWithin():
		return fmt.Sprintf("%d after %v: %s", given.status, took, given.body)
	}
	return ""
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
