package adapters

import (
	"cmp"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"

	"singlewindow/declare"
	"singlewindow/xsd"
)

// noticeFile is notice.yaml. Paths are of local names; those of roots are
// absolute, except inside what has each: they are relative to one entry. A
// step may be numbered, Name[1], to leave out others of its name.
type noticeFile struct {
	Schema   string
	By       string            // names: the schema documents the paths, but does not judge; "": it judges
	Order    []string          // of version, issuedAt, rank: what decides which notice is the latest
	Reopens  []string          // words that may move a filing out of a final decision
	Opens    []string          // words that count only while nothing is decided
	Headers  map[string]string // the agency's numbers that come in HTTP headers, of answers and of notices
	Pointers *pointerForm      // how errors and documents point into our message
	Roots    []noticeRoot
	Words    map[string]wordEntry
	Texts    map[string]declare.Text // what the codes of errors and documents mean
}

type noticeRoot struct {
	Root       string
	DeliveryID string `yaml:"deliveryId"`
	Numbers    map[string]string
	IssuedAt   struct {
		Path    string
		Layouts []string // Go's, of every time in the notice; without a zone the agency's own is meant
	} `yaml:"issuedAt"`
	Version   string
	Word      oneOrMore // several parts are joined by /: the longest that words has counts
	Remark    string
	Errors    errorForm
	Duties    []dutyForm
	Documents documentForm
}

type errorForm struct {
	Each, Code, Text string
	Path             string // of an element of our message
	Notes            noteForm
}

// noteForm finds texts about errors that stand elsewhere in the notice: each
// points at an error, as the last section of its chain, by number.
type noteForm struct{ Each, Text, Section string }

// documentForm is read only where the word means documentsRequired.
type documentForm struct{ Each, Code, Text, Limit string }

// dutyForm finds duties: in each, which may have an item number, those of
// duty. Chain leads to what the item number counts in our message.
type dutyForm struct {
	Each, Item, Chain string
	Duty              struct {
		Each, Type, Regime, Rate              string
		Base, Quantity, Deducted, Assessed    string
		Payable, Method, Reference, Due, Unit string
		Currency                              string // like Unit, relative to an amount: "@name"
	}
}

type wordEntry struct {
	Decision declare.Decision // none: the notice informs, the decision stays
	Rank     int
	English  string `yaml:"en"`
	Chinese  string `yaml:"zh"`
}

// oneOrMore is a text or a list of texts.
type oneOrMore []string

// UnmarshalYAML implements the decoder's interface.
func (o *oneOrMore) UnmarshalYAML(decode func(any) error) error {
	var one string
	if err := decode(&one); err == nil {
		*o = oneOrMore{one}
		return nil
	}
	return decode((*[]string)(o))
}

// byNames reads notices by element names in whatever namespace.
const byNames = "names"

// A noticeBook reads an agency's notices.
type noticeBook struct {
	file   noticeFile
	source *yamlFile
	schema *xsd.Schema
	zone   *time.Location
	chains *chainBook // nil without pointers
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
	faults = append(faults, a.readChains(book, schemas)...)
	for i, root := range book.file.Roots {
		faults = append(faults, book.checkRoot(i, root)...)
	}
	return book, faults
}

// Read implements [declare.Agency].
func (a *Agency) Read(body []byte) (declare.Reading, error) {
	return a.notices.read(body)
}

// read lets the schema room see the bytes first: nothing else sees XML from
// outside that its guards have not passed.
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
	if len(violations) > 0 && b.file.By != byNames {
		return declare.Reading{}, invalid(violations)
	}
	document := etree.NewDocument()
	if err := document.ReadFromBytes(body); err != nil || document.Root() == nil {
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
	word, entry, err := b.word(document, root)
	if err != nil {
		return declare.Reading{}, err
	}
	reading := declare.Reading{
		MessageID: value(root.DeliveryID), Numbers: map[string]string{}, Word: word, Decision: entry.Decision, Rank: entry.Rank,
		Reopens: slices.Contains(b.file.Reopens, word), Opens: slices.Contains(b.file.Opens, word),
		Text: declare.Text{English: entry.English, Chinese: entry.Chinese}, Remark: value(root.Remark),
	}
	for name, at := range root.Numbers {
		if number := value(at); number != "" {
			reading.Numbers[name] = number
		}
	}
	if text := value(root.Version); text != "" {
		if reading.Version, err = wholeNumber(text, "notice.version", root.Version); err != nil {
			return declare.Reading{}, err
		}
	}
	if reading.IssuedAt, err = b.timeAt(&document.Element, root.IssuedAt.Path, root); err != nil {
		return declare.Reading{}, err
	}
	reading.Errors = b.errors(document, root.Errors)
	if reading.Duties, err = b.duties(document, root); err != nil {
		return declare.Reading{}, err
	}
	if entry.Decision == declare.DecisionDocumentsRequired {
		if reading.Documents, err = b.documents(document, root); err != nil {
			return declare.Reading{}, err
		}
	}
	return reading, nil
}

