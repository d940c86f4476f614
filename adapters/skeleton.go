package adapters

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"singlewindow/declare"
	"singlewindow/xsd"
)

// A Skeleton says what a first agency folder is to be made of.
type Skeleton struct {
	Name       string // the folder's and the agency's
	Schema     string // an XSD file, or a directory of them
	Root       string // the element that a message to the agency begins with
	NoticeRoot string // the element that its answers begin with; "" makes a plain answer of our own
	Kind       *declare.Kind
	Today      time.Time
}

var folderName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// NewFolder writes a first folder for an agency below the directory into, from
// nothing but its schema: everything is there and compiles, and whatever only
// its author can know is marked, so that [Check] names each line still to be
// filled in. An existing folder is never touched: that is fs.ErrExist.
func NewFolder(into string, s Skeleton) (err error) {
	if !folderName.MatchString(s.Name) {
		return fmt.Errorf("%q: an agency's name is lower-case letters, digits and hyphens", s.Name)
	}
	whole := filepath.Join(into, s.Name)
	if _, err := os.Lstat(whole); err == nil {
		return fmt.Errorf("%s: %w", whole, fs.ErrExist)
	}
	set, err := readSchemaSet(s.Schema)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(into, ".new-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	files, err := s.files(temporary, set)
	if err != nil {
		return err
	}
	if err := writeFiles(temporary, files); err != nil {
		return err
	}
	if err := os.Chmod(temporary, 0o755); err != nil { // it was made for nobody else to read
		return err
	}
	return os.Rename(temporary, whole)
}

func writeFiles(directory string, files map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(directory, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(files[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// files makes the whole folder but for the schemas, which are written to the
// directory first: the model of them says all the rest.
func (s Skeleton) files(directory string, set *schemaSet) (map[string]string, error) {
	driver, model, err := set.compile(directory, s.Root)
	if err != nil {
		return nil, err
	}
	root := model.Find(s.Root)
	if root == nil {
		return nil, set.noRoot(s.Root)
	}
	sampleName, sample, err := smallestSample(s.Kind)
	if err != nil {
		return nil, err
	}
	mapping := writeSkeletonMapping(s.Kind, root)
	files := map[string]string{
		"agency.yaml":            s.profile(driver),
		s.Kind.Name + ".yaml":    mapping.text.String(),
		"schema/SOURCE":          set.source(s.Today),
		"samples/first.json":     sample,
		"samples/mutations.yaml": fmt.Sprintf(skeletonMutations, s.Kind.Name, sampleName),
	}
	for name, text := range mapping.lists {
		files["codes/"+name+".csv"] = text
	}
	if err := s.notices(directory, set, mapping, files); err != nil {
		return nil, err
	}
	return files, nil
}

// smallestSample is the kind's shortest valid declaration: it has the least
// that a mapping must cope with.
func smallestSample(kind *declare.Kind) (name, text string, err error) {
	names, err := fs.Glob(kind.Samples, "*.json")
	for _, candidate := range names {
		content, failure := fs.ReadFile(kind.Samples, candidate)
		if err = errors.Join(err, failure); failure == nil && (text == "" || len(content) < len(text)) {
			name, text = candidate, string(content)
		}
	}
	if text == "" {
		err = errors.Join(err, fmt.Errorf("kind %s has no sample", kind.Name))
	}
	return name, text, err
}

func (s Skeleton) profile(driver string) string {
	return fmt.Sprintf(`name: %[1]s
title: {en: %[1]s, zh: %[1]s} # what people read
version: "1"                   # of this folder, as you count
validFrom: %[2]s          # the first day it counts
timeZone: UTC                  # the agency's, an IANA name such as Asia/Shanghai
protocol: xml-over-http
takes:
  %[3]s:
    # CEL over declaration: which ones the agency gets, such as declaration.typeCode.startsWith("IM")
    when: "true"
    mapping: %[3]s.yaml
    schema: schema/%[4]s
deadline: 10s                  # for one exchange, at most 25s
inFlight: 4                    # exchanges at a time
breaker: {window: 10s, ratio: 0.5, minimum: 10, slow: 5s, probe: 5s}
# What its HTTP statuses say about a message: an answer to be read, not taken yet, our credential is wrong.
answers: {understood: [200, 202, 400, 422], notTaken: [429, 503], denied: [401, 403]}
idempotent: false              # true if it knows a message sent twice by its delivery id
# inquire: {path: "/messages/{deliveryId}"} # where it can be asked about a message
`, s.Name, s.Today.Format(time.DateOnly), s.Kind.Name, driver)
}

const skeletonMutations = `# Samples made wrong, and exactly what the gateway must say of each. Write one for every rule that matters:
# - name: a reference too long
#   of: first.json
#   set: {/reference: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}
#   faults: [{code: xsd.maxLength, pointer: /reference}]
# first.json is the sample %[2]s of the kind %[1]s.
[]
`

// notices writes how the agency answers: with its own schema where that was
// named, else with a plain one that a simulator can play at once.
func (s Skeleton) notices(directory string, set *schemaSet, mapping *skeletonMapping, files map[string]string) error {
	reads := fmt.Sprintf("reads: {deliveryId: %s, reference: %s} # where they stand in our message\n",
		orToFill(mapping.deliveryID), orToFill(mapping.reference))
	if s.NoticeRoot == "" {
		maps.Copy(files, plainAnswers)
		files["simulate.yaml"] = reads + plainScript
		return nil
	}
	driver, model, err := set.compile(directory, s.NoticeRoot)
	if err != nil {
		return err
	}
	root := model.Find(s.NoticeRoot)
	if root == nil {
		return set.noRoot(s.NoticeRoot)
	}
	answer := skeletonNotice{root: root}
	answer.look(root, "/"+root.Name, 0)
	files["notice.yaml"] = answer.text(driver)
	files["answers/answer.xml"] = answer.example()
	files["simulate.yaml"] = reads + "pace: 100ms\nwords:\n  default:\n    - {answer: 200, template: answers/answer.xml}\n"
	return nil
}

func orToFill(text string) string {
	if text == "" {
		return "/" + toFill
	}
	return text
}

// skeletonNotice guesses what in an agency's answer says what.
type skeletonNotice struct {
	root                               *xsd.Element
	word, deliveryID, issuedAt, layout string
	words                              []string
}

var (
	wordName     = regexp.MustCompile(`(?i)(status|decision|result|outcome)(code)?$`)
	relatedName  = regexp.MustCompile(`(?i)^(related|correlation|original|delivery|message|reference).*id(entifier)?$`)
	issuedAtName = regexp.MustCompile(`(?i)(issue|status|sent|send|event).*(time|date)`)
)

func (n *skeletonNotice) look(element *xsd.Element, at string, depth int) {
	if depth > 8 {
		return // a type that contains itself
	}
	if element.Simple {
		switch name := element.Name; {
		case wordName.MatchString(name) && (n.word == "" || len(n.words) == 0 && len(element.Facets.Enumeration) > 0):
			n.word, n.words = at, element.Facets.Enumeration
		case n.deliveryID == "" && relatedName.MatchString(name):
			n.deliveryID = at
		case n.issuedAt == "" && issuedAtName.MatchString(name):
			n.issuedAt, n.layout = at, layoutOf(element.Facets)
		}
	}
	for _, child := range element.Children {
		if !child.Wildcard {
			n.look(child, at+"/"+child.Name, depth+1)
		}
	}
}

func (n *skeletonNotice) text(driver string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# What the agency's answers mean. Paths are of local names.\nschema: schema/%s\norder: [issuedAt, rank] # what decides which of two answers is the later one\nroots:\n  - root: %s\n", driver, n.root.Name)
	fmt.Fprintf(&text, "    word: %s # which element says what was decided\n", orToFill(n.word))
	if n.deliveryID != "" {
		fmt.Fprintf(&text, "    deliveryId: %s # our delivery id; look whether it is this one\n", n.deliveryID)
	} else {
		text.WriteString("    # deliveryId: /… where it repeats our delivery id\n")
	}
	if n.issuedAt != "" {
		fmt.Fprintf(&text, "    issuedAt: {path: %s, layouts: [%q]}\n", n.issuedAt, n.layout)
	}
	text.WriteString("    # numbers: {receiptNo: /…} numbers the agency gives\n    # remark: /…\n    # errors: {each: /…, code: Code, text: Text, path: Path}\n")
	fmt.Fprintf(&text, "words: # decision is one of %s\n", decisionNames())
	words := n.words
	if len(words) == 0 {
		words = []string{toFill}
	}
	for i, word := range words {
		fmt.Fprintf(&text, "  %q: {decision: %s, rank: %d, en: %q, zh: %q}\n", word, toFill, 10*(i+1), word, word)
	}
	return text.String()
}

func decisionNames() string {
	var names []string
	for _, decision := range declare.Decisions {
		names = append(names, string(decision))
	}
	return strings.Join(names, ", ")
}

// example is the smallest answer, as a template.
func (n *skeletonNotice) example() string {
	var text strings.Builder
	text.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
	n.write(&text, n.root, "/"+n.root.Name, "", "")
	return text.String()
}

func (n *skeletonNotice) write(text *strings.Builder, element *xsd.Element, at, space, indent string) {
	fmt.Fprintf(text, "%s<%s", indent, element.Name)
	if element.Namespace != space {
		fmt.Fprintf(text, ` xmlns="%s"`, escaped(element.Namespace))
	}
	for _, attribute := range element.Attributes {
		if attribute.Required {
			fmt.Fprintf(text, ` %s="%s"`, attribute.Name, escaped(exampleOf(attribute.Facets, attribute.Fixed)))
		}
	}
	text.WriteString(">")
	if element.Simple {
		value := exampleOf(element.Facets, element.Fixed)
		switch at {
		case n.deliveryID:
			value = "{deliveryId}"
		case n.issuedAt:
			value = "{now|" + n.layout + "}"
		default:
			if layout := layoutOf(element.Facets); value == toFill && issuedAtName.MatchString(element.Name) && layout != toFill {
				value = "{now|" + layout + "}"
			}
		}
		fmt.Fprintf(text, "%s</%s>\n", escaped(value), element.Name)
		return
	}
	text.WriteString("\n")
	for _, child := range element.Children {
		path := at + "/" + child.Name
		needed := child.Min > 0 && !child.Choice || n.leads(path)
		if needed && !child.Wildcard && strings.Count(path, "/") < 20 {
			n.write(text, child, path, element.Namespace, indent+"  ")
		}
	}
	fmt.Fprintf(text, "%s</%s>\n", indent, element.Name)
}

// leads reports whether a path is on the way to what an answer should show.
func (n *skeletonNotice) leads(at string) bool {
	return slices.ContainsFunc([]string{n.word, n.deliveryID, n.issuedAt}, func(wanted string) bool {
		return wanted == at || strings.HasPrefix(wanted, at+"/")
	})
}

// exampleOf is a value that a type allows where that is easily told.
func exampleOf(facets xsd.Facets, fixed string) string {
	switch {
	case fixed != "":
		return fixed
	case len(facets.Enumeration) > 0:
		return facets.Enumeration[0]
	case len(facets.Patterns) > 0 || facets.Length != nil || facets.MinLength != nil && *facets.MinLength > 1:
		return toFill
	case facets.Base == "date" || facets.Base == "dateTime":
		return "{now|" + layoutOf(facets) + "}"
	case facets.MinInclusive != "":
		return facets.MinInclusive
	}
	return "1"
}

// layouts are the ways in which most messages write a time.
var layouts = []string{time.RFC3339, time.DateOnly, "20060102150405", "20060102", "200601021504", "2006-01-02T15:04:05"}

// layoutOf guesses how a type writes a time.
func layoutOf(facets xsd.Facets) string {
	switch facets.Base {
	case "dateTime":
		return time.RFC3339
	case "date":
		return time.DateOnly
	}
	if len(facets.Patterns) == 0 && facets.Length == nil && facets.MaxLength == nil {
		return toFill
	}
	for _, layout := range layouts {
		if text := sampleAcceptedAt.Format(layout); looksLike(text, facets) {
			return layout
		}
	}
	return toFill
}

// looksLike is good enough for a guess: patterns that Go reads otherwise count
// as not kept.
func looksLike(text string, facets xsd.Facets) bool {
	for _, pattern := range facets.Patterns {
		expression, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil || !expression.MatchString(text) {
			return false
		}
	}
	exact := len(facets.Patterns) > 0 || facets.Length != nil
	switch {
	case facets.Length != nil:
		return len(text) == *facets.Length
	case facets.MaxLength != nil && !exact:
		return len(text) == *facets.MaxLength
	}
	return facets.MaxLength == nil || len(text) <= *facets.MaxLength
}
