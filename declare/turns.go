package declare

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrKeyInFlight says that an equal submission, of the same tenant under the
// same key, was still under way when the wait for it was over.
var ErrKeyInFlight = errors.New("declare: a submission under this idempotency key is under way")

// keyPatience is how long a submission waits for an equal one: by then the
// other has its answer, unless something hangs.
const keyPatience = 5 * time.Second

// turns lets equal submissions of this process through one after the other:
// the second finds what the first left, and nothing is checked for nothing.
type turns struct {
	mu    sync.Mutex
	under map[keyOfTenant]chan struct{} // closed when the turn is over
}

type keyOfTenant struct{ tenant, key string }

// take waits for the turn of a key; over ends it. The error is
// [ErrKeyInFlight], or that of a caller who went away.
func (t *turns) take(ctx context.Context, key keyOfTenant) (over func(), err error) {
	tooLong := time.NewTimer(keyPatience)
	defer tooLong.Stop()
	for {
		mine := make(chan struct{})
		before := t.claim(key, mine)
		if before == nil {
			return func() { t.end(key, mine) }, nil
		}
		select {
		case <-before:
		case <-tooLong.C:
			return nil, ErrKeyInFlight
		case <-ctx.Done():
			return nil, late(ctx)
		}
	}
}

// claim makes the turn mine, or gives the one that is to be waited for.
func (t *turns) claim(key keyOfTenant, mine chan struct{}) (before chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before = t.under[key]; before == nil {
		if t.under == nil {
			t.under = map[keyOfTenant]chan struct{}{}
		}
		t.under[key] = mine
	}
	return before
}

func (t *turns) end(key keyOfTenant, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.under, key)
	close(mine)
}

// keyGlance is how long one look at a key waits for whoever holds it: short
// enough that a database that does not answer is told within two seconds.
const keyGlance = 200 * time.Millisecond

// waitForKey waits until no other transaction holds the key, after a submission
// could not be written in time. The error is nil when the key is free: then
// something else was in the way. [errKeyTaken] says that it was bound meanwhile,
// [ErrKeyInFlight] that it is still held, which only another process can do.
func (g *Gateway) waitForKey(ctx context.Context, submission Submission) error {
	tooLong := time.After(keyPatience - answerWithin)
	for seen := false; ; {
		err := g.tryKey(ctx, submission)
		seen = seen || errors.Is(err, ErrKeyInFlight)
		switch {
		case err == nil, errors.Is(err, errKeyTaken):
			return err
		case !seen:
			return nil // the database does not answer: the caller knows why it waited
		}
		select {
		case <-tooLong:
			return ErrKeyInFlight
		default:
		}
	}
}

// errUndone ends a transaction that was to leave nothing behind.
var errUndone = errors.New("declare: undone on purpose")

// errNotSeen says that the database did not answer as long as a glance takes.
var errNotSeen = errors.New("declare: the key was not seen")

// tryKey binds the key and takes that back at once: PostgreSQL lets nobody do
// so while another transaction is about to bind it. The error is nil when the
// key is free or the database is away, else [errKeyTaken], [ErrKeyInFlight] or
// [errNotSeen].
func (g *Gateway) tryKey(ctx context.Context, submission Submission) error {
	limited, cancel := context.WithTimeout(ctx, keyGlance+100*time.Millisecond)
	defer cancel()
	err := g.desk.Within(limited, TenantScope(submission.Tenant), func(tx pgx.Tx) error {
		if _, err := tx.Exec(limited, statement("lock_timeout"), keyGlance.String()); err != nil {
			return err
		}
		if _, err := tx.Exec(limited, statement("try_key"), submission.Tenant, submission.Key); err != nil {
			return err
		}
		return errUndone
	})
	switch {
	case locked(err):
		return ErrKeyInFlight
	case violates(err, "idempotency_pkey"):
		return errKeyTaken
	case limited.Err() != nil && ctx.Err() == nil:
		return errNotSeen
	}
	return nil
}
