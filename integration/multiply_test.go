package integration

import (
	"context"
	_ "embed"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed testdata/multiply.sql
var multiplication string

// multiply makes a long queue in seconds: to file declarations by the ten
// thousand takes minutes. It files one at an agency that is away and copies
// its rows, as the owner of the tables: every copy has ids, a reference, a
// message and a digest of its own and waits for that agency alone. It
// gives the first one's message.
func (l *line) multiply(t *testing.T, tenant string, from sample, word, agency string, copies int) (message string) {
	t.Helper()
	original := l.file(t, tenant, from, "HEAP-0000000."+word)
	message = filingAt(t, original, agency).MessageID
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, l.database)
	must(t, err)
	_, err = conn.Exec(ctx, multiplication)
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_temp.multiply($1, $2, $3, $4)", tenant, original.ID, message, copies)
	}
	must(t, errors.Join(err, conn.Close(ctx)))
	return message
}
