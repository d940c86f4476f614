package sheet

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"singlewindow/declare"
)

// referencePath is the column whose value holds the rows of a declaration
// together; every kind has it.
const referencePath = "reference"

// Reference gives the reference of a row, "" when it has none. That of an
// NDJSON line is the one its declaration begins with.
func (f *Form) Reference(heading []string, row Row) string {
	if row.Document != nil {
		var declaration struct {
			Reference string `json:"reference"`
		}
		if err := json.Unmarshal(row.Document, &declaration); err != nil {
			return "" // what is wrong with it, its intake tells
		}
		return declaration.Reference
	}
	for i, column := range f.bind(heading) {
		if column != nil && column.Path == referencePath && i < len(row.Cells) && row.Cells[i] != "" {
			return clean(row.Cells[i])
		}
	}
	return ""
}

// Build makes one declaration of the rows that hold it. Faults are what
// refuses it already here, those of its cells as the reader found them
// included; [Row.Faults] are not repeated. Every fault has the pointer of its
// value, and places knows the cell of every pointer, also of values that are
// missing. An NDJSON line is given back as it is.
//
//	batch.cell.differs    rows say different things about the declaration
//	batch.cell.integer    no whole number
//	batch.cell.boolean    neither yes nor no
//	batch.cell.shortened  a number in the short form of spreadsheets, 1.2E+11
//	batch.cell.dateTime   a date and time without its time zone
//	batch.cell.formula, batch.cell.error, batch.cell.digits, batch.cell.character
func (f *Form) Build(heading []string, rows []Row) ([]byte, *Places, []declare.Fault) {
	if len(rows) == 1 && rows[0].Document != nil {
		return rows[0].Document, newPlaces(f, nil, nil, rows), nil
	}
	columns := f.bind(heading)
	b := builder{tree: &node{}, told: map[*Column]bool{}, places: newPlaces(f, heading, columns, rows)}
	for r, row := range rows {
		for i, column := range columns {
			if column != nil && i < len(row.Cells) {
				b.cell(column, r, i)
			}
		}
	}
	tree, _ := b.tree.export(nil, b.places).(map[string]any)
	if tree == nil {
		tree = map[string]any{}
	}
	if _, present := tree["kind"]; !present {
		tree["kind"] = f.kind.Name
	}
	for _, p := range b.pending {
		p.fault.Pointer = b.places.pointer(p.column, p.row)
		b.faults = append(b.faults, p.fault)
		if !p.column.Item && p.row > 0 {
			b.places.moved[p.fault.Pointer] = b.places.cell(p.row, p.index)
		}
	}
	document, err := json.Marshal(tree)
	if err != nil {
		return nil, b.places, append(b.faults, fault("batch.cell.character", "The row holds what cannot be written as JSON.", "该行含有无法写成 JSON 的内容。"))
	}
	return document, b.places, b.faults
}

type builder struct {
	tree    *node
	places  *Places
	pending []pending
	told    map[*Column]bool // has something pending
	faults  []declare.Fault
}

// pending is a fault whose pointer is known when the tree is whole: arrays
// close up over entries that are empty.
type pending struct {
	column     *Column
	row, index int
	fault      declare.Fault
}

func (b *builder) cell(column *Column, r, i int) {
	row := b.places.rows[r]
	wrong := func(fault declare.Fault) {
		b.pending, b.told[column] = append(b.pending, pending{column, r, i, fault}), true
	}
	if found, isWrong := row.wrong[i]; isWrong {
		b.tree.at(column.steps, r).value = row.Cells[i] // so that it has a place
		wrong(found)
		return
	}
	text := clean(row.Cells[i])
	if text == "" {
		return
	}
	value, problem := column.value(text)
	place := b.tree.at(column.steps, r)
	switch {
	case problem != nil:
		wrong(*problem)
	case place.value != nil && place.value != value && !b.told[column]: // one fault for a column of the declaration is enough
		wrong(fault("batch.cell.differs",
			"This row says something else than the first row of the declaration; leave the cell empty or make it equal.",
			"该行与该票申报的第一行不一致，请留空或改为一致。"))
	}
	if place.value == nil {
		place.value = value
	}
}

