package adapters_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"singlewindow/adapters"
)

// mistakes are made in the mapping of every folder built in; each is told at
// its rule, though no sample would show it.
var mistakes = []struct{ pattern, with, says string }{
	{`from: (/[a-zA-Z]+)\b`, "from: ${1}s", "has no "},
	{`when: (/[a-zA-Z]+)`, "when: ${1}x", "has no "},
	{`\[([a-zA-Z]+)=`, "[${1}s=", "has no "},
	{`places: [0-9]+`, "places: 19", "digits after the point"},
	{`at: (/[a-zA-Z]+), is`, "at: ${1}x, is", "has no "},
}

func TestMistakesThatNoSampleShows(t *testing.T) {
	names, err := adapters.Names(adapters.Embedded())
	must(t, err)
	made := 0
	for _, name := range names {
		for i, mistake := range mistakes {
			folder := t.TempDir()
			must(t, os.CopyFS(folder, adapters.Embedded()))
			file := filepath.Join(folder, name, "goods.yaml")
			content, err := os.ReadFile(file)
			must(t, err)
			at := regexp.MustCompile(mistake.pattern).FindSubmatchIndex(content)
			if at == nil || len(adapters.Check(os.DirFS(folder), name).Missing) > 0 {
				continue
			}
			made++
			line := 1 + strings.Count(string(content[:at[0]]), "\n")
			broken := string(content[:at[0]]) + regexp.MustCompile(mistake.pattern).ReplaceAllString(string(content[at[0]:at[1]]), mistake.with) + string(content[at[1]:])
			must(t, os.WriteFile(file, []byte(broken), 0o600))
			report := adapters.Check(os.DirFS(folder), name)
			found := false
			for _, fault := range report.Faults {
				// a condition is told at the rule it belongs to, a little above
				found = found || fault.Line <= line && fault.Line > line-5 && strings.Contains(fault.Text, mistake.says)
			}
			if !found {
				t.Errorf("%s: mistake %d at line %d: %s", name, i, line, fmt.Sprint(report.Faults))
			}
		}
	}
	if made < 12 {
		t.Fatalf("only %d mistakes could be made", made)
	}
}
