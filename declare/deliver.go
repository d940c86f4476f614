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
	var clerks, upkeep sync.WaitGroup
	watching, enough := context.WithCancel(ctx)
	defer enough()
	upkeep.Go(func() { g.watchLedger(watching) })
	if err := g.begin(ctx); err != nil {
		enough()
		upkeep.Wait()
		if ctx.Err() == nil {
			return err
		}
		return nil // stopped before it began
	}
	recording := make(chan struct{})
	lasting := context.WithoutCancel(ctx)
	clerks.Go(func() { g.intake.run(lasting, recording) })
	clerks.Go(func() { g.scribe.run(lasting, recording) })
	if err := g.refreshHealth(ctx); err != nil {
		g.failed("agency states not read", err)
	}
	g.outside.open(ctx)
	g.startCouriers()
	upkeep.Go(func() { g.every(ctx, g.timing.Poll, "agency states not read", g.refreshHealth) })
	upkeep.Go(func() { g.every(ctx, g.timing.Poll, "notices not matched", g.rematchWaiting) })
	upkeep.Go(func() { g.every(ctx, g.timing.Examine, "old notices not matched", g.rematchOld) })
	upkeep.Go(func() { g.every(ctx, g.timing.Sweep, "sweep failed", g.sweep) })
	upkeep.Go(func() { g.every(ctx, g.timing.Examine, "nothing examined", g.examineInTurn) })
	upkeep.Go(func() { g.every(ctx, g.timing.Poll, "messages not given back", g.giveBack) })
	upkeep.Go(func() { g.every(ctx, 6*time.Hour, "partitions not made", g.makePartitions) })
	upkeep.Wait()
	g.outside.close()
	close(recording)
	clerks.Wait()
	return nil
}

// begin makes the agencies that are known from the start known in the ledger,
// as soon as that can be written.
func (g *Gateway) begin(ctx context.Context) error {
	again := time.NewTicker(g.timing.Sweep)
	defer again.Stop()
	for {
		err := g.registerKnown(ctx)
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

func (g *Gateway) registerKnown(ctx context.Context) error {
	g.replacing.Lock()
	defer g.replacing.Unlock()
	var agencies []Agency
	for _, courier := range g.roster.Load().couriers {
		agencies = append(agencies, *courier.versions.Load()...)
	}
	return g.register(ctx, agencies)
}

// outside is where couriers run: from open until close, which waits for them.
type outside struct {
	mu      sync.Mutex
	running context.Context // nil while closed
	away    sync.WaitGroup
}

func (o *outside) open(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running = ctx
}

func (o *outside) close() {
	o.mu.Lock()
	o.running = nil
	o.mu.Unlock()
	o.away.Wait()
}

// start starts a courier that has something to do and does not run yet.
func (o *outside) start(c *courier) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.running == nil || c.started || !c.profile().On {
		return
	}
	c.started = true
	ctx := o.running
	o.away.Go(func() { c.run(ctx) })
}

// startCouriers starts the couriers of agencies that have come, or come on.
func (g *Gateway) startCouriers() {
	for _, courier := range g.roster.Load().couriers {
		g.outside.start(courier)
	}
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
			if err := safely(g.log, failure, func() error { return work(ctx) }); err != nil && !errors.Is(err, context.Canceled) {
				g.failed(failure, err)
			}
		}
	}
}

func (g *Gateway) makePartitions(ctx context.Context) error {
	return g.ledger.MakePartitions(ctx, g.now())
}

func (g *Gateway) refreshHealth(ctx context.Context) error {
	states, err := g.ledger.agencyStates(ctx, g.agencyNames())
	for name, seen := range states {
		g.courier(name).see(seen)
	}
	return err
}

// sweep looks for what no hint will tell: leases that expired because their
// holder died, and fresh notices that can be matched now.
func (g *Gateway) sweep(ctx context.Context) error {
	now := g.now().UTC().Truncate(time.Millisecond)
	lapsed, err := g.ledger.expireLeases(ctx, now)
	if err != nil {
		return err
	}
	var failures error
	for _, message := range lapsed { // nobody will name them again: one's failure is not the others'
		if err := point("sweep.expired"); err != nil {
			return err
		}
		failures = errors.Join(failures, g.scribe.do(ctx, fact{lapse: &message}))
	}
	if len(lapsed) > 0 {
		if err := point("sweep.touched"); err != nil {
			return err
		}
		g.wakeCouriers()
	}
	return errors.Join(failures, g.rematchNotices(ctx, now))
}
