package declare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestIntakeRefuses(t *testing.T) {
	deep := strings.Repeat(`[`, 65) + strings.Repeat(`]`, 65)
	for name, check := range map[string]struct {
		text  string
		wants []string // code and pointer, in order
	}{
		"nothing":                  {``, []string{"json.syntax "}},
		"only space":               {" \n", []string{"json.syntax "}},
		"byte order mark":          {"\xef\xbb\xbf{}", []string{"json.syntax "}},
		"open object":              {`{"a":1`, []string{"json.syntax "}},
		"comma at the end":         {`{"a":[1,]}`, []string{"json.syntax /a/1"}},
		"comma before a brace":     {`{"a":1,}`, []string{"json.syntax "}},
		"no colon":                 {`{"a" 1}`, []string{"json.syntax "}},
		"name without quotes":      {`{a:1}`, []string{"json.syntax "}},
		"single quotes":            {`{'a':1}`, []string{"json.syntax "}},
		"comment":                  {`{"a":1 /* one */}`, []string{"json.syntax "}},
		"word":                     {`{"a":nul}`, []string{"json.syntax /a"}},
		"open string":              {`{"a":"b`, []string{"json.syntax /a"}},
		"unknown escape":           {`{"a":"\x"}`, []string{"json.syntax /a"}},
		"short unicode escape":     {`{"a":"\u12"}`, []string{"json.syntax /a"}},
		"wrong hexadecimal":        {`{"a":"\u12/4"}`, []string{"json.syntax /a"}},
		"leading zero":             {`[01]`, []string{"json.syntax "}},
		"plus":                     {`[+1]`, []string{"json.syntax /0"}},
		"only minus":               {`[-]`, []string{"json.syntax /0"}},
		"no digit after the point": {`[1.]`, []string{"json.syntax /0"}},
		"no digit in the exponent": {`[1e+]`, []string{"json.syntax /0"}},
		"trailing":                 {`{} x`, []string{"json.trailing "}},
		"second value":             {`{}{}`, []string{"json.trailing "}},
		"fault and trailing":       {`{"a":1.5}]`, []string{"json.float /a", "json.trailing "}},
		"too deep":                 {deep, []string{"json.depth " + strings.Repeat("/0", 64)}},
		"duplicate key":            {`{"a":1,"b":{"c":1,"c":2}}`, []string{"json.duplicateKey /b/c"}},
		"duplicate key by escape":  {`{"a":1,"\u0061":2}`, []string{"json.duplicateKey /a"}},
		"key to be escaped":        {`{"a/b~c":1.5}`, []string{"json.float /a~1b~0c"}},
		"fraction":                 {`{"a":[1,2.0]}`, []string{"json.float /a/1"}},
		"exponent":                 {`{"a":1e5}`, []string{"json.float /a"}},
		"minus zero":               {`{"a":-0}`, []string{"json.float /a"}},
		"nineteen digits":          {`{"a":1234567890123456789}`, []string{"json.digits /a"}},
		"invalid UTF-8":            {"{\"a\":\"\xff\xfe\"}", []string{"json.encoding /a"}},
		"invalid UTF-8 in a name":  {"{\"a\xff\":1}", []string{"json.encoding "}},
		"raw control character":    {"{\"a\":\"b\x01\"}", []string{"json.character /a"}},
		"raw line break":           {"{\"a\":\"b\nc\"}", []string{"json.character /a"}},
		"escaped line break":       {`{"a":"b\nc"}`, []string{"json.character /a"}},
		"escaped NUL":              {`{"a":"\u0000"}`, []string{"json.character /a"}},
		"delete":                   {"{\"a\":\"\x7f\"}", []string{"json.character /a"}},
		"right-to-left override":   {"{\"a\":\"a\u202eb\"}", []string{"json.character /a"}},
		"escaped isolate":          {`{"a":"\u2066"}`, []string{"json.character /a"}},
		"zero-width space":         {"{\"a\":\"a\u200bb\"}", []string{"json.character /a"}},
		"byte order mark inside":   {`{"a":"\ufeff"}`, []string{"json.character /a"}},
		"line separator":           {"{\"a\":\"\u2028\"}", []string{"json.character /a"}},
		"not a character":          {"{\"a\":\"\uffff\"}", []string{"json.character /a"}},
		"hidden in a name":         {"{\"a\u200b\":1}", []string{"json.character "}},
		"lone high surrogate":      {`{"a":"\ud800"}`, []string{"json.surrogate /a"}},
		"lone low surrogate":       {`{"a":"\udc00x"}`, []string{"json.surrogate /a"}},
		"two high surrogates":      {`{"a":"\ud800\ud800"}`, []string{"json.surrogate /a"}},
		"endless name":             {`{"` + strings.Repeat("a", 200) + `":1}`, []string{"json.tooLarge "}},
		"all of it": {"{\"a\":1.5,\"b\":\"\\n\u202e\xff\",\"a\":[-0,{\"c\":\"\\ud800\"}]}", []string{
			"json.float /a", "json.character /b", "json.encoding /b", "json.float /a/0", "json.surrogate /a/1/c", "json.duplicateKey /a"}},
	} {
		t.Run(name, func(t *testing.T) {
			tree, faults := ParseJSON([]byte(check.text), MostBytes)
			var found []string
			for _, fault := range faults {
				found = append(found, fault.Code+" "+fault.Pointer)
				if fault.Text.English == "" || fault.Text.Chinese == "" {
					t.Errorf("%s has no text in both languages", fault.Code)
				}
			}
			if !reflect.DeepEqual(found, check.wants) || tree != nil {
				t.Errorf("found %q and tree %v, expected %q", found, tree, check.wants)
			}
		})
	}
}

