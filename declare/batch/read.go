package batch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

// source is what is known of a batch's file.
type source struct {
	state                   State
	digest                  []byte
	bytes                   int64
	Name, kind              string
	Format, Encoding, Sheet string // as the user said, then as found
	columns                 map[string]string
	heading                 heading
}

// heading is a table's, as read and as it stands in the file.
type heading struct{ Read, File []string }

func (s *source) complete(columns, heading []byte) error {
	return errors.Join(json.Unmarshal(columns, &s.columns), json.Unmarshal(heading, &s.heading))
}

func (s *source) table() sheet.Source {
	return sheet.Source{Name: s.Name, Format: s.Format, Encoding: s.Encoding, Sheet: s.Sheet, Columns: s.columns}
}

// table is what rows are read from.
type table interface {
	Found() sheet.Source
	Heading() []string
	Labels() []string
	Next() (sheet.Row, error)
}

func (s *source) open(file *os.File) (table, error) {
	if isXML(file, s.Format) {
		return openXML(file, s.table())
	}
	return sheet.Open(file, s.table())
}

// How rows are written down: so many in one transaction, or so many bytes.
const (
	rowsTogether  = 200
	bytesTogether = 1 << 20
)

// readingSlices is how many times longer slices are that read: each begins by
// reading what is on file again.
const readingSlices = 5

// A readRow is a row with its place among all rows and among the items.
type readRow struct {
	sheet.Row
	number, item int
	reference    string
	bytes        int64
}

// size is what an item has come to: its texts, which become a declaration, and
// what it takes in memory. Once it is beyond, it grows no more.
type size struct {
	text, bytes int64
	beyond      bool
}

// mostItemBytes is what an item may take in memory: its rows are judged together.
const mostItemBytes = 32 << 20

// reading is one pass through a file. What earlier slices wrote down is read
// again, because items are counted from the first row.
type reading struct {
	*turn
	form  *sheet.Form
	table table
	items map[string]int // by reference
	sizes map[int]size
	count int // of items
	rows  int
}

