package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"singlewindow/declare"
	"singlewindow/declare/account"
)

// Every code the package can use is in the register, and nothing else is.
func TestTheRegisterHoldsExactlyTheCodesInUse(t *testing.T) {
	all, err := loadRegister(problemsYAML)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "register.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	used := map[problemCode]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "code") {
			used[problemCode(strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))] = true
		}
		return true
	})
	if len(used) < 20 {
		t.Fatalf("only %d codes found", len(used))
	}
	for code := range used {
		if _, ok := all[code]; !ok {
			t.Errorf("%s is not in problems.yaml", code)
		}
	}
	for code := range all {
		if !used[code] {
			t.Errorf("%s is in problems.yaml and nowhere else", code)
		}
	}
}

func TestABadRegisterIsRefused(t *testing.T) {
	const good = "- code: a\n  status: 400\n  title: {en: A, zh: 甲}\n"
	for name, source := range map[string]string{
		"twice":          good + good,
		"no Chinese":     "- code: a\n  status: 400\n  title: {en: A}\n",
		"half a detail":  good + "  detail: {en: B}\n",
		"not an error":   "- code: a\n  status: 200\n  title: {en: A, zh: 甲}\n",
		"unknown member": good + "  hint: none\n",
	} {
		if _, err := loadRegister([]byte(source)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := loadRegister([]byte(good)); err != nil {
		t.Error(err)
	}
}

// sqlFailure is an error as PostgreSQL's client gives them: with a code, and a
// text that quotes.
type sqlFailure struct{ state string }

func (f sqlFailure) Error() string    { return "invalid input: secret-value" }
func (f sqlFailure) SQLState() string { return f.state }

// What each error of the gateway amounts to.
func TestDiagnosis(t *testing.T) {
	fault := func(codes ...string) (faults []declare.Fault) {
		for _, code := range codes {
			faults = append(faults, declare.Fault{Code: code, Advice: code == "advice"})
		}
		return faults
	}
	a := newTestAPI(t)
	for _, c := range []struct {
		err    error
		code   problemCode
		status int
	}{
		{&declare.Refusal{Faults: fault("json.syntax", "json.float")}, codeJSONInvalid, 400},
		{&declare.Refusal{Faults: fault("json.tooLarge")}, codeJSONTooLarge, 413},
		{&declare.Refusal{Faults: fault("schema.required")}, codeDeclarationRefused, 422},
		{&declare.Refusal{Faults: fault("advice", "map.code")}, codeDeclarationRefused, 422},
		{&declare.ReferenceUsed{DeclarationID: "dec_1"}, codeReferenceUsed, 409},
		{declare.ErrKeyReused, codeKeyReused, 422},
		{declare.ErrKeyInFlight, codeKeyInFlight, 409},
		{fmt.Errorf("found: %w", declare.ErrMissing), codeResourceMissing, 404},
		{account.ErrUnknown, codeCredentialUnknown, 401},
		{&declare.Unreadable{Code: "xml.doctype"}, codeNoticeMalformed, 400},
		{&declare.Unreadable{Code: "xml.tooLarge"}, codeNoticeTooLarge, 413},
		{&declare.Unreadable{Code: "xsd.invalid"}, codeNoticeUnreadable, 422},
		{&lostBody{io.ErrUnexpectedEOF}, codeBodyIncomplete, 400},
		{fmt.Errorf("begin: %w", declare.ErrUnavailable), codeUnavailable, 503},
		{declare.ErrStopped, codeUnavailable, 503},
		{context.DeadlineExceeded, codeUnavailable, 503},
		{sqlFailure{"40P01"}, codeUnavailable, 503},
		{sqlFailure{"23505"}, codeInternal, 500},
		{&notReady{errors.New("stopping")}, codeUnavailable, 503},
		{errors.New("anything"), codeInternal, 500},
	} {
		found := diagnose(c.err)
		if problem := a.problem(asker{}, found); found.code != c.code || problem.Status != c.status {
			t.Errorf("%v: %s %d", c.err, found.code, problem.Status)
		}
	}
}

func TestAUsedReferenceNamesItsDeclaration(t *testing.T) {
	a := newTestAPI(t)
	found := diagnose(&declare.ReferenceUsed{DeclarationID: "dec_1"})
	problem := a.problem(asker{language: "en"}, found)
	if problem.Declaration != "dec_1" || found.headers["Location"] != "/v1/declarations/dec_1" || problem.Errors[0].Pointer != "/reference" {
		t.Errorf("%+v %v", problem, found.headers)
	}
}

// A problem as it goes over the wire, in each language.
func TestProblemInEachLanguage(t *testing.T) {
	a := newTestAPI(t)
	found := diagnose(&declare.Refusal{Faults: []declare.Fault{
		{Code: "map.code", Pointer: "/a~1b/0", Text: declare.Text{English: "No such code.", Chinese: "代码不存在。"}, Agency: "north", XMLPath: "/A/B", Line: 7},
		{Code: "advice", Advice: true},
	}})
	for language, want := range map[string]string{
		"en": `{"type":"/problems/declaration.refused","title":"The declaration has faults","status":422,"detail":"Nothing was filed. errors lists everything that must be mended, for all agencies at once.","code":"declaration.refused","requestId":"r-1","errors":[{"code":"map.code","pointer":"/a~1b/0","message":"No such code.","agency":"north","xmlPath":"/A/B","line":7}]}`,
		"zh": `{"type":"/problems/declaration.refused","title":"申报单有误","status":422,"detail":"未提交任何申报。errors 一次列出所有机构要求修改的全部内容。","code":"declaration.refused","requestId":"r-1","errors":[{"code":"map.code","pointer":"/a~1b/0","message":"代码不存在。","agency":"north","xmlPath":"/A/B","line":7}]}`,
	} {
		text, err := json.Marshal(a.problem(asker{requestID: "r-1", language: language}, found))
		if err != nil || string(text) != want {
			t.Errorf("%s: %s %v", language, text, err)
		}
	}
	both := a.problem(askerOf("r-1", "all", "zh"), found).Errors[0]
	if both.Message != "代码不存在。" || *both.Messages != (Texts{"No such code.", "代码不存在。"}) {
		t.Errorf("%+v", both)
	}
}

func TestLanguages(t *testing.T) {
	for _, c := range []struct{ lang, accept, want string }{
		{"", "", "en"}, {"", "zh-CN,zh;q=0.9,en;q=0.8", "zh"}, {"", "zh-Hant-TW", "zh"}, {"", "en-GB", "en"}, {"", "fr, zh;q=0.4", "zh"},
		{"", "fr", "en"}, {"", ";;;", "en"}, {"zh", "en", "zh"}, {"en", "zh", "en"}, {"all", "zh", "zh"}, {"all", "", "en"},
	} {
		if got := askerOf("", c.lang, c.accept); got.language != c.want || got.all != (c.lang == "all") {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// problemOf reads an answer that must be a problem.
func problemOf(t *testing.T, a *api, method, path string, headers ...string) (Problem, http.Header) {
	t.Helper()
	answer := ask(t, a, method, path, []byte("{}"), headers...)
	var problem Problem
	decoder := json.NewDecoder(answer.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&problem); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if problem.Status != answer.Code || answer.Header().Get("Content-Type") != "application/problem+json" ||
		problem.RequestID == "" || problem.RequestID != answer.Header().Get("X-Request-Id") || problem.Type != "/problems/"+problem.Code ||
		problem.Title == "" || problem.Errors == nil || answer.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s %s: %d %v %+v", method, path, answer.Code, answer.Header(), problem)
	}
	return problem, answer.Header()
}

// Whatever floor a request fails on, the answer has the one shape.
func TestEveryFloorAnswersWithTheSameShape(t *testing.T) {
	a := newTestAPI(t)
	a.ping = func(context.Context) error { return errors.New("stopping") }
	wrong := "Bearer sw_live_123"
	for _, c := range []struct {
		method, path string
		headers      []string
		status       int
		code         problemCode
	}{
		{"GET", "/nowhere", nil, 404, codeRouteMissing},
		{"DELETE", "/v1/declarations", nil, 405, codeMethodNotAllowed},
		{"GET", "/v1/declarations:validate", nil, 405, codeMethodNotAllowed},
		{"GET", "/v1/declarations", nil, 401, codeCredentialMissing},
		{"GET", "/v1/declarations", []string{"Authorization", "Basic eDp5"}, 401, codeCredentialMissing},
		{"GET", "/v1/declarations", []string{"Authorization", wrong}, 401, codeCredentialUnknown},
		{"POST", "/v1/declarations", []string{"Authorization", wrong, "Content-Type", "text/csv"}, 401, codeCredentialUnknown},
		{"POST", "/v1/agencies/x/notices", []string{"Authorization", wrong}, 401, codeCredentialUnknown},
		{"GET", "/livez", []string{"Accept", "text/html"}, 406, codeAcceptUnsupported},
		{"GET", "/livez?lang=fr", nil, 422, codeParameterInvalid},
		{"GET", "/livez?colour=secret-value", nil, 422, codeParameterInvalid},
		{"GET", "/readyz", nil, 503, codeUnavailable},
		{"GET", "/problems/unheard.of", nil, 404, codeResourceMissing},
	} {
		problem, header := problemOf(t, a, c.method, c.path, c.headers...)
		if problem.Status != c.status || problem.Code != string(c.code) {
			t.Errorf("%s %s: %d %s", c.method, c.path, problem.Status, problem.Code)
		}
		if (c.status == 401) != strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") || (c.status == 405) != (header.Get("Allow") != "") || (c.status == 503) != (header.Get("Retry-After") == "2") {
			t.Errorf("%s %s: %v", c.method, c.path, header)
		}
	}
	problem, _ := problemOf(t, a, "GET", "/livez?colour=secret-value")
	if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/query/colour" || strings.Contains(fmt.Sprint(problem), "secret-value") {
		t.Errorf("%+v", problem)
	}
}

func TestRequestIDs(t *testing.T) {
	a := newTestAPI(t)
	if id := get(t, a, "/livez", "X-Request-Id", "mine-1").Header().Get("X-Request-Id"); id != "mine-1" {
		t.Errorf("given id became %q", id)
	}
	for _, bad := range []string{"", "a b", "x_y", strings.Repeat("a", 65), "a\"b"} {
		id := get(t, a, "/livez", "X-Request-Id", bad).Header().Get("X-Request-Id")
		if !strings.HasPrefix(id, "req-") || !requestID.MatchString(id) {
			t.Errorf("%q became %q", bad, id)
		}
	}
}

func TestAccepts(t *testing.T) {
	for header, want := range map[string]bool{
		"*/*": true, "application/*": true, "application/json": true, "text/html, application/json;q=0.1": true,
		"text/html": false, "application/json;q=0": false, "application/json;q=0.0": false, "application/xml, text/*": false, "nonsense": false,
	} {
		if accepts(header, "application/json") != want {
			t.Errorf("%q", header)
		}
	}
}

// A panic is an internal problem with an incident number; neither the answer
// nor the log repeats what the panic said.
func TestAPanicIsAnswered(t *testing.T) {
	a := newTestAPI(t)
	var log strings.Builder
	a.log = slog.New(slog.NewJSONHandler(&log, nil))
	a.mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("secret-value") })
	problem, header := problemOf(t, a, "GET", "/panic")
	if problem.Code != "internal" || problem.Detail != "" || strings.Contains(fmt.Sprint(problem, header), "secret-value") {
		t.Errorf("%+v", problem)
	}
	if !strings.Contains(log.String(), problem.RequestID) || strings.Contains(log.String(), "secret-value") {
		t.Error(log.String())
	}
}

