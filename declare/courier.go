package declare

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// A courier carries one agency's messages. Each agency has its own, with its
// own cap on messages under way, so that a sick agency occupies nobody else.
type courier struct {
	g        *Gateway
	name     string
	versions atomic.Pointer[[]Agency] // the latest day of validity first, never none
	hint     chan struct{}
	started  bool // guarded by the gateway's outside

	mu       sync.Mutex
	running  context.Context // nil before run and after its end
	backlog  bool            // the queue held more than we could take
	underWay int             // on the wire, or about to be
	written  int             // answered and being written down
	health   health
	sending  sync.WaitGroup
}

// health is the agency's state as the database has it, for every process.
type health struct {
	state     string // connected, paused, denied
	since     time.Time
	reason    string
	nextProbe *time.Time
	rampFrom  *time.Time
	trips     int // times in a row that it failed again soon after it was back
}

const (
	// patientProbes is how many probes' time an agency must be well for its
	// next outage to be a new one, and how long one that refuses our
	// credential is left alone: an operator must act.
	patientProbes = 12
	// longestProbes is how many probes' time a flapping agency is left alone
	// at most: it must be found to be back within half a minute.
	longestProbes = 3
)

// probeReach is how far ahead of its time a message may be sent as a probe: an
// agency's own wish to wait is at most an hour.
const probeReach = 2 * time.Hour

const (
	agencyConnected = "connected"
	agencyPaused    = "paused"
	agencyDenied    = "denied"
)

// taken is a message under our lease.
type taken struct {
	declarationKey
	id, agency        string
	digest, body      []byte
	epoch             int64
	attempts, denials int
	asked             bool // it was unsure: ask before sending again
	firstSent         *time.Time
	leaseUntil        time.Time // by our own clock
	probe             bool
}

func (t taken) attempt(profile Profile) attempt {
	return attempt{inquirable: profile.Inquirable, idempotent: profile.Idempotent, asked: t.asked, denials: t.denials}
}

// was is where the message stood before it was leased.
func (t taken) was() Delivery {
	if t.asked {
		return DeliveryUnsure
	}
	return DeliveryQueued
}

func newCourier(g *Gateway, versions ...Agency) *courier {
	c := &courier{g: g, name: versions[0].Profile().Name, hint: make(chan struct{}, 1), health: health{state: agencyConnected}}
	c.versions.Store(&versions)
	return c
}

// agency is the one to speak to now: its version in force.
func (c *courier) agency() Agency {
	agency, _ := c.version(c.g.now())
	return agency
}

func (c *courier) profile() Profile { return c.agency().Profile() }

// wake tells the courier to look at its queue now. Losing a hint costs one
// poll, nothing else.
func (c *courier) wake() {
	select {
	case c.hint <- struct{}{}:
	default:
	}
}

// queued tells the courier that there is one more in the queue, which is no
// news while it knows of others: it looks again as soon as it has room.
func (c *courier) queued() {
	c.mu.Lock()
	news := !c.backlog
	c.backlog = true
	c.mu.Unlock()
	if news {
		c.wake()
	}
}

// run takes and sends until ctx ends, then waits for what is under way.
func (c *courier) run(ctx context.Context) {
	c.setRunning(ctx)
	defer c.sending.Wait()
	defer c.setStopped()
	poll := time.NewTicker(c.g.timing.Poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		err := safely(c.g.log, "turn", func() error { return c.turn(ctx) })
		if err != nil && ctx.Err() == nil {
			c.g.failed("queue not read", err, "agency", c.name)
		}
		select {
		case <-ctx.Done():
		case <-c.hint:
		case <-poll.C:
		}
	}
}

// turn starts as many messages as the agency's health and our cap allow.
func (c *courier) turn(ctx context.Context) (err error) {
	if !c.profile().On {
		return nil
	}
	now := c.g.now()
	health, room := c.claimRoom(now)
	if health.state != agencyConnected {
		return c.probe(ctx, health, now)
	}
	if room <= 0 {
		return nil
	}
	var messages []taken
	defer func() { c.useRoom(room, len(messages), err) }()
	messages, err = c.take(ctx, room, now)
	for _, message := range messages {
		c.start(ctx, message)
	}
	return err
}

func (c *courier) setRunning(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = ctx
}

func (c *courier) setStopped() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = nil
}

// stopping tells whether the gateway waits for what is under way to end.
func (c *courier) stopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running == nil || c.running.Err() != nil
}

// reserve keeps a place on the wire for a message that is about to be written
// down already leased. It gives none while older messages wait.
func (c *courier) reserve(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil || c.running.Err() != nil || c.backlog || c.health.state != agencyConnected || c.roomLocked(now) <= 0 {
		return false
	}
	c.underWay++
	return true
}

