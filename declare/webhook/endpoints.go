package webhook

import (
	"context"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
	"singlewindow/declare/event"
)

// State is whether an endpoint is sent to.
type State string

// The states of an endpoint. Only one that is on is sent to; the events of the
// others wait. Parked: nothing arrived for as long as the schedule goes. Gone:
// it answered 410.
const (
	On     State = "on"
	Paused State = "paused"
	Parked State = "parked"
	Gone   State = "gone"

	deleted State = "deleted"
)

// longestDescription bounds it, in characters.
const longestDescription = 200

// Endpoint is where a tenant wants webhooks sent.
type Endpoint struct {
	ID, URL, Description string
	EventTypes           []string // empty: all
	State                State
	Since, CreatedAt     time.Time
	DeliveredAt          *time.Time // when a delivery last arrived
	Secrets              []Secret   // those that sign, the newest first
}

// Secret says since when a signing secret holds, and until when if it is to
// end.
type Secret struct {
	CreatedAt time.Time
	ExpiresAt *time.Time
}

// Wanted is a change of an endpoint: what is nil stays.
type Wanted struct {
	URL, Description *string
	EventTypes       *[]string
	State            *State // On or Paused
}

// Made is an endpoint with its newest secret, which is told here and never
// again, but to who asks again under the same key.
type Made struct {
	Endpoint Endpoint
	Secret   string
}

// Create makes an endpoint for what happens from now on. The error is a
// [*Refused], [ErrTooMany] or [declare.ErrKeyReused].
func (w *Webhooks) Create(ctx context.Context, asked Asked, wanted Wanted) (made Made, replayed bool, err error) {
	if wanted.URL == nil {
		wanted.URL = new(string)
	}
	if faults := w.faults(wanted); len(faults) > 0 {
		return made, false, &Refused{faults}
	}
	cursor, err := w.events.Last(ctx, event.Filter{Scope: declare.TenantScope(asked.Tenant), Tenant: asked.Tenant})
	if err != nil {
		return made, false, err
	}
	return once(ctx, w, asked, func(tx pgx.Tx) (made Made, err error) {
		id, now := w.ids.New("whk"), w.moment()
		tag, err := tx.Exec(ctx, statement("insert_endpoint"), asked.Tenant, id, *wanted.URL, valueOf(wanted.Description),
			append([]string{}, valueOf(wanted.EventTypes)...), stateOf(wanted.State), now, cursor, MostEndpoints)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrTooMany
		}
		if err != nil {
			return made, err
		}
		return w.withNewSecret(ctx, tx, asked.Tenant, id, now)
	})
}

func valueOf[T any](of *T) (value T) {
	if of != nil {
		value = *of
	}
	return value
}

func stateOf(wanted *State) State {
	if wanted == nil {
		return On
	}
	return *wanted
}

// withNewSecret gives an endpoint a secret; the one before it signs on for a
// while, any older ones end.
func (w *Webhooks) withNewSecret(ctx context.Context, tx pgx.Tx, tenant, id string, now time.Time) (made Made, err error) {
	if made.Secret, err = w.vault.make(); err != nil {
		return made, err
	}
	sealed, err := w.vault.seal([]byte(made.Secret), tenant, id)
	if err != nil {
		return made, err
	}
	var batch pgx.Batch
	batch.Queue(statement("expire_secrets"), tenant, id, now, now.Add(w.timing.Overlap))
	batch.Queue(statement("insert_secret"), tenant, id, sealed, now)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return made, err
	}
	made.Endpoint, err = w.read(ctx, tx, tenant, id)
	return made, err
}

// Rotate gives an endpoint a new secret, the error is [declare.ErrMissing] or
// [declare.ErrKeyReused]. Until the older one ends, both sign.
func (w *Webhooks) Rotate(ctx context.Context, asked Asked, id string) (Made, bool, error) {
	return once(ctx, w, asked, func(tx pgx.Tx) (Made, error) {
		if _, err := lock(ctx, tx, asked.Tenant, id); err != nil {
			return Made{}, err
		}
		return w.withNewSecret(ctx, tx, asked.Tenant, id, w.moment())
	})
}

// List gives a tenant's endpoints, the oldest first.
func (w *Webhooks) List(ctx context.Context, tenant string) (found []Endpoint, err error) {
	err = w.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		found, err = w.readAll(ctx, tx, tenant, "")
		return err
	})
	return found, err
}

// Get gives an endpoint; [declare.ErrMissing] when the tenant has no such one.
func (w *Webhooks) Get(ctx context.Context, tenant, id string) (found Endpoint, err error) {
	err = w.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		found, err = w.read(ctx, tx, tenant, id)
		return err
	})
	return found, err
}

