package integration

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/api"
	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/batch"
	"singlewindow/declare/clearance"
	"singlewindow/declare/sheet"
)

// A wholeWindow serves every operation there is from one process, and holds
// something of each of two enterprises.
type wholeWindow struct {
	*restWindow
	url        string // of the database
	operations []operation
	held       [2]holding // acme's and bolt's
}

// holding is what an enterprise has. Every value of it but the names of its
// mappings carries its mark, and shows in no answer to anybody else.
type holding struct {
	mark        string
	key         string // API key
	agency      string // that stands beside the enterprise where agencies ask
	declaration declare.Status
	batch       api.BatchView
	mapping     string
}

// operation is what the document says of an operation.
type operation struct {
	id, method, path string
	security         string // the scheme; "" for everybody
	parameters       []parameter
	media            []string // of its body
	answers          map[string]bool
}

type parameter struct {
	Name, In string
	Required bool
	Schema   map[string]any
}

func newWholeWindow(t *testing.T) *wholeWindow {
	t.Helper()
	ledger, url := newLedger(t)
	w := &wholeWindow{restWindow: newRESTWindow(t, ledger), url: url}
	kinds, err := restKinds()
	must(t, err)
	lists, err := declare.CodeLists()
	must(t, err)
	forms := map[string]*sheet.Form{}
	for name, kind := range kinds {
		forms[name], err = sheet.NewForm(kind, lists)
		must(t, err)
	}
	w.options.Batches, err = batch.Open(t.Context(), batch.Options{
		Ledger: ledger, Gateway: w.options.Gateway, Forms: forms, IDs: newIDs(), Now: time.Now, Timing: batch.DefaultTiming(), Folder: t.TempDir(), Log: quiet(t),
		ReadXML: func([]byte) (string, map[string]any, []declare.Fault, error) { return "", nil, nil, nil },
	})
	must(t, err)
	w.options.Clearance, err = clearance.Open(t.Context(), ledger, time.Now, clearance.DefaultPause, quiet(t))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- w.options.Batches.Run(ctx) }()
	t.Cleanup(func() { stop(); must(t, <-ran) })
	w.server = httptest.NewServer(api.New(w.options))
	t.Cleanup(w.server.Close)
	w.server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.document = readDocument(t, w.server)
	w.operations = operationsIn(t, w.document)
	w.held = [2]holding{{mark: "ACMEMARK", key: w.key, agency: w.agencies[0], mapping: "acme-map"}, {mark: "BOLTMARK", key: w.other, agency: w.agencies[1], mapping: "bolt-map"}}
	for i := range w.held {
		w.furnish(t, &w.held[i])
	}
	return w
}

// furnish gives an enterprise one of everything that addresses lead to.
func (w *wholeWindow) furnish(t *testing.T, h *holding) {
	t.Helper()
	body := sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = h.mark })
	filed := w.ask(t, h.key, http.MethodPost, "/v1/declarations", body, "Content-Type", "application/json", "Idempotency-Key", h.mark)
	h.declaration = decoded[declare.Status](t, filed)
	mapping := fmt.Sprintf(`{"kind":"goods","columns":{"%s":"reference"}}`, h.mark)
	if saved := w.ask(t, h.key, http.MethodPut, "/v1/batch-mappings/"+h.mapping, []byte(mapping), "Content-Type", "application/json"); saved.status != 200 {
		t.Fatalf("%d %s", saved.status, saved.body)
	}
	taken := w.ask(t, h.key, http.MethodPost, "/v1/batches?kind=goods&name="+h.mark+".csv", []byte("reference\n"+h.mark+"-B\n"), "Content-Type", "text/csv", "Idempotency-Key", h.mark)
	h.batch = decoded[api.BatchView](t, taken)
	eventually(t, 30*time.Second, "the batch is read", func() bool {
		return decoded[api.BatchView](t, w.ask(t, h.key, http.MethodGet, "/v1/batches/"+h.batch.ID, nil)).State == "done"
	})
}

