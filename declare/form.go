package declare

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// checkForm asks the schema. Arrays that are too long are told alone: a
// million entries are one fault, quickly found, and not a million.
func (k *Kind) checkForm(tree any) []Fault {
	if k.familiar && holds(k.schema, tree) {
		return nil
	}
	if faults := k.checkLengths(tree); len(faults) > 0 {
		return faults
	}
	var invalid *jsonschema.ValidationError
	if err := k.schema.Validate(tree); !errors.As(err, &invalid) {
		return nil
	}
	faults := formFaults(nil, invalid)
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(comparePointers(a.Pointer, b.Pointer), cmp.Compare(a.Code, b.Code))
	})
	faults = slices.CompactFunc(faults, func(a, b Fault) bool { return a.Code == b.Code && a.Pointer == b.Pointer })
	return faults[:min(len(faults), maxFaults)]
}

func (k *Kind) checkLengths(tree any) []Fault {
	var faults []Fault
	k.shape.walk(tree, make(location, 0, 16), func(s *shape, value any, at location) bool {
		array, isArray := value.([]any)
		if !isArray || s.maxItems == 0 || len(array) <= s.maxItems {
			return true
		}
		faults = append(faults, Fault{Code: "schema.maxItems", Pointer: at.pointer(), Text: textMaxItems(s.maxItems)})
		return false
	})
	return faults
}

// holds tells that a value satisfies a schema, and nothing about why not. The
// schema's engine keeps account of all that may be wrong while it looks, at
// ten times the cost, and nearly every declaration is sound. The schema must
// be familiar. A yes is final; a no may be wrong, so that the engine is asked.
func holds(s *jsonschema.Schema, value any) bool {
	switch {
	case s.Ref != nil && !holds(s.Ref, value),
		s.Then != nil && !holds(s.Then, value), // where it holds, its if need not be asked
		s.Const != nil && *s.Const != value,
		s.Enum != nil && !slices.Contains(s.Enum.Values, value),
		s.Format != nil && s.Format.Validate(value) != nil:
		return false
	}
	switch value := value.(type) {
	case map[string]any:
		return allows(s, objectType) && objectHolds(s, value)
	case []any:
		return allows(s, arrayType) && arrayHolds(s, value)
	case string:
		return allows(s, stringType) && textHolds(s, value)
	case json.Number:
		return allows(s, integerType) && numberHolds(s, value)
	case bool:
		return allows(s, booleanType)
	}
	return false
}

func objectHolds(s *jsonschema.Schema, object map[string]any) bool {
	for _, name := range s.Required {
		if _, present := object[name]; !present {
			return false
		}
	}
	for name, value := range object {
		property := s.Properties[name]
		if property == nil && s.AdditionalProperties == false || property != nil && !holds(property, value) {
			return false
		}
	}
	return true
}

func arrayHolds(s *jsonschema.Schema, array []any) bool {
	if s.MinItems != nil && len(array) < *s.MinItems || s.MaxItems != nil && len(array) > *s.MaxItems {
		return false
	}
	return s.Items2020 == nil || !slices.ContainsFunc(array, func(entry any) bool { return !holds(s.Items2020, entry) })
}

func textHolds(s *jsonschema.Schema, text string) bool {
	length := utf8.RuneCountInString(text)
	return (s.MinLength == nil || length >= *s.MinLength) && (s.MaxLength == nil || length <= *s.MaxLength) &&
		(s.Pattern == nil || s.Pattern.MatchString(text))
}

func numberHolds(s *jsonschema.Schema, number json.Number) bool {
	n, err := strconv.ParseInt(string(number), 10, 64)
	return err == nil && (s.Minimum == nil || n >= s.Minimum.Num().Int64()) && (s.Maximum == nil || n <= s.Maximum.Num().Int64())
}

func allows(s *jsonschema.Schema, one jsonschema.Types) bool {
	return s.Types == nil || *s.Types == one
}

var objectType, arrayType, stringType, integerType, booleanType = oneType("object"), oneType("array"), oneType("string"), oneType("integer"), oneType("boolean")

func oneType(name string) (one jsonschema.Types) {
	one.Add(name)
	return one
}

// familiar tells whether a schema, with all it refers to, says nothing that
// holds does not know. Schemas met before are in known.
func familiar(s *jsonschema.Schema, known map[*jsonschema.Schema]bool) bool {
	if s == nil || known[s] {
		return true
	}
	known[s] = true
	keywords := reflect.ValueOf(*s)
	for i := range keywords.NumField() {
		field := keywords.Type().Field(i)
		if field.IsExported() && !keywords.Field(i).IsZero() && !slices.Contains(familiarKeywords, field.Name) {
			return false
		}
	}
	_, closed := s.AdditionalProperties.(bool)
	if s.AdditionalProperties != nil && !closed || !wholeNumber(s.Minimum) || !wholeNumber(s.Maximum) ||
		s.Const != nil && !isText(*s.Const) || s.Enum != nil && !allTexts(s.Enum.Values) {
		return false
	}
	for _, property := range s.Properties {
		if !familiar(property, known) {
			return false
		}
	}
	return familiar(s.Ref, known) && familiar(s.Then, known) && familiar(s.Items2020, known)
}

// familiarKeywords are those that holds asks, those it may leave out, and
// those that ask nothing.
var familiarKeywords = []string{
	"Ref", "If", "Then", "Types", "Const", "Enum", "Format", "Required", "Properties", "AdditionalProperties",
	"MinItems", "MaxItems", "Items2020", "MinLength", "MaxLength", "Pattern", "Minimum", "Maximum",
	"DraftVersion", "Location", "ID", "Anchor", "Title", "Description", "Default", "Comment", "ReadOnly", "WriteOnly", "Examples", "Deprecated",
}

