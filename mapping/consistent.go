package mapping

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// consistent refuses keys that contradict each other.
func (c *compiler) consistent(r *Rule, at *token.Token, attribute bool) {
	has := func(key string) bool { return slices.Contains(r.Verbs, key) }
	count := func(keys ...string) (n int) {
		for _, key := range keys {
			if has(key) {
				n++
			}
		}
		return n
	}
	refuse := func(wrong bool, text string) {
		if wrong {
			c.fault(at, "%s: %s", r.name.tag, text)
		}
	}
	refuse(count("from", "const", "join") > 1, "from, const and join exclude each other")
	refuse(count("code", "date", "decimal", "as") > 1 && (count("date", "decimal") > 0 || count("code", "as") != 2),
		"code, date and decimal exclude each other; as goes with from and code only")
	refuse(count("group", "block") > 1, "group and block exclude each other")
	refuse(count("group", "block") > 0 && count("const", "join", "code", "date", "decimal", "as", "default") > 0, "a group has no value of its own")
	refuse(count("code", "date", "decimal", "as", "default") > 0 && !has("from"), "code, date, decimal, as and default need from")
	refuse(has("with") && !has("join"), "with needs join")
	refuse(count("where", "first", "max") > 0 && !has("each"), "where, first and max need each")
	refuse(has("always") && count("group", "block") == 0, "always needs group")
	refuse(has("max") && r.max == 0, "max is at least 1")
	if attribute {
		refuse(count("group", "block", "each", "where", "first", "max", "always", "attr") > 0, "an attribute has only a value and when")
		refuse(count("from", "const", "join") == 0, "an attribute needs from, const or join")
		return
	}
	refuse(count("from", "const", "join", "group", "block", "attr") == 0, "nothing to write: from, const, join, group or attr is needed")
	refuse(r.isGroup && len(r.from) > 1, "a group is written for one node: from takes one pointer here")
	refuse(r.isGroup && len(r.from) == 1 && !r.from[0].inTree(), "a group's from is a pointer into the tree")
	r.isGroup = r.isGroup || count("from", "const", "join") == 0 // attributes only
}

// conclude derives what Rules tells and what Write and Read look up.
func (c *compiler) conclude(r *Rule, at *token.Token) {
	r.From = ""
	if r.each != nil {
		r.From = r.spell(r.each, r.parent)
		r.hint = r.each
	}
	for _, p := range append(slices.Clone(r.from), r.join...) {
		if r.From == "" {
			r.From = r.spell(p, r)
		}
		if r.hint == nil && p.inTree() {
			r.hint = p
		}
	}
	for _, child := range slices.Concat(r.attributes, r.group) {
		if r.hint == nil {
			r.hint = child.hint
		}
	}
	r.sources()
	r.oneWay = r.irreversible()
	if r.date != nil && r.date.attribute != "" && slices.ContainsFunc(r.attributes, func(a *Rule) bool { return a.name.tag == r.date.attribute }) {
		c.fault(at, "attribute %s is written by the date already", r.date.attribute)
	}
}

func (r *Rule) sources() {
	add := func(p *pointer, in *Rule) {
		if p != nil && p.inTree() {
			r.Sources = append(r.Sources, r.spell(p, in))
		}
	}
	add(r.each, r.parent)
	for _, p := range append(slices.Clone(r.from), r.join...) {
		add(p, r)
	}
	for _, cond := range r.when {
		add(cond.at, r.outer())
	}
	for _, cond := range r.where {
		add(cond.at, r)
	}
	if r.decimal != nil {
		add(r.decimal.unit, r)
	}
}

// spell writes a pointer that stands in rule in as one from the root, an entry as *.
func (r *Rule) spell(p *pointer, in *Rule) string {
	if p.absolute || !p.inTree() {
		return p.text
	}
	for in != nil && in.each == nil {
		in = in.parent
	}
	if in == nil {
		return p.text
	}
	base := r.spell(in.each, in.parent) + "/*"
	if p.text == "." {
		return base
	}
	return base + "/" + p.text
}

func (r *Rule) irreversible() string {
	switch {
	case len(r.join) > 0:
		return "join: what was joined cannot be taken apart"
	case len(r.from) > 0 && r.from[0].supplied != "":
		return "$" + r.from[0].supplied + " is not part of the declaration"
	case len(r.from) > 1:
		return "from: of several sources Read fills the first"
	case r.constant != nil && r.when != nil:
		return "when: nothing tells what the condition was"
	case r.each != nil && r.each.absolute && r.parent.enclosingEach() != nil:
		return "each: an array of the root inside another each stands several times"
	case r.list != nil:
		if code, found := r.list.ambiguous(); found {
			return "code: in list " + r.list.Name + " code " + code + " stands for several of ours"
		}
	case len(r.from) > 0 && r.from[0].position:
		if e := r.enclosingEach(); e != nil && e.where != nil {
			return "#: entries that where left out are not counted"
		}
	}
	return ""
}

// outer is the rule whose scope when belongs to: it decides before each begins.
func (r *Rule) outer() *Rule {
	if r.each != nil {
		return r.parent
	}
	return r
}

func (r *Rule) enclosingEach() *Rule {
	for r != nil && r.each == nil {
		r = r.parent
	}
	return r
}

// validText tells whether XML 1.0 admits every character. etree would write
// U+FFFD for the others without a word.
func validText(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}) < 0 && utf8.ValidString(text)
}
