package xsd

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	oracle "github.com/jacoelho/xsd"
)

// TestAgreesWithAnotherEngine asks an independent engine about the same documents: both must accept or refuse.
func TestAgreesWithAnotherEngine(t *testing.T) {
	schema, doc := compileOrder(t), orderXML(t)
	other, err := oracle.Compile(t.Context(), oracle.File(filepath.Join("testdata", "order.xsd")))
	if err != nil {
		t.Fatal(err)
	}
	compare := func(name string, doc []byte) {
		valid, _, err := schema.Validate(doc)
		refusal := other.Validate(context.Background(), bytes.NewReader(doc))
		if err != nil || valid.IsZero() == (refusal == nil) {
			t.Errorf("%s: accepted here %v, %v; there %v", name, !valid.IsZero(), err, refusal)
		}
	}
	compare("unchanged", doc)
	for _, m := range mutations(t) {
		compare(m.Name, m.apply(t, doc))
	}
}
