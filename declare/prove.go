package declare

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// proved is a message that the agency was heard to have, though it never said
// so when the message was sent.
type proved struct {
	key        declarationKey
	agency, id string
	attempts   int
	at         time.Time
}

// prove settles messages of these declarations that a notice shows to have
// arrived: nothing more is sent, and no officer need decide. A notice may come
// before the attempt is recorded, so this is looked at again after each one
// that leaves the message open.
func (g *Gateway) prove(ctx context.Context, tx pgx.Tx, facts []fact, files map[declarationKey]*file, c *changes, now time.Time) error {
	if !slices.ContainsFunc(facts, fact.mayProve) {
		return nil
	}
	tenants, ids := splitKeys(slices.Collect(maps.Keys(files)))
	rows, err := tx.Query(ctx, statement("prove_deliveries"), tenants, ids, movedBy(onNotice), ReasonNoticed, now)
	if err != nil {
		return err
	}
	messages, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p proved, err error) {
		return p, row.Scan(&p.key.tenant, &p.key.id, &p.agency, &p.id, &p.attempts)
	})
	if err != nil {
		return err
	}
	for _, p := range messages {
		p.at = now
		c.proved = append(c.proved, p)
		if err := g.tell(c, files[p.key], "message."+string(DeliveryDelivered), p.agency, now, map[string]any{
			"messageId": p.id, "attempts": p.attempts, "reason": ReasonNoticed}); err != nil {
			return err
		}
	}
	return nil
}

// mayProve reports whether a fact may leave a message open, or be the notice
// that settles it.
func (f fact) mayProve() bool {
	s := f.settlement
	return s == nil || s.lost || s.delivery != DeliveryDelivered && s.delivery != DeliveryRefused
}
