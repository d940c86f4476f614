package xsd

/*
#include <stdlib.h>
#include "engine.h"
*/
import "C"

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

// Violation is one fault of a document against its schema. It names places and limits, never a value of the document.
type Violation struct {
	Code      string // xsd. and enumeration pattern length minLength maxLength digits range type value missing unexpected attribute root nil typeName abstract key internal
	Libxml    int    // libxml2's number (XML_SCHEMAV_…)
	Path      string // /m:Order/Lines/Line[2]/Net with the prefixes of the document, an attribute as …/@unit
	Steps     []int  // 0-based positions among element siblings from the root element, which is []
	Attribute string // local name, when the fault is at an attribute
	Line      int    // 1-based
	Facet     string // what was not kept, by XML Schema's name; or expected, required, unexpected, content, fixed, nillable, nil, xsi:type, abstract, key
	Limit     string // from the schema: the facet's value, at most 12 allowed values or expected elements

	total int // of the document, the same in each
}

// Violations are those of one document, in its order: the first of them, when there are too many to list.
type Violations []Violation

// Total is how many violations the document has, listed or not.
func (v Violations) Total() int {
	if len(v) == 0 {
		return 0
	}
	return v[0].total
}

// Rest says in "zh" or, for anything else, in English how many violations are not listed; "" when all are.
func (v Violations) Rest(lang string) string {
	rest := v.Total() - len(v)
	if rest <= 0 {
		return ""
	}
	return fmt.Sprintf(restText.in(lang), rest)
}

// describer turns libxml2's violations of one document, in their order, into ours.
type describer struct {
	model    *Model
	missing  map[C.xmlNodePtr]int     // how many missing attributes an element has been told
	families map[C.xmlNodePtr]*family // by parent
}

// family are the element children of one node. It is made once for all violations below it: a walk over the siblings for
// each of many violations would cost quadratic time.
type family struct {
	names    []xml.Name
	ordinals []int // 1-based among the children of the same name
	at       map[C.xmlNodePtr]int
	count    map[xml.Name]int
}

func (d describer) family(parent C.xmlNodePtr) *family {
	if known := d.families[parent]; known != nil {
		return known
	}
	f := &family{at: map[C.xmlNodePtr]int{}, count: map[xml.Name]int{}}
	for child := parent.children; child != nil; child = child.next {
		if child._type != C.XML_ELEMENT_NODE {
			continue
		}
		name := xml.Name{Local: charsOf(child.name)}
		if child.ns != nil {
			name.Space = charsOf(child.ns.href)
		}
		f.count[name]++
		f.at[child] = len(f.names)
		f.names = append(f.names, name)
		f.ordinals = append(f.ordinals, f.count[name])
	}
	d.families[parent] = f
	return f
}

func charsOf(t *C.xmlChar) string { return C.GoString((*C.char)(unsafe.Pointer(t))) }

// written is a name as the document writes it.
func written(ns *C.xmlNs, local string) string {
	if ns == nil || ns.prefix == nil {
		return local
	}
	return charsOf(ns.prefix) + ":" + local
}

func (d describer) violation(raw C.engine_violation) Violation {
	v := Violation{Code: "xsd.internal", Libxml: int(raw.code), Line: int(raw.line), Steps: []int{}, Path: "/"}
	if kind, ok := kinds[raw.code]; ok {
		v.Code, v.Facet = kind.code, kind.facet
	}
	var names []xml.Name
	if raw.node != nil {
		names = d.locate(&v, raw.node)
	}
	if v.Attribute != "" && v.Code == "xsd.unexpected" {
		v.Code, v.Facet = "xsd.attribute", "unexpected"
	}
	element := d.model.find(names)
	switch v.Facet {
	case "expected":
		d.expect(&v, raw.node, names, element)
	case "required":
		d.require(&v, raw.node, element)
	case "content":
		v.Limit = allowedContent(element)
	default:
		v.limit(element)
	}
	return v
}

