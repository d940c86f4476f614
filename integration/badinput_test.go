package integration

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/declare"
)

// badInput is testdata/badinput.yaml, which says what its fields mean.
type badInput struct {
	Declarations []badDeclaration
	Notices      []badNotice
}

// Told is what must be answered. Exported for the sake of the YAML reader.
type Told struct {
	Status  int
	Code    string
	Exactly bool
	Errors  []struct {
		Code    string
		Pointer *string
		Agency  string
	}
	Secret string
}

type badDeclaration struct {
	Told    `yaml:",inline"`
	Name    string
	Body    string
	Latin1  string
	Nest    int
	Values  int
	Of      string
	Set     map[string]any
	Remove  []string
	Items   int
	Replace map[string]string
	Endless bool // the § that was put in is a long text
	Pad     int
	Media   string
	Bearer  string
	Key     *string
}

type badNotice struct {
	Told    `yaml:",inline"`
	Name    string
	Text    *string
	Of      string
	Before  string
	Inside  string
	Word    map[string]any // the text of the element that bears the word
	Pad     int
	Media   string
	Bearer  string
	To      string
	Located bool // each error says where in the XML, and in which line
	Kept    string
}

// TestBadInput sends the gateway's process everything a client or an agency
// can get wrong. Nothing of it may be on file afterwards, except notices,
// which are kept whatever they are.
func TestBadInput(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/badinput.yaml")
	must(t, err)
	var all badInput
	must(t, yaml.UnmarshalWithOptions(content, &all, yaml.Strict()))
	names, err := adapters.Names(adapters.Embedded())
	must(t, err)
	l := newLine(t, lineOptions{unopened: names})
	for _, bad := range all.Declarations {
		t.Run("declaration/"+bad.Name, func(t *testing.T) { l.mustRefuse(t, bad) })
	}
	for _, agency := range slices.Sorted(maps.Keys(l.offices)) {
		for _, bad := range all.Notices {
			t.Run("notice/"+agency+"/"+bad.Name, func(t *testing.T) { l.mustAnswer(t, agency, bad) })
		}
	}
	t.Run("foreign", l.foreignIsLikeMissing)
	t.Run("unmatched", l.unmatchedBecomesATask)
	t.Run("other agency's message", l.agencySpeaksForItself)
	t.Run("matched later", l.noticeBeforeItsMessage)
	l.gateway.mustRun(t)
}

// onFile counts everything a declaration leaves behind.
func (l *line) onFile(t *testing.T) (rows [9]int) {
	t.Helper()
	l.query(t, "rows", nil, func(conn *pgx.Conn) error {
		var all []int
		err := conn.QueryRow(t.Context(), `SELECT ARRAY[(SELECT count(*) FROM declaration), (SELECT count(*) FROM declaration_body), (SELECT count(*) FROM filing),
			(SELECT count(*) FROM message), (SELECT count(*) FROM message_body), (SELECT count(*) FROM event),
			(SELECT count(*) FROM reference), (SELECT count(*) FROM idempotency), (SELECT count(*) FROM search_key)]`).Scan(&all)
		copy(rows[:], all)
		return err
	})
	return rows
}

func (l *line) mustRefuse(t *testing.T, bad badDeclaration) {
	before := l.onFile(t)
	bearer := l.keys[acme]
	switch bad.Bearer {
	case "none":
		bearer = ""
	case "wrong":
		bearer = bearer[:len(bearer)-2] + map[bool]string{true: "00", false: "11"}[!strings.HasSuffix(bearer, "00")]
	case "ended":
		bearer = l.endedKey(t)
	case "agency":
		bearer = l.offices[slices.Sorted(maps.Keys(l.offices))[0]].credential
	}
	headers := []string{"Content-Type", "application/json", "Idempotency-Key", "bad"}
	if bad.Media != "" {
		headers[1] = bad.Media
	}
	if bad.Key != nil {
		headers[3] = *bad.Key
	}
	bad.hold(t, l.ask(t, bearer, http.MethodPost, "/v1/declarations", bad.text(t), headers...))
	if after := l.onFile(t); after != before {
		t.Errorf("rows on file before: %v; after: %v", before, after)
	}
	if alive := l.ask(t, "", http.MethodGet, "/readyz", nil); alive.status != http.StatusOK {
		t.Errorf("the gateway is not ready any more: %d", alive.status)
	}
}

// endedKey is the other enterprise's key, which held until now.
func (l *line) endedKey(t *testing.T) string {
	t.Helper()
	key := l.keys[bolt]
	execute(t, l.database, "UPDATE api_key SET expires_at = now() WHERE tenant_id = $1", bolt)
	t.Cleanup(func() { execute(t, l.database, "UPDATE api_key SET expires_at = NULL WHERE tenant_id = $1", bolt) })
	return key
}

