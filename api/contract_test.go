package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// record makes the tests write down what they otherwise compare: the contract
// as it is now, and the document the client is made from. See make contract.
var record = flag.Bool("record", false, "write down the contract as it is now")

// contractFile is the document of the last release, without its words.
const contractFile = "contract.json"

// A client that works with the contract as recorded works with the gateway as
// it is. What was added breaks nobody; it is told, so that it can be recorded
// with the next release.
func TestTheContractIsKept(t *testing.T) {
	now := wordless(document(t, newTestAPI(t)), false).(map[string]any)
	if *record {
		content, err := json.MarshalIndent(now, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(contractFile, append(content, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found := compareContracts(readContract(t), now)
	for _, change := range found.breaking {
		t.Errorf("breaks clients: %s", change)
	}
	if len(found.added) > 0 {
		t.Logf("%d additions that are not recorded yet; make contract records them with a release:\n%s", len(found.added), strings.Join(found.added, "\n"))
	}
}

func readContract(t *testing.T) map[string]any {
	t.Helper()
	content, err := os.ReadFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)
}

// A mutation is a change of the recorded contract, and what must be said of it.
type mutation struct {
	Name   string `yaml:"name"`
	At     string `yaml:"at"`     // JSON Pointer into the contract; a parameter by its name
	Set    any    `yaml:"set"`    // what stands there afterwards
	Remove bool   `yaml:"remove"` // or: nothing does
	Breaks string `yaml:"breaks"` // part of what is said; "": it is an addition

	Extensible bool `yaml:"extensible"` // the schema said before that more may come
}

// Each kind of change is told for what it is: the comparison can fail.
func TestBreakingChangesAreFound(t *testing.T) {
	source, err := os.ReadFile("testdata/contract-changes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var mutations []mutation
	if err := yaml.UnmarshalWithOptions(source, &mutations, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if found := compareContracts(readContract(t), readContract(t)); len(found.breaking)+len(found.added) > 0 {
		t.Fatalf("the contract differs from itself: %v", found)
	}
	for _, m := range mutations {
		recorded, changed := readContract(t), readContract(t)
		err := m.apply(changed)
		if m.Extensible {
			err = errors.Join(err, mutation{At: path.Dir(m.At) + "/x-extensible", Set: true}.apply(recorded))
		}
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		found := compareContracts(recorded, changed)
		told := strings.Join(found.breaking, "\n")
		switch {
		case m.Breaks == "" && (told != "" || len(found.added) == 0):
			t.Errorf("%s: breaking %q, added %q", m.Name, told, found.added)
		case m.Breaks != "" && !strings.Contains(told, m.Breaks):
			t.Errorf("%s: %q is not said of it, but %q", m.Name, m.Breaks, told)
		}
	}
}

func (m mutation) apply(document map[string]any) error {
	steps := strings.Split(m.At, "/")[1:]
	for i := range steps {
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(steps[i])
	}
	value := any(document)
	for _, step := range steps[:len(steps)-1] {
		object, _ := value.(map[string]any)
		if list, isList := value.([]any); isList {
			for _, entry := range list {
				if parameter, _ := entry.(map[string]any); parameter["name"] == step { // a parameter, by its name
					value = parameter
				}
			}
		} else {
			value = object[step]
		}
		if value == nil {
			return fmt.Errorf("there is no %s in %s", step, m.At)
		}
	}
	object, isObject := value.(map[string]any)
	last := steps[len(steps)-1]
	if !isObject || m.Remove && object[last] == nil {
		return fmt.Errorf("there is no %s", m.At)
	}
	if m.Remove {
		delete(object, last)
		return nil
	}
	content, err := json.Marshal(m.Set)
	if err != nil {
		return err
	}
	object[last], err = jsonschema.UnmarshalJSON(bytes.NewReader(content))
	return err
}

// named are the members whose own members are names of ours, and not words of
// the specification.
var named = []string{"paths", "properties", "schemas", "responses", "content", "headers", "securitySchemes", "mapping", "dependentRequired"}

// wordless gives the document without the words for people: what is left is what
// programs rely on. Of the examples of problems their codes are kept.
func wordless(value any, names bool) any {
	switch value := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, member := range value {
			switch {
			case names:
				kept[name] = wordless(member, false)
			case name == "examples":
				if byCode, isMap := member.(map[string]any); isMap {
					kept["codes"] = asList(slices.Sorted(maps.Keys(byCode)))
				}
			case slices.Contains([]string{"description", "summary", "title", "example", "info", "tags", "bearerFormat"}, name):
			case slices.Contains([]string{"enum", "const", "default", "required"}, name):
				kept[name] = member
			case strings.HasPrefix(name, "x-") && name != "x-extensible":
			default:
				kept[name] = wordless(member, slices.Contains(named, name))
			}
		}
		return kept
	case []any:
		kept := make([]any, len(value))
		for i := range value {
			kept[i] = wordless(value[i], false)
		}
		return kept
	}
	return value
}

func asList(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

// changes are what a later contract does to an earlier one.
type changes struct {
	before, after   map[string]any // the documents, for references
	seen            map[string]bool
	breaking, added []string
}

func compareContracts(before, after map[string]any) *changes {
	c := &changes{before: before, after: after, seen: map[string]bool{}}
	earlier, later := object(before["paths"]), object(after["paths"])
	c.each("", earlier, later, "path", func(path string, was, is map[string]any) {
		c.each(path, was, is, "operation", c.operation)
	})
	c.each("", object(object(before["components"])["securitySchemes"]), object(object(after["components"])["securitySchemes"]), "security scheme", func(at string, was, is map[string]any) {
		if !reflect.DeepEqual(was, is) {
			c.breaks(at, "security scheme changed")
		}
	})
	slices.Sort(c.breaking)
	c.breaking = slices.Compact(c.breaking)
	slices.Sort(c.added)
	c.added = slices.Compact(c.added)
	return c
}

func object(value any) map[string]any {
	members, _ := value.(map[string]any) // what is absent has none
	return members
}

func (c *changes) breaks(at, what string) { c.breaking = append(c.breaking, at+": "+what) }
func (c *changes) adds(at, what string)   { c.added = append(c.added, at+": "+what) }

// each pairs the members of two objects by name.
func (c *changes) each(at string, was, is map[string]any, what string, compare func(at string, was, is map[string]any)) {
	for name, member := range was {
		if is[name] == nil {
			c.breaks(strings.TrimSpace(at+" "+name), what+" removed")
			continue
		}
		compare(strings.TrimSpace(at+" "+name), object(member), object(is[name]))
	}
	for name := range is {
		if was[name] == nil {
			c.adds(strings.TrimSpace(at+" "+name), what+" added")
		}
	}
}

func (c *changes) operation(at string, was, is map[string]any) {
	if was["operationId"] != is["operationId"] {
		c.breaks(at, "operation id changed")
	}
	c.security(at, was["security"], is["security"])
	c.parameters(at, byPlace(was["parameters"]), byPlace(is["parameters"]))
	c.requestBody(at, object(was["requestBody"]), object(is["requestBody"]))
	c.each(at, object(was["responses"]), object(is["responses"]), "response", c.response)
}

// security compares the ways in; where there is none, everybody is let in.
func (c *changes) security(at string, was, is any) {
	open := len(without(was, nil)) == 0
	gone, more := without(was, is), without(is, was)
	switch {
	case len(gone) > 0 || open && len(more) > 0:
		c.breaks(at, "security changed")
	case len(more) > 0:
		c.adds(at, "way in added")
	}
}

// byPlace gives parameters by where they are and their name.
func byPlace(list any) map[string]any {
	all := map[string]any{}
	parameters, _ := list.([]any) // an operation may have none
	for _, one := range parameters {
		parameter := object(one)
		all[fmt.Sprintf("%v.%v", parameter["in"], parameter["name"])] = parameter
	}
	return all
}

func (c *changes) parameters(at string, was, is map[string]any) {
	c.each(at, was, is, "parameter", func(at string, was, is map[string]any) {
		if is["required"] == true && was["required"] != true {
			c.breaks(at, "parameter is required now")
		}
		c.schema(at, was["schema"], is["schema"], true)
	})
	for place, parameter := range is {
		if was[place] == nil && object(parameter)["required"] == true {
			c.breaks(at+" "+place, "required parameter added")
		}
	}
}

func (c *changes) requestBody(at string, was, is map[string]any) {
	switch {
	case was == nil && is != nil && is["required"] == true:
		c.breaks(at, "a body is required now")
	case was != nil && is == nil:
		c.breaks(at, "body removed")
	case was != nil && was["required"] != true && is["required"] == true:
		c.breaks(at, "the body is required now")
	}
	c.each(at+" body", object(was["content"]), object(is["content"]), "media type", func(at string, was, is map[string]any) {
		c.schema(at, was["schema"], is["schema"], true)
	})
}

func (c *changes) response(at string, was, is map[string]any) {
	c.each(at, object(was["headers"]), object(is["headers"]), "header", func(at string, was, is map[string]any) {
		c.schema(at, was["schema"], is["schema"], false)
	})
	c.each(at, object(was["content"]), object(is["content"]), "media type", func(at string, was, is map[string]any) {
		for _, code := range without(was["codes"], is["codes"]) {
			c.breaks(at, fmt.Sprintf("code %v removed", code))
		}
		for _, code := range without(is["codes"], was["codes"]) {
			c.adds(at, fmt.Sprintf("code %v added", code))
		}
		c.schema(at, was["schema"], is["schema"], false)
	})
}

// without gives the entries of one list that another has not.
func without(list, other any) (rest []any) {
	entries, _ := list.([]any)
	others, _ := other.([]any)
	for _, entry := range entries {
		if !slices.ContainsFunc(others, func(one any) bool { return reflect.DeepEqual(one, entry) }) {
			rest = append(rest, entry)
		}
	}
	return rest
}

// schema compares what may be sent (inward) or may come. A request may only
// become wider, an answer only narrower.
func (c *changes) schema(at string, before, after any, inward bool) {
	was, is := resolved(c.before, before), resolved(c.after, after)
	if key := fmt.Sprint(object(before)["$ref"], object(after)["$ref"], inward); object(before)["$ref"] != nil {
		if c.seen[key] {
			return
		}
		c.seen[key] = true
	}
	c.types(at, was, is, inward)
	c.values(at, was, is, inward)
	c.bounds(at, was, is, inward)
	c.members(at, was, is, inward)
	for _, keyword := range []string{"items", "then", "else", "additionalProperties"} {
		earlier, isSchema := was[keyword].(map[string]any)
		later, stillSchema := is[keyword].(map[string]any)
		if isSchema && stillSchema {
			c.schema(at+"/"+keyword, earlier, later, inward)
		} else if !reflect.DeepEqual(was[keyword], is[keyword]) && (inward && is[keyword] == false || isSchema || stillSchema) {
			c.breaks(at, keyword+" changed")
		}
	}
	for _, keyword := range []string{"if", "not", "allOf"} {
		if !reflect.DeepEqual(was[keyword], is[keyword]) {
			c.breaks(at, keyword+" changed")
		}
	}
	for _, keyword := range []string{"oneOf", "anyOf"} {
		c.variants(at+"/"+keyword, was[keyword], is[keyword], inward, was["x-extensible"] == true)
	}
}

func resolved(document map[string]any, schema any) map[string]any {
	members := object(schema)
	if reference, isReference := members["$ref"].(string); isReference {
		return object(object(object(document["components"])["schemas"])[strings.TrimPrefix(reference, "#/components/schemas/")])
	}
	return members
}

func (c *changes) types(at string, was, is map[string]any, inward bool) {
	list := func(schema map[string]any) any {
		if several, isList := schema["type"].([]any); isList {
			return several
		}
		if schema["type"] == nil {
			return nil
		}
		return []any{schema["type"]}
	}
	earlier, later := list(was), list(is)
	narrower := later != nil && (earlier == nil || len(without(earlier, later)) > 0)
	wider := earlier != nil && (later == nil || len(without(later, earlier)) > 0)
	if inward && narrower || !inward && wider {
		c.breaks(at, "type changed")
	}
	if was["format"] != is["format"] && (!inward || is["format"] != nil) {
		c.breaks(at, "format changed")
	}
}

func (c *changes) values(at string, was, is map[string]any, inward bool) {
	list := func(schema map[string]any) any {
		if schema["const"] != nil {
			return []any{schema["const"]}
		}
		return schema["enum"]
	}
	earlier, later := list(was), list(is)
	switch {
	case inward && earlier == nil && later != nil:
		c.breaks(at, "only some values are allowed now")
	case inward && later != nil:
		for _, value := range without(earlier, later) {
			c.breaks(at, fmt.Sprintf("value %v is not allowed any more", value))
		}
	case !inward && earlier != nil && later == nil && was["x-extensible"] != true:
		c.breaks(at, "any value may come now")
	case !inward && earlier != nil && was["x-extensible"] != true:
		for _, value := range without(later, earlier) {
			c.breaks(at, fmt.Sprintf("value %v may come now", value))
		}
	}
	for _, value := range without(later, earlier) {
		c.adds(at, fmt.Sprintf("value %v", value))
	}
}

// bounds are kept for requests: a longer answer breaks nobody.
func (c *changes) bounds(at string, was, is map[string]any, inward bool) {
	if !inward {
		return
	}
	for keyword, sign := range map[string]int{
		"maxLength": 1, "maximum": 1, "exclusiveMaximum": 1, "maxItems": 1, "maxProperties": 1,
		"minLength": -1, "minimum": -1, "exclusiveMinimum": -1, "minItems": -1, "minProperties": -1,
	} {
		later, bounded := is[keyword].(json.Number)
		earlier, before := was[keyword].(json.Number)
		if bounded && (!before || sign*compareNumbers(later, earlier) < 0) {
			c.breaks(at, keyword+" is narrower")
		}
	}
	if is["pattern"] != nil && is["pattern"] != was["pattern"] {
		c.breaks(at, "pattern changed")
	}
	if is["uniqueItems"] == true && was["uniqueItems"] != true {
		c.breaks(at, "entries must differ now")
	}
}

func (c *changes) members(at string, was, is map[string]any, inward bool) {
	earlier, later := object(was["properties"]), object(is["properties"])
	for name, property := range earlier {
		if later[name] == nil {
			c.breaks(at+"/"+name, "property removed")
			continue
		}
		c.schema(at+"/"+name, property, later[name], inward)
	}
	for name := range later {
		if earlier[name] == nil {
			c.adds(at+"/"+name, "property added")
		}
	}
	if inward {
		for _, name := range without(is["required"], was["required"]) {
			c.breaks(fmt.Sprintf("%s/%v", at, name), "property is required now")
		}
		return
	}
	for _, name := range without(was["required"], is["required"]) {
		c.breaks(fmt.Sprintf("%s/%v", at, name), "property may be absent now")
	}
}

// variants are told apart by what they refer to, or by how they are written.
func (c *changes) variants(at string, before, after any, inward, extensible bool) {
	earlier, later := variantsOf(before), variantsOf(after)
	for name, variant := range earlier {
		switch {
		case later[name] != nil:
			c.schema(at, variant, later[name], inward)
		case inward:
			c.breaks(at, "form "+name+" removed")
		}
	}
	for name := range later {
		if earlier[name] == nil && !inward && !extensible {
			c.breaks(at, "form "+name+" may come now")
		} else if earlier[name] == nil {
			c.adds(at, "form "+name)
		}
	}
}

func variantsOf(list any) map[string]any {
	all := map[string]any{}
	entries, _ := list.([]any) // most schemas have none
	for _, entry := range entries {
		if reference, isReference := object(entry)["$ref"].(string); isReference {
			all[reference] = entry
		} else {
			all[fmt.Sprint(entry)] = entry // maps are printed in order
		}
	}
	return all
}

func compareNumbers(a, b json.Number) int {
	left, _ := new(big.Rat).SetString(string(a)) // JSON's numbers are Rat's
	right, _ := new(big.Rat).SetString(string(b))
	return left.Cmp(right)
}
