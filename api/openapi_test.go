package api

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
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
	if len(operations) != 27 {
		t.Errorf("%d operations", len(operations))
	}
	seen := map[string]bool{}
	for _, operation := range operations {
		if operation.Summary == "" || operation.Description == "" || len(operation.Tags) != 1 || seen[operation.OperationID] {
			t.Errorf("%s: summary, description, tag or own id missing", operation.OperationID)
		}
		seen[operation.OperationID] = true
		if len(operation.Security) == 0 && operation.Tags[0] != "Health" && operation.Tags[0] != "Problems" {
			t.Errorf("%s is open to everybody", operation.OperationID)
		}
		for _, parameter := range operation.Parameters {
			if parameter.Description == "" {
				t.Errorf("%s: parameter %s has no description", operation.OperationID, parameter.Name)
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
		for media, content := range response.Content {
			if number >= 400 && (media != "application/problem+json" || len(content.Examples) == 0) {
				t.Errorf("%s %s: %s with %d examples", operation.OperationID, status, media, len(content.Examples))
			}
			if number < 400 && content.Example == nil && media != "application/schema+json" && media != mediaXLSX {
				t.Errorf("%s %s: no example", operation.OperationID, status)
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
		if content.Schema == nil || content.Example == nil && len(content.Examples) == 0 {
			t.Errorf("%s: request %s has no schema or example", operation.OperationID, media)
		}
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
