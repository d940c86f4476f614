package batch

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

// wrapper is the element that several messages may stand in. Any other root
// is a message by itself.
const wrapper = "declarations"

// mostDepth is how deep elements may be nested: as in any XML that comes from
// outside.
const mostDepth = 256

var byteOrderMark = []byte("\ufeff")

// isXML tells by what was said of a file, else by its first character.
func isXML(file *os.File, format string) bool {
	if format != "" {
		return format == "xml"
	}
	start := make([]byte, 512)
	n, err := file.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false // whoever reads it next tells
	}
	start = bytes.TrimLeft(bytes.TrimPrefix(start[:n], byteOrderMark), " \t\r\n")
	return bytes.HasPrefix(start, []byte("<"))
}

// xmlTable reads a file of messages: each is a row, numbered by the line it
// begins at. Only one message is in memory.
type xmlTable struct {
	file    *os.File
	decoder *xml.Decoder
	meter   *meter
	found   sheet.Source
	spaces  []byte // namespaces that the wrapper declares, as attributes
	opened  bool   // the root was read
	single  bool   // it is the one message
	ended   bool
}

func openXML(file *os.File, said sheet.Source) (*xmlTable, error) {
	if said.Encoding != "" && said.Encoding != "utf-8" {
		return nil, refusal("xml.encoding", textXMLEncoding)
	}
	said.Format, said.Encoding, said.Sheet = "xml", "utf-8", ""
	meter := &meter{from: file, left: declare.MostBytes}
	return &xmlTable{file: file, decoder: xml.NewDecoder(meter), meter: meter, found: said}, nil
}

// Found implements [table].
func (x *xmlTable) Found() sheet.Source { return x.found }

// Heading implements [table]: there is none.
func (x *xmlTable) Heading() []string { return nil }

// Labels implements [table].
func (x *xmlTable) Labels() []string { return nil }

// Next implements [table].
func (x *xmlTable) Next() (sheet.Row, error) {
	for !x.ended {
		x.meter.left = declare.MostBytes
		line, _ := x.decoder.InputPos()
		from := x.decoder.InputOffset()
		token, err := x.decoder.Token()
		if err != nil {
			return sheet.Row{}, x.judge(err)
		}
		switch token := token.(type) {
		case xml.Directive:
			return sheet.Row{}, refusal("xml.doctype", textXMLDoctype)
		case xml.StartElement:
			if !x.opened && token.Name.Local == wrapper {
				x.opened = true
				x.inherit(token)
				continue
			}
			x.single = !x.opened
			x.opened = true
			return x.message(from, line)
		case xml.CharData:
			if len(bytes.TrimSpace(bytes.TrimPrefix(token, byteOrderMark))) > 0 {
				return sheet.Row{}, refusal("xml.malformed", textXMLMalformed)
			}
		case xml.EndElement:
			x.ended = true
		}
	}
	return sheet.Row{}, x.rest()
}

// message reads to the end of the message that begins at an offset.
func (x *xmlTable) message(from int64, line int) (sheet.Row, error) {
	name := x.decoder.InputOffset()
	for depth := 1; depth > 0; {
		token, err := x.decoder.Token()
		if err != nil {
			return sheet.Row{}, x.judge(err)
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.Directive:
			return sheet.Row{}, refusal("xml.doctype", textXMLDoctype)
		}
		if depth > mostDepth {
			return sheet.Row{}, refusal("xml.depth", textXMLDepth)
		}
	}
	x.ended = x.single
	if x.decoder.InputOffset()-from > declare.MostBytes {
		return sheet.Row{}, refusal("xml.tooLarge", textXMLTooLarge)
	}
	document := make([]byte, x.decoder.InputOffset()-from)
	if _, err := x.file.ReadAt(document, from); err != nil {
		return sheet.Row{}, err
	}
	return sheet.Row{Number: line, Document: x.declared(document, int(name-from))}, nil
}

// inherit keeps the namespaces that the wrapper declares for its messages.
func (x *xmlTable) inherit(root xml.StartElement) {
	var text bytes.Buffer
	for _, attribute := range root.Attr {
		prefix := ""
		if attribute.Name.Space == "xmlns" {
			prefix = ":" + attribute.Name.Local
		} else if attribute.Name.Space != "" || attribute.Name.Local != "xmlns" {
			continue
		}
		fmt.Fprintf(&text, ` xmlns%s="`, prefix)
		_ = xml.EscapeText(&text, []byte(attribute.Value)) // a buffer takes everything
		text.WriteByte('"')
	}
	x.spaces = text.Bytes()
}

// declared gives a message the namespaces of its wrapper, unless it declares
// any itself.
func (x *xmlTable) declared(document []byte, tag int) []byte {
	if len(x.spaces) == 0 || bytes.Contains(document[:tag], []byte("xmlns")) {
		return document
	}
	end := bytes.IndexAny(document[:tag], " \t\r\n/>")
	return slices.Concat(document[:end], x.spaces, document[end:])
}

// rest holds that nothing but comments follows the root.
func (x *xmlTable) rest() error {
	for {
		token, err := x.decoder.Token()
		if err != nil {
			return x.judge(err)
		}
		switch token := token.(type) {
		case xml.Comment, xml.ProcInst:
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return refusal("xml.malformed", textXMLMalformed)
			}
		default:
			return refusal("xml.malformed", textXMLMalformed)
		}
	}
}

// judge tells the end of the file from what is wrong in it.
func (x *xmlTable) judge(err error) error {
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, io.EOF) && x.ended:
		return io.EOF
	case errors.Is(err, errLong):
		return refusal("xml.tooLarge", textXMLTooLarge)
	case errors.As(err, &syntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return refusal("xml.malformed", textXMLMalformed)
	}
	return refusal("xml.encoding", textXMLEncoding) // encoding/xml has no type for it
}

func refusal(code string, text declare.Text) error {
	return &declare.Refusal{Faults: []declare.Fault{{Code: code, Text: text}}}
}

// meter keeps one message, or one token of it, from filling the memory.
type meter struct {
	from io.Reader
	left int
}

var errLong = errors.New("batch: a message is too long")

// Read implements [io.Reader].
func (m *meter) Read(into []byte) (int, error) {
	if m.left <= 0 {
		return 0, errLong
	}
	n, err := m.from.Read(into[:min(len(into), m.left)])
	m.left -= n
	return n, err
}

var (
	textXMLEncoding = declare.Text{
		English: "An XML file must be in UTF-8.",
		Chinese: "XML 文件必须是 UTF-8 编码。",
	}
	textXMLDoctype = declare.Text{
		English: "A DOCTYPE declaration is not accepted.",
		Chinese: "不接受 DOCTYPE 声明。",
	}
	textXMLDepth = declare.Text{
		English: "Elements are nested deeper than 256.",
		Chinese: "元素嵌套超过 256 层。",
	}
	textXMLTooLarge = declare.Text{
		English: "A message in the file is longer than 10 MiB.",
		Chinese: "文件中有报文超过 10 MiB。",
	}
	textXMLMalformed = declare.Text{
		English: "The file is not well-formed XML: one message, or several in an element called declarations.",
		Chinese: "文件不是格式良好的 XML：应为一份报文，或由 declarations 元素包含的多份报文。",
	}
)
