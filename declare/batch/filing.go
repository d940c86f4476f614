package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

// Items are judged in groups, each recorded in one transaction, and so many of
// them at once: they share the gateway's transactions, and leave room for
// whoever files single declarations.
const (
	itemsTogether = 32
	itemBytes     = 4 << 20
	itemsAtOnce   = 4
)

// mostTries is how often an item, or a file, is tried that fails for a reason nobody can
// mend here; then it is rejected, so that the others are not held up.
const mostTries = 5

// An item is the rows that become one declaration.
type item struct {
	number    int
	reference string
	tries     int
	rows      []sheet.Row
}

// An outcome is what became of an item; without a verdict it is tried again.
type outcome struct {
	item        item
	verdict     Verdict
	declaration string
	reference   string
	faults      []Fault
	places      locator
	err         error
}

// file is a slice that judges items: tries or files them.
func (b *Batches) file(ctx context.Context, t *turn) error {
	wanted := Waiting
	if t.within && t.allOrNothing {
		wanted = Valid // by the first pass
	}
	for after := 0; ; {
		items, err := b.nextItems(ctx, t, wanted, after)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return b.endPass(ctx, t)
		}
		after = items[len(items)-1].number
		outcomes := b.judgeAll(ctx, t, items)
		failed := failureOf(outcomes)
		over := b.now().After(t.until) && failed == nil
		if err := b.haveJudged(ctx, t, wanted, outcomes, over); err != nil || over {
			return err
		}
		if failed != nil {
			return failed // without a next job: the items are tried again when the lease is over
		}
	}
}

// failureOf is why an item of a group has no verdict, nil when each has one.
func failureOf(outcomes []outcome) error {
	for _, o := range outcomes {
		if o.err != nil {
			return o.err
		}
	}
	return nil
}

func (b *Batches) nextItems(ctx context.Context, t *turn, verdict Verdict, after int) ([]item, error) {
	return b.items(ctx, &t.source, t.Tenant, "next_items", t.Tenant, t.Batch, verdict, after, itemsTogether, itemBytes)
}

// items reads items with their rows.
func (b *Batches) items(ctx context.Context, s *source, tenant, name string, arguments ...any) (found []item, err error) {
	err = b.patient.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement(name), arguments...)
		if err != nil {
			return err
		}
		var one item
		var content []byte
		_, err = pgx.ForEachRow(rows, []any{&one.number, &one.reference, &one.tries, &content}, func() error {
			row, err := sheet.KeptRow(content, s.heading.File)
			if err != nil {
				return err
			}
			if len(found) == 0 || found[len(found)-1].number != one.number {
				found = append(found, one)
			}
			last := &found[len(found)-1]
			last.rows = append(last.rows, row)
			return nil
		})
		return err
	})
	return found, err
}

// judgeAll judges a group of items, several at once.
func (b *Batches) judgeAll(ctx context.Context, t *turn, items []item) []outcome {
	outcomes := make([]outcome, len(items))
	next := make(chan int)
	var working sync.WaitGroup
	for range itemsAtOnce {
		working.Go(func() {
			for at := range next {
				outcomes[at] = b.judge(ctx, t, items[at])
			}
		})
	}
	for at := range items {
		next <- at
	}
	close(next)
	working.Wait()
	if !t.within {
		b.judgeReferences(ctx, t, outcomes)
	}
	return outcomes
}

// judge tries or files one item.
func (b *Batches) judge(ctx context.Context, t *turn, one item) (o outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			o = outcome{item: one}.failed(b.panicked(t, cause))
		}
	}()
	o = outcome{item: one, reference: one.reference}
	document, places, faults, err := b.compose(&t.source, one)
	if err != nil {
		return o.failed(err)
	}
	if o.reference == "" {
		o.reference = referenceIn(document)
	}
	if o.faults = faults; len(faults) > 0 {
		o.verdict = Rejected
		return o
	}
	if !t.within {
		examined, err := b.gateway.Validate(ctx, document)
		if err != nil {
			return o.failed(err)
		}
		if faults := declare.Refusals(examined.Faults); len(faults) > 0 {
			return o.reject(faults, places)
		}
		o.verdict, o.places = Valid, places
		return o
	}
	return b.submit(ctx, t, o, document, places)
}

