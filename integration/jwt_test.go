package integration

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"singlewindow/api"
)

// An issuer is an authorization server, as far as a resource server sees it.
type issuer struct {
	*httptest.Server
	mu    sync.Mutex
	keys  []jose.JSONWebKey
	at    string // where its keys are
	asked int    // for its keys
	down  bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{at: "/jwks"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.give(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + i.place(), "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}})
	})
	mux.HandleFunc("GET /{place}", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != i.place() {
			http.NotFound(w, r)
			return
		}
		i.mu.Lock()
		i.asked++
		set := jose.JSONWebKeySet{Keys: i.keys}
		i.mu.Unlock()
		i.give(w, set)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) give(w http.ResponseWriter, value any) {
	i.mu.Lock()
	down := i.down
	i.mu.Unlock()
	if down {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(err)
	}
}

func (i *issuer) publish(keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

func (i *issuer) place() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.at
}

// move has the keys elsewhere from now on.
func (i *issuer) move(to string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.at = to
}

func (i *issuer) breakDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

func (i *issuer) timesAsked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// A signer is one of the issuer's keys.
type signer struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   any
}

func (s signer) public() jose.JSONWebKey {
	private, _ := s.private.(crypto.Signer) // of those that are published each is one
	return jose.JSONWebKey{Key: private.Public(), KeyID: s.id, Algorithm: string(s.algorithm), Use: "sig"}
}

func (s signer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	must(t, err)
	key := jose.SigningKey{Algorithm: s.algorithm, Key: jose.JSONWebKey{Key: s.private, KeyID: s.id}}
	signing, err := jose.NewSigner(key, nil)
	must(t, err)
	signed, err := signing.Sign(payload)
	must(t, err)
	text, err := signed.CompactSerialize()
	must(t, err)
	return text
}

