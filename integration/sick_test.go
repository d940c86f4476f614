package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/adapters/simulated"
	"singlewindow/declare"
)

// An illness is what befalls one agency while all others are well.
type illness struct {
	name  string
	words string // for its trouble file; "": its process is stopped
	then  string // what ails it once the gateways paused it; "": the same
}

var illnesses = []illness{
	{"down", "", ""},
	{"slow (30 s)", "slow 30s", ""},
	{"flapping", "flap 10s", ""},
	{"probe hanging", "error", "hang"},
	{"5xx", "error 502", ""},
	{"garbage", "garbage", ""},
}

// A sickroom is a line under a steady load, with the one agency that falls ill.
type sickroom struct {
	*line
	agency string
	probe  time.Duration
	calm   time.Duration // undisturbed before and after
	ill    time.Duration
}

// TestChaosSickAgency makes one agency ill in each way in turn, under load at
// two gateways, with an undisturbed stretch before and after each.
func TestChaosSickAgency(t *testing.T) {
	onlyLong(t)
	for _, what := range illnesses {
		t.Run(what.name, func(t *testing.T) { suffers(t, what, 20*time.Second, 30*time.Second) })
	}
}

// suffers is one illness in an installation of its own.
func suffers(t *testing.T, what illness, calm, ill time.Duration) {
	t.Helper()
	const rate = 30 // a second: with more, two processors shared with the load are what the others wait for
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), gateways: 2})
	c, wait := l.load(t, rate, 64, 1_000_000, []string{"default"})
	found := l.sickroom(t, calm, ill).befalls(t, what)
	c.enough()
	wait()
	l.awaitQuiet(t)
	found.tell(t, fmt.Sprintf("%s at %d declarations/s", what.name, rate), 0)
	found.hold(t, 0)
	if found.ratio() > 125 {
		t.Errorf("the other agencies' p99 went from %v to %v", found.before, found.during)
	}
	l.judge(t, c.promised(t))
}

// TestSickAgency is the short form, with every time of the agencies scaled; it
// asks nothing of how fast the others are, because other tests run beside it.
func TestSickAgency(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{gateways: 2, mute: true, folders: copyFolders(t, map[string]string{
		"idempotent: true": "idempotent: false", `deadline: \d+s`: "deadline: 1s",
		`breaker: .*`: "breaker: {window: 2s, ratio: 0.5, minimum: 4, slow: 500ms, probe: 500ms}",
	})})
	c, wait := l.load(t, 15, 8, 1_000_000, []string{"default"})
	for _, what := range []illness{{"flapping", "flap 1500ms", ""}, {"probe hanging", "error", "hang"}} {
		found := l.sickroom(t, 0, 3*time.Second).befalls(t, what)
		// So few messages are dear: those that open both processes' breakers
		// (four each, and two on their way) are asked about twice and sent again.
		spare := 3 * 2 * (4 + 2) * found.pauses
		found.tell(t, what.name+", short form", spare)
		found.hold(t, spare)
	}
	c.enough()
	wait()
	eventually(t, time.Minute, "everything is delivered", func() bool { return l.count(t, unsent) == 0 })
	l.closeOffices(t)
	l.mustAgree(t, c.receipts(t))
}

// TestLapseIsTold kills the only gateway while a message is on its way to an
// agency that hangs: the trader is told that it is unsure, and then what came
// of it.
func TestLapseIsTold(t *testing.T) {
	t.Parallel()
	agency, from := busiest(t)
	l := newLine(t, lineOptions{connect: []string{agency}, mute: true, folders: copyFolders(t, map[string]string{`deadline: \d+s`: "deadline: 1s"})})
	l.offices[agency].ail(t, "hang")
	filed := l.file(t, acme, from, "LAPSE-1")
	eventually(t, 10*time.Second, "the message is on its way", func() bool { return len(l.offices[agency].calls(t)) > 0 })
	l.gateway.kill(t)
	l.startGateway(t)
	const told = `SELECT count(*) FROM event WHERE declaration_id = $1 AND type = 'message.unsure' AND agency = $2 AND data ->> 'reason' = $3`
	eventually(t, 30*time.Second, "the trader is told", func() bool { return l.count(t, told, filed.ID, agency, declare.ReasonLeaseExpired) == 1 })
	if status := l.status(t, acme, filed.ID); status.Status != declare.OverallProcessing || status.WaitingFor.Who != declare.WhoAgency {
		t.Errorf("%+v", status)
	}
	l.offices[agency].ail(t, "")
	eventually(t, 30*time.Second, "the message is delivered", func() bool {
		return filingAt(t, l.status(t, acme, filed.ID), agency).Delivery == declare.DeliveryDelivered
	})
	if effects := l.offices[agency].effects(t); len(effects) != 1 {
		t.Errorf("%d effects", len(effects))
	}
}

