package sheet_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

// xlsxOf writes a table of texts as a workbook.
func xlsxOf(t testing.TB, heading []string, rows [][]string) []byte {
	t.Helper()
	file := excelize.NewFile()
	out, err := file.NewStreamWriter("Sheet1")
	must(t, err)
	for i, row := range append([][]string{heading}, rows...) {
		values := make([]any, len(row))
		for j, cell := range row {
			if cell != "" {
				values[j] = cell
			}
		}
		must(t, out.SetRow("A"+strconv.Itoa(i+1), values))
	}
	must(t, out.Flush())
	content, err := file.WriteToBuffer()
	must(t, err)
	must(t, file.Close())
	return content.Bytes()
}

// book packs a workbook of parts written by hand; those not given are the
// plainest possible.
func book(t testing.TB, parts map[string]string) []byte {
	t.Helper()
	const head = `<?xml version="1.0" encoding="UTF-8"?>`
	const main = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"`
	const relation = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	const kind = `"http://schemas.openxmlformats.org/officeDocument/2006/relationships/`
	all := map[string]string{
		"_rels/.rels":                head + relation + `<Relationship Id="rId1" Type=` + kind + `officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml":            head + `<workbook ` + main + `><sheets><sheet name="Hidden" sheetId="2" state="hidden" r:id="rId2"/><sheet name="Data" sheetId="1" r:id="rId1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": head + relation + `<Relationship Id="rId1" Type=` + kind + `worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type=` + kind + `worksheet" Target="/xl/worksheets/sheet2.xml"/><Relationship Id="rId3" Type=` + kind + `styles" Target="styles.xml"/><Relationship Id="rId4" Type=` + kind + `sharedStrings" Target="sharedStrings.xml"/></Relationships>`,
		"xl/styles.xml":              head + `<styleSheet ` + main + `><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;;@"/><numFmt numFmtId="165" formatCode="[Red]&quot;days&quot;0.00_d"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="22"/><xf numFmtId="165"/></cellXfs></styleSheet>`,
		"xl/sharedStrings.xml":       head + `<sst ` + main + `><si><t>reference</t></si><si><r><t>红</t></r><r><t xml:space="preserve">茶 </t></r><rPh><t>hong</t></rPh></si><si><t>a_x0041_b_x000</t></si></sst>`,
		"xl/worksheets/sheet2.xml":   head + `<worksheet ` + main + `><sheetData><row><c t="inlineStr"><is><t>hidden</t></is></c></row></sheetData></worksheet>`,
	}
	for name, part := range parts {
		if strings.HasPrefix(part, "<sheetData") {
			part = head + `<worksheet ` + main + `>` + part + `</worksheet>`
		}
		all[name] = part
	}
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for name, part := range all {
		w, err := archive.Create(name)
		must(t, err)
		_, err = io.WriteString(w, part)
		must(t, err)
	}
	must(t, archive.Close())
	return out.Bytes()
}

func sheetData(rows string) map[string]string {
	return map[string]string{"xl/worksheets/sheet1.xml": "<sheetData>" + rows + "</sheetData>"}
}

