package api

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func wholeRegister(t *testing.T) register {
	t.Helper()
	all, err := loadRegister(problemsYAML, faultsYAML)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every code has a cause and a cure in both languages, and an example of codes
// that there are.
func TestEveryCodeIsExplained(t *testing.T) {
	all := wholeRegister(t)
	for code, e := range all {
		if e.Cause.English == "" || e.Cure.English == "" || e.Cause.Chinese == "" || e.Cure.Chinese == "" {
			t.Errorf("%s lacks its cause or its cure", code)
		}
		if e.In != "" && e.In != inBatch && all[e.In].Status == 0 {
			t.Errorf("%s is said to stand in %s, which is no problem", code, e.In)
		}
		for _, fault := range e.Example {
			if _, known := all[fault.Code]; !known {
				t.Errorf("%s: its example has the code %s, which is none", code, fault.Code)
			}
		}
	}
}

// Every code that can stand in an answer is in the register or in a rule file:
// whatever the source writes as one. And the register holds no other.
func TestEveryFaultIsInTheRegister(t *testing.T) {
	all, written := wholeRegister(t), faultsInTheSource(t)
	if len(written) < 90 {
		t.Fatalf("only %d codes found", len(written))
	}
	for code, place := range written {
		if _, known := all[code]; !known {
			t.Errorf("%s: %s is not in the register", place, code)
		}
	}
	for code, e := range all {
		if e.Status == 0 && written[code] == "" {
			t.Errorf("%s is in faults.yaml and nowhere else", code)
		}
	}
}

var faultCode = regexp.MustCompile(`^(json|schema|kind|code|agency|map|xsd|xml|notice|batch)\.[A-Za-z0-9]+(\.[A-Za-z0-9]+)*$`)

// faultsInTheSource gives the codes of faults with the file that writes each.
func faultsInTheSource(t *testing.T) map[problemCode]string {
	t.Helper()
	found := map[problemCode]string{}
	for _, room := range []string{"declare", "mapping", "xsd", "adapters"} {
		if err := filepath.WalkDir("../"+room, func(file string, entry fs.DirEntry, err error) error {
			name := filepath.Base(file)
			// The doctor's words and the types of events are no faults.
			if err != nil || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(name, "doctor") || name == "types.go" {
				return err
			}
			source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(source, func(node ast.Node) bool {
				if code, is := faultOf(node); is {
					found[code] = file
				}
				return true
			})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// faultOf reads a literal as the code of a fault, and what the function that
// words the schema's keywords returns.
func faultOf(node ast.Node) (problemCode, bool) {
	switch node := node.(type) {
	case *ast.ReturnStmt:
		if len(node.Results) == 2 {
			if keyword, isText := node.Results[0].(*ast.BasicLit); isText && keywordOfSchema.MatchString(keyword.Value) {
				return problemCode("schema." + strings.Trim(keyword.Value, `"`)), true
			}
		}
	case *ast.BasicLit:
		text, err := strconv.Unquote(node.Value)
		if err != nil || !faultCode.MatchString(text) || slices.Contains([]string{".yaml", ".json", ".csv", ".xml"}, filepath.Ext(text)) {
			return "", false
		}
		if parts := strings.Split(text, "."); parts[0] == "map" {
			text = parts[0] + "." + parts[1] // the rest tells its texts apart
		}
		return problemCode(text), true
	}
	return "", false
}

var keywordOfSchema = regexp.MustCompile(`^"(type|pattern|enum|const|format|(max|min)(Length|Items|imum)|uniqueItems|oneOf|value)"$`)

// The codes of a kind's rules are nobody else's.
func TestCodesOfRulesAreUnique(t *testing.T) {
	a := newTestAPI(t)
	seen := map[string]bool{}
	for _, rule := range a.rules() {
		if _, taken := a.register[problemCode(rule.Code)]; taken || seen[rule.Code] {
			t.Errorf("%s stands twice", rule.Code)
		}
		seen[rule.Code] = true
	}
	if len(seen) < 30 {
		t.Fatalf("only %d rules", len(seen))
	}
}

// Every code has its page, in both languages and as JSON by the schema; its
// example is a problem by the schema too.
func TestEveryCodeHasItsPage(t *testing.T) {
	a := newTestAPI(t)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("openapi.json", document(t, a)); err != nil {
		t.Fatal(err)
	}
	schemaOf := func(name string) *jsonschema.Schema {
		return compiler.MustCompile("openapi.json#/components/schemas/" + name)
	}
	explanation, problem := schemaOf("Explanation"), schemaOf("Problem")
	list := get(t, a, "/problems")
	var listed ProblemList
	if err := json.Unmarshal(list.Body.Bytes(), &listed); err != nil || list.Code != http.StatusOK {
		t.Fatalf("%d %v", list.Code, err)
	}
	if want := len(a.register) + len(a.rules()); len(listed.Problems) != want {
		t.Errorf("%d codes are listed, not %d", len(listed.Problems), want)
	}
	for _, one := range listed.Problems {
		given := get(t, a, one.Address)
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(given.Body.Bytes()))
		if err != nil || given.Code != http.StatusOK {
			t.Errorf("%s: %d %v", one.Code, given.Code, err)
			continue
		}
		if err := explanation.Validate(value); err != nil {
			t.Errorf("%s: %v", one.Code, err)
		}
		example := value.(map[string]any)["example"].(map[string]any)
		if one.Status >= 400 {
			if err := problem.Validate(example); err != nil || example["status"] != json.Number(strconv.Itoa(one.Status)) {
				t.Errorf("%s: %v %v", one.Code, example["status"], err)
			}
		}
		checkPage(t, a, one)
	}
}

// browserAccepts is what browsers send.
const browserAccepts = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func checkPage(t *testing.T, a *api, one ProblemSummary) {
	t.Helper()
	english := get(t, a, one.Address, "Accept", browserAccepts)
	chinese := get(t, a, one.Address+"?lang=zh", "Accept", browserAccepts)
	if english.Code != http.StatusOK || english.Header().Get("Content-Type") != "text/html; charset=utf-8" || english.Header().Get("Content-Security-Policy") != pagePolicy {
		t.Errorf("%s: %d %v", one.Code, english.Code, english.Header())
	}
	for _, page := range []struct{ text, language, cause string }{{english.Body.String(), `lang="en"`, "Cause"}, {chinese.Body.String(), `lang="zh-Hans"`, "原因"}} {
		if !strings.Contains(page.text, page.language) || !strings.Contains(page.text, page.cause) || !strings.Contains(page.text, one.Code) || strings.Contains(page.text, "<script") {
			t.Errorf("%s: %s %.200s", one.Code, page.language, page.text)
		}
	}
	if english.Body.String() == chinese.Body.String() {
		t.Errorf("%s says the same in both languages", one.Code)
	}
}

func TestPagesByLanguageAndAccept(t *testing.T) {
	a := newTestAPI(t)
	for _, c := range []struct{ path, accept, language, media, contains string }{
		{"/problems/internal", "", "", "application/json", `"cause":`},
		{"/problems/internal", "*/*", "zh", "application/json", "服务内部出错"},
		{"/problems/internal", "text/html", "zh-CN", "text/html; charset=utf-8", "服务内部出错"},
		{"/problems/internal", "text/html", "de", "text/html; charset=utf-8", "Something failed"},
		{"/problems", "text/html", "zh", "text/html; charset=utf-8", "全部代码"},
		{"/problems/no.such", "text/html", "", "application/problem+json", "resource.missing"},
		{"/problems/internal", "image/png", "", "application/problem+json", "accept.unsupported"},
	} {
		given := get(t, a, c.path, "Accept", c.accept, "Accept-Language", c.language)
		if given.Header().Get("Content-Type") != c.media || !strings.Contains(given.Body.String(), c.contains) {
			t.Errorf("%+v: %d %s %.300s", c, given.Code, given.Header().Get("Content-Type"), given.Body)
		}
	}
}

// A text from a rule file is text on the page, whatever it holds.
func TestPagesEscape(t *testing.T) {
	html, err := page{Language: "en", Path: "/problems/x", Data: Explanation{Code: "x", Title: "<script>1</script>", Example: []byte(`{"a": "</code>"}`)}}.drawn("problem")
	if err != nil || strings.Contains(string(html), "<script>1") || strings.Contains(string(html), "</code>\"") {
		t.Errorf("%v %s", err, html)
	}
}

// The reference and its files come with a policy, and say when they did not
// change; whoever cannot unpack gets them plain.
func TestReferenceIsServed(t *testing.T) {
	a := newTestAPI(t)
	for _, path := range []string{"/docs", "/docs/page.css", "/docs/start.js", "/docs/scalar.js"} {
		given := get(t, a, path)
		if given.Code != http.StatusOK || given.Header().Get("Content-Security-Policy") != docsPolicy || given.Header().Get("Content-Encoding") != "" || given.Body.Len() == 0 {
			t.Errorf("%s: %d %v", path, given.Code, given.Header())
		}
		again := get(t, a, path, "If-None-Match", given.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s: %d", path, again.Code)
		}
	}
	zipped := get(t, a, "/docs/scalar.js", "Accept-Encoding", "gzip")
	packed, err := os.ReadFile("docs/scalar.js.gz")
	if err != nil || zipped.Header().Get("Content-Encoding") != "gzip" || !bytes.Equal(zipped.Body.Bytes(), packed) {
		t.Errorf("%v %v", err, zipped.Header())
	}
	html := get(t, a, "/docs").Body.String()
	for _, operation := range operationsOf(a.huma.OpenAPI()) {
		if !strings.Contains(html, operation.Method+" "+operation.Path+"<") {
			t.Errorf("without scripts, the reference lacks %s", operation.OperationID)
		}
	}
}
