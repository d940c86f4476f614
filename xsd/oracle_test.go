package xsd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/goccy/go-yaml"
	oracle "github.com/jacoelho/xsd"
)

// disagreement is a document that the other engine judges otherwise, with the reason.
type disagreement struct {
	Schema  string // file name
	Change  string // what the name of the change contains
	Here    bool   // whether it is valid here
	Because string
}

// A court asks two engines about the same documents.
type court struct {
	name     string
	schema   *Schema
	other    *oracle.Session
	known    []disagreement
	compared int
	accepted int
	differed int
}

// openCourt compiles a schema with both engines, nil if the other one cannot.
func openCourt(t *testing.T, file string) *court {
	t.Helper()
	schema, err := Compile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("a part of the schema set is not here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(schema.Close)
	engine, err := oracle.Compile(t.Context(), oracle.File(file))
	if err != nil {
		t.Logf("%s: the other engine cannot compile it: %v", file, err)
		return nil
	}
	content, err := os.ReadFile(filepath.Join("testdata", "disagreements.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c := &court{name: filepath.Base(file), schema: schema}
	if err := yaml.UnmarshalWithOptions(content, &c.known, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if c.other, err = engine.NewSession(oracle.ValidateOptions{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *court) compare(t *testing.T, change string, doc []byte) {
	valid, violations, err := c.schema.Validate(doc)
	refusal := c.other.Validate(context.Background(), bytes.NewReader(doc))
	c.compared++
	if err != nil {
		t.Errorf("%s, %s: %v", c.name, change, err)
	}
	here := !valid.IsZero()
	if here {
		c.accepted++
	}
	if here == (refusal == nil) {
		return
	}
	c.differed++
	if !slices.ContainsFunc(c.known, func(d disagreement) bool {
		return d.Schema == c.name && strings.Contains(change, d.Change) && d.Here == here
	}) {
		t.Errorf("%s, %s: valid here %v %+v; there %v", c.name, change, here, violations, refusal)
	}
}

// try compares a document and what becomes of it when any one element or attribute of it is changed; one in stride.
func (c *court) try(t *testing.T, name string, doc []byte, stride int) {
	t.Helper()
	c.compare(t, name, doc)
	tree := etree.NewDocument()
	if err := tree.ReadFromBytes(doc); err != nil {
		t.Fatal(err)
	}
	count := 0
	compare := func(change string, element *etree.Element) {
		if count++; count%stride != 0 {
			return
		}
		changed, err := tree.WriteToBytes()
		if err != nil {
			t.Fatal(err)
		}
		c.compare(t, fmt.Sprintf("%s: %s: %s", change, name, element.GetPath()), changed)
	}
	for _, e := range tree.FindElements("//*") {
		changeElement(e, compare)
		changeText(e, compare)
		changeAttributes(e, compare)
	}
}

func changeElement(e *etree.Element, compare func(string, *etree.Element)) {
	parent, at := e.Parent(), e.Index()
	if parent.Parent() != nil {
		parent.RemoveChildAt(at)
		compare("removed", e)
		parent.InsertChildAt(at, e)
		twin := e.Copy()
		parent.InsertChildAt(at, twin)
		compare("doubled", e)
		parent.RemoveChild(twin)
		parent.RemoveChildAt(at)
		parent.AddChild(e)
		compare("moved to the end", e)
		parent.RemoveChild(e)
		parent.InsertChildAt(at, e)
	}
	tag := e.Tag
	e.Tag += "X"
	compare("renamed", e)
	e.Tag = tag
	stranger := e.CreateElement("Stranger")
	compare("stranger", e)
	e.RemoveChild(stranger)
}

// values are put where any text is: too long, empty, of another type, at the edges of numbers and dates.
var values = []string{"", " ", "x", strings.Repeat("x", 3000), "0", "-1", "+1", "1.5", ".5", "12345678901234567890.123456789", "1e3", "true", "2026-02-29", "20261305", "2026-03-02T24:00:00", "A1", "中文", "a b", "\t7\n"}

func changeText(e *etree.Element, compare func(string, *etree.Element)) {
	if len(e.ChildElements()) > 0 {
		return
	}
	text := e.Text()
	for _, value := range values {
		e.SetText(value)
		compare(fmt.Sprintf("text %.12q", value), e)
	}
	e.SetText(text)
}

func changeAttributes(e *etree.Element, compare func(string, *etree.Element)) {
	kept := slices.Clone(e.Attr)
	for i, a := range kept {
		if a.Space == "xmlns" || a.Key == "xmlns" {
			continue
		}
		for _, value := range values {
			e.Attr[i].Value = value
			compare(fmt.Sprintf("attribute %.12q", value), e)
		}
		e.Attr = slices.Delete(slices.Clone(kept), i, i+1)
		compare("without attribute", e)
		e.Attr = slices.Clone(kept)
	}
	e.CreateAttr("stranger", "1")
	compare("strange attribute", e)
	e.Attr = kept
}

func (c *court) close(t *testing.T) {
	t.Logf("%s: %d documents compared, %d of them valid, %d known disagreements", c.name, c.compared, c.accepted, c.differed)
	if c.compared == c.accepted || c.accepted == 0 {
		t.Errorf("%s: nothing was told apart", c.name)
	}
}

// TestAgreesWithAnotherEngine asks an independent engine about documents written for it, mutations and all.
func TestAgreesWithAnotherEngine(t *testing.T) {
	for _, c := range []struct{ name, mutations string }{{"order", "mutations.yaml"}, {"rare", "rare.yaml"}} {
		court := openCourt(t, filepath.Join("testdata", c.name+".xsd"))
		doc, err := os.ReadFile(filepath.Join("testdata", c.name+".xml"))
		if court == nil || err != nil {
			t.Fatal(err)
		}
		for _, m := range mutationsIn(t, c.mutations) {
			court.compare(t, m.Name, m.apply(t, doc))
		}
		court.try(t, c.name+".xml", doc, 1)
		if c.name == "rare" {
			court.compare(t, "element in fixed mixed content", bytes.Replace(doc, []byte("<FixedMixed>F"), []byte("<FixedMixed>F<x/>"), 1))
		}
		court.close(t)
	}
}

func TestAgreesOnSets(t *testing.T) {
	eachSet(t, func(t *testing.T, schema string, c setCase) {
		if court := openCourt(t, schema); court != nil {
			court.compare(t, c.Text, []byte(c.Text))
		}
	})
}

// TestAgreesOnAgencies compares every agency's schemas over that agency's messages, of the right kind and of the others.
func TestAgreesOnAgencies(t *testing.T) {
	schemas, err := filepath.Glob(filepath.Join("..", "adapters", "agencies", "*", "schema", "*.xsd"))
	if err != nil || len(schemas) == 0 {
		t.Fatal(schemas, err)
	}
	for _, file := range schemas {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(file)))+"/"+filepath.Base(file), func(t *testing.T) {
			folder := filepath.Join(filepath.Dir(file), "..")
			samples, err := filepath.Glob(filepath.Join(folder, "samples", "*.xml"))
			answers, failure := filepath.Glob(filepath.Join(folder, "samples", "*", "*.xml"))
			if err != nil || failure != nil {
				t.Fatal(err, failure)
			}
			court := openCourt(t, file)
			if court == nil {
				return
			}
			for _, sample := range append(samples, answers...) {
				doc, err := os.ReadFile(sample)
				if err != nil {
					t.Fatal(err)
				}
				before := court.accepted
				court.compare(t, filepath.Base(sample), doc)
				if court.accepted > before {
					court.try(t, filepath.Base(sample), doc, 199)
				}
			}
			if court.accepted > 0 {
				court.close(t)
			}
		})
	}
}