func TestIntakeReads(t *testing.T) {
	text := ` {"a": [1, -20, 0, true, false, null, "x\"\\\/\u00e9é漢\ud83d\ude00"], "": {}, "e": []}` + "\r\n\t"
	tree, faults := ParseJSON([]byte(text), len(text))
	want := map[string]any{
		"a": []any{json.Number("1"), json.Number("-20"), json.Number("0"), true, false, nil, `x"\/éé漢😀`},
		"":  map[string]any{}, "e": []any{},
	}
	if len(faults) > 0 || !reflect.DeepEqual(tree, want) {
		t.Errorf("%v %v", tree, faults)
	}
	if _, faults := ParseJSON([]byte(strings.Repeat("[", 64)+strings.Repeat("]", 64)), 1000); len(faults) > 0 {
		t.Errorf("64 levels are refused: %v", faults)
	}
	if _, faults := ParseJSON([]byte(`[123456789012345678,-123456789012345678]`), 1000); len(faults) > 0 {
		t.Errorf("18 digits are refused: %v", faults)
	}
}

func TestIntakeNamesLineAndColumn(t *testing.T) {
	_, faults := ParseJSON([]byte("{\n  \"名称\": \"值\",\n  \"漢\" 1\n}"), 1000)
	if len(faults) != 1 || !strings.Contains(faults[0].Text.English, "line 3, column 7") || !strings.Contains(faults[0].Text.Chinese, "第 3 行第 7 列") {
		t.Errorf("%v", faults)
	}
}

func TestIntakeBounds(t *testing.T) {
	if _, faults := ParseJSON([]byte(`"12345"`), 6); len(faults) != 1 || faults[0].Code != "json.tooLarge" {
		t.Errorf("%v", faults)
	}
	tree, faults := ParseJSON([]byte("["+strings.Repeat("1.5,", 1000)+"1]"), 10000)
	if len(faults) != maxFaults || tree != nil {
		t.Errorf("%d faults", len(faults))
	}
	many := append(bytes.Repeat([]byte("[],"), maxValues), "[]"...)
	_, faults = ParseJSON(append(append([]byte{'['}, many...), ']'), MostBytes)
	if len(faults) != 1 || faults[0].Code != "json.tooLarge" {
		t.Errorf("%v", faults)
	}
}

// FuzzParseJSON holds the intake against encoding/json: what it accepts means
// the same to both, and what it calls no JSON is none.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,"b",null,true,false,{}],"c":"\u00e9\ud83d\ude00"}`, `[1.5,-0,1e9,01]`, `{"a":1,"a":2}`,
		`"\ud800"`, "\"\xff\"", "\"\u202e\"", `{"a":"b\n"}`, "{} x", `[[[[]]]]`, ` 12345678901234567890 `, `{"a" :`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tree, faults := ParseJSON(text, 1<<16)
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		var theirs any
		err := decoder.Decode(&theirs)
		if err == nil && len(bytes.TrimLeft(text[decoder.InputOffset():], " \t\r\n")) > 0 {
			err = fmt.Errorf("trailing")
		}
		switch {
		case len(faults) == 0 && err != nil:
			t.Fatalf("accepted, but encoding/json says %v", err)
		case len(faults) == 0 && !reflect.DeepEqual(tree, theirs):
			t.Fatalf("read %#v, encoding/json read %#v", tree, theirs)
		case len(faults) == 0 && !utf8.Valid(text):
			t.Fatal("accepted what is not UTF-8")
		case len(faults) > 0 && tree != nil:
			t.Fatal("a tree in spite of faults")
		}
		for _, fault := range faults {
			if (fault.Code == "json.syntax" || fault.Code == "json.trailing") && err == nil {
				t.Fatalf("%s, but encoding/json reads it", fault.Code)
			}
		}
	})
}
