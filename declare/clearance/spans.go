package clearance

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"singlewindow/declare"
)

// Who held a declaration, see [Span].
const (
	WhoTrader   = declare.WhoTrader
	WhoAgency   = declare.WhoAgency
	WhoOperator = declare.WhoOperator
	WhoNobody   = declare.WhoNobody
	WhoGateway  = "gateway"
)

// The stages, see the package's comment.
const (
	StageDelivery     = "delivery"
	StageTask         = "task"
	StageAcceptance   = "acceptance"
	StageReview       = "review"
	StageInspection   = "inspection"
	StageSuspension   = "suspension"
	StageCancellation = "cancellation"
	StageDocuments    = "documents"
	StagePayment      = "payment"
	StageSettled      = "settled"
	StageTotal        = "total" // no span has it: from acceptance to release
)

// Stages lists the stages in the order a declaration usually meets them.
var Stages = []string{
	StageTotal, StageDelivery, StageTask, StageAcceptance, StageReview, StageDocuments, StagePayment,
	StageInspection, StageSuspension, StageCancellation,
}

// Span is a stretch of time in which somebody held a declaration. On each track
// the spans follow one another without a gap, from acceptance to the end.
type Span struct {
	Track  string // an agency, or "" for the declaration as a whole: whose move it was
	Who    string // trader, gateway, agency, operator, nobody
	Agency string // whom it was about
	Stage  string
	From   time.Time
	To     time.Time // zero while it lasts
}

// Spans attributes every moment since a declaration was received, on one track
// for each agency it was filed to and on one for the whole, which comes first.
// Only the agencies' names are taken from filings. A track ends when its agency
// has released, closed, rejected or cancelled; the whole when every agency has
// but one that rejected, which ends it at once. Events whose clock ran behind an
// earlier one's count as having happened with it.
func Spans(received time.Time, events []declare.Event, filings []declare.FilingStatus) ([]Span, error) {
	var agencies []string
	for _, filing := range filings {
		agencies = append(agencies, filing.Agency)
	}
	tracks, err := follow(received, events, agencies)
	if err != nil {
		return nil, err
	}
	var spans []Span
	for _, t := range tracks {
		spans = append(spans, t.spans...)
		if t.now.who != WhoNobody {
			spans = append(spans, t.span(time.Time{}))
		}
	}
	return spans, nil
}

// hold is what somebody does with a declaration, and how much it needs that:
// the whole declaration is held by whoever holds the filing that needs it most,
// as its overall status tells.
type hold struct {
	need               need
	who, agency, stage string
}

type need int

const (
	settled need = iota
	undecided
	undelivered
	stuck
	stopped
	asked
	refused
)

// filing is where a declaration stands with one agency.
type filing struct {
	agency   string
	delivery declare.Delivery
	reason   string
	decision declare.Decision
}

// byDecision tells who acts on a decision, whatever became of the message.
var byDecision = map[declare.Decision]hold{
	declare.DecisionRejected:              {need: refused, who: WhoNobody, stage: StageSettled},
	declare.DecisionDocumentsRequired:     {need: asked, who: WhoTrader, stage: StageDocuments},
	declare.DecisionPaymentDue:            {need: asked, who: WhoTrader, stage: StagePayment},
	declare.DecisionInspection:            {need: stopped, who: WhoAgency, stage: StageInspection},
	declare.DecisionSuspended:             {need: stopped, who: WhoAgency, stage: StageSuspension},
	declare.DecisionReleased:              {need: settled, who: WhoNobody, stage: StageSettled},
	declare.DecisionReleasedConditionally: {need: settled, who: WhoNobody, stage: StageSettled},
	declare.DecisionClosed:                {need: settled, who: WhoNobody, stage: StageSettled},
	declare.DecisionCancelled:             {need: settled, who: WhoNobody, stage: StageSettled},
}

// byWork tells what an agency does with a message it has.
var byWork = map[declare.Decision]string{
	declare.DecisionNone:          StageAcceptance,
	declare.DecisionReceived:      StageAcceptance,
	declare.DecisionAccepted:      StageReview,
	declare.DecisionUnderReview:   StageReview,
	declare.DecisionCancelPending: StageCancellation,
}

// held tells who holds the filing.
func (f filing) held() hold {
	h, acted := byDecision[f.decision]
	switch {
	case acted:
	case f.delivery == declare.DeliveryRefused && f.decision == declare.DecisionNone:
		h = hold{need: refused, who: WhoNobody, stage: StageSettled}
	case f.delivery == declare.DeliverySetAside, f.delivery == declare.DeliveryUnsure && f.reason == declare.ReasonNoWayToAsk:
		h = hold{need: stuck, who: WhoOperator, stage: StageTask}
	case f.delivery == declare.DeliveryQueued, f.delivery == declare.DeliverySending, f.delivery == declare.DeliveryUnsure:
		h = hold{need: undelivered, who: WhoGateway, stage: StageDelivery}
	default:
		h = hold{need: undecided, who: WhoAgency, stage: byWork[f.decision]}
	}
	if h.who != WhoNobody {
		h.agency = f.agency
	}
	return h
}

