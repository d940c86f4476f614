package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/printer"
	"github.com/goccy/go-yaml/token"
)

// Compile reads a mapping file; its form is in the package comment. file is the
// name faults are reported under. The error is Faults, all of the file's.
func Compile(file string, src []byte, lists map[string]*List) (*Mapping, error) {
	c := &compiler{file: file, lists: lists, mapping: &Mapping{}}
	parsed, err := parser.ParseBytes(src, 0)
	var syntax yaml.Error
	switch {
	case errors.As(err, &syntax):
		c.fault(syntax.GetToken(), "%s", syntax.GetMessage())
	case err != nil:
		c.faults = append(c.faults, &Fault{File: file, Line: 1, Column: 1, Text: err.Error()})
	case len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil:
		c.faults = append(c.faults, &Fault{File: file, Line: 1, Column: 1, Text: "a mapping file is one YAML document"})
	default:
		c.document(parsed.Docs[0].Body)
	}
	if c.faults != nil {
		slices.SortStableFunc(c.faults, func(a, b *Fault) int { return a.Line - b.Line })
		return nil, c.faults
	}
	return c.mapping, nil
}

type compiler struct {
	file    string
	lists   map[string]*List
	mapping *Mapping
	space   string
	blocks  map[string]*block
	base    string // where relative sources begin, inside a block
	faults  Faults
}

func (c *compiler) fault(at *token.Token, format string, args ...any) {
	f := &Fault{File: c.file, Text: fmt.Sprintf(format, args...)}
	if at != nil {
		var p printer.Printer
		f.Line, f.Column, f.Excerpt = at.Position.Line, at.Position.Column, p.PrintErrorToken(at, false)
	}
	if slices.ContainsFunc(c.faults, func(known *Fault) bool { return *known == *f }) {
		return // of a block used twice
	}
	c.faults = append(c.faults, f)
}

// pair is one key of a YAML mapping.
type pair struct {
	key   string
	at    *token.Token
	value ast.Node
}

func (c *compiler) pairs(node ast.Node) []pair {
	mapping, ok := node.(ast.MapNode)
	if !ok {
		c.fault(node.GetToken(), "a mapping of keys to values is expected here")
		return nil
	}
	var pairs []pair
	for it := mapping.MapRange(); it.Next(); {
		at := it.Key().GetToken()
		pairs = append(pairs, pair{at.Value, at, it.Value()})
	}
	return pairs
}

// text takes a scalar as it is written: 010 and 1.10 are not numbers here.
func (c *compiler) text(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value
	}
	c.fault(node.GetToken(), "a text is expected here")
	return ""
}

func (c *compiler) constant(node ast.Node) *string {
	text := c.text(node)
	if !validText(text) {
		c.fault(node.GetToken(), "contains a character that XML does not admit")
	}
	return &text
}

func (c *compiler) truth(node ast.Node) bool {
	if n, ok := node.(*ast.BoolNode); ok {
		return n.Value
	}
	c.fault(node.GetToken(), "true or false is expected here")
	return false
}

func (c *compiler) number(node ast.Node, most int) int {
	n, err := strconv.Atoi(c.text(node))
	if err != nil || n < 0 || n > most {
		c.fault(node.GetToken(), "a whole number from 0 to %d is expected here", most)
	}
	return n
}

// entries applies f to the entries of a list, or to the one node that is no list.
func entries(node ast.Node, f func(ast.Node)) {
	if list, ok := node.(*ast.SequenceNode); ok {
		for _, n := range list.Values {
			f(n)
		}
		return
	}
	f(node)
}

func (c *compiler) texts(node ast.Node) []string {
	texts := []string{}
	entries(node, func(n ast.Node) { texts = append(texts, c.text(n)) })
	return texts
}

