package integration

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"singlewindow/adapters"
)

// read gets a page of the second listener.
func (l *line) read(t *testing.T, address, path string) string {
	t.Helper()
	response, err := l.client.Get("http://" + address + path)
	must(t, err)
	content, err := io.ReadAll(response.Body)
	must(t, err)
	must(t, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", path, response.StatusCode, content)
	}
	return string(content)
}

var (
	sampleLine   = regexp.MustCompile(`(?m)^(singlewindow_[a-z_]+?)(_bucket|_sum|_count)?(\{[^}]*\})? (\S+)$`)
	documentLine = regexp.MustCompile("(?m)^\\| `(singlewindow_[a-z_]+)(\\{[^}]*\\})?` \\|")
)

// total adds up the samples, whole numbers, of a metric that have these labels.
func total(t *testing.T, page, name string, labels ...string) (sum int) {
	t.Helper()
	for _, found := range sampleLine.FindAllStringSubmatch(page, -1) {
		if found[1] != name || found[2] != "" {
			continue
		}
		matches := true
		for _, label := range labels {
			matches = matches && strings.Contains(found[3], label)
		}
		if matches {
			value, err := strconv.ParseFloat(found[4], 64)
			must(t, err)
			sum += int(value)
		}
	}
	return sum
}

// TestMetrics: what is scraped is what happened, every name is documented, and
// neither numbers nor logs tell whose or what it was beyond what they may.
func TestMetrics(t *testing.T) {
	t.Parallel()
	names, err := adapters.Names(adapters.Embedded())
	must(t, err)
	address := freeAddress(t)
	l := newLine(t, lineOptions{unopened: names, flags: []string{"--monitor", address, "--access-log", "--tenant-requests=7"}})
	from, agencies := l.widest(t)
	l.file(t, acme, from, "METRIC-1")
	l.file(t, acme, from, "METRIC-2")
	again, err := l.submit(t.Context(), acme, "key-METRIC-2", from.as(t, "METRIC-2"))
	must(t, err)
	if again.status != http.StatusAccepted || !strings.HasPrefix(again.header.Get("RateLimit-Policy"), `"requests";q=70;w=10`) {
		t.Errorf("%d %v", again.status, again.header)
	}
	const trace = "0af7651916cd43dd8448eb211c80319c"
	given := l.ask(t, l.keys[acme], http.MethodPost, "/v1/declarations", []byte(`{"kind": "SECRET-VALUE"}`), "Content-Type", "application/json", "Idempotency-Key", "SECRET-KEY",
		"Traceparent", "00-"+trace+"-b7ad6b7169203331-01", "X-Request-Id", "metric-3")
	refused(t, "no such kind", given, 422, "declaration.refused")
	l.ask(t, l.keys[acme], http.MethodGet, "/v1/declarations?reference=METRIC-1", nil)
	l.ask(t, "", http.MethodGet, "/no/such/METRIC-9", nil)

	var page string
	eventually(t, 20*time.Second, "what happened is told", func() bool {
		page = l.read(t, address, "/metrics")
		return total(t, page, "singlewindow_queue_messages") > 0 && total(t, page, "singlewindow_agency_state") >= len(agencies)
	})
	byName, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	must(t, err)
	byName.Host = "rebound.example"
	told, err := l.client.Do(byName)
	must(t, err)
	if status, _ := bodyOf(t, told); status != http.StatusForbidden {
		t.Errorf("asked by a name: %d", status)
	}
	for _, want := range []struct {
		number int
		name   string
		labels []string
	}{
		{2, "singlewindow_submissions_total", []string{`outcome="accepted"`}},
		{1, "singlewindow_submissions_total", []string{`outcome="replayed"`}},
		{1, "singlewindow_submissions_total", []string{`outcome="refused"`}},
		{3, "singlewindow_http_requests_total", []string{`operation="submit-declaration"`, `status="2xx"`}},
		{1, "singlewindow_http_requests_total", []string{`operation="submit-declaration"`, `status="4xx"`}},
		{1, "singlewindow_http_requests_total", []string{`operation="none"`}},
		{1, "singlewindow_http_problems_total", []string{`code="declaration.refused"`}},
		{1, "singlewindow_ledger_read", nil},
	} {
		if got := total(t, page, want.name, want.labels...); got != want.number {
			t.Errorf("%s%v is %v, not %d", want.name, want.labels, got, want.number)
		}
	}
	l.mustBeDocumented(t, page)
	for _, secret := range []string{"METRIC", acme, "SECRET", l.keys[acme]} {
		if strings.Contains(page, secret) {
			t.Errorf("%s is in the metrics", secret)
		}
	}
	if index := l.read(t, address, "/debug/pprof/"); !strings.Contains(index, "goroutine") {
		t.Error(index)
	}
	if public := l.ask(t, "", http.MethodGet, "/metrics", nil); public.status != http.StatusNotFound {
		t.Errorf("metrics are public: %d", public.status)
	}
	l.mustLog(t, trace)
}

// mustBeDocumented holds what is scraped against the table of
// docs/operations.md. What has no sample before something happens is left out.
func (l *line) mustBeDocumented(t *testing.T, page string) {
	t.Helper()
	document, err := os.ReadFile(filepath.Join("..", "docs", "operations.md"))
	must(t, err)
	documented := map[string]bool{}
	for _, found := range documentLine.FindAllStringSubmatch(string(document), -1) {
		documented[found[1]] = false
	}
	for _, found := range sampleLine.FindAllStringSubmatch(page, -1) {
		name := found[1]
		if _, known := documented[name]; !known {
			t.Errorf("%s is not in docs/operations.md", name)
		}
		documented[name] = true
	}
	for name, seen := range documented {
		if !seen && name != "singlewindow_message_attempts_total" && name != "singlewindow_tasks_open" {
			t.Errorf("%s is documented and not there", name)
		}
	}
	if len(documented) < 20 {
		t.Errorf("only %d are documented", len(documented))
	}
}

// mustLog: one line for each request, whose it was, and nothing of what was in
// it or asked for.
func (l *line) mustLog(t *testing.T, trace string) {
	t.Helper()
	content, err := os.ReadFile(l.gateway.log)
	must(t, err)
	var requests []string
	for text := range strings.Lines(string(content)) {
		if strings.Contains(text, " msg=request ") {
			requests = append(requests, text)
		}
	}
	found := false
	for _, text := range requests {
		if strings.Contains(text, "requestId=metric-3") {
			found = true
			for _, part := range []string{"operation=submit-declaration", "method=POST", "status=422", "milliseconds=", "tenant=" + acme, "problem=declaration.refused", "traceId=" + trace} {
				if !strings.Contains(text, part) {
					t.Errorf("no %s in %s", part, text)
				}
			}
		}
	}
	if !found || len(requests) < 7 {
		t.Errorf("%d requests are in the log:\n%s", len(requests), content)
	}
	for _, secret := range []string{"METRIC", "SECRET", l.keys[acme]} {
		if strings.Contains(strings.Join(requests, ""), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}
