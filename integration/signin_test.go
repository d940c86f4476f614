package integration

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/api/board"
	"singlewindow/declare"
	"singlewindow/declare/account"
)

const (
	goodPassword = "correct horse battery"
	lockOut      = 15 * time.Minute
)

// A window is the officials' pages on a database, as one gateway serves them.
type window struct {
	*httptest.Server
	accounts *account.Accounts
}

func openWindow(t testing.TB, accounts *account.Accounts) *window {
	t.Helper()
	w := &window{accounts: accounts}
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")} // whence the tests ask, as a proxy would
	w.Server = httptest.NewServer(api.BehindProxy(here, board.New(board.Options{Accounts: accounts, IDs: newIDs(), Log: slog.New(slog.DiscardHandler), Now: time.Now, Zone: time.UTC})))
	t.Cleanup(w.Close)
	return w
}

func createUser(t testing.TB, accounts *account.Accounts, user account.User) account.User {
	t.Helper()
	made, err := accounts.CreateUser(t.Context(), user, goodPassword)
	must(t, err)
	return made
}

// A browser keeps cookies and follows.
func newBrowser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &http.Client{Jar: jar, Timeout: 20 * time.Second}
}

type seen struct {
	status int
	path   string // where it ended
	body   string
	header http.Header
}

func peek(t testing.TB, browser *http.Client, request *http.Request) seen {
	t.Helper()
	response, err := browser.Do(request)
	must(t, err)
	content, err := io.ReadAll(response.Body)
	must(t, errors.Join(err, response.Body.Close()))
	return seen{response.StatusCode, response.Request.URL.RequestURI(), string(content), response.Header}
}

func (w *window) open(t testing.TB, browser *http.Client, path string) seen {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+path, nil)
	must(t, err)
	return peek(t, browser, request)
}

// send posts a form; headers are names and values in turn.
func (w *window) send(t testing.TB, browser *http.Client, path string, form url.Values, headers ...string) seen {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+path, strings.NewReader(form.Encode()))
	must(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return peek(t, browser, request)
}

func (w *window) signIn(t testing.TB, browser *http.Client, name, password string) seen {
	t.Helper()
	return w.send(t, browser, "/board/sign-in", url.Values{"name": {name}, "password": {password}, "next": {noPage}})
}

// sessionOf is the token that a browser holds, "" when none.
func (w *window) sessionOf(t testing.TB, browser *http.Client) string {
	t.Helper()
	address, err := url.Parse(w.URL)
	must(t, err)
	for _, cookie := range browser.Jar.Cookies(address) {
		if cookie.Name == "singlewindow-session" {
			return cookie.Value
		}
	}
	return ""
}

// noPage is a page that is missing: nothing but the frame.
const noPage = "/board/nowhere"

// mustBeIn and mustBeOut tell a signed-in visitor from a stranger.
func (w *window) mustBeIn(t testing.TB, browser *http.Client, name string) seen {
	t.Helper()
	page := w.open(t, browser, noPage)
	if page.status != http.StatusNotFound || page.path != noPage || !strings.Contains(page.body, "<strong>"+name+"</strong>") {
		t.Fatalf("%s is not signed in: %d %s", name, page.status, page.path)
	}
	return page
}

