package declare

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Event is one thing that happened to a declaration. Numbers start at 1 and
// have no gaps.
type Event struct {
	ID     string          `json:"id"`
	Number int             `json:"number"`
	Type   string          `json:"type"`
	Agency string          `json:"agency,omitempty"`
	At     time.Time       `json:"at"`
	Data   json.RawMessage `json:"data"`
}

// SentMessage is an agency's message, the exact bytes.
type SentMessage struct {
	ID           string
	CreatedAt    time.Time
	SchemaDigest string
	Digest       []byte
	Body         []byte
}

// AgencyHealth is an agency as the gateway sees it now.
type AgencyHealth struct {
	Profile   Profile  // of the version in force, or of the first that will be
	Next      *Profile // the version that takes over, when one waits for its day
	Refused   *RefusedFolder
	State     string // connected, paused, denied; off while nothing is filed to it
	Since     time.Time
	Reason    string
	NextProbe *time.Time
	Waiting   int // messages not delivered yet, counted to 10,000
}

// find gives declarations with their filings, latest first: all of them as
// they stood at one moment.
func (l *Ledger) find(ctx context.Context, tenant string, ids []string) (found []Status, err error) {
	err = l.snapshot(ctx, TenantScope(tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("status"), tenant, ids)
		if err != nil {
			return err
		}
		files := map[declarationKey]*file{}
		var order []*file
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
			f := &file{notices: map[string][]heardNotice{}}
			s := &f.status
			err := row.Scan(&f.key.tenant, &s.ID, &s.Kind, &s.Reference, &s.Version, &s.Status,
				&s.WaitingFor.Who, &s.WaitingFor.Agency, &s.WaitingFor.Why, &s.WaitingFor.Since, &s.ReceivedAt)
			f.key.id = s.ID
			files[f.key], order = f, append(order, f)
			return struct{}{}, err
		})
		if err != nil || len(files) == 0 {
			return err
		}
		tenants, declarations := splitKeys(slices.Collect(maps.Keys(files)))
		var batch pgx.Batch
		queueFilings(&batch, tenants, declarations, files)
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return err
		}
		for _, f := range order {
			f.status.Filings = f.filings
			for _, filing := range f.filings {
				if w := &f.status.WaitingFor; w.Who == WhoTrader && w.Agency == filing.Agency {
					w.Until = filing.limit()
				}
			}
			found = append(found, f.status.inUTC())
		}
		return nil
	})
	return found, err
}

// inUTC gives every time in UTC, as the contract says.
func (s Status) inUTC() Status {
	s.ReceivedAt, s.WaitingFor.Since = s.ReceivedAt.UTC(), s.WaitingFor.Since.UTC()
	for i := range s.Filings {
		s.Filings[i].Since = s.Filings[i].Since.UTC()
	}
	return s
}

// status gives one declaration with its place in the queues.
func (l *Ledger) status(ctx context.Context, tenant, id string) (Status, error) {
	found, err := l.find(ctx, tenant, []string{id})
	if err != nil {
		return Status{}, err
	}
	if len(found) == 0 {
		return Status{}, ErrMissing
	}
	status := found[0]
	for i := range status.Filings {
		if status.Filings[i].Delivery == DeliveryQueued {
			if err := l.queuePlace(ctx, &status.Filings[i]); err != nil {
				return Status{}, err
			}
		}
	}
	return status, nil
}

// queuePlace says which place a filing's message has, and that the agency is
// not available while every process leaves it alone.
func (l *Ledger) queuePlace(ctx context.Context, filing *FilingStatus) error {
	var place Queue
	var expected time.Time
	var paused bool
	err := l.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("queue_place"), filing.MessageID).Scan(&place.Position, &expected, &paused)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // sent a moment ago
	}
	if err != nil {
		return err
	}
	place.Position++
	expected = expected.UTC()
	place.ExpectedAt, filing.Queue = &expected, &place
	if paused && (filing.Reason == "" || filing.Reason == ReasonBreakerOpen) {
		filing.Reason = ReasonAgencyUnavailable
	}
	return nil
}

// Statuses tells what is known of several of a tenant's declarations, latest
// first, without places in queues. Those that do not exist, or are another
// tenant's, are missing.
func (g *Gateway) Statuses(ctx context.Context, tenant string, ids []string) ([]Status, error) {
	found, err := g.desk.find(ctx, tenant, ids)
	if err != nil {
		return nil, err
	}
	for i := range found {
		if err := g.locateErrors(ctx, tenant, &found[i]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Message gives what was, or is to be, sent to an agency: the exact bytes.
func (g *Gateway) Message(ctx context.Context, tenant, id, agency string) (SentMessage, error) {
	var m SentMessage
	err := g.desk.Within(ctx, TenantScope(tenant), func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("message_body"), tenant, id, agency).Scan(&m.ID, &m.CreatedAt, &m.SchemaDigest, &m.Digest, &m.Body)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return SentMessage{}, ErrMissing
	}
	return m, err
}

// Declaration gives what the enterprise handed in, byte for byte.
func (g *Gateway) Declaration(ctx context.Context, tenant, id string) ([]byte, error) {
	var body []byte
	err := g.desk.Within(ctx, TenantScope(tenant), func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("declaration_body"), tenant, id).Scan(&body)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrMissing
	}
	return body, err
}

// Events gives what happened to a declaration, in order.
func (g *Gateway) Events(ctx context.Context, tenant, id string) (events []Event, err error) {
	err = g.desk.Within(ctx, TenantScope(tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("events"), tenant, id)
		if err != nil {
			return err
		}
		events, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Event, err error) {
			err = row.Scan(&e.ID, &e.Number, &e.Type, &e.Agency, &e.At, &e.Data)
			e.At = e.At.UTC()
			return e, err
		})
		return err
	})
	if err == nil && len(events) == 0 {
		return nil, ErrMissing // every declaration has its first event
	}
	return events, err
}

