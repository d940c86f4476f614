package declare

import "time"

// Status is what is known of a declaration, as users see it.
type Status struct {
	ID         string         `json:"id"`
	Kind       string         `json:"kind"`
	Reference  string         `json:"reference"`
	Version    int            `json:"version"`
	Status     Overall        `json:"status"`
	WaitingFor WaitingFor     `json:"waitingFor"`
	ReceivedAt time.Time      `json:"receivedAt"`
	Filings    []FilingStatus `json:"filings"`
}

// FilingStatus is a declaration before one agency.
type FilingStatus struct {
	Agency        string            `json:"agency"`
	AgencyVersion string            `json:"agencyVersion,omitempty"` // of the agency's folder, at acceptance
	MessageID     string            `json:"messageId"`
	Delivery      Delivery          `json:"delivery"`
	Reason        string            `json:"reason,omitempty"` // why delivery stands where it stands
	Decision      Decision          `json:"decision"`
	Word          string            `json:"word,omitempty"` // the agency's own word for it
	Remark        string            `json:"remark,omitempty"`
	AgencyNumbers map[string]string `json:"agencyNumbers"`
	Since         time.Time         `json:"since"`
	Errors        []AgencyError     `json:"errors,omitempty"`
	Documents     []DocumentWanted  `json:"documents,omitempty" doc:"What the agency waits for the trader to hand in"`
	Duties        []Duty            `json:"duties,omitempty" doc:"What the agency calculated last"`
	Queue         *Queue            `json:"queue,omitempty"`

	folder string // digest of the folder that made the message
}

// Queue is a message's place while it cannot be sent yet.
type Queue struct {
	Position   int        `json:"position"` // 1: the next one to be sent
	ExpectedAt *time.Time `json:"expectedAt,omitempty"`
}

// attention ranks the filings by how much they need somebody: the overall
// status is that of the filing that needs it most.
type attention int

const (
	settled     attention = iota // nobody need move
	undecided                    // the agency is working on it
	undelivered                  // we have not got through yet
	stuck                        // only an operator can move it
	held                         // goods may not move until the agency is done
	wanted                       // the trader must act
	refused                      // this filing failed
)

// need tells how much a filing needs somebody, and why in a stable word.
func need(f FilingStatus) (attention, string) {
	switch {
	case f.Decision == DecisionRejected || f.Delivery == DeliveryRefused && f.Decision == DecisionNone:
		return refused, "rejected"
	case f.Decision == DecisionDocumentsRequired || f.Decision == DecisionPaymentDue:
		return wanted, string(f.Decision)
	case f.Decision == DecisionInspection || f.Decision == DecisionSuspended:
		return held, string(f.Decision)
	case f.Decision.cleared() || f.Decision == DecisionCancelled:
		return settled, string(f.Decision)
	case f.Delivery == DeliverySetAside:
		return stuck, string(f.Delivery)
	case f.Delivery == DeliveryUnsure && f.Reason == ReasonNoWayToAsk:
		return stuck, string(f.Delivery)
	case f.Delivery == DeliveryQueued || f.Delivery == DeliverySending || f.Delivery == DeliveryUnsure:
		return undelivered, string(f.Delivery)
	}
	return undecided, string(f.Decision)
}

// limit is the earliest limit of the documents the agency waits for.
func (f *FilingStatus) limit() time.Time {
	var earliest time.Time
	for _, document := range f.Documents {
		if limit := document.Limit; !limit.IsZero() && (earliest.IsZero() || limit.Before(earliest)) {
			earliest = limit
		}
	}
	return earliest
}

// overall folds a declaration's filings into its one status and says whose
// move it is. It is a pure function: the same filings give the same answer.
func overall(filings []FilingStatus, now time.Time) (Overall, WaitingFor) {
	worst, why, at := settled, "", -1
	for i, filing := range filings {
		if level, reason := need(filing); level > worst || at < 0 {
			worst, why, at = level, reason, i
		}
	}
	if at < 0 {
		return OverallProcessing, WaitingFor{Who: WhoOperator, Since: now, Why: "noAgency"}
	}
	waiting := WaitingFor{Agency: filings[at].Agency, Since: filings[at].Since, Why: why}
	switch worst {
	case refused:
		waiting.Who = WhoTrader
		return OverallRejected, waiting
	case wanted:
		waiting.Who, waiting.Until = WhoTrader, filings[at].limit()
		return OverallActionNeeded, waiting
	case held:
		waiting.Who = WhoAgency
		return OverallHeld, waiting
	case stuck:
		waiting.Who = WhoOperator
		return OverallProcessing, waiting
	case undelivered, undecided:
		waiting.Who = WhoAgency
		return OverallProcessing, waiting
	}
	return settledAs(filings)
}

// settledAs names the end of a declaration nobody need move any more.
func settledAs(filings []FilingStatus) (Overall, WaitingFor) {
	closed, cancelled := 0, 0
	waiting := WaitingFor{Who: WhoNobody}
	for _, filing := range filings {
		switch filing.Decision {
		case DecisionClosed:
			closed++
		case DecisionCancelled:
			cancelled++
		}
		if filing.Since.After(waiting.Since) {
			waiting.Since = filing.Since
		}
	}
	status := OverallCleared
	switch {
	case cancelled == len(filings):
		status = OverallCancelled
	case closed+cancelled == len(filings):
		status = OverallClosed
	}
	waiting.Why = string(status)
	return status, waiting
}
