package privatepostgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"singlewindow/cmd/privatepostgres"
)

// folderOfStandIn makes this test program play a gateway on the folder it names instead of testing.
const folderOfStandIn = "PRIVATEPOSTGRES_TEST_GATEWAY"

func TestMain(m *testing.M) {
	if folder := os.Getenv(folderOfStandIn); folder != "" {
		if err := playGateway(folder); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// playGateway commits a row, says so, and serves until its standard input ends.
func playGateway(folder string) error {
	ctx := context.Background()
	server, err := privatepostgres.Start(ctx, privatepostgres.Options{Folder: folder})
	if err != nil {
		return err
	}
	if err := execute(ctx, server, "CREATE TABLE IF NOT EXISTS filed (id text)", "INSERT INTO filed VALUES ('one')"); err != nil {
		return err
	}
	fmt.Println("committed")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, server.Stop(ctx))
}

func execute(ctx context.Context, server *privatepostgres.Server, statements ...string) error {
	connection, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if err == nil {
			_, err = connection.Exec(ctx, statement)
		}
	}
	return errors.Join(err, connection.Close(ctx))
}

// newFolder is a folder that the postgres user can enter, unlike t.TempDir's parent.
func newFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "pg")
	must(t, err)
	must(t, os.Chmod(folder, 0o711))
	t.Cleanup(func() { must(t, os.RemoveAll(folder)) })
	return folder
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start is a Start that must succeed; the server is stopped when the test ends.
func start(t *testing.T, folder string) *privatepostgres.Server {
	t.Helper()
	begun := time.Now()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	server, err := privatepostgres.Start(t.Context(), privatepostgres.Options{Folder: folder, Log: log})
	must(t, err)
	t.Logf("start took %s", time.Since(begun).Round(time.Millisecond))
	t.Cleanup(func() { must(t, server.Stop(context.Background())) })
	return server
}

func stop(t *testing.T, server *privatepostgres.Server) {
	t.Helper()
	begun := time.Now()
	must(t, server.Stop(t.Context()))
	must(t, server.Err())
	t.Logf("stop took %s", time.Since(begun).Round(time.Millisecond))
}

func query(t *testing.T, server *privatepostgres.Server, statement string) string {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), server.URL())
	must(t, err)
	var value string
	must(t, connection.QueryRow(t.Context(), statement).Scan(&value))
	must(t, connection.Close(t.Context()))
	return value
}

func wantQuery(t *testing.T, server *privatepostgres.Server, statement, want string) {
	t.Helper()
	if got := query(t, server, statement); got != want {
		t.Errorf("%s: got %q, want %q", statement, got, want)
	}
}

// wantError starts in vain; every word must stand in the error.
func wantError(t *testing.T, o privatepostgres.Options, words ...string) error {
	t.Helper()
	_, err := privatepostgres.Start(t.Context(), o)
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error %v lacks %q", err, word)
		}
	}
	return err
}

func data(folder string) string    { return filepath.Join(folder, "postgresql", "data") }
func pidFile(folder string) string { return filepath.Join(data(folder), "postmaster.pid") }

func postmaster(t *testing.T, folder string) int {
	t.Helper()
	text, err := os.ReadFile(pidFile(folder))
	must(t, err)
	var process int
	_, err = fmt.Sscan(string(text), &process)
	must(t, err)
	return process
}

// credential is the named user's when the tests run as root, else nil: our own.
func credential(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	found, err := user.Lookup(name)
	must(t, err)
	var as syscall.Credential
	_, err = fmt.Sscan(found.Uid+" "+found.Gid, &as.Uid, &as.Gid)
	must(t, err)
	return &as
}

// startGateway runs a stand-in gateway in a process of its own until it has committed its row.
func startGateway(t *testing.T, folder string, as *syscall.Credential) (*exec.Cmd, io.Closer) {
	t.Helper()
	gateway := exec.Command("/proc/self/exe")
	gateway.Env = append(os.Environ(), folderOfStandIn+"="+folder)
	gateway.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	input, err := gateway.StdinPipe()
	must(t, err)
	output, err := gateway.StdoutPipe()
	must(t, err)
	must(t, gateway.Start())
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "committed\n" {
		t.Fatal(line, err)
	}
	return gateway, input
}

