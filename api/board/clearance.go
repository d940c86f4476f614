package board

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"singlewindow/declare/clearance"
)

const clearancePath = Root + "clearance"

func (b *board) registerClearance() {
	b.mux.HandleFunc("GET "+clearancePath, b.signedIn(b.clearanceTimes))
}

// clearancePage is what the page shows: what was asked, the stages or what is
// compared, and the course of one stage on one track.
type clearancePage struct {
	Question     clearance.Question
	First, Last  string // days of the period
	Stage, Every string // of the course
	StageName    string
	TrackName    string
	Stages, Bys  []string // to choose from
	Rows         []stageRow
	Trend        trendView
	Fault        string // key of a text
}

// stageRow is one line of the table.
type stageRow struct {
	clearance.Times
	Track, Name        string // in words
	Median, P90, Count string
	Address            string // where the line leads: its course, or only what it is of
	Chosen             bool
}

var (
	chapterCode = regexp.MustCompile(`^[0-9]{2}$`)
	filterText  = regexp.MustCompile(`^[\pL\pN._-]{1,63}$`)
	comparisons = []string{clearance.ByKind, clearance.ByPort, clearance.ByChapter}
)

// chosen gives a value that is one of some, or the usual one.
func chosen(value, usual string, some ...string) string {
	if slices.Contains(some, value) {
		return value
	}
	return usual
}

// fitting gives a value that has a form, or none: what a form's own limits let
// through by hand finds nothing it could be.
func fitting(value string, form *regexp.Regexp) string {
	if form.MatchString(value) {
		return value
	}
	return ""
}

// askedFor reads the question from the address.
func (b *board) askedFor(query url.Values) (page clearancePage, err error) {
	page = clearancePage{
		Question: clearance.Question{
			Agency: fitting(query.Get("agency"), filterText), Kind: fitting(query.Get("kind"), filterText), Port: fitting(query.Get("port"), filterText),
			Chapter: fitting(query.Get("chapter"), chapterCode), By: chosen(query.Get("by"), "", comparisons...),
		},
		Stage: chosen(query.Get("stage"), clearance.StageTotal, clearance.Stages...), Every: chosen(query.Get("every"), clearance.EveryDay, clearance.EveryWeek),
		Stages: clearance.Stages, Bys: comparisons,
	}
	q := &page.Question
	if q.Period, err = b.clearance.Period(query.Get("from"), query.Get("to")); errors.Is(err, clearance.ErrPeriod) {
		page.Fault = "clearance.fault.period"
		q.Period, err = b.clearance.Period("", "")
	}
	page.First, page.Last = q.First.Format(time.DateOnly), q.Last.Format(time.DateOnly)
	return page, err
}

func (b *board) clearanceTimes(w http.ResponseWriter, r *http.Request, v visitor) {
	page, err := b.clearancePage(r, v)
	if err != nil {
		b.fail(w, r, v, err)
		return
	}
	b.render(w, r, v, "clearance", page)
}

// clearancePage asks twice: for the stages, or for what is compared of one
// stage, and for the course of that stage.
func (b *board) clearancePage(r *http.Request, v visitor) (clearancePage, error) {
	page, err := b.askedFor(r.URL.Query())
	if err != nil {
		return page, err
	}
	stages, course := page.Question, page.Question
	if stages.By != "" {
		stages.Stage = page.Stage
	}
	course.Stage, course.Every, course.By, course.Whole = page.Stage, page.Every, "", course.Agency == ""
	found, err := b.clearance.Ask(r.Context(), v.Scope(), stages)
	if err != nil {
		return page, err
	}
	points, err := b.clearance.Ask(r.Context(), v.Scope(), course)
	if err != nil {
		return page, err
	}
	words := b.wordsIn(v.Lang)
	page.StageName, page.TrackName = words.stage(page.Stage), words.track(page.Question.Agency)
	for _, stage := range found {
		page.Rows = append(page.Rows, page.row(stage, r.URL.Query(), words))
	}
	for _, stage := range points { // one at most
		page.Trend = trendOf(stage, page.Question.Period, page.Every, words)
	}
	return page, words.err
}

// row shows a stage. Its address keeps the filters that are set.
func (p *clearancePage) row(stage clearance.Times, query url.Values, words *words) stageRow {
	address := url.Values{}
	for name, values := range query {
		if values[0] != "" && name != "lang" {
			address.Set(name, values[0])
		}
	}
	address.Set("agency", stage.Agency)
	address.Set("stage", stage.Stage)
	if p.Question.By != "" {
		address.Set(p.Question.By, stage.Of)
		address.Del("by")
	}
	if address.Get("agency") == "" {
		address.Del("agency")
	}
	return stageRow{
		Times: stage, Track: words.track(stage.Agency), Name: words.stage(stage.Stage),
		Median: words.lapse(stage.MedianMilliseconds), P90: words.lapse(stage.P90Milliseconds), Count: groupThousands(int(stage.Count)),
		Address: clearancePath + "?" + address.Encode(), Chosen: stage.Stage == p.Stage && stage.Agency == p.Question.Agency,
	}
}
