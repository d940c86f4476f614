package declare

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A fact is something that happened to a message or was heard from an agency
// and must be recorded: exactly one of its parts is set.
type fact struct {
	settlement *settlement
	notice     *placedNotice
	rematch    string // an agency whose unmatched notices deserve another look
	touched    *declarationKey
}

// settlement is what one attempt to send a message came to.
type settlement struct {
	taken      taken
	delivery   Delivery
	reason     string
	nextAt     time.Time
	denials    int
	unburnt    bool // the attempt does not count: nothing left this machine
	firstSent  *time.Time
	answer     []byte
	reading    Reading
	task       bool
	lost       bool // set by record: the lease was no longer ours
	answeredAt time.Time
}

// placedNotice is a stored notice with its meaning.
type placedNotice struct {
	id         string
	receivedAt time.Time
	agency     string
	reading    Reading
}

type declarationKey struct{ tenant, id string }

// recordTogether records a group of facts in one transaction, and alone each
// when the group fails.
func (g *Gateway) recordTogether(ctx context.Context, facts []fact) []error {
	outcome := make([]error, len(facts))
	err := g.record(ctx, facts)
	if err == nil {
		return outcome
	}
	if len(facts) == 1 {
		outcome[0] = err
		return outcome
	}
	for i := range facts {
		outcome[i] = g.record(ctx, facts[i:i+1])
	}
	return outcome
}

// record writes facts down and brings every declaration they concern up to
// date. The declarations' rows are locked first, in one order, so that events
// are numbered without gaps and nobody waits in a circle.
func (g *Gateway) record(ctx context.Context, facts []fact) error {
	now := g.now().UTC().Truncate(time.Millisecond)
	return g.ledger.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		concerned := map[declarationKey]bool{}
		for _, f := range facts {
			if f.settlement != nil {
				concerned[declarationKey{f.settlement.taken.tenant, f.settlement.taken.declaration}] = true
			}
			if f.touched != nil {
				concerned[*f.touched] = true
			}
		}
		matches, err := g.match(ctx, tx, facts)
		if err != nil {
			return fmt.Errorf("match notices: %w", err)
		}
		for _, m := range matches {
			concerned[m.declaration] = true
		}
		if len(concerned) == 0 {
			return nil
		}
		files, err := lockDeclarations(ctx, tx, slices.Collect(maps.Keys(concerned)))
		if err != nil {
			return fmt.Errorf("lock declarations: %w", err)
		}
		answers, err := g.settle(ctx, tx, facts, files, now)
		if err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		if err := applyNotices(ctx, tx, append(matches, answers...)); err != nil {
			return fmt.Errorf("apply notices: %w", err)
		}
		return g.refold(ctx, tx, files, now)
	})
}

// match writes down what notices mean and finds the messages they answer: by
// our message id, or by a number this same agency gave before.
func (g *Gateway) match(ctx context.Context, tx pgx.Tx, facts []fact) ([]matched, error) {
	var ids, agencies []string
	var batch pgx.Batch
	for _, f := range facts {
		if f.rematch != "" {
			agencies = append(agencies, f.rematch)
		}
		if f.notice == nil {
			continue
		}
		n := f.notice
		ids = append(ids, n.id)
		numbers, err := json.Marshal(n.reading.Numbers)
		if err != nil {
			return nil, err
		}
		complaints, err := json.Marshal(n.reading.Errors)
		if err != nil {
			return nil, err
		}
		batch.Queue(statement("place_notice"), n.id, n.receivedAt, n.reading.MessageID, numbers,
			optional(n.reading.IssuedAt), n.reading.Version, n.reading.Rank, n.reading.Word,
			string(n.reading.Decision), n.reading.Reopens, n.reading.Remark, complaints)
	}
	if len(ids) == 0 && len(agencies) == 0 {
		return nil, nil
	}
	if batch.Len() > 0 {
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return nil, err
		}
	}
	rows, err := tx.Query(ctx, statement("match_notices"), ids, agencies)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (matched, error) {
		var m matched
		err := row.Scan(&m.notice, &m.receivedAt, &m.declaration.tenant, &m.declaration.id, &m.message)
		return m, err
	})
}

