package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/adapters"
	"singlewindow/declare"
)

func checkCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "check [DIR]", Short: "Compile and run everything an agency folder holds: schemas, mapping, rules, notices, samples",
		Long: "Checks the built-in agency folders, or those in DIR. Exits with 1 when any folder has a fault.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			overlay := ""
			if len(arguments) == 1 {
				overlay = arguments[0]
			}
			return check(command.OutOrStdout(), overlay, inJSON)
		},
	}
	addOutputFlag(command)
	return command
}

func check(out io.Writer, directory string, inJSON bool) error {
	fsys := adapters.Embedded()
	if directory != "" {
		var err error
		if fsys, err = directoryOf(directory); err != nil {
			return err
		}
	}
	names, err := adapters.Names(fsys)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return usageError{errors.New("no agency folders there")}
	}
	var reports []adapters.Report
	ok := true
	for _, name := range names {
		report := adapters.Check(fsys, name)
		ok = ok && report.OK()
		reports = append(reports, report)
	}
	if inJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(reports)
	} else {
		for _, report := range reports {
			printReport(out, report)
		}
	}
	if err == nil && !ok {
		return errRefused
	}
	return err
}

func printReport(out io.Writer, report adapters.Report) {
	for _, fault := range report.Faults {
		fmt.Fprintln(out, fault.Error())
		if fault.Excerpt != "" {
			fmt.Fprintln(out, fault.Excerpt)
		}
	}
	verdict := "ok"
	if !report.OK() {
		verdict = fmt.Sprintf("%d faults", len(report.Faults))
	}
	fmt.Fprintf(out, "%s: %s; %d rules (%d written by no sample, %d not reversible), %d samples, %d answers, %d mutations, %d templates\n",
		report.Agency, verdict, report.Rules, len(report.Uncovered), len(report.Irreversible), report.Samples, report.Answers, report.Mutations, report.Templates)
}

// oneAgency loads the agency that --agency names.
func oneAgency(command *cobra.Command) (*adapters.Agency, error) {
	name, err := command.Flags().GetString("agency")
	if err != nil {
		return nil, err
	}
	overlay, err := command.Flags().GetString("agency-folders")
	if err != nil {
		return nil, err
	}
	fsys, err := folders(overlay)
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(fsys, name); name == "" || err != nil {
		names, failure := adapters.Names(fsys)
		return nil, errors.Join(usageError{fmt.Errorf("--agency: choose one of %v", names)}, failure)
	}
	return adapters.Load(fsys, name, adapters.Deployment{})
}

func addAgencyFlags(command *cobra.Command) {
	command.Flags().String("agency", "", "the agency's name")
	command.Flags().String("agency-folders", "", "folder of agency folders that replace or extend the built-in ones")
	command.Flags().String("language", "en", "language of messages: en or zh")
}

func renderCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "render --agency A FILE", Short: "Print the XML an agency would get for a declaration; no database needed", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, files []string) error {
			agency, err := oneAgency(command)
			if err != nil {
				return err
			}
			defer agency.Close()
			body, err := readFile(command, files[0])
			if err != nil {
				return err
			}
			return render(command, agency, body)
		},
	}
	addAgencyFlags(command)
	return command
}

func render(command *cobra.Command, agency *adapters.Agency, body []byte) error {
	value, faults := declare.ParseJSON(body, declare.MostBytes)
	if len(faults) > 0 {
		return refuse(command, faults)
	}
	tree, ok := value.(map[string]any)
	if !ok {
		return errors.New("a declaration is a JSON object")
	}
	kinds, err := declare.LoadKinds()
	if err != nil {
		return err
	}
	kind, reference := text(tree, "kind"), text(tree, "reference")
	if kinds[kind] == nil {
		return errors.New("the declaration's kind is not known here")
	}
	now := time.Now()
	if faults, err = kinds[kind].Check(tree, now); err != nil {
		return err
	}
	if len(declare.Refusals(faults)) > 0 {
		return refuse(command, faults)
	}
	ids := declare.NewIDs(time.Now, rand.Reader)
	draft, faults, err := agency.Draft(declare.Subject{
		DeclarationID: ids.New("dec"), MessageID: ids.New("msg"), Reference: reference, Kind: kind, Tree: tree, AcceptedAt: now,
	})
	if err != nil {
		return err
	}
	if len(declare.Refusals(faults)) > 0 {
		return refuse(command, faults)
	}
	_, err = command.OutOrStdout().Write(draft.Body.Bytes())
	return err
}

func text(tree map[string]any, name string) string {
	value, _ := tree[name].(string) // a missing text is an empty one
	return value
}

// refuse prints faults and ends the command with exit code 1.
func refuse(command *cobra.Command, faults []declare.Fault) error {
	language, err := command.Flags().GetString("language")
	if err != nil {
		return err
	}
	for _, fault := range faults {
		at := fault.Pointer
		if fault.XMLPath != "" {
			at += " (" + fault.XMLPath + ")"
		}
		fmt.Fprintf(command.ErrOrStderr(), "  %s\n    %s [%s]\n", at, fault.Text.In(language), fault.Code)
	}
	return errRefused
}

func readCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "read --agency A FILE", Short: "Read an agency's XML back into a declaration", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, files []string) error {
			agency, err := oneAgency(command)
			if err != nil {
				return err
			}
			defer agency.Close()
			message, err := readFile(command, files[0])
			if err != nil {
				return err
			}
			tree, faults, err := agency.ReadBack(message)
			if err != nil {
				return err
			}
			if len(faults) > 0 {
				return refuse(command, faults)
			}
			encoder := json.NewEncoder(command.OutOrStdout())
			encoder.SetIndent("", "  ")
			encoder.SetEscapeHTML(false)
			return encoder.Encode(tree)
		},
	}
	addAgencyFlags(command)
	return command
}
