package xsd

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
)

// content is a type: what may stand in an element of it.
type content struct {
	name       string
	simple     bool
	facets     Facets
	particle   *particle
	children   []*Element // of particle, flattened
	attributes []Attribute
}

// component names a global definition; types are one symbol space whether simple or complex.
type component struct {
	kind string
	name xml.Name
}

// builder turns a set that libxml2 compiled, and which therefore holds together, into a Model.
type builder struct {
	components map[component]*node
	redefined  map[*node]*node      // what a definition in xs:redefine builds on
	substitute map[xml.Name][]*node // members of a substitution group, by head
	contents   map[*node]*content   // by the definition's node
	pending    []*Element           // those whose content is to be built
	types      map[*Element]typeOf
	fault      error // the first
}

// typeOf is where an element's type is: a definition's node, or a name of XML Schema's own.
type typeOf struct {
	definition *node
	builtin    string
}

var anyType = typeOf{builtin: "anyType"}

func newModel(s *set) (*Model, error) {
	b := &builder{components: map[component]*node{}, redefined: map[*node]*node{}, substitute: map[xml.Name][]*node{}, contents: map[*node]*content{}, types: map[*Element]typeOf{}}
	var globals []*node
	for _, src := range s.sources {
		for _, n := range src.root.children {
			if n.space == schemaNamespace && n.has("name") {
				globals = append(globals, n)
				b.register(n)
			}
		}
	}
	b.redefine(s)
	model := &Model{}
	for _, n := range globals {
		if n.name == "element" {
			root := b.global(n)
			root.Min, root.Max = 1, 1
			model.roots = append(model.roots, root)
		}
	}
	b.finish()
	return model, b.fault
}

// redefine puts the definitions of xs:redefine in the place of those of the file it reads, which was read after it.
func (b *builder) redefine(s *set) {
	for _, src := range slices.Backward(s.sources) {
		for _, n := range src.root.children {
			if n.space != schemaNamespace || n.name != "redefine" {
				continue
			}
			for _, definition := range n.children {
				if definition.has("name") {
					b.redefined[definition] = b.components[definition.component()]
					b.components[definition.component()] = definition
				}
			}
		}
	}
}

func (n *node) component() component {
	kind := n.name
	if kind == "simpleType" || kind == "complexType" {
		kind = "type"
	}
	return component{kind, xml.Name{Space: n.source.target, Local: n.get("name")}}
}

func (b *builder) register(n *node) {
	b.components[n.component()] = n
	if head := n.get("substitutionGroup"); head != "" {
		b.substitute[n.resolve(head)] = append(b.substitute[n.resolve(head)], n)
	}
}

// finish builds contents until no element lacks its own. Elements wait in a list because a type may contain itself.
func (b *builder) finish() {
	for i := 0; i < len(b.pending); i++ {
		b.pending[i].content = b.content(b.types[b.pending[i]])
	}
	for _, e := range b.pending {
		if e.content.children == nil {
			e.content.children = e.content.particle.elements(1, 1, false)
		}
		e.Children, e.Attributes, e.Type, e.Simple, e.Facets = e.content.children, e.content.attributes, e.content.name, e.content.simple, e.content.facets
	}
}

// global makes the element that a global declaration declares.
func (b *builder) global(n *node) *Element {
	e := &Element{Name: n.get("name"), Namespace: n.source.target}
	b.declare(e, n)
	return e
}

func (b *builder) declare(e *Element, n *node) {
	e.Fixed, e.Doc, e.abstract = n.get("fixed"), documentation(n), n.get("abstract") == "true"
	e.Documented = documented(n)
	b.types[e] = b.typeOfElement(n)
	b.pending = append(b.pending, e)
}

func (b *builder) typeOfElement(n *node) typeOf {
	if name := n.get("type"); name != "" {
		return b.typeNamed(n, name)
	}
	if inline := n.child("complexType", "simpleType"); inline != nil {
		return typeOf{definition: inline}
	}
	if head := n.get("substitutionGroup"); head != "" {
		if declaration := b.lookup(n, "element", head); declaration != nil {
			return b.typeOfElement(declaration)
		}
	}
	return anyType
}

