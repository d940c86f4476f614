package sheet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"singlewindow/declare"
)

// The formats that can be read.
const (
	CSV    = "csv"
	XLSX   = "xlsx"
	NDJSON = "ndjson"
)

// The bounds of every table.
const (
	maxLine     = 1 << 20  // bytes of a line of CSV, and of the texts of a row of XLSX
	maxDocument = 10 << 20 // bytes of a line of NDJSON
	maxColumns  = 1000
	maxRows     = 1_000_000
)

// Source tells how a file is to be read. What is empty is found out.
type Source struct {
	Name     string            // as its sender calls it; used for nothing here
	Format   string            // csv, xlsx or ndjson
	Encoding string            // utf-8 or gb18030 (also gbk, gb2312), of CSV and NDJSON
	Sheet    string            // of XLSX; else the first one that is not hidden
	Columns  map[string]string // heading in the file -> path or label of ours, "-" for what is not to be read
}

// Row is one line of a table.
type Row struct {
	Sheet    string
	Number   int             // as the user's program shows it, 1 is the first line
	Cells    []string        // as many as there are headings
	Document []byte          // of NDJSON, instead of Cells
	Faults   []declare.Fault // of the row as a whole; those of its cells come from Build

	labels []string // the headings as in the file
	wrong  map[int]declare.Fault
}

// What a cell and a fault take in memory, about, beside a cell's text.
const (
	cellBytes  = 16
	faultBytes = 512
)

// Bytes is about what a row takes in memory: a row of many empty cells, or in
// which much is wrong, takes far more than its texts.
func (r Row) Bytes() int64 {
	bytes := len(r.Document) + cellBytes*len(r.Cells) + faultBytes*(len(r.Faults)+len(r.wrong))
	for _, cell := range r.Cells {
		bytes += len(cell)
	}
	return int64(bytes)
}

// table gives the lines of one format. An error is io.EOF, a
// [*declare.Refusal] of the whole table, or one of reading the file.
type table interface{ next() (line, error) }

// line is a row before its headings are known.
type line struct {
	number int
	cells  []string
	whole  string                // of a line that could not be taken apart
	wrong  map[int]declare.Fault // of cells
	faults []declare.Fault       // of the line
}

func (l *line) isBlank() bool {
	for _, cell := range l.cells {
		if clean(cell) != "" {
			return false
		}
	}
	return len(l.faults) == 0 && len(l.wrong) == 0 && l.whole == ""
}

// Reader reads a table row by row.
type Reader struct {
	table   table
	found   Source
	labels  []string // the headings as in the file
	heading []string // after Source.Columns
	row     int      // of the heading
	count   int
	exact   bool // a line must have as many cells as there are headings
}

// Open reads a table up to its heading. The file must stay open, and its
// content as it is, while the reader is used. An error that the sender can
// mend is a [*declare.Refusal]:
//
//	batch.format     neither of the formats, or not the one named
//	batch.encoding   an encoding that is not known, or not the file's
//	batch.utf16      UTF-16, which is not read
//	batch.corrupt    no whole workbook: cut off or broken
//	batch.protected  with a password, or in the format before 2007
//	batch.bomb       packed so that it would unpack beyond all measure
//	batch.sheet      no such sheet
//	batch.empty      nothing in it
//	batch.columns    more than 1,000 columns
//	batch.rows       more than 1,000,000 rows
//	batch.line       a line of more than 1 MiB (NDJSON 10 MiB)
//	batch.heading.merged, and what is wrong with the heading's line
func Open(file *os.File, source Source) (*Reader, error) {
	r, err := openTable(file, source)
	if err != nil || r.found.Format == NDJSON {
		return r, err
	}
	for {
		heading, err := r.table.next()
		if errors.Is(err, io.EOF) {
			return nil, refuse("batch.empty", "There is nothing in the table.", "表格为空。")
		}
		if err != nil {
			return nil, err
		}
		if !heading.isBlank() {
			return r, r.readHeading(heading)
		}
	}
}

func openTable(file *os.File, source Source) (*Reader, error) {
	status, err := file.Stat()
	if err != nil {
		return nil, err
	}
	start := make([]byte, 512)
	n, err := file.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	r := &Reader{found: source}
	if r.found.Format, err = findFormat(start[:n], source.Format); err != nil {
		return nil, err
	}
	if r.found.Format == XLSX {
		r.found.Encoding = ""
		r.table, r.found.Sheet, err = openWorkbook(file, status.Size(), source.Sheet)
		return r, err
	}
	r.found.Sheet = ""
	if r.found.Encoding, err = findEncoding(file, status.Size(), start[:n], r.found); err != nil {
		return nil, err
	}
	if r.found.Format == NDJSON {
		r.table = newDocuments(file, status.Size(), r.found.Encoding)
	} else {
		r.table, r.exact = newRecords(file, status.Size(), r.found.Encoding), true
	}
	return r, nil
}

