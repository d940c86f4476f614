package sheet

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"singlewindow/declare"
)

// Form is the table form of one kind. Safe for concurrent use.
type Form struct {
	kind    *declare.Kind
	lists   map[string]*declare.CodeList
	root    map[string]any // the schema
	rows    string         // path of the array that has one entry a row
	columns []*Column
	byPath  map[string]*Column
	byLabel map[string]*Column // by every label that means one column only
	recent  bindings
	fields  []string // every path of the schema, with 1 for the number of an entry
}

// Column is one column that a table of the kind may have.
type Column struct {
	Path      string       // dotted; entries of arrays by number from 1, those of the rows without
	Label     declare.Text // one column of a template has it, in its language
	Meaning   declare.Text // the schema's description, mostly none
	Form      string       // text, integer, decimal, boolean, date or date-time
	Codes     string       // the code list, "" if none
	Values    []string     // the only ones possible, nil if there is no such list
	MaxLength int          // in characters, 0 where the schema sets none
	Pattern   string       // regular expression of the schema, mostly ""
	Required  bool         // in every declaration
	With      declare.Text // else the group that it may not be missing from, where the group is given
	Item      bool         // of a row; else of the declaration

	steps []step
	chain []declare.Text // titles from the top of the schema down
}

// step is one level of the way to a column's place: a name, or the number of
// an entry; thisRow is the entry that the row itself is.
type step struct {
	name  string
	entry int // 0 for a name
}

const thisRow = -1

// NewForm makes the form of a kind; lists are the canonical code lists. The
// error is a [*declare.FileError].
func NewForm(kind *declare.Kind, lists map[string]*declare.CodeList) (*Form, error) {
	var table struct {
		Rows    string   `yaml:"rows"`
		Columns []string `yaml:"columns"`
	}
	f := &Form{kind: kind, lists: lists, byPath: map[string]*Column{}}
	fault := func(text string) error {
		return &declare.FileError{File: "kinds/" + kind.Name + "/table.yaml", Text: text}
	}
	if err := yaml.UnmarshalWithOptions(kind.Table, &table, yaml.Strict()); err != nil {
		return nil, fault(err.Error())
	}
	if err := json.Unmarshal(kind.Schema(), &f.root); err != nil {
		return nil, fault(err.Error())
	}
	f.rows = table.Rows
	f.readFields()
	for _, path := range table.Columns {
		column := f.find(path)
		if column == nil || f.byPath[path] != nil {
			return nil, fault("the schema has no such column, or it stands twice: " + path)
		}
		f.columns = append(f.columns, column)
		f.byPath[path] = column
	}
	return f, f.nameColumns()
}

// Columns gives what a template offers, in order.
func (f *Form) Columns() []Column {
	columns := make([]Column, len(f.columns))
	for i, column := range f.columns {
		columns[i] = *column
	}
	return columns
}

