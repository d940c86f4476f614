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
	Apart    []string // schemas to compile by themselves
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

// readOutside skips the test where the outside schemas are absent.
func readOutside(t *testing.T) outside {
	t.Helper()
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
	return o
}

// samples are the paths of the outside messages.
func (o outside) samples(t *testing.T) []string {
	t.Helper()
	var paths []string
	walk := func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.EqualFold(filepath.Ext(path), ".xml") {
			paths = append(paths, path)
		}
		return err
	}
	if err := filepath.WalkDir(filepath.Join(o.Folder, o.Samples), walk); err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestOutsideSchemas(t *testing.T) {
	o := readOutside(t)
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
	for _, path := range o.samples(t) {
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		valid, violations, err := schema.Validate(doc)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if !valid.IsZero() {
			accepted++
			fits(t, schema.Model(), doc)
		}
		for _, v := range violations {
			if v.Code != "xsd.root" && v.Limit == "" {
				t.Logf("%s: no limit known: %+v", filepath.Base(path), v)
			}
		}
	}
	if accepted < o.Valid {
		t.Errorf("%d samples accepted, want %d", accepted, o.Valid)
	}
	t.Logf("%d samples accepted", accepted)
}

// TestOutsideSetsApart compiles each set by itself: both bring their own file of the same namespaces.
func TestOutsideSetsApart(t *testing.T) {
	o := readOutside(t)
	for _, file := range o.Apart {
		schema, err := Compile(filepath.Join(o.Folder, file))
		if err != nil {
			t.Error(err)
			continue
		}
		schema.Close()
	}
}

// TestOutsideAgreesWithAnotherEngine judges a real administration's messages, changed in every way, by two engines.
func TestOutsideAgreesWithAnotherEngine(t *testing.T) {
	o := readOutside(t)
	court := openCourt(t, o.driver(t))
	if court == nil {
		return
	}
	for _, path := range o.samples(t) {
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		court.try(t, filepath.Base(path), doc, 997)
	}
	court.close(t)
}
