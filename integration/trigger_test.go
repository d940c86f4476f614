package integration

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"singlewindow/adapters/simulated"
	"singlewindow/declare"
)

// listedWord is a word as trigger --list tells it.
type listedWord struct {
	Word, Means string
	Agencies    []string
}

func (d desk) words(t *testing.T, environment ...string) (words []listedWord) {
	t.Helper()
	given := d.must(t, 0, environment, []string{"trigger", "--list", "-o", "json"})
	must(t, json.Unmarshal([]byte(given.out), &words))
	return words
}

// triggerWords: the list has every word that the simulators know, each with
// its meaning in the reader's language and who plays it.
func triggerWords(t *testing.T, d desk) {
	english, chinese := d.words(t), d.words(t, "LANG=zh_CN.UTF-8")
	played := map[string][]string{}
	for name, office := range d.offices {
		for word := range office.agency.Script().Words {
			played[word] = append(played[word], name)
		}
	}
	for _, word := range simulated.Words() {
		played[word] = nil
	}
	for word, agencies := range played {
		at := slices.IndexFunc(english, func(w listedWord) bool { return w.Word == word })
		if at < 0 {
			t.Errorf("%s is not listed", word)
			continue
		}
		if english[at].Means == "" || strings.ContainsFunc(english[at].Means, isHan) || !strings.ContainsFunc(chinese[at].Means, isHan) {
			t.Errorf("%s means %q and %q", word, english[at].Means, chinese[at].Means)
		}
		for _, agency := range agencies {
			if !slices.Contains(english[at].Agencies, agency) {
				t.Errorf("%s is not told to be played by %s", word, agency)
			}
		}
	}
	d.must(t, 0, nil, []string{"trigger", "--list", "--language", "zh"}, chinese[0].Means, "所有机构")
}

func isHan(char rune) bool { return unicode.Is(unicode.Han, char) }

// triggerRefused: nothing is filed of what cannot be played.
func triggerRefused(t *testing.T, d desk) {
	before := d.count(t, "SELECT count(*) FROM declaration WHERE tenant_id = $1", bolt)
	for _, arguments := range [][]string{
		{}, {"nonsense"}, {"reject", "inspect"}, {"reject", "--kind", "none"}, {"reject", "--agency", "none"}, {"reject", "--sample", "none.json"}, {"reject", "-o", "xml"},
	} {
		d.must(t, 2, d.as(bolt), append([]string{"trigger"}, arguments...))
	}
	d.must(t, 2, nil, []string{"trigger", "reject"}, "no API key")
	d.must(t, 1, []string{"SINGLEWINDOW_SERVER=http://" + freeAddress(t), "SINGLEWINDOW_KEY=x"}, []string{"trigger", "reject"}, "refused")
	if after := d.count(t, "SELECT count(*) FROM declaration WHERE tenant_id = $1", bolt); after != before {
		t.Errorf("%d are filed", after-before)
	}
}

// triggerWatched: a word is played by whom it is meant for, and shown to the
// end. In the long form, every word that comes to an end is tried.
func triggerWatched(t *testing.T, d desk) {
	words := []string{"default", "reject", "early"}
	if longForms() {
		words = nil
		for _, w := range d.words(t) {
			if w.Word != "silent" && (len(w.Agencies) == 0 || slices.ContainsFunc(w.Agencies, d.connected)) {
				words = append(words, w.Word)
			}
		}
	}
	comesTo := map[string]string{"default": "closed", "early": "closed", "reject": "rejected"}
	for _, word := range words {
		t.Run(word, func(t *testing.T) {
			given := d.must(t, 0, d.as(acme), []string{"trigger", word, "--watch"}, "declaration.accepted", "."+word)
			lines := strings.Split(strings.TrimSpace(given.out), "\n")
			last := slices.IndexFunc(lines, func(line string) bool {
				return strings.HasPrefix(line, "dec_") && !strings.Contains(line, "processing")
			})
			if last < 0 || !strings.Contains(lines[last], comesTo[word]) {
				t.Errorf("it does not come to %q:\n%s", comesTo[word], given.out)
			}
		})
	}
	t.Run("one agency's", d.triggerOne)
	t.Run("silence", func(t *testing.T) {
		watching := d.start(t, d.program(t, d.as(acme), "trigger", "silent", "--watch"))
		eventually(t, time.Minute, "the message is delivered", func() bool {
			return strings.Contains(watching.said(t, watching.out), "message.delivered")
		})
		watching.interrupt(t)
	})
}

func (d desk) connected(agency string) bool { return d.offices[agency] != nil }

// triggerOne: one agency refuses, the others clear.
func (d desk) triggerOne(t *testing.T) {
	_, takers := d.widest(t)
	agency := takers[0]
	given := d.must(t, 0, d.as(acme), []string{"trigger", "reject", "--agency", agency, "--watch", "-o", "json"})
	var statuses []declare.Status
	must(t, json.Unmarshal([]byte(given.out), &statuses))
	if len(statuses) != 1 || !strings.HasSuffix(statuses[0].Reference, ".reject."+agency) {
		t.Fatal(given.out)
	}
	for _, filing := range statuses[0].Filings {
		if rejected := filing.Decision == declare.DecisionRejected; rejected != (filing.Agency == agency) {
			t.Errorf("%s: %s", filing.Agency, filing.Decision)
		}
	}
}

