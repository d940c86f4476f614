package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/cmd/privatepostgres"
	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/event"
)

// nowhere is an address where nobody listens: messages stay queued.
const nowhere = "http://127.0.0.1:1"

// restWindow is a gateway behind real HTTP, with two tenants.
type restWindow struct {
	server     *httptest.Server
	ledger     *declare.Ledger
	accounts   *account.Accounts
	agencies   []string
	key, other string // of the tenants acme and bolt
	document   *restDocument
	options    api.Options
}

// restKinds are loaded once: compiling their schemas takes a while.
var restKinds = sync.OnceValues(declare.LoadKinds)

// sampleTime runs from the day the samples are judged on.
func sampleTime() func() time.Time {
	began := time.Now()
	return func() time.Time { return time.Date(2026, 3, 2, 2, 3, 4, 0, time.UTC).Add(time.Since(began)) }
}

func newRESTWindow(t *testing.T, ledger *declare.Ledger) *restWindow {
	t.Helper()
	w := &restWindow{ledger: ledger}
	accounts, err := account.Open(t.Context(), ledger, accountSecret, newIDs(), time.Now, rand.Reader)
	must(t, err)
	w.accounts = accounts
	for tenant, key := range map[string]*string{"acme": &w.key, "bolt": &w.other} {
		must(t, accounts.CreateTenant(t.Context(), tenant, tenant))
		made, err := accounts.CreateKey(t.Context(), tenant, "test")
		must(t, err)
		*key = made.Secret
	}
	w.agencies, err = adapters.Names(adapters.Embedded())
	must(t, err)
	deployments := adapters.Deployments{}
	for _, name := range w.agencies {
		deployments[name] = adapters.Deployment{URL: nowhere}
	}
	loaded, err := adapters.LoadAll(adapters.Embedded(), deployments)
	must(t, err)
	agencies := make([]declare.Agency, len(loaded))
	for i, agency := range loaded {
		agencies[i] = agency
		t.Cleanup(agency.Close)
	}
	kinds, err := restKinds()
	must(t, err)
	gateway := declare.New(ledger, kinds, agencies, nil, newIDs(), sampleTime(), declare.DefaultTiming(), quiet(t))
	w.deliver(t, gateway)
	events := event.Open(ledger, quiet(t), 50*time.Millisecond)
	w.options = api.Options{
		Gateway: gateway, Accounts: accounts, Kinds: kinds, Events: events, IDs: newIDs(), Log: quiet(t), Version: "test", Ping: ledger.Ping,
	}
	w.server = httptest.NewServer(api.New(w.options))
	t.Cleanup(w.server.Close)
	w.tell(t, events)
	w.document = readDocument(t, w.server)
	return w
}

// restDocument is the OpenAPI document the server gives; every answer of these
// tests is held against it.
type restDocument struct {
	compiler *jsonschema.Compiler
	paths    map[string]map[string]any
}

