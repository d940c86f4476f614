package api

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"

	"github.com/goccy/go-yaml"

	"singlewindow/declare"
)

//go:embed problems.yaml
var problemsYAML []byte

// problemCode names a problem for good. Each is in problems.yaml.
type problemCode string

const (
	codeJSONInvalid        problemCode = "json.invalid"
	codeJSONTooLarge       problemCode = "json.tooLarge"
	codeDeclarationRefused problemCode = "declaration.refused"
	codeReferenceUsed      problemCode = "reference.used"
	codeIdempotencyMissing problemCode = "idempotency.missing"
	codeIdempotencyInvalid problemCode = "idempotency.invalid"
	codeKeyReused          problemCode = "idempotency.keyReused"
	codeResourceMissing    problemCode = "resource.missing"
	codeRouteMissing       problemCode = "route.missing"
	codeMethodNotAllowed   problemCode = "method.notAllowed"
	codeAcceptUnsupported  problemCode = "accept.unsupported"
	codeBodyUnsupported    problemCode = "body.unsupported"
	codeBodyMissing        problemCode = "body.missing"
	codeBodyIncomplete     problemCode = "body.incomplete"
	codeBodyTimeout        problemCode = "body.timeout"
	codeParameterInvalid   problemCode = "parameter.invalid"
	codeCredentialMissing  problemCode = "auth.missing"
	codeCredentialUnknown  problemCode = "auth.unknown"
	codeNoticeWrongAgency  problemCode = "notice.wrongAgency"
	codeNoticeTooLarge     problemCode = "notice.tooLarge"
	codeNoticeMalformed    problemCode = "notice.malformed"
	codeNoticeUnreadable   problemCode = "notice.unreadable"
	codeStreamsTooMany     problemCode = "streams.tooMany"
	codeBatchTooLarge      problemCode = "batch.tooLarge"
	codeBatchNoTable       problemCode = "batch.noTable"
	codeMappingRefused     problemCode = "mapping.refused"
	codeMappingTooLarge    problemCode = "mapping.tooLarge"
	codeUnavailable        problemCode = "unavailable"
	codeInternal           problemCode = "internal"
)

// entry is what the register says of a problem.
type entry struct {
	Code   problemCode  `yaml:"code"`
	Status int          `yaml:"status"`
	Title  declare.Text `yaml:"title"`
	Detail declare.Text `yaml:"detail"`
}

// register holds every problem by its code.
type register map[problemCode]entry

func loadRegister(source []byte) (register, error) {
	var entries []entry
	if err := yaml.UnmarshalWithOptions(source, &entries, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("problems.yaml: %w", err)
	}
	all := register{}
	for _, e := range entries {
		if _, twice := all[e.Code]; twice {
			return nil, fmt.Errorf("problems.yaml: %s stands twice", e.Code)
		}
		if http.StatusText(e.Status) == "" || e.Status < 400 || e.Title.English == "" || e.Title.Chinese == "" || (e.Detail.English == "") != (e.Detail.Chinese == "") {
			return nil, fmt.Errorf("problems.yaml: %s lacks a status of an error or a text", e.Code)
		}
		all[e.Code] = e
	}
	return all, nil
}

func (a *api) registerProblems() {
	handle(a, a.operation(route{
		id: "get-problem", method: http.MethodGet, path: "/problems/{code}", tag: "Problems",
		summary:     "What a problem means",
		description: "Where the type of every problem leads.",
		problems:    []problemCode{codeResourceMissing},
	}), a.explain)
}

type problemInput struct {
	Caller
	Code string `path:"code" doc:"The problem's code" example:"declaration.refused"`
}

// Explanation says what a problem means, whenever it occurs.
type Explanation struct {
	Code   string `json:"code"`
	Status int    `json:"status"`
	Title  string `json:"title" doc:"In the language asked for"`
	Detail string `json:"detail,omitempty" doc:"What to do about it"`
}

type explanationOutput struct{ Body Explanation }

func (a *api) explain(_ context.Context, in *problemInput) (*explanationOutput, error) {
	e, known := a.register[problemCode(in.Code)]
	if !known {
		return nil, declare.ErrMissing
	}
	who := in.request.asker
	return &explanationOutput{Explanation{string(e.Code), e.Status, who.say(e.Title), who.say(e.Detail)}}, nil
}
