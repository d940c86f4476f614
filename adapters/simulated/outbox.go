package simulated

import (
	"container/heap"
	"context"
	"time"

	"singlewindow/adapters"
)

const (
	senders      = 16 // notices on the wire at once
	firstBackoff = 200 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// A debt is the notices owed about one effect. They are sent one after the
// other: the next one only when the gateway took the one before.
type debt struct {
	effect  adapters.Effect
	owed    []notice
	due     time.Time
	ahead   time.Duration // of the schedule after due, see advance
	attempt int
}

// later schedules what follows a notice that was taken just now.
func (d *debt) later(now time.Time, pace time.Duration) {
	skipped := min(d.ahead, pace)
	d.due, d.ahead = now.Add(pace-skipped), d.ahead-skipped
}

// advance moves the schedule nearer and tells how many notices became due by
// that. What it is moved beyond the first notice counts for those behind it,
// which still go one after the other.
func (d *debt) advance(now time.Time, by, pace time.Duration) (became int) {
	before := d.dueNow(now, pace)
	if wait := d.due.Sub(now); wait > by {
		d.due = d.due.Add(-by)
	} else {
		if wait > 0 {
			by, d.due = by-wait, now
		}
		d.ahead += by
	}
	return d.dueNow(now, pace) - before
}

// dueNow counts the notices that wait only for each other.
func (d *debt) dueNow(now time.Time, pace time.Duration) int {
	switch {
	case len(d.owed) == 0 || d.due.After(now):
		return 0
	case pace <= 0:
		return len(d.owed)
	}
	return min(len(d.owed), 1+int(min(d.ahead/pace, 1<<30)))
}

// A move is a request to advance debts, or only to be told which there are.
type move struct {
	deliveries map[string]bool
	by         time.Duration
	moved      chan moved
}

// moved is what came of it.
type moved struct {
	owing []string // the delivery ids of all debts
	due   int      // notices that became due
}

// onWire is a debt whose next notice is being sent, and how far it was moved
// meanwhile.
type onWire struct {
	debt
	by time.Duration
}

// An outbox keeps every debt until it is paid. One goroutine owns the queue;
// senders take what is due and bring it back.
type outbox struct {
	clock Clock
	pace  time.Duration
	pay   func(context.Context, debt) (debt, bool) // false: nothing more is owed

	added  chan debt
	ready  chan debt
	back   chan debt
	paid   chan uint64 // the serial of its effect
	moves  chan move
	asking chan chan struct{}
}

func newOutbox(clock Clock, pace time.Duration, pay func(context.Context, debt) (debt, bool)) *outbox {
	return &outbox{
		clock: clock, pace: pace, pay: pay,
		added: make(chan debt), ready: make(chan debt), back: make(chan debt), paid: make(chan uint64), moves: make(chan move), asking: make(chan chan struct{}),
	}
}

// add queues a debt, unless the outbox is stopping.
func (o *outbox) add(ctx context.Context, d debt) {
	select {
	case o.added <- d:
	case <-ctx.Done():
	}
}

// send is one sender.
func (o *outbox) send(ctx context.Context) {
	for {
		select {
		case d := <-o.ready:
			rest, more := o.pay(ctx, d)
			if more {
				select {
				case o.back <- rest:
				case <-ctx.Done():
				}
				continue
			}
			select {
			case o.paid <- d.effect.Serial:
			case <-ctx.Done():
			}
		case <-ctx.Done():
			return
		}
	}
}

// own runs the queue, which starts with what was owed before, until ctx ends.
func (o *outbox) own(ctx context.Context, queue debts) {
	heap.Init(&queue)
	wire := map[uint64]*onWire{}
	var waiting []chan struct{}
	for {
		if len(queue) == 0 && len(wire) == 0 {
			for _, done := range waiting {
				close(done)
			}
			waiting = nil
		}
		var ready chan debt
		var head debt
		var wake <-chan time.Time
		if len(queue) > 0 {
			head = queue[0]
			if wait := head.due.Sub(o.clock.Now()); wait > 0 {
				wake = o.clock.After(wait)
			} else {
				ready = o.ready
			}
		}
		select {
		case d := <-o.added:
			heap.Push(&queue, d)
		case ready <- head:
			heap.Pop(&queue)
			wire[head.effect.Serial] = &onWire{debt: head}
		case d := <-o.back:
			d.advance(o.clock.Now(), wire[d.effect.Serial].by, o.pace)
			delete(wire, d.effect.Serial)
			heap.Push(&queue, d)
		case serial := <-o.paid:
			delete(wire, serial)
		case m := <-o.moves:
			m.moved <- o.move(queue, wire, m)
		case done := <-o.asking:
			waiting = append(waiting, done)
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// move advances the debts that are asked for.
func (o *outbox) move(queue debts, wire map[uint64]*onWire, m move) (done moved) {
	now := o.clock.Now()
	for i := range queue {
		done.owing = append(done.owing, queue[i].effect.DeliveryID)
		if m.deliveries[queue[i].effect.DeliveryID] {
			done.due += queue[i].advance(now, m.by, o.pace)
		}
	}
	heap.Init(&queue)
	for _, d := range wire {
		done.owing = append(done.owing, d.effect.DeliveryID)
		if m.deliveries[d.effect.DeliveryID] {
			rest := d.debt // as it will be when the notice on the wire is taken
			rest.owed = rest.owed[1:]
			rest.later(now, o.pace)
			rest.advance(now, d.by, o.pace)
			done.due += rest.advance(now, m.by, o.pace)
			d.by += m.by
		}
	}
	return done
}

// ask hands a move to whoever owns the queue.
func (o *outbox) ask(ctx, stopped context.Context, m move) (moved, error) {
	m.moved = make(chan moved, 1)
	select {
	case o.moves <- m:
		return <-m.moved, nil
	case <-ctx.Done():
		return moved{}, ctx.Err()
	case <-stopped.Done():
		return moved{}, context.Canceled
	}
}

// drain waits until nothing is owed, at most until ctx ends.
func (o *outbox) drain(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case o.asking <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// backoff doubles from one attempt to the next.
func backoff(attempt int) time.Duration {
	wait := firstBackoff
	for range attempt {
		wait = min(2*wait, lastBackoff)
	}
	return wait
}

// debts is a heap, the one due first on top.
type debts []debt

func (d debts) Len() int           { return len(d) }
func (d debts) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d debts) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *debts) Push(x any)        { *d = append(*d, x.(debt)) }
func (d *debts) Pop() any {
	last := len(*d) - 1
	popped := (*d)[last]
	*d = (*d)[:last]
	return popped
}
