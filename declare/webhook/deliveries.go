package webhook

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"singlewindow/declare"
	"singlewindow/declare/event"
)

// DeliveryStates are the states of a delivery. Waiting: an earlier event of the
// same declaration goes first. Parked: given up, but never deleted.
var DeliveryStates = []string{"waiting", "pending", "sending", "delivered", "parked"}

// TestType is the type of test events.
const TestType = "webhook.test"

// MostResent is how many deliveries one call sends again.
const MostResent = 5000

// Delivery is one event to one endpoint.
type Delivery struct {
	EventID, DeclarationID string // no declaration: a test event
	Number                 int
	Type                   string
	EventAt, CreatedAt     time.Time
	State                  string
	Attempts               int        // of this round
	NextAt                 *time.Time // while it is pending
	TriedAt                *time.Time
	Status                 int // of the last attempt; 0: there was no answer
	Reason                 string
	Took                   time.Duration
}

// Deliveries gives a page of an endpoint's deliveries, the latest event first:
// those in a state, unless that is "", behind the one of an event, unless that
// is "". The error is [declare.ErrMissing].
func (w *Webhooks) Deliveries(ctx context.Context, tenant, id, state, after string, limit int) (found []Delivery, err error) {
	name := "deliveries"
	if state != "" && state != "delivered" {
		name = "deliveries_left"
	}
	err = w.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		if _, err := w.read(ctx, tx, tenant, id); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, statement(name), tenant, id, after, state, limit)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, readDelivery)
		return err
	})
	return found, err
}

func readDelivery(row pgx.CollectableRow) (d Delivery, err error) {
	var next time.Time
	var milliseconds int64
	err = row.Scan(&d.EventID, &d.DeclarationID, &d.Number, &d.Type, &d.EventAt, &d.CreatedAt, &d.State, &d.Attempts, &next, &d.TriedAt, &d.Status, &d.Reason, &milliseconds)
	d.EventAt, d.CreatedAt, d.TriedAt = d.EventAt.UTC(), d.CreatedAt.UTC(), inUTC(d.TriedAt)
	d.Took = time.Duration(milliseconds) * time.Millisecond
	if d.State == "pending" {
		d.NextAt = inUTC(&next)
	}
	if d.DeclarationID == d.EventID {
		d.DeclarationID = ""
	}
	return d, err
}

// one reads a delivery; [declare.ErrMissing] when there is none.
func one(ctx context.Context, tx pgx.Tx, tenant, id, eventID string) (Delivery, error) {
	rows, err := tx.Query(ctx, statement("delivery"), tenant, id, eventID)
	if err != nil {
		return Delivery{}, err
	}
	found, err := pgx.CollectExactlyOneRow(rows, readDelivery)
	return found, missing(err)
}

// Test sends an endpoint an event that stands in no feed. The error is
// [declare.ErrMissing], [ErrOff] or [declare.ErrKeyReused].
func (w *Webhooks) Test(ctx context.Context, asked Asked, id string) (Delivery, bool, error) {
	found, replayed, err := once(ctx, w, asked, func(tx pgx.Tx) (d Delivery, err error) {
		state, err := lock(ctx, tx, asked.Tenant, id)
		if err != nil {
			return d, err
		}
		if state != On {
			return d, ErrOff
		}
		now := w.moment()
		entry := event.Entry{Tenant: asked.Tenant, Event: declare.Event{ID: w.ids.New("evt"), Type: TestType, At: now, Data: json.RawMessage("{}")}}
		c, err := w.rows(open{}, []event.Entry{entry})
		if err != nil {
			return d, err
		}
		c.declarations = []string{entry.ID} // so that it waits for nothing
		var batch pgx.Batch
		c.queue(&batch, asked.Tenant, id, now)
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return d, err
		}
		return one(ctx, tx, asked.Tenant, id, entry.ID)
	})
	hint(w.due)
	return found, replayed, err
}

// Resend sends a delivery again, in its declaration's order; one that is not
// over goes now. The error is [declare.ErrMissing].
func (w *Webhooks) Resend(ctx context.Context, tenant, id, eventID string) (d Delivery, err error) {
	err = w.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		if _, err := lock(ctx, tx, tenant, id); err != nil {
			return err
		}
		var declaration string
		if err := tx.QueryRow(ctx, statement("resend"), tenant, id, eventID, w.moment()).Scan(&declaration); err != nil {
			return missing(err)
		}
		if _, err := tx.Exec(ctx, statement("arrange"), tenant, id, []string{declaration}); err != nil {
			return err
		}
		d, err = one(ctx, tx, tenant, id, eventID)
		return err
	})
	hint(w.due)
	return d, err
}

// ResendRange sends again what is over of the events from one moment to before
// another, the oldest first and at most [MostResent]. Next is where to go on
// from, zero when that was all: what happened in that very millisecond may then
// be sent once more. The error is [declare.ErrMissing].
func (w *Webhooks) ResendRange(ctx context.Context, tenant, id string, from, to time.Time) (resent int, next time.Time, err error) {
	err = w.patient.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		if _, err := lock(ctx, tx, tenant, id); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, statement("resend_range"), tenant, id, from, to, w.moment(), MostResent)
		if err != nil {
			return err
		}
		var declarations []string
		var declaration string
		var at time.Time
		_, err = pgx.ForEachRow(rows, []any{&declaration, &at}, func() error {
			resent++
			declarations = append(declarations, declaration)
			if at.After(next) {
				next = at.UTC()
			}
			return nil
		})
		if err != nil || resent == 0 {
			return err
		}
		slices.Sort(declarations)
		_, err = tx.Exec(ctx, statement("arrange"), tenant, id, slices.Compact(declarations))
		return err
	})
	if err != nil {
		return 0, time.Time{}, err
	}
	if resent < MostResent {
		next = time.Time{}
	}
	hint(w.due)
	return resent, next, nil
}

// wrote notes whether a statement of a batch wrote a row.
func wrote(rows *bool) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		*rows = tag.RowsAffected() > 0
		return nil
	}
}

func nothing(pgconn.CommandTag) error { return nil }