// The database's errors about data are logged by their code: their texts quote.
func TestInternalErrorsAreLoggedWithoutValues(t *testing.T) {
	a := newTestAPI(t)
	var log strings.Builder
	a.log = slog.New(slog.NewJSONHandler(&log, nil))
	a.ping = func(context.Context) error {
		return sqlFailure{"22P02"}
	}
	problem, _ := problemOf(t, a, "GET", "/readyz")
	if !strings.Contains(log.String(), `"sqlstate":"22P02"`) || !strings.Contains(log.String(), problem.RequestID) || strings.Contains(log.String(), "secret-value") {
		t.Error(log.String())
	}
}

// Bodies are bounded before the gateway sees them, and what is too much is
// read off the wire so that the client hears the answer.
func TestBodiesAreBounded(t *testing.T) {
	a := newTestAPI(t)
	var got int
	operation := a.operation(route{id: "take", method: http.MethodPost, path: "/take", tag: "Test"})
	takesDeclaration(a, &operation)
	handle(a, operation, func(_ context.Context, in *validateInput) (*healthOutput, error) {
		got = len(in.RawBody)
		return healthy(), nil
	})
	body := func(size int) []byte { return []byte(strings.Repeat("a", size)) }
	if answer := ask(t, a, "POST", "/take", body(declare.MostBytes), "Content-Type", "application/json"); answer.Code != 200 || got != declare.MostBytes {
		t.Errorf("longest body: %d, %d bytes", answer.Code, got)
	}
	for _, c := range []struct {
		size   int
		media  string
		status int
		code   problemCode
	}{
		{declare.MostBytes + 1, "application/json", 413, codeJSONTooLarge},
		{2 * declare.MostBytes, "application/json; charset=utf-8", 413, codeJSONTooLarge},
		{0, "application/json", 400, codeBodyMissing},
		{2, "text/csv", 415, codeBodyUnsupported},
		{2, "application/json; charset=gbk", 415, codeBodyUnsupported},
	} {
		answer := ask(t, a, "POST", "/take", body(c.size), "Content-Type", c.media)
		var problem Problem
		if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil || answer.Code != c.status || problem.Code != string(c.code) {
			t.Errorf("%d bytes of %s: %d %s %v", c.size, c.media, answer.Code, problem.Code, err)
		}
	}
}

func TestABrokenBodyIsTheClientsFault(t *testing.T) {
	_, err := io.ReadAll(incoming{body: io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{}))})
	if found := diagnose(err); found.code != codeBodyIncomplete {
		t.Errorf("%v is %s", err, found.code)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// huma's own texts may quote values: only their place is told.
func TestParametersArePointedAt(t *testing.T) {
	found := parameterFinding([]error{&huma.ErrorDetail{Message: "expected secret-value", Location: "query.a/b", Value: "secret-value"}})
	if len(found.faults) != 1 || found.faults[0].Pointer != "/query/a~1b" || found.faults[0].Text.English != "" {
		t.Errorf("%+v", found)
	}
	for location, want := range map[string]string{"query.status[1]": "/query/status/1", "query.a[]": "/query/a[]", "body.scopes[0]": "/body/scopes/0", "body": "/body"} {
		if got := pointerOf(location); got != want {
			t.Errorf("%s is %s, want %s", location, got, want)
		}
	}
}