func TestStartsAndStartsAgain(t *testing.T) {
	folder := newFolder(t)
	unfinished := filepath.Join(folder, "postgresql", "new-1")
	must(t, os.MkdirAll(unfinished, 0o700))
	server := start(t, folder)
	if _, err := os.Stat(unfinished); !errors.Is(err, os.ErrNotExist) {
		t.Error("the unfinished cluster is still there:", err)
	}
	must(t, execute(t.Context(), server, "CREATE TABLE filed (id text)", "INSERT INTO filed VALUES ('one')"))
	stop(t, server)

	begun := time.Now()
	server = start(t, folder)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the second start took %s", took)
	}
	wantQuery(t, server, "SELECT id FROM filed", "one")
	for setting, want := range map[string]string{
		"fsync": "on", "shared_buffers": "128MB", "listen_addresses": "", "wal_compression": "lz4",
		"default_toast_compression": "lz4", "server_encoding": "UTF8", "max_connections": "100",
	} {
		wantQuery(t, server, "SHOW "+setting, want)
	}
	info, err := os.Stat(filepath.Join(folder, "postgresql"))
	if must(t, err); info.Mode().Perm() != 0o700 {
		t.Error("the socket's folder is not private:", info.Mode())
	}
}

func TestFindsCommittedRowsAfterGatewayIsKilled(t *testing.T) {
	folder := newFolder(t)
	gateway, _ := startGateway(t, folder, nil)
	must(t, gateway.Process.Kill())
	waitFor(func() bool { _, err := os.Stat(pidFile(folder)); return errors.Is(err, os.ErrNotExist) }) // it ends by itself
	successor, _ := startGateway(t, folder, nil)
	must(t, successor.Process.Kill())
	server := start(t, folder) // at once
	wantQuery(t, server, "SELECT count(*)::text FROM filed", "2")
	if gateway.Wait() == nil || successor.Wait() == nil {
		t.Error("a gateway was not killed")
	}
}

func TestRunsAsOrdinaryUser(t *testing.T) {
	folder := newFolder(t)
	nobody := credential(t, "nobody")
	if nobody != nil {
		must(t, os.Chown(folder, int(nobody.Uid), int(nobody.Gid)))
	}
	gateway, input := startGateway(t, folder, nobody)
	must(t, input.Close())
	must(t, gateway.Wait())
	if _, err := os.Stat(pidFile(folder)); !errors.Is(err, os.ErrNotExist) {
		t.Error("PostgreSQL was not stopped:", err)
	}
}

func TestStopsPostmasterThatOutlivedItsGateway(t *testing.T) {
	folder := newFolder(t)
	server := start(t, folder)
	binaries := query(t, server, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
	stop(t, server)
	outlived := exec.Command(filepath.Join(binaries, "postgres"), "-D", data(folder), "-h", "", "-k", filepath.Join(folder, "postgresql"))
	outlived.Dir = "/"
	outlived.SysProcAttr = &syscall.SysProcAttr{Credential: credential(t, "postgres")}
	must(t, outlived.Start())
	ended := make(chan error)
	go func() { ended <- outlived.Wait() }()
	waitFor(func() bool { text, _ := os.ReadFile(pidFile(folder)); return strings.Contains(string(text), "ready") })

	server = start(t, folder)
	must(t, <-ended)
	if postmaster(t, folder) == outlived.Process.Pid {
		t.Error("the old postmaster is still there")
	}
	wantQuery(t, server, "SELECT 'up'", "up")
}

// waitFor looks until the thing is there; go test's time-out bounds it.
func waitFor(there func() bool) {
	for tick := time.Tick(5 * time.Millisecond); !there(); {
		<-tick
	}
}

func TestRecoversAfterPostmasterIsKilled(t *testing.T) {
	folder := newFolder(t)
	server := start(t, folder)
	must(t, execute(t.Context(), server, "CREATE TABLE filed AS SELECT 'one' AS id",
		"CREATE TABLE bulk AS SELECT repeat('x', 1000) FROM generate_series(1, 50000)"))
	busy := make(chan error)
	go func() { busy <- execute(context.Background(), server, "SELECT sum(n) FROM generate_series(1, 1e12) n") }()
	waitFor(func() bool {
		return query(t, server, "SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE 'SELECT sum%'") == "1"
	})
	must(t, syscall.Kill(postmaster(t, folder), syscall.SIGKILL))
	<-server.Done()
	if err := server.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Error("Err after SIGKILL:", err)
	}
	again := start(t, folder)
	if err := <-busy; err == nil {
		t.Error("the backend that lost its postmaster answered")
	}
	wantQuery(t, again, "SELECT id FROM filed", "one")
}

