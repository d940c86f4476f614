package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"singlewindow/declare"
	"singlewindow/declare/account"
)

// Slow lines may take this long to bring the longest declaration.
const declarationReadTimeout = 30 * time.Second

var declarationID = regexp.MustCompile(`^dec_[0-9A-HJKMNP-TV-Z]{26}$`)

func addressOf(id string) string { return "/v1/declarations/" + id }

func (a *api) registerDeclarations() {
	submit := a.operation(route{
		id: "submit-declaration", method: http.MethodPost, path: "/v1/declarations", status: http.StatusAccepted, tag: "Declarations",
		summary: "File a declaration",
		description: "Checks the declaration, makes every agency's message and writes all of it down. 202 means: on disk, every message valid, nothing sent yet. " +
			"Everything that must be mended is told at once, for all agencies. Asked again with the same key and body, the answer is the same and carries Idempotent-Replayed: true.",
		security: tenantKey, scope: account.WriteDeclarations,
		problems: []problemCode{codeJSONInvalid, codeJSONTooLarge, codeDeclarationRefused, codeReferenceUsed, codeIdempotencyMissing, codeIdempotencyInvalid, codeKeyReused, codeKeyInFlight,
			codeBodyUnsupported, codeBodyMissing, codeBodyIncomplete, codeBodyTimeout},
	})
	takesDeclaration(a, &submit)
	handle(a, submit, a.submit)

	validate := a.operation(route{
		id: "validate-declaration", method: http.MethodPost, path: "/v1/declarations:validate", tag: "Declarations",
		summary:     "Try a declaration without filing it",
		description: "Does what filing does, up to the point where something would be written down: every agency's XML and every fault. A declaration with faults is answered 200 with valid false: that is the answer.",
		security:    tenantKey, scope: account.WriteDeclarations,
		problems: []problemCode{codeJSONTooLarge, codeBodyUnsupported, codeBodyMissing, codeBodyIncomplete, codeBodyTimeout},
	})
	takesDeclaration(a, &validate)
	handle(a, validate, a.validate)

	handle(a, a.operation(route{
		id: "find-declarations", method: http.MethodGet, path: "/v1/declarations", tag: "Declarations",
		summary: "Find declarations",
		description: "Those of your declarations that every parameter agrees with, the latest received first, a page at a time: ask again with after set to next. " +
			"What is filed meanwhile comes before the first page and moves nothing on the others. A number is looked for exactly as it is written, without spaces around it.",
		security: tenantKey, scope: account.ReadDeclarations,
	}), a.find)

	get := a.operation(route{
		id: "get-declaration", method: http.MethodGet, path: "/v1/declarations/{id}", tag: "Declarations",
		summary:     "Where a declaration stands",
		description: "Its one overall status, whose move it is, and each agency's decision, numbers and errors. The ETag saves reading the same twice.",
		security:    tenantKey, scope: account.ReadDeclarations,
		problems: []problemCode{codeResourceMissing},
	})
	get.Responses["200"].Content["application/json"].Schema = a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[declare.Status](), true, "")
	get.Responses["304"] = &huma.Response{Description: "It stands as If-None-Match knows it"}
	handle(a, get, a.get)

	handle(a, a.operation(route{
		id: "get-message", method: http.MethodGet, path: "/v1/declarations/{id}/messages/{agency}", tag: "Declarations", media: "application/xml",
		summary:     "The XML an agency gets",
		description: "The exact bytes that were, or are to be, sent.",
		security:    tenantKey, scope: account.ReadDeclarations,
		problems: []problemCode{codeResourceMissing},
	}), a.message)
}

// takesDeclaration sets what holds for bodies that are declarations: the
// gateway reads them, not huma. The bound is one more than the longest
// declaration there is, because huma refuses a body that reaches it.
func takesDeclaration(a *api, operation *huma.Operation) {
	operation.MaxBodyBytes = declare.MostBytes + 1
	operation.BodyReadTimeout = declarationReadTimeout
	operation.SkipValidateBody = true
	operation.Metadata = map[string]any{metadataTooLarge: string(codeJSONTooLarge), metadataItems: 1}
	operation.Middlewares = append(operation.Middlewares, a.takes("application/json"))
}

type submitInput struct {
	Caller
	Once
	RawBody []byte `contentType:"application/json"`
}

type receiptOutput struct {
	Location string `header:"Location" doc:"Where the declaration is found from now on"`
	Replayed string `header:"Idempotent-Replayed" doc:"true: this is the answer to an earlier request under this key"`
	Body     declare.Status
}

