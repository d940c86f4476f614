package webhook

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
	"singlewindow/declare/event"
)

// page is how many events are read, and written as deliveries, at a time.
const page = 200

// open is an endpoint that is on, as far as its events are concerned.
type open struct {
	tenant, id string
	types      []string // empty: all
	cursor     string
}

// spreading writes deliveries of new events until ctx ends. What happened is
// learnt from the feed of everybody, and then each endpoint of the tenants
// concerned goes on from its own cursor; every endpoint is looked at first, and
// again from time to time.
func (w *Webhooks) spreading(ctx context.Context) {
	everybody := event.Filter{Scope: declare.SystemScope}
	subscription := w.events.Subscribe(everybody)
	defer subscription.Close()
	heard := subscription.News()
	poll, sweep := time.NewTicker(w.timing.Poll), time.NewTicker(w.timing.Sweep)
	defer poll.Stop()
	defer sweep.Stop()
	at, all := "", true
	for ctx.Err() == nil {
		err := w.learn(ctx, everybody, &at)
		if err == nil {
			err = w.spreadOwed(ctx, all)
		}
		all = all && err != nil
		w.failed(ctx, "events not handed on", err)
		again := poll.C
		if err == nil {
			again = nil // there is nothing left to try again
		}
		select {
		case <-ctx.Done():
		case _, more := <-heard:
			if !more {
				heard = nil // the stream has ended; so shall we
			}
		case <-w.news:
		case <-again:
		case <-sweep.C:
			all = true
		}
	}
}

// learn reads what happened behind a place in the feed of everybody, and notes
// to whom. The first time it only finds out where the feed ends.
func (w *Webhooks) learn(ctx context.Context, everybody event.Filter, at *string) error {
	if *at == "" {
		last, err := w.events.Last(ctx, everybody)
		*at = last
		return err
	}
	for {
		entries, next, err := w.events.After(ctx, everybody, *at, page)
		if errors.Is(err, event.ErrCursor) { // the database is an older one now
			*at = ""
			return nil
		}
		if err != nil {
			return err
		}
		*at = next
		w.mu.Lock()
		for _, entry := range entries {
			w.owed[entry.Tenant] = true
		}
		w.mu.Unlock()
		if len(entries) < page {
			return nil
		}
	}
}

// look has a tenant's endpoints looked at, by this gateway, soon.
func (w *Webhooks) look(tenant string) {
	w.mu.Lock()
	w.owed[tenant] = true
	w.mu.Unlock()
	hint(w.news)
}

// spreadOwed looks at the endpoints of the tenants noted, or at all.
func (w *Webhooks) spreadOwed(ctx context.Context, all bool) error {
	w.mu.Lock()
	owed := w.owed
	w.owed = map[string]bool{}
	w.mu.Unlock()
	if len(owed) == 0 && !all {
		return nil
	}
	var tenants []string // null: all
	for tenant := range owed {
		tenants = append(tenants, tenant)
	}
	if all {
		tenants = nil
	}
	endpoints, err := w.openEndpoints(ctx, tenants)
	for _, endpoint := range endpoints {
		err = errors.Join(err, w.spread(ctx, endpoint))
	}
	if err != nil { // try them again
		w.mu.Lock()
		for tenant := range owed {
			w.owed[tenant] = true
		}
		w.mu.Unlock()
	}
	return err
}

func (w *Webhooks) openEndpoints(ctx context.Context, tenants []string) (found []open, err error) {
	err = w.patient.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("open_endpoints"), tenants)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e open, err error) {
			return e, row.Scan(&e.tenant, &e.id, &e.types, &e.cursor)
		})
		return err
	})
	return found, err
}

// mostPages is how much of what stands behind one endpoint's cursor is written
// before the others have their turn.
const mostPages = 5

// spread writes the deliveries of what stands behind an endpoint's cursor. Where
// that is much, the endpoint is looked at again after the others.
func (w *Webhooks) spread(ctx context.Context, e open) error {
	filter := event.Filter{Scope: declare.TenantScope(e.tenant), Tenant: e.tenant}
	for range mostPages {
		entries, next, err := w.events.After(ctx, filter, e.cursor, page)
		if err != nil || len(entries) == 0 {
			return err
		}
		moved, err := w.write(ctx, e, entries, next)
		if err != nil || !moved {
			return err
		}
		hint(w.due)
		if e.cursor = next; len(entries) < page {
			return nil
		}
	}
	w.look(e.tenant)
	return nil
}

// write moves an endpoint's cursor over events and writes their deliveries, in
// one transaction; false when the cursor was somewhere else already.
func (w *Webhooks) write(ctx context.Context, e open, entries []event.Entry, next string) (moved bool, err error) {
	rows, err := w.rows(e, entries)
	if err != nil {
		return false, err
	}
	err = w.patient.Within(ctx, declare.TenantScope(e.tenant), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, statement("move_cursor"), e.tenant, e.id, e.cursor, next)
		if moved = tag.RowsAffected() > 0; err != nil || !moved || len(rows.ids) == 0 {
			return err
		}
		var batch pgx.Batch
		rows.queue(&batch, e.tenant, e.id, w.moment())
		return tx.SendBatch(ctx, &batch).Close()
	})
	return moved && err == nil, err
}

// columns are new deliveries, column by column for unnest.
type columns struct {
	ids, declarations, types []string
	numbers                  []int32
	at                       []time.Time
	bodies                   [][]byte
}

func (w *Webhooks) rows(e open, entries []event.Entry) (c columns, err error) {
	for _, entry := range entries {
		if len(e.types) > 0 && !slices.Contains(e.types, entry.Type) {
			continue
		}
		body, err := w.body(entry)
		if err != nil {
			return c, err
		}
		c.ids = append(c.ids, entry.ID)
		c.declarations = append(c.declarations, entry.DeclarationID)
		c.types = append(c.types, entry.Type)
		c.numbers = append(c.numbers, int32(entry.Number))
		c.at = append(c.at, entry.At)
		c.bodies = append(c.bodies, body)
	}
	return c, nil
}

// queue writes them and puts them in order; the caller holds the endpoint.
func (c columns) queue(batch *pgx.Batch, tenant, endpoint string, now time.Time) {
	batch.Queue(statement("insert_deliveries"), tenant, endpoint, now, c.ids, c.declarations, c.numbers, c.types, c.at, c.bodies)
	batch.Queue(statement("arrange"), tenant, endpoint, c.declarations)
}
