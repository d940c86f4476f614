package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"singlewindow/api"
	"singlewindow/declare"
	"singlewindow/declare/batch"
)

const (
	resultEnding = ".result.json"
	statusEnding = ".status.json"
)

// settledTime is how long a file is followed after each of its declarations
// was decided: agencies correct themselves.
const settledTime = 7 * 24 * time.Hour

// restShare keeps a large batch from being read all the time while agencies
// answer: after a reading it rests for so many times as long as that took.
const restShare = 20

// followed is what a file became, and how far InBox tells of it. It is kept
// on disk until nothing more is to be told.
type followed struct {
	Batch       string     `json:"batch,omitempty"`       // either this,
	Declaration string     `json:"declaration,omitempty"` // or this
	Told        string     `json:"told,omitempty"`        // digest of its last result in InBox
	Over        bool       `json:"over,omitempty"`        // it is wholly filed, and each declaration was told of once
	SettledAt   *time.Time `json:"settledAt,omitempty"`   // since when all of them are decided

	declarations map[string]bool // by id; known once the batch is over
	stale        bool            // something changed since it was read
	rests        time.Time       // it is not read again before
}

// resume reads what an earlier watcher wrote down.
func (w *watcher) resume() error {
	w.followed, w.statuses = map[string]*followed{}, map[string]string{}
	entries, err := os.ReadDir(w.in(ownFolder, followedFolder))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name, whole := strings.CutSuffix(entry.Name(), ".json")
		if !whole {
			continue // was being written when its writer died
		}
		content, err := os.ReadFile(w.in(ownFolder, followedFolder, entry.Name()))
		if err != nil {
			return err
		}
		f := &followed{stale: true}
		if err := json.Unmarshal(content, f); err != nil {
			return fmt.Errorf("%s is damaged: %w", w.in(ownFolder, followedFolder, entry.Name()), err)
		}
		w.followed[name] = f
	}
	content, err := os.ReadFile(w.in(ownFolder, cursorFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	w.cursor = strings.TrimSpace(string(content))
	return err
}

// begin finds where the events stand now, when that is not known: before the
// first file, and when the gateway knows the cursor no more. What was sent
// before is then told of anew.
func (w *watcher) begin(ctx context.Context) error {
	if w.cursor != "" {
		return nil
	}
	cursor, err := w.client.eventsNow(ctx)
	if err != nil {
		return err
	}
	for _, f := range w.followed {
		f.Over, f.stale = false, true
	}
	return w.stand(cursor)
}

// stand notes up to where the events were read.
func (w *watcher) stand(cursor string) error {
	w.cursor = cursor
	return writeFile(w.in(ownFolder, cursorFile), []byte(cursor+"\n"))
}

// eventsNow gives the cursor behind the last event: a stream begins with it.
func (c *client) eventsNow(ctx context.Context) (cursor string, err error) {
	request, err := c.request(ctx, http.MethodGet, "/v1/events", nil, map[string]string{"Accept": "text/event-stream"})
	if err != nil {
		return "", err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		status, content, err := answerOf(response)
		_, p, err := decide[struct{}](status, http.StatusOK, content, err)
		if p != nil {
			err = refusal{p}
		}
		return "", err
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if id, found := strings.CutPrefix(lines.Text(), "id:"); found {
			return strings.TrimSpace(id), response.Body.Close()
		}
	}
	return "", errors.Join(errors.New("the stream of events does not say where it stands"), lines.Err(), response.Body.Close())
}

// quiet tells whether every file sent is wholly filed or refused.
func (w *watcher) quiet() bool {
	for _, f := range w.followed {
		if !f.Over {
			return false
		}
	}
	return true
}

// follow tells InBox what changed. The cursor moves on only after that: what a
// crash keeps from being told is told after it.
func (w *watcher) follow(ctx context.Context, moved map[string]bool, cursor string) error {
	var troubles []error
	for _, name := range slices.Sorted(maps.Keys(w.followed)) {
		if err := w.update(ctx, name, w.followed[name], moved); err != nil {
			troubles = append(troubles, fmt.Errorf("answers about %s: %w", name, err))
			if ctx.Err() != nil {
				break
			}
		}
	}
	if len(troubles) > 0 || cursor == w.cursor {
		return errors.Join(troubles...)
	}
	return w.stand(cursor)
}

// eventPage is one answer of what happened to this enterprise's declarations.
type eventPage struct {
	Events []struct {
		DeclarationID string `json:"declarationId"`
	} `json:"events"`
	Next string `json:"next"`
}

// eventsAtOnce are asked for.
const eventsAtOnce = 500

// moved reads the events since the cursor: which declarations they are about,
// and the cursor after them.
func (w *watcher) moved(ctx context.Context) (ids map[string]bool, cursor string, err error) {
	ids, cursor = map[string]bool{}, w.cursor
	for {
		page, p, err := w.client.eventsAfter(ctx, cursor)
		if p != nil {
			err = refusal{p}
			if !p.passing() {
				w.cursor = "" // another database has taken this one's place: see begin
			}
		}
		if err != nil {
			return nil, "", err
		}
		for _, event := range page.Events {
			ids[event.DeclarationID] = true
		}
		if page.Next != "" {
			cursor = page.Next
		}
		if len(page.Events) < eventsAtOnce {
			return ids, cursor, nil
		}
	}
}

func (c *client) eventsAfter(ctx context.Context, cursor string) (eventPage, *problem, error) {
	values := url.Values{"limit": {strconv.Itoa(eventsAtOnce)}}
	if cursor != "" {
		values.Set("after", cursor)
	}
	status, content, err := c.call(ctx, http.MethodGet, "/v1/events?"+values.Encode(), nil, nil)
	return decide[eventPage](status, http.StatusOK, content, err)
}

// update brings InBox up to date about one file.
func (w *watcher) update(ctx context.Context, name string, f *followed, moved map[string]bool) error {
	f.stale = f.stale || len(f.among(moved)) > 0
	if begun := w.now(); f.stale && !begun.Before(f.rests) {
		var err error
		if f.Batch != "" {
			err = w.updateBatch(ctx, name, f)
		} else {
			err = w.updateDeclaration(ctx, name, f)
		}
		f.rests = w.now().Add(restShare * w.now().Sub(begun))
		if err != nil {
			return err
		}
	}
	for _, id := range f.among(moved) {
		if _, err := w.tellStatus(ctx, id); err != nil {
			return err
		}
	}
	if f.SettledAt != nil && w.now().Sub(*f.SettledAt) > settledTime {
		return w.forget(name)
	}
	return nil
}

// among lists the file's declarations among those of a set.
func (f *followed) among(set map[string]bool) (ids []string) {
	for id := range set {
		if f.declarations[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// forget stops following a file.
func (w *watcher) forget(name string) error {
	for id := range w.followed[name].declarations {
		delete(w.statuses, id)
	}
	delete(w.followed, name)
	return os.Remove(w.in(ownFolder, followedFolder, name+".json"))
}

func (w *watcher) updateDeclaration(ctx context.Context, name string, f *followed) error {
	status, err := w.tellStatus(ctx, f.Declaration)
	if err != nil {
		return err
	}
	result := struct {
		Declaration declare.Status `json:"declaration"`
	}{status}
	return w.tell(name, f, result, map[string]declare.Overall{status.ID: status.Status}, func() error { return nil })
}

// batchResult is what InBox tells of a batch.
type batchResult struct {
	Batch api.BatchView `json:"batch"`
	Rows  []api.RowView `json:"rows,omitempty"` // once it is over
}

func (w *watcher) updateBatch(ctx context.Context, name string, f *followed) error {
	b, p, err := w.client.batch(ctx, f.Batch)
	if p != nil {
		err = refusal{p}
	}
	if err != nil {
		return err
	}
	if !over(b) {
		return w.writeResult(name, batchResult{Batch: b})
	}
	rows, err := w.client.rows(ctx, f.Batch, "", atOnce)
	if err != nil {
		return err
	}
	if refusedWhole(b) {
		return w.refuseBatch(name, batchResult{b, rows})
	}
	return w.tellBatch(ctx, name, f, batchResult{b, rows})
}

// atOnce gives up: the next look comes soon.
func atOnce(err error) error { return err }

// refuseBatch moves a file that was taken, then read and refused as a whole.
func (w *watcher) refuseBatch(name string, result batchResult) error {
	w.log.Warn("refused", "file", name, "batch", result.Batch.ID)
	err := w.refuse(name, w.in(sentFolder, name), result, func(out io.Writer) {
		fmt.Fprintln(out, summary(result.Batch))
		printFaults(out, result.Batch.Errors)
		printRows(out, refusedOf(result.Rows))
	})
	if err != nil {
		return err
	}
	return w.forget(name)
}

func refusedOf(rows []api.RowView) []api.RowView {
	return slices.DeleteFunc(slices.Clone(rows), func(row api.RowView) bool { return row.Verdict != string(batch.Rejected) })
}

// tellBatch tells of a batch that is over: of each declaration once, and of
// the rows and the marked-up file whenever they changed.
func (w *watcher) tellBatch(ctx context.Context, name string, f *followed, result batchResult) error {
	statuses := map[string]declare.Overall{}
	for _, row := range result.Rows {
		if row.DeclarationID == "" {
			continue
		}
		if !f.Over {
			if _, err := w.tellStatus(ctx, row.DeclarationID); err != nil {
				return err
			}
		}
		statuses[row.DeclarationID] = declare.Overall(row.Status)
	}
	return w.tell(name, f, result, statuses, func() error { return w.saveMarked(ctx, name, f.Batch) })
}

// tell writes the result of a file that is over, when it differs from what
// was told last, after what goes with it; and notes how far this came.
func (w *watcher) tell(name string, f *followed, result any, statuses map[string]declare.Overall, before func() error) error {
	content, digest, err := encoded(result)
	if err != nil {
		return err
	}
	next := *f
	next.Over, next.Told, next.stale, next.declarations = true, digest, false, map[string]bool{}
	settled := true
	for id, status := range statuses {
		next.declarations[id] = true
		settled = settled && decided(status)
	}
	if !settled {
		next.SettledAt = nil
	} else if f.SettledAt == nil {
		now := w.now()
		next.SettledAt = &now
	}
	if digest != f.Told {
		if err := before(); err != nil {
			return err
		}
		if err := writeFile(w.in(inFolder, name+resultEnding), content); err != nil {
			return err
		}
	}
	noted := f.Over && digest == f.Told && (f.SettledAt == nil) == (next.SettledAt == nil)
	if *f = next; noted {
		return nil
	}
	return w.note(name, f)
}

// decided tells whether agencies will hardly say more.
func decided(status declare.Overall) bool {
	return status == declare.OverallClosed || status == declare.OverallRejected || status == declare.OverallCancelled
}

// tellStatus writes where a declaration stands, when that is news.
func (w *watcher) tellStatus(ctx context.Context, id string) (declare.Status, error) {
	status, p, err := w.client.status(ctx, id)
	if p != nil {
		err = refusal{p}
	}
	if err != nil {
		return status, err
	}
	content, digest, err := encoded(status)
	if err != nil || w.statuses[id] == digest {
		return status, err
	}
	err = writeFile(w.in(inFolder, safeName(status.Reference)+statusEnding), content)
	if err == nil {
		w.statuses[id] = digest
	}
	return status, err
}

// safeName makes of what the gateway says a name that stays in its folder.
func safeName(reference string) string {
	return strings.Map(func(char rune) rune {
		if char == '/' || char == '\\' || unicode.IsControl(char) {
			return '_'
		}
		return char
	}, reference)
}

// markedEndings are those of marked-up files, by media type.
var markedEndings = map[string]string{mediaTypes[".csv"]: ".marked.csv", mediaTypes[".xlsx"]: ".marked.xlsx"}

// saveMarked fetches the file with its wrong cells marked; of what is no table
// there is none.
func (w *watcher) saveMarked(ctx context.Context, name, id string) error {
	fetched := w.in(ownFolder, "marked")
	media, p, err := w.client.saveMarked(ctx, id, fetched)
	if p != nil && p.Status == http.StatusConflict {
		return nil
	}
	if p != nil {
		err = refusal{p}
	}
	if err != nil {
		return err
	}
	media, _, err = mime.ParseMediaType(media)
	if err != nil {
		return err
	}
	return os.Rename(fetched, w.in(inFolder, name+markedEndings[media]))
}

// writeResult writes what became of a file.
func (w *watcher) writeResult(name string, result any) error {
	content, _, err := encoded(result)
	if err == nil {
		err = writeFile(w.in(inFolder, name+resultEnding), content)
	}
	return err
}

func encoded(what any) (content []byte, digest string, err error) {
	var text bytes.Buffer
	err = printJSON(&text, what)
	sum := sha256.Sum256(text.Bytes())
	return text.Bytes(), hex.EncodeToString(sum[:]), err
}

func writeFile(name string, content []byte) error {
	return replaceFile(name, func(out io.Writer) error {
		_, err := out.Write(content)
		return err
	})
}
