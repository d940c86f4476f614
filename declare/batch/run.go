package batch

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"singlewindow/declare"
)

// Run works off what was received, by this process or another, until ctx ends.
// It may be called once.
func (b *Batches) Run(ctx context.Context) error {
	pool, err := b.jobPool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	client, err := b.jobWorker(pool)
	if err != nil {
		return err
	}
	tick := time.NewTicker(b.timing.Sweep)
	defer tick.Stop()
	for started := false; ; {
		if !started { // not while the database is away
			started = client.Start(context.WithoutCancel(ctx)) == nil
		}
		if err := b.sweep(ctx); err != nil && !passing(err) {
			b.log.Error("batches cannot be looked after", "error", coded(err))
		}
		select {
		case <-ctx.Done():
			return b.stop(context.WithoutCancel(ctx), client, started)
		case <-tick.C:
		}
	}
}

// stop waits for the slices under way, then breaks them off: their batches go
// on later, here or elsewhere.
func (b *Batches) stop(ctx context.Context, client *river.Client[pgx.Tx], started bool) error {
	if !started {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*b.timing.Stop)
	defer cancel()
	if err := client.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// sweep gives a job to every batch whose lease is over: its slice failed, or
// the process that worked on it died.
func (b *Batches) sweep(ctx context.Context) error {
	return b.patient.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("lapsed"), b.moment(), b.leased())
		if err != nil {
			return err
		}
		lapsed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (river.InsertManyParams, error) {
			var s slice
			err := row.Scan(&s.Tenant, &s.Batch, &s.Turn)
			return river.InsertManyParams{Args: s}, err
		})
		if err != nil || len(lapsed) == 0 {
			return err
		}
		_, err = b.jobs.InsertManyFastTx(ctx, tx, lapsed)
		return err
	})
}
