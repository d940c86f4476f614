package mapping_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRealMessagesComeBack reads published messages of an administration that
// nobody here wrote and expects each back as it was.
func TestRealMessagesComeBack(t *testing.T) {
	m := compile(t, "wco")
	patterns := strings.Fields(read(t, "testdata/wco.samples"))
	var files []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join("..", "..", "shared", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if files == nil {
		t.Skip("the messages are not here: ../shared is absent")
	}
	equal := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, problems := m.Read(src)
		for _, p := range problems {
			t.Errorf("%s: %s", filepath.Base(file), p)
		}
		// Over JSON, as the tree travels from reading to writing.
		travelled, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		doc, problems := m.Write(decode(t, travelled), nil)
		for _, p := range problems {
			t.Errorf("%s: written again: %s", filepath.Base(file), p)
		}
		if want, got := infoset(t, src), infoset(t, doc.XML()); !slices.Equal(want, got) {
			t.Errorf("%s: %s", filepath.Base(file), firstDifference(want, got))
			continue
		}
		equal++
	}
	t.Logf("%d of %d messages came back as they were", equal, len(files))
}

func firstDifference(want, got []string) string {
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			return "lost or changed: " + want[i]
		}
	}
	return "invented: " + got[len(want)]
}

// infoset flattens a document into what must be kept of it: elements and
// attributes by namespace, and text. Comments, prefixes, schemaLocation and
// white space around values are not kept.
func infoset(t *testing.T, src []byte) []string {
	t.Helper()
	var flat []string
	decoder := xml.NewDecoder(bytes.NewReader(src))
	text := ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return flat
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			text += string(token)
		case xml.StartElement:
			flat = append(flat, strings.TrimSpace(text), "<"+token.Name.Space+" "+token.Name.Local)
			text = ""
			slices.SortFunc(token.Attr, func(a, b xml.Attr) int {
				return strings.Compare(a.Name.Space+" "+a.Name.Local, b.Name.Space+" "+b.Name.Local)
			})
			for _, a := range token.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" && a.Name.Local != "schemaLocation" {
					flat = append(flat, "@"+a.Name.Space+" "+a.Name.Local+"="+a.Value)
				}
			}
		case xml.EndElement:
			flat = append(flat, strings.TrimSpace(text), ">"+token.Name.Local)
			text = ""
		}
	}
}
