package integration

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// listed is an answer to a question about declarations.
type listed struct {
	Declarations []declare.Status
	Next         string
}

func (l listed) ids() (ids []string) {
	for _, status := range l.Declarations {
		ids = append(ids, status.ID)
	}
	return ids
}

// find asks for declarations; parameters are names and values in turn.
func (w *restWindow) find(t *testing.T, bearer string, parameters ...string) listed {
	t.Helper()
	query := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	given := w.ask(t, bearer, http.MethodGet, "/v1/declarations?"+query.Encode(), nil)
	if given.status != http.StatusOK {
		t.Fatalf("%v: %d %s", parameters, given.status, given.body)
	}
	return decoded[listed](t, given)
}

// Whatever number of a declaration somebody holds finds it: every search key of
// every sample of every kind, its id, its reference and the agencies' numbers.
func TestFoundByWhateverNumber(t *testing.T) {
	t.Parallel()
	ledger, url := newLedger(t)
	w := newRESTWindow(t, ledger)
	known, err := restKinds()
	must(t, err)
	numbers, found := map[string]bool{}, 0
	for i, s := range samples(t) {
		reference := fmt.Sprintf("NUMBER-%d", i)
		filed := w.submit(t, reference, s.as(t, reference))
		if filed.status != http.StatusAccepted {
			continue // no agency that is connected here takes it
		}
		id := decoded[declare.Status](t, filed).ID
		kind, _ := s.tree["kind"].(string) // a sample has one
		keys := append(known[kind].Keys(s.tree), declare.Key{Name: "id", Value: id}, declare.Key{Name: "reference", Value: reference})
		for _, key := range keys {
			numbers[key.Name] = true
			found++
			for _, written := range []string{key.Value, " " + key.Value + "\u00a0"} {
				if ids := w.find(t, w.key, "number", written).ids(); !slices.Contains(ids, id) {
					t.Errorf("%s: %s %q finds %v", s.name, key.Name, written, ids)
				}
			}
			if ids := w.find(t, w.other, "number", key.Value).ids(); len(ids) != 0 {
				t.Errorf("%s: another enterprise finds %v by %s", s.name, ids, key.Name)
			}
			if key.Name == "imo" {
				for _, prefix := range []string{"IMO", "IMO ", "imo-"} {
					if ids := w.find(t, w.key, "number", prefix+key.Value).ids(); !slices.Contains(ids, id) {
						t.Errorf("%s: %s%s finds %v", s.name, prefix, key.Value, ids)
					}
				}
			}
		}
		if ids := w.find(t, w.key, "number", strings.ToLower(reference)).ids(); len(ids) != 0 {
			t.Errorf("%s: capitals do not count", s.name)
		}
	}
	for _, name := range []string{"ucr", "bill", "container", "seal", "voyage", "imo", "contract", "invoice", "licence"} {
		if !numbers[name] {
			t.Errorf("no sample is found by a %s", name)
		}
	}
	number(t, "numbers of samples that find their declaration", found, "all")
	// What an agency gave stands beside them.
	last := w.find(t, w.key, "limit", "1").Declarations[0]
	execute(t, url, "SET app.scope = 'system'; INSERT INTO search_key (tenant_id, value, name, declaration_id) VALUES ('acme', 'I20260000000000001', 'unifiedNo', '"+last.ID+"')")
	if ids := w.find(t, w.key, "number", "I20260000000000001").ids(); !slices.Equal(ids, []string{last.ID}) {
		t.Errorf("an agency's number finds %v", ids)
	}
}

// seededWindow holds declarations as testdata/board.sql makes them, and the
// key of one of their enterprises.
func seededWindow(t *testing.T, count int) (w *restWindow, address, key string) {
	t.Helper()
	ledger, address := newLedger(t)
	w = newRESTWindow(t, ledger)
	fill, err := os.ReadFile("testdata/board.sql")
	must(t, err)
	conn, err := pgx.Connect(t.Context(), address)
	must(t, err)
	must(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT set_config('app.scope', 'system', true), set_config('seed.count', $1, true), set_config('seed.agencies', $2, true)",
			fmt.Sprint(count), "{"+strings.Join(boardAgencies, ",")+"}"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), string(fill))
		return err
	}))
	must(t, conn.Close(t.Context()))
	made, err := w.accounts.CreateKey(t.Context(), "seed-7", "test")
	must(t, err)
	return w, address, made.Secret
}

