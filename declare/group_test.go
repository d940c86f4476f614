package declare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a grouper at work and what its callers heard.
type desk struct {
	*grouper[int]
	groups [][]int       // as they were worked on
	gate   chan struct{} // the work waits for it to be closed
	fails  func(int) error
	stop   chan struct{}
	ended  sync.WaitGroup

	mu      sync.Mutex
	heard   map[int]error
	callers sync.WaitGroup
}

func newDesk(most int, linger time.Duration) *desk {
	d := &desk{gate: make(chan struct{}), stop: make(chan struct{}), heard: map[int]error{}, fails: func(int) error { return nil }}
	d.grouper = newGrouper(most, linger, func(_ context.Context, items []int) []error {
		d.groups = append(d.groups, slices.Clone(items))
		<-d.gate
		var outcome []error
		for _, item := range items {
			outcome = append(outcome, d.fails(item))
		}
		return outcome
	})
	return d
}

// call hands items in, each from a goroutine of its own, and comes back when
// all of them wait.
func (d *desk) call(ctx context.Context, items ...int) {
	for _, item := range items {
		d.callers.Go(func() { d.await(ctx, item) })
	}
	synctest.Wait()
}

func (d *desk) await(ctx context.Context, item int) {
	err := d.do(ctx, item)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard[item] = err
}

func (d *desk) start() {
	d.ended.Go(func() { d.run(context.Background(), d.stop) })
	synctest.Wait()
}

// close stops the desk and waits until it has ended.
func (d *desk) close() {
	close(d.stop)
	d.ended.Wait()
}

func (d *desk) sizes() []int {
	var sizes []int
	for _, group := range d.groups {
		sizes = append(sizes, len(group))
	}
	return sizes
}

func numbered(most int) []int {
	var items []int
	for i := range most {
		items = append(items, i)
	}
	return items
}

func TestGrouperSharesWhatArrivesTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(5, 0)
		close(d.gate)
		d.call(t.Context(), numbered(12)...)
		d.start()
		d.callers.Wait()
		d.close()
		if got := d.sizes(); !slices.Equal(got, []int{5, 5, 2}) {
			t.Errorf("groups of %v", got)
		}
		if worked := slices.Sorted(slices.Values(slices.Concat(d.groups...))); !slices.Equal(worked, numbered(12)) {
			t.Errorf("worked on %v", worked)
		}
	})
}

// While one group is at work the next one gathers.
func TestGrouperGathersBehindABusyGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(5, 0)
		d.start()
		d.call(t.Context(), 100)
		d.call(t.Context(), numbered(4)...)
		close(d.gate)
		d.callers.Wait()
		d.close()
		if got := d.sizes(); !slices.Equal(got, []int{1, 4}) {
			t.Errorf("groups of %v", got)
		}
	})
}

func TestGrouperTellsEachCallerItsOwnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(5, 0)
		close(d.gate)
		failures := map[int]error{}
		for _, item := range []int{1, 3, 4, 7} {
			failures[item] = fmt.Errorf("item %d", item)
		}
		d.fails = func(item int) error { return failures[item] }
		d.call(t.Context(), numbered(9)...)
		d.start()
		d.callers.Wait()
		d.close()
		for item := range 9 {
			if err, heard := d.heard[item]; !heard || !errors.Is(err, failures[item]) {
				t.Errorf("the caller of %d heard %v", item, err)
			}
		}
	})
}

// A call alone waits for nobody; two wait for company, but no longer than the
// linger.
func TestGrouperLingers(t *testing.T) {
	t.Parallel()
	const linger = 2 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(5, linger)
		d.start()
		began := time.Now()
		d.call(t.Context(), 0)
		if len(d.groups) != 1 || time.Since(began) != 0 {
			t.Fatalf("a call alone waited: groups %v after %s", d.groups, time.Since(began))
		}
		d.call(t.Context(), 1, 2)
		time.AfterFunc(linger/2, func() { d.callers.Go(func() { d.await(context.Background(), 3) }) })
		close(d.gate)
		d.callers.Wait()
		d.close()
		if got := d.sizes(); !slices.Equal(got, []int{1, 3}) || time.Since(began) != linger {
			t.Errorf("groups of %v after %s", got, time.Since(began))
		}
	})
}

func TestGrouperStartsAFullGroupAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(3, time.Hour)
		close(d.gate)
		began := time.Now()
		d.call(t.Context(), numbered(6)...)
		d.start()
		d.callers.Wait()
		d.close()
		if got := d.sizes(); !slices.Equal(got, []int{3, 3}) || time.Since(began) != 0 {
			t.Errorf("groups of %v after %s", got, time.Since(began))
		}
	})
}

// Whatever was handed in before the stop is worked on before run returns, even
// when more wait than a group holds.
func TestGrouperFinishesAtAStop(t *testing.T) {
	t.Parallel()
	for range 10 { // run may see the stop before or after the first call
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(3, 0)
			close(d.gate)
			d.call(t.Context(), numbered(11)...)
			close(d.stop)
			d.start()
			d.ended.Wait()
			d.callers.Wait()
			if got := len(slices.Concat(d.groups...)); got != 11 {
				t.Errorf("%d of 11 done", got)
			}
			for item, err := range d.heard {
				if err != nil {
					t.Errorf("%d: %v", item, err)
				}
			}
		})
	}
}

func TestGrouperFinishesTheGroupAtWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(3, 0)
		d.start()
		d.call(t.Context(), 0)
		d.call(t.Context(), 1, 2)
		close(d.stop)
		synctest.Wait()
		if len(d.heard) != 0 {
			t.Errorf("heard %v while the work was going on", d.heard)
		}
		close(d.gate)
		d.ended.Wait()
		d.callers.Wait()
		if got := d.sizes(); !slices.Equal(got, []int{1, 2}) || len(d.heard) != 3 {
			t.Errorf("groups of %v, heard %v", got, d.heard)
		}
	})
}

// A caller that goes away is let go at once, wherever its call stands; the
// work it handed in is done all the same and nobody waits for it.
func TestGrouperLetsACancelledCallerGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(2, 0)
		d.start()
		leaving, leave := context.WithCancel(t.Context())
		d.call(leaving, 0)     // at work
		d.call(leaving, 1)     // handed in
		d.call(t.Context(), 2) // handed in, fills the queue
		d.call(leaving, 3)     // not handed in yet
		d.call(t.Context(), 4) // neither
		leave()
		synctest.Wait()
		if len(d.heard) != 3 {
			t.Errorf("only %v were let go", d.heard)
		}
		for item, err := range d.heard {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%d: %v", item, err)
			}
		}
		close(d.gate)
		d.callers.Wait()
		d.close()
		if worked := slices.Concat(d.groups...); !slices.Equal(worked, []int{0, 1, 2, 4}) {
			t.Errorf("worked on %v", worked)
		}
		if len(d.heard) != 5 || d.heard[2] != nil || d.heard[4] != nil {
			t.Errorf("heard %v", d.heard)
		}
	})
}
