package declare

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// Statements are the ledger's SQL: sql/<name>.sql, one statement each, and the
// migrations. Exported so that a test can hold each against a database.
//
//go:embed sql
var Statements embed.FS

// applicationRole owns nothing and may delete nothing; every connection of
// the ledger takes it on, so that one database URL is enough.
const applicationRole = "singlewindow_app"

// plannerSettings keep plans the same on empty, young and large tables: every
// statement of the ledger looks up few rows by their keys, and without fresh
// statistics the planner would read whole tables instead. The cost that marks
// a disabled scan would also wake the compiler for nothing. One plan for all
// values is made once per connection.
const plannerSettings = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off"

// serverTimeouts let go of what a client left behind that PostgreSQL does not
// know to be gone: its locks would hold up everybody else.
var serverTimeouts = fmt.Sprintf("SET statement_timeout = %[1]d; SET idle_in_transaction_session_timeout = %[1]d; SET lock_timeout = %[2]d", longestTransaction.Milliseconds(), longestLock.Milliseconds())

// Ledger is what the gateway remembers, in PostgreSQL. Every transaction
// begins through [Ledger.Within], which sets its scope.
type Ledger struct {
	pool     *pgxpool.Pool
	url      string
	patience time.Duration // longest transaction; the rest is ErrUnavailable
	pulse    *pulse
}

// A Scope says whose rows a transaction may see; row-level security in the
// database enforces it. Make one with [TenantScope], [AgencyScope],
// [PortScope] or [SystemScope].
type Scope struct{ setting string }

// SystemScope sees everything: for the gateway's own work.
var SystemScope = Scope{"system"}

var scopeName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// TenantScope sees the rows of these tenants. A name that could not be a
// tenant's is replaced by one that nobody has.
func TenantScope(tenants ...string) Scope {
	for i, tenant := range tenants {
		if !scopeName.MatchString(tenant) {
			tenants[i] = "-"
		}
	}
	return Scope{"tenant:" + strings.Join(tenants, ",")}
}

// AgencyScope sees the rows of one agency.
func AgencyScope(agency string) Scope {
	if !scopeName.MatchString(agency) {
		agency = "-"
	}
	return Scope{"agency:" + agency}
}

var portName = regexp.MustCompile(`^[A-Z0-9]{2,17}$`)

// PortScope sees the declarations of one port, by its code.
func PortScope(port string) Scope {
	if !portName.MatchString(port) {
		port = "-"
	}
	return Scope{"port:" + port}
}

// OpenLedger brings the database at url up to date and connects to it. The
// user of the url must be allowed to create a role and tables.
func OpenLedger(ctx context.Context, url string, now time.Time) (*Ledger, error) {
	migrations, err := fs.Sub(Statements, "sql/migrations")
	if err != nil {
		return nil, err
	}
	if err := Migrate(ctx, url, "ledger_version", migrations); err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database url: %w", err)
	}
	config.MaxConns = max(config.MaxConns, 16)
	if config.ConnConfig.ConnectTimeout == 0 || config.ConnConfig.ConnectTimeout > answerWithin {
		config.ConnConfig.ConnectTimeout = answerWithin
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET ROLE "+applicationRole+"; "+plannerSettings+"; "+serverTimeouts)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	ledger := &Ledger{pool: pool, url: url, patience: answerWithin, pulse: &pulse{}}
	if err := ledger.MakePartitions(ctx, now); err != nil {
		pool.Close()
		return nil, err
	}
	return ledger, nil
}

// tablesLock is what gateways on one database take turns by when they make
// tables.
const tablesLock = "hashtext('singlewindow migrations')"

// Migrate applies the migrations of one owner of tables, forward only. Each
// owner has its own version table, so that the rooms' tables grow apart.
func Migrate(ctx context.Context, url, versionTable string, migrations fs.FS) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("database url: %w", err)
	}
	db := stdlib.OpenDB(*config)
	return errors.Join(migrate(ctx, db, versionTable, migrations), db.Close())
}

func migrate(ctx context.Context, db *sql.DB, versionTable string, migrations fs.FS) error {
	store, err := database.NewStore(goose.DialectPostgres, versionTable)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	// The lock ends with the session.
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock("+tablesLock+")"); err != nil {
		return errors.Join(err, conn.Close())
	}
	return errors.Join(upgrade(ctx, db, store, versionTable, migrations), conn.Close())
}

func upgrade(ctx context.Context, db *sql.DB, store database.Store, versionTable string, migrations fs.FS) error {
	provider, err := goose.NewProvider("", db, migrations, goose.WithStore(store))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	_, err = provider.Up(ctx)
	for tries := 1; tries < mostRaces && lostRace(err); tries++ {
		_, err = provider.Up(ctx)
	}
	switch {
	case ofAnotherPast(err):
		return fmt.Errorf("%w: %s: %w", ErrAnotherPast, versionTable, err)
	case err != nil:
		return fmt.Errorf("migrate %s: %w", versionTable, err)
	}
	return nil
}

