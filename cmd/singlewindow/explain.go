package main

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"singlewindow/adapters"
)

func explainCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "explain --agency A FILE", Short: "Show, line by line, which field and rule made each node of an agency's XML", Args: cobra.ExactArgs(1),
		Long: "Shows the message that an agency would get for a declaration with what made each node: the field, or const, default,\n" +
			"or the gateway's own value, and the rule of the mapping. Faults stand below the line they are at. Exits with 1 when the\n" +
			"message could not be sent.",
		RunE: func(command *cobra.Command, files []string) error {
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			agency, err := oneAgency(command)
			if err != nil {
				return err
			}
			defer agency.Close()
			body, err := readFile(command, files[0])
			if err != nil {
				return err
			}
			return explainMessage(command, agency, body, inJSON)
		},
	}
	addAgencyFlags(command)
	addOutputFlag(command)
	return command
}

func explainMessage(command *cobra.Command, agency *adapters.Agency, body []byte, inJSON bool) error {
	subject, faults, err := subjectOf(command, body)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return refuse(command, faults)
	}
	lines, others, err := agency.Explain(subject)
	if err != nil {
		return err
	}
	if inJSON {
		err = explainJSON(command.OutOrStdout(), lines, others)
	} else {
		err = explainTable(command, lines, others)
	}
	if err == nil && refused(lines, others) {
		return errRefused
	}
	return err
}

// refused tells whether anything but advice was said.
func refused(lines []adapters.ExplainedLine, others []adapters.Explanation) bool {
	for _, line := range lines {
		others = append(others, line.Problems...)
	}
	for _, problem := range others {
		if !problem.Advice {
			return true
		}
	}
	return false
}

func explainJSON(out io.Writer, lines []adapters.ExplainedLine, others []adapters.Explanation) error {
	if others == nil {
		others = []adapters.Explanation{}
	}
	return printJSON(out, struct {
		Lines    []adapters.ExplainedLine `json:"lines"`
		Problems []adapters.Explanation   `json:"problems"`
	}{lines, others})
}

// A terminal of 120 columns: the line's number, its XML, and where it is from.
const (
	xmlColumns  = 52
	fromColumns = 62
)

func explainTable(command *cobra.Command, lines []adapters.ExplainedLine, others []adapters.Explanation) error {
	language, err := command.Flags().GetString("language")
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "%4d %s", line.Line, fitted(line.XML, xmlColumns))
		for i, node := range line.Nodes {
			if i > 0 {
				text.WriteString("\n     " + strings.Repeat(" ", xmlColumns))
			}
			text.WriteString(" " + nodeText(node))
		}
		text.WriteString("\n")
		writeProblems(&text, line.Problems, language)
	}
	writeProblems(&text, others, language)
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(command.OutOrStdout(), strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// nodeText is short enough for a terminal: the rule's file without its folder,
// and of a long pointer the end.
func nodeText(node adapters.ExplainedNode) string {
	from := node.From
	if node.Pointer != "" {
		from = node.Pointer
	}
	if at := strings.LastIndex(node.Path, "@"); at >= 0 {
		from = node.Path[at:] + " " + from
	}
	rule := path.Base(node.Rule)
	if runes, most := []rune(from), fromColumns-len(rule)-1; len(runes) > most {
		from = "…" + string(runes[len(runes)-most+1:])
	}
	return from + " " + rule
}

func writeProblems(text *strings.Builder, problems []adapters.Explanation, language string) {
	for _, problem := range problems {
		mark := "!"
		if problem.Advice {
			mark = "?"
		}
		at := problem.Pointer
		if problem.Path != "" {
			at += " (" + problem.Path + ")"
		}
		fmt.Fprintf(text, "   %s %s [%s]\n     %s\n", mark, problem.Text.In(language), problem.Code, at)
	}
}

// fitted cuts or fills a text to so many columns; characters of East Asian
// scripts take two.
func fitted(text string, columns int) string {
	used := 0
	for at, char := range text {
		width := 1
		if char >= 0x1100 && (char <= 0x115f || char >= 0x2e80 && char <= 0xa4cf || char >= 0xac00 && char <= 0xd7a3 || char >= 0xf900 && char <= 0xfaff || char >= 0xfe30 && char <= 0xfe6f || char >= 0xff00 && char <= 0xff60 || char >= 0x20000) {
			width = 2
		}
		if used+width > columns-1 && len(text[at:]) > len(string(char)) {
			return text[:at] + "…" + strings.Repeat(" ", columns-used-1)
		}
		used += width
	}
	return text + strings.Repeat(" ", max(columns-used, 0))
}
