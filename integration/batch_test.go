package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/api"
	"singlewindow/declare"
	"singlewindow/declare/batch"
	"singlewindow/declare/sheet"
)

// TestBatch: a table from a Chinese spreadsheet program is filed row by row;
// what is wrong is told at its cell, also what an agency answers later; the
// same file again is the same batch; another tenant sees nothing of it.
func TestBatch(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	references := numbered(10, "default", "default", "default", "default", "reject")
	table := tableOf(t, twoItems(t), references)
	table.rows[1], table.rows[4] = table.rows[4], table.rows[1] // rows need not stand together
	const column = "goodsItemQuantity"
	for _, row := range []int{6, 7} { // declaration 3
		table.set(t, row, column, "7")
	}
	table.set(t, 10, "reference", "") // a row of its own; declaration 5 keeps the other
	file := table.gb18030(t)
	taken := l.takeIn(t, acme, "../十月.csv", file)
	done := l.ended(t, acme, taken.ID, time.Minute)
	want := api.BatchView{ID: taken.ID, Name: "../十月.csv", Kind: batchKind, Format: "csv", Encoding: "gb18030", State: "done", Rows: 20, Items: 11, Filed: 8, Rejected: 3, ReceivedAt: done.ReceivedAt, FinishedAt: done.FinishedAt, Errors: []api.CellComplaint{}}
	if asJSON(t, done) != asJSON(t, want) || done.FinishedAt == nil {
		t.Errorf("%s\nwant %s", asJSON(t, done), asJSON(t, want))
	}
	rejected := l.batchRows(t, acme, taken.ID, "rejected")
	if len(rejected) != 3 || rejected[0].Reference != references[3] || !slices.Equal(rejected[0].Rows, []int{8, 9}) || rejected[1].Reference != "" && rejected[2].Reference != "" {
		t.Fatalf("%s", asJSON(t, rejected))
	}
	mustPoint(t, rejected[0], 8, column)
	again := l.handIn(t, acme, "again.csv", file)
	if got := decoded[api.BatchView](t, again); got.ID != taken.ID || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same file again: %s", again.body)
	}
	if other := l.takeIn(t, acme, "again.csv", file, "dryRun", "true"); other.ID == taken.ID {
		t.Error("a dry run is another batch")
	}
	own := l.takeIn(t, bolt, "same.csv", file)
	if ended := l.ended(t, bolt, own.ID, time.Minute); own.ID == taken.ID || ended.Filed != done.Filed {
		t.Errorf("another tenant's same file: %s", asJSON(t, ended))
	}
	for _, at := range []string{"", "/rows", "/file"} {
		foreign := l.ask(t, l.keys[bolt], http.MethodGet, "/v1/batches/"+taken.ID+at, nil)
		missing := l.ask(t, l.keys[bolt], http.MethodGet, "/v1/batches/bat_00000000000000000000000000"+at, nil)
		if foreign.status != http.StatusNotFound || stripped(t, foreign) != stripped(t, missing) {
			t.Errorf("%s: %s, missing is %s", at, foreign.body, missing.body)
		}
	}
	l.delivered(t, time.Minute)
	var answered []api.RowView
	eventually(t, time.Minute, "the agencies have refused what they refuse", func() bool {
		answered = slices.DeleteFunc(l.batchRows(t, acme, taken.ID, "filed"), func(r api.RowView) bool { return r.Status != "rejected" })
		return len(answered) == 2 && len(answered[0].Errors) > 0
	})
	if e := answered[0].Errors[0]; e.Agency == "" || e.Row == 0 {
		t.Errorf("an agency's error: %s", asJSON(t, e))
	}
	marked := l.ask(t, l.keys[acme], http.MethodGet, "/v1/batches/"+taken.ID+"/file", nil, "Accept-Language", "zh")
	if marked.status != http.StatusOK || !strings.Contains(marked.header.Get("Content-Disposition"), "%E5%8D%81") || strings.Contains(marked.header.Get("Content-Disposition"), "..") || len(marked.body) <= len(file) {
		t.Errorf("%d %v", marked.status, marked.header)
	}
}