// operationsIn lists the operations of a document, sorted by their ids.
func operationsIn(t *testing.T, document *restDocument) (all []operation) {
	t.Helper()
	for path, methods := range document.paths {
		for method, described := range methods {
			var o struct {
				OperationID string
				Security    []map[string]any
				Parameters  []parameter
				RequestBody struct{ Content map[string]any }
				Responses   map[string]any
			}
			text, err := json.Marshal(described)
			must(t, err)
			must(t, json.Unmarshal(text, &o))
			one := operation{id: o.OperationID, method: strings.ToUpper(method), path: path, parameters: o.Parameters, media: slices.Sorted(maps.Keys(o.RequestBody.Content)), answers: map[string]bool{}}
			for _, scheme := range o.Security {
				one.security = slices.Collect(maps.Keys(scheme))[0]
			}
			for status := range o.Responses {
				one.answers[status] = true
			}
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return all
}

// An object is what a parameter names: that of the first enterprise or of the
// second, and one that nobody has.
type object struct {
	of      func(h holding) string
	missing string
	shared  bool // there is one for all
}

// objects by the path that ends in the parameter, or by operation?parameter
// where a query names something of an enterprise. An operation whose
// parameters are not here fails the test.
var objects = map[string]object{
	"/v1/declarations/{id}":                   {of: func(h holding) string { return h.declaration.ID }, missing: "dec_00000000000000000000000000"},
	"/v1/declarations/{id}/messages/{agency}": {of: func(h holding) string { return h.declaration.Filings[0].Agency }, missing: "nobody", shared: true},
	"/v1/batches/{id}":                        {of: func(h holding) string { return h.batch.ID }, missing: "bat_00000000000000000000000000"},
	"/v1/batch-mappings/{name}":               {of: func(h holding) string { return h.mapping }, missing: "none-map"},
	"/v1/agencies/{agency}":                   {of: func(h holding) string { return h.agency }, missing: "nobody"},
	"/v1/kinds/{kind}":                        {of: func(holding) string { return "goods" }, missing: "nothing", shared: true},
	"/v1/codelists/{name}":                    {of: func(holding) string { return "country" }, missing: "nothing", shared: true},
	"/problems/{code}":                        {of: func(holding) string { return "json.invalid" }, missing: "nothing", shared: true},
	"find-declarations?reference":             {of: func(h holding) string { return h.declaration.Reference }, missing: "NOBODYS"},
	"find-declarations?number":                {of: func(h holding) string { return h.declaration.ID }, missing: "dec_00000000000000000000000000"},
}

// A body is what an operation is asked with, besides its path; number is a new
// one every time.
type body struct {
	query   string
	media   string
	content func(t *testing.T, w *wholeWindow, number int) []byte
}

// bodies by operation. One that takes a body and is not here fails the test.
var bodies = map[string]body{
	"submit-declaration":   {"", "application/json", numberedDeclaration},
	"validate-declaration": {"", "application/json", numberedDeclaration},
	"hand-in-batch": {"kind=goods&name=matrix.csv", "text/csv", func(_ *testing.T, _ *wholeWindow, number int) []byte {
		return fmt.Appendf(nil, "reference\nMATRIX-B-%d\n", number)
	}},
	"save-batch-mapping": {"", "application/json", func(*testing.T, *wholeWindow, int) []byte {
		return []byte(`{"kind":"goods","columns":{"Ref":"reference"}}`)
	}},
	"hand-in-notice": {"", "application/xml", func(t *testing.T, w *wholeWindow, _ int) []byte { return sampleNotice(t, w.agencies[0]) }},
}

func numberedDeclaration(t *testing.T, _ *wholeWindow, number int) []byte {
	return sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = fmt.Sprintf("MATRIX-%d", number) })
}

// malformed are ways to write what cannot be anything's name.
var malformed = []string{"%00", "%ff", "..%2fx", "%20", strings.Repeat("a", 300)}

// A role is somebody who asks.
type role struct {
	name   string
	scheme string // whose door it opens; "" for none
	side   int    // which of the two holdings is its own; -1 for neither
	header [2]string
}

