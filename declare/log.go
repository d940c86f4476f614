package declare

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// logText names an error of the ledger's for the log without what its text may
// quote of a declaration. PostgreSQL's are named by their code and place, since
// the texts of data exceptions quote values; what could not be made into a
// statement's argument, and whatever else is unknown, by its types, since the
// driver prints the argument. That the database was not there quotes nothing.
func logText(err error) string {
	var server *pgconn.PgError
	switch {
	case err == nil:
		return ""
	case unavailable(err):
		return err.Error()
	case errors.As(err, &server):
		return serverText(server)
	}
	for _, known := range []error{errPanicked, ErrStopped, ErrMissing} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return strings.Join(typeNames(err), ": ")
}

func serverText(err *pgconn.PgError) string {
	text := "SQLSTATE " + err.Code
	for _, part := range [][2]string{{"table", err.TableName}, {"column", err.ColumnName}, {"constraint", err.ConstraintName}, {"routine", err.Routine}} {
		if part[1] != "" {
			text += ", " + part[0] + " " + part[1]
		}
	}
	return text
}

// typeNames are the types of an error and of those it wraps, the outermost
// first.
func typeNames(err error) []string {
	names := []string{fmt.Sprintf("%T", err)}
	switch wrapper := err.(type) { //nolint:errorlint // the chain itself is looked at, link by link
	case interface{ Unwrap() error }:
		if cause := wrapper.Unwrap(); cause != nil {
			names = append(names, typeNames(cause)...)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range wrapper.Unwrap() {
			names = append(names, typeNames(cause)...)
		}
	}
	return names
}

// sqlClass is the first part of PostgreSQL's code: the kind of error. A server
// that is not PostgreSQL itself may give a shorter one, or none.
func sqlClass(err *pgconn.PgError) string { return err.Code[:min(2, len(err.Code))] }
