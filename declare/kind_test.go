package declare

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// sampleDay is the day the samples and their mutations are judged on.
var sampleDay = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// mutation is one entry of a mutations.yaml.
type mutation struct {
	Name   string        `yaml:"name"`
	Of     string        `yaml:"of"`
	Remove []string      `yaml:"remove"`
	Set    yaml.MapSlice `yaml:"set"`
	Faults []expectation `yaml:"faults"`
}

type expectation struct {
	Code    string `yaml:"code"`
	Pointer string `yaml:"pointer"`
	Advice  bool   `yaml:"advice"`
}

func loadGoods(t testing.TB) *Kind {
	t.Helper()
	kinds, err := LoadKinds()
	if err != nil {
		t.Fatal(err)
	}
	return kinds["goods"]
}

func (k *Kind) sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := fs.ReadFile(k.Samples, name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func parsed(t testing.TB, body []byte) map[string]any {
	t.Helper()
	tree, faults := ParseJSON(body, MostBytes)
	if len(faults) > 0 {
		t.Fatalf("not read: %v", faults)
	}
	return tree.(map[string]any)
}

func expectations(faults []Fault) []expectation {
	found := []expectation{}
	for _, fault := range faults {
		found = append(found, expectation{fault.Code, fault.Pointer, fault.Advice})
	}
	return found
}

func TestSamplesAreSound(t *testing.T) {
	goods := loadGoods(t)
	names, err := fs.Glob(goods.Samples, "*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, name := range names {
		faults, err := goods.Check(parsed(t, goods.sample(t, name)), sampleDay)
		if err != nil || len(faults) > 0 {
			t.Errorf("%s: %v %v", name, expectations(faults), err)
		}
	}
}

func loadMutations(t testing.TB, k *Kind) []mutation {
	t.Helper()
	var mutations []mutation
	if err := readYAML("mutations.yaml", k.sample(t, "mutations.yaml"), &mutations); err != nil {
		t.Fatal(err)
	}
	return mutations
}

func TestMutationsAreRefused(t *testing.T) {
	goods := loadGoods(t)
	met := map[string]bool{}
	for _, mutation := range loadMutations(t, goods) {
		t.Run(mutation.Name, func(t *testing.T) {
			tree := any(parsed(t, goods.sample(t, mutation.Of)))
			mutate(t, &tree, mutation)
			faults, err := goods.Check(tree, sampleDay)
			if err != nil {
				t.Fatal(err)
			}
			if found := expectations(faults); !reflect.DeepEqual(found, mutation.Faults) {
				t.Errorf("found    %v\nexpected %v", found, mutation.Faults)
			}
			for _, fault := range faults {
				met[fault.Code] = true
				if fault.Text.English == "" || fault.Text.Chinese == "" {
					t.Errorf("%s has no text in both languages", fault.Code)
				}
			}
		})
	}
	for _, rule := range goods.rules.rules {
		if !met[rule.code] {
			t.Errorf("no mutation violates the rule %s", rule.code)
		}
	}
	for _, code := range []string{"required", "unknownField", "type", "pattern", "enum", "const", "format", "maxLength", "minLength", "maximum", "minimum", "minItems"} {
		if !met["schema."+code] {
			t.Errorf("no mutation meets schema.%s", code)
		}
	}
}

func mutate(t *testing.T, tree *any, mutation mutation) {
	t.Helper()
	for _, pointer := range mutation.Remove {
		edit(t, tree, pointer, nil, true)
	}
	for _, item := range mutation.Set {
		body, err := json.Marshal(asJSON(item.Value))
		if err != nil {
			t.Fatal(err)
		}
		value, faults := ParseJSON(body, MostBytes)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		edit(t, tree, item.Key.(string), value, false)
	}
}

// asJSON makes ordered YAML maps ones that JSON can be written from.
func asJSON(value any) any {
	switch value := value.(type) {
	case yaml.MapSlice:
		object := map[string]any{}
		for _, item := range value {
			object[fmt.Sprint(item.Key)] = asJSON(item.Value)
		}
		return object
	case []any:
		for i := range value {
			value[i] = asJSON(value[i])
		}
	}
	return value
}

// edit sets or removes the value at a pointer. A last step - appends.
func edit(t *testing.T, tree *any, pointer string, value any, remove bool) {
	t.Helper()
	steps := strings.Split(pointer, "/")[1:]
	last := strings.NewReplacer("~1", "/", "~0", "~").Replace(steps[len(steps)-1])
	parent := *tree
	for i, step := range steps[:len(steps)-1] {
		switch node := parent.(type) {
		case map[string]any:
			if array, isArray := node[step].([]any); isArray && last == "-" && i == len(steps)-2 {
				node[step] = append(slices.Clone(array), value)
				return
			}
			parent = node[step]
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil {
				t.Fatal(err)
			}
			parent = node[index]
		}
	}
	object, isObject := parent.(map[string]any)
	if !isObject {
		t.Fatalf("%s has no object above it", pointer)
	}
	if _, present := object[last]; remove && !present {
		t.Fatalf("%s is not there to be removed", pointer)
	}
	if object[last] = value; remove {
		delete(object, last)
	}
}

// Every place a rule or a key points at is one the schema knows, so that a
// renamed field cannot leave a rule asking about nothing.
func TestPointersOfRulesAndKeysAreInTheSchema(t *testing.T) {
	goods := loadGoods(t)
	schema := parsedSchema(t, goods)
	known := func(pointer string) bool { return schemaHas(schema, schema, strings.Split(pointer, "/")[1:]) }
	for _, rule := range goods.rules.rules {
		for _, scope := range rule.each {
			each := goods.rules.scopes[scope]
			at := strings.TrimSuffix(each.text+"/*/"+rule.at, "/")
			if each.text == "" {
				at = rule.at
			}
			if !known(at) && !known(each.text+"/"+rule.at) {
				t.Errorf("%s: the schema has no %s", rule.code, at)
			}
		}
	}
	for _, key := range goods.keys {
		if !known(key.at.text) || key.When != nil && !known(key.when.text) {
			t.Errorf("key %s: the schema has no %s", key.Name, key.at.text)
		}
	}
	if known("/goodsShipment/noSuchField") {
		t.Error("the test finds every field in the schema")
	}
}

func parsedSchema(t *testing.T, k *Kind) map[string]any {
	t.Helper()
	var schema map[string]any
	if err := json.Unmarshal(k.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func schemaHas(root, schema map[string]any, steps []string) bool {
	for len(steps) > 0 {
		if reference, present := schema["$ref"].(string); present {
			schema = root["$defs"].(map[string]any)[path.Base(reference)].(map[string]any)
			continue
		}
		next, isObject := schema["items"].(map[string]any)
		if steps[0] != "*" {
			properties, _ := schema["properties"].(map[string]any)
			next, isObject = properties[steps[0]].(map[string]any)
		}
		if !isObject {
			return false
		}
		schema, steps = next, steps[1:]
	}
	return true
}

func TestTooManyItemsIsOneQuickFault(t *testing.T) {
	goods := loadGoods(t)
	tree := withItems(t, goods, 1000)
	started := time.Now()
	faults, err := goods.Check(tree, sampleDay)
	if err != nil {
		t.Fatal(err)
	}
	want := []expectation{{"schema.maxItems", "/goodsShipment/governmentAgencyGoodsItems", false}}
	if found := expectations(faults); !reflect.DeepEqual(found, want) {
		t.Errorf("found %v", found)
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if !strings.Contains(faults[0].Text.English, "999") {
		t.Errorf("the text does not name the limit: %s", faults[0].Text.English)
	}
}

// The greatest declaration stays within what one evaluation of a rule may
// cost.
func TestGreatestDeclarationIsChecked(t *testing.T) {
	goods := loadGoods(t)
	faults, err := goods.Check(withItems(t, goods, 999), sampleDay)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		if !strings.HasPrefix(fault.Code, "goods.total.") {
			t.Errorf("%s at %s", fault.Code, fault.Pointer)
		}
	}
}

// withItems is the sample of three items with n of them.
func withItems(t testing.TB, goods *Kind, n int) map[string]any {
	t.Helper()
	tree := parsed(t, goods.sample(t, "import-3-items-container-licence.json"))
	shipment := tree["goodsShipment"].(map[string]any)
	items := shipment["governmentAgencyGoodsItems"].([]any)
	var more []any
	for i := range n {
		item := maps.Clone(items[i%len(items)].(map[string]any))
		item["sequenceNumeric"] = json.Number(strconv.Itoa(i + 1))
		more = append(more, item)
	}
	shipment["governmentAgencyGoodsItems"] = more
	return tree
}

func TestFaultsAreCappedAndNeverShowAValue(t *testing.T) {
	goods := loadGoods(t)
	tree := parsed(t, goods.sample(t, "import-minimal.json"))
	const secret = "Kx7-verySecretValue"
	for i := range 300 {
		tree[fmt.Sprintf("unknown%03d", i)] = secret
	}
	tree["typeCode"] = secret
	tree["invoiceAmount"] = map[string]any{"value": secret, "currency": secret}
	tree["declarationDate"] = secret
	faults, err := goods.Check(tree, sampleDay)
	if err != nil {
		t.Fatal(err)
	}
	if len(faults) != maxFaults {
		t.Errorf("%d faults", len(faults))
	}
	for _, fault := range faults {
		if strings.Contains(fault.Text.English+fault.Text.Chinese, secret) {
			t.Errorf("%s shows the value: %s", fault.Code, fault.Text.English)
		}
	}
}

// However much advice there is, a refusal is told.
func TestAdviceHidesNoRefusal(t *testing.T) {
	goods := loadGoods(t)
	tree := withItems(t, goods, 999)
	for _, item := range tree["goodsShipment"].(map[string]any)["governmentAgencyGoodsItems"].([]any) {
		item.(map[string]any)["packagings"] = []any{map[string]any{"typeCode": "0Q", "quantity": json.Number("1")}}
	}
	tree["borderTransportMeans"].(map[string]any)["id"] = "9482159"
	faults, err := goods.Check(tree, sampleDay)
	if err != nil {
		t.Fatal(err)
	}
	refusals := expectations(Refusals(faults))
	if !slices.Contains(refusals, expectation{"goods.transportMeans.imoNumber", "/borderTransportMeans/id", false}) {
		t.Errorf("%v", refusals)
	}
	if advice := len(faults) - len(refusals); advice != maxFaults {
		t.Errorf("%d pieces of advice", advice)
	}
}

// A hundred thousand containers inside items are each looked up among ten
// thousand listed ones: not by walking the list each time.
func TestManyContainersAreLookedUp(t *testing.T) {
	goods := loadGoods(t)
	tree := withItems(t, goods, 999)
	var listed []any
	for i := range 9999 {
		number := fmt.Sprintf("CSQU%06d", i)
		listed = append(listed, map[string]any{"id": number + strconv.Itoa(iso6346Digit(number))})
	}
	shipment := tree["goodsShipment"].(map[string]any)
	shipment["consignment"].(map[string]any)["transportEquipments"] = listed
	items := shipment["governmentAgencyGoodsItems"].([]any)
	for _, item := range items {
		commodity := maps.Clone(item.(map[string]any)["commodity"].(map[string]any))
		commodity["transportEquipments"] = listed[len(listed)-100:]
		item.(map[string]any)["commodity"] = commodity
	}
	items[998].(map[string]any)["commodity"].(map[string]any)["transportEquipments"] = []any{map[string]any{"id": "CSQU3054383"}}
	faults, err := goods.Check(tree, sampleDay)
	if err != nil {
		t.Fatal(err)
	}
	faults = slices.DeleteFunc(faults, func(f Fault) bool { return strings.HasPrefix(f.Code, "goods.total.") })
	want := []expectation{{"goods.item.containerUnknown", "/goodsShipment/governmentAgencyGoodsItems/998/commodity/transportEquipments/0/id", false}}
	if found := expectations(faults); !reflect.DeepEqual(found, want) {
		t.Errorf("%v", found)
	}
}

func TestFaultsComeInTheSameOrder(t *testing.T) {
	goods := loadGoods(t)
	check := func() []Fault {
		faults, err := goods.Check(map[string]any{"kind": "goods", "z": true, "a": true, "goodsShipment": []any{}}, sampleDay)
		if err != nil {
			t.Fatal(err)
		}
		return faults
	}
	first := check()
	for range 20 {
		if again := check(); !reflect.DeepEqual(first, again) {
			t.Fatalf("%v\n%v", first, again)
		}
	}
}

func TestDeclarationThatIsNoObject(t *testing.T) {
	goods := loadGoods(t)
	for _, tree := range []any{nil, "goods", []any{}, true, json.Number("1")} {
		faults, err := goods.Check(tree, sampleDay)
		if err != nil || len(faults) != 1 || faults[0].Code != "schema.type" || faults[0].Pointer != "" {
			t.Errorf("%v: %v %v", tree, faults, err)
		}
	}
}

func TestKeys(t *testing.T) {
	goods := loadGoods(t)
	tree := parsed(t, goods.sample(t, "import-3-items-container-licence.json"))
	keys := goods.Keys(tree)
	for _, want := range []Key{
		{"container", "SPTU6204180"}, {"container", "XMHU3102757"}, {"bill", "SGPL26AKLXMN0417"},
		{"imo", "9482158"}, {"licence", "26-ZZ-350071"}, {"voyage", "0417N"},
	} {
		if n := len(slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return k != want })); n != 1 {
			t.Errorf("%v stands %d times in %v", want, n, keys)
		}
	}
	consignment := tree["goodsShipment"].(map[string]any)["consignment"].(map[string]any)
	for _, means := range []any{tree["borderTransportMeans"], consignment["arrivalTransportMeans"], consignment["departureTransportMeans"]} {
		means.(map[string]any)["identificationTypeCode"] = "11"
	}
	if slices.Contains(goods.Keys(tree), Key{"imo", "9482158"}) {
		t.Error("an identifier that is no IMO number is found as one")
	}
}

func TestKeysFileFaults(t *testing.T) {
	for src, want := range map[string]string{
		"- {name: a, at: b}": "k.yaml:1:17: a key needs a name, and an at with a leading slash",
		"- {at: /b}":         "k.yaml:1:8: a key needs a name, and an at with a leading slash",
		"- {name: a, at: /b, when: {at: c, is: d}}":   "k.yaml:1:32: a pointer begins with a slash",
		"- {name: a, at: /b, where: {at: /c, is: d}}": "k.yaml:1:21: unknown field",
	} {
		if _, err := compileKeys("k.yaml", []byte(src)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestSchemaFaultsAreFound(t *testing.T) {
	lists := map[string]*CodeList{}
	for src, want := range map[string]string{
		`{`:                   "schema.json: ",
		`{"type": "nothing"}`: "schema.json: ",
		`{"properties": {"a": {"x-codes": "no"}}}`: `schema.json: x-codes: there is no code list "no"`,
		`{"properties": {"a": {"$ref": "#"}}}`:     "schema.json: $ref: there is no # in the schema",
	} {
		if err := new(Kind).compileSchema("schema.json", []byte(src), lists); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// BenchmarkIntake is what one submission of five items costs before its
// agencies are asked, whole and by step.
func BenchmarkIntake(b *testing.B) {
	goods := loadGoods(b)
	body := goods.sample(b, "import-dangerous-5-items.json")
	tree := parsed(b, body)
	for _, step := range []struct {
		name string
		do   func() ([]Fault, error)
	}{
		{"parse", func() ([]Fault, error) {
			_, faults := ParseJSON(body, MostBytes)
			return faults, nil
		}},
		{"form", func() ([]Fault, error) { return goods.checkForm(tree), nil }},
		{"codes", func() ([]Fault, error) { return goods.checkCodes(tree, sampleDay.Format(time.DateOnly)), nil }},
		{"rules", func() ([]Fault, error) { return goods.rules.Check(tree, sampleDay) }},
		{"whole", func() ([]Fault, error) {
			tree, faults := ParseJSON(body, MostBytes)
			if len(faults) > 0 {
				return faults, nil
			}
			return goods.Check(tree, sampleDay)
		}},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if faults, err := step.do(); err != nil || len(faults) > 0 {
					b.Fatal(faults, err)
				}
			}
		})
	}
}

func BenchmarkRulesOfFiftyItems(b *testing.B) {
	goods := loadGoods(b)
	tree := withItems(b, goods, 50)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := goods.rules.Check(tree, sampleDay); err != nil {
			b.Fatal(err)
		}
	}
}