// word joins the parts of the status word, as many as the table knows. A
// document with two of them is two notices in one: which of them counts is
// not for a program to choose.
func (b *noticeBook) word(document *etree.Document, root noticeRoot) (string, wordEntry, error) {
	if len(elementsAt(&document.Element, strings.Split(root.Word[0], "@")[0])) > 1 {
		return "", wordEntry{}, unreadable("notice.several", declare.Fault{
			XMLPath: root.Word[0], Text: declare.Text{English: "The document holds several notices.", Chinese: "报文含有多个回执。"},
		})
	}
	parts := make([]string, len(root.Word))
	for i, at := range root.Word {
		parts[i] = textAt(&document.Element, at)
	}
	for ; len(parts) > 0; parts = parts[:len(parts)-1] {
		word := strings.Join(parts, "/")
		if entry, known := b.file.Words[word]; known {
			return word, entry, nil
		}
	}
	return "", wordEntry{}, unreadable("notice.word", declare.Fault{
		XMLPath: root.Word[0], Text: declare.Text{English: "The status word is not known.", Chinese: "未知的状态代码。"},
	})
}

func (b *noticeBook) errors(document *etree.Document, form errorForm) []declare.AgencyError {
	if form.Each == "" {
		return nil
	}
	var found []declare.AgencyError
	for _, complaint := range elementsAt(&document.Element, form.Each) {
		one := declare.AgencyError{Code: textAt(complaint, form.Code), Text: textAt(complaint, form.Text), XMLPath: textAt(complaint, form.Path)}
		one.Meaning = b.file.Texts[one.Code]
		if chain, at := b.pointed(complaint); chain != "" {
			one.Chain, one.XMLPath = chain, at
		}
		found = append(found, one)
	}
	if form.Notes.Each == "" {
		return found
	}
	for _, note := range elementsAt(&document.Element, form.Notes.Each) {
		section, number := b.chains.last(note)
		if section == form.Notes.Section && number <= len(found) && found[number-1].Text == "" {
			found[number-1].Text = textAt(note, form.Notes.Text)
		}
	}
	return found
}

