package declare

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var deliveries = []Delivery{DeliveryQueued, DeliverySending, DeliveryUnsure, DeliveryDelivered, DeliveryRefused, DeliverySetAside}

// verdictOn is what a user should hear of a declaration.
type verdictOn struct {
	status Overall
	who    string
	why    string
}

// byDecision says where a declaration with one filing stands when the
// agency's decision alone tells it.
var byDecision = map[Decision]verdictOn{
	DecisionRejected:              {OverallRejected, WhoTrader, "rejected"},
	DecisionDocumentsRequired:     {OverallActionNeeded, WhoTrader, "documentsRequired"},
	DecisionPaymentDue:            {OverallActionNeeded, WhoTrader, "paymentDue"},
	DecisionInspection:            {OverallHeld, WhoAgency, "inspection"},
	DecisionSuspended:             {OverallHeld, WhoAgency, "suspended"},
	DecisionReleased:              {OverallCleared, WhoNobody, "cleared"},
	DecisionReleasedConditionally: {OverallCleared, WhoNobody, "cleared"},
	DecisionClosed:                {OverallClosed, WhoNobody, "closed"},
	DecisionCancelled:             {OverallCancelled, WhoNobody, "cancelled"},
}

// byDelivery says it for the decisions that leave it to how far the message
// got; a delivered one waits for the agency, which is why the decision is.
var byDelivery = map[Delivery]verdictOn{
	DeliveryQueued:   {OverallProcessing, WhoAgency, "queued"},
	DeliverySending:  {OverallProcessing, WhoAgency, "sending"},
	DeliveryUnsure:   {OverallProcessing, WhoAgency, "unsure"},
	DeliverySetAside: {OverallProcessing, WhoOperator, "setAside"},
}

func expected(f FilingStatus) verdictOn {
	if f.Delivery == DeliveryRefused && f.Decision == DecisionNone {
		return byDecision[DecisionRejected]
	}
	if want, told := byDecision[f.Decision]; told {
		return want
	}
	want, told := byDelivery[f.Delivery]
	if !told {
		return verdictOn{OverallProcessing, WhoAgency, string(f.Decision)}
	}
	if f.Delivery == DeliveryUnsure && f.Reason == ReasonNoWayToAsk {
		want.who = WhoOperator
	}
	return want
}

// everyFiling gives every state one filing can be in.
func everyFiling() []FilingStatus {
	var all []FilingStatus
	for _, delivery := range deliveries {
		for _, decision := range Decisions {
			for _, reason := range []string{"", ReasonTimeout, ReasonNoWayToAsk} {
				if reason == "" || delivery == DeliveryUnsure {
					all = append(all, filed("port", delivery, decision, reason))
				}
			}
		}
	}
	return all
}

func filed(agency string, delivery Delivery, decision Decision, reason string) FilingStatus {
	return FilingStatus{Agency: agency, Delivery: delivery, Decision: decision, Reason: reason, Since: foldStart}
}

func TestOverallOfEveryFiling(t *testing.T) {
	t.Parallel()
	for _, filing := range everyFiling() {
		want := expected(filing)
		status, waiting := overall([]FilingStatus{filing}, foldStart.Add(time.Hour))
		if got := (verdictOn{status, waiting.Who, waiting.Why}); got != want {
			t.Errorf("%s, %s %s: %v, not %v", filing.Decision, filing.Delivery, filing.Reason, got, want)
		}
		agency := filing.Agency
		if waiting.Who == WhoNobody {
			agency = ""
		}
		if waiting.Agency != agency || !waiting.Since.Equal(filing.Since) {
			t.Errorf("%s, %s: waits for %q since %s", filing.Decision, filing.Delivery, waiting.Agency, waiting.Since)
		}
	}
}

// neediness ranks what filings alone would make of a declaration: the
// neediest speaks for all.
func neediness(w verdictOn) int {
	switch {
	case w.status == OverallRejected:
		return 6
	case w.status == OverallActionNeeded:
		return 5
	case w.status == OverallHeld:
		return 4
	case w.who == WhoOperator:
		return 3
	case slices.Contains(deliveries, Delivery(w.why)):
		return 2
	case w.who == WhoAgency:
		return 1
	}
	return 0
}

// neediest gives the first in the order given among filings that need
// somebody equally.
func neediest(filings []FilingStatus) FilingStatus {
	return slices.MaxFunc(filings, func(a, b FilingStatus) int {
		return cmp.Compare(neediness(expected(a)), neediness(expected(b)))
	})
}

