package account

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// What may keep a key from being made or replaced.
var (
	ErrTwoKeys   = errors.New("account: two keys of this name are live already")
	ErrKeyEnded  = errors.New("account: the key has expired or was revoked")
	ErrKeyReused = errors.New("account: the idempotency key belongs to another request")
)

const (
	mostOfName = 2   // live keys of one name: one, and the one that follows it
	mostListed = 500 // keys, the latest
)

// LongestGrace is how long a key may still be good after it was replaced.
const LongestGrace = 30 * 24 * time.Hour

var keyID = regexp.MustCompile(`^key_[0-9A-HJKMNP-TV-Z]{26}$`)

// Key is an API key. Secret is told when the key is made and never again.
type Key struct {
	ID, Secret string
	Name       string // what it is for
	Scopes     Scopes
	Replaces   string // the id of the key it was made to follow; "" for none
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	RevokedAt  time.Time // zero: it was not
	LastUsedAt time.Time // to the minute; zero: never
	Replayed   bool      // it was made by an earlier request like this one
}

func (k Key) live(now time.Time) bool { return k.RevokedAt.IsZero() && !expired(k.ExpiresAt, now) }

// KeyOrder says what key to make. The same order under the same Request is one
// key; without a Request each is a new one.
type KeyOrder struct {
	Name    string
	Scopes  []string  // nil: everything, also what comes later
	Expires time.Time // zero: never
	Request string    // the idempotency key; "" for none
}

// digest tells one order from another; what else it says of a replaced key is
// in about.
func (o KeyOrder) digest(about ...any) ([]byte, error) {
	text, err := json.Marshal([]any{o.Name, o.Scopes, o.Expires.UTC(), about})
	sum := sha256.Sum256(text)
	return sum[:], err
}

// CreateKey makes a key for a tenant that may do everything; name says what it
// is for. The errors are those of [Accounts.MakeKey].
func (a *Accounts) CreateKey(ctx context.Context, tenant, name string) (Key, error) {
	return a.MakeKey(ctx, tenant, KeyOrder{Name: name})
}

// MakeKey makes a key for a tenant. The error is [ErrUnknown] when there is no
// such tenant, [ErrBadName], [ErrTwoKeys], [ErrKeyReused], or [ErrKeyEnded] when
// it would have expired already.
func (a *Accounts) MakeKey(ctx context.Context, tenant string, order KeyOrder) (Key, error) {
	if !isTitle(order.Name) {
		return Key{}, ErrBadName
	}
	digest, err := order.digest()
	if err != nil {
		return Key{}, err
	}
	return a.newKey(ctx, tenant, order.Request, digest, func(pgx.Tx) (Key, []string, error) {
		if expired(order.Expires, a.moment()) {
			return Key{}, nil, ErrKeyEnded
		}
		return Key{Name: order.Name, ExpiresAt: order.Expires}, order.Scopes, nil
	})
}

// RotateKey makes a key that follows another: of its name, with its scopes and,
// where it was to expire, with as long a life. The other one is good for grace
// longer. The error is [declare.ErrMissing] when the tenant has no such key,
// [ErrKeyEnded], [ErrTwoKeys] or [ErrKeyReused]. May is asked whether the key
// may be replaced by whoever asks for it.
func (a *Accounts) RotateKey(ctx context.Context, tenant, id string, grace time.Duration, request string, may func(Key) error) (Key, error) {
	if !keyID.MatchString(id) {
		return Key{}, declare.ErrMissing
	}
	digest, err := KeyOrder{}.digest(id, grace)
	if err != nil {
		return Key{}, err
	}
	return a.newKey(ctx, tenant, request, digest, func(tx pgx.Tx) (Key, []string, error) {
		now := a.moment()
		old, scopes, err := readKey(tx.QueryRow(ctx, statement("key"), tenant, id))
		if err != nil {
			return Key{}, nil, missing(err)
		}
		if err := may(old); err != nil {
			return Key{}, nil, err
		}
		if !old.live(now) {
			return Key{}, nil, ErrKeyEnded
		}
		key := Key{Name: old.Name, Replaces: old.ID}
		if !old.ExpiresAt.IsZero() {
			key.ExpiresAt = now.Add(old.ExpiresAt.Sub(old.CreatedAt))
		}
		_, err = tx.Exec(ctx, statement("end_key"), tenant, old.ID, now.Add(grace))
		return key, scopes, err
	})
}

