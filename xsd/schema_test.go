package xsd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestCompileSaysWhere(t *testing.T) {
	for _, c := range []struct {
		file, at string // at: the file the error is in, when another
		line     int
		says     string
	}{
		{"malformed.xsd", "", 3, "syntax"},
		{"unknown-type.xsd", "", 3, "Nowhere"},
		{"in-an-include.xsd", "unknown-type.xsd", 3, "Nowhere"},
		{"missing-file.xsd", "", 2, "not-there.xsd"},
		{"network.xsd", "", 2, "not a relative path"},
		{"absolute.xsd", "", 2, "not a relative path"},
		{"file-address.xsd", "", 3, "not a relative path"},
		{"escaped.xsd", "", 2, "not a relative path"},
		{"query.xsd", "", 2, "not a relative path"},
		{"network-below.xsd", "network.xsd", 2, "not a relative path"},
		{"network-redefine.xsd", "", 2, "not a relative path"},
		{"missing-below.xsd", "missing-file.xsd", 2, "not-there.xsd"},
		{"redefine.xsd", "", 3, "Absent"},
		{"override.xsd", "", 2, "not supported"},
		{"wrong-namespace.xsd", "", 2, "namespace"},
		{"ambiguous.xsd", "", 2, "determinist"},
		{"bad-facet.xsd", "", 3, "many"},
		{"not-a-schema.xsd", "", 1, "not an XML Schema"},
		{"nowhere.xsd", "", 0, "nowhere.xsd"},
	} {
		t.Run(c.file, func(t *testing.T) {
			schema, err := Compile(filepath.Join("testdata", "broken", c.file))
			var fault *CompileError
			if !errors.As(err, &fault) || schema != nil {
				t.Fatal(schema, err)
			}
			if c.at == "" {
				c.at = c.file
			}
			if filepath.Base(fault.File) != c.at || fault.Line != c.line || !strings.Contains(fault.Text, c.says) {
				t.Errorf("got %v", fault)
			}
			if missing := errors.Is(err, fs.ErrNotExist); missing != (c.says == "not-there.xsd" || c.says == c.file) {
				t.Errorf("missing: %v", missing)
			}
		})
	}
}

func TestDigestIsOfTheWholeSet(t *testing.T) {
	copySet := func(t *testing.T, folder string) string {
		for _, name := range []string{"order.xsd", "order-types.xsd", "parts/parts.xsd"} {
			content, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(folder, name)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return filepath.Join(folder, "order.xsd")
	}
	digest := func(path string) string {
		schema, err := Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer schema.Close()
		return schema.Digest()
	}
	here := digest(filepath.Join("testdata", "order.xsd"))
	folder := filepath.Join(t.TempDir(), "a folder with 100% odd characters é")
	path := copySet(t, folder)
	if digest(path) != here {
		t.Error("the digest depends on where the set lies")
	}
	parts := filepath.Join(folder, "parts", "parts.xsd")
	content, err := os.ReadFile(parts)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(parts, append(content, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if digest(path) == here {
		t.Error("the digest overlooks an imported file")
	}
}

func TestCompileFromManyGoroutines(t *testing.T) {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			schema, err := Compile(filepath.Join("testdata", "order.xsd"))
			if err != nil {
				t.Error(err)
				return
			}
			schema.Close()
			if _, err := Compile(filepath.Join("testdata", "broken", "unknown-type.xsd")); err == nil {
				t.Error("compiled a broken schema")
			}
		})
	}
	group.Wait()
}
