package xsd

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

type outside struct {
	Folder   string
	Driver   map[string]string
	Samples  string
	Valid    int
	Elements []struct {
		Path, Required string
		MaxLength      int
	}
}

// driver writes a schema that imports the outside ones, by relative path.
func (o outside) driver(t *testing.T) string {
	folder := t.TempDir()
	var imports strings.Builder
	for namespace, file := range o.Driver {
		to, err := filepath.Abs(filepath.Join(o.Folder, file))
		if err != nil {
			t.Fatal(err)
		}
		relative, err := filepath.Rel(folder, to)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&imports, "<xs:import namespace=%q schemaLocation=%q/>\n", namespace, filepath.ToSlash(relative))
	}
	path := filepath.Join(folder, "driver.xsd")
	schema := `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">` + "\n" + imports.String() + `</xs:schema>`
	if err := os.WriteFile(path, []byte(schema), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOutsideSchemas(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("testdata", "outside.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var o outside
	if err := yaml.UnmarshalWithOptions(content, &o, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(o.Folder); err != nil {
		t.Skipf("the outside schemas are not here: %v", err)
	}
	schema, err := Compile(o.driver(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(schema.Close)
	t.Run("samples", func(t *testing.T) { o.validateSamples(t, schema) })
	for _, want := range o.Elements {
		e := find(t, schema.Model(), want.Path)
		if names(e.Required()) != want.Required {
			t.Errorf("%s requires %s", want.Path, names(e.Required()))
		}
		if want.MaxLength > 0 && (e.Facets.MaxLength == nil || *e.Facets.MaxLength != want.MaxLength) {
			t.Errorf("%s: %+v", want.Path, e.Facets)
		}
	}
}

func (o outside) validateSamples(t *testing.T, schema *Schema) {
	accepted := 0
	walk := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.EqualFold(filepath.Ext(path), ".xml") {
			return err
		}
		doc, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		valid, violations, err := schema.Validate(doc)
		if !valid.IsZero() {
			accepted++
			fits(t, schema.Model(), doc)
		}
		for _, v := range violations {
			if v.Code != "xsd.root" && v.Limit == "" {
				t.Logf("%s: no limit known: %+v", filepath.Base(path), v)
			}
		}
		return err
	}
	if err := filepath.WalkDir(filepath.Join(o.Folder, o.Samples), walk); err != nil {
		t.Fatal(err)
	}
	if accepted < o.Valid {
		t.Errorf("%d samples accepted, want %d", accepted, o.Valid)
	}
	t.Logf("%d samples accepted", accepted)
}