// text builds the body.
func (bad badDeclaration) text(t *testing.T) []byte {
	t.Helper()
	switch {
	case bad.Nest > 0:
		return []byte(strings.Repeat(`{"a":`, bad.Nest) + "1" + strings.Repeat("}", bad.Nest))
	case bad.Values > 0:
		return []byte(`{"kind":[0` + strings.Repeat(",0", bad.Values-1) + "]}")
	case bad.Latin1 != "":
		var body []byte
		for _, r := range bad.Latin1 {
			body = append(body, byte(r))
		}
		return body
	case bad.Of == "":
		return []byte(bad.Body)
	}
	tree := treeOf(t, sampleNamed(t, bad.Of).as(t, "BAD"))
	for _, pointer := range bad.Remove {
		change(t, tree, pointer, nil, true)
	}
	for _, pointer := range slices.Sorted(maps.Keys(bad.Set)) {
		change(t, tree, pointer, long(bad.Set[pointer]), false)
	}
	if bad.Items > 0 {
		shipment := tree["goodsShipment"].(map[string]any)
		first := shipment["governmentAgencyGoodsItems"].([]any)[0]
		shipment["governmentAgencyGoodsItems"] = slices.Repeat([]any{first}, bad.Items)
	}
	body, err := json.Marshal(tree)
	must(t, err)
	for from, to := range bad.Replace {
		if !bytes.Contains(body, []byte(from)) {
			t.Fatalf("the sample has no %s", from)
		}
		body = bytes.ReplaceAll(body, []byte(from), []byte(to))
	}
	if bad.Endless {
		body = bytes.ReplaceAll(body, []byte("§"), bytes.Repeat([]byte("k"), 100_000))
	}
	return append(body, bytes.Repeat([]byte(" "), bad.Pad)...)
}

// long makes the text that {repeat, times} stands for.
func long(value any) any {
	if wish, ok := value.(map[string]any); ok && wish["repeat"] != nil {
		return strings.Repeat(wish["repeat"].(string), int(wish["times"].(uint64)))
	}
	return value
}

// change sets or removes what an RFC 6901 pointer names.
func change(t *testing.T, tree any, pointer string, value any, remove bool) {
	t.Helper()
	steps := strings.Split(pointer, "/")[1:]
	for i, step := range steps {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		last := i == len(steps)-1
		switch parent := tree.(type) {
		case map[string]any:
			switch {
			case last && remove:
				delete(parent, step)
			case last:
				parent[step] = value
			}
			tree = parent[step]
		case []any:
			at, err := strconv.Atoi(step)
			must(t, err)
			if last {
				parent[at] = value
			}
			tree = parent[at]
		default:
			t.Fatalf("nothing stands at %s", pointer)
		}
	}
}

// hold holds an answer against what must be told.
func (want Told) hold(t *testing.T, given answer) {
	t.Helper()
	if want.Secret != "" && bytes.Contains(given.body, []byte(want.Secret)) {
		t.Errorf("what was sent is repeated: %.300s", given.body)
	}
	if want.Status == http.StatusNoContent {
		if given.status != want.Status || len(given.body) > 0 {
			t.Errorf("%d %.500s", given.status, given.body)
		}
		return
	}
	problem := refused(t, "answer", given, want.Status, want.Code)
	for _, wanted := range want.Errors {
		if !slices.ContainsFunc(problem.Errors, func(e api.Complaint) bool {
			return (wanted.Code == "" || e.Code == wanted.Code) && (wanted.Pointer == nil || e.Pointer == *wanted.Pointer) && e.Agency == wanted.Agency && e.Message != ""
		}) {
			t.Errorf("no error %+v in %.1000s", wanted, given.body)
		}
	}
	if want.Exactly && len(problem.Errors) != len(want.Errors) {
		t.Errorf("%d errors, want %d: %.1000s", len(problem.Errors), len(want.Errors), given.body)
	}
}

func (l *line) mustAnswer(t *testing.T, agency string, bad badNotice) {
	names := slices.Sorted(maps.Keys(l.offices))
	another := names[(slices.Index(names, agency)+1)%len(names)]
	bearer, to, media := l.offices[agency].credential, agency, "application/xml"
	switch bad.Bearer {
	case "none":
		bearer = ""
	case "wrong":
		bearer = "swa_wrong"
	case "tenant":
		bearer = l.keys[acme]
	case "another":
		bearer = l.offices[another].credential
	}
	if bad.To != "" {
		to = map[string]string{"another": another, "nobody": "nobody"}[bad.To]
	}
	if bad.Media != "" {
		media = bad.Media
	}
	before, declared := l.noticesOnFile(t), l.onFile(t)
	given := l.ask(t, bearer, http.MethodPost, "/v1/agencies/"+to+"/notices", bad.text(t, l, agency, another), "Content-Type", media)
	bad.hold(t, given)
	if bad.Located {
		for _, e := range decoded[api.Problem](t, given).Errors {
			if e.XMLPath == "" || e.Line == 0 {
				t.Errorf("an error without a place: %+v", e)
			}
		}
	}
	if bad.Kept != "" {
		before[bad.Kept]++
	}
	if after := l.noticesOnFile(t); !maps.Equal(before, after) {
		t.Errorf("notices on file: %v, want %v", after, before)
	}
	if after := l.onFile(t); after != declared {
		t.Errorf("rows on file before: %v; after: %v", declared, after)
	}
}

