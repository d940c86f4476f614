package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// documentFile makes the test below write what the client is made from, see
// .ci/client/run.
var documentFile = flag.String("document", "", "write the document that the client is made from to this file")

// The client in api/client was made from the document as it is now, and nobody
// has changed it since.
func TestTheClientIsInStep(t *testing.T) {
	made := clientDocument(t, newTestAPI(t))
	if *documentFile != "" {
		if err := os.WriteFile(*documentFile, made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	source, err := os.ReadFile("client/SOURCE")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("client/client.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"openapi.json": made, "client.gen.go": code} {
		digest := sha256.Sum256(content)
		if !strings.Contains(string(source), hex.EncodeToString(digest[:])+"  "+name) {
			t.Errorf("%s is not what api/client/SOURCE says: make client", name)
		}
	}
	if bytes.Contains(code, []byte("float32")) || bytes.Contains(code, []byte("float64")) {
		t.Error("the client has floats")
	}
}

// clientDocument gives the document in version 3.0, which oapi-codegen reads,
// without examples and with declarations as the JSON they are: their schemas
// are JSON Schema 2020-12, and whoever writes declarations has them as data.
func clientDocument(t *testing.T, a *api) []byte {
	t.Helper()
	downgraded, err := a.huma.OpenAPI().Downgrade()
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	if err := json.Unmarshal(downgraded, &whole); err != nil {
		t.Fatal(err)
	}
	schemas := whole["components"].(map[string]any)["schemas"].(map[string]any)
	for _, kind := range slices.Collect(maps.Keys(a.kinds)) {
		maps.DeleteFunc(schemas, func(name string, _ any) bool { return name == kind || strings.HasPrefix(name, kind+".") })
	}
	schemas["Declaration"] = map[string]any{
		"description": "A declaration of any kind, as GET /v1/kinds/{kind}/schema has it", "type": "object", "x-go-type": "json.RawMessage",
	}
	withoutExamples(whole)
	for _, item := range whole["paths"].(map[string]any) {
		for _, operation := range item.(map[string]any) {
			forClient(operation.(map[string]any)["responses"].(map[string]any))
		}
	}
	content, err := json.MarshalIndent(whole, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// forClient leaves of an operation's answers the JSON of success, and one
// problem for all others: whoever calls decides by its code. What is no JSON is
// taken as the bytes it is.
func forClient(responses map[string]any) {
	for status, response := range maps.Clone(responses) {
		content, _ := response.(map[string]any)["content"].(map[string]any) // nil where there is no body
		if status >= "400" {
			responses["default"] = map[string]any{"description": "A problem", "content": map[string]any{"application/problem+json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Problem"}}}}
			delete(responses, status)
			continue
		}
		maps.DeleteFunc(content, func(media string, _ any) bool { return media != "application/json" })
	}
}

// withoutExamples takes out what would be read as values of a type.
func withoutExamples(value any) {
	switch value := value.(type) {
	case map[string]any:
		_, isSchema := value["type"].(string) // a property called type is none
		_, hasSchema := value["schema"].(map[string]any)
		if isSchema || hasSchema {
			delete(value, "example")
			delete(value, "examples")
		}
		for _, member := range value {
			withoutExamples(member)
		}
	case []any:
		for _, member := range value {
			withoutExamples(member)
		}
	}
}