func (b *noticeBook) documents(document *etree.Document, root noticeRoot) ([]declare.DocumentWanted, error) {
	form := root.Documents
	if form.Each == "" {
		return nil, nil
	}
	var found []declare.DocumentWanted
	for _, wanted := range elementsAt(&document.Element, form.Each) {
		one := declare.DocumentWanted{Code: textAt(wanted, form.Code), Text: textAt(wanted, form.Text)}
		one.Meaning = b.file.Texts[one.Code]
		one.Chain, one.XMLPath = b.pointed(wanted)
		var err error
		if one.Limit, err = b.timeAt(wanted, form.Limit, root); err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

// duties reads what the agency calculated, item by item.
func (b *noticeBook) duties(document *etree.Document, root noticeRoot) ([]declare.Duty, error) {
	var found []declare.Duty
	for _, form := range root.Duties {
		for _, holder := range elementsAt(&document.Element, form.Each) {
			item, at := 0, ""
			if text := textAt(holder, form.Item); text != "" {
				var err error
				if item, err = wholeNumber(text, "notice.item", form.Each+"/"+form.Item); err != nil {
					return nil, err
				}
				if b.chains != nil {
					at = b.chains.path(parseChain(form.Chain).numbered(item))
				}
			}
			for _, element := range elementsAt(holder, form.Duty.Each) {
				duty, err := b.duty(element, form, root)
				if err != nil {
					return nil, err
				}
				duty.Item, duty.XMLPath = item, at
				found = append(found, duty)
			}
		}
	}
	return found, nil
}

func (b *noticeBook) duty(element *etree.Element, form dutyForm, root noticeRoot) (declare.Duty, error) {
	d := form.Duty
	duty := declare.Duty{
		Type: textAt(element, d.Type), Regime: textAt(element, d.Regime), Method: textAt(element, d.Method), Reference: textAt(element, d.Reference),
		BaseAmount: amountAt(element, d.Base, d.Currency), Deducted: amountAt(element, d.Deducted, d.Currency),
		Assessed: amountAt(element, d.Assessed, d.Currency), Payable: amountAt(element, d.Payable, d.Currency),
		Rate: textAt(element, d.Rate), BaseQuantity: declare.Quantity{Value: textAt(element, d.Quantity), Unit: textAt(element, join(d.Quantity, d.Unit))},
	}
	for at, text := range map[string]*string{
		d.Rate: &duty.Rate, d.Base: &duty.BaseAmount.Value, d.Quantity: &duty.BaseQuantity.Value,
		d.Deducted: &duty.Deducted.Value, d.Assessed: &duty.Assessed.Value, d.Payable: &duty.Payable.Value,
	} {
		if err := plainDecimal(text, form.Each+"/"+d.Each+"/"+at); err != nil {
			return declare.Duty{}, err
		}
	}
	var err error
	duty.Due, err = b.timeAt(element, d.Due, root)
	return duty, err
}

func amountAt(element *etree.Element, at, currency string) declare.Amount {
	return declare.Amount{Value: textAt(element, at), Currency: textAt(element, join(at, currency))}
}

// join is a path below another; "" when either is.
func join(at, below string) string {
	if at == "" || below == "" {
		return ""
	}
	return at + "/" + below
}

var decimalForm = regexp.MustCompile(`^([+-]?)([0-9]*)(?:\.([0-9]*))?$`)

// plainDecimal writes a decimal of XML Schema, such as +.50, as every decimal
// is written here: 0.50.
func plainDecimal(text *string, at string) error {
	if *text == "" {
		return nil
	}
	parts := decimalForm.FindStringSubmatch(*text)
	if parts == nil || parts[2]+parts[3] == "" {
		return unreadable("notice.decimal", declare.Fault{
			XMLPath: at, Text: declare.Text{English: "The amount is not a decimal number.", Chinese: "金额不是十进制数。"},
		})
	}
	*text = strings.TrimPrefix(parts[1], "+") + cmp.Or(parts[2], "0")
	if parts[3] != "" {
		*text += "." + parts[3]
	}
	return nil
}

func wholeNumber(text, code, at string) (int, error) {
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil || number < 0 {
		return 0, unreadable(code, declare.Fault{
			XMLPath: at, Text: declare.Text{English: "The version, or the number of an item, is not a whole number.", Chinese: "版本号或项号不是整数。"},
		})
	}
	return int(number), nil
}

// timeAt reads a time, zero when there is none.
func (b *noticeBook) timeAt(parent *etree.Element, at string, root noticeRoot) (time.Time, error) {
	text := textAt(parent, at)
	if text == "" {
		return time.Time{}, nil
	}
	read, err := b.time(text, root.IssuedAt.Layouts)
	if err != nil {
		return time.Time{}, unreadable("notice.time", declare.Fault{
			XMLPath: at, Text: declare.Text{English: "The time is written in an unknown way.", Chinese: "时间格式无法识别。"},
		})
	}
	return read, nil
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

func invalid(violations xsd.Violations) *declare.Unreadable {
	found := &declare.Unreadable{Code: "xsd.invalid"}
	for _, violation := range violations {
		found.Faults = append(found.Faults, declare.Fault{
			Code: violation.Code, XMLPath: violation.Path, Line: violation.Line,
			Text: declare.Text{English: violation.Text("en"), Chinese: violation.Text("zh")},
		})
	}
	if rest := violations.Rest("en"); rest != "" {
		found.Faults = append(found.Faults, declare.Fault{Code: "xsd.more", Text: declare.Text{English: rest, Chinese: violations.Rest("zh")}})
	}
	return found
}

// textAt is the text of the first element or attribute at a path of local
// names below parent that has one, without the space around it; "" when there
// is none.
func textAt(parent *etree.Element, at string) string {
	if at == "" {
		return ""
	}
	elementPath, attribute, _ := strings.Cut(at, "@")
	for _, element := range elementsAt(parent, elementPath) {
		text := element.Text()
		if attribute != "" {
			text = attributeOf(element, attribute)
		}
		if text = strings.TrimSpace(text); text != "" {
			return text
		}
	}
	return ""
}

func attributeOf(element *etree.Element, name string) string {
	for _, candidate := range element.Attr {
		if candidate.Key == name {
			return candidate.Value
		}
	}
	return ""
}

func elementsAt(parent *etree.Element, at string) []*etree.Element {
	found := []*etree.Element{parent}
	for step := range strings.SplitSeq(strings.Trim(at, "/"), "/") {
		if step == "" {
			continue
		}
		name, number := numberedStep(step)
		var below []*etree.Element
		for _, element := range found {
			count := 0
			for _, child := range element.ChildElements() {
				if child.Tag != name {
					continue
				}
				if count++; number == 0 || count == number {
					below = append(below, child)
				}
			}
		}
		found = below
	}
	return found
}

// numberedStep splits Name[2]; the number is 0 where there is none.
func numberedStep(step string) (name string, number int) {
	name, rest, _ := strings.Cut(step, "[")
	number, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	if err != nil {
		return name, 0
	}
	return name, number
}
