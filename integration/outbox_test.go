package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"singlewindow/declare"
)

// TestWatchFolder drops what an enterprise's program may drop, good and bad,
// and looks at what becomes of it.
func TestWatchFolder(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	for name, test := range map[string]func(*testing.T, drop){
		"batches and declarations": dropAll, "what is left alone": dropNothing, "one name twice": dropTwice, "a file that grows": dropSlowly,
		"once, for cron": dropOnce, "one watcher": dropGuarded, "folders that cannot be used": dropForbidden,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, l.newDrop(t))
		})
	}
}

func dropAll(t *testing.T, d drop) {
	d.watch(t)
	d.put(t, "订单 七月.csv", table(t, "W-TABLE"))
	d.put(t, "one.json", jsonLines(t, "W-ONE"))
	d.put(t, "bad.json", jsonLines(t, "BAD-ONE"))
	d.put(t, "nonsense.csv", []byte("what,ever\r\n1,2\r\n"))
	eventually(t, 30*time.Second, "every file is where it belongs", func() bool {
		return d.has(t, "SentBox", "订单 七月.csv") && d.has(t, "SentBox", "one.json") && d.has(t, "FailBox", "bad.json") && d.has(t, "FailBox", "nonsense.csv")
	})
	for file, code := range map[string]string{"bad.json": "schema.required", "nonsense.csv": "batch."} {
		text, err := os.ReadFile(filepath.Join(d.folder, "FailBox", file+".errors.txt"))
		must(t, err)
		if !bytes.Contains(text, []byte(code)) {
			t.Errorf("of %s: %s", file, text)
		}
	}
	if left := append(d.names(t, "OutBox"), d.names(t, ".singlewindow/taken")...); len(left) > 0 || len(d.names(t, "SentBox")) != 2 || len(d.names(t, "FailBox")) != 4 {
		t.Errorf("left: %v; sent: %v; failed: %v", left, d.names(t, "SentBox"), d.names(t, "FailBox"))
	}
	eventually(t, 60*time.Second, "the agencies' answers are in InBox", func() bool {
		result := answered[dropResult](t, d, "订单 七月.csv.result.json")
		closed := 0
		for _, row := range result.Rows {
			if row.Status == declare.OverallClosed {
				closed++
			}
		}
		return result.Batch.State == "done" && result.Batch.Rejected == 2 && closed == 3 && answered[dropResult](t, d, "one.json.result.json").Declaration.Status == declare.OverallClosed
	})
	if result := answered[dropResult](t, d, "bad.json.result.json"); result.Problem.Code != "declaration.refused" {
		t.Errorf("%+v", result)
	}
	for _, reference := range []string{"W-ONE", "W-TABLE-1", "W-TABLE-2", "W-TABLE-4.inspect"} {
		eventually(t, 5*time.Second, "the status of "+reference, func() bool {
			return answered[declare.Status](t, d, reference+".status.json").Status == declare.OverallClosed
		})
	}
	marked, err := os.ReadFile(filepath.Join(d.folder, "InBox", "订单 七月.csv.marked.csv"))
	must(t, err)
	if !bytes.Contains(marked, []byte("W-TABLE-5")) || bytes.Equal(marked, table(t, "W-TABLE")) {
		t.Errorf("marked up:\n%s", marked)
	}
}

func dropNothing(t *testing.T, d drop) {
	out := filepath.Join(d.folder, "OutBox")
	whole := jsonLines(t, "W-ALONE")
	fileIn(t, out, "half.json.tmp", whole)
	fileIn(t, out, "HALF.JSON.TMP", whole)
	fileIn(t, out, ".hidden.json", whole)
	elsewhere := fileIn(t, d.folder, "elsewhere.json", whole)
	must(t, os.Symlink(elsewhere, filepath.Join(out, "link.json")))
	must(t, os.Mkdir(filepath.Join(out, "folder.json"), 0o755))
	must(t, syscall.Mkfifo(filepath.Join(out, "pipe.json"), 0o644))
	d.watch(t)
	d.put(t, "last.json", jsonLines(t, "W-LAST"))
	eventually(t, 20*time.Second, "what came last is sent", func() bool { return d.has(t, "SentBox", "last.json") })
	if left := d.names(t, "OutBox"); len(left) != 6 || d.filedAs(t, "W-ALONE") != 0 {
		t.Errorf("left: %v", left)
	}
	must(t, os.Rename(filepath.Join(out, "half.json.tmp"), filepath.Join(out, "half.json")))
	eventually(t, 20*time.Second, "it is renamed and sent", func() bool { return d.has(t, "SentBox", "half.json") })
}

