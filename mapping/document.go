package mapping

import (
	"strconv"
	"strings"

	"github.com/beevik/etree"
)

// Document is the XML Write made, with where each node of it is from.
type Document struct {
	xml  []byte
	root *node
}

// Origin tells where an element or attribute is from.
type Origin struct {
	Path    string // local names with positions among namesakes: /DecMessage/DecLists/DecList[2]/GNo, …/@unitCode
	Pointer string // RFC 6901 into the tree; "" if no field made it
	Rule    *Rule
	Line    int // in Document.XML
}

// node is one element written.
type node struct {
	rule       *Rule
	element    etree.Element
	text       etree.CharData
	parent     *node
	children   []*node
	attributes []attribute
	source     source
	position   int // 1-based among siblings of the same name; 0 if it has none, or was not written
	line       int
}

type attribute struct {
	rule   *Rule
	source source
}

func newNode(parent *node, r *Rule) *node {
	return &node{rule: r, parent: parent, element: etree.Element{Tag: r.name.tag}}
}

func (n *node) attribute(key, value string) {
	n.element.Attr = append(n.element.Attr, etree.Attr{Key: key, Value: value})
}

// XML is the document, UTF-8, indented by two spaces.
func (d *Document) XML() []byte { return d.xml }

// At gives the origin of the node that steps lead to (positions among element
// children, from the root element, 0-based), or of the nearest above it that
// was written. attribute is a local name or "". Where a node has no pointer of
// its own, Pointer is that of the nearest element around it.
func (d *Document) At(steps []int, attribute string) Origin {
	n, exact := d.root, true
	for _, step := range steps {
		if step < 0 || step >= len(n.children) {
			exact = false
			break
		}
		n = n.children[step]
	}
	origin := n.origin()
	if exact {
		for _, a := range n.attributes {
			if a.rule.name.local == attribute {
				origin = n.attributeOrigin(a)
			}
		}
	}
	if origin.Pointer == "" {
		origin.Pointer = n.enclosing().locate()
	}
	return origin
}

// Walk tells the origin of every element and attribute in document order.
func (d *Document) Walk(visit func(Origin)) { d.root.walk(visit) }

func (n *node) walk(visit func(Origin)) {
	visit(n.origin())
	for _, a := range n.attributes {
		visit(n.attributeOrigin(a))
	}
	for _, child := range n.children {
		child.walk(visit)
	}
}

func (n *node) origin() Origin {
	return Origin{Path: n.path(), Pointer: n.source.locate(), Rule: n.rule, Line: n.line}
}

func (n *node) attributeOrigin(a attribute) Origin {
	return Origin{Path: n.path() + "/@" + a.rule.name.local, Pointer: a.source.locate(), Rule: a.rule, Line: n.line}
}

func (n *node) path() string {
	if n == nil {
		return ""
	}
	path := n.parent.path() + "/" + n.rule.name.local
	if n.position > 0 {
		path += "[" + strconv.Itoa(n.position) + "]"
	}
	return path
}

// enclosing is the source of the nearest element around that has one.
func (n *node) enclosing() source {
	for ; n != nil; n = n.parent {
		if n.source.locate() != "" {
			return n.source
		}
	}
	return source{}
}

// finish numbers the nodes, writes the XML and completes the problems.
func (w *writer) finish(root *node) (*Document, []Problem) {
	(&layouter{names: map[string]int{}}).lay(root, 2, 0)
	doc := etree.NewDocument()
	doc.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true} // escapes CR and, in attributes, line ends
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	doc.CreateText("\n")
	doc.AddChild(&root.element)
	doc.CreateText("\n")
	var problems []Problem
	for _, p := range w.problems {
		p.Path = p.node.path()
		if p.attribute != "" {
			p.Path += "/@" + p.attribute
		}
		for n := p.node; p.Line == 0 && n != nil; n = n.parent {
			p.Line = n.line
		}
		problems = append(problems, p.Problem)
	}
	xml, err := doc.WriteToBytes()
	if err != nil {
		problems = append(problems, *problem("map.value", "xml"))
	}
	return &Document{xml: xml, root: root}, problems
}

// layouter puts the nodes together, each on a line of its own. etree's Indent
// would do so too, at a quarter of the time of Write.
type layouter struct {
	names   map[string]int
	indents []*etree.CharData // by depth; shared, for nothing but writing follows
}

func (l *layouter) indent(depth int) *etree.CharData {
	for len(l.indents) <= depth {
		l.indents = append(l.indents, etree.NewText("\n"+strings.Repeat("  ", len(l.indents))))
	}
	return l.indents[depth]
}

// lay gives n and what is below it lines and positions; it returns the line n
// ends on. A text may hold line ends of its own.
func (l *layouter) lay(n *node, line, depth int) int {
	n.line = line
	if len(n.children) == 0 {
		if n.text.Data != "" {
			n.element.Child = []etree.Token{&n.text}
		}
		return line + strings.Count(n.text.Data, "\n")
	}
	clear(l.names)
	for _, child := range n.children {
		l.names[child.rule.name.tag]++
		child.position = l.names[child.rule.name.tag]
	}
	for _, child := range n.children {
		if l.names[child.rule.name.tag] == 1 {
			child.position = 0
		}
	}
	n.element.Child = make([]etree.Token, 0, 2*len(n.children)+1)
	for _, child := range n.children {
		line = l.lay(child, line+1, depth+1)
		n.element.Child = append(n.element.Child, l.indent(depth+1), &child.element)
	}
	n.element.Child = append(n.element.Child, l.indent(depth))
	return line + 1
}
