package declare

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// changes gathers what a group of facts changes, table by table and column by
// column, so that each table is written once however large the group.
type changes struct {
	declarations declarationColumns
	filings      filingColumns
	events       eventColumns
	numbers      numberColumns
	tasks        []task
	proved       []proved
}

// task is what an officer must decide.
type task struct {
	tenant, subject, kind, agency, declaration, why string
	at                                              time.Time
}

type declarationColumns struct {
	tenant, id, status, who, agency, why []string
	since                                []time.Time
	eventCount                           []int32
}

func (d *declarationColumns) add(f *file, status Overall, waiting WaitingFor) {
	d.tenant = append(d.tenant, f.key.tenant)
	d.id = append(d.id, f.key.id)
	d.status = append(d.status, string(status))
	d.who = append(d.who, waiting.Who)
	d.agency = append(d.agency, waiting.Agency)
	d.why = append(d.why, waiting.Why)
	d.since = append(d.since, waiting.Since)
	d.eventCount = append(d.eventCount, int32(f.eventCount))
}

type filingColumns struct {
	tenant, declaration, agency, decision, word, remark, numbers, errors, duties, documents []string
	since                                                                                   []time.Time
}

func (c *filingColumns) add(key declarationKey, filing *FilingStatus) error {
	numbers, err := json.Marshal(filing.AgencyNumbers)
	if err != nil {
		return err
	}
	complaints, err := listed(filing.Errors)
	if err != nil {
		return err
	}
	duties, err := listed(filing.Duties)
	if err != nil {
		return err
	}
	documents, err := listed(filing.Documents)
	if err != nil {
		return err
	}
	c.tenant = append(c.tenant, key.tenant)
	c.declaration = append(c.declaration, key.id)
	c.agency = append(c.agency, filing.Agency)
	c.decision = append(c.decision, string(filing.Decision))
	c.since = append(c.since, filing.Since)
	c.word = append(c.word, filing.Word)
	c.remark = append(c.remark, filing.Remark)
	c.numbers = append(c.numbers, string(numbers))
	c.errors = append(c.errors, complaints)
	c.duties = append(c.duties, duties)
	c.documents = append(c.documents, documents)
	return nil
}

// listed writes a list as JSON, an empty one as [].
func listed[T any](list []T) (string, error) {
	if list == nil {
		return "[]", nil
	}
	text, err := json.Marshal(list)
	return string(text), err
}

type eventColumns struct {
	tenant, declaration, id, kind, agency, data []string
	number                                      []int32
	at                                          []time.Time
}

func (e *eventColumns) add(f *file, id, kind, agency string, at time.Time, data string) {
	e.tenant = append(e.tenant, f.key.tenant)
	e.declaration = append(e.declaration, f.key.id)
	e.number = append(e.number, int32(f.eventCount))
	e.id = append(e.id, id)
	e.kind = append(e.kind, kind)
	e.agency = append(e.agency, agency)
	e.at = append(e.at, at)
	e.data = append(e.data, data)
}

type numberColumns struct {
	tenant, declaration, agency, name, value []string
}

func (n *numberColumns) add(key declarationKey, agency, name, value string) {
	n.tenant = append(n.tenant, key.tenant)
	n.declaration = append(n.declaration, key.id)
	n.agency = append(n.agency, agency)
	n.name = append(n.name, name)
	n.value = append(n.value, value)
}

// write puts all changes into the ledger in one round trip.
func (c *changes) write(ctx context.Context, tx pgx.Tx) error {
	var batch pgx.Batch
	if f := &c.filings; len(f.tenant) > 0 {
		batch.Queue(statement("update_filings"), f.tenant, f.declaration, f.agency, f.decision, f.since, f.word, f.remark, f.numbers, f.errors, f.duties, f.documents)
	}
	if n := &c.numbers; len(n.tenant) > 0 {
		batch.Queue(statement("insert_agency_numbers"), n.agency, n.name, n.value, n.tenant, n.declaration)
		batch.Queue(statement("insert_search_keys"), n.tenant, n.value, n.name, n.declaration)
	}
	if d := &c.declarations; len(d.tenant) > 0 {
		batch.Queue(statement("update_declarations"), d.tenant, d.id, d.status, d.who, d.agency, d.why, d.since, d.eventCount)
	}
	if e := &c.events; len(e.tenant) > 0 {
		batch.Queue(statement("insert_events"), e.tenant, e.declaration, e.number, e.id, e.kind, e.agency, e.at, e.data)
	}
	for _, t := range c.tasks {
		batch.Queue(statement("open_task"), t.tenant, t.subject, t.kind, t.agency, t.declaration, t.why, t.at)
	}
	for _, p := range c.proved {
		batch.Queue(statement("close_task"), p.key.tenant, p.id, p.at, string(ResolutionSettled), "singlewindow", "a notice shows that the agency has the message")
	}
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &batch).Close()
}
