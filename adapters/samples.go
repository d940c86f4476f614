package adapters

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"singlewindow/declare"
	"singlewindow/mapping"
)

// What the gateway would supply stands fixed in samples.
const (
	sampleMessageID     = "msg_00000000000000000000000001"
	sampleDeclarationID = "dec_00000000000000000000000001"
)

var sampleAcceptedAt = time.Date(2026, time.March, 2, 2, 3, 4, 0, time.UTC)

func sampleSubject(tree map[string]any) declare.Subject {
	kind, _ := tree["kind"].(string) // one without a kind is taken by nobody
	reference, _ := tree["reference"].(string)
	return declare.Subject{
		DeclarationID: sampleDeclarationID, MessageID: sampleMessageID, Reference: reference,
		Kind: kind, Tree: tree, AcceptedAt: sampleAcceptedAt,
	}
}

// sample reads samples/<file> into a fresh tree.
func (c *checker) sample(file string) (map[string]any, error) {
	content, err := fs.ReadFile(c.folder, file)
	if err != nil {
		return nil, errors.New("the file is missing")
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var tree map[string]any
	return tree, decoder.Decode(&tree)
}

func (c *checker) files(pattern string) []string {
	files, err := fs.Glob(c.folder, pattern)
	if err != nil {
		c.fault(Fault{File: c.shown(pattern), Text: err.Error()})
	}
	return files
}

// runSamples renders samples/*.json and compares with the .xml beside each.
func (c *checker) runSamples() {
	files := c.files("samples/*.json")
	if len(files) == 0 {
		c.fault(Fault{File: c.shown("samples"), Text: "there is no sample"})
	}
	for _, file := range files {
		c.report.Samples++
		if err := c.runSample(file); err != nil {
			c.report.Faults = append(c.report.Faults, faultsOf(c.shown(file), err)...)
		}
	}
}

func (c *checker) runSample(file string) error {
	tree, err := c.sample(file)
	if err != nil {
		return err
	}
	subject := sampleSubject(tree)
	if takes, err := c.agency.Takes(subject.Kind, tree); err != nil || !takes {
		return errors.Join(errors.New("the agency does not take this declaration"), err)
	}
	draft, faults, err := c.agency.Draft(subject)
	if err != nil {
		return err
	}
	if refusals := declare.Refusals(faults); len(refusals) > 0 {
		return c.refusals(file, refusals)
	}
	document, _ := c.agency.takes[subject.Kind].mapping.Write(tree, c.agency.values(subject)) // Draft told the problems
	document.Walk(func(origin mapping.Origin) { c.hit[origin.Rule] = true })
	return c.expect(strings.TrimSuffix(file, ".json")+".xml", draft.Body.Bytes())
}

func (c *checker) refusals(file string, refusals []declare.Fault) error {
	var faults Faults
	for _, refusal := range refusals {
		faults = append(faults, Fault{File: c.shown(file), Text: fmt.Sprintf("%s at %s (%s): %s", refusal.Code, refusal.Pointer, refusal.XMLPath, refusal.Text.English)})
	}
	return faults
}

// expect compares with a file byte for byte, or rewrites it.
func (c *checker) expect(file string, got []byte) error {
	wanted, err := fs.ReadFile(c.folder, file)
	if err == nil && bytes.Equal(wanted, got) {
		return nil
	}
	if c.write != nil {
		return c.write(file, got)
	}
	if err != nil {
		return Fault{File: c.shown(file), Text: "the file is missing"}
	}
	wantedLines, gotLines := strings.Split(string(wanted), "\n"), strings.Split(string(got), "\n")
	line := 0
	for line < min(len(wantedLines), len(gotLines)) && wantedLines[line] == gotLines[line] {
		line++
	}
	text := "the sample now ends before this line"
	if line < len(gotLines) {
		text = "the sample now gives " + strings.TrimSpace(gotLines[line])
	}
	return faultIn(c.shown(file), wanted, line+1, 1, text)
}

// A readNotice is a reading as samples/answers/*.json tell it.
type readNotice struct {
	MessageID string                `json:"messageId,omitempty"`
	Numbers   map[string]string     `json:"numbers,omitempty"`
	IssuedAt  string                `json:"issuedAt,omitempty"` // RFC 3339, UTC
	Version   int                   `json:"version,omitempty"`
	Word      string                `json:"word"`
	Decision  declare.Decision      `json:"decision"`
	Rank      int                   `json:"rank"`
	Reopens   bool                  `json:"reopens,omitempty"`
	Text      declare.Text          `json:"text"`
	Remark    string                `json:"remark,omitempty"`
	Errors    []declare.AgencyError `json:"errors,omitempty"`
}

func told(reading declare.Reading) readNotice {
	notice := readNotice{
		MessageID: reading.MessageID, Numbers: reading.Numbers, Version: reading.Version, Word: reading.Word, Decision: reading.Decision,
		Rank: reading.Rank, Reopens: reading.Reopens, Text: reading.Text, Remark: reading.Remark, Errors: reading.Errors,
	}
	if !reading.IssuedAt.IsZero() {
		notice.IssuedAt = reading.IssuedAt.UTC().Format(timeFormat)
	}
	return notice
}

// runAnswers reads samples/answers/*.xml and compares with the .json beside
// each: whatever that tells must be so.
func (c *checker) runAnswers() {
	for _, file := range c.files("samples/answers/*.xml") {
		c.report.Answers++
		if err := c.runAnswer(file); err != nil {
			c.report.Faults = append(c.report.Faults, faultsOf(c.shown(file), err)...)
		}
	}
}

func (c *checker) runAnswer(file string) error {
	content, err := fs.ReadFile(c.folder, file)
	if err != nil {
		return err
	}
	reading, err := c.agency.Read(content)
	if err != nil {
		return c.unread(file, content, err)
	}
	got, err := json.MarshalIndent(told(reading), "", "  ")
	if err != nil {
		return err
	}
	beside := strings.TrimSuffix(file, ".xml") + ".json"
	expected, err := fs.ReadFile(c.folder, beside)
	if err == nil {
		err = c.compare(beside, expected, got)
	} else {
		err = Fault{File: c.shown(beside), Text: "the file is missing"}
	}
	if err != nil && c.write != nil {
		return c.write(beside, append(got, '\n'))
	}
	return err
}

func (c *checker) compare(file string, expected, got []byte) error {
	var wanted, given map[string]any
	if err := errors.Join(json.Unmarshal(expected, &wanted), json.Unmarshal(got, &given)); err != nil {
		return Fault{File: c.shown(file), Text: err.Error()}
	}
	if wanted["decision"] == nil || wanted["word"] == nil {
		return faultIn(c.shown(file), expected, 1, 1, "word and decision must be told")
	}
	var faults Faults
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if !reflect.DeepEqual(wanted[key], given[key]) {
			before, _, _ := bytes.Cut(expected, []byte(`"`+key+`"`))
			line := 1 + bytes.Count(before, []byte("\n"))
			faults = append(faults, faultIn(c.shown(file), expected, line, 1, fmt.Sprintf("%s reads as %v", key, given[key])))
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// unread tells where a notice could not be read.
func (c *checker) unread(file string, content []byte, err error) error {
	unreadable := new(declare.Unreadable)
	if !errors.As(err, &unreadable) {
		return err
	}
	var faults Faults
	for _, fault := range unreadable.Faults {
		faults = append(faults, faultIn(c.shown(file), content, fault.Line, min(fault.Line, 1), fault.Code+" "+fault.XMLPath+": "+fault.Text.English))
	}
	return faults
}

// runTemplates fills every template of simulate.yaml and reads it as the
// gateway would.
func (c *checker) runTemplates() {
	script := c.agency.script
	if script == nil {
		return
	}
	effect := Effect{DeliveryID: sampleMessageID, Reference: "SAMPLE-1", At: sampleAcceptedAt, Serial: 1}
	filled := map[string]bool{}
	for _, word := range slices.Sorted(maps.Keys(script.Words)) {
		for _, step := range script.Words[word] {
			file := step.File()
			if filled[file] {
				continue
			}
			filled[file] = true
			c.report.Templates++
			body, err := script.Fill(step, effect, sampleAcceptedAt)
			if err == nil {
				_, err = c.agency.Read(body)
			}
			if err != nil {
				c.report.Faults = append(c.report.Faults, faultsOf(c.shown(file), c.unread(file, body, err))...)
			}
		}
	}
}

// A mutation is a sample made wrong, and exactly what the agency says of it.
type mutation struct {
	Name   string
	Of     string // a file in samples/
	Set    map[string]any
	Remove []string
	Faults []expectedFault
}

type expectedFault struct{ Code, Pointer string }

// runMutations runs samples/mutations.yaml.
func (c *checker) runMutations() {
	var mutations []mutation
	file, err := readYAML(c.folder, c.report.Agency, "samples/mutations.yaml", &mutations)
	if err != nil {
		c.report.Faults = append(c.report.Faults, faultsOf(file.name, err)...)
		return
	}
	for i, mutation := range mutations {
		c.report.Mutations++
		if err := c.runMutation(mutation); err != nil {
			c.fault(file.at(mutation.Name+": "+err.Error(), i, "name"))
		}
	}
}

func (c *checker) runMutation(mutation mutation) error {
	tree, err := c.sample(path.Join("samples", mutation.Of))
	if err != nil {
		return err
	}
	if err := mutation.apply(tree); err != nil {
		return err
	}
	_, faults, err := c.agency.Draft(sampleSubject(tree))
	if err != nil {
		return err
	}
	var got, wanted []string
	for _, fault := range declare.Refusals(faults) {
		got = append(got, fault.Code+" at "+fault.Pointer)
	}
	for _, fault := range mutation.Faults {
		wanted = append(wanted, fault.Code+" at "+fault.Pointer)
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if len(wanted) == 0 {
		return errors.New("no fault is expected")
	}
	if !slices.Equal(got, wanted) {
		return fmt.Errorf("expected %q, found %q", wanted, got)
	}
	return nil
}
