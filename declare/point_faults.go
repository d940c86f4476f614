//go:build faults

package declare

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// FaultVariable names the file that says what shall go wrong: a line "NAME
// ACTION SERIAL", where ACTION is panic, kill, error or hang. It is read
// whenever a point is passed, so that a running process can be told. The first
// to pass the point named is struck, once for each text of the file: it writes
// the text to FILE.struck first, so that neither another process nor the next
// start of this one is struck again. What hangs goes on when the text changes.
// A variable and not a flag, because no flag may be known to one build only.
const FaultVariable = "SINGLEWINDOW_FAULT"

var errFault = errors.New("declare: a fault was asked for")

var striking sync.Mutex

// point does what the process was told to do at this place.
func point(name string) error {
	file := os.Getenv(FaultVariable)
	if file == "" {
		return nil
	}
	text := faultText(file)
	at, action, _ := strings.Cut(text, " ")
	action, _, _ = strings.Cut(action, " ")
	if at != name || !strike(file, text) {
		return nil
	}
	fmt.Fprintln(os.Stderr, "fault:", text)
	switch action {
	case "panic":
		panic(errFault)
	case "kill":
		// It cannot fail, and nothing runs after it.
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "hang":
		for faultText(file) == text {
			<-time.After(10 * time.Millisecond)
		}
		return nil
	}
	return fmt.Errorf("%w: %s", errFault, name)
}

// strike reports whether this is the first to pass, and leaves word of it.
func strike(file, text string) bool {
	striking.Lock()
	defer striking.Unlock()
	if faultText(file+".struck") == text {
		return false
	}
	if err := os.WriteFile(file+".struck", []byte(text), 0o600); err != nil {
		panic(err)
	}
	return true
}

// faultText is what a file says; "" when it is not there.
func faultText(file string) string {
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		panic(err)
	}
	return string(content)
}
