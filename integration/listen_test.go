package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"singlewindow/api"
)

// TestClientCommands tries the commands that speak to a gateway, on one line.
func TestClientCommands(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	l.file(t, acme, sampleNamed(t, "import-minimal.json"), "CLI-1")
	t.Run("beside each other", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, desk){
			"who counts: flag, environment, profile": profileCounts, "profiles in a file": profileFile, "a broken file of profiles": profileBroken,
			"events": eventsShown, "listen, filtered": listenFiltered, "listen, refused": listenRefused,
			"trigger, words": triggerWords, "trigger, refused": triggerRefused, "trigger, watched": triggerWatched,
			"completion": completed, "the documentation": documented,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, l.newDesk(t))
			})
		}
	})
	t.Run("listen, over a stop", func(t *testing.T) { listenOverStop(t, l.newDesk(t)) })
}

// A desk is where somebody sits before a shell, with a home of their own.
type desk struct {
	*line
	home string
}

func (l *line) newDesk(t *testing.T) desk {
	t.Helper()
	return desk{l, t.TempDir()}
}

// program is singlewindow with arguments, in the desk's folder, in an
// environment that says nothing but this.
func (d desk) program(t *testing.T, environment []string, arguments ...string) *exec.Cmd {
	t.Helper()
	command := d.command(t, "singlewindow", arguments...)
	command.Dir, command.Env = d.home, d.environment(environment...)
	return command
}

func (d desk) environment(more ...string) []string {
	kept := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "SINGLEWINDOW_") || strings.HasPrefix(variable, "LC_") || strings.HasPrefix(variable, "LANG=")
	})
	return append(kept, append([]string{"LANG=C.UTF-8", "HOME=" + d.home, "XDG_CONFIG_HOME=" + filepath.Join(d.home, ".config")}, more...)...)
}

// as is the environment of a tenant.
func (d desk) as(tenant string) []string {
	return []string{"SINGLEWINDOW_SERVER=http://" + d.gateway.address, "SINGLEWINDOW_KEY=" + d.keys[tenant]}
}

// run runs the program to its end.
func (d desk) run(t *testing.T, environment []string, arguments ...string) said {
	t.Helper()
	return ended(t, d.program(t, environment, arguments...))
}

func ended(t *testing.T, command *exec.Cmd) said {
	t.Helper()
	var out, messages bytes.Buffer
	command.Stdout, command.Stderr = &out, &messages
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return said{command.ProcessState.ExitCode(), out.String(), messages.String()}
}

// must is a run that has to end with this exit code and say these words.
func (d desk) must(t *testing.T, code int, environment []string, arguments []string, words ...string) said {
	t.Helper()
	given := d.run(t, environment, arguments...)
	for _, word := range words {
		if !strings.Contains(given.out+given.messages, word) {
			t.Errorf("%v says nothing about %q", arguments, word)
		}
	}
	if given.code != code || t.Failed() {
		t.Errorf("%v: exit code %d, not %d\n%s\n%s", arguments, given.code, code, given.out, given.messages)
	}
	return given
}

// A running program writes into files until it is interrupted.
type runningProgram struct {
	command       *exec.Cmd
	out, messages string
}

// start starts a program that ends with Ctrl-C: see interrupt.
func (d desk) start(t *testing.T, command *exec.Cmd) *runningProgram {
	t.Helper()
	folder := t.TempDir()
	r := &runningProgram{command, filepath.Join(folder, "out"), filepath.Join(folder, "messages")}
	out, err := os.Create(r.out)
	must(t, err)
	messages, err := os.Create(r.messages)
	must(t, err)
	command.Stdout, command.Stderr = out, messages
	must(t, command.Start())
	must(t, out.Close())
	must(t, messages.Close())
	t.Cleanup(func() { r.interrupt(t) })
	return r
}

// interrupt is Ctrl-C, after which a program ends quietly and well.
func (r *runningProgram) interrupt(t *testing.T) {
	t.Helper()
	if r.command.ProcessState != nil {
		return
	}
	before := len(r.said(t, r.messages))
	must(t, r.command.Process.Signal(syscall.SIGINT))
	if err := r.command.Wait(); err != nil {
		t.Errorf("%v after Ctrl-C: %v\n%s", r.command.Args, err, r.said(t, r.messages))
	}
	if more := r.said(t, r.messages)[before:]; more != "" && !strings.Contains(more, "level=INFO") {
		t.Errorf("%v after Ctrl-C says %s", r.command.Args, more)
	}
}

func (r *runningProgram) said(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	return string(content)
}

// An ear is the developer's program: it takes webhooks, checks their
// signatures, and answers well or badly.
type ear struct {
	*httptest.Server
	secret string

	mu     sync.Mutex
	bad    int // how many of the next get no good answer
	taken  []hook
	faults []string
}

// hook is a webhook that came.
type hook struct {
	id, path  string
	Type      string        `json:"type"`
	Timestamp time.Time     `json:"timestamp"`
	Data      api.FeedEvent `json:"data"`
}