// ErrAnotherPast is given where tables do not fit the statements that should
// bring them up to date: they are another program's, or of an unfinished version.
var ErrAnotherPast = errors.New("declare: the tables cannot be brought up to date")

// PostgreSQL's codes of statements that do not fit what is there, and the one
// among them that is about the user's rights.
const (
	classUnfit     = "42"
	codeNotAllowed = "42501"
)

func ofAnotherPast(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && sqlClass(server) == classUnfit && server.Code != codeNotAllowed
}

// DatabaseAt names a database and its host as its address does, without what is
// secret in it.
func DatabaseAt(address string) (name, host string, err error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return "", "", errors.New("the database's address cannot be read") // pgx would quote it
	}
	return config.Database, config.Host, nil
}

// mostRaces is one more than there is to be made by somebody else first: the
// application's role, and the user's membership in it.
const mostRaces = 3

// lostRace tells whether somebody else made, in the same moment, what belongs
// to all databases of the server and can be made only once: the lock that
// gateways take turns by is of one database.
func lostRace(err error) bool {
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		return false
	}
	exists := failure.Code == "42710" // found when the statement began; else by its unique index
	return exists || failure.Code == "23505" && (failure.TableName == "pg_authid" || failure.TableName == "pg_auth_members")
}

// MakePartitions makes the partitions of this month and the three after it,
// as the owner of the tables: the application role owns nothing.
func (l *Ledger) MakePartitions(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, l.url)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock("+tablesLock+")"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT make_partitions($1::date, 4)", now.UTC())
		return err
	})
	return errors.Join(err, conn.Close(ctx))
}

// closeTime is how long transactions under way are waited for at the end.
const closeTime = 2 * time.Second

// Close waits for transactions under way and disconnects, but no longer than
// two seconds: a database that hangs does not keep anybody from ending.
func (l *Ledger) Close() {
	closed := make(chan struct{})
	go func() { defer close(closed); l.pool.Close() }()
	select {
	case <-closed:
	case <-time.After(closeTime):
	}
}

// Pool is for the leaves of this room that keep their own tables.
func (l *Ledger) Pool() *pgxpool.Pool { return l.pool }

// URL is the database's address, for leaves that migrate their own tables.
func (l *Ledger) URL() string { return l.url }

// Unhurried is the ledger for work that nobody waits for at a counter.
func (l *Ledger) Unhurried() *Ledger { return l.Patient(longestTransaction) }

// Patient is the ledger for transactions that may take so long. Beyond five
// seconds their statements must also set a statement_timeout of their own.
func (l *Ledger) Patient(longest time.Duration) *Ledger {
	patient := *l
	patient.patience = longest
	return &patient
}

// Within runs work in one transaction that sees what scope allows. When the
// connection is lost during COMMIT the outcome is unknown and an error, an
// [ErrUnavailable], is given: callers must be able to ask again.
func (l *Ledger) Within(ctx context.Context, scope Scope, work func(pgx.Tx) error) error {
	return l.transaction(ctx, "BEGIN", scope, work)
}

// snapshot is Within for work that reads with several statements what must
// agree: all of them see the same moment. It writes nothing.
func (l *Ledger) snapshot(ctx context.Context, scope Scope, work func(pgx.Tx) error) error {
	return l.transaction(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", scope, work)
}

func (l *Ledger) transaction(ctx context.Context, begin string, scope Scope, work func(pgx.Tx) error) error {
	limited, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	return l.judge(ctx, l.begun(limited, begin+"; SET LOCAL app.scope = '"+scope.setting+"'", work))
}

func (l *Ledger) begun(ctx context.Context, begin string, work func(pgx.Tx) error) (err error) {
	tx, err := l.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
	if err != nil {
		return err
	}
	worked := false
	defer func() {
		if !worked { // it failed or panicked: the connection goes back to the pool
			err = errors.Join(err, rollback(ctx, tx))
		}
	}()
	if err := work(tx); err != nil {
		return err
	}
	worked = true
	return tx.Commit(ctx)
}

// one runs one statement in a transaction of its own, in one round trip: most
// of what the gateway asks needs no more.
func (l *Ledger) one(ctx context.Context, scope Scope, name string, arguments []any, read func(pgx.Rows) error) error {
	var batch pgx.Batch
	batch.Queue("SELECT set_config('app.scope', $1, true)", scope.setting)
	batch.Queue(statement(name), arguments...).Query(read)
	limited, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	return l.judge(ctx, l.pool.SendBatch(limited, &batch).Close())
}

// rollback ends a failed transaction; a connection that is gone has already
// rolled back.
func rollback(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin/4)
	defer cancel()
	if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) && !tx.Conn().IsClosed() {
		return err
	}
	return nil
}

// statement gives the text of sql/<name>.sql.
func statement(name string) string {
	text, err := Statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("declare: " + err.Error())
	}
	return string(text)
}

// violates reports whether err is a violation of the named unique constraint.
func violates(err error, constraint string) bool {
	var failure *pgconn.PgError
	return errors.As(err, &failure) && failure.Code == "23505" && failure.ConstraintName == constraint
}
