package batch

import (
	"context"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Standing is how much is under way, for every process that shares the ledger.
type Standing struct {
	Reading, Filing int // batches
	Rows            int // of those batches, read so far
	Waiting         int // declarations of those batches without a verdict
}

// Standing tells how much is under way.
func (b *Batches) Standing(ctx context.Context) (s Standing, err error) {
	err = b.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("open_counts")).Scan(&s.Reading, &s.Filing, &s.Rows, &s.Waiting)
	})
	return s, err
}
