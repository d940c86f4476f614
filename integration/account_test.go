package integration

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
	"singlewindow/declare/account"
)

var accountSecret = []byte("a secret of thirty-two characters")

// tenantClock is a time that account tests move.
type tenantClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *tenantClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *tenantClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func openAccounts(t testing.TB, ledger *declare.Ledger, secret []byte, now func() time.Time) *account.Accounts {
	t.Helper()
	accounts, err := account.Open(t.Context(), ledger, secret, newIDs(), now, rand.Reader)
	must(t, err)
	return accounts
}

func newAccounts(t testing.TB) (*account.Accounts, *declare.Ledger, *tenantClock, string) {
	t.Helper()
	ledger, url := newLedger(t)
	clock := &tenantClock{at: time.Now().UTC().Truncate(time.Millisecond)}
	return openAccounts(t, ledger, accountSecret, clock.now), ledger, clock, url
}

func TestTenants(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	must(t, accounts.CreateTenant(t.Context(), "acme", "Acme 货运代理"))
	if err := accounts.CreateTenant(t.Context(), "acme", "Other"); !errors.Is(err, account.ErrTenantExists) {
		t.Errorf("a second one: %v", err)
	}
	for id, name := range map[string]string{"": "A", "Acme": "A", "-a": "A", "a,b": "A", strings.Repeat("a", 31): "A", "b": "", "c": " c", "d": "a\nb", "e": strings.Repeat("字", 201), "f": "\xff"} {
		if err := accounts.CreateTenant(t.Context(), id, name); !errors.Is(err, account.ErrBadName) {
			t.Errorf("%q %q: %v", id, name, err)
		}
	}
	must(t, accounts.CreateTenant(t.Context(), strings.Repeat("a", 30), strings.Repeat("字", 200)))
}

func TestKeys(t *testing.T) {
	t.Parallel()
	accounts, ledger, clock, url := newAccounts(t)
	must(t, accounts.CreateTenant(t.Context(), "acme", "Acme"))
	if _, err := accounts.CreateKey(t.Context(), "nobody", "x"); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a key for nobody: %v", err)
	}
	if _, err := accounts.CreateKey(t.Context(), "acme", ""); !errors.Is(err, account.ErrBadName) {
		t.Errorf("a key without a name: %v", err)
	}
	key, err := accounts.CreateKey(t.Context(), "acme", "warehouse")
	must(t, err)
	principal, err := accounts.Authenticate(t.Context(), key.Secret)
	if err != nil || principal != (account.Principal{Tenant: "acme", KeyID: key.ID, Scopes: account.AllScopes}) {
		t.Errorf("%+v %v", principal, err)
	}
	wrong := key.Secret[:len(key.Secret)-2] + map[bool]string{true: "00", false: "10"}[!strings.HasSuffix(key.Secret, "00")]
	for _, bearer := range []string{"", "x", wrong, strings.ToLower(key.Secret)} {
		if _, err := accounts.Authenticate(t.Context(), bearer); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("a wrong key: %v", err)
		}
	}
	if _, err := accounts.AuthenticateAgency(t.Context(), key.Secret); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a tenant's key as an agency's: %v", err)
	}
	elsewhere := openAccounts(t, ledger, []byte(strings.Repeat("another secret", 3)), clock.now)
	if _, err := elsewhere.Authenticate(t.Context(), key.Secret); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("under another server's secret: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { must(t, conn.Close(t.Context())) }()
	var kept int
	must(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM api_key k WHERE k::text LIKE '%' || $1 || '%'", key.Secret[8:]).Scan(&kept))
	if kept != 0 {
		t.Error("the secret itself is in the database")
	}
}

// A revoked or expired key is refused once what is remembered of it has aged.
func TestKeysEnd(t *testing.T) {
	t.Parallel()
	accounts, _, clock, url := newAccounts(t)
	must(t, accounts.CreateTenant(t.Context(), "acme", "Acme"))
	holds := func(key account.Key) bool {
		t.Helper()
		_, err := accounts.Authenticate(t.Context(), key.Secret)
		if err != nil && !errors.Is(err, account.ErrUnknown) {
			t.Fatal(err)
		}
		return err == nil
	}
	revoked, err := accounts.CreateKey(t.Context(), "acme", "revoked")
	must(t, err)
	if !holds(revoked) {
		t.Fatal("a new key does not hold")
	}
	execute(t, url, "SET app.scope = 'system'; UPDATE api_key SET revoked_at = now() WHERE name = 'revoked'")
	clock.pass(4900 * time.Millisecond)
	if !holds(revoked) {
		t.Error("the database was asked although the answer was fresh")
	}
	clock.pass(100 * time.Millisecond)
	if holds(revoked) {
		t.Error("a revoked key holds for more than five seconds")
	}
	expiring, err := accounts.CreateKey(t.Context(), "acme", "expiring")
	must(t, err)
	execute(t, url, "SET app.scope = 'system'; UPDATE api_key SET expires_at = '"+clock.now().Add(2*time.Second).Format(time.RFC3339Nano)+"' WHERE name = 'expiring'")
	if !holds(expiring) {
		t.Error("the key does not hold before it expires")
	}
	clock.pass(2 * time.Second)
	if holds(expiring) {
		t.Error("the key holds when it has expired")
	}
}

// When a key was used is written down to the minute, not at every request.
func TestKeysRememberTheirUse(t *testing.T) {
	t.Parallel()
	accounts, ledger, clock, _ := newAccounts(t)
	must(t, accounts.CreateTenant(t.Context(), "acme", "Acme"))
	key, err := accounts.CreateKey(t.Context(), "acme", "warehouse")
	must(t, err)
	used := func() (at *time.Time) {
		t.Helper()
		must(t, ledger.Within(t.Context(), declare.TenantScope("acme"), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT last_used_at FROM api_key WHERE id = $1", key.ID).Scan(&at)
		}))
		return at
	}
	if used() != nil {
		t.Error("used before it was used")
	}
	start := clock.now()
	for _, step := range []struct{ pass, want time.Duration }{{0, 0}, {6 * time.Second, 0}, {48 * time.Second, 0}, {6 * time.Second, time.Minute}, {30 * time.Second, time.Minute}} {
		clock.pass(step.pass)
		_, err := accounts.Authenticate(t.Context(), key.Secret)
		must(t, err)
		if at := used(); at == nil || !at.Equal(start.Add(step.want)) {
			t.Errorf("after %v: used at %v, want %v", clock.now().Sub(start), at, start.Add(step.want))
		}
	}
}

