package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"singlewindow/declare"
	"singlewindow/declare/account"
)

// Problem is every answer that is not what was asked for (RFC 9457). It is
// the one shape for all of them.
type Problem struct {
	Type        string      `json:"type" doc:"/problems/ and the code"`
	Title       string      `json:"title" doc:"What the code means, in the language asked for"`
	Status      int         `json:"status" doc:"The HTTP status"`
	Detail      string      `json:"detail,omitempty" doc:"What to do about it"`
	Code        string      `json:"code" doc:"Never changes its meaning; decide by this"`
	RequestID   string      `json:"requestId" doc:"The X-Request-Id of this exchange; name it when you report an incident"`
	Declaration string      `json:"declaration,omitempty" doc:"With reference.used: the declaration that carries the reference"`
	Errors      []Complaint `json:"errors" doc:"What must be mended, all of it"`
}

// Complaint is one thing to mend. It never repeats the value at fault.
type Complaint struct {
	Code     string `json:"code" doc:"Never changes its meaning"`
	Pointer  string `json:"pointer" doc:"RFC 6901 pointer into the declaration; for parameters /query/… , /path/… or /header/…; empty for the whole"`
	Message  string `json:"message" doc:"In the language asked for"`
	Messages *Texts `json:"messages,omitempty" doc:"With lang=all: in every language"`
	Agency   string `json:"agency,omitempty" doc:"The agency that alone asks for this"`
	XMLPath  string `json:"xmlPath,omitempty" doc:"Where in the agency's XML"`
	Line     int    `json:"line,omitempty" doc:"Line in the agency's XML"`
}

// Error, GetStatus and ContentType make a Problem an error of huma's.
func (p *Problem) Error() string { return p.Code }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problems, whatever the client accepts.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// failure is a problem found by this package.
type failure struct {
	code   problemCode
	faults []declare.Fault
}

func (f *failure) Error() string { return string(f.code) }

// finding is what an error amounts to: a code, what to mend, and what the
// answer carries besides.
type finding struct {
	code        problemCode
	faults      []declare.Fault
	declaration string
	headers     map[string]string
}

// diagnose tells what an error of a handler or of the gateway amounts to.
// Everything unknown is internal.
func diagnose(err error) finding {
	var (
		own        *failure
		refusal    *declare.Refusal
		used       *declare.ReferenceUsed
		unreadable *declare.Unreadable
		lost       *lostBody
		idle       *notReady
		lacking    *missingScope
		soon       *tooSoon
	)
	about, isFile := batchFinding(err)
	switch {
	case isFile:
		return about
	case errors.As(err, &soon):
		return soon.finding()
	case errors.As(err, &own):
		return finding{code: own.code, faults: own.faults, headers: challenge(own.code)}
	case errors.As(err, &lacking):
		return lacking.finding()
	case errors.As(err, &refusal):
		return finding{code: codeOfRefusal(refusal.Faults), faults: declare.Refusals(refusal.Faults)}
	case errors.As(err, &used):
		return finding{code: codeReferenceUsed, declaration: used.DeclarationID, headers: map[string]string{"Location": addressOf(used.DeclarationID)},
			faults: []declare.Fault{{Code: string(codeReferenceUsed), Pointer: "/reference"}}}
	case errors.As(err, &unreadable):
		return noticeFinding(unreadable)
	case errors.Is(err, declare.ErrKeyInFlight):
		return finding{code: codeKeyInFlight, headers: map[string]string{"Retry-After": "1"}}
	case errors.Is(err, declare.ErrKeyReused):
		return finding{code: codeKeyReused}
	case errors.Is(err, declare.ErrMissing):
		return finding{code: codeResourceMissing}
	case errors.Is(err, account.ErrUnknown):
		return finding{code: codeCredentialUnknown, headers: challenge(codeCredentialUnknown)}
	case errors.As(err, &lost) && errors.Is(err, os.ErrDeadlineExceeded):
		return finding{code: codeBodyTimeout}
	case errors.As(err, &lost):
		return finding{code: codeBodyIncomplete}
	case errors.As(err, &idle), errors.Is(err, declare.ErrAgencyOff), unavailable(err):
		return finding{code: codeUnavailable, headers: map[string]string{"Retry-After": "2"}}
	}
	return finding{code: codeInternal}
}