func (a *api) submit(ctx context.Context, in *submitInput) (*receiptOutput, error) {
	if err := in.judge(); err != nil {
		return nil, err
	}
	// The gateway may still hold the body when this call has given up, and
	// huma uses its buffer again: hand over a copy.
	receipt, err := a.gateway.Submit(ctx, declare.Submission{Tenant: in.request.tenant, Key: in.Key, Body: slices.Clone(in.RawBody)})
	if err != nil {
		return nil, err
	}
	out := &receiptOutput{Location: addressOf(receipt.ID), Body: receipt.Status}
	if receipt.Replayed {
		out.Replayed = "true"
	}
	return out, nil
}

type validateInput struct {
	Caller
	RawBody []byte `contentType:"application/json"`
}

// Examination is the answer to a dry run.
type Examination struct {
	Valid    bool              `json:"valid" doc:"Filing this declaration now would be answered 202, unless its reference is used"`
	Messages []RenderedMessage `json:"messages" doc:"What each agency would get; agencies whose message has faults are missing"`
	Errors   []Complaint       `json:"errors" doc:"What must be mended"`
	Warnings []Complaint       `json:"warnings" doc:"What is worth a look and refuses nothing"`
}

// RenderedMessage is what one agency would get.
type RenderedMessage struct {
	Agency string `json:"agency"`
	XML    string `json:"xml"`
}

type examinationOutput struct{ Body Examination }

func (a *api) validate(ctx context.Context, in *validateInput) (*examinationOutput, error) {
	examined, err := a.gateway.Validate(ctx, in.RawBody)
	if err != nil {
		return nil, err
	}
	var refusals, advice []declare.Fault
	for _, fault := range examined.Faults {
		if fault.Advice {
			advice = append(advice, fault)
		} else {
			refusals = append(refusals, fault)
		}
	}
	out := &examinationOutput{Examination{
		Valid: len(refusals) == 0, Messages: []RenderedMessage{},
		Errors: a.complaints(in.request.asker, codeDeclarationRefused, refusals), Warnings: a.complaints(in.request.asker, codeDeclarationRefused, advice),
	}}
	for _, message := range examined.Messages {
		out.Body.Messages = append(out.Body.Messages, RenderedMessage{message.Agency, string(message.Body)})
	}
	return out, nil
}

type findInput struct {
	Caller
	Reference string   `query:"reference" maxLength:"35" doc:"The trader's own reference" example:"ACME-2026-0001"`
	Number    string   `query:"number" maxLength:"100" doc:"Any number a declaration is known by: its id or reference, a number an agency gave (an MRN, 统一编号, 报关单号), a UCR, a bill, a container, a seal, a voyage, an IMO number with or without IMO before it, a contract, an invoice, a licence" example:"MSKU1234565"`
	Status    []string `query:"status" enum:"processing,actionNeeded,held,cleared,closed,rejected,cancelled" maxItems:"7" doc:"In one of these statuses, separated by commas" example:"cleared,closed"`
	Agency    string   `query:"agency" maxLength:"63" doc:"Filed to this agency, by its name in /v1/agencies"`
	Kind      string   `query:"kind" maxLength:"63" doc:"Of this kind" example:"goods"`
	Port      string   `query:"port" maxLength:"17" doc:"Of goods that pass this port or office" example:"3712"`
	From      string   `query:"from" maxLength:"35" doc:"Received on this day (UTC) or from this moment on" example:"2026-03-01"`
	To        string   `query:"to" maxLength:"35" doc:"Received on or before this day (UTC), or before this moment" example:"2026-03-31"`
	After     string   `query:"after" maxLength:"100" doc:"next of the page before" example:"AQAGTAD8wkzYZGVjXzAxS0RUUDNYOFEwMDAwMDAwMDAwMDAwMDAx"`
	Limit     int      `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most so many"`
}

type foundOutput struct {
	Body struct {
		Declarations []declare.Status `json:"declarations"`
		Next         string           `json:"next,omitempty" doc:"Opaque; ask again with after set to this. Absent: that was all"`
	}
}

