package api

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"singlewindow/declare"
)

var loadKinds = sync.OnceValues(declare.LoadKinds)

// newTestAPI makes the handler without a database behind it: what is tested
// here is answered before the gateway is asked.
func newTestAPI(t *testing.T) *api {
	t.Helper()
	kinds, err := loadKinds()
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAPI(Options{Kinds: kinds, IDs: declare.NewIDs(time.Now, rand.Reader), Log: slog.New(slog.DiscardHandler), Version: "1.0"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(t *testing.T, a *api, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(t, a, http.MethodGet, path, nil, headers...)
}

// ask makes one request; headers are names and values in turn.
func ask(t *testing.T, a *api, method, path string, body []byte, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.front().ServeHTTP(w, r)
	return w
}

// document gives the served OpenAPI document as plain JSON.
func document(t *testing.T, a *api) map[string]any {
	t.Helper()
	answer := get(t, a, "/openapi.json")
	if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("%d %s", answer.Code, answer.Header())
	}
	value, err := jsonschema.UnmarshalJSON(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)
}

var reference = regexp.MustCompile(`"\$ref":\s*"#/components/schemas/([^"]+)"`)

func TestEveryReferenceOfTheDocumentLeadsSomewhere(t *testing.T) {
	a := newTestAPI(t)
	schemas := document(t, a)["components"].(map[string]any)["schemas"].(map[string]any)
	text := get(t, a, "/openapi.json").Body.String()
	found := reference.FindAllStringSubmatch(text, -1)
	if len(found) < 50 {
		t.Fatalf("only %d references", len(found))
	}
	for _, match := range found {
		if schemas[match[1]] == nil {
			t.Errorf("no component %s", match[1])
		}
	}
	if strings.Contains(text, `"#/$defs/`) {
		t.Error("a reference was left behind in a kind's schema")
	}
}

func TestTheDocumentIsTheSameInYAML(t *testing.T) {
	a := newTestAPI(t)
	answer := get(t, a, "/openapi.yaml")
	var value map[string]any
	if err := yaml.Unmarshal(answer.Body.Bytes(), &value); err != nil {
		t.Fatal(err)
	}
	if value["openapi"] != "3.1.0" || document(t, a)["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", value["openapi"])
	}
	if len(value["paths"].(map[string]any)) != len(document(t, a)["paths"].(map[string]any)) {
		t.Error("paths are missing")
	}
}

// Every operation says what it does, who may, what it answers with an
// example, and every problem it may answer with.
func TestEveryOperationIsDocumented(t *testing.T) {
	a := newTestAPI(t)
	operations := operationsOf(a.huma.OpenAPI())
	if len(operations) < 28 {
		t.Errorf("only %d operations", len(operations))
	}
	seen := map[string]bool{}
	tags := map[string]bool{}
	for _, tag := range a.huma.OpenAPI().Tags {
		tags[tag.Name] = true
	}
	for _, operation := range operations {
		if !slices.ContainsFunc(operation.Tags, func(tag string) bool { return tags[tag] }) {
			t.Errorf("%s: the tag is not among the document's", operation.OperationID)
		}
		if operation.Summary == "" || operation.Description == "" || len(operation.Tags) != 1 || seen[operation.OperationID] {
			t.Errorf("%s: summary, description, tag or own id missing", operation.OperationID)
		}
		seen[operation.OperationID] = true
		if len(operation.Security) == 0 && operation.Tags[0] != "Health" && operation.Tags[0] != "Problems" {
			t.Errorf("%s is open to everybody", operation.OperationID)
		}
		for _, parameter := range operation.Parameters {
			if parameter.Description == "" || parameter.Schema == nil || parameter.Example == nil {
				t.Errorf("%s: parameter %s has no description, schema or example (tags doc and example)", operation.OperationID, parameter.Name)
			}
		}
		checkResponses(t, operation)
	}
}

func checkResponses(t *testing.T, operation *huma.Operation) {
	t.Helper()
	for _, status := range []string{"500", "503", "422", "406"} {
		if operation.Responses[status] == nil {
			t.Errorf("%s: no %s", operation.OperationID, status)
		}
	}
	for status, response := range operation.Responses {
		number, err := strconv.Atoi(status)
		if err != nil {
			t.Errorf("%s: response %q", operation.OperationID, status)
		}
		if response.Description == "" || number >= 400 && len(response.Content) == 0 {
			t.Errorf("%s %s: no description, or no problem", operation.OperationID, status)
		}
		for name, header := range response.Headers {
			if header.Schema == nil {
				t.Errorf("%s %s: header %s has no schema", operation.OperationID, status, name)
			}
		}
		for media, content := range response.Content {
			if number >= 400 && (media != "application/problem+json" || len(content.Examples) == 0) {
				t.Errorf("%s %s: %s with %d examples", operation.OperationID, status, media, len(content.Examples))
			}
			if content.Schema == nil {
				t.Errorf("%s %s: %s has no schema", operation.OperationID, status, media)
			}
			if number < 400 && content.Example == nil && media != mediaXLSX {
				t.Errorf("%s %s: %s has no example", operation.OperationID, status, media)
			}
		}
	}
	if operation.RequestBody == nil {
		return
	}
	if operation.MaxBodyBytes == 0 || operation.BodyReadTimeout == 0 || operation.Metadata[metadataTooLarge] == nil {
		t.Errorf("%s: the body has no bounds", operation.OperationID)
	}
	for media, content := range operation.RequestBody.Content {
		if content.Schema == nil || content.Example == nil && len(content.Examples) == 0 && media != mediaXLSX {
			t.Errorf("%s: request %s has no schema or example", operation.OperationID, media)
		}
	}
}

// The document is one by the specification's own schema; what it calls schemas
// are schemas of JSON Schema 2020-12.
func TestTheDocumentIsOpenAPI(t *testing.T) {
	whole := document(t, newTestAPI(t))
	source, err := os.ReadFile("testdata/openapi-3.1/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	meta, err := jsonschema.UnmarshalJSON(bytes.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi-3.1.json", meta); err != nil {
		t.Fatal(err)
	}
	if err := compiler.MustCompile("openapi-3.1.json").Validate(whole); err != nil {
		t.Error(err)
	}
	dialect := compiler.MustCompile("https://json-schema.org/draft/2020-12/schema")
	for name, schema := range whole["components"].(map[string]any)["schemas"].(map[string]any) {
		if err := dialect.Validate(schema); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	delete(whole, "info")
	if compiler.MustCompile("openapi-3.1.json").Validate(whole) == nil {
		t.Error("a document without info is one too")
	}
}

// Examples in the document are valid by the document's own schemas.
func TestExamplesFollowTheirSchemas(t *testing.T) {
	a := newTestAPI(t)
	whole := document(t, a)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("openapi.json", whole); err != nil {
		t.Fatal(err)
	}
	checked := 0
	var walk func(value any, at string)
	walk = func(value any, at string) {
		node, ok := value.(map[string]any)
		if !ok {
			return
		}
		for name, member := range node {
			walk(member, at+"/"+escapePointer(name))
		}
		if node["schema"] == nil || node["example"] == nil && node["examples"] == nil {
			return
		}
		schema, err := compiler.Compile("openapi.json#" + percent(at) + "/schema")
		if err != nil {
			t.Errorf("%s: %v", at, err)
			return
		}
		all := []any{node["example"]}
		if several, ok := node["examples"].(map[string]any); ok {
			all = nil
			for _, example := range several {
				all = append(all, example.(map[string]any)["value"])
			}
		}
		for _, example := range all {
			checked++
			if err := schema.Validate(example); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	}
	walk(whole["paths"], "/paths")
	if checked < 40 {
		t.Errorf("only %d examples checked", checked)
	}
}

// percent escapes braces, which a URL fragment does not take.
func percent(pointer string) string {
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer)
}

// A declaration that the kind accepts is one that the document accepts, and
// the other way round.
func TestTheDocumentKnowsTheKinds(t *testing.T) {
	a := newTestAPI(t)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("openapi.json", document(t, a)); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("openapi.json#/components/schemas/Declaration")
	if err != nil {
		t.Fatal(err)
	}
	content := a.huma.OpenAPI().Paths["/v1/declarations"].Post.RequestBody.Content["application/json"]
	for name, example := range content.Examples {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(example.Value.(json.RawMessage)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		value.(map[string]any)["surplus"] = true
		if err := schema.Validate(value); err == nil {
			t.Errorf("%s: an unknown member is accepted", name)
		}
	}
}

// Every POST that makes something demands an idempotency key, and says so; the
// others stand here with the reason.
func TestWhatMakesSomethingDemandsAKey(t *testing.T) {
	exempt := map[string]string{
		"validate-declaration": "makes nothing",
		"hand-in-notice":       "agencies send no key: an equal notice is the same notice",

		"resend-webhook-delivery":   "makes nothing: an event goes again, under the id it has",
		"resend-webhook-deliveries": "makes nothing: events go again, under the ids they have",
		"advance-test-clock":        "makes nothing: a clock goes on",
	}
	a := newTestAPI(t)
	keyed := 0
	for path, item := range a.huma.OpenAPI().Paths {
		if item.Post == nil {
			continue
		}
		demands := false
		for _, parameter := range item.Post.Parameters {
			demands = demands || parameter.In == "header" && parameter.Name == headerIdempotencyKey && parameter.Required
		}
		if demands {
			keyed++
			for _, code := range []problemCode{codeIdempotencyMissing, codeIdempotencyInvalid, codeKeyReused} {
				status := strconv.Itoa(a.register[code].Status)
				if response := item.Post.Responses[status]; response == nil || response.Content["application/problem+json"].Examples[string(code)] == nil {
					t.Errorf("POST %s does not say that it may answer %s", path, code)
				}
			}
		}
		if demands == (exempt[item.Post.OperationID] != "") {
			t.Errorf("POST %s demands a key: %v", path, demands)
		}
	}
	if keyed < 2 {
		t.Errorf("%d operations demand a key", keyed)
	}
}
