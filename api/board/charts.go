package board

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"slices"
	"time"

	"singlewindow/declare/clearance"
)

// Charts are SVG drawn here and laid out by the browser: heights are pixels,
// widths percent of whatever room there is, so that texts keep their size on a
// phone. Beside each stands a table with the same figures.

// words says what charts and their tables name, in one language. The first text
// that is missing is kept as err.
type words struct {
	b        *board
	language string
	err      error
}

func (b *board) wordsIn(language string) *words { return &words{b: b, language: language} }

func (w *words) say(key string, values ...any) string {
	text, err := w.b.texts.say(w.language, key, values...)
	w.err = errors.Join(w.err, err)
	return text
}

func (w *words) stage(stage string) string { return w.say("clearance.stage." + stage) }
func (w *words) who(who string) string     { return w.say("clearance.who." + who) }

// track names whose history it is: an agency's by its own name.
func (w *words) track(agency string) string {
	if agency == "" {
		return w.say("clearance.whole")
	}
	return w.b.agencyTitle(w.language, agency)
}

// lapse says how long, down to milliseconds where that is all there is.
func (w *words) lapse(milliseconds int64) string {
	switch {
	case milliseconds < 1000:
		return w.say("clearance.milliseconds", int(milliseconds))
	case milliseconds < 60_000:
		return w.say("clearance.tenths", int(milliseconds/1000), int(milliseconds%1000/100))
	}
	text, err := w.b.duration(w.language, time.Duration(milliseconds)*time.Millisecond)
	w.err = errors.Join(w.err, err)
	return text
}

// moment says when, short enough for an axis of such a length.
func (w *words) moment(at time.Time, length time.Duration) string {
	layout := "01-02 15:04"
	if length < time.Hour {
		layout = time.TimeOnly
	}
	return at.In(w.b.zone).Format(layout)
}

// percent gives part of whole, for coordinates.
func percent(part, whole int64) string {
	hundredths := part * 10_000 / max(whole, 1)
	return fmt.Sprintf("%d.%02d%%", hundredths/100, hundredths%100)
}

// The timeline's measures, in pixels.
const (
	trackHeight = 52
	labelHeight = 16
	barHeight   = 26
	axisHeight  = 24
)

// timelineView is a declaration's history as a picture and as a table.
type timelineView struct {
	Height      int
	First, Last string
	Tracks      []timelineTrack
	Ticks       []tick
	Key         []string // everybody who has a piece
	Rows        []timelineRow
}

type timelineTrack struct {
	Name   string
	LabelY int
	Pieces []piece
}

// piece is a span as drawn.
type piece struct {
	X, Width         string
	Y, Height        int
	Who, Text, Title string
	Still            bool
}

type tick struct {
	X, Text, Anchor string
	Y, LabelY       int
}

type timelineRow struct {
	Track, Who, Stage, Took string
	From, To                time.Time
	Milliseconds            int64
}

// timelineChart draws who held a declaration, and how long until now.
func (b *board) timelineChart(spans []clearance.Span, now time.Time, language string) (template.HTML, error) {
	words := b.wordsIn(language)
	view := timelineOf(spans, now, words)
	if words.err != nil || len(view.Tracks) == 0 {
		return "", words.err
	}
	var html bytes.Buffer
	err := b.pages[language]["clearance"].ExecuteTemplate(&html, "timeline", view)
	return template.HTML(html.String()), err //nolint:gosec // html/template made it
}

func timelineOf(spans []clearance.Span, now time.Time, words *words) (view timelineView) {
	if len(spans) == 0 {
		return view
	}
	first, last := reach(spans, now)
	length := last.Sub(first)
	for _, span := range spans {
		until := span.To
		if until.IsZero() {
			until = last
		}
		took := until.Sub(span.From).Milliseconds()
		row := timelineRow{
			Track: words.track(span.Track), Who: words.who(span.Who), Stage: words.stage(span.Stage), Took: words.lapse(took), From: span.From, To: span.To, Milliseconds: took,
		}
		if span.Track == "" && span.Agency != "" {
			row.Who += " · " + words.track(span.Agency)
		}
		if number := len(view.Tracks); number == 0 || view.Tracks[number-1].Name != row.Track {
			view.Tracks = append(view.Tracks, timelineTrack{Name: row.Track, LabelY: number*trackHeight + labelHeight - 4})
		}
		track := &view.Tracks[len(view.Tracks)-1]
		track.Pieces = append(track.Pieces, piece{
			X: percent(span.From.Sub(first).Milliseconds(), length.Milliseconds()), Width: percent(took, length.Milliseconds()), Y: (len(view.Tracks)-1)*trackHeight + labelHeight, Height: barHeight,
			Who: span.Who, Text: row.Who + " · " + row.Stage, Title: words.say("clearance.timeline.piece", row.Who, row.Stage, row.Took), Still: span.To.IsZero(),
		})
		view.Rows = append(view.Rows, row)
		if !slices.Contains(view.Key, span.Who) {
			view.Key = append(view.Key, span.Who)
		}
	}
	view.First, view.Last = words.moment(first, length), words.moment(last, length)
	bottom := len(view.Tracks) * trackHeight
	view.Height = bottom + axisHeight
	view.Ticks = axis([]string{view.First, words.moment(first.Add(length/2), length), view.Last}, bottom)
	return view
}