// noticesOnFile counts notices by state; an unreadable one has its task.
func (l *line) noticesOnFile(t *testing.T) map[string]int {
	t.Helper()
	states := map[string]int{}
	var tasks int
	l.query(t, "notices", nil, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM task WHERE kind = 'unreadable'").Scan(&tasks); err != nil {
			return err
		}
		rows, err := conn.Query(t.Context(), "SELECT state, count(*) FROM notice GROUP BY state")
		if err != nil {
			return err
		}
		var state string
		var count int
		_, err = pgx.ForEachRow(rows, []any{&state, &count}, func() error {
			states[state] = count
			return nil
		})
		return err
	})
	if tasks != states["unreadable"] {
		t.Errorf("%d tasks about %d unreadable notices", tasks, states["unreadable"])
	}
	return states
}

// text builds the body. What the agencies' samples have in common is only that
// they are XML.
func (bad badNotice) text(t *testing.T, l *line, agency, another string) []byte {
	t.Helper()
	if bad.Text != nil {
		return []byte(*bad.Text)
	}
	from := agency
	if bad.Of == "another" {
		from = another
	}
	notice := sampleNotice(t, from)
	if bad.Word != nil {
		reading, err := l.offices[from].agency.Read(notice)
		must(t, err)
		word := []byte(">" + reading.Word + "</")
		if bytes.Count(notice, word) != 1 {
			t.Fatalf("the word does not stand once in %s", notice)
		}
		notice = bytes.Replace(notice, word, []byte(">"+long(bad.Word).(string)+"</"), 1)
	}
	root := bytes.Index(notice, []byte("?>")) + 2
	notice = slices.Concat(notice[:root], []byte(bad.Before), notice[root:])
	end := bytes.LastIndex(notice, []byte("</"))
	return slices.Concat(notice[:end], []byte(bad.Inside), bytes.Repeat([]byte(" "), bad.Pad), notice[end:])
}

// foreignIsLikeMissing: another enterprise's declaration and one that there is
// not are answered byte for byte alike, but for the request's own id.
func (l *line) foreignIsLikeMissing(t *testing.T) {
	from, agencies := l.widest(t)
	own := l.file(t, acme, from, "FOREIGN-1")
	missing := own.ID[:len(own.ID)-4] + "ZZZZ"
	for _, tail := range []string{"", "/events", "/messages/" + agencies[0]} {
		if mine := l.ask(t, l.keys[acme], http.MethodGet, "/v1/declarations/"+own.ID+tail, nil); mine.status != http.StatusOK {
			t.Errorf("%s: %d %s", tail, mine.status, mine.body)
		}
		var answers []string
		for _, id := range []string{own.ID, missing} {
			given := l.ask(t, l.keys[bolt], http.MethodGet, "/v1/declarations/"+id+tail, nil)
			refused(t, id+tail, given, http.StatusNotFound, "resource.missing")
			requestID := given.header.Get("X-Request-Id")
			given.header.Del("X-Request-Id")
			given.body = bytes.ReplaceAll(given.body, []byte(requestID), nil)
			answers = append(answers, told(given))
		}
		if answers[0] != answers[1] {
			t.Errorf("another's and a missing one are told apart:\n%s\n%s", answers[0], answers[1])
		}
	}
	found := l.ask(t, l.keys[bolt], http.MethodGet, "/v1/declarations?reference=FOREIGN-1", nil)
	if strings.Contains(string(found.body), own.ID) {
		t.Errorf("another enterprise finds %s", found.body)
	}
	// The reference is taken for acme only.
	l.file(t, bolt, from, "FOREIGN-1")
}

// unmatchedBecomesATask: the notices about messages nobody sent, which wait
// since the table was worked off, are put before an officer after a minute.
func (l *line) unmatchedBecomesATask(t *testing.T) {
	waiting := l.count(t, "SELECT count(*) FROM notice WHERE state = 'unmatched'")
	if waiting != len(l.offices) {
		t.Fatalf("%d notices wait", waiting)
	}
	if early := l.count(t, "SELECT count(*) FROM task WHERE kind = 'unmatched' AND opened_at < (SELECT min(received_at) + interval '1 minute' FROM notice WHERE state = 'unmatched')"); early != 0 {
		t.Errorf("%d tasks came early", early)
	}
	execute(t, l.database, "UPDATE notice SET received_at = received_at - interval '1 minute' WHERE state = 'unmatched'")
	eventually(t, 10*time.Second, "each has its task", func() bool {
		return l.count(t, "SELECT count(*) FROM task WHERE kind = 'unmatched'") == waiting
	})
}

