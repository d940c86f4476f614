package sheet

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/xuri/excelize/v2"

	"singlewindow/declare"
)

// maxDropDown is how many codes a drop-down offers; longer lists stand only
// among the explanations.
const maxDropDown = 500

// words are the texts of a template and of a marked-up table.
var words = map[string]declare.Text{
	"table":        {English: "Declarations", Chinese: "申报数据"},
	"explanations": {English: "Explanations", Chinese: "填写说明"},
	"column":       {English: "Column", Chinese: "列标题"},
	"path":         {English: "Path", Chinese: "路径"},
	"scope":        {English: "One for", Chinese: "对应"},
	"item":         {English: "each row", Chinese: "每一行"},
	"declaration":  {English: "the declaration (first row)", Chinese: "整票申报（首行）"},
	"required":     {English: "Required", Chinese: "必填"},
	"always":       {English: "yes", Chinese: "是"},
	"with":         {English: "if anything is given of: %s", Chinese: "填写“%s”时必填"},
	"form":         {English: "Form", Chinese: "格式"},
	"text":         {English: "text", Chinese: "文本"},
	"integer":      {English: "whole number", Chinese: "整数"},
	"decimal":      {English: "number, decimal point", Chinese: "数字（小数点）"},
	"boolean":      {English: "true or false", Chinese: "true（是）或 false（否）"},
	"date":         {English: "date, 2026-03-02", Chinese: "日期，如 2026-03-02"},
	"date-time":    {English: "date and time with zone, 2026-03-02T09:30:00+08:00", Chinese: "带时区的日期时间，如 2026-03-02T09:30:00+08:00"},
	"length":       {English: "Longest", Chinese: "最大长度"},
	"pattern":      {English: "Pattern", Chinese: "格式规则"},
	"codes":        {English: "Code list", Chinese: "代码表"},
	"code":         {English: "Code", Chinese: "代码"},
	"meaning":      {English: "Meaning", Chinese: "含义"},
}

// codesSheet is the hidden sheet that the drop-downs take their codes from.
const codesSheet = "codes"

// Template writes an empty table of the form in a language, "en" or "zh": "csv"
// is its headings, which without a language are paths, "xlsx" also has
// drop-downs and a sheet of explanations.
func (f *Form) Template(w io.Writer, format, language string) error {
	switch format {
	case CSV:
		return f.templateCSV(w, language)
	case XLSX:
		return f.templateXLSX(w, language)
	}
	return fmt.Errorf("there are no templates in the format %q", format)
}

