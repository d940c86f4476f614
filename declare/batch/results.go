package batch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

// Result is what became of one item.
type Result struct {
	Number        int // of the item, from 1
	Sheet         string
	Lines         []int // its rows, as the user's program numbers them
	Reference     string
	Verdict       Verdict
	DeclarationID string
	Status        declare.Overall // of what was filed, now
	Errors        []Fault
}

// FaultsTogether is how many faults results have together before a page ends.
const FaultsTogether = 20_000

// Rows gives a batch's results, by the items' first rows: those with a verdict,
// or all for "", after item number after, at most limit, and no more of them
// once they have more than [FaultsTogether]. What agencies have
// against a declaration by now is among its errors. The error is
// [declare.ErrMissing] when the tenant has no such batch.
func (b *Batches) Rows(ctx context.Context, tenant, id string, verdict Verdict, after, limit int) ([]Result, error) {
	s, err := b.source(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	return b.results(ctx, tenant, id, s, verdict, after, limit)
}

func (b *Batches) source(ctx context.Context, tenant, id string) (*source, error) {
	s := &source{}
	var columns, heading []byte
	err := b.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("source"), tenant, id).Scan(&s.digest, &s.bytes, &s.Name, &s.kind, &s.Format, &s.Encoding, &s.Sheet, &columns, &heading, &s.state)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, declare.ErrMissing
	}
	if err != nil {
		return nil, err
	}
	return s, s.complete(columns, heading)
}

func (b *Batches) results(ctx context.Context, tenant, id string, s *source, verdict Verdict, after, limit int) (found []Result, err error) {
	err = b.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("items"), tenant, id, verdict, after, limit, FaultsTogether)
		if err != nil {
			return err
		}
		if found, err = pgx.CollectRows(rows, scanResult); err != nil {
			return err
		}
		return addLines(ctx, tx, tenant, id, found)
	})
	if err != nil {
		return nil, err
	}
	return found, b.addStatuses(ctx, tenant, id, s, found)
}

func scanResult(row pgx.CollectableRow) (r Result, err error) {
	var faults []byte
	if err := row.Scan(&r.Number, &r.Reference, &r.Verdict, &r.DeclarationID, &faults); err != nil {
		return r, err
	}
	return r, json.Unmarshal(faults, &r.Errors)
}

func addLines(ctx context.Context, tx pgx.Tx, tenant, id string, results []Result) error {
	numbers, at := make([]int, len(results)), map[int]*Result{}
	for i := range results {
		numbers[i], at[results[i].Number] = results[i].Number, &results[i]
	}
	rows, err := tx.Query(ctx, statement("lines"), tenant, id, numbers)
	if err != nil {
		return err
	}
	var number, line int
	var name string
	_, err = pgx.ForEachRow(rows, []any{&number, &name, &line}, func() error {
		at[number].Sheet, at[number].Lines = name, append(at[number].Lines, line)
		return nil
	})
	return err
}

// addStatuses tells where the filed ones stand, and what agencies have against
// them.
func (b *Batches) addStatuses(ctx context.Context, tenant, id string, s *source, results []Result) error {
	var filed []string
	for _, r := range results {
		if r.DeclarationID != "" {
			filed = append(filed, r.DeclarationID)
		}
	}
	if len(filed) == 0 {
		return nil
	}
	statuses, err := b.gateway.Statuses(ctx, tenant, filed)
	if err != nil {
		return err
	}
	byID := map[string]declare.Status{}
	for _, status := range statuses {
		byID[status.ID] = status
	}
	for i := range results {
		results[i].Status = byID[results[i].DeclarationID].Status
	}
	return b.addAgencyErrors(ctx, tenant, id, s, results, byID)
}

// addAgencyErrors puts what agencies have against declarations at the cells
// that these are made of. Their rows are read together, no more at once than
// there is room for.
func (b *Batches) addAgencyErrors(ctx context.Context, tenant, id string, s *source, results []Result, statuses map[string]declare.Status) error {
	var numbers []int
	at, told := map[int]*Result{}, map[int][]declare.Fault{}
	for i := range results {
		number := results[i].Number
		if faults := agencyFaults(statuses[results[i].DeclarationID]); len(faults) > 0 {
			numbers, at[number], told[number] = append(numbers, number), &results[i], faults
		}
	}
	for len(numbers) > 0 {
		items, err := b.items(ctx, s, tenant, "item_rows", tenant, id, numbers, itemBytes)
		if err != nil || len(items) == 0 {
			return err
		}
		for _, one := range items {
			_, places, _, err := b.compose(s, one)
			if err != nil {
				return err
			}
			at[one.number].Errors = append(at[one.number].Errors, locate(told[one.number], places)...)
		}
		numbers = numbers[slices.Index(numbers, items[len(items)-1].number)+1:]
	}
	return nil
}

