package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"singlewindow/adapters"
)

// withStore runs work on the ledger, beside a running gateway or alone.
func withStore(command *cobra.Command, work func(context.Context, *store) error) error {
	s, err := readSettings(command)
	if err != nil {
		return err
	}
	ctx, stop := untilStopped(command) // a private PostgreSQL is stopped in order
	defer stop()
	opened, err := openStore(ctx, s, true, newLog())
	if err != nil {
		return err
	}
	return errors.Join(work(ctx, opened), opened.close())
}

func tenantCommand() *cobra.Command {
	command := &cobra.Command{Use: "tenant", Short: "Enterprises that file here"}
	create := &cobra.Command{
		Use: "create ID NAME", Short: "Register an enterprise; its id is lower-case letters, digits and hyphens", Args: cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(command, func(ctx context.Context, opened *store) error {
				if err := opened.accounts.CreateTenant(ctx, arguments[0], arguments[1]); err != nil {
					return err
				}
				_, err := fmt.Fprintln(command.OutOrStdout(), arguments[0])
				return err
			})
		},
	}
	addSettings(create)
	command.AddCommand(create)
	return command
}

func keyCommand() *cobra.Command {
	command := &cobra.Command{Use: "key", Short: "API keys of enterprises"}
	create := &cobra.Command{
		Use: "create TENANT NAME", Short: "Make an API key and print it, once", Args: cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(command, func(ctx context.Context, opened *store) error {
				key, err := opened.accounts.CreateKey(ctx, arguments[0], arguments[1])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(command.OutOrStdout(), key.Secret)
				return err
			})
		},
	}
	addSettings(create)
	command.AddCommand(create)
	return command
}

func credentialCommand() *cobra.Command {
	command := &cobra.Command{Use: "credential", Short: "Credentials that agencies show when they send notices"}
	create := &cobra.Command{
		Use: "create AGENCY", Short: "Make a credential and print it, once", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := knownAgency(command, arguments[0]); err != nil {
				return err
			}
			return withStore(command, func(ctx context.Context, opened *store) error {
				secret, err := opened.accounts.CreateAgencyCredential(ctx, arguments[0])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(command.OutOrStdout(), secret)
				return err
			})
		},
	}
	addSettings(create)
	command.AddCommand(create)
	return command
}

// knownAgency refuses a name that no agency folder has.
func knownAgency(command *cobra.Command, name string) error {
	s, err := readSettings(command)
	if err != nil {
		return err
	}
	fsys, err := folders(s.AgencyFolders)
	if err != nil {
		return err
	}
	names, err := adapters.Names(fsys)
	if err == nil && !slices.Contains(names, name) {
		err = usageError{fmt.Errorf("there is no agency %s; known: %v", name, names)}
	}
	return err
}