// dropTwice: another file of the same name keeps what came of the first, the
// same file is the same batch, and a long name finds room.
func dropTwice(t *testing.T, d drop) {
	d.watch(t)
	send := func(name, becomes string, content []byte) dropResult {
		t.Helper()
		d.put(t, name, content)
		eventually(t, 20*time.Second, becomes+" is sent and done", func() bool {
			return d.has(t, "SentBox", becomes) && answered[dropResult](t, d, becomes+".result.json").Batch.State == "done"
		})
		return answered[dropResult](t, d, becomes+".result.json")
	}
	first := send("day.ndjson", "day.ndjson", jsonLines(t, "W-DAY-1"))
	second := send("day.ndjson", "day (2).ndjson", jsonLines(t, "W-DAY-2"))
	third := send("day.ndjson", "day (3).ndjson", jsonLines(t, "W-DAY-1"))
	if first.Batch.ID == second.Batch.ID || first.Batch.ID != third.Batch.ID || d.filedAs(t, "W-DAY") != 2 {
		t.Errorf("%v %v %v", first, second, third)
	}
	stem := strings.Repeat("长", 80)
	d.put(t, stem+".ndjson", jsonLines(t, "W-DAY-3"))
	eventually(t, 20*time.Second, "the one with the long name is sent", func() bool {
		return slices.ContainsFunc(d.names(t, "SentBox"), func(name string) bool {
			return strings.HasPrefix(name, "长长") && strings.HasSuffix(name, "长.ndjson")
		})
	})
}

// dropSlowly: a file that is written bit by bit is one batch, of all of it.
func dropSlowly(t *testing.T, d drop) {
	process := d.watch(t, "--every", "1s") // far longer than the writer ever pauses
	file, err := os.Create(filepath.Join(d.folder, "OutBox", "slow.ndjson"))
	must(t, err)
	const lines = 100
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for number := range lines {
		_, err := file.Write(jsonLines(t, fmt.Sprintf("W-SLOW-%d", number)))
		must(t, err)
		<-pace.C
	}
	must(t, file.Close())
	process.mustRun(t)
	eventually(t, 30*time.Second, "all of it is filed", func() bool {
		result := answered[dropResult](t, d, "slow.ndjson.result.json")
		return result.Batch.State == "done" && result.Batch.Filed == lines && result.Batch.Rejected == 0
	})
}

// dropOnce: a run of its own files what is there and ends; the next one
// fetches what was answered meanwhile.
func dropOnce(t *testing.T, d drop) {
	run := func() said { t.Helper(); return d.shell(t, d.arguments(t, "--once")...) }
	d.put(t, "cron.ndjson", jsonLines(t, "W-CRON-1", "BAD-CRON-2"))
	if given := run(); given.code != 0 || !d.has(t, "SentBox", "cron.ndjson") {
		t.Fatalf("exit code %d\n%s", given.code, given.messages)
	}
	if result := answered[dropResult](t, d, "cron.ndjson.result.json"); result.Batch.State != "done" || result.Batch.Filed != 1 || result.Batch.Rejected != 1 {
		t.Errorf("%+v", result)
	}
	eventually(t, 60*time.Second, "a later run finds the agencies' answers", func() bool {
		given := run()
		return given.code == 0 && answered[declare.Status](t, d, "W-CRON-1.status.json").Status == declare.OverallClosed
	})
	d.put(t, "later.ndjson", jsonLines(t, "W-CRON-3"))
	closed := drop{&line{lineOptions: d.lineOptions, folder: d.line.folder, keys: d.keys, gateway: &door{address: freeAddress(t)}}, d.folder}
	if given := closed.shell(t, closed.arguments(t, "--once")...); given.code != 1 || !d.has(t, "OutBox", "later.ndjson") {
		t.Errorf("without a gateway: exit code %d, left %v\n%s", given.code, d.names(t, "OutBox"), given.messages)
	}
}

// dropGuarded: a second watcher of the folder ends and says why.
func dropGuarded(t *testing.T, d drop) {
	d.watch(t)
	d.put(t, "first.json", jsonLines(t, "W-GUARD"))
	eventually(t, 20*time.Second, "the first one works", func() bool { return d.has(t, "SentBox", "first.json") })
	if given := d.shell(t, d.arguments(t)...); given.code != 1 || !strings.Contains(given.messages, "is being watched already") {
		t.Errorf("exit code %d: %s", given.code, given.messages)
	}
}

