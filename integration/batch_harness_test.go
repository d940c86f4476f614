package integration

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"singlewindow/api"
)

// batchKind is the kind whose tables are handed in here.
const batchKind = "goods"

// A ledgerTable is a table of declarations: a heading and rows, as an
// enterprise's own program writes them.
type ledgerTable struct {
	heading []string
	rows    [][]string
}

// tableOf lays a sample out as a table, once under each reference: a row for
// each of its items.
func tableOf(t *testing.T, s sample, references []string) ledgerTable {
	t.Helper()
	known, err := kinds()
	must(t, err)
	var form struct {
		Rows string `yaml:"rows"`
	}
	must(t, yaml.Unmarshal(known[batchKind].Table, &form))
	header, rows := map[string]string{}, []map[string]string{}
	flatten(s.tree, "", form.Rows, header, func(number int, path, value string) {
		for len(rows) <= number {
			rows = append(rows, map[string]string{})
		}
		rows[number][path] = value
	})
	delete(header, "kind")
	columns := maps.Clone(header)
	for _, row := range rows {
		maps.Copy(columns, row)
	}
	table := ledgerTable{heading: slices.Sorted(maps.Keys(columns))}
	for _, reference := range references {
		header["reference"] = reference
		for _, row := range rows {
			cells := make([]string, len(table.heading))
			for i, path := range table.heading {
				cells[i] = header[path] + row[path]
			}
			table.rows = append(table.rows, cells)
		}
	}
	return table
}

// flatten gives every value of a tree by its dotted path: those of the array
// that is the table's rows by the number of the row.
func flatten(value any, path, rows string, header map[string]string, row func(number int, path, value string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			flatten(member, strings.TrimPrefix(path+"."+name, "."), rows, header, row)
		}
	case []any:
		for i, member := range value {
			if path != rows {
				flatten(member, path+"."+strconv.Itoa(i+1), rows, header, row)
				continue
			}
			own := map[string]string{}
			flatten(member, path, rows, own, nil)
			for below, text := range own {
				row(i, below, text)
			}
		}
	default:
		header[path] = fmt.Sprint(value)
	}
}

// set changes a cell: of row number (from 0) in a column.
func (l ledgerTable) set(t *testing.T, row int, column, value string) {
	t.Helper()
	at := slices.Index(l.heading, column)
	if at < 0 {
		t.Fatalf("no column %s", column)
	}
	l.rows[row][at] = value
}

func (l ledgerTable) csv(t *testing.T) []byte {
	t.Helper()
	var text bytes.Buffer
	out := csv.NewWriter(&text)
	must(t, out.Write(l.heading))
	must(t, out.WriteAll(l.rows))
	return text.Bytes()
}

func (l ledgerTable) gb18030(t *testing.T) []byte {
	t.Helper()
	text, err := simplifiedchinese.GB18030.NewEncoder().Bytes(l.csv(t))
	must(t, err)
	return text
}

func (l ledgerTable) xlsx(t *testing.T) []byte {
	t.Helper()
	book := excelize.NewFile()
	out, err := book.NewStreamWriter("Sheet1")
	must(t, err)
	for i, row := range slices.Concat([][]string{l.heading}, l.rows) {
		cells := make([]any, len(row))
		for j, cell := range row {
			cells[j] = cell
		}
		must(t, out.SetRow(fmt.Sprintf("A%d", i+1), cells))
	}
	must(t, out.Flush())
	file, err := book.WriteToBuffer()
	must(t, err)
	must(t, book.Close())
	return file.Bytes()
}

// twoItems is a declaration of two items that concerns every agency that can
// be played.
func twoItems(t *testing.T) sample {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "batch", "two-items.json"))
	must(t, err)
	return sample{"two-items.json", treeOf(t, content)}
}

// numbered are references with these scenario words in turn.
func numbered(count int, words ...string) []string {
	references := make([]string, count)
	for i := range references {
		references[i] = fmt.Sprintf("BATCH-%d.%s", i, words[i%len(words)])
	}
	return references
}

// handIn hands in a file; options are names and values in turn.
func (l *line) handIn(t *testing.T, tenant, name string, body []byte, options ...string) answer {
	t.Helper()
	query := url.Values{"kind": {batchKind}, "name": {name}}
	for i := 0; i < len(options); i += 2 {
		query.Set(options[i], options[i+1])
	}
	return l.ask(t, l.keys[tenant], http.MethodPost, "/v1/batches?"+query.Encode(), body, "Content-Type", "application/octet-stream")
}

