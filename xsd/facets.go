package xsd

import (
	"slices"
	"strconv"
	"strings"
)

func builtinFacets(name string) Facets {
	f := Facets{Base: name, WhiteSpace: "collapse"}
	switch name {
	case "string", "anySimpleType":
		f.WhiteSpace = "preserve"
	case "normalizedString":
		f.WhiteSpace = "replace"
	}
	return f
}

// simpleType gathers the facets of a simpleType through its derivations.
func (b *builder) simpleType(n *node) Facets {
	if list := n.child("list"); list != nil {
		return Facets{Base: "list", WhiteSpace: "collapse"}
	}
	if union := n.child("union"); union != nil {
		return b.union(union)
	}
	restriction := n.child("restriction")
	facets := b.restricted(restriction)
	b.restrict(&facets, restriction)
	return facets
}

// restricted is the type that a restriction names or holds inline.
func (b *builder) restricted(n *node) Facets {
	if n.has("base") {
		return b.content(b.base(n)).facets
	}
	return b.simpleType(n.child("simpleType"))
}

// union has an enumeration only if each of its members has one.
func (b *builder) union(n *node) Facets {
	var members []Facets
	for _, name := range strings.Fields(n.get("memberTypes")) {
		members = append(members, b.content(b.typeNamed(n, name)).facets)
	}
	for _, child := range n.children {
		if child.space == schemaNamespace && child.name == "simpleType" {
			members = append(members, b.simpleType(child))
		}
	}
	facets := Facets{Base: "union", WhiteSpace: "collapse"}
	for _, member := range members {
		if len(member.Enumeration) == 0 {
			return Facets{Base: "union", WhiteSpace: "collapse"}
		}
		facets.Enumeration = append(facets.Enumeration, member.Enumeration...)
	}
	return facets
}

// restrict lets the facets of one restriction take the place of those inherited; patterns come on top.
func (b *builder) restrict(f *Facets, n *node) {
	var enumeration, patterns []string
	for _, facet := range n.children {
		value := facet.get("value")
		switch facet.name {
		case "enumeration":
			enumeration = append(enumeration, facet.attributes["value"])
		case "pattern":
			patterns = append(patterns, facet.attributes["value"])
		case "minInclusive":
			f.MinInclusive, f.MinExclusive = value, ""
		case "minExclusive":
			f.MinExclusive, f.MinInclusive = value, ""
		case "maxInclusive":
			f.MaxInclusive, f.MaxExclusive = value, ""
		case "maxExclusive":
			f.MaxExclusive, f.MaxInclusive = value, ""
		case "whiteSpace":
			f.WhiteSpace = value
		default:
			if limit := f.limit(facet.name); limit != nil {
				*limit = b.count(facet)
			}
		}
	}
	if enumeration != nil {
		f.Enumeration = enumeration
	}
	if patterns != nil {
		f.Patterns = append(slices.Clone(f.Patterns), strings.Join(patterns, "|"))
	}
}

// limit is the place of a facet that is a number, nil for any other.
func (f *Facets) limit(facet string) **int {
	switch facet {
	case "length":
		return &f.Length
	case "minLength":
		return &f.MinLength
	case "maxLength":
		return &f.MaxLength
	case "totalDigits":
		return &f.TotalDigits
	case "fractionDigits":
		return &f.FractionDigits
	}
	return nil
}

func (b *builder) count(facet *node) *int {
	number, err := strconv.Atoi(facet.get("value"))
	if err != nil {
		b.fail(facet, facet.name+" is not a number of this size")
		return nil
	}
	return &number
}

// shown is how many values of an enumeration a limit lists.
const shown = 12

// text is a facet's limit in words of the schema, "" if there is none.
func (f *Facets) text(facet string) string {
	if limit := f.limit(facet); limit != nil {
		if *limit == nil {
			return ""
		}
		return strconv.Itoa(**limit)
	}
	switch facet {
	case "enumeration":
		return listed(f.Enumeration)
	case "pattern":
		return strings.Join(f.Patterns, " & ")
	case "minInclusive":
		return f.MinInclusive
	case "maxInclusive":
		return f.MaxInclusive
	case "minExclusive":
		return f.MinExclusive
	case "maxExclusive":
		return f.MaxExclusive
	case "type":
		return f.Base
	}
	return ""
}

func listed(values []string) string {
	if len(values) > shown {
		values = values[:shown]
	}
	return strings.Join(values, ", ")
}
