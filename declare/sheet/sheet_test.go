package sheet_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/txtar"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// difference is "" for what is the same.
func difference(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return fmt.Sprintf("want %v\n got %v", want, got)
}

var goods = sync.OnceValues(func() (*declare.Kind, error) {
	kinds, err := declare.LoadKinds()
	return kinds["goods"], err
})

func form(t testing.TB) *sheet.Form {
	t.Helper()
	kind, err := goods()
	must(t, err)
	lists, err := declare.CodeLists()
	must(t, err)
	f, err := sheet.NewForm(kind, lists)
	must(t, err)
	return f
}

// stored puts a table on disk.
func stored(t testing.TB, content []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "table")
	must(t, os.WriteFile(name, content, 0o600))
	file, err := os.Open(name)
	must(t, err)
	t.Cleanup(func() { must(t, file.Close()) })
	return file
}

func readAll(t testing.TB, reader *sheet.Reader) []sheet.Row {
	t.Helper()
	var rows []sheet.Row
	for {
		row, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		must(t, err)
		rows = append(rows, row)
	}
}

func codes(faults []declare.Fault) []string {
	var codes []string
	for _, fault := range faults {
		if fault.Text.English == "" || fault.Text.Chinese == "" {
			codes = append(codes, "no text: "+fault.Code)
			continue
		}
		codes = append(codes, fault.Code)
	}
	return codes
}

// refusal gives the codes that a file was refused with.
func refusal(t testing.TB, err error) []string {
	t.Helper()
	var refused *declare.Refusal
	if !errors.As(err, &refused) {
		t.Fatalf("no refusal: %v", err)
	}
	return codes(refused.Faults)
}

