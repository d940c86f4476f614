package declare

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var foldStart = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// foldWords is a decision table as an agency's folder has one: a word fixes
// its decision, its rank and whether it reopens.
var foldWords = []heardNotice{
	{word: "noted", decision: DecisionNone, rank: 5},
	{word: "arrived", decision: DecisionReceived, rank: 10},
	{word: "taken", decision: DecisionAccepted, rank: 20},
	{word: "returned", decision: DecisionRejected, rank: 21},
	{word: "papers", decision: DecisionDocumentsRequired, rank: 30},
	{word: "more papers", decision: DecisionDocumentsRequired, rank: 30},
	{word: "opened", decision: DecisionInspection, rank: 30},
	{word: "again", decision: DecisionUnderReview, rank: 30, reopens: true},
	{word: "go", decision: DecisionReleased, rank: 60},
	{word: "end", decision: DecisionClosed, rank: 90},
	{word: "undone", decision: DecisionCancelled, rank: 92, reopens: true},
	{word: "registered", decision: DecisionReceived, rank: 10, opens: true},
}

// drawnWords are those without a word that opens: a late older notice may
// well leave nothing to open.
var drawnWords = foldWords[:len(foldWords)-1]

var foldOrders = [][]string{
	{"version", "issuedAt", "rank"}, {"version", "rank"}, {"version"},
	{"issuedAt", "rank"}, {"issuedAt", "version"}, {"issuedAt"}, {"rank", "version"}, {"rank"}, nil,
}

// heardOf gives the notice of a word; the fields an agency may leave out stay
// empty.
func heardOf(word string) heardNotice {
	i := slices.IndexFunc(foldWords, func(n heardNotice) bool { return n.word == word })
	return foldWords[i]
}

// arrived numbers notices in the order they came, as the inbox does. The
// remark is the notice's own number, so that a standing tells which notice
// made it.
func arrived(notices []heardNotice) []heardNotice {
	notices = slices.Clone(notices)
	for i := range notices {
		notices[i].id = fmt.Sprintf("ntc_%02d", i)
		notices[i].receivedAt = foldStart.Add(time.Duration(i) * time.Minute)
		notices[i].remark = notices[i].id
	}
	return notices
}

// drawHeard draws notices with few different versions, times and ranks, so
// that many of them tie.
func drawHeard(t *rapid.T) []heardNotice {
	one := rapid.Custom(func(t *rapid.T) heardNotice {
		notice := rapid.SampledFrom(drawnWords).Draw(t, "word")
		notice.version = rapid.IntRange(0, 2).Draw(t, "version")
		if minute := rapid.IntRange(-1, 2).Draw(t, "issued"); minute >= 0 {
			notice.issuedAt = foldStart.Add(time.Duration(minute) * time.Minute)
		}
		notice.numbers = rapid.MapOfN(rapid.SampledFrom([]string{"entry", "unified"}), rapid.StringMatching(`[1-3]`), 0, 2).Draw(t, "numbers")
		if rapid.Bool().Draw(t, "complains") {
			notice.errors = []AgencyError{{Code: notice.word}}
		}
		return notice
	})
	return arrived(rapid.SliceOfN(one, 0, 8).Draw(t, "notices"))
}

func drawOrder(t *rapid.T) []string { return rapid.SampledFrom(foldOrders).Draw(t, "order") }

// older tells whether the declared order alone puts a before b.
func older(a, b heardNotice, order []string) bool {
	for _, by := range order {
		switch {
		case by == "version" && a.version != b.version:
			return a.version < b.version
		case by == "issuedAt" && !a.issuedAt.Equal(b.issuedAt):
			return a.issuedAt.Before(b.issuedAt)
		case by == "rank" && a.rank != b.rank:
			return a.rank < b.rank
		}
	}
	return false
}

func TestFoldIsIndependentOfTheOrderRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		notices, order := drawHeard(t), drawOrder(t)
		before := slices.Clone(notices)
		want := fold(notices, order, foldStart)
		if !reflect.DeepEqual(notices, before) {
			t.Fatal("the fold reordered what it was given")
		}
		shuffled := rapid.Permutation(notices).Draw(t, "shuffled")
		if got := fold(shuffled, order, foldStart); !reflect.DeepEqual(got, want) {
			t.Fatalf("read in another order: %+v, not %+v", got, want)
		}
	})
}

func TestFoldIsIndependentOfArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		notices, order := drawHeard(t), drawOrder(t)
		want := fold(notices, order, foldStart)
		got := fold(arrived(rapid.Permutation(notices).Draw(t, "arrival")), order, foldStart)
		if got.decision != want.decision || got.word != want.word {
			t.Fatalf("arrived in another order: %s %q, not %s %q", got.decision, got.word, want.decision, want.word)
		}
	})
}

func TestFoldIgnoresCopies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		notices, order := drawHeard(t), drawOrder(t)
		if len(notices) == 0 {
			return
		}
		copies := rapid.SliceOfN(rapid.SampledFrom(notices), 1, 4).Draw(t, "copies")
		want := fold(notices, order, foldStart)
		if got := fold(append(slices.Clone(notices), copies...), order, foldStart); !reflect.DeepEqual(got, want) {
			t.Fatalf("with copies: %+v, not %+v", got, want)
		}
	})
}

// A late notice that the agency itself calls older than the one that decided
// moves nothing. An older final one is another matter: had it come in time,
// the later words would not have counted, see TestFoldInDeclaredOrder.
func TestFoldNeverStepsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		notices, order := drawHeard(t), drawOrder(t)
		if len(notices) == 0 {
			return
		}
		late := rapid.IntRange(0, len(notices)-1).Draw(t, "late")
		before := fold(slices.Delete(slices.Clone(notices), late, late+1), order, foldStart)
		decider := slices.IndexFunc(notices, func(n heardNotice) bool { return n.id == before.remark })
		if decider < 0 || notices[late].decision.Final() || !older(notices[late], notices[decider], order) {
			return
		}
		after := fold(notices, order, foldStart)
		if after.decision != before.decision || after.word != before.word || after.remark != before.remark {
			t.Fatalf("%+v moved %s %q to %s %q", notices[late], before.decision, before.word, after.decision, after.word)
		}
	})
}

func TestFoldLeavesAFinalDecisionOnlyWhenReopened(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		order := drawOrder(t)
		notices := inOrder(drawHeard(t), order)
		cut := rapid.IntRange(0, len(notices)).Draw(t, "cut")
		before := fold(notices[:cut], order, foldStart)
		if !before.decision.Final() {
			return
		}
		after := fold(notices, order, foldStart)
		later := slices.DeleteFunc(slices.Clone(notices[cut:]), func(n heardNotice) bool { return !n.reopens || n.decision == DecisionNone })
		after.numbers, before.numbers = nil, nil
		if len(later) == 0 && !reflect.DeepEqual(after, before) {
			t.Fatalf("moved without being reopened: %+v, was %+v", after, before)
		}
		if len(later) > 0 && after.remark == before.remark {
			t.Fatalf("%+v did not reopen %+v", later, before)
		}
	})
}

func TestFoldGathersNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		notices, order := drawHeard(t), drawOrder(t)
		numbers := fold(notices, order, foldStart).numbers
		given := map[string]bool{}
		for _, notice := range notices {
			for name := range notice.numbers {
				given[name] = true
			}
		}
		if len(numbers) != len(given) {
			t.Fatalf("%v of %v", numbers, given)
		}
		for name, value := range numbers {
			if !slices.ContainsFunc(notices, func(n heardNotice) bool {
				return n.numbers[name] == value && !slices.ContainsFunc(notices, func(later heardNotice) bool {
					return later.numbers[name] != "" && older(n, later, order)
				})
			}) {
				t.Fatalf("%s is %s, which no newest notice said", name, value)
			}
		}
	})
}

