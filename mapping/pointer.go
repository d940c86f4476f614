package mapping

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// suppliedValues are the names a rule may write as $name: what the gateway, not
// the declaration, knows about the message being written.
var suppliedValues = []string{"acceptedAt", "declarationId", "deliveryId", "functionCode", "reference"}

// pointer is one compiled source of a mapping file: a place in the tree, the
// position of the entry ("#"), or a value the gateway supplies ("$name").
type pointer struct {
	text     string // as the file has it
	absolute bool   // begins at the root of the tree, not at the innermost entry
	position bool
	supplied string
	steps    []step
	suffix   string // the steps as RFC 6901, when none of them selects an entry
}

// step enters one member of an object and, when key or index is set, one entry
// of the array that stands there.
type step struct {
	name, escaped string
	key, want     string
	index         int // -1: no index
}

var (
	stepForm     = regexp.MustCompile(`^([^\[\]]+)(?:\[(?:([0-9]{1,4})|([^\[\]=]+)=([^\[\]]*))\])?$`)
	stepsForm    = regexp.MustCompile(`(?:[^/\[\]]|\[[^\[\]]*\])+`)
	escapePart   = strings.NewReplacer("~", "~0", "/", "~1").Replace
	unescapePart = strings.NewReplacer("~1", "/", "~0", "~").Replace
)

func parsePointer(text string) (*pointer, error) {
	p := &pointer{text: text}
	switch {
	case text == ".":
		return p, nil
	case text == "#":
		p.position = true
		return p, nil
	case strings.HasPrefix(text, "$"):
		p.supplied = text[1:]
		if !slices.Contains(suppliedValues, p.supplied) {
			return nil, errors.New("unknown value " + text + "; the gateway supplies $" + strings.Join(suppliedValues, ", $"))
		}
		return p, nil
	}
	body := strings.TrimPrefix(text, "/")
	p.absolute = body != text
	parts := stepsForm.FindAllString(body, -1)
	if body == "" || strings.Join(parts, "/") != body {
		return nil, errors.New("bad pointer " + strconv.Quote(text) + "; write /name/name, name/name, name[key=value], name[0], ., # or $value")
	}
	plain := true
	for _, part := range parts {
		m := stepForm.FindStringSubmatch(part)
		if m == nil {
			return nil, errors.New("bad step " + strconv.Quote(part) + " in pointer; write name, name[key=value] or name[0]")
		}
		s := step{name: unescapePart(m[1]), key: m[3], want: m[4], index: -1}
		s.escaped = "/" + escapePart(s.name)
		if m[2] != "" {
			s.index, _ = strconv.Atoi(m[2]) // the form admits at most four digits
		}
		p.steps = append(p.steps, s)
		p.suffix += s.escaped
		plain = plain && s.key == "" && s.index < 0
	}
	if !plain {
		p.suffix = ""
	}
	return p, nil
}

func (p *pointer) inTree() bool { return !p.position && p.supplied == "" }

// scope is where relative pointers begin: the innermost entry of an each.
type scope struct {
	root   map[string]any
	entry  any
	index  int // its 0-based position in the array; -1 outside any each
	values map[string]string
	each   *pointer  // writing only: the array, from outer
	outer  *scope    // writing only
	keep   func(any) // reading only: puts the entry into its array
}

// inner is the scope of one entry of the array that each names in s.
func (s *scope) inner(each *pointer, entry any, index int) *scope {
	return &scope{root: s.root, entry: entry, index: index, values: s.values, each: each, outer: s}
}

// at is the RFC 6901 pointer of the entry.
func (s *scope) at() string {
	if s.outer == nil {
		return ""
	}
	return s.each.locate(s.outer) + "/" + strconv.Itoa(s.index)
}

// source is a place in the tree. It is spelled out only when asked for: nearly
// all messages are written without one being told.
type source struct {
	pointer *pointer // nil: the entry itself
	scope   *scope   // nil: none
}

func (o source) locate() string {
	switch {
	case o.scope == nil:
		return ""
	case o.pointer == nil:
		return o.scope.at()
	}
	return o.pointer.locate(o.scope)
}

// find returns the node a pointer names. A JSON null counts as absent.
func (p *pointer) find(s *scope) (node any, ok bool) {
	switch {
	case p.supplied != "":
		v := s.values[p.supplied]
		return v, v != ""
	case p.position:
		return json.Number(strconv.Itoa(s.index + 1)), true
	}
	node = p.start(s)
	for i := range p.steps {
		if node, _ = p.steps[i].child(node); node == nil {
			return nil, false
		}
	}
	return node, node != nil
}

func (p *pointer) start(s *scope) any {
	if p.absolute {
		return s.root
	}
	return s.entry
}

// locate tells where the node that find looks for stands, or would stand.
func (p *pointer) locate(s *scope) string {
	at := ""
	if p.supplied == "" && !p.absolute {
		at = s.at()
	}
	if p.suffix != "" {
		return at + p.suffix
	}
	node := p.start(s)
	for i := range p.steps {
		step := &p.steps[i]
		var index int
		node, index = step.child(node)
		if at += step.escaped; index >= 0 {
			at += "/" + strconv.Itoa(index)
		}
		if node == nil && step.selects() {
			break // no such entry: the array is as near as one can point
		}
	}
	return at
}