func stripped(t *testing.T, given answer) string {
	t.Helper()
	problem := decoded[map[string]any](t, given)
	delete(problem, "requestId")
	return asJSON(t, problem)
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	must(t, err)
	return string(text)
}

// mustPoint: a result has an error at this row and column.
func mustPoint(t *testing.T, result api.RowView, row int, heading string) {
	t.Helper()
	if !slices.ContainsFunc(result.Errors, func(e api.CellComplaint) bool {
		return e.Row == row && e.Heading == heading && e.Column != "" && e.Message != ""
	}) {
		t.Errorf("no error at row %d, %s: %s", row, heading, asJSON(t, result))
	}
}

// TestBatchOptions: a dry run files nothing, all-or-nothing neither while
// anything is wrong; a saved mapping renames columns; XLSX, NDJSON and the
// agencies' own XML are read too.
func TestBatchOptions(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{mute: true})
	good := tableOf(t, twoItems(t), numbered(3, "default"))
	bad := tableOf(t, twoItems(t), numbered(3, "default"))
	bad.set(t, 2, "totalPackageQuantity", "many")
	bad.set(t, 3, "totalPackageQuantity", "many")
	expect := func(name string, file []byte, state string, filed, rejected, valid int, options ...string) string {
		t.Helper()
		taken := l.takeIn(t, acme, name, file, options...)
		done := l.ended(t, acme, taken.ID, time.Minute)
		if done.State != state || done.Filed != filed || done.Rejected != rejected || done.Valid != valid || done.Waiting != 0 {
			t.Errorf("%s: %s %s", name, asJSON(t, done), asJSON(t, l.batchRows(t, acme, taken.ID, "rejected")))
		}
		return taken.ID
	}
	expect("dry.csv", bad.csv(t), "done", 0, 1, 2, "dryRun", "true")
	expect("all.csv", bad.csv(t), "done", 0, 1, 2, "allOrNothing", "true")
	book := expect("all.xlsx", good.xlsx(t), "done", 3, 0, 0, "allOrNothing", "true")
	used := expect("used.csv", good.csv(t), "done", 0, 3, 0, "dryRun", "true")
	for _, r := range l.batchRows(t, acme, used, "rejected") {
		mustPoint(t, r, r.Row, "reference")
	}
	first := l.batchRows(t, acme, book, "filed")[0]
	if first.Sheet != "Sheet1" || !slices.Equal(first.Rows, []int{2, 3}) {
		t.Errorf("%s", asJSON(t, first))
	}
	l.mapped(t, expect)

	s := twoItems(t)
	lines := slices.Concat(s.as(t, "LINE-1"), []byte("\n"), s.as(t, "LINE-2"), []byte("\n\n"), s.as(t, "LINE-1"), []byte("\n{\"kind\":\n"))
	ndjson := expect("lines.ndjson", lines, "done", 2, 2, 0)
	if r := l.batchRows(t, acme, ndjson, "rejected"); r[0].Row != 4 || r[0].Errors[0].Code != "batch.twice" || r[1].Row != 5 {
		t.Errorf("%s", asJSON(t, r))
	}
	if file := l.ask(t, l.keys[acme], http.MethodGet, "/v1/batches/"+ndjson+"/file", nil); !strings.HasPrefix(file.header.Get("Content-Type"), "text/csv") || !bytes.Contains(file.body, []byte("batch.twice")) {
		t.Errorf("%v %s", file.header, file.body)
	}
	l.inXML(t, first.DeclarationID, expect)
}

