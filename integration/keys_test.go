package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"singlewindow/api"
	"singlewindow/declare"
	"singlewindow/declare/account"
)

// order asks for a key, or for another in its place.
func (w *restWindow) order(t *testing.T, bearer, path, once, body string) answer {
	t.Helper()
	return w.ask(t, bearer, http.MethodPost, path, []byte(body), "Content-Type", "application/json", "Idempotency-Key", once)
}

func TestKeysOverREST(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)

	const order = `{"name":"ERP","scopes":["declarations:read","keys"],"expiresAt":"2099-01-01T00:00:00Z"}`
	first := w.order(t, w.key, "/v1/keys", "k1", order)
	made := decoded[api.NewKeyView](t, first)
	if first.status != http.StatusCreated || !regexp.MustCompile(`^sw_live_[0-9A-Z]{52}$`).MatchString(made.Secret) || !slices.Equal(made.Scopes, []string{"declarations:read", "keys"}) ||
		!made.Live || made.ExpiresAt == nil || first.header.Get("Location") != "/v1/keys/"+made.ID {
		t.Fatalf("%d %v %+v", first.status, first.header, made.KeyView)
	}
	again := w.order(t, w.key, "/v1/keys", "k1", order)
	if replay := decoded[api.NewKeyView](t, again); again.status != http.StatusCreated || again.header.Get("Idempotent-Replayed") != "true" || replay.ID != made.ID || replay.Secret != "" {
		t.Errorf("replay: %d %v %s", again.status, again.header, again.body)
	}
	refused(t, "another order under the same key", w.order(t, w.key, "/v1/keys", "k1", `{"name":"other"}`), 422, "idempotency.keyReused")
	refused(t, "no idempotency key", w.order(t, w.key, "/v1/keys", "", order), 400, "idempotency.missing")
	for body, pointer := range map[string]string{
		`{"name":""}`: "/body/name", `{"name":" x"}`: "/body/name", `{"name":"x","scopes":["secret-scope"]}`: "/body/scopes",
		`{"name":"x","expiresAt":"2020-01-01T00:00:00Z"}`: "/body/expiresAt", `{"name":"x","surplus":1}`: "/body/surplus", `{}`: "/body/name",
	} {
		given := w.order(t, w.key, "/v1/keys", "bad", body)
		if problem := refused(t, body, given, 422, "parameter.invalid"); len(problem.Errors) == 0 || problem.Errors[0].Pointer != pointer && pointer != "/body/name" || bytes.Contains(given.body, []byte("secret-scope")) {
			t.Errorf("%s: %s", body, given.body)
		}
	}
	both := w.order(t, w.key, "/v1/keys", "bad", `{"name":"x","scopes":["x"],"expiresAt":"0001-01-01T00:00:00Z"}`)
	if problem := refused(t, "two mistakes", both, 422, "parameter.invalid"); len(problem.Errors) != 2 {
		t.Errorf("not both are told: %s", both.body)
	}
	refused(t, "no JSON", w.order(t, w.key, "/v1/keys", "bad", `{"name"`), 400, "json.invalid")
	refused(t, "no body", w.order(t, w.key, "/v1/keys", "bad", ""), 400, "body.missing")
	refused(t, "too much", w.order(t, w.key, "/v1/keys", "bad", `{"name":"`+strings.Repeat("x", 20<<10)+`"}`), 413, "body.tooLarge")

	// It may do what it may, gives on what it has and no more.
	refused(t, "filing", w.ask(t, made.Secret, http.MethodPost, "/v1/declarations", []byte("{}"), "Content-Type", "application/json", "Idempotency-Key", "x"), 403, "scope.missing")
	if given := w.ask(t, made.Secret, http.MethodGet, "/v1/declarations", nil); given.status != http.StatusOK {
		t.Errorf("reading: %d", given.status)
	}
	refused(t, "a scope it has not", w.order(t, made.Secret, "/v1/keys", "k2", `{"name":"more","scopes":["batches"]}`), 403, "scope.missing")
	child := decoded[api.NewKeyView](t, w.order(t, made.Secret, "/v1/keys", "k3", `{"name":"child"}`))
	if !slices.Equal(child.Scopes, made.Scopes) {
		t.Errorf("a key without scopes of its own has %v", child.Scopes)
	}

	// One key follows the other; a third of the name is one too many.
	follower := decoded[api.NewKeyView](t, w.order(t, w.key, "/v1/keys/"+made.ID+"/rotate", "r1", `{"grace":"PT2H"}`))
	if follower.Replaces != made.ID || follower.Name != made.Name || !slices.Equal(follower.Scopes, made.Scopes) || follower.ExpiresAt == nil || follower.Secret == "" {
		t.Errorf("%+v", follower.KeyView)
	}
	refused(t, "a third one", w.order(t, w.key, "/v1/keys", "k4", `{"name":"ERP"}`), 409, "key.tooMany")
	refused(t, "a third one by rotation", w.order(t, w.key, "/v1/keys/"+follower.ID+"/rotate", "r2", `{}`), 409, "key.tooMany")
	whole := decoded[struct{ Keys []api.KeyView }](t, w.ask(t, w.key, http.MethodGet, "/v1/keys", nil)).Keys
	strong := whole[len(whole)-1] // the test's own, which may do everything
	refused(t, "rotating a stronger key", w.order(t, made.Secret, "/v1/keys/"+strong.ID+"/rotate", "r3", `{}`), 403, "scope.missing")
	for _, grace := range []string{"P31D", "2h", "PT"} {
		refused(t, grace, w.order(t, w.key, "/v1/keys/"+made.ID+"/rotate", "r4", `{"grace":"`+grace+`"}`), 422, "parameter.invalid")
	}
	for _, key := range whole {
		if key.ID == made.ID && (key.LastUsedAt == nil || key.ExpiresAt == nil || time.Until(*key.ExpiresAt) > 2*time.Hour) {
			t.Errorf("the key that was replaced: %+v", key)
		}
	}

	// Foreign is like missing, and changes nothing.
	for _, call := range [][2]string{{http.MethodDelete, "/v1/keys/%s"}, {http.MethodPost, "/v1/keys/%s/rotate"}} {
		ask := func(id string) answer {
			return w.ask(t, w.other, call[0], fmt.Sprintf(call[1], id), []byte(`{}`), "Content-Type", "application/json", "Idempotency-Key", "f", "X-Request-Id", "same")
		}
		foreign, missing, malformed := ask(made.ID), ask("key_01KDTP3X8Q0000000000000009"), ask("key_1")
		refused(t, "foreign", foreign, 404, "resource.missing")
		if !bytes.Equal(foreign.body, missing.body) || !bytes.Equal(foreign.body, malformed.body) {
			t.Errorf("%s\n%s\n%s", foreign.body, missing.body, malformed.body)
		}
	}
	for range 2 {
		if given := w.ask(t, w.key, http.MethodDelete, "/v1/keys/"+made.ID, nil); given.status != http.StatusNoContent || len(given.body) > 0 {
			t.Errorf("revoking: %d %s", given.status, given.body)
		}
	}
	refused(t, "rotating a revoked key", w.order(t, w.key, "/v1/keys/"+made.ID+"/rotate", "r5", `{}`), 409, "key.ended")
	listed := w.ask(t, w.key, http.MethodGet, "/v1/keys", nil)
	for _, key := range decoded[struct{ Keys []api.KeyView }](t, listed).Keys {
		if key.ID == made.ID && (key.Live || key.RevokedAt == nil) {
			t.Errorf("revoked: %+v", key)
		}
	}
	if bytes.Contains(listed.body, []byte(made.Secret[8:])) || bytes.Contains(listed.body, []byte("secret")) {
		t.Error("the list tells secrets")
	}
}

