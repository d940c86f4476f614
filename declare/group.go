package declare

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrStopped is given to callers whose work came while the gateway stopped.
var ErrStopped = errors.New("declare: the gateway is stopping")

// A grouper lets calls that arrive together share one transaction: it is why
// a busy gateway asks the disk once for two hundred declarations.
type grouper[T any] struct {
	in     chan groupCall[T]
	most   int
	linger time.Duration
	ended  chan struct{}                      // closed when run has returned
	work   func(context.Context, []T) []error // one error per item
}

type groupCall[T any] struct {
	item T
	done chan error
}

func newGrouper[T any](most int, linger time.Duration, work func(context.Context, []T) []error) *grouper[T] {
	return &grouper[T]{in: make(chan groupCall[T], most), ended: make(chan struct{}), most: most, linger: linger, work: work}
}

// do hands an item in and waits until its group is committed. When the
// caller's time ends first ([ErrUnavailable]), or the gateway stops in between,
// the outcome is unknown to the caller.
func (g *grouper[T]) do(ctx context.Context, item T) error {
	call := groupCall[T]{item, make(chan error, 1)}
	select {
	case g.in <- call:
	case <-g.ended:
		return ErrStopped
	case <-ctx.Done():
		return late(ctx)
	}
	select {
	case err := <-call.done:
		return err
	case <-g.ended:
		select {
		case err := <-call.done: // in the last group
			return err
		default:
			return ErrStopped
		}
	case <-ctx.Done():
		return late(ctx)
	}
}

// late tells a caller whose time was up from one who went away.
func late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	return ctx.Err()
}

// run works until stop is closed and everything handed in before is done.
func (g *grouper[T]) run(ctx context.Context, stop <-chan struct{}) {
	defer close(g.ended)
	for {
		select {
		case first := <-g.in:
			g.together(ctx, g.gather(first))
		case <-stop:
			for {
				select {
				case call := <-g.in:
					g.together(ctx, g.gather(call))
				default:
					return
				}
			}
		}
	}
}

func (g *grouper[T]) gather(first groupCall[T]) []groupCall[T] {
	calls := []groupCall[T]{first}
	var linger <-chan time.Time
	for len(calls) < g.most {
		select {
		case call := <-g.in:
			calls = append(calls, call)
			continue
		default:
		}
		if g.linger == 0 || len(calls) == 1 && linger == nil && len(g.in) == 0 {
			return calls // alone: nobody to wait for
		}
		if linger == nil {
			linger = time.After(g.linger)
		}
		select {
		case call := <-g.in:
			calls = append(calls, call)
		case <-linger:
			return calls
		}
	}
	return calls
}

func (g *grouper[T]) together(ctx context.Context, calls []groupCall[T]) {
	items := make([]T, len(calls))
	for i, call := range calls {
		items[i] = call.item
	}
	for i, err := range g.work(ctx, items) {
		calls[i].done <- err
	}
}
