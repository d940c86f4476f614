package adapters

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"singlewindow/declare"
	"singlewindow/xsd"
)

// A skeletonMapping is a mapping file being written: every element a schema
// demands, in its order, from where the kind has a field of that name.
type skeletonMapping struct {
	text       strings.Builder
	fields     []field
	prefixes   map[string]string // namespace to prefix; "" is the default one
	spaces     []string          // the namespaces, in the order met
	lists      map[string]string // code lists by name
	listOf     map[string]string // the values of a list to its name
	deliveryID string            // path of the element that carries it
	reference  string
}

const skeletonHead = `# From a declaration of the kind %[1]s to the agency's message, in the order of its schema. Required elements are written
# out, optional ones stand as comments. What a field of the same name suggested is a guess: read it. Lines that check
# names are still to be filled in: from takes a pointer into the declaration, const a text, join several; see the
# reference of mapping files.
kind: %[1]s
`

func writeSkeletonMapping(kind *declare.Kind, root *xsd.Element) *skeletonMapping {
	m := &skeletonMapping{fields: fieldsOf(kind), prefixes: map[string]string{}, lists: map[string]string{}, listOf: map[string]string{}}
	m.meet(root, 0)
	fmt.Fprintf(&m.text, skeletonHead, kind.Name)
	m.writeSpaces(root)
	fmt.Fprintf(&m.text, "root: %s\n", quoted(m.tag(root.Name, root.Namespace)))
	if attributes := m.attributes(root, ""); attributes != "" {
		fmt.Fprintf(&m.text, "attr: {%s}\n", attributes)
	}
	m.group("elements", root, []string{root.Name}, "", "")
	return m
}

// meet gathers the namespaces of all that will be written.
func (m *skeletonMapping) meet(element *xsd.Element, depth int) {
	if !slices.Contains(m.spaces, element.Namespace) {
		m.spaces = append(m.spaces, element.Namespace)
	}
	for _, attribute := range element.Attributes {
		if attribute.Required && attribute.Namespace != "" && !slices.Contains(m.spaces, attribute.Namespace) {
			m.spaces = append(m.spaces, attribute.Namespace)
		}
	}
	for _, child := range element.Children {
		if !child.Wildcard && depth < deepest {
			if child.Min > 0 && !child.Choice {
				m.meet(child, depth+1)
			} else if !slices.Contains(m.spaces, child.Namespace) {
				m.spaces = append(m.spaces, child.Namespace)
			}
		}
	}
}

// deepest is where types that contain themselves are left alone.
const deepest = 30

// writeSpaces lets names without a prefix be of the root's namespace, unless
// some are of none.
func (m *skeletonMapping) writeSpaces(root *xsd.Element) {
	m.prefixes[""] = ""
	if !slices.Contains(m.spaces, "") && root.Namespace != "" {
		m.prefixes[root.Namespace] = ""
		fmt.Fprintf(&m.text, "namespace: %q\n", root.Namespace)
	}
	var declared []string
	for _, space := range m.spaces {
		if _, known := m.prefixes[space]; !known {
			m.prefixes[space] = "n" + strconv.Itoa(len(declared)+1)
			declared = append(declared, fmt.Sprintf("%s: %q", m.prefixes[space], space))
		}
	}
	if len(declared) > 0 {
		fmt.Fprintf(&m.text, "namespaces: {%s}\n", strings.Join(declared, ", "))
	}
}

func (m *skeletonMapping) tag(name, space string) string {
	if prefix := m.prefixes[space]; prefix != "" {
		return prefix + ":" + name
	}
	return name
}

// quoted writes a name as a YAML key: one with a prefix needs quotes.
func quoted(tag string) string {
	if strings.Contains(tag, ":") {
		return strconv.Quote(tag)
	}
	return tag
}

// demanded marks a run of alternatives, of which one must be chosen, for the
// author to do so.
func demanded(children []*xsd.Element) string {
	for i, child := range children {
		if i > 0 && !child.Choice {
			break
		}
		if child.Min > 0 {
			return toFill + ": "
		}
	}
	return ""
}

