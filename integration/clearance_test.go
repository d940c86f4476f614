package integration

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/api"
	"singlewindow/api/board"
	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/clearance"
)

// times are what a stage took, in milliseconds.
type times []int64

// figures are the count, median and 90th percentile: the least time that half,
// or nine of ten, did not exceed.
func (t times) figures() api.ClearanceFigures {
	slices.Sort(t)
	at := func(tenths int) int64 { return t[(len(t)*tenths+9)/10-1] }
	return api.ClearanceFigures{Count: int64(len(t)), MedianMilliseconds: at(5), P90Milliseconds: at(9)}
}

// track and stage of figures.
type stageOf struct{ agency, stage string }

// waits reads, from the events that the API shows, what can be seen in them
// without knowing stages: from acceptance until delivery, until an agency
// cleared, and until the whole was cleared; and from an agency's word to its next.
func (l *line) waits(t *testing.T, filed []declare.Status) map[stageOf]times {
	t.Helper()
	words := map[declare.Decision]string{
		declare.DecisionDocumentsRequired: clearance.StageDocuments, declare.DecisionPaymentDue: clearance.StagePayment,
		declare.DecisionInspection: clearance.StageInspection, declare.DecisionSuspended: clearance.StageSuspension}
	found := map[stageOf]times{}
	for _, declaration := range filed {
		given := l.ask(t, l.keys[acme], http.MethodGet, "/v1/declarations/"+declaration.ID+"/events", nil)
		note := func(agency, stage string, from, to time.Time) {
			if took := to.Sub(from).Milliseconds(); took > 0 || stage == clearance.StageTotal {
				found[stageOf{agency, stage}] = append(found[stageOf{agency, stage}], took)
			}
		}
		type word struct {
			stage string
			since time.Time
		}
		last := map[string]word{}
		cleared := map[string]bool{}
		release := func(agency string, at time.Time) {
			if !cleared[agency] {
				cleared[agency] = true
				note(agency, clearance.StageTotal, declaration.ReceivedAt, at)
			}
		}
		for _, event := range decoded[struct{ Events []declare.Event }](t, given).Events {
			var told struct {
				Status   declare.Overall
				Decision declare.Decision
			}
			must(t, json.Unmarshal(event.Data, &told))
			switch event.Type {
			case "message.delivered":
				note(event.Agency, clearance.StageDelivery, declaration.ReceivedAt, event.At)
			case "declaration.status":
				if told.Status == declare.OverallCleared || told.Status == declare.OverallClosed {
					release("", event.At)
				}
			case "filing.decision":
				if before := last[event.Agency]; before.stage != "" && words[told.Decision] != before.stage {
					note(event.Agency, before.stage, before.since, event.At)
				}
				if stage := words[told.Decision]; stage != last[event.Agency].stage {
					last[event.Agency] = word{stage, event.At}
				}
				if told.Decision == declare.DecisionReleased || told.Decision == declare.DecisionReleasedConditionally || told.Decision == declare.DecisionClosed {
					release(event.Agency, event.At)
				}
			}
		}
	}
	return found
}

// TestClearanceTimes files declarations under several words and holds the
// figures, over REST and on the page, against the events; then makes them again
// from nothing, by two processes at once.
func TestClearanceTimes(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	widest, agencies := l.widest(t)
	var filed []declare.Status
	for i, word := range []string{"default", "docs", "inspect", "docs", "default", "pay"} {
		filed = append(filed, l.file(t, acme, widest, fmt.Sprintf("CLEAR-%d.%s", i, word)))
	}
	l.file(t, acme, widest, "CLEAR-R.reject")
	eventually(t, 90*time.Second, "everything is decided", func() bool { return l.count(t, undecided) == 0 && l.count(t, unsent) == 0 })
	var said api.ClearanceTimes
	eventually(t, 30*time.Second, "everything is counted in", func() bool {
		said = l.clearanceTimes(t, acme, "every=day")
		total := stageIn(said, "", clearance.StageTotal)
		return total != nil && total.Count == int64(len(filed))
	})
	l.mustBeOfTheEvents(t, said, l.waits(t, filed))
	total := stageIn(said, "", clearance.StageTotal)
	if len(total.Trend) == 0 || len(total.Trend) > 2 { // two only around midnight
		t.Errorf("trend: %+v", total.Trend)
	}
	l.mustFilter(t, said, widest, agencies)
	if others := l.clearanceTimes(t, bolt, ""); len(others.Stages) != 0 {
		t.Errorf("another tenant sees %+v", others)
	}
	l.mustShow(t, said, agencies[0])
	l.mustComeAgain(t)
}

