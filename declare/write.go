package declare

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// errKeyTaken says that another submission bound the idempotency key first.
var errKeyTaken = errors.New("declare: the idempotency key is bound")

// writeTogether writes a group of entries in one transaction. When the group
// fails, each entry is tried alone, so that one's conflict is nobody else's.
func (g *Gateway) writeTogether(ctx context.Context, entries []*acceptance) []error {
	outcome := make([]error, len(entries))
	err := g.writeLeased(ctx, sorted(entries))
	if err == nil {
		return outcome
	}
	if errors.Is(err, ErrUnavailable) && !blocked(err) {
		return slices.Repeat([]error{err}, len(entries)) // alone none would fare better
	}
	if len(entries) == 1 {
		outcome[0] = g.conflict(ctx, entries[0], err)
		return outcome
	}
	for i, e := range entries {
		outcome[i] = g.conflict(ctx, e, g.writeLeased(ctx, []*acceptance{e}))
	}
	return outcome
}

// writeLeased writes entries with our lease on the messages that can be sent
// at once, and hands those to their couriers after the commit: no message
// waits for the queue to be read when nothing stands before it.
func (g *Gateway) writeLeased(ctx context.Context, entries []*acceptance) error {
	now := g.now().UTC().Truncate(time.Millisecond)
	for _, e := range entries {
		for i := range e.drafts {
			courier := g.courier(e.drafts[i].agency)
			e.drafts[i].leaseUntil = nil
			if courier.reserve(now) {
				until := now.Add(courier.lease())
				e.drafts[i].leaseUntil = &until
			}
		}
	}
	// Whatever comes of it, the places kept must be used or given back.
	err := safely(g.log, "intake", func() error { return g.write(ctx, entries, now) })
	for _, e := range entries {
		for _, draft := range e.drafts {
			courier := g.courier(draft.agency)
			if draft.leaseUntil == nil {
				courier.queued()
				continue
			}
			digest := draft.Body.Digest()
			message := taken{
				declarationKey: declarationKey{e.submission.Tenant, e.subject.DeclarationID},
				id:             draft.messageID, agency: draft.agency, digest: digest[:], body: draft.Body.Bytes(), epoch: 1, attempts: 1,
				leaseUntil: *draft.leaseUntil,
			}
			if err == nil {
				err = safely(g.log, "intake", func() error {
					if err := point("write.handing"); err != nil {
						return err
					}
					courier.handOver(message)
					return nil
				})
			}
			if err == nil {
				continue
			}
			courier.release()
			if errors.Is(err, ErrUnavailable) {
				g.limbo.add(message)
			}
		}
	}
	return err
}

// limbo holds messages that stand in the ledger under our lease if the COMMIT
// that was lost succeeded, and that certainly were not sent.
type limbo struct {
	mu       sync.Mutex
	messages []taken
}

// mostInLimbo bounds the memory of a long outage: what is dropped is asked
// about when its lease expires.
const mostInLimbo = 10_000

func (l *limbo) add(message taken) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if message.body = nil; len(l.messages) < mostInLimbo {
		l.messages = append(l.messages, message)
	}
}

// first gives the oldest ones, at most so many, without taking them out.
func (l *limbo) first(most int) []taken {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.messages[:min(most, len(l.messages))])
}

func (l *limbo) drop(count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = slices.Delete(l.messages, 0, count)
}

// giveBack puts what is in limbo back into the queue, where it stands there at
// all, as soon as the database can be asked: it need not wait for its lease,
// nor be asked about.
func (g *Gateway) giveBack(ctx context.Context) error {
	messages := g.limbo.first(g.timing.Group)
	if len(messages) == 0 {
		return nil
	}
	facts := make([]fact, len(messages))
	for i, message := range messages {
		facts[i].settlement = &settlement{taken: message, delivery: DeliveryQueued, nextAt: g.now().UTC(), unburnt: true}
	}
	if err := g.record(ctx, facts); err != nil {
		return err
	}
	g.limbo.drop(len(messages))
	g.wakeCouriers()
	return nil
}

// sorted orders a group by its unique keys: two processes inserting the same
// keys in different orders would wait for each other for ever.
func sorted(entries []*acceptance) []*acceptance {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b *acceptance) int {
		return strings.Compare(a.submission.Tenant+"\x00"+a.submission.Key, b.submission.Tenant+"\x00"+b.submission.Key)
	})
	return entries
}

// conflict turns a violated uniqueness into what the user should hear.
func (g *Gateway) conflict(ctx context.Context, e *acceptance, err error) error {
	switch {
	case violates(err, "idempotency_pkey"):
		return errKeyTaken
	case violates(err, "reference_pkey"):
		return g.referenceUsed(ctx, e)
	}
	return err
}

func (g *Gateway) referenceUsed(ctx context.Context, e *acceptance) error {
	var id string
	var bound bool
	err := g.ledger.Within(ctx, TenantScope(e.submission.Tenant), func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("reference_owner"), e.submission.Tenant, e.subject.Reference, e.submission.Key).Scan(&id, &bound)
	})
	switch {
	case err != nil:
		return err
	case bound: // a twin of this very submission bound both
		return errKeyTaken
	}
	return &ReferenceUsed{id}
}