// Every filter, alone and together with others, gives exactly what the table
// says, in order, in pages that no declaration filed meanwhile disturbs.
func TestFilters(t *testing.T) {
	t.Parallel()
	w, address, key := seededWindow(t, 4000)
	conn, err := pgx.Connect(t.Context(), address)
	must(t, err)
	defer func() { must(t, conn.Close(t.Context())) }()
	day := time.Now().UTC().Add(-7 * 24 * time.Hour).Truncate(24 * time.Hour)
	moment := day.Add(5*time.Hour + 17*time.Minute)
	reference := one[string](t, address, "SELECT reference FROM declaration WHERE tenant_id = 'seed-7' ORDER BY id LIMIT 1 OFFSET 20")
	bill := one[string](t, address, "SELECT value FROM search_key WHERE tenant_id = 'seed-7' AND name = 'key1' LIMIT 1")
	late := 0
	for what, c := range map[string]struct {
		parameters []string
		sql        string
	}{
		"everything":         {nil, "true"},
		"held":               {[]string{"status", "held"}, "status = 'held'"},
		"two statuses":       {[]string{"status", "held,rejected"}, "status IN ('held', 'rejected')"},
		"agency":             {[]string{"agency", "south"}, "'south' = ANY (agencies)"},
		"no such agency":     {[]string{"agency", "nowhere"}, "false"},
		"kind":               {[]string{"kind", "goods"}, "kind = 'goods'"},
		"no such kind":       {[]string{"kind", "ship"}, "false"},
		"port":               {[]string{"port", "PORT01"}, "port = 'PORT01'"},
		"a day":              {[]string{"from", day.Format(time.DateOnly), "to", day.Format(time.DateOnly)}, fmt.Sprintf("received_at >= '%s' AND received_at < '%s'", day.Format(time.RFC3339), day.Add(24*time.Hour).Format(time.RFC3339))},
		"from a moment":      {[]string{"from", moment.Format(time.RFC3339)}, fmt.Sprintf("received_at >= '%s'", moment.Format(time.RFC3339))},
		"to a moment abroad": {[]string{"to", moment.In(time.FixedZone("", 8*3600)).Format(time.RFC3339)}, fmt.Sprintf("received_at < '%s'", moment.Format(time.RFC3339))},
		"together":           {[]string{"status", "cleared,closed", "agency", "north", "kind", "goods", "port", "PORT00", "from", day.Format(time.DateOnly)}, fmt.Sprintf("status IN ('cleared', 'closed') AND 'north' = ANY (agencies) AND port = 'PORT00' AND received_at >= '%s'", day.Format(time.RFC3339))},
		"reference":          {[]string{"reference", reference}, "reference = '" + reference + "'"},
		"bill":               {[]string{"number", bill}, "id IN (SELECT declaration_id FROM search_key WHERE value = '" + bill + "')"},
		"bill, cleared":      {[]string{"number", bill, "status", "cleared"}, "status = 'cleared' AND id IN (SELECT declaration_id FROM search_key WHERE value = '" + bill + "')"},
		"bill, reference":    {[]string{"number", bill, "reference", reference}, "reference = '" + reference + "' AND id IN (SELECT declaration_id FROM search_key WHERE value = '" + bill + "')"},
		"bill, long ago":     {[]string{"number", bill, "to", "2020-01-01"}, "false"},
		"another's":          {[]string{"number", "SEED-8"}, "false"},
	} {
		rows, err := conn.Query(t.Context(), "SELECT id FROM declaration WHERE tenant_id = 'seed-7' AND reference NOT LIKE 'LATE-%' AND "+c.sql+" ORDER BY received_at DESC, id DESC")
		must(t, err)
		want, err := pgx.CollectRows(rows, pgx.RowTo[string])
		must(t, err)
		var got []string
		after := ""
		for page := 0; page == 0 || after != ""; page++ {
			asked := append([]string{"limit", "7"}, c.parameters...)
			if after != "" {
				asked = append(asked, "after", after)
			}
			found := w.find(t, key, asked...)
			for _, status := range found.Declarations {
				if strings.HasPrefix(status.Reference, "LATE-") {
					continue // filed while a list was read
				}
				got = append(got, status.ID)
			}
			if found.Next != "" && len(found.Declarations) != 7 {
				t.Errorf("%s: a page of %d that is not the last", what, len(found.Declarations))
			}
			if after = found.Next; page == 1 {
				late++
				execute(t, address, fmt.Sprintf(`SET app.scope = 'system'; WITH made AS (
						INSERT INTO declaration (tenant_id, id, kind, reference, status, waiting_who, waiting_since, received_at, event_count, port, agencies)
						SELECT tenant_id, 'dec_%026[1]d', 'goods', 'LATE-%[1]d', status, waiting_who, now(), now(), 1, 'LATE', '{north}' FROM declaration WHERE tenant_id = 'seed-7' LIMIT 1
						RETURNING tenant_id, id
					), filed AS (
						INSERT INTO filing (tenant_id, declaration_id, agency, agency_version, since) SELECT tenant_id, id, 'north', '1', now() FROM made
					)
					INSERT INTO message (tenant_id, id, declaration_id, agency, purpose, schema_digest, digest, created_at, delivery, attempts, first_sent_at, sent_at, next_at, settled_at, since)
					SELECT tenant_id, 'msg_%026[1]d', id, 'north', 'original', 's', sha256(''), now(), 'delivered', 1, now(), now(), now(), now(), now() FROM made`, late))
			}
		}
		if slices.Sort(got); len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%s: some twice", what)
		}
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%s: %d, want %d", what, len(got), len(want))
		}
	}
}

