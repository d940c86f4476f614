package adapters_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// TestNoticesOfOthersAreRead reads every notice from outside, and takes each
// error's pointer to a field of the declaration it answers: a message in the
// same scenario.
func TestNoticesOfOthersAreRead(t *testing.T) {
	agency := outsideAgency(t)
	words, totals := map[string]int{}, map[string]int{}
	for _, file := range outsideFiles(t) {
		body, err := os.ReadFile(file)
		must(t, err)
		if !strings.Contains(string(body), "<Response>") {
			continue
		}
		totals["files"]++
		reading, err := agency.Read(body)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		totals["read"]++
		words[reading.Word]++
		if len(reading.Numbers) == 0 || reading.IssuedAt.IsZero() {
			t.Errorf("%s: numbers %v, issued %v", file, reading.Numbers, reading.IssuedAt)
		}
		countReading(totals, reading)
		if len(reading.Errors)+len(reading.Duties) > 0 {
			locateAll(t, agency, scenarioOf(file), reading, totals)
		}
	}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		t.Logf("%4d word %s", words[word], word)
	}
	for _, what := range slices.Sorted(maps.Keys(totals)) {
		t.Logf("%4d %s", totals[what], what)
	}
	if totals["read"] < totals["files"] || totals["read"] == 0 || totals["pointers resolved"] == 0 || totals["pointers lost"] > 0 {
		t.Errorf("%v", totals)
	}
}

func countReading(totals map[string]int, reading declare.Reading) {
	totals["duties"] += len(reading.Duties)
	totals["errors"] += len(reading.Errors)
	totals["documents wanted"] += len(reading.Documents)
	for _, document := range reading.Documents {
		if !document.Limit.IsZero() {
			totals["documents wanted with a limit"]++
		}
	}
	if reading.Version > 0 {
		totals["with a version"]++
	}
}

// locateAll resolves what a notice points at in every declaration of its
// scenario that reads into one: the main one, that is.
func locateAll(t *testing.T, agency *adapters.Agency, scenario string, reading declare.Reading, totals map[string]int) {
	tree := mainDeclaration(t, agency, scenario)
	if tree == nil {
		totals["notices that point without a declaration beside them"]++
		return
	}
	subject := declare.Subject{Kind: tree["kind"].(string), Tree: tree, AcceptedAt: sampleDay}
	for _, complaint := range reading.Errors {
		pointer := agency.Locate(subject, complaint.XMLPath)[0]
		if pointer == "" || complaint.Chain == "" || complaint.Meaning.English == "" {
			totals["pointers lost"]++
			t.Errorf("%s: %s %s %q leads to %q", scenario, complaint.Code, complaint.Chain, complaint.XMLPath, pointer)
			continue
		}
		totals["pointers resolved"]++
		t.Logf("%s: %s %s -> %s -> %s (%s)", filepath.Base(scenario), complaint.Code, complaint.Chain, complaint.XMLPath, pointer, complaint.Text)
	}
	for _, duty := range reading.Duties {
		if pointer := agency.Locate(subject, duty.XMLPath)[0]; duty.Item > 0 && !strings.HasSuffix(pointer, "/governmentAgencyGoodsItems/"+strconv.Itoa(duty.Item-1)) {
			totals["pointers lost"]++
			t.Errorf("%s: a duty of item %d stands at %q", scenario, duty.Item, pointer)
		} else {
			totals["duties at their item"]++
		}
	}
}

// scenarioOf is the folder that holds all messages of a file's scenario.
func scenarioOf(file string) string {
	inside, _ := strings.CutPrefix(filepath.ToSlash(file), outside+"/samples/")
	scenario, _, _ := strings.Cut(inside, "/")
	return filepath.Join(outside, "samples", scenario)
}

// mainDeclaration is the first message beside the notices that is an original.
func mainDeclaration(t *testing.T, agency *adapters.Agency, scenario string) map[string]any {
	t.Helper()
	var tree map[string]any
	must(t, filepath.WalkDir(scenario, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || tree != nil || !strings.EqualFold(filepath.Ext(name), ".xml") {
			return err
		}
		message, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		read, _, err := agency.ReadBack(message)
		if read != nil && read["functionCode"] == "9" {
			tree = read
		}
		return err
	}))
	return tree
}
