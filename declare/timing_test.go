package declare

import (
	"testing"
	"time"
)

// The documentation promises these durations to operators and agencies.
func TestDefaultTiming(t *testing.T) {
	t.Parallel()
	want := Timing{
		LeaseGrace: 5 * time.Second,
		Drain:      25 * time.Second,
		Poll:       250 * time.Millisecond,
		Sweep:      time.Second,
		RetryFirst: time.Second,
		RetryMost:  time.Minute,
		RampStep:   time.Second,
		Linger:     2 * time.Millisecond,
		Examine:    time.Minute,
		Group:      200,
	}
	if got := DefaultTiming(); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
}

// A lease outlives the exchange it is for by five seconds, whatever deadline
// the agency has.
func TestLeaseOutlivesTheDeadline(t *testing.T) {
	t.Parallel()
	for deadline, want := range map[time.Duration]time.Duration{10 * time.Second: 15 * time.Second, 25 * time.Second: 30 * time.Second} {
		c := newCourier(&Gateway{timing: DefaultTiming(), now: time.Now}, &authority{profile: Profile{Deadline: deadline, Zone: time.UTC}})
		if got := c.lease(); got != want {
			t.Errorf("a deadline of %s makes a lease of %s", deadline, got)
		}
	}
}
