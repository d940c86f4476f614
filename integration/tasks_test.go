package integration

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"singlewindow/declare"
)

// aTask files a declaration with an agency that neither answers nor can be
// asked, and waits until its message is an officer's.
func aTask(t *testing.T, b *bench, reference string) (id, message string) {
	t.Helper()
	receipt := b.file(t, reference)
	b.await(t, receipt.ID, "odd", "an officer must decide", func(s declare.Status, f declare.FilingStatus) bool {
		return f.Delivery == declare.DeliveryUnsure && f.Reason == declare.ReasonNoWayToAsk && s.WaitingFor.Who == declare.WhoOperator
	})
	message = receipt.Filings[0].MessageID
	if task := taskAbout(t, b.Gateway, message); task == nil || task.Kind != "unsure" {
		t.Fatalf("%+v", task)
	}
	return receipt.ID, message
}

func deafAgency() (*oddAgency, *atomic.Bool) {
	odd, hears := newOdd("odd"), &atomic.Bool{}
	odd.send = func(string, declare.Dispatch) declare.Outcome {
		if hears.Load() {
			return declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered}
		}
		return declare.Outcome{Reason: declare.ReasonTimeout}
	}
	return odd, hears
}

// TestOfficersWord: each resolution does what it names, is recorded with who
// and why, and the trader sees it.
func TestOfficersWord(t *testing.T) {
	t.Parallel()
	odd, hears := deafAgency()
	b := newBench(t, quick(), odd)
	ids, messages := map[declare.Resolution]string{}, map[declare.Resolution]string{}
	for _, resolution := range []declare.Resolution{declare.ResolutionDelivered, declare.ResolutionResend, declare.ResolutionAbandon} {
		ids[resolution], messages[resolution] = aTask(t, b, "TASK-"+string(resolution))
	}
	hears.Store(true)
	for resolution, want := range map[declare.Resolution]struct {
		delivery declare.Delivery
		status   declare.Overall
		sent     int
	}{
		declare.ResolutionDelivered: {declare.DeliveryDelivered, declare.OverallProcessing, 1},
		declare.ResolutionResend:    {declare.DeliveryDelivered, declare.OverallProcessing, 2},
		declare.ResolutionAbandon:   {declare.DeliveryRefused, declare.OverallRejected, 1},
	} {
		id, message := ids[resolution], messages[resolution]
		closing := declare.Closing{Resolution: resolution, By: "Li", Note: "asked by telephone"}
		must(t, b.CloseTask(t.Context(), message, closing))
		status := b.await(t, id, "odd", string(resolution), func(_ declare.Status, f declare.FilingStatus) bool { return f.Delivery == want.delivery })
		if status.Status != want.status {
			t.Errorf("%s: the declaration is %s", resolution, status.Status)
		}
		sent := odd.dispatches("TASK-" + string(resolution))
		if len(sent) != want.sent || want.sent == 2 && sent[1].FirstSentAt.IsZero() {
			t.Errorf("%s: sent %d times, first at %v", resolution, len(sent), sent[len(sent)-1].FirstSentAt)
		}
		if events := b.eventsOf(t, id); countOf(events, "task.closed") != 1 {
			t.Errorf("%s: %v", resolution, events)
		}
		if err := b.CloseTask(t.Context(), message, closing); !errors.Is(err, declare.ErrMissing) {
			t.Errorf("%s: closing it again gave %v", resolution, err)
		}
	}
	closed, err := b.Tasks(t.Context(), false, 10)
	must(t, err)
	if len(closed) != 3 || slices.ContainsFunc(closed, func(task declare.Task) bool {
		return task.Closing == nil || task.Closing.By != "Li" || task.Closing.Note == "" || task.Closing.At.IsZero()
	}) {
		t.Errorf("%+v", closed)
	}
	b.mustBeWell(t)
}

// TestOneWordCounts: of officers who decide differently at the same moment one
// is heard, and the message moves once.
func TestOneWordCounts(t *testing.T) {
	t.Parallel()
	odd, _ := deafAgency()
	b := newBench(t, quick(), odd)
	for n := range 5 {
		id, message := aTask(t, b, fmt.Sprintf("RACE-%d", n))
		var heard atomic.Int32
		var officers sync.WaitGroup
		for n := range 8 {
			officers.Go(func() {
				resolution := []declare.Resolution{declare.ResolutionDelivered, declare.ResolutionAbandon}[n%2]
				err := b.CloseTask(t.Context(), message, declare.Closing{Resolution: resolution, By: "Li", Note: "n"})
				switch {
				case err == nil:
					heard.Add(1)
				case !errors.Is(err, declare.ErrMissing) && !errors.Is(err, declare.ErrTaskMoved):
					t.Error(err)
				}
			})
		}
		officers.Wait()
		if times, told := heard.Load(), countOf(b.eventsOf(t, id), "task.closed"); times != 1 || told != 1 {
			t.Errorf("%d were heard, %d events", times, told)
		}
	}
	b.mustBeWell(t)
}

// A word that is no officer's, or says too little, changes nothing.
func TestWordsThatDoNotCount(t *testing.T) {
	t.Parallel()
	odd, _ := deafAgency()
	b := newBench(t, quick(), odd)
	_, message := aTask(t, b, "TASK-1")
	var unreadable *declare.Unreadable
	if err := b.Hear(t.Context(), "odd", []byte("nonsense"), func(string) string { return "" }); !errors.As(err, &unreadable) {
		t.Fatal(err)
	}
	tasks, err := b.Tasks(t.Context(), true, 10)
	must(t, err)
	notice := tasks[slices.IndexFunc(tasks, func(task declare.Task) bool { return task.Kind == "unreadable" })].ID
	for _, check := range []struct {
		id      string
		closing declare.Closing
		want    error
	}{
		{message, declare.Closing{Resolution: declare.ResolutionSettled, By: "Li", Note: "n"}, declare.ErrResolution},
		{message, declare.Closing{Resolution: declare.ResolutionResend, By: " ", Note: "n"}, declare.ErrResolution},
		{message, declare.Closing{Resolution: declare.ResolutionResend, By: "Li"}, declare.ErrResolution},
		{notice, declare.Closing{Resolution: declare.ResolutionDelivered, By: "Li", Note: "n"}, declare.ErrResolution},
		{"msg_0", declare.Closing{Resolution: declare.ResolutionResend, By: "Li", Note: "n"}, declare.ErrMissing},
	} {
		if err := b.CloseTask(t.Context(), check.id, check.closing); !errors.Is(err, check.want) {
			t.Errorf("%+v: %v", check, err)
		}
	}
	must(t, b.CloseTask(t.Context(), notice, declare.Closing{Resolution: declare.ResolutionAbandon, By: "Li", Note: "noise"}))
	if open, err := b.Tasks(t.Context(), true, 10); err != nil || len(open) != 1 || open[0].ID != message {
		t.Errorf("%+v %v", open, err)
	}
}