func (w *wholeWindow) roles(t *testing.T) []role {
	t.Helper()
	const tenantKey, agencyCredential = "tenantKey", "agencyCredential"
	bearer := func(secret string) [2]string { return [2]string{"Authorization", "Bearer " + secret} }
	keyOf := func(tenant, name string) string {
		made, err := w.accounts.CreateKey(t.Context(), tenant, name)
		must(t, err)
		return made.Secret
	}
	credential := func(agency string) string {
		secret, err := w.accounts.CreateAgencyCredential(t.Context(), agency)
		must(t, err)
		return secret
	}
	gone := credential(w.agencies[0])
	execute(t, w.url, "SET app.scope = 'system'; UPDATE agency_credential SET revoked_at = now()")
	must(t, w.accounts.CreateTenant(t.Context(), "empty", "empty"))
	expired, revoked := keyOf(acme, "expired"), keyOf(acme, "revoked")
	execute(t, w.url, "SET app.scope = 'system'; UPDATE api_key SET expires_at = now() - interval '1 second' WHERE name = 'expired'; UPDATE api_key SET revoked_at = now() WHERE name = 'revoked'")
	all := []role{
		{"acme's key", tenantKey, 0, bearer(w.key)},
		{"bolt's key", tenantKey, 1, bearer(w.other)},
		{"the key of an enterprise that has nothing", tenantKey, -1, bearer(keyOf("empty", "empty"))},
		{"the first agency", agencyCredential, 0, bearer(credential(w.agencies[0]))},
		{"the second agency", agencyCredential, 1, bearer(credential(w.agencies[1]))},
		{"a revoked credential", "", -1, bearer(gone)},
		{"an expired key", "", -1, bearer(expired)},
		{"a revoked key", "", -1, bearer(revoked)},
		{"a key one letter off", "", -1, bearer(w.key[:len(w.key)-1] + string(w.key[len(w.key)-1]^1))},
		{"a key as a password", "", -1, [2]string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("acme:"+w.key))}},
		{"nobody", "", -1, [2]string{"X-Nobody", "x"}},
	}
	pages := openWindow(t, w.accounts)
	for _, user := range []account.User{{Name: "olga", Role: account.Operator}, {Name: "otto", Role: account.Official, Agency: w.agencies[0]}, {Name: "anna", Role: account.Auditor}} {
		browser := newBrowser(t)
		createUser(t, w.accounts, user)
		pages.signIn(t, browser, user.Name, goodPassword)
		session := pages.sessionOf(t, browser)
		if session == "" {
			t.Fatalf("%s is not signed in", user.Name)
		}
		all = append(all, role{"the session of an " + string(user.Role), "", -1, [2]string{"Cookie", "singlewindow-session=" + session}})
		browser.CloseIdleConnections()
	}
	return all
}

// matrix is the test under way.
type matrix struct {
	*wholeWindow
	number int
	cases  int
	leaks  int
}

// TestIsolation asks every operation of the document for what is one's own, for
// what is another's, for what is missing and for what cannot be, as everybody:
// what is another's is answered like what is missing, byte for byte, and
// nobody but its owner reads a word of it.
func TestIsolation(t *testing.T) {
	t.Parallel()
	m := &matrix{wholeWindow: newWholeWindow(t)}
	roles := m.roles(t)
	for _, o := range m.operations {
		before := m.cases
		m.mustBeKnown(t, o)
		open := map[string]string{} // answers to everybody, by address
		for _, who := range roles {
			m.try(t, o, who, open)
		}
		if m.cases-before < len(roles) {
			t.Errorf("%s is not in the matrix", o.id)
		}
	}
	number(t, "isolation: operations of the document", len(m.operations), "all")
	number(t, "isolation: cases", m.cases, 1000)
	number(t, "isolation: leaks", m.leaks, 0)
	if m.cases < 1000 {
		t.Errorf("only %d cases", m.cases)
	}
}

// mustBeKnown fails for what the tables above do not say how to ask for.
func (m *matrix) mustBeKnown(t *testing.T, o operation) {
	t.Helper()
	if _, known := bodies[o.id]; len(o.media) > 0 && !known {
		t.Fatalf("%s takes a body: add it to bodies", o.id)
	}
	for _, parameter := range o.parameters {
		if parameter.Required && parameter.In == "query" && !strings.Contains(bodies[o.id].query, parameter.Name+"=") {
			t.Fatalf("%s demands the parameter %s: add it to bodies", o.id, parameter.Name)
		}
	}
	for _, at := range parametersOf(o.path) {
		if _, known := objects[at]; !known {
			t.Fatalf("%s leads to %s: add it to objects", o.id, at)
		}
	}
}

