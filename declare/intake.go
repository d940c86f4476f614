package declare

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of the intake besides its bytes: what no honest declaration reaches, and what
// keeps a hostile one from costing more memory or time than its bytes.
const (
	maxDepth         = 64
	maxFaults        = 200
	maxValues        = 1 << 20
	maxNameBytes     = 128
	maxIntegerDigits = 18 // always fits an int64
)

// ParseJSON reads one JSON text into a tree of map[string]any, []any, string,
// bool, nil and json.Number (whole numbers only). It is stricter than RFC 8259
// allows, because what two readers understand differently must not be filed:
//
//	json.tooLarge      more than maxBytes, too many values, or an endless name
//	json.syntax        not JSON; the text names line and column
//	json.trailing      something follows the JSON text
//	json.depth         nested deeper than 64
//	json.encoding      a string is not UTF-8
//	json.surrogate     a \u escape is half of a pair
//	json.character     a control, format (bidirectional, zero-width) or
//	                   separator character, escaped or not
//	json.duplicateKey  a name stands twice in one object
//	json.float         a fraction, an exponent or -0; amounts are strings
//	json.digits        a whole number of more than 18 digits
//
// Reading goes on after a fault wherever that makes sense, up to 200 faults.
// There is a tree only when there is no fault.
func ParseJSON(body []byte, maxBytes int) (any, []Fault) {
	if len(body) > maxBytes {
		return nil, []Fault{{Code: "json.tooLarge", Text: Text{
			English: fmt.Sprintf("The text is longer than %d bytes.", maxBytes),
			Chinese: fmt.Sprintf("内容超过 %d 字节。", maxBytes),
		}}}
	}
	in := &intake{body: string(body)}
	tree, whole := in.value()
	if whole {
		in.space()
		if in.at < len(in.body) {
			in.fault("json.trailing", Text{
				English: "Something follows the end of the JSON text at " + in.place().English + ".",
				Chinese: "JSON 结束之后还有内容，位于" + in.place().Chinese + "。",
			})
		}
	}
	if len(in.faults) > 0 {
		return nil, in.faults
	}
	return tree, nil
}

// intake is one reading: where it stands in the bytes and in the tree. Its
// methods answer false once reading cannot go on.
type intake struct {
	body   string // the texts of the tree are parts of it
	at     int
	path   location
	values int
	faults []Fault
}

// step is one level of the tree: a name in an object, or an index in an array.
type step struct {
	name  string
	index int // -1 for a name
}

// location is the way from the top of a tree to one of its values.
type location []step

// pointer writes the location as RFC 6901 has it.
func (l location) pointer() string {
	pointer := ""
	for _, step := range l {
		if step.index >= 0 {
			pointer += "/" + strconv.Itoa(step.index)
		} else {
			pointer = pointerTo(pointer, step.name)
		}
	}
	return pointer
}

func (in *intake) value() (any, bool) {
	in.space()
	if in.at == len(in.body) {
		return nil, in.unreadable("a value is missing", "此处缺少值")
	}
	if in.values++; in.values > maxValues {
		in.fault("json.tooLarge", Text{
			English: fmt.Sprintf("The text holds more than %d values.", maxValues),
			Chinese: fmt.Sprintf("内容超过 %d 个值。", maxValues),
		})
		return nil, false
	}
	switch c := in.body[in.at]; {
	case c == '{':
		return in.nested(in.object)
	case c == '[':
		return in.nested(in.array)
	case c == '"':
		return in.text()
	case c == '-' || '0' <= c && c <= '9':
		return in.number()
	}
	for _, literal := range literals {
		if strings.HasPrefix(in.body[in.at:], literal.text) {
			in.at += len(literal.text)
			return literal.value, true
		}
	}
	return nil, in.unreadable("a value is expected", "此处应为一个值")
}

var literals = []struct {
	text  string
	value any
}{
	{"true", true},
	{"false", false},
	{"null", nil},
}

// nested reads an object or array, refusing one level too many: reading is
// recursive.
func (in *intake) nested(read func() (any, bool)) (any, bool) {
	if len(in.path) >= maxDepth {
		in.fault("json.depth", Text{
			English: fmt.Sprintf("The text is nested deeper than %d levels.", maxDepth),
			Chinese: fmt.Sprintf("嵌套超过 %d 层。", maxDepth),
		})
		return nil, false
	}
	in.at++
	in.space()
	return read()
}

