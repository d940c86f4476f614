package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/declare"
)

// The folders of a watched folder. The first three are those that import
// clients of single windows have always had; the last is ours.
const (
	outFolder  = "OutBox"  // files to be filed
	sentFolder = "SentBox" // files the gateway took
	failFolder = "FailBox" // files it refused as a whole, each with what is wrong
	inFolder   = "InBox"   // answers
	ownFolder  = ".singlewindow"
)

// Below ownFolder.
const (
	takenFolder    = "taken"    // files on their way from OutBox
	followedFolder = "followed" // for each file sent, what it became
	cursorFile     = "cursor"   // up to where the gateway's events are read
	lockFile       = "lock"
)

// noFollow keeps a symbolic link that stands where a file should from leading
// elsewhere.
const noFollow = syscall.O_NOFOLLOW

// mostNameBytes leaves room for endings and a number below the 255 bytes that
// file systems take.
const mostNameBytes = 200

func watchCommand() *cobra.Command {
	w := &watcher{now: time.Now}
	var once bool
	command := &cobra.Command{
		Use: "watch DIR", Short: "File what is dropped into DIR/OutBox, put answers into DIR/InBox", Args: cobra.ExactArgs(1),
		Long: "Takes each file of DIR/OutBox once its size and time rest from one look to the next, and moves it to DIR/SentBox when the\n" +
			"gateway has it, or to DIR/FailBox, with what is wrong in FILE.errors.txt, when it is refused as a whole. A file is a batch;\n" +
			"one ending in .json is one declaration. Left alone: names ending in .tmp or beginning with a dot, links, folders. A program\n" +
			"that writes slowly writes to NAME.tmp and renames.\n\n" +
			"DIR/InBox gets, each written whole:\n" +
			"  FILE.result.json       what became of each row, or of the declaration, again when it changes\n" +
			"  FILE.marked.EXT        the file with its wrong cells marked\n" +
			"  REFERENCE.status.json  where a declaration stands, again when it moves\n\n" +
			"It may be killed at any moment: started again it goes on, no file is lost and none is filed twice. DIR is one file system and\n" +
			"has one watcher.",
		Example: "  singlewindow watch /srv/customs\n  singlewindow watch /srv/customs --once",
		RunE: func(command *cobra.Command, arguments []string) error {
			if w.every < 10*time.Millisecond {
				return usageError{errors.New("--every is at least 10ms")}
			}
			var err error
			if w.client, err = newClient(command); err != nil {
				return err
			}
			w.folder, w.log = arguments[0], newLog()
			ctx, stop := untilStopped(command)
			defer stop()
			return w.run(ctx, once)
		},
	}
	addGatewayFlags(command)
	addBatchFlags(command, &w.options)
	command.Flags().DurationVar(&w.every, "every", 2*time.Second, "time between two looks")
	command.Flags().BoolVar(&once, "once", false, "handle what is there, wait until it is filed or refused, fetch the answers there are, and end; for cron")
	return command
}

// watcher is the gateway's hand at a folder.
type watcher struct {
	client  *client
	options batchOptions
	folder  string
	every   time.Duration
	now     func() time.Time
	log     *slog.Logger

	seen     map[string]stamp     // of the files in OutBox at the last look
	followed map[string]*followed // by file
	statuses map[string]string    // digests of what was told of declarations, by id
	cursor   string               // of the events
	said     string               // the trouble of the last look
}

// stamp tells whether a file was touched.
type stamp struct {
	size int64
	time time.Time
}

func stampOf(info fs.FileInfo) stamp { return stamp{info.Size(), info.ModTime()} }

func (w *watcher) in(parts ...string) string {
	return filepath.Join(append([]string{w.folder}, parts...)...)
}

func (w *watcher) run(ctx context.Context, once bool) error {
	unlock, err := w.open()
	if err != nil {
		return err
	}
	if err = w.resume(); err == nil {
		w.log.Info("watching", "folder", w.in(outFolder), "followed", len(w.followed))
		err = w.look(ctx, once)
	}
	return errors.Join(err, unlock())
}

// look looks again and again, until ctx ends or, once, until everything that
// was there is handled.
func (w *watcher) look(ctx context.Context, once bool) error {
	for number := 1; ; number++ {
		err := w.round(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was stopped, as asked
		}
		w.complain(err)
		if once && number > 1 && (err != nil || w.quiet()) { // the first look only sees what rests
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.every):
		}
	}
}

