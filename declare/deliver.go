package declare

import (
	"context"
	"errors"
	"sync"
	"time"
)

// deliver runs the couriers and the gateway's own upkeep until ctx ends, and
// stops them in order: take nothing new, finish what is under way, record it.
func (g *Gateway) deliver(ctx context.Context) error {
	if err := g.ledger.registerAgencies(ctx, g.agencyNames(), g.now()); err != nil {
		if ctx.Err() == nil {
			return err
		}
		return nil // stopped before it began
	}
	recording := make(chan struct{})
	var clerks, outside sync.WaitGroup
	lasting := context.WithoutCancel(ctx)
	clerks.Go(func() { g.intake.run(lasting, recording) })
	clerks.Go(func() { g.scribe.run(lasting, recording) })
	if err := g.refreshHealth(ctx); err != nil {
		g.log.Error("agency states not read", "error", err)
	}
	for _, courier := range g.couriers {
		if courier.profile.On {
			outside.Go(func() { courier.run(ctx) })
		}
	}
	outside.Go(func() { g.every(ctx, g.timing.Poll, "agency states not read", g.refreshHealth) })
	outside.Go(func() { g.every(ctx, g.timing.Poll, "notices not matched", g.rematchWaiting) })
	outside.Go(func() { g.every(ctx, g.timing.Sweep, "sweep failed", g.sweep) })
	outside.Go(func() { g.every(ctx, 6*time.Hour, "partitions not made", g.makePartitions) })
	outside.Wait()
	close(recording)
	clerks.Wait()
	return nil
}

// every does a piece of upkeep at an interval until ctx ends.
func (g *Gateway) every(ctx context.Context, interval time.Duration, failure string, work func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := work(ctx); err != nil && !errors.Is(err, context.Canceled) {
				g.log.Error(failure, "error", err)
			}
		}
	}
}

func (g *Gateway) makePartitions(ctx context.Context) error {
	return g.ledger.MakePartitions(ctx, g.now())
}

func (g *Gateway) agencyNames() []string {
	var names []string
	for _, agency := range g.agencies {
		names = append(names, agency.Profile().Name)
	}
	return names
}

func (g *Gateway) refreshHealth(ctx context.Context) error {
	states, err := g.ledger.agencyStates(ctx, g.agencyNames())
	for name, seen := range states {
		g.couriers[name].see(seen)
	}
	return err
}

// sweep looks for what no hint will tell: leases that expired because their
// holder died, and notices that can be matched now.
func (g *Gateway) sweep(ctx context.Context) error {
	now := g.now().UTC().Truncate(time.Millisecond)
	touched, err := g.ledger.expireLeases(ctx, now)
	if err != nil {
		return err
	}
	for _, key := range touched {
		if err := g.scribe.do(ctx, fact{touched: &key}); err != nil {
			return err
		}
	}
	if len(touched) > 0 {
		for _, courier := range g.couriers {
			courier.wake()
		}
	}
	return g.rematchNotices(ctx, now)
}
