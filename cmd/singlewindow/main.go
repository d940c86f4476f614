package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker when a release is built.
var version = "development"

// errRefused ends a command whose answer, already printed, is a refusal.
var errRefused = errors.New("refused")

// usageError marks what the person at the keyboard must mend in the command.
type usageError struct{ error }

func main() {
	// Child processes are told of our death by that of the thread that started
	// them: this one, which lives as long as we do.
	runtime.LockOSThread()
	os.Exit(run(context.Background(), os.Args[1:]))
}

// untilStopped ends with the first SIGINT or SIGTERM, for commands that then
// have something to finish; a second one kills. All others die of the first.
// Nothing hears of the first before the second would kill: who is told that
// the gateway stops may insist at once.
func untilStopped(command *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(command.Context())
	signals, heard := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer close(heard)
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, func() {
		cancel()
		<-heard
	}
}

func run(ctx context.Context, arguments []string) int {
	root := rootCommand()
	root.SetArgs(arguments)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errRefused):
		return 1
	case errors.Is(err, errInconsistent):
		return 3
	case errors.Is(err, errRowsRefused):
		return 4
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "singlewindow:", err)
		return 2
	}
	fmt.Fprintln(os.Stderr, "singlewindow:", err)
	return 1
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "singlewindow",
		Short:         "The open gateway of an international trade single window",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		serveCommand(), demoCommand(), benchCommand(),
		checkCommand(), renderCommand(), readCommand(), xsdCommand(), explainCommand(), agencyCommand(), kindCommand(),
		submitCommand(), validateCommand(), statusCommand(), eventsCommand(), uploadCommand(), watchCommand(),
		doctorCommand(), tasksCommand(), tenantCommand(), keyCommand(), credentialCommand(), userCommand(), versionCommand(),
	)
	for _, command := range root.Commands() {
		command.Args = usageArgs(command.Args)
		for _, sub := range command.Commands() {
			sub.Args = usageArgs(sub.Args)
		}
	}
	return root
}

// usageArgs makes a wrong number of arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		return nil
	}
	return func(command *cobra.Command, arguments []string) error {
		if err := check(command, arguments); err != nil {
			return usageError{err}
		}
		return nil
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(command.OutOrStdout(), version)
			return err
		},
	}
}
