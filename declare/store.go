package declare

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// The ledger's small statements, each in a transaction of its own scope.

func (l *Ledger) exec(ctx context.Context, scope Scope, name string, arguments ...any) error {
	return l.Within(ctx, scope, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, statement(name), arguments...)
		return err
	})
}

func (l *Ledger) registerAgencies(ctx context.Context, agencies []string, now time.Time) error {
	return l.exec(ctx, SystemScope, "register_agencies", agencies, now)
}

func (l *Ledger) agencyStates(ctx context.Context, agencies []string) (map[string]health, error) {
	states := map[string]health{}
	err := l.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("agency_states"), agencies)
		if err != nil {
			return err
		}
		var name string
		var seen health
		_, err = pgx.ForEachRow(rows, []any{&name, &seen.state, &seen.since, &seen.reason, &seen.nextProbe, &seen.rampFrom, &seen.trips}, func() error {
			states[name] = seen
			seen = health{}
			return nil
		})
		return err
	})
	return states, err
}

func (l *Ledger) pauseAgency(ctx context.Context, agency, state, reason string, now, nextProbe time.Time, trips int) error {
	return l.exec(ctx, SystemScope, "pause_agency", agency, state, now, reason, nextProbe, trips)
}

// resumeAgency tells whether prober was still the one to find out.
func (l *Ledger) resumeAgency(ctx context.Context, agency, prober string, now time.Time) (resumed bool, err error) {
	return l.changed(ctx, "resume_agency", agency, prober, now)
}

func (l *Ledger) probeFailed(ctx context.Context, agency, prober string, nextProbe time.Time, reason string) error {
	return l.exec(ctx, SystemScope, "probe_failed", agency, prober, nextProbe, reason)
}

func (l *Ledger) claimProbe(ctx context.Context, agency, prober string, now, until time.Time) (claimed bool, err error) {
	return l.changed(ctx, "claim_probe", agency, prober, now, until)
}

// changed does what concerns one row at most and tells whether it was there.
func (l *Ledger) changed(ctx context.Context, name string, arguments ...any) (changed bool, err error) {
	err = l.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, statement(name), arguments...)
		changed = tag.RowsAffected() == 1
		return err
	})
	return changed, err
}

// lapse is a message whose lease expired.
type lapse struct {
	declarationKey
	message, agency string
	attempts        int
	first           bool // it was not unsure before
}

func (l *Ledger) expireLeases(ctx context.Context, now time.Time) (lapsed []lapse, err error) {
	err = l.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("expire_leases"), now)
		if err != nil {
			return err
		}
		lapsed, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m lapse, err error) {
			return m, row.Scan(&m.tenant, &m.id, &m.message, &m.agency, &m.attempts, &m.first)
		})
		return err
	})
	return lapsed, err
}

// stray is a notice that was unmatched when it was looked at.
type stray struct {
	placed      // its declaration is empty when nothing here answers it
	told   bool // an officer was asked about it
}

// strays gives the next unmatched notices of agencies after one, received
// before a time.
func (l *Ledger) strays(ctx context.Context, agencies []string, after placed, before time.Time) (found []stray, err error) {
	arguments := []any{agencies, after.at, after.id, before, strayPage}
	err = l.one(ctx, SystemScope, "match_notices", arguments, func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s stray, err error) {
			return s, row.Scan(&s.id, &s.at, &s.agency, &s.declaration.tenant, &s.declaration.id, &s.told)
		})
		return err
	})
	return found, err
}