func TestFoldInDeclaredOrder(t *testing.T) {
	t.Parallel()
	said := func(word string, version, minute int) heardNotice {
		notice := heardOf(word)
		notice.version = version
		if minute >= 0 {
			notice.issuedAt = foldStart.Add(time.Duration(minute) * time.Minute)
		}
		return notice
	}
	for name, check := range map[string]struct {
		order   []string
		arrival []heardNotice
		word    string
		since   int // which notice, by arrival, began the decision; -1: acceptance
	}{
		"nothing heard":               {nil, nil, "", -1},
		"only something noted":        {nil, []heardNotice{said("noted", 0, 0)}, "", -1},
		"version first":               {[]string{"version", "issuedAt", "rank"}, []heardNotice{said("go", 3, 1), said("opened", 2, 9)}, "go", 0},
		"then the time":               {[]string{"version", "issuedAt", "rank"}, []heardNotice{said("opened", 2, 9), said("go", 2, 1)}, "opened", 0},
		"then the rank":               {[]string{"version", "issuedAt", "rank"}, []heardNotice{said("go", 2, 1), said("opened", 2, 1)}, "go", 0},
		"time before rank":            {[]string{"issuedAt", "rank"}, []heardNotice{said("opened", 0, 9), said("go", 7, 1)}, "opened", 0},
		"time, the version unasked":   {[]string{"issuedAt"}, []heardNotice{said("taken", 1, 2), said("go", 9, 1)}, "taken", 0},
		"version, the time unasked":   {[]string{"version"}, []heardNotice{said("taken", 2, 1), said("go", 1, 9)}, "taken", 0},
		"rank, the rest unasked":      {[]string{"rank"}, []heardNotice{said("go", 1, 1), said("taken", 9, 9)}, "go", 0},
		"rank before version":         {[]string{"rank", "version"}, []heardNotice{said("go", 1, 1), said("taken", 9, 9)}, "go", 0},
		"no time is before any":       {[]string{"issuedAt", "rank"}, []heardNotice{said("taken", 0, 0), said("go", 0, -1)}, "taken", 0},
		"no order: the rank":          {nil, []heardNotice{said("go", 0, 0), said("taken", 9, 9)}, "go", 0},
		"all the same: the word":      {[]string{"issuedAt", "rank"}, []heardNotice{said("papers", 0, 0), said("opened", 0, 0)}, "papers", 0},
		"a correction":                {[]string{"version"}, []heardNotice{said("go", 1, 0), said("opened", 2, 0)}, "opened", 1},
		"the same decision again":     {[]string{"version"}, []heardNotice{said("papers", 1, 0), said("more papers", 2, 0)}, "more papers", 0},
		"away and back":               {[]string{"version"}, []heardNotice{said("papers", 1, 0), said("taken", 2, 0), said("papers", 3, 0)}, "papers", 2},
		"noted in between":            {[]string{"version"}, []heardNotice{said("papers", 1, 0), said("noted", 2, 0)}, "papers", 0},
		"final":                       {[]string{"version"}, []heardNotice{said("returned", 1, 0), said("go", 2, 0)}, "returned", 0},
		"a final word that came late": {[]string{"version"}, []heardNotice{said("go", 2, 0), said("returned", 1, 0)}, "returned", 1},
		"reopened":                    {[]string{"version"}, []heardNotice{said("end", 1, 0), said("again", 2, 0), said("go", 3, 0)}, "go", 2},
		"registered":                  {[]string{"version"}, []heardNotice{said("registered", 1, 0)}, "registered", 0},
		"registered before":           {[]string{"version"}, []heardNotice{said("registered", 1, 0), said("taken", 2, 0)}, "taken", 1},
		"registered, decided already": {[]string{"version"}, []heardNotice{said("taken", 1, 0), said("registered", 2, 0)}, "taken", 0},
		"reopened before its end":     {[]string{"version"}, []heardNotice{said("again", 1, 0), said("end", 2, 0)}, "end", 1},
		"one end after another":       {[]string{"version"}, []heardNotice{said("end", 1, 0), said("undone", 2, 0)}, "undone", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stand := fold(arrived(check.arrival), check.order, foldStart.Add(-time.Minute))
			since := foldStart.Add(time.Duration(check.since) * time.Minute)
			want := DecisionNone
			if check.word != "" {
				want = heardOf(check.word).decision
			}
			if stand.word != check.word || stand.decision != want || !stand.since.Equal(since) {
				t.Errorf("%s %q since %s, not %s %q since %s", stand.decision, stand.word, stand.since, want, check.word, since)
			}
		})
	}
}