// TestCells: what each kind of cell is read as, and what is wrong with it.
func TestCells(t *testing.T) {
	for _, c := range []struct{ name, cell, want, fault string }{
		{"shared text", `<c r="A2" t="s"><v>1</v></c>`, "红茶 ", ""},
		{"escaped character", `<c r="A2" t="s"><v>2</v></c>`, "aAb_x000", ""},
		{"text in place", `<c r="A2" t="inlineStr"><is><t>0902409000</t></is></c>`, "0902409000", ""},
		{"whole number", `<c r="A2"><v>40</v></c>`, "40", ""},
		{"number as written", `<c r="A2"><v>8200.00</v></c>`, "8200.00", ""},
		{"binary fraction", `<c r="A2"><v>4.0999999999999996</v></c>`, "4.1", ""},
		{"another", `<c r="A2"><v>1234567.8899999999</v></c>`, "1234567.89", ""},
		{"negative", `<c r="A2"><v>-0.10000000000000001</v></c>`, "-0.1", ""},
		{"small number", `<c r="A2"><v>1E-3</v></c>`, "0.001", ""},
		{"smaller number", `<c r="A2"><v>1.0000000000000001E-5</v></c>`, "0.00001", ""},
		{"zero", `<c r="A2"><v>0E0</v></c>`, "0", ""},
		{"digits lost", `<c r="A2"><v>9.1350200000000006E+17</v></c>`, "9.1350200000000006E+17", "batch.cell.digits"},
		{"sixteen digits", `<c r="A2"><v>1234567890123456</v></c>`, "1234567890123456", "batch.cell.digits"},
		{"endless number", `<c r="A2"><v>1E999999999</v></c>`, "1E999999999", "batch.cell.digits"},
		{"no number", `<c r="A2"><v>ten</v></c>`, "ten", "batch.cell.digits"},
		{"date", `<c r="A2" s="1"><v>46083</v></c>`, "2026-03-02", ""},
		{"date in Chinese", `<c r="A2" s="2"><v>46083</v></c>`, "2026-03-02", ""},
		{"date and time", `<c r="A2" s="3"><v>46083.395833333336</v></c>`, "2026-03-02T09:30:00", ""},
		{"first of March 1900", `<c r="A2" s="1"><v>61</v></c>`, "1900-03-01", ""},
		{"first day", `<c r="A2" s="1"><v>1</v></c>`, "1900-01-01", ""},
		{"no date", `<c r="A2" s="4"><v>46083</v></c>`, "46083", ""},
		{"beyond all dates", `<c r="A2" s="1"><v>20260302</v></c>`, "20260302", ""},
		{"boolean", `<c r="A2" t="b"><v>1</v></c>`, "TRUE", ""},
		{"formula", `<c r="A2"><f>1+1</f><v>2</v></c>`, "2", "batch.cell.formula"},
		{"formula with a text", `<c r="A2" t="str"><f>A1</f><v>x</v></c>`, "x", "batch.cell.formula"},
		{"error", `<c r="A2" t="e"><v>#N/A</v></c>`, "#N/A", "batch.cell.error"},
		{"line break", `<c r="A2" t="inlineStr"><is><t>a&#10;b</t></is></c>`, "a\nb", "batch.cell.character"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reader, err := sheet.Open(stored(t, book(t, sheetData(`<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2">`+c.cell+`</row>`))), sheet.Source{})
			must(t, err)
			if reader.Found().Sheet != "Data" || reader.Found().Format != sheet.XLSX {
				t.Errorf("%+v", reader.Found())
			}
			rows := readAll(t, reader)
			if len(rows) != 1 || rows[0].Number != 2 || rows[0].Cells[0] != c.want {
				t.Fatalf("%+v", rows)
			}
			_, places, faults := form(t).Build(reader.Heading(), rows)
			if got := strings.Join(codes(faults), " "); got != c.fault {
				t.Fatal(got)
			}
			for _, fault := range faults {
				if cell, _ := places.Cell(fault.Pointer); cell != (sheet.Cell{Sheet: "Data", Row: 2, Column: "A", Heading: "reference"}) {
					t.Errorf("%s at %+v", fault.Pointer, cell)
				}
			}
		})
	}
}

