package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const folders = "../../adapters/testdata/agencies"

// start runs the command until stop, which gives what run returned.
func start(t *testing.T, arguments ...string) (address string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, arguments, writer, io.Discard)
		writer.CloseWithError(err)
		ended <- err
	}()
	line, err := bufio.NewReader(reader).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var greeting struct{ Agency, Listening string }
	if err := json.Unmarshal(line, &greeting); err != nil || greeting.Agency != "demo-agency" {
		t.Fatalf("%s: %v", line, err)
	}
	return greeting.Listening, func() error {
		cancel()
		return <-ended
	}
}

func post(t *testing.T, address, token string) int {
	t.Helper()
	message, err := os.ReadFile(folders + "/demo-agency/samples/two-lines.xml")
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/messages", bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	return response.StatusCode
}

func TestStoppingSendsWhatIsOwed(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	notices := make(chan string, 10)
	gateway := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		notices <- r.URL.Path + " " + r.Header.Get("Authorization")
		w.WriteHeader(http.StatusNoContent)
	})}
	served := make(chan error, 1)
	go func() { served <- gateway.Serve(listener) }()
	defer func() {
		if err := errors.Join(gateway.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()

	directory := t.TempDir()
	shown, accepted := filepath.Join(directory, "shown"), filepath.Join(directory, "accepted")
	for file, secret := range map[string]string{shown: "swa_1\n", accepted: "let me in\n"} {
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address, stop := start(t, "--agency", "demo-agency", "--agencies", folders, "--gateway", "http://"+listener.Addr().String(),
		"--credential-file", shown, "--accept-credential-file", accepted, "--ledger", filepath.Join(directory, "ledger"), "--pace", "100ms")
	if got := post(t, address, "wrong"); got != http.StatusUnauthorized {
		t.Errorf("a wrong credential is answered %d", got)
	}
	if got := post(t, address, "let me in"); got != http.StatusOK {
		t.Errorf("a message is answered %d", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if len(notices) != 2 {
		t.Fatalf("%d notices were sent before the end, want 2", len(notices))
	}
	if got := <-notices; got != "/v1/agencies/demo-agency/notices Bearer swa_1" {
		t.Error(got)
	}
}

func TestStoppingWithoutAGatewayEnds(t *testing.T) {
	address, stop := start(t, "--agency", "demo-agency", "--agencies", folders, "--gateway", "http://127.0.0.1:1",
		"--ledger", filepath.Join(t.TempDir(), "ledger"), "--drain", "200ms")
	post(t, address, "")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestArguments(t *testing.T) {
	ledger := filepath.Join(t.TempDir(), "ledger")
	for _, c := range []struct{ arguments, says string }{
		{"", "--agency"},
		{"--agency demo-agency", "--ledger"},
		{"--agency demo-agency --ledger " + ledger + " more", "beside flags"},
		{"--agency none --ledger " + ledger, "no such folder"},
		{"--agency demo-agency --agencies " + folders + " --ledger " + ledger + " --credential-file nowhere", "nowhere"},
		{"--agency demo-agency --agencies " + folders + " --ledger " + ledger + " --listen nowhere", "nowhere"},
	} {
		err := run(context.Background(), strings.Fields(c.arguments), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.arguments, err, c.says)
		}
	}
}
