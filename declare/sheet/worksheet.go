package sheet

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"singlewindow/declare"
)

// worksheet reads the rows of a sheet as a stream.
type worksheet struct {
	book   *workbook
	tokens *tokens
	row    int // the last one read
	ended  bool
	merges []span // by first row
	merged int    // the last row of those merges that began
	first  bool   // the next row with anything in it is the heading
}

// span is the rows of merged cells, both included.
type span struct{ from, to int }

func newWorksheet(book *workbook, part string) (*worksheet, error) {
	w := &worksheet{book: book, first: true}
	if err := w.findMerges(part); err != nil {
		return nil, err
	}
	in, err := book.part(part)
	if err != nil {
		return nil, err
	}
	w.tokens = newTokens(in) // nothing to close: the file is the caller's
	for {
		token, err := w.tokens.next()
		if err != nil {
			return nil, unexpected(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "sheetData" {
				return w, nil
			}
		case xml.EndElement:
			if token.Name.Local == "sheetData" || token.Name.Local == "worksheet" {
				w.ended = true
				return w, nil
			}
		}
	}
}

// findMerges reads the sheet once to its end: merged cells are told after the
// rows. It also finds a part that is cut off or broken before a row is used.
func (w *worksheet) findMerges(part string) error {
	in, err := w.book.part(part)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read from
	lines := bufio.NewReaderSize(in, 64<<10)
	for {
		tag, err := lines.ReadSlice('>')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue // a text, or a tag that is none of ours
		}
		if i := bytes.LastIndexByte(tag, '<'); i >= 0 {
			if err := w.noteMerge(tag[i:]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	slices.SortFunc(w.merges, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	return nil
}

func (w *worksheet) noteMerge(tag []byte) error {
	if !bytes.Contains(tag, []byte("mergeCell ")) {
		return nil
	}
	_, rest, _ := bytes.Cut(bytes.ReplaceAll(tag, []byte("'"), []byte(`"`)), []byte(`ref="`))
	area, _, found := bytes.Cut(rest, []byte(`"`))
	corner, opposite, _ := strings.Cut(string(area), ":")
	_, from, err := excelize.CellNameToCoordinates(corner)
	if err != nil || !found {
		return errors.Join(errors.New("a merge without cells"), err)
	}
	to := from
	if opposite != "" {
		if _, to, err = excelize.CellNameToCoordinates(opposite); err != nil {
			return err
		}
	}
	if len(w.merges) >= maxMerges {
		return refuse("batch.bomb", "The sheet has too many merged cells.", "工作表的合并单元格过多。")
	}
	w.merges = append(w.merges, span{min(from, to), max(from, to)})
	return nil
}

func (w *worksheet) next() (line, error) {
	l, err := w.read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return line{}, io.EOF
		}
		return line{}, corrupt(err)
	}
	for len(w.merges) > 0 && w.merges[0].from <= l.number {
		w.merged = max(w.merged, w.merges[0].to)
		w.merges = w.merges[1:]
	}
	if l.number <= w.merged && !l.isBlank() {
		l.faults = append(l.faults, mergedFault())
	}
	if !l.isBlank() && w.first {
		w.first = false
		if len(l.faults) > 0 {
			return line{}, refuse("batch.heading.merged",
				"The first row holds merged cells; it must be the headings alone, one in each column.", "首行含有合并单元格；首行应仅为列标题，每列一个。")
		}
	}
	return l, nil
}

// read gives the next row, io.EOF after the last one.
func (w *worksheet) read() (line, error) {
	for !w.ended {
		token, err := w.tokens.next()
		if err != nil {
			return line{}, unexpected(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "row" {
				return w.readRow(token)
			}
		case xml.EndElement:
			w.ended = token.Name.Local == "sheetData"
		}
	}
	return line{}, io.EOF
}

func (w *worksheet) readRow(start xml.StartElement) (line, error) {
	number := w.row + 1
	if at := attribute(start, "r"); at != "" {
		var err error
		if number, err = strconv.Atoi(at); err != nil {
			return line{}, err
		}
	}
	if number <= w.row || number > excelize.TotalRows {
		return line{}, errors.New("rows out of order")
	}
	w.row = number
	l := line{number: number}
	next, size := 0, 0
	for {
		token, err := w.tokens.next()
		if err != nil {
			return line{}, unexpected(err)
		}
		switch token := token.(type) {
		case xml.EndElement:
			if token.Name.Local == "row" {
				return l, nil
			}
		case xml.StartElement:
			if token.Name.Local != "c" {
				continue
			}
			cell, err := w.readCell(token, next)
			if err != nil {
				return line{}, err
			}
			next = cell.column + 1
			if size += len(cell.text); size > maxLine {
				return line{}, tooLong(maxLine)
			}
			if err := l.put(cell); err != nil {
				return line{}, err
			}
		}
	}
}

// cell is one cell as it stands in the sheet.
type cell struct {
	column int // 0 is A
	text   string
	wrong  *declare.Fault
}

func (l *line) put(c cell) error {
	if c.text == "" && c.wrong == nil {
		return nil
	}
	if c.column >= maxColumns {
		return tooManyColumns()
	}
	for len(l.cells) <= c.column {
		l.cells = append(l.cells, "")
	}
	l.cells[c.column] = c.text
	if c.wrong != nil {
		if l.wrong == nil {
			l.wrong = map[int]declare.Fault{}
		}
		l.wrong[c.column] = *c.wrong
	}
	return nil
}

// readCell reads a cell; next is its column where it does not say.
func (w *worksheet) readCell(start xml.StartElement, next int) (cell, error) {
	c := cell{column: next}
	if at := attribute(start, "r"); at != "" {
		column, _, err := excelize.CellNameToCoordinates(at)
		if err != nil {
			return cell{}, err
		}
		c.column = column - 1
	}
	kind, style := attribute(start, "t"), attribute(start, "s")
	isFormula, inValue, value := false, false, ""
	for {
		token, err := w.tokens.next()
		if err != nil {
			return cell{}, unexpected(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			switch token.Name.Local {
			case "f":
				isFormula = true
			case "is":
				if c.text, err = w.tokens.text("is"); err != nil {
					return cell{}, err
				}
			}
			inValue = token.Name.Local == "v"
		case xml.CharData:
			if inValue {
				value += string(token)
			}
			if len(value) > maxLine { // in pieces: each of them was short enough
				return cell{}, tooLong(maxLine)
			}
		case xml.EndElement:
			inValue = false
			if token.Name.Local != "c" {
				continue
			}
			if kind != "inlineStr" {
				if err := w.interpret(&c, kind, style, value); err != nil {
					return cell{}, err
				}
			}
			if isFormula {
				c.wrong = &formulaFault
			}
			return c, nil
		}
	}
}

// interpret gives the text that a cell shows, by its type.
func (w *worksheet) interpret(c *cell, kind, style, value string) error {
	switch kind {
	case "s":
		if value == "" {
			return nil
		}
		number, err := strconv.Atoi(clean(value))
		text, present := w.book.texts.at(number)
		if err != nil || !present {
			return errors.Join(errors.New("a text that is not there"), err)
		}
		c.text = text
	case "str":
		c.text = unescapeXML(value)
	case "b":
		c.text = strings.ToUpper(strconv.FormatBool(clean(value) == "1"))
	case "e":
		c.text, c.wrong = value, &errorFault
	case "d":
		c.text = value
	default:
		w.interpretNumber(c, style, clean(value))
	}
	return nil
}

func (w *worksheet) interpretNumber(c *cell, style, value string) {
	if value == "" {
		return
	}
	number, err := strconv.Atoi(style)
	if err == nil && number >= 0 && number < len(w.book.isDate) && w.book.isDate[number] {
		if date, isDate := shownDate(value, w.book.from1904); isDate {
			c.text = date
			return
		}
	}
	shown, ok := shownNumber(value)
	if c.text = shown; !ok {
		c.text, c.wrong = value, &digitsFault
	}
}

func attribute(element xml.StartElement, name string) string {
	for _, attr := range element.Attr {
		if attr.Name.Local == name && attr.Name.Space == "" {
			return attr.Value
		}
	}
	return ""
}