// newKey writes a key down, unless the request for it was heard before. Keys of
// one tenant are made one after the other, so that no more live than may.
func (a *Accounts) newKey(ctx context.Context, tenant, request string, digest []byte, plan func(pgx.Tx) (Key, []string, error)) (Key, error) {
	if !tenantID.MatchString(tenant) {
		return Key{}, ErrUnknown
	}
	secret, err := a.vault.make(a.keyPrefix)
	if err != nil {
		return Key{}, err
	}
	var key Key
	err = a.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, statement("lock_tenant"), tenant).Scan(&tenant); err != nil {
			return known(err)
		}
		earlier, found, err := replayed(ctx, tx, tenant, request, digest)
		if key = earlier; found || err != nil {
			return err
		}
		planned, scopes, err := plan(tx)
		if err != nil {
			return err
		}
		key, err = a.writeKey(ctx, tx, tenant, planned, scopes, secret, request, digest)
		return err
	})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

func (a *Accounts) writeKey(ctx context.Context, tx pgx.Tx, tenant string, key Key, scopes []string, secret, request string, digest []byte) (Key, error) {
	now := a.moment()
	var live int
	if err := tx.QueryRow(ctx, statement("live_keys"), tenant, key.Name, now).Scan(&live); err != nil {
		return Key{}, fmt.Errorf("live_keys: %w", err)
	}
	if live >= mostOfName {
		return Key{}, ErrTwoKeys
	}
	key.ID, key.Secret, key.CreatedAt, key.Scopes = a.ids.New("key"), secret, now, scopesOf(scopes)
	var requested *string
	if request == "" {
		digest = nil
	} else {
		requested = &request
	}
	_, err := tx.Exec(ctx, statement("insert_key"), tenant, key.ID, key.Name, a.vault.hash(secret), now, orNull(key.ExpiresAt), scopes, requested, digest, orNone(key.Replaces))
	if err != nil {
		return Key{}, fmt.Errorf("insert_key: %w", err)
	}
	return key, nil
}

// replayed finds the key that an earlier request of this kind made.
func replayed(ctx context.Context, tx pgx.Tx, tenant, request string, digest []byte) (key Key, found bool, err error) {
	if request == "" {
		return Key{}, false, nil
	}
	var before []byte
	key, _, err = readKey(tx.QueryRow(ctx, statement("key_of_request"), tenant, request), &before)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Key{}, false, nil
	case err != nil:
		return Key{}, false, fmt.Errorf("key_of_request: %w", err)
	case !bytes.Equal(before, digest):
		return Key{}, false, ErrKeyReused
	}
	key.Replayed = true
	return key, true, nil
}

// RevokeKey ends a key, for good; once more does nothing. Who has been let in
// by it is let in for as long as an answer of the database is remembered: five
// seconds. The error is [declare.ErrMissing] when the tenant has no such key.
func (a *Accounts) RevokeKey(ctx context.Context, tenant, id string) error {
	if !tenantID.MatchString(tenant) || !keyID.MatchString(id) {
		return declare.ErrMissing
	}
	found, err := a.exec(ctx, declare.TenantScope(tenant), "revoke_key", tenant, id, a.moment())
	if err == nil && !found {
		return declare.ErrMissing
	}
	return err
}

// Live tells whether a key is good now.
func (a *Accounts) Live(key Key) bool { return key.live(a.moment()) }

// Keys gives a tenant's keys, the latest first, without their secrets, those
// that are not good any more among them.
func (a *Accounts) Keys(ctx context.Context, tenant string) (keys []Key, err error) {
	err = a.ledger.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("keys"), tenant, mostListed)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
			key, _, err := readKey(row)
			return key, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return keys, nil
}

// readKey takes a row of a key, with its scopes as they are kept, and what else
// stands in it.
func readKey(row pgx.Row, more ...any) (key Key, scopes []string, err error) {
	var expires, revoked, used *time.Time
	targets := []any{&key.ID, &key.Name, &scopes, &key.CreatedAt, &expires, &revoked, &used, &key.Replaces}
	if err := row.Scan(slices.Concat(targets, more)...); err != nil {
		return Key{}, nil, err
	}
	key.Scopes, key.CreatedAt = scopesOf(scopes), key.CreatedAt.UTC()
	for target, at := range map[*time.Time]*time.Time{&key.ExpiresAt: expires, &key.RevokedAt: revoked, &key.LastUsedAt: used} {
		if at != nil {
			*target = at.UTC()
		}
	}
	return key, scopes, nil
}

// scopesOf reads scopes as they are kept: none named means all.
func scopesOf(names []string) Scopes {
	if names == nil {
		return AllScopes
	}
	return KnownScopes(names)
}

func missing(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return declare.ErrMissing
	}
	return err
}

func orNull(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

func orNone(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
