package adapters

import (
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"singlewindow/mapping"
	"singlewindow/xsd"
)

// checkMapping holds the rules to the schema: each writes something the
// schema knows, and together they write all that it demands.
func (c *checker) checkMapping(file string, taken take) {
	content, err := fs.ReadFile(c.folder, file)
	if err != nil {
		c.faults(file, err)
		return
	}
	m := &mappingCheck{
		checker: c, file: file, content: content, model: taken.schema.Model(), texts: ruleTexts(content),
		byPath: map[string]*mapping.Rule{}, strangers: map[[2]string]bool{},
	}
	m.spaces = namespacesIn(content)
	for _, rule := range taken.mapping.Rules() {
		c.report.Rules++
		m.checkRule(rule)
	}
	m.checkDemands(taken.mapping)
	m.checkSources(taken.mapping)
	m.checkOrder(taken.mapping)
}

// A mappingCheck is one mapping file held to one schema.
type mappingCheck struct {
	*checker
	file      string
	content   []byte
	model     *xsd.Model
	texts     map[place]ruleText
	spaces    map[string]string // prefix to namespace, "" for names without one
	byPath    map[string]*mapping.Rule
	strangers map[[2]string]bool // namespaces told already: wanted, written
}

func (m *mappingCheck) faultAt(at place, text string) {
	m.fault(faultIn(m.named(m.file), m.content, at.line, at.column, text))
}

func (m *mappingCheck) checkRule(rule *mapping.Rule) {
	at := place{rule.Line, rule.Column}
	text := m.texts[at]
	if m.byPath[rule.Path] == nil {
		m.byPath[rule.Path] = rule
	}
	if attribute := text.dateAttribute(); attribute != "" {
		m.byPath[rule.Path+"/@"+attribute] = rule
	}
	node, known := nodeAt(m.model, rule.Path)
	if !known {
		m.faultAt(at, "the schema has no "+rule.Path)
		return
	}
	prefix, _, prefixed := strings.Cut(text.tag, ":")
	if !prefixed {
		prefix = ""
	}
	isAttribute := strings.Contains(rule.Path, "@")
	if space := m.spaces[prefix]; text.tag != "" && !node.any && space != node.space && (!isAttribute || prefixed) {
		if pair := [2]string{node.space, space}; !m.strangers[pair] {
			m.strangers[pair] = true
			m.faultAt(at, "the schema has "+rule.Path+" in "+spaceName(node.space)+", the mapping writes it in "+spaceName(space))
		}
	}
	m.checkPlaces(rule, text, node)
	m.claim(rule, text, node)
}

func spaceName(space string) string {
	if space == "" {
		return "no namespace"
	}
	return "namespace " + space
}

// claim gathers the values that a rule may write whatever the declaration is.
func (m *mappingCheck) claim(rule *mapping.Rule, text ruleText, node schemaNode) {
	for _, key := range []string{"const", "default"} {
		if value, ok := scalarText(text.keys[key]); ok {
			m.claimValue(value, rule.Path, node, placeOfNode(text.keys[key]))
		}
	}
	if list, ok := scalarText(text.keys["code"]); ok {
		m.claimList(list, rule.Path, node)
	}
	if text.keys["decimal"] != nil && slices.Contains(rule.Verbs, "decimal") {
		for _, pair := range pairsOf(text.keys["decimal"]) {
			if pair.Key.String() == "to" {
				m.used[massFactorList] = true
			}
		}
	}
	for _, layout := range text.layouts() {
		if value, ok := scalarText(layout); ok {
			m.claimValue(sampleAcceptedAt.In(m.agency.profile.Zone).Format(value), rule.Path, node, placeOfNode(layout))
		}
	}
}

// massFactorList is the code list that decimals convert units of mass by.
const massFactorList = "mass-factor"

func (m *mappingCheck) claimValue(value, at string, node schemaNode, where place) {
	m.claims = append(m.claims, claim{
		value: value, facets: node.facets, fixed: node.fixed,
		fault: faultIn(m.named(m.file), m.content, where.line, where.column, "what is written here does not fit "+at),
	})
}

// checkDemands tells what the schema demands and no rule writes.
func (m *mappingCheck) checkDemands(rules *mapping.Mapping) {
	written := writtenElements(rules, m.model)
	for _, parent := range slices.Sorted(maps.Keys(written)) {
		rule := m.byPath[parent]
		if rule == nil {
			continue // told at the element around it
		}
		at := place{rule.Line, rule.Column}
		for _, needed := range requiredIn(written[parent]) {
			if m.byPath[parent+"/"+needed] == nil {
				m.faultAt(at, "the schema demands "+needed+" in "+parent+", and no rule writes it")
			}
		}
		options := choiceIn(written[parent])
		if len(options) > 0 && !slices.ContainsFunc(options, func(name string) bool { return m.byPath[parent+"/"+name] != nil }) {
			m.faultAt(at, "the schema demands one of "+strings.Join(options, ", ")+" in "+parent+", and no rule writes any")
		}
	}
}

// requiredIn names the children and attributes (@name) an element must have.
func requiredIn(element *xsd.Element) []string {
	var names []string
	for _, attribute := range element.Attributes {
		if attribute.Required {
			names = append(names, "@"+attribute.Name)
		}
	}
	for _, child := range element.Required() {
		names = append(names, child.Name)
	}
	return names
}