// matched is a notice that belongs to a declaration.
type matched struct {
	notice      string
	receivedAt  time.Time
	declaration declarationKey
	message     string
}

func applyNotices(ctx context.Context, tx pgx.Tx, notices []matched) error {
	if len(notices) == 0 {
		return nil
	}
	var ids, tenants, declarations, messages []string
	var times []time.Time
	for _, n := range notices {
		ids = append(ids, n.notice)
		times = append(times, n.receivedAt)
		tenants = append(tenants, n.declaration.tenant)
		declarations = append(declarations, n.declaration.id)
		messages = append(messages, n.message)
	}
	_, err := tx.Exec(ctx, statement("apply_notices"), ids, times, tenants, declarations, messages)
	return err
}

// settle writes what attempts came to, where their lease is still ours, and
// keeps the agencies' answers as notices.
func (g *Gateway) settle(ctx context.Context, tx pgx.Tx, facts []fact, files map[declarationKey]*file, now time.Time) ([]matched, error) {
	var s settleColumns
	mine := map[string]*settlement{}
	for _, f := range facts {
		if f.settlement != nil {
			s.add(f.settlement)
			mine[f.settlement.taken.id] = f.settlement
			f.settlement.lost = true
		}
	}
	if len(mine) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, statement("settle_messages"), s.tenant, s.id, s.epoch, s.delivery, s.nextAt, s.reason, s.denials, s.unburnt, s.firstSent, now)
	if err != nil {
		return nil, err
	}
	settledIDs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var batch pgx.Batch
	var answers []matched
	for _, id := range settledIDs {
		settlement := mine[id]
		settlement.lost = false
		if err := g.queueDelivery(&batch, settlement, files, now); err != nil {
			return nil, err
		}
		if settlement.answer == nil {
			continue
		}
		answer, err := g.queueAnswer(&batch, settlement)
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	if batch.Len() == 0 {
		return answers, nil
	}
	return answers, tx.SendBatch(ctx, &batch).Close()
}

// queueDelivery tells of a change in delivery: an event, and an officer's task
// when nothing here can move the message on.
func (g *Gateway) queueDelivery(batch *pgx.Batch, s *settlement, files map[declarationKey]*file, now time.Time) error {
	if s.task {
		batch.Queue(statement("open_task"), s.taken.tenant, s.taken.id, taskKind(s.delivery), s.taken.agency, s.taken.declaration, s.reason, now)
	}
	f := files[declarationKey{s.taken.tenant, s.taken.declaration}]
	if s.delivery == DeliveryQueued || s.delivery == DeliveryUnsure && s.taken.asked || f == nil {
		return nil // another try, and nothing the trader does not know
	}
	return g.queueEvent(batch, f, "message."+string(s.delivery), s.taken.agency, now, map[string]any{
		"messageId": s.taken.id, "attempts": s.taken.attempts, "reason": s.reason})
}

func taskKind(delivery Delivery) string {
	if delivery == DeliverySetAside {
		return "setAside"
	}
	return "unsure"
}

// queueAnswer stores the HTTP answer to a message as a notice like any other.
func (g *Gateway) queueAnswer(batch *pgx.Batch, s *settlement) (matched, error) {
	id := g.ids.New("ntc")
	numbers, err := json.Marshal(s.reading.Numbers)
	if err != nil {
		return matched{}, err
	}
	complaints, err := json.Marshal(s.reading.Errors)
	if err != nil {
		return matched{}, err
	}
	digest := digestOf(s.answer)
	batch.Queue(statement("insert_notice"), id, s.answeredAt, s.taken.agency, "answer", digest, s.answer)
	batch.Queue(statement("place_notice"), id, s.answeredAt, s.taken.id, numbers, optional(s.reading.IssuedAt), s.reading.Version,
		s.reading.Rank, s.reading.Word, string(s.reading.Decision), s.reading.Reopens, s.reading.Remark, complaints)
	return matched{id, s.answeredAt, declarationKey{s.taken.tenant, s.taken.declaration}, s.taken.id}, nil
}

