package board

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/httprate"

	"singlewindow/declare"
	"singlewindow/declare/account"
)

// How long somebody stays signed in.
const (
	sessionIdle = 30 * time.Minute
	sessionLife = 12 * time.Hour
)

// What a session holds: who, and the user's epoch at sign-in.
const (
	sessionUser  = "user"
	sessionEpoch = "epoch"
)

// A visitor is who looks at a page: a signed-in user, or a stranger whose ID
// is "", and the language to speak.
type visitor struct {
	account.User
	Lang string
}

// sessions are kept under two cookies: over TLS one that browsers guard
// better, which they do not keep for plain HTTP. The cookie ends with the
// browser; it is lax, not strict, because links from a mail must open the page.
type sessions struct{ plain, secure *scs.SessionManager }

func newSessions(store *account.Sessions) sessions {
	manager := func(name string, secure bool) *scs.SessionManager {
		// Not by scs.New: it starts a store of its own, which nobody would stop.
		return &scs.SessionManager{
			Store: store, IdleTimeout: sessionIdle, Lifetime: sessionLife, Codec: scs.GobCodec{},
			Cookie: scs.SessionCookie{Name: name, Path: "/", Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode},
		}
	}
	return sessions{manager("singlewindow-session", false), manager("__Host-singlewindow-session", true)}
}

func (s sessions) of(r *http.Request) *scs.SessionManager {
	if overTLS(r) {
		return s.secure
	}
	return s.plain
}

// overTLS tells whether the browser speaks TLS, to us or to what stands in
// front of us. A browser that is lied to about itself only harms itself.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// addressOf is the visitor's address, by which sign-ins are counted; of IPv6
// the network, all of which one visitor has.
func addressOf(r *http.Request) (string, error) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return httprate.CanonicalizeIP(host), err
}

// withSession loads the request's session and notes that it is in use. Where
// that cannot be written down now, who only reads is answered all the same.
func (b *board) withSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		manager := b.sessions.of(r)
		token := ""
		if cookie, err := r.Cookie(manager.Cookie.Name); err == nil {
			token = cookie.Value
		}
		ctx, err := manager.Load(r.Context(), token)
		if err == nil && manager.Status(ctx) == scs.Modified {
			if _, _, err = manager.Commit(ctx); errors.Is(err, declare.ErrUnavailable) {
				err = nil
			}
		}
		if err != nil {
			b.fail(w, r, b.stranger(r), err)
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// begin starts a session for a user, under a token nobody knew before.
func (b *board) begin(w http.ResponseWriter, r *http.Request, user account.User) error {
	manager, ctx := b.sessions.of(r), r.Context()
	if err := manager.RenewToken(ctx); err != nil {
		return err
	}
	manager.Put(ctx, sessionUser, user.ID)
	manager.Put(ctx, sessionEpoch, user.Epoch)
	token, expires, err := manager.Commit(ctx)
	if err == nil {
		manager.WriteSessionCookie(ctx, w, token, expires)
	}
	return err
}

// end ends the request's session.
func (b *board) end(w http.ResponseWriter, r *http.Request) error {
	manager, ctx := b.sessions.of(r), r.Context()
	manager.WriteSessionCookie(ctx, w, "", time.Time{})
	return manager.Destroy(ctx)
}

func (b *board) stranger(r *http.Request) visitor { return visitor{Lang: languageOf(r)} }

// visitorOf tells who asks. Whoever was disabled, or got another password,
// since the session began is a stranger.
func (b *board) visitorOf(r *http.Request) (visitor, error) {
	v := b.stranger(r)
	id, epoch := b.session(r)
	if id == "" {
		return v, nil
	}
	user, err := b.accounts.User(r.Context(), id)
	if errors.Is(err, account.ErrUnknown) {
		return v, nil
	}
	if err == nil && !user.Disabled && user.Epoch == epoch {
		v.User = user
	}
	return v, err
}

func (b *board) session(r *http.Request) (id string, epoch int) {
	manager, ctx := b.sessions.of(r), r.Context()
	return manager.GetString(ctx, sessionUser), manager.GetInt(ctx, sessionEpoch)
}

// signedIn lets only signed-in visitors to a page, of these roles when some
// are named; for the others it does not exist.
func (b *board) signedIn(show func(http.ResponseWriter, *http.Request, visitor), roles ...account.Role) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := b.visitorOf(r)
		switch {
		case err != nil:
			b.fail(w, r, v, err)
		case v.ID == "":
			b.askToSignIn(w, r, v)
		case len(roles) > 0 && !slices.Contains(roles, v.Role):
			b.missing(w, r, v)
		default:
			show(w, r, v)
		}
	}
}

// askToSignIn leads a stranger to the form and back afterwards. A stream of
// events cannot be led anywhere.
func (b *board) askToSignIn(w http.ResponseWriter, r *http.Request, v visitor) {
	back := Root
	if r.Method == http.MethodGet && !wantsPart(r) {
		back = r.URL.RequestURI()
	}
	address := signInPath + "?" + url.Values{"next": {back}}.Encode()
	switch {
	case r.Header.Get("Accept") == "text/event-stream":
		b.renderStatus(w, r, v, http.StatusUnauthorized, "error", trouble{"frame.ended.title", "frame.ended.text", ""})
	case r.Header.Get("HX-Request") == "true":
		w.Header().Set("HX-Redirect", address)
	default:
		http.Redirect(w, r, address, http.StatusSeeOther)
	}
}
