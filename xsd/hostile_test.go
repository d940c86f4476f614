package xsd

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHostileDocumentsAreCheap measures what the guard lets pass against an innocent document of as many nodes: a third of
// the most, to be quick. At 20 MB, without the guard's limits, most of these take 5 to 35 seconds.
func TestHostileDocumentsAreCheap(t *testing.T) {
	schema, err := Compile(filepath.Join("testdata", "wide.xsd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(schema.Close)
	const nodes = MaxNodes / 3
	var usual time.Duration // of an innocent document of the same size
	many := func(text string) string { return strings.Repeat(text, nodes) }
	numbered := func(format string) string {
		var b strings.Builder
		for i := range nodes {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, c := range []struct {
		name, text string
		total      int
	}{
		{"an innocent document", many("<a/>"), 0},
		{"violations behind many siblings", many("<a/>") + strings.Repeat("<e>no</e>", 200), 200},
		{"every element wrong", many("<e>no</e>"), nodes},
		{"stranger behind many siblings", many("<a/>") + "<x/>", 1},
		{"no name twice", numbered("<x%d/>"), 1},
		{"text cut by comments", "<a>" + strings.Repeat(strings.Repeat("t", 4000)+"<!---->", MaxPieces) + "</a>", 0},
		{"text cut by CDATA", "<a>" + strings.Repeat(strings.Repeat("t", 4000)+"<![CDATA[]]>", MaxPieces) + "</a>", 0},
		{"text cut by elements", "<any>" + strings.Repeat("t", 8<<20) + many("t<x/>") + "</any>", 0},
		{"digits", "<n>" + strings.Repeat("9", 8<<20) + "</n>", 1},
		{"pattern", "<p>" + strings.Repeat("a", 8<<20) + "</p>", 1},
		{"attribute of 8 MB", "<any x='" + strings.Repeat("&amp;", 1<<20) + strings.Repeat("y", 3<<20) + "'/>", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			_, violations, err := schema.Validate([]byte("<r>" + c.text + "</r>"))
			took := time.Since(start)
			if usual == 0 {
				usual = took
			}
			if took > 60*usual {
				t.Errorf("took %v, an innocent document %v", took, usual)
			}
			if err != nil || violations.Total() != c.total {
				t.Errorf("%d violations, %v", violations.Total(), err)
			}
		})
	}
}

// TestNothingIsLoaded listens where a document points to, and puts a file there that would make it valid.
func TestNothingIsLoaded(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{}, 1)
	go func() {
		if connection, err := listener.Accept(); err == nil {
			called <- struct{}{}
			_ = connection.Close() // the caller is what matters
		}
		close(called)
	}()
	file := filepath.Join(t.TempDir(), "more.xsd")
	definition := `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:example:more"><xs:element name="More"/></xs:schema>`
	if err := os.WriteFile(file, []byte(definition), 0o600); err != nil {
		t.Fatal(err)
	}
	schema, doc := compileOrder(t), orderXML(t)
	for _, location := range []string{"http://" + listener.Addr().String() + "/more.xsd", file, "file://" + file} {
		for _, content := range []string{
			`<m:More xmlns:m="urn:example:more" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:example:more %s"/>`,
			`<More xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="%s"/>`,
			`<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="%s"/>`,
			`<?xml-model href="%[1]s"?><?xml-stylesheet href="%[1]s"?><m:More xmlns:m="urn:example:more"/>`,
		} {
			hostile := bytes.Replace(doc, []byte(`<p:Part><Code xmlns="">1</Code></p:Part>`), fmt.Appendf(nil, content, location), 1)
			_, violations, err := schema.Validate(hostile)
			if err != nil || len(violations) != 1 || violations[0].Code != "xsd.unexpected" {
				t.Errorf("%s: %+v %v", content, violations, err)
			}
		}
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if _, any := <-called; any {
		t.Error("a document made the validator call out")
	}
}
