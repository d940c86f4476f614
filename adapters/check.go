package adapters

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"singlewindow/mapping"
	"singlewindow/xsd"
)

// A Report is what a folder is worth.
type Report struct {
	Agency string `json:"agency"`
	Faults Faults `json:"faults"`

	Rules     int `json:"rules"`
	Samples   int `json:"samples"`
	Answers   int `json:"answers"`
	Mutations int `json:"mutations"`
	Templates int `json:"templates"`

	// Irreversible rules cannot be read back, Uncovered ones are written by
	// no sample. Both are told, neither is a fault.
	Irreversible []Fault `json:"irreversible"`
	Uncovered    []Fault `json:"uncovered"`
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool { return len(r.Faults) == 0 }

// Check loads the folder name of fsys, holds its mappings and code lists to
// its schemas, and runs its samples.
func Check(fsys fs.FS, name string) Report { return check(fsys, name, nil) }

// Update checks the folder name in a directory and rewrites what its samples
// are expected to give, wherever what they do give is valid.
func Update(directory, name string) Report {
	return check(os.DirFS(directory), name, func(file string, content []byte) error {
		return os.WriteFile(filepath.Join(directory, name, filepath.FromSlash(file)), content, 0o644)
	})
}

// A checker gathers the report of one folder. write is nil when expectations
// are to be kept.
type checker struct {
	agency *Agency
	folder fs.FS
	write  func(file string, content []byte) error
	report Report
	hit    map[*mapping.Rule]bool // by a sample
}

func check(fsys fs.FS, name string, write func(string, []byte) error) Report {
	c := &checker{write: write, report: Report{Agency: name}, hit: map[*mapping.Rule]bool{}}
	var err error
	if c.folder, err = fs.Sub(fsys, name); err == nil {
		c.agency, err = Load(fsys, name, Deployment{})
	}
	if err != nil {
		c.report.Faults = faultsOf(name, err)
		return c.report
	}
	defer c.agency.Close()
	if sources, err := fs.Glob(c.folder, "schema/SOURCE*"); err != nil || len(sources) == 0 {
		c.fault(Fault{File: c.shown("schema"), Text: "SOURCE is missing: where the schemas are from"})
	}
	for _, kind := range c.agency.profile.Kinds {
		c.checkMapping(c.agency.file.Takes[kind].Mapping, c.agency.takes[kind])
	}
	c.runSamples()
	c.runAnswers()
	c.runTemplates()
	c.runMutations()
	for _, kind := range c.agency.profile.Kinds {
		c.listRules(c.agency.file.Takes[kind].Mapping, c.agency.takes[kind].mapping)
	}
	return c.report
}

func (c *checker) fault(fault Fault) { c.report.Faults = append(c.report.Faults, fault) }

// shown is a file's name as faults tell it.
func (c *checker) shown(file string) string { return path.Join(c.report.Agency, file) }

// checkMapping holds the rules to the schema: each writes something the
// schema knows, and together they write all that it demands.
func (c *checker) checkMapping(file string, taken take) {
	content, err := fs.ReadFile(c.folder, file)
	if err != nil {
		c.fault(Fault{File: c.shown(file), Text: err.Error()})
		return
	}
	model := taken.schema.Model()
	lists := listsUsed(content)
	byPath := map[string]*mapping.Rule{}
	for _, rule := range taken.mapping.Rules() {
		c.report.Rules++
		if byPath[rule.Path] == nil {
			byPath[rule.Path] = rule
		}
		facets, known := facetsAt(model, rule.Path)
		if !known {
			c.fault(faultIn(c.shown(file), content, rule.Line, rule.Column, "the schema has no "+rule.Path))
		} else if list := lists[place{rule.Line, rule.Column}]; list != "" {
			c.checkList(list, rule.Path, facets)
		}
	}
	written := writtenElements(taken.mapping, model)
	for _, parent := range slices.Sorted(maps.Keys(written)) {
		for _, needed := range requiredIn(written[parent]) {
			if rule := byPath[parent]; byPath[parent+"/"+needed] == nil && rule != nil {
				c.fault(faultIn(c.shown(file), content, rule.Line, rule.Column, "the schema demands "+needed+" in "+parent+", and no rule writes it"))
			}
		}
	}
}

// requiredIn names the children and attributes (@name) an element must have.
func requiredIn(element *xsd.Element) []string {
	var names []string
	for _, attribute := range element.Attributes {
		if attribute.Required {
			names = append(names, "@"+attribute.Name)
		}
	}
	for _, child := range element.Required() {
		names = append(names, child.Name)
	}
	return names
}

// instanceAttributes belong to every schema: XML Schema itself gives them.
var instanceAttributes = []string{"schemaLocation", "noNamespaceSchemaLocation", "type", "nil"}

// facetsAt are the limits of the text at a path, false where the schema knows
// no such path.
func facetsAt(model *xsd.Model, at string) (xsd.Facets, bool) {
	element := model.Find(steps(at)...)
	if element == nil {
		return xsd.Facets{}, false
	}
	_, attribute, isAttribute := strings.Cut(at, "@")
	if !isAttribute {
		return element.Facets, true
	}
	for _, known := range element.Attributes {
		if known.Name == attribute {
			return known.Facets, true
		}
	}
	return xsd.Facets{}, slices.Contains(instanceAttributes, attribute)
}

// place is a line and column of a file.
type place struct{ line, column int }

// listsUsed finds, for the place of each rule, the code list it names.
func listsUsed(content []byte) map[place]string {
	used := map[place]string{}
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		return used // Load read this file before
	}
	for _, document := range file.Docs {
		for _, node := range ast.Filter(ast.MappingValueType, document) {
			rule, verbs := node.(*ast.MappingValueNode), []*ast.MappingValueNode(nil)
			switch value := rule.Value.(type) {
			case *ast.MappingNode:
				verbs = value.Values
			case *ast.MappingValueNode:
				verbs = []*ast.MappingValueNode{value}
			}
			for _, verb := range verbs {
				if at := rule.Key.GetToken().Position; verb.Key.String() == "code" {
					used[place{at.Line, at.Column}] = verb.Value.GetToken().Value
				}
			}
		}
	}
	return used
}

