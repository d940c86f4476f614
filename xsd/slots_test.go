package xsd

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain lets the test binary be the process that dies: with SLOTS_FILE set it takes a slot for two documents, gives one
// back, says so, and waits to be killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("SLOTS_FILE"); path != "" {
		if err := takeAndWait(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func takeAndWait(path string) error {
	slots, err := OpenSlots(path)
	if err != nil {
		return err
	}
	finished, fault := slots.take(sha256.Sum256([]byte("<finished/>")))
	if fault != nil {
		return fault
	}
	if _, fault := slots.take(sha256.Sum256([]byte("<deadly/>"))); fault != nil {
		return fault
	}
	slots.release(finished)
	fmt.Println("taken")
	_, err = io.ReadAll(os.Stdin)
	return err
}

func killHolding(t *testing.T, path string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "SLOTS_FILE="+path)
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "taken\n" {
		t.Fatal(line, err)
	}
	if _, err := OpenSlots(path); err == nil {
		t.Error("two processes hold one slot file")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) {
		t.Fatal(err)
	}
}

func TestSlotsSurviveSIGKILL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slots")
	schema := compileOrder(t)
	killHolding(t, path)
	spared, err := OpenSlots(path)
	if err != nil {
		t.Fatal(err)
	}
	if spared.Poisoned() != 0 {
		t.Error("refused after one death, which may have come from outside")
	}
	if err := spared.Close(); err != nil {
		t.Fatal(err)
	}
	killHolding(t, path)
	for start := range 3 { // poisoned for good, not only at the next start
		slots, err := OpenSlots(path)
		if err != nil {
			t.Fatal(err)
		}
		if slots.Poisoned() != 1 {
			t.Errorf("start %d: %d poisoned", start, slots.Poisoned())
		}
		schema.UseSlots(slots)
		var fault *GuardError
		if _, _, err := schema.Validate([]byte("<deadly/>")); !errors.As(err, &fault) || fault.Code != "xml.poisoned" {
			t.Errorf("start %d: %v", start, err)
		}
		for _, innocent := range []string{"<finished/>", "<other/>"} {
			if _, violations, err := schema.Validate([]byte(innocent)); err != nil || len(violations) != 1 {
				t.Errorf("start %d: %s: %v %v", start, innocent, violations, err)
			}
		}
		schema.UseSlots(nil)
		if err := slots.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSlotFileCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slots")
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	slots, err := OpenSlots(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := slots.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSlots(filepath.Join(path, "below-a-file")); err == nil {
		t.Error("opened a slot file that cannot be")
	}
}
