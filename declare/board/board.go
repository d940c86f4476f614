package board

import (
	"context"
	"embed"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Statements are the package's SQL files, under sql/.
//
//go:embed sql
var Statements embed.FS

const (
	// MostCounted is where counting stops in each status, unless a number was
	// asked for: a count of one more means "more".
	MostCounted = 2000
	// Window is how far back the list goes when nobody says from when.
	Window = 30 * 24 * time.Hour
)

// Board answers questions of officials. Safe for concurrent use.
type Board struct {
	ledger *declare.Ledger
	now    func() time.Time
}

// Open makes a board on a ledger.
func Open(ledger *declare.Ledger, now func() time.Time) *Board { return &Board{ledger, now} }

// A Filter says which declarations are meant; what is zero allows any. Number
// is a reference or any other number of a declaration, exactly; without one
// and without From, the last [Window] is meant.
type Filter struct {
	Status   declare.Overall
	Agency   string
	Port     string
	Who      string        // must act: declare.WhoTrader …
	Waiting  time.Duration // somebody has had to act for longer than this
	Number   string
	From, To time.Time // received, To not included
	Longest  bool      // the one that has waited longest first, instead of the latest
}

// A Place is behind a line of a list; the zero Place is before the first.
type Place struct {
	At time.Time // received, or waiting since
	ID string
}

// A Line is what the board says of a declaration.
type Line struct {
	declare.Status
	Tenant     string
	Enterprise string // the tenant's name
	Port       string
	Badges     []Badge
}

// A Badge is where a declaration stands at one agency.
type Badge struct {
	Agency   string
	Decision declare.Decision
	Since    time.Time
	// Delivery of the latest message, and why it stands there: "" where the
	// scope does not see the message.
	Delivery      declare.Delivery
	Reason        string
	DeliverySince time.Time
}

// A Page is a part of the list.
type Page struct {
	Lines  []Line
	Next   *Place                  // nil: there are no more
	Counts map[declare.Overall]int // of the whole list, each at most MostCounted+1 unless Exact
	Exact  bool
	From   time.Time // how far back was looked; zero: all the way
}

// Statuses are all overall statuses, those that need somebody first.
var Statuses = []declare.Overall{
	declare.OverallActionNeeded, declare.OverallHeld, declare.OverallProcessing, declare.OverallRejected,
	declare.OverallCleared, declare.OverallClosed, declare.OverallCancelled,
}

// statusesOf are those in which somebody is whose move it can be: what cannot
// match need not be looked at.
var statusesOf = map[string][]declare.Overall{
	declare.WhoTrader:   {declare.OverallActionNeeded, declare.OverallRejected},
	declare.WhoAgency:   {declare.OverallHeld, declare.OverallProcessing},
	declare.WhoOperator: {declare.OverallProcessing},
	declare.WhoNobody:   {declare.OverallCleared, declare.OverallClosed, declare.OverallCancelled},
}

// statuses says where to look, for the counts of all statuses.
func (f Filter) statuses() []declare.Overall {
	return slices.DeleteFunc(slices.Clone(Statuses), func(s declare.Overall) bool {
		done := slices.Contains(statusesOf[declare.WhoNobody], s)
		return f.Who != "" && !slices.Contains(statusesOf[f.Who], s) || done && (f.Waiting > 0 || f.Longest)
	})
}

// List gives a page of the declarations that the scope sees. Beside decides
// nothing: it names the agency or port of the scope, if it is one's, so that
// nothing else is read.
func (b *Board) List(ctx context.Context, scope declare.Scope, beside Filter, filter Filter, after Place, limit int) (Page, error) {
	now := b.now().UTC()
	q := question{filter: filter, after: after, limit: limit + 1, agency: filter.Agency, port: filter.Port, sets: anySet, waiting: "infinity", from: "-infinity", to: "infinity"}
	var page Page
	switch {
	case !filter.From.IsZero():
		page.From, q.from = filter.From, filter.From
	case filter.Number == "":
		page.From = now.Add(-Window)
		q.from = page.From
	}
	if !filter.To.IsZero() {
		q.to = filter.To
	}
	if filter.Waiting > 0 {
		q.waiting = now.Add(-filter.Waiting)
	}
	if q.port == "" {
		q.port = beside.Port
	}
	if err := b.narrow(ctx, &q, beside); err != nil {
		return page, err
	}
	err := b.ledger.Within(ctx, scope, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, statement("steady")); err != nil {
			return err
		}
		keys, err := q.answer(ctx, tx, &page)
		if err != nil {
			return err
		}
		if len(keys) > limit {
			keys = keys[:limit]
			last := keys[limit-1]
			page.Next = &Place{last.at.UTC(), last.id}
		}
		page.Lines, err = lines(ctx, tx, keys)
		return err
	})
	return page, err
}

// key names a declaration and its place in the list.
type key struct {
	tenant, id string
	at         time.Time
}

// anySet stands for all sets of agencies.
var anySet = []string{""}

// narrow says which sets of agencies have what is asked for, where an agency is
// named and no port, which has an index of its own. Which sets there are is no
// secret: the scope decides about every declaration in them. It could not be
// asked for the sets itself, since what it does not see would be read to find
// them.
func (b *Board) narrow(ctx context.Context, q *question, beside Filter) error {
	named := slices.DeleteFunc([]string{q.agency, beside.Agency}, func(agency string) bool { return agency == "" })
	if q.port != "" || q.filter.Number != "" || len(named) == 0 {
		return nil
	}
	q.agency = ""
	return b.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("sets"), named)
		if err == nil {
			q.sets, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
}

