package integration

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// The tests of this file are the sharpest for one promise each: docs/guarantees.md
// names the promises, .ci/teeth the builds without them that these tests catch.

// TestNothingCountsBeforeTheCommit lets the database refuse an intake at the
// very end: nobody gets a receipt, and no agency anything.
func TestNothingCountsBeforeTheCommit(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	const refused = 5
	t.Run("until the gateway has stopped", func(t *testing.T) {
		timing := quick()
		timing.Poll = time.Hour // while the queue is looked at, nothing is handed over in memory
		b := newBench(t, timing, odd)
		b.await(t, b.file(t, "BEFORE").ID, "odd", "messages are handed over", delivered)
		execute(t, b.url, `CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused at COMMIT'; END $$`)
		execute(t, b.url, `CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT ON declaration DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_commit()`)
		for n := range refused {
			reference := fmt.Sprintf("BEFORE-%d", n)
			receipt, err := b.Submit(t.Context(), declare.Submission{Tenant: acme, Key: reference, Body: b.sample.as(t, reference)})
			if err == nil {
				t.Errorf("a receipt for what is not on file: %s", receipt.ID)
			}
		}
	})
	for n := range refused {
		if sent := odd.dispatches(fmt.Sprintf("BEFORE-%d", n)); len(sent) > 0 {
			t.Errorf("sent %d times and not on file", len(sent))
		}
	}
}

// TestOneDeliveryIDForLife: the answer to a message is lost; its copy carries
// the same delivery id and says that it may be a copy.
func TestOneDeliveryIDForLife(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	odd.profile.Idempotent = true
	odd.send = func(reference string, _ declare.Dispatch) declare.Outcome {
		if len(odd.dispatches(reference)) == 1 {
			return declare.Outcome{Reason: declare.ReasonReset}
		}
		return declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered}
	}
	b := newBench(t, quick(), odd)
	receipt := b.file(t, "COPY-1")
	b.await(t, receipt.ID, "odd", "the copy is answered", delivered)
	sent := odd.dispatches("COPY-1")
	if len(sent) != 2 {
		t.Fatalf("sent %d times", len(sent))
	}
	for n, dispatch := range sent {
		if dispatch.MessageID != receipt.Filings[0].MessageID || dispatch.FirstSentAt.IsZero() != (n == 0) {
			t.Errorf("copy %d of %s: %s, first sent at %v", n, receipt.Filings[0].MessageID, dispatch.MessageID, dispatch.FirstSentAt)
		}
	}
}

// heldUp lets an agency's answers wait until they are let go, at the latest
// when the test ends.
func heldUp(odd *oddAgency, answer declare.Outcome) (letGo func()) {
	held, cancel := context.WithCancel(context.Background())
	odd.send = func(string, declare.Dispatch) declare.Outcome {
		<-held.Done()
		return answer
	}
	return cancel
}

// TestWhoLostTheLeaseSettlesNothing: one process is held up in the middle of an
// exchange until another has taken its message over, and then learns of a
// refusal. What it learnt is kept, and the message stays the other's.
func TestWhoLostTheLeaseSettlesNothing(t *testing.T) {
	t.Parallel()
	first, second := newOdd("odd"), newOdd("odd")
	first.profile.Idempotent, second.profile.Idempotent = true, true
	first.profile.Deadline, second.profile.Deadline = 100*time.Millisecond, time.Minute
	letFirst := heldUp(first, declare.Outcome{Verdict: declare.VerdictRejected, Reason: declare.ReasonAnswered, Answer: []byte("no"), Reading: declare.Reading{Word: "NO"}})
	letSecond := heldUp(second, declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered})
	stiff := quick()
	stiff.Sweep, stiff.Poll = time.Hour, time.Hour
	b := newBench(t, stiff, first)
	t.Cleanup(letFirst)
	receipt := b.file(t, "LEASE-1")
	eventually(t, 10*time.Second, "the first has it", func() bool { return len(first.dispatches("LEASE-1")) == 1 })
	b.beside(t, quick(), second)
	t.Cleanup(letSecond)
	eventually(t, 10*time.Second, "the second has taken it over", func() bool { return len(second.dispatches("LEASE-1")) == 1 })
	letFirst()
	eventually(t, 10*time.Second, "what the first learnt is recorded", func() bool { return b.number(t, "SELECT count(*) FROM notice") == 1 })
	if held := b.number(t, "SELECT count(*) FROM message WHERE delivery = 'sending' AND epoch = 3"); held != 1 {
		t.Fatal("who lost the lease settled the message")
	}
	letSecond()
	eventually(t, 10*time.Second, "the second settles it", func() bool {
		return b.number(t, "SELECT count(*) FROM message WHERE delivery = 'delivered' AND id = $1", receipt.Filings[0].MessageID) == 1
	})
}

