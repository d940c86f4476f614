package declare

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// unmatchedPatience is how long a notice may wait for the message it answers
// before an officer is asked: an early one is matched within seconds.
const unmatchedPatience = time.Minute

// leftoverAge is the age at which a stored but unread notice is taken to be
// left behind by a process that died.
const leftoverAge = 5 * time.Second

// keptNotice is a notice on disk, not yet understood.
type keptNotice struct {
	id         string
	receivedAt time.Time
	agency     string
	body       []byte
	copyOf     bool // set by the inbox: an equal notice was there before
}

func digestOf(body []byte) []byte {
	digest := sha256.Sum256(body)
	return digest[:]
}

// keepNotice stores a notice as it came.
func (g *Gateway) keepNotice(ctx context.Context, agency Agency, body []byte) (*keptNotice, error) {
	notice := &keptNotice{
		id: g.ids.New("ntc"), receivedAt: g.now().UTC().Truncate(time.Millisecond), agency: agency.Profile().Name, body: body,
	}
	return notice, g.inbox.do(ctx, notice)
}

// keepTogether stores a group of notices in one transaction.
func (g *Gateway) keepTogether(ctx context.Context, notices []*keptNotice) []error {
	outcome := make([]error, len(notices))
	err := g.keep(ctx, notices)
	if err == nil || len(notices) == 1 {
		for i := range outcome {
			outcome[i] = err
		}
		return outcome
	}
	for i := range notices {
		outcome[i] = g.keep(ctx, notices[i:i+1])
	}
	return outcome
}

func (g *Gateway) keep(ctx context.Context, notices []*keptNotice) error {
	var ids, agencies []string
	var times []time.Time
	var digests, bodies [][]byte
	first := map[string]*keptNotice{}
	// One order for every process: equal notices must not wait in a circle.
	inOrder := slices.SortedFunc(slices.Values(notices), func(a, b *keptNotice) int {
		return cmp.Or(strings.Compare(a.agency, b.agency), bytes.Compare(digestOf(a.body), digestOf(b.body)))
	})
	for _, n := range inOrder {
		digest := digestOf(n.body)
		n.copyOf = true
		if first[n.agency+string(digest)] != nil {
			continue // a copy within the group: PostgreSQL takes a key once per statement
		}
		first[n.agency+string(digest)] = n
		ids, agencies, times = append(ids, n.id), append(agencies, n.agency), append(times, n.receivedAt)
		digests, bodies = append(digests, digest), append(bodies, n.body)
	}
	return g.ledger.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("insert_notices"), ids, times, agencies, digests, bodies)
		if err != nil {
			return err
		}
		fresh, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, n := range notices {
			n.copyOf = !slices.Contains(fresh, n.id)
		}
		return err
	})
}

// understand reads a kept notice and has its meaning recorded. A failure to
// record is no failure to hear: the sweep will try again.
func (g *Gateway) understand(ctx context.Context, agency Agency, notice *keptNotice) error {
	reading, err := agency.Read(notice.body)
	var unreadable *Unreadable
	if errors.As(err, &unreadable) {
		if !notice.copyOf {
			if err := g.ledger.markUnreadable(ctx, notice, unreadable.Code); err != nil {
				g.log.Error("unreadable notice not marked", "notice", notice.id, "error", err)
			}
		}
		return unreadable
	}
	if err != nil {
		return err
	}
	if notice.copyOf {
		return nil
	}
	placed := &placedNotice{id: notice.id, receivedAt: notice.receivedAt, agency: notice.agency, reading: reading}
	if err := g.scribe.do(ctx, fact{notice: placed}); err != nil {
		g.log.Error("notice kept but not applied yet", "notice", notice.id, "error", err)
	}
	return nil
}

// readLeftover reads notices that a process stored before it died.
func (g *Gateway) readLeftover(ctx context.Context, now time.Time) error {
	notices, err := g.ledger.newNotices(ctx, g.agencyNames(), now.Add(-leftoverAge))
	if err != nil {
		return err
	}
	for _, notice := range notices {
		err := g.understand(ctx, g.couriers[notice.agency].agency, notice)
		var unreadable *Unreadable
		if err != nil && !errors.As(err, &unreadable) {
			return err
		}
	}
	return nil
}

// rematchNotices gives unmatched notices another try: the message or number
// they name may be known by now.
func (g *Gateway) rematchNotices(ctx context.Context, now time.Time) error {
	agencies, err := g.ledger.unmatchedAgencies(ctx, g.agencyNames(), now)
	if err != nil {
		return err
	}
	for _, agency := range agencies {
		if err := g.scribe.do(ctx, fact{rematch: agency}); err != nil {
			return err
		}
	}
	return nil
}
