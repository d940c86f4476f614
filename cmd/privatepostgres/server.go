package privatepostgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	port     = "5432"           // only names the socket file
	patience = 30 * time.Second // with a fast shutdown
	// startedInVain is how long a server that nobody used yet may take for its fast shutdown.
	startedInVain = 5 * time.Second
	grace         = time.Second // for the end after an immediate one, and for the kernel's after SIGKILL
)

// ErrInUse says that another living process owns the folder.
var ErrInUse = errors.New("another gateway owns the folder of the private PostgreSQL")

// Options of a private PostgreSQL. The zero value is usable.
type Options struct {
	Folder   string            // "": /var/lib/singlewindow as root, else singlewindow in the user's data folder
	Binaries string            // folder of initdb and postgres, "": search
	Log      *slog.Logger      // nil: silent
	Settings map[string]string // PostgreSQL settings that replace or extend the tuned ones
}

// Server is a running private PostgreSQL.
type Server struct {
	folder, home, data, binaries string              // doc.go draws the layout
	owner                        *syscall.Credential // nil: the user we are
	settings                     map[string]string
	log                          *slog.Logger
	process                      *os.Process
	stopping                     atomic.Bool
	done                         chan struct{}
	err                          error // written before done is closed
}

// Start returns once the server accepts connections and has its database. ctx bounds the start only, not
// the server's life. Errors: ErrInUse, or one that says in words what the operator has to do.
func Start(ctx context.Context, o Options) (*Server, error) {
	begun := time.Now()
	s, err := locate(o)
	if err != nil {
		return nil, err
	}
	lock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	if err = s.prepare(ctx); err == nil {
		err = s.launch(lock)
	}
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("the user that PostgreSQL runs as (postgres, when started by root) must be able to enter every folder down to %s: chmod o+x them, or choose another data folder: %w", s.folder, err)
		}
		return nil, errors.Join(err, lock.Close())
	}
	if err = poll(ctx, s.ready); err == nil {
		err = s.createDatabase(ctx)
	}
	if err != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), startedInVain)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stopping))
	}
	s.log.Info("private PostgreSQL is ready", "folder", s.folder, "pid", s.process.Pid, "took", time.Since(begun))
	return s, nil
}

// URL reaches the database as the cluster's superuser.
func (s *Server) URL() string { return s.url("singlewindow") }

func (s *Server) url(database string) string {
	query := url.Values{"host": {s.home}, "port": {port}}.Encode()
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database, RawQuery: query}).String()
}

// Made tells whether there is a database in the folder, running or not.
func Made(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "postgresql", "data"))
	return !errors.Is(err, fs.ErrNotExist) // one that may not be looked at is there
}

// Running gives the address of the server that a living process runs on the
// folder, for commands that work beside it.
func Running(ctx context.Context, o Options) (string, bool) {
	s, err := locate(o)
	if err != nil {
		return "", false
	}
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return "", false
	}
	return s.URL(), conn.Close(ctx) == nil
}

// Done is closed when postgres has ended and the folder is free again.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says how postgres ended by itself; nil while it runs and after Stop.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Stop shuts the server down and waits for its end: fast at first, which closes sessions and writes a
// checkpoint, then, after 30 s or when ctx ends, immediate, which leaves recovery to the next start, and a
// second later by SIGKILL, which even a stopped process heeds. All but the first is reported as an error.
// It removes nothing, may be called again, and returns within 2 s of ctx's end.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.stopping.Store(true)
	fast := s.process.Signal(syscall.SIGINT)
	select {
	case <-s.done: // also when it had ended before, which is why the signal may have failed
		return nil
	case <-ctx.Done():
	}
	failure := fmt.Errorf("private PostgreSQL had to be stopped at once: %w", errors.Join(ctx.Err(), fast, s.process.Signal(syscall.SIGQUIT)))
	if s.endsWithin(grace) {
		return failure
	}
	processes, err := postgresIn(s.data)
	failure = errors.Join(failure, err, signalAll(processes, syscall.SIGKILL))
	if !s.endsWithin(grace) {
		failure = errors.Join(failure, errors.New("private PostgreSQL does not end: the kernel holds it, perhaps for want of its disk"))
	}
	return failure
}

