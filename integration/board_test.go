package integration

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	pages "singlewindow/api/board"
	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/board"
	"singlewindow/declare/event"
)

// The agencies of the board's tests: nearly everybody files to the first, one
// in 200 to the last.
var boardAgencies = []string{"north", "east", "south", "west"}

// A boardroom is the officials' pages over real HTTP, on a ledger of its own.
type boardroom struct {
	*bench
	accounts *account.Accounts
	at       string // URL of the pages
}

func newBoardroom(t *testing.T, agencies ...declare.Agency) *boardroom {
	t.Helper()
	r := &boardroom{bench: newBench(t, quick(), agencies...)}
	r.accounts = openAccounts(t, r.ledger, accountSecret, time.Now)
	known, err := kinds()
	must(t, err)
	events := event.Open(r.ledger, quiet(t), 100*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := events.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(pages.New(pages.Options{
		Gateway: r.Gateway, Ledger: r.ledger, Accounts: r.accounts, Events: events, Kinds: known, IDs: newIDs(), Log: quiet(t), Now: time.Now, Zone: time.UTC,
	}))
	t.Cleanup(func() { cancel(); running.Wait(); server.Close() })
	r.at = server.URL
	return r
}

// seeded is a boardroom with declarations as testdata/board.sql makes them.
func seeded(t *testing.T, count int) *boardroom {
	t.Helper()
	var agencies []declare.Agency
	for _, name := range boardAgencies {
		agencies = append(agencies, newOdd(name))
	}
	r := newBoardroom(t, agencies...)
	fill, err := os.ReadFile("testdata/board.sql")
	must(t, err)
	conn, err := pgx.Connect(t.Context(), r.url)
	must(t, err)
	must(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT set_config('app.scope', 'system', true), set_config('seed.count', $1, true), set_config('seed.agencies', $2, true)",
			fmt.Sprint(count), "{"+strings.Join(boardAgencies, ",")+"}")
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), string(fill))
		return err
	}))
	_, err = conn.Exec(t.Context(), "VACUUM ANALYZE")
	must(t, err)
	must(t, conn.Close(t.Context()))
	return r
}

// An onlooker is a user who is signed in.
type onlooker struct {
	account.User
	client *http.Client
	at     string
}

const boardPassword = "a long enough password"

func (r *boardroom) signIn(t *testing.T, user account.User) *onlooker {
	t.Helper()
	user, err := r.accounts.CreateUser(t.Context(), user, boardPassword)
	must(t, err)
	jar, err := cookiejar.New(nil)
	must(t, err)
	o := &onlooker{user, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, r.at}
	t.Cleanup(o.client.CloseIdleConnections)
	if status, _ := o.post(t, "/board/sign-in", "name", user.Name, "password", boardPassword); status != http.StatusSeeOther {
		t.Fatalf("%s cannot sign in: %d", user.Name, status)
	}
	return o
}

func (o *onlooker) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := o.client.Get(o.at + path)
	must(t, err)
	return bodyOf(t, response)
}

func (o *onlooker) post(t *testing.T, path string, values ...string) (int, string) {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(values); i += 2 {
		form.Set(values[i], values[i+1])
	}
	response, err := o.client.PostForm(o.at+path, form)
	must(t, err)
	return bodyOf(t, response)
}

func bodyOf(t *testing.T, response *http.Response) (int, string) {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	must(t, response.Body.Close())
	return response.StatusCode, string(body)
}

