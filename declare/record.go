package declare

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A fact is something that happened to a message or was heard from an agency
// and must be recorded: exactly one of its parts is set.
type fact struct {
	settlement *settlement
	notice     *heard
	apply      []placed // notices, unmatched before, whose declarations are known now
	lapse      *lapse   // to be told, and its declaration looked at again
}

// settlement is what one attempt to send a message came to.
type settlement struct {
	taken     taken
	delivery  Delivery
	reason    string
	nextAt    time.Time
	denials   int
	unburnt   bool // the attempt does not count: nothing left this machine
	firstSent *time.Time
	answer    *heard // the agency's HTTP answer, a notice like any other
	task      bool   // an officer must decide
	lost      bool   // set by record: the lease was no longer ours
}

type declarationKey struct{ tenant, id string }

// recordTogether records a group of facts in one transaction, and each alone
// when the group fails, so that one's trouble is nobody else's.
func (g *Gateway) recordTogether(ctx context.Context, facts []fact) []error {
	outcome := make([]error, len(facts))
	err := g.record(ctx, facts)
	if err == nil {
		return outcome
	}
	if errors.Is(err, ErrUnavailable) && !blocked(err) {
		return slices.Repeat([]error{err}, len(facts)) // alone none would fare better
	}
	for i := range facts {
		outcome[i] = g.recordAlone(ctx, facts[i])
	}
	return outcome
}

// record writes facts down and brings every declaration they concern up to
// date, in one transaction. Declarations are locked in one order before any of
// their rows change, so that events are numbered without gaps and nobody waits
// in a circle.
func (g *Gateway) record(ctx context.Context, facts []fact) error {
	now := g.now().UTC().Truncate(time.Millisecond)
	err := g.within(ctx, SystemScope, func(tx pgx.Tx) error {
		if err := point("record.begun"); err != nil {
			return err
		}
		concerned, err := g.takeIn(ctx, tx, facts, now)
		if err != nil {
			return fmt.Errorf("take in notices: %w", err)
		}
		for _, f := range facts {
			if f.settlement != nil {
				concerned.add(f.settlement.taken.declarationKey)
			}
			if f.lapse != nil {
				concerned.add(f.lapse.declarationKey)
			}
		}
		if len(concerned) == 0 {
			return nil
		}
		files, err := lockDeclarations(ctx, tx, slices.Collect(maps.Keys(concerned)))
		if err != nil {
			return fmt.Errorf("lock declarations: %w", err)
		}
		if err := point("record.locked"); err != nil {
			return err
		}
		var c changes
		if err := g.settle(ctx, tx, facts, files, &c, now); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		if err := g.tellLapses(&c, facts, files, now); err != nil {
			return fmt.Errorf("tell lapses: %w", err)
		}
		if err := point("record.settled"); err != nil {
			return err
		}
		if err := g.prove(ctx, tx, facts, files, &c, now); err != nil {
			return fmt.Errorf("prove: %w", err)
		}
		if err := point("record.proven"); err != nil {
			return err
		}
		if err := loadFiles(ctx, tx, files, concerned); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		for _, f := range files {
			if err := g.refold(&c, f, concerned[f.key], now); err != nil {
				return err
			}
		}
		if err := point("record.folded"); err != nil {
			return err
		}
		if err := c.write(ctx, tx); err != nil {
			return err
		}
		return point("record.written")
	})
	if err != nil {
		return err
	}
	return point("record.committed")
}

// news names the declarations that facts concern and, for each, the agencies
// whose notices changed.
type news map[declarationKey][]string

func (n news) add(key declarationKey, agencies ...string) {
	n[key] = slices.Clip(n[key]) // known, even without news of any agency
	for _, agency := range agencies {
		if !slices.Contains(n[key], agency) {
			n[key] = append(n[key], agency)
		}
	}
}

// takeIn stores the notices among the facts and gives the declarations they
// concern, with those of notices that can be matched now.
func (g *Gateway) takeIn(ctx context.Context, tx pgx.Tx, facts []fact, now time.Time) (news, error) {
	var notices []*heard
	var matched []placed
	for _, f := range facts {
		switch {
		case f.notice != nil:
			notices = append(notices, f.notice)
		case f.settlement != nil && f.settlement.answer != nil:
			notices = append(notices, f.settlement.answer)
		case f.apply != nil:
			matched = append(matched, f.apply...)
		}
	}
	concerned := news{}
	if len(notices) > 0 {
		if err := g.store(ctx, tx, notices, concerned, now); err != nil {
			return nil, err
		}
	}
	if err := point("record.stored"); err != nil {
		return nil, err
	}
	if err := applyNotices(ctx, tx, matched, concerned, now); err != nil {
		return nil, err
	}
	return concerned, point("record.applied")
}

// placed is a notice, unmatched before, with the declaration it belongs to.
type placed struct {
	id, agency  string
	at          time.Time
	declaration declarationKey
}

// applyNotices gives notices to their declarations, and closes the tasks of
// officers who were asked about them.
func applyNotices(ctx context.Context, tx pgx.Tx, notices []placed, concerned news, now time.Time) error {
	if len(notices) == 0 {
		return nil
	}
	var ids, tenants, declarations []string
	var times []time.Time
	for _, n := range notices {
		ids, times = append(ids, n.id), append(times, n.at)
		tenants, declarations = append(tenants, n.declaration.tenant), append(declarations, n.declaration.id)
		concerned.add(n.declaration, n.agency)
	}
	if _, err := tx.Exec(ctx, statement("apply_notices"), ids, times, tenants, declarations); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, statement("close_matched_tasks"), now, ids)
	return err
}