// findFormat tells the format by the first bytes of a file.
func findFormat(start []byte, named string) (string, error) {
	format := CSV
	switch text := bytes.TrimLeft(bytes.TrimPrefix(start, byteOrderMark), " \t\r\n"); {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("PK\x05\x06")):
		format = XLSX
	case bytes.HasPrefix(start, []byte("\xd0\xcf\x11\xe0")):
		return "", refuse("batch.protected",
			"The workbook is protected with a password or in the format before 2007; save it as .xlsx without a password.",
			"工作簿设有密码或为 2007 年以前的格式，请另存为不带密码的 .xlsx 文件。")
	case bytes.HasPrefix(text, []byte("{")):
		format = NDJSON
	}
	switch {
	case named != "" && named != CSV && named != XLSX && named != NDJSON:
		return "", refuse("batch.format", "Tables are read as csv, xlsx or ndjson.", "表格格式应为 csv、xlsx 或 ndjson。")
	case named == XLSX && format != XLSX:
		return "", refuse("batch.corrupt", "The file is no XLSX workbook.", "该文件不是 XLSX 工作簿。")
	case named != "" && named != XLSX && format == XLSX:
		return "", refuse("batch.format",
			fmt.Sprintf("The file is a packed workbook and not %s.", named), fmt.Sprintf("该文件是压缩的工作簿，不是 %s。", named))
	case named != "":
		format = named
	}
	return format, nil
}

func (r *Reader) readHeading(l line) error {
	if l.whole != "" || len(l.faults) > 0 {
		return &declare.Refusal{Faults: l.faults}
	}
	for i := range l.wrong {
		return &declare.Refusal{Faults: []declare.Fault{l.wrong[i]}}
	}
	width := len(l.cells)
	for width > 0 && clean(l.cells[width-1]) == "" {
		width--
	}
	if width > maxColumns {
		return tooManyColumns()
	}
	r.row = l.number
	for _, cell := range l.cells[:width] {
		label := unescape(clean(cell))
		r.labels = append(r.labels, label)
		if ours, isMapped := r.found.Columns[label]; isMapped {
			label = ours
		}
		r.heading = append(r.heading, label)
	}
	return nil
}

func tooManyColumns() error {
	return refuse("batch.columns",
		fmt.Sprintf("The table has more than %d columns.", maxColumns), fmt.Sprintf("表格超过 %d 列。", maxColumns))
}

// Found gives the source with its format, encoding and sheet as found.
func (r *Reader) Found() Source { return r.found }

// Heading gives the headings after Source.Columns, none for NDJSON.
func (r *Reader) Heading() []string { return r.heading }

// Next gives the next row that is not blank, and io.EOF at the end. Other
// errors are as those of [Open]; they end the table.
//
//	batch.row.encoding  bytes that are not of the encoding, also a line in another one
//	batch.row.lost      U+FFFD: an earlier program has lost a character here
//	batch.row.quotes    quotation marks that do not close or stand in the middle
//	batch.row.ragged    more or fewer cells than headings
//	batch.row.merged    cells merged with others
func (r *Reader) Next() (Row, error) {
	for {
		l, err := r.table.next()
		if err != nil {
			return Row{}, err
		}
		if l.isBlank() {
			continue
		}
		if r.count++; r.count > maxRows {
			return Row{}, refuse("batch.rows",
				fmt.Sprintf("The table has more than %d rows; split it.", maxRows), fmt.Sprintf("表格超过 %d 行，请拆分。", maxRows))
		}
		return r.rowOf(l), nil
	}
}

func (r *Reader) rowOf(l line) Row {
	row := Row{Sheet: r.found.Sheet, Number: l.number, Faults: l.faults, labels: r.labels, wrong: l.wrong}
	if r.found.Format == NDJSON {
		row.Document = []byte(l.whole)
		return row
	}
	if l.whole == "" {
		row.Faults = append(row.Faults, r.ragged(l)...)
	}
	row.Cells = make([]string, len(r.heading))
	copy(row.Cells, l.cells)
	for i, cell := range row.Cells {
		row.Cells[i] = unescape(cell)
		if _, isWrong := row.wrong[i]; isWrong || strings.IndexFunc(cell, unicode.IsControl) < 0 {
			continue
		}
		if row.wrong == nil {
			row.wrong = map[int]declare.Fault{}
		}
		row.wrong[i] = fault("batch.cell.character",
			"The cell holds a line break or another control character; remove it.", "单元格含有换行或其他控制字符，请删除。")
	}
	return row
}

// ragged tells that cells stand under no heading, or that some are missing.
func (r *Reader) ragged(l line) []declare.Fault {
	extra := line{cells: l.cells[min(len(l.cells), len(r.heading)):]}
	short := r.exact && len(l.cells) < len(r.heading)
	if extra.isBlank() && !short {
		return nil
	}
	return []declare.Fault{fault("batch.row.ragged",
		fmt.Sprintf("The row has %d cells, the heading has %d; look for a missing or an additional separator.", len(l.cells), len(r.heading)),
		fmt.Sprintf("该行有 %d 个单元格，标题有 %d 个；请检查是否缺少或多出分隔符。", len(l.cells), len(r.heading)))}
}

// corrupt tells a broken workbook from a disk that cannot be read.
func corrupt(err error) error {
	var disk *fs.PathError
	var refusal *declare.Refusal
	if errors.As(err, &disk) || errors.As(err, &refusal) {
		return err
	}
	return refuse("batch.corrupt", "The workbook is cut off or broken; save it again and send it whole.", "工作簿不完整或已损坏，请重新保存后完整发送。")
}
