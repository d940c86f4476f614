package sheet

import (
	"archive/zip"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"
)

// Mark is a message at a cell of a table, or at a row where the cell has no
// column.
type Mark struct {
	Cell Cell
	Text string
}

// Markup writes a table back with the messages of each row in a last column:
// CSV as CSV in its encoding (UTF-8 with its mark) and with its separator, XLSX as a workbook of the
// one sheet with the marked cells coloured, NDJSON as CSV of row and messages.
// marks is asked for every row in turn, that of the heading included. Cells
// are written as texts; a line that could not be taken apart stands in one
// cell. The errors are those of [Open] and of writing.
func Markup(w io.Writer, file *os.File, source Source, marks func(row int) []Mark) error {
	in, err := Open(file, source)
	if err != nil {
		return err
	}
	out, err := in.markupWriter(w)
	if err != nil {
		return err
	}
	return errors.Join(in.markup(out, marks), out.close())
}

// markupWriter writes the rows of a marked-up table.
type markupWriter interface {
	write(number int, cells []string, marked map[int]bool) error
	close() error
}

func (r *Reader) markupWriter(w io.Writer) (markupWriter, error) {
	if r.found.Format == XLSX {
		return newMarkedBook(w, r.found.Sheet, len(r.labels))
	}
	out := &markedText{}
	if r.found.Encoding == GB18030 {
		out.encoder = transform.NewWriter(w, simplifiedchinese.GB18030.NewEncoder())
		w = out.encoder
	} else if _, err := w.Write(byteOrderMark); err != nil {
		return nil, err
	}
	out.csv = csv.NewWriter(w)
	out.csv.UseCRLF = true
	if lines, isCSV := r.table.(*records); isCSV {
		out.csv.Comma, out.inPlace = rune(lines.separator), true
	}
	return out, nil
}

func (r *Reader) markup(out markupWriter, marks func(row int) []Mark) error {
	messages := len(r.labels) // the column of the messages
	if r.found.Format == NDJSON {
		if err := out.write(1, []string{"row", messageHeading}, nil); err != nil {
			return err
		}
	} else {
		if messages > 0 && r.labels[messages-1] == messageHeading {
			messages-- // a marked-up table that came back
		}
		if err := r.markupLine(out, line{number: r.row, cells: r.labels[:messages]}, messages, messageHeading, marks); err != nil {
			return err
		}
	}
	for {
		l, err := r.table.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && !l.isBlank() {
			if r.found.Format == NDJSON {
				l.cells, l.whole, messages = []string{strconv.Itoa(l.number)}, "", 1
			}
			err = r.markupLine(out, l, messages, "", marks)
		}
		if err != nil {
			return err
		}
	}
}

// markupLine writes one line with what is said about it.
func (r *Reader) markupLine(out markupWriter, l line, messages int, said string, marks func(row int) []Mark) error {
	cells := make([]string, messages+1)
	copy(cells, l.cells)
	if extra := (line{cells: l.cells[min(len(l.cells), len(r.labels)):]}); l.whole != "" || !extra.isBlank() {
		clear(cells)
		cells[0] = printable(l.whole + strings.Join(l.cells, " "))
	}
	marked := map[int]bool{}
	cells[messages] = said
	for _, mark := range marks(l.number) {
		text := mark.Text
		if mark.Cell.Column != "" {
			text = mark.Cell.Column + ": " + text
			if number, err := excelize.ColumnNameToNumber(mark.Cell.Column); err == nil {
				marked[number-1] = true
			}
		}
		if cells[messages] != "" {
			text = "; " + text
		}
		cells[messages] += text
		marked[messages] = true
	}
	return out.write(l.number, cells, marked)
}

// printable makes one line of a text that has no place in cells.
func printable(text string) string {
	return clean(strings.Map(func(character rune) rune {
		if unicode.IsControl(character) {
			return ' '
		}
		return character
	}, text))
}

// markedText writes CSV, where asked with every row at its number: blank ones
// in between are written too.
type markedText struct {
	csv     *csv.Writer
	encoder io.WriteCloser // nil for UTF-8
	inPlace bool
	last    int
}

func (m *markedText) write(number int, cells []string, _ map[int]bool) error {
	for m.last++; m.inPlace && m.last < number; m.last++ {
		if err := m.csv.Write(make([]string, len(cells))); err != nil {
			return err
		}
	}
	safe := make([]string, len(cells))
	for i, cell := range cells {
		safe[i] = escape(unescape(cell))
	}
	return m.csv.Write(safe)
}

func (m *markedText) close() error {
	m.csv.Flush()
	if err := m.csv.Error(); err != nil || m.encoder == nil {
		return err
	}
	return m.encoder.Close()
}

// markedBook writes a workbook as a stream; what does not fit into memory
// waits in a temporary file.
type markedBook struct {
	out                 io.Writer
	file                *excelize.File
	rows                *excelize.StreamWriter
	plain, wrong, title int // styles
	headingDone         bool
}

const colourWrong = "FFC7CE"

func newMarkedBook(out io.Writer, sheet string, columns int) (*markedBook, error) {
	m := &markedBook{out: out, file: excelize.NewFile()}
	m.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(out) }) // else it is packed in memory
	err := m.file.SetSheetName("Sheet1", sheet)
	for _, style := range []struct {
		id *int
		excelize.Style
	}{
		{&m.plain, excelize.Style{NumFmt: 49}},
		{&m.wrong, excelize.Style{NumFmt: 49, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{colourWrong}}}},
		{&m.title, excelize.Style{NumFmt: 49, Font: &excelize.Font{Bold: true}}},
	} {
		if err == nil {
			*style.id, err = m.file.NewStyle(&style.Style)
		}
	}
	if err == nil {
		m.rows, err = m.file.NewStreamWriter(sheet)
	}
	if err == nil {
		err = m.rows.SetColWidth(1, columns+1, 18)
	}
	if err == nil {
		err = m.rows.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
	}
	return m, err
}

func (m *markedBook) write(number int, cells []string, marked map[int]bool) error {
	values := make([]any, len(cells))
	for i, text := range cells {
		style := m.plain
		switch {
		case marked[i]:
			style = m.wrong
		case !m.headingDone:
			style = m.title
		case text == "":
			continue
		}
		values[i] = excelize.Cell{StyleID: style, Value: shorten(escape(unescape(text)))}
	}
	m.headingDone = true
	return m.rows.SetRow("A"+strconv.Itoa(number), values)
}

// shorten keeps a text within what a cell of a workbook holds.
func shorten(text string) string {
	if utf8.RuneCountInString(text) <= excelize.TotalCellChars/2 {
		return text
	}
	return string([]rune(text)[:excelize.TotalCellChars/2]) // at most two of the units it counts in each
}

func (m *markedBook) close() error {
	err := m.rows.Flush()
	if err == nil {
		_, err = m.file.WriteTo(m.out)
	}
	return errors.Join(err, m.file.Close())
}
