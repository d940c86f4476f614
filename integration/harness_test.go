package integration

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"singlewindow/cmd/privatepostgres"
	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/batch"
	"singlewindow/declare/clearance"
	"singlewindow/declare/webhook"
)

// server is the one PostgreSQL of this test run; every test has a database of
// its own in it.
var server *privatepostgres.Server

func TestMain(m *testing.M) {
	if play, ok := roles[os.Getenv("SINGLEWINDOW_TEST_ROLE")]; ok {
		os.Exit(play())
	}
	os.Exit(run(m))
}

// roles are what this test binary does when a test starts it as another
// process.
var roles = map[string]func() int{}

func run(m *testing.M) (code int) {
	folder, err := os.MkdirTemp("", "sw")
	if err == nil {
		err = os.Chmod(folder, 0o711)
	}
	if err == nil {
		server, err = privatepostgres.Start(context.Background(), privatepostgres.Options{Folder: folder, Settings: map[string]string{"fsync": "off", "max_connections": "300"}})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	code = m.Run()
	if err := server.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	return code
}

var databases atomic.Int32

// newDatabase makes an empty database for one test and gives its URL.
func newDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	execute(t, server.URL(), "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, server.URL(), "DROP DATABASE "+name+" WITH (FORCE)") })
	return strings.Replace(server.URL(), "/singlewindow", "/"+name, 1)
}

// prototype is a database with every table there is and nothing in them: to
// copy it takes a tenth of the time that all migrations take.
var prototype = sync.OnceValue(func() error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE prototype")
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	ledger, err := declare.OpenLedger(ctx, strings.Replace(server.URL(), "/singlewindow", "/prototype", 1), time.Now())
	if err != nil {
		return err
	}
	defer ledger.Close()
	log := slog.New(slog.DiscardHandler)
	_, accounts := account.Open(ctx, ledger, make([]byte, 32), newIDs(), time.Now, rand.Reader)
	_, clearances := clearance.Open(ctx, ledger, time.Now, clearance.DefaultPause, log)
	_, batches := batch.Open(ctx, batch.Options{Ledger: ledger, IDs: newIDs(), Now: time.Now, Log: log})
	_, webhooks := webhook.Open(ctx, webhook.Options{Ledger: ledger, Secret: make([]byte, 32), Random: rand.Reader, Log: log})
	return errors.Join(accounts, clearances, batches, webhooks)
})

// migratedDatabase makes a database for one test in which all migrations have
// run, and gives its URL.
func migratedDatabase(t testing.TB) string {
	t.Helper()
	must(t, prototype())
	name := fmt.Sprintf("test_%d", databases.Add(1))
	execute(t, server.URL(), "CREATE DATABASE "+name+" TEMPLATE prototype")
	t.Cleanup(func() { execute(t, server.URL(), "DROP DATABASE "+name+" WITH (FORCE)") })
	return strings.Replace(server.URL(), "/singlewindow", "/"+name, 1)
}

// execute runs one statement as the owner of the tables.
func execute(t testing.TB, url, statement string, arguments ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	must(t, err)
	_, err = conn.Exec(ctx, statement, arguments...)
	must(t, err)
	must(t, conn.Close(ctx))
}

// newLedger opens a ledger on a new database.
func newLedger(t testing.TB) (*declare.Ledger, string) {
	t.Helper()
	url := migratedDatabase(t)
	ledger, err := declare.OpenLedger(t.Context(), url, time.Now())
	must(t, err)
	t.Cleanup(ledger.Close)
	return ledger, url
}

func newIDs() *declare.IDs { return declare.NewIDs(time.Now, rand.Reader) }

// quiet is a log that a failing test shows and a passing one does not.
func quiet(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, nil))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(line []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience is how long a test waits for what must not take longer than this.
// The long forms run alone and hold to it; the short forms run several at once,
// beside other packages, and are about what happens, not how fast.
func patience(bar time.Duration) time.Duration {
	if longForms() {
		return bar
	}
	return 4 * bar
}

// eventually waits until a condition holds; it is how tests wait for things.
// The longer it has waited the less often it looks: looking at tables that grew
// takes the processors from those who must be waited for.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	begun := time.Now()
	within = patience(within)
	deadline := time.After(within)
	for !holds() {
		select {
		case <-time.After(min(max(time.Since(begun)/20, 20*time.Millisecond), 2*time.Second)):
		case <-deadline:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}
