package declare

import (
	"context"
	"time"
)

// An Agency is what the gateway needs of an authority: does it take this
// declaration, what would be sent to it, send that, and read what it says.
// All methods are safe for concurrent use.
type Agency interface {
	Profile() Profile

	// Takes tells whether a declaration of this kind concerns the agency.
	Takes(kind string, tree map[string]any) (bool, error)

	// Draft makes the agency's message: its own rules, its mapping, its
	// schema. Faults (refusing ones, see [Refusals]) mean there is no message.
	Draft(subject Subject) (Draft, []Fault, error)

	// Send carries a message to the agency and waits for its answer, at most
	// until the context's deadline. It never fails: what went wrong is told
	// by the outcome's verdict and reason.
	Send(ctx context.Context, dispatch Dispatch) Outcome

	// Inquire asks whether the agency knows a message. It answers
	// VerdictAccepted or VerdictRejected with the agency's notice when it
	// does, VerdictUnreachable when the agency denies all knowledge
	// (Reason is ReasonUnknownToAgency) or could not be asked, VerdictUnsure
	// when its answer was not understood.
	Inquire(ctx context.Context, dispatch Dispatch) Outcome

	// Resume forgets what the breaker counted. The gateway calls it when the
	// agency, paused before, answered a probe.
	Resume()

	// Read understands a notice. The error is a [*Unreadable] when the bytes
	// are not a notice of this agency.
	Read(body []byte) (Reading, error)

	// Locate finds the field of the declaration that an element of the
	// agency's message came from; "" when there is none.
	Locate(subject Subject, xmlPath string) string
}

// Profile is what is fixed about an agency while its folder is loaded.
type Profile struct {
	Name      string
	Title     Text
	Version   string    // the folder's own, such as "2026.1"
	ValidFrom time.Time // first day the version applies
	Kinds     []string
	Zone      *time.Location
	On        bool // false: no address is configured, nothing is filed to it

	Deadline   time.Duration // hard limit of one exchange
	InFlight   int           // most messages on the wire at once, per process
	Probe      time.Duration // pause between probes while its breaker is open
	Idempotent bool          // a second copy of a message has no second effect
	Inquirable bool          // it can be asked about a message
	Order      []string      // what orders its notices: version, issuedAt, rank
}

// Subject is a declaration on its way to one agency.
type Subject struct {
	DeclarationID string
	MessageID     string // also the delivery id
	Reference     string
	Kind          string
	Tree          map[string]any
	AcceptedAt    time.Time
}

// Sealed are bytes that a schema found valid, with the digest of exactly
// these bytes. Only the schema room makes them.
type Sealed interface {
	Bytes() []byte
	Digest() [32]byte
	SchemaDigest() string
}

// Draft is a message not yet written down.
type Draft struct {
	Body Sealed
}

// Dispatch is a message on its way out.
type Dispatch struct {
	MessageID string
	Agency    string
	Body      []byte
	// FirstSentAt is set when a copy may have arrived before; the message is
	// then marked as a possible duplicate.
	FirstSentAt time.Time
	// Probe lets the message pass an open breaker: it is the one that finds
	// out whether the agency is back.
	Probe bool
}

// Reasons an outcome gives. They are stable words, shown to traders.
const (
	ReasonAnswered          = "answered"
	ReasonTimeout           = "timeout"
	ReasonConnection        = "connection" // dial, DNS, TLS, refused
	ReasonReset             = "reset"
	ReasonBusy              = "busy"
	ReasonDenied            = "credentialDenied"
	ReasonNotUnderstood     = "answerNotUnderstood"
	ReasonServerError       = "serverError"
	ReasonBreakerOpen       = "breakerOpen"
	ReasonUnknownToAgency   = "unknownToAgency"
	ReasonLeaseExpired      = "leaseExpired"
	ReasonDigest            = "digestMismatch"
	ReasonTooManyFailures   = "tooManyFailures"
	ReasonNoWayToAsk        = "noWayToAsk"
	ReasonAgencyUnavailable = "agencyUnavailable"
)

// Outcome is what one exchange with an agency came to.
type Outcome struct {
	Verdict    Verdict
	Reason     string
	Status     int           // HTTP status, 0 when there was none
	Answer     []byte        // the answer's bytes when it was read as a notice
	Reading    Reading       // its meaning; set with Answer
	RetryAfter time.Duration // the agency's own wish, 0 when it had none
	// Denied: the agency refused our credential; nothing more is sent until
	// an operator acts.
	Denied bool
	// Tripped: with this outcome the agency's breaker opened.
	Tripped bool
}

// Reading is a notice understood.
type Reading struct {
	MessageID string            // ours, when the agency echoed it
	Numbers   map[string]string // the agency's numbers by name
	IssuedAt  time.Time         // zero when the agency does not say
	Version   int
	Word      string // the agency's own status word
	Decision  Decision
	Rank      int
	Reopens   bool // may move a filing out of a final decision
	Text      Text // what the word means
	Remark    string
	Errors    []AgencyError
}

// AgencyError is one complaint of an agency about a message.
type AgencyError struct {
	Code    string `json:"code"`
	Text    string `json:"text"`
	XMLPath string `json:"xmlPath,omitempty"`
	Pointer string `json:"pointer,omitempty"`
}

// Unreadable says why bytes are not a notice. The faults point into the XML.
type Unreadable struct {
	Code   string // such as xml.doctype, xsd.invalid, notice.word
	Faults []Fault
}

func (u *Unreadable) Error() string { return "notice cannot be read: " + u.Code }
