package integration

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"singlewindow/adapters"
)

// manyFolders is how many agencies one province's single window connects.
const manyFolders = 43

// Bounds for many folders: until ready, and what a submission may cost beside
// one that meets four agencies only.
const (
	mostStart   = 3 * time.Second
	quietStart  = 600 * time.Millisecond // with few agencies: slower, and the machine is busy with something else
	mostPercent = 130
)

// TestManyFolders starts a gateway on four agencies and on 43, of which the
// same four take what is filed, in turn, and compares.
func TestManyFolders(t *testing.T) {
	onlyLong(t) // times mean nothing beside other tests
	few := copyFolders(t, map[string]string{})
	l := newLine(t, lineOptions{folders: few, mute: true})
	from, takers := l.widest(t)
	many := filepath.Join(t.TempDir(), "many")
	must(t, os.CopyFS(many, os.DirFS(few)))
	added := addDecliners(t, many)
	var configuration bytes.Buffer
	configuration.WriteString("agencies:\n")
	for _, name := range added {
		fmt.Fprintf(&configuration, "  %s: {url: \"http://127.0.0.1:9\"}\n", name)
	}
	const rounds, submissions = 3, 200
	var startFew, startMany, alone, among []time.Duration
	for round := range rounds {
		l.gateway.stop(t)
		l.folders = few
		must(t, os.RemoveAll(filepath.Join(l.folder, "singlewindow.yaml")))
		startFew = append(startFew, l.timeToReady(t))
		alone = append(alone, l.latency(t, from, fmt.Sprintf("FEW-%d", round), submissions))

		l.gateway.stop(t)
		l.folders = many
		must(t, os.WriteFile(filepath.Join(l.folder, "singlewindow.yaml"), configuration.Bytes(), 0o600))
		startMany = append(startMany, l.timeToReady(t))
		among = append(among, l.latency(t, from, fmt.Sprintf("MANY-%d", round), submissions))
	}
	quick, start, least, most := slices.Min(startFew), slices.Min(startMany), slices.Min(alone), slices.Min(among)
	t.Logf("%d agency folders: ready after %v, without %d of them after %v; a submission that %d agencies take lasts %v, without them %v (%d %%)",
		manyFolders, start.Round(time.Millisecond), len(added), quick.Round(time.Millisecond), len(takers), most, least, 100*most/least)
	if start > mostStart && quick < quietStart {
		t.Errorf("ready after %v", start)
	}
	if 100*most/least > mostPercent {
		t.Errorf("a submission takes %d %% of what it takes with few agencies", 100*most/least)
	}
}

// addDecliners fills a folder with copies of its agencies that weigh their
// whole condition and then decline; it gives their names.
func addDecliners(t *testing.T, folders string) (added []string) {
	t.Helper()
	names, err := adapters.Names(os.DirFS(folders))
	must(t, err)
	var originals []string
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(folders, name, "agency.yaml"))
		must(t, err)
		if strings.Contains(string(content), "when: >-") {
			originals = append(originals, name)
		}
	}
	for i := range manyFolders - len(names) {
		original := originals[i%len(originals)]
		name := fmt.Sprintf("%s-%d", original, i)
		must(t, os.CopyFS(filepath.Join(folders, name), os.DirFS(filepath.Join(folders, original))))
		apply(t, filepath.Join(folders, name), []edit{
			{"agency.yaml", "name: " + original, "name: " + name},
			{"agency.yaml", "\n    mapping:", "\n      && declaration.typeCode == \"none\"\n    mapping:"},
		})
		added = append(added, name)
	}
	return added
}

// timeToReady starts the gateway and tells how long that took.
func (l *line) timeToReady(t *testing.T) time.Duration {
	t.Helper()
	begun := time.Now()
	l.startGateway(t)
	return time.Since(begun)
}

// latency is the median time of a submission, one after the other.
func (l *line) latency(t *testing.T, from sample, prefix string, submissions int) time.Duration {
	t.Helper()
	var times []time.Duration
	for n := range submissions {
		body := from.as(t, fmt.Sprintf("%s-%d", prefix, n))
		begun := time.Now()
		given, err := l.submit(t.Context(), acme, fmt.Sprintf("%s-%d", prefix, n), body)
		must(t, err)
		times = append(times, time.Since(begun))
		if given.status != http.StatusAccepted {
			t.Fatalf("%d %s", given.status, given.body)
		}
	}
	slices.Sort(times)
	return times[len(times)/2]
}
