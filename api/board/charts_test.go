package board

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"singlewindow/declare/clearance"
)

// newCharts is a board that only draws.
func newCharts(t *testing.T) *board {
	t.Helper()
	b, err := newBoard(Options{Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var began = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return began.Add(time.Duration(minutes) * time.Minute) }

var everybody = []clearance.Span{
	{Track: "", Who: clearance.WhoGateway, Agency: "a<b", Stage: clearance.StageDelivery, From: at(0), To: at(1)},
	{Track: "", Who: clearance.WhoOperator, Agency: "a<b", Stage: clearance.StageTask, From: at(1), To: at(2)},
	{Track: "", Who: clearance.WhoTrader, Agency: "a<b", Stage: clearance.StageDocuments, From: at(2), To: at(60)},
	{Track: "a<b", Who: clearance.WhoAgency, Agency: "a<b", Stage: clearance.StageReview, From: at(0), To: at(10)},
	{Track: "a<b", Who: clearance.WhoNobody, Stage: clearance.StageSettled, From: at(10), To: at(30)},
	{Track: "a<b", Who: clearance.WhoTrader, Agency: "a<b", Stage: clearance.StageDocuments, From: at(30)},
}

// TestTimelineChart: every piece is named in words, beside its colour, and
// stands in the table; nothing breaks out of the page, and no style is inside.
func TestTimelineChart(t *testing.T) {
	t.Parallel()
	b := newCharts(t)
	for language, words := range map[string][]string{
		"en": {"Gateway · a&lt;b · Delivery", "Trader · Documents wanted", "Nobody", "Until", "still"},
		"zh": {"平台 · a&lt;b · 报文送达", "企业 · 补充单证", "运维", "进行中"},
	} {
		html, err := b.timelineChart(everybody, at(90), language)
		if err != nil {
			t.Fatal(err)
		}
		text := string(html)
		for _, word := range append(words, `x="33.33%"`, `width="66.66%"`, `role="img"`, `<data value="3600000">`) {
			if !strings.Contains(text, word) {
				t.Errorf("%s: no %s in %s", language, word, text)
			}
		}
		mustBePlain(t, text)
		if pieces := strings.Count(text, `class="piece who-`); pieces != len(everybody)+5 {
			t.Errorf("%d pieces", pieces)
		}
	}
}

// mustBePlain: well-formed, and nothing that the security policy forbids.
func mustBePlain(t *testing.T, html string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(html))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in %s", err, html)
		}
		element, isStart := token.(xml.StartElement)
		if !isStart {
			continue
		}
		for _, attribute := range element.Attr {
			if name := attribute.Name.Local; name == "style" || strings.HasPrefix(name, "on") || element.Name.Local == "script" || element.Name.Local == "style" {
				t.Errorf("%s %s", element.Name.Local, name)
			}
		}
	}
}

func TestNoTimelineOfNothing(t *testing.T) {
	t.Parallel()
	html, err := newCharts(t).timelineChart(nil, at(0), "en")
	if err != nil || html != "" {
		t.Errorf("%q %v", html, err)
	}
}

var coordinate = regexp.MustCompile(`^(100\.00|[0-9]{1,2}\.[0-9]{2})%$`)

// Whatever the figures, every point of a trend lies inside its picture.
func TestTrendStaysInside(t *testing.T) {
	t.Parallel()
	b := newCharts(t)
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.IntRange(1, 400).Draw(t, "days")
		period := clearance.Period{First: began.Truncate(24 * time.Hour), Last: began.Truncate(24*time.Hour).AddDate(0, 0, days-1)}
		stage := clearance.Times{Stage: clearance.StageTotal}
		for day := range days {
			if rapid.Bool().Draw(t, "some ended") {
				median := rapid.Int64Range(0, 1<<40).Draw(t, "median")
				stage.Course = append(stage.Course, clearance.Point{Day: period.First.AddDate(0, 0, day), Figures: clearance.Figures{
					Count: 3, MedianMilliseconds: median, P90Milliseconds: median + rapid.Int64Range(0, 1<<40).Draw(t, "more")}})
			}
		}
		words := b.wordsIn("en")
		view := trendOf(stage, period, clearance.EveryDay, words)
		if words.err != nil || len(view.Points) != len(stage.Course) {
			t.Fatalf("%d points of %d, %v", len(view.Points), len(stage.Course), words.err)
		}
		before := -1
		for _, p := range view.Points {
			if p.P90Y < trendTop || p.MedianY > trendBottom || p.P90Y > p.MedianY || !coordinate.MatchString(p.X) || p.number <= before {
				t.Fatalf("%+v", p)
			}
			before = p.number
		}
	})
}

func TestLapse(t *testing.T) {
	t.Parallel()
	words := newCharts(t).wordsIn("en")
	for milliseconds, want := range map[int64]string{0: "0 ms", 999: "999 ms", 1999: "1.9 s", 60_000: "1 min", 3_660_000: "1 h 1 min", 180_000_000: "2 d 2 h"} {
		if got := words.lapse(milliseconds); got != want || words.err != nil {
			t.Errorf("%d: %s, want %s (%v)", milliseconds, got, want, words.err)
		}
	}
}

func TestMonday(t *testing.T) {
	t.Parallel()
	for day := range 14 {
		at := began.Truncate(24*time.Hour).AddDate(0, 0, day)
		if m := monday(at); m.Weekday() != time.Monday || m.After(at) || at.Sub(m) > 6*24*time.Hour {
			t.Errorf("%v: %v", at, m)
		}
	}
}
