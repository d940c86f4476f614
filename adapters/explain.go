package adapters

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"singlewindow/declare"
	"singlewindow/mapping"
)

// An ExplainedLine is one line of the message a declaration becomes, with what
// made each node on it.
type ExplainedLine struct {
	Line     int             `json:"line"`
	XML      string          `json:"xml"`
	Nodes    []ExplainedNode `json:"nodes,omitempty"`
	Problems []Explanation   `json:"problems,omitempty"`
}

// An ExplainedNode is an element or attribute.
type ExplainedNode struct {
	Path    string `json:"path"`
	Pointer string `json:"pointer,omitempty"` // RFC 6901, the field it is from; "" when From is no field
	From    string `json:"from"`              // field, const, default, position, group, or the gateway's $value
	Rule    string `json:"rule"`              // file:line:column
}

// An Explanation is a fault of a line, or of the whole message.
type Explanation struct {
	Code    string       `json:"code"`
	Pointer string       `json:"pointer"`
	Path    string       `json:"path,omitempty"`
	Text    declare.Text `json:"text"`
	Advice  bool         `json:"advice,omitempty"`
}

// Explain tells where every node of the message is from that this agency would
// get, and what is wrong with it, line by line; the second result has no line.
// The message is shown even if it must not be sent.
func (a *Agency) Explain(subject declare.Subject) ([]ExplainedLine, []Explanation, error) {
	taken, known := a.takes[subject.Kind]
	if !known {
		return nil, nil, fmt.Errorf("agency %s takes no %s", a.profile.Name, subject.Kind)
	}
	_, faults, err := a.Draft(subject)
	if err != nil {
		return nil, nil, err
	}
	document, _ := taken.mapping.Write(subject.Tree, a.values(subject)) // Draft told the problems
	texts := strings.Split(strings.TrimSuffix(string(document.XML()), "\n"), "\n")
	lines := make([]ExplainedLine, len(texts))
	for i, text := range texts {
		lines[i] = ExplainedLine{Line: i + 1, XML: text}
	}
	file := path.Join(a.file.Name, a.file.Takes[subject.Kind].Mapping)
	document.Walk(func(origin mapping.Origin) {
		if origin.Line > 0 && origin.Line <= len(lines) {
			lines[origin.Line-1].Nodes = append(lines[origin.Line-1].Nodes, explainNode(origin, subject.Tree, file))
		}
	})
	var others []Explanation
	for _, fault := range faults {
		told := Explanation{Code: fault.Code, Pointer: fault.Pointer, Path: fault.XMLPath, Text: fault.Text, Advice: fault.Advice}
		if fault.Line > 0 && fault.Line <= len(lines) {
			lines[fault.Line-1].Problems = append(lines[fault.Line-1].Problems, told)
		} else {
			others = append(others, told)
		}
	}
	return lines, others, nil
}

// explainNode tells what kind of source a rule took its text from.
func explainNode(origin mapping.Origin, tree map[string]any, file string) ExplainedNode {
	rule := origin.Rule
	node := ExplainedNode{Path: origin.Path, From: "field", Rule: fmt.Sprintf("%s:%d:%d", file, rule.Line, rule.Column)}
	has := func(verb string) bool { return slices.Contains(rule.Verbs, verb) }
	value := valueAt(tree, origin.Pointer)
	switch {
	case has("const"):
		node.From = "const"
	case has("default") && value == nil:
		node.From = "default"
	case has("from") && !has("group") && !has("block") && isEntry(value):
		node.From = "position" // the entry has no text: its number was taken
	case origin.Pointer != "":
		node.Pointer = origin.Pointer
	case strings.HasPrefix(rule.From, "$"):
		node.From = rule.From
	default:
		node.From = "group"
	}
	return node
}

func isEntry(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// valueAt is the value at an RFC 6901 pointer, nil if there is none.
func valueAt(tree any, pointer string) any {
	if pointer == "" {
		return nil
	}
	for step := range strings.SplitSeq(pointer[1:], "/") {
		step = unescape.Replace(step)
		switch node := tree.(type) {
		case map[string]any:
			tree = node[step]
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil || index < 0 || index >= len(node) {
				return nil
			}
			tree = node[index]
		default:
			return nil
		}
	}
	return tree
}
