package adapters

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"singlewindow/xsd"
)

// A Script is simulate.yaml: how a simulator plays the agency.
type Script struct {
	Reads struct { // where in our message; a reference's last dot part is the scenario word
		DeliveryID string `yaml:"deliveryId"`
		Reference  string
	}
	Numbers map[string]string // the agency's numbers: {year}, {serial:13} stand in for digits
	Headers map[string]string // of answers and notices, with the same names in braces as templates
	Pace    time.Duration     // between one notice and the next
	Words   map[string][]Step // word → what happens; default must be there

	templates map[string][]byte
	zone      *time.Location
	source    *yamlFile
}

// A Step is the HTTP answer (the first of a word) or a later notice.
type Step struct {
	Answer   int    // HTTP status
	Template string // of the answer; "" answers without a body
	Notice   string // template of a later notice
}

// File is the step's template, relative to the folder.
func (s Step) File() string {
	if s.Notice != "" {
		return s.Notice
	}
	return s.Template
}

// An Effect is what a simulator wrote down when it took a message. Whatever
// it answers later follows from these facts alone, so that it answers alike
// after a restart.
type Effect struct {
	DeliveryID string    `json:"deliveryId"`
	Reference  string    `json:"reference"`
	Digest     string    `json:"digest"` // SHA-256 of the message, in hex
	At         time.Time `json:"at"`
	Serial     uint64    `json:"serial"`
}

// readScript reads simulate.yaml, which a folder may lack.
func readScript(folder fs.FS, name, timeZone string) (*Script, Faults) {
	if _, err := fs.Stat(folder, "simulate.yaml"); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	script := &Script{templates: map[string][]byte{}}
	var err error
	if script.source, err = readYAML(folder, name, "simulate.yaml", script); err != nil {
		return nil, faultsOf(script.source.name, err)
	}
	if script.zone, err = time.LoadLocation(timeZone); err != nil {
		return nil, faultsOf(script.source.name, err)
	}
	var faults Faults
	if script.Reads.Reference == "" {
		faults = append(faults, script.source.at("reads.reference is missing", "reads"))
	}
	if script.Pace <= 0 {
		faults = append(faults, script.source.at("pace must be above 0", "pace"))
	}
	for header, value := range script.Headers {
		for _, match := range placeholder.FindAllStringSubmatch(value, -1) {
			if _, known := script.values(Effect{})[match[1]]; !known {
				faults = append(faults, script.source.at("nothing fills {"+match[1]+"}", "headers", header))
			}
		}
	}
	if len(script.Words["default"]) == 0 {
		faults = append(faults, script.source.at("words.default is missing", "words"))
	}
	for word, chain := range script.Words {
		for i, step := range chain {
			answer := step.Answer != 0 && step.Notice == "" && http.StatusText(step.Answer) != ""
			notice := step.Answer == 0 && step.Template == "" && step.Notice != ""
			if i == 0 && !answer || i > 0 && !notice {
				faults = append(faults, script.source.at("the first step has answer (an HTTP status) and may have template, every other one notice", "words", word, i))
				continue
			}
			faults = append(faults, script.readTemplate(folder, name, step.File(), "words", word, i)...)
		}
	}
	return script, faults
}

func (s *Script) readTemplate(folder fs.FS, name, file string, keys ...any) Faults {
	if file == "" || s.templates[file] != nil {
		return nil
	}
	content, err := fs.ReadFile(folder, file)
	if err != nil {
		return Faults{s.source.at("the template is missing", keys...)}
	}
	s.templates[file] = content
	var faults Faults
	for _, match := range placeholder.FindAllSubmatchIndex(content, -1) {
		word := string(content[match[2]:match[3]])
		if _, known := s.values(Effect{})[word]; !known && word != "now" && word != "later" {
			line := 1 + bytes.Count(content[:match[0]], []byte("\n"))
			column := match[0] - bytes.LastIndexByte(content[:match[0]], '\n')
			faults = append(faults, Fault{
				File: path.Join(name, file), Line: line, Column: column, Excerpt: excerpt(content, line, column),
				Text: "nothing fills {" + word + "}",
			})
		}
	}
	return faults
}

// laterDays is how far ahead {later} lies: a limit that an agency sets.
const laterDays = 10

