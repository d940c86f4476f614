package declare

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// points are all the fault points, in the order that work passes them, and what
// has happened and what has not where each stands. Each name stands in the code
// once, and in integration/testdata/faults.yaml with what passes it.
var points = []struct{ name, between string }{
	{"submit.asked", "the key is not known yet; nothing is written"},
	{"submit.drafted", "every message is made and valid; nothing is written"},
	{"write.leased", "places on the wire are kept for the messages; nothing is written"},
	{"write.begun", "the transaction is open; nothing is in it"},
	{"write.inserted", "declarations, messages and first events are in the transaction; it is not committed"},
	{"write.committed", "declarations stand, their messages leased; no courier has one"},
	{"write.handing", "as before, of the messages from this one on; the couriers have those before it"},
	{"submit.written", "declarations stand, and their messages may be sent; the trader has no receipt"},

	{"take.before", "places on the wire are kept; no message is leased"},
	{"take.leased", "messages are leased; no courier has one"},
	{"carry.begun", "a courier has a leased message; nothing has left"},
	{"send.before", "the next thing to happen is the request; nothing has left"},
	{"send.after", "the agency may have the message and has answered; nobody knows what"},
	{"ask.before", "the next thing to happen is the inquiry; nothing has left"},
	{"ask.after", "the agency has said whether it knows the message; nobody knows what"},
	{"outcome.judged", "the outcome is known and the agency's state recorded; the attempt is not"},
	{"carry.settled", "the attempt is recorded; the place on the wire is still kept"},

	{"record.begun", "the transaction is open; nothing is in it"},
	{"record.stored", "new notices are in the transaction; none that waited is applied"},
	{"record.applied", "notices have their declarations; no declaration is locked"},
	{"record.locked", "the declarations are locked; no attempt is settled"},
	{"record.settled", "attempts are settled; what notices prove is not"},
	{"record.proven", "messages that notices prove are delivered; no decision is folded"},
	{"record.folded", "decisions are folded in memory; neither they nor events are in the transaction"},
	{"record.written", "decisions, statuses, events and tasks are in the transaction; it is not committed"},
	{"record.committed", "all of it stands; who waits for it does not know"},

	{"hear.read", "a notice is understood; it is not stored"},
	{"hear.recorded", "a notice stands, with what it means; the agency has no answer"},
	{"rematch.found", "it is known that notices of an agency wait; none is placed"},

	{"sweep.expired", "expired leases are unsure messages; their declarations do not know"},
	{"sweep.touched", "their declarations know; the couriers do not"},

	{"pause.before", "the agency's breaker opened here; the other processes do not know"},
	{"pause.recorded", "the agency is paused for every process; not in this one's memory"},
	{"probe.claimed", "this process alone may probe; no message is leased to probe with"},
	{"probe.leased", "a message is leased to probe with; no courier has it"},
	{"probe.failed", "the agency did not answer the probe; the next one is not set"},
	{"resume.before", "the agency answered the probe; it is still paused"},
	{"resume.recorded", "the agency is connected for every process; the probe's message is not settled"},

	{"task.moved", "a message stands where an officer put it, in the transaction; the task is open"},
	{"task.closed", "the task is closed, in the transaction; it is not committed"},
}

// TestPoints: every fault point named in the code is listed, and every one
// listed stands in the code exactly once.
func TestPoints(t *testing.T) {
	calls := map[string]int{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if called, ok := call.Fun.(*ast.Ident); ok && called.Name == "point" {
					calls[nameOf(t, file, call)]++
				}
			}
			return true
		})
	}
	for _, p := range points {
		if calls[p.name] != 1 || p.between == "" {
			t.Errorf("%s stands in the code %d times; between: %q", p.name, calls[p.name], p.between)
		}
		delete(calls, p.name)
	}
	for name := range calls {
		t.Errorf("%s is not listed", name)
	}
	if len(points) < 25 {
		t.Errorf("only %d points", len(points))
	}
}

// nameOf is the point that a call names, which must be a literal.
func nameOf(t *testing.T, file string, call *ast.CallExpr) string {
	t.Helper()
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		t.Fatalf("%s: a point's name must be a literal", file)
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