// read is a slice that reads. A file that cannot be read refuses the batch:
// nothing of it was filed yet.
func (b *Batches) read(ctx context.Context, t *turn) (err error) {
	begun := b.now()
	t.until = time.Time{}
	file, err := b.fetch(ctx, t.Tenant, t.digest, t.bytes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	table, err := t.open(file)
	if err == nil {
		r := &reading{turn: t, form: b.forms[t.kind], table: table, items: map[string]int{}, sizes: map[int]size{}}
		if err = r.judgeHeading(); err == nil {
			err = b.readOn(ctx, r, begun)
		}
	}
	var refused *declare.Refusal
	if errors.As(err, &refused) {
		return b.refuse(ctx, t, refused.Faults)
	}
	return err
}

// judgeHeading refuses a table whose heading no row can mend.
func (r *reading) judgeHeading() error {
	if format := r.table.Found().Format; format != sheet.CSV && format != sheet.XLSX {
		return nil
	}
	if faults := r.form.CheckHeading(r.table.Heading()); len(faults) > 0 {
		return &declare.Refusal{Faults: faults}
	}
	return nil
}

func (b *Batches) readOn(ctx context.Context, r *reading, begun time.Time) error {
	for {
		rows, end, err := r.group(ctx)
		if err != nil {
			return err
		}
		if end && r.rows == 0 {
			return &declare.Refusal{Faults: []declare.Fault{{Code: "batch.empty", Text: textEmpty}}}
		}
		if r.until.IsZero() { // it began with rows that are on file: they must not be all it does
			now := b.now()
			r.until = now.Add(max(readingSlices*b.timing.Slice, now.Sub(begun)))
		}
		over := !end && b.now().After(r.until)
		if err := b.haveRead(ctx, r, rows, end, over); err != nil || end || over {
			return err
		}
	}
}

// group reads the next rows that are not on file.
func (r *reading) group(ctx context.Context) (rows []readRow, end bool, err error) {
	for bytes := int64(0); len(rows) < rowsTogether && bytes < bytesTogether; {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		row, err := r.table.Next()
		if errors.Is(err, io.EOF) {
			return rows, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		if r.rows == MostRows {
			return nil, false, &declare.Refusal{Faults: []declare.Fault{{Code: "batch.rows", Text: textRows}}}
		}
		placed := r.place(row)
		if placed.number > r.turn.rows {
			rows, bytes = append(rows, placed), bytes+placed.bytes
		}
	}
	return rows, false, nil
}

// usable is a reference that rows may share; with any other a row stands alone.
var usable = regexp.MustCompile(`^[\x20-\x7e]{1,100}$`)

// referenceOf is what a row combines by; "" when it stands alone.
func (r *reading) referenceOf(row sheet.Row) string {
	if r.table.Found().Format == "xml" {
		return "" // told once the message is read back
	}
	if reference := r.form.Reference(r.table.Heading(), row); usable.MatchString(reference) {
		return reference
	}
	return ""
}

// place numbers a row and finds its item. An item that becomes longer than a
// declaration may be keeps no more rows' contents.
func (r *reading) place(row sheet.Row) readRow {
	r.rows++
	placed := readRow{Row: row, number: r.rows, reference: r.referenceOf(row)}
	placed.item = r.items[placed.reference]
	if placed.item > 0 && row.Document != nil { // whole declarations do not combine
		placed.item, placed.Faults = 0, append(row.Faults, declare.Fault{Code: "batch.twice", Pointer: "/reference", Text: textTwice})
	}
	if placed.item == 0 {
		r.count++
		placed.item = r.count
		if _, known := r.items[placed.reference]; placed.reference != "" && !known {
			r.items[placed.reference] = placed.item
		}
	}
	r.measure(&placed)
	return placed
}

// measure adds a row to its item's size. Of one that is beyond, the first row
// says so and the others are only counted.
func (r *reading) measure(placed *readRow) {
	whole := r.sizes[placed.item]
	placed.bytes = placed.Bytes()
	text := int64(len(placed.Document))
	for _, cell := range placed.Cells {
		text += int64(len(cell))
	}
	if whole.beyond || whole.text+text > declare.MostBytes || whole.bytes+placed.bytes > mostItemBytes {
		bare := sheet.Row{Sheet: placed.Sheet, Number: placed.Number}
		if !whole.beyond {
			bare.Faults = []declare.Fault{{Code: "batch.itemTooLarge", Text: textItemTooLarge}}
		}
		whole.beyond, text = true, 0
		placed.Row, placed.bytes = bare, bare.Bytes()
	}
	whole.text += text
	whole.bytes += placed.bytes
	r.sizes[placed.item] = whole
}

// haveRead writes rows and progress down, and the job of the next slice when
// there is one.
func (b *Batches) haveRead(ctx context.Context, r *reading, rows []readRow, end, over bool) error {
	heading, err := json.Marshal(heading{r.table.Heading(), r.table.Labels()})
	if err != nil {
		return err
	}
	state := Reading
	if end {
		state = Filing
	}
	columns, err := columnsOf(rows)
	if err != nil {
		return err
	}
	found := r.table.Found()
	return b.patient.Within(ctx, declare.TenantScope(r.Tenant), func(tx pgx.Tx) error {
		err := fence(ctx, tx, r.turn, "have_read", r.rows, r.count, found.Format, found.Encoding, found.Sheet, heading, state, b.leased())
		if err != nil {
			return err
		}
		for _, insert := range columns.statements(r.Tenant, r.Batch) {
			if _, err := tx.Exec(ctx, statement(insert.name), insert.arguments...); err != nil {
				return err
			}
		}
		if end || over {
			return b.goOn(ctx, tx, r.turn)
		}
		return nil
	})
}

// rowColumns are rows as the database takes them, by column.
type rowColumns struct {
	numbers, items, lines []int
	sheets                []string
	contents              [][]byte

	grown      []int // items with more rows
	references []string
	bytes      []int64
}

func columnsOf(rows []readRow) (c rowColumns, err error) {
	at := map[int]int{}
	for _, row := range rows {
		content, err := row.Keep()
		if err != nil {
			return c, err
		}
		c.numbers, c.items, c.lines = append(c.numbers, row.number), append(c.items, row.item), append(c.lines, row.Number)
		c.sheets, c.contents = append(c.sheets, row.Sheet), append(c.contents, content)
		if _, seen := at[row.item]; !seen {
			at[row.item] = len(c.grown)
			c.grown, c.references, c.bytes = append(c.grown, row.item), append(c.references, row.reference), append(c.bytes, 0)
		}
		c.bytes[at[row.item]] += row.bytes
	}
	return c, nil
}

type insert struct {
	name      string
	arguments []any
}

func (c rowColumns) statements(tenant, batch string) []insert {
	if len(c.numbers) == 0 {
		return nil
	}
	return []insert{
		{"insert_rows", []any{tenant, batch, c.numbers, c.items, c.sheets, c.lines, c.contents}},
		{"insert_items", []any{tenant, batch, c.grown, c.references, c.bytes}},
	}
}

func (b *Batches) refuse(ctx context.Context, t *turn, faults []declare.Fault) error {
	told, err := json.Marshal(located(faults))
	if err != nil {
		return err
	}
	return b.fenced(ctx, t, "refuse", told, b.moment())
}

// located are faults of the file, which have no place in it.
func located(faults []declare.Fault) []Fault {
	all := make([]Fault, len(faults))
	for i, fault := range faults {
		all[i] = Fault{Fault: fault}
	}
	return all
}

var (
	textEmpty = declare.Text{
		English: "The file holds a heading and no rows.",
		Chinese: "文件只有表头，没有数据行。",
	}
	textRows = declare.Text{
		English: "The file has more than 100,000 rows; split it.",
		Chinese: "文件超过 100000 行，请拆分后上传。",
	}
	textTwice = declare.Text{
		English: "An earlier line of the file has this reference.",
		Chinese: "文件中前面已有一行使用该编号。",
	}
	textItemTooLarge = declare.Text{
		English: "The rows with this reference together are longer than a declaration may be, which is 10 MiB.",
		Chinese: "该编号的各行合计超过一份申报单的上限 10 MiB。",
	}
)
