package board

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"singlewindow/declare"
	"singlewindow/declare/account"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newPages makes the board without a database, which only a request with a
// session needs.
func newPages(t testing.TB) *board {
	t.Helper()
	b, err := newBoard(Options{
		Accounts: &account.Accounts{}, IDs: declare.NewIDs(time.Now, rand.Reader), Log: slog.New(slog.DiscardHandler),
		Now: time.Now, Zone: time.FixedZone("", 8*60*60),
	})
	must(t, err)
	b.mux.HandleFunc("GET /board/panic", func(http.ResponseWriter, *http.Request) { panic("declared value 4711") })
	b.mux.HandleFunc("GET /board/hole", func(w http.ResponseWriter, r *http.Request) { b.render(w, r, b.stranger(r), "signin", 1) })
	b.mux.HandleFunc("GET /board/gone", func(w http.ResponseWriter, r *http.Request) { b.fail(w, r, b.stranger(r), declare.ErrUnavailable) })
	return b
}

func ask(b *board, method, path string, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "http://window.example"+path, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	given := httptest.NewRecorder()
	b.front().ServeHTTP(given, request)
	return given
}

// Every answer, whatever it is, carries the headers of the frame.
func TestHeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	b := newPages(t)
	for _, c := range []struct {
		method, path string
		status       int
		headers      []string
	}{
		{http.MethodGet, "/board/sign-in", http.StatusOK, nil},
		{http.MethodHead, "/board/sign-in", http.StatusOK, nil},
		{http.MethodGet, "/board", http.StatusSeeOther, nil},
		{http.MethodGet, "/board/", http.StatusSeeOther, nil},
		{http.MethodGet, "/board/nowhere", http.StatusNotFound, nil},
		{http.MethodDelete, "/board/sign-in", http.StatusNotFound, nil},
		{http.MethodGet, "/board/static/", http.StatusNotFound, nil},
		{http.MethodGet, "/board/static/../../etc/passwd", http.StatusNotFound, nil},
		{http.MethodGet, "/board/panic", http.StatusInternalServerError, nil},
		{http.MethodGet, "/board/hole", http.StatusInternalServerError, nil},
		{http.MethodGet, "/board/gone", http.StatusServiceUnavailable, nil},
		{http.MethodPost, "/board/sign-in", http.StatusForbidden, []string{"Origin", "https://elsewhere.example"}},
		{http.MethodPost, "/board/sign-out", http.StatusForbidden, []string{"Sec-Fetch-Site", "same-site"}},
		{http.MethodGet, "/board/", http.StatusUnauthorized, []string{"Accept", "text/event-stream"}},
		{http.MethodGet, b.static.addresses["board.css"], http.StatusOK, nil},
		{http.MethodGet, b.static.addresses["htmx.min.js"], http.StatusOK, []string{"Accept-Encoding", "gzip"}},
	} {
		given := ask(b, c.method, c.path, c.headers...)
		if given.Code != c.status {
			t.Errorf("%s %s: %d", c.method, c.path, given.Code)
		}
		for name, want := range frameHeaders {
			if got := given.Header().Get(name); got != want && name != "Cache-Control" && name != "Vary" || got == "" {
				t.Errorf("%s %s: %s is %q", c.method, c.path, name, got)
			}
		}
		if given.Header().Get("X-Request-Id") == "" || given.Header().Get("Strict-Transport-Security") != "" || given.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s %s: %v", c.method, c.path, given.Header())
		}
	}
	if given := ask(b, http.MethodGet, "/board/sign-in", "X-Forwarded-Proto", "https"); given.Header().Get("Strict-Transport-Security") == "" {
		t.Error("over TLS nothing keeps a browser there")
	}
}