// expectedTogether folds several filings by hand.
func expectedTogether(filings []FilingStatus) (status Overall, who string) {
	if want := expected(neediest(filings)); want.who != WhoNobody {
		return want.status, want.who
	}
	ends := map[Decision]int{}
	for _, filing := range filings {
		ends[filing.Decision]++
	}
	switch {
	case ends[DecisionCancelled] == len(filings):
		return OverallCancelled, WhoNobody
	case ends[DecisionReleased]+ends[DecisionReleasedConditionally] > 0:
		return OverallCleared, WhoNobody
	}
	return OverallClosed, WhoNobody
}

// Every combination of two and three filings, whatever their order: the order
// is TestOverallIsIndependentOfTheOrderOfFilings.
func TestOverallOfEveryCombination(t *testing.T) {
	t.Parallel()
	all := everyFiling()
	for i, first := range all {
		for j := i; j < len(all); j++ {
			checkOverall(t, []FilingStatus{first, all[j]})
			for _, third := range all[j:] {
				checkOverall(t, []FilingStatus{first, all[j], third})
			}
			if t.Failed() {
				return
			}
		}
	}
}

func checkOverall(t *testing.T, filings []FilingStatus) {
	status, waiting := overall(filings, foldStart.Add(time.Hour))
	wantStatus, wantWho := expectedTogether(filings)
	if status != wantStatus || waiting.Who != wantWho || waiting.Why == "" || !waiting.Since.Equal(foldStart) {
		t.Errorf("%s, waiting for %+v, not %s for %s: %+v", status, waiting, wantStatus, wantWho, filings)
	}
}

// Which agency is named among filings that need somebody equally: the first
// in the order given. The ledger and the intake give them by agency's name.
func TestOverallIsIndependentOfTheOrderOfFilings(t *testing.T) {
	t.Parallel()
	all := everyFiling()
	rapid.Check(t, func(t *rapid.T) {
		filings := rapid.SliceOfN(rapid.SampledFrom(all), 1, 5).Draw(t, "filings")
		for i := range filings {
			filings[i].Agency = fmt.Sprintf("agency-%d", i)
			filings[i].Since = foldStart.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "since")) * time.Minute)
		}
		shuffled := rapid.Permutation(filings).Draw(t, "shuffled")
		before := slices.Clone(shuffled)
		status, waiting := overall(filings, foldStart)
		gotStatus, got := overall(shuffled, foldStart.Add(time.Hour))
		if !reflect.DeepEqual(shuffled, before) {
			t.Fatal("the filings were changed")
		}
		if gotStatus != status || got.Who != waiting.Who {
			t.Fatalf("in another order: %s %s, not %s %s", gotStatus, got.Who, status, waiting.Who)
		}
		if got.Who == WhoNobody {
			if got != waiting {
				t.Fatalf("in another order: %+v, not %+v", got, waiting)
			}
			return
		}
		named := neediest(shuffled)
		if want := (WaitingFor{Who: got.Who, Agency: named.Agency, Since: named.Since, Why: expected(named).why}); got != want {
			t.Fatalf("waits for %+v, not for %+v", got, want)
		}
	})
}