// reach gives the first and the last moment of a history. One without any
// length is given a millisecond.
func reach(spans []clearance.Span, now time.Time) (first, last time.Time) {
	first = spans[0].From
	for _, span := range spans {
		until := span.To
		if until.IsZero() {
			until = now.Truncate(time.Millisecond)
		}
		if until.After(last) {
			last = until
		}
	}
	if !last.After(first) {
		last = first.Add(time.Millisecond)
	}
	return first, last
}

// axis gives the marks at the beginning, the middle and the end.
func axis(texts []string, bottom int) (ticks []tick) {
	for i, at := range []struct{ x, anchor string }{{"0%", "start"}, {"50%", "middle"}, {"100%", "end"}} {
		ticks = append(ticks, tick{X: at.x, Anchor: at.anchor, Text: texts[i], Y: bottom, LabelY: bottom + axisHeight - 6})
	}
	return ticks
}

// The trend's measures, in pixels.
const (
	trendHeight = 240
	trendTop    = 20
	trendBottom = trendHeight - 28
)

// trendView is the course of a stage as a picture and as a table.
type trendView struct {
	Height int
	Title  string
	Every  string
	Levels []level
	Lines  []chartLine
	Points []trendPoint
	Days   []tick
}

type level struct {
	Y, LabelY int
	Text      string
}

type chartLine struct {
	Class, X1, X2 string
	Y1, Y2        int
}

type trendPoint struct {
	clearance.Point
	X                              string
	MedianY, P90Y                  int
	Title, Day, Median, P90, Count string
	number                         int // of its day or week in the period
}

// trendOf draws a stage's course. Days or weeks in which none ended leave a gap.
func trendOf(stage clearance.Times, period clearance.Period, every string, words *words) trendView {
	view := trendView{Height: trendHeight, Every: every, Title: words.say("clearance.trend", words.stage(stage.Stage), words.track(stage.Agency))}
	first, step := period.First, 1
	if every == clearance.EveryWeek {
		first, step = monday(period.First), 7
	}
	numberOf := func(day time.Time) int { return int(day.Sub(first)/(24*time.Hour)) / step }
	count := numberOf(period.Last) + 1
	var most int64 = 1
	for _, point := range stage.Course {
		most = max(most, point.P90Milliseconds)
	}
	y := func(milliseconds int64) int {
		return trendBottom - int(milliseconds*(trendBottom-trendTop)/most)
	}
	for i := range int64(3) {
		at := most * i / 2
		view.Levels = append(view.Levels, level{Y: y(at), LabelY: y(at) - 4, Text: words.lapse(at)})
	}
	for _, point := range stage.Course {
		p := trendPoint{
			Point: point, number: numberOf(point.Day), MedianY: y(point.MedianMilliseconds), P90Y: y(point.P90Milliseconds), Day: point.Day.Format(time.DateOnly),
			Median: words.lapse(point.MedianMilliseconds), P90: words.lapse(point.P90Milliseconds), Count: groupThousands(int(point.Count)),
		}
		p.X = percent(int64(2*p.number+1), int64(2*count))
		p.Title = words.say("clearance.trend.point", p.Day, p.Median, p.P90, p.Count)
		if last := len(view.Points) - 1; last >= 0 && view.Points[last].number == p.number-1 {
			before := view.Points[last]
			view.Lines = append(view.Lines,
				chartLine{"trend-p90", before.X, p.X, before.P90Y, p.P90Y}, chartLine{"trend-median", before.X, p.X, before.MedianY, p.MedianY})
		}
		view.Points = append(view.Points, p)
	}
	view.Days = axis([]string{period.First.Format(time.DateOnly), "", period.Last.Format(time.DateOnly)}, trendHeight-axisHeight)
	return view
}

// monday gives the Monday of a day's week.
func monday(day time.Time) time.Time {
	return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
}
