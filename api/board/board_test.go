package board

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"crypto/rand"
	"singlewindow/declare"
	"singlewindow/declare/account"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newPages makes the board without a database, which a page for strangers
// needs only when there is a session.
func newPages(t testing.TB) *board {
	t.Helper()
	b, err := newBoard(Options{Accounts: &account.Accounts{}, IDs: declare.NewIDs(time.Now, rand.Reader), Log: slog.New(slog.DiscardHandler), Now: time.Now, Zone: time.UTC})
	must(t, err)
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

func TestAStrangerIsAskedToSignIn(t *testing.T) {
	given := ask(newPages(t), http.MethodGet, "/board/?state=held")
	if given.Code != http.StatusSeeOther || given.Header().Get("Location") != "/board/sign-in?next=%2Fboard%2F%3Fstate%3Dheld" {
		t.Errorf("%d %s", given.Code, given.Header().Get("Location"))
	}
}