// choiceIn names the children of which one must stand, nil when none need be.
func choiceIn(element *xsd.Element) []string {
	var names []string
	for _, child := range element.Children {
		switch {
		case !child.Choice:
		case child.Min == 0 || child.Wildcard:
			return nil
		default:
			names = append(names, child.Name)
		}
	}
	return names
}

// A schemaNode is what a schema says about the text at a path.
type schemaNode struct {
	space, fixed string
	facets       xsd.Facets
	any          bool // XML Schema's own attribute: in every schema
}

// instanceAttributes belong to every schema: XML Schema itself gives them.
var instanceAttributes = []string{"schemaLocation", "noNamespaceSchemaLocation", "type", "nil"}

// nodeAt is false where the schema knows no such path.
func nodeAt(model *xsd.Model, at string) (schemaNode, bool) {
	element := model.Find(steps(at)...)
	if element == nil {
		return schemaNode{}, false
	}
	_, attribute, isAttribute := strings.Cut(at, "@")
	if !isAttribute {
		return schemaNode{space: element.Namespace, fixed: element.Fixed, facets: element.Facets}, true
	}
	for _, known := range element.Attributes {
		if known.Name == attribute {
			return schemaNode{space: known.Namespace, fixed: known.Fixed, facets: known.Facets}, true
		}
	}
	return schemaNode{any: true}, slices.Contains(instanceAttributes, attribute)
}

// place is a line and column of a file.
type place struct{ line, column int }

func placeOfNode(node ast.Node) place {
	if node == nil || node.GetToken() == nil {
		return place{}
	}
	return place{node.GetToken().Position.Line, node.GetToken().Position.Column}
}

// A ruleText is what a mapping file says at the place of a rule.
type ruleText struct {
	tag  string // the name as written, with its prefix
	keys map[string]ast.Node
}

// ruleTexts finds every rule of a mapping file by its place. A file that is no
// YAML has none: the mapping room tells why.
func ruleTexts(content []byte) map[place]ruleText {
	texts := map[place]ruleText{}
	file, err := parser.ParseBytes(content, 0)
	if err != nil || len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return texts
	}
	for _, pair := range pairsOf(file.Docs[0].Body) {
		if tag, ok := scalarText(pair.Value); ok && pair.Key.GetToken().Value == "root" {
			texts[placeOfNode(pair.Value)] = ruleText{tag: tag}
		}
	}
	for _, node := range ast.Filter(ast.MappingValueType, file.Docs[0].Body) {
		rule, isRule := node.(*ast.MappingValueNode)
		if !isRule {
			continue
		}
		text := ruleText{tag: rule.Key.GetToken().Value, keys: map[string]ast.Node{}}
		for _, verb := range pairsOf(rule.Value) {
			text.keys[verb.Key.GetToken().Value] = verb.Value
		}
		texts[placeOfNode(rule.Key)] = text
	}
	return texts
}

// namespacesIn reads the namespaces a mapping file declares, by prefix.
func namespacesIn(content []byte) map[string]string {
	spaces := map[string]string{"xml": "http://www.w3.org/XML/1998/namespace"}
	file, err := parser.ParseBytes(content, 0)
	if err != nil || len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return spaces
	}
	for _, pair := range pairsOf(file.Docs[0].Body) {
		switch pair.Key.GetToken().Value {
		case "namespace":
			spaces[""], _ = scalarText(pair.Value)
		case "namespaces":
			for _, space := range pairsOf(pair.Value) {
				spaces[space.Key.GetToken().Value], _ = scalarText(space.Value)
			}
		}
	}
	return spaces
}

func pairsOf(node ast.Node) []*ast.MappingValueNode {
	switch node := node.(type) {
	case *ast.MappingNode:
		return node.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{node}
	}
	return nil
}

// scalarText is a scalar as it is written, false for anything else.
func scalarText(node ast.Node) (string, bool) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, true
	case *ast.LiteralNode:
		return node.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// layouts are the date layouts of a rule, wherever its date verb has them.
func (t ruleText) layouts() []ast.Node {
	date := t.keys["date"]
	if _, ok := scalarText(date); ok {
		return []ast.Node{date}
	}
	for _, pair := range pairsOf(date) {
		if pair.Key.GetToken().Value != "layouts" {
			continue
		}
		switch layouts := pair.Value.(type) {
		case *ast.SequenceNode:
			return layouts.Values
		case *ast.MappingNode, *ast.MappingValueNode:
			var nodes []ast.Node
			for _, layout := range pairsOf(layouts) {
				nodes = append(nodes, layout.Value)
			}
			return nodes
		default:
			return []ast.Node{layouts}
		}
	}
	return nil
}

// dateAttribute is the attribute that tells a date's layout, "" if none does.
func (t ruleText) dateAttribute() string {
	for _, pair := range pairsOf(t.keys["date"]) {
		if pair.Key.GetToken().Value == "attr" {
			name, _ := scalarText(pair.Value)
			return name
		}
	}
	return ""
}

// facetsAt are the limits of the text at a path, false where the schema knows
// no such path.
func facetsAt(model *xsd.Model, at string) (xsd.Facets, bool) {
	node, known := nodeAt(model, at)
	return node.facets, known
}
