package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamples: every command that speaks to a gateway, and every one about
// keys, shows how in its help, and what it shows is a command that there is.
func TestExamples(t *testing.T) {
	shown := 0
	var visit func(*cobra.Command)
	visit = func(command *cobra.Command) {
		for _, sub := range command.Commands() {
			visit(sub)
		}
		path := strings.Fields(command.CommandPath())
		if command.Flags().Lookup("profile") == nil && !slices.Contains(path, "profiles") && path[max(len(path)-2, 0)] != "keys" {
			return
		}
		if command.Example == "" {
			t.Errorf("%s has no example", command.CommandPath())
		}
		for example := range strings.Lines(command.Example) {
			shown++
			tryExample(t, strings.TrimSpace(example))
		}
	}
	visit(rootCommand())
	if shown < 30 {
		t.Errorf("only %d examples", shown)
	}
}

func tryExample(t *testing.T, example string) {
	t.Helper()
	line, _, _ := strings.Cut(example, " | ")
	line, _, _ = strings.Cut(line, " < ")
	name, rest, _ := strings.Cut(line, " ")
	if name != "singlewindow" {
		t.Errorf("%q does not begin with the program", example)
		return
	}
	command, arguments, err := rootCommand().Find(strings.Fields(rest))
	if err == nil {
		err = command.ParseFlags(arguments)
	}
	if err == nil && command.Args != nil {
		err = command.Args(command, command.Flags().Args())
	}
	if err != nil {
		t.Errorf("%q: %v", example, err)
	}
}
