package batch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// River's tables stand in a schema of their own, and its jobs in a queue of
// that name.
const (
	jobSchema = "river"
	jobQueue  = "batches"
)

// slicesAtOnce is how many slices one process works on. Slices queue up
// behind each other, so that many batches advance together.
const slicesAtOnce = 4

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
	config, err := pgxpool.ParseConfig(b.ledger.URL())
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

// jobPool is River's own: it holds one connection to listen, and must not wait
// behind submissions.
func (b *Batches) jobPool(ctx context.Context) (*pgxpool.Pool, error) {
	config := b.ledger.Pool().Config()
	config.MinConns, config.MaxConns = 0, 4
	return pgxpool.NewWithConfig(ctx, config)
}

func (b *Batches) jobWorker(pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{batches: b})
	return river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: jobSchema, ID: b.ids.New("job"), Logger: slog.New(&quiet{Handler: b.log.Handler(), now: b.now, memory: &memory{said: map[string]time.Time{}}}),
		Queues: map[string]river.QueueConfig{jobQueue: {MaxWorkers: slicesAtOnce}}, Workers: workers,
		JobTimeout: b.timing.Job, RescueStuckJobsAfter: b.timing.Job * 3 / 2, SoftStopTimeout: b.timing.Stop, FetchPollInterval: max(b.timing.Sweep, river.FetchCooldownDefault),
		CompletedJobRetentionPeriod: time.Hour, DiscardedJobRetentionPeriod: 24 * time.Hour,
		ReindexerIndexNames: []string{}, // the application owns no index
	})
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
