package xsd

import (
	"encoding/xml"
	"slices"
)

// Model is what a schema set demands, as elements with their children. Types that contain themselves make it cyclic:
// who walks it keeps a path, or stops at a depth.
type Model struct {
	roots []*Element
}

// Element is one place where an element may stand: a global element, or a particle of the type of its parent.
type Element struct {
	Name      string // "" for a wildcard
	Namespace string
	Min, Max  int // in its parent, through the groups around it; Max -1 is unbounded
	Choice    bool
	Wildcard  bool
	// Children are in document order, groups flattened.
	Children   []*Element
	Attributes []Attribute
	Type       string // local name of its type, "" when that is anonymous
	Simple     bool   // its content is text, which Facets limit
	Facets     Facets
	Fixed      string // the only text it may have, "" if free
	Doc        string
	// Documented are the texts of the elements that Doc is made of, by local name, the first of each: some schemas keep an
	// element's identifier there.
	Documented map[string]string

	abstract bool
	content  *content
}

// Attribute is an attribute an element may have.
type Attribute struct {
	Name, Namespace string
	Required        bool
	Type            string // local name of its type, "" when that is anonymous
	Fixed           string // the only value it may have, "" if free
	Facets          Facets
}

// Facets are the limits of a text, through all derivations of its type. Nil and "" mean no limit.
type Facets struct {
	Enumeration    []string
	Patterns       []string // all must match
	Length         *int
	MinLength      *int
	MaxLength      *int
	TotalDigits    *int
	FractionDigits *int
	MinInclusive   string
	MaxInclusive   string
	MinExclusive   string
	MaxExclusive   string
	WhiteSpace     string // preserve, replace or collapse
	Base           string // XML Schema's own type at the root of the derivation; "list" or "union"
}

// Roots are the global elements, in the order of the files: a document may begin with any of them.
func (m *Model) Roots() []*Element { return m.roots }

// Find follows local names from a root. A name that only a wildcard allows is looked for among the global elements. It
// answers nil for what the schema does not know.
func (m *Model) Find(path ...string) *Element {
	return m.follow(len(path), func(e *Element, i int) bool { return e.Name == path[i] })
}

func (m *Model) find(path []xml.Name) *Element {
	return m.follow(len(path), func(e *Element, i int) bool { return e.Name == path[i].Local && e.Namespace == path[i].Space })
}

func (m *Model) follow(steps int, is func(e *Element, step int) bool) *Element {
	among := m.roots
	var found *Element
	for step := range steps {
		fits := func(e *Element) bool { return !e.Wildcard && is(e, step) }
		at := slices.IndexFunc(among, fits)
		if at < 0 && slices.ContainsFunc(among, func(e *Element) bool { return e.Wildcard }) {
			among = m.roots
			at = slices.IndexFunc(among, fits)
		}
		if at < 0 {
			return nil
		}
		found = among[at]
		among = found.Children
	}
	return found
}

// Sequence tells whether e's children stand in the order of Children, as far as
// they are there.
func (e *Element) Sequence() bool {
	return e.content != nil && e.content.particle != nil && e.content.particle.ordered()
}

// Required are the child elements that must be present whenever e is: not those of a choice, and no wildcard.
func (e *Element) Required() []*Element {
	var required []*Element
	for _, child := range e.Children {
		if child.Min > 0 && !child.Choice && !child.Wildcard {
			required = append(required, child)
		}
	}
	return required
}

// expected lists what may stand in e behind the children before, and tells whether next is among it. Nil, false when e's
// content model cannot have led there.
func (e *Element) expected(before []xml.Name, next xml.Name) (expected []*Element, fits bool) {
	rest := e.content.particle
	for _, name := range before {
		if rest = rest.after(name); rest == nil {
			return nil, false
		}
	}
	return rest.first(), rest.after(next) != nil
}

// attribute answers the zero Attribute for one the schema does not know.
func (e *Element) attribute(name string) Attribute {
	at := slices.IndexFunc(e.Attributes, func(a Attribute) bool { return a.Name == name })
	if at < 0 {
		return Attribute{}
	}
	return e.Attributes[at]
}
