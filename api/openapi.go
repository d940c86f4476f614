package api

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"singlewindow/declare"
)

// examples holds one answer per operation that has one, named by its id.
//
//go:embed examples
var examples embed.FS

// Who may call an operation: the names of the document's security schemes.
const (
	tenantKey        = "tenantKey"
	agencyCredential = "agencyCredential"
)

// route is what the document says of an operation, and what holds for it.
type route struct {
	id, method, path, tag, summary, description string

	status   int           // of success; 200 when not said
	media    string        // of success; application/json when not said
	also     string        // another media type of success, on demand
	security string        // tenantKey, agencyCredential, or nobody's
	problems []problemCode // besides those every operation may answer with
}

// operation makes huma's operation of a route: documented with an example and
// every problem, guarded before its body is read.
func (a *api) operation(r route) huma.Operation {
	r.status, r.media = cmp.Or(r.status, http.StatusOK), cmp.Or(r.media, "application/json")
	operation := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary, Description: r.description, Tags: []string{r.tag},
		DefaultStatus: r.status, Responses: map[string]*huma.Response{}, Security: []map[string][]string{},
	}
	success := &huma.Response{Description: http.StatusText(r.status)}
	if r.status != http.StatusNoContent {
		media := &huma.MediaType{}
		if r.media != "application/json" {
			media.Schema = &huma.Schema{} // the bytes themselves, not base64 in JSON
		}
		success.Content = map[string]*huma.MediaType{r.media: media}
		given := []string{r.media}
		if r.also != "" {
			success.Content[r.also] = &huma.MediaType{Schema: &huma.Schema{}}
			given = append(given, r.also)
		}
		operation.Middlewares = append(operation.Middlewares, a.gives(given...))
	}
	operation.Responses[strconv.Itoa(r.status)] = success

	codes := append(slices.Clone(r.problems), codeParameterInvalid, codeAcceptUnsupported, codeInternal, codeUnavailable)
	switch r.security {
	case tenantKey:
		operation.Middlewares = append(operation.Middlewares, a.tenantOnly)
	case agencyCredential:
		operation.Middlewares = append(operation.Middlewares, a.agencyOnly)
	}
	if r.security != "" {
		codes = append(codes, codeCredentialMissing, codeCredentialUnknown)
		operation.Security = append(operation.Security, map[string][]string{r.security: {}})
	}
	a.documentProblems(&operation, codes)
	return operation
}

// documentProblems lists the problems of an operation by status, each with
// the answer it gives.
func (a *api) documentProblems(operation *huma.Operation, codes []problemCode) {
	schema := &huma.Schema{Ref: "#/components/schemas/Problem"}
	for _, code := range codes {
		status := strconv.Itoa(a.register[code].Status)
		response := operation.Responses[status]
		if response == nil {
			response = &huma.Response{
				Description: http.StatusText(a.register[code].Status),
				Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema, Examples: map[string]*huma.Example{}}},
			}
			operation.Responses[status] = response
		}
		response.Content["application/problem+json"].Examples[string(code)] = &huma.Example{
			Summary: a.register[code].Title.English,
			Value:   a.problem(asker{requestID: "req-01KDTP3X8Q0000000000000009", language: "en"}, finding{code: code}),
		}
	}
}

// serveDocument completes the document and serves it as it stands then.
func (a *api) serveDocument() error {
	document := a.huma.OpenAPI()
	document.Info.Description = "One declaration in, every agency informed, one answer back. Problems are application/problem+json; decide by their code."
	document.Info.License = &huma.License{Name: "Apache-2.0", URL: "https://www.apache.org/licenses/LICENSE-2.0"}
	document.Tags = []*huma.Tag{{Name: "Declarations"}, {Name: "Batches"}, {Name: "Events"}, {Name: "Agencies"}, {Name: "Kinds"}, {Name: "Code lists"}, {Name: "Statistics"}, {Name: "Problems"}, {Name: "Health"}}
	document.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		tenantKey:        {Type: "http", Scheme: "bearer", BearerFormat: "sw_live_…", Description: "An enterprise's API key"},
		agencyCredential: {Type: "http", Scheme: "bearer", BearerFormat: "swa_…", Description: "An agency's credential: good for its own notices"},
	}
	for _, complete := range []func(*huma.OpenAPI) error{a.documentKinds, documentWords, a.documentExamples, documentNotices, documentFiles} {
		if err := complete(document); err != nil {
			return fmt.Errorf("openapi: %w", err)
		}
	}
	asJSON, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("openapi: %w", err)
	}
	asYAML, err := document.YAML()
	if err != nil {
		return fmt.Errorf("openapi: %w", err)
	}
	a.serveBytes("/openapi.json", "application/openapi+json", asJSON)
	a.serveBytes("/openapi.yaml", "application/openapi+yaml", asYAML)
	return nil
}

func (a *api) serveBytes(at, media string, body []byte) {
	a.mux.HandleFunc("GET "+at, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Cache-Control", "max-age=60")
		if _, err := w.Write(body); err != nil {
			a.log.Debug("answer not read", "requestId", r.Header.Get(headerRequestID), "error", err)
		}
	})
}

