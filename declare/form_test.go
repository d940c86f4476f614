package declare

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The samples must not need the schema's engine: that is what holds is for.
func TestSamplesHoldWithoutTheEngine(t *testing.T) {
	goods := loadGoods(t)
	if !goods.familiar {
		t.Fatal("the schema has a keyword that holds does not know")
	}
	names, err := fs.Glob(goods.Samples, "*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, name := range names {
		if !holds(goods.schema, parsed(t, goods.sample(t, name))) {
			t.Errorf("%s does not hold", name)
		}
	}
}

// Every value of a sample is replaced by every strange one: where holds says
// yes, the engine must not say no.
func TestHoldsIsNeverMilderThanTheEngine(t *testing.T) {
	goods := loadGoods(t)
	tree := parsed(t, goods.sample(t, "import-air-1-item.json"))
	strange := []any{
		nil, true, "", "0", "1.10", "2026-02-30", "2026-03-02T09:30:00Z", "中文", strings.Repeat("长", 36), strings.Repeat("x", 600),
		json.Number("0"), json.Number("-1"), json.Number("1.0"), json.Number("99999999999999999999"), map[string]any{}, map[string]any{"x": "1"}, []any{}, []any{"x", nil},
	}
	yes, no := 0, 0
	try := func() {
		if !holds(goods.schema, tree) {
			no++
			return
		}
		yes++
		if err := goods.schema.Validate(tree); err != nil {
			t.Errorf("holds said yes: %v", err)
		}
	}
	var visit func(container any)
	visit = func(container any) {
		switch container := container.(type) {
		case map[string]any:
			for name, value := range container {
				for _, other := range strange {
					container[name] = other
					try()
				}
				delete(container, name)
				try()
				container[name] = value
				visit(value)
			}
			container["unknown"] = "x"
			try()
			delete(container, "unknown")
		case []any:
			for i, value := range container {
				for _, other := range strange {
					container[i] = other
					try()
				}
				container[i] = value
				visit(value)
			}
		}
	}
	visit(tree)
	if yes < 100 || no < 1000 {
		t.Errorf("holds said yes %d times and no %d times", yes, no)
	}
}

func TestUnfamiliarSchemas(t *testing.T) {
	for src, want := range map[string]bool{
		`{"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"enum": ["x"]}}}`: true,
		`{"properties": {"a": {"not": {}}}}`:                                      false,
		`{"$ref": "#/$defs/a", "$defs": {"a": {"items": {"uniqueItems": true}}}}`: false,
		`{"if": {}, "then": {"minProperties": 1}}`:                                false,
		`{"if": {}, "else": {}}`:                                                  false,
		`{"enum": ["x", 1]}`:                                                      false,
		`{"const": {}}`:                                                           false,
		`{"minimum": 1.5}`:                                                        false,
		`{"additionalProperties": {"type": "string"}}`:                            false,
	} {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(src))
		if err != nil {
			t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("schema.json", document); err != nil {
			t.Fatal(err)
		}
		if got := familiar(compiler.MustCompile("schema.json"), map[*jsonschema.Schema]bool{}); got != want {
			t.Errorf("%s: %v", src, got)
		}
	}
}
