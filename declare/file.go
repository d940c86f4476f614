package declare

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// file is a declaration with everything that decides where it stands.
type file struct {
	key          declarationKey
	status       Status
	eventCount   int
	eventsBefore int // as the row says; every event since must be counted there
	filings      []FilingStatus
	notices      map[string][]heardNotice // by agency
}

// loadFiles reads the filings and deliveries of declarations, and the notices
// of the agencies that have news.
func loadFiles(ctx context.Context, tx pgx.Tx, files map[declarationKey]*file, concerned news) error {
	tenants, ids := splitKeys(slices.Collect(maps.Keys(files)))
	var batch pgx.Batch
	queueFilings(&batch, tenants, ids, files)
	var noticeTenants, noticeIDs, agencies []string
	for key := range files {
		for _, agency := range concerned[key] {
			noticeTenants, noticeIDs, agencies = append(noticeTenants, key.tenant), append(noticeIDs, key.id), append(agencies, agency)
		}
	}
	if len(agencies) > 0 {
		batch.Queue(statement("load_notices"), noticeTenants, noticeIDs, agencies).Query(func(rows pgx.Rows) error { return readNotices(rows, files) })
	}
	return tx.SendBatch(ctx, &batch).Close()
}

// queueFilings asks for the filings of declarations and how far their
// messages got.
func queueFilings(batch *pgx.Batch, tenants, ids []string, files map[declarationKey]*file) {
	batch.Queue(statement("load_filings"), tenants, ids).Query(func(rows pgx.Rows) error { return readFilings(rows, files) })
	batch.Queue(statement("load_deliveries"), tenants, ids).Query(func(rows pgx.Rows) error { return readDeliveries(rows, files) })
}

func readFilings(rows pgx.Rows, files map[declarationKey]*file) error {
	var key declarationKey
	var filing FilingStatus
	_, err := pgx.ForEachRow(rows, []any{&key.tenant, &key.id, &filing.Agency, &filing.AgencyVersion, &filing.Decision, &filing.Since, &filing.Word, &filing.Remark,
		&filing.AgencyNumbers, &filing.Errors, &filing.Duties, &filing.Documents}, func() error {
		files[key].filings = append(files[key].filings, filing)
		filing = FilingStatus{}
		return nil
	})
	return err
}

func readDeliveries(rows pgx.Rows, files map[declarationKey]*file) error {
	var key declarationKey
	var agency, id, reason, folder string
	var delivery Delivery
	_, err := pgx.ForEachRow(rows, []any{&key.tenant, &key.id, &agency, &id, &delivery, &reason, &folder}, func() error {
		for i := range files[key].filings {
			if filing := &files[key].filings[i]; filing.Agency == agency {
				filing.MessageID, filing.Delivery, filing.Reason, filing.folder = id, delivery, reason, folder
			}
		}
		return nil
	})
	return err
}

func readNotices(rows pgx.Rows, files map[declarationKey]*file) error {
	var key declarationKey
	var agency string
	var notice heardNotice
	var issuedAt *time.Time
	_, err := pgx.ForEachRow(rows, []any{&key.tenant, &key.id, &agency, &notice.id, &notice.receivedAt, &notice.numbers, &issuedAt,
		&notice.version, &notice.rank, &notice.word, &notice.decision, &notice.reopens, &notice.remark, &notice.errors,
		&notice.opens, &notice.duties, &notice.documents}, func() error {
		if issuedAt != nil {
			notice.issuedAt = *issuedAt
		}
		files[key].notices[agency] = append(files[key].notices[agency], notice)
		notice = heardNotice{}
		return nil
	})
	return err
}

// refold works out where a declaration stands now that agencies have news, and
// notes what changed, with an event for each change.
func (g *Gateway) refold(c *changes, f *file, agencies []string, now time.Time) error {
	for i := range f.filings {
		if !slices.Contains(agencies, f.filings[i].Agency) {
			continue
		}
		if err := g.refoldFiling(c, f, &f.filings[i], now); err != nil {
			return err
		}
	}
	status, waiting := overall(f.filings, now)
	was := f.status.WaitingFor
	moved := status != f.status.Status || waiting.Who != was.Who || waiting.Agency != was.Agency || waiting.Why != was.Why
	if status != f.status.Status {
		if err := g.tell(c, f, "declaration.status", "", now, map[string]any{"status": status, "waitingFor": waiting}); err != nil {
			return err
		}
	}
	if moved || f.eventCount != f.eventsBefore {
		c.declarations.add(f, status, waiting)
	}
	return nil
}

// refoldFiling compares a filing with what its agency's notices amount to.
func (g *Gateway) refoldFiling(c *changes, f *file, filing *FilingStatus, now time.Time) error {
	courier := g.courier(filing.Agency)
	if courier == nil {
		return nil // its agency is not connected to this process: leave it alone
	}
	stand := fold(f.notices[filing.Agency], courier.agency().Profile().Order, f.status.ReceivedAt)
	moved := stand.decision != filing.Decision || stand.word != filing.Word || stand.remark != filing.Remark ||
		!slices.Equal(stand.errors, filing.Errors) || !slices.Equal(stand.documents, filing.Documents)
	calculated := !slices.Equal(stand.duties, filing.Duties)
	changed := moved || calculated || !stand.since.Equal(filing.Since)
	for name, value := range stand.numbers {
		if filing.AgencyNumbers[name] != value {
			changed = true
			c.numbers.add(f.key, filing.Agency, name, value)
		}
	}
	if !changed {
		return nil
	}
	filing.Decision, filing.Word, filing.Remark = stand.decision, stand.word, stand.remark
	filing.Errors, filing.Since, filing.AgencyNumbers = stand.errors, stand.since, stand.numbers
	filing.Duties, filing.Documents = stand.duties, stand.documents
	if err := c.filings.add(f.key, filing); err != nil {
		return err
	}
	if calculated {
		if err := g.tell(c, f, "filing.duties", filing.Agency, now, map[string]any{"duties": filing.Duties}); err != nil {
			return err
		}
	}
	if !moved {
		return nil
	}
	return g.tell(c, f, "filing.decision", filing.Agency, now, map[string]any{
		"decision": filing.Decision, "word": filing.Word, "remark": filing.Remark, "agencyNumbers": filing.AgencyNumbers})
}

// tell notes the declaration's next event.
func (g *Gateway) tell(c *changes, f *file, kind, agency string, at time.Time, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	f.eventCount++
	c.events.add(f, g.ids.New("evt"), kind, agency, at, string(text))
	return nil
}
