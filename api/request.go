package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"singlewindow/declare/account"
)

const headerRequestID = "X-Request-Id"

// metadataTooLarge names, in an operation's metadata, the problem code for a
// body beyond its bound.
const metadataTooLarge = "tooLarge"

// patience is how long the gateway may take once a request is read.
const patience = 20 * time.Second

// mostDrained is how much of a body too large is read and thrown away, so
// that the client has sent it and reads the answer.
const mostDrained = 64 << 20

// exchange lets request embed huma's Context, which has a method of that name.
type exchange huma.Context

// request is one exchange with what was found out about it on the way.
type request struct {
	exchange
	asker
	api    *api
	tenant string // set by tenantOnly
	scopes account.Scopes
	opened func() // set by inTurn, to be called when a stream has begun
	// counted, set by withinLimits, is told what is read of a body whose length
	// is not known before.
	counted func(bytes int)
}

// begin is the first step of every operation.
func (a *api) begin(ctx huma.Context, next func(huma.Context)) {
	who := askerOf(ctx.Header(headerRequestID), ctx.Query("lang"), ctx.Header("Accept-Language"))
	inner, _ := humago.Unwrap(ctx)
	who.traceID = traceOf(inner.Header)
	r := &request{exchange: ctx, asker: who, api: a}
	if err := judgeQuery(inner.URL.RawQuery, ctx.Operation()); err != nil {
		a.dismiss(r, inner, err)
		return
	}
	next(r)
}

// judgeQuery refuses what would otherwise be passed over: a pair that cannot be
// decoded, and a second value where there is one.
func judgeQuery(raw string, operation *huma.Operation) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return misplaced("/query")
	}
	for _, parameter := range operation.Parameters {
		several := parameter.Schema != nil && parameter.Schema.Type == huma.TypeArray
		if parameter.In == "query" && len(query[parameter.Name]) > 1 && !several {
			return misplaced("/query/" + parameter.Name)
		}
	}
	return nil
}

// BodyReader gives the body so that a broken one can be told from a broken
// gateway.
func (r *request) BodyReader() io.Reader {
	if body, ok := r.exchange.BodyReader().(io.ReadCloser); ok {
		return incoming{body, r.counted}
	}
	return http.NoBody
}

type incoming struct {
	body    io.ReadCloser
	counted func(bytes int) // may be nil
}

func (i incoming) Read(into []byte) (int, error) {
	n, err := i.body.Read(into)
	if i.counted != nil {
		i.counted(n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &lostBody{err}
	}
	return n, err
}

// Close takes the rest off the wire, within bounds.
func (i incoming) Close() error {
	_, err := io.CopyN(io.Discard, i.body, mostDrained)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, i.body.Close())
}

// lostBody is a body that could not be read to its end.
type lostBody struct{ cause error }

func (l *lostBody) Error() string { return "body: " + l.cause.Error() }
func (l *lostBody) Unwrap() error { return l.cause }

// Caller is part of every operation's input: what any request may carry, and
// who sent it.
type Caller struct {
	Lang           string `query:"lang" enum:"en,zh,all" doc:"Language of texts, before Accept-Language; all: texts in every language"`
	AcceptLanguage string `header:"Accept-Language" doc:"Preferred languages of texts; English and Chinese are spoken" example:"zh-CN, en;q=0.5"`
	RequestID      string `header:"X-Request-Id" doc:"Your own id for this request, 1 to 64 letters, digits and hyphens; it is echoed and logged. Without one the answer carries a new one" example:"req-2026-000001"`

	request *request
}

// Resolve is called by huma before the handler.
func (c *Caller) Resolve(ctx huma.Context) []error {
	c.request, _ = ctx.(*request)
	return nil
}

// refuse ends an exchange in a middleware.
func (a *api) refuse(r *request, err error) {
	// The answer cannot be given to a client that is gone: huma says so on
	// stderr, and nobody else waits for it.
	_ = huma.WriteErr(a.huma, r, http.StatusInternalServerError, "", err)
}

// agencyOnly lets an agency pass to its own address.
func (a *api) agencyOnly(ctx huma.Context, next func(huma.Context)) {
	r := ctx.(*request)
	agency, err := authenticate(r, a.accounts.AuthenticateAgency)
	if err == nil && agency != r.Param("agency") {
		err = &failure{code: codeNoticeWrongAgency}
	}
	if err != nil {
		a.refuse(r, err)
		return
	}
	next(r)
}

func authenticate[T any](r *request, ask func(context.Context, string) (T, error)) (T, error) {
	scheme, bearer, _ := strings.Cut(r.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		var nobody T
		return nobody, &failure{code: codeCredentialMissing}
	}
	bearer = strings.TrimSpace(bearer)
	inner, _ := humago.Unwrap(r.exchange)
	address := addressOfStranger(inner.RemoteAddr)
	if after := r.api.strangers.barred(address, bearer); after > 0 {
		var nobody T
		return nobody, &tooSoon{codeCredentialTooMany, after}
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	whose, err := ask(ctx, bearer)
	if err == nil || errors.Is(err, account.ErrUnknown) {
		r.api.strangers.note(address, bearer, err == nil)
	}
	return whose, err
}

// takes lets bodies of these media types pass, in UTF-8, and such that do not
// say what they are.
func (a *api) takes(types ...string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r := ctx.(*request)
		if given := r.Header("Content-Type"); given != "" {
			media, parameters, err := mime.ParseMediaType(given)
			charset := parameters["charset"]
			if err != nil || !slices.Contains(types, media) || charset != "" && !strings.EqualFold(charset, "utf-8") {
				a.refuse(r, &failure{code: codeBodyUnsupported})
				return
			}
		}
		next(r)
	}
}

// gives lets requests pass that accept one of these media types.
func (a *api) gives(types ...string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r := ctx.(*request)
		if accept := r.Header("Accept"); accept != "" && !slices.ContainsFunc(types, func(media string) bool { return accepts(accept, media) }) {
			a.refuse(r, &failure{code: codeAcceptUnsupported})
			return
		}
		next(r)
	}
}

// accepts tells whether an Accept header allows a media type. Preferences do
// not matter: there is one form of each answer.
func accepts(header, media string) bool {
	family, _, _ := strings.Cut(media, "/")
	for part := range strings.SplitSeq(header, ",") {
		offered, parameters, err := mime.ParseMediaType(part)
		if err != nil || offered != "*/*" && offered != family+"/*" && offered != media {
			continue
		}
		if strings.Trim(parameters["q"], "0.") != "" || parameters["q"] == "" {
			return true
		}
	}
	return false
}

// handle registers an operation whose handler has limited time.
func handle[I, O any](a *api, operation huma.Operation, work func(context.Context, *I) (*O, error)) {
	huma.Register(a.huma, operation, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return work(ctx, in)
	})
}

var requestID = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
