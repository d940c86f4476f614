package xsd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

const schemaNamespace = "http://www.w3.org/2001/XMLSchema"

// source is one schema file as read for one target namespace: a file without its own takes that of its includer.
type source struct {
	path       string
	target     string
	chameleon  bool // target is the includer's
	elements   bool // local elements carry the target namespace
	attributes bool
	root       *node
}

// node is an element of a schema file, with what it takes to resolve the names in its attributes.
type node struct {
	space, name string
	attributes  map[string]string // those without a namespace
	prefixes    map[string]string
	children    []*node
	text        strings.Builder
	line        int
	source      *source
	global      *node // the definition it is in, or is; nil outside of one
}

// get is an attribute's value without the white space XML Schema strips.
func (n *node) get(attribute string) string { return strings.TrimSpace(n.attributes[attribute]) }

func (n *node) has(attribute string) bool {
	_, ok := n.attributes[attribute]
	return ok
}

// child is the first child of XML Schema's namespace with one of these names, nil if there is none.
func (n *node) child(names ...string) *node {
	for _, c := range n.children {
		if c.space == schemaNamespace && slices.Contains(names, c.name) {
			return c
		}
	}
	return nil
}

// resolve turns a QName written in n into the name it stands for.
func (n *node) resolve(qualified string) xml.Name {
	prefix, local, found := strings.Cut(qualified, ":")
	if !found {
		prefix, local = "", qualified
	}
	space := n.prefixes[prefix]
	if prefix == "xml" {
		space = "http://www.w3.org/XML/1998/namespace"
	}
	if space == "" && n.source.chameleon {
		space = n.source.target
	}
	return xml.Name{Space: space, Local: local}
}

func (n *node) fault(text string) error {
	return &CompileError{File: n.source.path, Line: n.line, Text: text}
}

// set is a driver schema and all it includes and imports.
type set struct {
	folder   string
	confined string // nothing outside this folder is read; "" confines nothing
	sources  []*source
	files    map[string][]byte // by path
	imports  map[string]string // the file of each namespace: libxml2 reads the first one only
}

func readSet(confined, path string) (*set, error) {
	s := &set{folder: filepath.Dir(path), confined: confined, files: map[string][]byte{}, imports: map[string]string{}}
	if err := s.read(path, "", &node{source: &source{path: path}}); err != nil {
		return nil, err
	}
	return s, nil
}

// read adds the file at path, named by the node from, and what it refers to.
func (s *set) read(path, includer string, from *node) error {
	content, known := s.files[path]
	if !known {
		var err error
		if content, err = os.ReadFile(path); err != nil {
			return &CompileError{File: from.source.path, Line: from.line, Text: fmt.Sprintf("schema %s cannot be read: %v", path, errors.Unwrap(err)), cause: err}
		}
		s.files[path] = content
	}
	src := &source{path: path}
	if err := src.parse(content); err != nil {
		return err
	}
	if from.name == "import" && src.target != from.get("namespace") {
		return from.fault(fmt.Sprintf("schema %s has the namespace %q, not the one it is imported for", path, src.target))
	}
	if src.target == "" && includer != "" {
		src.target, src.chameleon = includer, true
	}
	if slices.ContainsFunc(s.sources, func(o *source) bool { return o.path == path && o.target == src.target }) {
		return nil
	}
	if len(s.sources) == 0 && src.target != "" {
		s.imports[src.target] = path
	}
	s.sources = append(s.sources, src)
	return s.follow(src)
}

func (s *set) follow(src *source) error {
	for _, n := range src.root.children {
		if n.space != schemaNamespace {
			continue
		}
		location, includer := n.get("schemaLocation"), ""
		switch n.name {
		case "include", "redefine":
			includer = src.target
		case "import":
			if location == "" {
				continue
			}
		case "override":
			return n.fault("xs:override is not supported")
		default:
			continue
		}
		if strings.ContainsAny(location, `:\%?#`) || strings.HasPrefix(location, "/") {
			return n.fault("schemaLocation " + location + " is not a relative path")
		}
		path := filepath.Join(filepath.Dir(src.path), filepath.FromSlash(location))
		if s.confined != "" && !strings.HasPrefix(path, s.confined+string(filepath.Separator)) {
			return n.fault("schemaLocation " + location + " leads out of the folder")
		}
		if n.name == "import" && s.imported(n.get("namespace"), path) {
			continue
		}
		if err := s.read(path, includer, n); err != nil {
			return err
		}
	}
	return nil
}

// imported tells whether the namespace came from another file already, and notes path if not.
func (s *set) imported(namespace, path string) bool {
	first, known := s.imports[namespace]
	if !known {
		s.imports[namespace] = path
	}
	return known && first != path
}

// digest covers names, relative to the driver, and bytes, so that it does not depend on where the set lies.
func (s *set) digest() string {
	var lines []string
	for path, content := range s.files {
		name, err := filepath.Rel(s.folder, path)
		if err != nil { // only where one of the two is not absolute, and both are
			name = path
		}
		lines = append(lines, fmt.Sprintf("%x %s\n", sha256.Sum256(content), filepath.ToSlash(name)))
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:])
}

func (src *source) parse(content []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(content))
	decoder.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		encoding, err := htmlindex.Get(label)
		if err != nil {
			return nil, err
		}
		return encoding.NewDecoder().Reader(in), nil
	}
	var open []*node
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return src.settle()
		}
		if err != nil {
			line, column := decoder.InputPos()
			return &CompileError{File: src.path, Line: line, Column: column, Text: err.Error()}
		}
		switch t := token.(type) {
		case xml.StartElement:
			line, _ := decoder.InputPos()
			open = append(open, src.add(open, t, line))
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text.Write(t)
			}
		}
	}
}

func (src *source) add(open []*node, start xml.StartElement, line int) *node {
	n := &node{space: start.Name.Space, name: start.Name.Local, attributes: map[string]string{}, line: line, source: src}
	if len(open) == 0 {
		src.root = n
		n.prefixes = map[string]string{}
	} else {
		parent := open[len(open)-1]
		parent.children = append(parent.children, n)
		n.prefixes = parent.prefixes
		n.global = parent.global
		if parent == src.root || parent.name == "redefine" {
			n.global = n
		}
	}
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == "xmlns" || (a.Name.Space == "" && a.Name.Local == "xmlns"):
			n.declare(a)
		case a.Name.Space == "":
			n.attributes[a.Name.Local] = a.Value
		}
	}
	return n
}

func (n *node) declare(a xml.Attr) {
	own := map[string]string{}
	for prefix, space := range n.prefixes {
		own[prefix] = space
	}
	if a.Name.Space == "" {
		own[""] = a.Value
	} else {
		own[a.Name.Local] = a.Value
	}
	n.prefixes = own
}

func (src *source) settle() error {
	if src.root == nil || src.root.space != schemaNamespace || src.root.name != "schema" {
		return &CompileError{File: src.path, Line: 1, Text: "is not an XML Schema"}
	}
	src.target = src.root.get("targetNamespace")
	src.elements = src.root.get("elementFormDefault") == "qualified"
	src.attributes = src.root.get("attributeFormDefault") == "qualified"
	return nil
}