func (w *window) mustBeOut(t testing.TB, browser *http.Client) {
	t.Helper()
	if page := w.open(t, browser, "/board/"); page.path != "/board/sign-in?next=%2Fboard%2F" || !strings.Contains(page.body, `name="password"`) {
		t.Fatalf("not asked to sign in: %d %s", page.status, page.path)
	}
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	accounts, _, _, address := newAccounts(t)
	w, browser := openWindow(t, accounts), newBrowser(t)
	createUser(t, accounts, account.User{Name: "Wang.Li", Role: account.Operator})
	root, err := url.Parse(w.URL)
	must(t, err)
	browser.Jar.SetCookies(root, []*http.Cookie{{Name: "singlewindow-session", Value: "planted", Path: "/"}})
	w.mustBeOut(t, browser)

	page := w.signIn(t, browser, "wang.li", "wrong password!")
	if page.status != http.StatusUnauthorized || !strings.Contains(page.body, "Name or password is wrong.") || !strings.Contains(page.body, `value="wang.li"`) || strings.Contains(page.body, "wrong password!") {
		t.Errorf("a wrong password: %d %s", page.status, page.body)
	}
	page = w.send(t, browser, "/board/sign-in", url.Values{"name": {" WANG.LI"}, "password": {goodPassword}, "next": {noPage + "?state=held"}})
	if page.path != noPage+"?state=held" || !strings.Contains(page.body, "<strong>wang.li</strong>") {
		t.Fatalf("the right one: %d %s", page.status, page.path)
	}
	token := w.sessionOf(t, browser)
	if token == "planted" || len(token) < 40 {
		t.Fatalf("the session's token is not new: %d characters", len(token))
	}
	mustNotKeep(t, address, token)
	if page := w.open(t, browser, "/board/sign-in?next=%2Fboard%2Fnowhere"); page.path != noPage {
		t.Errorf("who is signed in is asked again: %s", page.path)
	}

	if page := w.send(t, browser, "/board/sign-out", nil); page.path != "/board/sign-in" || w.sessionOf(t, browser) != "" {
		t.Errorf("sign-out: %d %s", page.status, page.path)
	}
	w.mustBeOut(t, browser)
	browser.Jar.SetCookies(root, []*http.Cookie{{Name: "singlewindow-session", Value: token, Path: "/"}})
	w.mustBeOut(t, browser)
}

// mustNotKeep: whoever reads the table cannot use what stands there.
func mustNotKeep(t testing.TB, address, token string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	rows, err := conn.Query(t.Context(), "SELECT token_hash || content FROM app_session")
	must(t, err)
	kept, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	must(t, err)
	if len(kept) != 1 || bytes.Contains(kept[0], []byte(token)) {
		t.Errorf("%d sessions, or a token in clear", len(kept))
	}
}

func TestWithoutCookies(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	w := openWindow(t, accounts)
	createUser(t, accounts, account.User{Name: "auditor", Role: account.Auditor})
	for language, hint := range map[string]string{"en": "Allow cookies", "zh": "请允许本站使用 Cookie"} {
		page := w.send(t, &http.Client{}, "/board/sign-in", url.Values{"name": {"auditor"}, "password": {goodPassword}}, "Accept-Language", language)
		if page.status != http.StatusOK || !strings.Contains(page.body, hint) {
			t.Errorf("%s: %d %s", language, page.status, page.path)
		}
	}
}

// A form from elsewhere signs nobody in or out.
func TestForeignForms(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	w, browser := openWindow(t, accounts), newBrowser(t)
	createUser(t, accounts, account.User{Name: "operator", Role: account.Operator})
	form := url.Values{"name": {"operator"}, "password": {goodPassword}, "next": {noPage}}
	for _, headers := range [][]string{{"Origin", "https://elsewhere.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site", "Origin", w.URL}} {
		page := w.send(t, browser, "/board/sign-in", form, headers...)
		if page.status != http.StatusForbidden || !strings.Contains(page.body, "This form was sent from another site.") || w.sessionOf(t, browser) != "" {
			t.Errorf("%v: %d", headers, page.status)
		}
	}
	if page := w.send(t, browser, "/board/sign-in", form, "Sec-Fetch-Site", "same-origin", "Origin", w.URL); page.path != noPage {
		t.Errorf("our own form: %d", page.status)
	}
	w.send(t, browser, "/board/sign-out", nil, "Sec-Fetch-Site", "cross-site")
	w.mustBeIn(t, browser, "operator")
}

// Who is signed in stays so over a restart of the gateway, and at every other
// gateway of the database, until the session has been idle.
func TestASessionIsEveryGateways(t *testing.T) {
	t.Parallel()
	accounts, ledger, clock, _ := newAccounts(t)
	first, browser := openWindow(t, accounts), newBrowser(t)
	createUser(t, accounts, account.User{Name: "operator", Role: account.Operator})
	first.signIn(t, browser, "operator", goodPassword)
	first.Close()
	second := openWindow(t, openAccounts(t, ledger, accountSecret, clock.now))
	second.mustBeIn(t, browser, "operator") // cookies know no ports
	clock.pass(29 * time.Minute)
	second.mustBeIn(t, browser, "operator")
	clock.pass(2 * time.Minute)
	second.mustBeOut(t, browser)
}

