package event

import (
	"cmp"
	"context"
	"embed"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Statements are the package's SQL files, under sql/.
//
//go:embed sql
var Statements embed.FS

// Filter says which events are meant: those that Scope may see, only those of
// Tenant unless that is "", and only those of Declaration, one of that
// tenant's, unless that is "".
type Filter struct {
	Scope               declare.Scope
	Tenant, Declaration string
}

// Entry is an event in its place in the feed.
type Entry struct {
	Cursor        string // behind this event
	Tenant        string
	DeclarationID string
	Reference     string // the trader's own; "" where the scope may not see the declaration
	declare.Event
}

// Stream reads the feed and wakes those who wait for more of it. Safe for
// concurrent use.
type Stream struct {
	ledger *declare.Ledger
	log    *slog.Logger
	poll   time.Duration

	reading chan struct{} // holds a token for each subscriber that reads now
	stopped chan struct{} // closed when Run ends

	mu     sync.Mutex
	topics map[Filter]*topic
	told   uint64 // every event below was told of; 0 before the first look
}

// Open makes a stream that looks for news every poll while somebody waits.
func Open(ledger *declare.Ledger, log *slog.Logger, poll time.Duration) *Stream {
	return &Stream{
		ledger: ledger, log: log, poll: poll,
		reading: make(chan struct{}, mostReading), stopped: make(chan struct{}), topics: map[Filter]*topic{},
	}
}

// After gives at most limit events behind a cursor, in order, and the cursor
// to go on from; a cursor of "" is [Beginning]. Fewer than limit are all there
// are by now. The error is [ErrCursor], or what the ledger gives.
func (s *Stream) After(ctx context.Context, filter Filter, after string, limit int) ([]Entry, string, error) {
	return s.between(ctx, filter, after, math.MaxUint64, limit)
}

// between is After for the events below a transaction.
func (s *Stream) between(ctx context.Context, filter Filter, after string, below uint64, limit int) (entries []Entry, next string, err error) {
	from, err := parseCursor(after)
	if err != nil {
		return nil, "", err
	}
	err = s.ledger.Within(ctx, filter.Scope, func(tx pgx.Tx) error {
		if entries, err = read(ctx, tx, filter, from, below, limit); err != nil || len(entries) > 0 {
			return err
		}
		var beyond bool
		if err := tx.QueryRow(ctx, statement("beyond"), from.xid).Scan(&beyond); err != nil || !beyond {
			return err
		}
		return ErrCursor
	})
	if err != nil {
		return nil, "", err
	}
	next = cmp.Or(after, Beginning)
	if len(entries) > 0 {
		next = entries[len(entries)-1].Cursor
	}
	return entries, next, nil
}

// read reads by the index that suits the filter.
func read(ctx context.Context, tx pgx.Tx, filter Filter, from cursor, below uint64, limit int) ([]Entry, error) {
	name, arguments := "after", []any{from.xid, from.position, below, limit}
	switch {
	case filter.Declaration != "":
		name, arguments = "after_of_declaration", append(arguments, filter.Tenant, filter.Declaration)
	case filter.Tenant != "":
		name, arguments = "after_of_tenant", append(arguments, filter.Tenant)
	}
	rows, err := tx.Query(ctx, statement(name), arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Entry, err error) {
		var at cursor
		err = row.Scan(&at.xid, &at.position, &e.Tenant, &e.DeclarationID, &e.Reference, &e.ID, &e.Number, &e.Type, &e.Agency, &e.At, &e.Data)
		e.Cursor, e.At = at.String(), e.At.UTC()
		return e, err
	})
}

// Last gives the cursor of now: behind it stands whatever cannot be told yet.
// Who shows how things stand and then follows asks for it first.
func (s *Stream) Last(ctx context.Context, filter Filter) (string, error) {
	var now cursor
	err := s.ledger.Within(ctx, filter.Scope, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("horizon")).Scan(&now.xid)
	})
	return now.String(), err
}

// statement gives the text of sql/<name>.sql.
func statement(name string) string {
	text, err := Statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("event: " + err.Error())
	}
	return string(text)
}
