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
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/goccy/go-yaml"

	"singlewindow/declare"
	"singlewindow/declare/account"
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

	status   int            // of success; 200 when not said
	media    string         // of success; application/json when not said
	also     string         // another media type of success, on demand
	security string         // tenantKey, agencyCredential, or nobody's
	scope    account.Scopes // with tenantKey: what the key must allow; 0: any key may
	problems []problemCode  // besides those every operation may answer with
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
			media.Schema = bytesOf(r.media)
		}
		success.Content = map[string]*huma.MediaType{r.media: media}
		given := []string{r.media}
		if r.also != "" {
			success.Content[r.also] = &huma.MediaType{Schema: bytesOf(r.also)}
			given = append(given, r.also)
		}
		operation.Middlewares = append(operation.Middlewares, a.gives(given...))
	}
	operation.Responses[strconv.Itoa(r.status)] = success

	codes := append(slices.Clone(r.problems), codeParameterInvalid, codeAcceptUnsupported, codeInternal, codeUnavailable, codeOverloaded)
	switch r.security {
	case tenantKey:
		operation.Middlewares = append(operation.Middlewares, a.tenantOnly(r.scope))
		operation.Security = append(operation.Security, map[string][]string{tenantKey: r.scope.Names()}, map[string][]string{accessToken: r.scope.Names()})
		codes = append(codes, codeLimitRequests, codeLimitBytes, codeLimitItems, codeLimitConcurrent)
		if r.scope != 0 {
			codes = append(codes, codeScopeMissing)
		}
	case agencyCredential:
		operation.Middlewares = append(operation.Middlewares, a.agencyOnly)
		operation.Security = append(operation.Security, map[string][]string{agencyCredential: {}})
	}
	if r.security != "" {
		codes = append(codes, codeCredentialMissing, codeCredentialUnknown, codeCredentialTooMany)
	}
	a.documentProblems(&operation, codes)
	if r.security == tenantKey {
		documentLimits(&operation)
	}
	return operation
}

// bytesOf is the schema of an answer that is not JSON of ours: the bytes
// themselves, where huma would say base64.
func bytesOf(media string) *huma.Schema {
	switch media {
	case "application/schema+json":
		return &huma.Schema{Type: huma.TypeObject}
	case mediaXLSX:
		return &huma.Schema{Type: huma.TypeString, Format: "binary"}
	}
	return &huma.Schema{Type: huma.TypeString}
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
			Value:   a.exampleProblem(a.register[code], "en"),
		}
	}
}

// serveDocument completes the document and serves it as it stands then.
func (a *api) serveDocument() error {
	document := a.huma.OpenAPI()
	document.Info.Description = "One declaration in, every agency informed, one answer back. Problems are application/problem+json; decide by their code."
	document.Info.License = &huma.License{Name: "Apache-2.0", URL: "https://www.apache.org/licenses/LICENSE-2.0"}
	document.Tags = []*huma.Tag{{Name: "Declarations"}, {Name: "Batches"}, {Name: "Events"}, {Name: "Webhooks"}, {Name: "Agencies"}, {Name: "Kinds"}, {Name: "Code lists"}, {Name: "Statistics"}, {Name: "Keys"}, {Name: "Test world"}, {Name: "Problems"}, {Name: "Health"}}
	document.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		tenantKey:        {Type: "http", Scheme: "bearer", BearerFormat: "sw_live_…", Description: "An enterprise's API key, with the scopes named by the operation; sw_test_… is one of the test world, where every answer carries Singlewindow-World: test"},
		accessToken:      {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token of the issuer that the gateway is configured with, by OAuth 2 client credentials; its claim scope holds the scopes named by the operation"},
		agencyCredential: {Type: "http", Scheme: "bearer", BearerFormat: "swa_…", Description: "An agency's credential: good for its own notices"},
	}
	for _, complete := range []func(*huma.OpenAPI) error{a.documentKinds, documentWords, a.documentExamples, documentNotices, a.documentFiles, documentOrders, a.documentWebhooks, documentParameters} {
		if err := complete(document); err != nil {
			return fmt.Errorf("openapi: %w", err)
		}
	}
	a.serveWritten("/openapi.json", "application/openapi+json", func() ([]byte, error) { return json.Marshal(document) })
	a.serveWritten("/openapi.yaml", "application/openapi+yaml", document.YAML)
	return a.serveDocs(document)
}

// serveWritten serves what is written when it is asked for first: to write the
// document takes longer than all else that a gateway's start does here.
func (a *api) serveWritten(at, media string, write func() ([]byte, error)) {
	written := sync.OnceValues(write)
	a.mux.HandleFunc("GET "+at, func(w http.ResponseWriter, r *http.Request) {
		body, err := written()
		if err != nil {
			panic(err) // of what was built in
		}
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
		{"Status", "status", asAny(declare.Overalls)},
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
			if media == mediaXLSX {
				continue // a workbook is no text
			}
			body, err := examples.ReadFile("examples/" + operation.OperationID + "." + path.Base(media))
			if err != nil {
				return err
			}
			if strings.HasSuffix(media, "json") {
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
	for _, operation := range operationsOf(document) {
		for _, parameter := range operation.Parameters {
			parameter.Required = parameter.Required || parameter.Name == headerIdempotencyKey
		}
	}
	return nil
}

// documentParameters gives every parameter its example: the one at its field,
// or in parameters.yaml, else its usual value or the first it may have.
func documentParameters(document *huma.OpenAPI) error {
	source, err := examples.ReadFile("examples/parameters.yaml")
	if err != nil {
		return err
	}
	var kept map[string]any
	if err := yaml.Unmarshal(source, &kept); err != nil {
		return err
	}
	for _, operation := range operationsOf(document) {
		for _, parameter := range operation.Parameters {
			example, known := kept[parameter.Name]
			schema := parameter.Schema
			switch {
			case parameter.Example != nil:
			case len(schema.Examples) > 0:
				parameter.Example = schema.Examples[0]
			case known:
				parameter.Example = example
			case schema.Default != nil:
				parameter.Example = schema.Default
			case len(schema.Enum) > 0:
				parameter.Example = schema.Enum[0]
			}
		}
	}
	return nil
}

func operationsOf(document *huma.OpenAPI) []*huma.Operation {
	var all []*huma.Operation
	for _, item := range document.Paths {
		for _, operation := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete, item.Head, item.Options} {
			if operation != nil {
				all = append(all, operation)
			}
		}
	}
	return all
}