// Every statement of the board is known to PostgreSQL under the role that will
// run it.
func TestBoardStatementsPrepare(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	names, err := fs.Glob(board.Statements, "sql/*.sql")
	must(t, err)
	if len(names) < 10 {
		t.Fatalf("only %d statements found", len(names))
	}
	must(t, ledger.Patient(time.Minute).Within(t.Context(), declare.AgencyScope("north"), func(tx pgx.Tx) error {
		for i, name := range names {
			text, err := fs.ReadFile(board.Statements, name)
			if err != nil {
				return err
			}
			prepared, err := tx.Prepare(t.Context(), fmt.Sprintf("b%d", i), string(text))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			arguments := strings.TrimSuffix(strings.Repeat("NULL, ", len(prepared.ParamOIDs)), ", ")
			if arguments != "" {
				arguments = "(" + arguments + ")"
			}
			if _, err := tx.Exec(t.Context(), fmt.Sprintf("EXPLAIN EXECUTE b%d%s", i, arguments)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}))
}

// A viewpoint is a scope, and the same in SQL.
type viewpoint struct {
	name   string
	scope  declare.Scope
	beside board.Filter
	sql    string
}

var viewpoints = []viewpoint{
	{"operator", declare.SystemScope, board.Filter{}, "true"},
	{"common agency", declare.AgencyScope("east"), board.Filter{Agency: "east"}, "'east' = ANY (agencies)"},
	{"rare agency", declare.AgencyScope("west"), board.Filter{Agency: "west"}, "'west' = ANY (agencies)"},
	{"common port", declare.PortScope("PORT00"), board.Filter{Port: "PORT00"}, "port = 'PORT00'"},
	{"rare port", declare.PortScope("RARE01"), board.Filter{Port: "RARE01"}, "port = 'RARE01'"},
	{"nobody's agency", declare.AgencyScope("nobody"), board.Filter{Agency: "nobody"}, "false"},
}

// TestBoardListIsTrue holds pages and counts of the list against what plain
// SQL finds past row-level security, for every viewpoint and filter.
func TestBoardListIsTrue(t *testing.T) {
	t.Parallel()
	r := seeded(t, 2000)
	b := board.Open(r.ledger, time.Now)
	conn, err := pgx.Connect(t.Context(), r.url)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	const window = " AND received_at >= now() - interval '30 days'"
	week := time.Now().Add(-7 * 24 * time.Hour).Truncate(24 * time.Hour)
	for what, check := range map[string]struct {
		filter board.Filter
		sql    string
	}{
		"everything":  {board.Filter{}, "true" + window},
		"held":        {board.Filter{Status: declare.OverallHeld}, "status = 'held'" + window},
		"agency":      {board.Filter{Agency: "south"}, "'south' = ANY (agencies)" + window},
		"rare agency": {board.Filter{Agency: "west", Status: declare.OverallCleared}, "'west' = ANY (agencies) AND status = 'cleared'" + window},
		"port":        {board.Filter{Port: "PORT01"}, "port = 'PORT01'" + window},
		"both":        {board.Filter{Port: "PORT00", Agency: "east"}, "port = 'PORT00' AND 'east' = ANY (agencies)" + window},
		"trader":      {board.Filter{Who: declare.WhoTrader}, "waiting_who = 'trader'" + window},
		"waiting":     {board.Filter{Waiting: 72 * time.Hour}, "waiting_who <> 'nobody' AND waiting_since < now() - interval '3 days'" + window},
		"longest":     {board.Filter{Longest: true}, "waiting_who <> 'nobody'" + window},
		"longest few": {board.Filter{Longest: true, Agency: "west"}, "waiting_who <> 'nobody' AND 'west' = ANY (agencies)" + window},
		"a week":      {board.Filter{From: week, To: week.Add(48 * time.Hour)}, fmt.Sprintf("received_at >= '%[1]s' AND received_at < '%[2]s'", week.Format(time.RFC3339), week.Add(48*time.Hour).Format(time.RFC3339))},
		"voyage":      {board.Filter{Number: "VOYAGE2"}, "id IN (SELECT declaration_id FROM search_key WHERE value = 'VOYAGE2')"},
		"bill, held":  {board.Filter{Number: "BILL100", Status: declare.OverallClosed}, "status = 'closed' AND id IN (SELECT declaration_id FROM search_key WHERE value = 'BILL100')"},
		"reference":   {board.Filter{Number: "SEED-1234"}, "reference = 'SEED-1234'"},
		"no number":   {board.Filter{Number: "SEED-"}, "false"},
	} {
		for _, from := range viewpoints {
			order := "received_at DESC, id DESC"
			if check.filter.Longest {
				order = "waiting_since, id"
			}
			rows, err := conn.Query(t.Context(), "SELECT id FROM declaration WHERE "+check.sql+" AND "+from.sql+" ORDER BY "+order)
			must(t, err)
			want, err := pgx.CollectRows(rows, pgx.RowTo[string])
			must(t, err)
			var got []string
			var after board.Place
			for {
				page, err := b.List(t.Context(), from.scope, from.beside, check.filter, after, 397)
				must(t, err)
				for _, line := range page.Lines {
					got = append(got, line.ID)
					if line.Enterprise == "" || len(line.Badges) == 0 {
						t.Errorf("%s of %s: %+v", what, from.name, line)
					}
				}
				total := page.Counts[check.filter.Status]
				if check.filter.Status == "" {
					for _, count := range page.Counts {
						total += count
					}
				}
				if total != len(want) {
					t.Errorf("%s of %s: counted %d, there are %d", what, from.name, total, len(want))
				}
				if page.Next == nil {
					break
				}
				after = *page.Next
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s of %s: %d lines, want %d", what, from.name, len(got), len(want))
			}
		}
	}
}

// A glance is a page of the list that must come fast.
type glance struct{ name, path string }

var glances = []glance{
	{"first page", "/board/"},
	{"status", "/board/?status=held"},
	{"common status", "/board/?status=cleared"},
	{"agency", "/board/?agency=south"},
	{"rare agency", "/board/?agency=west"},
	{"port", "/board/?port=PORT00"},
	{"rare port", "/board/?port=RARE01&agency=east"},
	{"waiting longer", "/board/?waiting=3d"},
	{"must act", "/board/?who=trader"},
	{"operator must act", "/board/?who=operator"},
	{"number", "/board/?number=VOYAGE3"},
	{"reference", "/board/?number=SEED-77"},
	{"time", "/board/?from=" + time.Now().Add(-96*time.Hour).Format(time.DateOnly) + "&to=" + time.Now().Add(-72*time.Hour).Format(time.DateOnly)},
	{"longest waiting first", "/board/?order=longest"},
	{"all at once", "/board/?status=rejected&agency=south&port=PORT07&who=trader&waiting=1d&order=longest"},
}

// TestBoard shows every filter to every sort of visitor. How fast says nothing
// beside other tests.
func TestBoard(t *testing.T) {
	t.Parallel()
	seeded(t, 2000).lookAround(t, 1)
}

// TestLongBoard holds the list to its time with 200,000 declarations.
func TestLongBoard(t *testing.T) {
	onlyLong(t)
	const bar = 150 * time.Millisecond
	r := seeded(t, 200_000)
	looks := r.lookAround(t, 40)
	slices.SortFunc(looks, func(a, b look) int { return cmp.Compare(b.slow(99), a.slow(99)) })
	for _, l := range looks[:15] {
		t.Logf("%-8s %-22s p50 %v p99 %v", l.who, l.what, l.slow(50), l.slow(99))
	}
	for _, g := range glances {
		all := look{what: g.name} // whoever looked
		for _, l := range looks {
			if l.what == g.name {
				all.took = append(all.took, l.took...)
			}
		}
		number(t, "board of 200,000 declarations, p99 of "+all.what, all.slow(99), bar)
		if all.slow(99) > bar {
			t.Errorf("%s: %v", all.what, all.slow(99))
		}
	}

	visitor := r.signIn(t, account.User{Name: "onlooker", Role: account.Operator})
	told, live := visitor.follow(t), look{}
	for n := range 20 {
		filed := r.file(t, fmt.Sprintf("LIVE-%d", n))
		begun := time.Now()
		eventually(t, time.Second, "the change is told", func() bool { return told.has(filed.ID) })
		if status, _ := visitor.get(t, "/board/declarations/acme/"+filed.ID+"/row"); status != http.StatusOK {
			t.Errorf("the line: %d", status)
		}
		live.took = append(live.took, time.Since(begun))
	}
	number(t, "board of 200,000 declarations, a change until its line is drawn anew, slowest of 20", live.slow(99), time.Second)
}

// A look is how long one visitor waited for one page, each time.
type look struct {
	who, what string
	took      []time.Duration
}

// slow is a percentile of how long the looks took.
func (l look) slow(percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(l.took))
	return sorted[len(sorted)*percent/100].Round(time.Millisecond)
}

// lookAround asks for every page as every sort of visitor, and for the page
// behind it.
func (r *boardroom) lookAround(t *testing.T, times int) []look {
	t.Helper()
	visitors := []account.User{
		{Name: "olga", Role: account.Operator}, {Name: "east", Role: account.Official, Agency: "east"},
		{Name: "west", Role: account.Official, Agency: "west"}, {Name: "port", Role: account.Official, Port: "PORT00"}, {Name: "rare", Role: account.Official, Port: "RARE01"},
	}
	if !longForms() {
		visitors = visitors[:2]
	}
	var looks []look
	for _, user := range visitors {
		visitor := r.signIn(t, user)
		for _, g := range glances {
			l := look{who: user.Name, what: g.name}
			path := g.path
			for n := range times {
				begun := time.Now()
				status, body := visitor.get(t, path)
				l.took = append(l.took, time.Since(begun))
				if status != http.StatusOK || !strings.Contains(body, "</html>") {
					t.Fatalf("%s of %s: %d", path, user.Name, status)
				}
				path = g.path
				if next := nextPage.FindStringSubmatch(body); next != nil && n%4 == 1 {
					path = html.UnescapeString(next[1])
				}
			}
			looks = append(looks, l)
		}
	}
	return looks
}

var nextPage = regexp.MustCompile(`<a href="([^"]+)" rel="next">`)

// choosy is an agency that only some declarations concern.
type choosy struct {
	*oddAgency
	mark string // in their references
}

func (c choosy) Takes(_ string, tree map[string]any) (bool, error) {
	reference, _ := tree["reference"].(string) // a sample has one
	return strings.Contains(reference, c.mark), nil
}

// heard makes an agency whose notices name the message they are about.
func heard(name string) *oddAgency {
	agency := newOdd(name)
	agency.read = func(body string) (declare.Reading, error) {
		message, word, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(body, "<n>"), "</n>"), " ")
		return declare.Reading{MessageID: message, Word: word, Decision: declare.DecisionInspection, IssuedAt: time.Now()}, nil
	}
	return agency
}

