package integration

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Every statement is known to PostgreSQL under the role that will run it: a
// typing error, a missing grant or a lost column shows here.
func TestStatementsPrepareUnderTheApplicationRole(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	names, err := fs.Glob(declare.Statements, "sql/*.sql")
	must(t, err)
	if len(names) < 30 {
		t.Fatalf("only %d statements found", len(names))
	}
	must(t, ledger.Patient(time.Minute).Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	_, url := newLedger(t)
	again, err := declare.OpenLedger(t.Context(), url, time.Now())
	must(t, err)
	again.Close()
}

// The application's role is one for all databases of a server: gateways that
// start for the first time in the same moment, on one database or on several,
// do not fail each other.
func TestFirstStartsInOneMoment(t *testing.T) {
	t.Parallel()
	d := newDatabaseServer(t)
	var starting sync.WaitGroup
	ready := make(chan struct{})
	for number := range 6 {
		name := fmt.Sprintf("first_%d", number/2)
		if number%2 == 0 {
			execute(t, d.URL(), "CREATE DATABASE "+name)
		}
		starting.Go(func() {
			<-ready
			ledger, err := declare.OpenLedger(t.Context(), strings.Replace(d.URL(), "/singlewindow", "/"+name, 1), time.Now())
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			ledger.Close()
		})
	}
	close(ready)
	starting.Wait()
}

// A status is of one moment: what changes between the statements that read it
// does not show in half of it.
func TestStatusIsOfOneMoment(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{mute: true})
	from, _ := l.widest(t)
	filed := l.file(t, acme, from, "MOMENT-1")
	eventually(t, 20*time.Second, "everything is sent", func() bool { return l.count(t, unsent) == 0 })
	conn, err := pgx.Connect(t.Context(), l.database)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	tx, err := conn.Begin(t.Context())
	must(t, err)
	change := func(statement string) {
		t.Helper()
		_, err := tx.Exec(t.Context(), statement)
		must(t, err)
	}
	change("LOCK TABLE filing IN ACCESS EXCLUSIVE MODE") // whoever reads stops between the two
	given := make(chan answer, 1)
	go func() {
		defer close(given)
		answer, err := l.try(t.Context(), l.keys[acme], http.MethodGet, "/v1/declarations/"+filed.ID, nil)
		if err != nil {
			t.Error(err)
			return
		}
		given <- answer
	}()
	eventually(t, time.Second, "the status is being read", func() bool {
		return l.count(t, "SELECT count(*) FROM pg_locks WHERE relation = 'filing'::regclass AND NOT granted AND mode = 'AccessShareLock'") > 0
	})
	change("UPDATE declaration SET waiting_why = 'changed'")
	change("UPDATE filing SET word = 'changed'")
	must(t, tx.Commit(t.Context()))
	seen := <-given
	if seen.status != http.StatusOK {
		t.Fatalf("%d %s", seen.status, seen.body)
	}
	status := decoded[declare.Status](t, seen)
	for _, filing := range status.Filings {
		if (filing.Word == "changed") != (status.WaitingFor.Why == "changed") {
			t.Errorf("half of it is of another moment: %s", seen.body)
		}
	}
}