func (in *intake) object() (any, bool) {
	object := map[string]any{}
	if in.take('}') {
		return object, true
	}
	for {
		in.space()
		name, ok := in.name()
		if !ok {
			return nil, false
		}
		in.path = append(in.path, step{name, -1})
		value, ok := in.value()
		if !ok {
			return nil, false
		}
		fields := len(object)
		object[name] = value
		if twice := len(object) == fields; twice && !in.fault("json.duplicateKey", textDuplicateKey) {
			return nil, false
		}
		in.path = in.path[:len(in.path)-1]
		in.space()
		if in.take('}') {
			return object, true
		}
		if !in.take(',') {
			return nil, in.unreadable("a comma or } is expected", "此处应为逗号或 }")
		}
	}
}

// name reads an object's name and the colon after it. What is wrong with the
// name is told at the object: the name itself may be unfit to print.
func (in *intake) name() (string, bool) {
	if in.at == len(in.body) || in.body[in.at] != '"' {
		return "", in.unreadable("a name in double quotes is expected", "此处应为双引号括起的名称")
	}
	name, ok := in.text()
	if !ok {
		return "", false
	}
	if len(name) > maxNameBytes {
		in.fault("json.tooLarge", Text{
			English: fmt.Sprintf("A name is longer than %d bytes.", maxNameBytes),
			Chinese: fmt.Sprintf("名称超过 %d 字节。", maxNameBytes),
		})
		return "", false
	}
	in.space()
	if !in.take(':') {
		return "", in.unreadable("a colon is expected", "此处应为冒号")
	}
	return name, true
}

func (in *intake) array() (any, bool) {
	array := []any{}
	if in.take(']') {
		return array, true
	}
	for {
		in.path = append(in.path, step{"", len(array)})
		value, ok := in.value()
		if !ok {
			return nil, false
		}
		in.path = in.path[:len(in.path)-1]
		array = append(array, value)
		in.space()
		if in.take(']') {
			return array, true
		}
		if !in.take(',') {
			return nil, in.unreadable("a comma or ] is expected", "此处应为逗号或 ]")
		}
	}
}

// text reads a string from its opening quote on. Each code is told once per
// string, however often it applies.
func (in *intake) text() (string, bool) {
	in.at++
	start, known := in.at, len(in.faults)
	var decoded []byte // what stands before start, escapes resolved
	for in.at < len(in.body) {
		switch c := in.body[in.at]; {
		case c == '"':
			rest := in.body[start:in.at]
			in.at++
			if decoded != nil {
				rest = string(append(decoded, rest...))
			}
			return rest, len(in.faults) < maxFaults
		case c == '\\':
			decoded = append(decoded, in.body[start:in.at]...)
			character, ok := in.escape(known)
			if !ok {
				return "", false
			}
			in.judge(character, known)
			decoded = utf8.AppendRune(decoded, character)
			start = in.at
		case ' ' <= c && c < 0x7f:
			in.at++
		default:
			character, size := utf8.DecodeRuneInString(in.body[in.at:])
			if character == utf8.RuneError && size == 1 {
				in.faultOnce(known, "json.encoding", textEncoding)
			} else {
				in.judge(character, known)
			}
			in.at += size
		}
	}
	return "", in.unreadable("a string is not closed", "字符串没有结束")
}

// escape reads one backslash sequence and gives the character it stands for.
func (in *intake) escape(known int) (rune, bool) {
	in.at++
	if in.at < len(in.body) {
		c := in.body[in.at]
		if c == 'u' {
			return in.escapedUnicode(known)
		}
		if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
			in.at++
			return rune("\"\\/\b\f\n\r\t"[i]), true
		}
	}
	return 0, in.unreadable("a backslash sequence is unknown", "反斜杠转义序列无效")
}

func (in *intake) escapedUnicode(known int) (rune, bool) {
	first, ok := in.hex()
	if !ok {
		return 0, in.unreadable("four hexadecimal digits are expected", "此处应为四位十六进制数字")
	}
	if first < 0xd800 || first > 0xdfff {
		return first, true
	}
	if first < 0xdc00 && in.at+1 < len(in.body) && in.body[in.at] == '\\' && in.body[in.at+1] == 'u' {
		before := in.at
		in.at++
		if second, ok := in.hex(); ok && second >= 0xdc00 && second <= 0xdfff {
			return (first-0xd800)<<10 + (second - 0xdc00) + 0x10000, true
		}
		in.at = before
	}
	in.faultOnce(known, "json.surrogate", textSurrogate)
	return utf8.RuneError, true
}

// hex reads the u of an escape and its four digits.
func (in *intake) hex() (rune, bool) {
	if in.at+5 > len(in.body) {
		return 0, false
	}
	var value rune
	for _, c := range []byte(in.body[in.at+1 : in.at+5]) {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' {
			return 0, false
		}
		value = value<<4 | rune(digit)
	}
	in.at += 5
	return value, true
}

