package adapters

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"singlewindow/xsd"
)

// A schemaSet is the XSD files a folder is to have, by slash-separated name.
type schemaSet struct {
	files   map[string]*schemaFile
	only    string // the file that was named; "" when it was a directory
	written bool
}

type schemaFile struct {
	content  []byte
	space    string   // target namespace
	roots    []string // global elements
	needs    []string // files included or imported
	wildcard bool
}

// readSchemaSet reads all XSD files of a directory, or one file with those it
// includes and imports.
func readSchemaSet(name string) (*schemaSet, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	set := &schemaSet{files: map[string]*schemaFile{}}
	if info.IsDir() {
		return set, set.readDirectory(name)
	}
	if err := set.readClosure(name); err != nil || !set.open(set.only) {
		return set, err
	}
	// What the wildcard of the file lets in stands beside it.
	beside := &schemaSet{files: map[string]*schemaFile{}, only: filepath.Base(name)}
	if err := beside.readDirectory(filepath.Dir(name)); err != nil || len(beside.closure(beside.only)) < len(set.files) {
		return set, err
	}
	return beside, nil
}

// open reports whether a file, or one that it needs, has a wildcard.
func (s *schemaSet) open(name string) bool {
	for file := range s.closure(name) {
		if s.files[file].wildcard {
			return true
		}
	}
	return false
}

func (s *schemaSet) readDirectory(name string) error {
	err := filepath.WalkDir(name, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".xsd" {
			return err
		}
		relative, err := filepath.Rel(name, file)
		if err != nil {
			return err
		}
		s.files[filepath.ToSlash(relative)], err = readSchemaFile(file)
		return err
	})
	if err == nil && len(s.files) == 0 {
		err = fmt.Errorf("%s holds no .xsd file", name)
	}
	return err
}

// readClosure reads a file and what it needs; names count from the directory
// that holds all of them.
func (s *schemaSet) readClosure(name string) error {
	name, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	base, read := filepath.Dir(name), map[string]*schemaFile{}
	for open := []string{name}; len(open) > 0; open = open[1:] {
		file := open[0]
		if read[file] != nil {
			continue
		}
		if read[file], err = readSchemaFile(file); err != nil {
			return err
		}
		for !strings.HasPrefix(file, base+string(filepath.Separator)) && base != filepath.Dir(base) {
			base = filepath.Dir(base)
		}
		for _, needed := range read[file].needs {
			open = append(open, filepath.Join(filepath.Dir(file), filepath.FromSlash(needed)))
		}
	}
	for file, content := range read {
		relative, err := filepath.Rel(base, file)
		if err != nil {
			return err
		}
		s.files[filepath.ToSlash(relative)] = content
		if file == name {
			s.only = filepath.ToSlash(relative)
		}
	}
	return nil
}

// readSchemaFile looks at the top of a schema; whether it is a good one, its
// compilation tells.
func readSchemaFile(name string) (*schemaFile, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	file := &schemaFile{content: content}
	decoder := xml.NewDecoder(bytes.NewReader(content))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil } // names are ASCII enough
	for depth := 0; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return file, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			file.look(token, depth)
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

func (f *schemaFile) look(element xml.StartElement, depth int) {
	attribute := func(name string) string {
		for _, a := range element.Attr {
			if a.Name.Local == name && a.Name.Space == "" {
				return a.Value
			}
		}
		return ""
	}
	switch name := element.Name.Local; {
	case name == "schema" && depth == 0:
		f.space = attribute("targetNamespace")
	case name == "element" && depth == 1 && attribute("abstract") != "true":
		f.roots = append(f.roots, attribute("name"))
	case (name == "include" || name == "import") && depth == 1 && attribute("schemaLocation") != "":
		f.needs = append(f.needs, attribute("schemaLocation"))
	case name == "any":
		f.wildcard = true
	}
}

// closure is a file with all it needs, by name.
func (s *schemaSet) closure(name string) map[string]bool {
	reached := map[string]bool{}
	for open := []string{name}; len(open) > 0; open = open[1:] {
		if file := s.files[open[0]]; file != nil && !reached[open[0]] {
			reached[open[0]] = true
			for _, needed := range file.needs {
				open = append(open, path.Join(path.Dir(open[0]), needed))
			}
		}
	}
	return reached
}

