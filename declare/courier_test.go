package declare

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// authority stands for the outside world: an agency that answers as told and
// remembers what reached it.
type authority struct {
	profile     Profile
	answer      Outcome // to a message
	inquiry     Outcome // to a question about one
	sent, asked []Dispatch
	resumed     int
	during      func(context.Context) // while a message is on the wire
}

func (a *authority) Profile() Profile { return a.profile }

func (a *authority) Takes(string, map[string]any) (bool, error) { return true, nil }

func (a *authority) Draft(Subject) (Draft, []Fault, error) { return Draft{}, nil, nil }

func (a *authority) Send(ctx context.Context, dispatch Dispatch) Outcome {
	a.sent = append(a.sent, dispatch)
	if a.during != nil {
		a.during(ctx)
	}
	return a.answer
}

func (a *authority) Inquire(_ context.Context, dispatch Dispatch) Outcome {
	a.asked = append(a.asked, dispatch)
	return a.inquiry
}

func (a *authority) Resume() { a.resumed++ }

func (a *authority) Read([]byte) (Reading, error) { return Reading{}, &Unreadable{Code: "notice.word"} }

func (a *authority) Archive() []byte { return nil }

func (a *authority) Locate(_ Subject, xmlPaths ...string) []string {
	return make([]string, len(xmlPaths))
}

// newTestCourier makes a courier of a gateway without a ledger.
func newTestCourier(a *authority) *courier {
	a.profile.Name, a.profile.On, a.profile.Zone = "port", true, time.UTC
	if a.profile.InFlight == 0 {
		a.profile.InFlight = 8
	}
	if a.profile.Deadline == 0 {
		a.profile.Deadline = 10 * time.Second
	}
	now := func() time.Time { return foldStart }
	return newCourier(&Gateway{
		ids: NewIDs(now, rand.Reader), now: now, timing: DefaultTiming(), log: slog.New(slog.DiscardHandler),
	}, a)
}

func message() taken {
	body := []byte("m")
	digest := sha256.Sum256(body)
	return taken{
		declarationKey: declarationKey{"acme", "dec_1"}, id: "msg_1", agency: "port",
		digest: digest[:], body: body, epoch: 1, attempts: 1, leaseUntil: foldStart.Add(15 * time.Second),
	}
}

func TestPauseDoublesUpToItsCap(t *testing.T) {
	t.Parallel()
	c := newTestCourier(&authority{})
	rapid.Check(t, func(t *rapid.T) {
		sent := message()
		sent.id = rapid.StringMatching(`msg_[0-9A-Z]{26}`).Draw(t, "id")
		sent.attempts = rapid.IntRange(0, 1<<30).Draw(t, "attempts")
		middle := time.Minute
		for attempts, pause := range []time.Duration{1, 1, 2, 4, 8, 16, 32} {
			if sent.attempts == attempts {
				middle = pause * time.Second
			}
		}
		pause := c.pause(sent, Outcome{})
		if pause < middle*3/4 || pause > middle*5/4 {
			t.Fatalf("attempt %d is followed by %s, not by %s", sent.attempts, pause, middle)
		}
		if again := c.pause(sent, Outcome{}); again != pause {
			t.Fatalf("%s, then %s", pause, again)
		}
	})
}

func TestPauseBeforeEachOfTheFirstAttempts(t *testing.T) {
	t.Parallel()
	c := newTestCourier(&authority{})
	for attempts, want := range []time.Duration{1, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60} {
		sent := message()
		sent.attempts = attempts
		if pause, want := c.pause(sent, Outcome{}), want*time.Second; pause < want*3/4 || pause > want*5/4 {
			t.Errorf("attempt %d is followed by %s, not by %s", attempts, pause, want)
		}
	}
}

// Messages that failed at the same moment must not come back at the same
// moment: the pauses fill the whole spread.
func TestPauseSpreads(t *testing.T) {
	t.Parallel()
	c := newTestCourier(&authority{})
	var pauses []time.Duration
	for i := range 1000 {
		sent := message()
		sent.id = fmt.Sprintf("msg_%026d", i)
		pauses = append(pauses, c.pause(sent, Outcome{}))
	}
	low, high := slices.Min(pauses), slices.Max(pauses)
	different := len(slices.Compact(slices.Sorted(slices.Values(pauses))))
	if low > 760*time.Millisecond || high < 990*time.Millisecond || high > time.Second || different < 200 {
		t.Errorf("%d different pauses from %s to %s", different, low, high)
	}
}

