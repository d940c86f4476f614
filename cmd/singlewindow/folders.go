package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/adapters"
	"singlewindow/declare"
)

func checkCommand() *cobra.Command {
	var verbose, update bool
	command := &cobra.Command{
		Use: "check [DIR]", Short: "Compile and run everything an agency folder holds: schemas, mapping, rules, notices, samples",
		Long: "Checks the built-in agency folders, those in DIR, or the one that DIR is. Exits with 1 when any folder has a fault.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			reports, err := checkFolders(command, strings.Join(arguments, ""), update)
			if err != nil {
				return err
			}
			return tellReports(command.OutOrStdout(), reports, inJSON, verbose, command.Flags().Changed("schemas"))
		},
	}
	addOutputFlag(command)
	addSchemasFlag(command)
	command.Flags().BoolVarP(&verbose, "verbose", "v", false, "name the rules that no sample writes or that cannot be read back, and all else that is only counted")
	command.Flags().BoolVar(&update, "update", false, "write what the samples of DIR give now over what was expected, where that is valid")
	return command
}

// checkFolders checks the built-in folders, all of a directory, or the one
// agency folder that it is.
func checkFolders(command *cobra.Command, directory string, update bool) ([]adapters.Report, error) {
	fsys, only := adapters.Embedded(), ""
	if directory != "" {
		if _, err := os.Stat(filepath.Join(directory, "agency.yaml")); err == nil {
			whole, err := filepath.Abs(directory)
			if err != nil {
				return nil, err
			}
			directory, only = filepath.Dir(whole), filepath.Base(whole)
		}
		var err error
		if fsys, err = directoryOf(directory); err != nil {
			return nil, err
		}
	} else if update {
		return nil, usageError{errors.New("--update needs DIR: the built-in folders cannot be written")}
	}
	names := []string{only}
	if only == "" {
		var err error
		if names, err = adapters.Names(fsys); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return nil, usageError{errors.New("no agency folders there")}
	}
	schemas, err := schemasOf(command)
	if err != nil {
		return nil, err
	}
	if schemas != nil {
		fsys = adapters.Supply(fsys, schemas)
	}
	var reports []adapters.Report
	for _, name := range names {
		if update {
			reports = append(reports, adapters.Update(directory, name, schemas))
		} else {
			reports = append(reports, adapters.Check(fsys, name))
		}
	}
	return reports, nil
}

// tellReports prints reports. supplied tells that schemas were given: then a
// folder that still lacks its own is refused too.
func tellReports(out io.Writer, reports []adapters.Report, inJSON, verbose, supplied bool) error {
	faulty := slices.ContainsFunc(reports, func(report adapters.Report) bool { return len(report.Faults) > 0 || supplied && !report.Checked })
	var err error
	if inJSON {
		err = printJSON(out, reports)
	} else {
		for _, report := range reports {
			printReport(out, report, verbose)
		}
	}
	if err == nil && faulty {
		return errRefused
	}
	return err
}

func printReport(out io.Writer, report adapters.Report, verbose bool) {
	printPlaces(out, "", report.Faults)
	if !report.Checked {
		fmt.Fprintf(out, "%s: off: not checked, its schemas (%s) are not here: --schemas DIR\n", report.Agency, strings.Join(report.Missing, ", "))
		return
	}
	printPlaces(out, "", report.Unknown)
	if verbose {
		printPlaces(out, "written by no sample: ", report.Uncovered)
		printPlaces(out, "not reversible: ", report.Irreversible)
		printPlaces(out, "shown by no answer: ", report.Unshown)
		printPlaces(out, "", report.Unused)
		printPlaces(out, "", report.Unjudged)
		printPlaces(out, "", report.Unread)
	}
	verdict := "ok"
	if !report.OK() {
		verdict = counted(len(report.Faults), "fault")
	}
	if report.Rules == 0 || report.Samples == 0 {
		fmt.Fprintf(out, "%s: %s\n", report.Agency, verdict)
		return
	}
	fmt.Fprintf(out, "%s: %s; rules %d of %d written by samples, %d not reversible; samples %d of %d read back; words %d of %d shown by answers; %s, %s, %s, %s (%d unused)\n",
		report.Agency, verdict, report.Covered, report.Rules, len(report.Irreversible), report.ReadBack, report.Samples, report.Shown, report.Words,
		counted(report.Answers, "answer"), counted(report.Mutations, "mutation"), counted(report.Templates, "template"), counted(report.Lists, "code list"), len(report.Unused))
}