// settleColumns gathers settlements column by column for unnest.
type settleColumns struct {
	tenant, id, delivery, reason []string
	epoch                        []int64
	nextAt                       []time.Time
	denials                      []int32
	unburnt                      []bool
	firstSent                    []*time.Time
}

func (c *settleColumns) add(s *settlement) {
	c.tenant = append(c.tenant, s.taken.tenant)
	c.id = append(c.id, s.taken.id)
	c.delivery = append(c.delivery, string(s.delivery))
	c.reason = append(c.reason, s.reason)
	c.epoch = append(c.epoch, s.taken.epoch)
	c.nextAt = append(c.nextAt, s.nextAt)
	c.denials = append(c.denials, int32(s.denials))
	c.unburnt = append(c.unburnt, s.unburnt)
	c.firstSent = append(c.firstSent, s.firstSent)
}

// file is a declaration under its lock, with everything that decides where it
// stands.
type file struct {
	key          declarationKey
	status       Status
	eventCount   int
	eventsBefore int // as the row says; every event since must be counted there
	filings      []FilingStatus
	notices      map[string][]heardNotice
}

func lockDeclarations(ctx context.Context, tx pgx.Tx, keys []declarationKey) (map[declarationKey]*file, error) {
	slices.SortFunc(keys, func(a, b declarationKey) int {
		return strings.Compare(a.tenant+"\x00"+a.id, b.tenant+"\x00"+b.id)
	})
	tenants, ids := splitKeys(keys)
	rows, err := tx.Query(ctx, statement("lock_declarations"), tenants, ids)
	if err != nil {
		return nil, err
	}
	files := map[declarationKey]*file{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		f := &file{notices: map[string][]heardNotice{}}
		err := row.Scan(&f.key.tenant, &f.key.id, &f.status.Status, &f.status.WaitingFor.Who, &f.status.WaitingFor.Agency,
			&f.status.WaitingFor.Why, &f.status.WaitingFor.Since, &f.status.ReceivedAt, &f.eventCount)
		f.eventsBefore = f.eventCount
		files[f.key] = f
		return struct{}{}, err
	})
	return files, err
}

func splitKeys(keys []declarationKey) (tenants, ids []string) {
	for _, key := range keys {
		tenants = append(tenants, key.tenant)
		ids = append(ids, key.id)
	}
	return tenants, ids
}

// loadFilings reads the filings of declarations.
func loadFilings(ctx context.Context, tx pgx.Tx, files map[declarationKey]*file) error {
	tenants, ids := splitKeys(slices.Collect(maps.Keys(files)))
	rows, err := tx.Query(ctx, statement("load_filings"), tenants, ids)
	if err != nil {
		return err
	}
	var key declarationKey
	var filing FilingStatus
	var version string
	_, err = pgx.ForEachRow(rows, []any{&key.tenant, &key.id, &filing.Agency, &version, &filing.Decision, &filing.Since, &filing.Word, &filing.Remark,
		&filing.AgencyNumbers, &filing.Errors, &filing.MessageID, &filing.Delivery, &filing.Reason}, func() error {
		f := files[key]
		f.filings = append(f.filings, filing)
		filing = FilingStatus{}
		return nil
	})
	return err
}

// loadNotices reads what agencies said about declarations.
func loadNotices(ctx context.Context, tx pgx.Tx, files map[declarationKey]*file) error {
	tenants, ids := splitKeys(slices.Collect(maps.Keys(files)))
	rows, err := tx.Query(ctx, statement("load_notices"), tenants, ids)
	if err != nil {
		return err
	}
	var key declarationKey
	var agency string
	var notice heardNotice
	var issuedAt *time.Time
	_, err = pgx.ForEachRow(rows, []any{&key.tenant, &key.id, &agency, &notice.id, &notice.receivedAt, &notice.messageID, &notice.numbers, &issuedAt,
		&notice.version, &notice.rank, &notice.word, &notice.decision, &notice.reopens, &notice.remark, &notice.errors}, func() error {
		if issuedAt != nil {
			notice.issuedAt = *issuedAt
		}
		f := files[key]
		f.notices[agency] = append(f.notices[agency], notice)
		notice = heardNotice{}
		return nil
	})
	return err
}

