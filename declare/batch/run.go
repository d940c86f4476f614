package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"singlewindow/declare"
)

// River's tables stand in a schema of their own, and its jobs in a queue of
// that name.
const (
	jobSchema = "river"
	jobQueue  = "batches"
)

// slicesAtOnce is how many slices one process works on. Slices queue up
// behind each other, so that many batches advance together.
const slicesAtOnce = 2

// slice is a job: the part of the work on a batch that comes after turn Turn.
// It says nothing of what is in the file: River keeps and logs its jobs.
type slice struct {
	Tenant string `json:"tenant"`
	Batch  string `json:"batch"`
	Turn   int64  `json:"turn"`
}

// Kind implements [river.JobArgs].
func (slice) Kind() string { return "batch" }

// InsertOpts implements [river.JobArgsWithInsertOpts]. A job is tried once:
// the sweep makes a new one for a batch that has none.
func (slice) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 1, Queue: jobQueue} }

type worker struct {
	river.WorkerDefaults[slice]
	batches *Batches
}

// Work implements [river.Worker].
func (w *worker) Work(ctx context.Context, job *river.Job[slice]) error {
	return w.batches.work(ctx, job.Args)
}

// migrateJobs brings River's tables up to date, as their owner.
func (b *Batches) migrateJobs(ctx context.Context) (err error) {
	config, err := pgxpool.ParseConfig(b.Ledger.URL())
	if err != nil {
		return fmt.Errorf("database url: %w", err)
	}
	config.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: jobSchema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	// Gateways on one database take turns; the lock ends with the transaction.
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('singlewindow jobs'))"); err != nil {
			return err
		}
		if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrate jobs: %w", err)
		}
		return nil
	})
}

// jobWriter can write jobs within other transactions, nothing else.
func (b *Batches) jobWriter() (*river.Client[pgx.Tx], error) {
	return river.NewClient(riverpgxv5.New(nil), &river.Config{Schema: jobSchema, Logger: slog.New(slog.DiscardHandler)})
}

// Run works off what was received, by this process or another, until ctx ends.
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
	tick := time.NewTicker(b.Timing.Sweep)
	defer tick.Stop()
	for started := false; ; {
		if !started { // not while the database is away
			started = client.Start(context.WithoutCancel(ctx)) == nil
		}
		if err := b.sweep(ctx); err != nil && !errors.Is(err, declare.ErrUnavailable) && ctx.Err() == nil {
			b.Log.Error("batches cannot be looked after", "error", coded(err))
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
	ctx, cancel := context.WithTimeout(ctx, 2*b.Timing.Stop)
	defer cancel()
	if err := client.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// jobPool is River's own: it holds one connection to listen, and must not wait
// behind submissions.
func (b *Batches) jobPool(ctx context.Context) (*pgxpool.Pool, error) {
	config := b.Ledger.Pool().Config()
	config.MinConns, config.MaxConns = 0, 4
	return pgxpool.NewWithConfig(ctx, config)
}

func (b *Batches) jobWorker(pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{batches: b})
	return river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: jobSchema, ID: b.IDs.New("job"), Logger: slog.New(&quiet{Handler: b.Log.Handler(), now: b.Now, memory: &memory{said: map[string]time.Time{}}}),
		Queues: map[string]river.QueueConfig{jobQueue: {MaxWorkers: slicesAtOnce}}, Workers: workers,
		JobTimeout: b.Timing.Job, RescueStuckJobsAfter: b.Timing.Job * 3 / 2, SoftStopTimeout: b.Timing.Stop, FetchPollInterval: b.Timing.Sweep,
		CompletedJobRetentionPeriod: time.Hour, DiscardedJobRetentionPeriod: 24 * time.Hour,
		ReindexerIndexNames: []string{}, // the application owns no index
	})
}

// sweep gives a job to every batch whose lease is over: its slice failed, or
// the process that worked on it died.
func (b *Batches) sweep(ctx context.Context) error {
	return b.Ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
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

// A turn is a slice that holds its batch.
type turn struct {
	slice
	source
	until                        time.Time // no new group after this
	dryRun, allOrNothing, within bool      // within: items may be filed
	rows, items, rejected        int
}

// work is one slice. What went wrong was logged here; River is told a code.
func (b *Batches) work(ctx context.Context, job slice) error {
	t, err := b.claim(ctx, job)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // another slice did this
	}
	if err == nil {
		held, release := b.hold(ctx, t)
		if t.state == Reading {
			err = b.read(held, t)
		} else {
			err = b.file(held, t)
		}
		release()
	}
	if err == nil || errors.Is(err, errLost) {
		return nil
	}
	if !passing(err) {
		b.Log.Error("a batch could not be worked on, it is tried again", "batch", job.Batch, "error", coded(err))
	}
	return errFailed
}

var (
	errFailed = errors.New("batch: the slice failed")
	errLost   = errors.New("batch: the batch is another slice's")
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
	t := &turn{slice: job, until: b.Now().Add(b.Timing.Slice)}
	var columns, heading []byte
	err := b.Ledger.Within(ctx, declare.TenantScope(job.Tenant), func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("claim"), job.Tenant, job.Batch, job.Turn, b.leased()).Scan(
			&t.Turn, &t.state, &t.digest, &t.bytes, &t.Name, &t.kind, &t.Format, &t.Encoding, &t.Sheet, &columns, &heading,
			&t.dryRun, &t.allOrNothing, &t.within, &t.rows, &t.items, &t.rejected)
	})
	if err != nil {
		return nil, err
	}
	return t, t.source.complete(columns, heading)
}

// hold renews the lease until release is called; ctx ends when it is lost.
func (b *Batches) hold(ctx context.Context, t *turn) (held context.Context, release func()) {
	held, lose := context.WithCancelCause(ctx)
	var holding sync.WaitGroup
	holding.Go(func() {
		tick := time.NewTicker(b.Timing.Lease / 4)
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
	return b.Ledger.Within(ctx, declare.TenantScope(t.Tenant), func(tx pgx.Tx) error { return fence(ctx, tx, t, name, arguments...) })
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

// quiet is River's log: without what it says of jobs, which is said here, and
// not twice in a minute, because it says every second that the database is
// away, which the gateway tells.
type quiet struct {
	slog.Handler
	now    func() time.Time
	memory *memory
}

type memory struct {
	mu   sync.Mutex
	said map[string]time.Time
}

// Enabled implements [slog.Handler].
func (q *quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (q *quiet) Handle(ctx context.Context, record slog.Record) error {
	q.memory.mu.Lock()
	defer q.memory.mu.Unlock()
	now := q.now()
	if last, said := q.memory.said[record.Message]; said && now.Sub(last) < time.Minute {
		return nil
	}
	q.memory.said[record.Message] = now
	plain := slog.NewRecord(record.Time, slog.LevelWarn, "jobs: "+record.Message, 0)
	return q.Handler.Handle(ctx, plain)
}

// WithAttrs implements [slog.Handler]: attributes may hold a job's arguments.
func (q *quiet) WithAttrs([]slog.Attr) slog.Handler { return q }

// WithGroup implements [slog.Handler].
func (q *quiet) WithGroup(string) slog.Handler { return q }
