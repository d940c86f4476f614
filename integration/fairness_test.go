package integration

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestFair files 2,000 declarations of one enterprise with an agency that is
// away, and then slow, and takes one message at a time. Another enterprise's
// single one does not wait for them: at 100 ms each they take minutes.
func TestFair(t *testing.T) {
	t.Parallel()
	const many, bound = 2000, 5 * time.Second
	agency, from := busiest(t)
	l := newLine(t, lineOptions{
		folders: copyFolders(t, map[string]string{`inFlight: \d+`: "inFlight: 1"}), slow: "100ms",
		connect: []string{agency}, unopened: []string{agency}, mute: true,
	})
	numbers := make(chan int)
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			for number := range numbers {
				reference := fmt.Sprintf("MANY-%d.slow", number)
				given, err := l.submit(t.Context(), acme, reference, from.as(t, reference))
				if err != nil || given.status != http.StatusAccepted {
					t.Errorf("%s: %d %v", reference, given.status, err)
				}
			}
		})
	}
	for number := range many {
		numbers <- number
	}
	close(numbers)
	clients.Wait()
	l.openOffice(t, agency)
	eventually(t, 30*time.Second, "the long queue moves", func() bool { return len(l.offices[agency].effects(t)) > 20 })
	for number := range 3 {
		begun := time.Now()
		single := l.file(t, bolt, from, fmt.Sprintf("SINGLE-%d", number))
		eventually(t, 4*bound, "the single one is delivered", func() bool {
			return filingAt(t, l.status(t, bolt, single.ID), agency).Delivery == "delivered"
		})
		if took := time.Since(begun); took > bound {
			t.Errorf("the single one waited %v behind another enterprise's queue", took)
		} else {
			t.Logf("the single one took %v", took)
		}
	}
	if waiting := l.health(t, agency).Waiting; waiting < many/4 {
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
