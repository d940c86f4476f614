package sheet_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

// TestTemplates: a template is read back as it is, in every language, and
// filled from a sample gives the same declaration.
func TestTemplates(t *testing.T) {
	f := form(t)
	kind, err := goods()
	must(t, err)
	body, err := fs.ReadFile(kind.Samples, "import-minimal.json")
	must(t, err)
	paths, rows := flatten(t, body)
	for _, c := range []struct{ format, language string }{{"csv", ""}, {"csv", "en"}, {"csv", "zh"}, {"xlsx", "en"}, {"xlsx", "zh"}} {
		var empty bytes.Buffer
		must(t, f.Template(&empty, c.format, c.language))
		reader, err := sheet.Open(stored(t, empty.Bytes()), sheet.Source{})
		must(t, err)
		heading := reader.Heading()
		if faults := f.CheckHeading(heading); len(faults) > 0 || len(heading) != len(f.Columns()) || len(readAll(t, reader)) > 0 {
			t.Fatal(c, heading, faults)
		}
		filled := make([]string, len(heading))
		for i, column := range f.Columns() {
			if at := slices.Index(paths, column.Path); at >= 0 {
				filled[i] = rows[0][at]
			}
		}
		reader, err = sheet.Open(stored(t, xlsxOf(t, heading, [][]string{filled})), sheet.Source{})
		must(t, err)
		document, _, faults := f.Build(reader.Heading(), readAll(t, reader))
		if diff := difference(parsed(t, body), parsed(t, document)); diff != "" || len(faults) > 0 {
			t.Error(c, diff, faults)
		}
	}
	if err := f.Template(io.Discard, "pdf", "en"); err == nil {
		t.Error("a template in another format")
	}
}

// TestTemplateHelps: drop-downs with the codes of their list, explanations of
// every column and code, cells that keep what is typed.
func TestTemplateHelps(t *testing.T) {
	f := form(t)
	var out bytes.Buffer
	must(t, f.Template(&out, "xlsx", "zh"))
	book, err := excelize.OpenReader(&out)
	must(t, err)
	defer book.Close() //nolint:errcheck // only read from
	names := book.GetSheetList()
	if !slices.Equal(names, []string{"申报数据", "填写说明", "codes"}) {
		t.Fatal(names)
	}
	if visible, err := book.GetSheetVisible("codes"); visible || err != nil {
		t.Error("the codes are to be seen", err)
	}
	validations, err := book.GetDataValidations(names[0])
	must(t, err)
	lists := map[string]*excelize.DataValidation{}
	for _, validation := range validations {
		lists[validation.Sqref] = validation
	}
	canonical, err := declare.CodeLists()
	must(t, err)
	offered := 0
	for i, column := range f.Columns() {
		letter, err := excelize.ColumnNumberToName(i + 1)
		must(t, err)
		validation := lists[letter+"2:"+letter+"1048576"]
		if (column.Codes != "" || len(column.Values) > 0 || column.Form == "boolean") != (validation != nil) {
			t.Errorf("%s: %v", column.Path, validation)
		}
		if column.Codes == "" || validation == nil {
			continue
		}
		offered++
		var first, last string
		_, err = fmt.Sscanf(strings.ReplaceAll(strings.TrimPrefix(validation.Formula1, "codes!"), ":", " "), "%s %s", &first, &last)
		must(t, err)
		code, err := book.GetCellValue("codes", strings.ReplaceAll(first, "$", ""))
		must(t, err)
		if list := canonical[column.Codes]; code != list.Entries[0].Code {
			t.Errorf("%s offers %s first", column.Path, code)
		}
		if isHard := *validation.ErrorStyle == "stop"; isHard != canonical[column.Codes].Complete {
			t.Errorf("%s: %s", column.Path, *validation.ErrorStyle)
		}
	}
	if offered < 15 {
		t.Errorf("only %d lists", offered)
	}
	rows, err := book.GetRows(names[1])
	must(t, err)
	for i, column := range f.Columns() {
		if rows[i+1][0] != column.Label.Chinese || rows[i+1][1] != column.Path {
			t.Fatal(rows[i+1])
		}
		if (column.Meaning.English == "") != (column.Meaning.Chinese == "") || column.Meaning.Chinese != "" && rows[i+1][8] != column.Meaning.Chinese {
			t.Errorf("%s is not explained in both languages", column.Path)
		}
	}
	if !slices.ContainsFunc(rows, func(row []string) bool { return slices.Equal(row, []string{"country", "CN", "中国"}) }) {
		t.Error("CN is not explained")
	}
	style, err := book.GetCellStyle(names[0], "B2")
	must(t, err)
	if format, err := book.GetStyle(style); err != nil || format.NumFmt != 49 {
		t.Errorf("%+v, %v", format, err)
	}
}