// AgencyTitle is what people call an agency; its name where nothing better is
// known.
func (g *Gateway) AgencyTitle(name string) Text {
	title := Text{English: name, Chinese: name}
	if courier := g.courier(name); courier != nil && courier.profile().Title != (Text{}) {
		title = courier.profile().Title
	}
	return title
}

// Agencies tells who is connected and how each is doing.
func (g *Gateway) Agencies(ctx context.Context) ([]AgencyHealth, error) {
	r := g.roster.Load()
	names := map[string]bool{}
	for _, name := range r.names {
		names[name] = true
	}
	known := map[string]AgencyHealth{}
	err := g.desk.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("agency_queues"), r.names)
		if err != nil {
			return err
		}
		var name string
		var h AgencyHealth
		var ramp *time.Time
		_, err = pgx.ForEachRow(rows, []any{&name, &h.State, &h.Since, &h.Reason, &h.NextProbe, &ramp, &h.Waiting}, func() error {
			h.Since = h.Since.UTC()
			known[name] = h
			h = AgencyHealth{}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	now := g.now()
	for name := range r.refused {
		names[name] = true
	}
	var all []AgencyHealth
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, r.describe(name, known[name], now))
	}
	return all, nil
}

// Why nothing is filed to an agency.
const (
	ReasonNoAddress      = "noAddress"
	ReasonSchemasMissing = "schemasMissing"
	ReasonNotYetValid    = "notYetValid"
	ReasonFolderRefused  = "folderRefused"
)

// describe completes what the ledger knows of an agency by what is known here.
func (r *roster) describe(name string, h AgencyHealth, now time.Time) AgencyHealth {
	if refused, is := r.refused[name]; is {
		h.Refused = &refused
	}
	courier := r.couriers[name]
	if courier == nil {
		h.Profile.Name, h.State, h.Reason = name, "off", ReasonFolderRefused
		return h
	}
	agency, inForce := courier.version(now)
	h.Profile, h.Next = agency.Profile(), courier.next(now)
	switch {
	case len(h.Profile.Missing) > 0:
		h.State, h.Reason = "off", ReasonSchemasMissing
	case !h.Profile.On:
		h.State, h.Reason = "off", ReasonNoAddress
	case !inForce:
		h.State, h.Reason = "off", ReasonNotYetValid
	}
	return h
}

// locateErrors turns the agencies' own paths, of errors, duties and documents,
// into pointers into what the enterprise wrote.
func (g *Gateway) locateErrors(ctx context.Context, tenant string, status *Status) error {
	var tree map[string]any
	for i := range status.Filings {
		filing := &status.Filings[i]
		courier := g.courier(filing.Agency)
		paths, pointers := filing.places()
		if courier == nil || len(paths) == 0 {
			continue
		}
		if tree == nil {
			body, err := g.Declaration(ctx, tenant, status.ID)
			if err != nil {
				return err
			}
			value, _ := ParseJSON(body, MostBytes) // it was read without faults when it was accepted
			if tree, _ = value.(map[string]any); tree == nil {
				return errors.New("declare: a stored declaration cannot be read")
			}
		}
		agency := g.acceptedUnder(ctx, courier, filing.folder)
		subject := Subject{
			DeclarationID: status.ID, MessageID: filing.MessageID, Reference: status.Reference,
			Kind: status.Kind, Tree: tree, AcceptedAt: status.ReceivedAt,
		}
		for k, pointer := range agency.Locate(subject, paths...) {
			*pointers[k] = pointer
		}
	}
	return nil
}

// places are the paths into its message that an agency gave, and where their
// pointers into the declaration belong.
func (f *FilingStatus) places() (xmlPaths []string, pointers []*string) {
	add := func(xmlPath string, pointer *string) {
		if xmlPath != "" {
			xmlPaths, pointers = append(xmlPaths, xmlPath), append(pointers, pointer)
		}
	}
	for i := range f.Errors {
		add(f.Errors[i].XMLPath, &f.Errors[i].Pointer)
	}
	for i := range f.Duties {
		add(f.Duties[i].XMLPath, &f.Duties[i].Pointer)
	}
	for i := range f.Documents {
		add(f.Documents[i].XMLPath, &f.Documents[i].Pointer)
	}
	return xmlPaths, pointers
}
