package integration

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
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

	"github.com/go-jose/go-jose/v4"
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
	hooks      *sink      // where their events are sent
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
	hook        string // a webhook
	delivery    string // the latest event that was sent to it
	spareHook   string // one that may be deleted
	spareKey    string // one that may be revoked
}

// operation is what the document says of an operation.
type operation struct {
	id, method, path string
	security         string              // the first scheme; "" for everybody
	schemes          map[string][]string // each with the scopes it wants
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
	w.options.TestClock = func(context.Context, string, time.Duration) (api.TestTime, error) {
		return api.TestTime{Now: time.Now()}, nil
	}
	ctx, stop := context.WithCancel(context.Background())
	ran, sent := make(chan error, 1), make(chan struct{})
	go func() { ran <- w.options.Batches.Run(ctx) }()
	go func() { defer close(sent); w.options.Webhooks.Run(ctx) }()
	t.Cleanup(func() { stop(); <-sent; must(t, <-ran) })
	w.hooks = newSink(t, nil)
	w.serve(t)
	w.document = readDocument(t, w.server)
	w.operations = operationsIn(t, w.document)
	w.held = [2]holding{{mark: "ACMEMARK", key: w.key, agency: w.agencies[0], mapping: "acme-map"}, {mark: "BOLTMARK", key: w.other, agency: w.agencies[1], mapping: "bolt-map"}}
	for i := range w.held {
		w.furnish(t, &w.held[i])
	}
	return w
}

func (w *wholeWindow) serve(t *testing.T) {
	w.server = httptest.NewServer(api.New(w.options))
	t.Cleanup(w.server.Close)
	w.server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
}

// furnish gives an enterprise one of everything that addresses lead to.
func (w *wholeWindow) furnish(t *testing.T, h *holding) {
	t.Helper()
	h.hook, h.spareHook, h.spareKey = w.hookOf(t, h, "hook"), w.hookOf(t, h, "spare"), w.keyOf(t, h, "spare")
	for _, reference := range []string{h.mark + "-A", h.mark} { // a page behind the latest event has one to show
		body := sampleDeclaration(t, func(tree map[string]any) { tree["reference"] = reference })
		filed := w.ask(t, h.key, http.MethodPost, "/v1/declarations", body, "Content-Type", "application/json", "Idempotency-Key", reference)
		h.declaration = decoded[declare.Status](t, filed)
	}
	mapping := fmt.Sprintf(`{"kind":"goods","columns":{"%s":"reference"}}`, h.mark)
	if saved := w.ask(t, h.key, http.MethodPut, "/v1/batch-mappings/"+h.mapping, []byte(mapping), "Content-Type", "application/json"); saved.status != 200 {
		t.Fatalf("%d %s", saved.status, saved.body)
	}
	taken := w.ask(t, h.key, http.MethodPost, "/v1/batches?kind=goods&name="+h.mark+".csv", []byte("reference\n"+h.mark+"-B\n"), "Content-Type", "text/csv", "Idempotency-Key", h.mark)
	h.batch = decoded[api.BatchView](t, taken)
	eventually(t, 30*time.Second, "the batch is read", func() bool {
		return decoded[api.BatchView](t, w.ask(t, h.key, http.MethodGet, "/v1/batches/"+h.batch.ID, nil)).State == "done"
	})
	eventually(t, 30*time.Second, "two events are sent", func() bool {
		sent := decoded[struct{ Deliveries []api.DeliveryView }](t, w.ask(t, h.key, http.MethodGet, "/v1/webhooks/"+h.hook+"/deliveries", nil)).Deliveries
		if len(sent) > 1 {
			h.delivery = sent[0].EventID
		}
		return len(sent) > 1
	})
}

// make asks for something of an enterprise's own, and gives its id.
func (w *wholeWindow) make(t *testing.T, h *holding, at, name, body string) string {
	t.Helper()
	given := w.ask(t, h.key, http.MethodPost, at, []byte(body), "Content-Type", "application/json", "Idempotency-Key", h.mark+name)
	if given.status != http.StatusCreated {
		t.Fatalf("%s: %d %s", at, given.status, given.body)
	}
	return decoded[struct{ ID string }](t, given).ID
}