func (c *compiler) document(body ast.Node) {
	m := c.mapping
	root := &Rule{isGroup: true, always: true}
	var elements, attributes ast.Node
	var rootAt *token.Token
	rootName := ""
	pairs := c.pairs(body)
	for _, p := range pairs {
		switch p.key {
		case "kind":
			m.kind = c.text(p.value)
		case "namespace":
			c.space = c.text(p.value)
			m.spaces = append(m.spaces, namespace{"", c.space})
		case "namespaces":
			c.namespaces(p.value)
		case "root":
			rootName, rootAt = c.text(p.value), p.value.GetToken()
		case "attr":
			attributes = p.value
		case "from":
			root.from = []*pointer{c.pointer(root, p.value)}
			if !root.from[0].inTree() {
				c.fault(p.value.GetToken(), "the root's from is a pointer into the tree")
			}
		case "elements":
			elements = p.value
		case "blocks":
			c.readBlocks(p.value)
		default:
			c.fault(p.at, "unknown key %q; a mapping has kind, namespace, namespaces, root, attr, from, blocks, elements", p.key)
		}
	}
	if m.kind == "" || rootName == "" || elements == nil {
		at := body.GetToken()
		if len(pairs) > 0 {
			at = pairs[0].at
		}
		c.fault(at, "a mapping needs kind, root and elements")
		return
	}
	root.Line, root.Column, root.Verbs = rootAt.Position.Line, rootAt.Position.Column, []string{"root"}
	root.name = c.name(rootName, rootAt, false)
	root.Path = "/" + root.name.local
	m.root = root
	m.rules = append(m.rules, root)
	if attributes != nil {
		c.attributes(root, attributes)
	}
	c.group(root, elements)
	c.idleBlocks()
}

func (c *compiler) namespaces(node ast.Node) {
	for _, p := range c.pairs(node) {
		uri := c.text(p.value)
		if !nameForm.MatchString(p.key) || strings.HasPrefix(p.key, "xml") || uri == "" {
			c.fault(p.at, "%q: a prefix is an XML name that does not begin with xml, for a namespace that is not empty", p.key)
		}
		c.mapping.spaces = append(c.mapping.spaces, namespace{p.key, uri})
	}
}

// nameForm is NCName of Namespaces in XML 1.0: etree writes names unchecked.
var nameForm = regexp.MustCompile(`^[` + nameStart + `][` + nameStart + `\-.0-9\x{B7}\x{300}-\x{36F}\x{203F}\x{2040}]*$`)

const nameStart = `A-Z_a-z\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{2FF}\x{370}-\x{37D}\x{37F}-\x{1FFF}\x{200C}\x{200D}` +
	`\x{2070}-\x{218F}\x{2C00}-\x{2FEF}\x{3001}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFFD}\x{10000}-\x{EFFFF}`

const xmlSpace = "http://www.w3.org/XML/1998/namespace"

func (c *compiler) name(tag string, at *token.Token, attribute bool) name {
	prefix, local, prefixed := strings.Cut(tag, ":")
	if !prefixed {
		prefix, local = "", tag
	}
	if !nameForm.MatchString(local) || attribute && tag == "xmlns" {
		c.fault(at, "%q is not a name XML admits here", tag)
	}
	n := name{tag: tag, local: local}
	switch {
	case prefixed && prefix == "xml" && attribute:
		n.space = xmlSpace
	case prefixed:
		i := slices.IndexFunc(c.mapping.spaces, func(s namespace) bool { return s.prefix == prefix && prefix != "" })
		if i < 0 {
			c.fault(at, "prefix %q is not among namespaces", prefix)
			break
		}
		n.space = c.mapping.spaces[i].uri
	case !attribute:
		n.space = c.space
	}
	return n
}

func (c *compiler) attributes(parent *Rule, node ast.Node) {
	for _, p := range c.pairs(node) {
		a := c.rule(parent, p, true)
		if slices.ContainsFunc(parent.attributes, func(b *Rule) bool { return b.name.key() == a.name.key() }) {
			c.fault(p.at, "attribute %q stands twice", p.key)
		}
		parent.attributes = append(parent.attributes, a)
	}
}

func (c *compiler) group(parent *Rule, node ast.Node) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		c.fault(node.GetToken(), "a list of elements is expected here: - Name: {…}")
		return
	}
	parent.byName = map[name][]int{}
	for _, entry := range list.Values {
		pairs := c.pairs(entry)
		if len(pairs) != 1 {
			c.fault(entry.GetToken(), "one element per entry is expected here: - Name: {…}")
			continue
		}
		r := c.rule(parent, pairs[0], false)
		key := r.name.key()
		parent.byName[key] = append(parent.byName[key], len(parent.group))
		parent.group = append(parent.group, r)
	}
}