// group writes the children of an element below key.
func (m *skeletonMapping) group(key string, element *xsd.Element, path []string, array, indent string) {
	if len(element.Required()) > 0 {
		fmt.Fprintf(&m.text, "%s%s:\n", indent, key)
	} else {
		fmt.Fprintf(&m.text, "%s%s: [] # %s: at least one of these\n", indent, key, toFill)
	}
	inner, choosing := indent+"  ", false
	for i, child := range element.Children {
		if child.Choice != choosing {
			if choosing = child.Choice; choosing {
				fmt.Fprintf(&m.text, "%s# %sone of:\n", inner, demanded(element.Children[i:]))
			}
		}
		here := append(slices.Clone(path), child.Name)
		switch {
		case child.Wildcard:
			fmt.Fprintf(&m.text, "%s# %san element of another schema may stand here: - \"PREFIX:Name\": {group: […]}, its namespace under namespaces\n",
				inner, demanded(element.Children[i:i+1]))
		case child.Min > 0 && !child.Choice && len(path) < deepest:
			m.element(child, here, array, inner)
		default:
			fmt.Fprintf(&m.text, "%s# - %s: %s\n", inner, quoted(m.tag(child.Name, child.Namespace)), m.hint(child, here, array))
		}
	}
}

// hint is what a comment says of an optional element.
func (m *skeletonMapping) hint(element *xsd.Element, path []string, array string) string {
	if !element.Simple {
		return "{group: […]}"
	}
	if found := m.guess(path, array); found != nil {
		return "{from: " + found.source(array) + "}"
	}
	return "{from: …}"
}

func (m *skeletonMapping) element(element *xsd.Element, path []string, array, indent string) {
	tag := quoted(m.tag(element.Name, element.Namespace))
	if element.Simple {
		fmt.Fprintf(&m.text, "%s- %s: {%s}\n", indent, tag, m.leaf(element, path, array))
		return
	}
	fmt.Fprintf(&m.text, "%s- %s:\n", indent, tag)
	inner := indent + "    "
	if element.Max != 1 {
		repeated := m.guessArray(path, array)
		switch {
		case repeated != "":
			fmt.Fprintf(&m.text, "%seach: %s\n", inner, relativeTo(repeated, array))
			array = repeated
		default:
			fmt.Fprintf(&m.text, "%seach: /%s # an array of the declaration; take the line away if there is only ever one\n", inner, toFill)
		}
	}
	if attributes := m.attributes(element, ""); attributes != "" {
		fmt.Fprintf(&m.text, "%sattr: {%s}\n", inner, attributes)
	}
	if len(element.Children) == 0 {
		return
	}
	m.group("group", element, path, array, inner)
}

// attributes writes the required ones. unit is where the unit of the element's
// own value is, "" where it has none.
func (m *skeletonMapping) attributes(element *xsd.Element, unit string) string {
	var written []string
	for _, attribute := range element.Attributes {
		if !attribute.Required {
			continue
		}
		var rule string
		switch lower := strings.ToLower(attribute.Name); {
		case attribute.Fixed != "":
			rule = fmt.Sprintf("const: %q", attribute.Fixed)
		case len(attribute.Facets.Enumeration) == 1:
			rule = fmt.Sprintf("const: %q", attribute.Facets.Enumeration[0])
		case unit != "" && (strings.Contains(lower, "unit") || strings.Contains(lower, "currency")):
			rule = "from: " + unit + m.code(attribute.Name, attribute.Facets)
		default:
			rule = "from: /" + toFill + m.code(attribute.Name, attribute.Facets)
		}
		written = append(written, quoted(m.tag(attribute.Name, attribute.Namespace))+": {"+rule+"}")
	}
	return strings.Join(written, ", ")
}

var (
	deliveryName  = regexp.MustCompile(`(?i)^(message|delivery|correlation)(id|identifier|identification|number|no)$`)
	referenceName = regexp.MustCompile(`(?i)^(functional)?ref(erence)?(id|number|no)?$`)
	sentName      = regexp.MustCompile(`(?i)^(send|sent|issue|issued|preparation|prepared|creation|created|submission|submitted|message)_?(at|date|time|datetime|on)$`)
)