// Every operation that names a scope is closed to a key that has all others,
// and says which one it wants.
func TestEveryScopeIsAskedFor(t *testing.T) {
	t.Parallel()
	ledger, _ := newLedger(t)
	w := newRESTWindow(t, ledger)
	keys := map[string]string{}
	for _, scope := range account.ScopeList {
		others := (account.AllScopes &^ scope.Scope).Names()
		key, err := w.accounts.MakeKey(t.Context(), "acme", account.KeyOrder{Name: "all but " + scope.Name, Scopes: others})
		must(t, err)
		keys[scope.Name] = key.Secret
	}
	parameter := regexp.MustCompile(`\{[^}]*\}`)
	asked := map[string]int{}
	for path, operations := range w.document.paths {
		for method, operation := range operations {
			wanted := scopesWanted(operation)
			for _, scope := range wanted {
				asked[scope]++
				given := w.ask(t, keys[scope], strings.ToUpper(method), parameter.ReplaceAllString(path, "x"), []byte("{}"))
				problem := refused(t, method+" "+path, given, 403, "scope.missing")
				if !strings.Contains(given.header.Get("WWW-Authenticate"), `scope="`+scope+`"`) || len(problem.Errors) != 1 || !strings.Contains(problem.Errors[0].Message, scope) {
					t.Errorf("%s %s: %v %s", method, path, given.header, given.body)
				}
			}
		}
	}
	for _, scope := range account.ScopeList {
		if asked[scope.Name] == 0 && scope.Scope != account.ManageWebhooks {
			t.Errorf("no operation asks for %s", scope.Name)
		}
	}
}

// scopesWanted are those that an operation of the document asks keys for.
func scopesWanted(operation any) (scopes []string) {
	described, _ := operation.(map[string]any)
	securities, _ := described["security"].([]any)
	for _, security := range securities {
		names, _ := security.(map[string]any)["tenantKey"].([]any)
		for _, name := range names {
			scopes = append(scopes, name.(string))
		}
	}
	return scopes
}

