package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"singlewindow/cmd/privatepostgres"
	"singlewindow/declare"
)

// said runs a command and gives what it printed, and why it failed.
func said(t *testing.T, arguments ...string) (string, string, error) {
	t.Helper()
	root := rootCommand()
	var out, messages bytes.Buffer
	root.SetArgs(arguments)
	root.SetIn(strings.NewReader("a long password\n"))
	root.SetOut(&out)
	root.SetErr(&messages)
	err := root.ExecuteContext(t.Context())
	return out.String(), messages.String(), err
}

// fails demands an error that says all of words.
func fails(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in: %v", word, err)
		}
	}
}

// TestNoDatabaseIsMadeByTheWay: what looks at an installation or adds to it
// leaves a folder without one as it was, and names the demonstration's.
func TestNoDatabaseIsMadeByTheWay(t *testing.T) {
	data := t.TempDir()
	demonstration := filepath.Join(data, demoFolder)
	if err := os.Mkdir(demonstration, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"keys create --tenant acme", "keys create --test --tenant acme", "keys list --tenant acme",
		"keys rotate key_01KDTP3X8Q0000000000000001 --tenant acme", "keys revoke key_01KDTP3X8Q0000000000000001 --tenant acme",
		"user create ann --role auditor", "user list", "user disable ann", "user password ann",
		"tasks", "tasks list", "tasks close 1 --resolution abandon --by Li --note n", "doctor",
	} {
		_, _, err := said(t, append(strings.Fields(line), "--data", data)...)
		fails(t, err, data+" has no database", "--database", "--data "+demonstration)
		_, _, err = said(t, append(strings.Fields(line), "--data", demonstration)...)
		fails(t, err, demonstration+" has no database")
		if err != nil && strings.Contains(err.Error(), "of the demonstration") {
			t.Errorf("%s: %v", line, err)
		}
	}
	err := filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if path != data && path != demonstration {
			t.Errorf("%s was made", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestInstallationFromTheShell begins an installation with its first
// enterprise, asks for one that there is not, and finds tables of another past.
func TestInstallationFromTheShell(t *testing.T) {
	data, err := os.MkdirTemp("/tmp", "sw") // the user postgres must be able to enter it, and a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(data); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(data, 0o711); err != nil {
		t.Fatal(err)
	}
	if _, messages, err := said(t, "tenant", "create", "acme", "Acme", "--data", data); err != nil || !strings.Contains(messages, "making a new database in "+data) {
		t.Fatalf("%v %q", err, messages)
	}
	server, err := privatepostgres.Start(t.Context(), privatepostgres.Options{Folder: data})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, line := range []string{"keys create --tenant bolt", "keys list --tenant bolt", "keys revoke key_01KDTP3X8Q0000000000000001 --tenant bolt"} {
		_, _, err := said(t, append(strings.Fields(line), "--data", data)...)
		fails(t, err, "there is no enterprise bolt in the private PostgreSQL in "+data, "singlewindow tenant create bolt NAME")
	}
	_, _, err = said(t, "keys", "list", "--test", "--tenant", "bolt", "--data", data)
	fails(t, err, "there is no enterprise bolt in the test world", "singlewindow keys create --test --tenant bolt")
	if key, messages, err := said(t, "keys", "create", "acme", "--data", data); err != nil || !strings.HasPrefix(key, "sw_live_") || strings.Contains(messages, "new database") {
		t.Errorf("%v %.12q %q", err, key, messages)
	}
	forget(t, server.URL())
	_, _, err = said(t, "keys", "list", "--tenant", "acme", "--data", data)
	fails(t, err, "the private PostgreSQL in "+data+" has tables that this version cannot bring up to date", "another --data folder", "SQLSTATE 42")
}

// forget leaves tables that nobody knows how they came to be.
func forget(t *testing.T, url string) {
	t.Helper()
	ledger, err := declare.OpenLedger(t.Context(), url, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	if _, err := ledger.Pool().Exec(t.Context(), "RESET ROLE; DROP TABLE ledger_version"); err != nil {
		t.Error(err)
	}
}
