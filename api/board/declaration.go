package board

import (
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"time"

	"singlewindow/declare"
	queries "singlewindow/declare/board"
	"singlewindow/declare/clearance"
)

const declarationsPath = Root + "declarations/"

var (
	tenantForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,29}$`)
	exchangeForm = regexp.MustCompile(`^(msg|ntc)_[0-9A-HJKMNP-TV-Z]{26}$`)
)

func declarationAddress(tenant, id string) string { return declarationsPath + tenant + "/" + id }

func (b *board) registerDeclaration() {
	const one = declarationsPath + "{tenant}/{id}"
	b.mux.HandleFunc("GET "+one, b.signedIn(b.declaration))
	for _, what := range []exchange{messages, notices} {
		b.mux.HandleFunc("GET "+one+"/"+what.path+"/{exchange}", b.signedIn(b.shownExchange(what)))
		b.mux.HandleFunc("GET "+one+"/"+what.path+"/{exchange}/xml", b.signedIn(b.rawExchange(what)))
	}
}

// named reads which declaration the address is of.
func named(r *http.Request) (tenant, id string, known bool) {
	tenant, id = r.PathValue("tenant"), r.PathValue("id")
	return tenant, id, tenantForm.MatchString(tenant) && placeID.MatchString(id)
}

// declarationPage is what the page of one declaration shows.
type declarationPage struct {
	Row      lineRow
	Filings  []filingRow
	Wanted   []wanted
	Timeline template.HTML // drawn by our own code
	Events   []eventRow
	Messages []queries.Message
	Notices  []noticeRow
	Live     string
}

// filingRow is the declaration before one agency.
type filingRow struct {
	declare.FilingStatus
	Badge badge
}

// wanted is something asked of somebody.
type wanted struct {
	What   string // key: document, payment, error
	Agency string
	Code   string
	Text   string
	Amount string
	Until  time.Time
}

// eventRow is one thing that happened.
type eventRow struct {
	declare.Event
	What   string // key, or ""
	Detail string
}

// noticeRow is one notice with its decision in words.
type noticeRow struct {
	queries.Notice
	Said string // key
}

func (b *board) declaration(w http.ResponseWriter, r *http.Request, v visitor) {
	tenant, id, known := named(r)
	if !known {
		b.missing(w, r, v)
		return
	}
	live, err := b.liveAddress(r, v)
	if err != nil {
		b.fail(w, r, v, err)
		return
	}
	found, err := b.queries.Declaration(r.Context(), v.Scope(), tenant, id)
	if errors.Is(err, declare.ErrMissing) {
		b.missing(w, r, v)
		return
	}
	if err != nil {
		b.fail(w, r, v, err)
		return
	}
	page, err := b.declarationPage(v, found)
	if err != nil {
		b.fail(w, r, v, err)
		return
	}
	page.Live = live
	b.render(w, r, v, "declaration", page)
}

func (b *board) declarationPage(v visitor, found queries.Declaration) (page declarationPage, err error) {
	page = declarationPage{Row: b.lineRow(v, found.Line), Messages: found.Messages}
	badges := map[string]badge{}
	for _, shown := range page.Row.Badges {
		badges[shown.Agency] = shown
	}
	for _, filing := range found.Filings {
		page.Filings = append(page.Filings, filingRow{filing, badges[filing.Agency]})
		page.Wanted = append(page.Wanted, wantedBy(v.Lang, filing)...)
	}
	for _, event := range found.Events {
		row := eventRow{Event: event, Detail: b.detail(v.Lang, event.Data)}
		if key := "declaration.event." + event.Type; b.texts.has(key) {
			row.What = key
		}
		page.Events = append(page.Events, row)
	}
	for _, notice := range found.Notices {
		page.Notices = append(page.Notices, noticeRow{notice, "list.decision." + string(notice.Decision)})
	}
	spans, err := clearance.Spans(found.ReceivedAt, found.Events, found.Filings)
	if err != nil {
		return page, err
	}
	page.Timeline, err = b.timelineChart(spans, b.now(), v.Lang)
	return page, err
}

// wantedBy lists what an agency asks of the trader.
func wantedBy(lang string, filing declare.FilingStatus) (all []wanted) {
	words := func(text string, meaning declare.Text) string {
		if said := inLanguage(lang, meaning); said != "" {
			return said
		}
		return text
	}
	ask := func(what string) { all = append(all, wanted{What: what, Agency: filing.Agency, Text: filing.Remark}) }
	for _, document := range filing.Documents {
		all = append(all, wanted{"declaration.wanted.document", filing.Agency, document.Code, words(document.Text, document.Meaning), "", document.Limit})
	}
	if filing.Decision == declare.DecisionPaymentDue {
		for _, duty := range filing.Duties {
			if duty.Payable.Value != "" {
				all = append(all, wanted{"declaration.wanted.payment", filing.Agency, duty.Type, duty.Reference, strings.TrimSpace(duty.Payable.Value + " " + duty.Payable.Currency), duty.Due})
			}
		}
	}
	for _, fault := range filing.Errors {
		all = append(all, wanted{"declaration.wanted.error", filing.Agency, fault.Code, words(fault.Text, fault.Meaning), "", time.Time{}})
	}
	if len(all) > 0 {
		return all
	}
	switch filing.Decision { // the agency did not say more
	case declare.DecisionDocumentsRequired:
		ask("declaration.wanted.document")
	case declare.DecisionPaymentDue:
		ask("declaration.wanted.payment")
	case declare.DecisionRejected:
		ask("declaration.wanted.error")
	}
	return all
}

// detail tells the few things of an event that people ask about.
func (b *board) detail(lang string, data json.RawMessage) string {
	var told struct {
		Status, Decision, Word, Remark, Reason, Resolution, By, Note string
		Attempts                                                     int
	}
	if json.Unmarshal(data, &told) != nil {
		return "" // of a form that is not known here
	}
	var parts []string
	word := func(prefix, value string) {
		if value == "" {
			return
		}
		if text, err := b.texts.say(lang, prefix+value); err == nil {
			value = text
		}
		parts = append(parts, value)
	}
	word("list.status.", told.Status)
	word("list.decision.", told.Decision)
	word("declaration.resolution.", told.Resolution)
	word("declaration.reason.", told.Reason)
	for _, text := range []string{told.Word, told.Remark, told.By, told.Note} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " · ")
}