func mark(cell sheet.Cell, text string) sheet.Mark { return sheet.Mark{Cell: cell, Text: text} }

// TestMarkupText: the table back with messages, in its encoding and with its
// separator; formulas are none any more; lines that could not be read are
// there. Mended and sent again, it is the same table.
func TestMarkupText(t *testing.T) {
	const table = "reference;typeCode;declarant.name\r\nA-1;IMA;=1+1|cmd\r\n\r\nA-2;IMA;红茶\r\nA-3;IMA;a\"b\r\n+1;-18;@x\r\n"
	marks := func(row int) []sheet.Mark {
		switch row {
		case 1:
			return []sheet.Mark{mark(sheet.Cell{Row: 1, Column: "B"}, "没有")}
		case 4:
			return []sheet.Mark{mark(sheet.Cell{Row: 4, Column: "C"}, "too long"), mark(sheet.Cell{Row: 4}, "=all of it")}
		}
		return nil
	}
	const want = "reference;typeCode;declarant.name;Messages 错误信息; B: 没有\r\nA-1;IMA;'=1+1|cmd;\r\n;;;\r\nA-2;IMA;红茶;C: too long; =all of it\r\n\"A-3;IMA;a\"\"b\";;;\r\n+1;-18;'@x;\r\n"
	for _, encoding := range []string{sheet.UTF8, sheet.GB18030} {
		content := []byte(table)
		if encoding == sheet.GB18030 {
			var err error
			content, err = simplifiedchinese.GB18030.NewEncoder().Bytes(content)
			must(t, err)
		}
		file := stored(t, content)
		var out bytes.Buffer
		must(t, sheet.Markup(&out, file, sheet.Source{}, marks))
		got := strings.TrimPrefix(out.String(), "\ufeff")
		if encoding == sheet.GB18030 {
			decoded, err := simplifiedchinese.GB18030.NewDecoder().String(out.String())
			must(t, err)
			got = decoded
		}
		got = strings.Replace(got, "\"Messages 错误信息; B: 没有\"", "Messages 错误信息; B: 没有", 1)
		got = strings.Replace(got, "\"C: too long; =all of it\"", "C: too long; =all of it", 1)
		if got != want {
			t.Errorf("%s:\n%s", encoding, got)
		}
		if encoding == sheet.GB18030 {
			continue
		}
		var again bytes.Buffer
		must(t, sheet.Markup(&again, stored(t, []byte(strings.Replace(out.String(), "; B: 没有", "", 1))), sheet.Source{}, marks))
		if heading, _, _ := strings.Cut(again.String(), "\r\n"); strings.Count(heading, "Messages") != 1 {
			t.Error(heading)
		}
	}
}

// TestMarkupKeepsCells: what comes back in a marked-up table are the cells
// that were sent.
func TestMarkupKeepsCells(t *testing.T) {
	content, err := os.ReadFile("testdata/gb18030-semicolon.csv")
	must(t, err)
	file := stored(t, content)
	var out bytes.Buffer
	must(t, sheet.Markup(&out, file, sheet.Source{}, func(int) []sheet.Mark { return nil }))
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(out.Bytes())
	must(t, err)
	reader := csv.NewReader(bytes.NewReader(text))
	reader.Comma = ';'
	lines, err := reader.ReadAll()
	must(t, err)
	if len(lines) != 4 || len(lines[0]) != 7 || lines[2][5] != "绿茶，散装" || lines[2][6] != "" {
		t.Errorf("%q", lines)
	}
	documents := func(content []byte) (all []string) {
		f := form(t)
		reader, err := sheet.Open(stored(t, content), sheet.Source{})
		must(t, err)
		if faults := f.CheckHeading(reader.Heading()); len(faults) > 0 {
			t.Fatal(faults)
		}
		for _, rows := range grouped(f, reader.Heading(), readAll(t, reader)) {
			document, _, _ := f.Build(reader.Heading(), rows)
			all = append(all, string(document))
		}
		return all
	}
	if diff := difference(documents(content), documents(out.Bytes())); diff != "" {
		t.Error(diff)
	}
}

