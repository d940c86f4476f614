package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// errInconsistent ends a command that found, and printed, what must never be.
var errInconsistent = errors.New("inconsistent")

func doctorCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "doctor", Short: "Tell what is stuck and whose move it is", Args: cobra.NoArgs,
		Long: "Looks into the ledger, beside running gateways or without one, and tells what is stuck, whose move it is and how to mend it.\n" +
			"It brings the tables up to date, as every command that opens the ledger does, and changes nothing else. Give it the\n" +
			"configuration of the gateways. A sample of the declarations is held against their messages and notices, with --deep every\n" +
			"one. Exits with 0 when nothing is stuck, 1 when something needs a person or it could not look, 3 when the ledger holds what\n" +
			"must never be.",
		RunE: func(command *cobra.Command, _ []string) error {
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			deep, err := command.Flags().GetBool("deep")
			if err != nil {
				return err
			}
			depth := declare.Sample
			if deep {
				depth = declare.Everything
			}
			return withStore(command, func(ctx context.Context, opened *store) error { return examine(ctx, command, opened, depth, inJSON) })
		},
	}
	addSettings(command)
	addOutputFlag(command)
	command.Flags().String("language", "en", "language of messages: en or zh")
	command.Flags().Bool("deep", false, "hold every declaration against its messages and notices, not a sample")
	return command
}

func examine(ctx context.Context, command *cobra.Command, opened *store, depth declare.Depth, inJSON bool) error {
	language, err := command.Flags().GetString("language")
	if err != nil {
		return err
	}
	g := &gateway{store: opened}
	agencies, refused, err := g.loadFolders(command)
	for _, agency := range agencies {
		defer agency.(*adapters.Agency).Close()
	}
	if err != nil {
		return err
	}
	g.gateway = declare.New(g.ledger, nil, agencies, g.reopen, g.ids, time.Now, declare.DefaultTiming(), newLog())
	report, err := g.gateway.Examine(ctx, depth, declare.DefaultPatience(), refused)
	if err != nil {
		return err
	}
	if inJSON {
		err = printJSON(command.OutOrStdout(), report)
	} else {
		err = printFindings(command.OutOrStdout(), report, language)
	}
	switch {
	case err != nil:
		return err
	case report.Gravity() == declare.GravityInconsistent:
		return errInconsistent
	case report.Gravity() == declare.GravityStuck:
		return errRefused
	}
	return nil
}

// loadFolders loads every agency folder that can be, and tells which cannot:
// what keeps a gateway from starting is a finding here.
func (g *gateway) loadFolders(command *cobra.Command) (agencies []declare.Agency, refused map[string]declare.RefusedFolder, err error) {
	s, err := readSettings(command)
	if err != nil {
		return nil, nil, err
	}
	deployments, err := s.deployments()
	if err != nil {
		return nil, nil, err
	}
	fsys, err := folders(s.AgencyFolders)
	if err != nil {
		return nil, nil, err
	}
	if g.schemas, err = s.schemas(); err != nil {
		return nil, nil, err
	}
	if g.schemas != nil {
		fsys = adapters.Supply(fsys, g.schemas)
	}
	names, err := adapters.Names(fsys)
	if err != nil {
		return nil, nil, err
	}
	refused = map[string]declare.RefusedFolder{}
	for _, name := range names {
		of, _, _ := strings.Cut(name, "@")
		agency, err := adapters.Load(fsys, name, deployments[of])
		if err != nil {
			refused[of] = declare.RefusedFolder{At: time.Now(), Faults: []declare.FileError{{File: name, Text: err.Error()}}}
			continue
		}
		agencies = append(agencies, agency)
	}
	return agencies, refused, nil
}

// The few words around findings, English and Chinese.
var reportWords = map[string]declare.Text{
	"waiting":      {English: "Waiting", Chinese: "等待"},
	"stuck":        {English: "Stuck", Chinese: "受阻"},
	"inconsistent": {English: "Inconsistent", Chinese: "不一致"},
	"trader":       {English: "the trader must act", Chinese: "需企业处理"},
	"agency":       {English: "the agency must act", Chinese: "需机构处理"},
	"operator":     {English: "the operator must act", Chinese: "需操作员处理"},
	"since":        {English: "since", Chinese: "自"},
	"more":         {English: "…", Chinese: "……"},
	"nothing":      {English: "Nothing is stuck.", Chinese: "没有受阻事项。"},
	"sample":       {English: "%d declarations of a sample were recomputed.\n", Chinese: "抽样复核申报 %d 份。\n"},
	"all":          {English: "All %d declarations were recomputed.\n", Chinese: "全部 %d 份申报已复核。\n"},
}

// printFindings says of each finding, the gravest first: who must act, what it
// is, since when, which ones, and how to mend it.
func printFindings(out io.Writer, report declare.Report, language string) error {
	var text strings.Builder
	say := func(word string) string { return reportWords[word].In(language) }
	for _, f := range report.Findings {
		fmt.Fprintf(&text, "%s: %s, %s %s [%s]\n  %s\n", say(f.Gravity), say(f.Who), say("since"), f.Since.Format(time.RFC3339), f.Code, f.What.In(language))
		for _, concern := range f.Of {
			text.WriteString("  - " + strings.Join(strings.Fields(concern.Tenant+" "+concern.DeclarationID+" "+concern.ID), " ") + "\n")
		}
		if len(f.Of) > 0 && f.Count > len(f.Of) {
			text.WriteString("  - " + say("more") + "\n")
		}
		fmt.Fprintf(&text, "  → %s\n", f.Mend.In(language))
	}
	if len(report.Findings) == 0 {
		text.WriteString(say("nothing") + "\n")
	}
	scope := "sample"
	if report.All {
		scope = "all"
	}
	fmt.Fprintf(&text, say(scope), report.Looked)
	_, err := io.WriteString(out, text.String())
	return err
}