func readDocument(t *testing.T, server *httptest.Server) *restDocument {
	t.Helper()
	response, err := server.Client().Get(server.URL + "/openapi.json")
	must(t, err)
	whole, err := jsonschema.UnmarshalJSON(response.Body)
	must(t, err)
	must(t, response.Body.Close())
	d := &restDocument{compiler: jsonschema.NewCompiler(), paths: map[string]map[string]any{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	must(t, d.compiler.AddResource("openapi.json", whole))
	for path, operations := range whole.(map[string]any)["paths"].(map[string]any) {
		d.paths[path] = operations.(map[string]any)
	}
	return d
}

var pathParameter = regexp.MustCompile(`\\\{[^}]*\\\}`)

// holds checks that an answer is documented and follows its schema.
func (d *restDocument) holds(t *testing.T, method, at string, given answer) {
	t.Helper()
	at, _, _ = strings.Cut(at, "?")
	for path, operations := range d.paths {
		operation, known := operations[strings.ToLower(method)].(map[string]any)
		if !known || !regexp.MustCompile("^"+pathParameter.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+")+"$").MatchString(at) {
			continue
		}
		response, known := operation["responses"].(map[string]any)[strconv.Itoa(given.status)].(map[string]any)
		if !known {
			t.Errorf("%s %s: %d is not documented", method, path, given.status)
			return
		}
		media, _, _ := strings.Cut(given.header.Get("Content-Type"), ";")
		all, _ := response["content"].(map[string]any) // nil where there is no body
		content, known := all[media].(map[string]any)
		if !known && len(given.body) > 0 {
			t.Errorf("%s %s: %d with %q is not documented", method, path, given.status, media)
			return
		}
		if strings.HasSuffix(media, "json") && content["schema"] != nil {
			token := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
			d.follows(t, fmt.Sprintf("openapi.json#/paths/%s/%s/responses/%d/content/%s/schema", token.Replace(path), strings.ToLower(method), given.status, token.Replace(media)), given.body)
		}
		return
	}
}

func (d *restDocument) follows(t *testing.T, schema string, body []byte) {
	t.Helper()
	compiled, err := d.compiler.Compile(schema)
	must(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	must(t, err)
	if err := compiled.Validate(value); err != nil {
		t.Errorf("%s: %v", schema, err)
	}
}

func (w *restWindow) deliver(t *testing.T, gateway *declare.Gateway) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := gateway.Deliver(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

// tell runs the streams; when they end, servers can close.
func (w *restWindow) tell(t *testing.T, events *event.Stream) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- events.Run(ctx) }()
	t.Cleanup(func() { stop(); must(t, <-done) })
}

// another serves the same gateway with streams held otherwise, and gives its
// address.
func (w *restWindow) another(t *testing.T, follow api.Following) string {
	t.Helper()
	options := w.options
	options.Follow = follow
	server := httptest.NewServer(api.New(options))
	t.Cleanup(server.Close)
	return server.URL
}

// answer is what came over the wire.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask makes one request as a bearer; headers are names and values in turn.
func (w *restWindow) ask(t *testing.T, bearer, method, path string, body []byte, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, bytes.NewReader(body))
	must(t, err)
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := w.server.Client().Do(request)
	must(t, err)
	content, err := io.ReadAll(response.Body)
	must(t, err)
	must(t, response.Body.Close())
	given := answer{response.StatusCode, response.Header, content}
	w.document.holds(t, method, path, given)
	return given
}

func (w *restWindow) submit(t *testing.T, key string, body []byte, headers ...string) answer {
	t.Helper()
	return w.ask(t, w.key, http.MethodPost, "/v1/declarations", body, append([]string{"Content-Type", "application/json", "Idempotency-Key", key}, headers...)...)
}

// file submits a declaration that must be taken.
func (w *restWindow) file(t *testing.T, reference string) declare.Status {
	t.Helper()
	filed := w.submit(t, "key-"+reference, sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = reference }))
	if filed.status != http.StatusAccepted {
		t.Fatalf("%d %s", filed.status, filed.body)
	}
	return decoded[declare.Status](t, filed)
}

func decoded[T any](t *testing.T, a answer) (value T) {
	t.Helper()
	if err := json.Unmarshal(a.body, &value); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return value
}

// refused reads an answer that must be a problem with this status and code.
func refused(t *testing.T, what string, a answer, status int, code string) api.Problem {
	t.Helper()
	if a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%s: %d %v %.300s", what, a.status, a.header, a.body)
	}
	problem := decoded[api.Problem](t, a)
	if a.status != status || problem.Status != status || problem.Code != code || problem.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("%s: %d, want %d %s: %.300s", what, a.status, status, code, a.body)
	}
	return problem
}

// sampleDeclaration is the kind's sample with containers, changed.
func sampleDeclaration(t *testing.T, change func(map[string]any)) []byte {
	t.Helper()
	kinds, err := restKinds()
	must(t, err)
	source, err := fs.ReadFile(kinds["goods"].Samples, "import-3-items-container-licence.json")
	must(t, err)
	decoder := json.NewDecoder(bytes.NewReader(source))
	decoder.UseNumber()
	var tree map[string]any
	must(t, decoder.Decode(&tree))
	change(tree)
	body, err := json.Marshal(tree)
	must(t, err)
	return body
}

func (w *restWindow) count(t *testing.T, table string) (rows int) {
	t.Helper()
	must(t, w.ledger.Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&rows)
	}))
	return rows
}

func TestSubmitOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	body := sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = "REST-1" })
	first := w.submit(t, "key-1", body)
	receipt := decoded[declare.Status](t, first)
	if first.status != http.StatusAccepted || first.header.Get("Location") != "/v1/declarations/"+receipt.ID || first.header.Get("Idempotent-Replayed") != "" ||
		receipt.Reference != "REST-1" || receipt.Status != declare.OverallProcessing || len(receipt.Filings) < 2 {
		t.Fatalf("%d %v %s", first.status, first.header, first.body)
	}
	again := w.submit(t, "key-1", body)
	if again.status != http.StatusAccepted || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Location") != first.header.Get("Location") || !bytes.Equal(again.body, first.body) {
		t.Errorf("replay: %d %v\n%s\n%s", again.status, again.header, first.body, again.body)
	}
	refused(t, "same key, other body", w.submit(t, "key-1", append(body, '\n')), 422, "idempotency.keyReused")
	taken := w.submit(t, "key-2", body)
	if problem := refused(t, "same reference", taken, 409, "reference.used"); problem.Declaration != receipt.ID || taken.header.Get("Location") != "/v1/declarations/"+receipt.ID {
		t.Errorf("%+v %v", problem, taken.header)
	}
	for key, code := range map[string]string{"": "idempotency.missing", "a b": "idempotency.invalid", "ü": "idempotency.invalid", strings.Repeat("k", 256): "idempotency.invalid"} {
		refused(t, "key "+key, w.submit(t, key, body), 400, code)
	}
	if filed := w.count(t, "declaration"); filed != 1 {
		t.Errorf("%d declarations on file", filed)
	}
	status := w.ask(t, w.key, http.MethodGet, first.header.Get("Location"), nil)
	if got := decoded[declare.Status](t, status); status.status != 200 || got.ID != receipt.ID || len(got.Filings) != len(receipt.Filings) {
		t.Errorf("%d %s", status.status, status.body)
	}
}

func TestFindOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	first, second := w.file(t, "FIND-1"), w.file(t, "FIND-2")
	container := sampleContainer(t)
	for query, want := range map[string][]string{
		"": {second.ID, first.ID}, "?limit=1": {second.ID}, "?reference=FIND-1": {first.ID}, "?reference=FIND-3": nil, "?reference=%00": nil, "?reference=%ff": nil,
		"?number=" + container: {second.ID, first.ID}, "?number=" + container + "&limit=1": {second.ID}, "?number=X": nil, "?number=%00": nil,
	} {
		found := w.ask(t, w.key, http.MethodGet, "/v1/declarations"+query, nil)
		var ids []string
		for _, status := range decoded[struct{ Declarations []declare.Status }](t, found).Declarations {
			ids = append(ids, status.ID)
		}
		if found.status != 200 || !slices.Equal(ids, want) {
			t.Errorf("%s: %d %v, want %v", query, found.status, ids, want)
		}
	}
	for _, query := range []string{"?limit=0", "?limit=201", "?limit=x", "?limit=1&limits=2", "?reference=" + strings.Repeat("a", 36)} {
		if problem := refused(t, query, w.ask(t, w.key, http.MethodGet, "/v1/declarations"+query, nil), 422, "parameter.invalid"); len(problem.Errors) != 1 || !strings.HasPrefix(problem.Errors[0].Pointer, "/query/") {
			t.Errorf("%s: %+v", query, problem)
		}
	}
	foreign := w.ask(t, w.other, http.MethodGet, "/v1/declarations?number="+container, nil)
	if found := decoded[struct{ Declarations []declare.Status }](t, foreign).Declarations; foreign.status != 200 || len(found) != 0 {
		t.Errorf("another tenant finds %s", foreign.body)
	}
}

// sampleContainer is a container number of the sample.
func sampleContainer(t *testing.T) string {
	t.Helper()
	kinds, err := restKinds()
	must(t, err)
	tree, faults := declare.ParseJSON(sampleDeclaration(t, func(map[string]any) {}), declare.MostBytes)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, key := range kinds["goods"].Keys(tree.(map[string]any)) {
		if key.Name == "container" {
			return key.Value
		}
	}
	t.Fatal("the sample has no container")
	return ""
}

