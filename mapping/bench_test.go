package mapping_test

import (
	"fmt"
	"testing"
	"time"

	"singlewindow/mapping"
)

func shanghai(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// fiveItems is a declaration that makes about 150 elements.
func fiveItems() map[string]any {
	tree := map[string]any{"reference": "ACME-7", "officeId": "CNXMN", "acceptedAt": "2026-03-02T02:03:04Z",
		"declarant": map[string]any{"name": "ACME"}, "insurance": "1", "means": map[string]any{"name": "MV One", "modeCode": "1"},
		"remark": map[string]any{"first": "a", "second": "b"}, "invoice": map[string]any{"value": "1200.50", "currency": "CNY"}}
	var items []any
	for i := range 5 {
		var documents []any
		for k := range 4 {
			documents = append(documents, map[string]any{"category": "C", "id": fmt.Sprintf("C-%d-%d", i, k), "tags": []any{"a"}})
		}
		items = append(items, map[string]any{"sequenceNumeric": "1", "description": "Cocoa butter", "freight": "12",
			"classifications": []any{map[string]any{"type": "HS", "id": "18040000"}, map[string]any{"type": "GN", "id": "VATZ"}},
			"gross":           map[string]any{"value": "1.5", "unit": "TNE"}, "net": map[string]any{"value": "10.00", "unit": "KGM"},
			"dangerous": false, "producedOn": "2026-01-02", "documents": documents})
	}
	tree["items"] = items
	return tree
}

func BenchmarkWrite(b *testing.B) {
	m, tree := declaration(b), fiveItems()
	values := map[string]string{"deliveryId": "msg_1", "acceptedAt": "2026-03-02T02:03:04Z", "zone": "Asia/Shanghai"}
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := m.Write(tree, values); problems != nil {
			b.Fatal(problems)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	m, tree := declaration(b), fiveItems()
	for _, member := range []string{"insurance", "remark"} { // their rules are not read back
		delete(tree, member)
	}
	doc, problems := m.Write(tree, nil)
	if problems != nil {
		b.Fatal(problems)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := m.Read(doc.XML()); problems != nil {
			b.Fatal(problems)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	codes, src := lists(b), []byte(read(b, "testdata/declaration.yaml"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mapping.Compile("declaration.yaml", src, codes); err != nil {
			b.Fatal(err)
		}
	}
}
