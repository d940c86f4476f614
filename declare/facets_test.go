package declare

import (
	"io/fs"
	"slices"
	"testing"
)

// Every sample of a kind names a port and at least one chapter.
func TestSamplesHaveFacets(t *testing.T) {
	kinds, err := LoadKinds()
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range kinds {
		files, err := fs.Glob(kind.Samples, "*.json")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d samples, %v", name, len(files), err)
		}
		for _, file := range files {
			content, err := fs.ReadFile(kind.Samples, file)
			if err != nil {
				t.Fatal(err)
			}
			value, faults := ParseJSON(content, MostBytes)
			tree, isObject := value.(map[string]any)
			if len(faults) > 0 || !isObject {
				t.Fatalf("%s: %v", file, faults)
			}
			if port := kind.facets.portOf(tree); port == "" {
				t.Errorf("%s: no port", file)
			}
			if chapters := kind.facets.chaptersOf(tree); len(chapters) == 0 {
				t.Errorf("%s: no chapters", file)
			}
		}
	}
}

func TestFacetsOfOddDeclarations(t *testing.T) {
	f, err := compileFacets("facets.yaml", []byte(`{port: [/exit, /entry], chapters: {each: /items/*, id: id, type: type, is: [HS]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []struct {
		tree     map[string]any
		port     string
		chapters []string
	}{
		{map[string]any{}, "", nil},
		{map[string]any{"exit": 5, "entry": "3712"}, "3712", nil},
		{map[string]any{"exit": "GB000051", "entry": "3712"}, "GB000051", nil},
		{map[string]any{"exit": "no port", "items": "none"}, "", nil},
		{map[string]any{"items": []any{map[string]any{"type": "HS", "id": "8542"}, map[string]any{"type": "HS", "id": "0202"},
			map[string]any{"type": "HS", "id": "8507"}, map[string]any{"type": "CIQ", "id": "99"}, map[string]any{"type": "HS", "id": "x"}, "odd"}}, "", []string{"02", "85"}},
	} {
		if port := f.portOf(check.tree); port != check.port {
			t.Errorf("%v: port %q, want %q", check.tree, port, check.port)
		}
		if chapters := f.chaptersOf(check.tree); !slices.Equal(chapters, check.chapters) {
			t.Errorf("%v: chapters %q, want %q", check.tree, chapters, check.chapters)
		}
	}
}

func TestFacetsThatCannotBeRead(t *testing.T) {
	for _, source := range []string{`port: [exit]`, `{port: [/a], chapters: {each: items}}`, `{port: [/a], wrong: 1}`} {
		if _, err := compileFacets("facets.yaml", []byte(source)); err == nil {
			t.Errorf("%s was taken", source)
		}
	}
}
