package privatepostgres

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const locale = "C.UTF-8"

// childAttributes make the kernel send SIGINT, a fast shutdown, to the child when its parent dies.
func childAttributes(owner *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: owner, Pdeathsig: syscall.SIGINT}
}

// postgresIn returns the living postgres processes whose working directory is folder. One that ends
// meanwhile, a zombie or another user's has none to be read.
func postgresIn(folder string) ([]int, error) {
	wanted, err := os.Stat(folder)
	entries, _ := filepath.Glob("/proc/[0-9]*") // its only error is a bad pattern
	if len(entries) == 0 {
		err = errors.Join(err, errors.New("/proc shows no processes"))
	}
	var processes []int
	for _, entry := range entries {
		name, gone := os.ReadFile(entry + "/comm")
		directory, unreadable := os.Stat(entry + "/cwd")
		if gone == nil && unreadable == nil && string(name) == "postgres\n" && os.SameFile(wanted, directory) {
			process, noNumber := strconv.Atoi(filepath.Base(entry))
			processes, err = append(processes, process), errors.Join(err, noNumber)
		}
	}
	return processes, err
}