// TestALeaseThatRanOutIsNoFreshStart: nobody knows whether a message left
// before its holder was lost, and here nobody may ask or repeat it.
func TestALeaseThatRanOutIsNoFreshStart(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	odd.profile.Deadline = 100 * time.Millisecond
	letGo := heldUp(odd, declare.Outcome{})
	b := newBench(t, quick(), odd)
	t.Cleanup(letGo)
	receipt := b.file(t, "LOST-1")
	b.await(t, receipt.ID, "odd", "an officer is asked, or it is sent again", func(s declare.Status, f declare.FilingStatus) bool {
		return s.WaitingFor.Who == declare.WhoOperator && f.Reason == declare.ReasonNoWayToAsk || len(odd.dispatches("LOST-1")) > 1
	})
	if sent := len(odd.dispatches("LOST-1")); sent != 1 {
		t.Errorf("sent %d times", sent)
	}
}

// TestNothingButProbesReachesAPausedAgency: what is filed meanwhile waits
// without an attempt, and goes out when a probe was answered.
func TestNothingButProbesReachesAPausedAgency(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	var back atomic.Bool
	odd.send = func(_ string, dispatch declare.Dispatch) declare.Outcome {
		if back.Load() {
			return declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered}
		}
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonConnection, Tripped: !dispatch.Probe}
	}
	b := newBench(t, quick(), odd)
	b.await(t, b.file(t, "SICK").ID, "odd", "the agency is known to be away", func(_ declare.Status, f declare.FilingStatus) bool {
		return f.Delivery == declare.DeliveryQueued && f.Reason == declare.ReasonConnection
	})
	all := func() (sent []declare.Dispatch) {
		for n := range 4 {
			sent = append(sent, odd.dispatches(fmt.Sprintf("SICK-%d", n))...)
		}
		return sent
	}
	var ids []string
	for n := range 4 {
		ids = append(ids, b.file(t, fmt.Sprintf("SICK-%d", n)).ID)
	}
	eventually(t, 10*time.Second, "probes leave", func() bool { return len(all()) >= 3 })
	for _, dispatch := range all() {
		if !dispatch.Probe {
			t.Fatal("a message that is no probe was sent to a paused agency")
		}
	}
	back.Store(true)
	for _, id := range ids {
		b.await(t, id, "odd", "delivered when the agency is back", delivered)
	}
	if attempts := b.number(t, "SELECT sum(attempts) FROM message"); attempts != len(all())+len(odd.dispatches("SICK")) {
		t.Errorf("%d attempts are counted", attempts)
	}
}

// TestALockedMessageHoldsUpNobody: another process has the oldest message in
// its hands; this one takes the next.
func TestALockedMessageHoldsUpNobody(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	odd.profile.InFlight = 1
	letGo := heldUp(odd, declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered})
	b := newBench(t, quick(), odd)
	t.Cleanup(letGo)
	b.file(t, "FULL")
	eventually(t, 10*time.Second, "there is no room", func() bool { return len(odd.dispatches("FULL")) == 1 })
	oldest, next := b.file(t, "OLDEST"), b.file(t, "NEXT")
	b.corrupt(t, "UPDATE message SET next_at = next_at - interval '1 minute' WHERE id = '"+oldest.Filings[0].MessageID+"'")
	conn, err := pgx.Connect(t.Context(), b.url)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	_, err = conn.Exec(t.Context(), "BEGIN; SELECT FROM message WHERE id = '"+oldest.Filings[0].MessageID+"' FOR UPDATE")
	must(t, err)
	letGo()
	eventually(t, 3*time.Second, "the next is delivered", func() bool {
		return b.number(t, "SELECT count(*) FROM message WHERE delivery = 'delivered' AND id = $1", next.Filings[0].MessageID) == 1
	})
	if sent := len(odd.dispatches("OLDEST")); sent != 0 {
		t.Errorf("the locked one was sent %d times", sent)
	}
	_, err = conn.Exec(t.Context(), "COMMIT")
	must(t, err)
	b.await(t, oldest.ID, "odd", "the oldest is delivered", delivered)
}

