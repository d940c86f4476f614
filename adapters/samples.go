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

// sample reads samples/<file> into a fresh tree, as strictly as the gateway.
func (c *checker) sample(file string) (map[string]any, []byte, error) {
	content, err := fs.ReadFile(c.folder, file)
	if err != nil {
		return nil, nil, Fault{File: c.named(file), Text: "the file is missing"}
	}
	value, faults := declare.ParseJSON(content, declare.MostBytes)
	if len(faults) > 0 {
		return nil, nil, c.refusals(file, content, faults)
	}
	tree, ok := value.(map[string]any)
	if !ok {
		return nil, nil, faultIn(c.named(file), content, 1, 1, "a declaration is an object")
	}
	return tree, content, nil
}

func (c *checker) files(pattern string) []string {
	files, err := fs.Glob(c.folder, pattern)
	if err != nil {
		c.fault(Fault{File: c.named(pattern), Text: err.Error()})
	}
	return files
}

// runSamples renders samples/*.json and compares with the .xml beside each.
func (c *checker) runSamples() {
	files := c.files("samples/*.json")
	if len(files) == 0 {
		c.fault(Fault{File: c.named("samples"), Text: "there is no sample"})
	}
	for _, file := range files {
		c.report.Samples++
		if err := c.runSample(file); err != nil {
			c.report.Faults = append(c.report.Faults, faultsOf(c.named(file), err)...)
		}
	}
}

func (c *checker) runSample(file string) error {
	tree, content, err := c.sample(file)
	if err != nil {
		return err
	}
	subject := sampleSubject(tree)
	if kind := c.kinds[subject.Kind]; kind != nil {
		faults, err := kind.Check(tree, c.agency.day(subject))
		if err != nil {
			return err
		}
		if refusals := declare.Refusals(faults); len(refusals) > 0 {
			return c.refusals(file, content, refusals)
		}
	}
	if takes, err := c.agency.Takes(subject.Kind, tree); err != nil || !takes {
		return errors.Join(faultIn(c.named(file), content, 1, 1, "the agency does not take this declaration"), err)
	}
	draft, faults, err := c.agency.Draft(subject)
	if err != nil {
		return err
	}
	if refusals := declare.Refusals(faults); len(refusals) > 0 {
		return c.refusals(file, content, refusals)
	}
	if err := c.expect(strings.TrimSuffix(file, ".json")+".xml", draft.Body.Bytes()); err != nil {
		return err
	}
	return c.readBack(file, subject, draft.Body.Bytes())
}

func (c *checker) refusals(file string, content []byte, refusals []declare.Fault) error {
	var faults Faults
	for _, refusal := range refusals {
		line, column := placeIn(content, refusal.Pointer)
		at := refusal.Pointer
		if refusal.XMLPath != "" {
			at += " (" + refusal.XMLPath + ")"
		}
		faults = append(faults, faultIn(c.named(file), content, line, column, fmt.Sprintf("%s at %s: %s", refusal.Code, at, refusal.Text.English)))
	}
	return faults
}

// readBack holds the mapping to its word: a message that only reversible rules
// wrote reads back into a declaration that gives the same message. Where other
// rules had a part in it, they are told.
func (c *checker) readBack(file string, subject declare.Subject, message []byte) error {
	taken := c.agency.takes[subject.Kind]
	document, _ := taken.mapping.Write(subject.Tree, c.agency.values(subject)) // Draft told the problems
	oneWay := map[place]*mapping.Rule{}
	document.Walk(func(origin mapping.Origin) {
		c.hit[origin.Rule] = true
		if reversible, _ := origin.Rule.Reversible(); !reversible {
			oneWay[place{origin.Rule.Line, origin.Rule.Column}] = origin.Rule
		}
	})
	tree, problems, err := c.agency.ReadBack(message)
	if err != nil {
		return err
	}
	differs := ""
	if len(problems) > 0 {
		differs = problems[0].Code + " " + problems[0].XMLPath + ": " + problems[0].Text.English
	} else {
		again, faults := taken.mapping.Write(tree, c.agency.values(subject))
		switch line := firstDifference(string(message), string(again.XML())); {
		case len(faults) > 0:
			differs = faults[0].Code + " " + faults[0].Path + ": " + faults[0].Text("en")
		case line > 0:
			differs = fmt.Sprintf("line %d of the message is another one", line)
		}
	}
	if differs == "" {
		c.report.ReadBack++
		return nil
	}
	told := Fault{File: c.named(file), Text: "the message does not read back: " + differs}
	if len(oneWay) == 0 {
		return told
	}
	for _, rule := range slices.SortedFunc(maps.Values(oneWay), func(a, b *mapping.Rule) int { return a.Line - b.Line }) {
		told.Text += fmt.Sprintf("\n  %s:%d:%d: %s", c.named(c.agency.file.Takes[subject.Kind].Mapping), rule.Line, rule.Column, rule.Path)
	}
	c.report.Unread = append(c.report.Unread, told)
	return nil
}

