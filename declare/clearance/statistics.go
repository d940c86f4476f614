package clearance

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Question says which stages an answer is about. Empty parts ask for all.
type Question struct {
	Tenant  string
	Agency  string // its own track; "" is every track
	Kind    string
	Port    string
	Chapter string // of the harmonized system, two digits
	Stage   string
	From    time.Time // stages that ended at or after this
	Until   time.Time // and before this
	Every   string    // "day" or "week": also their course over time
	By      string    // "kind", "port" or "chapter": of each of them
}

// What a question's Every and By may be.
const (
	EveryDay  = "day"
	EveryWeek = "week"
	ByKind    = "kind"
	ByPort    = "port"
	ByChapter = "chapter"
)

// Stage is what one stage took on one track.
type Stage struct {
	Agency string // "" is the declaration as a whole
	Stage  string
	Who    string // "" for the total
	Of     string // the kind, port or chapter, as the question's By says
	Figures
	Course []Point // oldest first; days or weeks in which none ended are left out
}

// Figures are exact: median and 90th percentile are times that occurred, the
// least that half, or nine of ten, did not exceed.
type Figures struct {
	Count              int64
	MedianMilliseconds int64
	P90Milliseconds    int64
}

// Point is one day, or the week that begins with it, in UTC.
type Point struct {
	Day time.Time
	Figures
}

// Ask answers within what scope may see: all of it as it was at one moment. The
// whole comes first, then the agencies by name, each with its stages in the
// order of [Stages].
func (c *Clearance) Ask(ctx context.Context, scope declare.Scope, q Question) (stages []Stage, err error) {
	err = c.ledger.Within(ctx, scope, func(tx pgx.Tx) error {
		if err := readLarge(ctx, tx); err != nil {
			return err
		}
		if stages, err = readStages(ctx, tx, q); err != nil || q.Every == "" {
			return err
		}
		return readCourse(ctx, tx, q, stages)
	})
	slices.SortFunc(stages, func(a, b Stage) int {
		return cmp.Or(cmp.Compare(a.Agency, b.Agency), cmp.Compare(slices.Index(Stages, a.Stage), slices.Index(Stages, b.Stage)), cmp.Compare(a.Of, b.Of))
	})
	return stages, err
}

// readLarge prepares a transaction for reading much of a table, against what
// the ledger's connections are set to.
func readLarge(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; "+
		"SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = on; SET LOCAL work_mem = '64MB'")
	return err
}

// filters are the parameters that the statements about stages share.
func (q Question) filters(more ...any) []any {
	return append([]any{q.From, q.Until, q.Tenant, q.Agency, q.Kind, q.Port, q.Chapter, q.Stage}, more...)
}

func readStages(ctx context.Context, tx pgx.Tx, q Question) ([]Stage, error) {
	name, arguments := "stages", q.filters()
	if q.By != "" {
		name, arguments = "groups", q.filters(q.By)
	}
	rows, err := tx.Query(ctx, statement(name), arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Stage, error) {
		var s Stage
		var percentiles []int64
		into := []any{&s.Agency, &s.Stage, &s.Who}
		if q.By != "" {
			into = append(into, &s.Of)
		}
		err := row.Scan(append(into, &s.Count, &percentiles)...)
		s.Figures = figures(s.Count, percentiles)
		return s, err
	})
}

func figures(count int64, percentiles []int64) Figures {
	if len(percentiles) != 2 {
		return Figures{Count: count}
	}
	return Figures{count, percentiles[0], percentiles[1]}
}

// readCourse completes stages, which are of all kinds, ports and chapters
// together.
func readCourse(ctx context.Context, tx pgx.Tx, q Question, stages []Stage) error {
	rows, err := tx.Query(ctx, statement("course"), q.filters(q.Every)...)
	if err != nil {
		return err
	}
	var agency, stage string
	var point Point
	var percentiles []int64
	_, err = pgx.ForEachRow(rows, []any{&agency, &stage, &point.Day, &point.Count, &percentiles}, func() error {
		point.Figures = figures(point.Count, percentiles)
		for i := range stages {
			if stages[i].Agency == agency && stages[i].Stage == stage {
				stages[i].Course = append(stages[i].Course, point)
			}
		}
		return nil
	})
	return err
}
