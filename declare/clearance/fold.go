package clearance

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// sliceEvents is how many new events one transaction looks at.
const sliceEvents = 1000

// A cursor is a place in the order of all events: no event before it is news.
type cursor struct {
	xid      string // PostgreSQL's xid8
	position int64
}

type key struct{ tenant, id string }

// subject is a declaration with news.
type subject struct {
	key
	received time.Time
	agencies []string
	events   []declare.Event
}

// fold takes in the next slice of events and tells whether there may be more.
// Everything about a slice is written in one transaction with the cursor, so
// that a crash leaves it done or not begun; done twice it changes nothing. What
// is written comes last and at once: a transaction that has written holds up
// whoever reads events in order.
func (c *Clearance) fold(ctx context.Context) (more bool, err error) {
	err = c.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, statement("take_turn")).Scan(&mine); err != nil || !mine {
			return err
		}
		var at cursor
		if err := tx.QueryRow(ctx, statement("cursor")).Scan(&at.xid, &at.position); err != nil {
			return err
		}
		subjects, next, seen, err := news(ctx, tx, at)
		if err != nil || len(subjects) == 0 {
			return err
		}
		more = seen == sliceEvents
		if err := readEvents(ctx, tx, subjects); err != nil {
			return err
		}
		var spans columns
		for _, s := range subjects {
			if err := spans.add(s); err != nil {
				return err
			}
		}
		return spans.keep(ctx, tx, next)
	})
	return more && err == nil, err
}

// news gives the declarations that the next events are about, where those end
// and how many they are.
func news(ctx context.Context, tx pgx.Tx, at cursor) (subjects []*subject, next cursor, seen int, err error) {
	rows, err := tx.Query(ctx, statement("news"), at.xid, at.position, sliceEvents)
	if err != nil {
		return nil, at, 0, err
	}
	subjects, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*subject, error) {
		s := &subject{}
		return s, row.Scan(&s.tenant, &s.id, &s.received, &s.agencies, &next.xid, &next.position, &seen)
	})
	return subjects, next, seen, err
}

// readEvents reads all that happened to declarations, not only the news.
func readEvents(ctx context.Context, tx pgx.Tx, subjects []*subject) error {
	of := map[key]*subject{}
	var tenants, ids []string
	for _, s := range subjects {
		of[s.key] = s
		tenants, ids = append(tenants, s.tenant), append(ids, s.id)
	}
	rows, err := tx.Query(ctx, statement("events"), tenants, ids)
	if err != nil {
		return err
	}
	var k key
	var event declare.Event
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &event.ID, &event.Type, &event.Agency, &event.At, &event.Data}, func() error {
		of[k].events = append(of[k].events, event)
		event.Data = nil // the next row's bytes are others
		return nil
	})
	return err
}

// columns gathers spans column by column for unnest.
type columns struct {
	tenant, id, agency, stage, who []string
	from, to                       []time.Time
	milliseconds                   []int64
}

// add takes in what is known of a declaration: the stages that are over, and
// from acceptance to release.
func (c *columns) add(s *subject) error {
	tracks, err := follow(s.received, s.events, s.agencies)
	if err != nil {
		return fmt.Errorf("declaration %s: %w", s.id, err)
	}
	for _, t := range tracks {
		for _, span := range t.spans {
			if span.Who != WhoNobody {
				c.span(s.key, t.name, span.Stage, span.Who, span.From, span.To)
			}
		}
		if !t.released.IsZero() {
			c.span(s.key, t.name, StageTotal, "", s.received.UTC().Truncate(time.Millisecond), t.released)
		}
	}
	return nil
}

func (c *columns) span(of key, agency, stage, who string, from, to time.Time) {
	c.tenant = append(c.tenant, of.tenant)
	c.id = append(c.id, of.id)
	c.agency = append(c.agency, agency)
	c.stage = append(c.stage, stage)
	c.who = append(c.who, who)
	c.from = append(c.from, from)
	c.to = append(c.to, to)
	c.milliseconds = append(c.milliseconds, to.Sub(from).Milliseconds())
}

func (c *columns) keep(ctx context.Context, tx pgx.Tx, next cursor) error {
	var batch pgx.Batch
	batch.Queue(statement("keep_spans"), c.tenant, c.id, c.agency, c.stage, c.who, c.from, c.to, c.milliseconds)
	batch.Queue(statement("move_cursor"), next.xid, next.position)
	return tx.SendBatch(ctx, &batch).Close()
}