// mapped: columns under the enterprise's own names.
func (l *line) mapped(t *testing.T, expect func(string, []byte, string, int, int, int, ...string) string) {
	t.Helper()
	own := tableOf(t, twoItems(t), []string{"MAPPED-1"})
	at := slices.Index(own.heading, "reference")
	own.heading[at] = "Order number"
	own.heading = append(own.heading, "Internal")
	for i := range own.rows {
		own.rows[i] = append(own.rows[i], "=1+1")
	}
	expect("unknown.csv", own.csv(t), "refused", 0, 0, 0)
	mapping := []byte(`{"kind":"goods","columns":{"Order number":"reference","Internal":"-"}}`)
	saved := l.ask(t, l.keys[acme], http.MethodPut, "/v1/batch-mappings/erp", mapping, "Content-Type", "application/json")
	if saved.status != http.StatusOK {
		t.Fatalf("%d %s", saved.status, saved.body)
	}
	marked := expect("mapped.csv", own.csv(t), "done", 1, 0, 0, "mapping", "erp")
	if file := l.ask(t, l.keys[acme], http.MethodGet, "/v1/batches/"+marked+"/file", nil); !bytes.Contains(file.body, []byte("'=1+1")) {
		t.Errorf("a formula is not escaped: %.200s", file.body)
	}
	if read := l.ask(t, l.keys[acme], http.MethodGet, "/v1/batch-mappings", nil); !bytes.Contains(read.body, []byte("Order number")) {
		t.Errorf("%s", read.body)
	}
	refused(t, "another's mapping", l.ask(t, l.keys[bolt], http.MethodGet, "/v1/batch-mappings/erp", nil), http.StatusNotFound, "resource.missing")
	refused(t, "another's mapping", l.handIn(t, bolt, "x.csv", []byte("a"), "mapping", "erp"), http.StatusUnprocessableEntity, "parameter.invalid")
	for _, wrong := range []string{`{"kind":"goods","columns":{"A":"no.such.column"}}`, `{"kind":"none","columns":{"A":"reference"}}`, `{"kind":"goods","columns":{}}`, `[]`, `{"kind":"goods","columns":{"A":1}}`} {
		refused(t, wrong, l.ask(t, l.keys[acme], http.MethodPut, "/v1/batch-mappings/erp", []byte(wrong), "Content-Type", "application/json"), http.StatusUnprocessableEntity, "mapping.refused")
	}
}

// inXML: what an agency was sent for one declaration becomes another one.
func (l *line) inXML(t *testing.T, declaration string, expect func(string, []byte, string, int, int, int, ...string) string) {
	t.Helper()
	for name := range l.offices {
		message := l.ask(t, l.keys[acme], http.MethodGet, "/v1/declarations/"+declaration+"/messages/"+name, nil).body
		_, message, _ = bytes.Cut(message, []byte("?>"))
		several := slices.Concat([]byte("<declarations>\n"), message, []byte("\n<nobody/>\n</declarations>"))
		id := expect(name+".xml", several, "done", 0, 2, 0, "dryRun", "true")
		results := l.batchRows(t, acme, id, "")
		if results[1].Errors[0].Code != "batch.xmlUnknown" || results[0].Reference == "" && results[0].Errors[0].Code == "batch.xmlUnknown" {
			t.Errorf("%s: %s", name, asJSON(t, results))
		}
		refused(t, name, l.ask(t, l.keys[acme], http.MethodGet, "/v1/batches/"+id+"/file", nil), http.StatusConflict, "batch.noTable")
	}
}

// templates are checked by handing one in: it has no rows.
func TestBatchTemplates(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{mute: true})
	for _, format := range []string{"csv", "xlsx"} {
		template := l.ask(t, l.keys[acme], http.MethodGet, "/v1/kinds/"+batchKind+"/template."+format+"?lang=zh", nil)
		if template.status != http.StatusOK {
			t.Fatalf("%d %s", template.status, template.body)
		}
		done := l.ended(t, acme, l.takeIn(t, acme, "template."+format, template.body).ID, time.Minute)
		if done.State != "refused" || len(done.Errors) != 1 || done.Errors[0].Code != "batch.empty" {
			t.Errorf("%s", asJSON(t, done))
		}
	}
	refused(t, "no kind", l.ask(t, l.keys[acme], http.MethodGet, "/v1/kinds/none/template.csv", nil), http.StatusNotFound, "resource.missing")
	l.badFiles(t)
}