// clearanceTimes asks over REST.
func (l *line) clearanceTimes(t *testing.T, tenant, query string) api.ClearanceTimes {
	t.Helper()
	given := l.ask(t, l.keys[tenant], http.MethodGet, "/v1/statistics/clearance-times?"+query, nil)
	if given.status != http.StatusOK {
		t.Fatalf("%s: %d %s", query, given.status, given.body)
	}
	return decoded[api.ClearanceTimes](t, given)
}

// stageIn finds a stage of an answer, nil when it is not there.
func stageIn(said api.ClearanceTimes, agency, stage string) *api.ClearanceStage {
	for i, s := range said.Stages {
		if s.Agency == agency && s.Stage == stage {
			return &said.Stages[i]
		}
	}
	return nil
}

// mustBeOfTheEvents: what the events show is what is said. Of the stages of
// every track, one that the rejected declaration went through counts once more.
func (l *line) mustBeOfTheEvents(t *testing.T, said api.ClearanceTimes, found map[stageOf]times) {
	t.Helper()
	if len(found) < 6 {
		t.Errorf("the events show only %v", slices.Collect(maps.Keys(found)))
	}
	for of, took := range found {
		s := stageIn(said, of.agency, of.stage)
		if s == nil {
			t.Errorf("nothing is said of %v, the events show %v", of, took)
			continue
		}
		if of.stage != clearance.StageDelivery && s.ClearanceFigures != took.figures() {
			t.Errorf("%v: %+v is said, the events show %+v of %v", of, s.ClearanceFigures, took.figures(), took)
		}
	}
	for _, s := range said.Stages {
		if s.Agency != "" && s.Stage != clearance.StageAcceptance && s.Stage != clearance.StageReview && found[stageOf{s.Agency, s.Stage}] == nil {
			t.Errorf("%+v is said, the events show none", s)
		}
	}
}

// mustFilter: each filter leaves what it names, and only that.
func (l *line) mustFilter(t *testing.T, said api.ClearanceTimes, from sample, agencies []string) {
	t.Helper()
	kind, _ := from.tree["kind"].(string) // a sample has one
	whole := stageIn(said, "", clearance.StageTotal).ClearanceFigures
	today := time.Now().UTC()
	for query, want := range map[string]bool{
		"kind=" + kind: true, "kind=other": false, "port=NOWHERE": false, "chapter=00": false,
		"from=" + today.AddDate(0, 0, -1).Format(time.DateOnly): true, "to=" + today.AddDate(0, 0, -2).Format(time.DateOnly): false,
	} {
		s := stageIn(l.clearanceTimes(t, acme, query), "", clearance.StageTotal)
		if (s != nil) != want || s != nil && s.ClearanceFigures != whole {
			t.Errorf("%s: %+v", query, s)
		}
	}
	for _, s := range l.clearanceTimes(t, acme, "agency="+agencies[0]).Stages {
		if was := stageIn(said, s.Agency, s.Stage); s.Agency != agencies[0] || was == nil || was.ClearanceFigures != s.ClearanceFigures {
			t.Errorf("of %s: %+v", agencies[0], s)
		}
	}
	for _, by := range []string{clearance.ByKind, clearance.ByPort, clearance.ByChapter} {
		var again api.ClearanceTimes
		grouped := l.clearanceTimes(t, acme, "by="+by)
		for _, s := range grouped.Stages {
			if s.Agency == "" && s.Stage == clearance.StageTotal && s.Of != "" {
				again = l.clearanceTimes(t, acme, by+"="+s.Of)
				if s.ClearanceFigures != stageIn(again, "", clearance.StageTotal).ClearanceFigures {
					t.Errorf("by %s: %+v", by, s)
				}
			}
		}
		if again.Stages == nil {
			t.Errorf("by %s there is nothing: %+v", by, grouped)
		}
	}
	for _, query := range []string{"from=2026-03-02&to=2026-03-01", "from=1990-01-01", "from=yesterday", "chapter=x", "every=day&by=port", "colour=red"} {
		given := l.ask(t, l.keys[acme], http.MethodGet, "/v1/statistics/clearance-times?"+query, nil)
		if given.status != http.StatusUnprocessableEntity || !strings.Contains(string(given.body), "parameter.invalid") {
			t.Errorf("%s: %d %s", query, given.status, given.body)
		}
	}
}

