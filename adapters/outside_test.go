package adapters_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// outside is where a real administration's schemas and samples may lie.
const outside = "../../shared/hmrc"

// outsideAgency loads the folder whose schemas are not shipped, with those
// from outside.
func outsideAgency(t testing.TB) *adapters.Agency {
	t.Helper()
	if _, err := os.Stat(outside); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the administration's schemas and samples are not here: " + outside)
	}
	supplied := adapters.Supply(adapters.Embedded(), os.DirFS(filepath.Join(outside, "schemas")))
	names, err := adapters.Names(supplied)
	must(t, err)
	for _, name := range names {
		bare, err := adapters.Load(adapters.Embedded(), name, adapters.Deployment{})
		must(t, err)
		bare.Close()
		if len(bare.Missing()) > 0 {
			agency, err := adapters.Load(supplied, name, adapters.Deployment{})
			must(t, err)
			t.Cleanup(agency.Close)
			return agency
		}
	}
	t.Fatal("no folder lacks its schemas")
	return nil
}

// outsideFiles lists the XML files from outside.
func outsideFiles(t testing.TB) []string {
	t.Helper()
	var files []string
	must(t, filepath.WalkDir(filepath.Join(outside, "samples"), func(name string, entry fs.DirEntry, err error) error {
		if strings.EqualFold(filepath.Ext(name), ".xml") {
			files = append(files, name)
		}
		return err
	}))
	return files
}

// TestMessagesOfOthersRoundTrip: every declaration message from outside that
// its own schema accepts is read into a declaration of the kind and written
// again: nothing lost, nothing invented, valid.
func TestMessagesOfOthersRoundTrip(t *testing.T) {
	agency := outsideAgency(t)
	kinds, err := declare.LoadKinds()
	must(t, err)
	counts := map[string]int{}
	for _, file := range outsideFiles(t) {
		message, err := os.ReadFile(file)
		must(t, err)
		if !strings.Contains(string(message), "FunctionalReferenceID") || strings.Contains(string(message), "<Response>") {
			continue // a query or a notification
		}
		tree, faults, err := agency.ReadBack(message)
		must(t, err)
		if len(faults) > 0 && strings.HasPrefix(faults[0].Code, "xsd.") {
			counts["refused by the schema"]++
			t.Logf("%s: %s %s", filepath.Base(file), faults[0].XMLPath, faults[0].Text.English)
			continue
		}
		for _, fault := range faults {
			t.Errorf("%s: %s %s", file, fault.XMLPath, fault.Text.English)
		}
		kind := kinds[tree["kind"].(string)]
		found, err := kind.Check(tree, sampleDay)
		must(t, err)
		for _, fault := range declare.Refusals(found) {
			counts["our own check would refuse: "+fault.Code]++
			if strings.HasPrefix(fault.Code, "schema.") {
				t.Errorf("%s: the kind has no place for it: %s %s", file, fault.Pointer, fault.Text.English)
			}
		}
		draft, faults, err := agency.Draft(declare.Subject{Kind: kind.Name, Tree: tree, AcceptedAt: sampleDay})
		must(t, err)
		for _, fault := range faults {
			t.Errorf("%s: written again: %s %s %s", file, fault.Pointer, fault.XMLPath, fault.Text.English)
		}
		if draft.Body == nil {
			continue
		}
		if given, made := canonical(t, message), canonical(t, draft.Body.Bytes()); given != made {
			t.Errorf("%s differs:\n%s", file, difference(given, made))
			continue
		}
		function, _ := tree["functionCode"].(string)
		typeCode, _ := tree["typeCode"].(string)
		if function == "9" && typeCode != "GPR" {
			typeCode = "original"
		}
		counts["exact: function "+function+" "+typeCode]++
		counts["exact"]++
	}
	if counts["exact"] == 0 {
		t.Error("no message was read and written")
	}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%4d %s", counts[what], what)
	}
}
