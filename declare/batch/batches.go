package batch

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

// Statements are the package's SQL files, under sql/.
//
//go:embed sql
var Statements embed.FS

// MostBytes is the longest file there is, MostRows the most rows of one.
const (
	MostBytes = 100 << 20
	MostRows  = 100_000
)

// What may keep an upload from being taken.
var (
	ErrTooLarge = errors.New("batch: the file is too large")
	ErrEmpty    = errors.New("batch: the file is empty")
	ErrName     = errors.New("batch: not a file's name: 1 to 255 printable characters")
	ErrKind     = errors.New("batch: no such kind")
	ErrFormat   = errors.New("batch: no such format or encoding")
	ErrSheet    = errors.New("batch: not a sheet's name")
	ErrMapping  = errors.New("batch: no such column mapping, or one for another kind")
	ErrColumns  = errors.New("batch: not a column mapping")
)

// ErrNoTable: a marked-up file was asked for, but the batch was never a table
// that could be read.
var ErrNoTable = errors.New("batch: the file is no table")

// State is how far a batch is.
type State string

// The states of a batch. Refused: the file itself cannot be read.
const (
	Reading State = "reading"
	Filing  State = "filing"
	Done    State = "done"
	Refused State = "refused"
)

// Verdict is what became of an item.
type Verdict string

// The verdicts. Valid: it would have been filed, in a dry run or before all of
// an all-or-nothing batch are.
const (
	Waiting  Verdict = "waiting"
	Filed    Verdict = "filed"
	Rejected Verdict = "rejected"
	Valid    Verdict = "valid"
)

// Batch is one file and how far it is.
type Batch struct {
	ID                     string
	Name, Kind             string
	Format, Encoding       string // as found, once the file is open
	Sheet                  string
	State                  State
	DryRun, AllOrNothing   bool
	ReceivedAt             time.Time
	FinishedAt             *time.Time
	Rows, Items            int
	Filed, Rejected, Valid int
	Errors                 []Fault // of the file, when it is refused
	Replayed               bool    // it was handed in before
}

// Waiting is how many items have no verdict yet.
func (b Batch) Waiting() int { return b.Items - b.Filed - b.Rejected - b.Valid }

// Fault is a fault with its place in the file. Row 0 is the whole file.
type Fault struct {
	declare.Fault
	sheet.Cell
}

// ReadXML reads a message that an agency's folder can read back: whose it is,
// "" when nobody's, and the declaration it holds, or why there is none.
type ReadXML func(document []byte) (agency string, tree map[string]any, faults []declare.Fault, err error)

// Options are what [Open] stands on.
type Options struct {
	Ledger  *declare.Ledger
	Gateway *declare.Gateway
	Forms   map[string]*sheet.Form // by kind
	ReadXML ReadXML
	IDs     *declare.IDs
	Now     func() time.Time
	Timing  Timing
	Folder  string // for files on their way, which are gone from it at once
	Log     *slog.Logger
}

// Timing holds the package's durations; see [DefaultTiming].
type Timing struct {
	Slice time.Duration // a slice begins no new group of items after this
	Lease time.Duration // a slice that has not been heard of for this long is dead
	Sweep time.Duration // how often batches without a job are looked for
	Job   time.Duration // longest slice: reading a file again to where it was may take a while
	Stop  time.Duration // longest wait for slices under way at a stop
}

// DefaultTiming is what the documentation promises.
func DefaultTiming() Timing {
	return Timing{Slice: 2 * time.Second, Lease: 4 * time.Second, Sweep: time.Second, Job: 5 * time.Minute, Stop: 2 * time.Second}
}

// Batches takes files and works them off while [Batches.Run] runs. Safe for
// concurrent use.
type Batches struct {
	ledger  *declare.Ledger // for callers who wait for an answer
	patient *declare.Ledger // for the work on batches
	gateway *declare.Gateway
	forms   map[string]*sheet.Form
	readXML ReadXML
	ids     *declare.IDs
	now     func() time.Time
	timing  Timing
	folder  string
	log     *slog.Logger
	jobs    *river.Client[pgx.Tx] // writes jobs, works none
	marking chan struct{}         // holds a token for each file that is being marked up
}

// Open brings the package's tables, and River's, up to date.
func Open(ctx context.Context, options Options) (*Batches, error) {
	migrations, err := fs.Sub(Statements, "sql/migrations")
	if err != nil {
		return nil, err
	}
	if err := declare.Migrate(ctx, options.Ledger.URL(), "batch_version", migrations); err != nil {
		return nil, err
	}
	b := &Batches{
		ledger: options.Ledger, patient: options.Ledger.Unhurried(), gateway: options.Gateway, forms: options.Forms, readXML: options.ReadXML, ids: options.IDs,
		now: options.Now, timing: options.Timing, folder: options.Folder, log: options.Log,
		marking: make(chan struct{}, mostMarking),
	}
	if err := b.migrateJobs(ctx); err != nil {
		return nil, err
	}
	b.jobs, err = b.jobWriter()
	return b, err
}

// Form is the table form of a kind, nil for none.
func (b *Batches) Form(kind string) *sheet.Form { return b.forms[kind] }

// Batch gives a tenant's batch; [declare.ErrMissing] when there is none, or it
// is another tenant's.
func (b *Batches) Batch(ctx context.Context, tenant, id string) (Batch, error) {
	return b.one(ctx, tenant, "batch", tenant, id)
}

func (b *Batches) one(ctx context.Context, tenant, name string, arguments ...any) (found Batch, err error) {
	all, err := b.several(ctx, tenant, name, arguments...)
	if err == nil && len(all) == 0 {
		err = declare.ErrMissing
	}
	if err != nil {
		return Batch{}, err
	}
	return all[0], nil
}

// List gives a tenant's batches, the latest first, after the one named after;
// at most limit.
func (b *Batches) List(ctx context.Context, tenant, after string, limit int) ([]Batch, error) {
	return b.several(ctx, tenant, "batches", tenant, after, limit)
}

func (b *Batches) several(ctx context.Context, tenant, name string, arguments ...any) (found []Batch, err error) {
	err = b.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement(name), arguments...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanBatch)
		return err
	})
	return found, err
}

func scanBatch(row pgx.CollectableRow) (b Batch, err error) {
	var faults []byte
	err = row.Scan(&b.ID, &b.Name, &b.Kind, &b.Format, &b.Encoding, &b.Sheet, &b.State, &b.DryRun, &b.AllOrNothing, &b.ReceivedAt, &b.FinishedAt,
		&b.Rows, &b.Items, &b.Filed, &b.Rejected, &b.Valid, &faults)
	if err != nil {
		return b, err
	}
	b.ReceivedAt = b.ReceivedAt.UTC()
	if b.FinishedAt != nil {
		*b.FinishedAt = b.FinishedAt.UTC()
	}
	return b, json.Unmarshal(faults, &b.Errors)
}

func (b *Batches) moment() time.Time { return b.now().UTC().Truncate(time.Millisecond) }

// leased is when a lease given now is over.
func (b *Batches) leased() time.Time { return b.moment().Add(b.timing.Lease) }

// statement gives the text of sql/<name>.sql.
func statement(name string) string {
	text, err := Statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("batch: " + err.Error())
	}
	return string(text)
}
