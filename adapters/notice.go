package adapters

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"

	"singlewindow/declare"
	"singlewindow/xsd"
)

// noticeFile is notice.yaml. All paths are absolute paths of local names,
// except those of errors, which are relative to one entry.
type noticeFile struct {
	Schema  string
	Order   []string // of version, issuedAt, rank: what decides which notice is the latest
	Reopens []string // words that may move a filing out of a final decision
	Roots   []noticeRoot
	Words   map[string]wordEntry
}

type noticeRoot struct {
	Root       string
	DeliveryID string `yaml:"deliveryId"`
	Numbers    map[string]string
	IssuedAt   struct {
		Path    string
		Layouts []string // Go's; without a zone the agency's own is meant
	} `yaml:"issuedAt"`
	Version string
	Word    string
	Remark  string
	Errors  struct {
		Each, Code, Text string
		Path             string // of an element of our message
	}
}

type wordEntry struct {
	Decision declare.Decision
	Rank     int
	English  string `yaml:"en"`
	Chinese  string `yaml:"zh"`
}

// A noticeBook reads an agency's notices.
type noticeBook struct {
	file   noticeFile
	source *yamlFile
	schema *xsd.Schema
	zone   *time.Location
}

func (a *Agency) readNoticeBook(folder fs.FS, name string, schemas *schemaFiles) (*noticeBook, Faults) {
	book := &noticeBook{}
	var err error
	if book.source, err = readYAML(folder, name, "notice.yaml", &book.file); err != nil {
		return book, faultsOf(book.source.name, err)
	}
	if book.schema, err = a.schema(schemas, book.file.Schema); err != nil {
		return book, Faults{schemas.fault(book.source, err, "schema")}
	}
	if book.zone, err = time.LoadLocation(a.file.TimeZone); err != nil {
		return book, faultsOf(book.source.name, err)
	}
	faults := book.checkWords()
	for i, root := range book.file.Roots {
		faults = append(faults, book.checkRoot(i, root)...)
	}
	return book, faults
}

func (b *noticeBook) checkWords() Faults {
	var faults Faults
	for i, key := range b.file.Order {
		if !slices.Contains([]string{"version", "issuedAt", "rank"}, key) {
			faults = append(faults, b.source.at("order knows version, issuedAt and rank", "order", i))
		}
	}
	if len(b.file.Order) == 0 {
		faults = append(faults, b.source.at("order is missing", "order"))
	}
	if len(b.file.Roots) == 0 {
		faults = append(faults, b.source.at("roots is missing", "roots"))
	}
	for i, word := range b.file.Reopens {
		if _, known := b.file.Words[word]; !known {
			faults = append(faults, b.source.at("reopens names a word that words does not have", "reopens", i))
		}
	}
	for word, entry := range b.file.Words {
		if !slices.Contains(declare.Decisions, entry.Decision) {
			faults = append(faults, b.source.at("not a decision", "words", word, "decision"))
		}
		if entry.English == "" || entry.Chinese == "" {
			faults = append(faults, b.source.at("a word needs en and zh", "words", word))
		}
	}
	return faults
}

// checkRoot holds every path to the schema, and every word the schema allows
// to the table: one that is missing would make a notice unreadable.
func (b *noticeBook) checkRoot(i int, root noticeRoot) Faults {
	var faults Faults
	model := b.schema.Model()
	demand := func(at string, keys ...any) {
		if at == "" || model.Find(steps(at)...) == nil {
			faults = append(faults, b.source.at("the schema has no such element", append([]any{"roots", i}, keys...)...))
		}
	}
	optional := func(at string, keys ...any) {
		if at != "" {
			demand(at, keys...)
		}
	}
	demand("/"+root.Root, "root")
	demand(root.Word, "word")
	optional(root.DeliveryID, "deliveryId")
	optional(root.IssuedAt.Path, "issuedAt", "path")
	optional(root.Version, "version")
	optional(root.Remark, "remark")
	for number, at := range root.Numbers {
		demand(at, "numbers", number)
	}
	if each := root.Errors.Each; each != "" {
		demand(each, "errors", "each")
		for key, at := range map[string]string{"code": root.Errors.Code, "text": root.Errors.Text, "path": root.Errors.Path} {
			if at != "" {
				demand(each+"/"+at, "errors", key)
			}
		}
	}
	if element := model.Find(steps(root.Word)...); root.Word != "" && element != nil {
		for _, word := range element.Facets.Enumeration {
			if _, known := b.file.Words[word]; !known {
				faults = append(faults, b.source.at("words has no entry for "+strconv.Quote(word)+", which the schema allows", "words"))
			}
		}
	}
	return faults
}

// Read implements [declare.Agency].
func (a *Agency) Read(body []byte) (declare.Reading, error) {
	return a.notices.read(body)
}

