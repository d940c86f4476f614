package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"singlewindow/declare"
)

// found examines everything and gives the codes of the findings, and the
// report.
func (b *bench) found(t *testing.T) ([]string, declare.Report) {
	t.Helper()
	report, err := b.Examine(t.Context(), declare.Everything, declare.DefaultPatience(), nil)
	must(t, err)
	var codes []string
	for _, finding := range report.Findings {
		codes = append(codes, finding.Code)
	}
	return codes, report
}

// TestDoctorFindsWhatMustNeverBe breaks one declaration after the other in the
// ledger, past everything that protects it; each is found, and nothing else.
func TestDoctorFindsWhatMustNeverBe(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	odd.read = func(body string) (declare.Reading, error) {
		return declare.Reading{MessageID: body, Word: "OK", Decision: declare.DecisionReleased, IssuedAt: time.Now()}, nil
	}
	b := newBench(t, quick(), odd)
	breaks := map[string]string{
		"filing.noMessage":        "DELETE FROM message WHERE id = '$M'",
		"message.noFiling":        "DELETE FROM filing WHERE declaration_id = '$D'",
		"message.noBody":          "DELETE FROM message_body WHERE message_id = '$M'",
		"message.digest":          "UPDATE message_body SET body = 'x' WHERE message_id = '$M'",
		"message.noTask":          "UPDATE message SET delivery = 'setAside', settled_at = NULL WHERE id = '$M'",
		"message.noFolder":        "UPDATE message SET folder_digest = 'x' WHERE id = '$M'",
		"filing.decision":         "UPDATE filing SET decision = 'closed' WHERE declaration_id = '$D'",
		"declaration.status":      "UPDATE declaration SET status = 'held' WHERE id = '$D'",
		"declaration.noBody":      "DELETE FROM declaration_body WHERE declaration_id = '$D'",
		"declaration.digest":      "UPDATE declaration_body SET body = 'x' WHERE declaration_id = '$D'",
		"declaration.noReference": "DELETE FROM reference WHERE declaration_id = '$D'",
		"event.gap":               "DELETE FROM event WHERE declaration_id = '$D' AND number = 2",
	}
	// What one change makes wrong besides.
	besides := map[string][]string{
		"message.noFiling": {"declaration.noFiling", "declaration.status"},
		"filing.decision":  {"declaration.status"},
	}
	ids, messages := map[string]string{}, map[string]string{}
	for code := range breaks {
		receipt := b.file(t, "BREAK-"+code)
		ids[code], messages[code] = receipt.ID, receipt.Filings[0].MessageID
		must(t, b.Hear(t.Context(), "odd", []byte(messages[code]), func(string) string { return "" }))
	}
	for code, id := range ids {
		b.await(t, id, "odd", code+" is released", func(s declare.Status, f declare.FilingStatus) bool {
			return s.Status == declare.OverallCleared && delivered(s, f)
		})
	}
	if codes, report := b.found(t); len(codes) > 0 || report.Looked != len(breaks) || report.Gravity() != declare.GravityNone {
		t.Fatalf("before anything is broken: %v, %d looked at", codes, report.Looked)
	}
	for code, statement := range breaks {
		b.corrupt(t, strings.NewReplacer("$D", ids[code], "$M", messages[code]).Replace(statement))
	}
	codes, report := b.found(t)
	if report.Gravity() != declare.GravityInconsistent {
		t.Errorf("gravity %d", report.Gravity())
	}
	for code, id := range ids {
		for _, want := range append(besides[code], code) {
			if !slices.ContainsFunc(report.Findings, func(f declare.Finding) bool {
				return f.Code == want && slices.ContainsFunc(f.Of, func(c declare.Concern) bool { return c.DeclarationID == id })
			}) {
				t.Errorf("%s: %s is not found in %v", code, want, codes)
			}
		}
	}
	if len(codes) != len(breaks)+1 { // and declaration.noFiling
		t.Errorf("%v", codes)
	}
	if sampled, err := b.Examine(t.Context(), declare.Sample, declare.DefaultPatience(), nil); err != nil || len(sampled.Findings) != len(report.Findings) {
		t.Errorf("a sample of few declarations is all of them: %d findings, %v", len(sampled.Findings), err)
	}
}

