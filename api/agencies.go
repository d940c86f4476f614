package api

import (
	"cmp"
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
		description: "connected: messages flow; paused: the agency is not answering and messages wait; denied: it refuses the gateway's credential, an operator must act; off: nothing is filed to it, and explanation says why. version, validFrom and digest are those of the agency's folder in force today; next is the one that takes over on its day; refused tells why the folder, as an operator has changed it, is not in use: the one before stays.",
		security:    tenantKey,
	}), a.listAgencies)

	notice := a.operation(route{
		id: "hand-in-notice", method: http.MethodPost, path: "/v1/agencies/{agency}/notices", status: http.StatusNoContent, tag: "Agencies",
		summary:     "An agency hands in a notice",
		description: "For agencies. 204 means: on disk. A copy of an earlier notice is answered like the first; one that names an unknown message is kept and matched later. Where the agency's folder says that a header names the message (a conversation id), that header is read too. A notice that cannot be understood is refused.",
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
	Name   string `json:"name"`
	Title  string `json:"title" doc:"In the language asked for"`
	Titles *Texts `json:"titles,omitempty" doc:"With lang=all: in every language"`
	FolderVersion
	Kinds        []string       `json:"kinds" doc:"The kinds of declaration it takes"`
	On           bool           `json:"on" doc:"Whether declarations are filed to it"`
	State        string         `json:"state" enum:"connected,paused,denied,off"`
	Since        *time.Time     `json:"since,omitempty"`
	Reason       string         `json:"reason,omitempty"`
	Explanation  string         `json:"explanation,omitempty" doc:"While off: the reason as a sentence, in the language asked for"`
	Explanations *Texts         `json:"explanations,omitempty" doc:"With lang=all: in every language"`
	Missing      []string       `json:"missing,omitempty" doc:"Parts of the agency's schemas that are published by others and were not supplied here"`
	NextProbe    *time.Time     `json:"nextProbe,omitempty" doc:"While paused: when it is tried next"`
	Waiting      int            `json:"waiting" doc:"Messages not delivered yet, counted to 10,000"`
	Next         *FolderVersion `json:"next,omitempty" doc:"The version that takes over when its day begins where the agency is"`
	Refused      *RefusedFolder `json:"refused,omitempty"`
}

// FolderVersion is a version of an agency's folder.
type FolderVersion struct {
	Version   string `json:"version" doc:"The folder's own name for it"`
	ValidFrom string `json:"validFrom,omitempty" format:"date" doc:"The first day it applies"`
	Digest    string `json:"digest,omitempty" doc:"The first characters of the SHA-256 over all its files"`
}

// RefusedFolder says why a folder is not in use as it stands on disk.
type RefusedFolder struct {
	At     time.Time     `json:"at"`
	Faults []FolderFault `json:"faults" doc:"What its author must mend"`
}

// FolderFault is one thing wrong in an agency's folder. Line and column count
// from one; 0 where the fault has no such place.
type FolderFault struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Text   string `json:"text"`
}

// whyOff says in words why nothing is filed to an agency.
var whyOff = map[string]declare.Text{
	declare.ReasonNoAddress:      {English: "No address is configured for this agency.", Chinese: "未配置该机构的地址。"},
	declare.ReasonSchemasMissing: {English: "The agency's message schemas are published by others and have not been supplied here.", Chinese: "该机构的报文模式由第三方发布，本系统尚未提供。"},
	declare.ReasonNotYetValid:    {English: "The agency's first version is not valid yet.", Chinese: "该机构的首个版本尚未生效。"},
	declare.ReasonFolderRefused:  {English: "The agency's folder has faults and could not be loaded.", Chinese: "该机构的文件夹有误，未能加载。"},
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
		Name: health.Profile.Name, Title: cmp.Or(who.say(health.Profile.Title), health.Profile.Name), FolderVersion: versionOf(health.Profile),
		Kinds: append([]string{}, health.Profile.Kinds...), On: health.State != "off", State: health.State, Reason: health.Reason,
		Missing: health.Profile.Missing, Waiting: health.Waiting, Refused: refusedOf(health.Refused),
	}
	if health.Profile.Title != (declare.Text{}) {
		view.Titles = who.sayAll(health.Profile.Title)
	}
	if why, off := whyOff[health.Reason]; off {
		view.Explanation, view.Explanations = who.say(why), who.sayAll(why)
	}
	if health.Next != nil {
		next := versionOf(*health.Next)
		view.Next = &next
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

func versionOf(profile declare.Profile) FolderVersion {
	version := FolderVersion{Version: profile.Version, Digest: profile.Digest[:min(len(profile.Digest), 12)]}
	if !profile.ValidFrom.IsZero() {
		version.ValidFrom = profile.ValidFrom.Format(time.DateOnly)
	}
	return version
}

func refusedOf(refused *declare.RefusedFolder) *RefusedFolder {
	if refused == nil {
		return nil
	}
	view := &RefusedFolder{At: refused.At, Faults: []FolderFault{}}
	for _, fault := range refused.Faults {
		view.Faults = append(view.Faults, FolderFault(fault))
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
	return nil, a.gateway.Hear(ctx, in.Agency, slices.Clone(in.RawBody), in.request.Header)
}
