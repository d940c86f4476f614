package declare

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// MostBytes is the longest declaration there is: 999 rich items fit well.
const MostBytes = 10 << 20

// Examination is the result of a dry run.
type Examination struct {
	Faults   []Fault
	Messages []ExaminedMessage
}

// ExaminedMessage is what would be sent to one agency.
type ExaminedMessage struct {
	Agency string
	Body   []byte
}

// prepared is an agency's draft with the ids its message will have.
type prepared struct {
	Draft
	agency, version, folder, messageID string
	leaseUntil                         *time.Time // set when it will be sent right after the commit
}

// acceptance is a declaration about to be written down.
type acceptance struct {
	submission Submission
	digest     [sha256.Size]byte
	subject    Subject
	keys       []Key
	drafts     []prepared
	receipt    Receipt
	stored     []byte // the receipt as it will be replayed
	eventID    string
	port       string
	chapters   []string // HS
}

// known answers a submission that was made before under the same key, and
// tells early when the reference is taken.
func (g *Gateway) known(ctx context.Context, submission Submission, digest [sha256.Size]byte) (Receipt, error) {
	var earlier, stored []byte
	err := g.desk.one(ctx, TenantScope(submission.Tenant), "known_key", []any{submission.Tenant, submission.Key}, func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&earlier, &stored}, func() error { return nil })
		return err
	})
	switch {
	case err != nil:
		return Receipt{}, err
	case stored == nil:
		return Receipt{}, point("submit.asked")
	case !bytes.Equal(earlier, digest[:]):
		return Receipt{}, ErrKeyReused
	}
	receipt := Receipt{Replayed: true}
	return receipt, json.Unmarshal(stored, &receipt.Status)
}

// sound reads the body strictly and checks it against its kind. Without a
// shape there is nothing to make drafts of: then the subject has no tree.
func (g *Gateway) sound(body []byte) (Subject, []Fault, error) {
	now := g.now().UTC().Truncate(time.Millisecond)
	value, faults := ParseJSON(body, MostBytes)
	if len(faults) > 0 {
		return Subject{}, faults, nil
	}
	kind, tree, fault := g.kindOf(value)
	if fault != nil {
		return Subject{}, []Fault{*fault}, nil
	}
	if faults := kind.checkForm(tree); len(faults) > 0 {
		return Subject{}, append(faults, g.beyondForm(kind, tree, faults, now)...), nil
	}
	faults, err := kind.checkContent(tree, now)
	if err != nil {
		return Subject{}, nil, err
	}
	reference, ok := tree["reference"].(string)
	if !ok {
		return Subject{}, nil, errors.New("declare: kind " + kind.Name + " has no reference")
	}
	return Subject{
		DeclarationID: g.ids.New("dec"), Reference: reference, Kind: kind.Name, Tree: tree, AcceptedAt: now,
	}, faults, nil
}

func (g *Gateway) kindOf(value any) (*Kind, map[string]any, *Fault) {
	tree, ok := value.(map[string]any)
	if !ok {
		return nil, nil, &Fault{Code: "schema.type", Text: Text{"A declaration is a JSON object.", "申报单必须是一个 JSON 对象。"}}
	}
	name, ok := tree["kind"].(string)
	if !ok {
		return nil, nil, &Fault{Code: "kind.missing", Pointer: "/kind", Text: Text{
			"Say which kind of declaration this is; known kinds: " + g.kindNames() + ".",
			"请注明申报单种类；已知种类：" + g.kindNames() + "。"}}
	}
	kind, ok := g.kinds[name]
	if !ok {
		return nil, nil, &Fault{Code: "kind.unknown", Pointer: "/kind", Text: Text{
			"There is no such kind of declaration; known kinds: " + g.kindNames() + ".",
			"没有这种申报单；已知种类：" + g.kindNames() + "。"}}
	}
	return kind, tree, nil
}

func (g *Gateway) kindNames() string {
	var names []string
	for name := range g.kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// drafts asks every agency that takes the subject for its message. All faults
// of all agencies come together.
func (g *Gateway) drafts(subject Subject) (drafts []prepared, faults []Fault, err error) {
	if subject.Tree == nil {
		return nil, nil, nil
	}
	concerned := false
	for _, agency := range g.asked(subject.AcceptedAt) {
		takes, err := agency.Takes(subject.Kind, subject.Tree)
		if err != nil {
			return nil, nil, err
		}
		if !takes {
			continue
		}
		concerned = true
		subject.MessageID = g.ids.New("msg")
		draft, found, err := agency.Draft(subject)
		if err != nil {
			return nil, nil, err
		}
		faults = append(faults, found...)
		profile := agency.Profile()
		if len(Refusals(found)) == 0 {
			drafts = append(drafts, prepared{
				Draft: draft, agency: profile.Name, version: profile.Version, folder: profile.Digest, messageID: subject.MessageID})
		}
	}
	if !concerned {
		faults = append(faults, Fault{Code: "agency.none", Pointer: "", Text: Text{
			"No agency connected here takes this declaration: check its type, mode of transport and countries.",
			"没有已接入的机构受理此申报：请核对申报类型、运输方式和国别。"}})
	}
	return drafts, faults, nil
}

// writtenDown puts the declaration, its filings, messages, references and
// first event on disk in one transaction, shared with others that arrived at
// the same moment.
func (g *Gateway) writtenDown(ctx context.Context, submission Submission, digest [sha256.Size]byte, subject Subject, drafts []prepared) (Receipt, error) {
	kind := g.kinds[subject.Kind]
	e := &acceptance{
		submission: submission, digest: digest, subject: subject, drafts: drafts,
		keys: kind.Keys(subject.Tree), eventID: g.ids.New("evt"),
		port: kind.facets.portOf(subject.Tree), chapters: kind.facets.chaptersOf(subject.Tree),
		receipt: Receipt{Status: firstStatus(subject, drafts)},
	}
	var err error
	if e.stored, err = json.Marshal(e.receipt.Status); err != nil {
		return Receipt{}, err
	}
	if err := point("submit.drafted"); err != nil {
		return Receipt{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	err = g.intake.do(waiting, e)
	if errors.Is(err, errKeyTaken) {
		// Another submission under this key won the race: answer like it.
		return g.known(ctx, submission, digest)
	}
	return e.receipt, errors.Join(err, point("submit.written"))
}

// firstStatus is what a declaration looks like at the moment of acceptance.
func firstStatus(subject Subject, drafts []prepared) Status {
	status := Status{
		ID: subject.DeclarationID, Kind: subject.Kind, Reference: subject.Reference, Version: 1,
		ReceivedAt: subject.AcceptedAt,
	}
	for _, draft := range drafts {
		status.Filings = append(status.Filings, FilingStatus{
			Agency: draft.agency, AgencyVersion: draft.version, MessageID: draft.messageID, Delivery: DeliveryQueued,
			Decision: DecisionNone, AgencyNumbers: map[string]string{}, Since: subject.AcceptedAt,
		})
	}
	status.Status, status.WaitingFor = overall(status.Filings, subject.AcceptedAt)
	return status
}