// TestDoctorFindsWhatIsStuck: queues, leases, waits and folders, each with
// whose move it is.
func TestDoctorFindsWhatIsStuck(t *testing.T) {
	t.Parallel()
	timing := quick()
	timing.Sweep = time.Hour // leases are left as they are
	b := newBench(t, timing, newOdd("odd"))
	receipt := func(reference string) (string, string) {
		r := b.file(t, reference)
		b.await(t, r.ID, "odd", "delivered", delivered)
		return r.ID, r.Filings[0].MessageID
	}
	const queued = "UPDATE message SET delivery = 'queued', settled_at = NULL, next_at = now() + interval '1 hour', "
	set := func(reference, statement string) string {
		id, message := receipt(reference)
		b.corrupt(t, strings.NewReplacer("$D", id, "$M", message).Replace(statement))
		return id
	}
	want := map[string]string{ // code → who
		"agency.off": "operator", "agency.denied": "operator", "agency.pausedLong": "agency", "agency.paused": "agency",
		"message.late": "operator", "message.deaths": "operator", "folder.notReopened": "operator", "folder.refused": "operator",
		"lease.expired": "operator", "wait.agency": "agency", "wait.trader": "trader", "task.unmatched": "operator",
	}
	set("LATE", queued+"created_at = now() - interval '1 hour' WHERE id = '$M'")
	set("DEATHS", queued+"expiries = 3 WHERE id = '$M'")
	set("LEASE", "UPDATE message SET delivery = 'sending', settled_at = NULL, lease_until = now() - interval '1 minute' WHERE id = '$M'")
	for agency, state := range map[string]string{"gone": "", "shut": "denied", "down": "paused", "tired": "paused"} {
		since := "now()"
		if agency == "down" {
			since = "now() - interval '1 hour'"
		}
		set("AT-"+agency, queued+"agency = '"+agency+"', created_at = "+since+" WHERE id = '$M'")
		if state != "" {
			b.corrupt(t, "INSERT INTO agency_state (agency, state, since, reason, next_probe_at) VALUES ('"+agency+"', '"+state+"', "+since+", 'timeout', now())")
		}
	}
	set("WAIT-1", "UPDATE declaration SET waiting_who = 'agency', waiting_why = 'received', waiting_since = now() - interval '49 hours' WHERE id = '$D'")
	set("WAIT-2", "UPDATE declaration SET waiting_who = 'trader', waiting_why = 'paymentDue', waiting_since = now() - interval '8 days' WHERE id = '$D'")
	b.corrupt(t, "INSERT INTO task (subject, kind, agency, why, opened_at) VALUES ('ntc_1', 'unmatched', 'odd', 'unmatched', now())")
	b.corrupt(t, "INSERT INTO agency_folder (digest, agency, version, valid_from, loaded_at, archive) VALUES (repeat('a', 64), 'odd', '0', now(), now(), 'x')")

	known, err := kinds()
	must(t, err)
	var off []declare.Agency
	for _, name := range []string{"odd", "shut", "down", "tired"} {
		off = append(off, newOdd(name))
	}
	reopen := func([]byte) (declare.Agency, error) { return nil, errors.New("cannot be read") }
	beside := declare.New(b.ledger, known, off, reopen, newIDs(), time.Now, quick(), quiet(t))
	refused := map[string]declare.RefusedFolder{"odd": {At: time.Now()}}
	report, err := beside.Examine(t.Context(), declare.Sample, declare.DefaultPatience(), refused)
	must(t, err)
	got := map[string]string{}
	for _, finding := range report.Findings {
		if finding.Gravity != "inconsistent" { // the ledger was changed by hand
			got[finding.Code] = finding.Who
		}
	}
	for code, who := range want {
		if got[code] != who {
			t.Errorf("%s: the move is %q's, not %q's", code, got[code], who)
		}
	}
	for code := range got {
		if want[code] == "" {
			t.Errorf("also found: %s", code)
		}
	}
}

// TestDoctorSeesWholeTransactions examines everything again and again while
// declarations are filed, sent, lost, panicked on, asked about and decided: a
// ledger that is only busy is never called inconsistent.
func TestDoctorSeesWholeTransactions(t *testing.T) {
	t.Parallel()
	odd := newOdd("odd")
	odd.profile.Inquirable, odd.profile.Deadline = true, 100*time.Millisecond
	decided := declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered, Answer: []byte("a"), Reading: declare.Reading{Decision: declare.DecisionReleased, Word: "OK"}}
	var turn atomic.Int32
	odd.send = func(reference string, _ declare.Dispatch) declare.Outcome {
		switch turn.Add(1) % 4 {
		case 0:
			panic(errInjected)
		case 1:
			return declare.Outcome{Reason: declare.ReasonTimeout}
		case 2:
			return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonBusy}
		}
		answer := decided
		answer.Answer = []byte(reference)
		return answer
	}
	odd.inquire = func(reference string) declare.Outcome {
		if turn.Add(1)%3 == 0 {
			return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonUnknownToAgency}
		}
		answer := decided
		answer.Answer = []byte(reference)
		return answer
	}
	b := newBench(t, quick(), odd)
	var filing sync.WaitGroup
	filing.Go(func() {
		for n := range 150 {
			reference := fmt.Sprintf("BUSY-%d", n)
			if _, err := b.Submit(t.Context(), declare.Submission{Tenant: acme, Key: reference, Body: b.sample.as(t, reference)}); err != nil {
				t.Error(err)
			}
		}
	})
	examined := 0
	eventually(t, 60*time.Second, "everything is settled", func() bool {
		b.mustBeWell(t)
		examined++
		return b.number(t, "SELECT count(*) FROM message WHERE delivery IN ('delivered', 'setAside')") == 150
	})
	filing.Wait()
	b.mustBeWell(t)
	t.Logf("%d examinations, %d set aside", examined, b.number(t, "SELECT count(*) FROM message WHERE delivery = 'setAside'"))
}

