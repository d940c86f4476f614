package board

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// A Declaration is one with everything that the scope may see of it.
type Declaration struct {
	Line     // Filings are filled here
	Events   []declare.Event
	Messages []Message
	Notices  []Notice
}

// A Message was, or is to be, sent to an agency.
type Message struct {
	ID, Agency, Purpose string
	CreatedAt           time.Time
	Delivery            declare.Delivery
	Reason              string
	Attempts            int
	FirstSentAt, SentAt *time.Time
}

// A Notice was heard from an agency: in the answer to a message, or later.
type Notice struct {
	ID, Agency, Source string
	ReceivedAt         time.Time
	Word               string
	Decision           declare.Decision
	Remark             string
}

// Declaration gives one; [declare.ErrMissing] when the scope sees none.
func (b *Board) Declaration(ctx context.Context, scope declare.Scope, tenant, id string) (Declaration, error) {
	var d Declaration
	err := b.ledger.Within(ctx, scope, func(tx pgx.Tx) error {
		found, err := lines(ctx, tx, []key{{tenant: tenant, id: id}})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return declare.ErrMissing
		}
		d.Line = found[0]
		var batch pgx.Batch
		batch.Queue(statement("filings"), tenant, id).Query(d.readFilings)
		batch.Queue(statement("events"), tenant, id).Query(d.readEvents)
		batch.Queue(statement("messages"), tenant, id).Query(d.readMessages)
		batch.Queue(statement("notices"), tenant, id).Query(d.readNotices)
		return tx.SendBatch(ctx, &batch).Close()
	})
	return d, err
}

func (d *Declaration) readFilings(rows pgx.Rows) (err error) {
	d.Filings, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (f declare.FilingStatus, err error) {
		err = row.Scan(&f.Agency, &f.AgencyVersion, &f.Decision, &f.Since, &f.Word, &f.Remark, &f.AgencyNumbers, &f.Errors, &f.Duties, &f.Documents)
		return f, err
	})
	return err
}

func (d *Declaration) readEvents(rows pgx.Rows) (err error) {
	d.Events, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e declare.Event, err error) {
		err = row.Scan(&e.ID, &e.Number, &e.Type, &e.Agency, &e.At, &e.Data)
		e.At = e.At.UTC()
		return e, err
	})
	return err
}

func (d *Declaration) readMessages(rows pgx.Rows) (err error) {
	d.Messages, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Message, err error) {
		err = row.Scan(&m.ID, &m.Agency, &m.Purpose, &m.CreatedAt, &m.Delivery, &m.Reason, &m.Attempts, &m.FirstSentAt, &m.SentAt)
		return m, err
	})
	return err
}

func (d *Declaration) readNotices(rows pgx.Rows) (err error) {
	d.Notices, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n Notice, err error) {
		err = row.Scan(&n.ID, &n.Agency, &n.Source, &n.ReceivedAt, &n.Word, &n.Decision, &n.Remark)
		return n, err
	})
	return err
}

// A Text is the exact bytes of a message or notice.
type Text struct {
	Agency string
	Body   []byte
}

// Message gives the bytes of a declaration's message; [declare.ErrMissing]
// when the scope sees none.
func (b *Board) Message(ctx context.Context, scope declare.Scope, tenant, declaration, id string) (Text, error) {
	return b.text(ctx, scope, "message_text", tenant, declaration, id)
}

// Notice gives the bytes of a notice about a declaration; [declare.ErrMissing]
// when the scope sees none.
func (b *Board) Notice(ctx context.Context, scope declare.Scope, tenant, declaration, id string) (Text, error) {
	return b.text(ctx, scope, "notice_text", tenant, declaration, id)
}

// OpenNotice gives the bytes of a notice that belongs to no declaration;
// [declare.ErrMissing] when the scope sees none.
func (b *Board) OpenNotice(ctx context.Context, scope declare.Scope, id string) (text Text, err error) {
	err = b.ledger.Within(ctx, scope, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("open_notice"), id).Scan(&text.Agency, &text.Body)
	})
	return text, missing(err)
}

func (b *Board) text(ctx context.Context, scope declare.Scope, name, tenant, declaration, id string) (text Text, err error) {
	err = b.ledger.Within(ctx, scope, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement(name), tenant, declaration, id).Scan(&text.Agency, &text.Body)
	})
	return text, missing(err)
}

// A Task is an officer's, with the declaration it is about, if any.
type Task struct {
	declare.Task
	Reference string
}

// Tasks gives the open ones that the scope sees, the oldest first, at most
// limit; of one agency, or of all when it is "".
func (b *Board) Tasks(ctx context.Context, scope declare.Scope, agency string, limit int) (tasks []Task, err error) {
	err = b.ledger.Within(ctx, scope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("tasks"), agency, limit)
		if err != nil {
			return err
		}
		tasks, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Task, err error) {
			err = row.Scan(&t.Tenant, &t.ID, &t.Kind, &t.Agency, &t.DeclarationID, &t.Reference, &t.Why, &t.OpenedAt, &t.Delivery, &t.Attempts, &t.FirstSentAt)
			t.OpenedAt = t.OpenedAt.UTC()
			return t, err
		})
		return err
	})
	return tasks, err
}
