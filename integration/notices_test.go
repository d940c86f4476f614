package integration

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/adapters/simulated"
	"singlewindow/declare"
)

// outsideSchemas is where a real administration's schemas may lie.
const outsideSchemas = "../../shared/hmrc/schemas"

// TestDutiesDocumentsAndErrorsReachTheTrader files declarations with the agency
// whose schemas are not shipped, played over HTTP: it takes messages without a
// word and names them later by a conversation id alone.
func TestDutiesDocumentsAndErrorsReachTheTrader(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(outsideSchemas); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the administration's schemas are not here: " + outsideSchemas)
	}
	gateway, sample := playOutside(t)
	for word, holds := range map[string]func(declare.Status, declare.FilingStatus) bool{
		"default": func(s declare.Status, f declare.FilingStatus) bool {
			return s.Status == declare.OverallCleared && len(f.Duties) == 2 && f.Duties[0].Item == 1 && f.Duties[0].Payable.Value == "50.00" &&
				strings.HasSuffix(f.Duties[0].Pointer, "/0") && len(f.AgencyNumbers) == 2
		},
		"reject": func(s declare.Status, f declare.FilingStatus) bool {
			return s.Status == declare.OverallRejected && len(f.Errors) == 2 && f.Errors[0].Meaning.Chinese != "" && f.Errors[0].Chain != "" &&
				strings.HasSuffix(f.Errors[0].Pointer, "/commodity/classifications/0/id") && f.Errors[1].Pointer == "/declarant/id"
		},
		"docs": func(s declare.Status, f declare.FilingStatus) bool {
			return s.Status == declare.OverallCleared && len(f.Documents) == 0 && s.WaitingFor.Until.IsZero()
		},
	} {
		status := submitOutside(t, gateway, sample, "DEMO-"+word+"."+word)
		wanted := false // documents, with a limit, on the way
		var last declare.Status
		eventually(t, 30*time.Second, word, func() bool {
			var err error
			last, err = gateway.Status(t.Context(), acme, status.ID)
			must(t, err)
			filing := last.Filings[0]
			wanted = wanted || len(filing.Documents) == 1 && filing.Documents[0].Limit.Equal(last.WaitingFor.Until)
			return holds(last, filing)
		})
		if word == "docs" && !wanted {
			t.Errorf("no documents were ever wanted: %+v", last)
		}
	}
}

func submitOutside(t *testing.T, gateway *declare.Gateway, sample []byte, reference string) declare.Receipt {
	t.Helper()
	tree := treeOf(t, sample)
	tree["reference"] = reference
	body, err := json.Marshal(tree)
	must(t, err)
	receipt, err := gateway.Submit(t.Context(), declare.Submission{Tenant: acme, Key: reference, Body: body})
	must(t, err)
	return receipt
}

// playOutside runs a gateway and the simulator of the agency, each with its own
// copy of the folder, and gives the folder's shortest sample.
func playOutside(t *testing.T) (*declare.Gateway, []byte) {
	t.Helper()
	folders := adapters.Supply(adapters.Embedded(), os.DirFS(outsideSchemas))
	name := folderWithoutSchemas(t)
	played, err := adapters.Load(folders, name, adapters.Deployment{})
	must(t, err)
	t.Cleanup(played.Close)

	var gateway *declare.Gateway
	notices := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = gateway.Hear(r.Context(), name, body, r.Header.Get)
		}
		if err != nil {
			t.Errorf("notice: %v", err)
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(notices.Close)
	simulator, err := simulated.Open(played, simulated.Options{
		Agencies: []string{name}, Gateways: []string{notices.URL}, Ledger: filepath.Join(t.TempDir(), "ledger"), Pace: 300 * time.Millisecond,
		Clock: simulated.Clock{Now: time.Now, After: time.After}, Log: quiet(t),
	})
	must(t, err)
	messages := httptest.NewServer(simulator.Handler())
	t.Cleanup(messages.Close)

	agency, err := adapters.Load(folders, name, adapters.Deployment{URL: messages.URL})
	must(t, err)
	t.Cleanup(agency.Close)
	known, err := kinds()
	must(t, err)
	ledger, url := newLedger(t)
	execute(t, url, "INSERT INTO tenant (id, name, created_at) VALUES ($1, $1, now())", acme)
	gateway = declare.New(ledger, known, []declare.Agency{agency}, nil, newIDs(), time.Now, declare.DefaultTiming(), quiet(t))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { simulator.Run(ctx) })
	running.Go(func() {
		if err := gateway.Deliver(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		must(t, simulator.Close())
	})
	return gateway, shortestSample(t, name)
}

// folderWithoutSchemas names the agency that needs schemas from elsewhere.
func folderWithoutSchemas(t *testing.T) string {
	t.Helper()
	names, err := adapters.Names(adapters.Embedded())
	must(t, err)
	for _, name := range names {
		bare, err := adapters.Load(adapters.Embedded(), name, adapters.Deployment{})
		must(t, err)
		defer bare.Close()
		if len(bare.Missing()) > 0 {
			return name
		}
	}
	t.Fatal("no folder lacks its schemas")
	return ""
}

func shortestSample(t *testing.T, agency string) []byte {
	t.Helper()
	var shortest []byte
	files, err := fs.Glob(adapters.Embedded(), agency+"/samples/import*.json")
	must(t, err)
	for _, file := range files {
		content, err := fs.ReadFile(adapters.Embedded(), file)
		must(t, err)
		if shortest == nil || len(content) < len(shortest) {
			shortest = content
		}
	}
	return shortest
}
