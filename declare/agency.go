package declare

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"
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

	// Archive gives the folder the agency was made from, packed, so that this
	// very version can be made again later, see [Reopener].
	Archive() []byte

	// Locate finds, for each of these elements of the agency's message, the
	// field of the declaration that it came from; "" when there is none.
	Locate(subject Subject, xmlPaths ...string) (pointers []string)
}

// Profile is what is fixed about an agency while its folder is loaded.
type Profile struct {
	Name      string
	Title     Text
	Version   string    // the folder's own, such as "2026.1"
	ValidFrom time.Time // first day the version applies, as midnight UTC of that date
	Digest    string    // SHA-256, in hex, of everything the version is made of
	Kinds     []string
	Zone      *time.Location
	On        bool     // false: no address is configured, or a schema is missing; nothing is filed to it
	Missing   []string // the parts of its schemas that nobody supplied
	Rules     []RuleText

	Deadline   time.Duration // hard limit of one exchange
	InFlight   int           // most messages on the wire at once, per process
	Probe      time.Duration // pause between probes while its breaker is open
	Idempotent bool          // a second copy of a message has no second effect
	Inquirable bool          // it can be asked about a message
	Order      []string      // what orders its notices: version, issuedAt, rank
	// Headers names its numbers that come in HTTP headers, of its answers and
	// of its notices: our name of the number → the header.
	Headers map[string]string
}

// longestCarried bounds a number in a header: longer ones are not what an
// agency calls a message by.
const longestCarried = 100

// Carried reads the agency's numbers from the headers of an answer or notice.
func (p Profile) Carried(header func(name string) string) map[string]string {
	carried := map[string]string{}
	for number, name := range p.Headers {
		if value := strings.TrimSpace(header(name)); value != "" && len(value) <= longestCarried && utf8.ValidString(value) {
			carried[number] = value
		}
	}
	return carried
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
	ReasonNoticed           = "noticed" // a notice showed that the agency has it
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

// answered reports whether the agency spoke as one that is well: a refusal is
// an answer, and so is that it knows nothing of a message.
func (o Outcome) answered() bool {
	return o.Verdict == VerdictAccepted || o.Verdict == VerdictRejected || o.Reason == ReasonUnknownToAgency
}

// Reading is a notice understood.
type Reading struct {
	MessageID string            // ours, when the agency echoed it
	Numbers   map[string]string // the agency's numbers by name
	Carried   map[string]string // those that came beside the bytes, see [Profile.Carried]
	IssuedAt  time.Time         // zero when the agency does not say
	Version   int
	Word      string // the agency's own status word
	Decision  Decision
	Rank      int
	Reopens   bool // may move a filing out of a final decision
	Opens     bool // counts only while nothing is decided
	Text      Text // what the word means
	Remark    string
	Errors    []AgencyError
	Duties    []Duty
	Documents []DocumentWanted
}

// AgencyError is one complaint of an agency about a message.
type AgencyError struct {
	Code    string `json:"code"`
	Text    string `json:"text" doc:"The agency's own words"`
	Meaning Text   `json:"meaning,omitzero" doc:"What the code means, where the agency's folder knows"`
	Chain   string `json:"chain,omitempty" doc:"How the agency itself points, such as 42A/67A/68A[1]/23A/112"`
	XMLPath string `json:"xmlPath,omitempty"`
	Pointer string `json:"pointer,omitempty"`
}

// Duty is one line of what an agency calculated. Numbers are decimal texts, as
// the agency wrote them.
type Duty struct {
	Item         int       `json:"item,omitempty" doc:"The item it is for, by the agency's number; absent: the whole declaration"`
	XMLPath      string    `json:"xmlPath,omitempty" doc:"That item in the agency's message"`
	Pointer      string    `json:"pointer,omitempty" doc:"That item in the declaration"`
	Type         string    `json:"type" doc:"The agency's code of the duty or tax"`
	Regime       string    `json:"regime,omitempty" doc:"The regime or preference applied"`
	BaseAmount   Amount    `json:"baseAmount,omitzero"`
	BaseQuantity Quantity  `json:"baseQuantity,omitzero"`
	Rate         string    `json:"rate,omitempty"`
	Deducted     Amount    `json:"deducted,omitzero"`
	Assessed     Amount    `json:"assessed,omitzero"`
	Payable      Amount    `json:"payable,omitzero"`
	Method       string    `json:"method,omitempty" doc:"The agency's code of the method of payment"`
	Reference    string    `json:"reference,omitempty" doc:"To be given with the payment"`
	Due          time.Time `json:"due,omitzero"`
}

// Amount is money.
type Amount struct {
	Value    string `json:"value"`
	Currency string `json:"currency,omitempty"`
}

// Quantity is a measure or a count.
type Quantity struct {
	Value string `json:"value"`
	Unit  string `json:"unit,omitempty"`
}

// DocumentWanted is a document, or an answer, that an agency asks for.
type DocumentWanted struct {
	Code    string    `json:"code,omitempty"`
	Text    string    `json:"text,omitempty"`
	Meaning Text      `json:"meaning,omitzero" doc:"What the code means, where the agency's folder knows"`
	Limit   time.Time `json:"limit,omitzero" doc:"Until when"`
	Chain   string    `json:"chain,omitempty" doc:"How the agency itself points at what it concerns"`
	XMLPath string    `json:"xmlPath,omitempty"`
	Pointer string    `json:"pointer,omitempty" doc:"What it concerns in the declaration"`
}

// Unreadable says why bytes are not a notice. The faults point into the XML.
type Unreadable struct {
	Code   string // such as xml.doctype, xsd.invalid, notice.word
	Faults []Fault
}

func (u *Unreadable) Error() string { return "notice cannot be read: " + u.Code }
