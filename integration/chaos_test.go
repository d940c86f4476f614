package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// longForms tells whether the long forms are wanted, as `make chaos` and `make long`
// want them: of what befalls deliveries, and of all else. A short form of each
// runs always, under its name without Chaos or Long.
func longForms() bool { return os.Getenv("SINGLEWINDOW_TEST_LONG") != "" }

// onlyLong skips a test that takes minutes.
func onlyLong(t *testing.T) {
	t.Helper()
	if !longForms() {
		t.Skip("a long form: make chaos or make long")
	}
}

// number prints what was measured beside what is promised; `make chaos`
// and `make long` gather these lines.
func number(t *testing.T, what string, measured, bar any) {
	t.Helper()
	t.Logf("NUMBER %s: %v (bar %v)", what, measured, bar)
}

// troubles are the scenario words that a message survives. With them at half
// of the declarations a fifth of all calls goes wrong.
var troubles = slices.Concat(strings.Fields("reject inspect docs busy drop twice early reset garbage shuffle slow"), slices.Repeat([]string{"default"}, 12))

// TestChaosGatewayKilled kills one of two gateways with SIGKILL two hundred
// times, at moments that the seed draws, while declarations are filed, delivered
// and answered: fifty a second at the last forty kills, which two processors
// can catch up with in two minutes, fewer before. Each brings fifteen notices.
func TestChaosGatewayKilled(t *testing.T) {
	onlyLong(t)
	const kills, fast, bound = 200, 40, 120 * time.Second
	const rate, fastRate = 15, 50
	random := seed(t)
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), pace: "500ms", gateways: 2})
	c, wait := l.load(t, rate, 64, 1_000_000, troubles)
	var begun time.Time
	var before int
	for kill := range kills {
		if kill == kills-fast {
			begun, before = time.Now(), len(c.promised(t))
			c.hurry(fastRate)
		}
		moment := time.Now().Add(time.Duration(random.IntN(1500)) * time.Millisecond)
		eventually(t, time.Minute, "the moment has come", func() bool { return time.Now().After(moment) })
		gateway := l.gateways[random.IntN(len(l.gateways))]
		gateway.mustRun(t)
		gateway.kill(t)
		l.startDoor(t, gateway)
	}
	last := time.Now()
	c.enough()
	wait()
	promised := c.promised(t)
	eventually(t, 15*time.Minute, "every filing is decided", func() bool { // late is a failure, and lost another
		return l.count(t, undecided) == 0 && l.count(t, unsent) == 0
	})
	number(t, "kill -9 of a gateway, all final after the last", time.Since(last).Round(time.Second), bound)
	number(t, "kill -9 of a gateway, kills", kills, 200)
	number(t, "kill -9 of a gateway, declarations", len(promised), "")
	number(t, fmt.Sprintf("kill -9 of a gateway, declarations a second at the last %d kills", fast), (len(promised)-before)*1000/int(last.Sub(begun).Milliseconds()), fastRate)
	number(t, "kill -9 of a gateway, messages under way at a kill", l.count(t, "SELECT count(*) FROM message WHERE epoch > attempts"), "")
	if took := time.Since(last); took > bound {
		t.Errorf("all final after %v", took)
	}
	l.judge(t, promised)
}