// round is one look. What happened at the gateway is asked first: while it
// does not answer, files stay where they were dropped.
func (w *watcher) round(ctx context.Context) error {
	if err := w.begin(ctx); err != nil {
		return err
	}
	moved, cursor, err := w.moved(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.send(ctx), w.follow(ctx, moved, cursor))
}

// complain logs trouble when it begins, changes and ends.
func (w *watcher) complain(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch text {
	case w.said:
	case "":
		w.log.Info("all is well again")
	default:
		w.log.Error("trying again", "error", text)
	}
	w.said = text
}

// open makes the folders, shows that they can be used, and takes the lock.
func (w *watcher) open() (unlock func() error, err error) {
	if info, err := os.Stat(w.folder); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, usageError{fmt.Errorf("%s is not a folder", w.folder)}
	}
	for _, folder := range []string{ownFolder, filepath.Join(ownFolder, takenFolder), filepath.Join(ownFolder, followedFolder), outFolder, sentFolder, failFolder, inFolder} {
		if err := os.MkdirAll(w.in(folder), 0o755); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(w.in(ownFolder, lockFile), os.O_RDWR|os.O_CREATE|noFollow, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%s is being watched already", w.folder)
		}
		return nil, errors.Join(err, lock.Close())
	}
	for _, folder := range []string{outFolder, sentFolder, failFolder, inFolder} {
		if err := w.probe(folder); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
	}
	return lock.Close, nil
}

// probe shows that files can be listed in a folder and moved there.
func (w *watcher) probe(folder string) error {
	from, to := w.in(ownFolder, "probe"), w.in(folder, ".probe")
	err := os.WriteFile(from, nil, 0o644)
	if err == nil {
		err = os.Rename(from, to)
	}
	if err == nil {
		err = os.Remove(to)
	}
	if err == nil {
		_, err = os.ReadDir(w.in(folder))
	}
	if err != nil {
		err = fmt.Errorf("%s cannot be used: %w", w.in(folder), err)
	}
	return err
}

// errAway means that the gateway gave no answer that counts.
var errAway = errors.New("the gateway does not answer")

// send hands over the files that rest in OutBox, until one gets no answer, and
// those that got none earlier: last, so that a file which never gets one holds
// up no other.
func (w *watcher) send(ctx context.Context) error {
	earlier, err := os.ReadDir(w.in(ownFolder, takenFolder))
	if err != nil {
		return err
	}
	rested, err := w.rested()
	troubles := []error{err}
	for _, name := range rested {
		taken, err := w.take(name)
		if err == nil {
			err = w.deliver(ctx, taken)
		}
		troubles = append(troubles, err)
		if errors.Is(err, errAway) {
			break
		}
	}
	for _, entry := range earlier {
		troubles = append(troubles, w.deliver(ctx, entry.Name()))
	}
	return errors.Join(troubles...)
}

// rested lists the files of OutBox that nobody touched since the last look.
func (w *watcher) rested() ([]string, error) {
	entries, err := os.ReadDir(w.in(outFolder))
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]stamp{}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.Type().IsRegular() || strings.HasPrefix(name, ".") || strings.EqualFold(filepath.Ext(name), ".tmp") {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // its owner took it back
		}
		if err != nil {
			return nil, err
		}
		if seen[name] = stampOf(info); seen[name] == w.seen[name] {
			names = append(names, name)
		}
	}
	w.seen = seen
	return names, nil
}

// take moves a file from OutBox out of its owner's way, under the name it has
// from now on: one that no other file has in any folder.
func (w *watcher) take(name string) (string, error) {
	file, err := openPlain(w.in(outFolder, name))
	if err != nil {
		return "", err
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	for number := 1; ; number++ {
		taken := numbered(name, number)
		free, err := w.free(taken)
		if err != nil {
			return "", err
		}
		if free {
			return taken, os.Rename(w.in(outFolder, name), w.in(ownFolder, takenFolder, taken))
		}
	}
}

// openPlain opens a file that is nothing but a file.
func openPlain(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|noFollow|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(cmp.Or(err, fmt.Errorf("%s is no file", name)), file.Close())
	}
	return file, nil
}

