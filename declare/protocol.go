package declare

import (
	"slices"
	"time"
)

// The protocol of a message and the decision machine of a filing, each as one
// table. The courier acts by the first and the fold by the second; the ledger
// refuses what they do not have (sql/migrations/00005_protocol.sql), and the
// tests search the first state by state for a message lost or sent twice.

// asking is [DeliverySending] while the agency is asked about a message that
// may have reached it, which has no effect; the ledger does not tell the two
// apart.
const asking Delivery = "asking"

func (d Delivery) stored() Delivery {
	if d == asking {
		return DeliverySending
	}
	return d
}

// A happening is what may happen to a message.
type happening string

const (
	onTaken         happening = "taken"         // a courier leased it
	onAccepted      happening = "accepted"      // the agency took it and said so, to the message or when asked about it
	onRejected      happening = "rejected"      // the agency refused it and said so
	onNotTaken      happening = "notTaken"      // not reached, or too busy, or our credential was refused: this copy is not there
	onNotTried      happening = "notTried"      // our breaker is open, or our lease ended before a byte left
	onNoAnswer      happening = "noAnswer"      // none, or none that was understood
	onUnknown       happening = "unknown"       // the agency, asked, denies knowledge
	onLeaseExpired  happening = "leaseExpired"  // whoever held it died or was too slow
	onBytesChanged  happening = "bytesChanged"  // what is stored is not what was validated
	onOurFailures   happening = "ourFailures"   // our own code failed on it too often
	onNotice        happening = "notice"        // the agency speaks of it: so it has it
	onOfficerSent   happening = "officerSent"   // an officer knows that the agency has it
	onOfficerResend happening = "officerResend" // an officer wants it sent again
	onOfficerGaveUp happening = "officerGaveUp" // an officer wants it sent no more
)

// An attempt is what the table asks about a message that a courier holds.
type attempt struct {
	inquirable, idempotent bool // as the agency's folder says
	asked                  bool // it was unsure: a copy may be there
	denials                int  // how often the agency denied knowledge of the copy last sent, a deadline apart
}

// enoughDenials in a row show that no copy is there: the first may come
// before a copy that is still on its way, the next a deadline later may not.
const enoughDenials = 2

func (a attempt) canAsk() bool    { return a.inquirable }
func (a attempt) canRepeat() bool { return a.idempotent }
func (a attempt) absent() bool    { return !a.asked || a.denials >= enoughDenials }

// again says when a message that is not settled is tried again.
type again int

const (
	atOnce again = iota
	afterPause
	afterDeadline // of the agency
	never         // unless somebody moves it
)

// A transition is one line of the protocol. What the ledger records besides: the
// outcome's reason, and when a copy may first have left, which marks every
// later one as a possible duplicate.
type transition struct {
	from   []Delivery
	on     []happening
	when   func(attempt) bool // nil: always
	to     Delivery
	again  again
	reason string // instead of the outcome's
	unsent bool   // this copy provably never left: it marks no later one
	free   bool   // the attempt does not count
	anew   bool   // earlier denials say nothing about the copy now out
	task   bool   // an officer must decide; delivered closes the task by itself
}

type (
	states     []Delivery
	happenings []happening
)

// protocol is read from the top: the first line that fits counts. What no line
// fits moves nothing.
var protocol = []transition{
	{from: states{DeliveryQueued}, on: happenings{onTaken}, to: DeliverySending},
	{from: states{DeliveryUnsure}, on: happenings{onTaken}, when: attempt.canAsk, to: asking},
	{from: states{DeliveryUnsure}, on: happenings{onTaken}, when: attempt.canRepeat, to: DeliverySending},
	{from: states{DeliveryUnsure}, on: happenings{onTaken}, to: DeliveryUnsure, again: never, reason: ReasonNoWayToAsk, free: true, task: true},

	{from: states{DeliverySending, asking}, on: happenings{onAccepted}, to: DeliveryDelivered},
	{from: states{DeliverySending, asking}, on: happenings{onRejected}, to: DeliveryRefused},

	{from: states{DeliverySending}, on: happenings{onNoAnswer}, to: DeliveryUnsure, again: afterPause, anew: true},
	{from: states{DeliverySending}, on: happenings{onNotTaken}, when: attempt.absent, to: DeliveryQueued, again: afterPause, unsent: true},
	{from: states{DeliverySending}, on: happenings{onNotTaken}, to: DeliveryUnsure, again: afterPause},
	{from: states{DeliverySending}, on: happenings{onNotTried}, when: attempt.absent, to: DeliveryQueued, again: afterPause, unsent: true, free: true},
	{from: states{DeliverySending}, on: happenings{onNotTried}, to: DeliveryUnsure, again: afterPause, free: true},

	{from: states{asking}, on: happenings{onUnknown}, when: attempt.canRepeat, to: DeliverySending},
	{from: states{asking}, on: happenings{onUnknown}, when: attempt.absent, to: DeliverySending},
	{from: states{asking}, on: happenings{onUnknown}, to: DeliveryUnsure, again: afterDeadline},
	{from: states{asking}, on: happenings{onNoAnswer, onNotTaken}, to: DeliveryUnsure, again: afterPause},
	{from: states{asking}, on: happenings{onNotTried}, to: DeliveryUnsure, again: afterPause, free: true},

	{from: states{DeliverySending, asking}, on: happenings{onLeaseExpired}, to: DeliveryUnsure, again: atOnce, reason: ReasonLeaseExpired, anew: true},
	{from: states{DeliverySending, asking}, on: happenings{onBytesChanged, onOurFailures}, to: DeliverySetAside, task: true},

	// A message under way is left to its holder, and looked at when it is settled.
	{from: states{DeliveryQueued, DeliveryUnsure, DeliverySetAside}, on: happenings{onNotice}, to: DeliveryDelivered, reason: ReasonNoticed},
	{from: states{DeliveryUnsure, DeliverySetAside}, on: happenings{onOfficerSent}, to: DeliveryDelivered},
	{from: states{DeliveryUnsure, DeliverySetAside}, on: happenings{onOfficerGaveUp}, to: DeliveryRefused},
	{from: states{DeliveryUnsure, DeliverySetAside}, on: happenings{onOfficerResend}, to: DeliveryQueued, again: atOnce, anew: true},
}