// placeholder is {name} or, for now and later, {now|Go layout}.
var placeholder = regexp.MustCompile(`\{([A-Za-z]+)(?:\|([^{}]*))?\}`)

// Fill writes the template of a step about an effect, at the time the agency
// is to have written it.
func (s *Script) Fill(step Step, effect Effect, at time.Time) ([]byte, error) {
	template, known := s.templates[step.File()]
	if !known && step.File() != "" {
		return nil, fmt.Errorf("no template %s", step.File())
	}
	values := s.values(effect)
	return placeholder.ReplaceAllFunc(template, func(found []byte) []byte {
		parts := placeholder.FindSubmatch(found)
		value := values[string(parts[1])]
		layout := cmp.Or(string(parts[2]), time.RFC3339)
		switch string(parts[1]) {
		case "now":
			value = at.In(s.zone).Format(layout)
		case "later":
			value = at.In(s.zone).AddDate(0, 0, laterDays).Format(layout)
		}
		var escaped bytes.Buffer
		if err := xml.EscapeText(&escaped, []byte(value)); err != nil {
			panic(err) // a buffer takes every write
		}
		return escaped.Bytes()
	}), nil
}

// Header gives the headers of an answer or notice about an effect.
func (s *Script) Header(effect Effect) http.Header {
	header, values := http.Header{}, s.values(effect)
	for name, text := range s.Headers {
		header.Set(name, placeholder.ReplaceAllStringFunc(text, func(found string) string {
			return values[placeholder.FindStringSubmatch(found)[1]]
		}))
	}
	return header
}

// values are what a template may name, besides now.
func (s *Script) values(effect Effect) map[string]string {
	values := map[string]string{"deliveryId": effect.DeliveryID, "reference": effect.Reference}
	for name, pattern := range s.Numbers {
		values[name] = number(pattern, effect.Serial, effect.At.In(s.zone).Year())
	}
	return values
}

var digits = regexp.MustCompile(`\{(year|serial:(\d+))\}`)

// number fills a pattern such as 2233{year}1{serial:9}: the last digits of
// the serial, led by zeros.
func number(pattern string, serial uint64, year int) string {
	return digits.ReplaceAllStringFunc(pattern, func(found string) string {
		parts := digits.FindStringSubmatch(found)
		if parts[1] == "year" {
			return fmt.Sprintf("%04d", year)
		}
		width, err := strconv.Atoi(parts[2])
		if err != nil {
			return found
		}
		text := fmt.Sprintf("%0*d", width, serial)
		return text[len(text)-width:]
	})
}

// Inquiry is the path, with {deliveryId} in it, where the agency can be asked
// about a message; "" when it cannot.
func (a *Agency) Inquiry() string {
	if a.file.Inquire == nil {
		return ""
	}
	return a.file.Inquire.Path
}

// Receive looks at a message as the agency would: a schema judges it, then
// our delivery id and reference are read where simulate.yaml says they stand.
// The error is a *declare.Unreadable when no schema accepts the message.
func (a *Agency) Receive(message []byte) (deliveryID, reference string, err error) {
	var violations xsd.Violations
	for _, taken := range a.takes {
		valid, found, err := taken.schema.Validate(message)
		var refused *xsd.GuardError
		if errors.As(err, &refused) {
			return "", "", unreadable(refused.Code, a.guardFault(refused))
		}
		if err != nil {
			return "", "", err
		}
		if valid.IsZero() {
			violations = found
			continue
		}
		deliveryID, reference, err = firstTexts(message, a.script.Reads.DeliveryID, a.script.Reads.Reference)
		return deliveryID, reference, err
	}
	return "", "", invalid(violations)
}

// firstTexts gives the text of the first element at each of two paths of local
// names. It stops reading when it has both: they stand near the top of large
// messages.
func firstTexts(message []byte, one, other string) (textOfOne, textOfOther string, err error) {
	found := map[string]string{}
	decoder := xml.NewDecoder(bytes.NewReader(message))
	at := ""
	for len(found) < 2 {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", "", err
		}
		switch token := token.(type) {
		case xml.StartElement:
			at += "/" + token.Name.Local
		case xml.EndElement:
			at = at[:strings.LastIndexByte(at, '/')]
		case xml.CharData:
			if _, known := found[at]; !known && (at == one || at == other) {
				found[at] = string(bytes.TrimSpace(token))
			}
		}
	}
	return found[one], found[other], nil
}
