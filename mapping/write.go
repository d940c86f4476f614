package mapping

import (
	"slices"
	"strconv"
	"time"
)

// outcome tells what a rule did. Only carried and failed keep the group around
// it: constants alone are no reason for an element.
type outcome uint8

const (
	absent  outcome = iota
	fixed           // a constant, a default, a position or the gateway's value
	carried         // something of the tree
	failed          // something of the tree that cannot be written
)

type writer struct {
	day      string         // code lists are looked up for this day
	zone     *time.Location // the agency's; nil if values named one that is not known
	problems []found
}

// found is a problem whose path and line are known once the document is complete.
type found struct {
	Problem
	node      *node
	attribute string
}

// Write turns a tree into XML. values are what the gateway supplies:
// acceptedAt (RFC 3339), declarationId, deliveryId, functionCode, reference, and
// zone, the agency's time zone as an IANA name. All problems are told at once;
// the document is returned with them, so that it can be shown and validated
// further, but it is not the user's declaration and must not be sent.
func (m *Mapping) Write(tree map[string]any, values map[string]string) (*Document, []Problem) {
	w := &writer{zone: m.zoneOf(values["zone"])}
	if accepted, err := time.Parse(time.RFC3339, values["acceptedAt"]); err == nil {
		w.day = accepted.In(orUTC(w.zone)).Format(time.DateOnly)
	}
	s := &scope{root: tree, index: -1, values: values}
	root := newNode(nil, m.root)
	for _, space := range m.spaces {
		key := "xmlns"
		if space.prefix != "" {
			key = "xmlns:" + space.prefix
		}
		root.attribute(key, space.uri)
	}
	w.attributes(root, s)
	w.group(root, s)
	return w.finish(root)
}

func (w *writer) problem(n *node, attribute string, from source, p *Problem) {
	p.Pointer = from.locate()
	w.problems = append(w.problems, found{*p, n, attribute})
}

// rule writes what one rule asks for below parent.
func (w *writer) rule(parent *node, r *Rule, s *scope) outcome {
	if !allHold(r.when, s) {
		return absent
	}
	if r.each == nil {
		return w.element(parent, r, s)
	}
	value, ok := r.each.find(s)
	if !ok {
		return absent
	}
	array, isArray := value.([]any)
	if !isArray {
		w.problem(newNode(parent, r), "", source{r.each, s}, problem("map.value", "array"))
		return failed
	}
	result, count := absent, 0
	for i, entry := range array {
		inner := s.inner(r.each, entry, i)
		if !allHold(r.where, inner) {
			continue
		}
		if count++; r.max > 0 && count > r.max {
			p := problem("map.value", "max")
			p.Detail["max"] = strconv.Itoa(r.max)
			w.problem(newNode(parent, r), "", source{nil, inner}, p)
			return failed
		}
		result = max(result, w.element(parent, r, inner))
		if r.first {
			break
		}
	}
	return result
}

// element writes one element, or leaves no trace of it.
func (w *writer) element(parent *node, r *Rule, s *scope) outcome {
	if r.isGroup {
		return w.groupElement(parent, r, s)
	}
	v, bad := w.value(r, s)
	if bad != nil {
		w.problem(newNode(parent, r), "", v.source, bad)
	}
	if v.outcome == absent || v.outcome == failed {
		return v.outcome
	}
	n := newNode(parent, r)
	n.source, n.text.Data = v.source, v.text
	if v.code != "" {
		n.attribute(r.date.attribute, v.code)
	}
	parent.children = append(parent.children, n)
	return max(v.outcome, w.attributes(n, s))
}

func (w *writer) groupElement(parent *node, r *Rule, s *scope) outcome {
	n := newNode(parent, r)
	mark := len(w.problems)
	result := absent
	switch {
	case r.each != nil:
		n.source, result = source{nil, s}, carried
	case len(r.from) > 0:
		n.source = source{r.from[0], s}
		if _, ok := r.from[0].find(s); ok {
			result = carried
		}
	}
	result = max(result, w.attributes(n, s), w.group(n, s))
	if result < carried && !r.always {
		w.problems = w.problems[:mark] // only of elements missing in what is not written
		return absent
	}
	parent.children = append(parent.children, n)
	return result
}

func (w *writer) attributes(n *node, s *scope) outcome {
	result := absent
	for _, a := range n.rule.attributes {
		var v written
		var bad *Problem
		if allHold(a.when, s) {
			v, bad = w.value(a, s)
		}
		if v.outcome == absent && a.required {
			v.source, bad = a.missing(n, s), problem("map.missing", "")
		}
		if bad != nil {
			w.problem(n, a.name.local, v.source, bad)
		}
		if v.outcome == fixed || v.outcome == carried {
			n.attribute(a.name.tag, v.text)
			n.attributes = append(n.attributes, attribute{a, v.source})
		}
		result = max(result, v.outcome)
	}
	return result
}

