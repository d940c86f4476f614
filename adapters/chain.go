package adapters

import (
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"singlewindow/xsd"
)

// pointerForm says how an agency points at an element of our message: by a
// chain of classes, each with its identifier in the data model the schema of
// our message documents, and at last the tag of an element within the class.
type pointerForm struct {
	Each, Section, Sequence, Tag string // the elements of one pointer; each is relative to what points

	Schema string            // of our message
	From   string            // absolute path of the element that chains begin with
	ID     string            `yaml:"id"` // the element of the schema's documentation that holds an identifier
	Number string            // the child that numbers elements of a class, where a class has it
	Also   map[string]string // identifiers the schema leaves out: identifier → element name
}

// A chainBook turns chains into paths of our message.
type chainBook struct {
	form pointerForm
	from *xsd.Element
}

// chain is the steps of a pointer; a tag is a step of its own.
type chain []chainStep

type chainStep struct {
	id       string
	sequence int // 0 when it is not told
}

func (a *Agency) readChains(book *noticeBook, schemas *schemaFiles) Faults {
	form := book.file.Pointers
	if form == nil {
		return nil
	}
	schema, err := a.schema(schemas, form.Schema)
	if err != nil {
		return Faults{schemas.fault(book.source, err, "pointers", "schema")}
	}
	chains := &chainBook{form: *form, from: schema.Model().Find(steps(form.From)...)}
	var faults Faults
	if chains.from == nil || chains.id(chains.from) == "" {
		faults = append(faults, book.source.at("the schema has no such element with an identifier", "pointers", "from"))
	}
	for key, at := range map[string]string{"each": form.Each, "section": form.Section} {
		if at == "" {
			faults = append(faults, book.source.at(key+" is missing", "pointers"))
		}
	}
	if len(faults) > 0 {
		return faults
	}
	book.chains = chains
	for i, root := range book.file.Roots {
		for j, duty := range root.Duties {
			if steps := parseChain(duty.Chain); duty.Chain != "" && chains.length(steps) < len(steps) {
				faults = append(faults, book.source.at("the schema has no such chain", "roots", i, "duties", j, "chain"))
			}
		}
	}
	return faults
}

// id is the identifier an element is documented with.
func (c *chainBook) id(element *xsd.Element) string { return element.Documented[c.form.ID] }

// pointed reads the chain of an entry: as text, and as a path of our message
// as far as the schema knows it.
func (b *noticeBook) pointed(entry *etree.Element) (text, at string) {
	if b.chains == nil {
		return "", ""
	}
	steps := b.chains.read(entry)
	return steps.String(), b.chains.path(steps)
}

func (c *chainBook) read(entry *etree.Element) chain {
	var steps chain
	for _, pointer := range elementsAt(entry, c.form.Each) {
		sequence, err := strconv.Atoi(textAt(pointer, c.form.Sequence))
		if err != nil || sequence < 0 {
			sequence = 0
		}
		if section := textAt(pointer, c.form.Section); section != "" {
			steps = append(steps, chainStep{section, sequence})
		}
		if tag := textAt(pointer, c.form.Tag); tag != "" {
			steps = append(steps, chainStep{tag, 0})
		}
	}
	return steps
}

// last gives the section a chain ends in and its number, 1 when it has none.
func (c *chainBook) last(entry *etree.Element) (section string, number int) {
	steps := c.read(entry)
	if len(steps) == 0 {
		return "", 1
	}
	last := steps[len(steps)-1]
	return last.id, max(last.sequence, 1)
}

// parseChain reads a chain without numbers, such as A/B/C.
func parseChain(text string) chain {
	var steps chain
	for id := range strings.SplitSeq(text, "/") {
		steps = append(steps, chainStep{id: id})
	}
	return steps
}

// numbered is the chain with a number at its end.
func (c chain) numbered(number int) chain {
	c = slices.Clone(c)
	c[len(c)-1].sequence = number
	return c
}

func (c chain) String() string {
	parts := make([]string, len(c))
	for i, step := range c {
		if parts[i] = step.id; step.sequence > 0 {
			parts[i] += "[" + strconv.Itoa(step.sequence) + "]"
		}
	}
	return strings.Join(parts, "/")
}

// path is an XPath of our message. What the schema does not know ends it: then
// it leads to the nearest class around; "" when the chain does not begin in our
// message. Elements that carry a number of their own are chosen by it, because
// a message that only amends holds some of them; others by their position.
func (c *chainBook) path(steps chain) string {
	element, at := c.from, ""
	for i, step := range steps {
		if i == 0 {
			if step.id != c.id(element) {
				return ""
			}
			at = c.form.From
			continue
		}
		below := c.child(element, step.id)
		if below == nil {
			break
		}
		at += "/" + below.Name + c.predicate(below, step.sequence)
		element = below
	}
	return at
}

// length is how many steps of a chain the schema knows.
func (c *chainBook) length(steps chain) int {
	element := c.from
	for i, step := range steps {
		if i > 0 {
			element = c.child(element, step.id)
		}
		if element == nil || i == 0 && step.id != c.id(element) {
			return i
		}
	}
	return len(steps)
}

func (c *chainBook) child(parent *xsd.Element, id string) *xsd.Element {
	for _, child := range parent.Children {
		if c.id(child) == id {
			return child
		}
	}
	for _, child := range parent.Children {
		if name := c.form.Also[id]; name != "" && child.Name == name {
			return child
		}
	}
	return nil
}

func (c *chainBook) predicate(element *xsd.Element, number int) string {
	if number == 0 || element.Max == 1 {
		return ""
	}
	isNumber := func(child *xsd.Element) bool { return child.Name == c.form.Number }
	if c.form.Number != "" && slices.ContainsFunc(element.Children, isNumber) {
		return "[" + c.form.Number + "=" + strconv.Itoa(number) + "]"
	}
	return "[" + strconv.Itoa(number) + "]"
}