func TestSessionsEndWithTheUser(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	w := openWindow(t, accounts)
	for name, end := range map[string]func(string) error{
		"disabled": func(name string) error { return accounts.DisableUser(t.Context(), name) },
		"renewed":  func(name string) error { return accounts.SetPassword(t.Context(), name, "another good password") },
	} {
		browser := newBrowser(t)
		createUser(t, accounts, account.User{Name: name, Role: account.Auditor})
		w.signIn(t, browser, name, goodPassword)
		w.mustBeIn(t, browser, name)
		must(t, end(name))
		w.mustBeOut(t, browser)
		if page := w.signIn(t, browser, name, goodPassword); page.status != http.StatusUnauthorized {
			t.Errorf("%s signs in: %d", name, page.status)
		}
	}
	if err := accounts.DisableUser(t.Context(), "nobody"); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("disabling nobody: %v", err)
	}
	if err := accounts.SetPassword(t.Context(), "nobody", goodPassword); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a password for nobody: %v", err)
	}
}

// A request that was under way when its session ended does not bring it back.
func TestAnEndedSessionStaysEnded(t *testing.T) {
	t.Parallel()
	accounts, _, clock, _ := newAccounts(t)
	sessions, expires := accounts.Sessions(), clock.now().Add(time.Hour)
	must(t, sessions.CommitCtx(t.Context(), "token", []byte("who"), expires))
	content, found, err := sessions.FindCtx(t.Context(), "token")
	if string(content) != "who" || !found || err != nil {
		t.Fatalf("%q %v %v", content, found, err)
	}
	must(t, sessions.DeleteCtx(t.Context(), "token"))
	must(t, sessions.CommitCtx(t.Context(), "token", []byte("who"), expires.Add(time.Hour)))
	if _, found, err := sessions.FindCtx(t.Context(), "token"); found || err != nil {
		t.Errorf("it is back: %v", err)
	}
}

// Each role's frame, in both languages. What a role may not open is answered
// like what does not exist.
func TestRoles(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	w := openWindow(t, accounts)
	for _, c := range []struct {
		user   account.User
		en, zh string
		scope  declare.Scope
	}{
		{account.User{Name: "agency", Role: account.Official, Agency: "harbour"}, "official of harbour", "harbour 官员", declare.AgencyScope("harbour")},
		{account.User{Name: "port", Role: account.Official, Port: "XXABC"}, "official at port XXABC", "口岸 XXABC 官员", declare.PortScope("XXABC")},
		{account.User{Name: "operator", Role: account.Operator}, "operator", "运维人员", declare.SystemScope},
		{account.User{Name: "auditor", Role: account.Auditor}, "auditor", "审计人员", declare.SystemScope},
	} {
		browser := newBrowser(t)
		if made := createUser(t, accounts, c.user); made.Scope() != c.scope {
			t.Errorf("%s sees %+v", c.user.Name, made.Scope())
		}
		w.signIn(t, browser, c.user.Name, goodPassword)
		if page := w.mustBeIn(t, browser, c.user.Name); !strings.Contains(page.body, "<span>"+c.en+"</span>") {
			t.Errorf("%s: %s", c.user.Name, page.body)
		}
		if page := w.open(t, browser, noPage+"?lang=zh"); !strings.Contains(page.body, "<span>"+c.zh+"</span>") || !strings.Contains(page.body, "退出") {
			t.Errorf("%s in Chinese: %s", c.user.Name, page.body)
		}
		if c.user.Port == "" {
			continue
		}
		refused, missing := w.open(t, browser, "/board/tasks"), w.open(t, browser, noPage)
		if refused.status != http.StatusNotFound || withoutMenu(refused.body) != withoutMenu(missing.body) || strings.Contains(missing.body, `href="/board/tasks"`) {
			t.Errorf("%s is told of what it may not see: %d", c.user.Name, refused.status)
		}
	}
	if (account.User{}).Scope() != declare.AgencyScope("") {
		t.Error("nobody sees something")
	}
}