// columns gathers the rows of one statement, column by column, for unnest.
type columns struct {
	declarations struct {
		tenant, id, kind, reference, key, waitingAgency, waitingWhy, status, who []string
		port, agencies, chapters                                                 []string // the last two joined by commas: unnest flattens arrays of arrays
		receivedAt                                                               []time.Time
		body, digest, receipt                                                    [][]byte
		eventID                                                                  []string
	}
	messages struct {
		tenant, declaration, agency, version, id, schemaDigest, folder []string
		digest, body                                                   [][]byte
		at                                                             []time.Time
		leaseUntil                                                     []*time.Time
	}
	keys struct{ tenant, value, name, declaration []string }
}

func (c *columns) add(e *acceptance) {
	d, s := &c.declarations, e.receipt.Status
	d.tenant = append(d.tenant, e.submission.Tenant)
	d.id = append(d.id, s.ID)
	d.kind = append(d.kind, s.Kind)
	d.reference = append(d.reference, s.Reference)
	d.key = append(d.key, e.submission.Key)
	d.status = append(d.status, string(s.Status))
	d.who = append(d.who, s.WaitingFor.Who)
	d.waitingAgency = append(d.waitingAgency, s.WaitingFor.Agency)
	d.waitingWhy = append(d.waitingWhy, s.WaitingFor.Why)
	d.receivedAt = append(d.receivedAt, s.ReceivedAt)
	d.body = append(d.body, e.submission.Body)
	d.digest = append(d.digest, e.digest[:])
	d.receipt = append(d.receipt, e.stored)
	d.eventID = append(d.eventID, e.eventID)
	d.port = append(d.port, e.port)
	d.agencies = append(d.agencies, strings.Join(filedTo(e.drafts), ","))
	d.chapters = append(d.chapters, strings.Join(e.chapters, ","))
	m := &c.messages
	for _, draft := range e.drafts {
		digest := draft.Body.Digest()
		m.tenant = append(m.tenant, e.submission.Tenant)
		m.declaration = append(m.declaration, s.ID)
		m.agency = append(m.agency, draft.agency)
		m.version = append(m.version, draft.version)
		m.id = append(m.id, draft.messageID)
		m.schemaDigest = append(m.schemaDigest, draft.Body.SchemaDigest())
		m.folder = append(m.folder, draft.folder)
		m.digest = append(m.digest, digest[:])
		m.body = append(m.body, draft.Body.Bytes())
		m.at = append(m.at, s.ReceivedAt)
		m.leaseUntil = append(m.leaseUntil, draft.leaseUntil)
	}
	k := &c.keys
	for _, key := range e.keys {
		k.tenant = append(k.tenant, e.submission.Tenant)
		k.value = append(k.value, key.Value)
		k.name = append(k.name, key.Name)
		k.declaration = append(k.declaration, s.ID)
	}
}

// filedTo names the agencies of drafts, sorted.
func filedTo(drafts []prepared) []string {
	var names []string
	for _, draft := range drafts {
		names = append(names, draft.agency)
	}
	slices.Sort(names)
	return names
}

// write puts entries on disk: all of them or none.
func (g *Gateway) write(ctx context.Context, entries []*acceptance, now time.Time) error {
	var c columns
	var tenants []string
	for _, e := range entries {
		c.add(e)
		tenants = append(tenants, e.submission.Tenant)
	}
	slices.Sort(tenants)
	if err := point("write.leased"); err != nil {
		return err
	}
	d, m, k := &c.declarations, &c.messages, &c.keys
	err := g.within(ctx, TenantScope(slices.Compact(tenants)...), func(tx pgx.Tx) error {
		if err := point("write.begun"); err != nil {
			return err
		}
		var batch pgx.Batch
		batch.Queue(statement("insert_idempotency"), d.tenant, d.key, d.digest, d.id, d.receipt, d.receivedAt)
		batch.Queue(statement("insert_references"), d.tenant, d.reference, d.id)
		batch.Queue(statement("insert_declarations"), d.tenant, d.id, d.kind, d.reference, d.status, d.who, d.waitingAgency, d.waitingWhy, d.receivedAt,
			d.port, d.agencies, d.chapters)
		batch.Queue(statement("insert_declaration_bodies"), d.tenant, d.id, d.receivedAt, d.digest, d.body)
		batch.Queue(statement("insert_filings"), m.tenant, m.declaration, m.agency, m.version, m.at)
		batch.Queue(statement("insert_messages"), m.tenant, m.id, m.declaration, m.agency, m.schemaDigest, m.folder, m.digest, m.at, m.leaseUntil, now)
		batch.Queue(statement("insert_message_bodies"), m.tenant, m.id, m.agency, m.at, m.body)
		batch.Queue(statement("insert_search_keys"), k.tenant, k.value, k.name, k.declaration)
		batch.Queue(statement("insert_first_events"), d.tenant, d.id, d.eventID, d.receivedAt)
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return err
		}
		return point("write.inserted")
	})
	if err != nil {
		return err
	}
	return point("write.committed")
}
