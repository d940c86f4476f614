//go:build unix && !linux

package privatepostgres

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

const locale = "C"

// childAttributes: there is no parent-death signal here; a postmaster that outlives its gateway is stopped
// by the next start.
func childAttributes(owner *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: owner}
}

// postgresIn returns the living postgres processes whose working directory is folder.
func postgresIn(folder string) ([]int, error) {
	output, err := exec.Command("lsof", "-t", "-a", "-c", "postgres", "-d", "cwd", folder).Output()
	var processes []int
	for _, word := range strings.Fields(string(output)) {
		process, noNumber := strconv.Atoi(word)
		if noNumber != nil {
			return nil, noNumber
		}
		processes = append(processes, process)
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == 1 { // it found none
		err = nil
	}
	return processes, err
}
