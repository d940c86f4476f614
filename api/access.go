package api

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/danielgtaylor/huma/v2"
	"github.com/go-jose/go-jose/v4"

	"singlewindow/declare"
	"singlewindow/declare/account"
)

// accessToken is a security scheme beside tenantKey: whatever a key opens, a
// token of the configured issuer opens too.
const accessToken = "accessToken"

// missingScope ends a request that the key, though good, does not allow.
type missingScope struct{ lacking account.Scopes }

func (m *missingScope) Error() string { return "api: scopes missing" }

// finding names what is missing, to people and to programs.
func (m *missingScope) finding() finding {
	names := strings.Join(m.lacking.Names(), " ")
	return finding{
		code:    codeScopeMissing,
		headers: map[string]string{"WWW-Authenticate": `Bearer error="insufficient_scope", scope="` + names + `"`},
		faults: []declare.Fault{{
			Code: string(codeScopeMissing), Pointer: "/header/Authorization",
			Text: declare.Text{English: "This needs the scope " + names + ".", Chinese: "此操作需要权限 " + names + "。"},
		}},
	}
}

// tenantOnly lets requests of a tenant pass that have the scope, within the
// tenant's limits and before their body is read.
func (a *api) tenantOnly(scope account.Scopes) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r := ctx.(*request)
		principal, err := authenticate(r, a.principal)
		if lacking := principal.Scopes.Lacks(scope); err == nil && lacking != 0 {
			err = &missingScope{lacking}
		}
		if err != nil {
			a.refuse(r, err)
			return
		}
		r.tenant, r.scopes = principal.Tenant, principal.Scopes
		a.withinLimits(r, next)
	}
}

// principal tells whose bearer this is: one of our keys, which say so by how
// they begin, or a token of the issuer.
func (a *api) principal(ctx context.Context, bearer string) (account.Principal, error) {
	if a.issuer == nil || strings.HasPrefix(bearer, "sw") || strings.Count(bearer, ".") != 2 {
		return a.accounts.Authenticate(ctx, bearer)
	}
	principal, err := a.issuer.principal(ctx, bearer)
	if err == nil {
		err = a.accounts.Known(ctx, principal.Tenant)
	}
	if err != nil {
		return account.Principal{}, err
	}
	return principal, nil
}

// IssuerOptions say whose tokens are taken, and which.
type IssuerOptions struct {
	URL         string // https, or http at a loopback address; it is what tokens say in iss
	Audience    string // what tokens must say in aud
	TenantClaim string // the claim that holds the tenant's id
	Now         func() time.Time
	Log         *slog.Logger
}

// Tokens are signed with one of these; in particular never with a secret.
var tokenAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

const (
	// keysAge is after how long the issuer's keys are asked for again, so that
	// one it has withdrawn ends.
	keysAge = 10 * time.Minute
	// keysPause is the least time between two questions for keys: tokens
	// that name keys nobody has cannot make us ask more often.
	keysPause = 30 * time.Second
	// keysRetry is that time while the issuer does not answer.
	keysRetry    = 5 * time.Second
	issuerTime   = 5 * time.Second // for a question
	mostKeySet   = 256 << 10       // bytes
	leastRSABits = 2048
)

// Issuer knows the tenants that an OAuth 2 authorization server vouches for.
// It keeps the server's public keys: while the server is away tokens under
// known keys are taken, others are not judged. Safe for concurrent use.
type Issuer struct {
	options IssuerOptions
	client  *http.Client

	asking  sync.Mutex // held while the server is asked
	address string     // of its keys; "" until it was asked for that; under asking

	mu      sync.Mutex // of all below
	keys    []jose.JSONWebKey
	fetched time.Time // when the server last gave them
	next    time.Time // not before then it is asked again
	away    bool      // it did not answer when it was asked last
}