// Change changes an endpoint. The error is [declare.ErrMissing] or a
// [*Refused].
func (w *Webhooks) Change(ctx context.Context, tenant, id string, wanted Wanted) (changed Endpoint, err error) {
	faults := w.faults(wanted)
	err = w.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		if _, err := lock(ctx, tx, tenant, id); err != nil {
			return err
		}
		if len(faults) > 0 {
			return &Refused{faults}
		}
		var types []string
		if wanted.EventTypes != nil {
			types = append([]string{}, *wanted.EventTypes...)
		}
		if _, err := tx.Exec(ctx, statement("change_endpoint"), tenant, id, wanted.URL, wanted.Description, types, wanted.State, w.moment()); err != nil {
			return err
		}
		changed, err = w.read(ctx, tx, tenant, id)
		return err
	})
	if err == nil {
		w.look(tenant)
		w.forgive(id)
		hint(w.due)
	}
	return changed, err
}

// Delete ends an endpoint for good: its secrets end, and what was not sent to
// it is parked. The error is [declare.ErrMissing].
func (w *Webhooks) Delete(ctx context.Context, tenant, id string) error {
	return w.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		if _, err := lock(ctx, tx, tenant, id); err != nil {
			return err
		}
		now := w.moment()
		var batch pgx.Batch
		batch.Queue(statement("change_endpoint"), tenant, id, nil, nil, nil, deleted, now)
		batch.Queue(statement("expire_secrets"), tenant, id, now, now)
		batch.Queue(statement("park_deliveries"), tenant, id, ReasonDeleted, now)
		return tx.SendBatch(ctx, &batch).Close()
	})
}

// lock holds an endpoint until the transaction ends, and gives its state.
func lock(ctx context.Context, tx pgx.Tx, tenant, id string) (state State, err error) {
	return state, missing(tx.QueryRow(ctx, statement("lock_endpoint"), tenant, id).Scan(&state))
}

func (w *Webhooks) read(ctx context.Context, tx pgx.Tx, tenant, id string) (Endpoint, error) {
	found, err := w.readAll(ctx, tx, tenant, id)
	if err == nil && len(found) == 0 {
		err = declare.ErrMissing
	}
	if err != nil {
		return Endpoint{}, err
	}
	return found[0], nil
}

func (w *Webhooks) readAll(ctx context.Context, tx pgx.Tx, tenant, id string) ([]Endpoint, error) {
	rows, err := tx.Query(ctx, statement("endpoints"), tenant, id, w.moment())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Endpoint, err error) {
		var created []time.Time
		var expires []*time.Time
		err = row.Scan(&e.ID, &e.URL, &e.Description, &e.EventTypes, &e.State, &e.Since, &e.CreatedAt, &e.DeliveredAt, &created, &expires)
		e.Since, e.CreatedAt, e.DeliveredAt = e.Since.UTC(), e.CreatedAt.UTC(), inUTC(e.DeliveredAt)
		for i := range created {
			e.Secrets = append(e.Secrets, Secret{created[i].UTC(), inUTC(expires[i])})
		}
		return e, err
	})
}

func inUTC(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	utc := at.UTC()
	return &utc
}

// CodeRefused is the code of every fault in what is wanted of an endpoint.
const CodeRefused = "webhook.refused"

// faults says what is wrong with what somebody wants.
func (w *Webhooks) faults(wanted Wanted) (faults []declare.Fault) {
	refuse := func(pointer string, text declare.Text) {
		faults = append(faults, declare.Fault{Code: CodeRefused, Pointer: pointer, Text: text})
	}
	if wanted.URL != nil {
		if text := w.guard.check(*wanted.URL); text != nil {
			refuse("/url", *text)
		}
	}
	if wanted.Description != nil && !isDescription(*wanted.Description) {
		refuse("/description", declare.Text{English: "At most 200 printable characters.", Chinese: "最多 200 个可打印字符。"})
	}
	if wanted.EventTypes != nil {
		for i, name := range *wanted.EventTypes {
			if !slices.ContainsFunc(event.Types, func(known event.Type) bool { return known.Name == name }) {
				refuse("/eventTypes/"+strconv.Itoa(i), declare.Text{English: "There are no events of this type.", Chinese: "没有该类型的事件。"})
			}
		}
	}
	if wanted.State != nil && *wanted.State != On && *wanted.State != Paused {
		refuse("/state", declare.Text{English: "It can be set to on or paused.", Chinese: "只能设为 on 或 paused。"})
	}
	return faults
}

func isDescription(text string) bool {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > longestDescription {
		return false
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
