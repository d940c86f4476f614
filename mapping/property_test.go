package mapping_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// some draws an object in which every member may be missing.
func some(t *rapid.T, label string, members map[string]func() any) map[string]any {
	object := map[string]any{}
	for _, name := range []string{"reference", "acceptedAt", "invoice", "means", "items", "name", "modeCode", "value", "currency", "unit",
		"sequenceNumeric", "description", "classifications", "gross", "net", "dangerous", "producedOn", "freight", "documents", "category", "id", "tags"} {
		if draw, ok := members[name]; ok && rapid.Bool().Draw(t, label+name) {
			object[name] = draw()
		}
	}
	return object
}

func several(t *rapid.T, label string, one func() any) func() any {
	return func() any {
		list := make([]any, rapid.IntRange(1, 4).Draw(t, label))
		for i := range list {
			list[i] = one()
		}
		return list
	}
}

// drawTree draws a tree of what testdata/declaration.yaml can carry both ways.
func drawTree(t *rapid.T) map[string]any {
	// Any text XML admits, blanks at its ends and line ends of all sorts included.
	text := func() any {
		return rapid.StringMatching("[a-zA-Z0-9<>&'\"\\]\\r\\n\\t \u00e9\u53a6\U0001f600]{0,12}").Draw(t, "text")
	}
	number := func() any { return rapid.StringMatching(`-?[0-9]{1,12}(\.[0-9]{1,3})?`).Draw(t, "number") }
	date := func() any {
		return fmt.Sprintf("%04d-%02d-%02d", rapid.IntRange(1990, 2090).Draw(t, "y"), rapid.IntRange(1, 12).Draw(t, "m"), rapid.IntRange(1, 28).Draw(t, "d"))
	}
	clock := func() any {
		zone := rapid.SampledFrom([]string{"Z", "+00:00", "+01:00", "-11:00", "+08:00"}).Draw(t, "zone")
		return fmt.Sprintf("%sT%02d:%02d:%02d%s", date(), rapid.IntRange(0, 23).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "i"), rapid.IntRange(0, 59).Draw(t, "s"), zone)
	}
	either := func() any {
		if rapid.Bool().Draw(t, "clock") {
			return clock()
		}
		return date()
	}
	measure := func(unit string) func() any {
		return func() any { return map[string]any{"value": number(), unit: "KGM"} }
	}
	document := func() any {
		return some(t, "document ", map[string]func() any{"category": text, "id": text, "tags": several(t, "tags", text)})
	}
	item := func() any {
		return some(t, "item ", map[string]func() any{
			"sequenceNumeric": func() any { return json.Number(fmt.Sprint(rapid.IntRange(0, 99999).Draw(t, "sequence"))) },
			"description":     text,
			"classifications": func() any {
				return []any{map[string]any{"type": "HS", "id": text()}, map[string]any{"type": "GN", "id": text()}}
			},
			"gross": measure("unit"), "net": measure("unit"),
			"dangerous":  func() any { return rapid.Bool().Draw(t, "dangerous") },
			"producedOn": date, "freight": text,
			"documents": several(t, "documents", document),
		})
	}
	return some(t, "", map[string]func() any{
		"reference": text, "acceptedAt": either, "invoice": measure("currency"),
		// A default is written where its group stands, so the group is whole.
		"means": func() any { return map[string]any{"name": text(), "modeCode": text()} },
		"items": several(t, "items", item),
	})
}

// TestWhatIsWrittenIsReadBack: for trees the mapping covers, Read undoes Write.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	m := declaration(t)
	rapid.Check(t, func(t *rapid.T) {
		tree := drawTree(t)
		doc, problems := m.Write(tree, map[string]string{"deliveryId": "msg_1"})
		if problems != nil {
			t.Fatalf("write: %v", problems)
		}
		back, problems := m.Read(doc.XML())
		if problems != nil {
			t.Fatalf("read: %v\n%s", problems, doc.XML())
		}
		if !reflect.DeepEqual(tree, back) {
			t.Fatalf("wrote %v\nread %v\n%s", tree, back, doc.XML())
		}
	})
}

// FuzzRead: whatever Read takes without a problem, Write gives back such that
// it reads the same, and never does Read panic.
func FuzzRead(f *testing.F) {
	m := declaration(f)
	seeds, err := filepath.Glob("testdata/messages/*.xml")
	if err != nil || seeds == nil {
		f.Fatal("no seeds", err)
	}
	for _, seed := range seeds {
		f.Add([]byte(read(f, seed)))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tree, problems := m.Read(src)
		if problems != nil {
			for _, p := range problems {
				if p.Path == "" || p.Text("en") == "" || p.Text("zh") == "" {
					t.Fatalf("%+v says nothing", p)
				}
			}
			return
		}
		doc, problems := m.Write(tree, map[string]string{"deliveryId": "msg_1"})
		if problems != nil {
			t.Fatalf("written again: %v\n%q", problems, src)
		}
		again, problems := m.Read(doc.XML())
		first, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		second, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if problems != nil || !bytes.Equal(first, second) {
			t.Fatalf("read again: %v\n%s\n%s\n%s", problems, first, second, doc.XML())
		}
	})
}
