package declare

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	sampleSize = 2000 // declarations recomputed where not all are
	pageSize   = 500  // declarations recomputed in one snapshot
)

// recompute holds declarations against their messages and notices: what must
// never be, and what the same facts give now.
func (g *Gateway) recompute(ctx context.Context, depth Depth) (found []trouble, looked int, err error) {
	if depth == Sample {
		keys, err := g.keys(ctx, "doctor_sample", sampleSize)
		if err != nil {
			return nil, 0, err
		}
		for page := range slices.Chunk(keys, pageSize) {
			more, err := g.recomputePage(ctx, page)
			if err != nil {
				return nil, 0, err
			}
			found = append(found, more...)
		}
		return found, len(keys), nil
	}
	var last declarationKey
	for {
		page, err := g.keys(ctx, "doctor_page", last.tenant, last.id, pageSize)
		if err != nil || len(page) == 0 {
			return found, looked, err
		}
		more, err := g.recomputePage(ctx, page)
		if err != nil {
			return nil, 0, err
		}
		found, looked, last = append(found, more...), looked+len(page), page[len(page)-1]
	}
}

func (g *Gateway) keys(ctx context.Context, name string, arguments ...any) (keys []declarationKey, err error) {
	err = g.ledger.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement(name), arguments...)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (key declarationKey, err error) {
			return key, row.Scan(&key.tenant, &key.id)
		})
		return err
	})
	return keys, err
}

// recomputePage reads everything about some declarations in one snapshot, so
// that what a running gateway writes meanwhile is seen as a whole or not.
func (g *Gateway) recomputePage(ctx context.Context, keys []declarationKey) (found []trouble, err error) {
	tenants, ids := splitKeys(keys)
	err = g.unhurried(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off"); err != nil {
			return err // a page is looked up by keys
		}
		rows, err := tx.Query(ctx, statement("doctor_integrity"), tenants, ids)
		if err != nil {
			return err
		}
		if found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t trouble, err error) {
			return t, row.Scan(&t.code, &t.tenant, &t.id, &t.agency, &t.subject, &t.since)
		}); err != nil {
			return err
		}
		files, err := readDeclarations(ctx, tx, tenants, ids)
		if err != nil {
			return err
		}
		concerned := news{}
		for key := range files {
			concerned.add(key, g.agencyNames()...)
		}
		if err := loadFiles(ctx, tx, files, concerned); err != nil {
			return err
		}
		for _, f := range files {
			found = append(found, g.refoldAgain(f)...)
		}
		return nil
	})
	return found, err
}

func readDeclarations(ctx context.Context, tx pgx.Tx, tenants, ids []string) (map[declarationKey]*file, error) {
	rows, err := tx.Query(ctx, statement("doctor_declarations"), tenants, ids)
	if err != nil {
		return nil, err
	}
	files := map[declarationKey]*file{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		f := &file{notices: map[string][]heardNotice{}}
		w := &f.status.WaitingFor
		err := row.Scan(&f.key.tenant, &f.key.id, &f.status.Status, &w.Who, &w.Agency, &w.Why, &w.Since, &f.status.ReceivedAt)
		files[f.key] = f
		return struct{}{}, err
	})
	return files, err
}

// refoldAgain folds every filing's notices and the declaration's filings again
// and tells where the ledger says otherwise. Filings with agencies that are
// not known to this process are left alone.
func (g *Gateway) refoldAgain(f *file) (found []trouble) {
	for _, filing := range f.filings {
		courier := g.courier(filing.Agency)
		if courier == nil {
			continue
		}
		stand := fold(f.notices[filing.Agency], courier.agency().Profile().Order, f.status.ReceivedAt)
		if stand.decision != filing.Decision || stand.word != filing.Word || stand.remark != filing.Remark {
			found = append(found, trouble{code: "filing.decision", agency: filing.Agency, declarationKey: f.key, subject: filing.MessageID, since: filing.Since})
		}
	}
	status, waiting := overall(f.filings, f.status.ReceivedAt)
	was := f.status.WaitingFor
	if status != f.status.Status || waiting.Who != was.Who { // why and since follow a message only when it is settled
		found = append(found, trouble{code: "declaration.status", declarationKey: f.key, since: was.Since})
	}
	return found
}