func (w *writer) group(n *node, s *scope) outcome {
	rules := n.rule.group
	done := make([]outcome, len(rules))
	result := absent
	for i, r := range rules {
		done[i] = w.rule(n, r, s)
		result = max(result, done[i])
	}
	for i, r := range rules {
		if !r.required || done[i] != absent {
			continue
		}
		twins := n.rule.byName[r.name.key()] // they share the duty, and one tells
		if twins[0] == i && !slices.ContainsFunc(twins, func(k int) bool { return done[k] != absent }) {
			asked := n.rule.asked(twins, s)
			w.problem(newNode(n, asked), "", asked.missing(n, s), problem("map.missing", ""))
		}
	}
	return result
}

// asked is the one of several rules of one name that would have been written,
// had there been something to write: the first whose conditions hold.
func (r *Rule) asked(twins []int, s *scope) *Rule {
	for _, k := range twins {
		if allHold(r.group[k].when, s) {
			return r.group[k]
		}
	}
	return r.group[twins[0]]
}

// missing is where in the tree one would supply what the rule did not find.
func (r *Rule) missing(parent *node, s *scope) source {
	if r.hint != nil {
		return source{r.hint, s}
	}
	return parent.enclosing()
}

type written struct {
	outcome
	text   string
	source source
	code   string // which layout a date was written in
}

// value finds and converts the value of an element or attribute. What is bad
// about it stands at its source.
func (w *writer) value(r *Rule, s *scope) (v written, bad *Problem) {
	if r.constant != nil {
		return written{outcome: fixed, text: *r.constant}, nil
	}
	convertible, v, bad := w.source(r, s)
	if v.outcome == absent {
		return v, nil
	}
	if bad == nil && convertible {
		bad = w.convert(r, s, &v)
	}
	if bad == nil && !validText(v.text) {
		bad = problem("map.value", "characters")
	}
	if bad != nil {
		v.outcome = failed
	}
	return v, bad
}

// source finds the raw text. A default is the agency's text already, and parts
// that were joined are no longer a code, so neither is convertible.
func (w *writer) source(r *Rule, s *scope) (convertible bool, v written, bad *Problem) {
	if r.join != nil {
		v, bad = joined(r, s)
		return false, v, bad
	}
	for i, p := range r.from {
		node, ok := p.find(s)
		if i == 0 || ok {
			v.source = source{p, s}
		}
		if !ok {
			continue
		}
		if v.text, ok = scalar(node); !ok {
			bad = problem("map.value", "scalar")
		}
		if v.outcome = carried; !p.inTree() {
			v.outcome = fixed
		}
		return true, v, bad
	}
	if r.otherwise != nil {
		v.outcome, v.text = fixed, *r.otherwise
	}
	return false, v, nil
}

// joined puts the parts together that are there; an array counts as its entries.
func joined(r *Rule, s *scope) (v written, bad *Problem) {
	for _, p := range r.join {
		node, ok := p.find(s)
		if !ok {
			continue
		}
		parts, isArray := node.([]any)
		if !isArray {
			parts = []any{node}
		}
		for _, part := range parts {
			text, ok := scalar(part)
			if !ok {
				return written{outcome: carried, source: source{p, s}}, problem("map.value", "scalar")
			}
			if v.outcome == absent {
				v = written{outcome: fixed, source: source{p, s}}
			} else {
				text = r.with + text
			}
			if v.text += text; p.inTree() {
				v.outcome = carried
			}
		}
	}
	return v, nil
}

// convert applies code, date or decimal.
func (w *writer) convert(r *Rule, s *scope, v *written) (bad *Problem) {
	switch {
	case r.list != nil:
		theirs, ok := r.list.Theirs(v.text, w.day)
		if !ok {
			bad = problem("map.code", "")
			bad.List = r.list.Name
		}
		v.text = theirs
	case r.date != nil:
		v.text, v.code, bad = r.date.write(v.text, w.zone)
	case r.decimal != nil:
		unit := ""
		if r.decimal.unit != nil {
			node, _ := r.decimal.unit.find(s)
			unit, _ = scalar(node)
			if v.text, bad = r.decimal.write(v.text, unit); bad != nil && bad.Code == "map.code" {
				v.source = source{r.decimal.unit, s} // the unit is what has no entry
			}
			return bad
		}
		v.text, bad = r.decimal.write(v.text, unit)
	}
	return bad
}
