package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/api/client"
)

// TestContract holds what is written about the API against one whole
// installation: the quickstart, every example of the document, the codes of
// every rule, the client, and the pages as a browser shows them.
func TestContract(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{flags: []string{"--test-world"}})
	t.Run("quickstart", l.quickstart)
	t.Run("examples", l.examples)
	t.Run("codes of rules", l.codesOfRules)
	t.Run("client", l.goClient)
	t.Run("pages", l.pagesOfTheContract)
}

// lesson is a block of commands and what it prints; "" where it is not said.
type lesson struct{ commands, prints string }

// lessons reads the sh blocks of a page, each with the text block after it.
func lessons(t *testing.T, file string) (all []lesson) {
	t.Helper()
	source, err := os.ReadFile(file)
	must(t, err)
	parts := strings.Split(string(source), "```")
	for i := 1; i < len(parts); i += 2 {
		language, content, _ := strings.Cut(parts[i], "\n")
		switch {
		case language == "sh":
			all = append(all, lesson{commands: content})
		case language == "text" && len(all) > 0:
			all[len(all)-1].prints = content
		}
	}
	return all
}

// quickstart does what the page says, in one shell, as a newcomer would.
func (l *line) quickstart(t *testing.T) {
	const end = "--- end of a lesson ---"
	script := "set -eu\n"
	all := lessons(t, "../docs/quickstart.md")
	for _, one := range all {
		script += one.commands + "echo '" + end + "'\n"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh")
	shell.Dir, shell.Stdin = "..", strings.NewReader(script)
	shell.Env = append(os.Environ(), "AT=http://"+l.gateway.address, "SINGLEWINDOW_KEY="+l.keys[bolt], "TMPDIR="+t.TempDir())
	var printed, complained bytes.Buffer
	shell.Stdout, shell.Stderr = &printed, &complained
	if err := shell.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &printed, &complained)
	}
	answers := strings.Split(printed.String(), end+"\n")
	for i, one := range all {
		if one.prints == "" || answers[i] != one.prints {
			t.Errorf("%sprints\n%swhere the page says\n%s", one.commands, answers[i], one.prints)
		}
	}
	if curls := strings.Count(script, "curl "); len(all) < 10 || curls < 12 {
		t.Errorf("only %d lessons with %d curl commands", len(all), curls)
	}
	number(t, "lessons of the quickstart that print what it says", len(all), len(all))
}

// An operation of the document, as far as its examples go.
type exampleOperation struct {
	OperationID string `json:"operationId"`
	Parameters  []struct {
		Name, In string
		Required bool
		Example  any
	}
	RequestBody struct {
		Content map[string]struct {
			Example  json.RawMessage
			Examples map[string]struct{ Value json.RawMessage }
		}
	}
	Security []map[string]any
}

// examples asks every operation what its document gives as examples: with the
// parameters that must be there, then with each other one, and with each body.
// Ids in paths are those of things that exist.
func (l *line) examples(t *testing.T) {
	contract := documentAt(t, l.client, "http://"+l.gateway.address)
	var whole struct {
		Paths map[string]map[string]exampleOperation
	}
	must(t, json.Unmarshal(l.ask(t, "", http.MethodGet, "/openapi.json", nil).body, &whole))
	known, testKey := l.thingsOfExamples(t), l.testKey(t, acme)
	asked := 0
	for _, method := range []string{"put", "post", "get", "patch", "delete"} { // what is saved first can be read after
		for _, path := range slices.Backward(slices.Sorted(maps.Keys(whole.Paths))) { // a declaration before the batch that holds it again
			operation, exists := whole.Paths[path][method]
			if !exists {
				continue
			}
			e := exampleCase{line: l, contract: contract, method: strings.ToUpper(method), path: path, operation: operation, known: known, testKey: testKey}
			asked += e.ask(t)
		}
	}
	number(t, "requests made from the examples of the document", asked, 100)
	if asked < 100 {
		t.Errorf("only %d requests", asked)
	}
}

// thingsOfExamples makes one of each thing that a path can lead to, and gives
// their ids by the paths they end.
func (l *line) thingsOfExamples(t *testing.T) map[string]string {
	t.Helper()
	made := func(path, body, media string) (id struct{ ID, EventID string }) {
		given := l.ask(t, l.keys[acme], http.MethodPost, path, []byte(body), "Content-Type", media, "Idempotency-Key", "thing-"+url.QueryEscape(path))
		if given.status >= 300 {
			t.Fatalf("%s: %d %s", path, given.status, given.body)
		}
		must(t, json.Unmarshal(given.body, &id))
		return id
	}
	from, _ := l.widest(t)
	known := map[string]string{
		"/v1/declarations/{id}": l.file(t, acme, from, "EXAMPLE-1").ID,
		"/v1/batches/{id}":      made("/v1/batches?kind=goods&name=example.csv", "reference,typeCode\nEXAMPLE-2,IM\n", "text/csv").ID,
		"/v1/webhooks/{id}":     made("/v1/webhooks", `{"url": "https://hooks.example.com/thing"}`, "application/json").ID,
		"/v1/keys/{id}":         made("/v1/keys", `{"name": "thing"}`, "application/json").ID,
	}
	known["/deliveries/{event}"] = made("/v1/webhooks/"+known["/v1/webhooks/{id}"]+"/test", "", "application/json").EventID
	eventually(t, 30*time.Second, "the batch is done", func() bool {
		return decoded[api.BatchView](t, l.ask(t, l.keys[acme], http.MethodGet, "/v1/batches/"+known["/v1/batches/{id}"], nil)).State == "done"
	})
	return known
}