// TestWhoSeesWhat: every page and form, for every sort of visitor. What one may
// not see answers as if it did not exist.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	east, west := heard("east"), heard("west")
	r := newBoardroom(t, choosy{east, "E"}, choosy{west, "W"})
	both, onlyWest := r.file(t, "EW-1"), r.file(t, "W-1")
	for _, filing := range slices.Concat(both.Filings, onlyWest.Filings) {
		must(t, r.Hear(t.Context(), filing.Agency, []byte("<n>"+filing.MessageID+" LOOK</n>"), func(string) string { return "" }))
	}
	for _, id := range []string{both.ID, onlyWest.ID} {
		r.await(t, id, "west", "the notice counts", func(_ declare.Status, f declare.FilingStatus) bool { return f.Decision == declare.DecisionInspection })
	}
	r.await(t, both.ID, "east", "the notice counts", func(_ declare.Status, f declare.FilingStatus) bool { return f.Decision == declare.DecisionInspection })
	port := one[string](t, r.url, "SELECT port FROM declaration WHERE id = $1", both.ID)
	messageOf := func(receipt declare.Receipt, agency string) string {
		return filingAt(t, receipt.Status, agency).MessageID
	}
	noticeOf := func(receipt declare.Receipt, agency string) string {
		return one[string](t, r.url, "SELECT id FROM notice WHERE declaration_id = $1 AND agency = $2", receipt.ID, agency)
	}
	here := "/board/declarations/acme/"
	visitors := map[string]*onlooker{
		"operator": r.signIn(t, account.User{Name: "operator", Role: account.Operator}),
		"auditor":  r.signIn(t, account.User{Name: "auditor", Role: account.Auditor}),
		"east":     r.signIn(t, account.User{Name: "of-east", Role: account.Official, Agency: "east"}),
		"west":     r.signIn(t, account.User{Name: "of-west", Role: account.Official, Agency: "west"}),
		"other":    r.signIn(t, account.User{Name: "of-other", Role: account.Official, Agency: "other"}),
		"port":     r.signIn(t, account.User{Name: "at-port", Role: account.Official, Port: port}),
		"far port": r.signIn(t, account.User{Name: "at-far", Role: account.Official, Port: "FAR99"}),
	}
	everybody := []string{"operator", "auditor", "east", "west", "other", "port", "far port"}
	for path, seen := range map[string][]string{
		"/board/":                             everybody,
		here + both.ID:                        {"operator", "auditor", "east", "west", "port"},
		here + both.ID + "/row":               {"operator", "auditor", "east", "west", "port"},
		here + onlyWest.ID:                    {"operator", "auditor", "west", "port"},
		here + onlyWest.ID + "/row":           {"operator", "auditor", "west", "port"},
		here + both.ID[:29] + "X":             {},
		"/board/declarations/bolt/" + both.ID: {},
		here + both.ID + "/messages/" + messageOf(both, "east"):          {"operator", "auditor", "east"},
		here + both.ID + "/messages/" + messageOf(both, "east") + "/xml": {"operator", "auditor", "east"},
		here + both.ID + "/messages/" + messageOf(both, "west") + "/xml": {"operator", "auditor", "west"},
		here + both.ID + "/notices/" + noticeOf(both, "east"):            {"operator", "auditor", "east"},
		here + both.ID + "/notices/" + noticeOf(both, "west"):            {"operator", "auditor", "west"},
		here + both.ID + "/notices/" + noticeOf(both, "west") + "/xml":   {"operator", "auditor", "west"},
		here + both.ID + "/messages/" + messageOf(onlyWest, "west"):      {}, // it is another declaration's
		here + onlyWest.ID + "/messages/" + messageOf(onlyWest, "west"):  {"operator", "auditor", "west"},
		"/board/tasks": {"operator", "auditor", "east", "west", "other"},
		"/board/tasks/" + noticeOf(both, "east") + "/notice": {}, // it has a declaration
	} {
		for name, visitor := range visitors {
			want := http.StatusNotFound
			if slices.Contains(seen, name) {
				want = http.StatusOK
			}
			status, body := visitor.get(t, path)
			if status != want {
				t.Errorf("%s asks for %s: %d, want %d", name, path, status, want)
			}
			if status == http.StatusOK && path == here+both.ID {
				for _, agency := range []string{"east", "west"} {
					if shown := strings.Contains(body, "/messages/"+messageOf(both, agency)); shown != slices.Contains([]string{"operator", "auditor", agency}, name) {
						t.Errorf("%s sees the message to %s: %t", name, agency, shown)
					}
				}
				for text, told := range map[string][]string{"Only those of your agency are shown.": {"east", "west"}, "Messages and notices are not shown to officials at a port.": {"port"}} {
					if strings.Contains(body, text) != slices.Contains(told, name) {
						t.Errorf("%s is told, or not told: %s", name, text)
					}
				}
				if strings.Count(body, "<article class=\"filing\">") != 2 {
					t.Errorf("%s does not see both agencies' decisions", name)
				}
			}
			if lists := strings.Contains(body, onlyWest.ID); path == "/board/" && lists != slices.Contains([]string{"operator", "auditor", "west", "port"}, name) {
				t.Errorf("the list of %s has what only west got: %t", name, lists)
			}
		}
	}
	for name, visitor := range visitors {
		_, body := visitor.get(t, "/board/?number=W-1")
		if found := strings.Contains(body, onlyWest.ID); found != slices.Contains([]string{"operator", "auditor", "west", "port"}, name) {
			t.Errorf("%s finds by its reference what only west got: %t", name, found)
		}
	}
}