// readFields lists the paths that a misspelt heading may have meant.
func (f *Form) readFields() {
	rows := "/" + strings.ReplaceAll(f.rows, ".", "/")
	for _, field := range f.kind.Fields() {
		if field.Form == "array" {
			continue
		}
		pointer := strings.Replace(field.Pointer, rows+"/*", rows, 1)
		path := strings.ReplaceAll(strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", "."), "*", "1")
		f.fields = append(f.fields, path)
	}
}

// find gives the column at a path of the schema, nil if there is none.
func (f *Form) find(path string) *Column {
	if column := f.byPath[path]; column != nil {
		return column
	}
	c := &Column{Path: path, Required: true}
	node, then := f.resolve(f.root), members(f.root, "then")
	segments, at := strings.Split(path, "."), ""
	for i := 0; i < len(segments); i++ {
		name := segments[i]
		inner, isName := members(node, "properties")[name].(map[string]any)
		if !isName {
			return nil
		}
		c.demand(node, then, name)
		node, then = f.resolve(inner), members(members(then, "properties"), name)
		at = strings.TrimPrefix(at+"."+name, ".")
		c.steps = append(c.steps, step{name: name})
		title := titleOf(node)
		if entries, isArray := node["items"].(map[string]any); isArray {
			switch number, ok := entryNumber(segments, i+1, node); {
			case at == f.rows:
				c.Item = true
				c.steps = append(c.steps, step{entry: thisRow})
			case !ok:
				return nil
			default:
				i++
				c.steps = append(c.steps, step{entry: number})
				title = declare.Text{English: title.English + " " + segments[i], Chinese: title.Chinese + segments[i]}
				c.Required, c.With = false, declare.Text{}
			}
			node = f.resolve(entries)
		}
		if name != "value" { // of an amount or a measure, whose title says it already
			c.chain = append(c.chain, title)
		}
	}
	if node["properties"] != nil || node["items"] != nil {
		return nil
	}
	c.describe(node)
	return c
}

// maxEntry bounds the number of an entry where the schema does not.
const maxEntry = 999

func entryNumber(segments []string, i int, array map[string]any) (int, bool) {
	if i >= len(segments) || strings.HasPrefix(segments[i], "0") {
		return 0, false
	}
	limit := min(whole(array, "maxItems", maxEntry), maxEntry)
	number, err := strconv.Atoi(segments[i])
	return number, err == nil && number >= 1 && number <= limit
}

// demand notes whether the next name may be missing. What an original
// declaration needs (the schema's then) counts as needed.
func (c *Column) demand(node, then map[string]any, name string) {
	needed := false
	for _, required := range append(list(node, "required"), list(then, "required")...) {
		needed = needed || required == name
	}
	switch {
	case !needed:
		c.Required, c.With = false, declare.Text{}
	case !c.Required && c.With == declare.Text{} && len(c.chain) > 0:
		c.With = c.chain[len(c.chain)-1]
	}
}

func (c *Column) describe(node map[string]any) {
	c.Meaning = declare.Text{English: text(node, "description"), Chinese: text(node, "x-zh-description")}
	c.Codes, c.Pattern = text(node, "x-codes"), text(node, "pattern")
	c.MaxLength = whole(node, "maxLength", 0)
	for _, value := range list(node, "enum") {
		if value, isText := value.(string); isText {
			c.Values = append(c.Values, value)
		}
	}
	format := text(node, "format")
	switch kind := text(node, "type"); {
	case kind == "integer" || kind == "boolean":
		c.Form = kind
	case format == "date" || format == "date-time":
		c.Form = format
	case isDecimal(c.Pattern):
		c.Form = "decimal"
	default:
		c.Form = "text"
	}
}

// isDecimal: a pattern that lets through a decimal fraction and no letter.
func isDecimal(pattern string) bool {
	compiled, err := regexp.Compile(pattern)
	return err == nil && pattern != "" && compiled.MatchString("0.5") && !compiled.MatchString("A")
}

// resolve follows $ref within the schema; what stands beside it goes first.
func (f *Form) resolve(node map[string]any) map[string]any {
	for {
		reference := text(node, "$ref")
		if reference == "" {
			return node
		}
		merged := map[string]any{}
		target := f.root
		for name := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
			target = members(target, name)
		}
		for _, part := range []map[string]any{target, node} {
			for keyword, value := range part {
				merged[keyword] = value
			}
		}
		if merged["$ref"] = target["$ref"]; merged["$ref"] == nil {
			delete(merged, "$ref")
		}
		node = merged
	}
}

// The reading of a schema's keywords; "" and nil where one is not said.

func members(node map[string]any, keyword string) map[string]any {
	object, _ := node[keyword].(map[string]any)
	return object
}

func list(node map[string]any, keyword string) []any {
	array, _ := node[keyword].([]any)
	return array[:len(array):len(array)]
}

func text(node map[string]any, keyword string) string {
	value, _ := node[keyword].(string)
	return value
}

func whole(node map[string]any, keyword string, otherwise int) int {
	if value, err := strconv.Atoi(fmt.Sprint(node[keyword])); err == nil {
		return value
	}
	return otherwise
}

func titleOf(node map[string]any) declare.Text {
	return declare.Text{English: text(node, "title"), Chinese: text(node, "x-zh")}
}

// nameColumns gives each column of the template the shortest end of its chain
// of titles that no other column ends with in either language; the whole chain
// where there is none. Other ends that belong to one column alone are
// understood as well, so that a table stays readable when the template changes.
func (f *Form) nameColumns() error {
	count := map[string]int{}
	for _, column := range f.columns {
		for _, end := range column.ends() {
			count[labelKey(end.English)]++
			count[labelKey(end.Chinese)]++
		}
	}
	f.byLabel = map[string]*Column{}
	for _, column := range f.columns {
		ends := column.ends()
		column.Label = ends[len(ends)-1]
		for _, end := range slices.Backward(ends) {
			english, chinese := labelKey(end.English), labelKey(end.Chinese)
			if count[english] == 1 {
				f.byLabel[english] = column
			}
			if count[chinese] == 1 {
				f.byLabel[chinese] = column
			}
			if count[english] == 1 && count[chinese] == 1 {
				column.Label = end
			}
		}
	}
	for _, column := range f.columns {
		for _, label := range []string{column.Label.English, column.Label.Chinese} {
			if other := f.byLabel[labelKey(label)]; other != nil && other != column {
				return errors.New("two columns have one label: " + column.Path + " and " + other.Path)
			}
			f.byLabel[labelKey(label)] = column
		}
	}
	return nil
}

// ends gives the ends of the chain of titles, the shortest first.
func (c *Column) ends() []declare.Text {
	var ends []declare.Text
	for _, title := range slices.Backward(c.chain) {
		if len(ends) > 0 {
			last := ends[len(ends)-1]
			title = declare.Text{English: title.English + ": " + last.English, Chinese: title.Chinese + "：" + last.Chinese}
		}
		ends = append(ends, title)
	}
	return ends
}

// labelKey makes labels equal that a person takes for the same.
func labelKey(label string) string {
	label = strings.ReplaceAll(strings.ToLower(label), "：", ":")
	return strings.Join(strings.Fields(label), "")
}