// firstDifference is the first line, counted from 1, that is not the same; 0
// when all are.
func firstDifference(wanted, got string) int {
	if wanted == got {
		return 0
	}
	wantedLines, gotLines := strings.Split(wanted, "\n"), strings.Split(got, "\n")
	line := 0
	for line < min(len(wantedLines), len(gotLines)) && wantedLines[line] == gotLines[line] {
		line++
	}
	return line + 1
}

const missingExpectation = "the file is missing; check --update writes what the sample gives now, for you to read"

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
		return Fault{File: c.named(file), Text: missingExpectation}
	}
	line := firstDifference(string(wanted), string(got))
	text := "the sample now ends before this line"
	if gotLines := strings.Split(string(got), "\n"); line <= len(gotLines) {
		text = "the sample now gives " + strings.TrimSpace(gotLines[line-1])
	}
	return faultIn(c.named(file), wanted, line, 1, text)
}

// runAnswers reads samples/answers/*.xml and compares with the .json beside
// each: whatever that tells must be so.
func (c *checker) runAnswers() {
	for _, file := range c.files("samples/answers/*.xml") {
		c.report.Answers++
		if err := c.runAnswer(file); err != nil {
			c.report.Faults = append(c.report.Faults, faultsOf(c.named(file), err)...)
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
	c.shown[reading.Word] = true
	got, err := json.MarshalIndent(told(reading), "", "  ")
	if err != nil {
		return err
	}
	beside := strings.TrimSuffix(file, ".xml") + ".json"
	expected, err := fs.ReadFile(c.folder, beside)
	if err == nil {
		err = c.compare(beside, expected, got)
	} else {
		err = Fault{File: c.named(beside), Text: missingExpectation}
	}
	if err != nil && c.write != nil {
		return c.write(beside, append(got, '\n'))
	}
	return err
}

func (c *checker) compare(file string, expected, got []byte) error {
	var wanted, given map[string]any
	if _, faults := declare.ParseJSON(expected, declare.MostBytes); len(faults) > 0 {
		return c.refusals(file, expected, faults)
	}
	if err := errors.Join(json.Unmarshal(expected, &wanted), json.Unmarshal(got, &given)); err != nil {
		return faultIn(c.named(file), expected, 1, 1, "an object is expected: what the notice reads as")
	}
	if wanted["decision"] == nil || wanted["word"] == nil {
		return faultIn(c.named(file), expected, 1, 1, "word and decision must be told")
	}
	var faults Faults
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if !reflect.DeepEqual(wanted[key], given[key]) {
			line, column := placeIn(expected, "/"+key)
			faults = append(faults, faultIn(c.named(file), expected, line, column, fmt.Sprintf("%s reads as %v", key, given[key])))
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
		faults = append(faults, faultIn(c.named(file), content, fault.Line, min(fault.Line, 1), fault.Code+" "+fault.XMLPath+": "+fault.Text.English))
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
			if file == "" || filled[file] {
				continue
			}
			filled[file] = true
			c.report.Templates++
			body, err := script.Fill(step, effect, sampleAcceptedAt)
			if err == nil {
				_, err = c.agency.Read(body)
			}
			if err != nil {
				c.report.Faults = append(c.report.Faults, faultsOf(c.named(file), c.unread(file, body, err))...)
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
	tree, _, err := c.sample(path.Join("samples", mutation.Of))
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
