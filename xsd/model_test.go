package xsd

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/beevik/etree"
)

func find(t *testing.T, m *Model, path string) *Element {
	t.Helper()
	e := m.Find(strings.Split(path, "/")...)
	if e == nil {
		t.Fatalf("no %s", path)
	}
	return e
}

func names(elements []*Element) string {
	var list []string
	for _, e := range elements {
		list = append(list, e.Name)
	}
	return strings.Join(list, " ")
}

func TestModelElements(t *testing.T) {
	model := compileOrder(t).Model()
	if got := names(model.Roots()); got != "Order Part Spare" {
		t.Errorf("roots %s", got)
	}
	order := find(t, model, "Order")
	if got := names(order.Children); got != "Kind Reference Remark Mass Person Company Ordered Due Lines Flags Part Spare Extension" {
		t.Errorf("children %s", got)
	}
	if got := names(order.Required()); got != "Kind Reference Ordered Lines" {
		t.Errorf("required %s", got)
	}
	if order.Doc != "One order of one buyer." || order.Namespace != "urn:example:order" {
		t.Errorf("%+v", order)
	}
	for _, c := range []struct {
		path     string
		min, max int
		choice   bool
		typ      string
		required string
	}{
		{"Order/Remark", 0, 1, false, "", ""},
		{"Order/Person", 1, 1, true, "Party", "Name"},
		{"Order/Company", 1, 1, true, "Company", "Name Register"},
		{"Order/Lines/Line", 1, 999, false, "Line", "Number Net"},
		{"Order/Lines/Line/Box", 0, -1, false, "string", ""},
		{"Order/Lines/Line/Carrier", 0, 1, false, "Bare", "Name"},
		{"Order/Flags", 0, 1, false, "", "Urgent"},
		{"Order/Part", 0, -1, true, "PartType", "Code"},
		{"Order/Company/Parent/Parent/Parent/Register", 1, 1, false, "string", ""},
		{"Order/Extension/Part/Code", 1, 1, false, "", ""}, // through the wildcard
	} {
		e := find(t, model, c.path)
		if e.Min != c.min || e.Max != c.max || e.Choice != c.choice || e.Type != c.typ || names(e.Required()) != c.required {
			t.Errorf("%s: %d..%d choice %v type %q required %q", c.path, e.Min, e.Max, e.Choice, e.Type, names(e.Required()))
		}
	}
	extension := find(t, model, "Order/Extension")
	if len(extension.Children) != 1 || !extension.Children[0].Wildcard {
		t.Errorf("%+v", extension.Children)
	}
	if got := find(t, model, "Order/Lines/Line/Carrier"); names(got.Children) != "Name" || len(got.Attributes) != 0 {
		t.Errorf("restriction: %s %v", names(got.Children), got.Attributes)
	}
	if find(t, model, "Order/Part").Namespace != "urn:example:parts" || find(t, model, "Order/Part/Code").Namespace != "" {
		t.Error("namespaces of an import")
	}
	for _, path := range []string{"", "Nothing", "Order/Nothing", "Order/Kind/x", "Kind"} {
		if model.Find(strings.Split(path, "/")...) != nil {
			t.Errorf("found %q", path)
		}
	}
}

func TestModelFacets(t *testing.T) {
	model := compileOrder(t).Model()
	facets := func(path string) Facets {
		e := find(t, model, path)
		if !e.Simple {
			t.Errorf("%s is not simple", path)
		}
		return e.Facets
	}
	if f := facets("Order/Kind"); !slices.Equal(f.Enumeration, []string{"I", "E", "T"}) || f.Base != "string" || f.WhiteSpace != "preserve" {
		t.Errorf("%+v", f)
	}
	if f := facets("Order/Reference"); f.Base != "token" || *f.MinLength != 1 || *f.MaxLength != 35 || f.Patterns[0] != "[A-Z]+|[A-Z]+-[0-9]+" {
		t.Errorf("%+v", f)
	}
	if f := facets("Order/Mass"); f.Base != "decimal" || *f.TotalDigits != 6 || *f.FractionDigits != 3 || f.MinInclusive != "0" || f.MaxExclusive != "1000" {
		t.Errorf("%+v", f)
	}
	if f := facets("Order/Lines/Line/Net"); f.MaxExclusive != "500" || f.MinInclusive != "0" || *f.FractionDigits != 3 {
		t.Errorf("%+v", f)
	}
	if f := facets("Part/Code"); f.Base != "union" || f.Enumeration != nil {
		t.Errorf("%+v", f)
	}
	if f := facets("Part/Colours"); f.Base != "list" {
		t.Errorf("%+v", f)
	}
}

func TestModelAttributes(t *testing.T) {
	model := compileOrder(t).Model()
	describe := func(path string) string {
		var list []string
		for _, a := range find(t, model, path).Attributes {
			list = append(list, fmt.Sprintf("%s:%s:%v:%s:%s", a.Name, a.Type, a.Required, a.Fixed, strings.Join(a.Facets.Enumeration, ",")))
		}
		return strings.Join(list, " ")
	}
	for path, want := range map[string]string{
		"Order":                "Version:anySimpleType:true:3.1: system:Token35:false::",
		"Order/Lines/Line/Net": "unit::true::KGM,TNE",
		"Order/Company":        "id:NMTOKEN:false:: country:string:true::",
		"Order/Kind":           "",
	} {
		if got := describe(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// fits fails unless the model foresees every element of an accepted document where it stands.
func fits(t *testing.T, model *Model, doc []byte) {
	t.Helper()
	tree := etree.NewDocument()
	if err := tree.ReadFromBytes(doc); err != nil {
		t.Fatal(err)
	}
	var walk func(e *etree.Element, path []xml.Name)
	walk = func(e *etree.Element, path []xml.Name) {
		path = append(path, xml.Name{Space: e.NamespaceURI(), Local: e.Tag})
		element := model.find(path)
		if element == nil {
			t.Fatalf("unknown to the model: %v", path)
		}
		var before []xml.Name
		for _, child := range e.ChildElements() {
			name := xml.Name{Space: child.NamespaceURI(), Local: child.Tag}
			if _, ok := element.expected(before, name); !ok {
				t.Fatalf("%v does not foresee %v", path, name)
			}
			before = append(before, name)
			walk(child, path)
		}
		for _, a := range element.Attributes {
			if a.Required && e.SelectAttr(a.Name) == nil {
				t.Fatalf("%v lacks %s", path, a.Name)
			}
		}
		for _, required := range element.Required() {
			if !slices.Contains(before, xml.Name{Space: required.Namespace, Local: required.Name}) {
				t.Fatalf("%v lacks %s", path, required.Name)
			}
		}
	}
	walk(tree.Root(), nil)
}

func TestModelForeseesAcceptedDocument(t *testing.T) {
	fits(t, compileOrder(t).Model(), orderXML(t))
}
