package integration

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"singlewindow/declare"
)

// stoppedWithin is how long an orderly stop may take, whatever hangs.
const stoppedWithin = 30 * time.Second

// hangingLine is a line whose gateway waits for an agency that hangs longer
// than any stop may take, with these many declarations.
func hangingLine(t *testing.T, declarations int) (l *line, hangs string, receipts []declare.Status) {
	t.Helper()
	l = newLine(t, lineOptions{folders: copyFolders(t, map[string]string{"idempotent: true": "idempotent: false", `deadline: \d+s`: "deadline: 25s"}), slow: "50s"})
	from, agencies := l.widest(t)
	hangs = agencies[0]
	for number := range declarations {
		receipts = append(receipts, l.file(t, acme, from, fmt.Sprintf("STOP-%d.slow.%s", number, hangs)))
	}
	eventually(t, 20*time.Second, "messages are on the wire", func() bool {
		return len(l.offices[hangs].effects(t)) == declarations
	})
	return l, hangs, receipts
}

func (p *process) signal(t *testing.T, signal syscall.Signal) time.Time {
	t.Helper()
	must(t, p.command.Process.Signal(signal))
	return time.Now()
}

// awaitNotReady waits until /readyz says that requests should go elsewhere.
func (l *line) awaitNotReady(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Second, "the gateway says that it stops", func() bool {
		given, err := l.try(t.Context(), "", http.MethodGet, "/readyz", nil)
		return err == nil && given.status == http.StatusServiceUnavailable && given.header.Get("Retry-After") != ""
	})
}

// TestStopWithAHangingAgency asks a gateway to stop while an agency hangs: it
// says at once that it stops, goes on answering for a moment, ends in time,
// and the next start finds out what became of the messages.
func TestStopWithAHangingAgency(t *testing.T) {
	t.Parallel()
	l, hangs, receipts := hangingLine(t, 4)
	asked := l.gateway.signal(t, syscall.SIGTERM)
	l.awaitNotReady(t)
	if given := l.ask(t, l.keys[acme], http.MethodGet, "/v1/declarations/"+receipts[0].ID, nil); given.status != http.StatusOK {
		t.Errorf("while it turns requests away: %d", given.status)
	}
	t.Logf("not ready after %v", time.Since(asked).Round(time.Millisecond))
	select {
	case <-l.gateway.ended:
	case <-time.After(stoppedWithin - time.Since(asked)):
		t.Fatalf("the gateway has not stopped\n%s", l.gateway.lastWords(t))
	}
	t.Logf("stopped %v after SIGTERM: %v", time.Since(asked).Round(time.Millisecond), l.gateway.exit)
	if l.gateway.exit != nil || !strings.Contains(l.gateway.lastWords(t), "agencies still have not answered") {
		t.Errorf("%v\n%s", l.gateway.exit, l.gateway.lastWords(t))
	}
	l.startGateway(t)
	l.mustRecover(t, receipts, hangs)
}

// TestSecondSignalEndsAtOnce: who asks twice will not wait.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	l, _, _ := hangingLine(t, 2)
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		l.gateway.signal(t, syscall.SIGTERM)
		l.awaitNotReady(t)
		asked := l.gateway.signal(t, second)
		<-l.gateway.ended
		took := time.Since(asked)
		t.Logf("%v: ended after %v: %v", second, took.Round(time.Microsecond), l.gateway.exit)
		if took > patience(time.Second) || l.gateway.exit == nil {
			t.Errorf("%v: %v", took, l.gateway.exit)
		}
		l.startGateway(t)
		eventually(t, time.Minute, "it waits for the agency again", func() bool {
			return l.count(t, "SELECT count(*) FROM message WHERE delivery IN ('sending', 'unsure')") > 0
		})
	}
}

// TestStopWithoutADatabase asks a gateway with its own PostgreSQL to stop while
// that hangs or is full: it ends in time, by force where needed, and the next
// start finds everything.
func TestStopWithoutADatabase(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]struct {
		begin, end func(*testing.T, *line)
		byForce    bool
	}{
		"postmaster hanging": {
			func(t *testing.T, l *line) { must(t, syscall.Kill(l.postmaster(t), syscall.SIGSTOP)) },
			func(*testing.T, *line) {}, true,
		},
		"all of it hanging": {
			func(t *testing.T, l *line) { signalAll(t, l.postmaster(t), syscall.SIGSTOP) },
			func(*testing.T, *line) {}, true,
		},
		"full": {
			func(t *testing.T, l *line) { fillUp(t, l.database) },
			func(t *testing.T, l *line) { makeRoom(t, l.database) }, false,
		},
	} {
		if name == "postmaster hanging" && !longForms() {
			continue // the same way out as from the next
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), private: true})
			c, wait := l.load(t, 20, 8, 1_000_000, []string{"default"})
			eventually(t, 20*time.Second, "it is busy", func() bool { return c.progress(t) > 50 })
			trouble.begin(t, l)
			asked := l.gateway.signal(t, syscall.SIGTERM)
			select {
			case <-l.gateway.ended:
			case <-time.After(stoppedWithin - time.Since(asked)):
				t.Fatalf("the gateway has not stopped\n%s", l.gateway.lastWords(t))
			}
			number(t, "SIGTERM with PostgreSQL "+name, time.Since(asked).Round(time.Millisecond), stoppedWithin)
			if forced := strings.Contains(l.gateway.lastWords(t), "had to be stopped at once"); forced != trouble.byForce {
				t.Errorf("%v\n%s", l.gateway.exit, l.gateway.lastWords(t))
			}
			l.startGateway(t)
			trouble.end(t, l)
			c.enough()
			wait()
			eventually(t, time.Minute, "everything is delivered and decided", func() bool {
				return l.count(t, undecided) == 0 && l.count(t, unsent) == 0
			})
			l.judge(t, c.promised(t))
		})
	}
}
