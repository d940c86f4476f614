package xsd

import "encoding/xml"

// particle is a piece of a content model: one element, a wildcard, or a group of particles.
type particle struct {
	kind     particleKind
	min, max int // max < 0: unbounded
	element  *Element
	parts    []*particle
	spaces   func(namespace string) bool // which namespaces a wildcard takes
}

type particleKind int

const (
	elementParticle particleKind = iota
	wildcardParticle
	sequenceParticle
	choiceParticle
	allParticle
)

// emptyParticle is what is left of a content model that was satisfied.
var emptyParticle = &particle{kind: sequenceParticle, min: 1, max: 1}

// optional tells whether p may match nothing.
func (p *particle) optional() bool {
	if p.min == 0 {
		return true
	}
	switch p.kind {
	case sequenceParticle, allParticle:
		for _, part := range p.parts {
			if !part.optional() {
				return false
			}
		}
		return true
	case choiceParticle:
		for _, part := range p.parts {
			if part.optional() {
				return true
			}
		}
	}
	return false
}

// ordered tells whether the elements of p come in one order only.
func (p *particle) ordered() bool {
	switch p.kind {
	case elementParticle, wildcardParticle:
		return true
	case allParticle:
		return false
	}
	if p.max < 0 || p.max > 1 || p.kind == choiceParticle && len(p.parts) > 1 {
		return false // of a choice one may list the alternatives in any order
	}
	for _, part := range p.parts {
		if !part.ordered() {
			return false
		}
	}
	return true
}

// after is what may follow once an element called name was read, nil if p cannot begin with it. XML Schema demands that
// one name fits one particle only, so the first fit is the only one.
func (p *particle) after(name xml.Name) *particle {
	if p.max == 0 {
		return nil
	}
	rest := p.once(name)
	if rest == nil {
		return nil
	}
	again := *p
	again.min, again.max = max(p.min-1, 0), p.max-1
	if p.max < 0 {
		again.max = -1
	}
	return sequence(rest, &again)
}

// once is after for a single occurrence.
func (p *particle) once(name xml.Name) *particle {
	switch p.kind {
	case elementParticle:
		if p.element.Name == name.Local && p.element.Namespace == name.Space {
			return emptyParticle
		}
	case wildcardParticle:
		if p.spaces(name.Space) {
			return emptyParticle
		}
	case sequenceParticle:
		for i, part := range p.parts {
			if rest := part.after(name); rest != nil {
				return sequence(append([]*particle{rest}, p.parts[i+1:]...)...)
			}
			if !part.optional() {
				return nil
			}
		}
	case choiceParticle:
		for _, part := range p.parts {
			if rest := part.after(name); rest != nil {
				return rest
			}
		}
	case allParticle:
		for i, part := range p.parts {
			if rest := part.after(name); rest != nil {
				left := append(append([]*particle{}, p.parts[:i]...), p.parts[i+1:]...)
				return &particle{kind: allParticle, min: 1, max: 1, parts: left}
			}
		}
	}
	return nil
}

// sequence drops what can match nothing but the empty text, so that a long list of elements leaves a short particle.
func sequence(parts ...*particle) *particle {
	var kept []*particle
	for _, part := range parts {
		if part.max != 0 && (part.kind < sequenceParticle || len(part.parts) > 0) {
			kept = append(kept, part)
		}
	}
	switch len(kept) {
	case 0:
		return emptyParticle
	case 1:
		return kept[0]
	}
	return &particle{kind: sequenceParticle, min: 1, max: 1, parts: kept}
}

// first lists the elements p may begin with, in the schema's order.
func (p *particle) first() []*Element {
	if p.max == 0 {
		return nil
	}
	if p.kind == elementParticle || p.kind == wildcardParticle {
		return []*Element{p.element}
	}
	var found []*Element
	for _, part := range p.parts {
		found = append(found, part.first()...)
		if p.kind == sequenceParticle && !part.optional() {
			break
		}
	}
	return found
}

// elements lists the elements of p flattened, each with how often it may stand in the whole of p.
func (p *particle) elements(minimum, maximum int, choice bool) []*Element {
	minimum, maximum = minimum*p.min, times(maximum, p.max)
	if maximum == 0 {
		return nil
	}
	if p.kind == elementParticle || p.kind == wildcardParticle {
		p.element.Min, p.element.Max, p.element.Choice = minimum, maximum, choice
		return []*Element{p.element}
	}
	choice = choice || (p.kind == choiceParticle && len(p.parts) > 1)
	var found []*Element
	for _, part := range p.parts {
		found = append(found, part.elements(minimum, maximum, choice)...)
	}
	return found
}

func times(a, b int) int {
	if a == 0 || b == 0 {
		return 0
	}
	if a < 0 || b < 0 {
		return -1
	}
	return a * b
}