func TestAgencyCredentials(t *testing.T) {
	t.Parallel()
	accounts, _, clock, url := newAccounts(t)
	if _, err := accounts.CreateAgencyCredential(t.Context(), "North Port"); !errors.Is(err, account.ErrBadName) {
		t.Errorf("a bad name: %v", err)
	}
	first, err := accounts.CreateAgencyCredential(t.Context(), "north-port")
	must(t, err)
	second, err := accounts.CreateAgencyCredential(t.Context(), "north-port")
	must(t, err)
	for _, secret := range []string{first, second} {
		if agency, err := accounts.AuthenticateAgency(t.Context(), secret); err != nil || agency != "north-port" {
			t.Errorf("%q %v", agency, err)
		}
		if _, err := accounts.Authenticate(t.Context(), secret); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("an agency's credential as a tenant's key: %v", err)
		}
	}
	execute(t, url, "SET app.scope = 'system'; UPDATE agency_credential SET revoked_at = now()")
	clock.pass(5 * time.Second)
	if _, err := accounts.AuthenticateAgency(t.Context(), first); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a revoked credential: %v", err)
	}
}

// A scope sees its own rows and nobody else's; nobody can delete.
func TestAccountScopes(t *testing.T) {
	t.Parallel()
	accounts, ledger, _, _ := newAccounts(t)
	for _, tenant := range []string{"acme", "bolt"} {
		must(t, accounts.CreateTenant(t.Context(), tenant, tenant))
		_, err := accounts.CreateKey(t.Context(), tenant, "key")
		must(t, err)
		_, err = accounts.CreateAgencyCredential(t.Context(), tenant+"-port")
		must(t, err)
	}
	for _, c := range []struct {
		scope             declare.Scope
		keys, credentials int
	}{
		{declare.SystemScope, 2, 2}, {declare.TenantScope("acme"), 1, 0}, {declare.TenantScope("acme", "bolt"), 2, 0}, {declare.AgencyScope("acme-port"), 0, 1}, {declare.TenantScope("none"), 0, 0},
	} {
		must(t, ledger.Within(t.Context(), c.scope, func(tx pgx.Tx) error {
			var keys, credentials int
			err := tx.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM api_key), (SELECT count(*) FROM agency_credential)").Scan(&keys, &credentials)
			if keys != c.keys || credentials != c.credentials {
				t.Errorf("%+v sees %d keys and %d credentials", c.scope, keys, credentials)
			}
			return err
		}))
	}
	for _, table := range []string{"api_key", "agency_credential"} {
		err := ledger.Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM "+table)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("DELETE FROM %s: %v", table, err)
		}
	}
	err := ledger.Within(t.Context(), declare.TenantScope("acme"), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO tenant (id, name, created_at) VALUES ('other', 'Other', now())")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("a tenant made another: %v", err)
	}
}

