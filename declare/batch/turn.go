package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// A turn is a slice that holds its batch.
type turn struct {
	slice
	source
	until                        time.Time // no new group after this
	dryRun, allOrNothing, within bool      // within: items may be filed
	tries, rows, items, rejected int
}

// work is one slice. What went wrong was logged here; River is told a code.
func (b *Batches) work(ctx context.Context, job slice) error {
	t, err := b.claim(ctx, job)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // another slice did this
	}
	if err == nil {
		held, release := b.hold(ctx, t)
		err = b.advance(held, t)
		release()
	}
	if err == nil || errors.Is(err, errLost) {
		return nil
	}
	if !passing(err) {
		b.log.Error("a batch could not be worked on, it is tried again", "batch", job.Batch, "error", coded(err))
	}
	return errFailed
}

// advance does the slice's work. A file that cannot be read for a reason nobody
// can mend is given up at last.
func (b *Batches) advance(ctx context.Context, t *turn) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = b.panicked(t, cause)
		}
		if err != nil && t.state == Reading && !passing(err) && !errors.Is(err, errLost) {
			err = errors.Join(err, b.readInVain(ctx, t))
		}
	}()
	if t.state == Reading {
		return b.read(ctx, t)
	}
	return b.file(ctx, t)
}

func (b *Batches) readInVain(ctx context.Context, t *turn) error {
	if t.tries+1 < mostTries {
		return b.fenced(ctx, t, "have_failed")
	}
	return b.refuse(ctx, t, []declare.Fault{{Code: "batch.failed", Text: textFileFailed}})
}

// panicked tells where, without what a panic may quote.
func (b *Batches) panicked(t *turn, cause any) error {
	text := fmt.Sprintf("%T", cause)
	if fault, ok := cause.(runtime.Error); ok {
		text = fault.Error()
	}
	b.log.Error("panic", "batch", t.Batch, "cause", text, "stack", string(debug.Stack()))
	return errPanicked
}

var (
	errPanicked = errors.New("batch: the work panicked")
	errFailed   = errors.New("batch: the slice failed")
	errLost     = errors.New("batch: the batch is another slice's")
)

// passing tells whether an error is about the moment, not about the batch.
func passing(err error) bool {
	return errors.Is(err, declare.ErrUnavailable) || errors.Is(err, declare.ErrStopped) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// sqlError is PostgreSQL's error: its texts may quote values, its code does not.
type sqlError interface {
	error
	SQLState() string
}

// coded makes an error fit to be written where anybody reads.
func coded(err error) string {
	var server sqlError
	if errors.As(err, &server) {
		return "SQLSTATE " + server.SQLState()
	}
	return err.Error()
}

func (b *Batches) claim(ctx context.Context, job slice) (*turn, error) {
	t := &turn{slice: job, until: b.now().Add(b.timing.Slice)}
	var columns, heading []byte
	err := b.patient.Within(ctx, declare.TenantScope(job.Tenant), func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("claim"), job.Tenant, job.Batch, job.Turn, b.leased()).Scan(
			&t.Turn, &t.state, &t.digest, &t.bytes, &t.Name, &t.kind, &t.Format, &t.Encoding, &t.Sheet, &columns, &heading,
			&t.dryRun, &t.allOrNothing, &t.within, &t.tries, &t.rows, &t.items, &t.rejected)
	})
	if err != nil {
		return nil, err
	}
	return t, t.complete(columns, heading)
}

// hold renews the lease until release is called; ctx ends when it is lost.
func (b *Batches) hold(ctx context.Context, t *turn) (held context.Context, release func()) {
	held, lose := context.WithCancelCause(ctx)
	var holding sync.WaitGroup
	holding.Go(func() {
		tick := time.NewTicker(b.timing.Lease / 4)
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			// Without an answer the lease may end: whoever writes finds out.
			if err := b.fenced(held, t, "renew", b.leased()); errors.Is(err, errLost) {
				lose(err)
			}
		}
	})
	return held, func() { lose(context.Canceled); holding.Wait() }
}

// fenced runs one statement that only whoever holds the turn may.
func (b *Batches) fenced(ctx context.Context, t *turn, name string, arguments ...any) error {
	return b.patient.Within(ctx, declare.TenantScope(t.Tenant), func(tx pgx.Tx) error { return fence(ctx, tx, t, name, arguments...) })
}

func fence(ctx context.Context, tx pgx.Tx, t *turn, name string, arguments ...any) error {
	tag, err := tx.Exec(ctx, statement(name), append([]any{t.Tenant, t.Batch, t.Turn}, arguments...)...)
	if err == nil && tag.RowsAffected() == 0 {
		err = errLost
	}
	return err
}

// goOn writes the job of the next slice, in the transaction of this one's
// last progress.
func (b *Batches) goOn(ctx context.Context, tx pgx.Tx, t *turn) error {
	_, err := b.jobs.InsertTx(ctx, tx, t.slice, nil)
	return err
}