// one asks the database for one value, past row-level security.
func one[T any](t *testing.T, url, query string, arguments ...any) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	must(t, conn.QueryRow(t.Context(), query, arguments...).Scan(&value))
	must(t, conn.Close(t.Context()))
	return value
}

// TestTasksOnTheBoard: an operator closes a task under the own name; nobody
// else can, and whoever comes late is told.
func TestTasksOnTheBoard(t *testing.T) {
	t.Parallel()
	odd, _ := deafAgency()
	other := newOdd("other")
	r := newBoardroom(t, odd, choosy{other, "NEVER"})
	_, message := aTask(t, r.bench, "TASK-1")
	operator := r.signIn(t, account.User{Name: "olga", Role: account.Operator})
	auditor := r.signIn(t, account.User{Name: "anna", Role: account.Auditor})
	own := r.signIn(t, account.User{Name: "own", Role: account.Official, Agency: "odd"})
	foreign := r.signIn(t, account.User{Name: "foreign", Role: account.Official, Agency: "other"})
	closing := "/board/tasks/" + message + "/close"
	for _, visitor := range []*onlooker{operator, auditor, own, foreign} {
		_, body := visitor.get(t, "/board/tasks")
		if shown := strings.Contains(body, message); shown != (visitor != foreign) {
			t.Errorf("%s sees the task: %t", visitor.Name, shown)
		}
		if form := strings.Contains(body, closing); form != (visitor == operator) {
			t.Errorf("%s is given the form: %t", visitor.Name, form)
		}
		if visitor == operator {
			continue
		}
		if status, _ := visitor.post(t, closing, "resolution", "delivered", "note", "n"); status != http.StatusNotFound {
			t.Errorf("%s closes a task: %d", visitor.Name, status)
		}
	}
	if status, body := operator.post(t, closing, "resolution", "delivered", "note", "  "); status != http.StatusUnprocessableEntity || !strings.Contains(body, "task-fault") {
		t.Errorf("without a note: %d", status)
	}
	if status, _ := operator.post(t, closing, "resolution", "settled", "note", "n"); status != http.StatusUnprocessableEntity {
		t.Errorf("a word that is no officer's: %d", status)
	}
	if status, _ := operator.post(t, "/board/tasks/msg_00000000000000000000000000/close", "resolution", "delivered", "note", "n"); status != http.StatusNotFound {
		t.Errorf("no task: %d", status)
	}
	if status, _ := operator.post(t, closing, "resolution", "delivered", "note", "asked by telephone"); status != http.StatusSeeOther {
		t.Fatalf("closing: %d", status)
	}
	if status, _ := operator.post(t, closing, "resolution", "delivered", "note", "again"); status != http.StatusNotFound {
		t.Errorf("closing it again: %d", status)
	}
	closed, err := r.Tasks(t.Context(), false, 10)
	must(t, err)
	if len(closed) != 1 || closed[0].Closing.By != "olga" || closed[0].Closing.Note != "asked by telephone" {
		t.Errorf("%+v", closed)
	}
}

