package mapping

import (
	"sync"
	"time"
)

// Mapping is a compiled mapping file. It is made ready by Require and In, and
// may then be used by several goroutines at once.
type Mapping struct {
	kind   string
	root   *Rule
	rules  []*Rule
	spaces []namespace // what the root element declares
	zone   *time.Location
	zones  sync.Map // name to *time.Location: loading one reads a file
}

type namespace struct{ prefix, uri string }

// name is an element's or attribute's name as the file writes it, with its namespace.
type name struct{ tag, space, local string }

// Rule is one element or attribute of a mapping file.
type Rule struct {
	Path         string   // local names: /DecMessage/DecHead/IEFlag, an attribute …/@unitCode
	From         string   // first source, the enclosing each spelled out: /items/*/commodity/id; "#", "$reference"; "" if none
	Sources      []string // every pointer into the tree that the rule reads, conditions and units too, spelled out likewise
	Line, Column int
	Verbs        []string // its keys, in the order of the file

	name       name
	attributes []*Rule
	group      []*Rule
	isGroup    bool
	always     bool
	required   bool
	collapse   bool // white space around and within the value says nothing

	each  *pointer
	where []condition
	first bool
	max   int
	when  []condition

	from      []*pointer
	join      []*pointer
	with      string
	constant  *string
	otherwise *string // default
	list      *List
	date      *dateVerb
	decimal   *decimalVerb
	as        string // "", "integer", "boolean"

	parent *Rule
	hint   *pointer // first source of the rule or of what it encloses
	byName map[name][]int
	oneWay string // why Read cannot give back what Write took
}

// Kind is the declaration kind the mapping is for.
func (m *Mapping) Kind() string { return m.kind }

// Root is the local name of the root element.
func (m *Mapping) Root() string { return m.root.name.local }

// Rules lists all rules in document order, the root's first, each element's attributes before its children.
func (m *Mapping) Rules() []*Rule { return m.rules }

// Require marks the element at a path of local names, or the attribute at one
// that ends in /@name, as one that its schema demands wherever its parent
// stands: Write then reports it as map.missing when nothing filled it. A path
// without a rule is ignored: there is nothing to report about it while writing.
func (m *Mapping) Require(path string) {
	for _, r := range m.rules {
		if r.Path == path {
			r.required = true
		}
	}
}

// Collapse marks the element or attribute at a path as one whose type, by its
// schema, makes nothing of white space: Read then drops what is around the
// value, and makes a line's end within it a space.
func (m *Mapping) Collapse(path string) {
	for _, r := range m.rules {
		if r.Path == path {
			r.collapse = true
		}
	}
}

// In sets the agency's time zone: Read needs it for times without an offset,
// and Write takes it when values has no "zone".
func (m *Mapping) In(zone *time.Location) { m.zone = zone }

// zoneOf gives the zone Write uses: the named one, nil if there is none of that name.
func (m *Mapping) zoneOf(name string) *time.Location {
	if name == "" {
		return orUTC(m.zone)
	}
	if known, ok := m.zones.Load(name); ok {
		zone, _ := known.(*time.Location) // nothing else is stored
		return zone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	m.zones.Store(name, zone)
	return zone
}

// Reversible tells whether Read gives back what Write took, and if not, why.
func (r *Rule) Reversible() (ok bool, why string) { return r.oneWay == "", r.oneWay }

// key drops the prefix: what a name is matched by.
func (n name) key() name { return name{space: n.space, local: n.local} }

// room tells whether the rule can make one more element beside count others.
func (r *Rule) room(count int) bool {
	switch {
	case count == 0:
		return true
	case r.each == nil || r.first:
		return false
	}
	return r.max == 0 || count < r.max
}

// filled tells whether Write writes the rule wherever its parent stands and its
// conditions hold, so that Read may expect it.
func (r *Rule) filled() bool {
	if r.each != nil {
		return false
	}
	return r.constant != nil || r.otherwise != nil || r.always || len(r.from) > 0 && r.from[0].position
}

// target is the pointer Read stores into; nil when the rule holds nothing of the tree.
func (r *Rule) target() *pointer {
	for _, p := range r.from {
		if p.inTree() {
			return p
		}
	}
	return nil
}

// plain tells whether the value goes over as it is, white space and all.
func (r *Rule) plain() bool {
	return r.constant == nil && r.list == nil && r.date == nil && r.decimal == nil && r.as == "" && (len(r.from) == 0 || !r.from[0].position)
}
