package adapters

import (
	"bytes"
	"encoding/csv"
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

	"singlewindow/xsd"
)

// A claim is a value that the mapping may write, and the fault it is if its
// type does not allow it.
type claim struct {
	value  string
	facets xsd.Facets
	fixed  string
	fault  Fault
}

// claimList gathers every code of a list that may be written at a path.
func (c *checker) claimList(list, at string, node schemaNode) {
	c.used[list] = true
	file := "codes/" + list + ".csv"
	content, err := fs.ReadFile(c.folder, file)
	if err != nil {
		c.faults(file, err)
		return
	}
	records := csv.NewReader(bytes.NewReader(content))
	records.Comment = '#'
	column := -1
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.faults(file, err)
			return
		}
		if column < 0 {
			if column = slices.Index(record, "theirs"); column < 0 {
				return // told when it was loaded
			}
			continue
		}
		line, start := records.FieldPos(column)
		c.claims = append(c.claims, claim{
			value: record[column], facets: node.facets, fixed: node.fixed,
			fault: faultIn(c.named(file), content, line, start, "the code does not fit "+at),
		})
	}
}

// checkLists tells the lists that no rule uses.
func (c *checker) checkLists() {
	c.report.Lists = len(c.agency.lists)
	for _, name := range slices.Sorted(maps.Keys(c.agency.lists)) {
		if !c.used[name] {
			file := path.Join("codes", name+".csv")
			content, err := fs.ReadFile(c.folder, file)
			c.faults(file, err)
			c.report.Unused = append(c.report.Unused, faultIn(c.named(file), content, 1, 1, "no rule uses this list"))
		}
	}
}

// judgeClaims lets the validator itself judge all values gathered: a schema of
// their types is made, and a document of the values. So every facet counts,
// and patterns mean what XML Schema says.
func (c *checker) judgeClaims() {
	if len(c.claims) == 0 {
		return
	}
	types := map[string]int{}
	var schema, document bytes.Buffer
	schema.WriteString(`<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="values"><xs:complexType><xs:choice maxOccurs="unbounded">`)
	document.WriteString("<values>")
	var judged []claim
	seen := map[string]bool{}
	for _, claim := range c.claims {
		simpleType, known := typeOf(claim.facets, claim.fixed)
		if !known {
			unjudged := claim.fault
			unjudged.Text = "not checked: " + claim.facets.Base + " type, " + unjudged.Text
			c.report.Unjudged = append(c.report.Unjudged, unjudged)
			continue
		}
		number, met := types[simpleType]
		if !met {
			number = len(types)
			types[simpleType] = number
			fmt.Fprintf(&schema, `<xs:element name="v%d">%s</xs:element>`, number, simpleType)
		}
		key := fmt.Sprint(number, claim.fault.File, claim.fault.Line, claim.fault.Column)
		if seen[key] {
			continue
		}
		seen[key] = true
		fmt.Fprintf(&document, "<v%d>%s</v%d>", number, escaped(claim.value), number)
		judged = append(judged, claim)
	}
	schema.WriteString("</xs:choice></xs:complexType></xs:element></xs:schema>")
	document.WriteString("</values>")
	if len(judged) == 0 {
		return
	}
	violations, err := judge(schema.Bytes(), document.Bytes())
	if err != nil {
		c.fault(Fault{File: c.report.Agency, Text: "the codes cannot be held to their types: " + err.Error()})
	}
	for _, violation := range violations {
		if len(violation.Steps) == 1 && violation.Steps[0] < len(judged) {
			fault := judged[violation.Steps[0]].fault
			fault.Text += ": " + violation.Text("en")
			c.fault(fault)
		}
	}
}

func judge(schema, document []byte) (violations []xsd.Violation, err error) {
	directory, err := os.MkdirTemp("", "values-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	file := filepath.Join(directory, "values.xsd")
	if err := os.WriteFile(file, schema, 0o600); err != nil {
		return nil, err
	}
	compiled, err := xsd.Compile(file)
	if err != nil {
		return nil, err
	}
	defer compiled.Close()
	_, violations, err = compiled.Validate(document)
	return violations, err
}

// typeOf writes a type with these facets; false where they do not tell which
// values it has. Each pattern is a restriction of its own, since all must hold.
func typeOf(facets xsd.Facets, fixed string) (string, bool) {
	base := facets.Base
	switch {
	case base == "anySimpleType" || base == "anyType" || base == "":
		base = "string"
	case slices.Contains([]string{"ID", "IDREF", "ENTITY", "QName", "NOTATION"}, base):
		base = "Name" // what they are beyond a name depends on the document
	case base == "list" || base == "union":
		if len(facets.Enumeration) == 0 && fixed == "" {
			return "", false
		}
		base = "token"
	}
	var limits strings.Builder
	limit := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&limits, `<xs:%s value="%s"/>`, name, escaped(value))
		}
	}
	number := func(name string, value *int) {
		if value != nil {
			limit(name, fmt.Sprint(*value))
		}
	}
	if base == "string" && facets.WhiteSpace != "preserve" {
		limit("whiteSpace", facets.WhiteSpace)
	}
	if number("length", facets.Length); facets.Length == nil {
		number("minLength", facets.MinLength)
		number("maxLength", facets.MaxLength)
	}
	number("totalDigits", facets.TotalDigits)
	number("fractionDigits", facets.FractionDigits)
	limit("minInclusive", facets.MinInclusive)
	limit("maxInclusive", facets.MaxInclusive)
	limit("minExclusive", facets.MinExclusive)
	limit("maxExclusive", facets.MaxExclusive)
	for _, value := range facets.Enumeration {
		fmt.Fprintf(&limits, `<xs:enumeration value="%s"/>`, escaped(value))
	}
	text := `<xs:simpleType><xs:restriction base="xs:` + base + `">` + limits.String() + `</xs:restriction></xs:simpleType>`
	for _, pattern := range facets.Patterns {
		text = `<xs:simpleType><xs:restriction>` + text + `<xs:pattern value="` + escaped(pattern) + `"/></xs:restriction></xs:simpleType>`
	}
	if fixed != "" {
		text = `<xs:simpleType><xs:restriction>` + text + `<xs:enumeration value="` + escaped(fixed) + `"/></xs:restriction></xs:simpleType>`
	}
	return text, true
}

func escaped(text string) string {
	var buffer bytes.Buffer
	if err := xml.EscapeText(&buffer, []byte(text)); err != nil {
		panic(err) // a buffer takes every write
	}
	return buffer.String()
}