// TestAMessageWithoutItsBodyIsSetAside: its body is gone from the ledger. An
// officer hears of it, nothing is sent, and the next one goes on, whether the
// agency is connected or is being probed.
func TestAMessageWithoutItsBodyIsSetAside(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"connected", "paused"} {
		t.Run(state, func(t *testing.T) {
			odd := newOdd("odd")
			odd.profile.InFlight = 1
			letGo := heldUp(odd, declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered})
			b := newBench(t, quick(), odd)
			t.Cleanup(letGo)
			b.file(t, "FULL")
			eventually(t, 10*time.Second, "there is no room", func() bool { return len(odd.dispatches("FULL")) == 1 })
			bare, next := b.file(t, "BARE"), b.file(t, "NEXT")
			b.corrupt(t, "DELETE FROM message_body WHERE message_id = '"+bare.Filings[0].MessageID+"'")
			b.corrupt(t, "UPDATE message SET next_at = next_at - interval '1 minute' WHERE id = '"+bare.Filings[0].MessageID+"'")
			b.corrupt(t, "UPDATE agency_state SET state = '"+state+"', next_probe_at = now() WHERE agency = 'odd'")
			letGo()
			setAsideAt(t, b, bare.ID, declare.ReasonDigest)
			b.await(t, next.ID, "odd", "the next is delivered", delivered)
			if sent := len(odd.dispatches("BARE")); sent != 0 {
				t.Errorf("the one without a body was sent %d times", sent)
			}
		})
	}
}

// hear lets the odd agency say something.
func (b *bench) hear(t *testing.T, body string) error {
	t.Helper()
	return b.Hear(t.Context(), "odd", []byte(body), func(string) string { return "" })
}

func (b *bench) kept(t *testing.T, body string) int {
	t.Helper()
	return b.number(t, "SELECT count(*) FROM notice WHERE body = $1", []byte(body))
}

// TestANoticeIsKeptWhateverItSays: one that cannot be read, one that nothing
// here answers and one that cannot be applied are on file when they are
// answered.
func TestANoticeIsKeptWhateverItSays(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	long := longNumber()
	var message string
	odd.read = func(body string) (declare.Reading, error) {
		switch body {
		case "unmatched":
			return declare.Reading{MessageID: "msg_0", Word: body}, nil
		case "unapplicable":
			return declare.Reading{MessageID: message, Word: body, Numbers: map[string]string{"number": long}}, nil
		}
		return declare.Reading{}, &declare.Unreadable{Code: "notice.word"}
	}
	b := newBench(t, quick(), odd)
	receipt := b.file(t, "KEPT-1")
	b.await(t, receipt.ID, "odd", "delivered", delivered)
	message = receipt.Filings[0].MessageID
	for _, body := range []string{"unreadable", "unmatched", "unapplicable"} {
		err := b.hear(t, body)
		var unreadable *declare.Unreadable
		if body == "unreadable" && !errors.As(err, &unreadable) || body != "unreadable" && err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if kept := b.kept(t, body); kept != 1 {
			t.Errorf("%s: kept %d times", body, kept)
		}
	}
}