type exampleCase struct {
	line         *line
	contract     *restDocument
	method, path string
	operation    exampleOperation
	known        map[string]string // ids of what exists, by the path they end
	testKey      string
}

// ask makes the requests and tells how many.
func (e exampleCase) ask(t *testing.T) (asked int) {
	t.Helper()
	bodies := map[string][]byte{"": nil}
	for media, content := range e.operation.RequestBody.Content {
		delete(bodies, "")
		for name, example := range content.Examples {
			bodies[media+" "+name] = example.Value
		}
		if content.Example != nil {
			bodies[media] = content.Example
		}
	}
	for name, body := range bodies {
		media, _, _ := strings.Cut(name, " ")
		var text string
		if json.Unmarshal(body, &text) == nil && body != nil {
			body = []byte(text) // what is not JSON stands in the document as a text
		}
		e.send(t, media, name, body, -1)
		asked++
		for i, parameter := range e.operation.Parameters {
			if e.method != http.MethodDelete && !parameter.Required && parameter.In != "path" {
				e.send(t, media, name, body, i)
				asked++
			}
		}
	}
	return asked
}

// send makes one request with the parameters that must be there and one other.
func (e exampleCase) send(t *testing.T, media, name string, body []byte, with int) {
	t.Helper()
	path, query := e.path, url.Values{}
	for place, value := range e.known {
		path = strings.Replace(path, place, place[:strings.IndexByte(place, '{')]+value, 1)
	}
	var headers []string
	if media != "" {
		headers = append(headers, "Content-Type", media)
	}
	what := name
	for i, parameter := range e.operation.Parameters {
		value := exampleText(parameter.Example)
		switch {
		case parameter.In == "path":
			path = strings.ReplaceAll(path, "{"+parameter.Name+"}", url.PathEscape(value))
			continue
		case i != with && !parameter.Required:
			continue
		case parameter.In == "query":
			query.Set(parameter.Name, value)
		case parameter.Name == "Idempotency-Key": // below
		case parameter.Name != "Content-Length" && parameter.Name != "Content-Type":
			headers = append(headers, parameter.Name, value)
		}
		what += " " + parameter.Name
	}
	order := maps.Clone(query) // asked in another language it is the same
	order.Del("lang")
	headers = append(headers, "Idempotency-Key", e.operation.OperationID+"-"+url.QueryEscape(name)+"?"+order.Encode())
	at := path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	given := e.line.ask(t, e.bearer(path), e.method, at, body, headers...)
	e.contract.holds(t, e.method, path, given)
	if given.status >= 400 {
		t.Errorf("%s with%s: %d %.300s", e.operation.OperationID, what, given.status, given.body)
	}
}

// exampleText is an example as it stands in a query or a header.
func exampleText(example any) string {
	several, isList := example.([]any)
	if !isList {
		return fmt.Sprint(example)
	}
	texts := make([]string, len(several))
	for i, one := range several {
		texts[i] = fmt.Sprint(one)
	}
	return strings.Join(texts, ",")
}

func (e exampleCase) bearer(path string) string {
	for _, scheme := range e.operation.Security {
		if scheme["agencyCredential"] != nil {
			return e.line.offices[strings.Split(path, "/")[3]].credential
		}
	}
	if path == "/v1/test-clock" {
		return e.testKey
	}
	return e.line.keys[acme]
}

// codesOfRules: every rule of every kind and agency has a code of its own, and
// the gateway explains it.
func (l *line) codesOfRules(t *testing.T) {
	explained := map[string]api.ProblemSummary{}
	for _, one := range decoded[api.ProblemList](t, l.ask(t, "", http.MethodGet, "/problems", nil)).Problems {
		if _, twice := explained[one.Code]; twice {
			t.Errorf("%s stands twice", one.Code)
		}
		explained[one.Code] = one
	}
	agencies, err := adapters.LoadAll(adapters.Embedded(), nil)
	must(t, err)
	owners, rules := map[string]string{}, 0
	for _, agency := range agencies {
		t.Cleanup(agency.Close)
		for _, rule := range agency.Profile().Rules {
			rules++
			name := agency.Profile().Name
			if owner := owners[rule.Code]; owner != "" && owner != name || explained[rule.Code].Agency != name {
				t.Errorf("%s of %s is explained as %+v, and is one of %q", rule.Code, name, explained[rule.Code], owner)
			}
			owners[rule.Code] = name
			page := l.ask(t, "", http.MethodGet, "/problems/"+rule.Code, nil, "Accept", "text/html")
			if page.status != http.StatusOK || !strings.Contains(string(page.body), rule.Code) {
				t.Errorf("%s: %d", rule.Code, page.status)
			}
		}
	}
	number(t, "codes that have a page", len(explained), 200)
	if rules < 40 || len(explained) < 200 {
		t.Errorf("only %d codes of agencies, %d in all", rules, len(explained))
	}
}

