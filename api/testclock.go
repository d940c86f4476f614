package api

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"singlewindow/declare"
	"singlewindow/declare/account"
)

// longestAdvance is how far the test clock may be moved at a time.
const longestAdvance = 30 * 24 * time.Hour

// TestTime is a tenant's test clock after it was moved.
type TestTime struct {
	Now time.Time `json:"now" doc:"The tenant's test time"`
	Due int       `json:"due" doc:"How many notices of the simulated agencies became due by this; they come within moments, one after the other"`
}

func (a *api) registerTestClock() {
	advance := a.operation(route{
		id: "advance-test-clock", method: http.MethodPost, path: "/v1/test-clock", tag: "Test world",
		summary: "Let the simulated agencies' time pass",
		description: "Only with a key of the test world, sw_test_…: for all others there is no such thing. " +
			"What the simulated agencies still have to say about your declarations comes as if so much time had passed, and nobody else's. " +
			"Everything else keeps the real time: the times in answers and events, and what the gateway itself does. Each request moves the clock again.",
		security: tenantKey, scope: account.WriteDeclarations, problems: []problemCode{codeResourceMissing},
	})
	a.takesOrder(&advance)
	handle(a, advance, a.advanceTestClock)
}

type testClockInput struct {
	Caller
	Body struct {
		Advance string `json:"advance" minLength:"3" maxLength:"40" doc:"How far, as ISO 8601 has it in days, hours, minutes and seconds, at most P30D" example:"PT2H"`
	}
}

type testTimeOutput struct{ Body TestTime }

func (a *api) advanceTestClock(ctx context.Context, in *testClockInput) (*testTimeOutput, error) {
	if a.testClock == nil {
		return nil, declare.ErrMissing
	}
	by, ok := parseDuration(in.Body.Advance, longestAdvance)
	if !ok {
		return nil, misplaced("/body/advance")
	}
	now, err := a.testClock(ctx, in.request.tenant, by)
	return &testTimeOutput{now}, err
}

var isoDuration = regexp.MustCompile(`^P(?:(\d{1,3})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?$`)

// parseDuration reads a duration of ISO 8601 in days of 24 hours, hours,
// minutes and seconds; at least one of them must be there, and all together be
// no longer than most.
func parseDuration(text string, most time.Duration) (length time.Duration, ok bool) {
	parts := isoDuration.FindStringSubmatch(text)
	if parts == nil || text[len(text)-1] == 'P' || text[len(text)-1] == 'T' {
		return 0, false
	}
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if parts[i+1] == "" {
			continue
		}
		count, err := strconv.Atoi(parts[i+1])
		if err != nil {
			return 0, false
		}
		if time.Duration(count) > (most-length)/unit {
			return 0, false
		}
		length += time.Duration(count) * unit
	}
	return length, true
}
