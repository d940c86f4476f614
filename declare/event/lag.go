package event

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Lag tells for how long the oldest event that is written down has waited to be
// told; nobody is told of an event while one before it may still come.
func (s *Stream) Lag(ctx context.Context) (time.Duration, error) {
	var milliseconds int64
	err := s.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("lag")).Scan(&milliseconds)
	})
	return max(0, time.Duration(milliseconds)*time.Millisecond), err
}