// agencyFaults are what agencies answered, in the agencies' own words and, in
// the window's two languages, where the folder knows what a code means.
func agencyFaults(status declare.Status) (faults []declare.Fault) {
	for _, filing := range status.Filings {
		for _, e := range filing.Errors {
			text := e.Meaning
			if text.English == "" {
				text = declare.Text{English: e.Text, Chinese: e.Text}
			}
			faults = append(faults, declare.Fault{Code: e.Code, Pointer: e.Pointer, Text: text, Agency: filing.Agency, XMLPath: e.XMLPath})
		}
	}
	return faults
}

// Marked is a batch's file with what is wrong in it. It must be closed.
type Marked struct {
	*os.File
	Name             string
	Format, Encoding string // csv or xlsx; of CSV
	Size             int64
}

// pageOfMarks is how many results are looked at together.
const pageOfMarks = 200

// mostMarking files are marked up at once: each may hold a workbook's texts, and
// every fault of a batch, in memory. Who comes next waits.
const mostMarking = 2

// MarkedUp gives the file back as it came, the wrong cells marked and, in a
// last column, why, in language "en" or "zh". It is [ErrNoTable] for a file
// that was refused or is not a table.
func (b *Batches) MarkedUp(ctx context.Context, tenant, id, language string) (*Marked, error) {
	s, err := b.source(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	if s.state == Refused || s.Format == "" || s.Format == "xml" {
		return nil, ErrNoTable
	}
	select {
	case b.marking <- struct{}{}:
		defer func() { <-b.marking }()
	case <-ctx.Done():
		return nil, declare.ErrUnavailable
	}
	marks, err := b.marks(ctx, tenant, id, s, language)
	if err != nil {
		return nil, err
	}
	file, err := b.fetch(ctx, tenant, s.digest, s.bytes)
	if err != nil {
		return nil, err
	}
	marked, err := b.mark(file, s, marks)
	return marked, errors.Join(err, file.Close())
}

func (b *Batches) mark(file *os.File, s *source, marks map[int][]sheet.Mark) (*Marked, error) {
	into, err := b.nameless()
	if err != nil {
		return nil, err
	}
	err = sheet.Markup(into, file, s.table(), func(row int) []sheet.Mark { return marks[row] })
	size, sought := into.Seek(0, io.SeekEnd)
	_, rewound := into.Seek(0, io.SeekStart)
	if err := errors.Join(err, sought, rewound); err != nil {
		return nil, errors.Join(err, into.Close())
	}
	marked := &Marked{File: into, Name: s.Name, Format: s.Format, Encoding: s.Encoding, Size: size}
	if s.Format == sheet.NDJSON { // a table of lines and messages
		marked.Name, marked.Format = s.Name+".csv", sheet.CSV
	}
	return marked, nil
}

// mostMarks is where a marked-up file stops telling all that is wrong: from
// there on it tells one thing of a row.
const mostMarks = 500_000

// marks are a batch's errors by the row they are at.
func (b *Batches) marks(ctx context.Context, tenant, id string, s *source, language string) (map[int][]sheet.Mark, error) {
	marks, once, count := map[int][]sheet.Mark{}, texts{}, 0
	for after := 0; ; {
		page, err := b.results(ctx, tenant, id, s, "", after, pageOfMarks)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return marks, nil
		}
		for _, result := range page {
			for _, e := range result.Errors {
				if count++; count > mostMarks && len(marks[e.Row]) > 0 {
					continue
				}
				cell := sheet.Cell{Sheet: once.of(e.Sheet), Row: e.Row, Column: once.of(e.Column), Heading: once.of(e.Heading)}
				marks[e.Row] = append(marks[e.Row], sheet.Mark{Cell: cell, Text: once.of(said(e, language))})
			}
		}
		after = page[len(page)-1].Number
	}
}

// texts keep each text once: a batch has few, said of many cells.
type texts map[string]string

func (t texts) of(text string) string {
	if known, seen := t[text]; seen {
		return known
	}
	t[text] = text
	return text
}

func said(e Fault, language string) string {
	return strings.TrimSpace(e.Agency + " " + e.Text.In(language) + " [" + e.Code + "]")
}