// TestWorkbooks: whole workbooks that are read, row by row, or refused.
func TestWorkbooks(t *testing.T) {
	const heading = `<row r="1"><c r="A1" t="s"><v>0</v></c></row>`
	cell := func(at, text string) string {
		return `<c r="` + at + `" t="inlineStr"><is><t>` + text + `</t></is></c>`
	}
	for _, c := range []struct {
		name    string
		content []byte
		sheet   string
		want    string // of a refusal its code, else the numbers of the rows with what is wrong with them
	}{
		{"rows and cells without places", book(t, sheetData(`<row><c t="s"><v>0</v></c></row><row><c><v>1</v></c></row>`)), "", "2"},
		{"gaps", book(t, sheetData(heading+`<row r="7">`+cell("A7", "x")+`</row><row r="9"/><row r="1048576">`+cell("A1048576", "x")+`</row>`)), "", "7 1048576"},
		{"named sheet", book(t, sheetData(heading)), "hidden", ""},
		{"wrong sheet", book(t, sheetData(heading)), "Orders", "batch.sheet"},
		{"no rows", book(t, sheetData("")), "", "batch.empty"},
		{"merged rows", book(t, map[string]string{"xl/worksheets/sheet1.xml": "<sheetData>" + heading +
			`<row r="2">` + cell("A2", "x") + `</row><row r="3">` + cell("A3", "x") + `</row><row r="4">` + cell("A4", "x") + `</row></sheetData><mergeCells count="2"><mergeCell ref="A3:B4"/><mergeCell ref="A8:A9"/></mergeCells>`}),
			"", "2 3batch.row.merged 4batch.row.merged"},
		{"merged heading", book(t, map[string]string{"xl/worksheets/sheet1.xml": "<sheetData>" + heading + `</sheetData><mergeCells><mergeCell ref="A1:C1"/></mergeCells>`}), "", "batch.heading.merged"},
		{"value beyond the heading", book(t, sheetData(heading+`<row r="2">`+cell("A2", "x")+cell("C2", "x")+`</row>`)), "", "2batch.row.ragged"},
		{"16,384 columns", book(t, sheetData(`<row r="1">`+cell("A1", "reference")+cell("XFD1", "x")+`</row>`)), "", "batch.columns"},
		{"16,384 empty columns", book(t, sheetData(`<row r="1">`+cell("A1", "reference")+`<c r="XFD1" s="1"/></row>`)), "", ""},
		{"column of a row beyond", book(t, sheetData(heading+`<row r="2">`+cell("ZZZ2", "x")+`</row>`)), "", "batch.corrupt"},
		{"rows out of order", book(t, sheetData(heading+`<row r="3"/><row r="2"/>`)), "", "batch.corrupt"},
		{"text that is not there", book(t, sheetData(heading+`<row r="2"><c r="A2" t="s"><v>99</v></c></row>`)), "", "batch.corrupt"},
		{"broken XML", book(t, sheetData(heading+`<row r="2"><c r="A2"`)), "", "batch.corrupt"},
		{"rows that end too early", book(t, map[string]string{"xl/worksheets/sheet1.xml": `<worksheet><sheetData>` + heading + `<row r="2">`}), "", "batch.corrupt"},
		{"entities", book(t, map[string]string{"xl/worksheets/sheet1.xml": `<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet><sheetData>` + heading + `<row r="2"><c t="inlineStr"><is><t>&a;</t></is></c></row></sheetData></worksheet>`}), "", "batch.corrupt"},
		{"no sheet's part", book(t, map[string]string{"xl/workbook.xml": `<workbook><sheets><sheet name="x" id="rId9"/></sheets></workbook>`}), "", "batch.corrupt"},
		{"no workbook", []byte("PK\x05\x06" + strings.Repeat("\x00", 18)), "", "batch.corrupt"},
		{"long text", book(t, sheetData(heading+`<row r="2">`+cell("A2", strings.Repeat("x", 2<<20))+`</row>`)), "", "batch.line"},
		{"long row", book(t, sheetData(heading+`<row r="2">`+strings.Repeat(cell("A2", strings.Repeat("x", 300<<10)), 5)+`</row>`)), "", "batch.line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := outcome(t, stored(t, c.content), c.sheet); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// outcome reads a table to its end: the rows with what is wrong with them, or
// what it was refused with.
func outcome(t testing.TB, file *os.File, name string) string {
	t.Helper()
	reader, err := sheet.Open(file, sheet.Source{Sheet: name})
	var said []string
	for err == nil {
		var row sheet.Row
		if row, err = reader.Next(); err == nil {
			said = append(said, strconv.Itoa(row.Number)+strings.Join(codes(row.Faults), ","))
		}
	}
	if !errors.Is(err, io.EOF) {
		return strings.Join(refusal(t, err), " ")
	}
	return strings.Join(said, " ")
}

// TestSheetNamesAreTold: who asks for a wrong sheet hears which there are.
func TestSheetNamesAreTold(t *testing.T) {
	_, err := sheet.Open(stored(t, book(t, sheetData(""))), sheet.Source{Sheet: "Orders"})
	var refused *declare.Refusal
	if !errors.As(err, &refused) || !strings.Contains(refused.Faults[0].Text.English, "it has: Data.") {
		t.Error(err)
	}
}

// TestManySheets: a list of sheets without end is not told whole.
func TestManySheets(t *testing.T) {
	sheets := strings.Repeat(`<sheet name="`+strings.Repeat("名", 200)+`"/>`, 5000)
	_, err := sheet.Open(stored(t, book(t, map[string]string{"xl/workbook.xml": `<workbook><sheets>` + sheets + `</sheets></workbook>`})), sheet.Source{Sheet: "Orders"})
	var refused *declare.Refusal
	if !errors.As(err, &refused) || refused.Faults[0].Code != "batch.sheet" || len(refused.Faults[0].Text.English) > 4096 {
		t.Errorf("%.200v", err)
	}
}

// TestCutOff: a workbook cut anywhere is refused, or was whole up to there.
func TestCutOff(t *testing.T) {
	whole := xlsxOf(t, []string{"reference"}, [][]string{{"A-1"}, {"A-2"}})
	for length := 4; length < len(whole); length += 97 {
		if got := outcome(t, stored(t, whole[:length]), ""); got != "batch.corrupt" {
			t.Errorf("cut at %d: %s", length, got)
		}
	}
}

// TestDamaged: a workbook with any one byte wrong is read or refused, and
// never anything else.
func TestDamaged(t *testing.T) {
	whole := xlsxOf(t, []string{"reference"}, [][]string{{"A-1"}, {"A-2"}})
	for at := 0; at < len(whole); at += 29 {
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x55
		outcome(t, stored(t, damaged), "")
	}
}

// TestBombs: what would unpack beyond all measure is refused by its directory,
// or, where that lies, when it is as long as it said.
func TestBombs(t *testing.T) {
	blanks := strings.Repeat(" ", 1<<20)
	t.Run("ratio", func(t *testing.T) {
		file := packed(t, book(t, nil), "xl/worksheets/sheet1.xml", swelling{text: blanks, times: 150})
		grew := growth(func() {
			if got := outcome(t, file, ""); got != "batch.bomb" {
				t.Error(got)
			}
		})
		if grew > 8<<20 {
			t.Errorf("the heap grew by %d bytes", grew)
		}
	})
	t.Run("directory that lies", func(t *testing.T) {
		file := packed(t, book(t, nil), "xl/worksheets/sheet1.xml", swelling{text: blanks, times: 400, size: 1000})
		grew := growth(func() {
			if got := outcome(t, file, ""); got != "batch.corrupt" {
				t.Error(got)
			}
		})
		if grew > 8<<20 {
			t.Errorf("the heap grew by %d bytes", grew)
		}
	})
	t.Run("many parts", func(t *testing.T) {
		var out bytes.Buffer
		archive := zip.NewWriter(&out)
		for i := range 2000 {
			_, err := archive.Create(strconv.Itoa(i))
			must(t, err)
		}
		must(t, archive.Close())
		if got := outcome(t, stored(t, out.Bytes()), ""); got != "batch.bomb" {
			t.Error(got)
		}
	})
	t.Run("value in pieces", func(t *testing.T) {
		piece := "<![CDATA[" + strings.Repeat("1", 700_000) + "]]>"
		file := stored(t, book(t, sheetData(`<row r="1"><c t="b"><v>`+strings.Repeat(piece, 4)+`</v></c></row>`)))
		if got := outcome(t, file, ""); got != "batch.line" {
			t.Error(got)
		}
	})
}

// TestLongTexts reads 64 MiB of shared texts, and no more.
func TestLongTexts(t *testing.T) {
	if os.Getenv("SINGLEWINDOW_TEST_LONG") == "" {
		t.Skip("a long form: make chaos or make long")
	}
	workbook := book(t, map[string]string{"xl/worksheets/sheet1.xml": "<sheetData></sheetData>"})
	file := packed(t, workbook, "xl/sharedStrings.xml", swelling{head: "<sst>", text: "<si><t>" + strings.Repeat("0123456789", 40_000) + "</t></si>", tail: "</sst>", times: 200})
	if got := outcome(t, file, ""); got != "batch.bomb" {
		t.Error(got)
	}
}

// repeated is one byte without end.
type repeated byte

func (r repeated) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = byte(r)
	}
	return len(into), nil
}

// A swelling is a part of a workbook that is packed small: a text many times.
type swelling struct {
	head, text, tail string
	times            int
	size             uint64 // that the directory says it unpacks to; 0: the truth
}

// packed writes a workbook with another such part. What is repeated is packed once:
// blocks that were flushed can follow each other.
func packed(t *testing.T, workbook []byte, name string, part swelling) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "bomb.xlsx"))
	must(t, err)
	t.Cleanup(func() { must(t, file.Close()) })
	archive := zip.NewWriter(file)
	plain, err := zip.NewReader(bytes.NewReader(workbook), int64(len(workbook)))
	must(t, err)
	for _, other := range plain.File {
		if other.Name != name {
			must(t, archive.Copy(other))
		}
	}
	content := slices.Concat(squeezed(t, part.head), bytes.Repeat(squeezed(t, part.text), part.times), squeezed(t, part.tail), []byte{1, 0, 0, 0xff, 0xff}) // the last block is empty
	sum := crc32.ChecksumIEEE([]byte(part.head))
	for range part.times {
		sum = crc32.Update(sum, crc32.IEEETable, []byte(part.text))
	}
	sum = crc32.Update(sum, crc32.IEEETable, []byte(part.tail))
	if part.size == 0 {
		part.size = uint64(len(part.head) + part.times*len(part.text) + len(part.tail))
	}
	raw, err := archive.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, CRC32: sum, CompressedSize64: uint64(len(content)), UncompressedSize64: part.size})
	must(t, err)
	_, err = raw.Write(content)
	must(t, err)
	must(t, archive.Close())
	return file
}