// withoutMenu leaves the part of a page that is about the page.
func withoutMenu(page string) string { return page[strings.Index(page, "<main"):] }

// An unknown name, a wrong password and a disabled user are answered alike,
// and after the same work.
func TestSignInTellsNoNames(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	w := openWindow(t, accounts)
	createUser(t, accounts, account.User{Name: "known", Role: account.Operator})
	createUser(t, accounts, account.User{Name: "gone", Role: account.Operator})
	must(t, accounts.DisableUser(t.Context(), "gone"))
	body := func(name, password string) string {
		page := w.signIn(t, &http.Client{}, name, password)
		if page.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, page.status)
		}
		return strings.ReplaceAll(page.body, name, "")
	}
	wrong := body("known", "wrong password!")
	if body("stranger", "wrong password!") != wrong || body("gone", goodPassword) != wrong {
		t.Error("the answers differ")
	}
	quickest := func(name string) time.Duration {
		var took []time.Duration
		for range 4 {
			begun := time.Now()
			if _, err := accounts.SignIn(t.Context(), name, "wrong password!"); !errors.Is(err, account.ErrUnknown) {
				t.Fatal(err)
			}
			took = append(took, time.Since(begun))
		}
		return slices.Min(took)
	}
	// Other tests run beside this one: the quickest of some is the least disturbed.
	if known, unknown := quickest("known"), quickest("stranger"); unknown*3 < known || known*3 < unknown {
		t.Errorf("refused after %v when known, %v when unknown", known, unknown)
	}
}

// After ten attempts a name is locked for a while, also when they come at
// once, also at another gateway, and also a name that nobody has.
func TestLockOut(t *testing.T) {
	t.Parallel()
	accounts, ledger, clock, _ := newAccounts(t)
	other := openAccounts(t, ledger, accountSecret, clock.now)
	createUser(t, accounts, account.User{Name: "known", Role: account.Operator})
	for _, name := range []string{"known", "stranger"} {
		answers := make(chan error, 12)
		var all sync.WaitGroup
		for i := range cap(answers) {
			at := []*account.Accounts{accounts, other}[i%2]
			all.Go(func() {
				_, err := at.SignIn(t.Context(), name, "wrong password!")
				for errors.Is(err, declare.ErrUnavailable) { // no place to hash in: not judged, not counted
					_, err = at.SignIn(t.Context(), name, "wrong password!")
				}
				answers <- err
			})
		}
		all.Wait()
		close(answers)
		wrong, locked := 0, 0
		for err := range answers {
			switch {
			case errors.Is(err, account.ErrUnknown):
				wrong++
			case errors.Is(err, account.ErrLocked):
				locked++
			default:
				t.Errorf("%s: %v", name, err)
			}
		}
		if wrong != 10 || locked != 2 {
			t.Errorf("%s: %d attempts were judged, %d refused", name, wrong, locked)
		}
	}
	w := openWindow(t, accounts)
	if page := w.signIn(t, newBrowser(t), "KNOWN", goodPassword); page.status != http.StatusTooManyRequests || !strings.Contains(page.body, "Too many wrong passwords for this name.") {
		t.Errorf("a locked name: %d %s", page.status, page.body)
	}
	clock.pass(lockOut)
	if page := w.signIn(t, newBrowser(t), "known", goodPassword); page.path != noPage {
		t.Errorf("after the pause: %d %s", page.status, page.path)
	}
}

// One address can only try so often, whatever the names.
func TestAttemptsFromOneAddress(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	w := openWindow(t, accounts)
	const refused = "Too many attempts from your address."
	try := func(address string) seen {
		return w.send(t, &http.Client{}, "/board/sign-in", url.Values{"name": {"x"}, "password": {"x"}}, "X-Forwarded-For", address)
	}
	page := try("192.0.2.1")
	for range 60 { // the count slides: one more minute's worth is enough
		if page = try("192.0.2.1"); strings.Contains(page.body, refused) {
			break
		}
	}
	if page.status != http.StatusTooManyRequests || !strings.Contains(page.body, refused) || page.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", page.status, page.header)
	}
	if page := try("192.0.2.2"); strings.Contains(page.body, refused) {
		t.Error("another address is refused too")
	}
}

