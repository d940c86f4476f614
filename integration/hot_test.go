package integration

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/declare"
)

// hotPlan is testdata/hot.yaml.
type hotPlan struct {
	Agency, Word, Version  string
	Change, Broken, Future []edit
	Element, Before, After string
	Fault, Later           string
	New                    string
	Founding               []edit
}

type edit struct{ File, From, To string }

func readHotPlan(t *testing.T) (plan hotPlan) {
	t.Helper()
	content, err := os.ReadFile("testdata/hot.yaml")
	must(t, err)
	must(t, yaml.UnmarshalWithOptions(content, &plan, yaml.Strict()))
	return plan
}

// apply makes edits in a folder.
func apply(t *testing.T, folder string, edits []edit) {
	t.Helper()
	for _, e := range edits {
		file := filepath.Join(folder, e.File)
		content, err := os.ReadFile(file)
		must(t, err)
		if !strings.Contains(string(content), e.From) {
			t.Fatalf("%s does not say %s", file, e.From)
		}
		must(t, os.WriteFile(file, []byte(strings.Replace(string(content), e.From, e.To, 1)), 0o644))
	}
}

// edited gives a copy of an agency's folder with edits, its samples brought in
// line.
func edited(t *testing.T, folder string, edits []edit) string {
	t.Helper()
	directory, name := t.TempDir(), filepath.Base(folder)
	must(t, os.CopyFS(filepath.Join(directory, name), os.DirFS(folder)))
	apply(t, filepath.Join(directory, name), edits)
	if report := adapters.Update(directory, name, nil); !report.OK() {
		t.Fatalf("%v", report.Faults)
	}
	return filepath.Join(directory, name)
}

// overwrite writes the files of one folder over those of another, in place.
func overwrite(t *testing.T, folder, with string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(with, "*.yaml"))
	must(t, err)
	samples, err := filepath.Glob(filepath.Join(with, "samples", "*.*"))
	must(t, err)
	for _, file := range append(files, samples...) {
		within, err := filepath.Rel(with, file)
		must(t, err)
		content, err := os.ReadFile(file)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(folder, within), content, 0o644))
	}
}

// A stream files declarations one after the other; none may be refused.
type stream struct {
	filed atomic.Int32
	end   func()
}

func (l *line) stream(t *testing.T, from sample) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var filing sync.WaitGroup
	s := &stream{end: func() { cancel(); filing.Wait() }}
	for client := range 2 {
		filing.Go(func() {
			pace := time.NewTicker(100 * time.Millisecond)
			defer pace.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				<-pace.C
				reference := fmt.Sprintf("STREAM-%d-%d", client, n)
				given, err := l.submit(ctx, bolt, reference, from.as(t, reference))
				if ctx.Err() != nil {
					return
				}
				if err != nil || given.status != http.StatusAccepted {
					t.Errorf("%s: %d %s %v", reference, given.status, given.body, err)
					return
				}
				s.filed.Add(1)
			}
		})
	}
	t.Cleanup(s.end)
	return s
}

// complaint gives where the agency's complaint about the plan's element points.
func (l *line) complaint(t *testing.T, plan hotPlan, id string) (pointer string) {
	t.Helper()
	eventually(t, 20*time.Second, "the agency complains", func() bool {
		for _, complaint := range filingAt(t, l.status(t, acme, id), plan.Agency).Errors {
			if strings.HasSuffix(complaint.XMLPath, plan.Element) {
				pointer = complaint.Pointer
				return true
			}
		}
		return false
	})
	return pointer
}

// TestFoldersChangeUnderARunningGateway: a mapping is changed in place, broken
// and mended, a version for later is laid beside it, an agency is added, all
// while declarations are filed; what was accepted before keeps its version,
// beyond a restart too.
func TestFoldersChangeUnderARunningGateway(t *testing.T) {
	t.Parallel()
	plan := readHotPlan(t)
	folders := copyFolders(t, map[string]string{})
	folder := filepath.Join(folders, plan.Agency)
	l := newLine(t, lineOptions{folders: folders, connect: []string{plan.Agency}})
	from, _ := l.widest(t)
	stream := l.stream(t, from)

	old := l.file(t, acme, from, "HOT-1."+plan.Word)
	if at := l.complaint(t, plan, old.ID); at != plan.Before {
		t.Fatalf("the complaint points at %s, want %s", at, plan.Before)
	}
	first := l.health(t, plan.Agency).FolderVersion
	before := stream.filed.Load()

	overwrite(t, folder, edited(t, folder, plan.Change))
	l.awaitAgency(t, plan.Agency, "the changed folder counts", func(view api.AgencyView) bool { return view.Version == plan.Version })
	changed := l.file(t, acme, from, "HOT-2."+plan.Word)
	if version := filingAt(t, changed, plan.Agency).AgencyVersion; version != plan.Version {
		t.Errorf("accepted under %s, want %s", version, plan.Version)
	}
	if at := l.complaint(t, plan, changed.ID); at != plan.After {
		t.Errorf("the complaint about the new one points at %s, want %s", at, plan.After)
	}
	l.mustRemember(t, plan, old, first)

	l.breakAndMend(t, plan, folder, from)
	l.addLater(t, plan, folder, from)
	l.addAgency(t, plan, folders, from)

	eventually(t, 20*time.Second, "declarations are filed all the while", func() bool { return stream.filed.Load() > before+20 })
	stream.end()
	l.gateway.stop(t)
	l.startGateway(t)
	l.mustRemember(t, plan, old, first)
	if at := l.complaint(t, plan, changed.ID); at != plan.After {
		t.Errorf("after a restart the complaint about the new one points at %s, want %s", at, plan.After)
	}
}