const ruleKeys = "from, const, join, with, code, date, decimal, as, default, when, attr, group, block, always, each, where, first, max"

func (c *compiler) rule(parent *Rule, at pair, attribute bool) *Rule {
	r := &Rule{parent: parent, Line: at.at.Position.Line, Column: at.at.Position.Column}
	r.name = c.name(at.key, at.at, attribute)
	r.Path = parent.Path + "/" + r.name.local
	if attribute {
		r.Path = parent.Path + "/@" + r.name.local
	}
	c.mapping.rules = append(c.mapping.rules, r)
	var group, shared, attributes ast.Node
	around := c.base
	defer func() { c.base = around }()
	pairs := c.pairs(at.value)
	if i := slices.IndexFunc(pairs, func(p pair) bool { return p.key == "each" }); i >= 0 && !attribute {
		r.each = c.array(parent, pairs[i].value) // before the others, which are relative to its entries
		c.base = ""
	}
	for _, p := range pairs {
		r.Verbs = append(r.Verbs, p.key)
		switch p.key {
		case "attr":
			attributes = p.value
		case "group":
			group, r.isGroup = p.value, true
		case "block":
			shared, r.isGroup = p.value, true
		case "when":
			inner := c.base
			c.base = around // asked of what is around the rule
			r.when = c.conditions(r.outer(), p.value)
			c.base = inner
		default:
			c.key(r, p)
		}
	}
	c.consistent(r, at.at, attribute)
	if attributes != nil {
		c.attributes(r, attributes)
	}
	if group != nil {
		c.group(r, group)
	}
	if shared != nil {
		c.block(r, shared)
	}
	c.conclude(r, at.at)
	return r
}

func (c *compiler) key(r *Rule, p pair) {
	switch p.key {
	case "from":
		entries(p.value, func(n ast.Node) { r.from = append(r.from, c.pointer(r, n)) })
	case "join":
		entries(p.value, func(n ast.Node) { r.join = append(r.join, c.pointer(r, n)) })
	case "with":
		r.with = *c.constant(p.value)
	case "const":
		r.constant = c.constant(p.value)
	case "default":
		r.otherwise = c.constant(p.value)
	case "code":
		r.list = c.list(c.text(p.value), p.value)
	case "date":
		r.date = c.date(p.value)
	case "decimal":
		r.decimal = c.decimal(r, p.value)
	case "as":
		if r.as = c.text(p.value); r.as != "integer" && r.as != "boolean" {
			c.fault(p.value.GetToken(), "as is integer or boolean; without it the value is a text")
		}
	case "where":
		r.where = c.conditions(r, p.value)
	case "each":
	case "always":
		r.always = c.truth(p.value)
	case "first":
		r.first = c.truth(p.value)
	case "max":
		r.max = c.number(p.value, 1e6)
	default:
		c.fault(p.at, "unknown key %q; a rule has %s", p.key, ruleKeys)
	}
}

// pointer compiles a source that stands in rule r.
func (c *compiler) pointer(r *Rule, node ast.Node) *pointer {
	text := c.text(node)
	if c.base != "" && text != "" && !strings.ContainsAny(text[:1], "/#$") {
		text = strings.TrimSuffix(c.base+"/"+text, "/.")
	}
	p, err := parsePointer(text)
	if err != nil {
		c.fault(node.GetToken(), "%s", err)
		return &pointer{absolute: true}
	}
	if p.supplied == "" && !p.absolute && r.enclosingEach() == nil {
		c.fault(node.GetToken(), "%q is relative, but no each encloses it", p.text)
	}
	return p
}

// array compiles the source of an each.
func (c *compiler) array(r *Rule, node ast.Node) *pointer {
	p := c.pointer(r, node)
	if n := len(p.steps); !p.inTree() || n == 0 || p.steps[n-1].index >= 0 || p.steps[n-1].key != "" {
		c.fault(node.GetToken(), "each needs a pointer to an array")
		return &pointer{absolute: true, steps: []step{{index: -1}}}
	}
	return p
}

func (c *compiler) list(name string, at ast.Node) *List {
	l := c.lists[name]
	if l == nil {
		c.fault(at.GetToken(), "unknown code list %q", name)
	}
	return l
}

