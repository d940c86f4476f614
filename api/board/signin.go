package board

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/httprate"

	"singlewindow/declare/account"
)

const (
	signInPath  = Root + "sign-in"
	signOutPath = Root + "sign-out"
)

// mostSignIns a minute from one address; who forgot a password needs fewer.
const mostSignIns = 30

// mostForm bounds a form in bytes.
const mostForm = 16 << 10

func (b *board) registerSigning() {
	limit := httprate.LimitBy(mostSignIns, time.Minute, addressOf, httprate.WithLimitHandler(b.tooMany),
		httprate.WithResponseHeaders(httprate.ResponseHeaders{RetryAfter: "Retry-After"}))
	b.mux.HandleFunc("GET "+signInPath, b.askName)
	b.mux.Handle("POST "+signInPath, limit(http.HandlerFunc(b.signIn)))
	b.mux.HandleFunc("POST "+signOutPath, b.signOut)
}

// signing is what the form shows: where to go afterwards, the name typed, and
// the key of what went wrong.
type signing struct{ Next, Name, Fault string }

// askName shows the form. ?kept says that this browser has just been given a
// session: without one now it keeps no cookies.
func (b *board) askName(w http.ResponseWriter, r *http.Request) {
	v, err := b.visitorOf(r)
	query := r.URL.Query()
	form := signing{Next: within(query.Get("next"))}
	switch {
	case err != nil:
		b.fail(w, r, v, err)
	case v.ID != "":
		http.Redirect(w, r, form.Next, http.StatusSeeOther)
	default:
		if query.Has("kept") {
			form.Fault = "frame.signIn.noCookie"
		}
		b.render(w, r, v, "signin", form)
	}
}

func (b *board) signIn(w http.ResponseWriter, r *http.Request) {
	v := b.stranger(r)
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseForm(); err != nil {
		b.renderStatus(w, r, v, http.StatusBadRequest, "signin", signing{Next: Root, Fault: "frame.signIn.unreadable"})
		return
	}
	form := signing{Next: within(r.PostForm.Get("next")), Name: r.PostForm.Get("name")}
	user, err := b.accounts.SignIn(r.Context(), form.Name, r.PostForm.Get("password"))
	if err == nil {
		err = b.begin(w, r, user)
	}
	switch {
	case errors.Is(err, account.ErrUnknown):
		form.Fault = "frame.signIn.wrong"
		b.renderStatus(w, r, v, http.StatusUnauthorized, "signin", form)
	case errors.Is(err, account.ErrLocked):
		form.Fault = "frame.signIn.locked"
		b.renderStatus(w, r, v, http.StatusTooManyRequests, "signin", form)
	case err != nil:
		b.fail(w, r, v, err)
	default:
		b.log.Info("signed in", "user", user.Name, "requestId", w.Header().Get(headerRequestID))
		http.Redirect(w, r, signInPath+"?"+url.Values{"kept": {""}, "next": {form.Next}}.Encode(), http.StatusSeeOther)
	}
}

func (b *board) tooMany(w http.ResponseWriter, r *http.Request) {
	b.renderStatus(w, r, b.stranger(r), http.StatusTooManyRequests, "signin", signing{Next: Root, Fault: "frame.signIn.tooMany"})
}

func (b *board) signOut(w http.ResponseWriter, r *http.Request) {
	if err := b.end(w, r); err != nil {
		b.fail(w, r, b.stranger(r), err)
		return
	}
	http.Redirect(w, r, signInPath, http.StatusSeeOther)
}

// within keeps to our pages whatever address a form or link names.
func within(next string) string {
	address, err := url.Parse(next)
	if err != nil || address.Scheme != "" || address.Host != "" || !strings.HasPrefix(next, Root) || strings.Contains(next, "\\") {
		return Root
	}
	return next
}
