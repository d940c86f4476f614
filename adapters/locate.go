package adapters

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"singlewindow/declare"
	"singlewindow/mapping"
)

// Locate implements [declare.Agency]. A path is an XPath of local names, its
// steps chosen by position or by a child, Name[Number=2]; it may be absolute or
// begin below the root. Where the message has no such element, the answer is
// where the field would stand in the declaration; where the element came from
// nowhere, the nearest one around it with a source answers.
func (a *Agency) Locate(subject declare.Subject, xmlPaths ...string) (pointers []string) {
	pointers = make([]string, len(xmlPaths))
	taken, known := a.takes[subject.Kind]
	if !known {
		return pointers
	}
	document, _ := taken.mapping.Write(subject.Tree, a.values(subject)) // what it could not write has no origin
	message := etree.NewDocument()
	if err := message.ReadFromBytes(document.XML()); err != nil || message.Root() == nil {
		return pointers
	}
	w := written{taken.mapping, subject.Tree, &message.Element, map[string]string{}}
	document.Walk(func(origin mapping.Origin) { w.origins[plainPath(origin.Path)] = origin.Pointer })
	for i, xmlPath := range xmlPaths {
		if xmlPath != "" {
			pointers[i] = w.locate(xmlPath)
		}
	}
	return pointers
}

// written is a message as the mapping wrote it from a declaration.
type written struct {
	mapping *mapping.Mapping
	tree    map[string]any
	message *etree.Element
	origins map[string]string // pointers by path
}

func (w written) locate(xmlPath string) string {
	wanted := strings.Split(strings.Trim(xmlPath, "/"), "/")
	if name, _ := splitStep(wanted[0]); name != w.mapping.Root() {
		wanted = append([]string{w.mapping.Root()}, wanted...)
	}
	found, missing := follow(w.message, wanted)
	nearest := w.nearestPointer(found)
	if len(missing) == 0 {
		return nearest
	}
	names := make([]string, len(wanted))
	for i, step := range wanted {
		names[i], _ = splitStep(step)
	}
	for end := len(names); end > len(names)-len(missing); end-- {
		for _, pattern := range patterns(w.mapping, "/"+strings.Join(names[:end], "/")) {
			if at, fits := fill(pattern, nearest, w.tree, missing); fits {
				return at
			}
		}
	}
	return nearest
}

// splitStep takes a step apart: Name[3], Name[Number=3], Name or @name.
func splitStep(step string) (name, predicate string) {
	name, predicate, _ = strings.Cut(step, "[")
	return name, strings.TrimSuffix(predicate, "]")
}

// follow walks a path as far as there are elements. found is written as the
// mapping writes paths, missing is the rest.
func follow(from *etree.Element, wanted []string) (found string, missing []string) {
	for i, step := range wanted {
		name, predicate := splitStep(step)
		if attribute, is := strings.CutPrefix(name, "@"); is {
			if attributeOf(from, attribute) == "" {
				return found, wanted[i:]
			}
			return found + "/" + name, nil
		}
		namesakes := elementsAt(from, name)
		at := choose(namesakes, predicate)
		if at < 0 {
			return found, wanted[i:]
		}
		from = namesakes[at]
		found += "/" + name
		if at > 0 {
			found += "[" + strconv.Itoa(at+1) + "]"
		}
	}
	return found, nil
}

// choose gives the index of the element a predicate means, -1 for none. One
// that carries a number is meant by it; if none has that number, by position.
func choose(elements []*etree.Element, predicate string) int {
	child, text, numbered := strings.Cut(predicate, "=")
	if !numbered {
		child, text = "", predicate
	}
	for i, element := range elements {
		if numbered && textAt(element, child) == text {
			return i
		}
	}
	position := 1
	if text != "" {
		var err error
		if position, err = strconv.Atoi(text); err != nil {
			return -1
		}
	}
	if position < 1 || position > len(elements) {
		return -1
	}
	return position - 1
}

// nearestPointer is where an element, or the nearest around it with a source,
// is from.
func (w written) nearestPointer(at string) string {
	for ; at != "/" && at != "." && at != ""; at = path.Dir(at) {
		if pointer := w.origins[at]; pointer != "" {
			return pointer
		}
	}
	return ""
}

// patterns tells what the rules of an element read, as pointers with * for the
// position of an entry. A group without a source of its own stands where all
// that it encloses stands.
func patterns(rules *mapping.Mapping, at string) []string {
	var found []string
	var enclosed []string
	for _, rule := range rules.Rules() {
		from := rule.From
		if !strings.HasPrefix(from, "/") {
			continue // a position, or the gateway's
		}
		switch {
		case rule.Path == at && slices.Contains(rule.Verbs, "each"):
			found = append(found, from+"/*")
		case rule.Path == at:
			found = append(found, from)
		case strings.HasPrefix(rule.Path, at+"/"):
			enclosed = append(enclosed, path.Dir(from))
		}
	}
	if len(found) == 0 && len(enclosed) > 0 {
		found = append(found, commonPath(enclosed))
	}
	return found
}

func commonPath(paths []string) string {
	common := strings.Split(paths[0], "/")
	for _, other := range paths[1:] {
		steps := strings.Split(other, "/")
		same := 0
		for same < min(len(common), len(steps)) && common[same] == steps[same] {
			same++
		}
		common = common[:same]
	}
	return strings.Join(common, "/")
}

// fill puts positions into a pattern: those of the nearest pointer as long as
// it leads the same way, then the one the missing step asks for. What is not
// there yet would be the next entry of its array, whatever number was asked.
// It does not fit when nothing tells one of its positions.
func fill(pattern, nearest string, tree any, missing []string) (at string, fits bool) {
	given := strings.Split(nearest, "/")[1:]
	node, astray := tree, false // astray: it led another way, so that it tells no position
	for i, step := range strings.Split(pattern, "/")[1:] {
		name, _, selects := strings.Cut(step, "[")
		along := i < len(given)
		if step != "*" {
			object, _ := node.(map[string]any)
			node = object[unescape.Replace(name)]
			at += "/" + name
			if selects {
				return at, true // which entry is not known: the array is as near as one can point
			}
			if along && given[i] != name {
				given, astray = nil, true
			}
			continue
		}
		array, _ := node.([]any)
		index := len(array)
		if along {
			index, _ = strconv.Atoi(given[i]) // the mapping wrote it
		} else {
			asked := askedFor(missing)
			if asked == 0 && astray {
				return "", false
			}
			if asked > 0 {
				index = min(asked-1, index)
			}
			missing, astray = nil, false
		}
		node = nil
		if index < len(array) {
			node = array[index]
		}
		at += "/" + strconv.Itoa(index)
	}
	return at, true
}

// askedFor is the number in the first missing step that has one, else 0.
func askedFor(missing []string) int {
	for _, step := range missing {
		if _, predicate := splitStep(step); predicate != "" {
			number, err := strconv.Atoi(predicate[strings.IndexByte(predicate, '=')+1:])
			if err == nil {
				return number
			}
		}
	}
	return 0
}