// TestNothingIsTakenWhilePaused: whichever process paused the agency, no other
// takes a message before it knows.
func TestNothingIsTakenWhilePaused(t *testing.T) {
	t.Parallel()
	ledger, url := newLedger(t)
	take, err := declare.Statements.ReadFile("sql/take.sql")
	must(t, err)
	execute(t, url, `SET session_replication_role = replica;
		INSERT INTO agency_state (agency, since) VALUES ('port', now());
		INSERT INTO message (tenant_id, id, declaration_id, agency, purpose, schema_digest, digest, created_at, next_at, since, delivery)
		VALUES ('acme', 'msg_00000000000000000000000001', 'dec_00000000000000000000000001', 'port', 'original', '', decode(repeat('00', 32), 'hex'), now(), now(), now(), 'queued');
		INSERT INTO message_body (tenant_id, message_id, created_at, agency, body) SELECT tenant_id, id, created_at, agency, '\x00' FROM message`)
	for state, want := range map[string]int64{"paused": 0, "denied": 0, "connected": 1} {
		execute(t, url, "UPDATE agency_state SET state = '"+state+"'")
		must(t, ledger.Within(t.Context(), declare.AgencyScope("port"), func(tx pgx.Tx) error {
			nested, err := tx.Begin(t.Context()) // undone, so that the order does not matter
			if err != nil {
				return err
			}
			tag, err := nested.Exec(t.Context(), string(take), "port", 10, time.Now().Add(time.Minute), time.Now().Add(time.Hour))
			if err == nil && tag.RowsAffected() != want {
				t.Errorf("%s: %d taken", state, tag.RowsAffected())
			}
			return errors.Join(err, nested.Rollback(t.Context()))
		}))
	}
}

// sickroom chooses the agency that most declarations concern.
func (l *line) sickroom(t *testing.T, calm, ill time.Duration) *sickroom {
	t.Helper()
	concerned := map[string]int{}
	for _, from := range samples(t) {
		for _, agency := range l.takers(t, from) {
			concerned[agency]++
		}
	}
	names := slices.Sorted(maps.Keys(concerned))
	agency := slices.MaxFunc(names, func(a, b string) int { return concerned[a] - concerned[b] })
	return &sickroom{line: l, agency: agency, probe: l.offices[agency].agency.Profile().Probe, calm: calm, ill: ill}
}

func (l *line) awaitQuiet(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "every filing is decided", func() bool {
		return l.count(t, undecided) == 0 && l.count(t, unsent) == 0
	})
}

// ail says what ails an agency from now on; "" makes it well.
func (o *office) ail(t *testing.T, words string) {
	t.Helper()
	fresh := o.trouble + ".new" // nobody reads half of it
	must(t, os.WriteFile(fresh, []byte(words), 0o600))
	must(t, os.Rename(fresh, o.trouble))
}

func (o *office) calls(t *testing.T) []simulated.Call {
	t.Helper()
	return linesOf[simulated.Call](t, o.ledger+".calls")
}

// findings are what an illness came to.
type findings struct {
	before, during time.Duration // the other agencies' p99, from the 202 to delivered
	catchUp        time.Duration // the same, while what waited for the sick one is sent
	messages       int           // filed to the sick agency while it was ill
	calls          int           // made about them but for probes
	probes         int           // calls while it was paused
	most           int           // so many probes there may be
	burnt          int           // attempts counted without a call
	held           int           // messages that waited through a pause without an attempt
	pauses         int
	back           time.Duration // from its return to the first success
	expected       error         // what is wrong with what a trader was told
}