func (f *Form) templateCSV(w io.Writer, language string) error {
	if _, err := w.Write(byteOrderMark); err != nil { // without it Excel takes the text for the machine's own encoding
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	heading := make([]string, len(f.columns))
	for i, column := range f.columns {
		heading[i] = column.Path
		if language != "" {
			heading[i] = escape(column.Label.In(language))
		}
	}
	if err := out.Write(heading); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// templateWriter writes the sheets of one template. Its first error stays.
type templateWriter struct {
	*Form
	file     *excelize.File
	language string
	err      error
}

func (f *Form) templateXLSX(w io.Writer, language string) (err error) {
	t := &templateWriter{Form: f, file: excelize.NewFile(), language: language}
	defer func() {
		if closing := t.file.Close(); err == nil {
			err = closing
		}
	}()
	t.table()
	t.explanations()
	t.codes()
	if t.err != nil {
		return t.err
	}
	return t.file.Write(w)
}

func (t *templateWriter) do(err error) {
	if t.err == nil {
		t.err = err
	}
}

func (t *templateWriter) word(key string) string { return words[key].In(t.language) }

func (t *templateWriter) style(style excelize.Style) int {
	id, err := t.file.NewStyle(&style)
	t.do(err)
	return id
}

func (t *templateWriter) row(sheet string, number int, cells ...string) {
	values := make([]any, len(cells))
	for i, cell := range cells {
		values[i] = escape(cell)
	}
	t.do(t.file.SetSheetRow(sheet, "A"+strconv.Itoa(number), &values))
}

// The colours of headings: needed always, of the declaration, of a row.
const (
	colourRequired    = "F8D7A8"
	colourDeclaration = "D6E4F0"
	colourItem        = "DDEFD8"
)

// table makes the sheet to fill in. Its cells are texts, so that the program
// keeps what is typed: zeros in front, all digits, dates as they are.
func (t *templateWriter) table() {
	name := t.word("table")
	t.do(t.file.SetSheetName("Sheet1", name))
	last := columnName(len(t.columns) - 1)
	t.do(t.file.SetColStyle(name, "A:"+last, t.style(excelize.Style{NumFmt: 49})))
	t.do(t.file.SetColWidth(name, "A", last, 18))
	headings := map[string]int{}
	for i, column := range t.columns {
		colour := colourDeclaration
		switch {
		case column.Required:
			colour = colourRequired
		case column.Item:
			colour = colourItem
		}
		if headings[colour] == 0 {
			headings[colour] = t.style(excelize.Style{
				NumFmt:    49,
				Font:      &excelize.Font{Bold: true},
				Fill:      excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{colour}},
				Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"},
			})
		}
		cell := columnName(i) + "1"
		t.do(t.file.SetCellStr(name, cell, escape(column.Label.In(t.language))))
		t.do(t.file.SetCellStyle(name, cell, cell, headings[colour]))
		t.dropDown(name, i)
	}
	t.do(t.file.SetPanes(name, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
}

// dropDown offers the codes of a column. Codes missing from a list that is
// only an excerpt may be typed after a warning.
func (t *templateWriter) dropDown(sheet string, i int) {
	column := t.columns[i]
	validation := excelize.NewDataValidation(true)
	validation.Sqref = fmt.Sprintf("%[1]s2:%[1]s%[2]d", columnName(i), excelize.TotalRows)
	style := excelize.DataValidationErrorStyleStop
	switch list := t.lists[column.Codes]; {
	case column.Form == "boolean":
		t.do(validation.SetDropList([]string{"true", "false"}))
	case len(column.Values) > 0:
		t.do(validation.SetDropList(column.Values))
	case list == nil || len(codesOf(list)) > maxDropDown:
		return
	default:
		letter := columnName(slices.Index(t.dropLists(), column.Codes))
		validation.SetSqrefDropList(fmt.Sprintf("%s!$%[2]s$1:$%[2]s$%[3]d", codesSheet, letter, len(codesOf(list))))
		if !list.Complete {
			style = excelize.DataValidationErrorStyleWarning
		}
	}
	validation.SetError(style, t.word("codes"), t.word("code")+": "+t.word("explanations"))
	t.do(t.file.AddDataValidation(sheet, validation))
}

// dropLists gives the names of the code lists that columns use, in order.
func (t *templateWriter) dropLists() []string {
	var names []string
	for _, column := range t.columns {
		if list := t.lists[column.Codes]; list != nil && !slices.Contains(names, column.Codes) {
			names = append(names, column.Codes)
		}
	}
	return names
}

// codesOf gives the codes of a list, each once.
func codesOf(list *declare.CodeList) []declare.Code {
	var codes []declare.Code
	seen := map[string]bool{}
	for _, code := range list.Entries {
		if !seen[code.Code] {
			seen[code.Code] = true
			codes = append(codes, code)
		}
	}
	return codes
}

func (t *templateWriter) codes() {
	_, err := t.file.NewSheet(codesSheet)
	t.do(err)
	for i, name := range t.dropLists() {
		for row, code := range codesOf(t.lists[name]) {
			t.do(t.file.SetCellStr(codesSheet, columnName(i)+strconv.Itoa(row+1), escape(code.Code)))
		}
	}
	t.do(t.file.SetSheetVisible(codesSheet, false))
}

// explanations tells of each column what it is, and of each code what it
// means.
func (t *templateWriter) explanations() {
	sheet := t.word("explanations")
	_, err := t.file.NewSheet(sheet)
	t.do(err)
	bold := t.style(excelize.Style{Font: &excelize.Font{Bold: true}})
	heading := func(row int, keys ...string) {
		cells := make([]string, len(keys))
		for i, key := range keys {
			cells[i] = t.word(key)
		}
		t.row(sheet, row, cells...)
		t.do(t.file.SetRowStyle(sheet, row, row, bold))
	}
	heading(1, "column", "path", "scope", "required", "form", "length", "pattern", "codes", "meaning")
	row := 1
	for _, column := range t.columns {
		row++
		t.row(sheet, row, t.explain(column)...)
	}
	row += 2
	heading(row, "codes", "code", "meaning")
	for _, name := range t.dropLists() {
		for _, code := range codesOf(t.lists[name]) {
			row++
			t.row(sheet, row, name, code.Code, code.Title.In(t.language))
		}
	}
	t.do(t.file.SetColWidth(sheet, "A", "B", 40))
	t.do(t.file.SetColWidth(sheet, "C", "I", 24))
	t.do(t.file.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
}

func (t *templateWriter) explain(column *Column) []string {
	scope, required, length, codes := t.word("declaration"), "", "", column.Codes
	if column.Item {
		scope = t.word("item")
	}
	switch {
	case column.Required:
		required = t.word("always")
	case column.With != declare.Text{}:
		required = fmt.Sprintf(t.word("with"), column.With.In(t.language))
	}
	if column.MaxLength > 0 {
		length = strconv.Itoa(column.MaxLength)
	}
	for i, value := range column.Values {
		if i > 0 {
			codes += ", "
		}
		codes += value
	}
	return []string{column.Label.In(t.language), column.Path, scope, required, t.word(column.Form), length, column.Pattern, codes, column.Meaning.In(t.language)}
}
