package declare

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Report is what stands in the way of declarations, the gravest first.
type Report struct {
	At       time.Time `json:"at"`
	Looked   int       `json:"declarationsRecomputed"` // how many were held against their messages and notices
	All      bool      `json:"all"`                    // every declaration, not a sample
	Findings []Finding `json:"findings"`
}

// Gravity returns the worst there is; [GravityNone] when nothing is stuck.
func (r Report) Gravity() Gravity {
	worst := GravityNone
	for _, f := range r.Findings {
		worst = max(worst, gravities[f.Gravity])
	}
	return worst
}

// Gravity ranks findings.
type Gravity int

// The gravities: a wait that ends by itself, something that somebody must do,
// and what must never be.
const (
	GravityNone Gravity = iota
	GravityWaiting
	GravityStuck
	GravityInconsistent
)

var gravities = map[string]Gravity{"waiting": GravityWaiting, "stuck": GravityStuck, "inconsistent": GravityInconsistent}

// Finding is one thing that is stuck, or wrong, and whose move it is.
type Finding struct {
	Code    string     `json:"code"` // a line of doctor.yaml
	Gravity string     `json:"gravity"`
	Who     string     `json:"who"`
	Agency  string     `json:"agency,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Count   int        `json:"count"`
	More    bool       `json:"more,omitempty"` // Count is where counting stopped
	Since   *time.Time `json:"since,omitempty"`
	Next    *time.Time `json:"nextProbe,omitempty"`
	Of      []Concern  `json:"of,omitempty"` // the oldest few
	What    Text       `json:"what"`
	Mend    Text       `json:"mend"`
}

// Concern is a declaration, message or notice that a finding is about.
type Concern struct {
	Tenant        string `json:"tenant,omitempty"`
	DeclarationID string `json:"declarationId,omitempty"`
	ID            string `json:"id,omitempty"` // of the message or notice, or a version
}

// Patience says how long things may wait before somebody should hear of it.
type Patience struct {
	Delivery time.Duration // a message, until it is delivered
	Agency   time.Duration // a declaration, for an agency's next word
	Trader   time.Duration // a declaration, for what its trader must do
	Operator time.Duration // a declaration, for an operator
}

// DefaultPatience is what the documentation promises.
func DefaultPatience() Patience {
	return Patience{Delivery: 15 * time.Minute, Agency: 48 * time.Hour, Trader: 7 * 24 * time.Hour, Operator: 15 * time.Minute}
}

// Depth says how much of the ledger an examination reads.
type Depth int

// The depths. Glance reads indexes of what is open only: it is what a running
// gateway does every minute.
const (
	Glance Depth = iota
	Sample       // and all declarations that wait, and recomputes some of them
	Everything
)

const (
	mostTroubles = 1000  // of one code that are looked at in one examination
	mostConcerns = 5     // named in a finding
	mostQueued   = 10000 // that are counted in a queue, see sql/doctor_queues.sql
)

const codeLate = "message.late"

// trouble is one row of what was found, before like ones are counted together.
type trouble struct {
	code, agency, reason string
	declarationKey
	subject string
	since   time.Time
	next    *time.Time
	count   int  // when it stands for many
	more    bool // than count
}

// Examine tells what is stuck and whose move it is. It changes nothing. refused
// are folders that did not become agencies of this gateway.
func (g *Gateway) Examine(ctx context.Context, depth Depth, patience Patience, refused map[string]RefusedFolder) (Report, error) {
	report := Report{At: g.now().UTC().Truncate(time.Millisecond), All: depth == Everything}
	found, err := g.glance(ctx, report.At, patience)
	if err != nil {
		return report, err
	}
	found = append(found, refusedFolders(refused)...)
	if depth != Glance {
		for _, look := range []func(context.Context, time.Time, Patience) ([]trouble, error){g.waits, g.closedFolders} {
			more, err := look(ctx, report.At, patience)
			if err != nil {
				return report, err
			}
			found = append(found, more...)
		}
		more, looked, err := g.recompute(ctx, depth)
		if err != nil {
			return report, err
		}
		report.Looked, found = looked, append(found, more...)
	}
	report.Findings = gathered(found)
	return report, nil
}

// glance looks at what indexes of open things tell: queues, leases, tasks, and
// what this process knows of the agencies' folders.
func (g *Gateway) glance(ctx context.Context, now time.Time, patience Patience) ([]trouble, error) {
	var found []trouble
	err := g.ledger.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		for _, look := range []func(context.Context, pgx.Tx, time.Time, Patience) ([]trouble, error){g.queues, g.leases, openTasks} {
			more, err := look(ctx, tx, now, patience)
			if err != nil {
				return err
			}
			found = append(found, more...)
		}
		return nil
	})
	return append(found, refusedFolders(g.roster.Load().refused)...), err
}

func refusedFolders(refused map[string]RefusedFolder) (found []trouble) {
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		found = append(found, trouble{code: "folder.refused", agency: name, since: refused[name].At})
	}
	return found
}

// queues looks at every agency with messages waiting, and at those that are
// held.
func (g *Gateway) queues(ctx context.Context, tx pgx.Tx, now time.Time, patience Patience) ([]trouble, error) {
	rows, err := tx.Query(ctx, statement("doctor_queues"))
	if err != nil {
		return nil, err
	}
	type queue struct {
		agency, state, reason string
		since, next, oldest   *time.Time
		number                int
	}
	queues, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (q queue, err error) {
		return q, row.Scan(&q.agency, &q.state, &q.reason, &q.since, &q.next, &q.number, &q.oldest)
	})
	if err != nil {
		return nil, err
	}
	var found []trouble
	for _, q := range queues {
		t := trouble{agency: q.agency, reason: q.reason, count: q.number, more: q.number >= mostQueued, next: q.next, since: now}
		for _, from := range []*time.Time{q.since, q.oldest} {
			if from != nil && from.Before(t.since) {
				t.since = *from
			}
		}
		late := q.oldest != nil && q.oldest.Before(now.Add(-patience.Delivery))
		t.code = g.codeOfQueue(q.agency, q.state, q.number, late)
		if t.code != "" && t.code != codeLate {
			found = append(found, t)
		}
		if q.number == 0 {
			continue
		}
		each, err := lateMessages(ctx, tx, t, now.Add(-patience.Delivery))
		if err != nil {
			return nil, err
		}
		found = append(found, each...)
	}
	return found, nil
}

// codeOfQueue names what is the matter with a queue; "" when it just moves.
func (g *Gateway) codeOfQueue(agency, state string, waiting int, late bool) string {
	courier := g.courier(agency)
	switch {
	case waiting > 0 && (courier == nil || !courier.profile().On):
		return "agency.off"
	case state == agencyDenied:
		return "agency.denied"
	case state == agencyPaused && late:
		return "agency.pausedLong"
	case state == agencyPaused && waiting > 0:
		return "agency.paused"
	case late:
		return codeLate
	}
	return ""
}

// lateMessages gives the messages of a queue that wait too long, under what is
// the matter with the queue, and those at which gateways died again and again.
func lateMessages(ctx context.Context, tx pgx.Tx, queue trouble, before time.Time) ([]trouble, error) {
	rows, err := tx.Query(ctx, statement("doctor_late"), queue.agency, before, mostTroubles)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t trouble, err error) {
		var often bool
		err = row.Scan(&t.tenant, &t.id, &t.agency, &t.subject, &t.reason, &t.since, &often)
		switch {
		case often:
			t.code = "message.deaths"
		case queue.code == codeLate || queue.code == "":
			t.code = codeLate
		default:
			t.code, t.reason = queue.code, queue.reason
		}
		return t, err
	})
}

// leases looks for messages that nobody holds and nobody reclaimed: a sweep of
// any running gateway would have.
func (g *Gateway) leases(ctx context.Context, tx pgx.Tx, now time.Time, _ Patience) ([]trouble, error) {
	rows, err := tx.Query(ctx, statement("doctor_leases"), now.Add(-max(10*g.timing.Sweep, g.timing.LeaseGrace)), mostTroubles)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (trouble, error) {
		t := trouble{code: "lease.expired"}
		err := row.Scan(&t.tenant, &t.id, &t.agency, &t.subject, &t.reason, &t.since)
		t.reason = ""
		return t, err
	})
}

// openTasks tells what waits for an officer's word.
func openTasks(ctx context.Context, tx pgx.Tx, _ time.Time, _ Patience) ([]trouble, error) {
	rows, err := tx.Query(ctx, statement("open_tasks"), mostTroubles)
	if err != nil {
		return nil, err
	}
	tasks, err := pgx.CollectRows(rows, readTask)
	if err != nil {
		return nil, err
	}
	var found []trouble
	for _, task := range tasks {
		found = append(found, trouble{
			code: "task." + task.Kind, agency: task.Agency, reason: task.Why, since: task.OpenedAt, subject: task.ID,
			declarationKey: declarationKey{task.Tenant, task.DeclarationID},
		})
	}
	return found, nil
}

// waits looks at every declaration that waits for somebody.
func (g *Gateway) waits(ctx context.Context, now time.Time, patience Patience) (found []trouble, err error) {
	err = g.unhurried(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("doctor_waits"), now.Add(-patience.Agency), now.Add(-patience.Trader), now.Add(-patience.Operator), mostTroubles)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t trouble, err error) {
			err = row.Scan(&t.tenant, &t.id, &t.agency, &t.code, &t.reason, &t.since)
			t.code = "wait." + t.code
			return t, err
		})
		return err
	})
	return found, err
}

// closedFolders tries to open every former version of an agency again.
func (g *Gateway) closedFolders(ctx context.Context, _ time.Time, _ Patience) ([]trouble, error) {
	inUse := []string{}
	for _, courier := range g.roster.Load().couriers {
		for _, agency := range *courier.versions.Load() {
			inUse = append(inUse, agency.Profile().Digest)
		}
	}
	var found []trouble
	err := g.ledger.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("doctor_folders"), inUse)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (trouble, error) {
			t := trouble{code: "folder.notReopened"}
			return t, row.Scan(&t.agency, &t.subject, &t.reason, &t.since)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(t trouble) bool {
		_, err := g.reopened(ctx, t.agency, t.subject)
		if err != nil {
			g.log.Warn("a former version of an agency cannot be opened", "agency", t.agency, "version", t.reason, "error", err)
		}
		return err == nil
	}), nil
}

// unhurried reads in one snapshot, with plans for large tables: nobody waits
// for the answer.
func (g *Gateway) unhurried(ctx context.Context, work func(pgx.Tx) error) error {
	return g.ledger.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on"); err != nil {
			return err
		}
		return work(tx)
	})
}

// gathered counts like troubles together, the gravest and oldest first.
func gathered(found []trouble) []Finding {
	type like struct{ code, agency, reason string }
	all := map[like]*Finding{}
	counted := map[like]int{}
	slices.SortStableFunc(found, func(a, b trouble) int { return a.since.Compare(b.since) })
	for _, t := range found {
		key := like{t.code, t.agency, t.reason}
		f := all[key]
		if f == nil {
			since := t.since.UTC()
			f = &Finding{Code: t.code, Agency: t.agency, Reason: t.reason, Since: &since}
			chart().complete(f)
			all[key] = f
		}
		if t.count > 0 || t.id == "" && t.subject == "" { // it stands for many, or for the agency itself
			f.Count, f.More, f.Next = t.count, t.more, t.next
			counted[key] = -1
			continue
		}
		if counted[key] >= 0 {
			counted[key]++
			f.Count, f.More = counted[key], counted[key] >= mostTroubles
		}
		if len(f.Of) < mostConcerns {
			f.Of = append(f.Of, Concern{t.tenant, t.id, t.subject})
		}
	}
	findings := []Finding{}
	for _, f := range all {
		f.word()
		findings = append(findings, *f)
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(gravities[b.Gravity], gravities[a.Gravity]), a.Since.Compare(*b.Since),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Agency, b.Agency), cmp.Compare(a.Reason, b.Reason))
	})
	return findings
}
