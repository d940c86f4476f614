package simulated_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/adapters/simulated"
	"singlewindow/declare"
)

// ailing is a world whose simulator reads its trouble from a file.
func ailing(t *testing.T) (w *world, ail func(words string)) {
	t.Helper()
	folders := os.DirFS("../testdata/agencies")
	inside, err := adapters.Load(folders, demo, adapters.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.Close)
	w = &world{ledger: file(t)}
	trouble := file(t)
	w.played, err = simulated.Open(inside, simulated.Options{
		Ledger: w.ledger, Trouble: trouble, Clock: simulated.Clock{Now: time.Now, After: time.After}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.played.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.agency, err = adapters.Load(folders, demo, adapters.Deployment{URL: serve(t, w.played.Handler())}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.agency.Close)
	return w, func(words string) {
		if err := os.WriteFile(trouble, []byte(words), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTroubles(t *testing.T) {
	t.Parallel()
	w, ail := ailing(t)
	for i, check := range []struct {
		words   string
		verdict declare.Verdict
		reason  string
		wait    time.Duration
		effects int
	}{
		{"", declare.VerdictAccepted, declare.ReasonAnswered, 0, 1},
		{"error\n", declare.VerdictUnsure, declare.ReasonServerError, 0, 0},
		{"error 502", declare.VerdictUnsure, declare.ReasonServerError, 0, 0},
		{"garbage", declare.VerdictUnsure, declare.ReasonNotUnderstood, 0, 1},
		{"busy 7", declare.VerdictUnreachable, declare.ReasonBusy, 7 * time.Second, 0},
		{"denied 403", declare.VerdictUnreachable, declare.ReasonDenied, 0, 0},
		{"slow 20ms", declare.VerdictAccepted, declare.ReasonAnswered, 0, 1},
		{"hang", declare.VerdictUnsure, declare.ReasonTimeout, 0, 0},
	} {
		ail(check.words)
		before := len(lines(t, w.ledger))
		id := "msg_" + string(rune('a'+i))
		outcome := w.send(t, id, "T-1")
		if outcome.Verdict != check.verdict || outcome.Reason != check.reason || outcome.RetryAfter != check.wait {
			t.Errorf("%q: %+v", check.words, outcome)
		}
		if got := len(lines(t, w.ledger)) - before; got != check.effects {
			t.Errorf("%q: %d effects", check.words, got)
		}
		calls := lines(t, w.ledger+".calls")
		if last := calls[len(calls)-1]; len(calls) != i+1 || last["deliveryId"] != id || last["inquiry"] != nil {
			t.Errorf("%q: %d calls, the last %v", check.words, len(calls), last)
		}
		w.agency.Resume() // the breaker is not what is asked here
	}
	ail("busy-until 60")
	if wait := w.send(t, "msg_z", "T-1").RetryAfter; wait < 58*time.Second || wait > 60*time.Second {
		t.Errorf("asked to wait %s", wait)
	}
}

// An inquiry suffers like a message, and is told apart in the ledger of calls.
func TestTroublesOfInquiries(t *testing.T) {
	t.Parallel()
	w, ail := ailing(t)
	w.send(t, "msg_1", "T-1")
	for words, reason := range map[string]string{"error": declare.ReasonServerError, "garbage": declare.ReasonNotUnderstood, "": declare.ReasonAnswered} {
		ail(words)
		if outcome := w.agency.Inquire(context.Background(), declare.Dispatch{MessageID: "msg_1"}); outcome.Reason != reason {
			t.Errorf("%q: %+v", words, outcome)
		}
	}
	calls := lines(t, w.ledger+".calls")
	if last := calls[len(calls)-1]; len(calls) != 4 || last["inquiry"] != true || last["deliveryId"] != "msg_1" {
		t.Errorf("%d calls, the last %v", len(calls), last)
	}
}

// A flapping agency has both kinds of spells.
func TestFlapping(t *testing.T) {
	t.Parallel()
	w, ail := ailing(t)
	ail("flap 20ms")
	seen := map[string]bool{}
	for deadline := time.Now().Add(patience); len(seen) < 2 && time.Now().Before(deadline); w.agency.Resume() {
		seen[w.send(t, "msg_1", "T-1").Reason] = true
	}
	if !seen[declare.ReasonAnswered] || !seen[declare.ReasonServerError] {
		t.Errorf("answers %v", seen)
	}
}