// codeOfRefusal tells bad JSON from a bad declaration.
func codeOfRefusal(faults []declare.Fault) problemCode {
	code := codeJSONInvalid
	for _, fault := range declare.Refusals(faults) {
		if fault.Code == string(codeJSONTooLarge) {
			return codeJSONTooLarge
		}
		if !strings.HasPrefix(fault.Code, "json.") {
			code = codeDeclarationRefused
		}
	}
	return code
}

// noticeFinding tells what is not even XML from what an agency may not say.
func noticeFinding(unreadable *declare.Unreadable) finding {
	found := finding{code: codeNoticeUnreadable, faults: unreadable.Faults}
	switch {
	case unreadable.Code == "xml.tooLarge":
		found.code = codeNoticeTooLarge
	case strings.HasPrefix(unreadable.Code, "xml."):
		found.code = codeNoticeMalformed
	}
	if len(found.faults) == 0 {
		found.faults = []declare.Fault{{Code: unreadable.Code}}
	}
	return found
}

func challenge(code problemCode) map[string]string {
	switch code {
	case codeCredentialMissing:
		return map[string]string{"WWW-Authenticate": "Bearer"}
	case codeCredentialUnknown:
		return map[string]string{"WWW-Authenticate": `Bearer error="invalid_token"`}
	case codeStreamsTooMany:
		return map[string]string{"Retry-After": "10"}
	}
	return nil
}

// sqlError is PostgreSQL's code for an error, as this room needs to see it.
type sqlError interface {
	error
	SQLState() string
}

