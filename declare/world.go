package declare

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// TestWorld is the schema in which a second installation stands in the same
// database: its own tables under the same names, for declarations that no
// agency ever sees.
const TestWorld = "test"

// OpenTestWorld makes the schema of the test world where it is missing, and
// gives the database's address as that world's: every name without a schema,
// and so every statement there is, means a table of that world and of no other.
// The database must have been brought up to date before.
func OpenTestWorld(ctx context.Context, address string) (string, error) {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return "", fmt.Errorf("test world: %w", err)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock("+tablesLock+")"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+TestWorld+"; GRANT USAGE ON SCHEMA "+TestWorld+" TO "+applicationRole)
		return err
	})
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return "", fmt.Errorf("test world: %w", err)
	}
	return inTestWorld(address)
}

// inTestWorld adds the search path to an address of either form.
func inTestWorld(address string) (string, error) {
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return address + " search_path=" + TestWorld, nil // names and values
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return "", errors.New("database url: it cannot be read") // not repeated: it may hold a password
	}
	query := parsed.Query()
	query.Set("search_path", TestWorld)
	parsed.RawQuery = query.Encode()
	return parsed.String(), nil
}

// World names the world of the ledger: "" the live one, else [TestWorld]. Who
// keeps tables under names with a schema must keep them apart by it.
func (l *Ledger) World() string {
	if l.pool.Config().ConnConfig.RuntimeParams["search_path"] == TestWorld {
		return TestWorld
	}
	return ""
}

// Own gives those of these messages that are a tenant's.
func (g *Gateway) Own(ctx context.Context, tenant string, messages []string) (own []string, err error) {
	err = g.desk.Within(ctx, TenantScope(tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("own_messages"), tenant, messages)
		if err != nil {
			return err
		}
		own, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return own, err
}
