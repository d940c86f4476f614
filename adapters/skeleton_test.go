package adapters_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/declare"
)

const permits = "../integration/testdata/permits"

func skeleton(t *testing.T) adapters.Skeleton {
	t.Helper()
	kinds, err := declare.LoadKinds()
	if err != nil {
		t.Fatal(err)
	}
	return adapters.Skeleton{
		Name: "permit-office", Schema: permits, Root: "PermitRequest", Kind: kinds["goods"], Today: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
	}
}

// TestNewFolderNeedsOnlyItsMarks: all that is wrong with a new folder is what
// is marked in it, and when that is filled in it is sound.
func TestNewFolderNeedsOnlyItsMarks(t *testing.T) {
	into := filepath.Join(t.TempDir(), "agencies")
	s := skeleton(t)
	if err := adapters.NewFolder(into, s); err != nil {
		t.Fatal(err)
	}
	open := map[string]string{
		"codes/purpose.csv:3:1": "", "codes/purpose.csv:4:1": "", "goods.yaml:15:22": "", "goods.yaml:27:33": "", "schema/SOURCE:4:56": "",
	}
	for _, fault := range adapters.Check(os.DirFS(into), s.Name).Faults {
		place := strings.TrimPrefix(strings.TrimSuffix(fault.Error(), ": to be filled in"), s.Name+"/")
		if _, expected := open[place]; !expected {
			t.Error(fault)
		}
		delete(open, place)
	}
	if len(open) > 0 {
		t.Errorf("not told: %v", open)
	}
	fill(t, filepath.Join(into, s.Name), map[string]string{
		"goods.yaml": "Purpose: {from: /FILL-IN→Purpose: {from: /typeCode", "codes/purpose.csv": "\n,IN\n,OUT→\nIMA,IN\nEXA,OUT", "schema/SOURCE": "FILL-IN→themselves",
	})
	fill(t, filepath.Join(into, s.Name), map[string]string{"goods.yaml": `/FILL-IN→"commodity/classifications[identificationTypeCode=HS]/id"`})
	if report := adapters.Update(into, s.Name, nil); !report.OK() {
		t.Fatal(report.Faults)
	}
	report := adapters.Check(os.DirFS(into), s.Name)
	if !report.OK() || report.Samples != 1 || report.ReadBack != 1 || report.Covered != report.Rules || report.Words != report.Shown || len(report.Unused) > 0 {
		t.Errorf("%+v", report)
	}
}

// fill replaces old→new in files of a folder.
func fill(t *testing.T, folder string, changes map[string]string) {
	t.Helper()
	for name, change := range changes {
		file := filepath.Join(folder, name)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before, after, _ := strings.Cut(change, "→")
		if !strings.Contains(string(content), before) {
			t.Fatalf("%s has no %q", name, before)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(content), before, after, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNewFolderOfEveryEmbeddedSchema: whatever the schema, a new folder loads
// as YAML and CSV, and check tells only what is marked or a choice to make.
func TestNewFolderOfEveryEmbeddedSchema(t *testing.T) {
	names, err := adapters.Names(adapters.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		agency, err := adapters.Load(adapters.Embedded(), name, adapters.Deployment{})
		if err != nil {
			t.Fatal(err)
		}
		if len(agency.Missing()) > 0 {
			agency.Close()
			continue
		}
		root, noticeRoot := rootsOf(t, name)
		agency.Close()
		t.Run(name, func(t *testing.T) {
			into, s := t.TempDir(), skeleton(t)
			s.Schema, s.Root, s.NoticeRoot = filepath.Join("agencies", name, "schema"), root, noticeRoot
			if err := adapters.NewFolder(into, s); err != nil {
				t.Fatal(err)
			}
			for _, fault := range adapters.Check(os.DirFS(into), s.Name).Faults {
				if fault.Text != "to be filled in" && !strings.Contains(fault.Text, "the schema demands one of") && !strings.Contains(fault.Text, "unknown code list") {
					t.Error(fault)
				}
			}
		})
	}
}

// rootsOf reads from a folder which elements its messages and answers begin with.
func rootsOf(t *testing.T, name string) (root, noticeRoot string) {
	t.Helper()
	for file, key := range map[string]string{name + "/goods.yaml": "root: ", name + "/notice.yaml": "- root: "} {
		content, err := fs.ReadFile(adapters.Embedded(), file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(content), key)
		found, _, _ := strings.Cut(rest, "\n")
		if key == "root: " {
			root = strings.TrimSpace(found)
		} else {
			noticeRoot = strings.TrimSpace(found)
		}
	}
	return root, noticeRoot
}

func TestNewFolderRefuses(t *testing.T) {
	into := t.TempDir()
	if err := os.Mkdir(filepath.Join(into, "permit-office"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := adapters.NewFolder(into, skeleton(t)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing folder: %v", err)
	}
	for says, change := range map[string]func(*adapters.Skeleton){
		"lower-case letters":             func(s *adapters.Skeleton) { s.Name = "../x" },
		"PermitRequest (Permit.xsd)":     func(s *adapters.Skeleton) { s.Name, s.Root = "other", "Permit" },
		`declares the element "Answer"`:  func(s *adapters.Skeleton) { s.Name, s.NoticeRoot = "other", "Answer" },
		"no such file":                   func(s *adapters.Skeleton) { s.Name, s.Schema = "other", permits+"/gone" },
		"holds no .xsd":                  func(s *adapters.Skeleton) { s.Name, s.Schema = "other", "testdata/agencies/demo-agency/codes" },
		"is declared in 1.xsd and 2.xsd": func(s *adapters.Skeleton) { s.Name, s.Schema = "other", twice(t) },
	} {
		s := skeleton(t)
		change(&s)
		if err := adapters.NewFolder(into, s); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	left, err := os.ReadDir(into)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// twice is a directory with two schemas of one root.
func twice(t *testing.T) string {
	directory := t.TempDir()
	content, err := os.ReadFile(permits + "/Permit.xsd")
	for _, name := range []string{"1.xsd", "2.xsd"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(directory, name), content, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return directory
}

// TestNewFolderOfOneFile takes what the file includes with it, and makes a
// driver where a wildcard lets another namespace in.
func TestNewFolderOfOneFile(t *testing.T) {
	into, s := t.TempDir(), skeleton(t)
	s.Schema = permits + "/Permit.xsd"
	if err := adapters.NewFolder(into, s); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(into, s.Name, "schema/PermitTypes.xsd")); err != nil {
		t.Error(err)
	}
	s.Name, s.Schema, s.Root = "enveloped", "testdata/envelope/Envelope.xsd", "Envelope"
	if err := adapters.NewFolder(into, s); err != nil {
		t.Fatal(err)
	}
	driver, err := os.ReadFile(filepath.Join(into, s.Name, "schema/driver-Envelope.xsd"))
	if err != nil || !strings.Contains(string(driver), `namespace="urn:example:letter" schemaLocation="Letter.xsd"`) {
		t.Errorf("%s %v", driver, err)
	}
}
