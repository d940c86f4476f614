package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// clockTicks is the unit of /proc: Linux has answered 100 for USER_HZ on every
// architecture that Go runs on.
const clockTicks = 100

// usage is processor time in seconds: by process, busy and all of the machine.
// Time that the host gave to other machines counts as busy: it was not ours.
type usage struct {
	processes map[string]float64
	busy, all float64
}

// cpu reads what every process of the rig and the whole machine have used.
func (r *rig) cpu() (usage, error) {
	u := usage{processes: map[string]float64{}}
	var err error
	add := func(name string, pid int) {
		used, failure := processTime(pid)
		u.processes[name] += used
		err = errors.Join(err, failure)
	}
	add("load", os.Getpid())
	add("gateway", r.gateway.Process.Pid)
	for _, simulator := range r.simulators.processes {
		add("simulators", simulator.Process.Pid)
	}
	servers, failure := processesIn(filepath.Join(r.folder, "postgresql", "data"))
	err = errors.Join(err, failure)
	for _, pid := range servers {
		add("postgresql", pid)
	}
	machine, failure := os.ReadFile("/proc/stat")
	err = errors.Join(err, failure)
	for i, field := range strings.Fields(strings.SplitN(string(machine), "\n", 2)[0])[1:9] {
		ticks, failure := strconv.ParseFloat(field, 64)
		err = errors.Join(err, failure)
		u.all += ticks / clockTicks
		if i != 3 && i != 4 { // idle and waiting for the disk
			u.busy += ticks / clockTicks
		}
	}
	return u, err
}

// processTime is the time a process and its ended children have used; a
// process that has ended meanwhile counts for its parent.
func processTime(pid int) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(content), ") ")
	var total float64
	for _, field := range strings.Fields(rest)[11:15] { // utime, stime, cutime, cstime
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, err
		}
		total += ticks / clockTicks
	}
	return total, nil
}

// processesIn lists the processes that work in a folder: a PostgreSQL server
// and its backends.
func processesIn(folder string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// Processes that end while we look, or are not ours, are not the server's.
		if at, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && at == folder {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// ownGroup keeps the terminal's Ctrl-C from child processes: they stop when we
// stop them, after the gateway has settled what was under way, or when we die.
// The signal of our death is that of the thread that started them: main keeps
// its own.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
