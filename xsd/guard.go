package xsd

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// What a document may at most be before libxml2 sees it. Attributes cost quadratic time, depth is recursion, namespace
// declarations in force are searched for every element, each node takes 250 bytes, and a text that comments cut into
// pieces is joined anew with every piece.
const (
	MaxBytes      = 20 << 20
	MaxNodes      = 300_000 // elements, attributes, comments, CDATA sections, processing instructions
	MaxAttributes = 256     // of one element; also namespace declarations in force at one element
	MaxDepth      = 256
	MaxPieces     = 2048 // comments, CDATA sections and processing instructions directly in one element
)

// GuardError refuses a document that was not validated at all. Line is 1-based, 0 when the fault has no line.
type GuardError struct {
	Code string // xml.tooLarge xml.nul xml.encoding xml.doctype xml.nodes xml.attributes xml.depth xml.pieces xml.poisoned xml.malformed
	Line int
}

func (e *GuardError) Error() string {
	if e.Line == 0 {
		return e.Code
	}
	return fmt.Sprintf("%s at line %d", e.Code, e.Line)
}

// Text explains the refusal in "zh" or, for anything else, in English.
func (e *GuardError) Text(lang string) string { return guardTexts[e.Code].in(lang) }

var guardTexts = map[string]text{
	"xml.tooLarge":   {"The document is larger than 20 MB.", "报文超过20 MB。"},
	"xml.nul":        {"The document contains a NUL character.", "报文含有NUL字符。"},
	"xml.encoding":   {"The document is not UTF-8.", "报文不是UTF-8编码。"},
	"xml.doctype":    {"A DOCTYPE declaration is not accepted.", "不接受DOCTYPE声明。"},
	"xml.attributes": {"An element has more than 256 attributes.", "某个元素的属性超过256个。"},
	"xml.nodes":      {"The document has more than 300,000 elements, attributes and comments.", "报文中的元素、属性和注释超过300000个。"},
	"xml.pieces":     {"An element contains more than 2,048 comments or CDATA sections.", "某个元素包含的注释或CDATA段超过2048个。"},
	"xml.depth":      {"The elements are nested deeper than 256.", "元素嵌套超过256层。"},
	"xml.poisoned":   {"This document was being read when the system stopped and is not read again.", "系统曾在读取该报文时中断，不再读取。"},
	"xml.malformed":  {"The document is not well-formed XML.", "报文不是格式良好的XML。"},
}

// guard is stricter than XML where libxml2 goes on reading after an error: whatever the two might read differently is
// refused here, so that a limit holds for what libxml2 sees.
func guard(doc []byte) *GuardError {
	if len(doc) > MaxBytes {
		return &GuardError{Code: "xml.tooLarge"}
	}
	if fault := guardCharacters(doc); fault != nil {
		return fault
	}
	if at := bytes.Index(doc, []byte("<!DOCTYPE")); at >= 0 {
		return faultAt("xml.doctype", doc, at)
	}
	doc = bytes.TrimPrefix(doc, utf8Mark)
	if fault := guardDeclaration(doc); fault != nil {
		return fault
	}
	s := scanner{doc: doc}
	return s.run()
}

func faultAt(code string, doc []byte, at int) *GuardError {
	return &GuardError{Code: code, Line: 1 + bytes.Count(doc[:at], []byte("\n"))}
}

var (
	utf8Mark     = []byte("\xEF\xBB\xBF")
	foreignMarks = [][]byte{[]byte("\xFE\xFF"), []byte("\xFF\xFE"), []byte("\x00\x00\xFE\xFF")}
	notCharacter = [][]byte{[]byte("\uFFFE"), []byte("\uFFFF")}
)

func guardCharacters(doc []byte) *GuardError {
	for _, mark := range foreignMarks {
		if bytes.HasPrefix(doc, mark) {
			return &GuardError{Code: "xml.encoding", Line: 1}
		}
	}
	for at, b := range doc {
		if b == 0 {
			return faultAt("xml.nul", doc, at)
		}
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' {
			return faultAt("xml.malformed", doc, at)
		}
	}
	if !utf8.Valid(doc) {
		return faultAt("xml.encoding", doc, validPrefix(doc))
	}
	for _, c := range notCharacter {
		if at := bytes.Index(doc, c); at >= 0 {
			return faultAt("xml.malformed", doc, at)
		}
	}
	return nil
}

