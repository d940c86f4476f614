package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"singlewindow/declare"
)

// mostNoticeBytes bounds a notice.
const mostNoticeBytes = 1 << 20

const noticeReadTimeout = 10 * time.Second

func (a *api) registerAgencies() {
	handle(a, a.operation(route{
		id: "list-agencies", method: http.MethodGet, path: "/v1/agencies", tag: "Agencies",
		summary:     "The agencies and how each is doing",
		description: "connected: messages flow; paused: the agency is not answering and messages wait; denied: it refuses the gateway's credential, an operator must act; off: no address is configured and nothing is filed to it.",
		security:    tenantKey,
	}), a.listAgencies)

	notice := a.operation(route{
		id: "hand-in-notice", method: http.MethodPost, path: "/v1/agencies/{agency}/notices", status: http.StatusNoContent, tag: "Agencies",
		summary:     "An agency hands in a notice",
		description: "For agencies. 204 means: on disk. A copy of an earlier notice is answered like the first; one that names an unknown message is kept and matched later. A notice that cannot be understood is refused.",
		security:    agencyCredential,
		problems: []problemCode{codeNoticeWrongAgency, codeNoticeTooLarge, codeNoticeMalformed, codeNoticeUnreadable, codeResourceMissing,
			codeBodyUnsupported, codeBodyMissing, codeBodyIncomplete, codeBodyTimeout},
	})
	notice.MaxBodyBytes = mostNoticeBytes + 1
	notice.BodyReadTimeout = noticeReadTimeout
	notice.Metadata = map[string]any{metadataTooLarge: string(codeNoticeTooLarge)}
	notice.Middlewares = append(notice.Middlewares, a.takes("application/xml", "text/xml"))
	handle(a, notice, a.hear)
}

// AgencyView is an agency as enterprises see it.
type AgencyView struct {
	Name      string     `json:"name"`
	Title     string     `json:"title" doc:"In the language asked for"`
	Titles    *Texts     `json:"titles,omitempty" doc:"With lang=all: in every language"`
	Version   string     `json:"version" doc:"Of the agency's folder"`
	Kinds     []string   `json:"kinds" doc:"The kinds of declaration it takes"`
	On        bool       `json:"on" doc:"Whether declarations are filed to it"`
	State     string     `json:"state" enum:"connected,paused,denied,off"`
	Since     *time.Time `json:"since,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	NextProbe *time.Time `json:"nextProbe,omitempty" doc:"While paused: when it is tried next"`
	Waiting   int        `json:"waiting" doc:"Messages not delivered yet, counted to 10,000"`
}

type agenciesInput struct{ Caller }

type agenciesOutput struct {
	Body struct {
		Agencies []AgencyView `json:"agencies"`
	}
}

func (a *api) listAgencies(ctx context.Context, in *agenciesInput) (*agenciesOutput, error) {
	all, err := a.gateway.Agencies(ctx)
	if err != nil {
		return nil, err
	}
	out := &agenciesOutput{}
	out.Body.Agencies = make([]AgencyView, len(all))
	for i, agency := range all {
		out.Body.Agencies[i] = viewOf(in.request.asker, agency)
	}
	return out, nil
}

func viewOf(who asker, health declare.AgencyHealth) AgencyView {
	view := AgencyView{
		Name: health.Profile.Name, Title: who.say(health.Profile.Title), Titles: who.sayAll(health.Profile.Title), Version: health.Profile.Version,
		Kinds: append([]string{}, health.Profile.Kinds...), On: health.Profile.On, State: health.State, Reason: health.Reason, Waiting: health.Waiting,
	}
	if !health.Since.IsZero() {
		view.Since = &health.Since
	}
	if health.NextProbe != nil {
		next := health.NextProbe.UTC()
		view.NextProbe = &next
	}
	return view
}

type noticeInput struct {
	Caller
	Agency  string `path:"agency" doc:"The agency's name: the one the credential was made for"`
	RawBody []byte `contentType:"application/xml"`
}

func (a *api) hear(ctx context.Context, in *noticeInput) (*struct{}, error) {
	// A copy, for the reason given in submit.
	return nil, a.gateway.Hear(ctx, in.Agency, slices.Clone(in.RawBody))
}