// release gives a reserved place back: the message was not written down.
func (c *courier) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.underWay--
}

// handOver sends a message that was written down with our lease. If the
// courier stopped in between, the lease expires and the message is asked about.
func (c *courier) handOver(t taken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		c.underWay--
		return
	}
	c.start(c.running, t)
}

// claimRoom counts all free places as taken, so that nobody else hands them
// out while the queue is read.
func (c *courier) claimRoom(now time.Time) (health, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := 0
	if c.health.state == agencyConnected {
		room = max(c.roomLocked(now), 0)
	}
	c.underWay += room
	return c.health, room
}

// useRoom gives back the places that the queue had no message for.
func (c *courier) useRoom(claimed, used int, failure error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if failure == nil {
		c.backlog = used == claimed
	}
	c.underWay -= claimed - used
}

// roomLocked tells how many more messages may be put on the wire. Answers
// waiting to be written down take no place on it, until there are so many that
// the database must be what is slow.
func (c *courier) roomLocked(now time.Time) int {
	most := c.capLocked(now)
	return min(most, 2*most-c.written) - c.underWay
}

// capLocked is how many messages may be on the wire. After an outage it grows
// 1, 2, 4 … so that an agency just back is not run over.
func (c *courier) capLocked(now time.Time) int {
	most := c.profile().InFlight
	if from := c.health.rampFrom; from != nil {
		if steps := now.Sub(*from) / c.g.timing.RampStep; steps < 16 {
			most = min(most, 1<<max(steps, 0))
		}
	}
	return most
}

// probe tries one message of a paused agency, in one process only, to find out
// whether it is back.
func (c *courier) probe(ctx context.Context, health health, now time.Time) error {
	if health.nextProbe == nil || now.Before(*health.nextProbe) {
		return nil
	}
	claimed, err := c.g.ledger.claimProbe(ctx, c.name, c.g.name, now, now.Add(c.lease()))
	if err != nil || !claimed {
		return err
	}
	if err := point("probe.claimed"); err != nil {
		return err
	}
	messages, err := c.takeOne(ctx, now)
	if err != nil || len(messages) == 0 {
		return errors.Join(err, c.g.ledger.probeFailed(ctx, c.name, c.g.name, now.Add(c.profile().Probe), ""))
	}
	if err := point("probe.leased"); err != nil {
		return err
	}
	messages[0].probe = true
	c.mu.Lock()
	c.underWay++
	c.health.nextProbe = nil // until the next look at the database
	c.mu.Unlock()
	c.start(ctx, messages[0])
	return nil
}

func (c *courier) lease() time.Duration { return c.profile().Deadline + c.g.timing.LeaseGrace }

// take leases messages that are due, in the same write that records the
// attempt: before a byte leaves.
func (c *courier) take(ctx context.Context, most int, now time.Time) ([]taken, error) {
	until := now.Add(c.lease())
	return c.takeBy(ctx, "take", until, c.name, most, now, until)
}

// takeOne leases the message to probe with: one that is unsure if there is
// one, because asking about it has no effect, else the oldest.
func (c *courier) takeOne(ctx context.Context, now time.Time) ([]taken, error) {
	until := now.Add(c.lease())
	return c.takeBy(ctx, "take_probe", until, c.name, now, until, now.Add(probeReach))
}

func (c *courier) takeBy(ctx context.Context, name string, until time.Time, arguments ...any) ([]taken, error) {
	if err := point("take.before"); err != nil {
		return nil, err
	}
	var messages []taken
	err := c.g.ledger.one(ctx, AgencyScope(c.name), name, arguments, func(rows pgx.Rows) (err error) {
		messages, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (taken, error) {
			t := taken{agency: c.name, leaseUntil: until}
			err := row.Scan(&t.tenant, &t.id, &t.declarationKey.id, &t.digest, &t.epoch, &t.attempts, &t.denials, &t.asked, &t.firstSent, &t.body)
			return t, err
		})
		return err
	})
	if err != nil || len(messages) == 0 { // rows may come before a COMMIT that fails: those messages are not ours
		return nil, err
	}
	return messages, point("take.leased")
}

// start carries one message, already counted as under way, in a goroutine
// that run waits for. A stop lets it finish: its deadline is its own.
func (c *courier) start(ctx context.Context, t taken) {
	c.sending.Go(func() {
		at := &c.underWay // where it counts
		defer func() { c.leave(at) }()
		err := safely(c.g.log, "carry", func() error {
			return c.carry(context.WithoutCancel(ctx), t, func() { at = c.answered() })
		})
		if err != nil {
			c.g.failed("attempt not recorded", err, "agency", c.name, "message", t.id)
		}
	})
}

