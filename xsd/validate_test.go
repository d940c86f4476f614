package xsd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
)

func compileOrder(t testing.TB) *Schema {
	t.Helper()
	schema, err := Compile(filepath.Join("testdata", "order.xsd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(schema.Close)
	return schema
}

func orderXML(t testing.TB) []byte {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("testdata", "order.xml"))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

type mutation struct {
	Name       string
	Find, Put  string
	Violations []Violation
}

func mutations(t testing.TB) []mutation { return mutationsIn(t, "mutations.yaml") }

func mutationsIn(t testing.TB, file string) []mutation {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var list []mutation
	if err := yaml.NewDecoder(bytes.NewReader(content), yaml.Strict()).Decode(&list); err != nil {
		t.Fatal(err)
	}
	return list
}

func (m mutation) apply(t testing.TB, doc []byte) []byte {
	t.Helper()
	if !bytes.Contains(doc, []byte(m.Find)) {
		t.Fatalf("%s: nothing to find", m.Name)
	}
	return bytes.Replace(doc, []byte(m.Find), []byte(m.Put), 1)
}

func TestValidKeepsWhatWasValidated(t *testing.T) {
	schema, doc := compileOrder(t), orderXML(t)
	valid, violations, err := schema.Validate(doc)
	if err != nil || len(violations) > 0 || valid.IsZero() {
		t.Fatal(valid.IsZero(), violations, err)
	}
	want := bytes.Clone(doc)
	clear(doc)
	clear(valid.Bytes())
	if !bytes.Equal(valid.Bytes(), want) {
		t.Error("a Valid changes with bytes it handed out or was made from")
	}
	if valid.SchemaDigest() != schema.Digest() || len(schema.Digest()) != 64 {
		t.Errorf("schema digest %q", valid.SchemaDigest())
	}
	if fmt.Sprintf("%x", valid.Digest()) == strings.Repeat("0", 64) {
		t.Error("no digest")
	}
	if !(Valid{}).IsZero() {
		t.Error("the zero Valid is not zero")
	}
}

func TestMutations(t *testing.T) {
	testMutations(t, compileOrder(t), orderXML(t), mutations(t))
}

func TestRareMutations(t *testing.T) {
	schema, err := Compile(filepath.Join("testdata", "rare.xsd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(schema.Close)
	doc, err := os.ReadFile(filepath.Join("testdata", "rare.xml"))
	if err != nil {
		t.Fatal(err)
	}
	testMutations(t, schema, doc, mutationsIn(t, "rare.yaml"))
}

func testMutations(t *testing.T, schema *Schema, doc []byte, list []mutation) {
	if valid, violations, err := schema.Validate(doc); valid.IsZero() {
		t.Fatal(violations, err)
	}
	for _, m := range list {
		t.Run(m.Name, func(t *testing.T) {
			valid, got, err := schema.Validate(m.apply(t, doc))
			if err != nil || !valid.IsZero() {
				t.Fatal(valid.IsZero(), err)
			}
			if got.Total() != len(m.Violations) || got.Rest("en") != "" {
				t.Errorf("total %d", got.Total())
			}
			for i := range got {
				got[i].total = 0
				if got[i].Text("en") == "" || got[i].Text("zh") == "" || got[i].Text("en") == got[i].Text("zh") {
					t.Errorf("texts %q %q", got[i].Text("en"), got[i].Text("zh"))
				}
			}
			if want := Violations(m.Violations); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestHugeValueInEnumeration(t *testing.T) {
	schema, doc := compileOrder(t), orderXML(t)
	secret := strings.Repeat("geheim", 100_000/6+1)
	for _, m := range []mutation{{Find: "<Kind>I", Put: "<Kind>" + secret}, {Find: `unit="KGM"`, Put: `unit="` + secret + `"`}} {
		_, violations, err := schema.Validate(m.apply(t, doc))
		if err != nil || len(violations) != 1 || violations[0].Code != "xsd.enumeration" {
			t.Fatal(len(violations), err)
		}
		if strings.Contains(fmt.Sprintf("%+v", violations)+violations[0].Text("en")+violations[0].Text("zh"), "geheim") {
			t.Error("the value comes back")
		}
	}
}

func TestCapKeepsTotal(t *testing.T) {
	schema, doc := compileOrder(t), orderXML(t)
	line := `<Line><Number>0</Number><Net unit="KGM">1</Net></Line>`
	doc = bytes.Replace(doc, []byte("<Lines>"), []byte("<Lines>"+strings.Repeat(line, 500)), 1)
	_, violations, err := schema.Validate(doc)
	if err != nil || len(violations) != 200 || violations.Total() != 500 {
		t.Fatalf("%d violations, %v", len(violations), err)
	}
	if violations.Rest("en") != "And 300 more." || violations.Rest("zh") == "" || violations[:3].Total() != 500 {
		t.Errorf("%q", violations.Rest("en"))
	}
	if _, all, err := schema.ValidateListing(doc, 1000); err != nil || len(all) != 500 || all.Rest("en") != "" {
		t.Errorf("%d listed, %v", len(all), err)
	}
	if last := violations[199]; last.Path != "/Order/Lines/Line[200]/Number" || !slices.Equal(last.Steps, []int{6, 199, 0}) {
		t.Errorf("%+v", last)
	}
}

func TestLineBeyond65535(t *testing.T) {
	schema, doc := compileOrder(t), orderXML(t)
	doc = bytes.Replace(doc, []byte("<Kind>I"), []byte(strings.Repeat("\n", 70_000)+"<Kind>X"), 1)
	_, violations, err := schema.Validate(doc)
	if err != nil || len(violations) != 1 || violations[0].Line != 70_003 {
		t.Fatalf("%+v %v", violations, err)
	}
}

func TestSchemaLocationInDocumentIsNotFollowed(t *testing.T) {
	schema, doc := compileOrder(t), orderXML(t)
	hint := `<Order xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:example:order http://127.0.0.1:1/none.xsd"`
	if valid, violations, err := schema.Validate(bytes.Replace(doc, []byte("<Order"), []byte(hint), 1)); valid.IsZero() {
		t.Fatal(violations, err)
	}
}

func TestClosedSchema(t *testing.T) {
	schema := compileOrder(t)
	schema.Close()
	schema.Close()
	if _, _, err := schema.Validate(orderXML(t)); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestConcurrentValidation(t *testing.T) {
	schema, doc := compileOrder(t), orderXML(t)
	slots, err := OpenSlots(filepath.Join(t.TempDir(), "slots"))
	if err != nil {
		t.Fatal(err)
	}
	schema.UseSlots(slots)
	list := mutations(t)
	var group sync.WaitGroup
	for worker := range 64 {
		group.Go(func() {
			for round := range 20 {
				m := list[(worker+round)%len(list)]
				if valid, _, err := schema.Validate(doc); valid.IsZero() {
					t.Error("valid document refused", err)
				}
				_, violations, err := schema.Validate(m.apply(t, doc))
				if err != nil || len(violations) != len(m.Violations) || violations[0].Path != m.Violations[0].Path {
					t.Errorf("%s: %+v %v", m.Name, violations, err)
				}
			}
		})
	}
	group.Wait()
	if err := slots.Close(); err != nil {
		t.Error(err)
	}
}

// TestMemoryStaysFlat watches the resident set: what libxml2 loses, Go's own accounting does not see. XSD_VALIDATIONS is
// how many validations it makes.
func TestMemoryStaysFlat(t *testing.T) {
	debug.SetGCPercent(100) // whatever the environment says
	schema, doc := compileOrder(t), orderXML(t)
	kinds := [][]byte{doc, mutations(t)[0].apply(t, doc), doc[:len(doc)-3]}
	wanted := 21_000
	if number := os.Getenv("XSD_VALIDATIONS"); number != "" {
		var err error
		if wanted, err = strconv.Atoi(number); err != nil {
			t.Fatal(err)
		}
	}
	run := func(times int) {
		for i := range times {
			if valid, violations, err := schema.Validate(kinds[i%3]); valid.IsZero() != (i%3 != 0) || (len(violations) > 0) != (i%3 == 1) || (err != nil) != (i%3 == 2) {
				t.Fatal(valid.IsZero(), violations, err)
			}
		}
	}
	run(3_000)
	before := residentBytes(t)
	run(wanted)
	after := residentBytes(t)
	t.Logf("%d validations: resident set %d KB before, %d KB after", wanted, before>>10, after>>10)
	if after-before > 8<<20 {
		t.Errorf("%d validations grew the process by %d bytes", wanted, after-before)
	}
}

func residentBytes(t *testing.T) int {
	t.Helper()
	content, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc/self/statm to read the resident set from")
	}
	var size, resident int
	if _, err := fmt.Sscan(string(content), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize()
}

func BenchmarkValidate4KB(b *testing.B) {
	schema, doc := compileOrder(b), orderXML(b)
	line := `<Line><Number>3</Number><Net unit="KGM">1.25</Net><Box>b</Box><Seal>s</Seal></Line>`
	doc = bytes.Replace(doc, []byte("</Lines>"), []byte(strings.Repeat(line, (4096-len(doc))/len(line))+"</Lines>"), 1)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if valid, _, _ := schema.Validate(doc); valid.IsZero() {
			b.Fatal("refused")
		}
	}
}

func BenchmarkGuard4KB(b *testing.B) {
	doc := bytes.Replace(orderXML(b), []byte("brief"), bytes.Repeat([]byte("x"), 2600), 1)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if fault := guard(doc); fault != nil {
			b.Fatal(fault)
		}
	}
}
