package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"singlewindow/declare"
)

// The encodings that are read.
const (
	UTF8    = "utf-8"
	GB18030 = "gb18030"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// surelyUTF8 is how many Chinese characters of valid UTF-8 a line in a GB18030
// file may hold before it is taken for what it looks like: so many do not come
// about by chance.
const surelyUTF8 = 4

// findEncoding tells the encoding of a text by all its lines: UTF-8 unless
// more lines with other than ASCII characters are no UTF-8 than are. It
// refuses lines that are too long, before any of them is read.
func findEncoding(file io.ReaderAt, size int64, start []byte, source Source) (string, error) {
	named := map[string]string{"": "", "utf-8": UTF8, "utf8": UTF8, "gb18030": GB18030, "gbk": GB18030, "gb2312": GB18030}
	encoding, known := named[strings.ToLower(source.Encoding)]
	marked := bytes.HasPrefix(start, byteOrderMark)
	switch {
	case !known:
		return "", refuse("batch.encoding", "Texts are read in utf-8 or gb18030.", "文本编码应为 utf-8 或 gb18030。")
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")), bytes.Count(start, []byte{0}) > len(start)/4:
		return "", refuse("batch.utf16", "The text is in UTF-16; save it as UTF-8 (in Excel: CSV UTF-8).", "文本为 UTF-16 编码，请另存为 UTF-8（Excel 中选择 CSV UTF-8）。")
	case marked && encoding == GB18030:
		return "", refuse("batch.encoding", "The text begins with the mark of UTF-8 and cannot be GB18030.", "文本带有 UTF-8 标记，不是 GB18030。")
	}
	limit := maxLine
	if source.Format == NDJSON {
		limit = maxDocument
	}
	lines := bufio.NewReaderSize(io.NewSectionReader(file, 0, size), limit+1)
	votes := 0
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return "", tooLong(limit)
		case err != nil && !errors.Is(err, io.EOF):
			return "", err
		case isASCII(line):
		case utf8.Valid(line):
			votes++
		default:
			votes--
		}
		if err != nil {
			break
		}
	}
	switch {
	case encoding != "":
		return encoding, nil
	case votes < 0 && !marked:
		return GB18030, nil
	}
	return UTF8, nil
}

func tooLong(limit int) error {
	return refuse("batch.line",
		fmt.Sprintf("A line is longer than %d MiB.", limit>>20), fmt.Sprintf("有一行超过 %d MiB。", limit>>20))
}

func isASCII(text []byte) bool {
	return !slices.ContainsFunc(text, func(b byte) bool { return b >= utf8.RuneSelf })
}

// decode reads a line in an encoding, and tells what of it cannot be so.
func decode(raw []byte, encoding string) (string, []declare.Fault) {
	if isASCII(raw) {
		return string(raw), nil
	}
	wrong := func(english, chinese string) []declare.Fault {
		return []declare.Fault{fault("batch.row.encoding", english, chinese)}
	}
	isUTF8 := utf8.Valid(raw)
	if encoding == UTF8 {
		text := strings.ToValidUTF8(string(raw), string(utf8.RuneError))
		switch {
		case !isUTF8 && fromGB18030(raw) != "":
			return text, wrong("The line is in GB18030, the file in UTF-8; save it in one encoding.", "该行为 GB18030 编码，而文件为 UTF-8，请统一编码后保存。")
		case !isUTF8:
			return text, wrong("The line holds bytes that are no UTF-8.", "该行含有非 UTF-8 的字节。")
		}
		return text, lost(text)
	}
	text := fromGB18030(raw)
	switch {
	case text == "":
		text = strings.ToValidUTF8(string(raw), string(utf8.RuneError))
		return text, wrong("The line holds bytes that are no GB18030.", "该行含有非 GB18030 的字节。")
	case isUTF8 && chineseIn(string(raw)) >= surelyUTF8:
		return string(raw), wrong("The line is in UTF-8, the file in GB18030; save it in one encoding.", "该行为 UTF-8 编码，而文件为 GB18030，请统一编码后保存。")
	}
	return text, nil
}

// fromGB18030 gives "" for what is no GB18030.
func fromGB18030(raw []byte) string {
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(raw)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return ""
	}
	return string(text)
}

func lost(text string) []declare.Fault {
	if !strings.ContainsRune(text, utf8.RuneError) {
		return nil
	}
	return []declare.Fault{fault("batch.row.lost",
		"The line holds a replacement character: an earlier program has lost text here.", "该行含有替换字符，说明此前的程序已丢失部分文字。")}
}

func chineseIn(text string) int {
	count := 0
	for _, character := range text {
		if 0x3000 <= character && character < 0xa000 {
			count++
		}
	}
	return count
}