// submit files an item under a key of its own: filed before a crash, it is
// found to be filed.
func (b *Batches) submit(ctx context.Context, t *turn, o outcome, document []byte, places locator) outcome {
	receipt, err := b.gateway.Submit(ctx, declare.Submission{Tenant: t.Tenant, Key: fmt.Sprintf("%s-%d", t.Batch, o.item.number), Body: document})
	var refused *declare.Refusal
	var used *declare.ReferenceUsed
	switch {
	case err == nil:
		o.verdict, o.declaration, o.reference = Filed, receipt.ID, receipt.Reference
		return o
	case errors.As(err, &refused):
		return o.reject(declare.Refusals(refused.Faults), places)
	case errors.As(err, &used):
		return o.reject(referenceUsed, places)
	}
	return o.failed(err)
}

// judgeReferences rejects what filing would: references that are used.
func (b *Batches) judgeReferences(ctx context.Context, t *turn, outcomes []outcome) {
	var asked []string
	for _, o := range outcomes {
		if o.verdict == Valid {
			asked = append(asked, o.reference)
		}
	}
	used := map[string]bool{}
	err := b.patient.Within(ctx, declare.TenantScope(t.Tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("used_references"), t.Tenant, asked)
		if err != nil {
			return err
		}
		var reference string
		_, err = pgx.ForEachRow(rows, []any{&reference}, func() error { used[reference] = true; return nil })
		return err
	})
	for i, o := range outcomes {
		switch {
		case o.verdict != Valid:
		case err != nil:
			outcomes[i] = outcome{item: o.item}.failed(err)
		case used[o.reference]:
			outcomes[i] = outcome{item: o.item, reference: o.reference}.reject(referenceUsed, o.places)
		}
	}
}

// failed leaves an item for another slice, but not for ever.
func (o outcome) failed(err error) outcome {
	if o.err = err; passing(err) {
		return o
	}
	if o.item.tries++; o.item.tries < mostTries {
		return o
	}
	o.err = nil
	return o.reject([]declare.Fault{{Code: "batch.failed", Text: textFailed}}, rowsOf(o.item))
}

func (o outcome) reject(faults []declare.Fault, places locator) outcome {
	o.verdict, o.faults = Rejected, locate(faults, places)
	return o
}

func locate(faults []declare.Fault, places locator) []Fault {
	found := make([]Fault, len(faults))
	for i, fault := range faults {
		found[i] = Fault{fault, places.at(fault.Pointer)}
	}
	return found
}

// haveJudged writes verdicts and counts down and, when this slice is over, the
// job of the next one.
func (b *Batches) haveJudged(ctx context.Context, t *turn, before Verdict, outcomes []outcome, over bool) error {
	var numbers, tries []int
	var verdicts, declarations, references, faults []string
	count := map[Verdict]int{}
	for _, o := range outcomes {
		if o.verdict == "" {
			o.verdict = before
		}
		told, err := json.Marshal(append([]Fault{}, o.faults...))
		if err != nil {
			return err
		}
		numbers, tries, verdicts = append(numbers, o.item.number), append(tries, o.item.tries), append(verdicts, string(o.verdict))
		declarations, references, faults = append(declarations, o.declaration), append(references, o.reference), append(faults, string(told))
		count[o.verdict]++
		count[before]--
	}
	err := b.patient.Within(ctx, declare.TenantScope(t.Tenant), func(tx pgx.Tx) error {
		err := fence(ctx, tx, t, "have_judged", count[Filed], count[Rejected], count[Valid], Filing, t.within, nil, b.leased())
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, statement("record_verdicts"), t.Tenant, t.Batch, numbers, verdicts, declarations, references, faults, tries); err != nil || !over {
			return err
		}
		return b.goOn(ctx, tx, t)
	})
	if err == nil {
		t.rejected += count[Rejected]
	}
	return err
}