// whatWasSeen is what the browser came back with.
type whatWasSeen struct {
	Pages, Operations int
	Violations        []string // of accessibility, on our own pages
	Faults            []string
	Policy            []string // what the pages' own policy kept from happening
	Foreign           []string // requests to anybody but the gateway
	Sideways          []string
}

// pagesOfTheContract opens the reference and the pages of problems in
// Chromium. SINGLEWINDOW_SCREENSHOTS names a folder for what it sees.
func (l *line) pagesOfTheContract(t *testing.T) {
	question, err := json.Marshal(map[string]string{"address": "http://" + l.gateway.address, "folder": os.Getenv("SINGLEWINDOW_SCREENSHOTS")})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "docs.mjs")
	node.Dir, node.Stdin = "browser", bytes.NewReader(question)
	said, err := node.Output()
	if err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			t.Logf("%s", ended.Stderr)
		}
		t.Fatalf("%v (make setup-tests installs Chromium and what the script needs)", err)
	}
	var found whatWasSeen
	must(t, json.Unmarshal(said, &found))
	number(t, "pages of the contract looked at in a browser", found.Pages, 9)
	for what, wrong := range map[string][]string{
		"axe-core": found.Violations, "fault": found.Faults, "against the policy": found.Policy, "request to others": found.Foreign, "wider than the screen": found.Sideways,
	} {
		for _, one := range wrong {
			t.Errorf("%s: %s", what, one)
		}
	}
	if found.Pages < 9 || found.Operations < 28 {
		t.Errorf("%d pages were seen, and %d operations without scripts", found.Pages, found.Operations)
	}
}

// goClient files with the client made from the document, and reads what came
// of it.
func (l *line) goClient(t *testing.T) {
	withKey := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+l.keys[bolt])
		return nil
	}
	window, err := client.NewClientWithResponses("http://"+l.gateway.address, client.WithHTTPClient(l.client), client.WithRequestEditorFn(withKey))
	must(t, err)
	from, agencies := l.widest(t)
	filed, err := window.SubmitDeclarationWithResponse(t.Context(), &client.SubmitDeclarationParams{IdempotencyKey: "client-1"}, from.as(t, "CLIENT-1"))
	must(t, err)
	if filed.JSON202 == nil || filed.JSON202.Reference != "CLIENT-1" || len(filed.JSON202.Filings) != len(agencies) {
		t.Fatalf("%s %s", filed.Status(), filed.Body)
	}
	eventually(t, 30*time.Second, "it is closed", func() bool {
		given, err := window.GetDeclarationWithResponse(t.Context(), filed.JSON202.Id, nil)
		must(t, err)
		return given.JSON200 != nil && given.JSON200.Status == "closed"
	})
	reference := "CLIENT-1"
	found, err := window.FindDeclarationsWithResponse(t.Context(), &client.FindDeclarationsParams{Reference: &reference})
	must(t, err)
	if found.JSON200 == nil || len(found.JSON200.Declarations) != 1 || found.JSON200.Declarations[0].Id != filed.JSON202.Id {
		t.Errorf("%s %s", found.Status(), found.Body)
	}
	events, err := window.ListEventsWithResponse(t.Context(), filed.JSON202.Id, nil)
	must(t, err)
	if events.JSON200 == nil || len(events.JSON200.Events) < 3 {
		t.Errorf("%s %s", events.Status(), events.Body)
	}
	refused, err := window.SubmitDeclarationWithResponse(t.Context(), &client.SubmitDeclarationParams{IdempotencyKey: "client-2"}, json.RawMessage(`{"kind": "goods"}`))
	must(t, err)
	problem := refused.ApplicationproblemJSONDefault
	if problem == nil || problem.Code != "declaration.refused" || len(problem.Errors) < 3 || problem.Errors[0].Pointer == "" {
		t.Fatalf("%s %s", refused.Status(), refused.Body)
	}
	explained, err := window.GetProblemWithResponse(t.Context(), problem.Errors[0].Code, nil)
	must(t, err)
	if explained.JSON200 == nil || explained.JSON200.Cure == "" {
		t.Errorf("%s %s", explained.Status(), explained.Body)
	}
}