func TestPauseObeysTheAgency(t *testing.T) {
	t.Parallel()
	c := newTestCourier(&authority{})
	for _, wish := range []time.Duration{time.Millisecond, time.Second, 90 * time.Second, time.Hour} {
		for _, attempts := range []int{1, 5, 100} {
			sent := message()
			sent.attempts = attempts
			if pause := c.pause(sent, Outcome{RetryAfter: wish}); pause != wish {
				t.Errorf("the agency asked for %s and got %s", wish, pause)
			}
		}
	}
}

func TestRoomGrowsAfterAnOutage(t *testing.T) {
	t.Parallel()
	for _, check := range []struct {
		inFlight, underWay int
		ramp               time.Duration // since it began; negative: none
		want               int
	}{
		{8, 0, -1, 8}, {8, 3, -1, 5}, {8, 8, -1, 0},
		{8, 0, 0, 1}, {8, 0, 999 * time.Millisecond, 1}, {8, 0, time.Second, 2}, {8, 0, 2 * time.Second, 4},
		{8, 0, 3 * time.Second, 8}, {8, 0, 4 * time.Second, 8}, {8, 0, 24 * time.Hour, 8},
		{5, 0, 2 * time.Second, 4}, {5, 0, 3 * time.Second, 5}, {1, 0, 0, 1}, {1, 0, time.Minute, 1},
		{8, 1, 0, 0}, {8, 1, time.Second, 1}, {8, 6, 2 * time.Second, -2},
		{100, 0, 10 * time.Second, 100}, {100, 0, 5 * time.Second, 32},
	} {
		c := newTestCourier(&authority{profile: Profile{InFlight: check.inFlight}})
		c.underWay = check.underWay
		if check.ramp >= 0 {
			from := foldStart.Add(-check.ramp)
			c.health.rampFrom = &from
		}
		if room := c.roomLocked(foldStart); room != check.want {
			t.Errorf("%+v: room for %d", check, room)
		}
	}
}

// Another machine's clock may be ahead: the ramp then stands at its beginning.
func TestRoomBeforeTheRampBegan(t *testing.T) {
	t.Parallel()
	c := newTestCourier(&authority{})
	from := foldStart.Add(time.Hour)
	c.health.rampFrom = &from
	if room := c.roomLocked(foldStart); room != 1 {
		t.Errorf("room for %d", room)
	}
}

// settlementOf gives what an outcome comes to where a copy may be at the agency,
// or not.
func settlementOf(c *courier, sent taken, outcome Outcome, mayHaveArrived bool) *settlement {
	sent.asked = mayHaveArrived
	return c.happen(sent, DeliverySending, outcome.happened(DeliverySending), outcome)
}

func TestSettle(t *testing.T) {
	t.Parallel()
	for _, check := range []struct {
		verdict        Verdict
		mayHaveArrived bool
		reason         string
		want           Delivery
		later          bool // it is tried again after a pause
		unburnt        bool
	}{
		{VerdictAccepted, false, ReasonAnswered, DeliveryDelivered, false, false},
		{VerdictAccepted, true, ReasonAnswered, DeliveryDelivered, false, false},
		{VerdictRejected, false, ReasonAnswered, DeliveryRefused, false, false},
		{VerdictRejected, true, ReasonAnswered, DeliveryRefused, false, false},
		{VerdictUnsure, false, ReasonTimeout, DeliveryUnsure, true, false},
		{VerdictUnsure, true, ReasonReset, DeliveryUnsure, true, false},
		{VerdictUnreachable, false, ReasonConnection, DeliveryQueued, true, false},
		{VerdictUnreachable, false, ReasonBusy, DeliveryQueued, true, false},
		{VerdictUnreachable, false, ReasonBreakerOpen, DeliveryQueued, true, true},
		{VerdictUnreachable, true, ReasonConnection, DeliveryUnsure, true, false},
		{VerdictUnreachable, true, ReasonBusy, DeliveryUnsure, true, false},
		{VerdictUnreachable, true, ReasonBreakerOpen, DeliveryUnsure, true, true},
	} {
		c := newTestCourier(&authority{})
		sent := message()
		sent.denials = 1
		first := foldStart.Add(-time.Hour)
		sent.firstSent = &first
		outcome := Outcome{Verdict: check.verdict, Reason: check.reason}
		s := settlementOf(c, sent, outcome, check.mayHaveArrived)
		if s.delivery != check.want || s.reason != check.reason || s.unburnt != check.unburnt || s.task || s.answer != nil {
			t.Errorf("%s, may have arrived %t: %+v", check.verdict, check.mayHaveArrived, s)
		}
		due := foldStart
		if check.later {
			due = due.Add(c.pause(sent, outcome))
		}
		if !s.nextAt.Equal(due) {
			t.Errorf("%s, may have arrived %t: due at %s, not at %s", check.verdict, check.mayHaveArrived, s.nextAt, due)
		}
		if check.want == DeliveryQueued && s.firstSent != sent.firstSent {
			t.Errorf("%s: forgot when a copy may first have arrived", check.verdict)
		}
		// What was denied before says nothing about a copy that may have left since.
		sent.asked = check.mayHaveArrived
		if check.verdict == VerdictUnsure {
			sent.denials = 0
		}
		if !reflect.DeepEqual(s.taken, sent) || s.denials != sent.denials {
			t.Errorf("%s: settles %+v", check.verdict, s.taken)
		}
	}
}