// selects tells whether the step names one entry of an array.
func (s *step) selects() bool { return s.key != "" || s.index >= 0 }

// child enters one step; index is the entry selected, -1 when none was.
func (s *step) child(node any) (child any, index int) {
	object, _ := node.(map[string]any)
	child = object[s.name]
	if !s.selects() {
		return child, -1
	}
	array, _ := child.([]any)
	if i := s.selected(array); i >= 0 {
		return array[i], i
	}
	return nil, -1
}

func (s *step) selected(array []any) int {
	if s.key == "" {
		if s.index < len(array) {
			return s.index
		}
		return -1
	}
	return slices.IndexFunc(array, func(entry any) bool {
		object, _ := entry.(map[string]any)
		text, ok := scalar(object[s.key])
		return ok && text == s.want
	})
}

// object returns the object a pointer names, made on the way where it is not
// there yet; nil when something that is no object stands in its place.
func (p *pointer) object(s *scope, steps []step) map[string]any {
	object := s.root
	if !p.absolute {
		object = s.object()
	}
	for i := range steps {
		if object == nil {
			return nil
		}
		object = steps[i].enter(object)
	}
	return object
}

func (s *scope) object() map[string]any {
	if s.entry == nil && s.keep != nil {
		s.entry = map[string]any{}
		s.keep(s.entry)
	}
	object, _ := s.entry.(map[string]any)
	return object
}

// enter is child for reading: it makes the object it enters.
func (s *step) enter(object map[string]any) map[string]any {
	if !s.selects() {
		if object[s.name] == nil {
			object[s.name] = map[string]any{}
		}
		child, _ := object[s.name].(map[string]any)
		return child
	}
	array, isArray := object[s.name].([]any)
	if object[s.name] != nil && !isArray {
		return nil
	}
	if i := s.selected(array); i >= 0 {
		child, _ := array[i].(map[string]any)
		return child
	}
	if s.index > len(array) {
		return nil // would leave a hole
	}
	child := map[string]any{}
	if s.key != "" {
		child[s.key] = s.want
	}
	object[s.name] = append(array, child)
	return child
}

// put stores a scalar at the pointer. False: another value stands there, or
// the shape of the tree does not admit it.
func (p *pointer) put(s *scope, value any) bool {
	if len(p.steps) == 0 {
		if s.entry == nil {
			s.entry = value
			s.keep(value)
		}
		return sameScalar(s.entry, value)
	}
	last := p.steps[len(p.steps)-1]
	object := p.object(s, p.steps[:len(p.steps)-1])
	if object == nil || last.key != "" {
		return false
	}
	if last.index < 0 {
		if object[last.name] == nil {
			object[last.name] = value
		}
		return sameScalar(object[last.name], value)
	}
	array, isArray := object[last.name].([]any)
	if object[last.name] != nil && !isArray || last.index > len(array) {
		return false
	}
	if last.index == len(array) {
		array = append(array, value)
		object[last.name] = array
	}
	return sameScalar(array[last.index], value)
}

// open gives the scope of the count-th entry of an each while reading. Without
// a filter the entry is taken by position, so that two rules over one array
// fill the same entries; with one it is appended.
func (p *pointer) open(s *scope, count int, filtered bool) *scope {
	name := p.steps[len(p.steps)-1].name
	object := p.object(s, p.steps[:len(p.steps)-1])
	array, isArray := object[name].([]any)
	if object == nil || object[name] != nil && !isArray {
		return nil
	}
	if filtered || count >= len(array) {
		count = len(array)
		array = append(array, nil)
		object[name] = array
	}
	keep := func(entry any) {
		if entries, ok := object[name].([]any); ok {
			entries[count] = entry
		}
	}
	return &scope{root: s.root, entry: array[count], index: count, keep: keep}
}

// scalar gives the text of a string, a whole number or a truth value.
func scalar(node any) (string, bool) {
	switch v := node.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func sameScalar(a, b any) bool {
	_, isScalar := scalar(a)
	return isScalar && a == b
}

// scratch is an empty tree with the position of s, to try a rule in.
func (s *scope) scratch() *scope {
	return &scope{root: map[string]any{}, index: s.index, keep: func(any) {}}
}

// condition is one line of when or where.
type condition struct {
	at     *pointer
	is     []string
	absent bool
}

func (c *condition) holds(s *scope) bool {
	node, ok := c.at.find(s)
	switch {
	case c.absent:
		return !ok
	case !ok || c.is == nil:
		return ok
	}
	text, ok := scalar(node)
	return ok && slices.Contains(c.is, text)
}

func allHold(conditions []condition, s *scope) bool {
	for i := range conditions {
		if !conditions[i].holds(s) {
			return false
		}
	}
	return true
}