// Each thing a client can get wrong has its code and pointer, and leaves
// nothing behind.
func TestBadDeclarationsOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	change := func(change func(map[string]any)) []byte { return sampleDeclaration(t, change) }
	for name, c := range map[string]struct {
		body      []byte
		status    int
		code      string
		fault, at string
		secret    string
	}{
		"broken JSON":       {[]byte(`{"kind":`), 400, "json.invalid", "json.syntax", "/kind", ""},
		"duplicate key":     {[]byte(`{"kind":"goods","kind":"goods"}`), 400, "json.invalid", "json.duplicateKey", "/kind", ""},
		"float":             {[]byte(`{"kind":"goods","goodsItemQuantity":1.5}`), 400, "json.invalid", "json.float", "/goodsItemQuantity", "1.5"},
		"control character": {[]byte(`{"kind":"goods","reference":"a\u0000"}`), 400, "json.invalid", "json.character", "/reference", ""},
		"not an object":     {[]byte(`[]`), 422, "declaration.refused", "schema.type", "", ""},
		"no kind":           {[]byte(`{}`), 422, "declaration.refused", "kind.missing", "/kind", ""},
		"unknown kind":      {[]byte(`{"kind":"secret-kind"}`), 422, "declaration.refused", "kind.unknown", "/kind", "secret-kind"},
		"unknown field":     {change(func(tree map[string]any) { tree["surplus"] = "secret-value" }), 422, "declaration.refused", "schema.unknownField", "/surplus", "secret-value"},
		"wrong type":        {change(func(tree map[string]any) { tree["reference"] = 7 }), 422, "declaration.refused", "schema.type", "/reference", ""},
		"missing field":     {change(func(tree map[string]any) { delete(tree, "declarant") }), 422, "declaration.refused", "schema.required", "/declarant", ""},
		"endless enum":      {change(func(tree map[string]any) { tree["typeCode"] = strings.Repeat("secret", 20000) }), 422, "declaration.refused", "schema.maxLength", "/typeCode", "secretsecret"},
		"20 MB":             {append([]byte(`{"kind":"`), bytes.Repeat([]byte("x"), 20<<20)...), 413, "json.tooLarge", "json.tooLarge", "", "xxx"},
		"just too large":    {append([]byte(`{}`), bytes.Repeat([]byte(" "), declare.MostBytes)...), 413, "json.tooLarge", "json.tooLarge", "", ""},
	} {
		given := w.submit(t, "bad", c.body)
		problem := refused(t, name, given, c.status, c.code)
		if !slices.ContainsFunc(problem.Errors, func(e api.Complaint) bool { return e.Code == c.fault && e.Pointer == c.at && e.Message != "" }) {
			t.Errorf("%s: no %s at %q in %.500s", name, c.fault, c.at, given.body)
		}
		if c.secret != "" && bytes.Contains(given.body, []byte(c.secret)) {
			t.Errorf("%s: the value is repeated", name)
		}
	}
	refused(t, "no body", w.submit(t, "bad", nil), 400, "body.missing")
	refused(t, "CSV", w.ask(t, w.key, http.MethodPost, "/v1/declarations", []byte("a;b"), "Idempotency-Key", "k", "Content-Type", "text/csv"), 415, "body.unsupported")
	for _, bearer := range []string{"", "x", w.key + "0"} {
		code := map[bool]string{true: "auth.missing", false: "auth.unknown"}[bearer == ""]
		given := w.ask(t, bearer, http.MethodPost, "/v1/declarations", []byte("{}"), "Idempotency-Key", "k", "Content-Type", "application/json")
		refused(t, "key "+bearer, given, 401, code)
		if !strings.HasPrefix(given.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%v", given.header)
		}
	}
	for _, table := range []string{"declaration", "message", "idempotency", "reference", "event"} {
		if rows := w.count(t, table); rows != 0 {
			t.Errorf("%d rows in %s", rows, table)
		}
	}
}

func TestLanguagesOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	body := []byte(`{"kind":"none"}`)
	english := refused(t, "en", w.submit(t, "k", body), 422, "declaration.refused")
	chinese := refused(t, "zh", w.submit(t, "k", body, "Accept-Language", "zh-CN"), 422, "declaration.refused")
	both := refused(t, "all", w.ask(t, w.key, http.MethodPost, "/v1/declarations?lang=all", body, "Content-Type", "application/json", "Idempotency-Key", "k"), 422, "declaration.refused")
	if english.Title == chinese.Title || english.Errors[0].Message == chinese.Errors[0].Message || english.Errors[0].Messages != nil {
		t.Errorf("%+v\n%+v", english, chinese)
	}
	if all := both.Errors[0].Messages; all == nil || all.English != english.Errors[0].Message || all.Chinese != chinese.Errors[0].Message {
		t.Errorf("%+v", both.Errors[0])
	}
	kinds := w.ask(t, w.key, http.MethodGet, "/v1/kinds", nil, "Accept-Language", "zh")
	if found := decoded[struct{ Kinds []api.KindView }](t, kinds).Kinds; len(found) != 1 || found[0].Titles != nil {
		t.Errorf("%s", kinds.body)
	}
}