// What can be nobody's name is refused like any other.
func TestNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	w := openWindow(t, accounts)
	for _, name := range []string{"a\x00b", "a\xffb", "王丽", strings.Repeat("a", 2000)} {
		if page := w.signIn(t, newBrowser(t), name, goodPassword); page.status != http.StatusUnauthorized {
			t.Errorf("%.10q: %d", name, page.status)
		}
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	accounts, ledger, _, address := newAccounts(t)
	long := strings.Repeat("a", 65)
	for _, bad := range []account.User{
		{Name: "", Role: account.Operator}, {Name: "a", Role: account.Operator}, {Name: long, Role: account.Operator}, {Name: "a b", Role: account.Operator}, {Name: "王丽", Role: account.Operator},
		{Name: "no-role"}, {Name: "chief", Role: "chief"}, {Name: "official", Role: account.Official}, {Name: "both", Role: account.Official, Agency: "a", Port: "XXABC"},
		{Name: "operator", Role: account.Operator, Agency: "a"}, {Name: "auditor", Role: account.Auditor, Port: "XXABC"},
		{Name: "port", Role: account.Official, Port: "xxabc"}, {Name: "port", Role: account.Official, Port: "X"}, {Name: "agency", Role: account.Official, Agency: "a,b"},
	} {
		if _, err := accounts.CreateUser(t.Context(), bad, goodPassword); !errors.Is(err, account.ErrBadUser) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "eleven char", strings.Repeat("x", 12), strings.Repeat("ab", 65), "with a\ttabulator", "\xff\xfe broken text"} {
		if _, err := accounts.CreateUser(t.Context(), account.User{Name: "weak", Role: account.Operator}, bad); !errors.Is(err, account.ErrBadPassword) {
			t.Errorf("the password %q: %v", bad, err)
		}
	}
	made := createUser(t, accounts, account.User{Name: "First@Port.example", Role: account.Official, Port: "XXABC"})
	if _, err := accounts.CreateUser(t.Context(), account.User{Name: "first@port.example", Role: account.Operator}, goodPassword); !errors.Is(err, account.ErrUserExists) {
		t.Errorf("a second one: %v", err)
	}
	if got, err := accounts.User(t.Context(), made.ID); err != nil || got != made || got.Name != "first@port.example" {
		t.Errorf("%+v, %v, made %+v", got, err, made)
	}
	if _, err := accounts.User(t.Context(), "usr_none"); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("nobody: %v", err)
	}
	// The same characters, typed as other keyboards compose them.
	if _, err := accounts.CreateUser(t.Context(), account.User{Name: "second", Role: account.Auditor}, "caf\u00e9 caf\u00e9 caf\u00e9"); err != nil {
		t.Error(err)
	}
	if _, err := accounts.SignIn(t.Context(), "second", "cafe\u0301 cafe\u0301 cafe\u0301"); err != nil {
		t.Errorf("composed otherwise: %v", err)
	}
	users, err := accounts.Users(t.Context())
	if err != nil || len(users) != 2 || users[0] != made || users[1].Name != "second" {
		t.Errorf("%+v, %v", users, err)
	}
	mustGuardUsers(t, ledger, address)
}