// agencySpeaksForItself: a notice that names another agency's message is kept
// and changes nothing there.
func (l *line) agencySpeaksForItself(t *testing.T) {
	from, agencies := l.widest(t)
	own := l.file(t, acme, from, "SPEAKS-1")
	speaker, victim := agencies[0], filingAt(t, own, agencies[1])
	office := l.offices[speaker]
	now := time.Now()
	for _, step := range office.agency.Script().Words["default"][1:] {
		body, err := office.agency.Script().Fill(step, adapters.Effect{DeliveryID: victim.MessageID, Reference: own.Reference, At: now, Serial: 1}, now)
		must(t, err)
		if given := l.hand(t, speaker, body); given.status != http.StatusNoContent {
			t.Errorf("%d %s", given.status, given.body)
		}
	}
	status := l.status(t, acme, own.ID)
	for _, filing := range status.Filings {
		if filing.Decision != declare.DecisionNone {
			t.Errorf("%s stands at %s because %s spoke for it", filing.Agency, filing.Decision, speaker)
		}
	}
}

func (l *line) hand(t *testing.T, agency string, body []byte) answer {
	t.Helper()
	return l.ask(t, l.offices[agency].credential, http.MethodPost, "/v1/agencies/"+agency+"/notices", body, "Content-Type", "application/xml")
}

// noticeBeforeItsMessage: a notice that names a message we do not know and a
// number the agency has not given yet is matched once its answer gives that
// number.
func (l *line) noticeBeforeItsMessage(t *testing.T) {
	from, agencies := l.widest(t)
	for _, agency := range agencies {
		// The ledger of an earlier day decides which number comes next.
		const serial = 900_000_000
		now := time.Now()
		next := adapters.Effect{DeliveryID: newIDs().New("msg"), Reference: "EARLIER-1.silent", Digest: strings.Repeat("0", 64), At: now, Serial: serial + 1}
		step, found := l.stepByNumber(t, agency, next)
		if !found {
			continue
		}
		earlier, err := json.Marshal(adapters.Effect{DeliveryID: newIDs().New("msg"), Reference: "EARLIER-0.silent", Digest: next.Digest, At: now, Serial: serial})
		must(t, err)
		must(t, os.WriteFile(l.offices[agency].ledger, append(earlier, '\n'), 0o600))
		body, err := l.offices[agency].agency.Script().Fill(step, next, now)
		must(t, err)
		if given := l.hand(t, agency, body); given.status != http.StatusNoContent {
			t.Fatalf("%d %s", given.status, given.body)
		}
		execute(t, l.database, "UPDATE message SET next_at = now() + interval '1 day' WHERE agency = $1 AND delivery = 'queued'", agency)
		l.openOffice(t, agency)
		own := l.file(t, acme, from, "LATER-1.silent")
		want, err := l.offices[agency].agency.Read(body)
		must(t, err)
		eventually(t, 30*time.Second, "the notice is matched by its number", func() bool {
			return filingAt(t, l.status(t, acme, own.ID), agency).Word == want.Word
		})
		var state, declaration string
		l.query(t, "the notice", nil, func(conn *pgx.Conn) error {
			return conn.QueryRow(t.Context(), "SELECT state, declaration_id FROM notice WHERE agency = $1 AND body = $2", agency, body).Scan(&state, &declaration)
		})
		if state != "applied" || declaration != own.ID {
			t.Errorf("the notice is %s to %q, want %s", state, declaration, own.ID)
		}
		return
	}
	t.Fatal("no agency's notices carry a number that its answer gives")
}

// stepByNumber finds a notice of the default chain that carries a number which
// the answer gives too, and that ranks above the answer.
func (l *line) stepByNumber(t *testing.T, agency string, effect adapters.Effect) (adapters.Step, bool) {
	t.Helper()
	a := l.offices[agency].agency
	read := func(step adapters.Step) declare.Reading {
		body, err := a.Script().Fill(step, effect, effect.At)
		must(t, err)
		reading, err := a.Read(body)
		must(t, err)
		return reading
	}
	chain := a.Script().Words["default"]
	given := read(chain[0]).Numbers
	for _, step := range chain[1:] {
		for name, value := range read(step).Numbers {
			if given[name] == value {
				return step, true
			}
		}
	}
	return adapters.Step{}, false
}
