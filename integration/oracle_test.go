package integration

import (
	"cmp"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// The oracle knows nothing of how the gateway works. It holds three ledgers
// that do not trust it (what the load was promised, what took effect at each
// agency, what each agency told) against the gateway's database.
type oracle struct {
	l      *line
	faults []fault
}

// A fault is something that must never be, with the declaration it is about.
type fault struct{ declaration, text string }

func (o *oracle) fault(declaration, format string, arguments ...any) {
	o.faults = append(o.faults, fault{declaration, fmt.Sprintf(format, arguments...)})
}

// mostFaults are shown of a failing run.
const mostFaults = 20

// judge stops the agencies, so that their books are closed, and holds every
// ledger against the database. Everything must be decided by now. A failing
// run shows one declaration's time-line.
func (l *line) judge(t *testing.T, promised []receipt) {
	t.Helper()
	l.closeOffices(t)
	eventually(t, 20*time.Second, "every notice is understood", func() bool {
		return l.count(t, "SELECT count(*) FROM notice WHERE state <> 'applied'") == 0
	})
	o := &oracle{l: l}
	o.receipts(t, promised)
	o.effects(t, promised)
	o.told(t)
	o.decisions(t)
	o.events(t)
	if open := l.count(t, "SELECT count(*) FROM task WHERE closed_at IS NULL"); open > 0 {
		o.fault("", "%d officers' tasks are open", open)
	}
	o.doctor(t)
	for _, f := range o.faults[:min(len(o.faults), mostFaults)] {
		t.Errorf("%s: %s", cmp.Or(f.declaration, "ledger"), f.text)
	}
	if len(o.faults) > mostFaults {
		t.Errorf("and %d more", len(o.faults)-mostFaults)
	}
	if at := slices.IndexFunc(o.faults, func(f fault) bool { return f.declaration != "" }); at >= 0 {
		t.Logf("time-line of %s:\n%s", o.faults[at].declaration, l.timeline(t, o.faults[at].declaration))
	}
}

// rows reads a query into records by their columns' order.
func rows[T any](t *testing.T, l *line, query string, arguments ...any) (found []T) {
	t.Helper()
	l.query(t, query, arguments, func(conn *pgx.Conn) error {
		result, err := conn.Query(t.Context(), query, arguments...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(result, pgx.RowToStructByPos[T])
		return err
	})
	return found
}

// receipts: what was promised is on file, byte for byte, once, and nothing is
// on file that nobody was promised.
func (o *oracle) receipts(t *testing.T, promised []receipt) {
	t.Helper()
	type onFile struct{ ID, Reference, Digest string }
	filed := map[string]onFile{}
	for _, f := range rows[onFile](t, o.l, `SELECT d.id, d.reference, encode(b.digest, 'hex') FROM declaration d
		JOIN declaration_body b ON b.tenant_id = d.tenant_id AND b.declaration_id = d.id AND b.version = d.version`) {
		filed[f.Reference] = f
	}
	for _, r := range promised {
		if want := (onFile{r.ID, r.Reference, r.Digest}); filed[r.Reference] != want {
			o.fault(r.ID, "promised %+v, on file %+v", want, filed[r.Reference])
		}
		delete(filed, r.Reference)
	}
	for _, f := range filed {
		o.fault(f.ID, "on file, but its client was never promised anything")
	}
}

// effects: every message of every receipt took effect exactly once, where it
// was meant to and with the bytes on file, and nothing else did.
func (o *oracle) effects(t *testing.T, promised []receipt) {
	t.Helper()
	type onFile struct{ ID, Declaration, Agency, Digest string }
	messages, taken := map[string]onFile{}, map[string]int{}
	for _, m := range rows[onFile](t, o.l, "SELECT id, declaration_id, agency, encode(digest, 'hex') FROM message") {
		messages[m.ID] = m
	}
	for name, office := range o.l.offices {
		for _, effect := range office.effects(t) {
			taken[effect.DeliveryID]++
			if m := messages[effect.DeliveryID]; m.Agency != name || m.Digest != effect.Digest {
				o.fault(m.Declaration, "%s took %s with digest %s, on file is %+v", name, effect.DeliveryID, effect.Digest, m)
			}
		}
	}
	for _, r := range promised {
		for _, filing := range r.Filings {
			if taken[filing.MessageID] != 1 {
				o.fault(r.ID, "%s took effect %d times at %s", filing.MessageID, taken[filing.MessageID], filing.Agency)
			}
			delete(messages, filing.MessageID)
		}
	}
	for _, m := range messages {
		o.fault(m.Declaration, "%s to %s is on file but in no receipt", m.ID, m.Agency)
	}
}

// told: every notice that an agency's book says was taken is in the inbox, at
// the declaration whose message it is about.
func (o *oracle) told(t *testing.T) {
	t.Helper()
	type heard struct{ Agency, Digest, Declaration string }
	type about struct{ ID, Declaration string }
	inbox, of := map[heard]bool{}, map[string]string{}
	for _, n := range rows[heard](t, o.l, "SELECT agency, encode(sha256(body), 'hex'), declaration_id FROM notice") {
		inbox[n] = true
	}
	for _, m := range rows[about](t, o.l, "SELECT id, declaration_id FROM message") {
		of[m.ID] = m.Declaration
	}
	for name, office := range o.l.offices {
		for _, sent := range office.notices(t) {
			switch {
			case sent.Status >= 300:
				o.fault(of[sent.DeliveryID], "%s about %s was answered %d", sent.Template, sent.DeliveryID, sent.Status)
			case !inbox[heard{name, sent.Digest, of[sent.DeliveryID]}]:
				o.fault(of[sent.DeliveryID], "%s about %s of %s is not in the inbox", sent.Template, sent.DeliveryID, name)
			}
		}
	}
}

// heardFact is a notice as the oracle folds it.
type heardFact struct {
	Declaration, Agency, ID, Word, Decision string
	IssuedAt                                time.Time
	Version, Rank                           int32
	Opens, Reopens                          bool
}

// decisions: each filing stands where its notices put it, read in the order
// its agency declares, and the declaration where its filings put it.
func (o *oracle) decisions(t *testing.T) {
	t.Helper()
	type filing struct{ Declaration, Agency, Decision, Status, Reference string }
	facts := map[[2]string][]heardFact{}
	for _, n := range rows[heardFact](t, o.l, `SELECT declaration_id, agency, id, word, decision, coalesce(issued_at, '0001-01-01T00:00:00Z'), version, rank, opens, reopens
		FROM notice WHERE state = 'applied'`) {
		key := [2]string{n.Declaration, n.Agency}
		facts[key] = append(facts[key], n)
	}
	decided := map[string][]string{}
	status := map[string]string{}
	for _, f := range rows[filing](t, o.l, `SELECT f.declaration_id, f.agency, f.decision, d.status, d.reference FROM filing f
		JOIN declaration d ON d.tenant_id = f.tenant_id AND d.id = f.declaration_id`) {
		want := folded(facts[[2]string{f.Declaration, f.Agency}], o.l.offices[f.Agency].agency.Profile().Order)
		if f.Decision != want {
			o.fault(f.Declaration, "%s stands at %s, its notices come to %s", f.Agency, f.Decision, want)
		}
		decided[f.Declaration] = append(decided[f.Declaration], want)
		status[f.Declaration] = f.Status
		if end := slices.Contains([]string{"closed", "rejected", "cancelled"}, f.Decision); !end && !strings.Contains(f.Reference, ".silent") {
			o.fault(f.Declaration, "%s is not final: %s", f.Agency, f.Decision)
		}
	}
	for declaration, decisions := range decided {
		want := ""
		switch {
		case slices.Contains(decisions, "rejected"):
			want = "rejected"
		case !slices.ContainsFunc(decisions, func(d string) bool { return d != "closed" }):
			want = "closed"
		}
		if want != "" && status[declaration] != want {
			o.fault(declaration, "stands at %s, its filings %v come to %s", status[declaration], decisions, want)
		}
	}
}

// folded is the decision machine in other words: the last word counts, but a
// final one stands until a word reopens it, and one that only opens never
// moves anything.
func folded(facts []heardFact, order []string) string {
	slices.SortFunc(facts, func(a, b heardFact) int {
		for _, by := range order {
			c := map[string]int{
				"version": cmp.Compare(a.Version, b.Version), "issuedAt": a.IssuedAt.Compare(b.IssuedAt), "rank": cmp.Compare(a.Rank, b.Rank),
			}[by]
			if c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), strings.Compare(a.Word, b.Word), strings.Compare(a.ID, b.ID))
	})
	stands := "none"
	for _, fact := range facts {
		final := stands == "closed" || stands == "rejected" || stands == "cancelled"
		if fact.Decision != "none" && (stands == "none" || !fact.Opens) && (!final || fact.Reopens && !fact.Opens) {
			stands = fact.Decision
		}
	}
	return stands
}

// events: numbered without a gap, and their last word on the declaration and
// on each filing is where these stand.
func (o *oracle) events(t *testing.T) {
	t.Helper()
	type row struct{ Declaration, Text string }
	for _, r := range rows[row](t, o.l, `SELECT d.id, format('%s events, the last is number %s, %s are counted', count(e.*), max(e.number), d.event_count)
		FROM declaration d LEFT JOIN event e ON e.tenant_id = d.tenant_id AND e.declaration_id = d.id
		GROUP BY d.id, d.event_count HAVING count(e.*) <> d.event_count OR max(e.number) <> d.event_count OR count(e.*) = 0`) {
		o.fault(r.Declaration, "%s", r.Text)
	}
	for _, r := range rows[row](t, o.l, `SELECT d.id, format('stands at %s, its events end at %s', d.status, e.status) FROM declaration d
		LEFT JOIN LATERAL (SELECT data ->> 'status' AS status FROM event WHERE tenant_id = d.tenant_id AND declaration_id = d.id AND type = 'declaration.status'
			ORDER BY number DESC LIMIT 1) e ON true
		WHERE d.status <> coalesce(e.status, 'processing')`) {
		o.fault(r.Declaration, "%s", r.Text)
	}
	for _, r := range rows[row](t, o.l, `SELECT f.declaration_id, format('%s stands at %s, its events end at %s', f.agency, f.decision, e.decision) FROM filing f
		LEFT JOIN LATERAL (SELECT data ->> 'decision' AS decision FROM event WHERE tenant_id = f.tenant_id AND declaration_id = f.declaration_id AND type = 'filing.decision' AND agency = f.agency
			ORDER BY number DESC LIMIT 1) e ON true
		WHERE f.decision <> coalesce(e.decision, 'none')`) {
		o.fault(r.Declaration, "%s", r.Text)
	}
}

// doctor: the product's own examination of everything finds nothing.
func (o *oracle) doctor(t *testing.T) {
	t.Helper()
	folder, err := programs()
	must(t, err)
	arguments := []string{"doctor", "--deep", "--data", o.l.folder, "--database", o.l.database}
	if o.l.folders != "" {
		arguments = append(arguments, "--agencies", o.l.folders)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(folder, "singlewindow"), arguments...)
	command.Dir = o.l.folder
	if said, err := command.CombinedOutput(); err != nil {
		o.fault("", "doctor: %v\n%s", err, said[:min(len(said), 2000)])
	}
}

// timeline is all that any ledger knows of a declaration, by time.
func (l *line) timeline(t *testing.T, declaration string) string {
	t.Helper()
	type entry struct {
		At   time.Time
		Text string
	}
	entries := rows[entry](t, l, `SELECT at, format('event %s %s %s %s', number, type, agency, data) FROM event WHERE declaration_id = $1
		UNION ALL SELECT since, format('message %s to %s is %s (%s), attempts %s, epoch %s, first sent %s, lease %s', id, agency, delivery, reason, attempts, epoch, first_sent_at, lease_until) FROM message WHERE declaration_id = $1
		UNION ALL SELECT received_at, format('notice %s of %s, %s %s: word %s, decision %s, issued %s', id, agency, source, state, word, decision, issued_at) FROM notice WHERE declaration_id = $1`, declaration)
	messages := rows[struct{ ID string }](t, l, "SELECT id FROM message WHERE declaration_id = $1", declaration)
	ours := func(id string) bool {
		return slices.ContainsFunc(messages, func(m struct{ ID string }) bool { return m.ID == id })
	}
	for name, office := range l.offices {
		for _, effect := range office.effects(t) {
			if ours(effect.DeliveryID) {
				entries = append(entries, entry{effect.At, fmt.Sprintf("effect %d of %s at %s", effect.Serial, effect.DeliveryID, name)})
			}
		}
		for _, sent := range office.notices(t) {
			if ours(sent.DeliveryID) {
				entries = append(entries, entry{sent.At, fmt.Sprintf("%s told %s about %s, answered %d", name, sent.Template, sent.DeliveryID, sent.Status)})
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.At.Compare(b.At) })
	var text strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&text, "%s  %s\n", e.At.UTC().Format("15:04:05.000"), e.Text)
	}
	return text.String()
}

// A receipt is a line of the load's journal: what a 202 promised, with the
// digest of what was sent for it.
type receipt struct {
	declare.Status
	Digest string
}
