package mapping_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"singlewindow/mapping"
)

var update = flag.Bool("update", false, "write the want and problems sections of testdata/cases anew")

// TestCases writes the tree of each case and reads the result, or read.xml
// where the case has one. A problem line is: code, pointer, path, line, reason.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || files == nil {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runCase(t, archive)
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func runCase(t *testing.T, archive *txtar.Archive) {
	section := func(name string) []byte {
		for _, f := range archive.Files {
			if f.Name == name {
				return f.Data
			}
		}
		return nil
	}
	m, err := mapping.Compile("mapping.yaml", section("mapping.yaml"), lists(t))
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(section("require.txt"))) {
		m.Require(path)
	}
	for path := range strings.FieldsSeq(string(section("collapse.txt"))) {
		m.Collapse(path)
	}
	values := map[string]string{}
	for line := range strings.FieldsSeq(string(section("values.txt"))) {
		name, value, _ := strings.Cut(line, "=")
		values[name] = value
	}
	doc, problems := m.Write(decode(t, section("tree.json")), values)
	got := map[string][]byte{"want.xml": doc.XML(), "want.problems": problemLines(t, problems)}
	src := section("read.xml")
	if src == nil {
		src = doc.XML()
	}
	tree, problems := m.Read(src)
	got["read.problems"] = problemLines(t, problems)
	if got["want.json"], err = json.MarshalIndent(tree, "", "  "); err != nil {
		t.Fatal(err)
	}
	got["want.json"] = append(got["want.json"], '\n')
	for i, f := range archive.Files {
		if text, ok := got[f.Name]; ok && *update {
			archive.Files[i].Data = text
		} else if ok && !bytes.Equal(text, f.Data) {
			t.Errorf("%s is\n%s\nwant\n%s", f.Name, text, f.Data)
		}
	}
}

func problemLines(t *testing.T, problems []mapping.Problem) []byte {
	t.Helper()
	var lines bytes.Buffer
	for _, p := range problems {
		if text := p.Text("en") + p.Text("zh"); strings.ContainsAny(text, "{}") || p.Text("en") == p.Text("zh") {
			t.Errorf("%s says %q", p.Code, text)
		}
		fmt.Fprintf(&lines, "%s pointer=%s path=%s line=%d", p.Code, p.Pointer, p.Path, p.Line)
		if p.List != "" {
			fmt.Fprintf(&lines, " list=%s", p.List)
		}
		if p.Detail != nil {
			fmt.Fprintf(&lines, " reason=%s", p.Detail["reason"])
		}
		lines.WriteString("\n")
	}
	return lines.Bytes()
}