// befalls makes the agency ill for a while and waits until all that waited for
// it is delivered.
func (s *sickroom) befalls(t *testing.T, what illness) findings {
	t.Helper()
	office := s.offices[s.agency]
	begun := time.Now()
	s.pass(t, begun.Add(s.calm))
	fell := time.Now()
	pauses := s.watchPauses(t)
	if what.words == "" {
		office.process.stop(t)
	} else {
		office.ail(t, what.words)
	}
	if what.then != "" {
		eventually(t, s.ill, "the agency is paused", func() bool { return s.health(t, s.agency).State == "paused" })
		office.ail(t, what.then)
	}
	s.pass(t, fell.Add(s.ill/2))
	var told error
	if !strings.HasPrefix(what.words, "flap") { // nobody could look fast enough
		told = s.tellsTheTrader(t)
	}
	s.pass(t, fell.Add(s.ill))
	if what.words == "" {
		s.openOffice(t, s.agency)
	} else {
		office.ail(t, "")
	}
	well := time.Now()
	back := s.firstSuccess(t, well)
	eventually(t, 4*time.Minute, "what waited is delivered", func() bool {
		return s.count(t, `SELECT count(*) FROM message WHERE agency = $1 AND created_at < $2 AND delivery NOT IN ('delivered', 'refused')`, s.agency, well) == 0
	})
	drained := time.Now()
	s.pass(t, drained.Add(s.calm))
	found := s.account(t, what, fell, well, pauses())
	found.back, found.expected = back, told
	found.before, found.during, found.catchUp = s.others(t, begun, fell), s.others(t, fell, well), s.others(t, well, drained)
	if after := s.others(t, drained, time.Now()); s.calm > 0 {
		t.Logf("the others' p99: %v before, %v while ill, %v in the catch-up of %v, %v after", found.before, found.during, found.catchUp, drained.Sub(well), after)
		found.before = (found.before + after) / 2
	}
	return found
}

// pass lets the load go on until a moment.
func (s *sickroom) pass(t *testing.T, moment time.Time) {
	t.Helper()
	eventually(t, 5*time.Minute, "the time has come", func() bool { return !time.Now().Before(moment) })
}

// A pause is a time in which nothing but probes is sent.
type pause struct{ from, to time.Time }

// watchPauses looks at the agency's state in the database until told to stop.
func (s *sickroom) watchPauses(t *testing.T) (stop func() []pause) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.database)
	must(t, err)
	done, ended := make(chan struct{}), make(chan error, 1)
	var pauses []pause
	go func() {
		look := time.NewTicker(50 * time.Millisecond)
		defer look.Stop()
		for {
			var state string
			var since time.Time
			if err := conn.QueryRow(t.Context(), "SELECT state, since FROM agency_state WHERE agency = $1", s.agency).Scan(&state, &since); err != nil {
				ended <- err
				return
			}
			pauses = noted(pauses, state != "connected", since)
			select {
			case <-done:
				ended <- nil
				return
			case <-look.C:
			}
		}
	}()
	return func() []pause {
		close(done)
		must(t, errors.Join(<-ended, conn.Close(context.Background())))
		return pauses
	}
}

// noted adds what was seen of a state.
func noted(pauses []pause, paused bool, since time.Time) []pause {
	last := len(pauses) - 1
	open := last >= 0 && pauses[last].to.IsZero()
	switch {
	case open && (!paused || !pauses[last].from.Equal(since)):
		pauses[last].to = since
		return noted(pauses, paused, since)
	case !open && paused:
		return append(pauses, pause{from: since})
	}
	return pauses
}

// firstSuccess is how long after its return the agency took a message.
func (s *sickroom) firstSuccess(t *testing.T, well time.Time) time.Duration {
	t.Helper()
	type settled struct{ At time.Time }
	var first []settled
	eventually(t, time.Minute, "a first success", func() bool {
		first = rows[settled](t, s.line, `SELECT settled_at FROM message WHERE agency = $1 AND delivery = 'delivered' AND settled_at >= $2 ORDER BY settled_at LIMIT 1`, s.agency, well)
		return len(first) == 1
	})
	return first[0].At.Sub(well)
}

// others is the other agencies' p99 of the time from acceptance to delivered,
// of what was accepted between two moments.
func (s *sickroom) others(t *testing.T, from, to time.Time) time.Duration {
	t.Helper()
	type took struct{ Microseconds int64 }
	all := rows[took](t, s.line, `SELECT (extract(epoch FROM coalesce(settled_at, now()) - created_at) * 1000000)::bigint FROM message
		WHERE agency <> $1 AND created_at >= $2 AND created_at < $3 ORDER BY 1`, s.agency, from, to)
	if len(all) == 0 {
		return 0
	}
	return (time.Duration(all[len(all)*99/100].Microseconds) * time.Microsecond).Round(100 * time.Microsecond)
}

// grace is how long another process may act on what the database said before:
// two looks at it.
const grace = 500 * time.Millisecond

