package adapters_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"singlewindow/adapters"
)

// mistakes are made in the mappings of folders built in; each is told at its
// rule, though no sample would show it.
var mistakes = []struct{ pattern, with, says string }{
	{`from: (/[a-zA-Z]+)\b`, "from: ${1}s", "has no "},
	{`\[([a-zA-Z]+)=`, "[${1}s=", "has no "},
	{`places: [0-9]+`, "places: 19", "digits after the point"},
	{`at: (/[a-zA-Z]+), is`, "at: ${1}x, is", "has no "},
}

func TestMistakesThatNoSampleShows(t *testing.T) {
	mappings, err := fs.Glob(adapters.Embedded(), "*/*.yaml")
	must(t, err)
	for i, mistake := range mistakes {
		pattern := regexp.MustCompile(mistake.pattern)
		var file string
		var content []byte
		var at []int
		for k := range mappings { // each in another folder, where it can be made
			file = mappings[(k+7*i)%len(mappings)]
			content, err = fs.ReadFile(adapters.Embedded(), file)
			must(t, err)
			at = pattern.FindIndex(content)
			if at != nil && bytes.Contains(content, []byte("\nelements:")) && !isOff(t, path.Dir(file)) {
				break
			}
			at = nil
		}
		if at == nil {
			t.Fatalf("mistake %d can be made nowhere", i)
		}
		folder := t.TempDir()
		must(t, os.CopyFS(folder, adapters.Embedded()))
		broken := string(content[:at[0]]) + pattern.ReplaceAllString(string(content[at[0]:at[1]]), mistake.with) + string(content[at[1]:])
		must(t, os.WriteFile(filepath.Join(folder, file), []byte(broken), 0o600))
		line := 1 + strings.Count(string(content[:at[0]]), "\n")
		report := adapters.Check(os.DirFS(folder), path.Dir(file))
		if !slices.ContainsFunc(report.Faults, func(fault adapters.Fault) bool {
			// a condition is told at the rule it belongs to, a little above
			return fault.Line <= line && fault.Line > line-5 && strings.Contains(fault.Text, mistake.says)
		}) {
			t.Errorf("%s: mistake %d at line %d: %v", file, i, line, report.Faults)
		}
	}
}

func isOff(t *testing.T, name string) bool {
	agency, err := adapters.Load(adapters.Embedded(), name, adapters.Deployment{})
	must(t, err)
	defer agency.Close()
	return len(agency.Missing()) > 0
}
