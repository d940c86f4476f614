//go:build faults

package declare

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// FaultVariable names the file that says what shall go wrong: "POINT ACTION
// SERIAL", where ACTION is panic, kill, error or hang. It is read whenever a
// point is passed, so that running processes can be told. The first of all
// processes to pass the point is struck, once for each serial: it makes
// FILE.SERIAL, with its process id, before anything happens to it. What hangs
// goes on when the text changes.
//
// A variable of the environment and not a flag, because this build must take
// the same arguments as every other.
const FaultVariable = "SINGLEWINDOW_FAULT"

var errFault = errors.New("declare: a fault was asked for")

// point does what the process was told to do at this place.
func point(name string) error {
	file := os.Getenv(FaultVariable)
	if file == "" {
		return nil
	}
	text := faultText(file)
	told := strings.Fields(text)
	if len(told) != 3 || told[0] != name || !first(file+"."+told[2]) {
		return nil
	}
	fmt.Fprintln(os.Stderr, "fault:", text)
	switch told[1] {
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

// first reports whether nobody was struck before, and leaves word of who is.
func first(mark string) bool {
	file, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false
	}
	if err == nil {
		_, err = fmt.Fprint(file, os.Getpid())
		err = errors.Join(err, file.Close())
	}
	if err != nil {
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
