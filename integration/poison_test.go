package integration

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"singlewindow/declare"
)

// TestPoisonIsSetAsideAfterThreeTries: one declaration makes the code panic
// whenever it is sent or asked about. It is set aside, visible, and comes back
// when an officer says so; nobody else notices.
func TestPoisonIsSetAsideAfterThreeTries(t *testing.T) {
	t.Parallel()
	var healed atomic.Bool
	odd, even := newOdd("odd"), newOdd("even")
	odd.profile.Inquirable = true
	odd.send = func(reference string, _ declare.Dispatch) declare.Outcome {
		if poisonous(reference) && !healed.Load() {
			panic(errInjected)
		}
		return declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered}
	}
	odd.inquire = func(string) declare.Outcome { panic(errInjected) }
	b := newBench(t, quick(), odd, even)
	poison := b.file(t, "POISON-1")
	var others []declare.Receipt
	for n := range 20 {
		others = append(others, b.file(t, fmt.Sprintf("FINE-%d", n)))
	}
	for _, other := range others {
		b.await(t, other.ID, "odd", "others are delivered", delivered)
	}
	b.await(t, poison.ID, "even", "the other agency has it", delivered)
	message := setAsideAt(t, b, poison.ID, declare.ReasonPanicked)
	if failures := b.number(t, "SELECT failures FROM message WHERE id = $1", message); failures != 3 {
		t.Errorf("set aside after %d failures", failures)
	}
	if bodies := b.number(t, "SELECT count(*) FROM message_body WHERE message_id = $1", message); bodies != 1 {
		t.Errorf("%d bodies of it are left", bodies)
	}

	close := func() {
		t.Helper()
		must(t, b.CloseTask(t.Context(), message, declare.Closing{Resolution: declare.ResolutionResend, By: "Li", Note: "try again"}))
	}
	sent := len(odd.dispatches("POISON-1"))
	close() // still poisonous: the same way again, with a task that is open again
	eventually(t, 20*time.Second, "it is tried again", func() bool { return len(odd.dispatches("POISON-1")) > sent })
	setAsideAt(t, b, poison.ID, declare.ReasonPanicked)
	healed.Store(true)
	close()
	b.await(t, poison.ID, "odd", "delivered once the cause is mended", delivered)
	if all := odd.dispatches("POISON-1"); all[len(all)-1].FirstSentAt.IsZero() {
		t.Error("the copy does not say that it may be one")
	}
	if closings := b.number(t, "SELECT count(*) FROM task_closing WHERE subject = $1", message); closings != 2 {
		t.Errorf("%d closings are recorded", closings)
	}
}

// setAsideAt waits until a declaration's message to the odd agency is set
// aside for an officer, and gives it.
func setAsideAt(t *testing.T, b *bench, id, reason string) string {
	t.Helper()
	status := b.await(t, id, "odd", "it is set aside", func(s declare.Status, f declare.FilingStatus) bool {
		return f.Delivery == declare.DeliverySetAside && f.Reason == reason && s.WaitingFor.Who == declare.WhoOperator && s.WaitingFor.Agency == "odd"
	})
	message := filingAt(t, status, "odd").MessageID
	if task := taskAbout(t, b.Gateway, message); task == nil || task.Kind != "setAside" || task.DeclarationID != id {
		t.Errorf("the task is %+v", task)
	}
	return message
}

// An answer that killed the process before sets its message aside at once.
func TestPoisonedAnswerSetsAside(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	odd.send = func(string, declare.Dispatch) declare.Outcome { return declare.Outcome{Reason: declare.ReasonPoisoned} }
	b := newBench(t, quick(), odd)
	setAsideAt(t, b, b.file(t, "POISON-1").ID, declare.ReasonPoisoned)
	if sent := len(odd.dispatches("POISON-1")); sent != 1 {
		t.Errorf("sent %d times", sent)
	}
}

// longNumber is longer than an index of PostgreSQL can hold: a notice with it
// can be stored and never be applied.
func longNumber() string {
	random := rand.NewChaCha8([32]byte{4})
	var number bytes.Buffer
	for number.Len() < 20000 {
		fmt.Fprintf(&number, "%016x", random.Uint64())
	}
	return number.String()
}

// TestPoisonousNotices: whatever reading or applying a notice does, it is
// kept, an officer hears of it, and the other notices of the agency count.
func TestPoisonousNotices(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	long := longNumber()
	odd.read = func(body string) (declare.Reading, error) {
		message, kind, _ := strings.Cut(body, " ")
		reading := declare.Reading{MessageID: message, Word: kind, Decision: declare.DecisionReleased, IssuedAt: time.Now()}
		switch kind {
		case "panics":
			panic(errInjected)
		case "unwritable":
			reading.Duties = []declare.Duty{{Type: "A00", Due: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}}
		case "unapplicable":
			reading.Numbers = map[string]string{"number": long}
		}
		return reading, nil
	}
	b := newBench(t, quick(), odd)
	hear := func(body string) error {
		return b.Hear(t.Context(), "odd", []byte(body), func(string) string { return "" })
	}
	subjects := map[string]string{}
	for _, kind := range []string{"panics", "unwritable", "unapplicable"} {
		receipt := b.file(t, "NOTICE-"+kind)
		message := receipt.Filings[0].MessageID
		subjects[kind] = message + " " + kind
		err := hear(subjects[kind])
		var unreadable *declare.Unreadable
		if kind == "panics" && (!errors.As(err, &unreadable) || unreadable.Code != declare.UnreadablePanicked) || kind != "panics" && err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for n := range 5 {
		receipt := b.file(t, fmt.Sprintf("GOOD-%d", n))
		must(t, hear(receipt.Filings[0].MessageID+" good"))
		b.await(t, receipt.ID, "odd", "good notices count", func(_ declare.Status, f declare.FilingStatus) bool { return f.Decision == declare.DecisionReleased })
	}
	for kind, body := range subjects {
		eventually(t, 20*time.Second, kind+": an officer hears of it", func() bool {
			return b.number(t, `SELECT count(*) FROM notice n JOIN task t ON t.subject = n.id AND t.kind = 'unreadable'
				WHERE n.body = $1 AND n.state = 'unreadable'`, []byte(body)) == 1
		})
	}
	b.mustBeWell(t)
}

// TestPoisonousAnswer: the agency's answer can be stored and not applied. The
// message is delivered all the same, and the answer kept.
func TestPoisonousAnswer(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	long := longNumber()
	odd.send = func(reference string, _ declare.Dispatch) declare.Outcome {
		outcome := declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered}
		if poisonous(reference) {
			outcome.Answer = []byte("answer")
			outcome.Reading = declare.Reading{Numbers: map[string]string{"number": long}, Decision: declare.DecisionReceived}
		}
		return outcome
	}
	b := newBench(t, quick(), odd)
	receipt := b.file(t, "POISON-1")
	b.await(t, receipt.ID, "odd", "delivered", delivered)
	if kept := b.number(t, "SELECT count(*) FROM notice WHERE source = 'answer'"); kept != 1 {
		t.Errorf("%d answers are kept", kept)
	}
	if sent := len(odd.dispatches("POISON-1")); sent != 1 {
		t.Errorf("sent %d times", sent)
	}
}

// mustBeWell: no inconsistency in all of the ledger.
func (b *bench) mustBeWell(t *testing.T) {
	t.Helper()
	report, err := b.Examine(t.Context(), declare.Everything, declare.DefaultPatience(), nil)
	must(t, err)
	for _, finding := range report.Findings {
		if finding.Gravity == "inconsistent" {
			t.Errorf("%+v", finding)
		}
	}
}
