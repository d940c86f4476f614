package board

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"singlewindow/declare/clearance"
)

const clearancePath = Root + "clearance"

func (b *board) registerClearance() {
	b.mux.HandleFunc("GET "+clearancePath, b.signedIn(b.clearanceTimes))
}

// clearancePage is what the page shows: what was asked, the stages or what is
// compared, and the course of one stage on one track. With a fault it shows no
// figures: they would be of something else than what was asked for.
type clearancePage struct {
	Question     clearance.Question
	First, Last  string // days of the period
	Stage, Every string // of the course
	StageName    string
	TrackName    string
	Agencies     []titled // to choose from, as the next three
	Kinds        []titled
	Stages, Bys  []string
	Rows         []stageRow
	Trend        trendView
	Fault        string // key of a text
}

// titled is what an address names, and what people call it.
type titled struct{ Name, Title string }

// stageRow is one line of the table.
type stageRow struct {
	clearance.Times
	Track, Name, Group string // in words
	Median, P90, Count string
	Address            string // where the line leads: its course, or only what it is of
	Chosen             bool
}

var (
	chapterForm = regexp.MustCompile(`^[0-9]{2}$`)
	kindForm    = regexp.MustCompile(`^[\pL\pN._-]{1,63}$`)
	everies     = []string{clearance.EveryDay, clearance.EveryWeek}
	comparisons = []string{clearance.ByKind, clearance.ByPort, clearance.ByChapter}
)

// askedFor reads the question from the address. What does not fit is a fault.
func (b *board) askedFor(query url.Values) (page clearancePage, err error) {
	get := func(name string) string { return strings.TrimSpace(query.Get(name)) }
	page = clearancePage{
		Question: clearance.Question{Agency: get("agency"), Kind: get("kind"), Port: strings.ToUpper(get("port")), Chapter: get("chapter"), By: get("by")},
		Stage:    cmp.Or(get("stage"), clearance.StageTotal), Every: cmp.Or(get("every"), clearance.EveryDay), First: get("from"), Last: get("to"),
		Stages: clearance.Stages, Bys: comparisons,
	}
	q := &page.Question
	for _, filter := range []struct {
		fault string
		fits  bool
	}{
		{"clearance.fault.agency", q.Agency == "" || agencyForm.MatchString(q.Agency)},
		{"clearance.fault.kind", q.Kind == "" || kindForm.MatchString(q.Kind)},
		{"clearance.fault.port", q.Port == "" || portForm.MatchString(q.Port)},
		{"clearance.fault.chapter", q.Chapter == "" || chapterForm.MatchString(q.Chapter)},
		{"clearance.fault.stage", slices.Contains(clearance.Stages, page.Stage)},
		{"clearance.fault.every", slices.Contains(everies, page.Every)},
		{"clearance.fault.by", q.By == "" || slices.Contains(comparisons, q.By)},
	} {
		if !filter.fits {
			page.Fault = filter.fault
			return page, nil
		}
	}
	q.Period, err = b.clearance.Period(page.First, page.Last)
	if errors.Is(err, clearance.ErrPeriod) {
		page.Fault = "clearance.fault.period"
		return page, nil
	}
	page.First, page.Last = q.First.Format(time.DateOnly), q.Last.Format(time.DateOnly)
	return page, err
}

func (b *board) clearanceTimes(w http.ResponseWriter, r *http.Request, v visitor) {
	page, err := b.clearancePage(r, v)
	switch {
	case err != nil:
		b.fail(w, r, v, err)
	case page.Fault != "":
		b.renderStatus(w, r, v, http.StatusBadRequest, "clearance", page)
	default:
		b.render(w, r, v, "clearance", page)
	}
}

func (b *board) clearancePage(r *http.Request, v visitor) (clearancePage, error) {
	page, err := b.askedFor(r.URL.Query())
	if err != nil {
		return page, err
	}
	if page.Agencies, err = b.titledAgencies(r, v.Lang); err != nil {
		return page, err
	}
	page.Kinds = b.titledKinds(v.Lang)
	if page.Fault == "" {
		err = b.figures(r, v, &page)
	}
	return page, err
}

func (b *board) titledAgencies(r *http.Request, language string) (all []titled, err error) {
	if b.gateway == nil {
		return nil, nil
	}
	rows, err := b.agencies(r)
	for _, row := range rows {
		all = append(all, titled{row.Name, b.agencyTitle(language, row.Name)})
	}
	return all, err
}

func (b *board) titledKinds(language string) (all []titled) {
	for _, name := range slices.Sorted(maps.Keys(b.kinds)) {
		all = append(all, titled{name, b.kindTitle(language, name)})
	}
	return all
}

// figures asks twice: for the stages, or for what is compared of one stage, and
// for the course of that stage.
func (b *board) figures(r *http.Request, v visitor, page *clearancePage) error {
	stages, course := page.Question, page.Question
	if stages.By != "" {
		stages.Stage = page.Stage
	}
	course.Stage, course.Every, course.By, course.Whole = page.Stage, page.Every, "", course.Agency == ""
	found, err := b.clearance.Ask(r.Context(), v.Scope(), stages)
	if err != nil || !page.offer(len(found) > 0) {
		return err
	}
	points, err := b.clearance.Ask(r.Context(), v.Scope(), course)
	if err != nil {
		return err
	}
	words := b.wordsIn(v.Lang)
	page.StageName, page.TrackName = words.stage(page.Stage), words.track(page.Question.Agency)
	for _, stage := range found {
		page.Rows = append(page.Rows, page.row(stage, r.URL.Query(), words))
	}
	for _, stage := range points { // one at most
		page.Trend = trendOf(stage, page.Question.Period, page.Every, words)
	}
	return words.err
}

// offer adds what was asked for and is not on offer, as an agency is that is
// not connected any more; of which nothing is found there is no such thing.
func (p *clearancePage) offer(found bool) bool {
	for _, choice := range []struct {
		asked, fault string
		offered      *[]titled
	}{
		{p.Question.Agency, "clearance.fault.agency", &p.Agencies},
		{p.Question.Kind, "clearance.fault.kind", &p.Kinds},
	} {
		offers := func(t titled) bool { return t.Name == choice.asked }
		if choice.asked == "" || slices.ContainsFunc(*choice.offered, offers) {
			continue
		}
		if !found {
			p.Fault = choice.fault
			return false
		}
		*choice.offered = append(*choice.offered, titled{choice.asked, choice.asked})
	}
	return true
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
	group := stage.Of
	if p.Question.By == clearance.ByKind {
		group = words.b.kindTitle(words.language, group)
	}
	return stageRow{
		Times: stage, Group: group, Track: words.track(stage.Agency), Name: words.stage(stage.Stage),
		Median: words.lapse(stage.MedianMilliseconds), P90: words.lapse(stage.P90Milliseconds), Count: groupThousands(int(stage.Count)),
		Address: clearancePath + "?" + address.Encode(), Chosen: stage.Stage == p.Stage && stage.Agency == p.Question.Agency,
	}
}
