package webhook

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// taken is a delivery under our lease.
type taken struct {
	tenant, endpoint, event string
	declaration             string
	epoch                   int64
	attempts                int
	firstAt                 time.Time
	leaseUntil              time.Time
	url                     string
	body                    []byte
	sealed                  [][]byte // the secrets that sign
}

// mostFailures in a row, and an endpoint is sent one delivery at a time, until
// one arrives.
const mostFailures = 3

// taking takes what is due and sends it, until ctx ends; sending is the context
// of the attempts.
func (w *Webhooks) taking(ctx, sending context.Context) {
	poll := time.NewTicker(w.timing.Poll)
	defer poll.Stop()
	var looked time.Time
	for ctx.Err() == nil {
		if now := w.now(); now.Sub(looked) >= w.timing.Poll {
			looked = now
			w.failed(ctx, "expired leases not found", w.releaseLapsed(ctx))
		}
		w.failed(ctx, "deliveries not taken", w.turn(ctx, sending))
		select {
		case <-ctx.Done():
		case <-w.due:
		case <-poll.C:
		}
	}
}

// releaseLapsed has deliveries sent again whose holder is gone.
func (w *Webhooks) releaseLapsed(ctx context.Context) error {
	return w.patient.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, statement("lapsed"), w.moment(), ReasonLapsed)
		return err
	})
}

// turn takes as many deliveries as there is room for, and starts them.
func (w *Webhooks) turn(ctx, sending context.Context) error {
	room, endpoints, places := w.room()
	if room <= 0 {
		return nil
	}
	now := w.moment()
	until := now.Add(w.timing.Attempt + w.timing.LeaseGrace)
	var deliveries []taken
	err := w.patient.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("take"), now, until, endpoints, places, room, w.timing.InFlight)
		if err != nil {
			return err
		}
		deliveries, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (taken, error) {
			t := taken{leaseUntil: until}
			return t, row.Scan(&t.tenant, &t.endpoint, &t.event, &t.declaration, &t.epoch, &t.attempts, &t.firstAt, &t.body, &t.url, &t.sealed)
		})
		return err
	})
	if err != nil { // rows may come before a COMMIT that fails: those are not ours
		return err
	}
	for _, t := range deliveries {
		w.start(sending, t)
	}
	return nil
}

// room tells how many deliveries may be started, and how many to the endpoints
// that are not quite free.
func (w *Webhooks) room() (room int, endpoints []string, places []int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tell := func(endpoint string) {
		most := w.timing.InFlight
		if w.failing[endpoint] >= mostFailures {
			most = 1
		}
		endpoints, places = append(endpoints, endpoint), append(places, int32(max(most-w.busy[endpoint], 0)))
	}
	for endpoint := range w.busy {
		tell(endpoint)
	}
	for endpoint := range w.failing {
		if w.busy[endpoint] == 0 {
			tell(endpoint)
		}
	}
	return w.timing.AllFlights - w.underWay, endpoints, places
}

// start makes one attempt, in a goroutine that Run waits for.
func (w *Webhooks) start(ctx context.Context, t taken) {
	w.mu.Lock()
	w.underWay++
	w.busy[t.endpoint]++
	w.mu.Unlock()
	w.sending.Go(func() {
		result := w.attempt(ctx, t)
		w.settle(ctx, t, result)
		w.leave(t.endpoint, result)
		hint(w.due)
	})
}

func (w *Webhooks) leave(endpoint string, result outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.underWay--
	if w.busy[endpoint]--; w.busy[endpoint] == 0 {
		delete(w.busy, endpoint)
	}
	switch {
	case result.delivered():
		delete(w.failing, endpoint)
	case result.reason != ReasonStopped:
		w.failing[endpoint]++
	}
}

// forgive sends to an endpoint as if it had never failed: it was changed.
func (w *Webhooks) forgive(endpoint string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.failing, endpoint)
}