// A browser keeps cookies.
type browser struct {
	client  *http.Client
	address string
}

const password = "a sufficiently long pass phrase"

// signedIn is a browser whose user has just signed in.
func signedIn(t *testing.T, address, name string) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	b := browser{&http.Client{Jar: jar, Timeout: time.Minute}, address}
	response, err := b.client.PostForm(address+"/board/sign-in", url.Values{"name": {name}, "password": {password}, "next": {"/board/clearance"}})
	must(t, err)
	must(t, response.Body.Close())
	if response.StatusCode != http.StatusOK || response.Request.URL.Path == "/board/sign-in" {
		t.Fatalf("%s is not signed in: %d %s", name, response.StatusCode, response.Request.URL)
	}
	t.Cleanup(b.client.CloseIdleConnections)
	return b
}

func (b browser) page(t *testing.T, path string) string {
	t.Helper()
	response, err := b.client.Get(b.address + path)
	must(t, err)
	content, err := io.ReadAll(response.Body)
	must(t, err)
	must(t, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", path, response.StatusCode, content)
	}
	return string(content)
}

var (
	shownStage = regexp.MustCompile(`(?s)<tr data-agency="([^"]*)" data-stage="([^"]*)".*?</tr>`)
	shownDay   = regexp.MustCompile(`(?s)<tr data-from="([^"]*)".*?</tr>`)
	shownData  = regexp.MustCompile(`<data value="(\d+)">`)
)

// shownFigures reads the three figures of a line of a table.
func shownFigures(t *testing.T, line string) api.ClearanceFigures {
	t.Helper()
	var numbers []int64
	for _, found := range shownData.FindAllStringSubmatch(line, -1) {
		number, err := strconv.ParseInt(found[1], 10, 64)
		must(t, err)
		numbers = append(numbers, number)
	}
	if len(numbers) != 3 {
		t.Fatalf("figures %v in %s", numbers, line)
	}
	return api.ClearanceFigures{Count: numbers[2], MedianMilliseconds: numbers[0], P90Milliseconds: numbers[1]}
}