func (a *api) find(ctx context.Context, in *findInput) (*foundOutput, error) {
	out := &foundOutput{}
	out.Body.Declarations = []declare.Status{}
	question, err := in.question()
	if err != nil {
		return nil, err
	}
	for _, text := range []string{in.Reference, in.Number, in.Agency, in.Kind, in.Port} {
		if !legible(text) {
			return out, nil // no declaration says so
		}
	}
	listing, err := a.gateway.Find(ctx, question)
	if errors.Is(err, declare.ErrCursor) {
		return nil, invalidParameters("/query/after")
	}
	if err != nil {
		return nil, err
	}
	out.Body.Declarations = append(out.Body.Declarations, listing.Declarations...)
	out.Body.Next = listing.Next
	return out, nil
}

func (in *findInput) question() (declare.Question, error) {
	q := declare.Question{
		Tenant: in.request.tenant, Reference: in.Reference, Number: in.Number, Agency: in.Agency, Kind: in.Kind, Port: in.Port, After: in.After, Limit: in.Limit,
	}
	for _, status := range in.Status {
		q.Statuses = append(q.Statuses, declare.Overall(status))
	}
	var wrong []string
	var good bool
	if q.From, good = moment(in.From, false); !good {
		wrong = append(wrong, "/query/from")
	}
	if q.To, good = moment(in.To, true); !good {
		wrong = append(wrong, "/query/to")
	}
	return q, invalidParameters(wrong...)
}

// moment reads a day, which is a moment when it begins or, as the last of a
// period, when it ends; or a moment. Nothing is the zero time.
func moment(text string, last bool) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if last {
			day = day.AddDate(0, 0, 1)
		}
		return day, true
	}
	// A plus sign that was not escaped has become a space.
	at, err := time.Parse(time.RFC3339, strings.Replace(text, " ", "+", 1))
	return at.UTC(), err == nil
}

// invalidParameters is the problem of parameters at these pointers, nil when
// there are none.
func invalidParameters(pointers ...string) error {
	if len(pointers) == 0 {
		return nil
	}
	problem := &failure{code: codeParameterInvalid}
	for _, pointer := range pointers {
		problem.faults = append(problem.faults, declare.Fault{Code: string(codeParameterInvalid), Pointer: pointer})
	}
	return problem
}

type declarationInput struct {
	Caller
	ID          string `path:"id" doc:"The declaration's id" example:"dec_01KDTP3X8Q0000000000000001"`
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an earlier answer: 304 when it would be the same"`
}

type statusOutput struct {
	Status       int
	ContentType  string `header:"Content-Type"`
	ETag         string `header:"ETag" doc:"Changes with every byte of the answer"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

func (a *api) get(ctx context.Context, in *declarationInput) (*statusOutput, error) {
	if !declarationID.MatchString(in.ID) {
		return nil, declare.ErrMissing
	}
	status, err := a.gateway.Status(ctx, in.request.tenant, in.ID)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := huma.DefaultJSONFormat.Marshal(&body, status); err != nil {
		return nil, err
	}
	// The bytes themselves are hashed: attempts and places in a queue change
	// them without an event of the declaration.
	digest := sha256.Sum256(body.Bytes())
	out := &statusOutput{
		Status: http.StatusOK, ContentType: "application/json", CacheControl: "private, no-cache",
		ETag: `"` + hex.EncodeToString(digest[:16]) + `"`, Body: body.Bytes(),
	}
	if matches(in.IfNoneMatch, out.ETag) {
		out.Status, out.ContentType, out.Body = http.StatusNotModified, "", nil
	}
	return out, nil
}

type messageInput struct {
	Caller
	ID     string `path:"id" doc:"The declaration's id" example:"dec_01KDTP3X8Q0000000000000001"`
	Agency string `path:"agency" doc:"The agency's name, as in /v1/agencies"`
}

type messageOutput struct {
	ContentType string `header:"Content-Type"`
	MessageID   string `header:"X-Message-Id" doc:"The message's id, which is its delivery id"`
	Digest      string `header:"Repr-Digest" doc:"RFC 9530: sha-256 of the bytes"`
	Body        []byte
}

func (a *api) message(ctx context.Context, in *messageInput) (*messageOutput, error) {
	if !declarationID.MatchString(in.ID) || !legible(in.Agency) {
		return nil, declare.ErrMissing
	}
	message, err := a.gateway.Message(ctx, in.request.tenant, in.ID, in.Agency)
	if err != nil {
		return nil, err
	}
	return &messageOutput{
		ContentType: "application/xml", MessageID: message.ID, Body: message.Body,
		Digest: "sha-256=:" + base64.StdEncoding.EncodeToString(message.Digest) + ":",
	}, nil
}

// legible tells whether the database can hold a text at all.
func legible(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
