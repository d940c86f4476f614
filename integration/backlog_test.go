package integration

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestBacklog lets an agency come back after an outage to a short queue. How
// fast it is worked off says nothing beside other tests.
func TestBacklog(t *testing.T) {
	t.Parallel()
	drainBacklog(t, 1000)
}

// TestChaosBacklog holds the return of an agency after an outage to the
// documented numbers.
func TestChaosBacklog(t *testing.T) {
	onlyLong(t)
	const rateBar, freshBar = 400, 250 * time.Millisecond
	if rate, slowest := drainBacklog(t, 20_000); rate < rateBar || slowest > freshBar {
		t.Errorf("%d/s, fresh submissions %v: too slow", rate, slowest)
	}
}

// drainBacklog queues messages at an agency that is away, lets it come back
// and measures how fast they are sent, while other declarations come in for
// that agency and for others.
func drainBacklog(t *testing.T, messages int) (rate int, slowest time.Duration) {
	t.Helper()
	const freshPerSecond = 10
	agency, from := busiest(t)
	l := newLine(t, lineOptions{folders: copyFolders(t, map[string]string{`inFlight: \d+`: "inFlight: 32"}), unopened: []string{agency}, mute: true, gateways: 2})
	original := l.multiply(t, acme, from, "default", agency, messages)
	eventually(t, time.Minute, "the agency's absence is noticed", func() bool { return l.health(t, agency).State == "paused" })

	fresh := l.trickle(t, freshPerSecond)
	l.openOffice(t, agency)
	eventually(t, time.Minute, "the agency is back", func() bool { return l.health(t, agency).State == "connected" })
	begun, used := time.Now(), l.processorTime(t)
	// What is asked often must cost little: it is the same machine.
	const waiting = "SELECT count(*) FROM (SELECT FROM message WHERE agency = $1 AND delivery IN ('queued', 'unsure') LIMIT 1) one"
	const unsettled = "SELECT count(*) FROM message WHERE agency = $1 AND settled_at IS NULL AND created_at = (SELECT created_at FROM message WHERE id = $2)"
	eventually(t, 5*time.Minute, "nothing waits", func() bool { return l.count(t, waiting, agency) == 0 })
	eventually(t, time.Minute, "the long queue is settled", func() bool { return l.count(t, unsettled, agency, original) == 0 })
	took := time.Since(begun)
	now := l.processorTime(t)
	for name, before := range used {
		t.Logf("%s used %v of processor time per message", name, (now[name]-before)/time.Duration(messages))
	}
	waits := fresh()
	rate, slowest = messages*1000/int(took.Milliseconds()), waits[len(waits)*99/100].Round(time.Millisecond)
	number(t, fmt.Sprintf("backlog of %d messages, agency back to last one settled (32 in flight, no fsync)", messages), fmt.Sprintf("%d/s", rate), "400/s")
	number(t, fmt.Sprintf("backlog, p99 of %d fresh submissions meanwhile", len(waits)), slowest, 250*time.Millisecond)
	eventually(t, time.Minute, "all fresh ones are sent too", func() bool {
		return l.count(t, "SELECT count(*) FROM message WHERE settled_at IS NULL AND agency = ANY ($1)", slices.Sorted(maps.Keys(l.offices))) == 0
	})
	l.mustAgreeExactly(t)
	return rate, slowest
}

// mustAgreeExactly holds the agencies' ledgers against the database: each
// message took effect once, with the bytes that are on file. The copies that
// make a queue have no receipts.
func (l *line) mustAgreeExactly(t *testing.T) {
	t.Helper()
	for name, office := range l.offices {
		effects := map[string]int{}
		for _, effect := range office.effects(t) {
			effects[effect.DeliveryID+" "+effect.Digest]++
		}
		var onFile []string
		l.query(t, "messages", nil, func(conn *pgx.Conn) error {
			rows, err := conn.Query(t.Context(), "SELECT id || ' ' || encode(digest, 'hex') FROM message WHERE agency = $1", name)
			if err != nil {
				return err
			}
			onFile, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		for _, message := range onFile {
			if effects[message] != 1 {
				t.Errorf("%s took effect %d times at %s", message, effects[message], name)
			}
		}
		if len(effects) != len(onFile) {
			t.Errorf("%d messages took effect at %s, %d are on file", len(effects), name, len(onFile))
		}
	}
}

// trickle files declarations at a rate, of both enterprises in turn, until
// the returned function is called, which gives how long each answer took,
// counted from when it was due, the shortest first.
func (l *line) trickle(t *testing.T, perSecond int) func() (waits []time.Duration) {
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var waits []time.Duration
	var clients sync.WaitGroup
	all := samples(t)
	file := func(number int, due time.Time) {
		reference := fmt.Sprintf("FRESH-%d", number)
		given, err := l.submit(t.Context(), []string{acme, bolt}[number%2], "key-"+reference, all[number%len(all)].as(t, reference))
		if err != nil || given.status != http.StatusAccepted {
			t.Errorf("%s: %d %s %v", reference, given.status, given.body, err)
		}
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, time.Since(due))
	}
	clients.Go(func() {
		due := time.NewTicker(time.Second / time.Duration(perSecond))
		defer due.Stop()
		for number := 0; ; number++ {
			select {
			case <-ctx.Done():
				return
			case at := <-due.C:
				clients.Go(func() { file(number, at) })
			}
		}
	})
	return func() []time.Duration {
		stop()
		clients.Wait()
		slices.Sort(waits)
		return waits
	}
}

// processorTime is what each process of the line, and the database, used.
func (l *line) processorTime(t *testing.T) map[string]time.Duration {
	t.Helper()
	used := map[string]time.Duration{"this test": processorTime(t, os.Getpid())}
	for _, gateway := range l.gateways {
		used["the gateways"] += processorTime(t, gateway.command.Process.Pid)
	}
	for name, office := range l.offices {
		if office.process != nil {
			used[name] = processorTime(t, office.process.command.Process.Pid)
		}
	}
	var servers []int
	l.query(t, "servers", nil, func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
		if err != nil {
			return err
		}
		servers, err = pgx.CollectRows(rows, pgx.RowTo[int])
		return err
	})
	for _, server := range servers {
		used["PostgreSQL"] += processorTime(t, server)
	}
	return used
}

// processorTime reads /proc; a process that is gone used nothing.
func processorTime(t *testing.T, process int) time.Duration {
	t.Helper()
	const tick = 10 * time.Millisecond
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if os.IsNotExist(err) {
		return 0
	}
	must(t, err)
	fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	must(t, err)
	system, err := strconv.Atoi(fields[12])
	must(t, err)
	return time.Duration(user+system) * tick
}
