package integration

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Every statement is known to PostgreSQL under the role that will run it: a
// typing error, a missing grant or a lost column shows here.
func TestStatementsPrepareUnderTheApplicationRole(t *testing.T) {
	ledger, _ := newLedger(t)
	names, err := fs.Glob(declare.Statements, "sql/*.sql")
	must(t, err)
	if len(names) < 30 {
		t.Fatalf("only %d statements found", len(names))
	}
	must(t, ledger.Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		var role string
		if err := tx.QueryRow(t.Context(), "SELECT current_user").Scan(&role); err != nil {
			return err
		}
		if role != "singlewindow_app" {
			t.Errorf("transactions run as %s", role)
		}
		for i, name := range names {
			text, err := fs.ReadFile(declare.Statements, name)
			if err != nil {
				return err
			}
			prepared, err := tx.Prepare(t.Context(), fmt.Sprintf("s%d", i), string(text))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			// Some faults show only when a plan is made.
			arguments := strings.TrimSuffix(strings.Repeat("NULL, ", len(prepared.ParamOIDs)), ", ")
			if arguments != "" {
				arguments = "(" + arguments + ")"
			}
			if _, err := tx.Exec(t.Context(), "EXPLAIN EXECUTE s"+fmt.Sprint(i)+arguments); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}))
}

// Every table with a tenant hides other tenants' rows, from its owner too.
func TestRowLevelSecurityIsForcedEverywhere(t *testing.T) {
	_, url := newLedger(t)
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { must(t, conn.Close(t.Context())) }()
	rows, err := conn.Query(t.Context(), `
		SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname IN ('tenant_id', 'agency') AND c.relnamespace = 'public'::regnamespace
		   AND c.relname <> 'agency_state' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`)
	must(t, err)
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	if len(open) > 0 {
		t.Errorf("without forced row-level security: %v", open)
	}
}

// The application cannot delete, whatever its code says.
func TestNothingCanBeDeleted(t *testing.T) {
	ledger, _ := newLedger(t)
	err := ledger.Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM declaration")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("DELETE gave %v", err)
	}
}

// Opening a ledger again, as every start does, changes nothing.
func TestOpeningTwiceIsHarmless(t *testing.T) {
	_, url := newLedger(t)
	again, err := declare.OpenLedger(t.Context(), url, time.Now())
	must(t, err)
	again.Close()
}