// parametersOf gives, for each parameter of a path, the path that ends in it.
func parametersOf(path string) (ends []string) {
	for i, c := range path {
		if c == '}' {
			ends = append(ends, path[:i+1])
		}
	}
	return ends
}

// fill puts a value in the place of the parameter that a path ends in, and
// what an enterprise has in the places of the others.
func fill(path, end, value string, h holding) string {
	filled := path
	for _, at := range parametersOf(path) {
		name := at[strings.LastIndexByte(at, '{'):]
		put := objects[at].of(h)
		if at == end {
			put = value
		}
		filled = strings.Replace(filled, name, put, 1)
	}
	return filled
}

// try makes all cases of one operation and one role.
func (m *matrix) try(t *testing.T, o operation, who role, open map[string]string) {
	t.Helper()
	refusal := ""
	ask := func(what, path, value string) answer {
		given := m.put(t, o, who, path)
		text := strings.ReplaceAll(told(given), value, "…")
		switch {
		case o.security == "":
			if first := cmp.Or(open[path], text); first != text {
				t.Errorf("%s, %s as %s: not what everybody is told\n%s\n%s", o.id, what, who.name, first, text)
			}
			open[path] = text
		case who.scheme != o.security:
			if refusal = cmp.Or(refusal, text); refusal != text || given.status != http.StatusUnauthorized {
				t.Errorf("%s, %s as %s: %s", o.id, what, who.name, text)
			}
		}
		return given
	}
	mine := m.held[max(who.side, 0)]
	ends := parametersOf(o.path)
	if len(ends) == 0 {
		given := ask("itself", o.path, "no value")
		if who.scheme == o.security && given.status >= 300 {
			t.Errorf("%s as %s: %d %s", o.id, who.name, given.status, given.body)
		}
	}
	for _, end := range ends {
		m.compare(t, o, who, objects[end], end, func(what, value string) answer { return ask(what, fill(o.path, end, value, mine), value) })
		for _, value := range malformed {
			given := ask("malformed", fill(o.path, end, value, mine), value)
			if given.status < 400 || given.status >= 500 {
				t.Errorf("%s, %.20s as %s: %d %s", o.id, value, who.name, given.status, given.body)
			}
		}
	}
	for _, parameter := range o.parameters {
		if about, known := objects[o.id+"?"+parameter.Name]; known {
			m.compare(t, o, who, about, parameter.Name, func(what, value string) answer { return ask(what, o.path+"?"+parameter.Name+"="+value, value) })
		}
	}
}

// compare asks for the first enterprise's, the second's and nobody's.
func (m *matrix) compare(t *testing.T, o operation, who role, about object, place string, ask func(what, value string) answer) {
	t.Helper()
	missing := ask("missing", about.missing)
	for side, h := range m.held {
		value := about.of(h)
		given := ask(h.mark, value)
		if who.scheme != o.security || o.security == "" {
			continue
		}
		alike := strings.ReplaceAll(told(given), value, "…") == strings.ReplaceAll(told(missing), about.missing, "…")
		mine := who.side == side || about.shared && who.side >= 0
		switch {
		case mine && (given.status == http.StatusNotFound || given.status == http.StatusForbidden || given.status == http.StatusUnauthorized):
			t.Errorf("%s, %s as its owner %s: %d %s", o.id, place, who.name, given.status, given.body)
		case mine && alike && o.method == http.MethodGet:
			t.Errorf("%s, %s: what is there looks as if it were not: %s", o.id, place, given.body)
		case !mine && !alike && !about.shared:
			m.leaks++
			t.Errorf("%s, %s of %s as %s is not like what is missing:\n%s\n%s", o.id, place, h.mark, who.name, told(given), told(missing))
		}
	}
}