// examineInTurn is the examination of a running gateway: what is open, in one
// process at a time. Each declaration concerned gets one event and the log one
// line when a finding is new, and again only after it was gone.
func (g *Gateway) examineInTurn(ctx context.Context) error {
	now := g.now().UTC().Truncate(time.Millisecond)
	claimed, err := g.ledger.claimExamination(ctx, g.name, now, now.Add(g.timing.Examine*9/10))
	if err != nil || !claimed {
		return err
	}
	found, err := g.glance(ctx, now, g.timing.Patience())
	if err != nil {
		return err
	}
	for page := range slices.Chunk(found, g.timing.Group) {
		if err := g.tellFindings(ctx, page, now); err != nil {
			return err
		}
	}
	full := map[string]int{}
	for _, t := range found {
		full[t.code]++
	}
	var seen []string // codes of which everything there is was seen
	for code := range chart() {
		if full[code] < mostTroubles {
			seen = append(seen, code)
		}
	}
	return g.ledger.exec(ctx, SystemScope, "findings_gone", seen, now)
}

func (l *Ledger) claimExamination(ctx context.Context, examiner string, now, until time.Time) (claimed bool, err error) {
	err = l.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, statement("claim_examination"), examiner, now, until)
		claimed = tag.RowsAffected() == 1
		return err
	})
	return claimed, err
}

// tellFindings keeps findings and tells those that are news.
func (g *Gateway) tellFindings(ctx context.Context, found []trouble, now time.Time) error {
	return g.within(ctx, SystemScope, func(tx pgx.Tx) error {
		fresh, err := keepFindings(ctx, tx, found, now)
		if err != nil || len(fresh) == 0 {
			return err
		}
		concerned := news{}
		for _, t := range fresh {
			g.log.Warn("finding", "code", t.code, "agency", t.agency, "declaration", t.id, "since", t.since)
			if t.id != "" {
				concerned.add(t.declarationKey)
			}
		}
		if len(concerned) == 0 {
			return nil
		}
		files, err := lockDeclarations(ctx, tx, keysOf(concerned))
		if err != nil {
			return err
		}
		if err := loadFiles(ctx, tx, files, news{}); err != nil {
			return err
		}
		var c changes
		for _, t := range fresh {
			if f := files[t.declarationKey]; f != nil {
				told := map[string]any{"code": t.code, "who": chart()[t.code].Who, "since": t.since.UTC()}
				if err := g.tell(&c, f, "doctor.finding", t.agency, now, told); err != nil {
					return err
				}
			}
		}
		for _, f := range files {
			if err := g.refold(&c, f, nil, now); err != nil {
				return err
			}
		}
		return c.write(ctx, tx)
	})
}

func keysOf(concerned news) []declarationKey {
	keys := make([]declarationKey, 0, len(concerned))
	for key := range concerned {
		keys = append(keys, key)
	}
	return keys
}

// keepFindings stores what was found, once for each declaration, code and
// agency, and gives what was not known.
func keepFindings(ctx context.Context, tx pgx.Tx, found []trouble, now time.Time) ([]trouble, error) {
	type one struct {
		declarationKey
		code, agency string
	}
	kept := map[one]bool{}
	var tenants, ids, codes, agencies []string
	var since []time.Time
	for _, t := range found {
		key := one{t.declarationKey, t.code, t.agency}
		if kept[key] {
			continue
		}
		kept[key] = true
		tenants, ids, codes, agencies, since = append(tenants, t.tenant), append(ids, t.id), append(codes, t.code), append(agencies, t.agency), append(since, t.since)
	}
	rows, err := tx.Query(ctx, statement("insert_findings"), tenants, ids, codes, agencies, since, now)
	if err != nil {
		return nil, err
	}
	var fresh []trouble
	var t trouble
	var isNew bool
	_, err = pgx.ForEachRow(rows, []any{&t.tenant, &t.id, &t.code, &t.agency, &t.since, &isNew}, func() error {
		if isNew {
			fresh = append(fresh, t)
		}
		return nil
	})
	return fresh, err
}
