package declare

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// unmatchedPatience is how long a notice may wait for the message it answers
// before an officer is asked: an early one is matched within seconds.
const unmatchedPatience = time.Minute

// heard is a notice as it came, with what it means. Understanding is tried
// before the notice is stored, so that one write does; but what comes of it
// never decides whether the notice is kept.
type heard struct {
	id         string
	receivedAt time.Time
	agency     string
	source     string // answer: in the HTTP answer to a message; notice: later
	body       []byte
	unreadable string // why it could not be read, as a code
	reading    Reading
	sum        []byte // its digest, once it is about to be stored
}

// hear reads a notice and has it recorded.
func (g *Gateway) hear(ctx context.Context, agency Agency, body []byte, header func(name string) string) error {
	notice := &heard{
		id: g.ids.New("ntc"), receivedAt: g.now().UTC().Truncate(time.Millisecond),
		agency: agency.Profile().Name, source: "notice", body: body,
	}
	reading, err := agency.Read(body)
	var unreadable *Unreadable
	switch {
	case errors.As(err, &unreadable):
		notice.unreadable = unreadable.Code
	case err != nil:
		return err
	}
	notice.reading = reading
	notice.reading.Carried = agency.Profile().Carried(header)
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := point("hear.read"); err != nil {
		return err
	}
	if err := g.scribe.do(ctx, fact{notice: notice}); err != nil {
		return err
	}
	if err := point("hear.recorded"); err != nil {
		return err
	}
	if unreadable != nil {
		return unreadable
	}
	return nil
}

// digest tells notices apart: by their bytes and by the numbers that came
// beside them, because an answer may say nothing but its number; an answer also
// by its message, because it may not name it. One that could not be read is not
// the same as one that can, once the agency's folder is mended.
func (n *heard) digest() []byte {
	sum := sha256.New()
	sum.Write(n.body)
	for _, name := range slices.Sorted(maps.Keys(n.reading.Carried)) {
		sum.Write([]byte("\x00" + name + "=" + n.reading.Carried[name]))
	}
	if n.source == "answer" {
		sum.Write([]byte("\x00answers " + n.reading.MessageID))
	}
	if n.unreadable != "" {
		sum.Write([]byte("\x00unreadable"))
	}
	return sum.Sum(nil)
}

