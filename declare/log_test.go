package declare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// What is logged about the ledger's errors says what failed and where, and
// never quotes the value that it failed on.
func TestLogTextQuotesNothing(t *testing.T) {
	t.Parallel()
	const value = "secret-value"
	_, encode := pgtype.NewMap().Encode(pgtype.Int4OID, pgtype.BinaryFormatCode, value, nil)
	_, unwritable := json.Marshal(map[string]any{value: math.Inf(1)})
	if encode == nil || !strings.Contains(encode.Error(), value) || unwritable == nil {
		t.Fatalf("nothing to hide: %v, %v", encode, unwritable)
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"data exception": {fmt.Errorf("settle: %w", &pgconn.PgError{Code: "22P02", Message: "invalid input: " + value, Where: value}), "SQLSTATE 22P02"},
		"constraint": {&pgconn.PgError{Code: "23505", Detail: value, TableName: "declaration", ConstraintName: "declaration_pkey"},
			"SQLSTATE 23505, table declaration, constraint declaration_pkey"},
		"no code":        {&pgconn.PgError{Message: value}, "SQLSTATE "},
		"encode":         {fmt.Errorf("failed to encode args[0]: %w", encode), "*fmt.wrapError: "},
		"json":           {unwritable, "*json.UnsupportedValueError"},
		"joined":         {errors.Join(errors.New(value), errors.New(value)), "*errors.joinError: *errors.errorString: *errors.errorString"},
		"panic":          {fmt.Errorf("%s: %w", value, errPanicked), errPanicked.Error()},
		"lost":           {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "read: unexpected EOF"},
		"full":           {&pgconn.PgError{Severity: "ERROR", Code: "53100", Message: "no space left"}, "ERROR: no space left (SQLSTATE 53100)"},
		"late":           {context.DeadlineExceeded, context.DeadlineExceeded.Error()},
		"nothing at all": {nil, ""},
	} {
		got := logText(c.err)
		if !strings.HasPrefix(got, c.want) || strings.Contains(got, value) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A code shorter than a class is no data's fault, and no panic of ours.
func TestLastingTakesAnyCode(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"": false, "2": false, "22": true, "22P02": true, "23505": true, "54000": true, "40P01": false} {
		if got := lasting(&pgconn.PgError{Code: code}); got != want {
			t.Errorf("%q: %t", code, got)
		}
	}
}
