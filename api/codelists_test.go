package api

import (
	"testing"

	"singlewindow/declare"
)

// A spreadsheet must not run what a list says.
func TestNoCellIsAFormula(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "KGM": "KGM", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\tA": "'\tA", "\rA": "'\rA", "A=1": "A=1", "千克": "千克",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q is written %q", text, got)
		}
	}
	out, err := codesAsCSV([]declare.Code{{Code: "-1", Title: declare.Text{English: "=A, B", Chinese: "+丙"}, ValidTo: "2026-01-01"}})
	if want := "code,en,zh,validFrom,validTo\r\n'-1,\"'=A, B\",'+丙,,2026-01-01\r\n"; err != nil || string(out) != want {
		t.Errorf("%q %v", out, err)
	}
}

func TestWhoGetsCSV(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "text/*": false, "text/csv": true, "text/csv, */*;q=0.1": true, "text/csv;q=0": false,
		"application/json": false, "text/csv, application/json": false,
	} {
		if got := prefersCSV(accept); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

func TestIfNoneMatch(t *testing.T) {
	for header, want := range map[string]bool{"": false, `"a"`: true, `W/"a"`: true, `"b", "a"`: true, "*": true, `"b"`: false, "a": false} {
		if got := matches(header, `"a"`); got != want {
			t.Errorf("%s: %v", header, got)
		}
	}
}