// documents are the lines of NDJSON.
type documents struct {
	lines    *bufio.Reader
	encoding string
	number   int
}

func newDocuments(file io.ReaderAt, size int64, encoding string) *documents {
	return &documents{lines: textOf(file, size, maxDocument), encoding: encoding}
}

// textOf reads a text without its byte order mark, in lines of at most limit.
func textOf(file io.ReaderAt, size int64, limit int) *bufio.Reader {
	lines := bufio.NewReaderSize(io.NewSectionReader(file, 0, size), limit+1)
	if start, err := lines.Peek(len(byteOrderMark)); err == nil && bytes.Equal(start, byteOrderMark) {
		if _, err := lines.Discard(len(byteOrderMark)); err != nil {
			panic("bytes that were seen cannot be skipped: " + err.Error())
		}
	}
	return lines
}

func (d *documents) next() (line, error) {
	raw, err := readLine(d.lines, maxDocument)
	if err != nil {
		return line{}, err
	}
	d.number++
	text, faults := decode(bytes.TrimSpace(raw), d.encoding)
	return line{number: d.number, whole: text, faults: faults}, nil
}

// readLine gives a line with its end, io.EOF after the last one. The bytes
// hold until the next call.
func readLine(lines *bufio.Reader, limit int) ([]byte, error) {
	raw, err := lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, tooLong(limit)
	case errors.Is(err, io.EOF) && len(raw) > 0:
		return raw, nil
	}
	return raw, err
}

// records are the lines of CSV. They are cut before they are decoded, so that
// a line in another encoding harms itself alone: no character of UTF-8 or
// GB18030 has a quotation mark, a separator or a line's end among its bytes.
type records struct {
	lines     *bufio.Reader
	encoding  string
	separator byte // 0 until the heading is read
	number    int  // as a spreadsheet counts: a record is one row, however many lines it has
}

func newRecords(file io.ReaderAt, size int64, encoding string) *records {
	return &records{lines: textOf(file, size, maxLine), encoding: encoding}
}

func (r *records) next() (line, error) {
	raw, closed, err := r.record()
	if err != nil {
		return line{}, err
	}
	r.number++
	text, faults := decode(raw, r.encoding)
	l := line{number: r.number, faults: faults}
	if clean(text) == "" {
		return l, nil
	}
	if r.separator == 0 {
		r.separator = separatorOf(text)
	}
	if l.cells = r.split(text); !closed || l.cells == nil {
		l.cells, l.whole = nil, text
		l.faults = append(l.faults, fault("batch.row.quotes",
			"A quotation mark stands in the middle of a cell or does not close; double it within quoted cells.",
			"引号位于单元格中间或未成对；引号单元格内的引号应写两个。"))
	}
	if len(l.cells) > maxColumns+1 {
		return line{}, tooManyColumns()
	}
	return l, nil
}

// record reads lines up to one that ends outside quotation marks. Only at the
// beginning of a cell do they open, so that a stray one does not swallow the
// lines that follow.
func (r *records) record() (raw []byte, closed bool, err error) {
	quoted, wasQuote, start := false, false, true
	for {
		next, err := readLine(r.lines, maxLine)
		switch {
		case errors.Is(err, io.EOF) && raw != nil:
			return raw, false, nil
		case err != nil:
			return nil, false, err
		case len(raw)+len(next) > maxLine:
			return nil, false, tooLong(maxLine)
		}
		raw = append(raw, next...)
		for _, b := range next {
			switch {
			case quoted:
				quoted = b != '"'
				wasQuote, start = !quoted, false
				continue
			case b == '"' && (start || wasQuote):
				quoted = true
			}
			wasQuote, start = false, b == r.separator || r.separator == 0 && strings.IndexByte(separators, b) >= 0
		}
		if !quoted {
			return raw, true, nil
		}
	}
}

const separators = ",;\t"

// separatorOf gives the separator that a heading has most of.
func separatorOf(heading string) byte {
	best, most := separators[0], 0
	for _, candidate := range []byte(separators) {
		count, quoted := 0, false
		for i := range len(heading) {
			switch heading[i] {
			case '"':
				quoted = !quoted
			case candidate:
				if !quoted {
					count++
				}
			}
		}
		if count > most {
			best, most = candidate, count
		}
	}
	return best
}

// split takes a record apart, nil where that cannot be done.
func (r *records) split(text string) []string {
	if !strings.Contains(text, `"`) {
		return strings.Split(strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), string(r.separator))
	}
	in := csv.NewReader(strings.NewReader(text))
	in.Comma, in.FieldsPerRecord = rune(r.separator), -1
	cells, err := in.Read()
	if err != nil {
		return nil
	}
	if _, err := in.Read(); !errors.Is(err, io.EOF) {
		return nil
	}
	return cells
}
