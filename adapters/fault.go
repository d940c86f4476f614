package adapters

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"singlewindow/declare"
	"singlewindow/mapping"
)

// A Fault is something wrong in an agency folder, located for its author.
// Line and Column are 1-based and 0 where there is no such place.
type Fault struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Excerpt string `json:"excerpt,omitempty"`
	Text    string `json:"text"`
}

func (f Fault) Error() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
}

// compare puts faults in the order of files, lines and columns.
func (f Fault) compare(other Fault) int {
	return cmp.Or(strings.Compare(f.File, other.File), f.Line-other.Line, f.Column-other.Column)
}

// Faults is everything wrong with a folder, as one error.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// faultsOf turns any error into faults, keeping the place if it has one.
func faultsOf(file string, err error) Faults {
	var many Faults
	if errors.As(err, &many) {
		return many
	}
	var one Fault
	if errors.As(err, &one) {
		return Faults{one}
	}
	return Faults{{File: file, Text: err.Error()}}
}

// mappingFaults keeps the places that the mapping room gives.
func mappingFaults(file string, content []byte, err error) Faults {
	var many mapping.Faults
	if !errors.As(err, &many) {
		var one *mapping.Fault
		if !errors.As(err, &one) {
			return faultsOf(file, err)
		}
		many = mapping.Faults{one}
	}
	faults := make(Faults, len(many))
	for i, fault := range many {
		faults[i] = faultIn(file, content, fault.Line, fault.Column, fault.Text)
	}
	return faults
}

// declareFaults keeps the places that the declare room gives, one error or
// several joined.
func declareFaults(file string, content []byte, err error) Faults {
	if joined, many := err.(interface{ Unwrap() []error }); many {
		var faults Faults
		for _, one := range joined.Unwrap() {
			faults = append(faults, declareFaults(file, content, one)...)
		}
		return faults
	}
	located := new(declare.FileError)
	if !errors.As(err, &located) {
		return faultsOf(file, err)
	}
	return Faults{faultIn(file, content, located.Line, located.Column, located.Text)}
}

func faultIn(file string, content []byte, line, column int, text string) Fault {
	return Fault{File: file, Line: line, Column: column, Excerpt: excerpt(content, line, column), Text: text}
}

// A yamlFile is a YAML file of a folder that can say where a key stands.
type yamlFile struct {
	name    string // as shown, with the folder's name
	content []byte
	tree    *ast.File
}

// readYAML decodes a file strictly into target: unknown and doubled keys are
// faults.
func readYAML(folder fs.FS, agency, name string, target any) (*yamlFile, error) {
	file := &yamlFile{name: path.Join(agency, name)}
	content, err := fs.ReadFile(folder, name)
	if err != nil {
		return file, Fault{File: file.name, Text: "the file is missing"}
	}
	file.content = content
	if file.tree, err = parser.ParseBytes(content, 0); err == nil {
		if alias := aliasIn(file.tree); alias != nil {
			return file, file.fault(alias, "write it out: anchors and aliases are not read here")
		}
		err = yaml.NewDecoder(bytes.NewReader(content), yaml.Strict()).Decode(target)
	}
	var located yaml.Error
	if errors.As(err, &located) {
		return file, file.fault(located.GetToken(), located.GetMessage())
	}
	if err != nil {
		return file, file.unlocated(content, target)
	}
	return file, nil
}

// unlocated finds the key whose value some reader refused without a place:
// without it the rest can be read.
func (f *yamlFile) unlocated(content []byte, target any) Fault {
	if f.tree == nil || len(f.tree.Docs) == 0 || f.tree.Docs[0].Body == nil {
		return Fault{File: f.name, Text: "the file is empty"}
	}
	for _, pair := range pairsOf(f.tree.Docs[0].Body) {
		rest := reflect.New(reflect.TypeOf(target).Elem()).Interface()
		if lines, ok := without(content, pair); ok && yaml.UnmarshalWithOptions(lines, rest, yaml.Strict()) == nil {
			return f.fault(pair.Key.GetToken(), "the value cannot be read")
		}
	}
	return faultIn(f.name, f.content, 1, 1, "the file cannot be read as what it should be")
}

// without blanks the lines of a top-level key and what is indented below it.
func without(content []byte, pair *ast.MappingValueNode) ([]byte, bool) {
	lines := bytes.SplitAfter(content, []byte("\n"))
	first := pair.Key.GetToken().Position.Line - 1
	if first < 0 || first >= len(lines) {
		return nil, false
	}
	after := first + 1
	for after < len(lines) && bytes.HasPrefix(lines[after], []byte(" ")) {
		after++
	}
	return bytes.Join(slices.Delete(lines, first, after), nil), true
}

// aliasIn finds an anchor or alias: a few lines of them can stand for gigabytes.
func aliasIn(file *ast.File) *token.Token {
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		for _, kind := range []ast.NodeType{ast.AnchorType, ast.AliasType, ast.MergeKeyType} {
			if found := ast.Filter(kind, document); len(found) > 0 {
				return found[0].GetToken()
			}
		}
	}
	return nil
}

// at makes a fault at the value that the keys (string or int) lead to, or at
// the nearest one above it that exists.
func (f *yamlFile) at(text string, keys ...any) Fault {
	for end := len(keys); end > 0; end-- {
		builder := (&yaml.PathBuilder{}).Root()
		for _, key := range keys[:end] {
			switch key := key.(type) {
			case string:
				builder = builder.Child(key)
			case int:
				builder = builder.Index(uint(key))
			}
		}
		if node, err := builder.Build().FilterFile(f.tree); err == nil {
			return f.fault(node.GetToken(), text)
		}
	}
	return faultIn(f.name, f.content, 1, 1, text)
}

func (f *yamlFile) fault(place *token.Token, text string) Fault {
	if place == nil {
		return Fault{File: f.name, Text: text}
	}
	return faultIn(f.name, f.content, place.Position.Line, place.Position.Column, text)
}

// excerpt shows a line with a caret under the column.
func excerpt(content []byte, line, column int) string {
	lines := strings.Split(string(content), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	return fmt.Sprintf("%4d | %s\n     | %s^", line, lines[line-1], strings.Repeat(" ", max(column-1, 0)))
}
