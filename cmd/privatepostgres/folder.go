package privatepostgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	socketLimit = 107      // bytes: sun_path less its final NUL
	logBound    = 10 << 20 // bytes
	logQuoted   = 1 << 10  // bytes of PostgreSQL's log in an error
)

func (s *Server) socket() string  { return filepath.Join(s.home, ".s.PGSQL."+port) }
func (s *Server) pidFile() string { return filepath.Join(s.data, "postmaster.pid") }
func (s *Server) logFile() string { return filepath.Join(s.folder, "postgresql.log") }

// locate settles everything that needs no folder yet, so that a refusal leaves nothing behind.
func locate(o Options) (*Server, error) {
	s := &Server{settings: o.Settings, log: o.Log, done: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var noBinaries, noOwner, noHome, noFolder error
	if o.Folder == "" {
		o.Folder, noHome = DefaultFolder()
	}
	s.binaries, noBinaries = findBinaries(o.Binaries)
	s.owner, noOwner = findOwner()
	s.folder, noFolder = filepath.Abs(o.Folder)
	s.home = filepath.Join(s.folder, "postgresql")
	s.data = filepath.Join(s.home, "data")
	if excess := len(s.socket()) - socketLimit; excess > 0 && noFolder == nil {
		noFolder = fmt.Errorf("a socket's path has at most %d bytes, %s has more: choose a data folder whose path is %d bytes shorter", socketLimit, s.socket(), excess)
	}
	return s, errors.Join(noBinaries, noOwner, noHome, noFolder)
}

// DefaultFolder is where the data goes when no folder is named; it follows the XDG base directory specification.
func DefaultFolder() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/singlewindow", nil
	}
	if folder := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(folder) {
		return filepath.Join(folder, "singlewindow"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local/share/singlewindow"), err
}

// findBinaries returns the first folder that holds both programs: the one the operator named and no other,
// else what pg_config says, Debian's and Homebrew's folders from the highest version down, then PATH.
func findBinaries(named string) (string, error) {
	folders := []string{named}
	if named == "" {
		output, _ := exec.Command("pg_config", "--bindir").Output() // its absence is no error
		folders[0] = strings.TrimSpace(string(output))
		for _, parent := range []string{"/usr/lib/postgresql/", "/opt/homebrew/opt/postgresql@", "/usr/local/opt/postgresql@"} {
			found, _ := filepath.Glob(parent + "[1-9][0-9]/bin") // sorted; its only error is a bad pattern
			slices.Reverse(found)
			folders = append(folders, found...)
		}
		folders = append(folders, filepath.SplitList(os.Getenv("PATH"))...)
	}
	for _, folder := range folders {
		_, noInitdb := exec.LookPath(filepath.Join(folder, "initdb"))
		_, noPostgres := exec.LookPath(filepath.Join(folder, "postgres"))
		if filepath.IsAbs(folder) && noInitdb == nil && noPostgres == nil {
			return folder, nil
		}
	}
	return "", fmt.Errorf("no PostgreSQL server (programs initdb and postgres) in %s: install it "+
		"(Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql@17), "+
		"or name the absolute folder of its programs with --postgres-bin, or a running server with --database", strings.Join(folders, ", "))
}

// findOwner returns the unprivileged user that a root process runs PostgreSQL as.
func findOwner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses root and there is no user postgres to run it as (install PostgreSQL's package, or start as another user): %w", err)
	}
	uid, noUid := strconv.ParseUint(found.Uid, 10, 32)
	gid, noGid := strconv.ParseUint(found.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(noUid, noGid)
}

// lock makes the folder and claims it for as long as the returned file is open. It tries for a second,
// because a predecessor killed a moment ago may still be on its way out.
func (s *Server) lock(ctx context.Context) (*os.File, error) {
	if _, err := os.Stat(s.folder); errors.Is(err, fs.ErrNotExist) {
		if err := errors.Join(os.MkdirAll(s.folder, 0o755), os.Chmod(s.folder, 0o711)); err != nil {
			return nil, err
		}
	}
	file, err := os.Open(s.folder)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(time.Second)
	err = poll(ctx, func() (bool, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return true, err
		}
		if time.Now().After(deadline) {
			return false, fmt.Errorf("%w: %s", ErrInUse, s.folder)
		}
		return false, nil
	})
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// prepare brings the locked folder into the state in which postgres starts: a complete cluster of our
// version, nobody else at work in it, no lock file that names a stranger.
func (s *Server) prepare(ctx context.Context) error {
	for _, step := range []func(context.Context) error{s.makeHome, s.removeUnfinished, s.create, s.checkVersion, s.stopOutlived, s.removeStaleLocks} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) makeHome(context.Context) error {
	err := os.Mkdir(s.home, 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if s.owner != nil {
		err = errors.Join(err, os.Lchown(s.home, int(s.owner.Uid), int(s.owner.Gid)))
	}
	return err
}

// removeUnfinished removes what a start that died during initdb left behind.
func (s *Server) removeUnfinished(ctx context.Context) error {
	folders, err := filepath.Glob(filepath.Join(s.home, "new-*"))
	for _, folder := range folders {
		s.log.Info("removing an unfinished PostgreSQL cluster", "folder", folder)
		err = errors.Join(err, s.stopIn(ctx, folder), os.RemoveAll(folder))
	}
	return err
}

// create makes a cluster under a temporary name and renames it once all of it is on disk, so that the
// data folder is complete whenever it exists. Comparing bytes (collation C) gives the order of C.UTF-8 and
// is what makes text keys fast.
func (s *Server) create(ctx context.Context) error {
	if _, err := os.Stat(s.data); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	runtime.LockOSThread() // as in launch
	defer runtime.UnlockOSThread()
	folder := filepath.Join(s.home, "new-"+strconv.Itoa(os.Getpid()))
	for _, arguments := range [][]string{
		{"-D", folder, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=" + locale, "--lc-collate=C"},
		{"-D", folder, "--sync-only"},
	} {
		if output, err := s.command(ctx, "initdb", arguments...).CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w\n%s", errors.Join(err, ctx.Err()), output)
		}
	}
	home, err := os.Open(s.home)
	if err != nil {
		return err
	}
	return errors.Join(os.Rename(folder, s.data), home.Sync(), home.Close())
}

func (s *Server) checkVersion(ctx context.Context) error {
	made, err := os.ReadFile(filepath.Join(s.data, "PG_VERSION")) // the major version: 15
	if err != nil {
		return fmt.Errorf("this is not a PostgreSQL data folder: %w", err)
	}
	runs, err := s.command(ctx, "postgres", "--version").Output() // postgres (PostgreSQL) 15.14 (Debian …)
	if err == nil && !strings.Contains(string(runs), " "+strings.TrimSpace(string(made))) {
		err = fmt.Errorf("%s was made by PostgreSQL %s but %s holds %s: name the folder of the older programs with --postgres-bin, or move the data with pg_upgrade; nothing was changed",
			s.data, strings.TrimSpace(string(made)), s.binaries, strings.TrimSpace(string(runs)))
	}
	return err
}

func (s *Server) stopOutlived(ctx context.Context) error { return s.stopIn(ctx, s.data) }

// stopIn ends every postgres at work in folder. A postmaster that lost its gateway is asked for a fast
// shutdown, and for an immediate one after 30 s; processes that lost their postmaster are ended at once, and
// by SIGKILL what does not heed that, such as a stopped process: PostgreSQL does not start while one of
// them holds its shared memory, and recovery makes good for them.
func (s *Server) stopIn(ctx context.Context, folder string) error {
	postmaster, err := readPid(filepath.Join(folder, "postmaster.pid"))
	if err != nil {
		return err
	}
	fastUntil, sent := time.Now().Add(patience), syscall.Signal(0)
	var quitUntil time.Time
	return poll(ctx, func() (bool, error) {
		processes, err := postgresIn(folder)
		if err != nil || len(processes) == 0 {
			return true, err
		}
		now, signal := time.Now(), syscall.SIGKILL
		switch {
		case slices.Contains(processes, postmaster) && now.Before(fastUntil):
			signal, processes = syscall.SIGINT, []int{postmaster}
		case quitUntil.IsZero():
			signal, quitUntil = syscall.SIGQUIT, now.Add(grace)
		case now.Before(quitUntil):
			return false, nil
		}
		if signal == sent {
			return false, nil
		}
		sent = signal
		s.log.Info("stopping a PostgreSQL that outlived its gateway", "pids", processes, "signal", signal)
		return false, signalAll(processes, signal)
	})
}

// removeStaleLocks comes when no postgres is at work in the data folder. A lock file whose pid is dead is
// PostgreSQL's own affair; one whose pid meanwhile belongs to a stranger, or to a zombie, would make it
// refuse to start. The pid file goes last, so that a death in between is repaired by the next start.
func (s *Server) removeStaleLocks(context.Context) error {
	for _, file := range []string{s.socket() + ".lock", s.pidFile()} {
		process, err := readPid(file)
		if err == nil && process > 0 && !errors.Is(syscall.Kill(process, 0), syscall.ESRCH) {
			s.log.Info("removing a lock file that names a stranger", "file", file, "pid", process)
			err = os.Remove(file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readPid reads the first line of a lock file; 0 when there is none or it is no pid.
func readPid(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	process, err := strconv.Atoi(line)
	if err != nil {
		return 0, nil //nolint:nilerr // no pid, as the comment says
	}
	return process, nil
}

func (s *Server) openLog() (*os.File, error) {
	if info, err := os.Stat(s.logFile()); err == nil && info.Size() > logBound {
		if err := os.Rename(s.logFile(), s.logFile()+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// logTail is PostgreSQL's own explanation.
func (s *Server) logTail() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return s.logFile() + "\n" + string(text[max(0, len(text)-logQuoted):])
}