// TestFindingsAreToldOnce: two gateways examine in turn; a message set aside
// raises one event, however often it is seen, and another only after it was
// gone and came back.
func TestFindingsAreToldOnce(t *testing.T) {
	t.Parallel()
	timing := quick()
	timing.Examine = 300 * time.Millisecond
	odd := newOdd("odd")
	odd.send = func(string, declare.Dispatch) declare.Outcome { return declare.Outcome{Reason: declare.ReasonPoisoned} }
	b := newBench(t, timing, odd)
	b.beside(t, timing, odd)
	id := b.file(t, "POISON-1").ID
	message := setAsideAt(t, b, id, declare.ReasonPoisoned)
	told := func() int { return countOf(b.eventsOf(t, id), "doctor.finding") }
	examined := func(times int) {
		t.Helper()
		for range times {
			last := b.number(t, "SELECT (extract(epoch FROM begun_at) * 1000)::bigint FROM examination")
			eventually(t, 20*time.Second, "another examination", func() bool {
				return b.number(t, "SELECT (extract(epoch FROM begun_at) * 1000)::bigint FROM examination") > last
			})
		}
	}
	eventually(t, 20*time.Second, "the finding is told", func() bool { return told() == 1 })
	examined(5)
	if times := told(); times != 1 {
		t.Fatalf("told %d times", times)
	}
	b.corrupt(t, "UPDATE task SET closed_at = now() WHERE subject = '"+message+"'")
	eventually(t, 20*time.Second, "it is gone", func() bool { return b.number(t, "SELECT count(*) FROM finding WHERE gone_at IS NOT NULL") == 1 })
	b.corrupt(t, "UPDATE task SET closed_at = NULL WHERE subject = '"+message+"'")
	eventually(t, 20*time.Second, "it is told again", func() bool { return told() == 2 })
	examined(3)
	if times := told(); times != 2 {
		t.Errorf("told %d times", times)
	}
	b.mustBeWell(t)
}

// TestDoctorCommand: the command beside a ledger, its exit codes and both
// forms of its answer.
func TestDoctorCommand(t *testing.T) {
	t.Parallel()
	folder, err := programs()
	must(t, err)
	odd := newOdd("odd")
	odd.send = func(reference string, _ declare.Dispatch) declare.Outcome {
		if poisonous(reference) {
			return declare.Outcome{Reason: declare.ReasonPoisoned}
		}
		return declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered}
	}
	b := newBench(t, quick(), odd)
	data := t.TempDir()
	run := func(want int, arguments ...string) string {
		t.Helper()
		command := exec.Command(folder+"singlewindow", append(arguments, "--database", b.url, "--data", data)...)
		var output, words bytes.Buffer
		command.Stdout, command.Stderr = &output, &words
		var exit *exec.ExitError
		if err := command.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code := command.ProcessState.ExitCode(); code != want {
			t.Errorf("%v ended with %d, not %d: %s%s", arguments, code, want, output.String(), words.String())
		}
		return output.String()
	}
	fine := b.file(t, "FINE-1")
	b.await(t, fine.ID, "odd", "delivered", delivered)
	if text := run(0, "doctor"); !strings.HasPrefix(text, "Nothing is stuck.") {
		t.Errorf("%s", text)
	}
	message := setAsideAt(t, b, b.file(t, "POISON-1").ID, declare.ReasonPoisoned)
	if text := run(1, "doctor", "--language", "zh"); !strings.Contains(text, message) || !strings.Contains(text, "需操作员处理") {
		t.Errorf("%s", text)
	}
	if text := run(0, "tasks"); !strings.Contains(text, message) {
		t.Errorf("%s", text)
	}
	run(2, "tasks", "close", message, "--resolution", "forget", "--by", "Li", "--note", "n")
	run(1, "tasks", "close", fine.Filings[0].MessageID, "--resolution", "abandon", "--by", "Li", "--note", "n")
	run(0, "tasks", "close", message, "--resolution", "abandon", "--by", "Li", "--note", "it cannot be sent")
	if text := run(0, "tasks", "list", "--closed", "-o", "json"); !strings.Contains(text, "it cannot be sent") {
		t.Errorf("%s", text)
	}
	run(0, "doctor")
	b.corrupt(t, "UPDATE message_body SET body = 'x' WHERE message_id = '"+fine.Filings[0].MessageID+"'")
	var report declare.Report
	must(t, json.Unmarshal([]byte(run(3, "doctor", "--deep", "-o", "json")), &report))
	if !report.All || report.Looked != 2 || len(report.Findings) != 1 || report.Findings[0].Code != "message.digest" {
		t.Errorf("%+v", report)
	}
}
