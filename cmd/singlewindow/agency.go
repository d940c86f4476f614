package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/adapters"
	"singlewindow/declare"
	"singlewindow/mapping"
)

func agencyCommand() *cobra.Command {
	command := &cobra.Command{Use: "agency", Short: "Agency folders"}
	command.AddCommand(agencyNewCommand(), agencyReferenceCommand())
	return command
}

func agencyReferenceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reference", Short: "Print the reference of all files in an agency folder", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(command.OutOrStdout(), adapters.Reference(), "\n", mapping.Reference())
			return err
		},
	}
}

func kindCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "kind [KIND]", Short: "List the kinds of declaration, or the fields of one", Args: cobra.MaximumNArgs(1),
		Long: "Lists the fields of KIND: pointer, form, code list, WCO identifier, title. --schema prints its JSON Schema instead.",
		RunE: func(command *cobra.Command, arguments []string) error {
			kinds, err := declare.LoadKinds()
			if err != nil {
				return err
			}
			asSchema, err := command.Flags().GetBool("schema")
			if err != nil {
				return err
			}
			names := strings.Join(slices.Sorted(maps.Keys(kinds)), "\n")
			if len(arguments) == 0 {
				_, err := fmt.Fprintln(command.OutOrStdout(), names)
				return err
			}
			kind := kinds[arguments[0]]
			switch {
			case kind == nil:
				return usageError{fmt.Errorf("choose one of %s", names)}
			case asSchema:
				_, err := command.OutOrStdout().Write(kind.Schema())
				return err
			}
			return printFields(command, kind)
		},
	}
	command.Flags().Bool("schema", false, "print the JSON Schema")
	return command
}

func printFields(command *cobra.Command, kind *declare.Kind) error {
	table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, field := range kind.Fields() {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s %s\n", field.Pointer, field.Form, field.Codes, field.WCO, field.Title.English, field.Title.Chinese)
	}
	return table.Flush()
}

func agencyNewCommand() *cobra.Command {
	var s adapters.Skeleton
	var kind, into string
	command := &cobra.Command{
		Use: "new NAME --schema DIR --root ELEMENT --kind KIND", Short: "Write a first agency folder from its XML schema",
		Long: "Writes the folder NAME with all a message of the schema must have. What only its author can know is marked;\n" +
			"singlewindow check names each line that is still to be filled in.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			kinds, err := declare.LoadKinds()
			if err != nil {
				return err
			}
			if s.Kind = kinds[kind]; s.Kind == nil {
				return usageError{fmt.Errorf("--kind: choose one of %s", strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))}
			}
			if s.Schema == "" || s.Root == "" {
				return usageError{errors.New("--schema and --root are needed")}
			}
			s.Name, s.Today = arguments[0], time.Now()
			if err := adapters.NewFolder(into, s); err != nil {
				return usageError{err}
			}
			return tellNewFolder(command, filepath.Join(into, s.Name))
		},
	}
	flags := command.Flags()
	flags.StringVar(&s.Schema, "schema", "", "the agency's XSD file, or a folder of them")
	flags.StringVar(&s.Root, "root", "", "the element that a message to the agency begins with")
	flags.StringVar(&s.NoticeRoot, "notice-root", "", "the element that its answers begin with (default: a plain answer, made for the folder)")
	flags.StringVar(&kind, "kind", "", "the kind of declaration it is to get")
	addSchemasFlag(command)
	flags.StringVar(&into, "into", "agencies", "folder to write the agency's folder in")
	return command
}

func tellNewFolder(command *cobra.Command, folder string) error {
	reports, err := checkFolders(command, folder, false)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "%s is written, with %s to look at. Next: singlewindow check %s\n",
		folder, counted(len(reports[0].Faults), "line"), folder)
	return err
}