// The answer is a notice like any other, and always one about this message.
func TestSettleKeepsTheAnswer(t *testing.T) {
	t.Parallel()
	for _, echoed := range []string{"", "msg_1"} {
		for _, verdict := range []Verdict{VerdictAccepted, VerdictRejected} {
			for _, mayHaveArrived := range []bool{false, true} {
				c := newTestCourier(&authority{})
				outcome := Outcome{Verdict: verdict, Answer: []byte("<ok/>"), Reading: Reading{MessageID: echoed, Word: "taken", Rank: 20}}
				answer := settlementOf(c, message(), outcome, mayHaveArrived).answer
				want := &heard{receivedAt: foldStart, agency: "port", source: "answer", body: []byte("<ok/>"), reading: Reading{MessageID: "msg_1", Word: "taken", Rank: 20}}
				if answer != nil {
					want.id = answer.id
				}
				if !reflect.DeepEqual(answer, want) || len(answer.id) != 30 {
					t.Errorf("%s: %+v", verdict, answer)
				}
			}
		}
	}
}

// An agency that trips again as soon as it is back is left alone for longer,
// but not so long that nobody would notice its return.
func TestRelapsesArePatientlyWaitedOut(t *testing.T) {
	t.Parallel()
	long, short := foldStart.Add(-time.Minute), foldStart.Add(-59*time.Second)
	for _, check := range []struct {
		state string
		ramp  *time.Time
		trips int
		wish  time.Duration
		want  int           // outages in a row
		pause time.Duration // until the next probe
	}{
		{agencyConnected, nil, 0, 0, 0, 5 * time.Second},
		{agencyConnected, nil, 0, time.Minute, 0, time.Minute},
		{agencyConnected, &short, 0, 0, 1, 10 * time.Second},
		{agencyConnected, &short, 1, 0, 2, 15 * time.Second},
		{agencyConnected, &short, 1, 12 * time.Second, 2, 15 * time.Second},
		{agencyConnected, &short, 1000, 0, 1001, 15 * time.Second},
		{agencyConnected, &long, 7, 0, 0, 5 * time.Second},
		{agencyPaused, nil, 1, 0, 1, 10 * time.Second}, // a probe that failed
		{agencyPaused, nil, 2, time.Hour, 2, time.Hour},
	} {
		c := newTestCourier(&authority{profile: Profile{Probe: 5 * time.Second}})
		c.health = health{state: check.state, rampFrom: check.ramp, trips: check.trips}
		trips := c.tripped(foldStart)
		if pause := c.untilProbe(trips, Outcome{RetryAfter: check.wish}); trips != check.want || pause != check.pause {
			t.Errorf("%+v: outage %d, probed after %s", check, trips, pause)
		}
	}
}