func (c *compiler) conditions(r *Rule, node ast.Node) []condition {
	var conditions []condition
	entries(node, func(n ast.Node) {
		if _, isMap := n.(ast.MapNode); !isMap {
			conditions = append(conditions, condition{at: c.pointer(r, n)})
			return
		}
		var one condition
		for _, p := range c.pairs(n) {
			switch p.key {
			case "at":
				one.at = c.pointer(r, p.value)
			case "is":
				one.is = c.texts(p.value)
			case "absent":
				one.absent = c.truth(p.value)
			default:
				c.fault(p.at, "unknown key %q; a condition has at and is or absent", p.key)
			}
		}
		if one.at == nil || one.absent && one.is != nil {
			c.fault(n.GetToken(), "a condition needs at, and not both is and absent")
			one.at = &pointer{absolute: true}
		}
		conditions = append(conditions, one)
	})
	return conditions
}

func (c *compiler) date(node ast.Node) *dateVerb {
	d := &dateVerb{}
	add := func(code string, n ast.Node) {
		l, ok := parseLayout(code, c.text(n))
		if !ok {
			c.fault(n.GetToken(), "bad layout: year, month and day must be written, as in 20060102 or 2006-01-02T15:04:05Z07:00")
		}
		d.layouts = append(d.layouts, l)
	}
	if _, isMap := node.(ast.MapNode); !isMap {
		add("", node)
		return d
	}
	byCode := false
	for _, p := range c.pairs(node) {
		switch p.key {
		case "layouts":
			if _, byCode = p.value.(ast.MapNode); !byCode {
				entries(p.value, func(n ast.Node) { add("", n) })
				continue
			}
			for _, l := range c.pairs(p.value) {
				add(l.key, l.value)
			}
		case "attr":
			d.attribute = c.name(c.text(p.value), p.value.GetToken(), true).tag
		case "zone":
			d.zone, d.always = c.zone(p.value), true
		default:
			c.fault(p.at, "unknown key %q; a date has layouts, attr, zone", p.key)
		}
	}
	if len(d.layouts) == 0 || byCode != (d.attribute != "") || strings.Contains(d.attribute, ":") {
		c.fault(node.GetToken(), "a date needs layouts: one, a list, or with attr: NAME a mapping from that attribute's value to the layout")
		d.layouts = append(d.layouts, layout{})
	}
	return d
}

func (c *compiler) zone(node ast.Node) *time.Location {
	text := c.text(node)
	if text == "agency" {
		return nil
	}
	zone, err := time.LoadLocation(text)
	if err != nil || text == "" || text == "Local" {
		c.fault(node.GetToken(), "unknown time zone %q; write an IANA name or agency", text)
	}
	return zone
}

// massFactors is the code list that decimal converts units by: unit → factor.
const massFactors = "mass-factor"

func (c *compiler) decimal(r *Rule, node ast.Node) *decimalVerb {
	d := &decimalVerb{places: -1}
	for _, p := range c.pairs(node) {
		switch p.key {
		case "places":
			d.places = int32(c.number(p.value, maxDecimal)) // #nosec G115 -- at most 40
		case "unit":
			d.unit = c.pointer(r, p.value)
		case "to":
			d.to = c.text(p.value)
		case "round":
			d.round = c.truth(p.value)
		default:
			c.fault(p.at, "unknown key %q; a decimal has places, unit, to, round", p.key)
		}
	}
	if (d.unit == nil) != (d.to == "") || d.round && d.places < 0 {
		c.fault(node.GetToken(), "unit and to belong together, and round needs places")
	}
	if d.unit != nil {
		c.factors(d, node)
	}
	return d
}

func (c *compiler) factors(d *decimalVerb, node ast.Node) {
	if d.factors = c.list(massFactors, node); d.factors == nil {
		return
	}
	if _, known := d.factors.Theirs(d.to, ""); !known {
		c.fault(node.GetToken(), "unit %q is not in code list %s", d.to, massFactors)
	}
	for factor := range d.factors.byTheirs {
		if plain := (&decimalVerb{places: -1}).check(factor); plain != nil || strings.Trim(factor, "-0.") == "" {
			c.fault(node.GetToken(), "code list %s has a factor that is not a decimal number above 0", massFactors)
		}
	}
}