func wholeNumber(bound *big.Rat) bool { return bound == nil || bound.IsInt() && bound.Num().IsInt64() }

func isText(value any) bool {
	_, is := value.(string)
	return is
}

func allTexts(values []any) bool {
	return !slices.ContainsFunc(values, func(value any) bool { return !isText(value) })
}

// formFaults turns what the schema's engine found into faults, without the
// steps it took to find them.
func formFaults(faults []Fault, found *jsonschema.ValidationError) []Fault {
	pointer := ""
	for _, name := range found.InstanceLocation {
		pointer = pointerTo(pointer, name)
	}
	switch k := found.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range found.Causes {
			faults = formFaults(faults, cause)
		}
		return faults
	case *kind.Required:
		return missingFields(faults, pointer, k.Missing)
	case *kind.DependentRequired:
		return missingFields(faults, pointer, k.Missing)
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			faults = append(faults, Fault{Code: "schema.unknownField", Pointer: pointerTo(pointer, name), Text: textUnknownField})
		}
		return faults
	case *kind.FalseSchema:
		return append(faults, Fault{Code: "schema.unknownField", Pointer: pointer, Text: textUnknownField})
	}
	code, text := formText(found.ErrorKind)
	return append(faults, Fault{Code: "schema." + code, Pointer: pointer, Text: text})
}

func missingFields(faults []Fault, pointer string, names []string) []Fault {
	for _, name := range names {
		faults = append(faults, Fault{Code: "schema.required", Pointer: pointerTo(pointer, name), Text: Text{
			English: "This field is required.",
			Chinese: "该字段必填。",
		}})
	}
	return faults
}

var textUnknownField = Text{
	English: "There is no such field here; check its name and place.",
	Chinese: "此处没有该字段，请检查名称和位置。",
}

// formText says what the schema allows at a place. It never shows the value.
func formText(found jsonschema.ErrorKind) (code string, text Text) {
	switch k := found.(type) {
	case *kind.Type:
		return "type", textType(k.Want)
	case *kind.Pattern:
		return "pattern", limitText("The value does not have the required form %v.", "值不符合规定格式 %v。", k.Want)
	case *kind.Enum:
		return "enum", limitText("The value must be one of %v.", "值必须是以下之一：%v。", joinValues(k.Want))
	case *kind.Const:
		return "const", limitText("The value must be %v.", "值必须是 %v。", joinValues([]any{k.Want}))
	case *kind.Format:
		return "format", textFormat(k.Want)
	case *kind.MaxLength:
		return "maxLength", limitText("The text may have at most %v characters.", "文本最多 %v 个字符。", k.Want)
	case *kind.MinLength:
		return "minLength", limitText("The text must have at least %v characters.", "文本至少 %v 个字符。", k.Want)
	case *kind.Maximum:
		return "maximum", limitText("The number may be at most %v.", "数值最大为 %v。", k.Want.RatString())
	case *kind.Minimum:
		return "minimum", limitText("The number must be at least %v.", "数值最小为 %v。", k.Want.RatString())
	case *kind.MaxItems:
		return "maxItems", textMaxItems(k.Want)
	case *kind.MinItems:
		return "minItems", limitText("At least %v entries are required.", "至少需要 %v 项。", k.Want)
	case *kind.UniqueItems:
		return "uniqueItems", Text{"The entries must differ from each other.", "各项不得重复。"}
	case *kind.OneOf, *kind.AnyOf:
		return "oneOf", Text{"The value fits none, or more than one, of the allowed forms.", "值不符合或同时符合多种允许的形式。"}
	}
	return "value", Text{"The value is not allowed here.", "此处不允许该值。"}
}

func textMaxItems(limit int) Text {
	return limitText("At most %v entries are allowed.", "最多允许 %v 项。", limit)
}

func limitText(english, chinese string, limit any) Text {
	return Text{
		English: fmt.Sprintf(english, limit),
		Chinese: fmt.Sprintf(chinese, limit),
	}
}

// jsonTypes names the types of JSON for people.
var jsonTypes = map[string]Text{
	"object":  {"an object", "对象"},
	"array":   {"a list", "数组"},
	"string":  {"a text in double quotes", "双引号括起的文本"},
	"integer": {"a whole number", "整数"},
	"number":  {"a number", "数字"},
	"boolean": {"true or false", "true 或 false"},
	"null":    {"null", "null"},
}

func textType(want []string) Text {
	var english, chinese []string
	for _, name := range want {
		english = append(english, jsonTypes[name].English)
		chinese = append(chinese, jsonTypes[name].Chinese)
	}
	return Text{
		English: "The value must be " + strings.Join(english, " or ") + ".",
		Chinese: "值必须是" + strings.Join(chinese, "或") + "。",
	}
}

func textFormat(format string) Text {
	switch format {
	case "date":
		return Text{"The value must be a date such as 2026-03-02.", "值必须是日期，例如 2026-03-02。"}
	case "date-time":
		return Text{
			English: "The value must be a date and time with offset such as 2026-03-02T09:30:00+08:00.",
			Chinese: "值必须是带时区的日期时间，例如 2026-03-02T09:30:00+08:00。",
		}
	}
	return limitText("The value must have the format %v.", "值必须符合格式 %v。", format)
}

// joinValues lists what a schema allows, the first dozen of it.
func joinValues(values []any) string {
	var texts []string
	for _, value := range values[:min(len(values), 12)] {
		texts = append(texts, fmt.Sprint(value))
	}
	if len(values) > len(texts) {
		texts = append(texts, "…")
	}
	return strings.Join(texts, ", ")
}