// Another tenant's declaration, a missing one and an impossible id are told
// apart by nothing but the request's own id.
func TestForeignIsLikeMissingOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	own := w.file(t, "FOREIGN-1")
	for _, tail := range []string{"", "/events", "/messages/" + own.Filings[0].Agency} {
		if mine := w.ask(t, w.key, http.MethodGet, "/v1/declarations/"+own.ID+tail, nil); mine.status != 200 {
			t.Errorf("%s: %d %s", tail, mine.status, mine.body)
		}
		var told []string
		for _, id := range []string{own.ID, own.ID[:len(own.ID)-1] + "Z", "dec_x", "%00", "%ff", "dec_00000000000000000000000000"} {
			given := w.ask(t, w.other, http.MethodGet, "/v1/declarations/"+id+tail, nil, "X-Request-Id", "same")
			refused(t, id+tail, given, 404, "resource.missing")
			told = append(told, string(given.body))
		}
		if len(slices.Compact(told)) != 1 {
			t.Errorf("%s: %v", tail, told)
		}
	}
	refused(t, "no such agency", w.ask(t, w.key, http.MethodGet, "/v1/declarations/"+own.ID+"/messages/%00", nil), 404, "resource.missing")
	refused(t, "no such kind", w.ask(t, w.key, http.MethodGet, "/v1/kinds/none/schema", nil), 404, "resource.missing")
}

func TestValidateOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	validate := func(body []byte) (answer, api.Examination) {
		t.Helper()
		given := w.ask(t, w.key, http.MethodPost, "/v1/declarations:validate", body, "Content-Type", "application/json")
		if given.status != 200 {
			t.Fatalf("%d %s", given.status, given.body)
		}
		return given, decoded[api.Examination](t, given)
	}
	given, good := validate(sampleDeclaration(t, func(map[string]any) {}))
	if !good.Valid || len(good.Errors) != 0 || len(good.Messages) < 2 || !strings.HasPrefix(good.Messages[0].XML, "<?xml") {
		t.Errorf("%.1000s", given.body)
	}
	given, bad := validate(sampleDeclaration(t, func(tree map[string]any) { delete(tree, "declarant"); tree["surplus"] = true }))
	if bad.Valid || len(bad.Errors) < 2 || !bytes.Contains(given.body, []byte(`"messages":[]`)) {
		t.Errorf("%.1000s", given.body)
	}
	given, broken := validate([]byte("{"))
	if broken.Valid || len(broken.Errors) != 1 || broken.Errors[0].Code != "json.syntax" || !bytes.Contains(given.body, []byte(`"warnings":[]`)) {
		t.Errorf("%s", given.body)
	}
	if filed := w.count(t, "declaration"); filed != 0 {
		t.Errorf("a dry run filed %d", filed)
	}
}

func TestMessagesAndEventsOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	own := w.file(t, "MESSAGE-1")
	for _, filing := range own.Filings {
		given := w.ask(t, w.key, http.MethodGet, "/v1/declarations/"+own.ID+"/messages/"+filing.Agency, nil, "Accept", "application/xml")
		digest := sha256.Sum256(given.body)
		if given.status != 200 || given.header.Get("Content-Type") != "application/xml" || given.header.Get("X-Message-Id") != filing.MessageID ||
			given.header.Get("Repr-Digest") != "sha-256=:"+base64.StdEncoding.EncodeToString(digest[:])+":" || !bytes.Contains(given.body, []byte(filing.MessageID)) {
			t.Errorf("%s: %d %v %.200s", filing.Agency, given.status, given.header, given.body)
		}
		refused(t, "as JSON", w.ask(t, w.key, http.MethodGet, "/v1/declarations/"+own.ID+"/messages/"+filing.Agency, nil, "Accept", "application/json"), 406, "accept.unsupported")
	}
	given := w.ask(t, w.key, http.MethodGet, "/v1/declarations/"+own.ID+"/events", nil)
	events := decoded[struct{ Events []declare.Event }](t, given).Events
	if given.status != 200 || len(events) == 0 || events[0].Number != 1 || events[0].Type != "declaration.accepted" {
		t.Errorf("%d %s", given.status, given.body)
	}
}

func TestAgenciesAndKindsOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	own := w.file(t, "AGENCY-1")
	list := func(query string) []api.AgencyView {
		t.Helper()
		given := w.ask(t, w.key, http.MethodGet, "/v1/agencies"+query, nil)
		return decoded[struct{ Agencies []api.AgencyView }](t, given).Agencies
	}
	eventually(t, 10*time.Second, "every agency that waits is listed with what waits", func() bool {
		waiting := 0
		for _, agency := range list("") {
			waiting += agency.Waiting
		}
		return waiting == len(own.Filings)
	})
	all := list("?lang=all")
	if len(all) != len(w.agencies) {
		t.Fatalf("%+v", all)
	}
	for i, agency := range all {
		off := len(agency.Missing) > 0 // an agency whose schemas are others'
		if agency.Name != w.agencies[i] || agency.On == off || (agency.State == "off") != off || off && (agency.Reason != declare.ReasonSchemasMissing || agency.Explanations == nil) {
			t.Errorf("%+v", agency)
		}
		if agency.ValidFrom == "" || len(agency.Digest) != 12 || agency.Version == "" || len(agency.Kinds) == 0 || agency.Titles == nil || agency.Titles.Chinese == agency.Titles.English {
			t.Errorf("%+v", agency)
		}
	}
	schema := w.ask(t, w.key, http.MethodGet, "/v1/kinds/goods/schema", nil)
	kinds, err := restKinds()
	must(t, err)
	if schema.status != 200 || schema.header.Get("Content-Type") != "application/schema+json" || !bytes.Equal(schema.body, kinds["goods"].Schema()) {
		t.Errorf("%d %v", schema.status, schema.header)
	}
}

// sampleNotice is a notice from an agency's own samples.
func sampleNotice(t *testing.T, agency string) []byte {
	t.Helper()
	files, err := fs.Glob(adapters.Embedded(), path.Join(agency, "samples", "answers", "*.xml"))
	must(t, err)
	if len(files) == 0 {
		t.Fatalf("%s has no sample notices", agency)
	}
	notice, err := fs.ReadFile(adapters.Embedded(), files[0])
	must(t, err)
	return notice
}

func TestNoticesOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	agency, another := w.agencies[0], w.agencies[1]
	credential, err := w.accounts.CreateAgencyCredential(t.Context(), agency)
	must(t, err)
	hand := func(bearer, to string, body []byte, media string) answer {
		t.Helper()
		return w.ask(t, bearer, http.MethodPost, "/v1/agencies/"+to+"/notices", body, "Content-Type", media)
	}
	notice := sampleNotice(t, agency)
	refused(t, "no credential", hand("", agency, notice, "application/xml"), 401, "auth.missing")
	refused(t, "a tenant's key", hand(w.key, agency, notice, "application/xml"), 401, "auth.unknown")
	refused(t, "another agency's address", hand(credential, another, notice, "application/xml"), 403, "notice.wrongAgency")
	refused(t, "an unknown address", hand(credential, "nobody", notice, "application/xml"), 403, "notice.wrongAgency")
	refused(t, "JSON", hand(credential, agency, []byte("{}"), "application/json"), 415, "body.unsupported")
	refused(t, "another charset", hand(credential, agency, notice, "text/xml; charset=gb18030"), 415, "body.unsupported")
	refused(t, "nothing", hand(credential, agency, nil, "text/xml"), 400, "body.missing")
	refused(t, "too large", hand(credential, agency, bytes.Repeat([]byte(" "), 1<<20+1), "text/xml"), 413, "notice.tooLarge")
	if kept := w.count(t, "notice"); kept != 0 {
		t.Errorf("%d notices kept of those that were not let in", kept)
	}
	for i, media := range []string{"application/xml", "text/xml; charset=UTF-8"} {
		if given := hand(credential, agency, notice, media); given.status != http.StatusNoContent || len(given.body) != 0 {
			t.Errorf("handing in, time %d: %d %s", i+1, given.status, given.body)
		}
	}
	if kept := w.count(t, "notice WHERE state = 'unmatched'"); kept != 1 {
		t.Errorf("%d notices kept", kept)
	}
	refused(t, "no XML", hand(credential, agency, []byte("hello"), "text/xml"), 400, "notice.malformed")
	doctype := bytes.Replace(notice, []byte("?>"), []byte(`?><!DOCTYPE x [<!ENTITY e "secret-value">]>`), 1)
	refused(t, "DOCTYPE", hand(credential, agency, doctype, "text/xml"), 400, "notice.malformed")
	refused(t, "another agency's notice", hand(credential, agency, sampleNotice(t, another), "text/xml"), 422, "notice.unreadable")
	end := bytes.LastIndex(notice, []byte("</"))
	invalid := slices.Concat(notice[:end], []byte("<Surplus>secret-value</Surplus>"), notice[end:])
	given := hand(credential, agency, invalid, "text/xml")
	problem := refused(t, "fails its schema", given, 422, "notice.unreadable")
	if len(problem.Errors) == 0 || problem.Errors[0].XMLPath == "" || problem.Errors[0].Line == 0 || bytes.Contains(given.body, []byte("secret-value")) {
		t.Errorf("%s", given.body)
	}
}

func TestHealthOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	for _, at := range []string{"/livez", "/readyz", "/openapi.json", "/openapi.yaml", "/problems/json.invalid"} {
		if given := w.ask(t, "", http.MethodGet, at, nil); given.status != 200 || given.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d", at, given.status)
		}
	}
}

// With the database gone, whoever asks is told to come back.
func TestDatabaseGoneOverREST(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "sw")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(folder)) })
	must(t, os.Chmod(folder, 0o711))
	own, err := privatepostgres.Start(t.Context(), privatepostgres.Options{Folder: folder, Settings: map[string]string{"fsync": "off"}})
	must(t, err)
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			must(t, own.Stop(context.Background()))
		}
	})
	ledger, err := declare.OpenLedger(t.Context(), own.URL(), time.Now())
	must(t, err)
	t.Cleanup(ledger.Close)
	w := newRESTWindow(t, ledger)
	id := w.file(t, "GONE-1").ID
	must(t, own.Stop(context.Background()))
	stopped = true
	for name, given := range map[string]answer{
		"submit": w.submit(t, "gone-2", sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = "GONE-2" })),
		"status": w.ask(t, w.key, http.MethodGet, "/v1/declarations/"+id, nil),
		"ready":  w.ask(t, "", http.MethodGet, "/readyz", nil),
	} {
		if refused(t, name, given, 503, "unavailable"); given.header.Get("Retry-After") != "2" {
			t.Errorf("%s: %v", name, given.header)
		}
	}
	if live := w.ask(t, "", http.MethodGet, "/livez", nil); live.status != 200 {
		t.Errorf("livez: %d", live.status)
	}
}

// Many clients under one key and many keys of one body: one declaration each.
func TestSubmittingTogetherOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	type result struct {
		answer
		replayed bool
	}
	results := make(chan result)
	const clients = 24
	for i := range clients {
		body := sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = fmt.Sprintf("TOGETHER-%d", i%3) })
		go func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v1/declarations", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
			}
			request.Header.Set("Authorization", "Bearer "+w.key)
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Idempotency-Key", fmt.Sprintf("together-%d", i%3))
			response, err := w.server.Client().Do(request)
			if err != nil {
				t.Error(err)
				results <- result{}
				return
			}
			content, err := io.ReadAll(response.Body)
			if err != nil {
				t.Error(err)
			}
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
			results <- result{answer{response.StatusCode, response.Header, content}, response.Header.Get("Idempotent-Replayed") == "true"}
		}()
	}
	bodies, fresh := map[string]int{}, 0
	for range clients {
		r := <-results
		if r.status != http.StatusAccepted {
			t.Errorf("%d %.300s", r.status, r.body)
		}
		bodies[string(r.body)]++
		if !r.replayed {
			fresh++
		}
	}
	if len(bodies) != 3 || fresh != 3 || w.count(t, "declaration") != 3 {
		t.Errorf("%d different answers, %d fresh, %d declarations", len(bodies), fresh, w.count(t, "declaration"))
	}
}
