package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/declare"
)

// mostTasks are listed.
const mostTasks = 1000

func tasksCommand() *cobra.Command {
	list := listTasks("list", "List what waits for an officer, the oldest first")
	command := listTasks("tasks", "What officers must decide")
	command.AddCommand(list, closeTaskCommand())
	return command
}

func listTasks(use, short string) *cobra.Command {
	command := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			closed, err := command.Flags().GetBool("closed")
			if err != nil {
				return err
			}
			return withStore(command, func(ctx context.Context, opened *store) error {
				tasks, err := opened.officers().Tasks(ctx, !closed, mostTasks)
				if err != nil {
					return err
				}
				return printTasks(command.OutOrStdout(), tasks, inJSON)
			})
		},
	}
	addSettings(command)
	addOutputFlag(command)
	command.Flags().Bool("closed", false, "list those that were closed, with who closed them, how and why")
	return command
}

// officers is a gateway that knows no agency and sends nothing: what an
// officer decides needs the ledger only.
func (o *store) officers() *declare.Gateway {
	return declare.New(o.ledger, nil, nil, nil, o.ids, time.Now, declare.DefaultTiming(), newLog())
}

func printTasks(out io.Writer, tasks []declare.Task, inJSON bool) error {
	if inJSON {
		if tasks == nil {
			tasks = []declare.Task{}
		}
		return printJSON(out, tasks)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, task := range tasks {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s %s\n", task.ID, task.Kind, task.Agency, task.Why, task.OpenedAt.Format(time.RFC3339), task.Tenant, task.DeclarationID)
		if c := task.Closing; c != nil {
			fmt.Fprintf(table, "  %s by %s %s: %s\n", c.Resolution, c.By, c.At.Format(time.RFC3339), c.Note)
		}
	}
	return table.Flush()
}

func closeTaskCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "close ID --resolution delivered|resend|abandon --by NAME --note TEXT", Short: "Decide about a message or a notice, for the record", Args: cobra.ExactArgs(1),
		Long: "Records an officer's word and does what it says. Of a message: delivered, the agency has it, as it told the officer; resend, it\n" +
			"is sent again, marked as a possible duplicate with the time of the first try; abandon, it is not sent and counts as refused. Of\n" +
			"a notice: abandon. The trader sees the resolution, the name and the note. A message that moved meanwhile is left alone.",
		RunE: func(command *cobra.Command, arguments []string) error {
			closing, err := closingOf(command)
			if err != nil {
				return err
			}
			return withStore(command, func(ctx context.Context, opened *store) error {
				switch err := opened.officers().CloseTask(ctx, arguments[0], closing); {
				case errors.Is(err, declare.ErrMissing):
					return fmt.Errorf("there is no open task about %s", arguments[0])
				case errors.Is(err, declare.ErrResolution):
					return usageError{fmt.Errorf("--resolution %s, --by or --note does not fit: of a message delivered, resend or abandon, of a notice abandon; at most 100 characters of name, 1,000 of note", closing.Resolution)}
				case errors.Is(err, declare.ErrTaskMoved):
					return errors.New("the message has moved since, nothing was done: look at it again")
				case err != nil:
					return err
				}
				_, err := fmt.Fprintln(command.OutOrStdout(), arguments[0])
				return err
			})
		},
	}
	addSettings(command)
	for name, help := range map[string]string{"resolution": "delivered, resend or abandon", "by": "the officer's name", "note": "why"} {
		command.Flags().String(name, "", help)
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err) // the flag was declared one line above
		}
	}
	return command
}

func closingOf(command *cobra.Command) (declare.Closing, error) {
	var closing declare.Closing
	var resolution string
	for name, target := range map[string]*string{"resolution": &resolution, "by": &closing.By, "note": &closing.Note} {
		var err error
		if *target, err = command.Flags().GetString(name); err != nil {
			return closing, err
		}
	}
	closing.Resolution = declare.Resolution(resolution)
	return closing, nil
}
