package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Asked is a request that creates something: whose, under which idempotency
// key, and the digest of all that it says.
type Asked struct {
	Tenant, Key string
	Digest      [sha256.Size]byte
}

// once does work for a key once: asked again, the first answer is given. The
// key, the work and the answer stand or fall together; an equal key in flight
// is waited for. The error may be [declare.ErrKeyReused].
func once[T any](ctx context.Context, w *Webhooks, asked Asked, work func(pgx.Tx) (T, error)) (answer T, replayed bool, err error) {
	err = w.ledger.Within(ctx, declare.TenantScope(asked.Tenant), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, statement("claim_key"), asked.Tenant, asked.Key, asked.Digest[:], w.moment())
		if err != nil {
			return err
		}
		if replayed = tag.RowsAffected() == 0; replayed {
			return w.recall(ctx, tx, asked, &answer)
		}
		if answer, err = work(tx); err != nil {
			return err
		}
		return w.keep(ctx, tx, asked, answer)
	})
	return answer, replayed, err
}

func (w *Webhooks) keep(ctx context.Context, tx pgx.Tx, asked Asked, answer any) error {
	plain, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	sealed, err := w.vault.seal(plain, asked.Tenant, asked.Key)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, statement("keep_answer"), asked.Tenant, asked.Key, sealed)
	return err
}

func (w *Webhooks) recall(ctx context.Context, tx pgx.Tx, asked Asked, answer any) error {
	var digest, sealed []byte
	if err := tx.QueryRow(ctx, statement("answer_of_key"), asked.Tenant, asked.Key).Scan(&digest, &sealed); err != nil {
		return err
	}
	if !bytes.Equal(digest, asked.Digest[:]) {
		return declare.ErrKeyReused
	}
	plain, err := w.vault.open(sealed, asked.Tenant, asked.Key)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, answer)
}

// missing makes no row [declare.ErrMissing].
func missing(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return declare.ErrMissing
	}
	return err
}
