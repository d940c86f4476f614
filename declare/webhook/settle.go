package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// mostRecording attempts are written down at once: the connections are the
// gateway's, and declarations come first.
const mostRecording = 4

// settle writes down how an attempt went, and tries again while the database is
// away, the lease holds and nobody stops. What is not written down is sent
// again.
func (w *Webhooks) settle(sending context.Context, t taken, result outcome) {
	w.recording <- struct{}{}
	defer func() { <-w.recording }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(sending), max(t.leaseUntil.Sub(w.now()), time.Second))
	defer cancel()
	for {
		err := w.record(ctx, t, result)
		if err == nil {
			return
		}
		if !errors.Is(err, declare.ErrUnavailable) {
			w.log.Error("webhooks: attempt not recorded", "endpoint", t.endpoint, "event", t.event, "error", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-sending.Done():
			return
		case <-time.After(w.timing.Poll):
		}
	}
}

// verdict is what becomes of a delivery.
type verdict struct {
	state   string
	reason  string
	nextAt  time.Time
	unburnt int // attempts that do not count
}

// judge says what becomes of a delivery after an attempt.
func (w *Webhooks) judge(t taken, result outcome, now time.Time) verdict {
	switch result.reason {
	case "":
		return verdict{"delivered", "", now, 0}
	case ReasonGone:
		return verdict{"parked", ReasonGone, now, 0}
	case ReasonStopped:
		return verdict{"pending", ReasonStopped, now, 1}
	}
	pause, again := w.timing.pause(t.attempts, t.event, result.wish)
	if !again {
		return verdict{"parked", result.reason, now, 0}
	}
	return verdict{"pending", result.reason, now.Add(pause), 0}
}

// record settles a delivery, lets the next of its declaration go when it is
// over, and keeps the endpoint's state.
func (w *Webhooks) record(ctx context.Context, t taken, result outcome) error {
	now := w.moment()
	v := w.judge(t, result, now)
	var ours, parked bool
	err := w.patient.Within(ctx, declare.TenantScope(t.tenant), func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(statement("lock_endpoint"), t.tenant, t.endpoint).Exec(nothing)
		batch.Queue(statement("settle"), t.tenant, t.endpoint, t.event, t.epoch, v.state, v.nextAt, v.unburnt, result.status, v.reason, result.took.Milliseconds(), now).Exec(wrote(&ours))
		batch.Queue(statement("arrange"), t.tenant, t.endpoint, []string{t.declaration})
		switch {
		case v.state == "delivered":
			batch.Queue(statement("endpoint_reached"), t.tenant, t.endpoint, now)
		case result.reason == ReasonGone:
			batch.Queue(statement("endpoint_gone"), t.tenant, t.endpoint, now).Exec(wrote(&parked))
			batch.Queue(statement("park_deliveries"), t.tenant, t.endpoint, ReasonGone, now)
		case v.state == "parked":
			batch.Queue(statement("park_endpoint"), t.tenant, t.endpoint, t.firstAt, now).Exec(wrote(&parked))
		}
		if v.state != "delivered" {
			batch.Queue(statement("park_deleted"), t.tenant, t.endpoint, ReasonDeleted, now)
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return err
	}
	if !ours {
		w.log.Warn("webhooks: lease lost before the attempt was recorded", "endpoint", t.endpoint, "event", t.event)
	}
	if parked {
		w.log.Warn("webhooks: endpoint is not sent to any more", "tenant", t.tenant, "endpoint", t.endpoint, "reason", v.reason)
	}
	return nil
}
