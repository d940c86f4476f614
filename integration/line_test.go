package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// scenarios are the words the agencies play; final says whether every filing
// comes to an end under the word.
var scenarios = []struct {
	word  string
	final bool
}{
	{"default", true}, {"reject", true}, {"inspect", true}, {"docs", true}, {"busy", true}, {"drop", true}, {"twice", true}, {"early", true},
	{"silent", false}, {"reset", true}, {"garbage", true}, {"shuffle", true}, {"slow", true},
}

// undecided counts the filings of acme that no word named silent explains.
const undecided = `SELECT count(*) FROM filing f JOIN declaration d ON d.tenant_id = f.tenant_id AND d.id = f.declaration_id
	WHERE f.decision NOT IN ('closed', 'rejected', 'cancelled') AND d.reference NOT LIKE '%.silent%'`

const unsent = `SELECT count(*) FROM message WHERE delivery NOT IN ('delivered', 'refused')`

// filed is a declaration of the table with what it asked the agencies for.
type filed struct {
	receipt declare.Status
	word    string
	only    string // the agency the word is for; "": all
}

// TestLine files every sample under every scenario word, and under words meant
// for one agency, and holds what comes of it against the agencies' own books.
func TestLine(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	var all []filed
	file := func(from sample, word, only string) {
		reference := fmt.Sprintf("L-%d.%s", len(all), word)
		if only != "" {
			reference += "." + only
		}
		all = append(all, filed{l.file(t, acme, from, reference), word, only})
	}
	for _, from := range samples(t) {
		for _, scenario := range scenarios {
			file(from, scenario.word, "")
		}
	}
	widest, agencies := l.widest(t)
	for i, scenario := range scenarios {
		file(widest, scenario.word, agencies[i%len(agencies)])
	}
	eventually(t, 90*time.Second, "every message is answered and every filing decided", func() bool {
		return l.count(t, undecided) == 0 && l.count(t, unsent) == 0
	})
	l.closeOffices(t)
	eventually(t, 10*time.Second, "every notice is understood", func() bool {
		return l.count(t, "SELECT count(*) FROM notice WHERE state <> 'applied'") == 0
	})
	receipts := make([]declare.Status, len(all))
	for i, f := range all {
		receipts[i] = f.receipt
	}
	l.mustAgree(t, receipts)
	for name, office := range l.offices {
		for _, sent := range office.notices(t) {
			if sent.Status != http.StatusNoContent {
				t.Errorf("a notice of %s about %s was answered %d", name, sent.DeliveryID, sent.Status)
			}
		}
	}
	effects := map[string]adapters.Effect{}
	for _, office := range l.offices {
		for _, effect := range office.effects(t) {
			effects[effect.DeliveryID] = effect
		}
	}
	for _, f := range all {
		t.Run(f.receipt.Reference, func(t *testing.T) { l.mustHaveCome(t, f, effects) })
	}
}

// mustHaveCome holds one declaration's answers against what its agencies took
// and said.
func (l *line) mustHaveCome(t *testing.T, f filed, effects map[string]adapters.Effect) {
	status := l.status(t, acme, f.receipt.ID)
	expected := declare.OverallClosed
	for _, filing := range status.Filings {
		effect := effects[filing.MessageID]
		told := l.told(t, filing.Agency, f.wordAt(filing.Agency), effect)
		if filing.Decision != told.Decision || filing.Word != told.Word || !maps.Equal(filing.AgencyNumbers, told.Numbers) {
			t.Errorf("%s stands at %s %s %v; its agency said %s %s %v", filing.Agency, filing.Decision, filing.Word, filing.AgencyNumbers, told.Decision, told.Word, told.Numbers)
		}
		wanted := declare.DeliveryDelivered
		if told.Decision == declare.DecisionRejected {
			wanted, expected = declare.DeliveryRefused, declare.OverallRejected
		} else if !told.Decision.Final() && expected == declare.OverallClosed {
			expected = declare.OverallProcessing
		}
		if filing.Delivery != wanted || filing.Queue != nil {
			t.Errorf("%s: delivery is %s, want %s", filing.Agency, filing.Delivery, wanted)
		}
		given := l.ask(t, l.keys[acme], http.MethodGet, "/v1/declarations/"+status.ID+"/messages/"+filing.Agency, nil)
		digest := sha256.Sum256(given.body)
		if given.status != http.StatusOK || hex.EncodeToString(digest[:]) != effect.Digest {
			t.Errorf("%s took other bytes than the gateway shows: %d", filing.Agency, given.status)
		}
	}
	who := map[declare.Overall]string{declare.OverallClosed: declare.WhoNobody, declare.OverallRejected: declare.WhoTrader, declare.OverallProcessing: declare.WhoAgency}[expected]
	if status.Status != expected || status.WaitingFor.Who != who {
		t.Errorf("overall %s waiting for %+v, want %s waiting for %s", status.Status, status.WaitingFor, expected, who)
	}
	l.mustHaveEvents(t, status)
}

func (f filed) wordAt(agency string) string {
	if f.only != "" && f.only != agency {
		return "default"
	}
	return f.word
}

// told is what an agency's script has said by its end about an effect: the
// last step's decision and every number.
func (l *line) told(t *testing.T, agency, word string, effect adapters.Effect) declare.Reading {
	t.Helper()
	office := l.offices[agency]
	chain := office.agency.Script().Words[word]
	if len(chain) == 0 {
		chain = office.agency.Script().Words["default"]
	}
	if word == "silent" {
		chain = chain[:1]
	}
	numbers := map[string]string{}
	var last declare.Reading
	for _, step := range chain {
		body, err := office.agency.Script().Fill(step, effect, effect.At)
		must(t, err)
		last, err = office.agency.Read(body)
		must(t, err)
		maps.Copy(numbers, last.Numbers)
	}
	last.Numbers = numbers
	return last
}

// mustHaveEvents: the events are numbered 1 to n, the first is the acceptance,
// and the last ones say what the status says.
func (l *line) mustHaveEvents(t *testing.T, status declare.Status) {
	t.Helper()
	given := l.ask(t, l.keys[acme], http.MethodGet, "/v1/declarations/"+status.ID+"/events", nil)
	events := decoded[struct{ Events []declare.Event }](t, given).Events
	overall, decisions := declare.OverallProcessing, map[string]declare.Decision{}
	for i, event := range events {
		if event.Number != i+1 {
			t.Errorf("event %d has number %d", i+1, event.Number)
		}
		data := decoded[struct {
			Status   declare.Overall
			Decision declare.Decision
		}](t, answer{body: event.Data})
		switch event.Type {
		case "declaration.status":
			overall = data.Status
		case "filing.decision":
			decisions[event.Agency] = data.Decision
		}
	}
	if len(events) == 0 || events[0].Type != "declaration.accepted" || overall != status.Status {
		t.Errorf("the events end at %s, the status is %s: %s", overall, status.Status, given.body)
	}
	for _, filing := range status.Filings {
		if decisions[filing.Agency] != filing.Decision {
			t.Errorf("the events of %s end at %s, it stands at %s", filing.Agency, decisions[filing.Agency], filing.Decision)
		}
	}
	if agencies := slices.Sorted(maps.Keys(decisions)); len(agencies) != len(status.Filings) {
		t.Errorf("events of %v", agencies)
	}
}
