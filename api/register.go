package api

import (
	_ "embed"
	"fmt"
	"net/http"

	"github.com/goccy/go-yaml"

	"singlewindow/declare"
)

// problemsYAML holds what the API answers with, faultsYAML what stands in the
// errors of these answers.
//
//go:embed problems.yaml
var problemsYAML []byte

//go:embed faults.yaml
var faultsYAML []byte

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
	codeKeyInFlight        problemCode = "idempotency.inFlight"
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
	codeScopeMissing       problemCode = "scope.missing"
	codeKeysTooMany        problemCode = "key.tooMany"
	codeKeyEnded           problemCode = "key.ended"
	codeBodyTooLarge       problemCode = "body.tooLarge"
	codeNoticeWrongAgency  problemCode = "notice.wrongAgency"
	codeNoticeTooLarge     problemCode = "notice.tooLarge"
	codeNoticeMalformed    problemCode = "notice.malformed"
	codeNoticeUnreadable   problemCode = "notice.unreadable"
	codeStreamsTooMany     problemCode = "streams.tooMany"
	codeBatchTooLarge      problemCode = "batch.tooLarge"
	codeBatchNoTable       problemCode = "batch.noTable"
	codeMappingRefused     problemCode = "mapping.refused"
	codeMappingTooLarge    problemCode = "mapping.tooLarge"
	codeWebhookRefused     problemCode = "webhook.refused"
	codeWebhookTooLarge    problemCode = "webhook.tooLarge"
	codeWebhookTooMany     problemCode = "webhook.tooMany"
	codeWebhookOff         problemCode = "webhook.off"
	codeLimitRequests      problemCode = "limit.requests"
	codeLimitBytes         problemCode = "limit.bytes"
	codeLimitItems         problemCode = "limit.items"
	codeLimitConcurrent    problemCode = "limit.concurrent"
	codeCredentialTooMany  problemCode = "auth.tooMany"
	codeOverloaded         problemCode = "overloaded"
	codeUnavailable        problemCode = "unavailable"
	codeInternal           problemCode = "internal"
)

// entry is what the register says of a code.
type entry struct {
	Code   problemCode  `yaml:"code"`
	Status int          `yaml:"status"` // 0: not an answer, but a fault that stands in one
	Title  declare.Text `yaml:"title"`
	Detail declare.Text `yaml:"detail"`
	Cause  declare.Text `yaml:"cause"`
	Cure   declare.Text `yaml:"cure"`

	Declaration string         `yaml:"declaration"` // of the example
	Example     []exampleFault `yaml:"example"`

	In problemCode `yaml:"in"` // of a fault: the problem whose errors hold it, or inBatch
	At string      `yaml:"at"` // of a fault: where it may be

	rule *declare.RuleText // whose text it is; nil for all but rules
}

// inBatch stands where a fault is no problem's: a batch is answered 200 and
// says in its errors, and those of its rows, what is wrong.
const inBatch problemCode = "batch"

// exampleFault is an entry of errors in an example.
type exampleFault struct {
	Code    problemCode `yaml:"code"`
	Pointer string      `yaml:"pointer"`
	XMLPath string      `yaml:"xmlPath"`
	Line    int         `yaml:"line"`
}

// register holds every problem, and every fault that no rule file has, by its
// code.
type register map[problemCode]entry

func loadRegister(sources ...[]byte) (register, error) {
	all := register{}
	for _, source := range sources {
		var entries []entry
		if err := yaml.UnmarshalWithOptions(source, &entries, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("register: %w", err)
		}
		for _, e := range entries {
			if _, twice := all[e.Code]; twice {
				return nil, fmt.Errorf("register: %s stands twice", e.Code)
			}
			if !e.complete() {
				return nil, fmt.Errorf("register: %s lacks a status of an error, its place or a text", e.Code)
			}
			all[e.Code] = e
		}
	}
	return all, nil
}

func (e entry) complete() bool {
	answer := e.In == "" && e.Status >= 400 && http.StatusText(e.Status) != ""
	fault := e.In != "" && e.Status == 0
	whole := func(text declare.Text) bool { return (text.English == "") == (text.Chinese == "") }
	return (answer || fault) && e.Title.English != "" && whole(e.Title) && whole(e.Detail) && whole(e.Cause) && whole(e.Cure)
}