// answered gives a message's place on the wire to another one and says where
// the message counts from now on.
func (c *courier) answered() *int {
	c.mu.Lock()
	c.written++
	c.mu.Unlock()
	c.leave(&c.underWay)
	return &c.written
}

// leave counts a message out and has the next ones taken, several at a time:
// to read the queue costs hardly more for eight than for one.
func (c *courier) leave(count *int) {
	c.mu.Lock()
	*count--
	now := c.g.now()
	enough := c.backlog && 2*c.roomLocked(now) >= c.capLocked(now)
	c.mu.Unlock()
	if enough {
		c.wake()
	}
}

// carry sends one message, or asks about it, and has the result recorded. When
// that fails the lease expires and the message is asked about. It calls
// answered when the exchange is over.
func (c *courier) carry(ctx context.Context, t taken, answered func()) error {
	if err := point("carry.begun"); err != nil {
		return err
	}
	settlement, outcome := c.exchange(ctx, t)
	ctx, cancel := context.WithTimeout(ctx, c.g.timing.Drain)
	defer cancel()
	if err := c.judgeHealth(ctx, t, outcome); err != nil {
		c.g.failed("agency state not recorded", err, "agency", c.name)
	}
	if err := point("outcome.judged"); err != nil {
		return err
	}
	answered()
	if err := c.record(ctx, settlement); err != nil {
		return err
	}
	if settlement.lost {
		c.g.log.Warn("lease lost before the attempt was recorded", "agency", c.name, "message", t.id)
	}
	return point("carry.settled")
}

// record has an attempt written down, and tries again while the database is
// away: what the agency said is known, and the epoch lets it count once.
func (c *courier) record(ctx context.Context, s *settlement) error {
	for {
		err := c.g.scribe.do(ctx, fact{settlement: s})
		if !errors.Is(err, ErrUnavailable) || c.stopping() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(c.g.timing.Poll):
		}
	}
}

// exchange does with a message what the protocol wants done now, until it
// says how that leaves the message; there is no outcome when the agency was
// not spoken to.
func (c *courier) exchange(ctx context.Context, t taken) (*settlement, *Outcome) {
	agency := c.agency()
	profile := agency.Profile()
	if digest := sha256.Sum256(t.body); !bytes.Equal(digest[:], t.digest) {
		return c.happen(t, DeliverySending, onBytesChanged, Outcome{Reason: ReasonDigest}), nil
	}
	left := t.leaseUntil.Sub(c.g.now())
	if left <= 0 { // this process was held up: somebody else may have the message now
		return c.happen(t, DeliverySending, onNotTried, Outcome{Reason: ReasonLeaseExpired}), nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(profile.Deadline, left))
	defer cancel()
	dispatch := Dispatch{MessageID: t.id, Agency: t.agency, Body: t.body, Probe: t.probe}
	if t.firstSent != nil {
		dispatch.FirstSentAt = *t.firstSent
	}
	a := t.attempt(profile)
	step := a.next(t.was(), onTaken)
	var outcome Outcome
	var spoken *Outcome
	for at := step.to; at == DeliverySending || at == asking; at = step.to {
		outcome = speak(ctx, agency, at, dispatch)
		spoken, step = &outcome, a.next(at, outcome.happened(at))
	}
	t.denials = a.denials
	return c.settle(t, step, outcome), spoken
}

func speak(ctx context.Context, agency Agency, at Delivery, dispatch Dispatch) Outcome {
	if at == asking {
		return agency.Inquire(ctx, dispatch)
	}
	return agency.Send(ctx, dispatch)
}

// happen gives what one happening comes to.
func (c *courier) happen(t taken, at Delivery, on happening, outcome Outcome) *settlement {
	a := t.attempt(c.profile())
	step := a.next(at, on)
	t.denials = a.denials
	return c.settle(t, step, outcome)
}

// settle is what the ledger shall record of a step. The agency's answer is a
// notice like any other, and always one about this message.
func (c *courier) settle(t taken, step transition, outcome Outcome) *settlement {
	now := c.g.now().UTC().Truncate(time.Millisecond)
	s := &settlement{
		taken: t, delivery: step.to, reason: cmp.Or(step.reason, outcome.Reason), denials: t.denials, unburnt: step.free, task: step.task,
		nextAt: step.again.due(now, c.pause(t, outcome), c.profile().Deadline),
	}
	if step.unsent {
		s.firstSent = t.firstSent
	}
	if outcome.Answer != nil {
		s.answer = &heard{id: c.g.ids.New("ntc"), receivedAt: now, agency: t.agency, source: "answer", body: outcome.Answer, reading: outcome.Reading}
		s.answer.reading.MessageID = t.id
	}
	return s
}

