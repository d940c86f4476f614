package webhook

import (
	"fmt"
	"hash/fnv"
	"time"
)

// Timing holds the package's durations and bounds, so that a test can scale
// them; see [DefaultTiming].
type Timing struct {
	Poll       time.Duration   // how often due deliveries and expired leases are looked for without a hint
	Sweep      time.Duration   // how often every endpoint is looked at, whatever was heard of events
	Attempt    time.Duration   // longest attempt, from dialling to the end of the answer
	LeaseGrace time.Duration   // a lease outlives the attempt by this
	Drain      time.Duration   // attempts under way at a stop are broken off after this
	Pauses     []time.Duration // between attempts; after one more the delivery is parked
	LongestAsk time.Duration   // a longer Retry-After counts as this
	Overlap    time.Duration   // after a rotation the older secret signs for so long
	InFlight   int             // deliveries of one endpoint under way at one gateway
	AllFlights int             // deliveries under way at one gateway
}

// DefaultTiming is what the documentation promises.
func DefaultTiming() Timing {
	return Timing{
		Poll:       time.Second,
		Sweep:      time.Minute,
		Attempt:    15 * time.Second,
		LeaseGrace: 5 * time.Second,
		Drain:      3 * time.Second,
		Pauses: []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		},
		LongestAsk: 24 * time.Hour,
		Overlap:    24 * time.Hour,
		InFlight:   8,
		AllFlights: 512,
	}
}

// spreadParts: a pause is longer by up to a sixteenth of it.
const spreadParts = 16

// pause is the time until the next attempt after so many, false when there is
// none. It differs from delivery to delivery, so that those who failed together
// do not come back together. The receiver's own wish counts where it is longer.
func (t Timing) pause(attempts int, event string, wish time.Duration) (time.Duration, bool) {
	if attempts > len(t.Pauses) {
		return 0, false
	}
	pause := t.Pauses[max(attempts, 1)-1]
	spread := fnv.New32a()
	fmt.Fprint(spread, event)
	pause += pause / spreadParts * time.Duration((spread.Sum32()+uint32(attempts)*97)%256) / 256
	return max(pause, min(wish, t.LongestAsk)), true
}
