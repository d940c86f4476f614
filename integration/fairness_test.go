package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestFair queues 2,000 messages of one enterprise at an agency that is away,
// and then slow, and takes one at a time. Another enterprise's single one does
// not wait for them: at 100 ms each they take minutes.
func TestFair(t *testing.T) {
	t.Parallel()
	standBehind(t, 2000)
}

// TestChaosFair has the long queue of the documentation.
func TestChaosFair(t *testing.T) {
	onlyLong(t)
	standBehind(t, 50_000)
}

func standBehind(t *testing.T, many int) {
	const bound = 5 * time.Second
	agency, from := busiest(t)
	l := newLine(t, lineOptions{
		folders: copyFolders(t, map[string]string{`inFlight: \d+`: "inFlight: 1"}), slow: "100ms",
		connect: []string{agency}, unopened: []string{agency}, mute: true, gateways: 2,
	})
	l.multiply(t, acme, from, "slow", agency, many)
	l.openOffice(t, agency)
	eventually(t, 30*time.Second, "the long queue moves", func() bool { return len(l.offices[agency].effects(t)) > 20 })
	var longest time.Duration
	for each := range 3 {
		begun := time.Now()
		single := l.file(t, bolt, from, fmt.Sprintf("SINGLE-%d", each))
		eventually(t, 4*bound, "the single one is delivered", func() bool {
			return filingAt(t, l.status(t, bolt, single.ID), agency).Delivery == "delivered"
		})
		longest = max(longest, time.Since(begun))
	}
	number(t, fmt.Sprintf("a single declaration behind another enterprise's %d", many), longest.Round(time.Millisecond), bound)
	if longest > bound {
		t.Error("it waited too long")
	}
	if waiting := l.health(t, agency).Waiting; waiting < min(many, 10_000)/2 {
		t.Errorf("only %d messages were waiting: the queue was not long", waiting)
	}
}

// busiest is the agency that most samples concern, and one of those samples.
func busiest(t *testing.T) (string, sample) {
	t.Helper()
	l := &line{offices: map[string]*office{}}
	l.loadOffices(t)
	takers := map[string][]sample{}
	for _, candidate := range samples(t) {
		for _, name := range l.takers(t, candidate) {
			takers[name] = append(takers[name], candidate)
		}
	}
	most := ""
	for name := range takers {
		if len(takers[name]) > len(takers[most]) || len(takers[name]) == len(takers[most]) && name < most {
			most = name
		}
	}
	if most == "" {
		t.Fatal("no sample concerns anybody")
	}
	smallest := slices.MinFunc(takers[most], func(a, b sample) int { return len(a.as(t, "")) - len(b.as(t, "")) })
	return most, smallest
}