func (w *wholeWindow) hookOf(t *testing.T, h *holding, name string) string {
	return w.make(t, h, "/v1/webhooks", "hook"+name, fmt.Sprintf(`{"url":"%s/%s"}`, w.hooks.URL, h.mark))
}

func (w *wholeWindow) keyOf(t *testing.T, h *holding, name string) string {
	return w.make(t, h, "/v1/keys", "key"+name, fmt.Sprintf(`{"name":"%s %s"}`, h.mark, name))
}

// operationsIn lists the operations of a document, sorted by their ids.
func operationsIn(t *testing.T, document *restDocument) (all []operation) {
	t.Helper()
	for path, methods := range document.paths {
		for method, described := range methods {
			var o struct {
				OperationID string
				Security    []map[string][]string
				Parameters  []parameter
				RequestBody struct{ Content map[string]any }
				Responses   map[string]any
			}
			text, err := json.Marshal(described)
			must(t, err)
			must(t, json.Unmarshal(text, &o))
			one := operation{id: o.OperationID, method: strings.ToUpper(method), path: path, parameters: o.Parameters, media: slices.Sorted(maps.Keys(o.RequestBody.Content)), answers: map[string]bool{}, schemes: map[string][]string{}}
			for _, scheme := range o.Security {
				for name, scopes := range scheme {
					one.security, one.schemes[name] = cmp.Or(one.security, name), scopes
				}
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

// objects by the path that ends in the parameter, with the method before it
// where that one needs another, or by operation?parameter where a query names
// something of an enterprise. An operation whose parameters are not here fails
// the test.
var objects = map[string]object{
	"/v1/declarations/{id}":                   {of: func(h holding) string { return h.declaration.ID }, missing: "dec_00000000000000000000000000"},
	"/v1/declarations/{id}/messages/{agency}": {of: func(h holding) string { return h.declaration.Filings[0].Agency }, missing: "nobody", shared: true},
	"/v1/batches/{id}":                        {of: func(h holding) string { return h.batch.ID }, missing: "bat_00000000000000000000000000"},
	"/v1/batch-mappings/{name}":               {of: func(h holding) string { return h.mapping }, missing: "none-map"},
	"/v1/agencies/{agency}":                   {of: func(h holding) string { return h.agency }, missing: "nobody"},
	"/v1/kinds/{kind}":                        {of: func(holding) string { return "goods" }, missing: "nothing", shared: true},
	"/v1/codelists/{name}":                    {of: func(holding) string { return "country" }, missing: "nothing", shared: true},
	"/problems/{code}":                        {of: func(holding) string { return "json.invalid" }, missing: "nothing", shared: true},
	"/v1/webhooks/{id}":                       {of: func(h holding) string { return h.hook }, missing: "whk_00000000000000000000000000"},
	"/v1/webhooks/{id}/deliveries/{event}":    {of: func(h holding) string { return h.delivery }, missing: "evt_00000000000000000000000000"},
	"/v1/keys/{id}":                           {of: func(h holding) string { return h.spareKey }, missing: "key_00000000000000000000000000"},
	"DELETE /v1/webhooks/{id}":                {of: func(h holding) string { return h.spareHook }, missing: "whk_00000000000000000000000000"},
	"list-webhook-deliveries?after":           {of: func(h holding) string { return h.delivery }, missing: "evt_00000000000000000000000000"},
	"find-declarations?reference":             {of: func(h holding) string { return h.declaration.Reference }, missing: "NOBODYS"},
	"find-declarations?number":                {of: func(h holding) string { return h.declaration.ID }, missing: "dec_00000000000000000000000000"},
}

// objectAt is what the parameter that a path ends in names in an operation.
func (o operation) objectAt(end string) object {
	if own, known := objects[o.method+" "+end]; known {
		return own
	}
	return objects[end]
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
	"create-key": {"", "application/json", func(_ *testing.T, _ *wholeWindow, number int) []byte {
		return fmt.Appendf(nil, `{"name":"matrix %d"}`, number)
	}},
	"rotate-key":         {"", "application/json", always(`{"grace":"PT1H"}`)},
	"advance-test-clock": {"", "application/json", always(`{"advance":"PT1S"}`)},
	"create-webhook": {"", "application/json", func(_ *testing.T, w *wholeWindow, _ int) []byte {
		return fmt.Appendf(nil, `{"url":"%s/matrix"}`, w.hooks.URL)
	}},
	"change-webhook":            {"", "application/json", always(`{"state":"on"}`)},
	"resend-webhook-deliveries": {"", "application/json", always(`{"from":"2100-01-01T00:00:00Z"}`)},
	"hand-in-notice":            {"", "application/xml", func(t *testing.T, w *wholeWindow, _ int) []byte { return sampleNotice(t, w.agencies[0]) }},
}

func always(text string) func(*testing.T, *wholeWindow, int) []byte {
	return func(*testing.T, *wholeWindow, int) []byte { return []byte(text) }
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
	only   []string // its scopes; nil for all
}

// refusal is what a role is told by an operation that is not for it, whatever
// it asks for; 0 where the operation is.
func (who role) refusal(o operation) int {
	wanted, opens := o.schemes[who.scheme]
	switch {
	case len(o.schemes) > 0 && !opens:
		return http.StatusUnauthorized
	case who.only != nil && slices.ContainsFunc(wanted, func(scope string) bool { return !slices.Contains(who.only, scope) }):
		return http.StatusForbidden
	}
	return 0
}

func (w *wholeWindow) roles(t *testing.T) []role {
	t.Helper()
	const tenantKey, accessToken, agencyCredential = "tenantKey", "accessToken", "agencyCredential"
	token := w.takeTokens(t)
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
	reading := []string{"declarations:read"}
	reader, err := w.accounts.MakeKey(t.Context(), acme, account.KeyOrder{Name: "reader", Scopes: reading})
	must(t, err)
	all := []role{
		{"acme's key", tenantKey, 0, bearer(w.key), nil},
		{"bolt's key", tenantKey, 1, bearer(w.other), nil},
		{"the key of an enterprise that has nothing", tenantKey, -1, bearer(keyOf("empty", "empty")), nil},
		{"acme's key that may only read declarations", tenantKey, 0, bearer(reader.Secret), reading},
		{"acme's token", accessToken, 0, bearer(token(acme, account.AllScopes.Names(), time.Hour)), nil},
		{"bolt's token that may only read declarations", accessToken, 1, bearer(token(bolt, reading, time.Hour)), reading},
		{"an expired token", "", -1, bearer(token(acme, reading, -time.Hour)), nil},
		{"a key of the test world", "", -1, bearer(strings.Replace(w.key, "sw_live_", "sw_test_", 1)), nil},
		{"the first agency", agencyCredential, 0, bearer(credential(w.agencies[0])), nil},
		{"the second agency", agencyCredential, 1, bearer(credential(w.agencies[1])), nil},
		{"a revoked credential", "", -1, bearer(gone), nil},
		{"an expired key", "", -1, bearer(expired), nil},
		{"a revoked key", "", -1, bearer(revoked), nil},
		{"a key one letter off", "", -1, bearer(w.key[:len(w.key)-1] + string(w.key[len(w.key)-1]^1)), nil},
		{"a key as a password", "", -1, [2]string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("acme:"+w.key))}, nil},
		{"nobody", "", -1, [2]string{"X-Nobody", "x"}, nil},
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
		all = append(all, role{"the session of an " + string(user.Role), "", -1, [2]string{"Cookie", "singlewindow-session=" + session}, nil})
		browser.CloseIdleConnections()
	}
	return all
}

// takeTokens has the window take the tokens of an issuer, and gives what makes
// them.
func (w *wholeWindow) takeTokens(t *testing.T) func(tenant string, scopes []string, life time.Duration) string {
	t.Helper()
	i := newIssuer(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	d := signer{"d", jose.EdDSA, private}
	i.publish(d.public())
	w.options.Issuer, err = api.NewIssuer(api.IssuerOptions{URL: i.URL, Audience: "singlewindow", TenantClaim: "tenant", Now: time.Now, Log: quiet(t)})
	must(t, err)
	w.serve(t)
	return func(tenant string, scopes []string, life time.Duration) string {
		return d.sign(t, map[string]any{"iss": i.URL, "aud": "singlewindow", "tenant": tenant, "scope": strings.Join(scopes, " "), "exp": time.Now().Add(life).Unix()})
	}
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
	isolated(t, 3)
}

// TestLongIsolation asks for everything as everybody.
func TestLongIsolation(t *testing.T) {
	onlyLong(t)
	isolated(t, 1)
}

// isolated asks for every operation as one in so many roles, in each another
// one first, as the seed draws.
func isolated(t *testing.T, oneIn int) {
	t.Helper()
	draw := seed(t).IntN(oneIn)
	m := &matrix{wholeWindow: newWholeWindow(t)}
	roles := m.roles(t)
	for i, o := range m.operations {
		before := m.cases
		m.mustBeKnown(t, o)
		open := map[string]string{} // answers to everybody, by address
		for j, who := range roles {
			if (i+j+draw)%oneIn == 0 {
				m.try(t, o, who, open)
			}
		}
		if m.cases-before < len(roles)/oneIn {
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
func (o operation) fill(end, value string, h holding) string {
	filled := o.path
	for _, at := range parametersOf(o.path) {
		name := at[strings.LastIndexByte(at, '{'):]
		put := o.objectAt(at).of(h)
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
	refusal, refused := "", who.refusal(o)
	ask := func(what, path, value string) answer {
		given := m.put(t, o, who, path)
		text := strings.ReplaceAll(told(given), value, "…")
		switch {
		case len(o.schemes) == 0:
			if first := cmp.Or(open[path], text); first != text {
				t.Errorf("%s, %s as %s: not what everybody is told\n%s\n%s", o.id, what, who.name, first, text)
			}
			open[path] = text
		case refused != 0:
			if refusal = cmp.Or(refusal, text); refusal != text || given.status != refused {
				t.Errorf("%s, %s as %s: %s", o.id, what, who.name, text)
			}
		}
		return given
	}
	mine := m.held[max(who.side, 0)]
	ends := parametersOf(o.path)
	if len(ends) == 0 {
		given := ask("itself", o.path, "no value")
		if refused == 0 && given.status >= 300 {
			t.Errorf("%s as %s: %d %s", o.id, who.name, given.status, given.body)
		}
	}
	for _, end := range ends {
		m.compare(t, o, who, o.objectAt(end), end, func(what, value string) answer { return ask(what, o.fill(end, value, mine), value) })
		for _, value := range malformed {
			given := ask("malformed", o.fill(end, value, mine), value)
			if given.status < 400 || given.status >= 500 {
				t.Errorf("%s, %.20s as %s: %d %s", o.id, value, who.name, given.status, given.body)
			}
		}
	}
	for _, parameter := range o.parameters {
		if about, known := objects[o.id+"?"+parameter.Name]; known {
			at := o.fill("", "", mine)
			m.compare(t, o, who, about, parameter.Name, func(what, value string) answer { return ask(what, at+"?"+parameter.Name+"="+value, value) })
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
		if len(o.schemes) == 0 || who.refusal(o) != 0 {
			continue
		}
		m.replace(t, o, side, given)
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

// replace gives an enterprise another one of what was taken from it.
func (m *matrix) replace(t *testing.T, o operation, side int, given answer) {
	t.Helper()
	if given.status >= 300 {
		return
	}
	h, name := &m.held[side], fmt.Sprint(m.number)
	switch o.id {
	case "delete-webhook":
		h.spareHook = m.hookOf(t, h, name)
	case "revoke-key", "rotate-key":
		h.spareKey = m.keyOf(t, h, name)
	}
}

// put makes one case and looks for words in the answer that are somebody else's.
func (m *matrix) put(t *testing.T, o operation, who role, path string) answer {
	t.Helper()
	m.cases++
	m.number++
	how := bodies[o.id]
	var content []byte
	headers := []string{"X-Request-Id", "matrix", who.header[0], who.header[1], "Idempotency-Key", fmt.Sprintf("matrix-%d", m.number)}
	if how.content != nil {
		content = how.content(t, m.wholeWindow, m.number)
		headers = append(headers, "Content-Type", how.media)
	}
	if how.query != "" {
		path += "?" + how.query
	}
	given := m.raw(t, o.method, path, content, headers...)
	for side, h := range m.held {
		if who.scheme != "agencyCredential" && who.side == side {
			continue
		}
		for _, word := range []string{h.mark, h.declaration.ID, h.batch.ID, h.hook, h.delivery, h.spareHook, h.spareKey} {
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