// stranger is the number of a user who owns nothing.
const stranger = 65534

// dropForbidden: what cannot be used is named.
func dropForbidden(t *testing.T, d drop) {
	if given := d.shell(t, "watch", filepath.Join(d.folder, "none")); given.code != 1 || !strings.Contains(given.messages, "none") {
		t.Errorf("no folder: exit code %d: %s", given.code, given.messages)
	}
	sent := filepath.Join(d.folder, "SentBox")
	must(t, os.Remove(sent))
	must(t, os.WriteFile(sent, nil, 0o644))
	if given := d.shell(t, d.arguments(t)...); given.code != 1 || !strings.Contains(given.messages, sent) {
		t.Errorf("a file for a folder: exit code %d: %s", given.code, given.messages)
	}
	must(t, os.Remove(sent))
	must(t, os.Mkdir(sent, 0o755))
	if os.Geteuid() != 0 {
		return // only root can be somebody else
	}
	for _, folder := range []string{".", ".singlewindow", ".singlewindow/taken", ".singlewindow/followed", "OutBox", "FailBox", "InBox"} {
		must(t, os.Chown(filepath.Join(d.folder, folder), stranger, stranger))
	}
	must(t, os.Chmod(filepath.Dir(filepath.Dir(d.folder)), 0o755))
	must(t, os.Chmod(filepath.Dir(d.folder), 0o755))
	command := d.command(t, "singlewindow", d.arguments(t)...)
	command.Env = append(os.Environ(), "SINGLEWINDOW_KEY="+d.keys[acme])
	command.Args = slices.DeleteFunc(command.Args, func(argument string) bool { return argument == "--key-file" || strings.HasSuffix(argument, ".key") })
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	messages, err := command.CombinedOutput()
	if err == nil || command.ProcessState.ExitCode() != 1 || !bytes.Contains(messages, []byte(sent+" cannot be used: ")) {
		t.Errorf("without rights: %v: %s", err, messages)
	}
}

// TestWatcherKilled kills the watcher at any moment, again and again, while
// files keep coming: each is filed once, whole, and none is lost.
func TestWatcherKilled(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{})
	d := l.newDrop(t)
	kills, lines := 15, 5
	if longForms() {
		kills = 100
	}
	var files []string
	for number := range kills {
		process := d.watch(t)
		name := fmt.Sprintf("k%d.ndjson", number)
		var references []string
		for row := range lines {
			references = append(references, fmt.Sprintf("K-%d-%d", number, row))
		}
		d.put(t, name, jsonLines(t, references...))
		d.put(t, fmt.Sprintf("k%d.json", number), jsonLines(t, fmt.Sprintf("K-%d", number)))
		files = append(files, name, fmt.Sprintf("k%d.json", number))
		select { // any moment of its work, from its start on
		case <-process.ended:
		case <-time.After(rand.N(400 * time.Millisecond)):
		}
		process.kill(t)
	}
	d.watch(t)
	eventually(t, 60*time.Second, "every file is sent and done", func() bool {
		return len(d.names(t, "SentBox")) == len(files) && !slices.ContainsFunc(files, func(name string) bool {
			result := answered[dropResult](t, d, name+".result.json")
			return result.Batch.State != "done" && result.Declaration.ID == ""
		})
	})
	for _, name := range files {
		result := answered[dropResult](t, d, name+".result.json")
		if result.Batch.ID != "" && (result.Batch.Filed != lines || result.Batch.Rejected > 0) {
			t.Errorf("%s: %+v", name, result)
		}
	}
	if filed := d.filedAs(t, "K-"); filed != kills*(lines+1) || len(d.names(t, "FailBox")) > 0 {
		t.Errorf("%d are filed, not %d; failed: %v", filed, kills*(lines+1), d.names(t, "FailBox"))
	}
	for number := range kills {
		for _, reference := range []string{fmt.Sprintf("K-%d", number), fmt.Sprintf("K-%d-%d", number, lines-1)} {
			eventually(t, 60*time.Second, "the last status of "+reference, func() bool {
				return answered[declare.Status](t, d, reference+".status.json").Status == declare.OverallClosed
			})
		}
	}
}
