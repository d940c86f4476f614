package declare

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A Field is a place of a kind where a value may stand, or an array.
type Field struct {
	Pointer string // entries of arrays as *: /items/*/id
	Form    string // text, integer, boolean, date, date-time or array
	Title   Text
	Codes   string // the canonical code list, "" if none
	WCO     string // identifier in the WCO Data Model, "" if it has none
}

// Fields lists what a declaration of this kind can hold, in the order of the
// pointers.
func (k *Kind) Fields() []Field {
	var root map[string]any
	if err := json.Unmarshal(k.source, &root); err != nil {
		return nil // it was read before
	}
	r := &fieldReader{root: root}
	r.read(root, "", 0)
	return r.fields
}

type fieldReader struct {
	root   map[string]any
	fields []Field
}

func (r *fieldReader) read(node map[string]any, at string, depth int) {
	if depth > maxSchemaDepth {
		return // a definition that contains itself
	}
	node = r.resolve(node)
	say := func(keyword string) string {
		text, _ := node[keyword].(string) // "" where it is not said
		return text
	}
	field := Field{Pointer: at, Form: "text", Title: Text{say("title"), say("x-zh")}, Codes: say("x-codes"), WCO: say("x-wco")}
	properties, isObject := node["properties"].(map[string]any)
	items, isArray := node["items"].(map[string]any)
	switch {
	case isArray:
		field.Form = "array"
		r.fields = append(r.fields, field)
		r.read(items, at+"/*", depth+1)
	case isObject:
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if inner, ok := properties[name].(map[string]any); ok {
				r.read(inner, pointerTo(at, name), depth+1)
			}
		}
	default:
		if form := say("format"); form != "" {
			field.Form = form
		}
		if form := say("type"); form == "integer" || form == "boolean" {
			field.Form = form
		}
		r.fields = append(r.fields, field)
	}
}

// resolve follows $ref within the schema. What stands beside it goes before
// what it refers to, as a title of the place goes before that of the type.
func (r *fieldReader) resolve(node map[string]any) map[string]any {
	for range maxSchemaDepth {
		reference, _ := node["$ref"].(string)
		steps, isLocal := strings.CutPrefix(reference, "#/")
		if !isLocal {
			break
		}
		target := r.root
		for step := range strings.SplitSeq(steps, "/") {
			target, _ = target[step].(map[string]any) // nil has no members
		}
		merged := maps.Clone(target)
		maps.Copy(merged, node)
		delete(merged, "$ref")
		if next, refers := target["$ref"]; refers {
			merged["$ref"] = next
		}
		node = merged
	}
	return node
}
