package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"singlewindow/declare"
)

// Slow lines may take this long to bring the longest declaration.
const declarationReadTimeout = 30 * time.Second

var (
	declarationID  = regexp.MustCompile(`^dec_[0-9A-HJKMNP-TV-Z]{26}$`)
	idempotencyKey = regexp.MustCompile(`^[\x21-\x7e]{1,255}$`)
)

func addressOf(id string) string { return "/v1/declarations/" + id }

func (a *api) registerDeclarations() {
	submit := a.operation(route{
		id: "submit-declaration", method: http.MethodPost, path: "/v1/declarations", status: http.StatusAccepted, tag: "Declarations",
		summary: "File a declaration",
		description: "Checks the declaration, makes every agency's message and writes all of it down. 202 means: on disk, every message valid, nothing sent yet. " +
			"Everything that must be mended is told at once, for all agencies. Asked again with the same key and body, the answer is the same and carries Idempotent-Replayed: true.",
		security: tenantKey,
		problems: []problemCode{codeJSONInvalid, codeJSONTooLarge, codeDeclarationRefused, codeReferenceUsed, codeIdempotencyMissing, codeIdempotencyInvalid, codeKeyReused,
			codeBodyUnsupported, codeBodyMissing, codeBodyIncomplete, codeBodyTimeout},
	})
	takesDeclaration(a, &submit)
	handle(a, submit, a.submit)

	validate := a.operation(route{
		id: "validate-declaration", method: http.MethodPost, path: "/v1/declarations:validate", tag: "Declarations",
		summary:     "Try a declaration without filing it",
		description: "Does what filing does, up to the point where something would be written down: every agency's XML and every fault. A declaration with faults is answered 200 with valid false: that is the answer.",
		security:    tenantKey,
		problems:    []problemCode{codeJSONTooLarge, codeBodyUnsupported, codeBodyMissing, codeBodyIncomplete, codeBodyTimeout},
	})
	takesDeclaration(a, &validate)
	handle(a, validate, a.validate)

	handle(a, a.operation(route{
		id: "find-declarations", method: http.MethodGet, path: "/v1/declarations", tag: "Declarations",
		summary:     "Find declarations",
		description: "The declarations with this reference, or with this number: an agency's own, a bill, a container, a voyage. Without either, the latest ones. Latest first.",
		security:    tenantKey,
	}), a.find)

	handle(a, a.operation(route{
		id: "get-declaration", method: http.MethodGet, path: "/v1/declarations/{id}", tag: "Declarations",
		summary:     "Where a declaration stands",
		description: "Its one overall status, whose move it is, and each agency's decision, numbers and errors.",
		security:    tenantKey,
		problems:    []problemCode{codeResourceMissing},
	}), a.get)

	handle(a, a.operation(route{
		id: "get-message", method: http.MethodGet, path: "/v1/declarations/{id}/messages/{agency}", tag: "Declarations", media: "application/xml",
		summary:     "The XML an agency gets",
		description: "The exact bytes that were, or are to be, sent.",
		security:    tenantKey,
		problems:    []problemCode{codeResourceMissing},
	}), a.message)
}

// takesDeclaration sets what holds for bodies that are declarations: the
// gateway reads them, not huma. The bound is one more than the longest
// declaration there is, because huma refuses a body that reaches it.
func takesDeclaration(a *api, operation *huma.Operation) {
	operation.MaxBodyBytes = declare.MostBytes + 1
	operation.BodyReadTimeout = declarationReadTimeout
	operation.SkipValidateBody = true
	operation.Metadata = map[string]any{metadataTooLarge: string(codeJSONTooLarge)}
	operation.Middlewares = append(operation.Middlewares, a.takes("application/json"))
}

type submitInput struct {
	Caller
	Key     string `header:"Idempotency-Key" doc:"1 to 255 visible ASCII characters, new for each declaration; under the same key nothing is filed twice" example:"9b2f6a2e-7c1d-4f58-9a53-0d5c7a1f2b11"`
	RawBody []byte `contentType:"application/json"`
}

type receiptOutput struct {
	Location string `header:"Location" doc:"Where the declaration is found from now on"`
	Replayed string `header:"Idempotent-Replayed" doc:"true: this is the answer to an earlier request under this key"`
	Body     declare.Status
}

func (a *api) submit(ctx context.Context, in *submitInput) (*receiptOutput, error) {
	if in.Key == "" {
		return nil, &failure{code: codeIdempotencyMissing}
	}
	if !idempotencyKey.MatchString(in.Key) {
		return nil, &failure{code: codeIdempotencyInvalid}
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
	Reference string `query:"reference" maxLength:"35" doc:"The trader's own reference" example:"ACME-2026-0001"`
	Number    string `query:"number" maxLength:"100" doc:"Any number the declaration is known by"`
	Limit     int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most so many"`
}

type foundOutput struct {
	Body struct {
		Declarations []declare.Status `json:"declarations"`
	}
}

func (a *api) find(ctx context.Context, in *findInput) (*foundOutput, error) {
	out := &foundOutput{}
	out.Body.Declarations = []declare.Status{}
	if !legible(in.Reference) || !legible(in.Number) {
		return out, nil // nothing carries such a number
	}
	found, err := a.gateway.Find(ctx, in.request.tenant, in.Reference, in.Number, in.Limit)
	if err != nil {
		return nil, err
	}
	out.Body.Declarations = append(out.Body.Declarations, found[:min(len(found), in.Limit)]...)
	return out, nil
}

type declarationInput struct {
	Caller
	ID string `path:"id" doc:"The declaration's id" example:"dec_01KDTP3X8Q0000000000000001"`
}

type statusOutput struct{ Body declare.Status }

func (a *api) get(ctx context.Context, in *declarationInput) (*statusOutput, error) {
	if !declarationID.MatchString(in.ID) {
		return nil, declare.ErrMissing
	}
	status, err := a.gateway.Status(ctx, in.request.tenant, in.ID)
	return &statusOutput{status}, err
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
