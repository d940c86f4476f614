package xsd

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lestrrat-go/libxml2/clib"
	"github.com/lestrrat-go/libxml2/types"
)

// FuzzGuard: what the guard accepts is UTF-8 without NUL and DOCTYPE, and libxml2 refuses it as
// not well-formed or has a tree no larger and no deeper than the guard saw.
func FuzzGuard(f *testing.F) {
	for _, doc := range guardSeeds() {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if fault := guard(doc); fault != nil {
			if guardTexts[fault.Code].en == "" || fault.Line < 0 || fault.Line > 1+bytes.Count(doc, []byte("\n")) {
				t.Fatalf("%+v", fault)
			}
			return
		}
		if bytes.IndexByte(doc, 0) >= 0 || bytes.Contains(doc, []byte("<!DOCTYPE")) || !utf8.Valid(doc) {
			t.Fatal("accepted")
		}
		parsed, err := parse(string(doc))
		if err != nil {
			var fault *GuardError
			if !errors.As(err, &fault) || fault.Code != "xml.malformed" {
				t.Fatal(err)
			}
			return
		}
		defer parsed.Free()
		seen := scanner{doc: bytes.TrimPrefix(doc, utf8Mark)}
		if fault := seen.run(); fault != nil {
			t.Fatal(fault)
		}
		root, err := parsed.DocumentElement()
		if err != nil {
			t.Fatal(err)
		}
		if nodes, depth := sizeOf(t, root); nodes > seen.nodes || depth > MaxDepth {
			t.Fatalf("libxml2 has %d nodes, %d deep, the guard counted %d", nodes, depth, seen.nodes)
		}
	})
}

// sizeOf counts elements, attributes, comments and the like, but no texts, in libxml2's tree.
func sizeOf(t *testing.T, n types.Node) (nodes, depth int) {
	nodes = 1
	if element, ok := n.(types.Element); ok {
		depth = 1
		attributes, err := element.Attributes()
		if err != nil {
			t.Fatal(err)
		}
		nodes += len(attributes)
	}
	children, err := n.ChildNodes()
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range children {
		if child.NodeType() == clib.TextNode {
			continue
		}
		below, deep := sizeOf(t, child)
		nodes += below
		depth = max(depth, 1+deep)
	}
	return nodes, depth
}

func guardSeeds() []string {
	seeds := []string{
		"<a/>", "<a b='c'>d</a>", "\xEF\xBB\xBF<?xml version='1.0' encoding='utf-8'?><a/>", "<a><!-- x --><![CDATA[<b>]]><?p i?></a>",
		"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>\x00</a>", "\xFF\xFE<\x00a\x00/\x00>\x00", "\xFE\xFF\x00<\x00a\x00/\x00>", "<\x00a\x00/\x00>\x00",
		"<?xml version='1.0' encoding='UTF-16'?><a/>", "<?xml version='1.0' encoding='UTF-7'?>+ADw-a/+AD4-", "<?xml version='1.1'?><a/>",
		"<a xmlns:x='u'><x:b x:c='1'/></a>", "<a xml:id='1' xmlns='u'/>", "<a b='>' c=\"'\"/>", "<a>]]></a>", "<a>&#0;&#x10FFFF;&lt;</a>", "<!doctype a><a/>", "<! DOCTYPE a><a/>",
		"<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/hostname'/>", "<a xsi:nil='true' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'/>",
		"<a><b><c/></b></a>", "<a\r\n b = 'c'\t/>", "<é/>", "<a></a ><!-- -->",
	}
	return append(seeds, strings.Repeat("<a>", MaxDepth)+strings.Repeat("</a>", MaxDepth), strings.Repeat("<a>", MaxDepth+1)+strings.Repeat("</a>", MaxDepth+1))
}
