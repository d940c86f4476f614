package adapters

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/shopspring/decimal"
	"github.com/sony/gobreaker/v2"

	"singlewindow/declare"
)

// windowParts is how finely the breaker's window slides.
const windowParts = 10

// relapse is how many failures in a row show that an agency that was just
// taken for well is not. It counts only until as many exchanges went well as
// are enough to judge it: an agency that fails at every third message would
// otherwise be paused again and again, and what waits would hardly move.
const relapse = 3

// A breaker counts how exchanges with one agency end and opens when too many
// end badly. It never closes by itself: the gateway knows from the database
// when the agency is back, and has a new one made then.
type breaker struct {
	slow    time.Duration
	counter *gobreaker.CircuitBreaker[declare.Outcome]
	opened  atomic.Bool   // and no outcome has told so yet
	good    atomic.Uint32 // exchanges that ended well
}

// The errors that tell gobreaker what an exchange was worth.
var (
	errFailed   = errors.New("the exchange failed")
	errExcluded = errors.New("the exchange says nothing about the agency")
)

// newBreaker makes the breaker of an agency, which is watched more closely
// when it comes back from an outage, until it has proved itself. As many
// failures in a row as are enough to judge it open the breaker however well
// the window began.
func newBreaker(profile declare.Profile, entry breakerEntry, back bool) *breaker {
	b := &breaker{slow: entry.Slow}
	window := entry.Window + hangingTime(profile, entry)
	b.counter = gobreaker.NewCircuitBreaker[declare.Outcome](gobreaker.Settings{
		Name:         profile.Name,
		Interval:     window,
		BucketPeriod: window / windowParts,
		Timeout:      math.MaxInt64,
		ReadyToTrip: func(counts gobreaker.Counts) bool {
			ended := counts.TotalSuccesses + counts.TotalFailures
			if counts.ConsecutiveFailures >= entry.Minimum || back && counts.ConsecutiveFailures >= relapse && b.good.Load() < entry.Minimum {
				return true
			}
			return ended >= entry.Minimum && decimal.NewFromInt(int64(counts.TotalFailures)).GreaterThanOrEqual(entry.Ratio.Mul(decimal.NewFromInt(int64(ended))))
		},
		OnStateChange: func(_ string, _, to gobreaker.State) { b.opened.Store(to == gobreaker.StateOpen) },
		IsExcluded:    func(err error) bool { return errors.Is(err, errExcluded) },
	})
	return b
}

// hangingTime is how long an agency that hangs takes to fail often enough to
// be judged: at every deadline as often as there are places on the wire. The
// counter forgets an exchange that began before its window, so the window must
// be longer than that, or such an agency would never be left alone.
func hangingTime(profile declare.Profile, entry breakerEntry) time.Duration {
	places := max(profile.InFlight, 1)
	rounds := (int(entry.Minimum) + places - 1) / places
	return time.Duration(rounds) * profile.Deadline
}

// guard runs one exchange if the breaker lets it through.
func (b *breaker) guard(run func() exchange) declare.Outcome {
	outcome, err := b.counter.Execute(func() (declare.Outcome, error) {
		done := run()
		return done.outcome, b.judge(done)
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonBreakerOpen}
	}
	if err == nil {
		b.good.Add(1)
	}
	outcome.Tripped = errors.Is(err, errFailed) && b.opened.CompareAndSwap(true, false)
	return outcome
}

// judge counts outages and slowness, never a refusal: an agency that says no
// is well. A refused credential is ours to mend, and an exchange that we broke
// off tells nothing; nor does an answer to a question: that the agency can
// look something up does not show that it can take a message.
func (b *breaker) judge(done exchange) error {
	switch {
	case done.outcome.Denied || done.abandoned || done.looked:
		return errExcluded
	case done.outcome.Verdict == declare.VerdictUnreachable, done.outcome.Verdict == declare.VerdictUnsure, done.took >= b.slow:
		return errFailed
	}
	return nil
}
