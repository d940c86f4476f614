package adapters

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shopspring/decimal"

	"singlewindow/declare"
)

// TestHangingAgencyOpensTheBreaker: exchanges that end at the deadline count,
// also when the deadline is as long as the window or longer.
func TestHangingAgencyOpensTheBreaker(t *testing.T) {
	entry := breakerEntry{Window: 10 * time.Second, Ratio: decimal.New(5, -1), Minimum: 4, Slow: 5 * time.Second}
	for _, deadline := range []time.Duration{2 * time.Second, 10 * time.Second, 25 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(declare.Profile{Name: "harbour", Deadline: deadline, InFlight: 2}, entry, false)
			hang := func() exchange {
				<-time.After(deadline) // by the bubble's clock
				return exchange{outcome: declare.Outcome{Verdict: declare.VerdictUnsure, Reason: declare.ReasonTimeout}, took: deadline}
			}
			for range 2 { // two places on the wire
				go b.guard(hang)
				b.guard(hang)
				synctest.Wait()
			}
			if outcome := b.guard(hang); outcome.Reason != declare.ReasonBreakerOpen {
				t.Errorf("after four exchanges that hung for %v: %+v", deadline, outcome)
			}
		})
	}
}
