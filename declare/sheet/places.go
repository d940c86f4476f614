package sheet

import (
	"slices"
	"strconv"
	"strings"
)

// Cell is a place in a table as its user's program names it.
type Cell struct {
	Sheet   string // "" where the format has none
	Row     int    // 1 is the first line
	Column  string // A, B, … AA; "" for the row as a whole
	Heading string // as in the table; the path of a missing column that the row lacks
}

// Places knows which cell each value of a declaration came from.
type Places struct {
	form    *Form
	heading []string
	columns []*Column
	rows    []Row
	arrays  map[string][]int // pointer of an array -> the number of each entry, see node
	moved   map[string]Cell  // pointers at cells of later rows
}

func newPlaces(form *Form, heading []string, columns []*Column, rows []Row) *Places {
	return &Places{form: form, heading: heading, columns: columns, rows: rows, arrays: map[string][]int{}, moved: map[string]Cell{}}
}

// Cell gives the cell of the value at a pointer: the value's own cell, or the
// one where it should stand; the first one with a value below it, if the
// pointer is at a group; where the table has no such column, a cell of the
// same group in that row; else the row, and the path of the column to add. It
// is false only where there are no rows at all.
func (p *Places) Cell(pointer string) (Cell, bool) {
	if len(p.rows) == 0 {
		return Cell{}, false
	}
	if cell, isMoved := p.moved[pointer]; isMoved {
		return cell, true
	}
	path, row := p.translate(pointer)
	if path == "" {
		return p.cell(row, -1), true
	}
	if i := p.below(path, row); i >= 0 {
		return p.cell(row, i), true
	}
	if i := p.beside(path, row); i >= 0 {
		return p.cell(row, i), true
	}
	cell := p.cell(row, -1)
	if p.columns != nil {
		cell.Heading = path
	}
	return cell, true
}

// cell gives a cell of a row of the declaration, or with index -1 the row.
func (p *Places) cell(row, index int) Cell {
	cell := Cell{Sheet: p.rows[row].Sheet, Row: p.rows[row].Number}
	if index >= 0 {
		cell.Column, cell.Heading = columnName(index), p.heading[index]
		if labels := p.rows[row].labels; index < len(labels) {
			cell.Heading = labels[index]
		}
	}
	return cell
}

// translate gives the path of the column that a pointer is at, and the row.
func (p *Places) translate(pointer string) (path string, row int) {
	at := ""
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		number, err := strconv.Atoi(step)
		numbers := p.arrays[at]
		switch isRows := path == p.form.rows; {
		case err != nil:
			path = strings.TrimPrefix(path+"."+step, ".")
		case isRows && number >= 0 && number < len(numbers):
			row = numbers[number]
		case isRows: // an entry that no row gave
			return path, row
		case number >= 0 && number < len(numbers):
			path += "." + strconv.Itoa(numbers[number])
		default:
			path += "." + strconv.Itoa(number+1)
		}
		at += "/" + step
	}
	return path, row
}

// below gives the first column at or below a path, rather one with a value in
// this row; -1 if there is none.
func (p *Places) below(path string, row int) int {
	return p.first(row, func(column *Column) bool {
		return column.Path == path || strings.HasPrefix(column.Path, path+".")
	})
}

// beside gives the first column of the group that a path is in, or of the
// value that it is beyond; -1 if there is none, or only the whole declaration.
func (p *Places) beside(path string, row int) int {
	for isFirst := true; ; isFirst = false {
		end := strings.LastIndexByte(path, '.')
		if end < 0 {
			return -1
		}
		path = path[:end]
		if i := p.first(row, func(column *Column) bool {
			rest, inside := strings.CutPrefix(column.Path, path+".")
			return column.Path == path || isFirst && inside && !strings.Contains(rest, ".")
		}); i >= 0 {
			return i
		}
	}
}

func (p *Places) first(row int, fits func(*Column) bool) int {
	empty := -1
	for i, column := range p.columns {
		if column == nil || !fits(column) {
			continue
		}
		if cells := p.rows[row].Cells; i < len(cells) && clean(cells[i]) != "" {
			return i
		}
		if empty < 0 {
			empty = i
		}
	}
	return empty
}

// pointer gives the pointer of a column's value in a row: the way back from
// translate.
func (p *Places) pointer(column *Column, row int) string {
	at := ""
	for _, s := range column.steps {
		number := s.entry
		switch number {
		case 0:
			at += "/" + s.name
			continue
		case thisRow:
			number = row
		}
		at += "/" + strconv.Itoa(max(0, slices.Index(p.arrays[at], number)))
	}
	return at
}
