package mapping_test

import (
	"strings"
	"testing"

	"singlewindow/mapping"
)

func TestOrigins(t *testing.T) {
	m := declaration(t)
	doc, problems := m.Write(decode(t, []byte(`{"reference": "one\ntwo", "invoice": {"value": "1", "currency": "CNY"}, "items": [{},
		{"classifications": [{"type": "GN", "id": "9"}, {"type": "HS", "id": "18"}], "freight": "5", "net": {"value": "1", "unit": "KGM"}}]}`)), nil)
	if problems != nil {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		steps     []int
		attribute string
		path      string
		pointer   string
	}{
		{nil, "", "/Declaration", ""},
		{nil, "version", "/Declaration/@version", ""},
		{[]int{0}, "", "/Declaration/Reference", "/reference"},
		{[]int{1}, "", "/Declaration/Invoice", "/invoice/value"},
		{[]int{1}, "currencyID", "/Declaration/Invoice/@currencyID", "/invoice/currency"},
		{[]int{1}, "unknown", "/Declaration/Invoice", "/invoice/value"},
		{[]int{2, 0, 0}, "", "/Declaration/Goods/Item[1]/No", "/items/0"},
		{[]int{2, 1, 1}, "", "/Declaration/Goods/Item[2]/Code", "/items/1/classifications/1/id"},
		{[]int{2, 1, 3}, "unitCode", "/Declaration/Goods/Item[2]/Net/@unitCode", "/items/1/net/unit"},
		{[]int{2, 1, 4, 0}, "", "/Declaration/Goods/Item[2]/Charge/Type", "/items/1"},
		{[]int{2, 1, 9, 3}, "x", "/Declaration/Goods/Item[2]", "/items/1"},
		{[]int{-1}, "", "/Declaration", ""},
	} {
		o := doc.At(c.steps, c.attribute)
		if o.Path != c.path || o.Pointer != c.pointer || o.Rule == nil {
			t.Errorf("%v %s is %s from %q, want %s from %q", c.steps, c.attribute, o.Path, o.Pointer, c.path, c.pointer)
		}
	}
	lines := strings.Split(string(doc.XML()), "\n")
	count := 0
	doc.Walk(func(o mapping.Origin) {
		count++
		name := o.Rule.Path[strings.LastIndex(o.Rule.Path, "/")+1:]
		if !strings.Contains(lines[o.Line-1], strings.TrimPrefix(name, "@")) {
			t.Errorf("%s is not on line %d: %s", o.Path, o.Line, lines[o.Line-1])
		}
	})
	if count != 17 {
		t.Errorf("%d origins", count)
	}
}

func TestZoneOfTheAgency(t *testing.T) {
	const file = "kind: k\nroot: M\nelements: [{T: {from: /t, date: \"2006-01-02T15:04:05\"}}]\n"
	m, err := mapping.Compile("zone.yaml", []byte(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	m.In(shanghai(t))
	doc, problems := m.Write(map[string]any{"t": "2026-03-02T02:03:04Z"}, nil)
	if problems != nil || !strings.Contains(string(doc.XML()), "<T>2026-03-02T10:03:04</T>") {
		t.Errorf("%v\n%s", problems, doc.XML())
	}
	tree, problems := m.Read(doc.XML())
	if problems != nil || tree["t"] != "2026-03-02T10:03:04+08:00" {
		t.Errorf("%v %v", problems, tree)
	}
}

// TestNoValueInTexts: a problem may be shown to anybody who may see the pointer.
func TestNoValueInTexts(t *testing.T) {
	m := declaration(t)
	const secret = "SECRET\u0001"
	_, problems := m.Write(map[string]any{"reference": secret, "officeId": secret, "acceptedAt": secret,
		"invoice": map[string]any{"value": secret}, "items": secret}, map[string]string{"deliveryId": secret})
	if len(problems) != 6 {
		t.Errorf("%d problems: %v", len(problems), problems)
	}
	_, more := m.Read([]byte(`<Declaration xmlns="urn:example:declaration" version="SECRET"><Reference>SECRET<SECRETS/></Reference>
		<Office>SECRET</Office><Accepted formatCode="SECRET">SECRET</Accepted><Invoice a="SECRET">SECRET</Invoice>SECRET</Declaration>`))
	if len(more) != 7 {
		t.Errorf("%d problems: %v", len(more), more)
	}
	for _, p := range append(problems, more...) {
		if strings.Contains(p.Text("en")+p.Text("zh"), "SECRET") && !strings.Contains(p.Path, "SECRETS") {
			t.Errorf("%+v: %s", p, p.Text("en"))
		}
		if p.Text("en") == p.Text("zh") {
			t.Errorf("%+v has one language", p)
		}
	}
}

func TestNotThisDocument(t *testing.T) {
	m := declaration(t)
	for _, src := range []string{"", "<", "<Declaration/>", "<Other xmlns='urn:example:declaration'/>", "text",
		"<Declaration xmlns='urn:example:declaration'/><Second/>", "<Declaration xmlns='urn:example:declaration'/>text",
		"<Declaration xmlns='urn:example:declaration'>&unknown;</Declaration>"} {
		_, problems := m.Read([]byte(src))
		if len(problems) != 1 || problems[0].Code != "map.value" || problems[0].Detail["reason"] != "xml" {
			t.Errorf("%q: %v", src, problems)
		}
	}
}