// unavailable tells whether the database, or the time to ask it, is what was
// missing: asking again later may help.
func unavailable(err error) bool {
	var server sqlError
	if errors.As(err, &server) && classOf(server) == "40" { // undone in favour of another transaction
		return true
	}
	return errors.Is(err, declare.ErrUnavailable) || errors.Is(err, declare.ErrStopped) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// classOf is the first part of PostgreSQL's code: the kind of error.
func classOf(err sqlError) string { return err.SQLState()[:min(2, len(err.SQLState()))] }

// problem renders a finding for whoever asked.
func (a *api) problem(who asker, found finding) *Problem {
	e := a.register[found.code]
	return &Problem{
		Type: "/problems/" + string(e.Code), Title: who.say(e.Title), Status: e.Status, Detail: who.say(e.Detail),
		Code: string(e.Code), RequestID: who.requestID, Declaration: found.declaration, Errors: a.complaints(who, found.code, found.faults),
	}
}

// complaints renders faults. One without a text of its own means what the
// problem's title says.
func (a *api) complaints(who asker, code problemCode, faults []declare.Fault) []Complaint {
	all := make([]Complaint, len(faults))
	for i, f := range faults {
		if f.Text.English == "" {
			f.Text = a.register[code].Title
		}
		all[i] = Complaint{Code: f.Code, Pointer: f.Pointer, Message: who.say(f.Text), Messages: who.sayAll(f.Text), Agency: f.Agency, XMLPath: f.XMLPath, Line: f.Line}
	}
	return all
}

// report logs what the client cannot mend, under the request id the client
// was told. PostgreSQL's data exceptions are named by code alone: their texts
// quote values. That the database is not available is told once by the gateway
// and not again for every request.
func (a *api) report(who asker, code problemCode, err error) {
	if code != codeInternal && code != codeUnavailable || err == nil || errors.Is(err, context.Canceled) || errors.Is(err, declare.ErrUnavailable) {
		return
	}
	attributes := []any{slog.String("requestId", who.requestID), slog.String("code", string(code))}
	if who.traceID != "" {
		attributes = append(attributes, slog.String("traceId", who.traceID))
	}
	var server sqlError
	if errors.As(err, &server) && classOf(server) == "22" {
		attributes = append(attributes, slog.String("sqlstate", server.SQLState()))
	} else {
		attributes = append(attributes, slog.String("error", err.Error()))
	}
	a.log.Error("request failed", attributes...)
}

// write answers with a problem outside huma: where there is no route, or a
// handler panicked.
func (a *api) write(w http.ResponseWriter, who asker, found finding) {
	problem := a.problem(who, found)
	mark(w, found.code)
	setHeaders(w.Header().Set, who, found.headers)
	w.Header().Set("Content-Type", problem.ContentType(""))
	w.WriteHeader(problem.Status)
	if err := json.NewEncoder(w).Encode(problem); err != nil {
		a.log.Debug("answer not read", "requestId", who.requestID, "error", err)
	}
}

func setHeaders(set func(name, value string), who asker, headers map[string]string) {
	set("Content-Language", who.language)
	for name, value := range headers {
		set(name, value)
	}
}

// humaProblem is what huma calls for its own errors and for those handlers
// give. The request knows its api, so that this needs no state.
func humaProblem(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
	r, ours := ctx.(*request)
	if !ours {
		return &Problem{Status: status}
	}
	found := diagnoseHuma(r, status, errs)
	problem := r.api.problem(r.asker, found)
	setHeaders(r.SetHeader, r.asker, found.headers)
	_, w := humago.Unwrap(r.exchange)
	mark(w, found.code)
	r.api.report(r.asker, found.code, errors.Join(errs...))
	return problem
}

// diagnoseHuma tells what huma means: it says it by status, and names
// parameters by location.
func diagnoseHuma(r *request, status int, errs []error) finding {
	switch status {
	case http.StatusBadRequest:
		if len(errs) > 0 { // there is a body, of no JSON
			return finding{code: codeJSONInvalid, faults: []declare.Fault{{Code: string(codeJSONInvalid)}}}
		}
		return finding{code: codeBodyMissing}
	case http.StatusRequestTimeout:
		return finding{code: codeBodyTimeout}
	case http.StatusRequestEntityTooLarge:
		code := problemCode(r.Operation().Metadata[metadataTooLarge].(string))
		return finding{code: code, faults: []declare.Fault{{Code: string(code)}}}
	case http.StatusUnprocessableEntity:
		return parameterFinding(errs)
	}
	return diagnose(errors.Join(errs...))
}

// parameterFinding points at each parameter at fault: huma's own texts may
// quote values and speak one language only.
func parameterFinding(errs []error) finding {
	found := finding{code: codeParameterInvalid}
	for _, err := range errs {
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			found.faults = append(found.faults, declare.Fault{Code: string(codeParameterInvalid), Pointer: pointerOf(detail.Location)})
		}
	}
	return found
}

// listEntry is a parameter's entry in huma's path.
var listEntry = regexp.MustCompile(`^(.+)\[(\d+)\]$`)

// pointerOf reads huma's path of a parameter, query.limit, of an entry of one
// that is a list, query.status[0], or of a place in a body, body.scopes[0].
func pointerOf(location string) string {
	in, name, found := strings.Cut(location, ".")
	switch {
	case !found:
		return "/" + in
	case in == "body":
		return "/" + in + "/" + strings.NewReplacer("~", "~0", "/", "~1", ".", "/", "[", "/", "]", "").Replace(name)
	}
	if entry := listEntry.FindStringSubmatch(name); entry != nil {
		return "/" + in + "/" + escapePointer(entry[1]) + "/" + entry[2]
	}
	return "/" + in + "/" + escapePointer(name)
}

// escapePointer escapes one reference token as RFC 6901 says.
func escapePointer(token string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
}