// takeIn hands in a file that must be taken.
func (l *line) takeIn(t *testing.T, tenant, name string, body []byte, options ...string) api.BatchView {
	t.Helper()
	given := l.handIn(t, tenant, name, body, options...)
	if given.status != http.StatusAccepted {
		t.Fatalf("%s: %d %s", name, given.status, given.body)
	}
	return decoded[api.BatchView](t, given)
}

func (l *line) batch(t *testing.T, tenant, id string) api.BatchView {
	t.Helper()
	return decoded[api.BatchView](t, l.ask(t, l.keys[tenant], http.MethodGet, "/v1/batches/"+id, nil))
}

// ended waits until a batch is worked off.
func (l *line) ended(t *testing.T, tenant, id string, within time.Duration) (b api.BatchView) {
	t.Helper()
	eventually(t, within, "the batch is worked off", func() bool {
		l.mustRun(t)
		b = l.batch(t, tenant, id)
		return b.State == "done" || b.State == "refused"
	})
	return b
}

// batchRows reads every result of a batch, in pages.
func (l *line) batchRows(t *testing.T, tenant, id, verdict string) (all []api.RowView) {
	t.Helper()
	for after := 0; ; {
		at := fmt.Sprintf("/v1/batches/%s/rows?limit=200&after=%d", id, after)
		if verdict != "" {
			at += "&verdict=" + verdict
		}
		page := decoded[struct {
			Rows []api.RowView
			Next int
		}](t, l.ask(t, l.keys[tenant], http.MethodGet, at, nil))
		all = append(all, page.Rows...)
		if after = page.Next; after == 0 {
			return all
		}
	}
}

// onceEach holds a batch against its file: each reference is filed exactly
// once, by the declaration that its rows name. It gives what that promised.
func (l *line) onceEach(t *testing.T, tenant, id string, references []string) []receipt {
	t.Helper()
	results := l.batchRows(t, tenant, id, "")
	if len(results) != len(references) {
		t.Errorf("%d results for %d references", len(results), len(references))
	}
	type onFile struct{ ID, Receipt, Digest string }
	stored := map[string]onFile{}
	for _, f := range rows[onFile](t, l, `SELECT i.declaration_id, convert_from(i.receipt, 'UTF8'), encode(b.digest, 'hex') FROM idempotency i
		JOIN declaration_body b ON b.tenant_id = i.tenant_id AND b.declaration_id = i.declaration_id WHERE i.tenant_id = $1`, tenant) {
		stored[f.ID] = f
	}
	var promised []receipt
	for i, r := range results {
		f := stored[r.DeclarationID]
		noted := receipt{Digest: f.Digest}
		if r.Verdict != "filed" || json.Unmarshal([]byte(f.Receipt), &noted) != nil || noted.Reference != references[i] || r.Reference != references[i] {
			t.Fatalf("result %d: %+v, on file %q, want %s", i, r, noted.Reference, references[i])
		}
		promised = append(promised, noted)
		delete(stored, r.DeclarationID)
	}
	if len(stored) > 0 {
		t.Errorf("%d declarations are on file that no row names", len(stored))
	}
	return promised
}

// delivered waits until every message has reached its agency.
func (l *line) delivered(t *testing.T, within time.Duration) {
	t.Helper()
	eventually(t, within, "every message is delivered", func() bool {
		l.mustRun(t)
		return l.count(t, unsent) == 0
	})
}

// residentPeak is the most memory a process has had, in MB.
func residentPeak(t *testing.T, p *process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	must(t, err)
	for text := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(text, "VmHWM:"); found {
			kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
			must(t, err)
			return kilobytes / 1024
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	must(t, err)
	t.Cleanup(func() { _ = connection.Close() }) // it may be closed already
	return connection.(*net.TCPConn)
}

func readAll(t *testing.T, connection *net.TCPConn) string {
	t.Helper()
	must(t, connection.SetReadDeadline(time.Now().Add(10*time.Second)))
	content, err := io.ReadAll(connection)
	must(t, err)
	return string(content)
}