func (s *Server) endsWithin(d time.Duration) bool {
	select {
	case <-s.done:
		return true
	case <-time.After(d):
		return false
	}
}

// signalAll signals processes, of which some may have ended meanwhile.
func signalAll(processes []int, signal syscall.Signal) (err error) {
	for _, process := range processes {
		if failed := syscall.Kill(process, signal); !errors.Is(failed, syscall.ESRCH) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// launch starts postgres; the folder is unlocked when it has ended. The thread that starts the child is
// kept for the child's life, because the parent-death signal fires when that thread ends.
func (s *Server) launch(lock *os.File) error {
	log, err := s.openLog()
	if err != nil {
		return err
	}
	command := s.command(context.Background(), "postgres", s.arguments()...)
	command.Stdout, command.Stderr = log, log
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := command.Start(); err != nil {
			started <- errors.Join(err, log.Close())
			return
		}
		started <- nil
		exit := command.Wait()
		if exit == nil {
			exit = errors.New("exit status 0")
		}
		if !s.stopping.Load() {
			s.err = fmt.Errorf("private PostgreSQL ended by itself: %w, its log with: %s", exit, s.logTail())
		}
		s.err = errors.Join(s.err, log.Close(), lock.Close())
		close(s.done)
	}()
	err = <-started
	s.process = command.Process
	return err
}

// ready when the pid file says that our own child accepts connections: its first line is the postmaster's
// pid, its eighth the state. Recovery may take long, so only the caller's context bounds the wait.
func (s *Server) ready() (bool, error) {
	select {
	case <-s.done:
		return true, s.err
	default:
	}
	text, err := os.ReadFile(s.pidFile())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(s.process.Pid) && strings.TrimSpace(lines[7]) == "ready", err
}

// firstStart yields what a new cluster lacks, the database last: once that exists all is done. Compression
// by lz4 is not asked for on the command line, since a PostgreSQL built without it would refuse to start.
const firstStart = `SELECT statement FROM (
	SELECT 1, format('ALTER SYSTEM SET %I = %L', name, CASE WHEN 'lz4' = ANY (enumvals) THEN 'lz4' ELSE 'on' END)
	FROM pg_settings WHERE name = 'wal_compression' OR name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)
	UNION ALL VALUES (2, 'SELECT pg_reload_conf()'), (3, 'CREATE DATABASE singlewindow')) AS step (rank, statement)
	WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'singlewindow') ORDER BY rank`

func (s *Server) createDatabase(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	rows, _ := connection.Query(ctx, firstStart) // CollectRows returns its error
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, statement := range statements {
		if err == nil {
			_, err = connection.Exec(ctx, statement)
		}
	}
	return errors.Join(err, connection.Close(ctx))
}

// arguments of postgres. Errors of statements stay out of its log, since they can quote a declaration's
// values; the gateway gets them anyway. Of a setting given twice the last counts.
func (s *Server) arguments() []string {
	arguments := []string{"-D", s.data, "-k", s.home, "-h", "", "-p", port,
		"-c", "shared_buffers=128MB", "-c", "max_connections=100", "-c", "fsync=on", "-c", "timezone=UTC",
		"-c", "log_timezone=UTC", "-c", "log_min_messages=log", "-c", "log_checkpoints=off"}
	for _, name := range slices.Sorted(maps.Keys(s.settings)) {
		arguments = append(arguments, "-c", name+"="+s.settings[name])
	}
	return arguments
}

// command runs one of PostgreSQL's programs as the cluster's owner, in its own process group so that a
// terminal's Ctrl-C reaches only the gateway, and without our environment: PGPORT and the like would bite.
func (s *Server) command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(s.binaries, program), arguments...)
	command.Dir, command.Env = s.home, []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	command.SysProcAttr = childAttributes(s.owner)
	return command
}

// poll asks every 5 ms until the answer is yes or an error.
func poll(ctx context.Context, ask func() (bool, error)) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("private PostgreSQL is not ready: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}
