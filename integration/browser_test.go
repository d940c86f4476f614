package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"singlewindow/declare"
)

// sights are what the browser came back with.
type sights struct {
	Pages      int
	Violations []string // of accessibility, by axe-core
	Faults     []string // on the console, of scripts, of pages that did not come
	Foreign    []string // requests to anybody but the gateway
	Sideways   []string // pages wider than the screen
	Live       int      // milliseconds from a change to its being seen
}

// leastPages are seen by three visitors who open every page.
const leastPages = 3 * 8

// TestPagesInABrowser signs in with Chromium, filters, opens a declaration and
// sees a status change, at a desk and on a phone, in both languages, with and
// without scripts. The long form is every language at every width.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	from, _ := l.widest(t)
	seen := l.file(t, acme, from, "SEEN-1.docs")
	eventually(t, 30*time.Second, "something was asked for", func() bool {
		return l.status(t, acme, seen.ID).Status != declare.OverallProcessing
	})
	create := l.command(t, "singlewindow", "user", "create", "harbour", "--role", "operator", "--database", l.database, "--data", l.folder)
	create.Stdin = strings.NewReader(goodPassword + "\n")
	if said, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	question, err := json.Marshal(map[string]any{
		"address": "http://" + l.gateways[0].address, "name": "harbour", "password": goodPassword, "key": l.keys[acme],
		"declaration": from.tree, "reference": seen.Reference, "later": "SEEN-2", "everything": longForms(),
	})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "board.mjs")
	node.Dir, node.Stdin = "browser", bytes.NewReader(question)
	said, err := node.Output()
	if err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			t.Logf("%s", ended.Stderr)
		}
		t.Fatalf("%v (make setup-tests installs Chromium and what the script needs)", err)
	}
	var found sights
	must(t, json.Unmarshal(said, &found))
	number(t, "pages looked at in a browser", found.Pages, leastPages)
	number(t, "accessibility, violations found by axe-core", len(found.Violations), 0)
	number(t, "a change is on the board after", time.Duration(found.Live)*time.Millisecond, time.Second)
	for what, wrong := range map[string][]string{"axe-core": found.Violations, "fault": found.Faults, "request to others": found.Foreign, "wider than the screen": found.Sideways} {
		for _, one := range wrong {
			t.Errorf("%s: %s", what, one)
		}
	}
	if found.Pages < leastPages {
		t.Errorf("%d pages were seen", found.Pages)
	}
	if found.Live > 1000 {
		t.Errorf("a change was seen after %d ms", found.Live)
	}
}