// judge refuses the characters a reader of the declaration would not see, or
// that would change how he sees others, and those XML cannot carry.
func (in *intake) judge(character rune, known int) {
	switch {
	case ' ' <= character && character < 0x7f, 0x3001 <= character && character < 0xd800:
		return
	case unicode.In(character, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp), character&0xfffe == 0xfffe:
		in.faultOnce(known, "json.character", Text{
			English: fmt.Sprintf("The text holds the control or invisible character U+%04X; remove it.", character),
			Chinese: fmt.Sprintf("文本含有控制字符或不可见字符 U+%04X，请删除。", character),
		})
	}
}

func (in *intake) number() (any, bool) {
	start := in.at
	negative := in.take('-')
	digits := in.at
	if !in.take('0') && !in.digits() {
		return nil, in.unreadable("a digit is expected", "此处应为数字")
	}
	whole := in.body[start:in.at]
	size := in.at - digits
	fraction, ok := in.fraction()
	switch {
	case !ok:
		return nil, false
	case fraction || negative && whole == "-0":
		return nil, in.fault("json.float", textFloat)
	case size > maxIntegerDigits:
		return nil, in.fault("json.digits", textDigits)
	}
	return json.Number(whole), true
}

// fraction reads what may follow the digits of a whole number, and tells
// whether anything did.
func (in *intake) fraction() (found, ok bool) {
	if in.take('.') {
		if found = true; !in.digits() {
			return true, in.unreadable("a digit is expected", "此处应为数字")
		}
	}
	if in.take('e') || in.take('E') {
		if !in.take('+') {
			in.take('-')
		}
		if found = true; !in.digits() {
			return true, in.unreadable("a digit is expected", "此处应为数字")
		}
	}
	return found, true
}

func (in *intake) digits() bool {
	start := in.at
	for in.at < len(in.body) && '0' <= in.body[in.at] && in.body[in.at] <= '9' {
		in.at++
	}
	return in.at > start
}

func (in *intake) space() {
	at := in.at
	for at < len(in.body) && (in.body[at] == ' ' || in.body[at] == '\n' || in.body[at] == '\t' || in.body[at] == '\r') {
		at++
	}
	in.at = at
}

func (in *intake) take(c byte) bool {
	if in.at < len(in.body) && in.body[in.at] == c {
		in.at++
		return true
	}
	return false
}

// fault records a fault where the reading stands and tells whether there is
// room for more.
func (in *intake) fault(code string, text Text) bool {
	in.faults = append(in.faults, Fault{Code: code, Pointer: in.path.pointer(), Text: text})
	return len(in.faults) < maxFaults
}

func (in *intake) faultOnce(known int, code string, text Text) {
	for _, fault := range in.faults[min(known, len(in.faults)):] {
		if fault.Code == code {
			return
		}
	}
	in.fault(code, text)
}

// unreadable ends the reading: this is not JSON. It is always false.
func (in *intake) unreadable(english, chinese string) bool {
	place := in.place()
	in.fault("json.syntax", Text{
		English: "This is not JSON: " + english + " at " + place.English + ".",
		Chinese: "不是有效的 JSON：" + place.Chinese + chinese + "。",
	})
	return false
}

// place tells where the reading stands as an editor counts: lines and
// characters from one.
func (in *intake) place() Text {
	line, start := 1, 0
	for i, c := range []byte(in.body[:in.at]) {
		if c == '\n' {
			line, start = line+1, i+1
		}
	}
	column := utf8.RuneCountInString(in.body[start:in.at]) + 1
	return Text{
		English: fmt.Sprintf("line %d, column %d", line, column),
		Chinese: fmt.Sprintf("第 %d 行第 %d 列", line, column),
	}
}

// pointerTo extends an RFC 6901 pointer by one name.
func pointerTo(pointer, name string) string {
	return pointer + "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

var (
	textDuplicateKey = Text{
		English: "This name stands twice in the same object; keep one of them.",
		Chinese: "同一对象中该名称出现两次，请只保留一个。",
	}
	textEncoding = Text{
		English: "The text is not UTF-8; save the declaration in UTF-8.",
		Chinese: "文本不是 UTF-8 编码，请以 UTF-8 保存报文。",
	}
	textSurrogate = Text{
		English: `A \u escape is half of a surrogate pair; write both halves or the character itself.`,
		Chinese: `\u 转义只有代理对的一半，请写全两个部分或直接写该字符。`,
	}
	textFloat = Text{
		English: `A bare number must be whole; write amounts, masses and quantities as strings such as "12.50".`,
		Chinese: `裸数字必须是整数；金额、重量和数量请写成字符串，例如 "12.50"。`,
	}
	textDigits = Text{
		English: fmt.Sprintf("A whole number has at most %d digits.", maxIntegerDigits),
		Chinese: fmt.Sprintf("整数最多 %d 位。", maxIntegerDigits),
	}
)