// refold works out where each declaration stands now, and writes down what
// changed with an event for each change.
func (g *Gateway) refold(ctx context.Context, tx pgx.Tx, files map[declarationKey]*file, now time.Time) error {
	if err := loadFilings(ctx, tx, files); err != nil {
		return fmt.Errorf("load filings: %w", err)
	}
	if err := loadNotices(ctx, tx, files); err != nil {
		return fmt.Errorf("load notices: %w", err)
	}
	var batch pgx.Batch
	for _, f := range files {
		if err := g.refoldOne(&batch, f, now); err != nil {
			return err
		}
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func (g *Gateway) refoldOne(batch *pgx.Batch, f *file, now time.Time) error {
	for i := range f.filings {
		if err := g.refoldFiling(batch, f, &f.filings[i], now); err != nil {
			return err
		}
	}
	status, waiting := overall(f.filings, now)
	if status == f.status.Status && waiting.Who == f.status.WaitingFor.Who && waiting.Agency == f.status.WaitingFor.Agency &&
		waiting.Why == f.status.WaitingFor.Why && f.eventCount == f.eventsBefore {
		return nil
	}
	if status != f.status.Status {
		if err := g.queueEvent(batch, f, "declaration.status", "", now, map[string]any{"status": status, "waitingFor": waiting}); err != nil {
			return err
		}
	}
	batch.Queue(statement("update_declaration"), f.key.tenant, f.key.id, string(status), waiting.Who, waiting.Agency, waiting.Why, waiting.Since, f.eventCount)
	return nil
}

// refoldFiling compares a filing with what its agency's notices amount to.
func (g *Gateway) refoldFiling(batch *pgx.Batch, f *file, filing *FilingStatus, now time.Time) error {
	courier, known := g.couriers[filing.Agency]
	if !known {
		return nil // its agency is not connected to this process: leave it alone
	}
	stand := fold(f.notices[filing.Agency], courier.profile.Order, f.status.ReceivedAt)
	changed := stand.decision != filing.Decision || stand.word != filing.Word
	for name, value := range stand.numbers {
		if filing.AgencyNumbers[name] == value {
			continue
		}
		changed = true
		batch.Queue(statement("insert_agency_number"), filing.Agency, name, value, f.key.tenant, f.key.id)
		batch.Queue(statement("insert_search_key"), f.key.tenant, value, name, f.key.id)
	}
	if !changed {
		return nil
	}
	moved := stand.decision != filing.Decision
	filing.Decision, filing.Word, filing.Remark = stand.decision, stand.word, stand.remark
	filing.Errors, filing.Since, filing.AgencyNumbers = stand.errors, stand.since, stand.numbers
	numbers, err := json.Marshal(filing.AgencyNumbers)
	if err != nil {
		return err
	}
	complaints, err := json.Marshal(filing.Errors)
	if err != nil {
		return err
	}
	batch.Queue(statement("update_filing"), f.key.tenant, f.key.id, filing.Agency, string(filing.Decision), filing.Since, filing.Word, filing.Remark, numbers, complaints)
	if !moved && filing.Word == "" {
		return nil
	}
	return g.queueEvent(batch, f, "filing.decision", filing.Agency, now, map[string]any{
		"decision": filing.Decision, "word": filing.Word, "agencyNumbers": filing.AgencyNumbers})
}

// queueEvent appends the declaration's next event.
func (g *Gateway) queueEvent(batch *pgx.Batch, f *file, kind, agency string, at time.Time, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	f.eventCount++
	batch.Queue(statement("insert_event"), f.key.tenant, f.key.id, f.eventCount, g.ids.New("evt"), kind, agency, at, text)
	return nil
}

// optional turns a zero time into NULL.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
