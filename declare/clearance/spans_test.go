package clearance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"singlewindow/declare"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// history reads events from lines such as "90 a documentsRequired" or "5 b
// message.unsure noWayToAsk": milliseconds since acceptance, agency, what.
func history(lines ...string) (events []declare.Event) {
	for i, line := range lines {
		var after int
		var agency, what, reason string
		if read, err := fmt.Sscan(line, &after, &agency, &what, &reason); read < 3 {
			panic(err)
		}
		event := declare.Event{ID: fmt.Sprint(i), Number: i + 2, Agency: agency, At: start.Add(time.Duration(after) * time.Millisecond)}
		if strings.HasPrefix(what, "message.") {
			event.Type, event.Data = what, fmt.Appendf(nil, `{"reason": %q}`, reason)
		} else {
			event.Type, event.Data = "filing.decision", fmt.Appendf(nil, `{"decision": %q}`, what)
		}
		events = append(events, event)
	}
	return events
}

func filings(agencies ...string) (all []declare.FilingStatus) {
	for _, agency := range agencies {
		all = append(all, declare.FilingStatus{Agency: agency})
	}
	return all
}

// told writes spans as text: track, who, agency, stage, from and to in
// milliseconds.
func told(spans []Span) (lines []string) {
	for _, s := range spans {
		to := "…"
		if !s.To.IsZero() {
			to = fmt.Sprint(s.To.Sub(start).Milliseconds())
		}
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf("%s: %s %s %s %d–%s", s.Track, s.Who, s.Agency, s.Stage, s.From.Sub(start).Milliseconds(), to)), " "))
	}
	return lines
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		agencies []string
		events   []declare.Event
		want     []string
	}{
		"nothing happened yet": {[]string{"b", "a"}, nil, []string{": gateway a delivery 0–…", "a: gateway a delivery 0–…", "b: gateway b delivery 0–…"}},
		"the whole waits for whoever needs it most": {[]string{"a", "b"},
			history("5 a message.delivered", "5 b message.delivered", "10 a accepted", "20 b documentsRequired", "30 a inspection", "50 b accepted", "60 a released", "65 a closed", "70 b closed"),
			[]string{
				": gateway a delivery 0–5", ": agency a acceptance 5–10", ": agency a review 10–20", ": trader b documents 20–50", ": agency a inspection 50–60", ": agency b review 60–70",
				"a: gateway a delivery 0–5", "a: agency a acceptance 5–10", "a: agency a review 10–30", "a: agency a inspection 30–60",
				"b: gateway b delivery 0–5", "b: agency b acceptance 5–20", "b: trader b documents 20–50", "b: agency b review 50–70"}},
		"a rejection ends the whole": {[]string{"a", "b"}, history("5 a message.refused", "5 b message.delivered"),
			[]string{": gateway a delivery 0–5", "a: gateway a delivery 0–5", "b: gateway b delivery 0–5", "b: agency b acceptance 5–…"}},
		"an operator decides": {[]string{"a"}, history("5 a message.unsure timeout", "9 a message.unsure noWayToAsk", "20 a message.queued officer", "21 a message.delivered", "22 a message.setAside", "30 a message.delivered"),
			[]string{": gateway a delivery 0–9", ": operator a task 9–20", ": gateway a delivery 20–21", ": agency a acceptance 21–22", ": operator a task 22–30", ": agency a acceptance 30–…",
				"a: gateway a delivery 0–9", "a: operator a task 9–20", "a: gateway a delivery 20–21", "a: agency a acceptance 21–22", "a: operator a task 22–30", "a: agency a acceptance 30–…"}},
		"opened again": {[]string{"a"}, history("5 a message.delivered", "10 a released", "30 a documentsRequired", "40 a closed"),
			[]string{": gateway a delivery 0–5", ": agency a acceptance 5–10", ": nobody settled 10–30", ": trader a documents 30–40",
				"a: gateway a delivery 0–5", "a: agency a acceptance 5–10", "a: nobody settled 10–30", "a: trader a documents 30–40"}},
		"a clock behind, and no time at all": {[]string{"a"}, history("9 a message.delivered", "3 a accepted", "9 a paymentDue", "9 a accepted", "12 a released"),
			[]string{": gateway a delivery 0–9", ": agency a review 9–12", "a: gateway a delivery 0–9", "a: agency a review 9–12"}},
	} {
		t.Run(name, func(t *testing.T) {
			spans, err := Spans(start, c.events, filings(c.agencies...))
			if err != nil {
				t.Fatal(err)
			}
			if got := told(spans); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestEveryDecisionIsSomebodys(t *testing.T) {
	t.Parallel()
	for _, decision := range declare.Decisions {
		f := filing{agency: "a", delivery: declare.DeliveryDelivered, decision: decision}
		if h := f.held(); h.who == "" || h.stage == "" || h.stage != StageSettled && !slices.Contains(Stages, h.stage) {
			t.Errorf("%s is held as %+v", decision, h)
		}
	}
}

func TestAnEventThatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := Spans(start, []declare.Event{{ID: "x", Type: "filing.decision", Agency: "a", Data: []byte("[")}}, nil)
	if err == nil {
		t.Error("no error")
	}
}

// drawEvents draws a history of two agencies with clocks that may run behind.
func drawEvents(t *rapid.T) []declare.Event {
	words := []string{"message.delivered", "message.unsure noWayToAsk", "message.unsure reset", "message.setAside", "message.queued", "message.refused"}
	for _, decision := range declare.Decisions {
		words = append(words, string(decision))
	}
	var lines []string
	after := 0
	for range rapid.IntRange(0, 20).Draw(t, "events") {
		after += rapid.IntRange(-2, 5).Draw(t, "later by")
		lines = append(lines, fmt.Sprintf("%d %s %s", after, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "agency"), rapid.SampledFrom(words).Draw(t, "what")))
	}
	return history(lines...)
}

// Every moment from acceptance to the end is in exactly one span of each track,
// and whoever has it is whom the events up to that moment name.
func TestEveryMomentIsAttributedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		spans, err := Spans(start, events, filings("a", "b"))
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]time.Time{"": start, "a": start, "b": start}
		for _, s := range spans {
			if !s.From.Equal(at[s.Track]) || !s.To.IsZero() && !s.To.After(s.From) {
				t.Fatalf("a gap or an overlap before %v in\n%s", s, strings.Join(told(spans), "\n"))
			}
			at[s.Track] = s.To
			until := []declare.Event{}
			latest := start
			for _, event := range events {
				if latest = later(latest, event.At); latest.After(s.From) {
					break
				}
				until = append(until, event)
			}
			tracks, err := follow(start, until, []string{"a", "b"})
			if err != nil {
				t.Fatal(err)
			}
			now := tracks[slices.Index([]string{"", "a", "b"}, s.Track)].now
			if now.who != s.Who || now.stage != s.Stage || now.agency != s.Agency {
				t.Fatalf("%v, but the events until then say %+v", s, now)
			}
		}
	})
}

// What is over stays as it was, whatever happens next: it may be stored.
func TestWhatIsOverStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		cut := rapid.IntRange(0, len(events)).Draw(t, "cut")
		before, err := follow(start, events[:cut], []string{"a", "b"})
		if err != nil {
			t.Fatal(err)
		}
		after, err := follow(start, events, []string{"a", "b"})
		if err != nil {
			t.Fatal(err)
		}
		for i, track := range before {
			for n, s := range track.spans {
				if n == len(after[i].spans) && after[i].since.Equal(s.From) {
					continue // it began again in the moment it was over, and lasts
				}
				if is := after[i].spans[n]; is.From != s.From || is.Stage != s.Stage || is.To.Before(s.To) || n < len(track.spans)-1 && is != s {
					t.Fatalf("%v became %v", s, is)
				}
			}
		}
	})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
