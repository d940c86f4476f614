package xsd

/*
#include <stdlib.h>
#include <libxml/xmlerror.h>
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
	Code      string // xsd.enumeration xsd.pattern xsd.length xsd.minLength xsd.maxLength xsd.digits xsd.range xsd.type xsd.missing xsd.unexpected xsd.attribute xsd.root xsd.value
	Libxml    int    // libxml2's number (XML_SCHEMAV_…)
	Path      string // /Order/Lines/Line[2]/Net, an attribute as …/@unit
	Steps     []int  // 0-based positions among element siblings from the root element, which is []
	Attribute string // local name, when the fault is at an attribute
	Line      int    // 1-based
	Facet     string // what was not kept, by XML Schema's name; or expected, required, unexpected, content, fixed
	Limit     string // from the schema: the facet's value, at most 12 allowed values or expected elements
	Total     int    // how many violations the document has, the same in each: more than were returned when over 200
}

// kinds tells what each of libxml2's numbers means: our code, and the facet it is about.
var kinds = map[C.int]struct{ code, facet string }{
	C.XML_SCHEMAV_CVC_DATATYPE_VALID_1_2_1: {"xsd.type", "type"},
	C.XML_SCHEMAV_CVC_DATATYPE_VALID_1_2_2: {"xsd.type", "type"},
	C.XML_SCHEMAV_CVC_DATATYPE_VALID_1_2_3: {"xsd.type", "type"},
	C.XML_SCHEMAV_CVC_LENGTH_VALID:         {"xsd.length", "length"},
	C.XML_SCHEMAV_CVC_MINLENGTH_VALID:      {"xsd.minLength", "minLength"},
	C.XML_SCHEMAV_CVC_MAXLENGTH_VALID:      {"xsd.maxLength", "maxLength"},
	C.XML_SCHEMAV_CVC_MININCLUSIVE_VALID:   {"xsd.range", "minInclusive"},
	C.XML_SCHEMAV_CVC_MAXINCLUSIVE_VALID:   {"xsd.range", "maxInclusive"},
	C.XML_SCHEMAV_CVC_MINEXCLUSIVE_VALID:   {"xsd.range", "minExclusive"},
	C.XML_SCHEMAV_CVC_MAXEXCLUSIVE_VALID:   {"xsd.range", "maxExclusive"},
	C.XML_SCHEMAV_CVC_TOTALDIGITS_VALID:    {"xsd.digits", "totalDigits"},
	C.XML_SCHEMAV_CVC_FRACTIONDIGITS_VALID: {"xsd.digits", "fractionDigits"},
	C.XML_SCHEMAV_CVC_PATTERN_VALID:        {"xsd.pattern", "pattern"},
	C.XML_SCHEMAV_CVC_ENUMERATION_VALID:    {"xsd.enumeration", "enumeration"},
	C.XML_SCHEMAV_CVC_TYPE_3_1_1:           {"xsd.attribute", "unexpected"},
	C.XML_SCHEMAV_CVC_TYPE_3_1_2:           {"xsd.unexpected", "content"},
	C.XML_SCHEMAV_CVC_COMPLEX_TYPE_2_1:     {"xsd.unexpected", "content"},
	C.XML_SCHEMAV_CVC_COMPLEX_TYPE_2_2:     {"xsd.unexpected", "content"},
	C.XML_SCHEMAV_CVC_COMPLEX_TYPE_2_3:     {"xsd.unexpected", "content"},
	C.XML_SCHEMAV_CVC_COMPLEX_TYPE_3_1:     {"xsd.value", "fixed"},
	C.XML_SCHEMAV_CVC_COMPLEX_TYPE_3_2_1:   {"xsd.attribute", "unexpected"},
	C.XML_SCHEMAV_CVC_COMPLEX_TYPE_3_2_2:   {"xsd.attribute", "unexpected"},
	C.XML_SCHEMAV_CVC_COMPLEX_TYPE_4:       {"xsd.attribute", "required"},
	C.XML_SCHEMAV_CVC_ATTRIBUTE_4:          {"xsd.value", "fixed"},
	C.XML_SCHEMAV_CVC_AU:                   {"xsd.value", "fixed"},
	C.XML_SCHEMAV_CVC_ELT_5_2_2_2_1:        {"xsd.value", "fixed"},
	C.XML_SCHEMAV_CVC_ELT_5_2_2_2_2:        {"xsd.value", "fixed"},
	C.XML_SCHEMAV_CVC_ELT_1:                {"xsd.root", "expected"},
	C.XML_SCHEMAV_DOCUMENT_ELEMENT_MISSING: {"xsd.root", "expected"},
	C.XML_SCHEMAV_CVC_ELT_2:                {"xsd.unexpected", ""},
	C.XML_SCHEMAV_CVC_WILDCARD:             {"xsd.unexpected", ""},
	C.XML_SCHEMAV_ELEMENT_CONTENT:          {"xsd.unexpected", "expected"},
}

// describer turns libxml2's violations of one document, in their order, into ours.
type describer struct {
	model   *Model
	missing map[C.xmlNodePtr]int // how many missing attributes an element has been told
}

func (d describer) violation(raw C.engine_violation) Violation {
	v := Violation{Code: "xsd.value", Libxml: int(raw.code), Line: int(raw.line), Steps: []int{}, Path: "/"}
	if kind, ok := kinds[raw.code]; ok {
		v.Code, v.Facet = kind.code, kind.facet
	}
	var names []xml.Name
	if raw.node != nil {
		names = v.locate(raw.node)
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
func (v *Violation) locate(at C.xmlNodePtr) []xml.Name {
	var frames [MaxDepth + 1]C.engine_frame
	depth := int(C.engine_frames(at, &frames[0], C.int(len(frames))))
	var path strings.Builder
	names := make([]xml.Name, 0, max(depth, 0))
	for i := range depth {
		name := xml.Name{Space: C.GoString(frames[i].namespace), Local: C.GoString(frames[i].name)}
		names = append(names, name)
		path.WriteString("/" + name.Local)
		if frames[i].repeated != 0 {
			fmt.Fprintf(&path, "[%d]", int(frames[i].ordinal))
		}
		if i > 0 {
			v.Steps = append(v.Steps, int(frames[i].position))
		}
	}
	v.Path = path.String()
	if at._type == C.XML_ATTRIBUTE_NODE {
		v.Attribute = C.GoString((*C.char)(unsafe.Pointer(at.name)))
		v.Path += "/@" + v.Attribute
	}
	return names
}

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
	}
	misplaced, expected := false, []*Element(nil)
	if len(names) > 1 {
		if parent := d.model.find(names[:len(names)-1]); parent != nil {
			var fits bool
			expected, fits = parent.expected(elementsBefore(at), names[len(names)-1])
			misplaced = !fits
		}
	}
	if !misplaced && element != nil {
		v.Code = "xsd.missing"
		expected, _ = element.expected(elementsFrom(C.engine_first_child(at), nil), xml.Name{})
	}
	v.Limit = namesOf(expected)
}

func elementsBefore(at C.xmlNodePtr) []xml.Name {
	return elementsFrom(C.engine_first_child(at.parent), at)
}

func elementsFrom(first, end C.xmlNodePtr) []xml.Name {
	var names []xml.Name
	for at := first; at != nil && at != end; at = C.engine_next_sibling(at) {
		name := xml.Name{Local: C.GoString((*C.char)(unsafe.Pointer(at.name)))}
		if at.ns != nil {
			name.Space = C.GoString((*C.char)(unsafe.Pointer(at.ns.href)))
		}
		names = append(names, name)
	}
	return names
}

func namesOf(elements []*Element) string {
	var names []string
	for _, e := range elements {
		if e.Name != "" && !slices.Contains(names, e.Name) {
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

// text is one sentence in English and Chinese; %s is a limit of the schema.
type text struct{ en, zh string }

func (t text) in(lang string) string {
	if lang == "zh" {
		return t.zh
	}
	return t.en
}

// Text explains the violation in "zh" or, for anything else, in English.
func (v Violation) Text(lang string) string {
	sentences, ok := facetTexts[v.Facet]
	switch {
	case v.Code == "xsd.root":
		sentences = text{"The root element is not one of the schema's: %s.", "根元素不是该模式所定义的：%s。"}
	case v.Code == "xsd.missing":
		sentences = text{"Child elements are missing; expected: %s.", "缺少子元素，应为：%s。"}
	case v.Facet == "content":
		sentences = contentTexts[v.Limit]
	case !ok:
		sentences = codeTexts[v.Code]
	}
	sentence := sentences.in(lang)
	if !strings.Contains(sentence, "%s") {
		return sentence
	}
	if v.Limit == "" {
		return codeTexts[v.Code].in(lang)
	}
	return fmt.Sprintf(sentence, v.Limit)
}

var facetTexts = map[string]text{
	"enumeration":    {"The value is not one of those allowed: %s.", "取值不在允许范围内：%s。"},
	"pattern":        {"The value does not have the form %s.", "取值不符合格式 %s。"},
	"length":         {"The value must have exactly %s characters.", "取值长度必须为%s个字符。"},
	"minLength":      {"The value must have at least %s characters.", "取值长度不得少于%s个字符。"},
	"maxLength":      {"The value must have at most %s characters.", "取值长度不得超过%s个字符。"},
	"minInclusive":   {"The value must be at least %s.", "取值不得小于%s。"},
	"maxInclusive":   {"The value must be at most %s.", "取值不得大于%s。"},
	"minExclusive":   {"The value must be greater than %s.", "取值必须大于%s。"},
	"maxExclusive":   {"The value must be less than %s.", "取值必须小于%s。"},
	"totalDigits":    {"The value must have at most %s digits.", "取值总位数不得超过%s位。"},
	"fractionDigits": {"The value must have at most %s decimal places.", "取值小数位数不得超过%s位。"},
	"type":           {"The value is not of type %s.", "取值不符合类型 %s。"},
	"expected":       {"This element is not expected here; expected: %s.", "此处不应出现该元素，应为：%s。"},
	"required":       {"The attribute %s is missing.", "缺少属性 %s。"},
	"unexpected":     {"This attribute is not allowed.", "不允许该属性。"},
	"fixed":          {"The value must be %s.", "取值必须为 %s。"},
}

var contentTexts = map[string]text{
	"":         {"This content is not allowed here.", "此处不允许该内容。"},
	"text":     {"The element takes text, not other elements.", "该元素只能包含文本，不能包含子元素。"},
	"elements": {"The element takes other elements, not text.", "该元素只能包含子元素，不能包含文本。"},
	"empty":    {"The element must be empty.", "该元素必须为空。"},
}

// codeTexts are for violations whose limit the model does not know.
var codeTexts = map[string]text{
	"xsd.enumeration": {"The value is not one of those allowed.", "取值不在允许范围内。"},
	"xsd.pattern":     {"The value does not have the required form.", "取值不符合要求的格式。"},
	"xsd.length":      {"The value does not have the required length.", "取值长度不符合要求。"},
	"xsd.minLength":   {"The value is too short.", "取值过短。"},
	"xsd.maxLength":   {"The value is too long.", "取值过长。"},
	"xsd.digits":      {"The value has too many digits.", "取值位数过多。"},
	"xsd.range":       {"The value is out of range.", "取值超出范围。"},
	"xsd.type":        {"The value is not of the required type.", "取值不符合要求的类型。"},
	"xsd.missing":     {"Child elements are missing.", "缺少子元素。"},
	"xsd.unexpected":  {"This element is not expected here.", "此处不应出现该元素。"},
	"xsd.attribute":   {"An attribute is missing or not allowed.", "缺少属性或不允许该属性。"},
	"xsd.root":        {"The root element is not one of the schema's.", "根元素不是该模式所定义的。"},
	"xsd.value":       {"The value is not allowed here.", "此处不允许该取值。"},
}