func TestTokensOfAnIssuer(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	i := newIssuer(t)
	clock := &tenantClock{at: time.Now().UTC().Truncate(time.Second)}
	taken, err := api.NewIssuer(api.IssuerOptions{URL: i.URL, Audience: "singlewindow", TenantClaim: "tenant", Now: clock.now, Log: quiet(t)})
	must(t, err)
	w.options.Issuer = taken
	server := httptest.NewServer(api.New(w.options))
	t.Cleanup(server.Close)
	w.server = server

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	weakKey, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	_, strangeKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	r, e, d := signer{"r", jose.RS256, rsaKey}, signer{"e", jose.ES256, ecKey}, signer{"d", jose.EdDSA, edKey}
	weak := signer{"weak", jose.RS256, weakKey}
	claims := func(change map[string]any) map[string]any {
		all := map[string]any{
			"iss": i.URL, "aud": "singlewindow", "sub": "erp", "tenant": "acme", "scope": "openid declarations:read", "iat": clock.now().Unix(), "exp": clock.now().Add(time.Hour).Unix(),
		}
		maps.Copy(all, change)
		return all
	}
	ask := func(token string) answer {
		t.Helper()
		return w.ask(t, token, http.MethodGet, "/v1/declarations", nil)
	}
	takes := func(what, token string) {
		t.Helper()
		if given := ask(token); given.status != http.StatusOK {
			t.Errorf("%s: %d %s", what, given.status, given.body)
		}
	}

	// The issuer is away from the start: nobody can judge.
	i.breakDown(true)
	refused(t, "the issuer is away", ask(r.sign(t, claims(nil))), 503, "unavailable")
	i.breakDown(false)
	i.publish(r.public(), e.public(), d.public(), weak.public(), jose.JSONWebKey{Key: []byte("a secret that everybody may read"), KeyID: "oct", Algorithm: "HS256"})
	refused(t, "it is not asked at every request", ask(r.sign(t, claims(nil))), 503, "unavailable")
	clock.pass(5 * time.Second)
	takes("RS256", r.sign(t, claims(nil)))
	takes("ES256", e.sign(t, claims(nil)))
	takes("EdDSA", d.sign(t, claims(nil)))
	takes("several audiences", r.sign(t, claims(map[string]any{"aud": []string{"other", "singlewindow"}})))
	takes("no key id", signer{"", jose.RS256, rsaKey}.sign(t, claims(nil)))
	if asked := i.timesAsked(); asked != 1 {
		t.Errorf("the keys were asked for %d times", asked)
	}

	// The token says which tenant, and what it may do.
	filed := w.file(t, "JWT-1")
	if found := ask(r.sign(t, claims(nil))); !strings.Contains(string(found.body), filed.ID) {
		t.Errorf("its tenant's declaration is not found: %s", found.body)
	}
	if found := ask(r.sign(t, claims(map[string]any{"tenant": "bolt"}))); strings.Contains(string(found.body), filed.ID) {
		t.Errorf("another tenant's token finds %s", found.body)
	}
	for _, scope := range []any{"", "declarations:write", nil, []string{"declarations:read"}} {
		refused(t, fmt.Sprint("scope ", scope), ask(r.sign(t, claims(map[string]any{"scope": scope}))), 403, "scope.missing")
	}

	public, err := json.Marshal(r.public())
	must(t, err)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(r.sign(t, claims(nil)), ".")[1] + "."
	parts := strings.Split(r.sign(t, claims(nil)), ".")
	forged := strings.Split(r.sign(t, claims(map[string]any{"tenant": "bolt"})), ".")
	past, ahead := clock.now().Add(-time.Second).Unix(), clock.now().Add(10*time.Minute).Unix()
	for what, token := range map[string]string{
		"another audience":         r.sign(t, claims(map[string]any{"aud": "another"})),
		"no audience":              r.sign(t, claims(map[string]any{"aud": nil})),
		"another issuer":           r.sign(t, claims(map[string]any{"iss": "https://issuer.example"})),
		"expired":                  r.sign(t, claims(map[string]any{"exp": past})),
		"without an end":           r.sign(t, claims(map[string]any{"exp": nil})),
		"not yet":                  r.sign(t, claims(map[string]any{"nbf": ahead})),
		"a tenant nobody knows":    r.sign(t, claims(map[string]any{"tenant": "nobody"})),
		"no tenant":                r.sign(t, claims(map[string]any{"tenant": nil})),
		"a tenant that is none":    r.sign(t, claims(map[string]any{"tenant": "acme,bolt"})),
		"a tenant of another form": r.sign(t, claims(map[string]any{"tenant": []string{"acme"}})),
		"a stranger's key":         signer{"strange", jose.EdDSA, strangeKey}.sign(t, claims(nil)),
		"a stranger under a name":  signer{"d", jose.EdDSA, strangeKey}.sign(t, claims(nil)),
		"a key of another kind":    signer{"r", jose.ES256, ecKey}.sign(t, claims(nil)),
		"a weak key":               weak.sign(t, claims(nil)),
		"the public key as HMAC":   signer{"r", jose.HS256, public}.sign(t, claims(nil)),
		"a published secret":       signer{"oct", jose.HS256, []byte("a secret that everybody may read")}.sign(t, claims(nil)),
		"PS256":                    signer{"r", jose.PS256, rsaKey}.sign(t, claims(nil)),
		"none":                     none,
		"another payload":          parts[0] + "." + forged[1] + "." + parts[2],
		"no signature":             parts[0] + "." + parts[1] + ".",
		"nothing":                  "..",
	} {
		if given := ask(token); given.status != 401 || !strings.Contains(string(given.body), `"auth.unknown"`) {
			t.Errorf("%s: %d %s", what, given.status, given.body)
		}
	}
	if asked := i.timesAsked(); asked != 1 {
		t.Errorf("strangers made us ask for the keys: %d times", asked)
	}

	// The issuer changes its key; a token with the new one makes us ask again.
	anotherKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	next := signer{"next", jose.ES256, anotherKey}
	i.publish(next.public(), e.public())
	clock.pass(30 * time.Second)
	takes("the next key", next.sign(t, claims(nil)))
	refused(t, "a key that was withdrawn", ask(r.sign(t, claims(nil))), 401, "auth.unknown")

	// Away again: those we know go on, others cannot be judged.
	i.breakDown(true)
	clock.pass(time.Hour)
	takes("a known key", next.sign(t, claims(nil)))
	refused(t, "an unknown key", ask(d.sign(t, claims(nil))), 503, "unavailable")

	// It is back, with its keys elsewhere.
	i.breakDown(false)
	i.move("/moved")
	i.publish(d.public(), next.public())
	clock.pass(5 * time.Second)
	takes("a key that came elsewhere", d.sign(t, claims(nil)))
	i.move("/again")
	i.publish(r.public(), next.public())
	clock.pass(10 * time.Minute)
	takes("a known key, asked for in vain", next.sign(t, claims(nil)))
	clock.pass(5 * time.Second)
	takes("a key that came elsewhere again", r.sign(t, claims(nil)))

	// A stream lives as long as its token is good.
	stream := w.open(t, w.another(t, api.Following{Heartbeat: 50 * time.Millisecond}), next.sign(t, claims(map[string]any{"scope": "events:read"})), "/v1/events")
	lines, lives := bufio.NewScanner(stream.body), 0
	for lives < 3 && lines.Scan() {
		if lines.Text() == ":" {
			lives++
		}
	}
	if must(t, lines.Err()); lives < 3 {
		t.Errorf("a token's stream ended after %d signs of life", lives)
	}

	// Keys are taken as ever.
	takes("an API key", w.key)
}

func TestIssuersAreChecked(t *testing.T) {
	t.Parallel()
	for _, options := range []api.IssuerOptions{
		{URL: "http://issuer.example", Audience: "a", TenantClaim: "t"}, {URL: "issuer.example", Audience: "a", TenantClaim: "t"}, {URL: "https://", Audience: "a", TenantClaim: "t"},
		{URL: "https://issuer.example", TenantClaim: "t"}, {URL: "https://issuer.example", Audience: "a"},
	} {
		if _, err := api.NewIssuer(options); err == nil {
			t.Errorf("%+v is taken", options)
		}
	}
	if _, err := api.NewIssuer(api.IssuerOptions{URL: "https://issuer.example/realm", Audience: "a", TenantClaim: "t"}); err != nil {
		t.Error(err)
	}
}
