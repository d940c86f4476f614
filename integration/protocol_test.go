package integration

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"singlewindow/declare"
)

var allDeliveries = []declare.Delivery{
	declare.DeliveryQueued, declare.DeliverySending, declare.DeliveryUnsure,
	declare.DeliveryDelivered, declare.DeliveryRefused, declare.DeliverySetAside,
}

// A protocolBench holds one message and one filing that a test puts wherever it
// likes, before it asks the ledger whether they may move on.
type protocolBench struct {
	t      *testing.T
	url    string
	ledger *declare.Ledger
	ids    *declare.IDs
}

// try puts things where they were, in a transaction as the owner who is bound
// by no trigger, then asks for a step as the application does.
func (b protocolBench) try(prepare, step string, arguments ...any) (refused bool) {
	b.t.Helper()
	execute(b.t, b.url, prepare)
	err := b.ledger.Within(b.t.Context(), declare.SystemScope, func(tx pgx.Tx) error {
		tag, err := tx.Exec(b.t.Context(), step, arguments...)
		if err == nil && tag.RowsAffected() != 1 {
			return fmt.Errorf("%d rows moved by %s", tag.RowsAffected(), step)
		}
		return err
	})
	var failure *pgconn.PgError
	if errors.As(err, &failure) && failure.Code == "23514" && slices.Contains([]string{
		"message_delivery_step", "message_epoch_step", "filing_decision_undone", "filing_decision_reopened"}, failure.ConstraintName) {
		return true
	}
	must(b.t, err)
	return false
}

// The ledger refuses a step of a message exactly where the table has none.
func TestTheLedgerKnowsTheProtocol(t *testing.T) {
	t.Parallel()
	ledger, url := newLedger(t)
	b := protocolBench{t, url, ledger, newIDs()}
	id := b.ids.New("msg")
	const put = `SET session_replication_role = replica; DELETE FROM message;
		INSERT INTO message (tenant_id, id, declaration_id, agency, purpose, schema_digest, digest, created_at, next_at, since, epoch, first_sent_at, delivery, lease_until, settled_at)
		SELECT 'acme', '%s', 'dec', 'port', 'original', '', decode(repeat('00', 32), 'hex'), now(), now(), now(), 7, now(), d,
		       CASE WHEN d = 'sending' THEN now() END, CASE WHEN d IN ('delivered', 'refused') THEN now() END
		  FROM (VALUES ('%s')) AS v (d)`
	const step = `UPDATE message SET delivery = $2, lease_until = CASE WHEN $2 = 'sending' THEN now() END,
		settled_at = CASE WHEN $2 IN ('delivered', 'refused') THEN now() END, epoch = epoch + $3 WHERE id = $1`
	steps := 0
	for _, from := range allDeliveries {
		for _, to := range allDeliveries {
			if refused := b.try(fmt.Sprintf(put, id, from), step, id, to, 1); refused == from.MayBecome(to) {
				t.Errorf("%s to %s: the ledger refuses it: %t", from, to, refused)
			} else if !refused && from != to {
				steps++
			}
		}
	}
	if !b.try(fmt.Sprintf(put, id, declare.DeliveryUnsure), step, id, declare.DeliverySending, -1) {
		t.Error("the epoch may fall")
	}
	t.Logf("%d steps of %d pairs", steps, len(allDeliveries)*len(allDeliveries))
}

// The ledger refuses a change of decision exactly where the table has none.
func TestTheLedgerKnowsTheDecisionMachine(t *testing.T) {
	t.Parallel()
	ledger, url := newLedger(t)
	b := protocolBench{t, url, ledger, newIDs()}
	notice := b.ids.New("ntc")
	const put = `SET session_replication_role = replica; DELETE FROM filing; DELETE FROM notice;
		INSERT INTO filing (tenant_id, declaration_id, agency, agency_version, since, decision) VALUES ('acme', 'dec', 'port', '', now(), '%s');
		INSERT INTO notice (id, received_at, agency, source, state, digest, body, tenant_id, declaration_id, reopens)
		VALUES ('%s', now(), 'port', 'notice', 'applied', decode(repeat('00', 32), 'hex'), '', 'acme', 'dec', %t)`
	for _, reopened := range []bool{false, true} {
		for _, from := range declare.Decisions {
			for _, to := range declare.Decisions {
				refused := b.try(fmt.Sprintf(put, from, notice, reopened), "UPDATE filing SET decision = $1 WHERE declaration_id = 'dec'", to)
				if refused == from.MayBecome(to, reopened) {
					t.Errorf("%s to %s, reopened %t: the ledger refuses it: %t", from, to, reopened, refused)
				}
			}
		}
	}
}

// neitherAskedNorRepeated makes an agency folder that leaves us no way to find
// out what became of a message.
var neitherAskedNorRepeated = map[string]string{"idempotent: true": "idempotent: false", "inquire: [^\n]*\n": ""}

// TestANoticeSettlesWhatNobodyCouldAsk: the agencies take a message and say
// nothing, and may neither be asked nor sent it again, so officers are asked
// instead; then the agencies' notices come, and nobody need decide any more
// about those that name the message. One that knows it by a number only, which
// was in the answer that got lost, leaves its officer the task.
func TestANoticeSettlesWhatNobodyCouldAsk(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{folders: copyFolders(t, neitherAskedNorRepeated), pace: "4s"})
	from, agencies := l.widest(t)
	receipt := l.file(t, acme, from, "SILENT-1.drop")
	eventually(t, 15*time.Second, "officers are asked", func() bool {
		return l.count(t, "SELECT count(*) FROM task WHERE kind = 'unsure' AND closed_at IS NULL") == len(agencies)
	})
	if status := l.status(t, acme, receipt.ID); status.WaitingFor.Who != declare.WhoOperator {
		t.Errorf("it waits for %+v", status.WaitingFor)
	}
	eventually(t, time.Minute, "every agency has spoken", func() bool {
		return l.count(t, "SELECT count(DISTINCT agency) FROM notice") == len(agencies)
	})
	const named = "SELECT count(*) FROM message m WHERE EXISTS (SELECT FROM notice n WHERE n.message_id = m.id) AND "
	shown := l.count(t, named+"true")
	if shown == 0 {
		t.Fatal("no agency names our message")
	}
	if delivered := l.count(t, named+"m.delivery = 'delivered' AND m.reason = 'noticed' AND m.attempts = 1"); delivered != shown {
		t.Errorf("%d of %d are delivered", delivered, shown)
	}
	if open := l.count(t, "SELECT count(*) FROM task WHERE kind = 'unsure' AND closed_at IS NULL"); open != len(agencies)-shown {
		t.Errorf("%d tasks are open, and %d of %d messages were named", open, shown, len(agencies))
	}
	if told := l.count(t, "SELECT count(*) FROM event WHERE type = 'message.delivered' AND data->>'reason' = 'noticed'"); told != shown {
		t.Errorf("the trader was told %d times", told)
	}
	for _, name := range agencies {
		if effects := l.offices[name].effects(t); len(effects) != 1 {
			t.Errorf("%s: %d effects", name, len(effects))
		}
	}
}
