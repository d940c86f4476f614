package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Sessions keeps what is remembered of signed-in visitors, for every gateway
// on the database. It has the methods that a session manager wants of a store.
// Tokens are kept as SHA-256: whoever reads the table cannot use one; they are
// random enough to need no more.
type Sessions struct{ accounts *Accounts }

// Sessions gives the store of sessions.
func (a *Accounts) Sessions() *Sessions { return &Sessions{a} }

// FindCtx gives a session's content while it lasts.
func (s *Sessions) FindCtx(ctx context.Context, token string) (content []byte, found bool, err error) {
	err = s.accounts.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("find_session"), tokenHash(token), s.accounts.moment()).Scan(&content)
	})
	if err = known(err); errors.Is(err, ErrUnknown) {
		return nil, false, nil
	}
	return content, err == nil, err
}

// CommitCtx keeps a session until it expires. One that was ended stays ended.
func (s *Sessions) CommitCtx(ctx context.Context, token string, content []byte, expires time.Time) error {
	_, err := s.accounts.exec(ctx, declare.SystemScope, "keep_session", tokenHash(token), content, expires)
	return err
}

// DeleteCtx ends a session.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	_, err := s.accounts.exec(ctx, declare.SystemScope, "end_session", tokenHash(token))
	return err
}

// Find is FindCtx without a caller to wait for.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a caller to wait for.
func (s *Sessions) Commit(token string, content []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), token, content, expires)
}

// Delete is DeleteCtx without a caller to wait for.
func (s *Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

func tokenHash(token string) []byte {
	hash := sha256.Sum256([]byte(token))
	return hash[:]
}