// TestBoardIsLive: what changes is told to those who may see it, within a
// second, and the line drawn anew says it.
func TestBoardIsLive(t *testing.T) {
	t.Parallel()
	east, west := heard("east"), heard("west")
	r := newBoardroom(t, choosy{east, "E"}, choosy{west, "W"})
	first := r.file(t, "W-0")
	r.await(t, first.ID, "west", "it is sent", func(_ declare.Status, f declare.FilingStatus) bool { return f.Delivery == declare.DeliveryDelivered })
	ofWest := r.signIn(t, account.User{Name: "of-west", Role: account.Official, Agency: "west"})
	ofEast := r.signIn(t, account.User{Name: "of-east", Role: account.Official, Agency: "east"})
	told, hidden := ofWest.follow(t), ofEast.follow(t)

	begun := time.Now()
	must(t, r.Hear(t.Context(), "west", []byte("<n>"+filingAt(t, first.Status, "west").MessageID+" LOOK</n>"), func(string) string { return "" }))
	eventually(t, 5*time.Second, "the change is told", func() bool { return told.has(first.ID) })
	_, row := ofWest.get(t, "/board/declarations/acme/"+first.ID+"/row")
	if !strings.Contains(row, "inspection") || !strings.HasPrefix(strings.TrimSpace(row), "<tr") {
		t.Errorf("the line: %s", row)
	}
	number(t, "a change until its line is drawn anew", time.Since(begun).Round(time.Millisecond), time.Second)

	seen := r.file(t, "E-1")
	eventually(t, 5*time.Second, "the other agency's change is told", func() bool { return hidden.has(seen.ID) })
	if hidden.has(first.ID) || told.has(seen.ID) {
		t.Error("a change was told to somebody who may not see it")
	}
}