// TestAnOldNoticeIsMatchedByALateNumber: nothing here answers it for an hour,
// an officer is asked, and then an agency's answer names its number.
func TestAnOldNoticeIsMatchedByALateNumber(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	odd.read = func(body string) (declare.Reading, error) {
		return declare.Reading{Numbers: map[string]string{"number": body}, Word: "OK", Decision: declare.DecisionReleased}, nil
	}
	odd.send = func(string, declare.Dispatch) declare.Outcome {
		return declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered, Answer: []byte("answer"),
			Reading: declare.Reading{Numbers: map[string]string{"number": "N1"}, Decision: declare.DecisionReceived}}
	}
	timing := quick()
	timing.Examine = 100 * time.Millisecond
	b := newBench(t, timing, odd)
	must(t, b.hear(t, "N1"))
	must(t, b.hear(t, "N2"))
	b.corrupt(t, "UPDATE notice SET received_at = received_at - interval '1 hour'")
	asked := func() int {
		return b.number(t, "SELECT count(*) FROM task WHERE kind = 'unmatched' AND closed_at IS NULL")
	}
	eventually(t, 10*time.Second, "an officer is asked about both", func() bool { return asked() == 2 })
	receipt := b.file(t, "LATE-1")
	b.await(t, receipt.ID, "odd", "the old notice counts", func(_ declare.Status, f declare.FilingStatus) bool { return f.Decision == declare.DecisionReleased })
	if open := asked(); open != 1 {
		t.Errorf("%d tasks are open", open)
	}
}

// TestACopyOfANoticeIsTheSameNotice: it is answered like the first, counted,
// and nothing else.
func TestACopyOfANoticeIsTheSameNotice(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	odd.read = func(body string) (declare.Reading, error) {
		return declare.Reading{MessageID: body, Word: "OK", Decision: declare.DecisionReleased, Duties: []declare.Duty{{Type: "A00"}}}, nil
	}
	b := newBench(t, quick(), odd)
	receipt := b.file(t, "TWICE-1")
	b.await(t, receipt.ID, "odd", "delivered", delivered)
	message := receipt.Filings[0].MessageID
	for range 3 {
		must(t, b.hear(t, message))
	}
	if kept := b.kept(t, message); kept != 1 {
		t.Errorf("kept %d times", kept)
	}
	if copies := b.number(t, "SELECT copies FROM notice_digest WHERE agency = 'odd'"); copies != 3 {
		t.Errorf("%d copies are counted", copies)
	}
	if events := b.eventsOf(t, receipt.ID); countOf(events, "filing.decision") != 1 || countOf(events, "filing.duties") != 1 {
		t.Errorf("%v", events)
	}
}

// TestEventsAreNumberedUnderTheDeclarationsLock: while another process tells an
// event of a declaration, a notice about it waits, and its own is the next.
func TestEventsAreNumberedUnderTheDeclarationsLock(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	odd.read = func(body string) (declare.Reading, error) {
		return declare.Reading{MessageID: body, Word: "OK", Decision: declare.DecisionReleased}, nil
	}
	b := newBench(t, quick(), odd)
	receipt := b.file(t, "NUMBER-1")
	b.await(t, receipt.ID, "odd", "delivered", delivered)
	before := len(b.eventsOf(t, receipt.ID))
	conn, err := pgx.Connect(t.Context(), b.url)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	_, err = conn.Exec(t.Context(), "BEGIN; UPDATE declaration SET event_count = event_count + 1 WHERE id = '"+receipt.ID+"'")
	must(t, err)
	_, err = conn.Exec(t.Context(), "INSERT INTO event (tenant_id, declaration_id, number, id, type, at) VALUES ($1, $2, $3, $4, 'told', now())", acme, receipt.ID, before+1, newIDs().New("evt"))
	must(t, err)
	heard := make(chan error, 1)
	go func() { heard <- b.hear(t, receipt.Filings[0].MessageID) }()
	eventually(t, 10*time.Second, "the notice waits", func() bool { return b.number(t, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0 })
	_, err = conn.Exec(t.Context(), "COMMIT")
	must(t, err)
	must(t, <-heard)
	if events := b.eventsOf(t, receipt.ID); len(events) != before+3 { // told, the decision and the status
		t.Errorf("%v", events)
	}
	b.mustBeWell(t)
}