// locate fills Path, Steps and Attribute and answers the names from the root to the element.
func (d describer) locate(v *Violation, at C.xmlNodePtr) []xml.Name {
	var line []C.xmlNodePtr
	for e := C.engine_element_of(at); e != nil && e._type == C.XML_ELEMENT_NODE; e = e.parent {
		line = append(line, e)
	}
	slices.Reverse(line)
	var path strings.Builder
	names := make([]xml.Name, 0, len(line))
	for i, e := range line {
		siblings := d.family(e.parent)
		position := siblings.at[e]
		name := siblings.names[position]
		names = append(names, name)
		path.WriteString("/" + written(e.ns, name.Local))
		if siblings.count[name] > 1 {
			fmt.Fprintf(&path, "[%d]", siblings.ordinals[position])
		}
		if i > 0 {
			v.Steps = append(v.Steps, position)
		}
	}
	v.Path = path.String()
	if at._type == C.XML_ATTRIBUTE_NODE {
		v.Attribute = charsOf(at.name)
		v.Path += "/@" + written((*C.xmlAttr)(unsafe.Pointer(at)).ns, v.Attribute)
	}
	return names
}

// mostBefore bounds the work of retracing a content model.
const mostBefore = 10_000

// expect is about an element that stands where another must, or ends too early. libxml2 gives both the same number: the
// content model of the parent tells them apart.
func (d describer) expect(v *Violation, at C.xmlNodePtr, names []xml.Name, element *Element) {
	switch {
	case v.Code == "xsd.root" && len(names) > 1:
		v.Code, v.Facet = "xsd.unexpected", ""
		return
	case v.Code == "xsd.root":
		v.Limit = namesOf(d.model.roots)
		return
	case at == nil:
		return
	}
	misplaced, expected := false, []*Element(nil)
	if siblings := d.family(at.parent); len(names) > 1 && siblings.at[at] <= mostBefore {
		if parent := d.model.find(names[:len(names)-1]); parent != nil {
			var fits bool
			expected, fits = parent.expected(siblings.names[:siblings.at[at]], names[len(names)-1])
			misplaced = !fits
		}
	}
	if children := d.family(at).names; !misplaced && element != nil && len(children) <= mostBefore {
		v.Code = "xsd.missing"
		expected, _ = element.expected(children, xml.Name{})
	}
	v.Limit = namesOf(expected)
}

func namesOf(elements []*Element) string {
	var names []string
	for _, e := range elements {
		if e.Name != "" && !e.abstract && !slices.Contains(names, e.Name) {
			names = append(names, e.Name)
		}
	}
	return listed(names)
}

// require names the missing attribute: libxml2 reports them one by one, in the order the schema declares them.
func (d describer) require(v *Violation, at C.xmlNodePtr, element *Element) {
	if element == nil {
		return
	}
	var missing []string
	for _, a := range element.Attributes {
		if a.Required && !hasAttribute(at, a) {
			missing = append(missing, a.Name)
		}
	}
	if told := d.missing[at]; told < len(missing) {
		v.Attribute, v.Limit = missing[told], missing[told]
		v.Path += "/@" + v.Attribute
	}
	d.missing[at]++
}

func hasAttribute(at C.xmlNodePtr, a Attribute) bool {
	name, namespace := C.CString(a.Name), C.CString(a.Namespace)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(namespace))
	return C.engine_has_attribute(at, name, namespace) != 0
}

func allowedContent(element *Element) string {
	switch {
	case element == nil:
		return ""
	case element.Simple:
		return "text"
	case len(element.Children) > 0:
		return "elements"
	}
	return "empty"
}

func (v *Violation) limit(element *Element) {
	if element == nil {
		return
	}
	facets, fixed := element.Facets, element.Fixed
	if v.Attribute != "" {
		attribute := element.attribute(v.Attribute)
		facets, fixed = attribute.Facets, attribute.Fixed
	}
	v.Limit = facets.text(v.Facet)
	if v.Facet == "fixed" {
		v.Limit = fixed
	}
}
