package main

import (
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"singlewindow/adapters"
	"singlewindow/declare"
	"singlewindow/declare/event"
)

// completions say, by the name of a flag, what a shell may offer for it. None
// asks a gateway: who presses a key has not asked for anything yet.
var completions = map[string]cobra.CompletionFunc{
	"output":   cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp),
	"language": cobra.FixedCompletions([]string{"en", "zh"}, cobra.ShellCompDirectiveNoFileComp),
	"encoding": cobra.FixedCompletions([]string{"utf-8", "gb18030"}, cobra.ShellCompDirectiveNoFileComp),
	"after":    cobra.FixedCompletions([]string{"beginning"}, cobra.ShellCompDirectiveNoFileComp),
	"kind":     offer(offeredKinds),
	"agency":   offer(offeredAgencies),
	"profile":  offer(offeredProfiles),
	"types":    offer(offeredTypes),
	"sample":   offer(offeredSamples),
}

// addCompletions gives every command what its flags may be, and some what
// their arguments may.
func addCompletions(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		if !command.Runnable() && command.Name() == "completion" { // a shell that it does not know is then an error
			command.RunE = func(command *cobra.Command, _ []string) error { return command.Help() }
		}
		for _, sub := range slices.Concat([]*cobra.Command{command}, command.Commands()) {
			for name, complete := range completions {
				if flag := sub.Flags().Lookup(name); flag != nil && (flag.Value.Type() == "string" || name == "types") {
					if err := sub.RegisterFlagCompletionFunc(name, complete); err != nil {
						panic(err) // each command is visited once
					}
				}
			}
			if complete, known := offeredArguments[sub.CommandPath()]; known {
				sub.ValidArgsFunction = complete
			}
		}
	}
}

// offeredArguments are by command. Ids and references are the gateway's.
var offeredArguments = map[string]cobra.CompletionFunc{
	"singlewindow trigger":         first(offeredWords),
	"singlewindow profiles use":    first(offeredProfiles),
	"singlewindow profiles remove": first(offeredProfiles),
	"singlewindow profiles add":    cobra.NoFileCompletions,
	"singlewindow kind":            first(offeredKinds),
	"singlewindow status":          cobra.NoFileCompletions,
}

// offer completes with what a list holds; one that cannot be made is empty.
func offer(list func(*cobra.Command) ([]string, error)) cobra.CompletionFunc {
	return func(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		offered, err := list(command)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return offered, cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes the first argument only.
func first(list func(*cobra.Command) ([]string, error)) cobra.CompletionFunc {
	complete := offer(list)
	return func(command *cobra.Command, arguments []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(arguments) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(command, arguments, begun)
	}
}

func offeredKinds(*cobra.Command) ([]string, error) {
	kinds, err := declare.LoadKinds()
	return slices.Sorted(maps.Keys(kinds)), err
}

// offeredFolders are the agency folders that the command so far speaks of.
func offeredFolders(command *cobra.Command) (fs.FS, error) {
	if command.Flags().Lookup("agencies") == nil {
		return adapters.Embedded(), nil
	}
	overlay, err := command.Flags().GetString("agencies")
	if err != nil {
		return nil, err
	}
	return folders(overlay)
}

func offeredAgencies(command *cobra.Command) ([]string, error) {
	folders, err := offeredFolders(command)
	if err != nil {
		return nil, err
	}
	names, err := adapters.Names(folders)
	return slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, "@") }), err
}

func offeredProfiles(*cobra.Command) ([]string, error) {
	kept, err := readProfiles()
	if err != nil {
		return nil, err
	}
	var offered []string
	for _, name := range slices.Sorted(maps.Keys(kept.Profiles)) {
		offered = append(offered, cobra.CompletionWithDesc(name, kept.Profiles[name].Server))
	}
	return offered, nil
}

func offeredTypes(command *cobra.Command) ([]string, error) {
	language, err := languageOf(command)
	if err != nil {
		return nil, err
	}
	var offered []string
	for _, known := range event.Types {
		offered = append(offered, cobra.CompletionWithDesc(known.Name, known.Means.In(language)))
	}
	return offered, nil
}

func offeredWords(command *cobra.Command) ([]string, error) {
	language, err := languageOf(command)
	if err != nil {
		return nil, err
	}
	folders, err := offeredFolders(command)
	if err != nil {
		return nil, err
	}
	words, err := readWords(folders)
	if err != nil {
		return nil, err
	}
	var offered []string
	for _, w := range words {
		offered = append(offered, cobra.CompletionWithDesc(w.Name, w.Means.In(language)))
	}
	return offered, nil
}

func offeredSamples(command *cobra.Command) ([]string, error) {
	name, err := command.Flags().GetString("kind")
	if err != nil {
		return nil, err
	}
	kinds, err := declare.LoadKinds()
	if err != nil || kinds[name] == nil {
		return nil, err
	}
	return fs.Glob(kinds[name].Samples, "*.json")
}
