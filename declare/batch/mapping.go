package batch

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Mapping is a tenant's own names for columns: heading in its files to column
// of ours.
type Mapping struct {
	Name, Kind string
	Columns    map[string]string
}

var mappingName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// leftOut is what a column that is not to be read is mapped to.
const leftOut = "-"

// mostColumns bounds a mapping: no table has more that mean something.
const mostColumns = 1000

// SaveMapping writes a mapping down, over one of the same name. The error is
// [ErrKind] or [ErrColumns].
func (b *Batches) SaveMapping(ctx context.Context, tenant string, mapping Mapping) error {
	form := b.forms[mapping.Kind]
	if form == nil {
		return ErrKind
	}
	if !mappingName.MatchString(mapping.Name) || len(mapping.Columns) == 0 || len(mapping.Columns) > mostColumns {
		return ErrColumns
	}
	for heading, column := range mapping.Columns {
		if heading == "" || !printable(heading, 200) || column != leftOut && len(form.CheckHeading([]string{column})) > 0 {
			return ErrColumns
		}
	}
	columns, err := json.Marshal(mapping.Columns)
	if err != nil {
		return err
	}
	return b.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, statement("save_mapping"), tenant, mapping.Name, mapping.Kind, columns)
		return err
	})
}

// Mapping gives a tenant's mapping; [declare.ErrMissing] when there is none of
// that name.
func (b *Batches) Mapping(ctx context.Context, tenant, name string) (found Mapping, err error) {
	if !mappingName.MatchString(name) {
		return Mapping{}, declare.ErrMissing
	}
	err = b.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("mapping"), tenant, name)
		if err != nil {
			return err
		}
		found, err = pgx.CollectExactlyOneRow(rows, scanMapping)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Mapping{}, declare.ErrMissing
	}
	return found, err
}

// Mappings gives all of a tenant's mappings, by name.
func (b *Batches) Mappings(ctx context.Context, tenant string) (found []Mapping, err error) {
	err = b.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("mappings"), tenant)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanMapping)
		return err
	})
	return found, err
}

func scanMapping(row pgx.CollectableRow) (m Mapping, err error) {
	var columns []byte
	if err := row.Scan(&m.Name, &m.Kind, &columns); err != nil {
		return m, err
	}
	return m, json.Unmarshal(columns, &m.Columns)
}