// TestFiles reads every file of testdata as cases.yaml says.
func TestFiles(t *testing.T) {
	var cases []struct {
		File, Named, Format, Encoding, Refused string
		Heading, Rows                          []string
	}
	src, err := os.ReadFile("testdata/cases.yaml")
	must(t, err)
	must(t, yaml.UnmarshalWithOptions(src, &cases, yaml.Strict()))
	f := form(t)
	unread := map[string]bool{}
	files, err := filepath.Glob("testdata/*.*")
	must(t, err)
	for _, file := range files {
		unread[filepath.Base(file)] = filepath.Base(file) != "cases.yaml"
	}
	for _, c := range cases {
		t.Run(c.File+" "+c.Named+c.Format, func(t *testing.T) {
			unread[c.File] = false
			file, err := os.Open(filepath.Join("testdata", c.File))
			must(t, err)
			defer file.Close() //nolint:errcheck // only read from
			reader, err := sheet.Open(file, sheet.Source{Format: c.Format, Encoding: c.Named})
			if c.Refused != "" {
				if got := refusal(t, err); !slices.Equal(got, []string{c.Refused}) {
					t.Error(got)
				}
				return
			}
			must(t, err)
			if found := reader.Found(); found.Encoding != c.Encoding {
				t.Errorf("found %+v", found)
			}
			isTable := reader.Found().Format != sheet.NDJSON
			if isTable {
				if diff := difference(c.Heading, codes(f.CheckHeading(reader.Heading()))); diff != "" {
					t.Fatal(diff)
				}
			}
			if c.Heading != nil {
				return
			}
			var got []string
			for _, row := range readAll(t, reader) {
				_, _, faults := f.Build(reader.Heading(), []sheet.Row{row})
				said := append([]string{strconv.Itoa(row.Number), f.Reference(reader.Heading(), row)}, codes(slices.Concat(row.Faults, faults))...)
				got = append(got, strings.Join(said, " "))
			}
			if diff := difference(c.Rows, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for file, isUnread := range unread {
		if isUnread {
			t.Errorf("no case reads %s", file)
		}
	}
}

// TestEncodingsAgree: the same table in other encodings, with other
// separators and headings is the same declarations.
func TestEncodingsAgree(t *testing.T) {
	want := documentsOf(t, "testdata/utf8.csv")
	if len(want) != 2 || !strings.Contains(want[0], "绿茶，散装") {
		t.Fatal(want)
	}
	for _, name := range []string{"utf8-bom-chinese-labels", "gb18030-semicolon", "tab-english-labels", "no-last-line-end", "blank-lines", "trailing-separators"} {
		if diff := difference(want, documentsOf(t, "testdata/"+name+".csv")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func documentsOf(t *testing.T, name string) []string {
	t.Helper()
	content, err := os.ReadFile(name)
	must(t, err)
	f := form(t)
	reader, err := sheet.Open(stored(t, content), sheet.Source{})
	must(t, err)
	var documents []string
	for _, rows := range grouped(f, reader.Heading(), readAll(t, reader)) {
		document, _, faults := f.Build(reader.Heading(), rows)
		if len(faults) > 0 {
			t.Fatal(name, faults)
		}
		documents = append(documents, string(document))
	}
	return documents
}

// grouped puts neighbouring rows of one reference together.
func grouped(f *sheet.Form, heading []string, rows []sheet.Row) [][]sheet.Row {
	var groups [][]sheet.Row
	last := ""
	for _, row := range rows {
		if reference := f.Reference(heading, row); len(groups) == 0 || reference != last {
			groups, last = append(groups, nil), reference
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], row)
	}
	return groups
}

// TestBuild runs every archive of testdata/build: a table that is one
// declaration, its document, what is wrong with it where, and the places of
// some of its values.
func TestBuild(t *testing.T) {
	archives, err := filepath.Glob("testdata/build/*.txtar")
	must(t, err)
	if len(archives) < 4 {
		t.Fatal(archives)
	}
	f := form(t)
	for _, name := range archives {
		t.Run(filepath.Base(name), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			must(t, err)
			parts := map[string]string{}
			for _, part := range archive.Files {
				parts[part.Name] = string(part.Data)
			}
			reader, err := sheet.Open(stored(t, []byte(parts["table.csv"])), sheet.Source{})
			must(t, err)
			if faults := f.CheckHeading(reader.Heading()); len(faults) > 0 {
				t.Fatal(faults)
			}
			document, places, faults := f.Build(reader.Heading(), readAll(t, reader))
			if parts["document.json"] != "" {
				if diff := difference(parsed(t, []byte(parts["document.json"])), parsed(t, document)); diff != "" {
					t.Error(diff)
				}
			}
			var said strings.Builder
			for _, fault := range faults {
				cell, _ := places.Cell(fault.Pointer)
				fmt.Fprintf(&said, "%s %s %s%d\n", fault.Code, fault.Pointer, cell.Column, cell.Row)
			}
			if diff := difference(parts["faults"], said.String()); diff != "" {
				t.Error(diff)
			}
			for want := range strings.Lines(parts["places"]) {
				want = strings.TrimSuffix(want, "\n")
				pointer, _, _ := strings.Cut(want, " ")
				cell, ok := places.Cell(pointer)
				got := strings.TrimSuffix(fmt.Sprintf("%s %s%d %s", pointer, cell.Column, cell.Row, cell.Heading), " ")
				if !ok || got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

func parsed(t testing.TB, document []byte) any {
	t.Helper()
	tree, faults := declare.ParseJSON(document, 1<<20)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return tree
}

// TestHeading: what is unknown, what it may have meant, what stands twice.
func TestHeading(t *testing.T) {
	f := form(t)
	for _, c := range []struct{ heading, code, says string }{
		{"referense", "batch.heading.unknown", `"reference"`},
		{"goodsShipment.tradeTerm.conditionCode", "batch.heading.unknown", `"goodsShipment.tradeTerms.conditionCode"`},
		{"goodsShipment.governmentAgencyGoodsItems.1.sequenceNumeric", "batch.heading.unknown", `"goodsShipment.governmentAgencyGoodsItems.sequenceNumeric"`},
		{"goodsShipment.governmentAgencyGoodsItems.manufacturer.adress.cityName", "batch.heading.unknown", `"goodsShipment.governmentAgencyGoodsItems.manufacturer.address.cityName"`},
		{"商品名程", "batch.heading.unknown", `"商品名称"`},
		{"goodsShipment", "batch.heading.unknown", ""},
		{"additionalDocuments.id", "batch.heading.unknown", `"additionalDocuments.1.id"`},
		{"additionalDocuments.0.id", "batch.heading.unknown", `"additionalDocuments.1.id"`},
		{"additionalDocuments.100000.id", "batch.heading.unknown", ""},
		{"quite another thing that nobody has heard of", "batch.heading.unknown", "no such column."},
		{strings.Repeat("x", 100_000), "batch.heading.unknown", "no such column."},
		{"Reference", "batch.heading.twice", "Columns A and B"},
		{"企业申报编号", "batch.heading.twice", "Columns A and B"},
	} {
		faults := f.CheckHeading([]string{"reference", c.heading})
		if len(faults) != 1 || faults[0].Code != c.code || !strings.Contains(faults[0].Text.English, c.says) || !strings.Contains(faults[0].Text.Chinese, "列") {
			t.Errorf("%.80s: %+v", c.heading, faults)
		}
	}
	if got := codes(f.CheckHeading([]string{"typeCode"})); !slices.Equal(got, []string{"batch.heading.reference"}) {
		t.Error(got)
	}
	for _, known := range []string{"", "-", "goodsShipment.consignment.transportEquipments.12.seals.3.id", "submitter.contacts.1.communications.2.id",
		"goodsShipment.governmentAgencyGoodsItems.packagings.7.volumeMeasure.value", " item NUMBER ", "goods items: item number", "商品项：商品项号"} {
		if faults := f.CheckHeading([]string{"reference", known}); len(faults) > 0 {
			t.Errorf("%s: %v", known, faults)
		}
	}
}

// TestNoValueIsTold: a table without a heading has declarations for headings.
func TestNoValueIsTold(t *testing.T) {
	content, err := os.ReadFile("testdata/no-heading.csv")
	must(t, err)
	reader, err := sheet.Open(stored(t, content), sheet.Source{})
	must(t, err)
	for _, fault := range form(t).CheckHeading(reader.Heading()) {
		if strings.Contains(fault.Text.English+fault.Text.Chinese, "茶海") || strings.Contains(fault.Text.English, "ACME") {
			t.Error(fault)
		}
	}
}

// TestSavedMapping: a tenant's own headings, one of them not to be read.
func TestSavedMapping(t *testing.T) {
	f := form(t)
	reader, err := sheet.Open(stored(t, []byte("Auftrag,Lager,Art\nA-1,geheim,IMA\n")), sheet.Source{
		Columns: map[string]string{"Auftrag": "reference", "Lager": "-", "Art": "申报类型代码"}})
	must(t, err)
	if faults := f.CheckHeading(reader.Heading()); len(faults) > 0 {
		t.Fatal(faults)
	}
	document, places, faults := f.Build(reader.Heading(), readAll(t, reader))
	if string(document) != `{"kind":"goods","reference":"A-1","typeCode":"IMA"}` || len(faults) > 0 {
		t.Error(string(document), faults)
	}
	if cell, ok := places.Cell("/typeCode"); !ok || cell != (sheet.Cell{Row: 2, Column: "C", Heading: "Art"}) {
		t.Error(cell)
	}
}

// TestNDJSON: a line is its declaration, and its row the place of all of it.
func TestNDJSON(t *testing.T) {
	f := form(t)
	reader, err := sheet.Open(stored(t, []byte("\n"+`{"reference":"A-1"}`+"\n")), sheet.Source{})
	must(t, err)
	rows := readAll(t, reader)
	document, places, _ := f.Build(reader.Heading(), rows)
	cell, ok := places.Cell("/declarant/id")
	if string(document) != `{"reference":"A-1"}` || f.Reference(nil, rows[0]) != "A-1" || !ok || cell != (sheet.Cell{Row: 2}) {
		t.Error(string(document), cell)
	}
}

// TestSamplesSurvive: whatever a sample holds can be a column. Each is written
// into a table whose headings are the paths of all its values, in either
// format, and is the same when it is read back.
func TestSamplesSurvive(t *testing.T) {
	kind, err := goods()
	must(t, err)
	names, err := fs.Glob(kind.Samples, "*.json")
	must(t, err)
	f := form(t)
	for _, name := range names {
		body, err := fs.ReadFile(kind.Samples, name)
		must(t, err)
		heading, rows := flatten(t, body)
		for format, content := range map[string][]byte{"csv": csvOf(t, heading, rows), "xlsx": xlsxOf(t, heading, rows)} {
			reader, err := sheet.Open(stored(t, content), sheet.Source{})
			must(t, err)
			if faults := f.CheckHeading(reader.Heading()); len(faults) > 0 {
				t.Fatal(name, faults)
			}
			document, places, faults := f.Build(reader.Heading(), readAll(t, reader))
			if diff := difference(parsed(t, body), parsed(t, document)); diff != "" || len(faults) > 0 {
				t.Errorf("%s as %s: %s %v", name, format, diff, faults)
			}
			eachLeaf(parsed(t, document), "", func(pointer string, _ any) {
				if cell, ok := places.Cell(pointer); !ok || cell.Column == "" && pointer != "/kind" {
					t.Errorf("%s as %s: %s has no cell", name, format, pointer)
				}
			})
		}
	}
}

const itemsPath = "goodsShipment.governmentAgencyGoodsItems"

// flatten writes a declaration as a table with a column for each of its
// values.
func flatten(t *testing.T, body []byte) (heading []string, rows [][]string) {
	t.Helper()
	cells := map[string]map[int]string{}
	count := 0
	eachLeaf(parsed(t, body), "", func(pointer string, value any) {
		steps := strings.Split(pointer, "/")[1:]
		row := 0
		for i, step := range steps {
			number, err := strconv.Atoi(step)
			if err != nil {
				continue
			}
			if strings.Join(steps[:i], ".") == itemsPath {
				row = number
				steps[i] = ""
				continue
			}
			steps[i] = strconv.Itoa(number + 1)
		}
		path := strings.ReplaceAll(strings.Join(steps, "."), "..", ".")
		if cells[path] == nil {
			cells[path] = map[int]string{}
			heading = append(heading, path)
		}
		cells[path][row] = fmt.Sprint(value)
		count = max(count, row+1)
	})
	for row := range count {
		var line []string
		for _, path := range heading {
			line = append(line, cells[path][row])
		}
		rows = append(rows, line)
	}
	return heading, rows
}

func eachLeaf(value any, at string, visit func(pointer string, value any)) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			eachLeaf(member, at+"/"+name, visit)
		}
	case []any:
		for i, entry := range value {
			eachLeaf(entry, at+"/"+strconv.Itoa(i), visit)
		}
	default:
		visit(at, value)
	}
}

func csvOf(t testing.TB, heading []string, rows [][]string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, line := range append([][]string{heading}, rows...) {
		for i, cell := range line {
			if i > 0 {
				out.WriteByte(',')
			}
			out.WriteString(`"` + strings.ReplaceAll(cell, `"`, `""`) + `"`)
		}
		out.WriteString("\r\n")
	}
	return out.Bytes()
}

// TestColumns: what a program may rely on in the columns of a form.
func TestColumns(t *testing.T) {
	columns := form(t).Columns()
	byPath := map[string]sheet.Column{}
	english, chinese := map[string]bool{}, map[string]bool{}
	for _, column := range columns {
		byPath[column.Path] = column
		if english[column.Label.English] || chinese[column.Label.Chinese] || column.Label.English == "" || column.Label.Chinese == "" {
			t.Errorf("%s: %+v", column.Path, column.Label)
		}
		english[column.Label.English], chinese[column.Label.Chinese] = true, true
	}
	if len(columns) < 70 || len(columns) > 130 {
		t.Errorf("%d columns", len(columns))
	}
	for path, want := range map[string]string{
		"reference":                      "text true false 35  Reference",
		"typeCode":                       "text true false 3 declaration-type Declaration type, coded",
		"goodsItemQuantity":              "integer false false 0  Number of items",
		"invoiceAmount.value":            "decimal false false 17  Total invoice amount",
		itemsPath + ".sequenceNumeric":   "integer true true 0  Item number",
		itemsPath + ".cn.productionDate": "date false true 10  Production date",
		itemsPath + ".commodity.dangerousGoods.1.marinePollutantIndicator": "boolean false true 0  Marine pollutant",
		"cn.port.gateAppointmentDateTime":                                  "date-time false false 35  Gate appointment",
		"cn.maritime.emergencyContact.name":                                "text false false 70  Emergency contact: Name",
	} {
		c := byPath[path]
		if got := fmt.Sprintln(c.Form, c.Required, c.Item, c.MaxLength, c.Codes, c.Label.English); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s: %s", path, got)
		}
	}
	if c := byPath["invoiceAmount.currency"]; c.With.English != "Total invoice amount" || c.Codes != "currency" {
		t.Errorf("%+v", c)
	}
	text, err := json.Marshal(columns)
	if err != nil || len(text) == 0 {
		t.Error(err)
	}
}