// What shows that an agency is back: any answer, even that it knows nothing.
func TestAnswered(t *testing.T) {
	t.Parallel()
	for _, check := range []struct {
		outcome Outcome
		want    bool
	}{
		{Outcome{Verdict: VerdictAccepted}, true},
		{Outcome{Verdict: VerdictRejected}, true},
		{Outcome{Verdict: VerdictUnreachable, Reason: ReasonUnknownToAgency}, true},
		{Outcome{Verdict: VerdictUnreachable, Reason: ReasonBusy}, false},
		{Outcome{Verdict: VerdictUnreachable, Reason: ReasonConnection}, false},
		{Outcome{Reason: ReasonNotUnderstood}, false},
		{Outcome{Reason: ReasonTimeout}, false},
	} {
		if got := check.outcome.answered(); got != check.want {
			t.Errorf("%+v: %t", check.outcome, got)
		}
	}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for name, check := range map[string]struct {
		change func(*courier)
		want   bool
	}{
		"free":           {func(*courier) {}, true},
		"one place left": {func(c *courier) { c.underWay = 7 }, true},
		"full":           {func(c *courier) { c.underWay = 8 }, false},
		"ramp full": {func(c *courier) {
			from := foldStart
			c.health.rampFrom, c.underWay = &from, 1
		}, false},
		"not begun": {func(c *courier) { c.setStopped() }, false},
		"stopped":   {func(c *courier) { c.setRunning(stopped) }, false},
		"backlog":   {func(c *courier) { c.backlog = true }, false},
		"paused":    {func(c *courier) { c.health.state = agencyPaused }, false},
		"denied":    {func(c *courier) { c.health.state = agencyDenied }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestCourier(&authority{})
			c.setRunning(context.Background())
			check.change(c)
			before := c.underWay
			if got := c.reserve(foldStart); got != check.want {
				t.Fatalf("reserved: %t", got)
			}
			if check.want {
				before++
			}
			if c.underWay != before {
				t.Errorf("%d under way, not %d", c.underWay, before)
			}
		})
	}
}

// Whoever races for the last places, no more are given than there are, and a
// place given back can be had again.
func TestReserveGivesEachPlaceOnce(t *testing.T) {
	t.Parallel()
	c := newTestCourier(&authority{profile: Profile{InFlight: 3}})
	c.setRunning(t.Context())
	var got atomic.Int32
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			if c.reserve(foldStart) {
				got.Add(1)
			}
		})
	}
	callers.Wait()
	if got.Load() != 3 || c.underWay != 3 {
		t.Fatalf("%d reserved, %d under way", got.Load(), c.underWay)
	}
	c.release()
	if !c.reserve(foldStart) || c.reserve(foldStart) {
		t.Error("the place given back was not had exactly once")
	}
}