// What cannot be a parameter is pointed at, all of it at once.
func TestBadQuestions(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	for query, want := range map[string][]string{
		"status=none":             {"/query/status"},
		"from=x":                  {"/query/from"},
		"from=2026-02-30&to=99":   {"/query/from", "/query/to"},
		"to=2026-03-01T25:00:00Z": {"/query/to"},
		"after=x":                 {"/query/after"},
		"after=" + base64.RawURLEncoding.EncodeToString([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x00dec_x")): {"/query/after"},
		"port=" + strings.Repeat("P", 18):           {"/query/port"},
		"limit=0&agency=" + strings.Repeat("a", 64): {"/query/limit", "/query/agency"},
	} {
		problem := refused(t, query, w.ask(t, w.key, http.MethodGet, "/v1/declarations?"+query, nil), 422, "parameter.invalid")
		var at []string
		for _, complaint := range problem.Errors {
			at = append(at, complaint.Pointer)
		}
		slices.Sort(at)
		slices.Sort(want)
		if !slices.EqualFunc(at, want, strings.HasPrefix) {
			t.Errorf("%s: %v, want %v", query, at, want)
		}
	}
	for _, query := range []string{"agency=%00", "kind=%ff", "port=%00", "from=0001-01-01", "to=9999-12-31", "from=9999-12-31&to=0001-01-01", "from=2026-03-01T00:00:00+08:00", "status=", "number=%20"} {
		if given := w.ask(t, w.key, http.MethodGet, "/v1/declarations?"+query, nil); given.status != 200 {
			t.Errorf("%s: %d %s", query, given.status, given.body)
		}
	}
}

// No filter reads the rows of another enterprise or the table: TestPlansOfFind
// on a few declarations, TestLongPlansOfFind on 200,000.
func TestPlansOfFind(t *testing.T) {
	t.Parallel()
	plansOfFind(t, 20_000)
}

func TestLongPlansOfFind(t *testing.T) {
	onlyLong(t)
	plansOfFind(t, 200_000)
}

func plansOfFind(t *testing.T, count int) {
	t.Helper()
	w, address, key := seededWindow(t, count)
	own := count / 40
	bill := one[string](t, address, "SELECT value FROM search_key WHERE tenant_id = 'seed-7' AND name = 'key1' LIMIT 1")
	day := time.Now().UTC().Add(-20 * 24 * time.Hour)
	const all = "{processing,actionNeeded,held,cleared,closed,rejected,cancelled}"
	end, begin := "9999-12-31", "0001-01-01"
	const page = 7 * (51 + 10) // blocks: a page of each status, and the way there
	for _, when := range []string{"without statistics", "with statistics"} {
		for what, c := range map[string]struct {
			name      string
			arguments []any
			most      int // blocks
		}{
			"everything":  {"find", []any{all, end, "", 51, begin, "", "", ""}, page},
			"one status":  {"find", []any{"{held}", end, "", 51, begin, "", "", ""}, 300},
			"a day":       {"find", []any{all, day.Add(24 * time.Hour).Format(time.RFC3339), "", 51, day.Format(time.RFC3339), "", "", ""}, page},
			"rare agency": {"find", []any{all, end, "", 51, begin, "west", "", ""}, 300 + own},
			"rare port":   {"find", []any{all, end, "", 51, begin, "", "", "RARE01"}, 300 + own},
			"no kind":     {"find", []any{all, end, "", 51, begin, "", "nothing", ""}, 300 + own},
			"bill":        {"find_numbered", []any{all, end, "", 51, begin, "", "", "", "", "{" + bill + "}"}, 300},
			"reference":   {"find_numbered", []any{all, end, "", 51, begin, "", "", "", "SEED-7", "{}"}, 300},
		} {
			blocks, discarded, took := examined(t, w.ledger, declare.TenantScope("seed-7"), c.name, append([]any{"seed-7"}, c.arguments...)...)
			number(t, fmt.Sprintf("find, %s, of %d declarations %s: blocks, rows put aside", what, count, when), fmt.Sprintf("%d, %d in %v ms", blocks, discarded, took), fmt.Sprintf("%d blocks, %d rows", c.most, own))
			if blocks > c.most || discarded > own {
				t.Errorf("%s, %s: %d blocks, %d rows read and put aside of %d the enterprise has", what, when, blocks, discarded, own)
			}
		}
		execute(t, address, "VACUUM ANALYZE declaration, search_key, reference")
	}
	var times []time.Duration
	for range 40 {
		begun := time.Now()
		w.find(t, key, "status", "held", "agency", "west")
		times = append(times, time.Since(begun))
	}
	slices.Sort(times)
	number(t, fmt.Sprintf("find over HTTP, of %d declarations, median", count), times[len(times)/2].Round(100*time.Microsecond), "-")
}

// examined runs a statement of the ledger's under the application's role and
// gives how many blocks it touched and how many rows it read in vain.
func examined(t *testing.T, ledger *declare.Ledger, scope declare.Scope, name string, arguments ...any) (blocks, discarded int, took json.Number) {
	t.Helper()
	text, err := declare.Statements.ReadFile("sql/" + name + ".sql")
	must(t, err)
	values := make([]string, len(arguments))
	for i, argument := range arguments {
		values[i] = fmt.Sprintf("'%v'", argument)
	}
	var plan []struct {
		Plan planNode
		Time json.Number `json:"Execution Time"`
	}
	must(t, ledger.Within(t.Context(), scope, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "PREPARE examined AS "+string(text)); err != nil {
			return err
		}
		if err := tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE examined ("+strings.Join(values, ", ")+")").Scan(&plan); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "DEALLOCATE examined")
		return err
	}))
	return plan[0].Plan.Hit + plan[0].Plan.Read, plan[0].Plan.discarded(t), plan[0].Time
}

