package declare

import "time"

// Delivery tells how far one message got: our side of the wire.
type Delivery string

// The states of delivery. Only Queued, Sending and Unsure are still ours to
// move; Unsure means a byte may have left and no answer was understood.
const (
	DeliveryQueued    Delivery = "queued"
	DeliverySending   Delivery = "sending"
	DeliveryUnsure    Delivery = "unsure"
	DeliveryDelivered Delivery = "delivered"
	DeliveryRefused   Delivery = "refused"
	DeliverySetAside  Delivery = "setAside"
)

// Decision tells where a filing stands with its agency: their side.
type Decision string

// The decisions every agency's own words are folded into.
const (
	DecisionNone                  Decision = "none"
	DecisionReceived              Decision = "received"
	DecisionAccepted              Decision = "accepted"
	DecisionUnderReview           Decision = "underReview"
	DecisionDocumentsRequired     Decision = "documentsRequired"
	DecisionPaymentDue            Decision = "paymentDue"
	DecisionInspection            Decision = "inspection"
	DecisionSuspended             Decision = "suspended"
	DecisionReleasedConditionally Decision = "releasedConditionally"
	DecisionReleased              Decision = "released"
	DecisionClosed                Decision = "closed"
	DecisionRejected              Decision = "rejected"
	DecisionCancelPending         Decision = "cancelPending"
	DecisionCancelled             Decision = "cancelled"
)

// Decisions lists every decision, in the order a filing usually meets them.
var Decisions = []Decision{
	DecisionNone, DecisionReceived, DecisionAccepted, DecisionUnderReview,
	DecisionDocumentsRequired, DecisionPaymentDue, DecisionInspection,
	DecisionSuspended, DecisionReleasedConditionally, DecisionReleased,
	DecisionClosed, DecisionRejected, DecisionCancelPending, DecisionCancelled,
}

// Final reports whether only a word that reopens may follow.
func (d Decision) Final() bool {
	return d == DecisionClosed || d == DecisionRejected || d == DecisionCancelled
}

// cleared reports whether the goods may move as far as this agency cares.
func (d Decision) cleared() bool {
	return d == DecisionReleased || d == DecisionReleasedConditionally || d == DecisionClosed
}

// Overall is the one clearance status an enterprise gets back.
type Overall string

// The overall statuses; see [overall] for how they follow from the facts.
const (
	OverallProcessing   Overall = "processing"
	OverallActionNeeded Overall = "actionNeeded"
	OverallHeld         Overall = "held"
	OverallCleared      Overall = "cleared"
	OverallClosed       Overall = "closed"
	OverallRejected     Overall = "rejected"
	OverallCancelled    Overall = "cancelled"
)

// Who must move next.
const (
	WhoTrader   = "trader"
	WhoAgency   = "agency"
	WhoOperator = "operator"
	WhoNobody   = "nobody"
)

// WaitingFor says whose move it is, since when, and why, as a stable word.
type WaitingFor struct {
	Who    string    `json:"who"`
	Agency string    `json:"agency,omitempty"`
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`
	// Until is the earliest limit of the documents wanted.
	Until time.Time `json:"until,omitzero" doc:"The earliest limit an agency set for what it waits for"`
}

// Verdict is what one attempt to send a message came to.
type Verdict int

// The verdicts. The zero value is the careful one: whoever forgets to decide
// has decided that nothing is known.
const (
	// VerdictUnsure: a byte of the body may have left and no answer was
	// understood. Never sent again without asking first.
	VerdictUnsure Verdict = iota
	// VerdictAccepted: the agency took the message and said so.
	VerdictAccepted
	// VerdictRejected: the agency understood the message and refused it.
	VerdictRejected
	// VerdictUnreachable: the agency provably did not take the message.
	VerdictUnreachable
)

func (v Verdict) String() string {
	return [...]string{"unsure", "accepted", "rejected", "unreachable"}[v]
}