func (b *builder) typeNamed(n *node, qualified string) typeOf {
	if name := n.resolve(qualified); name.Space == schemaNamespace {
		return typeOf{builtin: name.Local}
	}
	if definition := b.lookup(n, "type", qualified); definition != nil {
		return typeOf{definition: definition}
	}
	return anyType
}

// base is the type that a derivation starts from: in xs:redefine, under its own name, the one redefined.
func (b *builder) base(n *node) typeOf {
	t := b.typeNamed(n, n.get("base"))
	if original := b.redefined[t.definition]; original != nil && t.definition == n.global {
		return typeOf{definition: original}
	}
	return t
}

// group is what a reference to a group or an attribute group means: in xs:redefine, under its own name, the one redefined.
func (b *builder) group(n *node) *node {
	definition := b.lookup(n, n.name, n.get("ref"))
	if original := b.redefined[definition]; original != nil && definition == n.global {
		return original
	}
	return definition
}

// lookup answers nil, and keeps the fault, for a name the files do not define.
func (b *builder) lookup(n *node, kind, qualified string) *node {
	found := b.components[component{kind, n.resolve(qualified)}]
	if found == nil {
		b.fail(n, kind+" "+qualified+" is not defined in the files of the set")
	}
	return found
}

func (b *builder) fail(n *node, text string) {
	if b.fault == nil {
		b.fault = n.fault(text)
	}
}

func (b *builder) content(t typeOf) *content {
	if t.definition == nil {
		return builtin(t.builtin)
	}
	if known := b.contents[t.definition]; known != nil {
		return known
	}
	c := &content{name: t.definition.get("name"), particle: emptyParticle}
	b.contents[t.definition] = c
	if t.definition.name == "simpleType" {
		c.simple, c.facets = true, b.simpleType(t.definition)
	} else {
		b.complexType(c, t.definition)
	}
	return c
}

func builtin(name string) *content {
	if name == "anyType" {
		anything := &particle{kind: wildcardParticle, max: -1, element: &Element{Wildcard: true}, spaces: func(string) bool { return true }}
		return &content{name: name, particle: anything}
	}
	return &content{name: name, particle: emptyParticle, simple: true, facets: builtinFacets(name)}
}

func (b *builder) complexType(c *content, n *node) {
	derivation := n
	if wrapper := n.child("simpleContent", "complexContent"); wrapper != nil {
		derivation = wrapper.child("extension", "restriction")
		base := b.content(b.base(derivation))
		c.simple, c.facets = base.simple, base.facets
		c.attributes = slices.Clone(base.attributes)
		if derivation.name == "extension" {
			c.particle = base.particle
		}
		if wrapper.name == "simpleContent" && derivation.name == "restriction" {
			if inline := derivation.child("simpleType"); inline != nil {
				c.facets = b.simpleType(inline)
			}
			b.restrict(&c.facets, derivation)
		}
	}
	if group := derivation.child("sequence", "choice", "all", "group"); group != nil {
		c.particle = sequence(c.particle, b.particle(group))
	}
	b.attributes(c, derivation)
}

func (b *builder) particle(n *node) *particle {
	p := &particle{min: number(n, "minOccurs"), max: number(n, "maxOccurs")}
	switch n.name {
	case "element":
		return b.elementParticle(p, n)
	case "any":
		p.kind, p.element = wildcardParticle, &Element{Wildcard: true, Doc: documentation(n)}
		p.spaces = namespacesOf(n)
		return p
	case "group":
		p.kind = sequenceParticle
		if definition := b.group(n); definition != nil && definition.child("sequence", "choice", "all") != nil {
			p.parts = []*particle{b.particle(definition.child("sequence", "choice", "all"))}
		}
		return p
	case "choice":
		p.kind = choiceParticle
	case "all":
		p.kind = allParticle
	default:
		p.kind = sequenceParticle
	}
	for _, child := range n.children {
		if child.space == schemaNamespace && child.name != "annotation" {
			p.parts = append(p.parts, b.particle(child))
		}
	}
	return p
}