type planNode struct {
	Hit     int        `json:"Shared Hit Blocks"`
	Read    int        `json:"Shared Read Blocks"`
	Type    string     `json:"Node Type"`
	Removed int        `json:"Rows Removed by Filter"`
	Loops   int        `json:"Actual Loops"`
	Plans   []planNode `json:"Plans"`
}

// discarded counts the rows a plan reads and drops; a plan that reads a whole
// table fails the test.
func (n planNode) discarded(t *testing.T) int {
	t.Helper()
	if n.Type == "Seq Scan" {
		t.Error("a whole table is read")
	}
	sum := n.Removed * max(1, n.Loops)
	for _, below := range n.Plans {
		sum += below.discarded(t)
	}
	return sum
}

// An answer is named by its bytes: asked with its name again, only a change
// brings a body.
func TestStatusIsReadOnce(t *testing.T) {
	t.Parallel()
	ledger, address := newLedger(t)
	w := newRESTWindow(t, ledger)
	own := w.file(t, "ETAG-1")
	// Nothing more is sent, so that nothing changes by itself.
	execute(t, address, "SET session_replication_role = replica; SET app.scope = 'system'; UPDATE message SET delivery = 'setAside', lease_until = NULL, epoch = epoch + 1")
	path := "/v1/declarations/" + own.ID
	var first answer
	eventually(t, 20*time.Second, "nothing changes any more", func() bool {
		before := first.header.Get("ETag")
		first = w.ask(t, w.key, http.MethodGet, path, nil)
		return first.header.Get("ETag") == before
	})
	etag := first.header.Get("ETag")
	if first.status != 200 || len(etag) < 10 || etag[0] != '"' || first.header.Get("Content-Type") != "application/json" || decoded[declare.Status](t, first).ID != own.ID {
		t.Fatalf("%d %v %s", first.status, first.header, first.body)
	}
	for _, known := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
		if again := w.ask(t, w.key, http.MethodGet, path, nil, "If-None-Match", known); again.status != http.StatusNotModified || len(again.body) != 0 || again.header.Get("ETag") != etag {
			t.Errorf("%s: %d %v %s", known, again.status, again.header, again.body)
		}
	}
	refused(t, "another's", w.ask(t, w.other, http.MethodGet, path, nil, "If-None-Match", etag), 404, "resource.missing")
	execute(t, address, "SET app.scope = 'system'; UPDATE declaration SET waiting_why = 'changed'")
	if changed := w.ask(t, w.key, http.MethodGet, path, nil, "If-None-Match", etag); changed.status != 200 || changed.header.Get("ETag") == etag || len(changed.body) == 0 {
		t.Errorf("%d %v", changed.status, changed.header)
	}
}