// endPass ends the batch, or lets its items be filed when all are sound.
func (b *Batches) endPass(ctx context.Context, t *turn) error {
	if !t.within && !t.dryRun && t.rejected == 0 {
		return b.patient.Within(ctx, declare.TenantScope(t.Tenant), func(tx pgx.Tx) error {
			if err := fence(ctx, tx, t, "have_judged", 0, 0, 0, Filing, true, nil, b.leased()); err != nil {
				return err
			}
			return b.goOn(ctx, tx, t)
		})
	}
	now := b.moment()
	return b.fenced(ctx, t, "have_judged", 0, 0, 0, Done, t.within, &now, now)
}

// locator finds the cell that a pointer leads to.
type locator interface {
	at(pointer string) sheet.Cell
}

// compose makes the declaration of an item, or tells what keeps it from being
// one. The same rows make the same bytes.
func (b *Batches) compose(s *source, one item) (document []byte, places locator, rejected []Fault, err error) {
	var faults []declare.Fault
	if s.Format == "xml" {
		places = rowsOf(one)
		document, faults, err = b.composeXML(s.kind, one.rows[0].Document)
	} else {
		var found *sheet.Places
		document, found, faults = b.forms[s.kind].Build(s.heading.Read, one.rows)
		places = cells{found, rowsOf(one)}
	}
	for _, row := range one.rows {
		rejected = append(rejected, locate(declare.Refusals(row.Faults), rowsOf(item{rows: []sheet.Row{row}}))...)
	}
	return document, places, append(rejected, locate(declare.Refusals(faults), places)...), err
}

func (b *Batches) composeXML(kind string, message []byte) ([]byte, []declare.Fault, error) {
	agency, tree, faults, err := b.readXML(message)
	switch {
	case err != nil:
		return nil, nil, err
	case agency == "" && len(faults) == 0:
		return nil, []declare.Fault{{Code: "batch.xmlUnknown", Text: textXMLUnknown}}, nil
	case len(faults) > 0:
		return nil, faults, nil
	case tree["kind"] != kind:
		return nil, []declare.Fault{{Code: "batch.xmlKind", Text: textXMLKind}}, nil
	}
	document, err := json.Marshal(tree)
	return document, nil, err
}

// referenceIn is the reference of a document that came whole.
func referenceIn(document []byte) string {
	var told struct {
		Reference string `json:"reference"`
	}
	if json.Unmarshal(document, &told) != nil || !usable.MatchString(told.Reference) {
		return "" // what is wrong with it is told as a fault
	}
	return told.Reference
}

// cells are the places of a declaration made of a table's rows.
type cells struct {
	places *sheet.Places
	rows   rowsOf
}

func (c cells) at(pointer string) sheet.Cell {
	if c.places != nil {
		if cell, found := c.places.Cell(pointer); found {
			return cell
		}
	}
	return c.rows.at(pointer)
}

// rowsOf locates what has no cell at the item's first row.
type rowsOf item

func (r rowsOf) at(string) sheet.Cell {
	if len(r.rows) == 0 {
		return sheet.Cell{}
	}
	return sheet.Cell{Sheet: r.rows[0].Sheet, Row: r.rows[0].Number}
}

var referenceUsed = []declare.Fault{{Code: "reference.used", Pointer: "/reference", Text: textReferenceUsed}}

var (
	textReferenceUsed = declare.Text{
		English: "Another declaration carries this reference already.",
		Chinese: "该编号已被另一份申报使用。",
	}
	textFileFailed = declare.Text{
		English: "The file could not be processed; the operator has been told. Nothing was filed.",
		Chinese: "该文件未能处理，已通知运维人员。未提交任何申报。",
	}
	textFailed = declare.Text{
		English: "This declaration could not be processed; the operator has been told. Nothing was filed for it.",
		Chinese: "该申报未能处理，已通知运维人员。未为其提交任何申报。",
	}
	textXMLUnknown = declare.Text{
		English: "No agency connected here has messages of this form.",
		Chinese: "没有已接入的机构使用此格式的报文。",
	}
	textXMLKind = declare.Text{
		English: "The message is a declaration of another kind than the batch.",
		Chinese: "该报文的申报种类与本批次不同。",
	}
)