// mustShow: the page has the figures that the API gives, and officials see
// their own part of them.
func (l *line) mustShow(t *testing.T, said api.ClearanceTimes, agency string) {
	t.Helper()
	var port string
	l.query(t, "port", nil, func(conn *pgx.Conn) error {
		return conn.QueryRow(t.Context(), "SELECT min(port) FROM declaration").Scan(&port)
	})
	secret, err := os.ReadFile(filepath.Join(l.folder, "key-secret"))
	must(t, err)
	ledger, err := declare.OpenLedger(t.Context(), l.database, time.Now())
	must(t, err)
	defer ledger.Close()
	accounts, err := account.Open(t.Context(), ledger, secret, newIDs(), time.Now, rand.Reader)
	must(t, err)
	for _, user := range []account.User{
		{Name: "operator", Role: account.Operator}, {Name: "agency", Role: account.Official, Agency: agency},
		{Name: "port", Role: account.Official, Port: port}, {Name: "elsewhere", Role: account.Official, Port: "ZZZZZ"},
	} {
		_, err := accounts.CreateUser(t.Context(), user, password)
		must(t, err)
	}
	address := "http://" + l.gateway.address
	operator := signedIn(t, address, "operator")
	for _, language := range []string{"en", "zh"} {
		page := operator.page(t, "/board/clearance?lang="+language)
		mustShowStages(t, page, said, func(string, string) bool { return true })
		days := shownDay.FindAllStringSubmatch(page, -1)
		trend := stageIn(said, "", clearance.StageTotal).Trend
		if len(days) != len(trend) {
			t.Fatalf("%d days, want %d", len(days), len(trend))
		}
		for i, day := range days {
			if day[1] != trend[i].From || shownFigures(t, day[0]) != trend[i].ClearanceFigures {
				t.Errorf("%s, want %+v", day[0], trend[i])
			}
		}
	}
	mustShowStages(t, signedIn(t, address, "port").page(t, "/board/clearance"), said, func(string, string) bool { return true })
	mustShowStages(t, signedIn(t, address, "elsewhere").page(t, "/board/clearance"), said, func(string, string) bool { return false })
	mustShowStages(t, signedIn(t, address, "agency").page(t, "/board/clearance"), said, func(track, stage string) bool {
		return track == agency || track == "" && stage == clearance.StageTotal
	})
	mustRefuse(t, operator, agency)
}

// mustRefuse: what an address asks for and cannot be is told, in the visitor's
// language, and no figures of something else are shown in its place. The forms
// offer what can be asked for under the names that people use.
func mustRefuse(t *testing.T, operator browser, agency string) {
	t.Helper()
	offered := regexp.MustCompile(`<option value="` + agency + `">([^<]+)</option>`).FindStringSubmatch(operator.page(t, "/board/clearance"))
	if offered == nil || offered[1] == agency {
		t.Fatalf("%s is offered as %q", agency, offered)
	}
	if page := operator.page(t, "/board/clearance?agency="+agency); !strings.Contains(page, `<option value="`+agency+`" selected>`) || !shownStage.MatchString(page) {
		t.Errorf("nothing is shown of %s", agency)
	}
	for query, told := range map[string][2]string{
		"agency=" + url.QueryEscape(offered[1]):                                    {"There is no such agency.", "没有这个机构"},
		"agency=nobody-of-that-name":                                               {"There is no such agency.", "没有这个机构"},
		"by=port&stage=review&every=week&chapter=x&from=2027-02-30&agency=%3Cb%3E": {"There is no such agency.", "没有这个机构"},
		"kind=nonsense":                    {"There is no such kind of declaration.", "没有这种申报"},
		"port=%27--":                       {"A port or office is written as its code", "口岸或关区须填写代码"},
		"chapter=x":                        {"An HS chapter is written as two digits", "税则章须填写两位数字"},
		"stage=nonsense":                   {"There is no such stage.", "没有这个环节"},
		"every=year":                       {"A trend is by day or by week.", "趋势单位只能是日或周"},
		"by=colour":                        {"There is no such comparison.", "没有这种对比"},
		"from=2026-03-02&to=2026-03-01":    {"This is not a period", "时段有误"},
		"from=2027-02-30&agency=" + agency: {"This is not a period", "时段有误"},
	} {
		for i, language := range []string{"en", "zh"} {
			response, err := operator.client.Get(operator.address + "/board/clearance?" + query + "&lang=" + language)
			must(t, err)
			status, page := bodyOf(t, response)
			if status != http.StatusBadRequest || !strings.Contains(page, `<p class="fault" role="alert">`+told[i]) || strings.Contains(page, "<data ") || strings.Contains(page, "<b>") {
				t.Errorf("%s in %s: %d %s", query, language, status, page)
			}
		}
	}
}

// mustShowStages: the page has exactly the stages that may be seen.
func mustShowStages(t *testing.T, page string, said api.ClearanceTimes, seen func(agency, stage string) bool) {
	t.Helper()
	shown := map[stageOf]api.ClearanceFigures{}
	for _, found := range shownStage.FindAllStringSubmatch(page, -1) {
		shown[stageOf{found[1], found[2]}] = shownFigures(t, found[0])
	}
	want := map[stageOf]api.ClearanceFigures{}
	for _, s := range said.Stages {
		if seen(s.Agency, s.Stage) {
			want[stageOf{s.Agency, s.Stage}] = s.ClearanceFigures
		}
	}
	if !maps.Equal(shown, want) {
		t.Errorf("shown is %v, want %v", shown, want)
	}
}