// checkList holds every code that may be written at a path to its facets.
func (c *checker) checkList(list, at string, facets xsd.Facets) {
	file := "codes/" + list + ".csv"
	content, err := fs.ReadFile(c.folder, file)
	if err != nil {
		c.fault(Fault{File: c.shown(file), Text: err.Error()})
		return
	}
	records := csv.NewReader(bytes.NewReader(content))
	records.Comment = '#'
	column := -1
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.fault(Fault{File: c.shown(file), Text: err.Error()})
			return
		}
		if column < 0 {
			column = slices.Index(record, "theirs")
			continue
		}
		if why := broken(facets, record[column]); why != "" {
			line, start := records.FieldPos(column)
			c.fault(faultIn(c.shown(file), content, line, start, "the code does not fit "+at+": "+why))
		}
	}
}

// broken says which facet a value does not keep, "" when none. Patterns that
// Go's expressions cannot say are left to the schema itself.
func broken(facets xsd.Facets, value string) string {
	if len(facets.Enumeration) > 0 && !slices.Contains(facets.Enumeration, value) {
		return "not in the enumeration"
	}
	for _, pattern := range facets.Patterns {
		expression, err := regexp.Compile("^(?:" + pattern + ")$")
		if err == nil && !expression.MatchString(value) {
			return "not of the form " + pattern
		}
	}
	length := utf8.RuneCountInString(value)
	switch {
	case facets.Length != nil && length != *facets.Length:
		return "not of the length demanded"
	case facets.MinLength != nil && length < *facets.MinLength:
		return "too short"
	case facets.MaxLength != nil && length > *facets.MaxLength:
		return "too long"
	}
	return ""
}

func (c *checker) listRules(file string, rules *mapping.Mapping) {
	for _, rule := range rules.Rules() {
		at := Fault{File: c.shown(file), Line: rule.Line, Column: rule.Column}
		if reversible, why := rule.Reversible(); !reversible {
			at.Text = rule.Path + ": " + why
			c.report.Irreversible = append(c.report.Irreversible, at)
		}
		if !c.hit[rule] {
			at.Text = rule.Path
			c.report.Uncovered = append(c.report.Uncovered, at)
		}
	}
}
