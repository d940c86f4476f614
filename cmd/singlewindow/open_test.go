package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Everybody is led where they belong, who knows only the host too.
func TestSplit(t *testing.T) {
	t.Parallel()
	says := func(word string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", word) })
	}
	both := split(says("pages"), says("rest"))
	for _, want := range []struct{ method, path, leads string }{
		{http.MethodGet, "/", "/board/"},
		{http.MethodPost, "/", "rest"},
		{http.MethodGet, "/board/declarations/a/b", "pages"},
		{http.MethodPost, "/board/sign-in", "pages"},
		{http.MethodGet, "/v1/declarations", "rest"},
		{http.MethodGet, "//", "rest"},
	} {
		answer := httptest.NewRecorder()
		both.ServeHTTP(answer, httptest.NewRequest(want.method, want.path, nil))
		if leads := answer.Header().Get("Location"); leads != want.leads {
			t.Errorf("%s %s leads to %s, want %s", want.method, want.path, leads, want.leads)
		}
	}
}