// mustComeAgain forgets all spans and has two processes make them again from
// the events.
func (l *line) mustComeAgain(t *testing.T) {
	t.Helper()
	const all = "SELECT md5(string_agg(s::text, '|' ORDER BY s::text)) FROM clearance_span s"
	sum := func() (sum string) {
		l.query(t, all, nil, func(conn *pgx.Conn) error {
			var found *string
			err := conn.QueryRow(t.Context(), all).Scan(&found)
			if found != nil {
				sum = *found
			}
			return err
		})
		return sum
	}
	l.gateway.stop(t)
	before := sum()
	execute(t, l.database, "TRUNCATE clearance_span")
	execute(t, l.database, "UPDATE clearance_cursor SET xid = '0', position = 0")
	ledger, err := declare.OpenLedger(t.Context(), l.database, time.Now())
	must(t, err)
	defer ledger.Close()
	ctx, stop := context.WithCancel(t.Context())
	var both sync.WaitGroup
	for range 2 {
		c, err := clearance.Open(ctx, ledger, time.Now, 10*time.Millisecond, quiet(t))
		must(t, err)
		both.Go(func() { c.Run(ctx) })
	}
	defer both.Wait()
	defer stop()
	if before == "" {
		t.Error("there were no spans")
	}
	eventually(t, 20*time.Second, "the spans are as they were", func() bool { return sum() == before })
}

func TestClearanceStatementsPrepareUnderTheApplicationRole(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	_, err := clearance.Open(t.Context(), ledger, time.Now, time.Hour, quiet(t))
	must(t, err)
	names, err := fs.Glob(clearance.Statements, "sql/*.sql")
	must(t, err)
	if len(names) < 8 {
		t.Fatalf("only %d statements found", len(names))
	}
	must(t, ledger.Patient(time.Minute).Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		for i, name := range names {
			text, err := fs.ReadFile(clearance.Statements, name)
			if err != nil {
				return err
			}
			if _, err := tx.Prepare(t.Context(), fmt.Sprintf("c%d", i), string(text)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}))
}

// TestClearancePageOfManyDeclarations measures the page over 200,000
// declarations, six spans each, within one month.
func TestClearancePageOfManyDeclarations(t *testing.T) {
	onlyLong(t)
	ledger, at := newLedger(t)
	c, err := clearance.Open(t.Context(), ledger, time.Now, time.Hour, quiet(t))
	must(t, err)
	accounts, err := account.Open(t.Context(), ledger, accountSecret, newIDs(), time.Now, rand.Reader)
	must(t, err)
	_, err = accounts.CreateUser(t.Context(), account.User{Name: "operator", Role: account.Operator}, password)
	must(t, err)
	filling, err := os.ReadFile("testdata/clearance.sql")
	must(t, err)
	conn, err := pgx.Connect(t.Context(), at)
	must(t, err)
	_, err = conn.Exec(t.Context(), string(filling))
	must(t, err)
	must(t, conn.Close(t.Context()))
	window := httptest.NewServer(board.New(board.Options{Accounts: accounts, Clearance: c, IDs: newIDs(), Now: time.Now, Log: quiet(t), Zone: time.UTC}))
	t.Cleanup(window.Close)
	operator := signedIn(t, window.URL, "operator")
	for _, query := range []string{"", "agency=one", "port=P7", "chapter=09", "by=chapter", "every=week"} {
		var took []time.Duration
		for range 5 {
			begun := time.Now()
			operator.page(t, "/board/clearance?"+query)
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		number(t, "clearance times of 200,000 declarations, page "+cmp.Or(query, "without filter"), took[len(took)/2].Round(time.Millisecond), "-")
	}
}
