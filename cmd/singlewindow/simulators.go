package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"singlewindow/adapters"
)

// simulators are processes that play the agencies, for demo and bench.
type simulators struct {
	folder    string
	processes []*exec.Cmd
	agencies  map[string]deployment
}

// startSimulators starts one agencysim for each agency folder that can be
// played and waits until all of them listen. credentials are what each shows
// to the gateway at address.
func startSimulators(ctx context.Context, folder, address string, credentials map[string]string) (*simulators, error) {
	binary, err := agencysim()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	s := &simulators{folder: folder, agencies: map[string]deployment{}}
	waiting := map[string]*bufio.Reader{}
	for agency, credential := range credentials {
		output, err := s.start(ctx, binary, agency, address, credential)
		if err != nil {
			return nil, errors.Join(err, s.stop())
		}
		waiting[agency] = output
	}
	for agency, output := range waiting {
		var greeting struct{ Listening string }
		line, err := output.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &greeting)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("the simulator of %s did not start: %w", agency, err), s.stop())
		}
		s.agencies[agency] = deployment{URL: greeting.Listening, CredentialFile: s.file(agency, "gateway-credential")}
	}
	return s, nil
}

func (s *simulators) file(agency, name string) string {
	return filepath.Join(s.folder, agency+"."+name)
}

func (s *simulators) start(ctx context.Context, binary, agency, address, credential string) (*bufio.Reader, error) {
	if err := os.WriteFile(s.file(agency, "agency-credential"), []byte(credential), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.file(agency, "gateway-credential"), []byte(rand.Text()), 0o600); err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, binary, "--agency", agency, "--gateway", address,
		"--credential-file", s.file(agency, "agency-credential"),
		"--accept-credential-file", s.file(agency, "gateway-credential"),
		"--ledger", s.file(agency, "effects"))
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 15 * time.Second
	command.SysProcAttr = ownGroup()
	log, err := os.OpenFile(s.file(agency, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	command.Stderr = log
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err := errors.Join(err, log.Close()); err != nil {
		return nil, err
	}
	s.processes = append(s.processes, command)
	return bufio.NewReader(output), nil
}

// stop ends every simulator and waits for it.
func (s *simulators) stop() error {
	for _, process := range s.processes {
		if err := process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	var failures error
	for _, process := range s.processes {
		var exit *exec.ExitError
		if err := process.Wait(); err != nil && !errors.As(err, &exit) && !errors.Is(err, context.Canceled) {
			failures = errors.Join(failures, err)
		}
	}
	return failures
}

// agencysim finds the simulator's binary: beside this one, or on the path.
func agencysim() (string, error) {
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), "agencysim")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	found, err := exec.LookPath("agencysim")
	if err != nil {
		return "", fmt.Errorf("agencysim must stand beside singlewindow or on the path: %w", err)
	}
	return found, nil
}

// played names the agencies that have a script to be played by.
func played(all []*adapters.Agency) []string {
	var names []string
	for _, agency := range all {
		if agency.Script() != nil {
			names = append(names, agency.Profile().Name)
		}
	}
	return names
}