// A fault is told in the visitor's language, with the number it has in the log
// and nothing of what went wrong.
func TestFaultsAreToldInTheLayout(t *testing.T) {
	t.Parallel()
	b := newPages(t)
	for language, title := range map[string]string{"en": "Something went wrong here", "zh": "系统出现故障"} {
		for _, path := range []string{"/board/panic", "/board/hole"} {
			given := ask(b, http.MethodGet, path, "Accept-Language", language, "X-Request-Id", "incident-7")
			page := given.Body.String()
			if !strings.Contains(page, title) || !strings.Contains(page, "<code>incident-7</code>") || !strings.Contains(page, "</html>") || strings.Contains(page, "4711") {
				t.Errorf("%s in %s: %s", path, language, page)
			}
		}
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	b := newPages(t)
	for _, c := range []struct{ path, accept, cookie, want string }{
		{"", "", "", "en"}, {"", "fr", "", "en"}, {"", "zh-TW,zh;q=0.9", "", "zh"}, {"", "de,zh;q=0.5", "", "zh"},
		{"", "en", "zh", "zh"}, {"", "zh", "en", "en"}, {"", "zh", "tlh", "zh"}, {"?lang=en", "zh", "zh", "en"}, {"?lang=zh", "en", "", "zh"}, {"?lang=fr", "zh", "", "zh"},
	} {
		given := ask(b, http.MethodGet, "/board/sign-in"+c.path, "Accept-Language", c.accept, "Cookie", languageCookie+"="+c.cookie)
		want := map[string]string{"en": `<html lang="en">`, "zh": `<html lang="zh-Hans">`}[c.want]
		if !strings.Contains(given.Body.String(), want) || given.Header().Get("Content-Language") != c.want {
			t.Errorf("%+v: %s", c, given.Header().Get("Content-Language"))
		}
	}
	given := ask(b, http.MethodGet, "/board/sign-in?next=%2Fboard%2F%3Fa%3D1%26b%3D2&lang=zh")
	if !strings.Contains(given.Body.String(), `href="/board/sign-in?lang=en&amp;next=%2Fboard%2F%3Fa%3D1%26b%3D2"`) {
		t.Errorf("the switch does not keep the page: %s", given.Body)
	}
	cookie := given.Result().Cookies()
	if len(cookie) != 1 || cookie[0].Value != "zh" || !cookie[0].HttpOnly || cookie[0].Path != Root {
		t.Errorf("the language is not remembered: %v", cookie)
	}
}

func TestAStrangerIsAskedToSignIn(t *testing.T) {
	t.Parallel()
	b := newPages(t)
	given := ask(b, http.MethodGet, "/board/?state=held")
	if given.Header().Get("Location") != "/board/sign-in?next=%2Fboard%2F%3Fstate%3Dheld" {
		t.Errorf("a page: %v", given.Header())
	}
	given = ask(b, http.MethodGet, "/board/?state=held", "HX-Request", "true")
	if given.Header().Get("HX-Redirect") != "/board/sign-in?next=%2Fboard%2F" || given.Body.Len() > 0 {
		t.Errorf("a part: %v", given.Header())
	}
}

func TestOnlyOurPagesComeNext(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/board/?a=b": "/board/?a=b", "/board/tasks": "/board/tasks",
		"": Root, "/": Root, "/v1/declarations": Root, "//evil.example/board/": Root, "https://evil.example/board/": Root,
		`/\evil.example`: Root, `/board/\evil`: Root, "javascript:alert(1)": Root, "/boardroom": Root, "/board/%zz": Root,
	} {
		if got := within(next); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
	}
}

func TestFilesAreKeptForEverAndZipped(t *testing.T) {
	t.Parallel()
	b := newPages(t)
	for name, address := range b.static.addresses {
		plain, zipped := ask(b, http.MethodGet, address), ask(b, http.MethodGet, address, "Accept-Encoding", "br, gzip")
		reader, err := gzip.NewReader(zipped.Body)
		must(t, err)
		content, err := io.ReadAll(reader)
		must(t, err)
		want, err := staticFiles.ReadFile("static/" + name)
		must(t, err)
		if plain.Body.String() != string(want) || string(content) != string(want) {
			t.Errorf("%s comes back changed", name)
		}
		if !strings.Contains(plain.Header().Get("Cache-Control"), "immutable") || plain.Header().Get("Vary") != "Accept-Encoding" || plain.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %v", name, plain.Header())
		}
	}
}

// What a visitor's address is counted by, whatever the visitor says it is.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{"192.0.2.1:5": "192.0.2.1", "127.0.0.1:5": "127.0.0.1", "[2001:db8::1:2]:5": "2001:db8::"} {
		request := httptest.NewRequest(http.MethodPost, "/board/sign-in", nil)
		request.RemoteAddr = remote
		request.Header.Set("X-Forwarded-For", "6.6.6.6")
		if got, err := addressOf(request); err != nil || got != want {
			t.Errorf("%s: %q, %v", remote, got, err)
		}
	}
}

// A page load that the browser breaks off is nobody's fault; any other is told.
func TestABrokenOffPageIsNoFault(t *testing.T) {
	t.Parallel()
	b := newPages(t)
	var log bytes.Buffer
	b.log = slog.New(slog.NewTextHandler(&log, nil))
	b.mux.HandleFunc("GET /board/asks", func(w http.ResponseWriter, r *http.Request) {
		b.fail(w, r, b.stranger(r), fmt.Errorf("asking: %w", context.Canceled))
	})
	broken, breakOff := context.WithCancel(t.Context())
	breakOff()
	for ctx, want := range map[context.Context]bool{broken: false, t.Context(): true} {
		log.Reset()
		given := httptest.NewRecorder()
		b.front().ServeHTTP(given, httptest.NewRequestWithContext(ctx, http.MethodGet, "/board/asks", nil))
		if told, logged := given.Body.Len() > 0, strings.Contains(log.String(), "level=ERROR"); told != want || logged != want {
			t.Errorf("told: %t, in the log: %t, want %t", told, logged, want)
		}
	}
}

func TestCookieNames(t *testing.T) {
	t.Parallel()
	b := newPages(t)
	if c := b.sessions.secure.Cookie; c.Name != "__Host-singlewindow-session" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("%+v", c)
	}
	if c := b.sessions.plain.Cookie; strings.HasPrefix(c.Name, "__") || c.Secure || !c.HttpOnly || c.Persist {
		t.Errorf("%+v", c)
	}
	if Holds("/boardroom") || Holds("/v1/board/") || !Holds("/board") || !Holds("/board/") || !Holds("/board/x") {
		t.Error("the board has other paths")
	}
}