// value reads the text of a cell as the schema wants it.
func (c *Column) value(text string) (any, *declare.Fault) {
	wrong := func(code, english, chinese string) (any, *declare.Fault) {
		found := fault(code, english, chinese)
		return text, &found
	}
	if shortened.MatchString(text) || c.Form == "decimal" && exponent.MatchString(text) {
		return wrong("batch.cell.shortened",
			"The spreadsheet program has shortened this number and may have lost digits; set the cell to text and type it again.",
			"电子表格软件已将该数字缩写，可能丢失数位；请将单元格设为文本后重新输入。")
	}
	switch c.Form {
	case "integer":
		if !integer.MatchString(text) {
			return wrong("batch.cell.integer", "A whole number in digits is needed here.", "此处应填写整数。")
		}
		return json.Number(text), nil
	case "boolean":
		value, known := booleans[strings.ToLower(text)]
		if !known {
			return wrong("batch.cell.boolean", "Write true or false.", "请填写 true（是）或 false（否）。")
		}
		return value, nil
	case "date":
		return isoDate(text), nil
	case "date-time":
		if localTime.MatchString(text) {
			return wrong("batch.cell.dateTime",
				"Write date and time with the time zone as text, e.g. 2026-03-02T09:30:00+08:00.",
				"请以文本填写带时区的日期时间，例如 2026-03-02T09:30:00+08:00。")
		}
	}
	return text, nil
}

var (
	integer   = regexp.MustCompile(`^(-?[1-9][0-9]{0,17}|0)$`)
	shortened = regexp.MustCompile(`^-?[0-9](\.[0-9]+)?E\+[0-9]{2,3}$`)
	exponent  = regexp.MustCompile(`^[+-]?[0-9.]+[eE][+-]?[0-9]+$`)
	localTime = regexp.MustCompile(`^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?$`)
	anyDate   = regexp.MustCompile(`^([0-9]{4})[-/.年]?([0-9]{1,2})[-/.月]?([0-9]{1,2})日?$`)
	booleans  = map[string]bool{"true": true, "yes": true, "y": true, "1": true, "是": true, "false": false, "no": false, "n": false, "0": false, "否": false}
)

// isoDate writes a date with the year first (2026/3/2, 20260302, 2026年3月2日)
// as the schema has it, and leaves alone what is none.
func isoDate(text string) string {
	parts := anyDate.FindStringSubmatch(text)
	if parts == nil || len(text) == len("2026302") {
		return text
	}
	day, err := time.Parse("2006-1-2", strings.Join(parts[1:], "-"))
	if err != nil {
		return text
	}
	return day.Format(time.DateOnly)
}

// clean takes away the spaces around a text.
func clean(text string) string { return strings.TrimSpace(text) }

// node is a value of the declaration being built. The entries of an array are
// known by the number in their column's path, those of the rows by the row.
type node struct {
	value   any
	fields  map[string]*node
	entries map[int]*node
}

// at gives the node of a column in row r, making those on the way.
func (n *node) at(steps []step, r int) *node {
	for _, s := range steps {
		var next *node
		switch s.entry {
		case 0:
			if n.fields == nil {
				n.fields = map[string]*node{}
			}
			if next = n.fields[s.name]; next == nil {
				next = &node{}
				n.fields[s.name] = next
			}
		default:
			number := s.entry
			if number == thisRow {
				number = r
			}
			if n.entries == nil {
				n.entries = map[int]*node{}
			}
			if next = n.entries[number]; next == nil {
				next = &node{}
				n.entries[number] = next
			}
		}
		n = next
	}
	return n
}

// export gives the tree as JSON has it, and tells places which entry of each
// array came from which number.
func (n *node) export(at []string, places *Places) any {
	switch {
	case n.fields != nil:
		object := make(map[string]any, len(n.fields))
		for name, field := range n.fields {
			object[name] = field.export(append(at, name), places)
		}
		return object
	case n.entries != nil:
		numbers := slices.Sorted(maps.Keys(n.entries))
		places.arrays[pointerOf(at)] = numbers
		array := make([]any, len(numbers))
		for i, number := range numbers {
			array[i] = n.entries[number].export(append(at, strconv.Itoa(i)), places)
		}
		return array
	}
	return n.value
}

func pointerOf(steps []string) string {
	if len(steps) == 0 {
		return ""
	}
	return "/" + strings.Join(steps, "/") // no name of a schema holds / or ~
}