// squeezed are the blocks of a text, none of them the last.
func squeezed(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	writer, err := flate.NewWriter(&out, flate.BestSpeed)
	must(t, err)
	_, err = io.WriteString(writer, text)
	must(t, err)
	must(t, writer.Flush())
	return out.Bytes()
}

// growth tells by how much the heap grew at most while something ran, as far
// as the collector's own counts tell.
func growth(run func()) int64 {
	debug.SetGCPercent(100)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// TestLongLine: 100 MB without a line's end are refused at once.
func TestLongLine(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "long"))
	must(t, err)
	defer file.Close() //nolint:errcheck // only read from
	_, err = io.WriteString(file, "reference\n")
	must(t, err)
	_, err = io.Copy(file, io.LimitReader(repeated('x'), 100<<20))
	must(t, err)
	for format, bound := range map[string]int64{"": 8 << 20, sheet.NDJSON: 32 << 20} {
		grew := growth(func() {
			_, err := sheet.Open(file, sheet.Source{Format: format})
			if got := refusal(t, err); !slices.Equal(got, []string{"batch.line"}) {
				t.Error(got)
			}
		})
		if grew > bound {
			t.Errorf("%s: the heap grew by %d bytes", format, grew)
		}
	}
	_, err = sheet.Open(stored(t, []byte(strings.Repeat("reference,", 16_384)+"\n")), sheet.Source{})
	if got := refusal(t, err); !slices.Equal(got, []string{"batch.columns"}) {
		t.Error(got)
	}
	lines := `reference` + "\n" + `"` + strings.Repeat("x\n", 1<<20)
	reader, err := sheet.Open(stored(t, []byte(lines)), sheet.Source{})
	must(t, err)
	_, err = reader.Next()
	if got := refusal(t, err); !slices.Equal(got, []string{"batch.line"}) {
		t.Error(got)
	}
}