// TestMarkupBook: the same rows at the same places, the wrong cells coloured.
func TestMarkupBook(t *testing.T) {
	cell := func(at, text string) string {
		return `<c r="` + at + `" t="inlineStr"><is><t>` + text + `</t></is></c>`
	}
	content := book(t, sheetData(`<row r="2">`+cell("A2", "reference")+cell("B2", "typeCode")+cell("C2", "goodsItemQuantity")+`</row>
		<row r="5">`+cell("A5", "A-1")+cell("B5", "=IMA()")+`<c r="C5"><v>4.0999999999999996</v></c></row><row r="9">`+cell("A9", "A-2")+`<c r="C9"><f>1+1</f><v>2</v></c></row>`))
	var out bytes.Buffer
	var asked []int
	must(t, sheet.Markup(&out, stored(t, content), sheet.Source{}, func(row int) []sheet.Mark {
		if asked = append(asked, row); row == 9 {
			return []sheet.Mark{mark(sheet.Cell{Sheet: "Data", Row: 9, Column: "C"}, "a formula")}
		}
		return nil
	}))
	if !slices.Equal(asked, []int{2, 5, 9}) {
		t.Error(asked)
	}
	marked, err := excelize.OpenReader(bytes.NewReader(out.Bytes()))
	must(t, err)
	defer marked.Close() //nolint:errcheck // only read from
	for at, want := range map[string]string{"A2": "reference", "D2": "Messages 错误信息", "A5": "A-1", "B5": "'=IMA()", "C5": "4.1", "D5": "", "C9": "2", "D9": "C: a formula"} {
		if got, err := marked.GetCellValue("Data", at); err != nil || got != want {
			t.Errorf("%s: %q, %v", at, got, err)
		}
		id, err := marked.GetCellStyle("Data", at)
		must(t, err)
		style, err := marked.GetStyle(id)
		must(t, err)
		if coloured := len(style.Fill.Color) > 0; coloured != (at == "C9" || at == "D9") {
			t.Errorf("%s: coloured %v", at, coloured)
		}
	}
	f := form(t)
	reader, err := sheet.Open(stored(t, out.Bytes()), sheet.Source{})
	must(t, err)
	if faults := f.CheckHeading(reader.Heading()); len(faults) > 0 || len(readAll(t, reader)) != 2 {
		t.Error(faults)
	}
}

// TestMarkupDocuments: NDJSON is answered with the rows that have messages.
func TestMarkupDocuments(t *testing.T) {
	var out bytes.Buffer
	must(t, sheet.Markup(&out, stored(t, []byte("{\"a\":1}\n\n{\"a\":2}\n")), sheet.Source{}, func(row int) []sheet.Mark {
		if row == 3 {
			return []sheet.Mark{mark(sheet.Cell{Row: 3}, "not so")}
		}
		return nil
	}))
	if want := "\ufeffrow,Messages 错误信息\r\n1,\r\n3,not so\r\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
}

// TestMarkupMemory: 300 rows of a template's width are marked up within 32 MiB,
// most of it the writer's own buffer.
func TestMarkupMemory(t *testing.T) {
	var heading []string
	for _, column := range form(t).Columns() {
		heading = append(heading, column.Path)
	}
	row := slices.Repeat([]string{"a text of some length, 文本"}, len(heading))
	file := stored(t, xlsxOf(t, heading, slices.Repeat([][]string{row}, 300)))
	peak := newPeak()
	must(t, sheet.Markup(io.Discard, file, sheet.Source{}, func(row int) []sheet.Mark {
		if row%100 == 0 {
			peak.note()
		}
		return []sheet.Mark{mark(sheet.Cell{Row: row, Column: "B"}, "Not so.")}
	}))
	if t.Logf("%d MiB", peak.grew>>20); peak.grew > 32<<20 {
		t.Errorf("the heap grew by %d bytes", peak.grew)
	}
}