// learn takes in what an event tells of the filing.
func (f *filing) learn(event declare.Event) error {
	delivery, isDelivery := strings.CutPrefix(event.Type, "message.")
	if !isDelivery && event.Type != "filing.decision" {
		return nil
	}
	var told struct {
		Decision declare.Decision
		Reason   string
	}
	if err := json.Unmarshal(event.Data, &told); err != nil {
		return fmt.Errorf("clearance: event %s: %w", event.ID, err)
	}
	if isDelivery {
		f.delivery, f.reason = declare.Delivery(delivery), told.Reason
	} else {
		f.decision = told.Decision
	}
	return nil
}

// whole tells who holds a declaration that stands like this with its agencies.
func whole(filings []filing) hold {
	most := hold{who: WhoNobody, stage: StageSettled}
	for _, f := range filings {
		if h := f.held(); h.need > most.need {
			most = h
		}
	}
	return most
}

// track is one line of a declaration's history.
type track struct {
	name     string
	now      hold
	since    time.Time
	spans    []Span // those that are over
	cleared  bool
	released time.Time // when it was cleared last, zero while it never was
}

// span is the one that lasts now, as if it ended at to.
func (t *track) span(to time.Time) Span {
	return Span{Track: t.name, Who: t.now.who, Agency: t.now.agency, Stage: t.now.stage, From: t.since, To: to}
}

// turn notes who holds the declaration from at on. One that held it no time at
// all leaves no span.
func (t *track) turn(next hold, at time.Time) {
	if t.now.who == next.who && t.now.stage == next.stage && t.now.agency == next.agency {
		t.now = next
		return
	}
	if at.After(t.since) {
		t.spans = append(t.spans, t.span(at))
	}
	t.now, t.since = next, at
	if last := len(t.spans) - 1; last >= 0 { // back to who had it before that
		if s := t.spans[last]; s.To.Equal(at) && s.Who == next.who && s.Stage == next.stage && s.Agency == next.agency {
			t.since, t.spans = s.From, t.spans[:last]
		}
	}
}

// clear notes whether the goods may move from at on.
func (t *track) clear(cleared bool, at time.Time) {
	if cleared && !t.cleared {
		t.released = at
	}
	t.cleared = cleared
}

// follow goes through the events, in order, and gives the tracks: of the whole
// first, then of the agencies by name.
func follow(received time.Time, events []declare.Event, agencies []string) ([]*track, error) {
	filings := filingsOf(agencies, events)
	at := received.UTC().Truncate(time.Millisecond)
	all := &track{now: whole(filings), since: at}
	tracks := []*track{all}
	for _, f := range filings {
		tracks = append(tracks, &track{name: f.agency, now: f.held(), since: at})
	}
	for _, event := range events {
		if moment := event.At.UTC().Truncate(time.Millisecond); moment.After(at) {
			at = moment
		}
		of := slices.IndexFunc(filings, func(f filing) bool { return f.agency == event.Agency })
		if of < 0 {
			continue
		}
		if err := filings[of].learn(event); err != nil {
			return nil, err
		}
		own := tracks[of+1]
		own.turn(filings[of].held(), at)
		own.clear(filings[of].cleared(), at)
		all.turn(whole(filings), at)
		all.clear(cleared(filings), at)
	}
	return tracks, nil
}

// filingsOf lists, by name, the agencies a declaration was filed to, and those
// that only its events know, each with its message in the queue.
func filingsOf(agencies []string, events []declare.Event) []filing {
	names := map[string]bool{}
	for _, agency := range agencies {
		names[agency] = true
	}
	for _, event := range events {
		if event.Agency != "" {
			names[event.Agency] = true
		}
	}
	var filings []filing
	for _, name := range slices.Sorted(maps.Keys(names)) {
		filings = append(filings, filing{agency: name, delivery: declare.DeliveryQueued, decision: declare.DecisionNone})
	}
	return filings
}

// cleared tells whether the goods may move as far as this agency cares.
func (f filing) cleared() bool {
	return f.decision == declare.DecisionReleased || f.decision == declare.DecisionReleasedConditionally || f.decision == declare.DecisionClosed
}

// cleared tells whether the goods may move: nobody is waited for or rejected,
// and it was not all withdrawn.
func cleared(filings []filing) bool {
	return slices.ContainsFunc(filings, filing.cleared) &&
		!slices.ContainsFunc(filings, func(f filing) bool { return f.held().need != settled })
}
