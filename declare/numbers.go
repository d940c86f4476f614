package declare

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Fate is what became of a submission, in one word.
type Fate string

// The fates of submissions.
const (
	FateAccepted  Fate = "accepted"
	FateReplayed  Fate = "replayed"  // an earlier answer, given again
	FateRefused   Fate = "refused"   // there was something to mend
	FateDuplicate Fate = "duplicate" // its key or reference is used
	FateFailed    Fate = "failed"    // nothing is known: to be asked again
)

// Fates lists every fate.
var Fates = []Fate{FateAccepted, FateReplayed, FateRefused, FateDuplicate, FateFailed}

// Attempt is what an attempt to deliver came to at an agency.
type Attempt struct {
	Agency   string
	Delivery Delivery // queued: it will be tried again
}

// Counts is what this process has done since it began.
type Counts struct {
	Submissions map[Fate]int
	Attempts    map[Attempt]int
}

// tally counts what this process does.
type tally struct {
	mu sync.Mutex
	Counts
}

// submitted counts a submission.
func (t *tally) submitted(receipt Receipt, err error) {
	var refusal *Refusal
	var used *ReferenceUsed
	fate := FateFailed
	switch {
	case err == nil && receipt.Replayed:
		fate = FateReplayed
	case err == nil && receipt.ID != "": // else it panicked
		fate = FateAccepted
	case errors.As(err, &refusal):
		fate = FateRefused
	case errors.As(err, &used), errors.Is(err, ErrKeyReused):
		fate = FateDuplicate
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Submissions == nil {
		t.Submissions = map[Fate]int{}
	}
	t.Submissions[fate]++
}

// recorded counts the attempts among facts that are written down.
func (t *tally) recorded(facts []fact) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Attempts == nil {
		t.Attempts = map[Attempt]int{}
	}
	for _, f := range facts {
		if f.settlement != nil && !f.settlement.lost {
			t.Attempts[Attempt{f.settlement.taken.agency, f.settlement.delivery}]++
		}
	}
}

// Counts tells what this process has done since it began.
func (g *Gateway) Counts() Counts {
	g.tally.mu.Lock()
	defer g.tally.mu.Unlock()
	return Counts{maps.Clone(g.tally.Submissions), maps.Clone(g.tally.Attempts)}
}

// Standing is how much waits in the ledger, for every process that shares it.
type Standing struct {
	Queues    map[string]Line // by agency, where messages wait
	Tasks     map[string]int  // open, by kind; counted to 10,000
	Unmatched int             // notices that nothing here answers; counted to 10,000
}

// Line is the messages that wait for an agency, counted to 10,000.
type Line struct {
	Waiting int
	Oldest  time.Duration // since the first of them was accepted
}

// Standing tells how much waits. It reads indexes of what is open only.
func (g *Gateway) Standing(ctx context.Context) (Standing, error) {
	s := Standing{Queues: map[string]Line{}, Tasks: map[string]int{}}
	now := g.now()
	err := g.desk.snapshot(ctx, SystemScope, func(tx pgx.Tx) error {
		if err := readQueues(ctx, tx, now, s.Queues); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, statement("open_counts"))
		if err != nil {
			return err
		}
		var kind string
		var number int
		_, err = pgx.ForEachRow(rows, []any{&kind, &number}, func() error {
			if kind == "" {
				s.Unmatched = number
			} else {
				s.Tasks[kind] = number
			}
			return nil
		})
		return err
	})
	return s, err
}

func readQueues(ctx context.Context, tx pgx.Tx, now time.Time, queues map[string]Line) error {
	rows, err := tx.Query(ctx, statement("doctor_queues"))
	if err != nil {
		return err
	}
	var agency, state, reason string
	var since, next, oldest *time.Time
	var number int
	_, err = pgx.ForEachRow(rows, []any{&agency, &state, &reason, &since, &next, &number, &oldest}, func() error {
		line := Line{Waiting: number}
		if oldest != nil {
			line.Oldest = max(0, now.Sub(*oldest))
		}
		queues[agency] = line
		return nil
	})
	return err
}