func counted(number int, thing string) string {
	if number == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", number, thing)
}

func printPlaces(out io.Writer, what string, places []adapters.Fault) {
	for _, at := range places {
		at.Text = what + at.Text
		fmt.Fprintln(out, at.Error())
		if at.Excerpt != "" {
			fmt.Fprintln(out, at.Excerpt)
		}
	}
}

func addSchemasFlag(command *cobra.Command) {
	command.Flags().String("schemas", "", "folder of schemas that agency folders need and do not hold themselves")
}

// schemasOf gives the folder that --schemas names, nil for none.
func schemasOf(command *cobra.Command) (fs.FS, error) {
	name, err := command.Flags().GetString("schemas")
	if err != nil || name == "" {
		return nil, err
	}
	return directoryOf(name)
}

// oneAgency loads the agency that --agency names.
func oneAgency(command *cobra.Command) (*adapters.Agency, error) {
	name, err := command.Flags().GetString("agency")
	if err != nil {
		return nil, err
	}
	overlay, err := command.Flags().GetString("agencies")
	if err != nil {
		return nil, err
	}
	fsys, err := folders(overlay)
	if err != nil {
		return nil, err
	}
	schemas, err := schemasOf(command)
	if err != nil {
		return nil, err
	}
	if schemas != nil {
		fsys = adapters.Supply(fsys, schemas)
	}
	if _, err := fs.Stat(fsys, name); name == "" || err != nil {
		names, failure := adapters.Names(fsys)
		return nil, errors.Join(usageError{fmt.Errorf("--agency: choose one of %s", strings.Join(names, ", "))}, failure)
	}
	agency, err := adapters.Load(fsys, name, adapters.Deployment{})
	if err == nil && len(agency.Missing()) > 0 {
		err = usageError{fmt.Errorf("%s is off: its schemas (%s) are not here: --schemas DIR", name, strings.Join(agency.Missing(), ", "))}
		agency.Close()
	}
	return agency, err
}

func addAgencyFlags(command *cobra.Command) {
	command.Flags().String("agency", "", "the agency's name")
	command.Flags().String("agencies", "", "folder of agency folders that replace or extend the built-in ones")
	command.Flags().SetNormalizeFunc(agenciesAlias)
	addSchemasFlag(command)
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

// render shows what the mapping makes of a declaration, sound or not: only the
// mapping, the agency's rules and the schema refuse. What the declaration's own
// kind has against it is counted on standard error.
func render(command *cobra.Command, agency *adapters.Agency, body []byte) error {
	subject, faults, err := subjectOf(command, body)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return refuse(command, faults)
	}
	draft, faults, err := agency.Draft(subject)
	if err != nil {
		return err
	}
	if len(declare.Refusals(faults)) > 0 {
		return refuse(command, faults)
	}
	_, err = command.OutOrStdout().Write(draft.Body.Bytes())
	return err
}

