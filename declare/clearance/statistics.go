package clearance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Question says which stages an answer is about. Empty parts ask for all.
type Question struct {
	Tenant  string
	Agency  string // its own track; "" is every track
	Whole   bool   // only the track of the declaration as a whole
	Kind    string
	Port    string
	Chapter string // of the harmonized system, two digits
	Stage   string
	Period         // in which the stage ended
	Every   string // "day" or "week": also their course over time
	By      string // "kind", "port" or "chapter": of each of them, without a course
}

// What a question's Every and By may be.
const (
	EveryDay  = "day"
	EveryWeek = "week"
	ByKind    = "kind"
	ByPort    = "port"
	ByChapter = "chapter"
)

// Times are what one stage took on one track.
type Times struct {
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
func (c *Clearance) Ask(ctx context.Context, scope declare.Scope, q Question) (stages []Times, err error) {
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err = c.ledger.Within(ctx, scope, func(tx pgx.Tx) error {
		if err := readLarge(ctx, tx); err != nil {
			return err
		}
		if stages, err = readStages(ctx, tx, q); err != nil || q.Every == "" || q.By != "" {
			return err
		}
		return readCourse(ctx, tx, q, stages)
	})
	slices.SortFunc(stages, func(a, b Times) int {
		return cmp.Or(cmp.Compare(a.Agency, b.Agency), cmp.Compare(slices.Index(Stages, a.Stage), slices.Index(Stages, b.Stage)), cmp.Compare(a.Of, b.Of))
	})
	return stages, err
}

// readLarge prepares a transaction for reading much of a table, against what
// the ledger's connections are set to.
func readLarge(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, fmt.Sprintf("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = %d; "+
		"SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = on; SET LOCAL work_mem = '64MB'", longestAnswer.Milliseconds()))
	return err
}

// filters are the parameters that the statements about stages share.
func (q Question) filters(more ...any) []any {
	return append([]any{q.First, q.Last.AddDate(0, 0, 1), q.Tenant, q.Agency, q.Kind, q.Port, q.Chapter, q.Stage, q.Whole}, more...)
}

func readStages(ctx context.Context, tx pgx.Tx, q Question) ([]Times, error) {
	name, arguments := "stages", q.filters()
	if q.By != "" {
		name, arguments = "groups", q.filters(q.By)
	}
	rows, err := tx.Query(ctx, statement(name), arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Times, error) {
		var s Times
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

// readCourse completes stages by what they took over time.
func readCourse(ctx context.Context, tx pgx.Tx, q Question, stages []Times) error {
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

// ErrPeriod is given for a period that ends before it begins, or is too long.
var ErrPeriod = errors.New("clearance: not a period")

const (
	usualDays = 30
	mostDays  = 3 * 366
)

// Period is a stretch of days in UTC, the first and the last both in it.
type Period struct{ First, Last time.Time }

// Period reads a period from days such as 2026-03-02. Empty, the last is today
// and the first makes it 30 days. The error is [ErrPeriod].
func (c *Clearance) Period(first, last string) (p Period, err error) {
	p.Last = c.now().UTC().Truncate(24 * time.Hour)
	if last != "" {
		if p.Last, err = time.Parse(time.DateOnly, last); err != nil {
			return p, ErrPeriod
		}
	}
	p.First = p.Last.AddDate(0, 0, 1-usualDays)
	if first != "" {
		if p.First, err = time.Parse(time.DateOnly, first); err != nil {
			return p, ErrPeriod
		}
	}
	if p.Last.Before(p.First) || p.Last.After(p.First.AddDate(0, 0, mostDays)) {
		return p, ErrPeriod
	}
	return p, nil
}