func validPrefix(doc []byte) int {
	at := 0
	for at < len(doc) {
		r, size := utf8.DecodeRune(doc[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// usualDeclaration spares nearly every document the regular expression.
var usualDeclaration = []byte(`<?xml version="1.0" encoding="UTF-8"?>`)

var xmlDeclaration = regexp.MustCompile(`^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.[0-9]"|'1\.[0-9]')` +
	`(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z0-9._:-]+)["'])?` +
	`(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*["'](?:yes|no)["'])?[ \t\r\n]*\?>`)

// guardDeclaration reads the XML declaration whole: an encoding that it overlooked (UTF-7, say) would turn the bytes that
// were checked into others.
func guardDeclaration(doc []byte) *GuardError {
	if !bytes.HasPrefix(doc, []byte("<?xml")) || bytes.HasPrefix(doc, usualDeclaration) {
		return nil
	}
	match := xmlDeclaration.FindSubmatch(doc)
	if match == nil {
		if bytes.HasPrefix(doc, []byte("<?xml-")) {
			return nil
		}
		return &GuardError{Code: "xml.malformed", Line: 1}
	}
	switch strings.ToUpper(string(match[1])) {
	case "", "UTF-8", "US-ASCII", "ASCII":
		return nil
	}
	return &GuardError{Code: "xml.encoding", Line: 1}
}

// scanner walks the markup of a document, enough to count what is capped.
type scanner struct {
	doc        []byte
	at         int
	depth      int
	nodes      int
	namespaces int               // declarations in force
	declared   [MaxDepth + 1]int // by the open element of each depth
	pieces     [MaxDepth + 1]int // in the open element of each depth
}

func (s *scanner) run() *GuardError {
	for {
		next := bytes.IndexByte(s.doc[s.at:], '<')
		if next < 0 {
			return nil
		}
		s.at += next
		if fault := s.markup(); fault != nil {
			return fault
		}
		if s.nodes > MaxNodes {
			return s.fault("xml.nodes")
		}
	}
}

func (s *scanner) markup() *GuardError {
	rest := s.doc[s.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		return s.piece("<!--", "-->")
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		return s.piece("<![CDATA[", "]]>")
	case bytes.HasPrefix(rest, []byte("<?")) && len(rest) > 2 && letter(rest[2]):
		return s.piece("<?", "?>")
	case bytes.HasPrefix(rest, []byte("</")):
		return s.endTag()
	case len(rest) > 1 && nameStart(rest[1]):
		return s.startTag()
	}
	return s.fault("xml.malformed")
}

func (s *scanner) fault(code string) *GuardError { return faultAt(code, s.doc, s.at) }

func (s *scanner) skip(open, end string) *GuardError {
	length := bytes.Index(s.doc[s.at+len(open):], []byte(end))
	if length < 0 {
		return s.fault("xml.malformed")
	}
	s.at += len(open) + length + len(end)
	return nil
}

// piece skips what may stand between two texts of one element.
func (s *scanner) piece(open, end string) *GuardError {
	s.nodes++
	s.pieces[s.depth]++
	if s.pieces[s.depth] > MaxPieces {
		return s.fault("xml.pieces")
	}
	return s.skip(open, end)
}

func (s *scanner) endTag() *GuardError {
	if s.depth == 0 {
		return s.fault("xml.malformed")
	}
	s.close()
	return s.skip("</", ">")
}

func (s *scanner) close() {
	s.namespaces -= s.declared[s.depth]
	s.depth--
}

func (s *scanner) startTag() *GuardError {
	if s.depth == MaxDepth {
		return s.fault("xml.depth")
	}
	s.nodes++
	s.depth++
	s.declared[s.depth], s.pieces[s.depth] = 0, 0
	s.at++
	s.name()
	for attributes := 0; ; attributes++ {
		s.space()
		switch {
		case s.see("/>"):
			s.close()
			return nil
		case s.see(">"):
			return nil
		}
		if attributes == MaxAttributes {
			return s.fault("xml.attributes")
		}
		if fault := s.attribute(); fault != nil {
			return fault
		}
	}
}

func (s *scanner) attribute() *GuardError {
	name := s.name()
	s.space()
	if len(name) == 0 || !s.see("=") {
		return s.fault("xml.malformed")
	}
	s.space()
	if s.at == len(s.doc) || (s.doc[s.at] != '"' && s.doc[s.at] != '\'') {
		return s.fault("xml.malformed")
	}
	length := bytes.IndexByte(s.doc[s.at+1:], s.doc[s.at])
	if length < 0 || bytes.IndexByte(s.doc[s.at+1:s.at+1+length], '<') >= 0 {
		return s.fault("xml.malformed")
	}
	s.at += length + 2
	s.nodes++
	if bytes.HasPrefix(name, []byte("xmlns")) {
		s.declared[s.depth]++
		s.namespaces++
	}
	if s.namespaces > MaxAttributes {
		return s.fault("xml.attributes")
	}
	return nil
}

func (s *scanner) name() []byte {
	start := s.at
	for s.at < len(s.doc) && !endsName[s.doc[s.at]] {
		s.at++
	}
	return s.doc[start:s.at]
}

func (s *scanner) space() {
	for s.at < len(s.doc) && blank(s.doc[s.at]) {
		s.at++
	}
}

func (s *scanner) see(text string) bool {
	if !bytes.HasPrefix(s.doc[s.at:], []byte(text)) {
		return false
	}
	s.at += len(text)
	return true
}

func letter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

func nameStart(b byte) bool { return letter(b) || b == '_' || b == ':' || b >= utf8.RuneSelf }

func blank(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// endsName is asked of every character of every name.
var endsName = [256]bool{' ': true, '\t': true, '\r': true, '\n': true, '=': true, '/': true, '<': true, '>': true, '"': true, '\'': true}
