package adapters_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"singlewindow/adapters"
)

// watched is a directory with the demonstration agency's folder, opened.
func watched(t *testing.T) (directory string, folders *adapters.Folders) {
	t.Helper()
	directory = t.TempDir()
	if err := os.CopyFS(filepath.Join(directory, demo), os.DirFS(filepath.Join("testdata/agencies", demo))); err != nil {
		t.Fatal(err)
	}
	folders, err := adapters.OpenFolders(os.DirFS(directory), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, agency := range folders.Agencies() {
			agency.Close()
		}
	})
	return directory, folders
}

// replaceIn replaces a text in a file of the folder, which must be there. The
// file's time moves on even where the clock of the disk is coarse.
func replaceIn(t *testing.T, file, from, to string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(content), from) {
		t.Fatalf("%s does not say %s: %v", file, from, err)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(content), from, to, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	later := before.ModTime().Add(time.Second)
	if err := os.Chtimes(file, later, later); err != nil {
		t.Fatal(err)
	}
}

var lookedAt = time.Date(2026, time.March, 2, 2, 3, 4, 0, time.UTC)

func look(t *testing.T, folders *adapters.Folders, deployments adapters.Deployments) []adapters.Change {
	t.Helper()
	changes, err := folders.Look(deployments, lookedAt)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// mustRest: what changed is met at the first look and taken at the second.
func mustRest(t *testing.T, folders *adapters.Folders, deployments adapters.Deployments) adapters.Change {
	t.Helper()
	if early := look(t, folders, deployments); len(early) != 0 {
		t.Fatalf("taken before it came to rest: %+v", early)
	}
	changes := look(t, folders, deployments)
	if len(changes) != 1 {
		t.Fatalf("%d changes", len(changes))
	}
	if again := look(t, folders, deployments); len(again) != 0 {
		t.Fatalf("taken twice: %+v", again)
	}
	return changes[0]
}

func TestAFolderIsTakenWhenItRests(t *testing.T) {
	t.Parallel()
	directory, folders := watched(t)
	before := folders.Agencies()[0].Profile()
	if changes := look(t, folders, nil); len(changes) != 0 {
		t.Fatalf("nothing changed: %+v", changes)
	}
	replaceIn(t, filepath.Join(directory, demo, "agency.yaml"), `"2026.1"`, `"2026.2"`)
	change := mustRest(t, folders, nil)
	now := folders.Agencies()[0].Profile()
	if change.Agency != folders.Agencies()[0] || now.Version != "2026.2" || now.Digest == before.Digest {
		t.Errorf("%+v", now)
	}
	replaceIn(t, filepath.Join(directory, demo, "agency.yaml"), `"2026.2"`, `"2026.1"`)
	mustRest(t, folders, nil)
	if again := folders.Agencies()[0].Profile(); again.Digest != before.Digest {
		t.Error("the same files have another digest")
	}
	replaceIn(t, filepath.Join(directory, demo, "agency.yaml"), "2026.1", "2026.1") // touched only
	look(t, folders, nil)
	if changes := look(t, folders, nil); len(changes) != 0 {
		t.Errorf("a touched file is news: %+v", changes)
	}
}

func TestARefusedFolderLeavesTheOneBefore(t *testing.T) {
	t.Parallel()
	directory, folders := watched(t)
	before := folders.Agencies()[0]
	mapping := filepath.Join(directory, demo, "parcel.yaml")
	replaceIn(t, mapping, "- Note:", "- Nota:")
	change := mustRest(t, folders, nil)
	if change.Agency != nil || len(change.Faults) == 0 || folders.Agencies()[0] != before {
		t.Fatalf("%+v", change)
	}
	refused := folders.Refused()[demo]
	fault := refused.Faults[0]
	if !refused.At.Equal(lookedAt) || fault.File != demo+"/parcel.yaml" || fault.Line != 10 || fault.Column == 0 || fault.Text == "" {
		t.Errorf("%+v", refused)
	}
	replaceIn(t, mapping, "- Nota:", "- Note:")
	if change := mustRest(t, folders, nil); change.Agency != before || len(folders.Refused()) != 0 {
		t.Errorf("%+v", change)
	}
}

// A sample that fails refuses a folder, not only what does not compile.
func TestAFolderMustPassItsSamples(t *testing.T) {
	t.Parallel()
	directory, folders := watched(t)
	replaceIn(t, filepath.Join(directory, demo, "samples", "two-lines.xml"), "<Lines>", "<Lines> ")
	replaceIn(t, filepath.Join(directory, demo, "agency.yaml"), `"2026.1"`, `"2026.2"`)
	if change := mustRest(t, folders, nil); change.Agency != nil || len(change.Faults) == 0 {
		t.Errorf("%+v", change)
	}
}

func TestVersionsOfOneAgencyStandSideBySide(t *testing.T) {
	t.Parallel()
	directory, folders := watched(t)
	later := filepath.Join(directory, demo+"@2027")
	if err := os.CopyFS(later, os.DirFS(filepath.Join(directory, demo))); err != nil {
		t.Fatal(err)
	}
	if change := mustRest(t, folders, nil); change.Agency != nil || !strings.Contains(change.Faults[0].Text, demo) {
		t.Fatalf("two versions from one day: %+v", change)
	}
	replaceIn(t, filepath.Join(later, "agency.yaml"), "validFrom: 2026-01-01", "validFrom: 2027-01-01")
	change := mustRest(t, folders, nil)
	if change.Agency == nil || len(folders.Agencies()) != 2 || change.Agency.Profile().Name != demo {
		t.Fatalf("%+v", change)
	}
	agencies, err := adapters.LoadAll(os.DirFS(directory), nil)
	if err != nil || len(agencies) != 2 {
		t.Fatal(len(agencies), err)
	}
	for _, agency := range agencies {
		agency.Close()
	}
	replaceIn(t, filepath.Join(later, "agency.yaml"), "validFrom: 2027-01-01", "validFrom: 2026-01-01")
	if _, err := adapters.LoadAll(os.DirFS(directory), nil); err == nil {
		t.Error("two versions from one day were loaded")
	}
}

// A folder that goes keeps its agency; where an agency is may change too.
func TestAFolderThatGoesAndADeploymentThatComes(t *testing.T) {
	t.Parallel()
	directory, folders := watched(t)
	deployments := adapters.Deployments{demo: {URL: "http://127.0.0.1:9", Token: "one"}}
	if change := mustRest(t, folders, deployments); change.Agency == nil || !change.Agency.Profile().On {
		t.Fatalf("%+v", change)
	}
	if err := os.RemoveAll(filepath.Join(directory, demo)); err != nil {
		t.Fatal(err)
	}
	if changes := look(t, folders, deployments); len(changes) != 1 || !changes[0].Gone || len(folders.Agencies()) != 1 {
		t.Fatalf("%+v", changes)
	}
	if changes := look(t, folders, deployments); len(changes) != 0 {
		t.Errorf("told twice: %+v", changes)
	}
}

// What is kept of a folder makes the same version again.
func TestAnArchiveMakesTheSameVersion(t *testing.T) {
	t.Parallel()
	_, folders := watched(t)
	agency := folders.Agencies()[0]
	again, err := adapters.Reopen(agency.Archive(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Profile().Digest != agency.Profile().Digest || len(agency.Profile().Digest) != 64 || again.Profile().On {
		t.Errorf("%+v", again.Profile())
	}
	if _, err := adapters.Reopen([]byte("no archive"), nil); err == nil {
		t.Error("anything is an archive")
	}
}