// TestTooManyRows: the row after the last one allowed ends the table.
func TestTooManyRows(t *testing.T) {
	reader, err := sheet.Open(stored(t, []byte("reference\n"+strings.Repeat("x\n", 1_000_001))), sheet.Source{})
	must(t, err)
	for range 1_000_000 {
		_, err := reader.Next()
		must(t, err)
	}
	_, err = reader.Next()
	if got := refusal(t, err); !slices.Equal(got, []string{"batch.rows"}) {
		t.Error(got)
	}
}

// wideRows is how many rows of a template's width are read within so many
// bytes: in the long form, of make long, as many as a large file has.
func wideRows() (rows int, within int64) {
	if os.Getenv("SINGLEWINDOW_TEST_LONG") != "" {
		return 10_000, 64 << 20
	}
	return 800, 12 << 20
}

// wideTables are many rows of a template's width, in either format.
func wideTables(t *testing.T, f *sheet.Form, many int) map[string]*os.File {
	t.Helper()
	var heading []string
	for _, column := range f.Columns() {
		heading = append(heading, column.Path)
	}
	rows := make([][]string, many)
	for i := range rows {
		rows[i] = make([]string, len(heading))
		for j, column := range f.Columns() {
			switch column.Form {
			case "boolean":
				rows[i][j] = "true"
			case "decimal", "integer":
				rows[i][j] = strconv.Itoa(i + 1)
			default:
				rows[i][j] = fmt.Sprintf("值 %d of column %d", i/2, j)
			}
		}
		rows[i][0] = "ACME-" + strconv.Itoa(i)
	}
	return map[string]*os.File{"csv": stored(t, csvOf(t, heading, rows)), "xlsx": stored(t, xlsxOf(t, heading, rows))}
}

