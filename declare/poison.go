package declare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Reasons that stand at a message whose declaration our own code fails on.
// The ledger counts them: the third try in which the code panicked, and the
// first in which an answer was found to have killed the process before, set
// the message aside for an officer, see sql/settle_messages.sql.
const (
	ReasonPanicked = "panicked"
	ReasonPoisoned = "poisoned"
)

// UnreadablePanicked is the code of a notice that our code failed to read.
const UnreadablePanicked = "notice.panicked"

// errPanicked says that a piece of work ended in a panic.
var errPanicked = errors.New("declare: the work panicked")

// safely runs a piece of work that shares its goroutine with other people's:
// a panic becomes an error, and its trace is logged.
func safely(log *slog.Logger, what string, work func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Error("panic", "in", what, "cause", panicText(cause), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	return work()
}

// alive is a group's work that a panic fails and does not end: the process has
// other groups to work on.
func alive[T any](log *slog.Logger, what string, work func(context.Context, []T) []error) func(context.Context, []T) []error {
	return func(ctx context.Context, items []T) (outcome []error) {
		if err := safely(log, what, func() error { outcome = work(ctx, items); return nil }); err != nil {
			return slices.Repeat([]error{err}, len(items))
		}
		return outcome
	}
}

// panicText names a panic without what it may quote of a declaration.
func panicText(cause any) string {
	if fault, ok := cause.(runtime.Error); ok {
		return fault.Error()
	}
	return fmt.Sprintf("%T", cause)
}

// guarded is an agency whose panics stay with the declaration that caused
// them: one message's is that message's trouble, not the process's.
type guarded struct {
	Agency
	log *slog.Logger
}

func (a guarded) safely(what string, work func() error) error {
	return safely(a.log, what+" "+a.Profile().Name, work)
}

func (a guarded) Takes(kind string, tree map[string]any) (takes bool, err error) {
	failure := a.safely("takes", func() error {
		takes, err = a.Agency.Takes(kind, tree)
		return nil
	})
	return takes, errors.Join(failure, err)
}

func (a guarded) Draft(subject Subject) (draft Draft, faults []Fault, err error) {
	failure := a.safely("draft", func() error {
		draft, faults, err = a.Agency.Draft(subject)
		return nil
	})
	return draft, faults, errors.Join(failure, err)
}

// Send leaves the careful verdict when it panics: bytes may have left.
func (a guarded) Send(ctx context.Context, dispatch Dispatch) (outcome Outcome) {
	failure := a.safely("send", func() error {
		if err := point("send.before"); err != nil {
			return err
		}
		outcome = a.Agency.Send(ctx, dispatch)
		return point("send.after")
	})
	if failure != nil {
		return Outcome{Reason: ReasonPanicked}
	}
	return outcome
}

func (a guarded) Inquire(ctx context.Context, dispatch Dispatch) (outcome Outcome) {
	failure := a.safely("inquire", func() error {
		if err := point("ask.before"); err != nil {
			return err
		}
		outcome = a.Agency.Inquire(ctx, dispatch)
		return point("ask.after")
	})
	if failure != nil {
		return Outcome{Reason: ReasonPanicked}
	}
	return outcome
}

// Read keeps the promise that a notice is stored whatever comes of it.
func (a guarded) Read(body []byte) (reading Reading, err error) {
	if a.safely("read", func() error { reading, err = a.Agency.Read(body); return nil }) != nil {
		return Reading{}, &Unreadable{Code: UnreadablePanicked}
	}
	return reading, err
}

func (a guarded) Locate(subject Subject, xmlPaths ...string) (pointers []string) {
	if a.safely("locate", func() error { pointers = a.Agency.Locate(subject, xmlPaths...); return nil }) != nil {
		return make([]string, len(xmlPaths)) // the agency's own paths still say where
	}
	return pointers
}

// within is [Ledger.Within] for work that touches many people's declarations.
func (g *Gateway) within(ctx context.Context, scope Scope, work func(pgx.Tx) error) error {
	return g.ledger.Within(ctx, scope, func(tx pgx.Tx) error {
		return safely(g.log, "ledger", func() error { return work(tx) })
	})
}

// lastingClasses are the classes of PostgreSQL's errors about the data: an
// exception in it, a violated constraint, a limit of size.
var lastingClasses = []string{"22", "23", "54"}

// lasting reports whether writing the same again would fail again: it is what
// was to be written that is wrong, not the way to the ledger.
func lasting(err error) bool {
	var failure *pgconn.PgError
	var unwritable *json.MarshalerError
	return errors.Is(err, errPanicked) || errors.As(err, &unwritable) ||
		errors.As(err, &failure) && slices.Contains(lastingClasses, sqlClass(failure))
}

// recordAlone records a fact that could not be recorded with others, or keeps
// of it what can be kept, so that one that can never be recorded neither is
// lost nor holds anybody up.
func (g *Gateway) recordAlone(ctx context.Context, f fact) error {
	err := g.record(ctx, []fact{f})
	switch {
	case err == nil:
		return nil
	case f.notice != nil:
		g.failed("notice not applied, kept for later", err, "notice", f.notice.id)
		return g.keep(ctx, f.notice)
	case f.apply != nil && lasting(err):
		return g.applySingly(ctx, f.apply)
	case f.settlement != nil && lasting(err):
		g.log.Error("outcome not recorded as a whole", "agency", f.settlement.taken.agency, "message", f.settlement.taken.id, "error", logText(err))
		return g.settleBare(ctx, f.settlement)
	}
	return err
}

// settleBare settles an attempt that cannot be recorded with its answer: that
// is kept for later. Where even so nothing can be recorded, the message counts
// one more failure of ours.
func (g *Gateway) settleBare(ctx context.Context, s *settlement) error {
	if s.answer != nil {
		if err := g.keep(ctx, s.answer); err != nil {
			return err
		}
		s.answer = nil
		if err := g.record(ctx, []fact{{settlement: s}}); err == nil || !lasting(err) {
			return err
		}
	}
	s.delivery, s.reason, s.firstSent, s.unburnt = DeliveryUnsure, ReasonPanicked, nil, false
	s.nextAt = g.now().UTC().Add(g.timing.RetryFirst)
	return g.record(ctx, []fact{{settlement: s}})
}

// keep stores a notice that could not be applied, for the sweep to match; one
// that cannot be stored with its meaning is stored without, for an officer.
func (g *Gateway) keep(ctx context.Context, notice *heard) error {
	store := func(tx pgx.Tx) error {
		if err := g.store(ctx, tx, []*heard{notice}, news{}, g.now().UTC()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, statement("unplace_notice"), notice.id, notice.receivedAt)
		return err
	}
	err := g.within(ctx, AgencyScope(notice.agency), store)
	if err == nil || !lasting(err) {
		return err
	}
	g.log.Error("notice kept without its meaning", "notice", notice.id, "error", logText(err))
	notice.unreadable, notice.reading = UnreadablePanicked, Reading{Carried: notice.reading.Carried}
	return g.within(ctx, AgencyScope(notice.agency), store)
}

// applySingly applies notices one by one, so that one that cannot be applied
// holds up no other; the third failure leaves it to an officer.
func (g *Gateway) applySingly(ctx context.Context, notices []placed) error {
	var failures error
	for _, notice := range notices {
		err := g.record(ctx, []fact{{apply: []placed{notice}}})
		if err == nil {
			continue
		}
		if !lasting(err) {
			return err
		}
		g.log.Error("notice not applied", "notice", notice.id, "error", logText(err))
		failures = errors.Join(failures, g.failNotice(ctx, notice))
	}
	return failures
}

func (g *Gateway) failNotice(ctx context.Context, n placed) error {
	return g.ledger.Within(ctx, AgencyScope(n.agency), func(tx pgx.Tx) error {
		var state string
		err := tx.QueryRow(ctx, statement("fail_notice"), n.id, n.at, UnreadablePanicked).Scan(&state)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && state == "unmatched" {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, statement("open_task"), "", n.id, "unreadable", n.agency, "", UnreadablePanicked, g.now().UTC().Truncate(time.Millisecond))
		return err
	})
}