func TestAccountStatementsPrepareUnderTheApplicationRole(t *testing.T) {
	t.Parallel()
	accounts, ledger, clock, url := newAccounts(t)
	must(t, accounts.CreateTenant(t.Context(), "acme", "Acme"))
	names, err := fs.Glob(account.Statements, "sql/*.sql")
	must(t, err)
	if len(names) < 6 {
		t.Fatalf("only %d statements found", len(names))
	}
	must(t, ledger.Patient(time.Minute).Within(t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		for i, name := range names {
			text, err := fs.ReadFile(account.Statements, name)
			if err != nil {
				return err
			}
			if _, err := tx.Prepare(t.Context(), fmt.Sprintf("a%d", i), string(text)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}))
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { must(t, conn.Close(t.Context())) }()
	var forced int
	must(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE relname IN ('api_key', 'agency_credential') AND relrowsecurity AND relforcerowsecurity").Scan(&forced))
	if forced != 2 {
		t.Errorf("row-level security is forced on %d of 2 tables", forced)
	}
	again := openAccounts(t, ledger, accountSecret, clock.now)
	if err := again.CreateTenant(t.Context(), "acme", "Acme"); !errors.Is(err, account.ErrTenantExists) {
		t.Errorf("after opening twice: %v", err)
	}
}

// Many requests at once, one key: no error, no deadlock, one use written.
func TestAuthenticatingTogether(t *testing.T) {
	t.Parallel()
	accounts, _, _, _ := newAccounts(t)
	must(t, accounts.CreateTenant(t.Context(), "acme", "Acme"))
	key, err := accounts.CreateKey(t.Context(), "acme", "busy")
	must(t, err)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if principal, err := accounts.Authenticate(t.Context(), key.Secret); err != nil || principal.Tenant != "acme" {
				t.Errorf("%+v %v", principal, err)
			}
		})
	}
	all.Wait()
}

// That a key is in use is noted where it can be: whoever asks is known all the
// same while the database writes nothing, and while somebody holds the row.
func TestKeysAreKnownWithoutTheNoteOfUse(t *testing.T) {
	t.Parallel()
	accounts, ledger, clock, url := newAccounts(t)
	must(t, accounts.CreateTenant(t.Context(), "acme", "Acme"))
	key, err := accounts.CreateKey(t.Context(), "acme", "x")
	must(t, err)
	mustBeKnown := func(when string) {
		t.Helper()
		begun := time.Now()
		if principal, err := accounts.Authenticate(t.Context(), key.Secret); err != nil || principal.KeyID != key.ID || time.Since(begun) > patience(time.Second) {
			t.Errorf("%s: %+v after %v, %v", when, principal, time.Since(begun), err)
		}
		clock.pass(time.Minute)
	}
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	tx, err := conn.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM api_key FOR UPDATE")
	must(t, err)
	mustBeKnown("the row is held")
	must(t, tx.Rollback(t.Context()))
	database := conn.Config().Database
	for _, is := range []struct{ readOnly, when string }{{"on", "read-only"}, {"off", "writable again"}} {
		execute(t, url+"&default_transaction_read_only=off", "ALTER DATABASE "+database+" SET default_transaction_read_only = "+is.readOnly)
		ledger.Pool().Reset() // a session keeps what it began with
		mustBeKnown(is.when)
	}
	var used bool
	must(t, conn.QueryRow(t.Context(), "SELECT last_used_at IS NOT NULL FROM api_key").Scan(&used))
	if !used {
		t.Error("nothing was noted although it could be")
	}
}
