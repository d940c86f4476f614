package sheet

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"singlewindow/declare"
)

// The bounds of a workbook, besides those of every table. Its sheet is read as
// a stream; its texts are kept, because cells refer to them by number.
const (
	maxParts     = 1000
	maxUnpacked  = 1 << 30  // bytes of all parts together, as the directory has it; beyond it reading stops
	maxRatio     = 300      // unpacked to packed, of a part above minRatioSize
	minRatioSize = 4 << 20  // bytes
	maxSmallPart = 8 << 20  // bytes of the parts that are read whole: list of sheets, relations, styles
	maxTexts     = 64 << 20 // bytes of shared texts
	maxTextCount = 2 << 20
	maxMerges    = 100_000

	maxNames      = 20 // sheets that are told of
	maxNameLength = 31 // characters, as spreadsheet programs have it
)

// workbook is an opened XLSX file: a zip archive of XML parts (ECMA-376).
type workbook struct {
	parts    map[string]*zip.File
	texts    texts
	isDate   []bool // of each cell style
	from1904 bool
}

// openWorkbook opens a sheet, the first visible one if none is named, and
// tells its name.
func openWorkbook(file io.ReaderAt, size int64, wanted string) (table, string, error) {
	archive, err := zip.NewReader(io.NewSectionReader(file, 0, size), size)
	if err != nil {
		return nil, "", corrupt(err)
	}
	b := &workbook{parts: map[string]*zip.File{}}
	if err := b.guard(archive); err != nil {
		return nil, "", err
	}
	sheet, target, err := b.open(wanted)
	if err != nil {
		return nil, "", corrupt(err)
	}
	in, err := newWorksheet(b, target)
	if err != nil {
		return nil, "", corrupt(err)
	}
	return in, sheet, nil
}

// guard refuses an archive that would unpack beyond all measure, by its
// directory alone. Where the directory lies, archive/zip stops reading at the
// size it gave.
func (b *workbook) guard(archive *zip.Reader) error {
	unpacked := uint64(0)
	for _, part := range archive.File {
		unpacked += min(part.UncompressedSize64, maxUnpacked)
		isBomb := part.UncompressedSize64 > minRatioSize && part.UncompressedSize64/maxRatio > part.CompressedSize64
		if isBomb || unpacked > maxUnpacked || len(archive.File) > maxParts {
			return refuse("batch.bomb",
				"The workbook would unpack to far more than its size allows; send the rows in a new workbook or as CSV.",
				"该工作簿解压后过大，请将数据行放入新的工作簿或以 CSV 发送。")
		}
		b.parts[partName(part.Name)] = part
	}
	return nil
}

