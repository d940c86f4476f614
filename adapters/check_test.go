package adapters_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"singlewindow/adapters"
)

func TestDemonstrationAgencyIsSound(t *testing.T) {
	report := adapters.Check(os.DirFS("testdata/agencies"), demo)
	for _, fault := range report.Faults {
		t.Error(fault)
	}
	if report.Samples != 1 || report.Answers != 1 || report.Mutations != 5 || report.Templates != 4 || report.Rules == 0 {
		t.Errorf("not everything was run: %+v", report)
	}
	if len(report.Irreversible) != 3 || len(report.Uncovered) != 0 {
		t.Errorf("irreversible %v, uncovered %v", report.Irreversible, report.Uncovered)
	}
}

func TestEmbeddedAgenciesAreSound(t *testing.T) {
	names, err := adapters.Names(adapters.Embedded())
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			report := adapters.Check(adapters.Embedded(), name)
			for _, fault := range report.Faults {
				t.Error(fault)
			}
			t.Logf("%d rules (%d irreversible, %d not in any sample), %d samples, %d answers, %d mutations, %d templates", report.Rules,
				len(report.Irreversible), len(report.Uncovered), report.Samples, report.Answers, report.Mutations, report.Templates)
		})
	}
}

// broken is one way to break the demonstration folder, see the file.
type broken struct {
	File, Old, New   string
	Whole, Hex, Link string
	Times            int
	Gone             bool
	At, Says         string
}

func TestBrokenFoldersAreTold(t *testing.T) {
	content, err := os.ReadFile("testdata/broken.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var ways []broken
	if err := yaml.NewDecoder(bytes.NewReader(content), yaml.Strict()).Decode(&ways); err != nil {
		t.Fatal(err)
	}
	for _, way := range ways {
		t.Run(way.File+" "+way.New+way.Says, func(t *testing.T) {
			report := adapters.Check(os.DirFS(breakFolder(t, way)), demo)
			if report.OK() {
				t.Fatal("nothing is told")
			}
			for _, fault := range report.Faults {
				if strings.HasPrefix(fault.Error(), demo+"/"+way.At) && strings.Contains(fault.Text, way.Says) {
					if fault.Line > 0 && !strings.Contains(fault.Excerpt, "^") && way.Hex == "" && way.Times == 0 {
						t.Error("no excerpt")
					}
					return
				}
			}
			t.Errorf("want %s %q, got\n%v", way.At, way.Says, report.Faults)
		})
	}
}

func breakFolder(t *testing.T, way broken) (directory string) {
	t.Helper()
	directory = t.TempDir()
	if err := os.CopyFS(directory, os.DirFS("testdata/agencies")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(directory, demo, way.File)
	if way.Old == "" {
		if err := way.replace(file); err != nil {
			t.Fatal(err)
		}
		return directory
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(content), way.Old, way.New, 1)
	if changed == string(content) {
		t.Fatalf("%s has no %q", way.File, way.Old)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return directory
}

// replace puts something else in the place of a whole file.
func (w broken) replace(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	content, err := hex.DecodeString(w.Hex)
	switch {
	case w.Gone || err != nil:
		return err
	case w.Link != "":
		return os.Symlink(w.Link, file)
	case w.Hex == "":
		content = []byte(strings.Repeat(w.Whole, max(w.Times, 1)))
	}
	return os.WriteFile(file, content, 0o600)
}

func TestUpdate(t *testing.T) {
	directory := breakFolder(t, broken{File: "samples/two-lines.json", Old: "Tea", New: "Rice"})
	if err := os.Remove(filepath.Join(directory, demo, "samples/answers/refused.json")); err != nil {
		t.Fatal(err)
	}
	if report := adapters.Check(os.DirFS(directory), demo); len(report.Faults) != 2 {
		t.Fatalf("want two faults, got %v", report.Faults)
	}
	if report := adapters.Update(directory, demo, nil); !report.OK() {
		t.Fatal(report.Faults)
	}
	if report := adapters.Check(os.DirFS(directory), demo); !report.OK() {
		t.Fatal(report.Faults)
	}

	directory = breakFolder(t, broken{File: "samples/two-lines.json", Old: "Tea", New: "Rice from very far away"})
	before, err := os.ReadFile(filepath.Join(directory, demo, "samples/two-lines.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if report := adapters.Update(directory, demo, nil); report.OK() {
		t.Error("an invalid sample was taken")
	}
	after, err := os.ReadFile(filepath.Join(directory, demo, "samples/two-lines.xml"))
	if err != nil || !bytes.Equal(before, after) {
		t.Error("the expected file was changed to something invalid", err)
	}
}
