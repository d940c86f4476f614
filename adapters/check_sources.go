package adapters

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"singlewindow/declare"
	"singlewindow/mapping"
)

// knownFields are the pointers of a kind, to what holds values and to what is
// around them; entries of arrays are *.
type knownFields map[string]bool

func knownIn(kind *declare.Kind) knownFields {
	known := knownFields{"/kind": true}
	for _, field := range kind.Fields() {
		for at := field.Pointer; at != "/" && at != "."; at = path.Dir(at) {
			known[at] = true
		}
	}
	return known
}

// selection is [0] or [member=value] behind the name of an array.
var selection = regexp.MustCompile(`\[(?:[0-9]+|([^\[\]=]+)=[^\[\]]*)\]`)

// holds tells whether a source leads somewhere in the kind; a selection must
// name a member that the entries have.
func (k knownFields) holds(source string) bool {
	for _, at := range selection.FindAllStringSubmatchIndex(source, -1) {
		if at[2] >= 0 && !k[plain(source[:at[0]])+"/*/"+source[at[2]:at[3]]] {
			return false
		}
	}
	return k[strings.TrimSuffix(plain(source), "/")]
}

// plain writes selected entries as any entry.
func plain(source string) string { return selection.ReplaceAllString(source, "/*") }

// checkSources holds what the rules read to the kind: a mistyped field would
// only ever be absent.
func (m *mappingCheck) checkSources(rules *mapping.Mapping) {
	kind := m.kinds[rules.Kind()]
	if kind == nil {
		return
	}
	known := knownIn(kind)
	for _, rule := range rules.Rules() {
		for _, source := range rule.Sources {
			if !known.holds(source) {
				m.faultAt(place{rule.Line, rule.Column}, "the kind "+rules.Kind()+" has no "+source)
			}
		}
	}
}

// checkOrder holds the rules to the order of the schema, where it has one: an
// optional element out of its place would only show with a declaration that
// has it.
func (m *mappingCheck) checkOrder(rules *mapping.Mapping) {
	reached := map[string]int{} // by path of the parent: the place reached among the schema's children
	for _, rule := range rules.Rules() {
		reached[rule.Path] = 0 // a second rule of one path begins anew
		parent := path.Dir(rule.Path)
		element := m.model.Find(steps(parent)...)
		if strings.Contains(rule.Path, "@") || element == nil || !element.Sequence() {
			continue
		}
		at := reached[parent]
		for at < len(element.Children) && element.Children[at].Name != path.Base(rule.Path) && !element.Children[at].Wildcard {
			at++
		}
		if at == len(element.Children) {
			m.faultAt(place{rule.Line, rule.Column}, rule.Path+" stands behind an element that the schema has after it")
			continue
		}
		reached[parent] = at
	}
}

// checkPlaces holds the digits after the point that a rule lets through to
// those that the schema does.
func (m *mappingCheck) checkPlaces(rule *mapping.Rule, text ruleText, node schemaNode) {
	if text.keys["decimal"] == nil || node.facets.FractionDigits == nil {
		return
	}
	for _, pair := range pairsOf(text.keys["decimal"]) {
		value, _ := scalarText(pair.Value) // what is no number was told when the file was read
		if places, err := strconv.Atoi(value); pair.Key.String() == "places" && err == nil && places > *node.facets.FractionDigits {
			m.faultAt(placeOfNode(pair.Value), "the schema allows "+rule.Path+" only "+strconv.Itoa(*node.facets.FractionDigits)+" digits after the point")
		}
	}
}

// checkReads holds the places where a simulator looks into our message to what
// the mappings write.
func (c *checker) checkReads() {
	script := c.agency.script
	if script == nil {
		return
	}
	for key, at := range map[string]string{"deliveryId": script.Reads.DeliveryID, "reference": script.Reads.Reference} {
		written := at == ""
		for _, taken := range c.agency.takes {
			for _, rule := range taken.mapping.Rules() {
				written = written || rule.Path == at
			}
		}
		if !written {
			c.fault(script.source.at("no message of ours has "+at, "reads", key))
		}
	}
}