// badFiles: each is answered clearly, and the next one is taken.
func (l *line) badFiles(t *testing.T) {
	t.Helper()
	good := tableOf(t, twoItems(t), []string{"GOOD-1"}).csv(t)
	for name, want := range map[string]struct {
		status int
		code   string
	}{
		"":                       {http.StatusUnprocessableEntity, "parameter.invalid"},
		"a\x00b":                 {http.StatusUnprocessableEntity, "parameter.invalid"},
		strings.Repeat("n", 256): {http.StatusUnprocessableEntity, "parameter.invalid"},
	} {
		refused(t, fmt.Sprintf("name %.10q", name), l.handIn(t, acme, name, good), want.status, want.code)
	}
	refused(t, "no kind", l.handIn(t, acme, "x.csv", good, "kind", "none"), http.StatusUnprocessableEntity, "parameter.invalid")
	refused(t, "no body", l.handIn(t, acme, "x.csv", nil), http.StatusBadRequest, "body.missing")
	refused(t, "no key", l.ask(t, "", http.MethodPost, "/v1/batches?kind=goods&name=x", good), http.StatusUnauthorized, "auth.missing")
	refused(t, "media type", l.ask(t, l.keys[acme], http.MethodPost, "/v1/batches?kind=goods&name=x", good, "Content-Type", "image/png"), http.StatusUnsupportedMediaType, "body.unsupported")
	refused(t, "too large", l.handIn(t, acme, "x.csv", make([]byte, batch.MostBytes+1)), http.StatusRequestEntityTooLarge, "batch.tooLarge")
	book := tableOf(t, twoItems(t), []string{"GOOD-2"})
	for name, bad := range map[string]struct {
		file    []byte
		code    string
		options []string
	}{
		"cut.xlsx":      {book.xlsx(t)[:5000], "batch.corrupt", nil},
		"nosheet.xlsx":  {book.xlsx(t), "batch.sheet", []string{"sheet", "absent"}},
		"wide.csv":      {[]byte(strings.Repeat("a,", 16384) + "a\n"), "batch.columns", nil},
		"line.csv":      {bytes.Repeat([]byte("x"), 99<<20), "batch.line", []string{"format", "csv"}},
		"line.xml":      {slices.Concat([]byte("<a>"), bytes.Repeat([]byte("x"), 99<<20)), "xml.tooLarge", nil},
		"doctype.xml":   {[]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`), "xml.doctype", nil},
		"deep.xml":      {[]byte(strings.Repeat("<a>", 10000)), "xml.depth", nil},
		"open.xml":      {[]byte("<declarations><a>"), "xml.malformed", nil},
		"binary.csv":    {[]byte("\x00\x01\x02\x03"), "", nil},
		"unknown.csv":   {[]byte("first,second\n1,2\n"), "batch.heading.unknown", nil},
		"two.xml":       {[]byte("<a/><b/>"), "xml.malformed", nil},
		"latin.xml":     {[]byte("<?xml version='1.0' encoding='ISO-8859-1'?><a/>"), "xml.encoding", nil},
		"surrogate.xml": {[]byte("<a>\xed\xa0\x80</a>"), "xml.malformed", nil},
	} {
		done := l.ended(t, acme, l.takeIn(t, acme, name, bad.file, bad.options...).ID, time.Minute)
		if done.State != "refused" || len(done.Errors) == 0 || bad.code != "" && done.Errors[0].Code != bad.code {
			t.Errorf("%s: want %s, is %s", name, bad.code, asJSON(t, done))
		}
	}
	l.truncated(t, good)
	done := l.ended(t, acme, l.takeIn(t, acme, "good.csv", good).ID, time.Minute)
	if done.Filed != 1 {
		t.Errorf("after the bad ones: %s", asJSON(t, done))
	}
	number(t, "bad files, most memory of the gateway, MB", residentPeak(t, l.gateway.process), 300)
	if peak := residentPeak(t, l.gateway.process); peak > 300 {
		t.Errorf("%d MB", peak)
	}
}

// truncated: an upload that breaks off leaves nothing that is seen.
func (l *line) truncated(t *testing.T, body []byte) {
	t.Helper()
	before := l.count(t, "SELECT count(*) FROM batch")
	connection := dial(t, l.gateway.address)
	_, err := fmt.Fprintf(connection, "POST /v1/batches?kind=goods&name=cut.csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: cut\r\nContent-Length: %d\r\n\r\n%s", l.keys[acme], len(body)+1, body)
	must(t, err)
	must(t, connection.CloseWrite())
	given := readAll(t, connection)
	if !strings.HasPrefix(given, "HTTP/1.1 400") || !strings.Contains(given, "body.incomplete") {
		t.Errorf("truncated: %.300s", given)
	}
	if after := l.count(t, "SELECT count(*) FROM batch"); after != before {
		t.Errorf("%d batches, %d before", after, before)
	}
}

// TestBatchKilled kills the gateway while it works on a batch: every row is
// filed exactly once.
func TestBatchKilled(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), pace: "30ms"})
	l.killBatch(t, 100, 2)
}

// TestLongBatchKilled is the long form.
func TestLongBatchKilled(t *testing.T) {
	onlyLong(t)
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), pace: "100ms"})
	l.killBatch(t, 5000, 20)
}

// killBatch hands in a batch and kills the gateway at so many moments of it,
// drawn by how many rows are read and how many declarations filed.
func (l *line) killBatch(t *testing.T, declarations, kills int) {
	t.Helper()
	random := seed(t)
	references := numbered(declarations, "default")
	taken := l.takeIn(t, acme, "killed.csv", tableOf(t, twoItems(t), references).csv(t))
	for kill := range kills {
		moment := (kill*3*declarations + random.IntN(3*declarations)) / kills
		eventually(t, 2*time.Minute, "so much has happened", func() bool {
			return l.count(t, "SELECT (SELECT count(*) FROM batch_row) + (SELECT count(*) FROM declaration)") >= moment
		})
		l.gateway.kill(t)
		l.startGateway(t)
	}
	if done := l.ended(t, acme, taken.ID, 5*time.Minute); done.Filed != declarations || done.Rows != 2*declarations {
		t.Errorf("%s", asJSON(t, done))
	}
	promised := l.onceEach(t, acme, taken.ID, references)
	eventually(t, 5*time.Minute, "every filing is decided", func() bool {
		l.mustRun(t)
		return l.count(t, undecided) == 0 && l.count(t, unsent) == 0
	})
	number(t, "kill -9 in a batch, kills", kills, 20)
	l.judge(t, promised)
}

// TestLongBatch is the promise about ten thousand rows.
func TestLongBatch(t *testing.T) {
	onlyLong(t)
	const declarations, bound, memory = 5000, 3 * time.Minute, 300
	for _, format := range []string{"csv", "xlsx"} {
		t.Run(format, func(t *testing.T) {
			l := newLine(t, lineOptions{mute: true})
			references := numbered(declarations, "default")
			table := tableOf(t, twoItems(t), references)
			file := table.csv
			if format == "xlsx" {
				file = table.xlsx
			}
			content := file(t)
			begun := time.Now()
			taken := l.takeIn(t, acme, "large."+format, content)
			meanwhile := l.others(t)
			done := l.ended(t, acme, taken.ID, 10*time.Minute)
			filed := time.Since(begun)
			took99, others := meanwhile()
			number(t, fmt.Sprintf("10,000 rows of %s, p99 of %d submissions of another tenant meanwhile", format, others), took99.Round(time.Millisecond), answeredWithin())
			l.delivered(t, 10*time.Minute)
			took := time.Since(begun)
			peak := residentPeak(t, l.gateway.process)
			number(t, "10,000 rows of "+format+", filed", filed.Round(time.Second), bound)
			number(t, "10,000 rows of "+format+", delivered", took.Round(time.Second), bound)
			number(t, "10,000 rows of "+format+", most memory of the gateway, MB", peak, memory)
			if done.Filed != declarations || done.Rows != 2*declarations || took > bound || peak > memory {
				t.Errorf("%s", asJSON(t, done))
			}
			l.onceEach(t, acme, taken.ID, references)
		})
	}
}

// others files a declaration of another tenant ten times a second, until it is
// asked how long the slowest but one in a hundred took, of how many.
func (l *line) others(t *testing.T) func() (p99 time.Duration, count int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var times []time.Duration
	var filing sync.WaitGroup
	s := twoItems(t)
	filing.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			reference := fmt.Sprintf("OTHER-%d", len(times))
			begun := time.Now()
			given, err := l.submit(t.Context(), bolt, reference, s.as(t, reference))
			if err != nil || given.status != http.StatusAccepted {
				t.Errorf("%s: %d %v", reference, given.status, err)
			}
			times = append(times, time.Since(begun))
			<-tick.C
		}
	})
	return func() (time.Duration, int) {
		stop()
		filing.Wait()
		slices.Sort(times)
		return times[len(times)*99/100], len(times)
	}
}

func TestBatchStatementsPrepareUnderTheApplicationRole(t *testing.T) {
	t.Parallel()
	ledger, url := newLedger(t)
	options := batch.Options{Ledger: ledger, Now: time.Now, IDs: newIDs(), Timing: batch.DefaultTiming(), Log: quiet(t)}
	for range 2 { // the second finds everything there
		_, err := batch.Open(t.Context(), options)
		must(t, err)
	}
	names, err := fs.Glob(batch.Statements, "sql/*.sql")
	must(t, err)
	if len(names) < 20 {
		t.Fatalf("only %d statements found", len(names))
	}
	must(t, ledger.Patient(time.Minute).Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		for i, name := range names {
			text, err := fs.ReadFile(batch.Statements, name)
			if err != nil {
				return err
			}
			if _, err := tx.Prepare(t.Context(), fmt.Sprintf("b%d", i), string(text)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}))
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { must(t, conn.Close(t.Context())) }()
	var forced, deletable int
	must(t, conn.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE relrowsecurity AND relforcerowsecurity), count(*) FILTER (WHERE has_table_privilege('singlewindow_app', oid, 'DELETE'))
		FROM pg_class WHERE relname IN ('batch', 'batch_file', 'batch_row', 'batch_item', 'batch_mapping') AND relkind = 'r'`).Scan(&forced, &deletable))
	if forced != 5 || deletable != 0 {
		t.Errorf("row-level security is forced on %d of 5 tables, %d can be deleted from", forced, deletable)
	}
}

