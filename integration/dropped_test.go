package integration

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// losing are the scenario words of a load in which the answer to more than
// every fifth message is dropped after the effect, and a few are late,
// unreadable or cut off before it. There are 77, so that each word meets each
// sample.
var losing = append(strings.Fields(strings.Repeat("drop default default default default ", 12)),
	strings.Fields("drop reset default default drop default garbage default drop default slow default drop default default default drop")...)

// TestDroppedAnswers is the short form of TestChaosDroppedAnswers.
func TestDroppedAnswers(t *testing.T) {
	t.Parallel()
	dropAnswers(t, 200)
}

// TestChaosDroppedAnswers: of ten thousand messages, to agencies that take
// every copy for another message but can be asked, each fifth has its answer
// dropped after the effect. Every one takes effect exactly once.
func TestChaosDroppedAnswers(t *testing.T) {
	onlyLong(t)
	const messages = 10_000
	sent, lost := dropAnswers(t, messages)
	number(t, "answers dropped, messages with exactly one effect each", sent, messages)
	number(t, "answers dropped after the effect", lost, messages/5)
}

// dropAnswers gives how many messages were sent and how many had their answer
// dropped.
func dropAnswers(t *testing.T, messages int) (sent, lost int) {
	t.Helper()
	folders := copyFolders(t, map[string]string{"idempotent: true": "idempotent: false", "probe: 5s": "probe: 500ms"})
	l := newLine(t, lineOptions{folders: folders, gateways: 2, mute: true})
	words := slices.Clone(losing)
	seed(t).Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	declarations, planned := 0, 0
	for all := samples(t); planned < messages; declarations++ {
		planned += len(l.takers(t, all[declarations%len(all)]))
	}
	c, wait := l.begin(t, 8, declarations, words)
	wait()
	eventually(t, 2*time.Minute, "every message is settled", func() bool { return l.count(t, unsent) == 0 })
	l.closeOffices(t)
	promised := c.promised(t)
	o := &oracle{l: l}
	o.receipts(t, promised)
	o.effects(t, promised)
	o.events(t)
	o.doctor(t)
	for _, f := range o.faults[:min(len(o.faults), mostFaults)] {
		t.Errorf("%s: %s", cmp.Or(f.declaration, "ledger"), f.text)
	}
	if open := l.count(t, "SELECT count(*) FROM task"); open > 0 {
		t.Errorf("%d times an officer was asked about what the agencies could be asked", open)
	}
	for _, r := range promised {
		sent += len(r.Filings)
		if strings.HasSuffix(r.Reference, ".drop") {
			lost += len(r.Filings)
		}
	}
	if asked := l.count(t, "SELECT count(DISTINCT tenant_id || declaration_id || agency) FROM event WHERE type = 'message.unsure'"); asked < lost || lost*10 < messages {
		t.Errorf("%d answers of %d were dropped and %d messages were unsure", lost, sent, asked)
	}
	return sent, lost
}

// TestOfficerHasItSentAgain: an agency that takes no copy for the same message
// and cannot be asked hangs up on one. Nothing is sent again until an officer
// says so; then the copy says that it may be one, and since when.
func TestOfficerHasItSentAgain(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{folders: copyFolders(t, neitherAskedNorRepeated), mute: true})
	from, agencies := l.widest(t)
	deaf := l.replace(t, agencies[0])
	filed := l.file(t, acme, from, "AGAIN-1")
	message := filingAt(t, filed, deaf.name).MessageID
	var status declare.Status
	eventually(t, 20*time.Second, "an officer must decide", func() bool {
		status = l.status(t, acme, filed.ID)
		return filingAt(t, status, deaf.name).Reason == declare.ReasonNoWayToAsk
	})
	if w := status.WaitingFor; w.Who != declare.WhoOperator || w.Agency != deaf.name || w.Why != string(declare.DeliveryUnsure) {
		t.Errorf("the trader is told: %+v", w)
	}
	if copies := deaf.copies(); len(copies) != 1 || copies[0].header.Get("X-Possible-Duplicate") != "" {
		t.Fatalf("%d copies before an officer decided: %+v", len(copies), copies)
	}
	l.run(t, "tasks", "close", message, "--resolution", "resend", "--by", "Li", "--note", "they have no such message")
	eventually(t, 20*time.Second, "it is delivered", func() bool {
		return filingAt(t, l.status(t, acme, filed.ID), deaf.name).Delivery == declare.DeliveryDelivered
	})
	copies := deaf.copies()
	if len(copies) != 2 {
		t.Fatalf("%d copies", len(copies))
	}
	first, err := time.Parse(time.RFC3339, copies[1].header.Get("X-Possible-Duplicate"))
	if err != nil || first.After(copies[0].at) || copies[0].at.Sub(first) > patience(10*time.Second) {
		t.Errorf("the copy says %q, the first came at %v", copies[1].header.Get("X-Possible-Duplicate"), copies[0].at)
	}
	for _, c := range copies {
		if c.header.Get("X-Delivery-Id") != message || c.body != copies[0].body {
			t.Errorf("delivery %s is not the same message as %s", c.header.Get("X-Delivery-Id"), message)
		}
	}
	eventually(t, 10*time.Second, "nobody waits for an officer", func() bool {
		return l.status(t, acme, filed.ID).WaitingFor.Who != declare.WhoOperator
	})
}

// A deafOffice takes the place of an agency's process: it hangs up on the first
// message and answers every later one.
type deafOffice struct {
	*office
	name string
	mu   sync.Mutex
	came []sentCopy
}

type sentCopy struct {
	header http.Header
	body   string
	at     time.Time
}

// replace ends an agency's process and listens in its place.
func (l *line) replace(t *testing.T, name string) *deafOffice {
	t.Helper()
	deaf := &deafOffice{office: l.offices[name], name: name}
	deaf.process.stop(t)
	listener, err := net.Listen("tcp", deaf.address)
	must(t, err)
	server := &http.Server{Handler: deaf}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { must(t, server.Close()); serving.Wait() })
	return deaf
}

func (d *deafOffice) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	d.mu.Lock()
	d.came = append(d.came, sentCopy{r.Header.Clone(), string(body), time.Now()})
	count := len(d.came)
	d.mu.Unlock()
	step := d.agency.Script().Words["default"][0]
	answer, err := d.agency.Script().Fill(step, adapters.Effect{DeliveryID: r.Header.Get("X-Delivery-Id"), Reference: "AGAIN-1", At: time.Now(), Serial: 1}, time.Now())
	if err != nil || count == 1 {
		panic(http.ErrAbortHandler) // hangs up
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(step.Answer)
	if _, err := w.Write(answer); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (d *deafOffice) copies() []sentCopy {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.came)
}

// run runs the program on the line's database; it must succeed.
func (l *line) run(t *testing.T, arguments ...string) {
	t.Helper()
	command := l.command(t, "singlewindow", append(arguments, "--database", l.database, "--data", l.folder)...)
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", arguments, err, said)
	}
}
