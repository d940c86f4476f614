package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"singlewindow/declare"
)

func (a *api) registerCodeLists() {
	handle(a, a.operation(route{
		id: "list-codelists", method: http.MethodGet, path: "/v1/codelists", tag: "Code lists",
		summary:     "The code lists of declarations",
		description: "Each with its source, and whether it is complete: a value that an excerpt does not have may still be right.",
		security:    tenantKey,
	}), a.listCodeLists)

	list := a.operation(route{
		id: "get-codelist", method: http.MethodGet, path: "/v1/codelists/{name}", tag: "Code lists", also: "text/csv",
		summary:     "A code list",
		description: "As JSON with titles in the language asked for, or as CSV with titles in every language: Accept: text/csv, or format=csv. In CSV an apostrophe stands before a text that a spreadsheet would take for a formula. The ETag saves asking for the same list twice.",
		security:    tenantKey,
		problems:    []problemCode{codeResourceMissing},
	})
	list.Responses["200"].Content["application/json"].Schema = a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[CodeListView](), true, "")
	list.Responses["304"] = &huma.Response{Description: "The list is as If-None-Match knows it"}
	handle(a, list, a.codeList)
}

// CodeListSummary is what there is to know of a code list without its entries.
type CodeListSummary struct {
	Name     string `json:"name"`
	Source   string `json:"source" doc:"Where the list is from"`
	Complete bool   `json:"complete" doc:"false: an excerpt; a value it does not have may still be right"`
	Count    int    `json:"count" doc:"How many entries it has"`
	Address  string `json:"address" doc:"Where the list is"`
}

// CodeListView is a code list with its entries.
type CodeListView struct {
	CodeListSummary
	Entries []CodeView `json:"entries" doc:"In the order of the list; with on, those valid that day"`
}

// CodeView is an entry of a code list. A code may stand several times, with
// other days.
type CodeView struct {
	Code      string `json:"code"`
	Title     string `json:"title" doc:"In the language asked for"`
	Titles    *Texts `json:"titles,omitempty" doc:"With lang=all: in every language"`
	ValidFrom string `json:"validFrom,omitempty" format:"date" doc:"First day; open when missing"`
	ValidTo   string `json:"validTo,omitempty" format:"date" doc:"Last day; open when missing"`
}

type codeListsInput struct{ Caller }

type codeListsOutput struct {
	Body struct {
		CodeLists []CodeListSummary `json:"codelists"`
	}
}

func (a *api) listCodeLists(context.Context, *codeListsInput) (*codeListsOutput, error) {
	lists, err := declare.CodeLists()
	if err != nil {
		return nil, err
	}
	out := &codeListsOutput{}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		out.Body.CodeLists = append(out.Body.CodeLists, summaryOf(lists[name]))
	}
	return out, nil
}

func summaryOf(list *declare.CodeList) CodeListSummary {
	return CodeListSummary{Name: list.Name, Source: list.Source, Complete: list.Complete, Count: len(list.Entries), Address: "/v1/codelists/" + list.Name}
}

type codeListInput struct {
	Caller
	Name        string `path:"name" doc:"The list's name, as in /v1/codelists" example:"country"`
	On          string `query:"on" format:"date" doc:"Only entries valid on this day" example:"2026-11-22"`
	Format      string `query:"format" enum:"json,csv" doc:"json or csv, whatever Accept says"`
	Accept      string `header:"Accept" doc:"application/json, or text/csv" example:"text/csv"`
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an earlier answer: 304 when it would be the same"`
}

type codeListOutput struct {
	Status       int
	ContentType  string `header:"Content-Type"`
	ETag         string `header:"ETag" doc:"Changes with every byte of the answer"`
	CacheControl string `header:"Cache-Control"`
	Vary         string `header:"Vary"`
	Body         []byte
}

func (a *api) codeList(_ context.Context, in *codeListInput) (*codeListOutput, error) {
	lists, err := declare.CodeLists()
	if err != nil {
		return nil, err
	}
	list := lists[in.Name]
	if list == nil {
		return nil, declare.ErrMissing
	}
	entries := list.On(in.On)
	out := &codeListOutput{Status: http.StatusOK, CacheControl: "private, no-cache", Vary: "Accept, Accept-Language, Authorization"}
	if in.Format == "csv" || in.Format == "" && prefersCSV(in.Accept) {
		out.ContentType = "text/csv; charset=utf-8"
		out.Body, err = codesAsCSV(entries)
	} else {
		out.ContentType = "application/json"
		out.Body, err = codesAsJSON(in.request.asker, list, entries)
	}
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(out.Body)
	out.ETag = `"` + hex.EncodeToString(digest[:16]) + `"`
	if matches(in.IfNoneMatch, out.ETag) {
		out.Status, out.ContentType, out.Body = http.StatusNotModified, "", nil
	}
	return out, nil
}

func codesAsJSON(who asker, list *declare.CodeList, entries []declare.Code) ([]byte, error) {
	view := CodeListView{CodeListSummary: summaryOf(list), Entries: []CodeView{}}
	for _, code := range entries {
		view.Entries = append(view.Entries, CodeView{
			Code: code.Code, Title: who.say(code.Title), Titles: who.sayAll(code.Title), ValidFrom: code.ValidFrom, ValidTo: code.ValidTo})
	}
	return json.Marshal(view)
}

func codesAsCSV(entries []declare.Code) ([]byte, error) {
	var out bytes.Buffer
	rows := csv.NewWriter(&out)
	rows.UseCRLF = true // RFC 4180
	err := rows.Write([]string{"code", "en", "zh", "validFrom", "validTo"})
	for _, code := range entries {
		if err != nil {
			return nil, err
		}
		err = rows.Write([]string{plain(code.Code), plain(code.Title.English), plain(code.Title.Chinese), code.ValidFrom, code.ValidTo})
	}
	rows.Flush()
	return out.Bytes(), err
}

// plain keeps a spreadsheet from taking a text for a formula.
func plain(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// prefersCSV tells whether a client names CSV and not JSON: who accepts
// anything gets JSON.
func prefersCSV(accept string) bool {
	return strings.Contains(accept, "text/csv") && accepts(accept, "text/csv") && !strings.Contains(accept, "application/json")
}

// matches tells whether an If-None-Match header knows this ETag.
func matches(header, etag string) bool {
	for known := range strings.SplitSeq(header, ",") {
		if known = strings.TrimPrefix(strings.TrimSpace(known), "W/"); known == etag || known == "*" {
			return true
		}
	}
	return false
}