// TestBatchWorkThatFails: what fails for a reason that nobody can mend is given
// up after a few tries, and holds nothing else up.
func TestBatchWorkThatFails(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	known, err := kinds()
	must(t, err)
	lists, err := declare.CodeLists()
	must(t, err)
	form, err := sheet.NewForm(known[batchKind], lists)
	must(t, err)
	gateway := declare.New(ledger, known, nil, nil, newIDs(), time.Now, declare.DefaultTiming(), quiet(t))
	b, err := batch.Open(t.Context(), batch.Options{
		Ledger: ledger, Gateway: gateway, Forms: map[string]*sheet.Form{batchKind: form}, IDs: newIDs(), Now: time.Now, Log: quiet(t), Folder: t.TempDir(),
		Timing: batch.Timing{Slice: time.Second, Lease: 200 * time.Millisecond, Sweep: 50 * time.Millisecond, Job: 5 * time.Second, Stop: time.Second},
		ReadXML: func(message []byte) (string, map[string]any, []declare.Fault, error) {
			switch {
			case bytes.HasPrefix(message, []byte("<panics")):
				panic("on purpose")
			case bytes.HasPrefix(message, []byte("<fails")):
				return "", nil, nil, errors.New("on purpose")
			}
			return "", nil, nil, nil
		},
	})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx) }()
	taken, err := b.Receive(t.Context(), batch.Upload{Tenant: acme, Name: "x.xml", Kind: batchKind}, strings.NewReader("<declarations><panics/><unknown/><fails/></declarations>"))
	must(t, err)
	eventually(t, 30*time.Second, "it is given up", func() bool {
		now, err := b.Batch(t.Context(), acme, taken.ID)
		must(t, err)
		return now.State == batch.Done
	})
	results, err := b.Rows(t.Context(), acme, taken.ID, "", 0, 10)
	must(t, err)
	for i, want := range []string{"batch.failed", "batch.xmlUnknown", "batch.failed"} {
		if len(results) != 3 || results[i].Verdict != batch.Rejected || results[i].Errors[0].Code != want {
			t.Errorf("result %d is not %s: %s", i, want, asJSON(t, results))
		}
	}
	stop()
	must(t, <-ran)
}