// pause is the time until the next try: the agency's own wish, or doubling
// with a spread that differs from message to message.
func (c *courier) pause(t taken, outcome Outcome) time.Duration {
	if outcome.RetryAfter > 0 {
		return outcome.RetryAfter
	}
	pause := c.g.timing.RetryMost
	if doublings := t.attempts - 1; doublings < 10 {
		pause = min(pause, c.g.timing.RetryFirst<<max(doublings, 0))
	}
	spread := fnv.New32a()
	fmt.Fprintf(spread, "%s %d", t.id, t.attempts)
	return pause - time.Duration(spread.Sum32()%256)*pause/1024
}

// judgeHealth keeps the one truth about the agency up to date: pauses it when
// its breaker opened or our credential was refused, resumes it when a probe
// was answered.
func (c *courier) judgeHealth(ctx context.Context, t taken, spoken *Outcome) error {
	now := c.g.now().UTC()
	if spoken == nil {
		if !t.probe {
			return nil
		}
		return c.g.ledger.probeFailed(ctx, c.name, c.g.name, now, "") // the agency was not spoken to: another message can be
	}
	outcome := *spoken
	switch {
	case outcome.Denied:
		c.g.log.Error("agency refuses our credential", "agency", c.name)
		return c.pauseAgency(ctx, t, agencyDenied, outcome, now.Add(patientProbes*c.profile().Probe), 0)
	case t.probe && outcome.answered():
		return c.resumeAgency(ctx, now)
	case t.probe:
		if err := point("probe.failed"); err != nil {
			return err
		}
		return c.g.ledger.probeFailed(ctx, c.name, c.g.name, now.Add(c.untilProbe(c.tripped(now), outcome)), outcome.Reason)
	case outcome.Tripped || outcome.Reason == ReasonBreakerOpen:
		trips := c.tripped(now)
		return c.pauseAgency(ctx, t, agencyPaused, outcome, now.Add(c.untilProbe(trips, outcome)), trips)
	}
	return nil
}

// resumeAgency lets messages flow again, unless the probe took so long that
// somebody else is trying the agency now.
func (c *courier) resumeAgency(ctx context.Context, now time.Time) error {
	if err := point("resume.before"); err != nil {
		return err
	}
	resumed, err := c.g.ledger.resumeAgency(ctx, c.name, c.g.name, now)
	if err != nil {
		return err
	}
	if resumed {
		c.g.log.Info("agency is back", "agency", c.name)
	}
	return point("resume.recorded")
}

// tripped counts the outages in a row up to this one: 0 for the first, and for
// one after the agency was well for a while.
func (c *courier) tripped(now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.health.state != agencyConnected:
		return c.health.trips
	case c.health.rampFrom != nil && now.Sub(*c.health.rampFrom) < patientProbes*c.profile().Probe:
		return c.health.trips + 1
	}
	return 0
}

// untilProbe is the time until the next probe: the agency's own wish where that
// is longer, and longer from one relapse to the next.
func (c *courier) untilProbe(trips int, outcome Outcome) time.Duration {
	return max(time.Duration(min(1<<min(trips, longestProbes), longestProbes))*c.profile().Probe, outcome.RetryAfter)
}

func (c *courier) pauseAgency(ctx context.Context, t taken, state string, outcome Outcome, nextProbe time.Time, trips int) error {
	reason := outcome.Reason
	if reason == ReasonBreakerOpen {
		reason = ReasonTooManyFailures
	}
	if t.probe {
		if err := c.g.ledger.probeFailed(ctx, c.name, c.g.name, nextProbe, reason); err != nil {
			return err
		}
	}
	if err := point("pause.before"); err != nil {
		return err
	}
	if err := c.g.ledger.pauseAgency(ctx, c.name, state, reason, c.g.now().UTC(), nextProbe, trips); err != nil {
		return err
	}
	if err := point("pause.recorded"); err != nil {
		return err
	}
	c.mu.Lock()
	c.health = health{state: state, since: c.g.now(), reason: reason, nextProbe: &nextProbe, trips: trips}
	c.mu.Unlock()
	return nil
}

// see takes over what the database says about the agency. When it was resumed
// the local breaker starts counting anew.
func (c *courier) see(seen health) {
	c.mu.Lock()
	before := c.health
	// What was read just before we paused the agency is not news.
	if seen.state == agencyConnected && before.state != agencyConnected && c.g.now().Sub(before.since) < 2*c.g.timing.Poll {
		c.mu.Unlock()
		return
	}
	back := before.state != agencyConnected && seen.state == agencyConnected
	if back {
		c.agency().Resume() // before anything is sent: the old breaker is open
	}
	c.health = seen
	c.mu.Unlock()
	if back {
		c.wake()
	}
}
