package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"singlewindow/declare"
)

// said is how a program ended and what it wrote.
type said struct {
	code          int
	out, messages string
}

// shell runs the program as acme does.
func (l *line) shell(t *testing.T, arguments ...string) said {
	t.Helper()
	command := l.command(t, "singlewindow", arguments...)
	command.Env = append(os.Environ(), "SINGLEWINDOW_SERVER=http://"+l.gateway.address, "SINGLEWINDOW_KEY="+l.keys[acme])
	var out, messages bytes.Buffer
	command.Stdout, command.Stderr = &out, &messages
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return said{command.ProcessState.ExitCode(), out.String(), messages.String()}
}

// jsonLines makes a file of one declaration a line, under these references. One
// that begins with BAD lacks what every declaration must have.
func jsonLines(t *testing.T, references ...string) []byte {
	t.Helper()
	from := sampleNamed(t, "import-minimal.json")
	var file bytes.Buffer
	for _, reference := range references {
		line := from.as(t, reference)
		if strings.HasPrefix(reference, "BAD") {
			tree := treeOf(t, line)
			delete(tree, "functionCode")
			var err error
			line, err = json.Marshal(tree)
			must(t, err)
		}
		file.Write(line)
		file.WriteString("\n")
	}
	return file.Bytes()
}

// table is the demonstration's file with references of its own; two of the
// five declarations in it are wrong.
func table(t *testing.T, reference string) []byte {
	t.Helper()
	content, err := os.ReadFile("../cmd/singlewindow/demo-batch.csv")
	must(t, err)
	return bytes.ReplaceAll(content, []byte("DEMO-BATCH"), []byte(reference))
}

func fileIn(t *testing.T, folder, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(folder, name)
	must(t, os.WriteFile(file, content, 0o644))
	return file
}

// filedAs counts declarations by the beginning of their references.
func (l *line) filedAs(t *testing.T, prefix string) int {
	t.Helper()
	return l.count(t, "SELECT count(*) FROM declaration WHERE starts_with(reference, $1)", prefix)
}

// TestUpload: each way an upload can end has its exit code and its words.
func TestUpload(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	folder := t.TempDir()
	good := fileIn(t, folder, "good.ndjson", jsonLines(t, "U-GOOD-1", "U-GOOD-2"))
	dry := fileIn(t, folder, "dry.ndjson", jsonLines(t, "U-DRY-1"))
	later := fileIn(t, folder, "later.ndjson", jsonLines(t, "U-LATER-1"))
	strict := fileIn(t, folder, "strict.ndjson", jsonLines(t, "U-STRICT-1", "BAD-STRICT-2"))
	nonsense := fileIn(t, folder, "nonsense.csv", []byte("what,ever\n1,2\n"))
	noFile := filepath.Join(folder, "none.csv")
	for name, test := range map[string]struct {
		arguments []string
		code      int
		words     []string // on either output
		reference string
		filed     int
	}{
		"all rows taken":           {[]string{good}, 0, []string{"bat_", "done", "2 rows, 2 declarations: 0 refused, 2 filed"}, "U-GOOD", 2},
		"a dry run":                {[]string{dry, "--dry-run"}, 0, []string{"0 filed, 1 good but not filed"}, "U-DRY", 0},
		"not waited for":           {[]string{later, "--no-wait"}, 0, []string{"bat_"}, "U-LATER", 1},
		"all or nothing":           {[]string{strict, "--all-or-nothing"}, 4, []string{"BAD-STRICT-2", "row 2", "schema.required"}, "U-STRICT", 0},
		"no table at all":          {[]string{nonsense}, 1, []string{"batch."}, "-", 0},
		"no such mapping":          {[]string{good, "--mapping", "none"}, 1, nil, "-", 0},
		"no such kind":             {[]string{good, "--kind", "none"}, 1, nil, "-", 0},
		"no such file":             {[]string{noFile}, 2, []string{noFile}, "-", 0},
		"a folder":                 {[]string{folder}, 2, []string{folder}, "-", 0},
		"one place for two files":  {[]string{good, dry, "--marked-up", "x"}, 2, nil, "-", 0},
		"a flag that there is not": {[]string{good, "--nonsense"}, 2, nil, "-", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given := l.shell(t, append([]string{"upload"}, test.arguments...)...)
			for _, word := range test.words {
				if !strings.Contains(given.out+given.messages, word) {
					t.Errorf("nothing about %q", word)
				}
			}
			if given.code != test.code || t.Failed() {
				t.Errorf("exit code %d, not %d\n%s\n%s", given.code, test.code, given.out, given.messages)
			}
			eventually(t, 10*time.Second, "what is to be filed is", func() bool { return l.filedAs(t, test.reference) >= test.filed })
			if filed := l.filedAs(t, test.reference); filed != test.filed {
				t.Errorf("%d declarations are filed, not %d", filed, test.filed)
			}
		})
	}
	t.Run("some rows refused", func(t *testing.T) { t.Parallel(); l.uploadTable(t, folder) })
}

