package batch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

func xmlFile(t *testing.T, content string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.xml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	return file
}

// messages reads a file to its end.
func messages(t *testing.T, content string) (documents []string, lines []int, err error) {
	t.Helper()
	table, err := openXML(xmlFile(t, content), sheet.Source{})
	if err != nil {
		return nil, nil, err
	}
	for {
		row, err := table.Next()
		if errors.Is(err, io.EOF) {
			return documents, lines, nil
		}
		if err != nil {
			return documents, lines, err
		}
		documents, lines = append(documents, string(row.Document)), append(lines, row.Number)
	}
}

func TestXMLIsTakenApart(t *testing.T) {
	for name, test := range map[string]struct {
		file      string
		documents []string
		lines     []int
	}{
		"one":           {"\ufeff<?xml version=\"1.0\"?>\n<a b='1'>\n<c/></a>\n<!-- end -->\n", []string{"<a b='1'>\n<c/></a>"}, []int{2}},
		"empty element": {"<a/>", []string{"<a/>"}, []int{1}},
		"several":       {"<declarations>\n<a>x</a><!-- <b/> -->\n<b><![CDATA[</b>]]></b></declarations>", []string{"<a>x</a>", "<b><![CDATA[</b>]]></b>"}, []int{2, 3}},
		"namespaces": {`<w:declarations xmlns:w="urn:w" xmlns="urn:m&amp;"><a>x</a><b xmlns="urn:o"/><c/></w:declarations>`,
			[]string{`<a xmlns:w="urn:w" xmlns="urn:m&amp;">x</a>`, `<b xmlns="urn:o"/>`, `<c xmlns:w="urn:w" xmlns="urn:m&amp;"/>`}, []int{1, 1, 1}},
		"none": {"<declarations> </declarations>", nil, nil},
	} {
		documents, lines, err := messages(t, test.file)
		if err != nil || !slices.Equal(documents, test.documents) || !slices.Equal(lines, test.lines) {
			t.Errorf("%s: %q %v %v", name, documents, lines, err)
		}
	}
}

func TestBadXMLIsRefused(t *testing.T) {
	long := strings.Repeat("x", declare.MostBytes)
	for file, code := range map[string]string{
		"":                                      "xml.malformed",
		"text":                                  "xml.malformed",
		"text<a/>":                              "xml.malformed",
		"<a>":                                   "xml.malformed",
		"<a></b>":                               "xml.malformed",
		"<a/><b/>":                              "xml.malformed",
		"<a/>text":                              "xml.malformed",
		"<declarations><a/>text</declarations>": "xml.malformed",
		"<declarations><a></declarations>":      "xml.malformed",
		"<declarations><a/></other>":            "xml.malformed",
		"<a>\x00</a>":                           "xml.malformed",
		"<!DOCTYPE a><a/>":                      "xml.doctype",
		"<declarations><!DOCTYPE a><a/></declarations>":                    "xml.doctype",
		"<?xml version='1.0' encoding='GB18030'?><a/>":                     "xml.encoding",
		strings.Repeat("<a>", 300):                                         "xml.depth",
		"<a>" + long + "</a>":                                              "xml.tooLarge",
		"<declarations>" + strings.Repeat("<a/>", 10) + "<b" + long + "/>": "xml.tooLarge",
	} {
		_, _, err := messages(t, file)
		var refused *declare.Refusal
		if !errors.As(err, &refused) || refused.Faults[0].Code != code || refused.Faults[0].Text.Chinese == "" {
			t.Errorf("%.40q: want %s, is %v", file, code, err)
		}
	}
}

// Many messages together are longer than one may be.
func TestManyMessagesAreRead(t *testing.T) {
	one := "<a>" + strings.Repeat("x", 1<<20) + "</a>"
	documents, _, err := messages(t, "<declarations>"+strings.Repeat(one, 15)+"</declarations>")
	if err != nil || len(documents) != 15 {
		t.Errorf("%d messages, %v", len(documents), err)
	}
}
