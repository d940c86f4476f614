package declare

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed kinds codes
var embedded embed.FS

// Kind is one kind of declaration: what a declaration of this kind must look
// like, what must hold in it, and what it is found by. It is a folder of data;
// safe for concurrent use.
type Kind struct {
	Name    string
	Title   Text
	Samples fs.FS  // valid declarations, and mutations.yaml
	Table   []byte // table.yaml, what a table of such declarations looks like

	source   []byte
	schema   *jsonschema.Schema
	familiar bool // holds can judge by schema
	shape    *shape
	rules    *Rules
	keys     []keyRule
	facets   facets
}

// Key is one value that declarations are searched by.
type Key struct {
	Name  string
	Value string
}

// LoadKinds gives the kinds built in, by name. An error names the file, and
// where it can the line, of what is wrong.
func LoadKinds() (map[string]*Kind, error) {
	lists, err := CodeLists()
	if err != nil {
		return nil, err
	}
	folders, err := embedded.ReadDir("kinds")
	if err != nil {
		return nil, err
	}
	kinds := map[string]*Kind{}
	for _, folder := range folders {
		kind, err := loadKind(path.Join("kinds", folder.Name()), lists)
		if err != nil {
			return nil, err
		}
		kinds[kind.Name] = kind
	}
	return kinds, nil
}

func loadKind(folder string, lists map[string]*CodeList) (*Kind, error) {
	k := &Kind{Name: path.Base(folder)}
	file := func(name string) (string, []byte, error) {
		src, err := embedded.ReadFile(path.Join(folder, name))
		return path.Join(folder, name), src, err
	}
	name, src, err := file("schema.json")
	if err != nil {
		return nil, err
	}
	if err := k.compileSchema(name, src, lists); err != nil {
		return nil, err
	}
	if name, src, err = file("rules.yaml"); err != nil {
		return nil, err
	}
	if k.rules, err = CompileRules(name, src); err != nil {
		return nil, err
	}
	if name, src, err = file("keys.yaml"); err != nil {
		return nil, err
	}
	if k.keys, err = compileKeys(name, src); err != nil {
		return nil, err
	}
	if name, src, err = file("facets.yaml"); err != nil {
		return nil, err
	}
	if k.facets, err = compileFacets(name, src); err != nil {
		return nil, err
	}
	if _, k.Table, err = file("table.yaml"); err != nil {
		return nil, err
	}
	k.Samples, err = fs.Sub(embedded, path.Join(folder, "samples"))
	return k, err
}

func (k *Kind) compileSchema(file string, src []byte, lists map[string]*CodeList) error {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		return &FileError{file, 0, 0, err.Error()}
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(file, document); err != nil {
		return &FileError{file, 0, 0, err.Error()}
	}
	if k.schema, err = compiler.Compile(file); err != nil {
		return &FileError{file, 0, 0, err.Error()}
	}
	k.familiar = familiar(k.schema, map[*jsonschema.Schema]bool{})
	reader := shapeReader{root: document, lists: lists}
	if k.shape = reader.read(document); reader.fault != "" {
		return &FileError{file, 0, 0, reader.fault}
	}
	var titles struct {
		Title   string `json:"title"`
		Chinese string `json:"x-zh"`
	}
	k.source, k.Title = src, Text{}
	if err := json.Unmarshal(src, &titles); err != nil {
		return &FileError{file, 0, 0, err.Error()}
	}
	k.Title = Text{titles.Title, titles.Chinese}
	return nil
}

// Schema gives the kind's JSON Schema (2020-12) as it stands in its folder.
func (k *Kind) Schema() []byte { return slices.Clone(k.source) }

// Check tells everything that is wrong with a declaration of this kind, judged
// on a day. First its form; only where that holds, its codes and its rules,
// all together. An error means that a rule of the kind itself is wrong.
//
// The codes of faults of form are schema. and the keyword that does not hold:
// required, unknownField, type, pattern, enum, const, format, maxLength,
// minLength, maximum, minimum, maxItems, minItems, uniqueItems, oneOf, and
// value for any other. A missing field is pointed at where it should stand.
func (k *Kind) Check(tree any, on time.Time) ([]Fault, error) {
	if faults := k.checkForm(tree); len(faults) > 0 {
		return faults, nil
	}
	object, isObject := tree.(map[string]any)
	if !isObject {
		return nil, fmt.Errorf("the schema of %s allows a declaration that is not an object", k.Name)
	}
	return k.checkContent(object, on)
}

// checkContent judges what has the right form: its codes and its rules.
func (k *Kind) checkContent(tree map[string]any, on time.Time) ([]Fault, error) {
	faults := k.checkCodes(tree, on.Format(time.DateOnly))
	more, err := k.rules.Check(tree, on)
	if err != nil {
		return nil, err
	}
	return slices.Clip(append(faults, more...)), nil
}

// checkCodes holds the values of the tree against the code lists on a day.
func (k *Kind) checkCodes(tree any, day string) []Fault {
	var found collected
	k.shape.walk(tree, make(location, 0, 16), func(s *shape, value any, at location) bool {
		text, isText := value.(string)
		if !isText || s.list == nil {
			return found.refusals < maxFaults
		}
		if fault, valid := s.list.check(text, day); !valid {
			fault.Pointer = at.pointer()
			found.add(fault)
		}
		return true
	})
	return found.faults
}

