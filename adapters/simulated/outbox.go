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
	attempt int
}

// An outbox keeps every debt until it is paid. One goroutine owns the queue;
// senders take what is due and bring it back.
type outbox struct {
	clock Clock
	pay   func(context.Context, debt) (debt, bool) // false: nothing more is owed

	added  chan debt
	ready  chan debt
	back   chan debt
	paid   chan struct{}
	asking chan chan struct{}
}

func newOutbox(clock Clock, pay func(context.Context, debt) (debt, bool)) *outbox {
	return &outbox{
		clock: clock, pay: pay,
		added: make(chan debt), ready: make(chan debt), back: make(chan debt), paid: make(chan struct{}), asking: make(chan chan struct{}),
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
			case o.paid <- struct{}{}:
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
	onWire := 0
	var waiting []chan struct{}
	for {
		if len(queue) == 0 && onWire == 0 {
			for _, done := range waiting {
				close(done)
			}
			waiting = nil
		}
		var ready chan debt
		var head debt
		var later <-chan time.Time
		if len(queue) > 0 {
			head = queue[0]
			if wait := head.due.Sub(o.clock.Now()); wait > 0 {
				later = o.clock.After(wait)
			} else {
				ready = o.ready
			}
		}
		select {
		case d := <-o.added:
			heap.Push(&queue, d)
		case ready <- head:
			heap.Pop(&queue)
			onWire++
		case d := <-o.back:
			heap.Push(&queue, d)
			onWire--
		case <-o.paid:
			onWire--
		case done := <-o.asking:
			waiting = append(waiting, done)
		case <-later:
		case <-ctx.Done():
			return
		}
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
