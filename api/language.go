package api

import (
	"net/http"

	"golang.org/x/text/language"

	"singlewindow/declare"
)

// The languages of the window; the first is spoken to whoever asks for none
// of them.
var (
	spoken  = [...]string{"en", "zh"}
	matcher = language.NewMatcher([]language.Tag{language.English, language.Chinese})
)

// asker is how an answer must be given: in which language, or in all, and
// under which request id.
type asker struct {
	requestID string
	traceID   string // "" when the request belongs to no trace
	language  string
	all       bool
}

// askerOf reads ?lang= (en, zh or all), then Accept-Language. The request id
// was settled before and stands in the request's header.
func askerOf(requestID, lang, acceptLanguage string) asker {
	who := asker{requestID: requestID, language: lang, all: lang == "all"}
	if lang != "en" && lang != "zh" {
		_, index := language.MatchStrings(matcher, acceptLanguage)
		who.language = spoken[index]
	}
	return who
}

func askerOfRequest(r *http.Request) asker {
	who := askerOf(r.Header.Get(headerRequestID), r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))
	who.traceID = traceOf(r.Header)
	return who
}

// say gives a text in the asker's language.
func (a asker) say(text declare.Text) string { return text.In(a.language) }

// sayAll gives a text in every language when the asker wants that, or nil.
func (a asker) sayAll(text declare.Text) *Texts {
	if !a.all {
		return nil
	}
	return &Texts{English: text.In("en"), Chinese: text.In("zh")}
}

// Texts is a text in every language, as ?lang=all gives it.
type Texts struct {
	English string `json:"en"`
	Chinese string `json:"zh"`
}