// comparePointers orders pointers by their steps, indexes as numbers.
func comparePointers(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "/"), strings.Split(b, "/"), func(a, b string) int {
		left, leftErr := strconv.Atoi(a)
		right, rightErr := strconv.Atoi(b)
		if leftErr == nil && rightErr == nil {
			return cmp.Compare(left, right)
		}
		return cmp.Compare(a, b)
	})
}

// keyRule is one line of keys.yaml: the values at a pointer (* is every entry
// of an array) are searched by under a name, all of them or only when another
// value of the declaration is a given one.
type keyRule struct {
	Name string  `yaml:"name"`
	At   located `yaml:"at"`
	When *struct {
		At located `yaml:"at"`
		Is string  `yaml:"is"`
	} `yaml:"when"`

	at, when pattern
}

func compileKeys(file string, src []byte) ([]keyRule, error) {
	var keys []keyRule
	if err := readYAML(file, src, &keys); err != nil {
		return nil, err
	}
	for i := range keys {
		key := &keys[i]
		var err error
		if key.at, err = compilePattern(key.At.text); err != nil || key.Name == "" {
			return nil, inFile(file, key.At.fault("a key needs a name, and an at with a leading slash"))
		}
		if key.When == nil {
			continue
		}
		if key.when, err = compilePattern(key.When.At.text); err != nil {
			return nil, inFile(file, key.When.At.fault(err.Error()))
		}
	}
	return keys, nil
}

// Keys gives the values a sound declaration is searched by, each once.
func (k *Kind) Keys(tree map[string]any) []Key {
	var keys []Key
	for _, rule := range k.keys {
		if rule.When != nil && !slices.ContainsFunc(rule.when.find(tree), func(e entry) bool { return e.value == rule.When.Is }) {
			continue
		}
		for _, found := range rule.at.find(tree) {
			value, isText := found.value.(string)
			if key := (Key{rule.Name, value}); isText && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// shape is what the walk over a declaration needs of its schema: where the
// code lists apply and how long the arrays may be. Parts of the schema that
// say neither are left out.
type shape struct {
	list     *CodeList
	maxItems int // 0 where the schema sets none
	fields   map[string]*shape
	names    []string // of the fields, sorted
	entries  *shape
}

// shapeReader reads the shape from a schema, following $ref within it.
type shapeReader struct {
	root  any
	lists map[string]*CodeList
	depth int
	fault string
}

// maxSchemaDepth ends the reading of a schema that contains itself.
const maxSchemaDepth = 64

func (r *shapeReader) read(schema any) *shape {
	keywords, isObject := schema.(map[string]any)
	if !isObject || r.fault != "" {
		return nil
	}
	if r.depth++; r.depth > maxSchemaDepth {
		r.fault = "the schema is nested too deeply or contains itself"
		return nil
	}
	defer func() { r.depth-- }()
	s := &shape{fields: map[string]*shape{}, entries: r.read(keywords["items"])}
	if name, present := keywords["x-codes"].(string); present {
		if s.list = r.lists[name]; s.list == nil {
			r.fault = fmt.Sprintf("x-codes: there is no code list %q", name)
		}
	}
	if limit, present := keywords["maxItems"].(json.Number); present {
		if n, err := limit.Int64(); err == nil {
			s.maxItems = int(n)
		}
	}
	if properties, present := keywords["properties"].(map[string]any); present {
		for name, property := range properties {
			if field := r.read(property); field != nil {
				s.fields[name] = field
			}
		}
	}
	if reference, present := keywords["$ref"].(string); present {
		s.merge(r.read(r.resolve(reference)))
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		if parts, present := keywords[keyword].([]any); present {
			for _, part := range parts {
				s.merge(r.read(part))
			}
		}
	}
	if s.list == nil && s.maxItems == 0 && s.entries == nil && len(s.fields) == 0 {
		return nil
	}
	s.names = slices.Sorted(maps.Keys(s.fields))
	return s
}

func (r *shapeReader) resolve(reference string) any {
	names, isLocal := strings.CutPrefix(reference, "#/")
	target := r.root
	for name := range strings.SplitSeq(names, "/") {
		object, isObject := target.(map[string]any)
		var present bool
		if target, present = object[name]; !isLocal || !isObject || !present {
			r.fault = "$ref: there is no " + reference + " in the schema"
			return nil
		}
	}
	return target
}

func (s *shape) merge(other *shape) {
	if other == nil {
		return
	}
	s.list = cmp.Or(s.list, other.list)
	s.maxItems = cmp.Or(s.maxItems, other.maxItems)
	s.entries = cmp.Or(s.entries, other.entries)
	for name, field := range other.fields {
		if s.fields[name] == nil {
			s.fields[name] = field
		}
	}
}

// walk visits the values of a tree that the shape knows, until visit answers
// false for their parent. The location holds only during the visit.
func (s *shape) walk(value any, at location, visit func(*shape, any, location) bool) {
	if s == nil || !visit(s, value, at) {
		return
	}
	switch value := value.(type) {
	case []any:
		if s.entries == nil {
			return
		}
		for i, entry := range value {
			s.entries.walk(entry, append(at, step{"", i}), visit)
		}
	case map[string]any:
		for _, name := range s.names {
			if field, present := value[name]; present {
				s.fields[name].walk(field, append(at, step{name, -1}), visit)
			}
		}
	}
}
