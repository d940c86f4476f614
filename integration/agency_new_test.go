package integration

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAddAnAgency runs every command of docs/add-an-agency.md, as they stand
// there, on a schema that no folder has: only the ports are others, so that it
// can run beside anything.
func TestAddAnAgency(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../docs/add-an-agency.md")
	must(t, err)
	script := shellBlocks(string(document))
	for _, port := range []string{"8080", "9100"} {
		if !strings.Contains(script, port) {
			t.Fatalf("the document has no port %s any more", port)
		}
		script = strings.ReplaceAll(script, port, freePort(t))
	}
	directory := shortDirectory(t)
	binaries, err := programs()
	must(t, err)
	must(t, os.CopyFS(filepath.Join(directory, "permits"), os.DirFS("testdata/permits")))

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", script)
	command.Dir = directory
	command.Env = append(os.Environ(), "PATH="+binaries+string(os.PathListSeparator)+os.Getenv("PATH"))
	// What the script leaves running when it fails ends with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	err = command.Run()
	if failure := syscall.Kill(-command.Process.Pid, syscall.SIGTERM); failure == nil {
		t.Log("processes were left behind")
	}
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), log.String())
	}
	for _, wanted := range []string{
		"permit-office/codes/purpose.csv:3:1: to be filled in", "not yet", "permit-office: ok", "<Purpose>IN</Purpose>",
		"/goodsShipment/importer/name goods.yaml:", `"kind": "goods"`, "receiptNo R2026000001",
	} {
		if !strings.Contains(out.String(), wanted) {
			t.Errorf("nothing says %q", wanted)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// shellBlocks joins the blocks of a document that are marked as sh.
func shellBlocks(document string) string {
	var script strings.Builder
	inside := false
	for line := range strings.Lines(document) {
		switch strings.TrimSpace(line) {
		case "```sh":
			inside = true
		case "```":
			inside = false
		default:
			if inside {
				script.WriteString(line)
			}
		}
	}
	return script.String()
}

// freePort is one that nobody listens on now.
func freePort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	must(t, err)
	must(t, listener.Close())
	return port
}

// shortDirectory is one whose name leaves room for a socket's, and that the
// user of the database may pass.
func shortDirectory(t *testing.T) string {
	directory, err := os.MkdirTemp("", "sw")
	must(t, err)
	must(t, os.Chmod(directory, 0o711))
	t.Cleanup(func() { must(t, os.RemoveAll(directory)) })
	return directory
}