// TestMemory: however long a table is, reading it takes little.
func TestMemory(t *testing.T) {
	f := form(t)
	rows, within := wideRows()
	for format, file := range wideTables(t, f, rows) {
		peak := newPeak()
		reader, err := sheet.Open(file, sheet.Source{})
		must(t, err)
		count := 0
		for ; ; count++ {
			row, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			must(t, err)
			if count%100 != 0 {
				continue
			}
			peak.note()
			if document, _, faults := f.Build(reader.Heading(), []sheet.Row{row}); len(faults) > 0 || len(document) == 0 {
				t.Fatal(faults)
			}
		}
		if count != rows {
			t.Errorf("%s: %d rows", format, count)
		}
		if t.Logf("%s: %d MiB", format, peak.grew>>20); peak.grew > within {
			t.Errorf("%s: the heap grew by %d bytes", format, peak.grew)
		}
	}
}

// peak is the highest the heap was above where it began, garbage included.
type peak struct{ before, grew int64 }

func newPeak() *peak {
	debug.SetGCPercent(100) // whatever the environment says: garbage counts
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return &peak{before: int64(now.HeapAlloc)}
}

func (p *peak) note() {
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	p.grew = max(p.grew, int64(now.HeapAlloc)-p.before)
}

// FuzzOpen: whatever the bytes, a table is read or refused.
func FuzzOpen(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	must(f, err)
	for _, name := range files {
		content, err := os.ReadFile(name)
		must(f, err)
		f.Add(content)
	}
	f.Add(book(f, sheetData(`<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>`)))
	f.Add([]byte("reference,\"a\"\"b\"\n\"x\ny\",'=z\n"))
	goodsForm := form(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		file := stored(t, content)
		reader, err := sheet.Open(file, sheet.Source{})
		if err != nil {
			refusal(t, err)
			return
		}
		goodsForm.CheckHeading(reader.Heading())
		last := 0
		for {
			row, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				refusal(t, err)
				return
			}
			if row.Number <= last || row.Document == nil && len(row.Cells) != len(reader.Heading()) {
				t.Fatalf("%+v", row)
			}
			last = row.Number
			_, places, faults := goodsForm.Build(reader.Heading(), []sheet.Row{row})
			for _, fault := range faults {
				if _, ok := places.Cell(fault.Pointer); !ok {
					t.Errorf("%s has no place", fault.Pointer)
				}
			}
		}
		must(t, sheet.Markup(io.Discard, file, sheet.Source{}, func(int) []sheet.Mark { return nil }))
	})
}
