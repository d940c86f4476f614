package account

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Statements are the package's SQL files, under sql/.
//
//go:embed sql
var Statements embed.FS

// What may keep a call from succeeding.
var (
	ErrTenantExists = errors.New("account: the tenant exists")
	ErrUnknown      = errors.New("account: unknown, revoked or expired")
	ErrBadName      = errors.New("account: not a name: tenants and agencies are lower-case letters, digits and hyphens; titles are 1 to 200 printable characters")
)

var (
	tenantID   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,29}$`)
	agencyName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
)

// Accounts keeps tenants, keys, credentials, users and sessions. Safe for concurrent use.
type Accounts struct {
	ledger *declare.Ledger
	vault  vault
	press  press
	ids    *declare.IDs
	now    func() time.Time

	keys     *memory[Principal]
	agencies *memory[string]
}

// Key is a new API key. Secret is told here and never again.
type Key struct{ ID, Secret string }

// Principal is who asks: a tenant, by one of its keys.
type Principal struct{ Tenant, KeyID string }

// Open brings the package's tables up to date. The secret, at least 32 bytes,
// must be the same at every start: with another one every key is unknown.
// Random must be safe for concurrent use and never fail.
func Open(ctx context.Context, ledger *declare.Ledger, secret []byte, ids *declare.IDs, now func() time.Time, random io.Reader) (*Accounts, error) {
	vault, err := newVault(secret, random)
	if err != nil {
		return nil, err
	}
	migrations, err := fs.Sub(Statements, "sql/migrations")
	if err != nil {
		return nil, err
	}
	if err := declare.Migrate(ctx, ledger.URL(), "account_version", migrations); err != nil {
		return nil, err
	}
	return &Accounts{
		ledger: ledger, vault: vault, press: newPress(), ids: ids, now: now,
		keys: newMemory[Principal](now), agencies: newMemory[string](now),
	}, nil
}

// CreateTenant writes down an enterprise: id as in acme-forwarding, name as
// people write it. The error is [ErrTenantExists] or [ErrBadName].
func (a *Accounts) CreateTenant(ctx context.Context, id, name string) error {
	if !tenantID.MatchString(id) || !isTitle(name) {
		return ErrBadName
	}
	made, err := a.exec(ctx, declare.TenantScope(id), "insert_tenant", id, name, a.moment())
	if err == nil && !made {
		return ErrTenantExists
	}
	return err
}

// CreateKey makes a key for a tenant; name says what it is for. The error is
// [ErrUnknown] when there is no such tenant, or [ErrBadName].
func (a *Accounts) CreateKey(ctx context.Context, tenant, name string) (Key, error) {
	if !tenantID.MatchString(tenant) {
		return Key{}, ErrUnknown
	}
	if !isTitle(name) {
		return Key{}, ErrBadName
	}
	secret, err := a.vault.make(keyPrefix)
	if err != nil {
		return Key{}, err
	}
	key := Key{ID: a.ids.New("key"), Secret: secret}
	made, err := a.exec(ctx, declare.TenantScope(tenant), "insert_key", tenant, key.ID, name, a.vault.hash(secret), a.moment())
	if err != nil {
		return Key{}, err
	}
	if !made {
		return Key{}, ErrUnknown
	}
	return key, nil
}

// CreateAgencyCredential makes the secret under which an agency hands in its
// notices. Earlier ones stay good.
func (a *Accounts) CreateAgencyCredential(ctx context.Context, agency string) (string, error) {
	if !agencyName.MatchString(agency) {
		return "", ErrBadName
	}
	secret, err := a.vault.make(agencyPrefix)
	if err != nil {
		return "", err
	}
	_, err = a.exec(ctx, declare.AgencyScope(agency), "insert_agency_credential", agency, a.vault.hash(secret), a.moment())
	if err != nil {
		return "", err
	}
	return secret, nil
}

// Authenticate tells whose key this is; [ErrUnknown] when nobody's.
func (a *Accounts) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if !wellFormed(keyPrefix, bearer) {
		return Principal{}, ErrUnknown
	}
	hash := a.vault.hash(bearer)
	return a.keys.recall(string(hash), func() (Principal, time.Time, error) { return a.keyOf(ctx, hash) })
}

// AuthenticateAgency tells which agency's credential this is; [ErrUnknown]
// when none's.
func (a *Accounts) AuthenticateAgency(ctx context.Context, bearer string) (string, error) {
	if !wellFormed(agencyPrefix, bearer) {
		return "", ErrUnknown
	}
	hash := a.vault.hash(bearer)
	return a.agencies.recall(string(hash), func() (agency string, never time.Time, err error) {
		err = a.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, statement("agency_of_hash"), hash).Scan(&agency)
		})
		return agency, never, known(err)
	})
}

// keyOf asks the database, and writes down once a minute that the key is in
// use. It also tells when the key expires, the zero time for never.
func (a *Accounts) keyOf(ctx context.Context, hash []byte) (principal Principal, expires time.Time, err error) {
	now := a.moment()
	var until, used *time.Time
	err = a.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("key_of_hash"), hash).Scan(&principal.Tenant, &principal.KeyID, &until, &used)
	})
	if err != nil {
		return Principal{}, expires, known(err)
	}
	if until != nil {
		expires = *until
	}
	if expired(expires, now) {
		return Principal{}, expires, ErrUnknown
	}
	if minuteAgo := now.Add(-time.Minute); used == nil || !used.After(minuteAgo) {
		err = a.noteUse(ctx, principal, now, minuteAgo)
	}
	return principal, expires, err
}

// noteTime bounds what a note may take of a request's time.
const noteTime = 250 * time.Millisecond

// noteUse writes down that a key is in use, where that can be written: while
// the database is read-only, full or busy the note is left out, because who
// only reads must be answered all the same.
func (a *Accounts) noteUse(ctx context.Context, who Principal, now, minuteAgo time.Time) error {
	limited, cancel := context.WithTimeout(ctx, noteTime)
	defer cancel()
	_, err := a.exec(limited, declare.SystemScope, "key_used", who.Tenant, who.KeyID, now, minuteAgo)
	if errors.Is(err, declare.ErrUnavailable) {
		return nil
	}
	return err
}

func known(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrUnknown
	}
	return err
}

// exec runs one statement in a transaction of its own and tells whether it
// wrote a row.
func (a *Accounts) exec(ctx context.Context, scope declare.Scope, name string, arguments ...any) (wrote bool, err error) {
	err = a.ledger.Within(ctx, scope, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, statement(name), arguments...)
		wrote = tag.RowsAffected() > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return wrote, nil
}

func (a *Accounts) moment() time.Time { return a.now().UTC().Truncate(time.Millisecond) }

func isTitle(name string) bool {
	length := utf8.RuneCountInString(name)
	return utf8.ValidString(name) && 1 <= length && length <= 200 && strings.TrimSpace(name) == name &&
		strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// statement gives the text of sql/<name>.sql.
func statement(name string) string {
	text, err := Statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("account: " + err.Error())
	}
	return string(text)
}