// A hearing collects what a stream tells.
type hearing struct {
	mu   sync.Mutex
	text strings.Builder
}

func (h *hearing) has(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Contains(h.text.String(), id)
}

var liveAddress = regexp.MustCompile(`data-live="([^"]+)"`)

// follow opens the stream that the list names and reads it until the test ends.
func (o *onlooker) follow(t *testing.T) *hearing {
	t.Helper()
	_, body := o.get(t, "/board/")
	address := liveAddress.FindStringSubmatch(body)
	if address == nil {
		t.Fatal("the list names no stream")
	}
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.at+html.UnescapeString(address[1]), nil)
	must(t, err)
	response, err := o.client.Do(request)
	must(t, err)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	h := &hearing{}
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			h.mu.Lock()
			h.text.WriteString(lines.Text() + "\n")
			h.mu.Unlock()
		}
	})
	t.Cleanup(func() { cancel(); reading.Wait(); must(t, response.Body.Close()) })
	return h
}

// What is asked badly is answered so, and nothing from outside comes back as
// part of a page's HTML.
func TestBadQuestionsOnTheBoard(t *testing.T) {
	t.Parallel()
	agency := heard("east")
	r := newBoardroom(t, agency)
	filed := r.file(t, "BAD-1")
	message := filed.Filings[0].MessageID
	agency.mu.Lock()
	agency.read = func(string) (declare.Reading, error) {
		return declare.Reading{MessageID: message, Word: "<script>alert(1)</script>", Decision: declare.DecisionInspection, Remark: `"><img src=x onerror=alert(1)>`, IssuedAt: time.Now()}, nil
	}
	agency.mu.Unlock()
	must(t, r.Hear(t.Context(), "east", []byte("<n><script>alert(1)</script>&amp;</n>"), func(string) string { return "" }))
	r.await(t, filed.ID, "east", "the notice counts", func(_ declare.Status, f declare.FilingStatus) bool { return f.Decision == declare.DecisionInspection })
	notice := one[string](t, r.url, "SELECT id FROM notice WHERE declaration_id = $1", filed.ID)
	visitor := r.signIn(t, account.User{Name: "olga", Role: account.Operator})
	for path, want := range map[string]int{
		"/board/?status=nonsense":                                     400,
		"/board/?agency=%27--":                                        400,
		"/board/?port=p%00":                                           400,
		"/board/?who=me":                                              400,
		"/board/?waiting=-4h":                                         400,
		"/board/?waiting=99999d":                                      400,
		"/board/?waiting=5m":                                          200,
		"/board/?from=2026-02-30":                                     400,
		"/board/?from=0000-01-01":                                     400,
		"/board/?order=random":                                        400,
		"/board/?after=AAAA":                                          400,
		"/board/?number=%00":                                          400,
		"/board/?number=%FF":                                          400,
		"/board/?number=" + strings.Repeat("x", 201):                  400,
		"/board/?number=%3Cscript%3Ealert(1)%3C/script%3E":            200,
		"/board/?status=%3Cscript%3Ealert(1)%3C/script%3E":            400,
		"/board/?from=%22%3E%3Cscript%3Ealert(1)%3C/script%3E":        400,
		"/board/?from=2026-03-05&to=2026-03-01":                       200,
		"/board/declarations/acme/" + filed.ID:                        200,
		"/board/declarations/acme/" + filed.ID + "/notices/" + notice: 200,
		"/board/declarations/..%2F..%2Fetc/" + filed.ID:               404,
		"/board/declarations/acme/dec_%00":                            404,
		"/board/declarations/acme/" + filed.ID + "/notices/ntc_1":     404,
		"/board/tasks/" + notice + "/notice":                          404,
		"/board/live?after=nonsense":                                  404,
	} {
		status, body := visitor.get(t, path)
		if status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") || strings.Contains(body, "style=") || strings.Contains(body, " on") && regexp.MustCompile(`<[^>]+ on[a-z]+=`).MatchString(body) {
			t.Errorf("%s: it came back as HTML", path)
		}
	}
}