func TestExchange(t *testing.T) {
	t.Parallel()
	first := foldStart.Add(-time.Hour)
	answered := Outcome{Verdict: VerdictAccepted, Reason: ReasonAnswered, Answer: []byte("<ok/>")}
	gone := Outcome{Verdict: VerdictUnreachable, Reason: ReasonConnection}
	unknown := Outcome{Verdict: VerdictUnreachable, Reason: ReasonUnknownToAgency}
	type want struct {
		delivery    Delivery
		reason      string
		denials     int
		sent, asked int
	}
	for name, check := range map[string]struct {
		idempotent, inquirable, asked bool
		denials                       int
		answer, inquiry               Outcome
		want                          want
	}{
		"sent":                             {answer: answered, want: want{DeliveryDelivered, ReasonAnswered, 0, 1, 0}},
		"not reached":                      {answer: gone, want: want{DeliveryQueued, ReasonConnection, 0, 1, 0}},
		"no answer":                        {answer: Outcome{Reason: ReasonTimeout}, want: want{DeliveryUnsure, ReasonTimeout, 0, 1, 0}},
		"no way to ask or repeat":          {asked: true, answer: answered, want: want{DeliveryUnsure, ReasonNoWayToAsk, 0, 0, 0}},
		"repeated":                         {asked: true, idempotent: true, answer: answered, want: want{DeliveryDelivered, ReasonAnswered, 0, 1, 0}},
		"repeated, not reached":            {asked: true, idempotent: true, answer: gone, want: want{DeliveryUnsure, ReasonConnection, 0, 1, 0}},
		"asked, known":                     {asked: true, inquirable: true, inquiry: answered, want: want{DeliveryDelivered, ReasonAnswered, 0, 0, 1}},
		"asked, known, could be repeated":  {asked: true, inquirable: true, idempotent: true, inquiry: answered, want: want{DeliveryDelivered, ReasonAnswered, 0, 0, 1}},
		"asked, not reached":               {asked: true, inquirable: true, inquiry: gone, want: want{DeliveryUnsure, ReasonConnection, 0, 0, 1}},
		"asked, no answer":                 {asked: true, inquirable: true, inquiry: Outcome{Reason: ReasonTimeout}, want: want{DeliveryUnsure, ReasonTimeout, 0, 0, 1}},
		"denied once":                      {asked: true, inquirable: true, inquiry: unknown, answer: answered, want: want{DeliveryUnsure, ReasonUnknownToAgency, 1, 0, 1}},
		"denied twice":                     {asked: true, inquirable: true, denials: 1, inquiry: unknown, answer: answered, want: want{DeliveryDelivered, ReasonAnswered, 2, 1, 1}},
		"denied twice, not reached":        {asked: true, inquirable: true, denials: 1, inquiry: unknown, answer: gone, want: want{DeliveryQueued, ReasonConnection, 2, 1, 1}},
		"denied once, can be repeated":     {asked: true, inquirable: true, idempotent: true, inquiry: unknown, answer: answered, want: want{DeliveryDelivered, ReasonAnswered, 1, 1, 1}},
		"denied once, repeated, no answer": {asked: true, inquirable: true, idempotent: true, inquiry: unknown, answer: Outcome{Reason: ReasonReset}, want: want{DeliveryUnsure, ReasonReset, 0, 1, 1}},
		"denied once, repeated, not taken": {asked: true, inquirable: true, idempotent: true, inquiry: unknown, answer: gone, want: want{DeliveryUnsure, ReasonConnection, 1, 1, 1}},
		"denied twice, no answer":          {asked: true, inquirable: true, denials: 1, inquiry: unknown, answer: Outcome{Reason: ReasonReset}, want: want{DeliveryUnsure, ReasonReset, 0, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &authority{profile: Profile{Idempotent: check.idempotent, Inquirable: check.inquirable}, answer: check.answer, inquiry: check.inquiry}
			c := newTestCourier(a)
			carried := message()
			carried.asked, carried.denials = check.asked, check.denials
			if check.asked {
				carried.firstSent = &first
			}
			s, _ := c.exchange(t.Context(), carried)
			if got := (want{s.delivery, s.reason, s.denials, len(a.sent), len(a.asked)}); got != check.want {
				t.Errorf("%+v, not %+v", got, check.want)
			}
			if (s.reason == ReasonNoWayToAsk) != s.task {
				t.Errorf("an officer's task: %t", s.task)
			}
			for _, dispatch := range slices.Concat(a.sent, a.asked) {
				marked := dispatch.FirstSentAt.Equal(first)
				if dispatch.MessageID != "msg_1" || dispatch.Agency != "port" || string(dispatch.Body) != "m" || marked != check.asked {
					t.Errorf("%+v", dispatch)
				}
			}
		})
	}
}

// A process that was held up until its lease was over says nothing to the
// agency: another may have the message by now.
func TestExchangeSaysNothingAfterItsLease(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		a := &authority{profile: Profile{Idempotent: true, Inquirable: true}}
		c := newTestCourier(a)
		late := message()
		late.asked, late.leaseUntil = asked, foldStart
		s, spoken := c.exchange(t.Context(), late)
		if s.delivery != late.was() || s.reason != ReasonLeaseExpired || !s.unburnt || spoken != nil || len(a.sent)+len(a.asked) > 0 {
			t.Errorf("%+v after %d sent", s, len(a.sent))
		}
	}
}

// What was stored is what is sent, or nothing is.
func TestExchangeSendsNothingButTheBytesValidated(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		a := &authority{profile: Profile{Idempotent: true, Inquirable: true}}
		c := newTestCourier(a)
		changed := message()
		changed.asked, changed.body = asked, bytes.ToUpper(changed.body)
		s, _ := c.exchange(t.Context(), changed)
		if s.delivery != DeliverySetAside || s.reason != ReasonDigest || !s.task || len(a.sent)+len(a.asked) > 0 {
			t.Errorf("%+v after %d sent", s, len(a.sent))
		}
	}
}