// read lets the schema judge the bytes first: nothing else sees XML from
// outside.
func (b *noticeBook) read(body []byte) (declare.Reading, error) {
	_, violations, err := b.schema.Validate(body)
	var refused *xsd.GuardError
	if errors.As(err, &refused) {
		return declare.Reading{}, unreadable(refused.Code, declare.Fault{
			Line: refused.Line, Text: declare.Text{English: refused.Text("en"), Chinese: refused.Text("zh")},
		})
	}
	if err != nil {
		return declare.Reading{}, err
	}
	if len(violations) > 0 {
		return declare.Reading{}, invalid(violations)
	}
	document := etree.NewDocument()
	if err := document.ReadFromBytes(body); err != nil {
		return declare.Reading{}, unreadable("xml.malformed", declare.Fault{Text: declare.Text{English: "The document is not well-formed XML.", Chinese: "报文不是格式良好的XML。"}})
	}
	for _, root := range b.file.Roots {
		if root.Root == document.Root().Tag {
			return b.reading(document, root)
		}
	}
	return declare.Reading{}, unreadable("notice.root", declare.Fault{
		XMLPath: "/" + document.Root().Tag,
		Text:    declare.Text{English: "This document is not a notice of the agency.", Chinese: "该报文不是此机构的回执。"},
	})
}

func (b *noticeBook) reading(document *etree.Document, root noticeRoot) (declare.Reading, error) {
	value := func(at string) string { return textAt(&document.Element, at) }
	word := value(root.Word)
	entry, known := b.file.Words[word]
	if !known {
		return declare.Reading{}, unreadable("notice.word", declare.Fault{
			XMLPath: root.Word, Text: declare.Text{English: "The status word is not known.", Chinese: "未知的状态代码。"},
		})
	}
	reading := declare.Reading{
		MessageID: value(root.DeliveryID), Numbers: map[string]string{}, Word: word, Decision: entry.Decision, Rank: entry.Rank,
		Reopens: slices.Contains(b.file.Reopens, word), Text: declare.Text{English: entry.English, Chinese: entry.Chinese},
		Remark: value(root.Remark),
	}
	for name, at := range root.Numbers {
		if number := value(at); number != "" {
			reading.Numbers[name] = number
		}
	}
	var err error
	if text := value(root.Version); text != "" {
		if reading.Version, err = strconv.Atoi(text); err != nil {
			return declare.Reading{}, unreadable("notice.version", declare.Fault{
				XMLPath: root.Version, Text: declare.Text{English: "The version is not a whole number.", Chinese: "版本号不是整数。"},
			})
		}
	}
	if text := value(root.IssuedAt.Path); text != "" {
		if reading.IssuedAt, err = b.time(text, root.IssuedAt.Layouts); err != nil {
			return declare.Reading{}, unreadable("notice.time", declare.Fault{
				XMLPath: root.IssuedAt.Path, Text: declare.Text{English: "The time is written in an unknown way.", Chinese: "时间格式无法识别。"},
			})
		}
	}
	if root.Errors.Each != "" {
		for _, complaint := range elementsAt(&document.Element, root.Errors.Each) {
			reading.Errors = append(reading.Errors, declare.AgencyError{
				Code: textAt(complaint, root.Errors.Code), Text: textAt(complaint, root.Errors.Text), XMLPath: textAt(complaint, root.Errors.Path),
			})
		}
	}
	return reading, nil
}

func (b *noticeBook) time(text string, layouts []string) (time.Time, error) {
	err := errors.New("no layout")
	for _, layout := range layouts {
		var read time.Time
		if read, err = time.ParseInLocation(layout, text, b.zone); err == nil {
			return read.UTC(), nil
		}
	}
	return time.Time{}, err
}

func unreadable(code string, fault declare.Fault) *declare.Unreadable {
	fault.Code = code
	return &declare.Unreadable{Code: code, Faults: []declare.Fault{fault}}
}

func invalid(violations []xsd.Violation) *declare.Unreadable {
	found := &declare.Unreadable{Code: "xsd.invalid"}
	for _, violation := range violations {
		found.Faults = append(found.Faults, declare.Fault{
			Code: violation.Code, XMLPath: violation.Path, Line: violation.Line,
			Text: declare.Text{English: violation.Text("en"), Chinese: violation.Text("zh")},
		})
	}
	return found
}

// textAt is the text of the first element or attribute at a path of local
// names below parent, without the space around it; "" when there is none.
func textAt(parent *etree.Element, at string) string {
	if at == "" {
		return ""
	}
	elementPath, attribute, _ := strings.Cut(at, "@")
	for _, element := range elementsAt(parent, elementPath) {
		if attribute == "" {
			return strings.TrimSpace(element.Text())
		}
		for _, candidate := range element.Attr {
			if candidate.Key == attribute {
				return strings.TrimSpace(candidate.Value)
			}
		}
	}
	return ""
}

func elementsAt(parent *etree.Element, at string) []*etree.Element {
	found := []*etree.Element{parent}
	for name := range strings.SplitSeq(strings.Trim(at, "/"), "/") {
		if name == "" {
			continue
		}
		var below []*etree.Element
		for _, element := range found {
			for _, child := range element.ChildElements() {
				if child.Tag == name {
					below = append(below, child)
				}
			}
		}
		found = below
	}
	return found
}