// account counts what was said to the agency about what was filed to it while
// it was ill.
func (s *sickroom) account(t *testing.T, what illness, fell, well time.Time, pauses []pause) findings {
	t.Helper()
	type message struct {
		ID       string
		Attempts int
	}
	found := findings{pauses: len(pauses)}
	calls := map[string][]simulated.Call{}
	for _, call := range s.offices[s.agency].calls(t) {
		calls[call.DeliveryID] = append(calls[call.DeliveryID], call)
	}
	for _, p := range pauses {
		found.most += 2 + 2*int(p.to.Sub(p.from)/s.probe) // a probe may ask and then send
	}
	deadline := s.offices[s.agency].agency.Profile().Deadline
	for _, m := range rows[message](t, s.line, `SELECT id, attempts FROM message WHERE agency = $1 AND created_at BETWEEN $2 AND $3`, s.agency, fell.Add(-deadline), well) {
		found.messages++
		made := 0
		for _, call := range calls[m.ID] {
			if slices.ContainsFunc(pauses, func(p pause) bool { return call.At.After(p.from.Add(grace)) && call.At.Before(p.to) }) {
				found.probes++
			} else {
				found.calls++
			}
			made++
		}
		if what.words != "" {
			found.burnt += max(0, m.Attempts-made)
		} else {
			found.calls += max(0, m.Attempts-made) // nobody was there to count them
		}
		if m.Attempts == 1 {
			found.held++
		}
	}
	return found
}

// tellsTheTrader asks, as a trader would, about a declaration that waits for
// the agency while it is paused.
func (s *sickroom) tellsTheTrader(t *testing.T) error {
	t.Helper()
	type waiting struct{ Declaration, Tenant string }
	var view declare.Status
	var next time.Time
	eventually(t, 30*time.Second, "a declaration waits for a paused agency", func() bool {
		health := s.health(t, s.agency)
		found := rows[waiting](t, s.line, `SELECT declaration_id, tenant_id FROM message WHERE agency = $1 AND delivery = 'queued' ORDER BY created_at DESC, id DESC LIMIT 1`, s.agency)
		if health.State != "paused" || health.NextProbe == nil || time.Until(*health.NextProbe) < 200*time.Millisecond || len(found) == 0 {
			return false
		}
		next = *health.NextProbe
		view = s.status(t, found[0].Tenant, found[0].Declaration)
		return filingAt(t, view, s.agency).Delivery == declare.DeliveryQueued
	})
	filing := filingAt(t, view, s.agency)
	switch {
	case filing.Queue == nil || filing.Queue.ExpectedAt == nil || filing.Queue.Position < 1:
		return fmt.Errorf("no place in the queue: %+v", filing)
	case filing.Queue.ExpectedAt.Before(next.Truncate(time.Millisecond)):
		return fmt.Errorf("expected at %s, before the next probe at %s", filing.Queue.ExpectedAt, next)
	case filing.Reason == "" || filing.Reason == declare.ReasonBreakerOpen:
		return fmt.Errorf("the reason given is %q", filing.Reason)
	}
	return nil
}

// ratio is the others' p99 in per cent of the undisturbed one.
func (f findings) ratio() int { return int(f.during * 100 / max(f.before, 1)) }

// perMessage is the calls per message, in per cent.
func (f findings) perMessage() int { return f.calls * 100 / max(f.messages, 1) }

func percent(n int) string { return fmt.Sprintf("%d.%02d", n/100, n%100) }

// tell prints the numbers.
func (f findings) tell(t *testing.T, name string, spare int) {
	t.Helper()
	what := "one agency " + name + ", "
	if f.before > 0 {
		number(t, what+"the others' p99 against undisturbed", fmt.Sprintf("%s (%v, %v)", percent(f.ratio()), f.during, f.before), "1.25")
		number(t, what+"the others' p99 while it catches up", f.catchUp, "none")
	}
	number(t, what+"calls per message but for probes", fmt.Sprintf("%s (%d for %d)", percent(f.perMessage()), f.calls, f.messages), fmt.Sprintf("1.1, and %d calls to spare", spare))
	number(t, what+"probes in its pauses", fmt.Sprintf("%d in %d", f.probes, f.pauses), f.most)
	number(t, what+"first success after its return", f.back.Round(10*time.Millisecond), "30s")
	number(t, what+"attempts burnt while open", f.burnt, 0)
}

// hold fails where a number is not what was promised, or more calls than that
// and some to spare were made.
func (f findings) hold(t *testing.T, spare int) {
	t.Helper()
	if f.pauses == 0 {
		t.Error("the agency was never paused")
	}
	if f.messages == 0 || 10*f.calls > 11*f.messages+10*spare {
		t.Errorf("%d calls for %d messages", f.calls, f.messages)
	}
	if f.probes > f.most {
		t.Errorf("%d calls while it was paused, %d are enough", f.probes, f.most)
	}
	if f.burnt > 0 {
		t.Errorf("%d attempts were burnt", f.burnt)
	}
	if f.back > patience(30*time.Second) {
		t.Errorf("first success after %v", f.back)
	}
	if f.expected != nil {
		t.Error(f.expected)
	}
}