// store puts notices into the inbox and notes the declarations they belong to.
// Equal notices are stored once, in one order for every process, so that two
// that take in the same ones do not wait in a circle.
func (g *Gateway) store(ctx context.Context, tx pgx.Tx, notices []*heard, concerned news, now time.Time) error {
	var c noticeColumns
	byID := map[string]*heard{}
	for _, n := range notices {
		byID[n.id], n.sum = n, n.digest()
	}
	notices = slices.SortedFunc(slices.Values(notices), func(a, b *heard) int {
		return cmp.Or(strings.Compare(a.agency, b.agency), bytes.Compare(a.sum, b.sum))
	})
	for i, n := range notices {
		if i > 0 && n.agency == notices[i-1].agency && bytes.Equal(n.sum, notices[i-1].sum) {
			c.copies[len(c.copies)-1]++
			continue
		}
		if err := c.add(n); err != nil {
			return err
		}
	}
	rows, err := tx.Query(ctx, statement("insert_notices"), c.id, c.receivedAt, c.agency, c.source, c.digest, c.body, c.unreadable, c.message, c.numbers,
		c.issuedAt, c.version, c.rank, c.word, c.decision, c.reopens, c.remark, c.errors, c.opens, c.duties, c.documents, c.copies)
	if err != nil {
		return err
	}
	var id, state string
	var key declarationKey
	var changed changes
	_, err = pgx.ForEachRow(rows, []any{&id, &state, &key.tenant, &key.id}, func() error {
		switch state {
		case "applied":
			concerned.add(key, byID[id].agency)
		case "unmatched":
			g.unmatched.Store(true)
		case "unreadable":
			n := byID[id]
			changed.tasks = append(changed.tasks, task{"", id, "unreadable", n.agency, "", n.unreadable, now})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return changed.write(ctx, tx)
}

// noticeColumns gathers notices column by column for unnest.
type noticeColumns struct {
	id, agency, source, unreadable, message, numbers, word, decision, remark, errors, duties, documents []string
	receivedAt                                                                                          []time.Time
	issuedAt                                                                                            []*time.Time
	digest, body                                                                                        [][]byte
	version, rank, copies                                                                               []int32
	reopens, opens                                                                                      []bool
}

func (c *noticeColumns) add(n *heard) error {
	numbers := map[string]string{}
	maps.Copy(numbers, n.reading.Numbers)
	maps.Copy(numbers, n.reading.Carried)
	numbersText, err := json.Marshal(numbers)
	if err != nil {
		return err
	}
	complaints, err := listed(n.reading.Errors)
	if err != nil {
		return err
	}
	duties, err := listed(n.reading.Duties)
	if err != nil {
		return err
	}
	documents, err := listed(n.reading.Documents)
	if err != nil {
		return err
	}
	c.id = append(c.id, n.id)
	c.receivedAt = append(c.receivedAt, n.receivedAt)
	c.agency = append(c.agency, n.agency)
	c.source = append(c.source, n.source)
	c.digest = append(c.digest, n.sum)
	c.body = append(c.body, n.body)
	c.unreadable = append(c.unreadable, n.unreadable)
	c.message = append(c.message, n.reading.MessageID)
	c.numbers = append(c.numbers, string(numbersText))
	c.issuedAt = append(c.issuedAt, optional(n.reading.IssuedAt))
	c.version = append(c.version, int32(n.reading.Version))
	c.rank = append(c.rank, int32(n.reading.Rank))
	c.word = append(c.word, n.reading.Word)
	c.decision = append(c.decision, string(cmp.Or(n.reading.Decision, DecisionNone)))
	c.reopens = append(c.reopens, n.reading.Reopens)
	c.remark = append(c.remark, n.reading.Remark)
	c.errors = append(c.errors, complaints)
	c.opens = append(c.opens, n.reading.Opens)
	c.duties = append(c.duties, duties)
	c.documents = append(c.documents, documents)
	c.copies = append(c.copies, 1)
	return nil
}

// optional turns a zero time into NULL.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// A notice that nothing here answers is looked at often while it is fresh, and
// seldom later on: agencies may send any number that no message of ours asked
// for, and they are kept for ever.
const (
	strayFresh = 10 * time.Minute
	strayPage  = 1000 // that are looked at in one transaction
	strayPages = 10   // of old ones, in one turn
)

// A round goes through unmatched notices, page by page, and begins again after
// the last one.
type round struct {
	mu sync.Mutex
	at placed // the latest that was looked at
}

// rematchNotices gives fresh unmatched notices another try: the message or
// number they name may be known by now.
func (g *Gateway) rematchNotices(ctx context.Context, now time.Time) error {
	g.unmatched.Store(false)
	_, err := g.rematch(ctx, &g.fresh, now.Add(-strayFresh), now.Add(strayFresh), now)
	return err
}

// rematchOld does so with the others, for a number that became known late and
// for notices that came while no gateway could match them.
func (g *Gateway) rematchOld(ctx context.Context) error {
	now := g.now().UTC().Truncate(time.Millisecond)
	for range strayPages {
		again, err := g.rematch(ctx, &g.old, time.Time{}, now.Add(-strayFresh), now)
		if err != nil || again {
			return err
		}
	}
	return nil
}

// rematch looks at the next page of notices received from one time until
// another, gives those that match to their declarations and asks an officer
// about the others that waited long enough. The round is over when it gives
// true.
func (g *Gateway) rematch(ctx context.Context, r *round, from, until, now time.Time) (over bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.at.Before(from) {
		r.at = placed{at: from}
	}
	found, err := g.ledger.strays(ctx, g.agencyNames(), r.at, until)
	if err != nil {
		return false, err
	}
	r.at = placed{}
	if len(found) == strayPage {
		r.at = found[strayPage-1].placed
	}
	var matched, waiting []placed
	for _, s := range found {
		switch {
		case s.declaration.id != "":
			matched = append(matched, s.placed)
		case !s.told && s.at.Before(now.Add(-unmatchedPatience)):
			waiting = append(waiting, s.placed)
		}
	}
	return len(found) < strayPage, errors.Join(g.apply(ctx, matched), g.askAbout(ctx, waiting, now))
}

func (g *Gateway) apply(ctx context.Context, matched []placed) error {
	if len(matched) == 0 {
		return nil
	}
	if err := point("rematch.found"); err != nil {
		return err
	}
	return g.scribe.do(ctx, fact{apply: matched})
}

// askAbout asks an officer about notices that nothing here answers.
func (g *Gateway) askAbout(ctx context.Context, waiting []placed, now time.Time) error {
	if len(waiting) == 0 {
		return nil
	}
	var ids []string
	var times []time.Time
	for _, n := range waiting {
		ids, times = append(ids, n.id), append(times, n.at)
	}
	return g.ledger.exec(ctx, SystemScope, "open_unmatched_tasks", ids, times, now)
}

// rematchWaiting matches at once what came a moment too early.
func (g *Gateway) rematchWaiting(ctx context.Context) error {
	if !g.unmatched.Load() {
		return nil
	}
	return g.rematchNotices(ctx, g.now().UTC().Truncate(time.Millisecond))
}