// documentKinds makes each kind's JSON Schema a component, and a declaration
// one of them. Definitions inside a schema become components of their own,
// kind.definition, because few tools follow references into components.
func (a *api) documentKinds(document *huma.OpenAPI) error {
	schemas := document.Components.Schemas.Map()
	declaration := &huma.Schema{
		Description:   "A declaration of any kind; the member kind says which.",
		Discriminator: &huma.Discriminator{PropertyName: "kind", Mapping: map[string]string{}},
	}
	samples := map[string]*huma.Example{}
	for _, name := range slices.Sorted(maps.Keys(a.kinds)) {
		kind := a.kinds[name]
		var schema map[string]any
		if err := json.Unmarshal(kind.Schema(), &schema); err != nil {
			return err
		}
		definitions, found := schema["$defs"].(map[string]any)
		if !found {
			definitions = map[string]any{}
		}
		for _, own := range []string{"$schema", "$id", "$defs"} {
			delete(schema, own)
		}
		definitions[""] = schema
		for part, definition := range definitions {
			schemas[strings.TrimSuffix(name+"."+part, ".")] = &huma.Schema{Extensions: relocated(definition, name).(map[string]any)}
		}
		declaration.OneOf = append(declaration.OneOf, &huma.Schema{Ref: "#/components/schemas/" + name})
		declaration.Discriminator.Mapping[name] = "#/components/schemas/" + name
		if err := addSample(samples, kind); err != nil {
			return err
		}
	}
	schemas["Declaration"] = declaration
	for _, at := range []string{"/v1/declarations", "/v1/declarations:validate"} {
		body := document.Paths[at].Post.RequestBody
		body.Content = map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/Declaration"}, Examples: samples}}
	}
	return nil
}

// addSample adds the kind's shortest sample.
func addSample(samples map[string]*huma.Example, kind *declare.Kind) error {
	files, err := fs.Glob(kind.Samples, "*.json")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("kind %s has no samples", kind.Name)
	}
	var shortest []byte
	for _, file := range files {
		body, err := fs.ReadFile(kind.Samples, file)
		if err != nil {
			return err
		}
		if shortest == nil || len(body) < len(shortest) {
			shortest = body
		}
	}
	samples[kind.Name] = &huma.Example{Summary: kind.Title.English, Value: json.RawMessage(shortest)}
	return nil
}

// relocated rewrites a schema's references into its own definitions.
func relocated(value any, kind string) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if reference, ok := member.(string); ok && name == "$ref" {
				v[name] = strings.Replace(reference, "#/$defs/", "#/components/schemas/"+kind+".", 1)
			} else {
				v[name] = relocated(member, kind)
			}
		}
	case []any:
		for i := range v {
			v[i] = relocated(v[i], kind)
		}
	}
	return value
}

// documentWords lists the words the ledger's states are told in.
func documentWords(document *huma.OpenAPI) error {
	schemas := document.Components.Schemas.Map()
	for _, words := range []struct {
		schema, property string
		are              []any
	}{
		{"FilingStatus", "decision", asAny(declare.Decisions)},
		{"FilingStatus", "delivery", asAny([]declare.Delivery{declare.DeliveryQueued, declare.DeliverySending, declare.DeliveryUnsure, declare.DeliveryDelivered, declare.DeliveryRefused, declare.DeliverySetAside})},
		{"Status", "status", asAny([]declare.Overall{declare.OverallProcessing, declare.OverallActionNeeded, declare.OverallHeld, declare.OverallCleared, declare.OverallClosed, declare.OverallRejected, declare.OverallCancelled})},
		{"WaitingFor", "who", asAny([]string{declare.WhoTrader, declare.WhoAgency, declare.WhoOperator, declare.WhoNobody})},
	} {
		schema := schemas[words.schema]
		if schema == nil || schema.Properties[words.property] == nil {
			return fmt.Errorf("no %s.%s", words.schema, words.property)
		}
		schema.Properties[words.property].Enum = words.are
	}
	return nil
}

func asAny[T ~string](words []T) []any {
	all := make([]any, len(words))
	for i, word := range words {
		all[i] = string(word)
	}
	return all
}

// documentExamples gives every success with a body its example.
func (a *api) documentExamples(document *huma.OpenAPI) error {
	for _, operation := range operationsOf(document) {
		for media, content := range operation.Responses[strconv.Itoa(operation.DefaultStatus)].Content {
			if media == "application/schema+json" || media == mediaXLSX {
				continue // the schemas stand among the components, and a workbook is no text
			}
			body, err := examples.ReadFile("examples/" + operation.OperationID + "." + path.Base(media))
			if err != nil {
				return err
			}
			if media == "application/json" {
				content.Example = json.RawMessage(body)
			} else {
				content.Example = string(body)
			}
		}
	}
	return nil
}

// documentNotices tells what huma cannot know: bodies that are XML, and a
// header that only our own code demands.
func documentNotices(document *huma.OpenAPI) error {
	body, err := examples.ReadFile("examples/notice.xml")
	if err != nil {
		return err
	}
	media := &huma.MediaType{Schema: &huma.Schema{Description: "A notice by the agency's own schema"}, Example: string(body)}
	document.Paths["/v1/agencies/{agency}/notices"].Post.RequestBody.Content = map[string]*huma.MediaType{"application/xml": media, "text/xml": media}
	for _, parameter := range document.Paths["/v1/declarations"].Post.Parameters {
		if parameter.Name == "Idempotency-Key" {
			parameter.Required = true
		}
	}
	return nil
}

func operationsOf(document *huma.OpenAPI) []*huma.Operation {
	var all []*huma.Operation
	for _, item := range document.Paths {
		for _, operation := range []*huma.Operation{item.Get, item.Post, item.Put} {
			if operation != nil {
				all = append(all, operation)
			}
		}
	}
	return all
}