// mustRemember: a declaration's complaint points where it did when it was filed.
func (l *line) mustRemember(t *testing.T, plan hotPlan, old declare.Status, first api.FolderVersion) {
	t.Helper()
	if at := l.complaint(t, plan, old.ID); at != plan.Before {
		t.Errorf("the complaint about the old one points at %s, want %s", at, plan.Before)
	}
	if version := filingAt(t, l.status(t, acme, old.ID), plan.Agency).AgencyVersion; version != first.Version {
		t.Errorf("the old one is said to be of %s, want %s", version, first.Version)
	}
}

func (l *line) awaitAgency(t *testing.T, agency, what string, holds func(api.AgencyView) bool) {
	t.Helper()
	eventually(t, 30*time.Second, what, func() bool {
		l.gateway.mustRun(t)
		given := l.ask(t, l.keys[acme], http.MethodGet, "/v1/agencies", nil)
		for _, view := range decoded[struct{ Agencies []api.AgencyView }](t, given).Agencies {
			if view.Name == agency {
				return holds(view)
			}
		}
		return false
	})
}

// breakAndMend: a folder with a fault is told with its place, and the version
// before it stays.
func (l *line) breakAndMend(t *testing.T, plan hotPlan, folder string, from sample) {
	t.Helper()
	good := filepath.Join(t.TempDir(), "good")
	must(t, os.CopyFS(good, os.DirFS(folder)))
	apply(t, folder, plan.Broken)
	l.awaitAgency(t, plan.Agency, "the broken folder is told", func(view api.AgencyView) bool {
		if view.Refused == nil {
			return false
		}
		fault := view.Refused.Faults[0]
		if view.Version != plan.Version || view.State == "off" || fault.File != plan.Agency+"/"+plan.Fault || fault.Line == 0 || fault.Column == 0 || fault.Text == "" {
			t.Errorf("%+v refused for %+v", view, view.Refused.Faults)
		}
		return true
	})
	if version := filingAt(t, l.file(t, acme, from, "HOT-3"), plan.Agency).AgencyVersion; version != plan.Version {
		t.Errorf("with a broken folder accepted under %s, want %s", version, plan.Version)
	}
	overwrite(t, folder, good)
	l.awaitAgency(t, plan.Agency, "the mended folder is told", func(view api.AgencyView) bool { return view.Refused == nil })
}

// addLater: a version for a day to come is shown and waits.
func (l *line) addLater(t *testing.T, plan hotPlan, folder string, from sample) {
	t.Helper()
	must(t, os.CopyFS(folder+"@later", os.DirFS(edited(t, folder, plan.Future))))
	l.awaitAgency(t, plan.Agency, "the version for later is known", func(view api.AgencyView) bool {
		return view.Next != nil && view.Next.Version == plan.Later && view.Version == plan.Version
	})
	if version := filingAt(t, l.file(t, acme, from, "HOT-4"), plan.Agency).AgencyVersion; version != plan.Version {
		t.Errorf("accepted under %s before its day, want %s", version, plan.Version)
	}
}

// addAgency: a new folder, and where its agency is, take effect without a
// restart.
func (l *line) addAgency(t *testing.T, plan hotPlan, folders string, from sample) {
	t.Helper()
	founded := filepath.Join(t.TempDir(), plan.New)
	must(t, os.CopyFS(founded, os.DirFS(filepath.Join(folders, plan.Agency))))
	apply(t, founded, plan.Founding)
	must(t, os.CopyFS(filepath.Join(folders, plan.New), os.DirFS(founded)))
	l.awaitAgency(t, plan.New, "the new agency is known", func(view api.AgencyView) bool {
		return view.State == "off" && view.Reason == declare.ReasonNoAddress && view.Explanation != ""
	})
	address := freeAddress(t)
	l.start(t, "agencysim", plan.New, "--agency", plan.New, "--agencies", folders, "--listen", address, "--ledger", filepath.Join(l.folder, plan.New+".effects"))
	configuration := fmt.Sprintf("agencies: {%s: {url: \"http://%s\"}}\n", plan.New, address)
	must(t, os.WriteFile(filepath.Join(l.folder, "singlewindow.yaml"), []byte(configuration), 0o600))
	l.awaitAgency(t, plan.New, "the new agency is connected", func(view api.AgencyView) bool { return view.State == "connected" })
	filed := l.file(t, acme, from, "HOT-5")
	eventually(t, 20*time.Second, "the new agency has the message", func() bool {
		return filingAt(t, l.status(t, acme, filed.ID), plan.New).Delivery == declare.DeliveryDelivered
	})
}
