package mapping_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"singlewindow/mapping"
)

// TestFaults compiles files whose faulty lines end in a comment with what must
// be said about them, and expects exactly these faults, all at once.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil || files == nil {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		src := read(t, file)
		_, err := mapping.Compile(file, []byte(src), lists(t))
		var faults mapping.Faults
		if !errors.As(err, &faults) {
			t.Fatalf("%s: %v", file, err)
		}
		for i, line := range strings.Split(src, "\n") {
			_, comment, expected := strings.Cut(line, "   # ")
			if !expected {
				_, comment, expected = strings.Cut(line, " # ")
			}
			if !expected {
				continue
			}
			for want := range strings.SplitSeq(comment, "|") {
				k := slices.IndexFunc(faults, func(f *mapping.Fault) bool {
					return f.Line == i+1 && strings.Contains(f.Text, strings.TrimSpace(want))
				})
				if k < 0 {
					t.Errorf("%s:%d: no fault says %q", file, i+1, want)
					continue
				}
				if f := faults[k]; f.File != file || f.Column == 0 || !strings.Contains(f.Excerpt, "^") {
					t.Errorf("fault is not located: %+v", f)
				}
				faults = slices.Delete(faults, k, k+1)
			}
		}
		for _, f := range faults {
			t.Errorf("unexpected: %s", f)
		}
	}
}

func TestFaultShowsItsPlace(t *testing.T) {
	_, err := mapping.Compile("goods.yaml", []byte("kind: goods\nroot: A\nelements:\n  - B: {form: /a}\n"), nil)
	var fault *mapping.Fault
	if !errors.As(err, &fault) {
		t.Fatal(err)
	}
	if fault.Line != 4 || fault.Column == 0 || !strings.Contains(fault.Excerpt, "B: {form: /a}") || !strings.Contains(fault.Excerpt, "^") {
		t.Errorf("%+v", fault)
	}
	if !strings.HasPrefix(err.Error(), "goods.yaml:4:") {
		t.Error(err)
	}
}

func TestLists(t *testing.T) {
	office := lists(t)["office"]
	if office.Source != "test" || office.Complete || office.Len() != 4 || !lists(t)["yes-no"].Complete {
		t.Errorf("%+v", office)
	}
	for _, c := range []struct{ ours, day, theirs string }{
		{"CNXMN", "2025-12-31", "3700"}, {"CNXMN", "2026-01-01", "3701"}, {"CNXMN", "", "3700"}, {"CNSHA", "", ""},
	} {
		if theirs, ok := office.Theirs(c.ours, c.day); theirs != c.theirs || ok != (c.theirs != "") {
			t.Errorf("%s on %s is %s", c.ours, c.day, theirs)
		}
	}
	if ours, _ := office.Ours("3500"); ours != "CNFOC" {
		t.Errorf("3500 is %s", ours)
	}
}

func TestListFaults(t *testing.T) {
	const source = "# source: x; complete\n"
	for src, want := range map[string]string{
		"":                                    "1:1: the first line must read",
		"ours,theirs\na,1\n":                  "1:1: the first line must read",
		"# source: x; all\nours,theirs\n":     "1:1: the first line must end in complete or excerpt",
		source:                                "2:1: no header",
		source + "ours,theirs,fr\n":           "2:1: unknown or repeated column",
		source + "ours,ours,theirs\n":         "2:1: unknown or repeated column",
		source + "ours,en\n":                  "2:1: a list needs the columns",
		source + "ours,theirs\na\n":           "3:1: wrong number of fields",
		source + "ours,theirs\na,\"1\n":       "3:6: extraneous or missing",
		source + "ours,theirs\na,\n":          "3:1: an entry needs both codes",
		source + "ours,theirs\na,1\na,2\n":    "4:1: our code a stands twice",
		source + "ours,theirs,validTo\na,1,x": "3:1: validFrom and validTo are dates",
		source + "ours,theirs,validFrom,validTo\na,1,,2025-12-31\na,2,2025-12-31,\n": "4:1: our code a stands twice",
	} {
		_, err := mapping.ParseList("l", []byte(src))
		var fault *mapping.Fault
		if !errors.As(err, &fault) || !strings.HasPrefix(fault.Error(), "l.csv:"+want) {
			t.Errorf("%q: %v, want %s", src, err, want)
		}
	}
}

func TestRules(t *testing.T) {
	m := declaration(t)
	if m.Kind() != "goods" || m.Root() != "Declaration" {
		t.Error(m.Kind(), m.Root())
	}
	got := map[string]*mapping.Rule{}
	for _, r := range m.Rules() {
		got[r.Path] = r
	}
	for path, why := range map[string]string{
		"/Declaration": "", "/Declaration/@version": "", "/Declaration/Goods/Item/Gross": "", "/Declaration/Goods/Item/No": "",
		"/Declaration/Id":      "$deliveryId is not part",
		"/Declaration/Office":  "code 3500 stands for several",
		"/Declaration/Remark":  "join:",
		"/Declaration/Trader":  "Read fills the first",
		"/Declaration/Insured": "nothing tells what the condition was",
	} {
		r := got[path]
		if r == nil {
			t.Errorf("no rule %s", path)
			continue
		}
		if ok, says := r.Reversible(); ok != (why == "") || !strings.Contains(says, why) || r.Line == 0 {
			t.Errorf("%s: %v %q", path, ok, says)
		}
	}
	gross := got["/Declaration/Goods/Item/Gross"]
	if gross.From != "/items/*/gross/value" || !slices.Equal(gross.Sources, []string{"/items/*/gross/value", "/items/*/gross/unit"}) || !slices.Equal(gross.Verbs, []string{"from", "decimal"}) {
		t.Errorf("%+v", gross)
	}
}