// put makes one case and looks for words in the answer that are somebody else's.
func (m *matrix) put(t *testing.T, o operation, who role, path string) answer {
	t.Helper()
	m.cases++
	m.number++
	how := bodies[o.id]
	var content []byte
	headers := []string{"X-Request-Id", "matrix", who.header[0], who.header[1]}
	if how.content != nil {
		content = how.content(t, m.wholeWindow, m.number)
		headers = append(headers, "Content-Type", how.media, "Idempotency-Key", fmt.Sprintf("matrix-%d", m.number))
	}
	if how.query != "" {
		path += "?" + how.query
	}
	given := m.raw(t, o.method, path, content, headers...)
	for side, h := range m.held {
		if who.scheme == "tenantKey" && who.side == side {
			continue
		}
		for _, word := range []string{h.mark, h.declaration.ID, h.batch.ID} {
			if bytes.Contains(given.body, []byte(word)) {
				m.leaks++
				t.Errorf("%s as %s tells %s: %.500s", path, who.name, word, given.body)
			}
		}
	}
	if given.status >= 500 {
		t.Errorf("%s %s as %s: %d %s", o.method, path, who.name, given.status, given.body)
	}
	if given.status >= 400 && given.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s as %s: %d and no problem", o.method, path, who.name, given.status)
	}
	return given
}

// raw makes a request whose path is sent as it stands.
func (m *matrix) raw(t *testing.T, method, path string, content []byte, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, m.server.URL, bytes.NewReader(content))
	must(t, err)
	request.URL.Opaque, request.URL.RawQuery, _ = strings.Cut(path, "?")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := m.server.Client().Do(request)
	must(t, err)
	text, err := io.ReadAll(response.Body)
	must(t, err)
	must(t, response.Body.Close())
	return answer{response.StatusCode, response.Header, text}
}

// told is all of an answer but its date.
func told(a answer) string {
	header := maps.Clone(a.header)
	for name := range header {
		if name == "Date" || strings.HasPrefix(name, "Ratelimit") {
			delete(header, name)
		}
	}
	return fmt.Sprintf("%d %v %s", a.status, header, a.body)
}

// unguarded are the tables without a tenant that the application may read past
// row-level security, each with the reason.
var unguarded = map[string]string{
	"public.agency_state":     "how an agency is doing is told to every enterprise",
	"public.examination":      "one row: which process examines",
	"public.clearance_cursor": "one row: how far the events have been counted in",
}

// riversOwn: jobs are read and written by the workers only, which serve every
// enterprise; no statement of ours reads them, and no answer is made of them.
const riversOwn = "river."

// TestEveryTableOfATenantIsGuarded: in every schema, a table with a tenant has
// row-level security enabled and forced, with a policy that asks for the scope;
// so has whatever else the application may read, but for what is named above.
// Partitions are out of the application's reach: it reads their parents.
func TestEveryTableOfATenantIsGuarded(t *testing.T) {
	t.Parallel()
	_, url := newLedger(t)
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	rows, err := conn.Query(t.Context(), `
		SELECT n.nspname || '.' || c.relname, c.relispartition,
		       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped),
		       c.relrowsecurity AND c.relforcerowsecurity,
		       EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid) LIKE '%scope\_%'),
		       EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND (p.polqual IS NULL OR pg_get_expr(p.polqual, p.polrelid) NOT LIKE '%scope\_%')),
		       has_table_privilege('singlewindow_app', c.oid, 'SELECT') OR has_any_column_privilege('singlewindow_app', c.oid, 'SELECT')
		  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`)
	must(t, err)
	var name string
	var partition, tenant, forced, scoped, open, readable bool
	tenants, seen := 0, map[string]bool{}
	_, err = pgx.ForEachRow(rows, []any{&name, &partition, &tenant, &forced, &scoped, &open, &readable}, func() error {
		guarded := forced && scoped && !open
		_, excused := unguarded[name]
		seen[name] = true
		switch {
		case partition:
			if readable {
				t.Errorf("%s is a partition, and the application may read it past its parent", name)
			}
		case tenant:
			tenants++
			if !guarded {
				t.Errorf("%s has a tenant: forced %v, with a policy %v, and one that asks for no scope %v", name, forced, scoped, open)
			}
		case readable && !guarded && !excused && !strings.HasPrefix(name, riversOwn):
			t.Errorf("%s can be read by everybody and is not among those that may be", name)
		}
		return nil
	})
	must(t, err)
	for name := range unguarded {
		if !seen[name] {
			t.Errorf("there is no %s", name)
		}
	}
	number(t, "isolation: tables with a tenant, row-level security forced on all", tenants, "all")
	if tenants < 20 {
		t.Errorf("only %d tables with a tenant", tenants)
	}
}
