package declare

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Task is what an officer must decide: a message that nothing here may move
// on, or a notice that belongs to nothing here.
type Task struct {
	ID            string     `json:"id"`   // of the message or notice it is about
	Kind          string     `json:"kind"` // unsure, setAside, unmatched, unreadable
	Tenant        string     `json:"tenant,omitempty"`
	DeclarationID string     `json:"declarationId,omitempty"`
	Agency        string     `json:"agency"`
	Why           string     `json:"why"`
	OpenedAt      time.Time  `json:"openedAt"`
	Delivery      Delivery   `json:"delivery,omitempty"` // where the message stands now
	Attempts      int        `json:"attempts,omitempty"`
	FirstSentAt   *time.Time `json:"firstSentAt,omitempty"`
	Closing       *Closing   `json:"closing,omitempty"` // nil while the task is open
}

// Closing is an officer's word about a task.
type Closing struct {
	Resolution Resolution `json:"resolution"`
	By         string     `json:"by"`
	Note       string     `json:"note"`
	At         time.Time  `json:"at"`
}

// Resolution is what an officer decides.
type Resolution string

// What a task can come to. Of a notice there is nothing to deliver or to send:
// only Abandon closes its task.
const (
	ResolutionDelivered Resolution = "delivered" // the agency has the message, as the officer knows from it
	ResolutionResend    Resolution = "resend"    // send it again, marked as a possible duplicate
	ResolutionAbandon   Resolution = "abandon"   // it is not to be sent; the filing is refused
	ResolutionSettled   Resolution = "settled"   // it came about by itself; not an officer's word
)

// ReasonOfficer stands at a message that moved by an officer's word,
// ReasonAbandoned at one that an officer gave up.
const (
	ReasonOfficer   = "officer"
	ReasonAbandoned = "abandoned"
)

// Why a task cannot be closed, beside [ErrMissing].
var (
	ErrResolution = errors.New("declare: the task cannot be closed like this")
	ErrTaskMoved  = errors.New("declare: the message has moved since: look at it again")
)

// The longest texts of a closing, in characters.
const (
	longestOfficer = 100
	longestNote    = 1000
)

// Tasks lists what waits for an officer, the oldest first, or what no longer
// does. At most limit.
func (g *Gateway) Tasks(ctx context.Context, open bool, limit int) (tasks []Task, err error) {
	name := "closed_tasks"
	if open {
		name = "open_tasks"
	}
	err = g.ledger.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement(name), limit)
		if err != nil {
			return err
		}
		tasks, err = pgx.CollectRows(rows, readTask)
		return err
	})
	return tasks, err
}

func readTask(row pgx.CollectableRow) (Task, error) {
	var t Task
	var closing Closing
	var closedAt *time.Time
	err := row.Scan(&t.Tenant, &t.ID, &t.Kind, &t.Agency, &t.DeclarationID, &t.Why, &t.OpenedAt,
		&t.Delivery, &t.Attempts, &t.FirstSentAt, &closedAt, &closing.Resolution, &closing.By, &closing.Note)
	t.OpenedAt = t.OpenedAt.UTC()
	if t.FirstSentAt != nil {
		first := t.FirstSentAt.UTC()
		t.FirstSentAt = &first
	}
	if closedAt != nil {
		closing.At = closedAt.UTC()
		t.Closing = &closing
	}
	return t, err
}

// CloseTask records an officer's word about the message or notice id and does
// what it says, in one transaction: the message moves only if it stands where
// the task left it. Nothing is deleted. The error is [ErrMissing] when there
// is no such open task, [ErrResolution] or [ErrTaskMoved].
func (g *Gateway) CloseTask(ctx context.Context, id string, closing Closing) error {
	closing.By, closing.Note = strings.TrimSpace(closing.By), strings.TrimSpace(closing.Note)
	if closing.By == "" || closing.Note == "" || len([]rune(closing.By)) > longestOfficer || len([]rune(closing.Note)) > longestNote {
		return ErrResolution
	}
	closing.At = g.now().UTC().Truncate(time.Millisecond)
	return g.ledger.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		open := openTask{id: id, closing: closing}
		err := tx.QueryRow(ctx, statement("find_task"), id).Scan(&open.key.tenant, &open.kind, &open.agency, &open.key.id, &open.why, &open.openedAt, &open.epoch, &open.attempts)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrMissing
		}
		if err != nil {
			return err
		}
		if open.key.id != "" {
			err = g.resolve(ctx, tx, open)
		} else if closing.Resolution != ResolutionAbandon {
			err = ErrResolution
		}
		if err != nil {
			return err
		}
		if err := point("task.moved"); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, statement("close_task"), open.key.tenant, id, closing.At, string(closing.Resolution), closing.By, closing.Note)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrTaskMoved // another officer was quicker
		}
		if err != nil {
			return err
		}
		return point("task.closed")
	})
}

// openTask is a task about to be closed.
type openTask struct {
	id, kind, agency, why string
	key                   declarationKey
	openedAt              time.Time
	epoch                 int64 // of the message when it was looked at
	attempts              int
	closing               Closing
}

// officerMoves says where each word of an officer takes a message, and why it stands
// there.
var officerMoves = map[Resolution]struct {
	to     Delivery
	reason string
}{
	ResolutionDelivered: {DeliveryDelivered, ReasonOfficer},
	ResolutionResend:    {DeliveryQueued, ReasonOfficer},
	ResolutionAbandon:   {DeliveryRefused, ReasonAbandoned},
}

// resolve moves the message as the officer says and tells the trader.
func (g *Gateway) resolve(ctx context.Context, tx pgx.Tx, t openTask) error {
	move, known := officerMoves[t.closing.Resolution]
	if !known {
		return ErrResolution
	}
	files, err := lockDeclarations(ctx, tx, []declarationKey{t.key})
	if err != nil {
		return err
	}
	f := files[t.key]
	if f == nil {
		return ErrMissing
	}
	tag, err := tx.Exec(ctx, statement("resolve_message"), t.key.tenant, t.id, t.epoch, string(move.to), move.reason, t.closing.At)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return ErrTaskMoved
	}
	var c changes
	told := map[string]any{"messageId": t.id, "kind": t.kind, "resolution": t.closing.Resolution, "by": t.closing.By, "note": t.closing.Note}
	if err := g.tell(&c, f, "task.closed", t.agency, t.closing.At, told); err != nil {
		return err
	}
	moved := map[string]any{"messageId": t.id, "attempts": t.attempts, "reason": move.reason}
	if err := g.tell(&c, f, "message."+string(move.to), t.agency, t.closing.At, moved); err != nil {
		return err
	}
	if err := loadFiles(ctx, tx, files, news{}); err != nil {
		return err
	}
	if err := g.refold(&c, f, nil, t.closing.At); err != nil {
		return err
	}
	return c.write(ctx, tx)
}