// numbered cuts a name to size and gives it a number from the second on.
func numbered(name string, number int) string {
	extension := filepath.Ext(name)
	if len(extension) > 20 {
		extension = ""
	}
	stem := strings.TrimSuffix(name, extension)
	if len(name) > mostNameBytes {
		stem = strings.ToValidUTF8(stem[:mostNameBytes-len(extension)], "")
	}
	if number == 1 {
		return stem + extension
	}
	return fmt.Sprintf("%s (%d)%s", stem, number, extension)
}

// errorsEnding is that of what is wrong with a file, beside it in FailBox.
const errorsEnding = ".errors.txt"

// free tells whether no file has a name yet, nor answers about one. What is
// wrong with a file stands beside it under a name of its own, which is taken
// too as long as the file may be refused or that text is there.
func (w *watcher) free(name string) (bool, error) {
	names := []string{name, name + errorsEnding}
	if of, told := strings.CutSuffix(name, errorsEnding); told {
		names = append(names, of)
	}
	places := []string{w.in(inFolder, name+resultEnding)}
	for _, name := range names {
		places = append(places, w.in(sentFolder, name), w.in(failFolder, name), w.in(ownFolder, takenFolder, name), w.in(ownFolder, followedFolder, name+".json"))
	}
	for _, place := range places {
		if _, err := os.Lstat(place); !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return true, nil
}

// deliver hands a taken file to the gateway and moves it to where it then
// belongs. Repeated after a crash it has the same effect: the gateway knows a
// file, and a declaration's key, again.
func (w *watcher) deliver(ctx context.Context, name string) error {
	taken := w.in(ownFolder, takenFolder, name)
	file, err := openPlain(taken)
	if err != nil {
		return err
	}
	before, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	became, p, err := w.file(ctx, name, file, before.Size())
	after, failure := file.Stat()
	if failure = errors.Join(failure, file.Close()); failure != nil {
		return failure
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w: %w", name, errAway, err)
	case stampOf(before) != stampOf(after):
		return nil // it was still being written: all of it at the next look
	case p != nil && p.passing():
		return fmt.Errorf("%s: %w: %w", name, errAway, refusal{p})
	case p != nil:
		w.log.Warn("refused", "file", name, "code", p.Code)
		return w.refuse(name, taken, struct {
			Problem *problem `json:"problem"`
		}{p}, func(out io.Writer) { printProblem(out, "", p) })
	}
	if err := w.note(name, became); err != nil {
		return err
	}
	what, id := "batch", became.Batch
	if id == "" {
		what, id = "declaration", became.Declaration
	}
	w.log.Info("sent", "file", name, what, id)
	return os.Rename(taken, w.in(sentFolder, name))
}

// file files the file as what its ending says it is.
func (w *watcher) file(ctx context.Context, name string, file *os.File, size int64) (*followed, *problem, error) {
	if !strings.EqualFold(filepath.Ext(name), ".json") {
		b, p, err := w.client.upload(ctx, name, file, size, w.options)
		return &followed{Batch: b.ID, stale: true}, p, err
	}
	body, err := io.ReadAll(io.LimitReader(file, declare.MostBytes+1))
	if err != nil {
		return nil, nil, err
	}
	receipt, p, err := w.client.submit(ctx, body)
	return &followed{Declaration: receipt.ID, stale: true}, p, err
}

// refuse says beside a file what is wrong with it, and in InBox, and moves it
// to FailBox. A file that its owner took away meanwhile is not missed.
func (w *watcher) refuse(name, from string, result any, write func(io.Writer)) error {
	var text bytes.Buffer
	write(&text)
	err := w.writeResult(name, result)
	if err == nil {
		err = writeFile(w.in(failFolder, name+errorsEnding), text.Bytes())
	}
	if err != nil {
		return err
	}
	err = os.Rename(from, w.in(failFolder, name))
	if _, gone := os.Lstat(from); errors.Is(gone, fs.ErrNotExist) {
		return nil
	}
	return err
}

// note writes down, for the next start too, what a file became.
func (w *watcher) note(name string, became *followed) error {
	content, err := json.Marshal(became)
	if err != nil {
		return err
	}
	w.followed[name] = became
	return writeFile(w.in(ownFolder, followedFolder, name+".json"), content)
}