func TestRemovesPidFileOfStrangerAndZombie(t *testing.T) {
	folder := newFolder(t)
	server := start(t, folder)
	stranger := exec.Command("sleep", "3600")
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: credential(t, "postgres")} // PostgreSQL heeds only its own user's
	must(t, stranger.Start())
	t.Cleanup(func() { _ = stranger.Process.Kill() }) // it has ended already unless the test failed
	for _, kind := range []string{"stranger", "zombie"} {
		text, err := os.ReadFile(pidFile(folder))
		must(t, err)
		_, rest, _ := strings.Cut(string(text), "\n")
		must(t, syscall.Kill(postmaster(t, folder), syscall.SIGKILL))
		<-server.Done()
		for _, file := range []string{pidFile(folder), filepath.Join(folder, "postgresql", ".s.PGSQL.5432.lock")} {
			must(t, os.WriteFile(file, fmt.Appendf(nil, "%d\n%s", stranger.Process.Pid, rest), 0o600))
		}
		if kind == "zombie" {
			must(t, stranger.Process.Kill())
		}
		server = start(t, folder)
		wantQuery(t, server, "SELECT 'up'", "up")
	}
	if err := stranger.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Error("the stranger was harmed:", err)
	}
}

func TestRefusesSecondOwner(t *testing.T) {
	folder := newFolder(t)
	server := start(t, folder)
	if err := wantError(t, privatepostgres.Options{Folder: folder}, folder); !errors.Is(err, privatepostgres.ErrInUse) {
		t.Error("not ErrInUse:", err)
	}
	wantQuery(t, server, "SELECT 'up'", "up")
}

func TestRefusesOtherVersionAndKeepsData(t *testing.T) {
	folder := newFolder(t)
	server := start(t, folder)
	must(t, execute(t.Context(), server, "CREATE TABLE filed AS SELECT 'one' AS id"))
	stop(t, server)
	file := filepath.Join(data(folder), "PG_VERSION")
	text, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, []byte("9.6\n"), 0o600))
	_ = wantError(t, privatepostgres.Options{Folder: folder}, data(folder), "9.6", strings.TrimSpace(string(text)), "--postgres-bin", "pg_upgrade") // the words were the test
	must(t, os.WriteFile(file, text, 0o600))
	wantQuery(t, start(t, folder), "SELECT id FROM filed", "one")
}

func TestSaysWhatStandsInTheWay(t *testing.T) {
	folder := newFolder(t)
	long := filepath.Join(folder, strings.Repeat("x", 100))
	_ = wantError(t, privatepostgres.Options{Folder: long}, "107", "shorter", long) // the words were the test
	if _, err := os.Stat(long); !errors.Is(err, os.ErrNotExist) {
		t.Error("the refused folder was made:", err)
	}
	_ = wantError(t, privatepostgres.Options{Folder: folder, Binaries: folder}, "apt-get install postgresql", "--postgres-bin", folder) // the words were the test
	_ = wantError(t, privatepostgres.Options{Folder: folder, Settings: map[string]string{"no_such": "1"}}, "no_such", "postgresql.log") // the words were the test
	if os.Geteuid() == 0 {
		must(t, os.Chmod(folder, 0o700))
		_ = wantError(t, privatepostgres.Options{Folder: folder}, folder, "chmod o+x") // the words were the test
	}
}