// recorded lets a courier's results be recorded in memory.
func recorded(c *courier) (settlements func() []*settlement, run func()) {
	var mu sync.Mutex
	var all []*settlement
	c.g.scribe = newGrouper(10, 0, func(_ context.Context, facts []fact) []error {
		mu.Lock()
		defer mu.Unlock()
		for _, f := range facts {
			all = append(all, f.settlement)
		}
		return make([]error, len(facts))
	})
	settlements = func() []*settlement {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
	stop := make(chan struct{})
	return settlements, func() {
		go c.g.scribe.run(context.Background(), stop)
		c.sending.Wait()
		close(stop)
	}
}

// A stop lets a message under way finish: it keeps its own deadline.
func TestHandOverOutlivesAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		a := &authority{answer: Outcome{Verdict: VerdictAccepted, Reason: ReasonAnswered}}
		a.during = func(ctx context.Context) {
			<-answer
			if until, limited := ctx.Deadline(); ctx.Err() != nil || !limited || time.Until(until) != 10*time.Second {
				t.Errorf("%v, until %s", ctx.Err(), until)
			}
		}
		c := newTestCourier(a)
		settlements, run := recorded(c)
		running, stop := context.WithCancel(t.Context())
		c.setRunning(running)
		if !c.reserve(foldStart) {
			t.Fatal("no place")
		}
		c.handOver(message())
		synctest.Wait()
		stop()
		synctest.Wait()
		close(answer)
		run()
		if all := settlements(); len(all) != 1 || all[0].delivery != DeliveryDelivered || c.underWay != 0 {
			t.Errorf("%d settled, %d under way", len(all), c.underWay)
		}
	})
}

// After the end nothing is sent any more; the place is given back and the
// lease will expire.
func TestHandOverAfterTheEnd(t *testing.T) {
	t.Parallel()
	a := &authority{}
	c := newTestCourier(a)
	c.setRunning(t.Context())
	if !c.reserve(foldStart) {
		t.Fatal("no place")
	}
	c.setStopped()
	c.handOver(message())
	c.sending.Wait()
	if len(a.sent) > 0 || c.underWay != 0 {
		t.Errorf("%d sent, %d under way", len(a.sent), c.underWay)
	}
}

// A paused agency is not even looked at before its next probe is due, nor a
// full one: without a ledger, looking would fail.
func TestTurnTakesNothing(t *testing.T) {
	t.Parallel()
	due := foldStart.Add(time.Second)
	for name, change := range map[string]func(*courier){
		"full":                 func(c *courier) { c.underWay = 8 },
		"more than full":       func(c *courier) { c.underWay = 9 },
		"paused":               func(c *courier) { c.health = health{state: agencyPaused, nextProbe: &due} },
		"denied":               func(c *courier) { c.health = health{state: agencyDenied, nextProbe: &due} },
		"paused, being probed": func(c *courier) { c.health = health{state: agencyPaused} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestCourier(&authority{})
			change(c)
			if err := c.turn(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The breaker starts anew, and the queue is looked at, when the database says
// that the agency is back; no other news does that.
func TestSeeResumesOnlyWhatWasPaused(t *testing.T) {
	t.Parallel()
	for _, before := range []string{agencyConnected, agencyPaused, agencyDenied} {
		for _, after := range []string{agencyConnected, agencyPaused, agencyDenied} {
			a := &authority{}
			c := newTestCourier(a)
			c.health.state = before
			c.see(health{state: after, reason: "news"})
			back := before != agencyConnected && after == agencyConnected
			if (a.resumed == 1) != back || (len(c.hint) == 1) != back || c.health.reason != "news" || c.health.state != after {
				t.Errorf("%s, then %s: resumed %d times, %d hints", before, after, a.resumed, len(c.hint))
			}
		}
	}
}

// Hints never hold up whoever gives them.
func TestWakeNeverWaits(t *testing.T) {
	t.Parallel()
	c := newTestCourier(&authority{})
	for range 3 {
		c.wake()
	}
	if len(c.hint) != 1 {
		t.Errorf("%d hints", len(c.hint))
	}
}

// The careful verdict is the one nobody chose.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	var forgotten Verdict
	if forgotten != VerdictUnsure {
		t.Errorf("whoever forgets to decide has decided %s", forgotten)
	}
	for verdict, want := range map[Verdict]string{
		VerdictUnsure: "unsure", VerdictAccepted: "accepted", VerdictRejected: "rejected", VerdictUnreachable: "unreachable",
	} {
		if verdict.String() != want {
			t.Errorf("%s, not %s", verdict, want)
		}
	}
}

// An agency nobody knows cannot say anything.
func TestHearOfAnUnknownAgency(t *testing.T) {
	t.Parallel()
	c := newTestCourier(&authority{})
	c.g.roster.Store(&roster{})
	if err := c.g.Hear(t.Context(), "nobody", []byte("<a/>"), func(string) string { return "" }); !errors.Is(err, ErrMissing) {
		t.Errorf("%v", err)
	}
}
