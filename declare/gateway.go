package declare

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Gateway is the product: one declaration in, every agency informed, one
// answer back. Make one with [New]; it works while [Gateway.Deliver] runs.
type Gateway struct {
	kinds  map[string]*Kind
	ledger *Ledger // for the gateway's own work
	desk   *Ledger // for callers who wait for an answer
	ids    *IDs
	now    func() time.Time
	timing Timing
	log    *slog.Logger

	name      string // of this process, among those that share the ledger
	intake    *grouper[*acceptance]
	scribe    *grouper[fact]
	roster    atomic.Pointer[roster]
	replacing sync.Mutex // one roster after the other
	shelf     shelf
	outside   outside
	limbo     limbo
	// unmatched: a notice came that nothing here answers yet.
	unmatched  atomic.Bool
	fresh, old round // through unmatched notices
}

// Submission is what an enterprise hands in: its bytes, who it is, and the
// key under which it may ask again without filing twice.
type Submission struct {
	Tenant string
	Key    string
	Body   []byte
}

// Receipt is the answer to a submission: the declaration is on disk, every
// agency's message is rendered and valid, and nothing has been sent yet.
type Receipt struct {
	Status
	Replayed bool `json:"-"` // the answer to an earlier submission under this key
}

// Refusal says that nothing was filed, and everything that must be mended.
type Refusal struct{ Faults []Fault }

func (r *Refusal) Error() string { return "the declaration has faults" }

// ReferenceUsed says that another declaration carries this reference.
type ReferenceUsed struct{ DeclarationID string }

func (r *ReferenceUsed) Error() string { return "the reference is used by " + r.DeclarationID }

// What else may keep a call from succeeding.
var (
	ErrKeyReused = errors.New("declare: the idempotency key belongs to another body")
	ErrMissing   = errors.New("declare: there is no such thing")
	ErrAgencyOff = errors.New("declare: the agency is off")
)

// New makes a gateway; of an agency there may be several versions, see
// [Gateway.Replace]. Randomness for jitter and identifiers comes with ids.
func New(ledger *Ledger, kinds map[string]*Kind, agencies []Agency, reopen Reopener, ids *IDs, now func() time.Time, timing Timing, log *slog.Logger) *Gateway {
	g := &Gateway{
		kinds: kinds, ledger: ledger.Unhurried(), desk: ledger, ids: ids, now: now, timing: timing, log: log,
		name: ids.New("gtw"), shelf: shelf{reopen: reopen},
	}
	g.intake = newGrouper(timing.Group, timing.Linger, alive(log, "intake", g.writeTogether))
	g.scribe = newGrouper(timing.Group, 0, alive(log, "scribe", g.recordTogether))
	g.roster.Store(g.enroll(&roster{}, agencies, nil))
	return g
}

// Submit files a declaration. The error is a [*Refusal], a [*ReferenceUsed],
// [ErrKeyReused], or one, such as [ErrUnavailable], after which the outcome is
// unknown and the submission should be made again under the same key: it is
// filed once.
func (g *Gateway) Submit(ctx context.Context, submission Submission) (Receipt, error) {
	digest := sha256.Sum256(submission.Body)
	if receipt, err := g.known(ctx, submission, digest); err != nil || receipt.ID != "" {
		return receipt, err
	}
	subject, faults, err := g.sound(submission.Body)
	if err != nil {
		return Receipt{}, err
	}
	drafts, more, err := g.drafts(subject)
	if err != nil {
		return Receipt{}, err
	}
	if faults = append(faults, more...); len(Refusals(faults)) > 0 {
		return Receipt{}, &Refusal{faults}
	}
	return g.writtenDown(ctx, submission, digest, subject, drafts)
}

// Validate does what Submit does, up to the point where something would be
// written down: every agency's message and every fault, nothing filed.
func (g *Gateway) Validate(_ context.Context, body []byte) (Examination, error) {
	subject, faults, err := g.sound(body)
	if err != nil {
		return Examination{}, err
	}
	drafts, more, err := g.drafts(subject)
	if err != nil {
		return Examination{}, err
	}
	examination := Examination{Faults: append(faults, more...)}
	for _, draft := range drafts {
		examination.Messages = append(examination.Messages, ExaminedMessage{Agency: draft.agency, Body: draft.Body.Bytes()})
	}
	return examination, nil
}

// Deliver sends what was written down and takes in what was heard, until ctx
// ends; then it takes nothing new, waits for the exchanges under way (at most
// Timing.Drain) and returns. It may be called once.
func (g *Gateway) Deliver(ctx context.Context) error {
	return g.deliver(ctx)
}

// Hear takes in a notice of an agency. When it returns without an error, or
// with [*Unreadable] because the bytes are not a notice of this agency, the
// notice is on disk; what it means for a declaration is recorded with it when
// it can be matched, and later when it cannot yet. A copy of an earlier notice
// is answered like the first. header gives what came beside the body: some
// agencies name the message only there, see [Profile.Headers].
func (g *Gateway) Hear(ctx context.Context, agency string, body []byte, header func(name string) string) error {
	courier := g.courier(agency)
	if courier == nil {
		return ErrMissing
	}
	profile := courier.profile()
	if len(profile.Missing) > 0 {
		return ErrAgencyOff // without its schemas nothing it says can be read
	}
	return g.hear(ctx, courier.agency(), body, header)
}

// Status tells what is known of a tenant's declaration; [ErrMissing] when
// there is none, or it is another tenant's.
func (g *Gateway) Status(ctx context.Context, tenant, id string) (Status, error) {
	status, err := g.desk.status(ctx, tenant, id)
	if err != nil {
		return Status{}, err
	}
	now := g.now().UTC().Truncate(time.Millisecond)
	for i := range status.Filings {
		if queue := status.Filings[i].Queue; queue != nil && queue.ExpectedAt.Before(now) {
			queue.ExpectedAt = &now // it is due, and others stand before it
		}
	}
	return status, g.locateErrors(ctx, tenant, &status)
}