// holding is a message as one taking of it: an old attempt may be recorded beside
// a new one.
type holding struct {
	message string
	epoch   int64
}

// settle writes what attempts came to, where their lease is still ours.
func (g *Gateway) settle(ctx context.Context, tx pgx.Tx, facts []fact, files map[declarationKey]*file, c *changes, now time.Time) error {
	var s settleColumns
	mine := map[holding]*settlement{}
	for _, f := range facts {
		if f.settlement != nil {
			s.add(f.settlement)
			mine[holding{f.settlement.taken.id, f.settlement.taken.epoch}] = f.settlement
			f.settlement.lost = true
		}
	}
	if len(mine) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, statement("settle_messages"), s.tenant, s.id, s.epoch, s.delivery, s.nextAt, s.reason, s.denials, s.unburnt, s.firstSent, now)
	if err != nil {
		return err
	}
	var settled []*settlement
	var held holding
	var delivery Delivery
	_, err = pgx.ForEachRow(rows, []any{&held.message, &held.epoch, &delivery}, func() error {
		s := mine[held]
		settled = append(settled, s)
		s.lost = false
		if delivery != s.delivery { // our own code failed on it too often
			s.delivery, s.task = delivery, true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range settled {
		if err := g.tellDelivery(c, s, files[s.taken.declarationKey], now); err != nil {
			return err
		}
	}
	return nil
}

// tellDelivery tells of a change in delivery: an event, and an officer's task
// when nothing here can move the message on. Another try is no news unless it
// was the last.
func (g *Gateway) tellDelivery(c *changes, s *settlement, f *file, now time.Time) error {
	if s.task {
		kind := "unsure"
		if s.delivery == DeliverySetAside {
			kind = "setAside"
		}
		c.tasks = append(c.tasks, task{s.taken.tenant, s.taken.id, kind, s.taken.agency, s.taken.declarationKey.id, s.reason, now})
	}
	if s.delivery == DeliveryQueued || s.delivery == DeliveryUnsure && s.taken.asked && !s.task || f == nil {
		return nil
	}
	return g.tell(c, f, "message."+string(s.delivery), s.taken.agency, now, map[string]any{
		"messageId": s.taken.id, "attempts": s.taken.attempts, "reason": s.reason})
}

// tellLapses tells of messages that became unsure because nobody settled them
// in time.
func (g *Gateway) tellLapses(c *changes, facts []fact, files map[declarationKey]*file, now time.Time) error {
	for _, fact := range facts {
		m := fact.lapse
		if m == nil || !m.first || files[m.declarationKey] == nil {
			continue
		}
		if err := g.tell(c, files[m.declarationKey], "message."+string(DeliveryUnsure), m.agency, now, map[string]any{
			"messageId": m.message, "attempts": m.attempts, "reason": ReasonLeaseExpired}); err != nil {
			return err
		}
	}
	return nil
}

// settleColumns gathers settlements column by column for unnest.
type settleColumns struct {
	tenant, id, delivery, reason []string
	epoch                        []int64
	nextAt                       []time.Time
	denials                      []int32
	unburnt                      []bool
	firstSent                    []*time.Time
}

func (c *settleColumns) add(s *settlement) {
	c.tenant = append(c.tenant, s.taken.tenant)
	c.id = append(c.id, s.taken.id)
	c.delivery = append(c.delivery, string(s.delivery))
	c.reason = append(c.reason, s.reason)
	c.epoch = append(c.epoch, s.taken.epoch)
	c.nextAt = append(c.nextAt, s.nextAt)
	c.denials = append(c.denials, int32(s.denials))
	c.unburnt = append(c.unburnt, s.unburnt)
	c.firstSent = append(c.firstSent, s.firstSent)
}

// lockDeclarations locks the rows of declarations and reads where they stand.
func lockDeclarations(ctx context.Context, tx pgx.Tx, keys []declarationKey) (map[declarationKey]*file, error) {
	slices.SortFunc(keys, func(a, b declarationKey) int {
		return strings.Compare(a.tenant+"\x00"+a.id, b.tenant+"\x00"+b.id)
	})
	tenants, ids := splitKeys(keys)
	rows, err := tx.Query(ctx, statement("lock_declarations"), tenants, ids)
	if err != nil {
		return nil, err
	}
	files := map[declarationKey]*file{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		f := &file{notices: map[string][]heardNotice{}}
		err := row.Scan(&f.key.tenant, &f.key.id, &f.status.Status, &f.status.WaitingFor.Who, &f.status.WaitingFor.Agency,
			&f.status.WaitingFor.Why, &f.status.WaitingFor.Since, &f.status.ReceivedAt, &f.eventCount)
		f.eventsBefore = f.eventCount
		files[f.key] = f
		return struct{}{}, err
	})
	return files, err
}

func splitKeys(keys []declarationKey) (tenants, ids []string) {
	for _, key := range keys {
		tenants = append(tenants, key.tenant)
		ids = append(ids, key.id)
	}
	return tenants, ids
}