// completed: a shell is offered what there is, without a gateway or a key.
func completed(t *testing.T, d desk) {
	d.must(t, 0, nil, []string{"profiles", "add", "harbour", "--server", "https://harbour.example", "--key-file", d.keyFile(t, acme)})
	offices := slices.Sorted(maps.Keys(d.offices))
	for line, want := range map[string][]string{
		"trigger ":                         {"reject", "silent", "early"},
		"trigger re":                       {"reject", "reset"},
		"trigger reject --agency ":         offices,
		"trigger reject --kind ":           {"goods"},
		"trigger reject --sample ":         {"import-minimal.json"},
		"profiles use ":                    {"harbour\thttps://harbour.example"},
		"status --profile ":                {"harbour"},
		"upload orders.csv --kind ":        {"goods"},
		"events --output ":                 {"table", "json"},
		"listen --types filing":            {"filing.decision"},
		"listen --forward-to x --language": {"--language"},
		"lis":                              {"listen"},
	} {
		arguments := strings.Split(line, " ")
		given := d.must(t, 0, nil, append([]string{"__complete"}, arguments...))
		for _, word := range want {
			if !strings.Contains("\n"+given.out, "\n"+word) {
				t.Errorf("%q is not offered %s:\n%s", line, word, given.out)
			}
		}
	}
	begun := time.Now()
	d.must(t, 0, nil, []string{"__complete", "trigger", ""})
	number(t, "completion of a word", time.Since(begun).Round(time.Millisecond), "500ms")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := d.must(t, 0, nil, []string{"completion", shell}).out
		program, err := exec.LookPath(shell)
		if err != nil {
			continue // not here
		}
		check := exec.Command(program, "-n", fileIn(t, d.home, "completion."+shell, []byte(script)))
		if said, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, said)
		}
	}
	d.must(t, 2, nil, []string{"completion", "none"})
}

// An instruction is one line of docs/cli.md, with what is said behind it.
type instruction struct {
	line  string
	until bool // Ctrl-C
	code  int
}

var remark = regexp.MustCompile(`\s+# (.*)$`)

// instructions reads every fenced block.
func instructions(t *testing.T) (found []instruction) {
	t.Helper()
	content, err := os.ReadFile("../docs/cli.md")
	must(t, err)
	fenced := false
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			continue
		}
		next := instruction{line: remark.ReplaceAllString(line, "")}
		if said := remark.FindStringSubmatch(line); said != nil {
			next.until = strings.HasPrefix(said[1], "until Ctrl-C")
			if code, tells := strings.CutPrefix(said[1], "exit code "); tells {
				next.code, err = strconv.Atoi(code[:1])
				must(t, err)
			}
		}
		found = append(found, next)
	}
	return found
}

// documented does what docs/cli.md says, in its order, and has to see what it
// says.
func documented(t *testing.T, d desk) {
	s := newEar(t, "")
	folder, err := programs()
	must(t, err)
	d.keyFile(t, acme)
	minimal := sampleNamed(t, "import-minimal.json")
	fileIn(t, d.home, "import.json", minimal.as(t, "ACME-1"))
	wrong := maps.Clone(minimal.tree)
	delete(wrong, "functionCode")
	fileIn(t, d.home, "wrong.json", jsonOf(t, wrong))
	fileIn(t, d.home, "orders.csv", table(t, "ACME-ORDER"))
	must(t, os.Mkdir(filepath.Join(d.home, "customs"), 0o755))
	there := strings.NewReplacer("http://127.0.0.1:8080", "http://"+d.gateway.address, "http://localhost:3000", s.URL)
	listed := instructions(t)
	if len(listed) < 25 {
		t.Fatalf("only %d instructions", len(listed))
	}
	for _, one := range listed {
		command := exec.Command("sh", "-c", there.Replace(one.line))
		command.Dir, command.Env = d.home, d.environment("PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
		if one.until {
			command.Args[2] = "exec " + command.Args[2]
			d.untilInterrupted(t, one, command)
			continue
		}
		if given := ended(t, command); given.code != one.code || one.code != 0 && given.messages+given.out == "" {
			t.Errorf("%s: exit code %d, not %d\n%s\n%s", one.line, given.code, one.code, given.out, given.messages)
		}
	}
	events, err := os.ReadFile(filepath.Join(d.home, "events.ndjson"))
	must(t, err)
	if !bytes.Contains(events, []byte(`"ACME-1"`)) {
		t.Errorf("events.ndjson: %s", events)
	}
}

// untilInterrupted waits until a program has said something.
func (d desk) untilInterrupted(t *testing.T, one instruction, command *exec.Cmd) {
	t.Helper()
	running := d.start(t, command)
	eventually(t, 20*time.Second, one.line+" says something", func() bool {
		return running.said(t, running.out)+running.said(t, running.messages) != ""
	})
	running.interrupt(t)
}