func TestOverallOfSeveral(t *testing.T) {
	t.Parallel()
	sent := func(decisions ...Decision) []FilingStatus {
		var filings []FilingStatus
		for i, decision := range decisions {
			filings = append(filings, filed(fmt.Sprintf("agency-%d", i), DeliveryDelivered, decision, ""))
		}
		return filings
	}
	waiting := func(delivery Delivery, reason string, decisions ...Decision) []FilingStatus {
		return append(sent(decisions...), filed("waiting", delivery, DecisionNone, reason))
	}
	for name, check := range map[string]struct {
		filings []FilingStatus
		want    verdictOn
		agency  string
	}{
		"no agency":                     {nil, verdictOn{OverallProcessing, WhoOperator, "noAgency"}, ""},
		"one rejected":                  {sent(DecisionReleased, DecisionDocumentsRequired, DecisionRejected), verdictOn{OverallRejected, WhoTrader, "rejected"}, "agency-2"},
		"refused on the wire":           {waiting(DeliveryRefused, "", DecisionInspection), verdictOn{OverallRejected, WhoTrader, "rejected"}, "waiting"},
		"documents wanted":              {sent(DecisionInspection, DecisionDocumentsRequired, DecisionReleased), verdictOn{OverallActionNeeded, WhoTrader, "documentsRequired"}, "agency-1"},
		"payment due":                   {sent(DecisionPaymentDue, DecisionInspection), verdictOn{OverallActionNeeded, WhoTrader, "paymentDue"}, "agency-0"},
		"inspection":                    {sent(DecisionReleased, DecisionInspection, DecisionAccepted), verdictOn{OverallHeld, WhoAgency, "inspection"}, "agency-1"},
		"inspection, another set aside": {waiting(DeliverySetAside, "", DecisionInspection), verdictOn{OverallHeld, WhoAgency, "inspection"}, "agency-0"},
		"set aside":                     {waiting(DeliverySetAside, "", DecisionReleased), verdictOn{OverallProcessing, WhoOperator, "setAside"}, "waiting"},
		"unsure, no way to ask":         {waiting(DeliveryUnsure, ReasonNoWayToAsk, DecisionAccepted), verdictOn{OverallProcessing, WhoOperator, "unsure"}, "waiting"},
		"unsure, being asked about":     {waiting(DeliveryUnsure, ReasonTimeout, DecisionAccepted), verdictOn{OverallProcessing, WhoAgency, "unsure"}, "waiting"},
		"one not delivered":             {waiting(DeliveryQueued, "", DecisionUnderReview, DecisionReleased), verdictOn{OverallProcessing, WhoAgency, "queued"}, "waiting"},
		"one undecided":                 {sent(DecisionReleased, DecisionUnderReview), verdictOn{OverallProcessing, WhoAgency, "underReview"}, "agency-1"},
		"one being withdrawn":           {sent(DecisionReleased, DecisionCancelPending), verdictOn{OverallProcessing, WhoAgency, "cancelPending"}, "agency-1"},
		"all closed":                    {sent(DecisionClosed, DecisionClosed), verdictOn{OverallClosed, WhoNobody, "closed"}, ""},
		"closed and released":           {sent(DecisionClosed, DecisionReleased), verdictOn{OverallCleared, WhoNobody, "cleared"}, ""},
		"released on conditions":        {sent(DecisionReleasedConditionally, DecisionReleased), verdictOn{OverallCleared, WhoNobody, "cleared"}, ""},
		"all cancelled":                 {sent(DecisionCancelled, DecisionCancelled), verdictOn{OverallCancelled, WhoNobody, "cancelled"}, ""},
		"cancelled and closed":          {sent(DecisionCancelled, DecisionClosed), verdictOn{OverallClosed, WhoNobody, "closed"}, ""},
		"cancelled and released":        {sent(DecisionCancelled, DecisionReleased), verdictOn{OverallCleared, WhoNobody, "cleared"}, ""},
		"cancelled, closed, released":   {sent(DecisionCancelled, DecisionClosed, DecisionReleased), verdictOn{OverallCleared, WhoNobody, "cleared"}, ""},
		"cancelled and rejected":        {sent(DecisionCancelled, DecisionRejected), verdictOn{OverallRejected, WhoTrader, "rejected"}, "agency-1"},
		"cancelled and undecided":       {sent(DecisionCancelled, DecisionReceived), verdictOn{OverallProcessing, WhoAgency, "received"}, "agency-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, waiting := overall(check.filings, foldStart)
			if got := (verdictOn{status, waiting.Who, waiting.Why}); got != check.want || waiting.Agency != check.agency || !waiting.Since.Equal(foldStart) {
				t.Errorf("%s, waiting for %+v", status, waiting)
			}
		})
	}
}

// A settled declaration is settled since its last filing was.
func TestOverallSettledSinceTheLast(t *testing.T) {
	t.Parallel()
	filings := []FilingStatus{filed("a", DeliveryDelivered, DecisionReleased, ""), filed("b", DeliveryDelivered, DecisionClosed, "")}
	filings[0].Since = foldStart.Add(time.Hour)
	if _, waiting := overall(filings, foldStart.Add(2*time.Hour)); !waiting.Since.Equal(filings[0].Since) {
		t.Errorf("settled since %s", waiting.Since)
	}
}

// The database refuses a word it does not know; it must know all of ours.
func TestTheLedgerKnowsEveryWord(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("sql/migrations/00001_ledger.sql")
	if err != nil {
		t.Fatal(err)
	}
	for column, words := range map[string][]string{
		"decision":    spelled(Decisions),
		"delivery":    spelled(deliveries),
		"status":      spelled([]Overall{OverallProcessing, OverallActionNeeded, OverallHeld, OverallCleared, OverallClosed, OverallRejected, OverallCancelled}),
		"waiting_who": {WhoTrader, WhoAgency, WhoOperator, WhoNobody},
		"state":       {agencyConnected, agencyPaused, agencyDenied},
	} {
		known := regexp.MustCompile(`[( ]`+column+` IN \(([^)]*)\)`).FindAllSubmatch(schema, -1)
		if !slices.ContainsFunc(known, func(list [][]byte) bool { return string(list[1]) == "'"+strings.Join(words, "', '")+"'" }) {
			t.Errorf("%s: the ledger knows %q, not %q", column, known, words)
		}
	}
}

func spelled[T ~string](words []T) []string {
	var texts []string
	for _, word := range words {
		texts = append(texts, string(word))
	}
	return texts
}