func newEar(t *testing.T, secret string) *ear {
	t.Helper()
	s := &ear{secret: secret}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken, err := s.read(r)
	if err != nil {
		s.faults = append(s.faults, err.Error())
	}
	s.taken = append(s.taken, taken)
	if s.bad > 0 {
		s.bad--
		if s.bad%2 == 0 {
			panic(http.ErrAbortHandler) // the connection closes without an answer
		}
		http.Redirect(w, r, s.URL+"/elsewhere", http.StatusTemporaryRedirect)
	}
}

func (s *ear) read(r *http.Request) (taken hook, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return taken, err
	}
	if s.secret != "" {
		verifier, err := standardwebhooks.NewWebhook(s.secret)
		if err != nil {
			return taken, err
		}
		if err := verifier.Verify(body, r.Header); err != nil {
			return taken, err
		}
	}
	if media := r.Header.Get("Content-Type"); media != "application/json" || r.Method != http.MethodPost || r.Header.Get("Authorization") != "" {
		return taken, fmt.Errorf("%s %s with %v", r.Method, media, r.Header)
	}
	taken.id, taken.path = r.Header.Get("Webhook-Id"), r.URL.Path
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&taken); err != nil {
		return taken, err
	}
	if taken.Type != taken.Data.Type || !taken.Timestamp.Equal(taken.Data.At) || taken.id != taken.Data.ID {
		return taken, fmt.Errorf("%s: the webhook and its event disagree: %s", taken.id, body)
	}
	return taken, nil
}

// hooks are those that came, and what was wrong with them.
func (s *ear) hooks() (taken []hook, faults []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken), slices.Clone(s.faults)
}

const sinkSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// listenOverStop: every event arrives once, in order, as the feed has it,
// whatever the developer's program answers and while the gateway restarts.
func listenOverStop(t *testing.T, d desk) {
	s := newEar(t, sinkSecret)
	from := sampleNamed(t, "import-minimal.json")
	s.bad = 5
	listening := d.start(t, d.program(t, d.as(bolt), "listen", "--forward-to", s.URL+"/hooks", "--secret", sinkSecret, "--after", "beginning", "--print-json"))
	d.file(t, bolt, from, "LISTEN-1")
	eventually(t, 20*time.Second, "the first is forwarded", func() bool { taken, _ := s.hooks(); return len(taken) > 0 })
	d.gateway.stop(t)
	d.startGateway(t)
	begun := time.Now()
	eventually(t, 30*time.Second, "the next is filed", func() bool {
		given, err := d.submit(t.Context(), bolt, "key-LISTEN-2", from.as(t, "LISTEN-2"))
		return err == nil && given.status == http.StatusAccepted
	})
	var want []string
	eventually(t, 40*time.Second, "both are decided, and every event is forwarded", func() bool {
		taken, _ := s.hooks()
		want = d.eventsOnFile(t, "tenant_id = $1", bolt)
		return len(taken) >= len(want) && d.count(t, "SELECT count(*) FROM declaration WHERE tenant_id = $1 AND status = 'closed' AND starts_with(reference, 'LISTEN')", bolt) == 2
	})
	number(t, "listen: until all is forwarded after a restart of the gateway", time.Since(begun).Round(10*time.Millisecond), "40s")
	listening.interrupt(t)
	taken, faults := s.hooks()
	if len(faults) > 0 {
		t.Errorf("%d faults, the first: %s", len(faults), faults[0])
	}
	told := d.feed(t, bolt, "beginning", 500)
	for i, e := range told {
		if i < len(taken) && (taken[i].path != "/hooks" || !bytes.Equal(jsonOf(t, taken[i].Data), jsonOf(t, e))) {
			t.Errorf("webhook %d is %s\nnot %s", i, jsonOf(t, taken[i].Data), jsonOf(t, e))
		}
	}
	if len(taken) != len(told) || !slices.Equal(idsOf(told), want) {
		t.Errorf("%d webhooks came of %d events", len(taken), len(told))
	}
	lines := linesOf[struct {
		ID     string
		Status int
		Error  string
		Body   hook
	}](t, listening.out)
	good := 0
	for i, line := range lines {
		if i < len(want) && (line.ID != want[i] || line.Body.Data.ID != want[i]) {
			t.Errorf("line %d is about %s, not %s", i, line.ID, want[i])
		}
		if line.Status == http.StatusOK && line.Error == "" {
			good++
		}
	}
	if len(lines) != len(want) || good != len(want)-5 || lines[0].Error == "" || lines[1].Status != http.StatusTemporaryRedirect {
		t.Errorf("%d lines for %d events, %d with a good answer", len(lines), len(want), good)
	}
	if messages := listening.said(t, listening.messages); !strings.Contains(messages, "taking it up again") || !strings.Contains(messages, "goes on") || strings.Contains(messages, sinkSecret) {
		t.Errorf("it said %s", messages)
	}
}

func jsonOf(t *testing.T, what any) []byte {
	t.Helper()
	content, err := json.Marshal(what)
	must(t, err)
	return content
}