// leaf says where the text of an element is from.
func (m *skeletonMapping) leaf(element *xsd.Element, path []string, array string) string {
	name, facets := element.Name, element.Facets
	at := "/" + strings.Join(path, "/")
	found := m.guess(path, array)
	var rule, unit string
	switch {
	case element.Fixed != "":
		rule = fmt.Sprintf("const: %q", element.Fixed)
	case len(facets.Enumeration) == 1:
		rule = fmt.Sprintf("const: %q", facets.Enumeration[0])
	case deliveryName.MatchString(name) && m.deliveryID == "":
		rule, m.deliveryID = "from: $deliveryId", at
	case referenceName.MatchString(name) && m.reference == "" && array == "":
		rule, m.reference = "from: /reference", at
	case found == nil && sentName.MatchString(name):
		rule = fmt.Sprintf("from: $acceptedAt, date: %q", layoutOf(facets))
	case found == nil:
		rule = "from: /" + toFill + m.code(name, facets)
	default:
		rule, unit = "from: "+found.source(array), found.unitSource(array)
		if list := m.code(name, facets); list != "" {
			rule += list
		} else {
			rule += found.conversion(facets)
		}
	}
	if attributes := m.attributes(element, unit); attributes != "" {
		rule += ", attr: {" + attributes + "}"
	}
	return rule
}

// code makes a list of the values a type has and names it in the rule; ours
// are filled in where the canonical lists have all of theirs.
func (m *skeletonMapping) code(name string, facets xsd.Facets) string {
	values := slices.Compact(slices.Clone(facets.Enumeration))
	if len(values) < 2 {
		return ""
	}
	key := strings.Join(values, "\x00")
	list := m.listOf[key]
	if list == "" {
		list = kebab(name)
		for number := 2; m.lists[list] != ""; number++ {
			list = kebab(name) + "-" + strconv.Itoa(number)
		}
		m.listOf[key] = list
		m.lists[list] = listText(name, values)
	}
	return ", code: " + list
}

func listText(name string, values []string) string {
	var text strings.Builder
	canonical := canonicalWith(name, values)
	fmt.Fprintf(&text, "# source: our codes to those of %s in the agency's schema; excerpt\nours,theirs\n", name)
	for _, value := range values {
		ours := ""
		if canonical {
			ours = csvField(value)
		}
		text.WriteString(ours + "," + csvField(value) + "\n")
	}
	return text.String()
}

func csvField(value string) string {
	if strings.ContainsAny(value, ",\"\n\r ") {
		return `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
	}
	return value
}

// canonicalWith reports whether one canonical list has all these codes: one
// that the name speaks of, or any if they are too many to be there by chance.
func canonicalWith(name string, values []string) bool {
	lists, err := declare.CodeLists()
	if err != nil {
		return false // the kinds, which need them too, were loaded before
	}
	for _, list := range lists {
		named := strings.Contains(kebab(name), list.Name)
		if (named || len(values) >= 10) && !slices.ContainsFunc(values, func(value string) bool { return !list.Has(value) }) {
			return true
		}
	}
	return false
}

// kebab writes a name such as PurposeCode as purpose-code.
func kebab(name string) string {
	var text strings.Builder
	for i, char := range name {
		before := byte('-')
		if i > 0 {
			before = name[i-1]
		}
		if unicode.IsUpper(char) && before >= 'a' && before <= 'z' {
			text.WriteByte('-')
		}
		if char = unicode.ToLower(char); char >= 'a' && char <= 'z' || char >= '0' && char <= '9' {
			text.WriteRune(char)
		} else {
			text.WriteByte('-')
		}
	}
	return strings.Trim(text.String(), "-")
}

// conversion brings a field to the form of a type.
func (f *field) conversion(facets xsd.Facets) string {
	layout := layoutOf(facets)
	switch {
	case f.form == "integer" || f.form == "boolean":
		return ", as: " + f.form
	case f.form == "date" && facets.Base == "dateTime":
		return `, date: "2006-01-02T00:00:00"`
	case f.form == "date" || f.form == "date-time":
		if f.form == "date" && layout == time.RFC3339 {
			layout = time.DateOnly
		}
		return fmt.Sprintf(", date: %q", layout)
	case f.unit != "" && facets.FractionDigits != nil:
		return fmt.Sprintf(", decimal: {places: %d}", *facets.FractionDigits)
	}
	return ""
}
