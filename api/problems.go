package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"singlewindow/declare"
)

func (a *api) registerProblems() {
	one := a.operation(route{
		id: "get-problem", method: http.MethodGet, path: "/problems/{code}", tag: "Problems", also: mediaHTML,
		summary: "What a code means",
		description: "Where the type of every problem leads: its cause, an example and its cure. Also for each code that stands in errors, those of the rules of kinds and agencies among them. " +
			"With Accept: text/html, as browsers send it, a page to read.",
		problems: []problemCode{codeResourceMissing},
	})
	one.Responses["200"].Content["application/json"].Schema = a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Explanation](), true, "")
	handle(a, one, a.explain)

	list := a.operation(route{
		id: "list-problems", method: http.MethodGet, path: "/problems", tag: "Problems", also: mediaHTML,
		summary:     "Every code there is",
		description: "Those of problems, those that stand in their errors, and those of the rules of kinds and agencies, by code. None is ever used for anything else.",
	})
	list.Responses["200"].Content["application/json"].Schema = a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[ProblemList](), true, "")
	handle(a, list, a.listProblems)
}

const mediaHTML = "text/html"

// Explanation says what a code means, whenever it occurs.
type Explanation struct {
	Code    string          `json:"code"`
	Status  int             `json:"status" doc:"Of the answer that carries it; 200 where it refuses nothing, and in a batch"`
	Title   string          `json:"title" doc:"In the language asked for"`
	Detail  string          `json:"detail,omitempty" doc:"What the answer itself says about it"`
	Cause   string          `json:"cause" doc:"How it comes about"`
	Cure    string          `json:"cure" doc:"What to do about it"`
	Kind    string          `json:"kind,omitempty" doc:"The kind of declaration whose rule it is"`
	Agency  string          `json:"agency,omitempty" doc:"The agency whose rule it is"`
	Example json.RawMessage `json:"example" doc:"The problem as it is answered; of what refuses nothing, and in a batch, the entry of warnings or errors"`
}

// ProblemList is every code there is.
type ProblemList struct {
	Problems []ProblemSummary `json:"problems"`
}

// ProblemSummary is a code without its explanation.
type ProblemSummary struct {
	Code    string `json:"code"`
	Status  int    `json:"status" doc:"Of the answer that carries it; 200 where it refuses nothing, and in a batch"`
	Title   string `json:"title" doc:"In the language asked for"`
	Kind    string `json:"kind,omitempty" doc:"The kind of declaration whose rule it is"`
	Agency  string `json:"agency,omitempty" doc:"The agency whose rule it is"`
	Address string `json:"address" doc:"Where it is explained"`
}

type problemInput struct {
	Caller
	Accept string `header:"Accept" doc:"application/json, or text/html for a page" example:"application/json"`
	Code   string `path:"code" maxLength:"100" doc:"The code of a problem, or of an entry in errors" example:"declaration.refused"`
}

type problemsInput struct {
	Caller
	Accept string `header:"Accept" doc:"application/json, or text/html for a page" example:"application/json"`
}

// pageOutput is an answer that is a page or JSON.
type pageOutput struct {
	ContentType string `header:"Content-Type"`
	Language    string `header:"Content-Language" doc:"Of the texts"`
	Vary        string `header:"Vary"`
	Policy      string `header:"Content-Security-Policy" doc:"Of a page"`
	Body        []byte
}

func (a *api) explain(_ context.Context, in *problemInput) (*pageOutput, error) {
	found, known := a.known(problemCode(in.Code))
	if !known {
		return nil, declare.ErrMissing
	}
	return pageOrJSON(in.request.asker, in.Accept, "problem", page{Path: "/problems/" + in.Code, Data: a.explanation(in.request.asker, found)})
}

func (a *api) listProblems(_ context.Context, in *problemsInput) (*pageOutput, error) {
	who := in.request.asker
	list := ProblemList{Problems: []ProblemSummary{}}
	for _, e := range a.everyCode() {
		summary := ProblemSummary{Code: string(e.Code), Status: a.statusOf(e), Title: who.say(e.Title), Address: "/problems/" + string(e.Code)}
		summary.Kind, summary.Agency = e.owner()
		list.Problems = append(list.Problems, summary)
	}
	return pageOrJSON(who, in.Accept, "problems", page{Path: "/problems", Data: list})
}

// pageOrJSON answers with a page where one is asked for by its name: who takes
// anything gets JSON.
func pageOrJSON(who asker, accept, name string, p page) (*pageOutput, error) {
	out := &pageOutput{ContentType: "application/json", Language: who.language, Vary: "Accept, Accept-Language"}
	var err error
	if strings.Contains(accept, mediaHTML) && accepts(accept, mediaHTML) {
		p.Language = who.language
		out.ContentType, out.Policy = mediaHTML+"; charset=utf-8", pagePolicy
		out.Body, err = p.drawn(name)
	} else {
		out.Body, err = json.Marshal(p.Data)
	}
	return out, err
}

