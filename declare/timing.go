package declare

import "time"

// Timing holds every duration of the gateway, so that one value says how it
// behaves and a test can scale it. The zero value is of no use: start from
// [DefaultTiming].
type Timing struct {
	LeaseGrace time.Duration // a lease outlives the agency's deadline by this
	Drain      time.Duration // longest wait for exchanges under way at a stop
	Poll       time.Duration // how often the queue is looked at without a hint
	Sweep      time.Duration // how often expired leases and unread notices are looked for
	RetryFirst time.Duration // first pause after a message could not be delivered
	RetryMost  time.Duration // longest pause between two attempts
	RampStep   time.Duration // after an outage the cap doubles once per step
	Linger     time.Duration // longest wait for company before a transaction starts
	Examine    time.Duration // how often a running gateway looks for what is stuck
	Group      int           // most submissions, results or notices in one transaction
}

// DefaultTiming is what the documentation promises. An agency's own deadline
// (10 s unless its folder says otherwise, at most 25 s) is in its [Profile].
func DefaultTiming() Timing {
	return Timing{
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
}

// Patience is how long things may wait before a running gateway tells: the
// documented times, scaled as the examination itself is.
func (t Timing) Patience() Patience {
	scaled := func(of time.Duration) time.Duration {
		return of / time.Minute * t.Examine
	}
	p := DefaultPatience()
	return Patience{scaled(p.Delivery), scaled(p.Agency), scaled(p.Trader), scaled(p.Operator)}
}
