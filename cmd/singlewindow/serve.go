package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "serve", Short: "Run the gateway", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			s, err := readSettings(command)
			if err != nil {
				return err
			}
			s.reread = func() (settings, error) { return readSettings(command) }
			ctx, stop := untilStopped(command)
			defer stop()
			return serve(ctx, s, newLog())
		},
	}
	addSettings(command)
	return command
}

func newLog() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

// garbagePercent trades memory, of which a gateway needs little, for a third
// less work of the garbage collector than Go's default makes.
const garbagePercent = 400

// memoryBound is where that trade ends: near it garbage is collected as often
// as it takes. With the program itself and libxml2's memory beside it, a
// gateway that works on large files stays below 300 MB. GOMEMLIMIT sets another.
const memoryBound = 192 << 20

func serve(ctx context.Context, s settings, log *slog.Logger) error {
	debug.SetGCPercent(garbagePercent)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryBound)
	}
	g, err := openGateway(ctx, s, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return errors.Join(err, g.close())
	}
	on := 0
	for _, agency := range g.folders.Agencies() {
		switch profile := agency.Profile(); {
		case profile.On:
			on++
		case len(profile.Missing) > 0:
			log.Warn("agency is off: its schemas are not supplied, see --schemas", "agency", profile.Name, "missing", profile.Missing)
		default:
			log.Warn("agency is off: it has no url", "agency", profile.Name)
		}
	}
	log.Info("serving", "address", "http://"+listener.Addr().String(), "agencies", on)
	err = g.run(ctx, listener, log)
	return errors.Join(err, g.close())
}
