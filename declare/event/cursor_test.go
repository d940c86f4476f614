package event

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestCursorsComeBack(t *testing.T) {
	for _, c := range []cursor{{}, {1, 0}, {744, 12}, {math.MaxUint64, math.MaxInt64}} {
		back, err := parseCursor(c.String())
		if err != nil || back != c {
			t.Errorf("%v came back as %v, %v", c, back, err)
		}
	}
	if c, err := parseCursor(""); err != nil || c.String() != Beginning {
		t.Errorf("no cursor is %v, %v", c, err)
	}
}

func TestWhatIsNoCursor(t *testing.T) {
	good := cursor{744, 12}.String()
	for what, text := range map[string]string{
		"a word":             "now",
		"cut short":          good[:len(good)-1],
		"too long":           good + "AAAA",
		"padded":             good + "=",
		"a line break in it": good[:4] + "\n" + good[4:],
		"other characters":   strings.Repeat("é", 12),
		"another version":    "AQ"[:1] + "g" + good[2:],
		"a position below 0": cursor{1, -1}.String(),
		"loose last bits":    good[:len(good)-1] + "N",
	} {
		if c, err := parseCursor(text); !errors.Is(err, ErrCursor) {
			t.Errorf("%s: %q is read as %v, %v", what, text, c, err)
		}
	}
}
