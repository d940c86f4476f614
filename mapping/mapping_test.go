package mapping_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"singlewindow/mapping"
)

func read(t testing.TB, file string) string {
	t.Helper()
	src, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

func lists(t testing.TB) map[string]*mapping.List {
	t.Helper()
	files, err := filepath.Glob("testdata/codes/*.csv")
	if err != nil || files == nil {
		t.Fatal("no code lists", err)
	}
	lists := map[string]*mapping.List{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".csv")
		if lists[name], err = mapping.ParseList(name, []byte(read(t, file))); err != nil {
			t.Fatal(err)
		}
	}
	return lists
}

// declaration compiles testdata/declaration.yaml.
func declaration(t testing.TB) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Compile("declaration.yaml", []byte(read(t, "testdata/declaration.yaml")), lists(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func decode(t testing.TB, src []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(src))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	return tree
}
