package clearance

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"singlewindow/declare"
)

// Statements are the package's SQL files, under sql/.
//
//go:embed sql
var Statements embed.FS

// Clearance keeps what the stages of all declarations took. Safe for concurrent
// use.
type Clearance struct {
	ledger *declare.Ledger
	asking chan struct{} // as many as may ask at once
	now    func() time.Time
	pause  time.Duration
	log    *slog.Logger
}

// DefaultPause is how often new events are looked for when there were none.
const DefaultPause = 5 * time.Second

// A question may go through every declaration there is. It may take so long,
// and so many may be asked at once: the connections are the gateway's.
const (
	longestAnswer = 15 * time.Second
	mostAsking    = 2
)

// Open brings the package's tables up to date. Pause is how long [Clearance.Run]
// waits when there is nothing to do.
func Open(ctx context.Context, ledger *declare.Ledger, now func() time.Time, pause time.Duration, log *slog.Logger) (*Clearance, error) {
	migrations, err := fs.Sub(Statements, "sql/migrations")
	if err != nil {
		return nil, err
	}
	if err := declare.Migrate(ctx, ledger.URL(), "clearance_version", migrations); err != nil {
		return nil, err
	}
	return &Clearance{ledger: ledger.Patient(longestAnswer), asking: make(chan struct{}, mostAsking), now: now, pause: pause, log: log}, nil
}

// restPerWork is how long Run rests between two slices, as a multiple of what
// the last one took: declarations come first.
const restPerWork = 10

// Run folds what happens to declarations into the table of spans until ctx ends.
// Where several processes run, one of them does the work at any time.
func (c *Clearance) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		begun := c.now()
		more, err := c.fold(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, declare.ErrUnavailable) {
			c.log.Error("clearance times not folded", "error", err)
		}
		rest := c.pause
		if more {
			rest = restPerWork * c.now().Sub(begun)
		}
		timer.Reset(rest)
	}
}

// statement gives the text of sql/<name>.sql.
func statement(name string) string {
	text, err := Statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("clearance: " + err.Error())
	}
	return string(text)
}
