package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"singlewindow/xsd"
)

// mostListed is how many violations of one file are printed. Their total is exact.
const mostListed = 100_000

// verdict is the line that is printed for a file: valid, with violations, or with an error when it was not judged.
type verdict struct {
	File       string          `json:"file"`
	Valid      bool            `json:"valid"`
	Total      int             `json:"total,omitempty"`
	Violations []violationLine `json:"violations,omitempty"`
	Error      *refusalLine    `json:"error,omitempty"`
}

type violationLine struct {
	Code  string `json:"code"`
	Path  string `json:"path"`
	Line  int    `json:"line"`
	Facet string `json:"facet,omitempty"`
	Limit string `json:"limit,omitempty"`
	Text  string `json:"text"`
}

type refusalLine struct {
	Code string `json:"code"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
}

func xsdCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "xsd --schema FILE.xsd FILE...", Short: "Validate XML files against an XML Schema", Args: cobra.MinimumNArgs(1),
		Long: `Validates each FILE ("-" is standard input) against one XML Schema and everything
it includes or imports by relative path; nothing is fetched from a network. For
messages of several namespaces, FILE.xsd may be a schema that only imports theirs.

Prints one line of JSON for each FILE, in their order:

  {"file":"a.xml","valid":true}
  {"file":"b.xml","valid":false,"total":1,"violations":[{"code":"xsd.maxLength",
   "path":"/m:Order/Lines/Line[2]/Seal","line":14,"facet":"maxLength","limit":"10",
   "text":"The value must have at most 10 characters."}]}
  {"file":"c.xml","valid":false,"error":{"code":"xml.doctype","line":1,"text":"…"}}

  total       how many violations there are; the first 100,000 are listed
  code        what is wrong, for programs
  path        where, with the prefixes of the document; a number only where
              an element has siblings of the same name; an attribute as /@name
  line        where its element begins
  facet       what was not kept, and limit what the schema asks, if it has one
  text        the same as a sentence; values of the document never appear
  error       the file was not judged: not readable, not well-formed, or
              beyond what is read at all (size, DOCTYPE, encoding, depth)

Exits with 0 when all files are valid, with 1 when any is not, with 2 when the
command or the schema is wrong; a schema's fault is told with file and line.`,
		RunE: func(command *cobra.Command, files []string) error {
			file, err := command.Flags().GetString("schema")
			if err != nil {
				return err
			}
			language, err := command.Flags().GetString("language")
			if err != nil {
				return err
			}
			switch {
			case file == "":
				return usageError{errors.New("--schema is missing")}
			case language != "en" && language != "zh":
				return usageError{errors.New("--language is en or zh")}
			}
			schema, err := xsd.Compile(file)
			if err != nil {
				return usageError{err}
			}
			defer schema.Close()
			return validateFiles(command, schema, files, language)
		},
	}
	command.Flags().String("schema", "", "the XML Schema")
	command.Flags().String("language", "en", "language of texts: en or zh")
	return command
}

func validateFiles(command *cobra.Command, schema *xsd.Schema, files []string, language string) error {
	encoder := json.NewEncoder(command.OutOrStdout())
	encoder.SetEscapeHTML(false)
	allValid := true
	for _, file := range files {
		line, err := judge(command, schema, file, language)
		if err != nil {
			return err
		}
		allValid = allValid && line.Valid
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	if !allValid {
		return errRefused
	}
	return nil
}

func judge(command *cobra.Command, schema *xsd.Schema, file, language string) (verdict, error) {
	document, err := readDocument(command, file)
	if err != nil {
		return verdict{File: file, Error: &refusalLine{Code: "file.unreadable", Text: err.Error()}}, nil //nolint:nilerr // a file's own trouble is told on its line
	}
	valid, violations, err := schema.ValidateListing(document, mostListed)
	var refused *xsd.GuardError
	switch {
	case errors.As(err, &refused):
		return verdict{File: file, Error: &refusalLine{refused.Code, refused.Line, refused.Text(language)}}, nil
	case err != nil:
		return verdict{}, fmt.Errorf("%s: %w", file, err)
	}
	line := verdict{File: file, Valid: !valid.IsZero(), Total: violations.Total()}
	for _, v := range violations {
		line.Violations = append(line.Violations, violationLine{v.Code, v.Path, v.Line, v.Facet, v.Limit, v.Text(language)})
	}
	return line, nil
}

// readDocument reads no more than shows that a document is too large.
func readDocument(command *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(command.InOrStdin(), xsd.MaxBytes+1))
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, xsd.MaxBytes+1))
	return content, errors.Join(err, file.Close())
}
