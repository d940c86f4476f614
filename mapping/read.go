package mapping

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
)

type reader struct {
	zone     *time.Location // nil: not known
	problems []Problem
	later    []func() // checks of conditions, which need the whole tree
	trial    bool
}

// Read turns a message back into a tree. It expects XML that its schema has
// accepted: etree takes a document with faults for a good one. Everything the
// mapping does not carry is a problem that names the XML path; comments,
// processing instructions, namespace declarations and xsi:schemaLocation are
// not data.
func (m *Mapping) Read(xml []byte) (map[string]any, []Problem) {
	r := &reader{zone: m.zone}
	s := &scope{root: map[string]any{}, index: -1}
	root := parse(xml)
	if root == nil || elementName(root) != m.root.name.key() {
		bad := problem("map.value", "xml")
		bad.Path = m.root.Path
		return s.root, []Problem{*bad}
	}
	r.element(root, m.root.Path, m.root, s)
	for _, check := range r.later {
		check()
	}
	return s.root, r.problems
}

// parse gives the root element, nil when the document is not one element.
func parse(xml []byte) *etree.Element {
	doc := etree.NewDocument()
	if doc.ReadFromBytes(bytes.TrimPrefix(xml, []byte("\ufeff"))) != nil || len(doc.ChildElements()) != 1 || !blank(&doc.Element) {
		return nil
	}
	return doc.Root()
}

func blank(e *etree.Element) bool {
	return !slices.ContainsFunc(e.Child, func(t etree.Token) bool {
		text, isText := t.(*etree.CharData)
		return isText && !text.IsWhitespace()
	})
}

func elementName(e *etree.Element) name {
	return name{space: spaceOf(e.Space, e.NamespaceURI()), local: e.Tag}
}

func spaceOf(prefix, uri string) string {
	switch {
	case prefix == "xml":
		return xmlSpace
	case prefix != "" && uri == "":
		return prefix + ":" // undeclared: matches no rule
	}
	return uri
}

func (r *reader) problem(path string, bad *Problem) {
	bad.Path = path
	r.problems = append(r.problems, *bad)
}

// element reads e by a rule; carried tells whether it put something into the tree.
func (r *reader) element(e *etree.Element, path string, rule *Rule, s *scope) (carried bool) {
	carried, code := r.attributes(e, path, rule, s)
	if !rule.isGroup {
		for _, child := range e.ChildElements() {
			r.problem(path+"/"+child.Tag, problem("map.unmapped", ""))
		}
		return r.value(rule, allText(e), code, path, s) || carried
	}
	if !blank(e) {
		r.problem(path, problem("map.unmapped", "text"))
	}
	if len(rule.from) > 0 {
		if rule.from[0].object(s, rule.from[0].steps) == nil {
			r.problem(path, problem("map.unmapped", "conflict"))
		}
		carried = true
	}
	return r.children(e, path, rule, s) || carried
}

func allText(e *etree.Element) string {
	text := ""
	for _, t := range e.Child {
		if data, ok := t.(*etree.CharData); ok {
			text += data.Data
		}
	}
	return text
}

const schemaInstance = "http://www.w3.org/2001/XMLSchema-instance"

// attributes also returns the attribute that tells a date's layout.
func (r *reader) attributes(e *etree.Element, path string, rule *Rule, s *scope) (carried bool, code string) {
	seen := make([]bool, len(rule.attributes))
	for i := range e.Attr {
		a := &e.Attr[i]
		if a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns" {
			continue
		}
		n := name{space: spaceOf(a.Space, a.NamespaceURI()), local: a.Key}
		at := path + "/@" + a.Key
		k := slices.IndexFunc(rule.attributes, func(known *Rule) bool { return known.name.key() == n })
		switch {
		case k >= 0:
			seen[k] = true
			carried = r.value(rule.attributes[k], a.Value, "", at, s) || carried
			r.expect(rule.attributes[k], at, s, true)
		case rule.date != nil && rule.date.attribute == a.Key && n.space == "":
			code = a.Value
		case n.space == schemaInstance && (a.Key == "schemaLocation" || a.Key == "noNamespaceSchemaLocation"):
		default:
			r.problem(at, problem("map.unmapped", ""))
		}
	}
	for k, known := range rule.attributes {
		if !seen[k] {
			r.expect(known, path+"/@"+known.name.local, s, false)
		}
	}
	return carried, code
}

// children gives each child element to a rule of its name.
func (r *reader) children(e *etree.Element, path string, rule *Rule, s *scope) (carried bool) {
	counts := make([]int, len(rule.group))
	names := map[name]int{}
	for child := range e.ChildElementsSeq() {
		names[elementName(child)]++
	}
	seen := map[name]int{}
	for child := range e.ChildElementsSeq() {
		key, at := elementName(child), path+"/"+child.Tag
		if seen[key]++; names[key] > 1 {
			at += "[" + strconv.Itoa(seen[key]) + "]"
		}
		candidates := rule.byName[key]
		k := r.choose(child, rule, candidates, counts, s)
		switch {
		case k >= 0:
			carried = r.take(child, at, rule.group[k], s, counts[k]) || carried
			counts[k]++
		case len(candidates) > 0:
			r.problem(at, problem("map.unmapped", "repeated"))
		default:
			r.problem(at, problem("map.unmapped", ""))
		}
	}
	for k, known := range rule.group {
		if counts[k] == 0 {
			r.expect(known, path+"/"+known.name.local, s, false)
		}
	}
	return carried
}