// next finds the line for a happening and keeps count of the denials.
func (a *attempt) next(from Delivery, on happening) transition {
	if on == onUnknown {
		a.denials++
	}
	for _, r := range protocol {
		if slices.Contains(r.from, from) && slices.Contains(r.on, on) && (r.when == nil || r.when(*a)) {
			if r.anew {
				a.denials = 0
			}
			return r
		}
	}
	return transition{to: from}
}

// movedBy lists the states that a happening moves.
func movedBy(on happening) []Delivery {
	var from []Delivery
	for _, r := range protocol {
		if slices.Contains(r.on, on) {
			from = append(from, r.from...)
		}
	}
	return from
}

// MayBecome reports whether one happening can take a message from d to next.
// The ledger refuses every other change.
func (d Delivery) MayBecome(next Delivery) bool {
	return d == next || slices.ContainsFunc(protocol, func(r transition) bool {
		return r.to.stored() == next && slices.ContainsFunc(r.from, func(from Delivery) bool { return from.stored() == d })
	})
}

// happened names what came of speaking to the agency.
func (o Outcome) happened(at Delivery) happening {
	switch {
	case o.Verdict == VerdictAccepted:
		return onAccepted
	case o.Verdict == VerdictRejected:
		return onRejected
	case o.Verdict != VerdictUnreachable:
		return onNoAnswer
	case at == asking && o.Reason == ReasonUnknownToAgency:
		return onUnknown
	case o.Reason == ReasonBreakerOpen || o.Reason == ReasonLeaseExpired:
		return onNotTried
	}
	return onNotTaken
}

// due is when a message is tried again; pause is the wait after this outcome.
func (a again) due(now time.Time, pause, deadline time.Duration) time.Time {
	switch a {
	case afterPause:
		return now.Add(pause)
	case afterDeadline:
		return now.Add(deadline)
	case never:
		return now.AddDate(100, 0, 0)
	}
	return now
}

// How far a filing is decided, and what a notice's word would do about it.
type (
	ground int
	word   int
)

const (
	undecidedYet ground = iota
	decided
	decidedFinally
)

const (
	informs word = iota // it has no decision of its own
	opens               // it counts only while nothing is decided
	decides
	reopens // it moves even what is final
)

// decisionTable is the decision machine: whether a word becomes the filing's decision,
// the notices being read in the order that their agency's folder declares.
var decisionTable = [...][4]bool{
	//               informs  opens  decides  reopens
	undecidedYet:   {false, true, true, true},
	decided:        {false, false, true, true},
	decidedFinally: {false, false, false, true},
}

func (d Decision) ground() ground {
	switch {
	case d == DecisionNone:
		return undecidedYet
	case d.Final():
		return decidedFinally
	}
	return decided
}

func (n heardNotice) kind() word {
	switch {
	case n.decision == DecisionNone:
		return informs
	case n.opens:
		return opens
	case n.reopens:
		return reopens
	}
	return decides
}

// moves reports whether a notice becomes the decision of a filing that stands
// at d.
func (n heardNotice) moves(d Decision) bool { return decisionTable[d.ground()][n.kind()] }

// MayBecome reports whether the recorded decision of a filing may change to
// next when one more notice is heard, whenever in the agency's order it
// belongs; reopened tells whether any of its notices reopens, or opens. A
// final decision gives way to an earlier final one that came late, to what
// followed a word that reopens, and, if it rested on a word that opens, to an
// earlier one that came late. The ledger refuses every other change.
func (d Decision) MayBecome(next Decision, reopened bool) bool {
	switch {
	case d == next:
		return true
	case next == DecisionNone:
		return false
	}
	return !d.Final() || next.Final() || reopened
}