// mustGuardUsers: users and sessions are the system's; users are never deleted.
func mustGuardUsers(t *testing.T, ledger *declare.Ledger, address string) {
	t.Helper()
	for _, scope := range []declare.Scope{declare.TenantScope("acme"), declare.AgencyScope("harbour"), declare.PortScope("XXABC")} {
		must(t, ledger.Within(t.Context(), scope, func(tx pgx.Tx) error {
			var seen int
			err := tx.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM app_user) + (SELECT count(*) FROM app_session) + (SELECT count(*) FROM sign_in_attempt)").Scan(&seen)
			if seen != 0 {
				t.Errorf("%+v sees %d rows", scope, seen)
			}
			return err
		}))
	}
	err := ledger.Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM app_user")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("users can be deleted: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), address)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	var forced, hashed int
	must(t, conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_class WHERE relname IN ('app_user', 'app_session', 'sign_in_attempt') AND relrowsecurity AND relforcerowsecurity),
		(SELECT count(*) FROM app_user WHERE password LIKE '$argon2id$v=19$m=65536,t=2,p=1$%')`).Scan(&forced, &hashed))
	if forced != 3 || hashed != 2 {
		t.Errorf("row-level security on %d of 3 tables, %d of 2 passwords hashed as they must be", forced, hashed)
	}
}

// What is over is deleted when somebody signs in.
func TestOldSessionsAreForgotten(t *testing.T) {
	t.Parallel()
	accounts, ledger, clock, _ := newAccounts(t)
	createUser(t, accounts, account.User{Name: "operator", Role: account.Operator})
	must(t, accounts.Sessions().CommitCtx(t.Context(), "old", []byte("x"), clock.now().Add(time.Minute)))
	must(t, accounts.Sessions().CommitCtx(t.Context(), "young", []byte("x"), clock.now().Add(time.Hour)))
	if _, err := accounts.SignIn(t.Context(), "stranger", goodPassword); !errors.Is(err, account.ErrUnknown) {
		t.Error(err)
	}
	clock.pass(lockOut)
	if _, err := accounts.SignIn(t.Context(), "operator", goodPassword); err != nil {
		t.Error(err)
	}
	must(t, ledger.Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		var sessions, attempts int
		err := tx.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM app_session), (SELECT count(*) FROM sign_in_attempt)").Scan(&sessions, &attempts)
		if sessions != 1 || attempts != 0 {
			t.Errorf("%d sessions and %d attempts are left", sessions, attempts)
		}
		return err
	}))
}

// The commands an operator types, and a real gateway's front door.
func TestUserCommands(t *testing.T) {
	t.Parallel()
	agencies, err := adapters.Names(adapters.Embedded())
	must(t, err)
	l := newLine(t, lineOptions{unopened: agencies})
	command := func(input string, arguments ...string) (string, error) {
		run := l.command(t, "singlewindow", slices.Concat([]string{"user"}, arguments, []string{"--database", l.database, "--data", l.folder})...)
		run.Stdin = strings.NewReader(input)
		output, err := run.Output()
		return string(output), err
	}
	made, err := command(goodPassword+"\nmore\n", "create", "Officer", "--role", "official", "--port", "XXABC")
	if err != nil || made != "officer\n" {
		t.Fatalf("%q, %v", made, err)
	}
	for _, wrong := range [][]string{{"create", "x"}, {"create", "xx", "--role", "official"}, {"create", "xx", "--role", "official", "--agency", "nowhere-at-all"}, {"create", "xx", "--role", "operator", "--port", "XXABC"}, {"create"}} {
		var exit *exec.ExitError
		if _, err := command(goodPassword, wrong...); !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	w, browser := &window{Server: &httptest.Server{URL: "http://" + l.gateway.address}}, newBrowser(t)
	if page := w.signIn(t, browser, "officer", goodPassword); page.path != noPage {
		t.Fatalf("%d %s", page.status, page.path)
	}
	listed, err := command("", "list")
	if err != nil || !strings.Contains(listed, "officer") || !strings.Contains(listed, "XXABC") || !strings.Contains(listed, "active") {
		t.Errorf("%q, %v", listed, err)
	}
	if _, err := command("another good password", "password", "officer"); err != nil {
		t.Error(err)
	}
	w.mustBeOut(t, browser)
	if _, err := command("", "disable", "officer"); err != nil {
		t.Error(err)
	}
	if page := w.signIn(t, browser, "officer", "another good password"); page.status != http.StatusUnauthorized {
		t.Errorf("a disabled user: %d", page.status)
	}
	if given := l.ask(t, "", http.MethodGet, "/openapi.json", nil); given.status != http.StatusOK || given.header.Get("Content-Security-Policy") != "" {
		t.Errorf("the API beside it: %d", given.status)
	}
}
