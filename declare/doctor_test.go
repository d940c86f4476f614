package declare

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every line of the chart is complete in both languages, and every code that
// the examination gives has one.
func TestChart(t *testing.T) {
	t.Parallel()
	lines := chart()
	for code, line := range lines {
		if gravities[line.Gravity] == GravityNone || !slices.Contains([]string{WhoTrader, WhoAgency, WhoOperator}, line.Who) {
			t.Errorf("%s: %+v", code, line)
		}
		for _, text := range []Text{line.What, line.Mend} {
			if text.English == "" || text.Chinese == "" {
				t.Errorf("%s: %+v", code, text)
			}
		}
	}
	integrity, err := fs.ReadFile(Statements, "sql/doctor_integrity.sql")
	if err != nil {
		t.Fatal(err)
	}
	codes := []string{"filing.decision", "declaration.status", codeLate, "message.deaths", "lease.expired", "folder.refused", "folder.notReopened",
		"agency.off", "agency.denied", "agency.paused", "agency.pausedLong"}
	for _, found := range regexp.MustCompile(`'([a-z]+\.[a-zA-Z]+)'`).FindAllStringSubmatch(string(integrity), -1) {
		codes = append(codes, found[1])
	}
	for _, who := range []string{WhoTrader, WhoAgency, WhoOperator} {
		codes = append(codes, "wait."+who)
	}
	for _, kind := range []string{"unsure", "setAside", "unmatched", "unreadable", "denied"} {
		codes = append(codes, "task."+kind)
	}
	for _, code := range codes {
		if _, known := lines[code]; !known {
			t.Errorf("the chart has no %s", code)
		}
	}
	if len(codes) != len(lines) {
		t.Errorf("%d codes, %d lines in the chart", len(codes), len(lines))
	}
}

// Like troubles are counted together, the gravest first, then the oldest; an
// agency's own row says how many there are.
func TestGathered(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return foldStart.Add(time.Duration(minute) * time.Minute) }
	var found []trouble
	for n := range 7 {
		found = append(found, trouble{code: "task.setAside", agency: "port", reason: "panicked", subject: "m", since: at(10 - n), declarationKey: declarationKey{"acme", "dec"}})
	}
	found = append(found,
		trouble{code: "agency.pausedLong", agency: "port", reason: "timeout", count: 42, since: at(1)},
		trouble{code: "agency.pausedLong", agency: "port", reason: "timeout", subject: "m", since: at(2), declarationKey: declarationKey{"acme", "dec"}},
		trouble{code: "message.digest", agency: "port", subject: "m", since: at(30)},
		trouble{code: "agency.paused", agency: "customs", count: 1, since: at(0)},
	)
	findings := gathered(found)
	var order []string
	for _, f := range findings {
		order = append(order, f.Code)
	}
	if want := []string{"message.digest", "agency.pausedLong", "task.setAside", "agency.paused"}; !slices.Equal(order, want) {
		t.Fatalf("%v", order)
	}
	if f := findings[1]; f.Count != 42 || len(f.Of) != 1 || !strings.Contains(f.What.English, "42") || !strings.Contains(f.What.Chinese, "42") {
		t.Errorf("%+v", f)
	}
	if f := findings[2]; f.Count != 7 || len(f.Of) != mostConcerns || !f.Since.Equal(at(4)) {
		t.Errorf("%+v", f)
	}
}