// choose takes the first rule that still has room and reads the element without
// a problem, or else the first that has room; -1: none has.
func (r *reader) choose(e *etree.Element, rule *Rule, candidates, counts []int, s *scope) int {
	open := make([]int, 0, 4)
	for _, k := range candidates {
		if rule.group[k].room(counts[k]) {
			open = append(open, k)
		}
	}
	if len(open) == 0 {
		return -1
	}
	if len(open) > 1 {
		for _, k := range open {
			trial := &reader{zone: r.zone, trial: true}
			trial.take(e, "", rule.group[k], s.scratch(), counts[k])
			if trial.problems == nil {
				return k
			}
		}
	}
	return open[0]
}

// take reads e by a rule chosen for it.
func (r *reader) take(e *etree.Element, path string, rule *Rule, s *scope, count int) (carried bool) {
	r.expect(rule, path, s, true)
	if rule.each == nil {
		carried = r.element(e, path, rule, s)
		if rule.isGroup && !carried && !rule.always {
			r.problem(path, problem("map.unmapped", "empty"))
		}
		return carried
	}
	inner := rule.each.open(s, count, rule.where != nil)
	if inner == nil {
		r.problem(path, problem("map.unmapped", "conflict"))
		return true
	}
	if r.trial {
		inner.index = count // its array is empty, whatever stands in the real one
	}
	r.element(e, path, rule, inner)
	for i := range rule.where {
		where := &rule.where[i]
		if _, ok := where.at.find(inner); !ok && len(where.is) == 1 && where.at.inTree() {
			where.at.put(inner, where.is[0]) // what the filter asks for is known without the message
		}
	}
	if inner.entry == nil {
		inner.object()
	}
	if !allHold(rule.where, inner) {
		r.problem(path, problem("map.unmapped", "condition"))
	}
	return true
}

// expect checks, once the tree is complete, that Write would write the node
// that stands here, or would not write the one that does not.
func (r *reader) expect(rule *Rule, path string, s *scope, stands bool) {
	if r.trial && rule.when != nil || !stands && !rule.filled() || stands && rule.when == nil {
		return
	}
	if slices.ContainsFunc(rule.when, func(c condition) bool { return c.at.supplied != "" }) {
		return // the gateway's values are not known here
	}
	check := func() {
		switch holds := allHold(rule.when, s); {
		case stands && !holds:
			r.problem(path, problem("map.unmapped", "condition"))
		case !stands && holds:
			r.problem(path, problem("map.missing", "unwritten"))
		}
	}
	if rule.when == nil {
		check()
		return
	}
	r.later = append(r.later, check)
}

// value reads a text by a rule and puts it into the tree.
func (r *reader) value(rule *Rule, text, code, path string, s *scope) (carried bool) {
	switch {
	case !rule.collapse && rule.plain():
	case strings.ContainsAny(text, "\t\r\n"):
		text = strings.Join(strings.Fields(text), " ")
	default:
		text = strings.TrimSpace(text) // insignificant in every type such a rule is for
	}
	switch {
	case rule.constant != nil:
		if text != *rule.constant {
			bad := problem("map.value", "const")
			bad.Detail["const"] = *rule.constant
			r.problem(path, bad)
		}
		return false
	case rule.join != nil:
		r.problem(path, problem("map.unmapped", "join"))
		return true
	case rule.from[0].position && text != strconv.Itoa(s.index+1):
		r.problem(path, problem("map.value", "position"))
	}
	target := rule.target()
	if target == nil {
		return false
	}
	value, bad := r.convert(rule, text, code, s)
	if bad != nil {
		r.problem(path, bad)
		return true
	}
	if value != nil && !target.put(s, value) {
		r.problem(path, problem("map.unmapped", "conflict"))
	}
	return true
}

// convert is the way back of code, date, decimal and as. A nil value: the text
// is the default and no value of ours.
func (r *reader) convert(rule *Rule, text, code string, s *scope) (any, *Problem) {
	switch {
	case rule.list != nil:
		ours, ok := rule.list.Ours(text)
		if !ok && rule.otherwise != nil && text == *rule.otherwise {
			return nil, nil
		}
		if !ok {
			bad := problem("map.code", "")
			bad.List = rule.list.Name
			return nil, bad
		}
		return typed(rule.as, ours)
	case rule.date != nil:
		value, bad := rule.date.read(text, code, r.zone)
		return value, bad
	case rule.decimal != nil:
		if bad := rule.decimal.check(text); bad != nil {
			return nil, bad
		}
		if unit := rule.decimal.unit; unit != nil && unit.inTree() && !unit.put(s, rule.decimal.to) {
			return nil, problem("map.unmapped", "conflict")
		}
		return text, nil
	}
	return typed(rule.as, text)
}

var shortInteger = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,18})$`)

func typed(as, text string) (any, *Problem) {
	switch {
	case as == "integer" && shortInteger.MatchString(text):
		return json.Number(text), nil
	case as == "boolean" && (text == "true" || text == "false"):
		return text == "true", nil
	case as != "":
		return nil, problem("map.value", as)
	}
	return strings.Clone(text), nil
}