// subjectOf reads a declaration as if it were accepted now, and says on
// standard error how many faults its own kind finds.
func subjectOf(command *cobra.Command, body []byte) (declare.Subject, []declare.Fault, error) {
	value, faults := declare.ParseJSON(body, declare.MostBytes)
	if invisible(faults) {
		fmt.Fprintln(command.ErrOrStderr(), "singlewindow: validate would refuse invisible characters")
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			return declare.Subject{}, nil, err
		}
	} else if len(faults) > 0 {
		return declare.Subject{}, faults, nil
	}
	tree, ok := value.(map[string]any)
	if !ok {
		return declare.Subject{}, nil, errors.New("a declaration is a JSON object")
	}
	kinds, err := declare.LoadKinds()
	if err != nil {
		return declare.Subject{}, nil, err
	}
	now := time.Now()
	if kind := kinds[text(tree, "kind")]; kind != nil {
		found, err := kind.Check(tree, now)
		if err != nil {
			fmt.Fprintln(command.ErrOrStderr(), "singlewindow: the declaration itself could not be judged:", err)
		}
		if count := len(declare.Refusals(found)); count > 0 {
			fmt.Fprintf(command.ErrOrStderr(), "singlewindow: validate would tell %s of the declaration itself\n", counted(count, "fault"))
		}
	}
	ids := declare.NewIDs(time.Now, rand.Reader)
	return declare.Subject{
		DeclarationID: ids.New("dec"), MessageID: ids.New("msg"), Reference: text(tree, "reference"), Kind: text(tree, "kind"), Tree: tree, AcceptedAt: now,
	}, nil, nil
}

// invisible tells whether control and invisible characters are all that is
// wrong: the intake refuses them, but messages of agencies may hold some.
func invisible(faults []declare.Fault) bool {
	return len(faults) > 0 && !slices.ContainsFunc(faults, func(f declare.Fault) bool { return f.Code != "json.character" })
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
		Use: "read --agency A FILE", Short: "Read an agency's XML back into a declaration, or say what its notice means", Args: cobra.ExactArgs(1),
		Long: "Prints the declaration that a message to the agency holds, or, when FILE is a notice of the agency, what it says. With\n" +
			"--declaration, the faults, documents and duties of a notice are pointed at in the declaration it answers.",
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
			if len(faults) == 0 {
				return writeDeclaration(command.OutOrStdout(), tree)
			}
			return readNotice(command, agency, message, faults)
		},
	}
	addAgencyFlags(command)
	command.Flags().String("declaration", "", "the declaration that a notice answers, as JSON")
	return command
}

// readNotice tells what a notice says. What is none, and no message either, is
// refused for what a message must be.
func readNotice(command *cobra.Command, agency *adapters.Agency, body []byte, faults []declare.Fault) error {
	file, err := command.Flags().GetString("declaration")
	if err != nil {
		return err
	}
	var answered *declare.Subject
	if file != "" {
		content, err := readFile(command, file)
		if err != nil {
			return err
		}
		subject, faults, err := subjectOf(command, content)
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			return refuse(command, faults)
		}
		answered = &subject
	}
	notice, err := agency.ReadNotice(body, answered)
	var unreadable *declare.Unreadable
	switch {
	case errors.As(err, &unreadable) && unreadable.Code != "notice.root" && !strings.HasPrefix(unreadable.Code, "x"):
		return refuse(command, unreadable.Faults) // it is a notice, but not one to understand
	case errors.As(err, &unreadable):
		return refuse(command, faults)
	case err != nil:
		return err
	}
	return printJSON(command.OutOrStdout(), notice)
}

// writeDeclaration writes a declaration with its kind at the top, where people
// look for it; the rest stands in the order of the names.
func writeDeclaration(out io.Writer, tree map[string]any) error {
	rest := maps.Clone(tree)
	delete(rest, "kind")
	var text bytes.Buffer
	if err := printJSON(&text, rest); err != nil {
		return err
	}
	kind, err := json.Marshal(tree["kind"])
	if err != nil {
		return err
	}
	_, members, _ := strings.Cut(text.String(), "{")
	comma := ","
	if len(rest) == 0 {
		comma = "\n"
	}
	_, err = fmt.Fprintf(out, "{\n  \"kind\": %s%s%s", kind, comma, members)
	return err
}
