package declare

import (
	"strconv"
	"strings"
	"time"
)

// beyondForm tells what else is wrong with a declaration whose form does not
// hold, so that the user mends everything in one round: unknown codes, and
// what each agency misses or refuses. It looks at the declaration without the
// fields that are already complained about. Rules between fields wait until
// the form holds: judged on half a declaration they would accuse the innocent.
func (g *Gateway) beyondForm(kind *Kind, tree map[string]any, told []Fault, now time.Time) []Fault {
	for _, fault := range told {
		if !without(tree, fault.Pointer) {
			return nil
		}
	}
	subject := Subject{
		DeclarationID: g.ids.New("dec"), MessageID: g.ids.New("msg"), Kind: kind.Name, Tree: tree, AcceptedAt: now,
	}
	found := kind.checkCodes(tree, now.Format(time.DateOnly))
	for _, agency := range g.asked(now) {
		// An agency that cannot judge what is left is asked again when the form holds.
		if takes, err := agency.Takes(kind.Name, tree); err != nil || !takes {
			continue
		}
		if _, faults, err := agency.Draft(subject); err == nil {
			found = append(found, faults...)
		}
	}
	var news []Fault
	for _, fault := range found {
		if !touches(told, fault.Pointer) {
			news = append(news, fault)
		}
	}
	return news
}

// without takes the field at pointer out of the tree. It cannot where that
// would move the entries of an array, or leave nothing.
func without(tree map[string]any, pointer string) bool {
	parts := strings.Split(pointer, "/")
	if len(parts) < 2 {
		return false
	}
	var node any = tree
	for _, part := range parts[1 : len(parts)-1] {
		node = below(node, part)
	}
	last := unescapePart(parts[len(parts)-1])
	switch parent := node.(type) {
	case map[string]any:
		delete(parent, last)
	case []any:
		return false
	}
	return true
}

func below(node any, part string) any {
	switch node := node.(type) {
	case map[string]any:
		return node[unescapePart(part)]
	case []any:
		if i, err := strconv.Atoi(part); err == nil && i < len(node) {
			return node[i]
		}
	}
	return nil
}

// unescapePart undoes RFC 6901's escapes.
func unescapePart(part string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
}

// touches reports whether a pointer is at, below or above something told.
func touches(told []Fault, pointer string) bool {
	for _, fault := range told {
		if fault.Pointer == pointer || strings.HasPrefix(pointer, fault.Pointer+"/") || strings.HasPrefix(fault.Pointer, pointer+"/") {
			return true
		}
	}
	return false
}
