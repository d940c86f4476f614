package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/adapters"
	"singlewindow/declare/account"
)

// withStore runs work on the ledger of an installation that there is, beside a
// running gateway or alone. It makes no private database: a command given to
// the wrong folder would otherwise succeed on an empty one.
func withStore(command *cobra.Command, work func(context.Context, *store) error) error {
	s, err := readSettings(command)
	if err != nil {
		return err
	}
	if !s.installed() {
		return fmt.Errorf("%s has no database, and this command makes none: singlewindow serve does. Give it the --data, and the --database if there is one, of the gateway it is meant for%s", s.Data, s.demonstration())
	}
	return onStore(command, s, work)
}

// withStoreMade is [withStore] for the command that an installation may begin
// with: it makes the private database when there is none, and says so.
func withStoreMade(command *cobra.Command, work func(context.Context, *store) error) error {
	s, err := readSettings(command)
	if err != nil {
		return err
	}
	if !s.installed() {
		fmt.Fprintf(command.ErrOrStderr(), "singlewindow: making a new database in %s%s\n", s.Data, s.demonstration())
	}
	return onStore(command, s, work)
}

func onStore(command *cobra.Command, s settings, work func(context.Context, *store) error) error {
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
			return withStoreMade(command, func(ctx context.Context, opened *store) error {
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
	command := &cobra.Command{Use: "keys", Aliases: []string{"key"}, Short: "API keys of enterprises, in the live and in the test world"}
	command.AddCommand(createKeyCommand(), listKeysCommand(), rotateKeyCommand(), revokeKeyCommand())
	for _, sub := range command.Commands() {
		addSettings(sub)
	}
	return command
}

// keyring is what every command about keys is told.
type keyring struct {
	tenant string
	test   bool
	makes  bool // the enterprise too, when there is none
}

func (k *keyring) addFlags(command *cobra.Command) {
	command.Flags().StringVar(&k.tenant, "tenant", "", "the enterprise's id")
	command.Flags().BoolVar(&k.test, "test", false, "in the test world: keys sw_test_…")
}

// with runs work on the accounts of the world that is meant.
func (k *keyring) with(command *cobra.Command, work func(context.Context, *account.Accounts) error) error {
	if k.tenant == "" {
		return usageError{errors.New("--tenant is needed")}
	}
	return withStore(command, func(ctx context.Context, opened *store) error {
		s, err := readSettings(command)
		if err != nil {
			return err
		}
		if !k.test {
			return k.on(ctx, opened.accounts, s, work)
		}
		apart, err := opened.testStore(ctx, s, newLog())
		if err != nil {
			return err
		}
		return errors.Join(k.on(ctx, apart.accounts, s, work), apart.close())
	})
}

// on runs work once there is the enterprise.
func (k *keyring) on(ctx context.Context, accounts *account.Accounts, s settings, work func(context.Context, *account.Accounts) error) error {
	var err error
	if k.makes {
		err = accounts.CreateTenant(ctx, k.tenant, k.tenant)
	} else {
		err = accounts.Known(ctx, k.tenant)
	}
	switch {
	case errors.Is(err, account.ErrUnknown) && k.test:
		return fmt.Errorf("there is no enterprise %s in the test world of %s; to make it with a key: singlewindow keys create --test --tenant %s", k.tenant, s.whichDatabase(), k.tenant)
	case errors.Is(err, account.ErrUnknown):
		return fmt.Errorf("there is no enterprise %s in %s; to make it: singlewindow tenant create %s NAME", k.tenant, s.whichDatabase(), k.tenant)
	case err != nil && !errors.Is(err, account.ErrTenantExists):
		return err
	}
	return work(ctx, accounts)
}

func createKeyCommand() *cobra.Command {
	var k keyring
	var name, expires string
	var scopes []string
	command := &cobra.Command{
		Use: "create [TENANT [NAME]]", Short: "Make an API key and print it, once; --test makes the enterprise in the test world as well", Args: cobra.MaximumNArgs(2),
		Example: "  singlewindow keys create --tenant acme --name ERP --scope declarations:read --expires 2027-01-01\n" +
			"  singlewindow keys create --test --tenant acme",
		RunE: func(command *cobra.Command, arguments []string) error {
			for i, target := range []*string{&k.tenant, &name}[:len(arguments)] {
				*target = arguments[i]
			}
			order := account.KeyOrder{Name: name, Scopes: scopes}
			if _, known := account.ParseScopes(scopes); !known {
				return usageError{fmt.Errorf("--scope is one of %s", strings.Join(account.AllScopes.Names(), ", "))}
			}
			var err error
			if order.Expires, err = parseEnd(expires); err != nil {
				return usageError{err}
			}
			k.makes = k.test
			return k.with(command, func(ctx context.Context, accounts *account.Accounts) error {
				return printKey(command)(accounts.MakeKey(ctx, k.tenant, order))
			})
		},
	}
	k.addFlags(command)
	command.Flags().StringVar(&name, "name", "key", "what it is for; at most two of one name are live")
	command.Flags().StringSliceVar(&scopes, "scope", nil, "what it may do; may be repeated (default: everything)")
	command.Flags().StringVar(&expires, "expires", "", "when it ends, 2027-01-31 or 2027-01-31T12:00:00Z (default: never)")
	return command
}

func parseEnd(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, errors.New("--expires is a date, 2027-01-31, or a time, 2027-01-31T12:00:00Z")
}

func printKey(command *cobra.Command) func(account.Key, error) error {
	return func(key account.Key, err error) error {
		if err == nil {
			_, err = fmt.Fprintln(command.OutOrStdout(), key.Secret)
		}
		return err
	}
}

func listKeysCommand() *cobra.Command {
	var k keyring
	command := &cobra.Command{
		Use: "list", Short: "List an enterprise's keys, without their secrets", Args: cobra.NoArgs,
		Example: "  singlewindow keys list --tenant acme",
		RunE: func(command *cobra.Command, _ []string) error {
			return k.with(command, func(ctx context.Context, accounts *account.Accounts) error {
				keys, err := accounts.Keys(ctx, k.tenant)
				if err != nil {
					return err
				}
				table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, key := range keys {
					fmt.Fprintf(table, "%s\t%s\t%s\tcreated %s\texpires %s\tused %s\t%s\n", key.ID, key.Name, keyState(accounts, key),
						momentText(key.CreatedAt), momentText(key.ExpiresAt), momentText(key.LastUsedAt), strings.Join(key.Scopes.Names(), " "))
				}
				return table.Flush()
			})
		},
	}
	k.addFlags(command)
	return command
}

func keyState(accounts *account.Accounts, key account.Key) string {
	switch {
	case !key.RevokedAt.IsZero():
		return "revoked"
	case !accounts.Live(key):
		return "expired"
	}
	return "live"
}

func momentText(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.Format(time.RFC3339)
}

func rotateKeyCommand() *cobra.Command {
	var k keyring
	var grace time.Duration
	command := &cobra.Command{
		Use: "rotate KEY-ID", Short: "Make a key that follows another and print it, once", Args: cobra.ExactArgs(1),
		Example: "  singlewindow keys rotate key_01KDTP3X8Q0000000000000001 --tenant acme --grace 24h",
		RunE: func(command *cobra.Command, arguments []string) error {
			if grace < 0 || grace > account.LongestGrace {
				return usageError{fmt.Errorf("--grace is at most %v", account.LongestGrace)}
			}
			return k.with(command, func(ctx context.Context, accounts *account.Accounts) error {
				return printKey(command)(accounts.RotateKey(ctx, k.tenant, arguments[0], grace, "", func(account.Key) error { return nil }))
			})
		},
	}
	k.addFlags(command)
	command.Flags().DurationVar(&grace, "grace", 24*time.Hour, "how long the old one is good yet")
	return command
}

func revokeKeyCommand() *cobra.Command {
	var k keyring
	command := &cobra.Command{
		Use: "revoke KEY-ID", Short: "End a key, for good; gateways refuse it at the latest five seconds later", Args: cobra.ExactArgs(1),
		Example: "  singlewindow keys revoke key_01KDTP3X8Q0000000000000001 --tenant acme",
		RunE: func(command *cobra.Command, arguments []string) error {
			return k.with(command, func(ctx context.Context, accounts *account.Accounts) error {
				return accounts.RevokeKey(ctx, k.tenant, arguments[0])
			})
		},
	}
	k.addFlags(command)
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
		err = usageError{fmt.Errorf("there is no agency %s; known: %s", name, strings.Join(names, ", "))}
	}
	return err
}
