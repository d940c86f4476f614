package integration

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPrivatePostgresKilled kills the postmaster under a busy gateway with its
// own PostgreSQL: the gateway starts it again, refuses meanwhile, and nothing
// is lost.
func TestPrivatePostgresKilled(t *testing.T) {
	t.Parallel()
	random := seed(t)
	l, y := strict(t, lineOptions{private: true})
	c, wait := l.load(t, 25, 8, 1_000_000, []string{"default"})
	var worst time.Duration
	for range 2 { // more than five within a minute end the gateway
		y.takenSince(t, time.Now())
		moment := time.Now().Add(time.Duration(random.IntN(1000)) * time.Millisecond)
		eventually(t, time.Minute, "the moment has come", func() bool { l.mustRun(t); return time.Now().After(moment) })
		killed := l.postmaster(t)
		must(t, syscall.Kill(killed, syscall.SIGKILL))
		worst = max(worst, y.takenSince(t, time.Now()))
		eventually(t, recoveredWithin, "another postmaster runs", func() bool { now := l.postmaster(t); return now != 0 && now != killed })
	}
	number(t, "kill -9 of the private PostgreSQL, slowest recovery", worst.Round(time.Millisecond), recoveredWithin)
	if worst > patience(recoveredWithin) {
		t.Error("too late")
	}
	l.finish(t, c, wait, y, "kill -9 of the private PostgreSQL")
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