// uploadTable: a refused row is told with its place in the table, the table
// comes back marked, and the same table again is the same batch.
func (l *line) uploadTable(t *testing.T, folder string) {
	file := fileIn(t, folder, "订单.csv", table(t, "U-TABLE"))
	marked := filepath.Join(folder, "marked.csv")
	given := l.shell(t, "upload", file, "--marked-up", marked)
	for _, word := range []string{"7 rows", "2 refused, 3 filed", "U-TABLE-3", "row 6, column BB", "goods.item.hsLength", "U-TABLE-5", "row 8, column BN", "schema.pattern"} {
		if !strings.Contains(given.out, word) {
			t.Errorf("nothing about %q", word)
		}
	}
	if given.code != 4 || t.Failed() {
		t.Fatalf("exit code %d\n%s\n%s", given.code, given.out, given.messages)
	}
	content, err := os.ReadFile(marked)
	must(t, err)
	if !bytes.Contains(content, []byte("U-TABLE-5")) || bytes.Equal(content, table(t, "U-TABLE")) {
		t.Errorf("the marked-up file is\n%s", content)
	}
	again := l.shell(t, "upload", file, "-o", "json")
	var answers []struct {
		File    string
		Batch   struct{ ID, Encoding string }
		Refused []struct {
			Reference string
			Errors    []struct{ Code, Column, Heading string }
		}
	}
	must(t, json.Unmarshal([]byte(again.out), &answers))
	if again.code != 4 || len(answers) != 1 || !strings.Contains(given.out, answers[0].Batch.ID) || len(answers[0].Refused) != 2 || answers[0].Refused[0].Errors[0].Heading == "" {
		t.Errorf("again: exit code %d\n%s", again.code, again.out)
	}
	if filed := l.filedAs(t, "U-TABLE"); filed != 3 {
		t.Errorf("%d are filed", filed)
	}
}

// TestUploadOutlivesTheGateway: who waits for a large file goes on waiting
// while the gateway dies and comes back, and each row is filed once.
func TestUploadOutlivesTheGateway(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	references := make([]string, 300)
	for i := range references {
		references[i] = fmt.Sprintf("U-LONG-%d", i)
	}
	file := fileIn(t, t.TempDir(), "long.ndjson", jsonLines(t, references...))
	ended := make(chan said)
	go func() { ended <- l.shell(t, "upload", file) }()
	eventually(t, 30*time.Second, "some are filed", func() bool { return l.filedAs(t, "U-LONG") > 0 })
	l.gateway.kill(t)
	l.startGateway(t)
	given := <-ended
	if given.code != 0 || !strings.Contains(given.out, "0 refused, 300 filed") || !strings.Contains(given.messages, "going on trying") {
		t.Errorf("exit code %d\n%s\n%s", given.code, given.out, given.messages)
	}
	if filed := l.filedAs(t, "U-LONG"); filed != len(references) {
		t.Errorf("%d are filed", filed)
	}
}

// A drop is a watched folder.
type drop struct {
	*line
	folder string
}

func (l *line) newDrop(t *testing.T) drop {
	t.Helper()
	d := drop{l, t.TempDir()}
	for _, folder := range []string{"OutBox", "SentBox", "FailBox", "InBox"} {
		must(t, os.Mkdir(filepath.Join(d.folder, folder), 0o755))
	}
	return d
}

// arguments of a watcher that looks often.
func (d drop) arguments(t *testing.T, more ...string) []string {
	t.Helper()
	key := fileIn(t, d.line.folder, "acme.key", []byte(d.keys[acme]))
	return append([]string{"watch", d.folder, "--every", "50ms", "--server", "http://" + d.gateway.address, "--key-file", key}, more...)
}

func (d drop) watch(t *testing.T, more ...string) *process {
	t.Helper()
	return d.start(t, "singlewindow", "watcher", d.arguments(t, more...)...)
}

// put drops a file as a careful program does, whole.
func (d drop) put(t *testing.T, name string, content []byte) {
	t.Helper()
	must(t, os.Rename(fileIn(t, d.folder, name, content), filepath.Join(d.folder, "OutBox", name)))
}

// names lists a folder of the drop.
func (d drop) names(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(d.folder, folder))
	must(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func (d drop) has(t *testing.T, folder, name string) bool {
	t.Helper()
	return slices.Contains(d.names(t, folder), name)
}

// answered reads an answer in InBox; what is not there yet is zero.
func answered[T any](t *testing.T, d drop, name string) (answer T) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(d.folder, "InBox", name))
	if errors.Is(err, os.ErrNotExist) {
		return answer
	}
	must(t, err)
	must(t, json.Unmarshal(content, &answer))
	return answer
}

// dropResult is what InBox says of a file.
type dropResult struct {
	Batch struct {
		ID, State              string
		Items, Filed, Rejected int
	}
	Rows []struct {
		Reference, Verdict string
		Status             declare.Overall
	}
	Declaration declare.Status
	Problem     struct{ Code string }
}
