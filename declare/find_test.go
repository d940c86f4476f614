package declare

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestCursorsOfLists(t *testing.T) {
	s := spot{time.Date(2026, 3, 2, 2, 3, 4, 125e6, time.UTC), "dec_01KDTP3X8Q0000000000000001"}
	if back, err := spotOf(s.cursor()); err != nil || !back.at.Equal(s.at) || back.id != s.id {
		t.Errorf("%v %v", back, err)
	}
	far := spot{time.UnixMicro(1 << 62), s.id}
	for _, cursor := range []string{"", "x", "AQAA", s.cursor()[:20], s.cursor() + "A", s.cursor() + "=", "%", "\x00", far.cursor(), spot{s.at, "dec_\xff"}.cursor()} {
		if _, err := spotOf(cursor); !errors.Is(err, ErrCursor) {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}

// A page begins behind its cursor, but never behind the end of the period.
func TestWhereAPageBegins(t *testing.T) {
	last := spot{time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), "dec_01KDTP3X8Q0000000000000001"}
	for _, c := range []struct {
		q    Question
		want spot
	}{
		{Question{}, spot{at: endOfTime}},
		{Question{To: last.at}, spot{at: last.at}},
		{Question{After: last.cursor()}, last},
		{Question{After: last.cursor(), To: last.at.Add(time.Hour)}, last},
		{Question{After: last.cursor(), To: last.at.Add(-time.Hour)}, spot{at: last.at.Add(-time.Hour)}},
		{Question{After: last.cursor(), To: last.at}, spot{at: last.at}},
	} {
		if got, err := c.q.behind(); err != nil || !got.at.Equal(c.want.at) || got.id != c.want.id {
			t.Errorf("%+v: %v %v", c.q, got, err)
		}
	}
}

func TestSpellings(t *testing.T) {
	for number, want := range map[string][]string{
		"": {}, "  ": {}, " ABC ": {"ABC"}, "abc": {"abc"}, "9482158": {"9482158", "IMO9482158"}, "IMO 9482158": {"9482158", "IMO 9482158", "IMO9482158"},
		"imo9482158": {"9482158", "IMO9482158", "imo9482158"}, "94821580": {"94821580"}, "IMO": {"IMO"},
	} {
		if got := spellings(number); !slices.Equal(got, want) {
			t.Errorf("%q: %q", number, got)
		}
	}
}
