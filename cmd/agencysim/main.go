package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"singlewindow/adapters"
	"singlewindow/adapters/simulated"
)

// headerTimeout is how long a caller may take to say what it wants.
const headerTimeout = 5 * time.Second

type settings struct {
	agency, agencies, schemas, listen, gateway, credentialFile, acceptFile, ledger string
	pace, slow, drain                                                              time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "agencysim:", err)
		os.Exit(1)
	}
}

func parse(arguments []string, messages io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("agencysim", flag.ContinueOnError)
	flags.SetOutput(messages)
	flags.StringVar(&s.agency, "agency", "", "`name` of the agency's folder")
	flags.StringVar(&s.agencies, "agencies", "", "`directory` of agency folders (default: those built in)")
	flags.StringVar(&s.schemas, "schemas", "", "`directory` of the schemas a folder is not shipped with")
	flags.StringVar(&s.listen, "listen", "127.0.0.1:0", "`address` to listen at")
	flags.StringVar(&s.gateway, "gateway", "", "base `URLs` of the gateways that get the notices, in turn, with commas between (default: none does)")
	flags.StringVar(&s.credentialFile, "credential-file", "", "`file` with the credential shown to the gateway")
	flags.StringVar(&s.acceptFile, "accept-credential-file", "", "`file` with the credential the gateway must show (default: anybody may send)")
	flags.StringVar(&s.ledger, "ledger", "", "`file` every message taken is written to")
	flags.DurationVar(&s.pace, "pace", 0, "time between one notice and the next (default: the folder's)")
	flags.DurationVar(&s.slow, "slow", 3*time.Second, "how late the scenario word slow is answered")
	flags.DurationVar(&s.drain, "drain", 10*time.Second, "how long to finish what is owed when stopped")
	if err := flags.Parse(arguments); err != nil {
		return s, err
	}
	if s.agency == "" || s.ledger == "" || flags.NArg() > 0 {
		return s, errors.New("--agency and --ledger are needed, and nothing beside flags")
	}
	return s, nil
}

// run serves until ctx ends.
func run(ctx context.Context, arguments []string, data, messages io.Writer) error {
	s, err := parse(arguments, messages)
	if err != nil {
		return err
	}
	debug.SetGCPercent(400) // simulators share a machine with what they test
	log := slog.New(slog.NewTextHandler(messages, nil))
	simulator, agency, err := s.open(log)
	if err != nil {
		return err
	}
	defer agency.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return errors.Join(err, simulator.Close())
	}
	greeting := map[string]string{"agency": s.agency, "listening": "http://" + listener.Addr().String()}
	if err := json.NewEncoder(data).Encode(greeting); err != nil {
		return errors.Join(err, listener.Close(), simulator.Close())
	}
	return errors.Join(s.serve(ctx, simulator, listener, log), simulator.Close())
}

func (s settings) open(log *slog.Logger) (*simulated.Simulator, *adapters.Agency, error) {
	folders := adapters.Embedded()
	if s.agencies != "" {
		folders = os.DirFS(s.agencies)
	}
	if s.schemas != "" {
		folders = adapters.Supply(folders, os.DirFS(s.schemas))
	}
	names, err := adapters.Names(folders)
	if err != nil {
		return nil, nil, err
	}
	shown, err := credential(s.credentialFile)
	if err != nil {
		return nil, nil, err
	}
	accepted, err := credential(s.acceptFile)
	if err != nil {
		return nil, nil, err
	}
	agency, err := adapters.Load(folders, s.agency, adapters.Deployment{})
	if err != nil {
		return nil, nil, err
	}
	if missing := agency.Missing(); len(missing) > 0 {
		agency.Close()
		return nil, nil, fmt.Errorf("the folder of %s lacks its schemas %s: give them with --schemas", s.agency, strings.Join(missing, ", "))
	}
	var gateways []string
	if s.gateway != "" {
		gateways = strings.Split(s.gateway, ",")
	}
	simulator, err := simulated.Open(agency, simulated.Options{
		Agencies: names, Accept: accepted, Gateways: gateways, Credential: shown, Ledger: s.ledger, Pace: s.pace, Slow: s.slow,
		Clock: simulated.Clock{Now: time.Now, After: time.After}, Log: log,
	})
	if err != nil {
		agency.Close()
		return nil, nil, err
	}
	return simulator, agency, nil
}

// serve stops in order: no new message, then the notices owed, then the rest.
func (s settings) serve(ctx context.Context, simulator *simulated.Simulator, listener net.Listener, log *slog.Logger) error {
	running, halt := context.WithCancel(context.WithoutCancel(ctx))
	var outbox sync.WaitGroup
	outbox.Go(func() { simulator.Run(running) })
	defer outbox.Wait()
	defer halt()
	server := &http.Server{Handler: simulator.Handler(), ReadHeaderTimeout: headerTimeout}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(running, s.drain)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		return errors.Join(err, server.Close())
	}
	if err := simulator.Drain(limit); err != nil {
		log.Warn("notices are still owed and will be sent after the next start", "reason", err)
	}
	return nil
}

// credential reads a secret from a file; no file, no secret.
func credential(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(content)), nil
}