// elementParticle is the element itself or, for the head of a substitution group, a choice of what may stand for it.
func (b *builder) elementParticle(p *particle, n *node) *particle {
	reference := n.get("ref")
	if reference == "" {
		p.element = &Element{Name: n.get("name")}
		if form := n.get("form"); form == "qualified" || (form == "" && n.source.elements) {
			p.element.Namespace = n.source.target
		}
		b.declare(p.element, n)
		return p
	}
	declaration := b.lookup(n, "element", reference)
	if declaration == nil {
		return emptyParticle
	}
	p.kind = choiceParticle
	for _, member := range b.members(declaration) {
		e := b.global(member)
		if doc := documentation(n); doc != "" {
			e.Doc = doc
		}
		if !e.abstract {
			p.parts = append(p.parts, &particle{min: 1, max: 1, element: e})
		}
	}
	return p
}

func (b *builder) members(head *node) []*node {
	members := []*node{head}
	for _, member := range b.substitute[xml.Name{Space: head.source.target, Local: head.get("name")}] {
		members = append(members, b.members(member)...)
	}
	return members
}

// number reads minOccurs or maxOccurs; a number too large for an int is as good as unbounded.
func number(n *node, attribute string) int {
	switch value := n.get(attribute); value {
	case "":
		return 1
	case "unbounded":
		return -1
	default:
		number, err := strconv.Atoi(value)
		if err != nil {
			return -1
		}
		return number
	}
}

func namespacesOf(n *node) func(string) bool {
	target := n.source.target
	switch list := n.get("namespace"); list {
	case "", "##any":
		return func(string) bool { return true }
	case "##other":
		return func(space string) bool { return space != target && space != "" }
	default:
		spaces := strings.Fields(list)
		for i, space := range spaces {
			switch space {
			case "##targetNamespace":
				spaces[i] = target
			case "##local":
				spaces[i] = ""
			}
		}
		return func(space string) bool { return slices.Contains(spaces, space) }
	}
}

// attributes adds those n declares to c, in place of inherited ones of the same name.
func (b *builder) attributes(c *content, n *node) {
	for _, child := range n.children {
		if child.space != schemaNamespace {
			continue
		}
		switch child.name {
		case "attributeGroup":
			if definition := b.group(child); definition != nil {
				b.attributes(c, definition)
			}
		case "attribute":
			b.attribute(c, child)
		}
	}
}

func (b *builder) attribute(c *content, n *node) {
	a := Attribute{Name: n.get("name"), Required: n.get("use") == "required", Fixed: n.get("fixed")}
	declaration := n
	if reference := n.get("ref"); reference != "" {
		if declaration = b.lookup(n, "attribute", reference); declaration == nil {
			return
		}
		a.Name, a.Namespace = declaration.get("name"), declaration.source.target
		if a.Fixed == "" {
			a.Fixed = declaration.get("fixed")
		}
	} else if form := n.get("form"); form == "qualified" || (form == "" && n.source.attributes) {
		a.Namespace = n.source.target
	}
	t := typeOf{builtin: "anySimpleType"}
	if name := declaration.get("type"); name != "" {
		t = b.typeNamed(declaration, name)
	} else if inline := declaration.child("simpleType"); inline != nil {
		t = typeOf{definition: inline}
	}
	definition := b.content(t)
	a.Type, a.Facets = definition.name, definition.facets
	c.attributes = slices.DeleteFunc(c.attributes, func(o Attribute) bool { return o.Name == a.Name && o.Namespace == a.Namespace })
	if n.get("use") != "prohibited" {
		c.attributes = append(c.attributes, a)
	}
}

func documentation(n *node) string {
	annotation := n.child("annotation")
	if annotation == nil {
		return ""
	}
	var words []string
	var collect func(*node)
	collect = func(n *node) {
		words = append(words, strings.Fields(n.text.String())...)
		for _, child := range n.children {
			collect(child)
		}
	}
	for _, child := range annotation.children {
		if child.name == "documentation" {
			collect(child)
		}
	}
	return strings.Join(words, " ")
}

// documented gives the elements inside an annotation's documentation.
func documented(n *node) map[string]string {
	annotation := n.child("annotation")
	if annotation == nil {
		return nil
	}
	found := map[string]string{}
	for _, documentation := range annotation.children {
		if documentation.name != "documentation" {
			continue
		}
		for _, child := range documentation.children {
			if _, known := found[child.name]; !known {
				found[child.name] = strings.TrimSpace(child.text.String())
			}
		}
	}
	return found
}
