package xsd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestGuard(t *testing.T) {
	nested := func(depth int) string {
		return strings.Repeat("<a>", depth) + strings.Repeat("</a>", depth)
	}
	attributes := func(count int) string {
		var b strings.Builder
		for i := range count {
			fmt.Fprintf(&b, " a%d='>'", i)
		}
		return "<a" + b.String() + "/>"
	}
	namespaces := func(perElement, elements int) string {
		var b strings.Builder
		for e := range elements {
			b.WriteString("<a")
			for i := range perElement {
				fmt.Fprintf(&b, " xmlns:p%d_%d='u'", e, i)
			}
			b.WriteString(">")
		}
		return b.String() + strings.Repeat("</a>", elements)
	}
	for _, c := range []struct{ name, doc, code string }{
		{"plain", "<a/>", ""},
		{"byte order mark", "\xEF\xBB\xBF<?xml version='1.0' encoding='utf-8' standalone='yes' ?><a/>", ""},
		{"ascii", `<?xml version="1.0" encoding="US-ASCII"?><a/>`, ""},
		{"markup in comment and CDATA", "<a><!-- <b c='1 --><![CDATA[ <x y=\" ]]><?pi <z q=' ?></a>", ""},
		{"as deep as allowed", nested(MaxDepth), ""},
		{"too deep", nested(MaxDepth + 1), "xml.depth"},
		{"siblings are not depth", "<a>" + strings.Repeat("<b></b><c/>", 1000) + "</a>", ""},
		{"as many attributes as allowed", attributes(MaxAttributes), ""},
		{"too many attributes", attributes(MaxAttributes + 1), "xml.attributes"},
		{"namespaces closed again", "<r>" + strings.Repeat("<a xmlns='u'/><p:b xmlns:p='v'></p:b>", 500) + "</r>", ""},
		{"too many namespaces in force", namespaces(20, 20), "xml.attributes"},
		{"as many nodes as allowed", "<r>" + strings.Repeat("<a b=''/>", (MaxNodes-1)/2) + "</r>", ""},
		{"too many elements", "<r>" + strings.Repeat("<a/>", MaxNodes) + "</r>", "xml.nodes"},
		{"too many attributes in all", "<r>" + strings.Repeat("<a b='' c=''/>", MaxNodes/3+1) + "</r>", "xml.nodes"},
		{"too many comments in all", strings.Repeat("<r>"+strings.Repeat("<!---->", MaxPieces)+"</r>", MaxNodes/MaxPieces+1), "xml.nodes"},
		{"as many pieces as allowed", "<a>" + strings.Repeat("x<!---->", MaxPieces-1) + "<b><![CDATA[]]></b><?p?></a>", ""},
		{"too many pieces", "<a>" + strings.Repeat("x<!---->", MaxPieces-1) + "<b/><?p?>y<![CDATA[]]></a>", "xml.pieces"},
		{"value of 8 MB", "<a b='" + strings.Repeat("x", 8<<20) + "'/>", ""},
		{"100,000 attributes", attributes(100_000), "xml.attributes"},
		{"entity bomb", "<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]><a>&c;</a>", "xml.doctype"},
		{"external entity", "<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM 'file:///etc/hostname'><a/>", "xml.doctype"},
		{"doctype in lower case", "<!doctype a><a/>", "xml.malformed"},
		{"doctype with a space", "<! DOCTYPE a><a/>", "xml.malformed"},
		{"UTF-16 without mark", "<\x00a\x00/\x00>\x00", "xml.nul"},
		{"UTF-7 in attribute", "<?xml version='1.0' encoding='utf-7' standalone='yes'?><a/>", "xml.encoding"},
		{"EBCDIC", "\x4C\x6F\xA7\x94\x93", "xml.encoding"},
		{"declared UTF-16", `<?xml version="1.0" encoding="UTF-16"?><a/>`, "xml.encoding"},
		{"declared ISO-8859-1", `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "xml.encoding"},
		{"declared twice", `<?xml version="1.0" encoding="UTF-8" encoding="UTF-7"?><a/>`, "xml.malformed"},
		{"declared after a space", ` <?xml version="1.0" encoding="UTF-7"?><a/>`, ""}, // no declaration there: libxml2 refuses it
		{"two marks", "\xEF\xBB\xBF\xEF\xBB\xBF<a/>", ""},
		{"too large", "<a>" + strings.Repeat(" ", MaxBytes) + "</a>", "xml.tooLarge"},
		{"nul", "<a>\x00</a>", "xml.nul"},
		{"nul after the end", "<a/>\x00", "xml.nul"},
		{"control character", "<a>\x1b</a>", "xml.malformed"},
		{"not a character", "<a>\uFFFE</a>", "xml.malformed"},
		{"UTF-16 little", utf16XML("\xFF\xFE", 0), "xml.encoding"},
		{"UTF-16 big", utf16XML("\xFE\xFF", 1), "xml.encoding"},
		{"UTF-32 little", "\xFF\xFE\x00\x00<\x00\x00\x00", "xml.encoding"},
		{"UTF-32 big", "\x00\x00\xFE\xFF\x00\x00\x00<", "xml.encoding"},
		{"Latin-1 bytes", "<a>\n\xE9</a>", "xml.encoding"},
		{"surrogate", "<a>\xED\xA0\x80</a>", "xml.encoding"},
		{"declared GBK", `<?xml version="1.0" encoding="GBK"?><a/>`, "xml.encoding"},
		{"declared UTF-7", "\xEF\xBB\xBF<?xml version='1.0' encoding='UTF-7'?>+ADw-a/+AD4-", "xml.encoding"},
		{"declaration in disguise", "<?xml version=\"1.0>\" encoding=\"UTF-7\"?><a/>", "xml.malformed"},
		{"doctype", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "xml.doctype"},
		{"doctype late", "<!-- x -->\n <!DOCTYPE a><a/>", "xml.doctype"},
		{"doctype in CDATA", "<a><![CDATA[<!DOCTYPE]]></a>", "xml.doctype"},
		{"entity declaration", "<a><!ENTITY x 'y'></a>", "xml.malformed"},
		{"open comment", "<a><!-- </a>", "xml.malformed"},
		{"open tag", "<a b='c'", "xml.malformed"},
		{"markup in attribute", "<a b='<c d=\"e\"'/>", "xml.malformed"},
		{"more ends than starts", "<a/></a>", "xml.malformed"},
		{"attribute without value", "<a b/>", "xml.malformed"},
		{"instruction without name", "<a><? <b/> ?></a>", "xml.malformed"},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := ""
			if fault := guard([]byte(c.doc)); fault != nil {
				code = fault.Code
				if fault.Text("en") == "" || fault.Text("zh") == fault.Text("en") {
					t.Errorf("texts of %s", code)
				}
			}
			if code != c.code {
				t.Errorf("got %q, want %q", code, c.code)
			}
		})
	}
}

func utf16XML(mark string, bigEndian int) string {
	var b bytes.Buffer
	b.WriteString(mark)
	for _, unit := range utf16.Encode([]rune("<a>é</a>")) {
		pair := []byte{byte(unit), byte(unit >> 8)}
		b.Write([]byte{pair[bigEndian], pair[1-bigEndian]})
	}
	return b.String()
}

func TestValidateRefuses(t *testing.T) {
	schema := compileOrder(t)
	for _, c := range []struct {
		name, doc, code string
		line            int
	}{
		{"guard", "<a>\n\n\x00</a>", "xml.nul", 3},
		{"empty", "", "xml.malformed", 0},
		{"only text", "hello", "xml.malformed", 1},
		{"cut", "<a>\n<b>\n", "xml.malformed", 3},
		{"wrong end", "<a>\n<b></c></a>", "xml.malformed", 2},
		{"twice the same attribute", "<a\n b='1' b='2'/>", "xml.malformed", 2},
		{"unknown entity", "<a>\n\n&x;</a>", "xml.malformed", 3},
		{"prefix without namespace", "<a>\n<p:b/></a>", "xml.malformed", 2},
		{"declaration after a space", ` <?xml version="1.0" encoding="UTF-7"?><a/>`, "xml.malformed", 1},
		{"two marks", "\xEF\xBB\xBF\xEF\xBB\xBF<a/>", "xml.malformed", 1},
		{"two roots", "<a/>\n<b/>", "xml.malformed", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			valid, violations, err := schema.Validate([]byte(c.doc))
			var fault *GuardError
			if !errors.As(err, &fault) || !valid.IsZero() || violations != nil {
				t.Fatal(valid.IsZero(), violations, err)
			}
			if fault.Code != c.code || fault.Line != c.line {
				t.Errorf("got %s at %d, want %s at %d", fault.Code, fault.Line, c.code, c.line)
			}
		})
	}
}

func FuzzValidate(f *testing.F) {
	schema, doc := compileOrder(f), orderXML(f)
	f.Add(doc)
	for _, m := range mutations(f) {
		f.Add(m.apply(f, doc))
	}
	f.Add([]byte("<a b='<c'/>"))
	f.Add([]byte("<?xml version='1.0' encoding='UTF-7'?><a/>"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		valid, violations, err := schema.Validate(doc)
		switch {
		case err != nil:
			var fault *GuardError
			if !errors.As(err, &fault) || guardTexts[fault.Code].en == "" {
				t.Fatal(err)
			}
			if !valid.IsZero() || violations != nil {
				t.Fatal("an answer beside an error")
			}
		case valid.IsZero() == (len(violations) == 0):
			t.Fatal("neither valid nor violated, or both")
		}
		for _, v := range violations {
			if codeTexts[v.Code].en == "" || v.Text("zh") == "" || v.Path == "" || violations.Total() < len(violations) {
				t.Fatalf("%+v", v)
			}
		}
	})
}
