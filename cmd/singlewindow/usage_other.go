//go:build !linux

package main

import (
	"errors"
	"syscall"
)

// usage is processor time in seconds, see usage_linux.go.
type usage struct {
	processes map[string]float64
	busy, all float64
}

func (r *rig) cpu() (usage, error) {
	return usage{}, errors.New("bench measures processor time on Linux only")
}

// ownGroup keeps the terminal's Ctrl-C from child processes.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