// question is a filter as the statements take it.
type question struct {
	filter            Filter
	after             Place
	limit             int
	agency, port      string
	sets              []string // of agencies, in which to look
	waiting, from, to any      // times, or 'infinity'
}

// answer finds one page's declarations and counts all.
func (q *question) answer(ctx context.Context, tx pgx.Tx, page *Page) ([]key, error) {
	page.Counts = map[declare.Overall]int{}
	if q.filter.Number != "" {
		page.Exact = true
		return q.numbered(ctx, tx, page.Counts)
	}
	if err := q.count(ctx, tx, page.Counts); err != nil {
		return nil, err
	}
	wanted := slices.DeleteFunc(q.wanted(), func(s declare.Overall) bool { return page.Counts[s] == 0 })
	list, at, id := "newest", any("infinity"), q.after.ID
	if q.filter.Longest {
		list, at = "longest", "-infinity"
	}
	if id != "" {
		at = q.after.At
	}
	rows, err := tx.Query(ctx, statement(list), wanted, q.agency, q.port, q.filter.Who, q.waiting, q.from, q.to, at, id, q.limit, q.sets)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (k key, err error) {
		return k, row.Scan(&k.tenant, &k.id, &k.at)
	})
}

// wanted are the statuses of the list, which are fewer than those counted.
func (q *question) wanted() []declare.Overall {
	if q.filter.Status != "" {
		return []declare.Overall{q.filter.Status}
	}
	return q.filter.statuses()
}

func (q *question) count(ctx context.Context, tx pgx.Tx, counts map[declare.Overall]int) error {
	rows, err := tx.Query(ctx, statement("counts"), q.filter.statuses(), q.agency, q.port, q.filter.Who, q.waiting, q.from, q.to, MostCounted+1, q.sets)
	if err != nil {
		return err
	}
	var status declare.Overall
	var count int
	_, err = pgx.ForEachRow(rows, []any{&status, &count}, func() error {
		counts[status] = count
		return nil
	})
	return err
}

// numbered asks about the declarations that have a number: few, whoever sees
// them.
func (q *question) numbered(ctx context.Context, tx pgx.Tx, counts map[declare.Overall]int) (found []key, err error) {
	at, id := any("infinity"), q.after.ID
	if q.filter.Longest {
		at = "-infinity"
	}
	if id != "" {
		at = q.after.At
	}
	rows, err := tx.Query(ctx, statement("numbered"), q.filter.statuses(), q.agency, q.port, q.filter.Who, q.waiting, q.from, q.to, at, id, q.limit,
		q.filter.Longest, q.filter.Number, string(q.filter.Status))
	if err != nil {
		return nil, err
	}
	var k key
	var status declare.Overall
	var count int
	_, err = pgx.ForEachRow(rows, []any{&k.tenant, &k.id, &k.at, &status, &count}, func() error {
		if k.id == "" {
			counts[status] = count
		} else {
			found = append(found, k)
		}
		return nil
	})
	return found, err
}

// lines reads what the board says of declarations, in the order of the keys.
func lines(ctx context.Context, tx pgx.Tx, keys []key) ([]Line, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var tenants, ids []string
	place := map[string]int{}
	for i, k := range keys {
		tenants, ids = append(tenants, k.tenant), append(ids, k.id)
		place[k.id] = i
	}
	found := map[string]*Line{}
	var batch pgx.Batch
	batch.Queue(statement("lines"), tenants, ids).Query(func(rows pgx.Rows) error { return readLines(rows, found) })
	batch.Queue(statement("badges"), tenants, ids).Query(func(rows pgx.Rows) error { return readBadges(rows, found) })
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, err
	}
	ordered := slices.SortedFunc(maps.Keys(found), func(a, b string) int { return place[a] - place[b] })
	all := make([]Line, len(ordered))
	for i, id := range ordered {
		all[i] = *found[id]
	}
	return all, nil
}

func readLines(rows pgx.Rows, into map[string]*Line) error {
	_, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		line := &Line{}
		w := &line.WaitingFor
		err := row.Scan(&line.Tenant, &line.Enterprise, &line.ID, &line.Kind, &line.Reference, &line.Version, &line.Port, &line.Status.Status,
			&w.Who, &w.Agency, &w.Why, &w.Since, &line.ReceivedAt)
		w.Since, line.ReceivedAt = w.Since.UTC(), line.ReceivedAt.UTC()
		into[line.ID] = line
		return struct{}{}, err
	})
	return err
}

func readBadges(rows pgx.Rows, into map[string]*Line) error {
	var id string
	var b Badge
	_, err := pgx.ForEachRow(rows, []any{&id, &b.Agency, &b.Decision, &b.Since, &b.Delivery, &b.Reason, &b.DeliverySince}, func() error {
		b.Since, b.DeliverySince = b.Since.UTC(), b.DeliverySince.UTC()
		if line := into[id]; line != nil {
			line.Badges = append(line.Badges, b)
		}
		return nil
	})
	return err
}

// Line gives one declaration's line; [declare.ErrMissing] when the scope sees
// none.
func (b *Board) Line(ctx context.Context, scope declare.Scope, tenant, id string) (Line, error) {
	var found []Line
	err := b.ledger.Within(ctx, scope, func(tx pgx.Tx) (err error) {
		found, err = lines(ctx, tx, []key{{tenant: tenant, id: id}})
		return err
	})
	if err == nil && len(found) == 0 {
		err = declare.ErrMissing
	}
	if err != nil {
		return Line{}, err
	}
	return found[0], nil
}

// missing tells what is not there, or not for the scope.
func missing(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return declare.ErrMissing
	}
	return err
}

// statement gives the text of sql/<name>.sql.
func statement(name string) string {
	text, err := Statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("board: " + err.Error())
	}
	return string(text)
}
