package integration

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"singlewindow/declare"
)

// TestAgencyAway stops one agency's process while declarations are filed: they
// are taken, its filings wait in a queue that says so, every other agency goes
// on, and all of it is delivered once when the agency is back.
func TestAgencyAway(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent)})
	from, agencies := l.widest(t)
	away, others := agencies[0], agencies[1:]
	l.offices[away].process.stop(t)
	var receipts []declare.Status
	for number := range 20 {
		receipts = append(receipts, l.file(t, acme, from, fmt.Sprintf("AWAY-%d", number)))
	}
	eventually(t, 30*time.Second, "the breaker opens", func() bool { return l.health(t, away).State == "paused" })
	health := l.health(t, away)
	if health.NextProbe == nil || health.Reason == "" || health.Waiting != len(receipts) {
		t.Errorf("%+v", health)
	}
	eventually(t, 30*time.Second, "the others decide everything", func() bool {
		return l.count(t, "SELECT count(*) FROM filing WHERE agency <> $1 AND decision <> 'closed'", away) == 0
	})
	for _, other := range others {
		if health := l.health(t, other); health.State != "connected" || health.Waiting != 0 {
			t.Errorf("%s does not go on: %+v", other, health)
		}
	}
	l.mustQueue(t, receipts, away)
	if tried := l.count(t, "SELECT max(attempts) FROM message WHERE agency = $1", away); tried > 12 {
		t.Errorf("%d attempts were made of one message while the agency was away", tried)
	}
	l.openOffice(t, away)
	l.mustRecover(t, receipts, away)
}

// mustQueue: every receipt's filing at the agency says which place it has and
// when it is tried next. A probe may take one of them out for a moment.
func (l *line) mustQueue(t *testing.T, receipts []declare.Status, agency string) {
	t.Helper()
	eventually(t, 10*time.Second, "every filing that waits has its place", func() bool {
		var places []int
		for _, receipt := range receipts {
			status := l.status(t, acme, receipt.ID)
			filing := filingAt(t, status, agency)
			if filing.Delivery != declare.DeliveryQueued || filing.Queue == nil || filing.Queue.ExpectedAt == nil {
				return false
			}
			if status.Status != declare.OverallProcessing || status.WaitingFor.Who != declare.WhoAgency || status.WaitingFor.Agency != agency {
				t.Errorf("%s is %s and waits for %+v", receipt.Reference, status.Status, status.WaitingFor)
			}
			if filing.Queue.ExpectedAt.Before(receipt.ReceivedAt) {
				t.Errorf("%s is expected before it was filed", receipt.Reference)
			}
			places = append(places, filing.Queue.Position)
		}
		slices.Sort(places)
		return places[0] == 1 && places[len(places)-1] == len(places) && len(slices.Compact(places)) == len(receipts)
	})
}

// mustRecover: the agency, back or reconciled, gets everything once.
func (l *line) mustRecover(t *testing.T, receipts []declare.Status, agency string) {
	t.Helper()
	eventually(t, time.Minute, "everything is delivered and decided", func() bool {
		return l.count(t, undecided) == 0 && l.count(t, unsent) == 0
	})
	eventually(t, 10*time.Second, "the agency is seen to be back", func() bool {
		health := l.health(t, agency)
		return health.State == "connected" && health.Waiting == 0 && health.NextProbe == nil
	})
	for _, receipt := range receipts {
		if status := l.status(t, acme, receipt.ID); status.Status != declare.OverallClosed {
			t.Errorf("%s ended as %s", receipt.Reference, status.Status)
		}
	}
	l.closeOffices(t)
	l.mustAgree(t, receipts)
}

// TestAgencyDenies lets an agency refuse the gateway's credential: that is an
// alarm, not an outage of messages, and nothing is lost until it is put right.
func TestAgencyDenies(t *testing.T) {
	t.Parallel()
	// A refused credential is tried again after twelve probes' time.
	l := newLine(t, lineOptions{folders: copyFolders(t, map[string]string{"idempotent: true": "idempotent: false", "probe: 5s": "probe: 250ms"})})
	from, agencies := l.widest(t)
	denies := agencies[len(agencies)-1]
	right, err := os.ReadFile(l.acceptFile(denies))
	must(t, err)
	l.offices[denies].process.stop(t)
	must(t, os.WriteFile(l.acceptFile(denies), []byte("another credential"), 0o600))
	l.openOffice(t, denies)
	var receipts []declare.Status
	for number := range 6 {
		receipts = append(receipts, l.file(t, acme, from, fmt.Sprintf("DENIED-%d", number)))
	}
	eventually(t, 20*time.Second, "the agency is known to deny", func() bool {
		return l.health(t, denies).State == "denied" && l.count(t, "SELECT count(*) FROM filing WHERE agency <> $1 AND decision <> 'closed'", denies) == 0
	})
	if health := l.health(t, denies); health.Reason != declare.ReasonDenied || health.Waiting != len(receipts) {
		t.Errorf("%+v", health)
	}
	l.mustQueue(t, receipts, denies)
	if took := l.offices[denies].effects(t); len(took) != 0 {
		t.Errorf("took effect without a credential: %v", took)
	}
	l.offices[denies].process.stop(t)
	must(t, os.WriteFile(l.acceptFile(denies), right, 0o600))
	l.openOffice(t, denies)
	l.mustRecover(t, receipts, denies)
}

// TestAgencyHangs lets an agency take messages and answer long after its
// deadline: whether it took them is asked, not tried again, and the other
// agencies do not notice.
func TestAgencyHangs(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{folders: copyFolders(t, map[string]string{"idempotent: true": "idempotent: false", `deadline: \d+s`: "deadline: 2s", "probe: 5s": "probe: 1s"}), slow: "6s"})
	from, agencies := l.widest(t)
	hangs := agencies[0]
	var receipts []declare.Status
	for number := range 12 {
		receipts = append(receipts, l.file(t, acme, from, fmt.Sprintf("HANGS-%d.slow.%s", number, hangs)))
	}
	eventually(t, 10*time.Second, "the others decide everything", func() bool {
		return l.count(t, "SELECT count(*) FROM filing WHERE agency <> $1 AND decision <> 'closed'", hangs) == 0
	})
	if left := l.count(t, "SELECT count(*) FROM message WHERE agency = $1 AND delivery <> 'delivered'", hangs); left == 0 {
		t.Error("the agency did not hang")
	}
	l.mustRecover(t, receipts, hangs)
}