// NewIssuer checks the options; the server is not asked yet.
func NewIssuer(options IssuerOptions) (*Issuer, error) {
	address, err := url.Parse(options.URL)
	if err != nil || address.Host == "" || address.Scheme != "https" && (address.Scheme != "http" || !loopback(address.Hostname())) {
		return nil, errors.New("the issuer's address must be an https URL, or an http one at a loopback address")
	}
	if options.Audience == "" || options.TenantClaim == "" {
		return nil, errors.New("an issuer needs the audience its tokens are for, and the claim that names the tenant")
	}
	return &Issuer{options: options, client: &http.Client{
		Timeout:       issuerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// principal judges a token: [account.ErrUnknown] when it is not good, a kind of
// [declare.ErrUnavailable] when the server that could tell is away.
func (i *Issuer) principal(ctx context.Context, token string) (account.Principal, error) {
	signed, err := jose.ParseSigned(token, tokenAlgorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return account.Principal{}, account.ErrUnknown
	}
	header := signed.Signatures[0].Header
	keys, err := i.keysOf(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return account.Principal{}, err
	}
	verifier := oidc.NewVerifier(i.options.URL, &oidc.StaticKeySet{PublicKeys: keys}, &oidc.Config{
		ClientID: i.options.Audience, SupportedSigningAlgs: []string{header.Algorithm}, Now: i.options.Now,
	})
	verified, err := verifier.Verify(ctx, token)
	if err != nil {
		return account.Principal{}, account.ErrUnknown
	}
	claims := map[string]any{}
	if err := verified.Claims(&claims); err != nil {
		return account.Principal{}, account.ErrUnknown
	}
	tenant, named := claims[i.options.TenantClaim].(string)
	if !named {
		return account.Principal{}, account.ErrUnknown
	}
	scope, _ := claims["scope"].(string) // none: it may do nothing
	return account.Principal{Tenant: tenant, Scopes: account.KnownScopes(strings.Fields(scope))}, nil
}

// keysOf gives the public keys that a token with this header may be signed
// with, asking the server when there is none, or they are old.
func (i *Issuer) keysOf(ctx context.Context, id, algorithm string) ([]crypto.PublicKey, error) {
	now := i.options.Now()
	found, due, old := i.look(id, algorithm, now)
	switch {
	case len(found) > 0 && (!old || !due || !i.asking.TryLock()):
		return found, nil // somebody else asks for newer ones
	case len(found) == 0 && !due:
		return nil, i.verdict()
	case len(found) == 0:
		i.asking.Lock()
	}
	defer i.asking.Unlock()
	if _, due, _ := i.look(id, algorithm, now); due { // not asked meanwhile
		i.ask(ctx, now)
	}
	if found, _, _ := i.look(id, algorithm, now); len(found) > 0 {
		return found, nil
	}
	return nil, i.verdict()
}

// look tells which known keys fit, whether the server may be asked, and whether
// what it said is old.
func (i *Issuer) look(id, algorithm string, now time.Time) (found []crypto.PublicKey, due, old bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, key := range i.keys {
		if (id == "" || key.KeyID == id) && fits(key, algorithm) {
			found = append(found, key.Key)
		}
	}
	return found, !now.Before(i.next), now.Sub(i.fetched) >= keysAge
}

// verdict is about a token whose key is not known.
func (i *Issuer) verdict() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.away {
		return fmt.Errorf("the issuer of tokens is away: %w", declare.ErrUnavailable)
	}
	return account.ErrUnknown
}

// ask brings the keys up to date. What fails leaves those that are known.
func (i *Issuer) ask(ctx context.Context, now time.Time) {
	keys, err := i.fetch(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		i.away, i.next = true, now.Add(keysRetry)
		i.options.Log.Warn("the issuer of tokens does not give its keys, asking again", "issuer", i.options.URL, "error", err)
		return
	}
	i.keys, i.fetched, i.away, i.next = keys, now, false, now.Add(keysPause)
}

func (i *Issuer) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	// Whoever asked may leave; the answer is for all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), issuerTime)
	defer cancel()
	if i.address == "" {
		provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.options.URL)
		if err != nil {
			return nil, err
		}
		var says struct {
			Keys string `json:"jwks_uri"`
		}
		if err := provider.Claims(&says); err != nil {
			return nil, err
		}
		if i.address = says.Keys; i.address == "" {
			return nil, errors.New("its configuration names no jwks_uri")
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.address, nil)
	if err != nil {
		return nil, err
	}
	response, err := i.client.Do(request)
	if err != nil {
		i.address = ""
		return nil, err
	}
	var set jose.JSONWebKeySet
	err = json.NewDecoder(io.LimitReader(response.Body, mostKeySet)).Decode(&set)
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %d", response.StatusCode)
	}
	if err = errors.Join(err, response.Body.Close()); err != nil {
		i.address = "" // they may have moved
	}
	return set.Keys, err
}

// fits tells whether a key may sign with an algorithm: a public one of that
// kind, for signatures.
func fits(key jose.JSONWebKey, algorithm string) bool {
	if key.Use != "" && key.Use != "sig" || key.Algorithm != "" && key.Algorithm != algorithm {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return algorithm == string(jose.RS256) && public.N.BitLen() >= leastRSABits
	case *ecdsa.PublicKey:
		return algorithm == string(jose.ES256) && public.Curve.Params().Name == "P-256"
	case ed25519.PublicKey:
		return algorithm == string(jose.EdDSA)
	}
	return false
}
