package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"singlewindow/declare/account"
)

func userCommand() *cobra.Command {
	command := &cobra.Command{Use: "user", Short: "People who sign in to the officials' pages"}
	command.AddCommand(createUserCommand(), listUsersCommand(), disableUserCommand(), userPasswordCommand())
	for _, sub := range command.Commands() {
		addSettings(sub)
	}
	return command
}

func createUserCommand() *cobra.Command {
	var user account.User
	var role string
	command := &cobra.Command{
		Use: "create NAME --role ROLE", Short: "Make a user; the password is asked for, or read as the first line of standard input", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			user.Name, user.Role, user.Port = arguments[0], account.Role(role), strings.ToUpper(user.Port)
			if err := user.Check(); err != nil {
				return usageError{err}
			}
			if user.Agency != "" {
				if err := knownAgency(command, user.Agency); err != nil {
					return err
				}
			}
			password, err := newPassword(command)
			if err != nil {
				return err
			}
			return withStore(command, func(ctx context.Context, opened *store) error {
				made, err := opened.accounts.CreateUser(ctx, user, password)
				if err == nil {
					_, err = fmt.Fprintln(command.OutOrStdout(), made.Name)
				}
				return err
			})
		},
	}
	command.Flags().StringVar(&role, "role", "", "official, of one --agency or at one --port; operator; or auditor")
	command.Flags().StringVar(&user.Agency, "agency", "", "the agency whose official this is")
	command.Flags().StringVar(&user.Port, "port", "", "the code of the port at which this is an official")
	return command
}

func listUsersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the users", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withStore(command, func(ctx context.Context, opened *store) error {
				users, err := opened.accounts.Users(ctx)
				if err != nil {
					return err
				}
				table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, user := range users {
					state := "active"
					if user.Disabled {
						state = "disabled"
					}
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", user.Name, user.Role, user.Agency+user.Port, state, user.Created.Format(time.RFC3339))
				}
				return table.Flush()
			})
		},
	}
}

func disableUserCommand() *cobra.Command {
	return &cobra.Command{
		Use: "disable NAME", Short: "Keep a user from signing in; sessions end at once", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(command, func(ctx context.Context, opened *store) error {
				return knownUser(opened.accounts.DisableUser(ctx, arguments[0]), arguments[0])
			})
		},
	}
}

func userPasswordCommand() *cobra.Command {
	return &cobra.Command{
		Use: "password NAME", Short: "Give a user another password; sessions end at once", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			password, err := newPassword(command)
			if err != nil {
				return err
			}
			return withStore(command, func(ctx context.Context, opened *store) error {
				return knownUser(opened.accounts.SetPassword(ctx, arguments[0], password), arguments[0])
			})
		},
	}
}

func knownUser(err error, name string) error {
	if errors.Is(err, account.ErrUnknown) {
		return fmt.Errorf("there is no user %s", name)
	}
	return err
}

// newPassword asks twice at a terminal, where it is not shown; elsewhere it is
// the first line of what comes in.
func newPassword(command *cobra.Command) (string, error) {
	in := command.InOrStdin()
	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return askPassword(file, command.ErrOrStderr())
	}
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// askPassword reads in raw mode: Ctrl-C is then a key like any other, and the
// terminal shows what is typed again whatever happens.
func askPassword(terminal *os.File, out io.Writer) (password string, err error) {
	before, err := term.MakeRaw(int(terminal.Fd()))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, term.Restore(int(terminal.Fd()), before)) }()
	screen := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{terminal, out}, "")
	if password, err = screen.ReadPassword("Password: "); err != nil {
		fmt.Fprint(out, "\r\n")
		return "", errors.New("no password was given")
	}
	again, err := screen.ReadPassword("The same again: ")
	if err != nil || again != password {
		return "", errors.New("the passwords are not the same")
	}
	return password, nil
}
