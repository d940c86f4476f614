package adapters_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// sampleDay is the day on which samples are judged.
var sampleDay = time.Date(2026, time.March, 2, 2, 3, 4, 0, time.UTC)

// canonical writes a document as lines that say everything it means: an
// element's path by namespace and name, its attributes in order, its text.
// Comments, prefixes, the place of schemas and white space between elements
// mean nothing. It shares no code with what it judges.
func canonical(t testing.TB, document []byte) string {
	t.Helper()
	var lines []string
	var texts []string
	decoder := xml.NewDecoder(bytes.NewReader(document))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(lines, "\n")
		}
		must(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			line := fmt.Sprintf("%s<{%s}%s", strings.Repeat(" ", len(texts)), token.Name.Space, token.Name.Local)
			var attributes []string
			for _, a := range token.Attr {
				if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" || a.Name.Local == "schemaLocation" {
					continue
				}
				attributes = append(attributes, fmt.Sprintf(" {%s}%s=%q", a.Name.Space, a.Name.Local, a.Value))
			}
			slices.Sort(attributes)
			lines = append(lines, line+strings.Join(attributes, ""))
			texts = append(texts, "")
		case xml.CharData:
			if len(texts) > 0 {
				texts[len(texts)-1] += string(token)
			}
		case xml.EndElement:
			text := strings.TrimSpace(texts[len(texts)-1])
			texts = texts[:len(texts)-1]
			lines = append(lines, fmt.Sprintf("%s>%q", strings.Repeat(" ", len(texts)), text))
		}
	}
}

// difference shows the first lines that differ.
func difference(given, made string) string {
	before, after := strings.Split(given, "\n"), strings.Split(made, "\n")
	for i := range before {
		if i >= len(after) || before[i] != after[i] {
			end := min(i+4, len(before))
			return "given " + strings.Join(before[i:end], "\n") + "\nmade  " + strings.Join(after[min(i, len(after)):min(end, len(after))], "\n")
		}
	}
	return "made more: " + strings.Join(after[len(before):], "\n")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