// listenFiltered: only the types that are asked for are forwarded, signed with
// the secret that is printed, and told of on lines for people.
func listenFiltered(t *testing.T, d desk) {
	s := newEar(t, "")
	listening := d.start(t, d.program(t, d.as(acme), "listen", "--forward-to", s.URL, "--types", "filing.*,message.delivered", "--after", "beginning"))
	var secret string
	eventually(t, 20*time.Second, "the secret is printed and something is forwarded", func() bool {
		_, secret, _ = strings.Cut(listening.said(t, listening.messages), "signing with ")
		taken, _ := s.hooks()
		return strings.HasPrefix(secret, "whsec_") && len(taken) >= 2
	})
	s.mu.Lock()
	s.secret = strings.TrimSpace(secret)
	first := len(s.taken)
	s.mu.Unlock()
	d.file(t, acme, sampleNamed(t, "import-minimal.json"), "CLI-LISTEN")
	eventually(t, 20*time.Second, "one more is forwarded, and signed with it", func() bool { taken, _ := s.hooks(); return len(taken) > first })
	listening.interrupt(t)
	taken, faults := s.hooks()
	for _, hook := range taken {
		if !strings.HasPrefix(hook.Type, "filing.") && hook.Type != "message.delivered" {
			t.Errorf("%s is forwarded", hook.Type)
		}
	}
	if len(faults) > 0 {
		t.Errorf("%d faults, the first: %s", len(faults), faults[0])
	}
	lines := strings.Split(strings.TrimSpace(listening.said(t, listening.out)), "\n")
	if !strings.Contains(lines[0], "→ 200 OK") || len(lines) < len(taken)-1 {
		t.Errorf("%d lines for %d webhooks, the first: %s", len(lines), len(taken), lines[0])
	}
}

// listenRefused: what cannot be meant is told before anything is forwarded.
func listenRefused(t *testing.T, d desk) {
	for name, arguments := range map[string][]string{
		"no address":     {},
		"no web address": {"--forward-to", "localhost:3000"},
		"no such event":  {"--forward-to", "http://localhost:3000", "--types", "filing.decision,none.*"},
		"a weak secret":  {"--forward-to", "http://localhost:3000", "--secret", "whsec_c2hvcnQ="},
	} {
		given := d.must(t, 2, d.as(acme), append([]string{"listen"}, arguments...))
		if strings.Contains(given.messages, "c2hvcnQ") {
			t.Errorf("%s: the secret is repeated", name)
		}
	}
	unknown := []string{"SINGLEWINDOW_SERVER=http://" + d.gateway.address, "SINGLEWINDOW_KEY=nobody"}
	d.must(t, 1, unknown, []string{"listen", "--forward-to", "http://localhost:3000", "--secret", sinkSecret})
}

// eventsShown: events of all or of one declaration, for people and programs.
func eventsShown(t *testing.T, d desk) {
	status := d.file(t, acme, sampleNamed(t, "import-minimal.json"), "CLI-EVENTS")
	eventually(t, 20*time.Second, "it is closed", func() bool { return d.status(t, acme, status.ID).Status == "closed" })
	want := d.eventsOnFile(t, "tenant_id = 'acme' AND declaration_id = $1", status.ID)
	own := d.as(acme)
	read := func(arguments ...string) (ids []string) {
		t.Helper()
		given := d.must(t, 0, own, append([]string{"events"}, arguments...))
		for line := range strings.Lines(given.out) {
			var e api.FeedEvent
			must(t, json.Unmarshal([]byte(line), &e))
			if e.Reference == "CLI-EVENTS" {
				ids = append(ids, e.ID)
			}
		}
		return ids
	}
	for _, arguments := range [][]string{{}, {"--json"}, {"--after", "beginning"}, {"--declaration", status.ID}, {"--declaration", "CLI-EVENTS", "-o", "json"}} {
		if ids := read(arguments...); !slices.Equal(ids, want) {
			t.Errorf("%v: %v, not %v", arguments, ids, want)
		}
	}
	table := d.must(t, 0, own, []string{"events", "--declaration", "CLI-EVENTS", "-o", "table"}, "declaration.accepted", "filing.decision")
	if lines := strings.Count(table.out, "\n"); lines != len(want) || strings.HasPrefix(table.out, "{") {
		t.Errorf("%d lines for %d events:\n%s", lines, len(want), table.out)
	}
	following := d.start(t, d.program(t, own, "events", "--follow", "--declaration", "CLI-EVENTS", "--after", "beginning"))
	eventually(t, 20*time.Second, "the stream of one declaration is shown", func() bool {
		return slices.Equal(idsOf(linesOf[api.FeedEvent](t, following.out)), want)
	})
	following.interrupt(t)
	d.must(t, 1, own, []string{"events", "--declaration", "CLI-NONE"})
	d.must(t, 1, own, []string{"events", "--after", "nowhere"}, "parameter.invalid")
	d.must(t, 2, own, []string{"events", "--after", "beginning", "--declaration", "CLI-EVENTS"})
	d.must(t, 2, own, []string{"events", "-o", "yaml"})
}
