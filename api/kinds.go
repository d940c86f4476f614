package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"singlewindow/declare"
)

func (a *api) registerKinds() {
	handle(a, a.operation(route{
		id: "list-kinds", method: http.MethodGet, path: "/v1/kinds", tag: "Kinds",
		summary:     "The kinds of declaration",
		description: "Each with the address of its JSON Schema.",
		security:    tenantKey,
	}), a.listKinds)
	handle(a, a.operation(route{
		id: "get-kind-schema", method: http.MethodGet, path: "/v1/kinds/{kind}/schema", tag: "Kinds", media: "application/schema+json",
		summary:     "The JSON Schema of a kind",
		description: "JSON Schema 2020-12: the definition every declaration of this kind is checked against.",
		security:    tenantKey,
		problems:    []problemCode{codeResourceMissing},
	}), a.kindSchema)
}

// KindView is a kind of declaration as enterprises see it.
type KindView struct {
	Name   string `json:"name"`
	Title  string `json:"title" doc:"In the language asked for"`
	Titles *Texts `json:"titles,omitempty" doc:"With lang=all: in every language"`
	Schema string `json:"schema" doc:"Where its JSON Schema is"`
}

type kindsInput struct{ Caller }

type kindsOutput struct {
	Body struct {
		Kinds []KindView `json:"kinds"`
	}
}

func (a *api) listKinds(_ context.Context, in *kindsInput) (*kindsOutput, error) {
	out := &kindsOutput{}
	out.Body.Kinds = []KindView{}
	who := in.request.asker
	for _, name := range slices.Sorted(maps.Keys(a.kinds)) {
		title := a.kinds[name].Title
		out.Body.Kinds = append(out.Body.Kinds, KindView{Name: name, Title: who.say(title), Titles: who.sayAll(title), Schema: "/v1/kinds/" + name + "/schema"})
	}
	return out, nil
}

type kindInput struct {
	Caller
	Kind string `path:"kind" doc:"The kind's name" example:"goods"`
}

type schemaOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *api) kindSchema(_ context.Context, in *kindInput) (*schemaOutput, error) {
	kind, known := a.kinds[in.Kind]
	if !known {
		return nil, declare.ErrMissing
	}
	return &schemaOutput{"application/schema+json", kind.Schema()}, nil
}
