package adapters_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/adapters/simulated"
	"singlewindow/declare"
)

// The tests of this file play the demonstration agency over real connections.
const (
	demo      = "demo-agency"
	messageID = "msg_0000000000000000000000000A"
	token     = "a-credential"
)

func load(t *testing.T, deployment adapters.Deployment) *adapters.Agency {
	t.Helper()
	agency, err := adapters.Load(os.DirFS("testdata/agencies"), demo, deployment)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agency.Close)
	return agency
}

// serve answers on a port of its own until the test ends.
func serve(t *testing.T, handler http.Handler) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); err != http.ErrServerClosed {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return "http://" + listener.Addr().String()
}

// simulate plays the agency and gives the address it plays at.
func simulate(t *testing.T) (address, ledger string) {
	t.Helper()
	ledger = filepath.Join(t.TempDir(), "ledger")
	simulator, err := simulated.Open(load(t, adapters.Deployment{}), simulated.Options{
		Agencies: []string{demo, "other-agency"}, Accept: token, Ledger: ledger, Slow: 600 * time.Millisecond,
		Clock: simulated.Clock{Now: time.Now, After: time.After}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := simulator.Close(); err != nil {
			t.Error(err)
		}
	})
	return serve(t, simulator.Handler()), ledger
}

func subject(id, reference string) declare.Subject {
	line := map[string]any{"name": "Tea", "mass": map[string]any{"value": "1", "unit": "KGM"}}
	tree := map[string]any{"kind": "parcel", "reference": reference, "office": "south", "lines": []any{line}}
	return declare.Subject{
		MessageID: id, DeclarationID: "dec_1", Reference: reference, Kind: "parcel", Tree: tree,
		AcceptedAt: time.Date(2026, 3, 2, 2, 3, 4, 0, time.UTC),
	}
}

// message drafts a valid message with a reference of the test's choice.
func message(t *testing.T, agency *adapters.Agency, reference string) declare.Dispatch {
	t.Helper()
	draft, faults, err := agency.Draft(subject(messageID, reference))
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	return declare.Dispatch{MessageID: messageID, Agency: demo, Body: draft.Body.Bytes()}
}

func send(t *testing.T, agency *adapters.Agency, reference string) declare.Outcome {
	t.Helper()
	return agency.Send(context.Background(), message(t, agency, reference))
}

// expect compares what decides: verdict, reason and status.
func expect(t *testing.T, got declare.Outcome, verdict declare.Verdict, reason string, status int) {
	t.Helper()
	if got.Verdict != verdict || got.Reason != reason || got.Status != status {
		t.Errorf("got %v %s %d, want %v %s %d", got.Verdict, got.Reason, got.Status, verdict, reason, status)
	}
}