// declaring finds the one file that declares a root element.
func (s *schemaSet) declaring(root string) (string, error) {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if slices.Contains(s.files[name].roots, root) {
			found = append(found, name)
		}
	}
	switch {
	case len(found) == 0:
		return "", s.noRoot(root)
	case len(found) > 1 && slices.Contains(found, s.only):
		return s.only, nil
	case len(found) > 1:
		return "", fmt.Errorf("element %s is declared in %s: name the one file with --schema", root, strings.Join(found, " and "))
	}
	return found[0], nil
}

// noRoot says which roots there are.
func (s *schemaSet) noRoot(root string) error {
	var known []string
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		for _, other := range s.files[name].roots {
			known = append(known, other+" ("+name+")")
		}
	}
	const most = 40
	if len(known) > most {
		known = append(known[:most], fmt.Sprintf("and %d more", len(known)-most))
	}
	return fmt.Errorf("no schema declares the element %q; there are %s", root, strings.Join(known, ", "))
}

// compile writes the set below directory, once, and compiles what a root
// element needs; the driver is the file to name in agency.yaml.
func (s *schemaSet) compile(directory, root string) (driver string, model *xsd.Model, err error) {
	if driver, err = s.declaring(root); err != nil {
		return "", nil, err
	}
	if !s.written {
		files := map[string]string{}
		for name, file := range s.files {
			files["schema/"+name] = string(file.content)
		}
		if err := writeFiles(directory, files); err != nil {
			return "", nil, err
		}
		s.written = true
	}
	if text := s.driver(driver); text != "" {
		driver = "driver-" + path.Base(driver)
		if err := writeFiles(directory, map[string]string{"schema/" + driver: text}); err != nil {
			return "", nil, err
		}
	}
	schema, err := xsd.Compile(filepath.Join(directory, "schema", filepath.FromSlash(driver)))
	if err != nil {
		return "", nil, fmt.Errorf("the schema does not compile: %w", err)
	}
	defer schema.Close()
	return driver, schema.Model(), nil
}

// driver is a schema that imports one of each namespace of the set, "" where
// none is needed: it is where a wildcard lets elements of a namespace in that
// the schema itself does not import.
func (s *schemaSet) driver(name string) string {
	if !s.open(name) {
		return ""
	}
	spaces := map[string]bool{}
	for file := range s.closure(name) {
		spaces[s.files[file].space] = true
	}
	imports := []string{name}
	// Of several files of one namespace, the one that brings most with it.
	others := slices.SortedStableFunc(maps.Keys(s.files), func(a, b string) int {
		return cmp.Or(len(s.closure(b))-len(s.closure(a)), len(s.files[b].content)-len(s.files[a].content), strings.Compare(a, b))
	})
	for _, other := range others {
		if space := s.files[other].space; !spaces[space] && s.isTop(other) {
			spaces[space] = true
			imports = append(imports, other)
		}
	}
	if len(imports) == 1 {
		return ""
	}
	var text strings.Builder
	text.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- Made for this folder: brings the namespaces together that one message needs. -->\n" +
		"<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" targetNamespace=\"urn:driver\">\n")
	for _, file := range imports {
		space := ""
		if s.files[file].space != "" {
			space = fmt.Sprintf(` namespace="%s"`, escaped(s.files[file].space))
		}
		fmt.Fprintf(&text, "  <xs:import%s schemaLocation=\"%s\"/>\n", space, escaped(file))
	}
	text.WriteString("</xs:schema>\n")
	return text.String()
}

// isTop reports whether no file of the same namespace needs this one, and it
// has elements to offer.
func (s *schemaSet) isTop(name string) bool {
	for other, file := range s.files {
		if other != name && file.space == s.files[name].space && s.closure(other)[name] {
			return false
		}
	}
	return len(s.files[name].roots) > 0
}

// source is the file that says where the schemas are from.
func (s *schemaSet) source(today time.Time) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		digest := sha256.Sum256(s.files[name].content)
		fmt.Fprintf(&text, "%s  sha256 %s\n", name, hex.EncodeToString(digest[:]))
	}
	fmt.Fprintf(&text, "Copied here on %s, unchanged.\nPublished by, where, which version, under which terms: %s\n", today.Format(time.DateOnly), toFill)
	return text.String()
}