// partName makes names of parts comparable: they are told apart without case.
func partName(name string) string {
	return strings.ToLower(strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/"))
}

// relations are the parts that a part refers to, by the id it uses.
type relations struct {
	Relations []struct {
		ID     string `xml:"Id,attr"`
		Type   string `xml:"Type,attr"`
		Target string `xml:"Target,attr"`
		Mode   string `xml:"TargetMode,attr"`
	} `xml:"Relationship"`
}

// relationsOf reads the relations of a part, "" for the workbook's archive.
func (b *workbook) relationsOf(part string) (byID, byType map[string]string, err error) {
	folder, name := path.Split(part)
	var all relations
	if err := b.readSmall(path.Join(folder, "_rels", name+".rels"), &all); err != nil {
		return nil, nil, err
	}
	byID, byType = map[string]string{}, map[string]string{}
	for _, relation := range all.Relations {
		if relation.Mode == "External" {
			continue
		}
		target := relation.Target
		if !strings.HasPrefix(target, "/") {
			target = path.Join(folder, target)
		}
		kind := path.Base(relation.Type)
		byID[relation.ID], byType[kind] = partName(target), partName(target)
	}
	return byID, byType, nil
}

type bookPart struct {
	Properties struct {
		From1904 string `xml:"date1904,attr"`
	} `xml:"workbookPr"`
	Sheets []struct {
		Name  string `xml:"name,attr"`
		State string `xml:"state,attr"`
		ID    string `xml:"id,attr"`
	} `xml:"sheets>sheet"`
}

func (b *workbook) open(wanted string) (name, target string, err error) {
	_, top, err := b.relationsOf("")
	if err != nil {
		return "", "", err
	}
	var book bookPart
	main := top["officeDocument"]
	if err := b.readSmall(main, &book); err != nil {
		return "", "", err
	}
	byID, byType, err := b.relationsOf(main)
	if err != nil {
		return "", "", err
	}
	b.from1904 = book.Properties.From1904 == "1" || book.Properties.From1904 == "true"
	if name, target, err = book.choose(wanted, byID); err != nil {
		return "", "", err
	}
	if styles := byType["styles"]; styles != "" {
		if err := b.readStyles(styles); err != nil {
			return "", "", err
		}
	}
	if strings := byType["sharedStrings"]; strings != "" {
		err = b.readTexts(strings)
	}
	return name, target, err
}

func (p *bookPart) choose(wanted string, targets map[string]string) (name, target string, err error) {
	var names []string
	for _, sheet := range p.Sheets {
		visible := sheet.State == "" || sheet.State == "visible"
		if visible && len(names) < maxNames {
			names = append(names, firstOf(sheet.Name, maxNameLength))
		}
		if wanted == "" && visible || wanted != "" && strings.EqualFold(clean(wanted), clean(sheet.Name)) {
			return sheet.Name, targets[sheet.ID], nil
		}
	}
	return "", "", refuse("batch.sheet",
		fmt.Sprintf("The workbook has no such sheet; it has: %s.", strings.Join(names, ", ")),
		fmt.Sprintf("工作簿中没有该工作表；现有：%s。", strings.Join(names, "、")))
}

// firstOf gives the first characters of a text.
func firstOf(text string, most int) string {
	for i := range text {
		if most--; most < 0 {
			return text[:i]
		}
	}
	return text
}

// part opens a part for reading.
func (b *workbook) part(name string) (io.ReadCloser, error) {
	part := b.parts[name]
	if part == nil {
		return nil, fmt.Errorf("the workbook has no part %s", name)
	}
	return part.Open()
}

func (b *workbook) readSmall(name string, into any) (err error) {
	in, err := b.part(partName(name))
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read from
	return xml.NewDecoder(io.LimitReader(in, maxSmallPart)).Decode(into)
}

// readStyles tells which cell styles show a number as a date.
func (b *workbook) readStyles(name string) error {
	var styles struct {
		Formats []struct {
			ID   int    `xml:"numFmtId,attr"`
			Code string `xml:"formatCode,attr"`
		} `xml:"numFmts>numFmt"`
		Cells []struct {
			Format int `xml:"numFmtId,attr"`
		} `xml:"cellXfs>xf"`
	}
	if err := b.readSmall(name, &styles); err != nil {
		return err
	}
	codes := map[int]string{}
	for _, format := range styles.Formats {
		codes[format.ID] = format.Code
	}
	for _, cell := range styles.Cells {
		b.isDate = append(b.isDate, isDateFormat(cell.Format, codes[cell.Format]))
	}
	return nil
}

// texts are the shared texts, one after another.
type texts struct {
	all  []byte
	ends []uint32
}

func (t *texts) at(number int) (string, bool) {
	if number < 0 || number >= len(t.ends) {
		return "", false
	}
	start := uint32(0)
	if number > 0 {
		start = t.ends[number-1]
	}
	return string(t.all[start:t.ends[number]]), true
}

func (b *workbook) readTexts(name string) error {
	in, err := b.part(name)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read from
	tokens := newTokens(in)
	for {
		token, err := tokens.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		start, isStart := token.(xml.StartElement)
		if !isStart || start.Name.Local != "si" {
			continue
		}
		text, err := tokens.text("si")
		if err != nil {
			return err
		}
		b.texts.all = append(b.texts.all, text...)
		b.texts.ends = append(b.texts.ends, uint32(len(b.texts.all)))
		if len(b.texts.all) > maxTexts || len(b.texts.ends) > maxTextCount {
			return refuse("batch.bomb",
				"The workbook holds too many different texts; split it or send it as CSV.", "工作簿中的不同文本过多，请拆分或以 CSV 发送。")
		}
	}
}

// tokens reads XML token by token, none longer than a line may be.
type tokens struct {
	meter   meter
	decoder *xml.Decoder
}

func newTokens(in io.Reader) *tokens {
	t := &tokens{meter: meter{in: bufio.NewReaderSize(in, 64<<10)}}
	t.decoder = xml.NewDecoder(&t.meter)
	return t
}

func (t *tokens) next() (xml.Token, error) {
	t.meter.spent = 0
	return t.decoder.RawToken()
}

// meter ends a token that is too long before it fills the memory.
type meter struct {
	in    *bufio.Reader
	spent int
}

func (m *meter) ReadByte() (byte, error) {
	if m.spent++; m.spent > maxLine {
		return 0, tooLong(maxLine)
	}
	return m.in.ReadByte()
}

func (m *meter) Read(into []byte) (int, error) {
	n, err := m.in.Read(into)
	if m.spent += n; m.spent > maxLine {
		return n, tooLong(maxLine)
	}
	return n, err
}

// text gives the text of the t elements up to the end of an element, those of
// its runs put together and without the readings of characters (rPh).
func (t *tokens) text(end string) (string, error) {
	var text strings.Builder
	inText, inReading := false, false
	for {
		token, err := t.next()
		if err != nil {
			return "", unexpected(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inReading = inReading || token.Name.Local == "rPh"
			inText = token.Name.Local == "t"
		case xml.EndElement:
			inText = false
			switch token.Name.Local {
			case end:
				return unescapeXML(text.String()), nil
			case "rPh":
				inReading = false
			}
		case xml.CharData:
			if inText && !inReading {
				text.Write(token)
			}
			if text.Len() > maxLine {
				return "", tooLong(maxLine)
			}
		}
	}
}

// unexpected makes the end of a part in its middle an error.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// unescapeXML resolves _xHHHH_, how a workbook writes characters that XML
// cannot carry.
func unescapeXML(text string) string {
	if !strings.Contains(text, "_x") {
		return text
	}
	var plain strings.Builder
	for {
		before, rest, found := strings.Cut(text, "_x")
		plain.WriteString(before)
		if !found {
			return plain.String()
		}
		code, err := strconv.ParseUint(rest[:min(4, len(rest))], 16, 16)
		if err != nil || len(rest) < 5 || rest[4] != '_' {
			plain.WriteString("_x")
			text = rest
			continue
		}
		plain.WriteRune(rune(code))
		text = rest[5:]
	}
}

var formulaFault = fault("batch.cell.formula",
	"The cell holds a formula; put its value in its place (copy, paste values).", "单元格为公式，请改为其数值（复制后选择性粘贴为数值）。")

var errorFault = fault("batch.cell.error",
	"The cell holds an error of the spreadsheet program.", "单元格为电子表格的错误值。")

var digitsFault = fault("batch.cell.digits",
	"The number has more digits than a spreadsheet keeps; set the cell to text and type it again.", "数字位数超过电子表格可保留的位数，请将单元格设为文本后重新输入。")

func mergedFault() declare.Fault {
	return fault("batch.row.merged", "The row has cells merged with others; unmerge them and fill each.", "该行有合并的单元格，请取消合并并分别填写。")
}