// What a decision says goes with it: an earlier word's remark and complaints
// do not stay behind.
func TestFoldKeepsRemarkAndErrorsOfTheDecidingNotice(t *testing.T) {
	t.Parallel()
	first, second := heardOf("papers"), heardOf("go")
	first.errors, first.numbers = []AgencyError{{Code: "E1"}}, map[string]string{"entry": "1", "unified": "1"}
	second.numbers = map[string]string{"entry": "2"}
	stand := fold(arrived([]heardNotice{first, second}), []string{"rank"}, foldStart)
	want := standing{
		decision: DecisionReleased, word: "go", remark: "ntc_01", since: foldStart.Add(time.Minute),
		numbers: map[string]string{"entry": "2", "unified": "1"},
	}
	if !reflect.DeepEqual(stand, want) {
		t.Errorf("%+v, not %+v", stand, want)
	}
}

// A notice that only informs moves no decision, but what it tells of duties
// counts; documents are wanted as long as the decision that wants them stands.
func TestFoldKeepsDutiesAndDropsDocumentsNoLongerWanted(t *testing.T) {
	t.Parallel()
	papers, first, second := heardOf("papers"), heardOf("noted"), heardOf("noted")
	papers.documents = []DocumentWanted{{Code: "D1", Limit: foldStart.Add(time.Hour)}, {Code: "D2", Limit: foldStart.Add(time.Minute)}}
	first.duties, first.version = []Duty{{Item: 1, Payable: Amount{"5.00", "GBP"}}}, 1
	second.duties, second.version = []Duty{{Item: 1, Payable: Amount{"7.00", "GBP"}}}, 2
	stand := fold(arrived([]heardNotice{second, papers, first}), []string{"version"}, foldStart)
	if stand.decision != DecisionDocumentsRequired || !reflect.DeepEqual(stand.documents, papers.documents) || !reflect.DeepEqual(stand.duties, second.duties) {
		t.Errorf("%+v", stand)
	}
	status, waiting := overall([]FilingStatus{{Agency: "a", Delivery: DeliveryDelivered, Decision: stand.decision, Documents: stand.documents}}, foldStart)
	if status != OverallActionNeeded || !waiting.Until.Equal(foldStart.Add(time.Minute)) {
		t.Errorf("%s, %+v", status, waiting)
	}
	released := heardOf("go")
	released.version = 3
	stand = fold(arrived([]heardNotice{released, second, papers, first}), []string{"version"}, foldStart)
	if stand.documents != nil || !reflect.DeepEqual(stand.duties, second.duties) {
		t.Errorf("%+v", stand)
	}
}

// An answer may say nothing but its number: then two of them are two.
func TestNoticesDifferByWhatCameBesideThem(t *testing.T) {
	t.Parallel()
	profile := Profile{Headers: map[string]string{"conversation": "X-Conversation"}}
	heardWith := func(value string) *heard {
		return &heard{reading: Reading{Carried: profile.Carried(func(name string) string {
			if name != "X-Conversation" {
				t.Errorf("asked for %s", name)
			}
			return value
		})}}
	}
	one, other, none := heardWith("1"), heardWith("2"), heardWith(strings.Repeat("9", longestCarried+1))
	if bytes.Equal(one.digest(), other.digest()) || bytes.Equal(one.digest(), none.digest()) || !bytes.Equal(one.digest(), heardWith(" 1 ").digest()) {
		t.Error("the digest does not tell them apart")
	}
	answer := func(message string) *heard { return &heard{source: "answer", reading: Reading{MessageID: message}} }
	if bytes.Equal(answer("msg_1").digest(), answer("msg_2").digest()) {
		t.Error("equal answers to two messages are one")
	}
	if unread := (&heard{unreadable: "xml.invalid"}); bytes.Equal(unread.digest(), (&heard{}).digest()) {
		t.Error("what could not be read hides what can")
	}
	if len(none.reading.Carried) != 0 {
		t.Errorf("carried %v", none.reading.Carried)
	}
}