// known finds a code in the register, then among the rules in force.
func (a *api) known(code problemCode) (entry, bool) {
	if found, known := a.register[code]; known {
		return found, true
	}
	for _, rule := range a.rules() {
		if rule.Code == string(code) {
			return entryOf(rule), true
		}
	}
	return entry{}, false
}

// everyCode gives the register and the rules, by code.
func (a *api) everyCode() []entry {
	all := slices.Collect(maps.Values(a.register))
	for _, rule := range a.rules() {
		all = append(all, entryOf(rule))
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.Code, b.Code) })
	return slices.CompactFunc(all, func(a, b entry) bool { return a.Code == b.Code }) // versions of an agency repeat their rules
}

// rules gives those of the kinds and of the agencies known now.
func (a *api) rules() (all []declare.RuleText) {
	for _, name := range slices.Sorted(maps.Keys(a.kinds)) {
		all = append(all, a.kinds[name].Rules()...)
	}
	if a.gateway != nil { // a handler without one knows no agencies
		all = append(all, a.gateway.Rules()...)
	}
	return all
}

// What is said of every rule: its own text says what it is about.
var (
	textOfKind   = declare.Text{English: "A rule between the fields of a declaration of this kind does not hold, in whatever country it is filed.", Chinese: "该种类申报各字段之间的规则不成立，与申报国家无关。"}
	textOfAgency = declare.Text{English: "This agency asks for more than the kind of declaration does.", Chinese: "该机构的要求超出申报种类本身的规定。"}
	textMend     = declare.Text{English: "Do what the text says, at the field that the pointer names, and file again.", Chinese: "请按说明修改指针所示字段后重新提交。"}
	textAdvice   = declare.Text{English: "This is advice and refuses nothing: look at the field that the pointer names, and file.", Chinese: "这是提示，不会退单：请核对指针所示字段后提交。"}
)

func entryOf(rule declare.RuleText) entry {
	e := entry{Code: problemCode(rule.Code), Title: rule.Text, Cause: textOfKind, Cure: textMend, In: codeDeclarationRefused, At: rule.Pointer, rule: &rule}
	if rule.Agency != "" {
		e.Cause = textOfAgency
	}
	if rule.Advice {
		e.Cure = textAdvice
	}
	return e
}

// owner gives the kind or the agency that a rule is of.
func (e entry) owner() (kind, agency string) {
	if e.rule == nil {
		return "", ""
	}
	return e.rule.Kind, e.rule.Agency
}

// alone tells whether a fault is never part of a problem.
func (e entry) alone() bool { return e.In == inBatch || e.rule != nil && e.rule.Advice }

func (a *api) statusOf(e entry) int {
	switch {
	case e.Status != 0:
		return e.Status
	case e.alone():
		return http.StatusOK
	}
	return a.register[e.In].Status
}

func (a *api) explanation(who asker, e entry) Explanation {
	told := Explanation{
		Code: string(e.Code), Status: a.statusOf(e), Title: who.say(e.Title), Detail: who.say(e.Detail), Cause: who.say(e.Cause), Cure: who.say(e.Cure),
		Example: indented(a.example(e, who.language)),
	}
	told.Kind, told.Agency = e.owner()
	return told
}

// exampleID stands for the ids of requests in examples.
const exampleID = "req-01KDTP3X8Q0000000000000009"

// example is what whoever meets the code sees.
func (a *api) example(e entry, language string) any {
	switch {
	case e.Status != 0:
		return a.exampleProblem(e, language)
	case e.In == inBatch:
		told := a.complaints(asker{language: language}, e.Code, []declare.Fault{a.exampleFault(e)})
		return CellComplaint{Complaint: told[0], Row: 6, Column: "C"}
	case e.alone():
		return a.complaints(asker{language: language}, e.Code, []declare.Fault{a.exampleFault(e)})[0]
	}
	return a.problem(asker{requestID: exampleID, language: language}, finding{code: e.In, faults: []declare.Fault{a.exampleFault(e)}})
}

// exampleProblem is a problem with the errors its entry lists.
func (a *api) exampleProblem(e entry, language string) *Problem {
	found := finding{code: e.Code, declaration: e.Declaration}
	for _, fault := range e.Example {
		found.faults = append(found.faults, declare.Fault{
			Code: string(fault.Code), Pointer: fault.Pointer, XMLPath: fault.XMLPath, Line: fault.Line, Text: a.register[fault.Code].Title,
		})
	}
	return a.problem(asker{requestID: exampleID, language: language}, found)
}

func (a *api) exampleFault(e entry) declare.Fault {
	fault := declare.Fault{Code: string(e.Code), Pointer: e.At, Text: e.Title}
	if e.rule == nil {
		return fault
	}
	fault.Agency = e.rule.Agency
	for _, name := range slices.Sorted(maps.Keys(a.kinds)) {
		if e.rule.Kind == "" || e.rule.Kind == name {
			fault.Pointer = a.kinds[name].First(e.At)
		}
	}
	return fault
}

// indented writes an example for people; none of them fails to be written.
func indented(value any) json.RawMessage {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		panic("api: " + err.Error())
	}
	return bytes.TrimSpace(text.Bytes())
}