// The one that is replaced ends when its grace is over, to what is remembered;
// the one that follows lives as long as it was meant to.
func TestKeysFollowEachOther(t *testing.T) {
	t.Parallel()
	accounts, _, clock, url := newAccounts(t)
	must(t, accounts.CreateTenant(t.Context(), "acme", "Acme"))
	may := func(account.Key) error { return nil }
	first, err := accounts.MakeKey(t.Context(), "acme", account.KeyOrder{Name: "ERP", Expires: clock.now().Add(100 * time.Hour)})
	must(t, err)
	clock.pass(10 * time.Hour)
	second, err := accounts.RotateKey(t.Context(), "acme", first.ID, time.Hour, "", may)
	must(t, err)
	if !second.ExpiresAt.Equal(clock.now().Add(100*time.Hour)) || second.Replaces != first.ID {
		t.Errorf("%+v", second)
	}
	holds := func(key account.Key) bool {
		_, err := accounts.Authenticate(t.Context(), key.Secret)
		return err == nil
	}
	clock.pass(time.Hour - time.Second)
	if !holds(first) || !holds(second) {
		t.Error("both hold within the grace")
	}
	if _, err := accounts.CreateKey(t.Context(), "acme", "ERP"); !errors.Is(err, account.ErrTwoKeys) {
		t.Errorf("a third one: %v", err)
	}
	clock.pass(time.Second)
	if holds(first) || !holds(second) {
		t.Error("the first one holds after its grace, or the second does not")
	}
	if _, err := accounts.RotateKey(t.Context(), "acme", first.ID, time.Hour, "", may); !errors.Is(err, account.ErrKeyEnded) {
		t.Errorf("rotating what has ended: %v", err)
	}
	if _, err := accounts.RotateKey(t.Context(), "acme", "key_01KDTP3X8Q0000000000000009", 0, "", may); !errors.Is(err, declare.ErrMissing) {
		t.Errorf("rotating nothing: %v", err)
	}
	must(t, accounts.RevokeKey(t.Context(), "acme", second.ID))
	clock.pass(5 * time.Second)
	if holds(second) {
		t.Error("a revoked key holds")
	}
	// Keys from before there were scopes may do everything.
	old, err := accounts.CreateKey(t.Context(), "acme", "old")
	must(t, err)
	execute(t, url, "SET app.scope = 'system'; UPDATE api_key SET scopes = NULL WHERE name = 'old'")
	if principal, err := accounts.Authenticate(t.Context(), old.Secret); err != nil || principal.Scopes != account.AllScopes {
		t.Errorf("%+v %v", principal, err)
	}
}

// However many ask at once, no more than two keys of a name come to live, and
// one request makes one key.
func TestKeysMadeTogether(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	must(t, accounts.CreateTenant(t.Context(), "acme", "Acme"))
	var together sync.WaitGroup
	var mu sync.Mutex
	made, secrets := map[string]bool{}, 0
	for i := range 16 {
		together.Go(func() {
			if _, err := accounts.CreateKey(t.Context(), "acme", "busy"); err != nil && !errors.Is(err, account.ErrTwoKeys) {
				t.Error(err)
			}
			key, err := accounts.MakeKey(t.Context(), "acme", account.KeyOrder{Name: "once", Request: "r"})
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			made[key.ID] = true
			if key.Secret != "" {
				secrets++
			}
		})
	}
	together.Wait()
	keys, err := accounts.Keys(t.Context(), "acme")
	must(t, err)
	if len(keys) != 3 || len(made) != 1 || secrets != 1 {
		t.Errorf("%d keys; one request made %d, told %d secrets", len(keys), len(made), secrets)
	}
}

// A key of one world is not known in the other, whatever it says.
func TestKeysOfTwoWorlds(t *testing.T) {
	t.Parallel()
	live, ledger, clock, _ := newAccounts(t)
	test, err := account.OpenTest(t.Context(), ledger, accountSecret, newIDs(), clock.now, strings.NewReader(strings.Repeat("x", 4096)))
	must(t, err)
	must(t, live.CreateTenant(t.Context(), "acme", "Acme"))
	key, err := test.CreateKey(t.Context(), "acme", "test")
	must(t, err)
	if !strings.HasPrefix(key.Secret, "sw_test_") || !account.OfTestWorld(key.Secret) {
		t.Errorf("a key of the test world begins %.8s", key.Secret)
	}
	if _, err := live.Authenticate(t.Context(), key.Secret); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("the live world knows it: %v", err)
	}
	if _, err := test.Authenticate(t.Context(), key.Secret); err != nil {
		t.Errorf("its own does not: %v", err)
	}
	credential, err := test.CreateAgencyCredential(t.Context(), "north-port")
	must(t, err)
	if _, err := live.AuthenticateAgency(t.Context(), credential); !errors.Is(err, account.ErrUnknown) || !account.OfTestWorld(credential) {
		t.Errorf("the live world knows the credential: %v", err)
	}
	if text, err := json.Marshal(account.AllScopes.Names()); err != nil || !strings.Contains(string(text), "declarations:read") {
		t.Errorf("%s %v", text, err)
	}
}
