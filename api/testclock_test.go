package api

import (
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"PT2H": 2 * time.Hour, "P30D": 30 * 24 * time.Hour, "P1DT2H3M4S": 26*time.Hour + 3*time.Minute + 4*time.Second, "PT0S": 0, "PT90M": 90 * time.Minute,
	} {
		if got, ok := parseDuration(text, 1<<62); !ok || got != want {
			t.Errorf("%s: %v %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "P", "PT", "P1DT", "2H", "PT2", "P1M", "P1Y", "P1W", "PT1.5H", "-PT2H", "PT-2H", "pt2h", "PT9999999999S", "PT999999H99999999M", "P31D", "P29DT24H1S", "PT2H ", "PT2M1H"} {
		if got, ok := parseDuration(text, longestAdvance); ok {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}
