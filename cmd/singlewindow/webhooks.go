package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/api"
	"singlewindow/declare/webhook"
)

// openWebhooks opens what sends enterprises their events.
func (g *gateway) openWebhooks(ctx context.Context, s settings, log *slog.Logger) error {
	secret, err := secretOf(s.Data)
	if err != nil {
		return err
	}
	allow, err := webhook.ParseAllowed(s.WebhookAllow)
	if err != nil {
		return usageError{fmt.Errorf("--webhook-allow: %w", err)}
	}
	g.webhooks, err = webhook.Open(ctx, webhook.Options{
		Ledger: g.ledger, Events: g.events, Secret: secret, Body: api.WebhookBody, Allow: allow, IDs: g.ids, Now: time.Now, Random: rand.Reader,
		Timing: webhook.DefaultTiming(), Log: log,
	})
	return err
}

func webhooksCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "webhooks", Short: "Have events sent to addresses of yours, and see how that goes", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		listWebhooksCommand(), createWebhookCommand(), rotateWebhookCommand(), deliveriesCommand(), resendCommand(),
		oneWebhookCommand("enable ID", "Go on sending, with everything that waits", http.MethodPatch, "", `{"state":"on"}`, http.StatusOK),
		oneWebhookCommand("disable ID", "Stop sending; events wait", http.MethodPatch, "", `{"state":"paused"}`, http.StatusOK),
		oneWebhookCommand("delete ID", "Delete a webhook", http.MethodDelete, "", "", http.StatusNoContent),
		oneWebhookCommand("test ID", "Send a test event", http.MethodPost, "/test", "", http.StatusAccepted),
	)
	return command
}

// askAbout is one request about webhooks, whose answer is given as it came.
// Each creating one has a key of its own: who runs a command twice means it.
func (c *client) askAbout(command *cobra.Command, method, path, body string, want int) (json.RawMessage, error) {
	header := map[string]string{"Content-Type": "application/json"}
	if method == http.MethodPost {
		header["Idempotency-Key"] = rand.Text()
	}
	status, content, err := c.call(command.Context(), method, "/v1/webhooks"+path, []byte(body), header)
	if err == nil && status == want && len(content) == 0 {
		return nil, nil
	}
	answer, p, err := decide[json.RawMessage](status, want, content, err)
	if err == nil && p != nil {
		printProblem(command.ErrOrStderr(), "", p)
		err = errRefused
	}
	return answer, err
}

// speak runs work with a client, and prints its answer as JSON or by show.
func speak[T any](work func(*cobra.Command, *client, []string) (json.RawMessage, error), show func(io.Writer, T) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, arguments []string) error {
		c, err := newClient(command)
		if err != nil {
			return err
		}
		inJSON, err := asJSON(command)
		if err != nil {
			return err
		}
		answer, err := work(command, c, arguments)
		if err != nil || answer == nil {
			return err
		}
		if inJSON {
			return printJSON(command.OutOrStdout(), answer)
		}
		var value T
		if err := json.Unmarshal(answer, &value); err != nil {
			return err
		}
		return show(command.OutOrStdout(), value)
	}
}

func listWebhooksCommand() *cobra.Command {
	type list struct{ Webhooks []api.WebhookView }
	command := &cobra.Command{
		Use: "list", Short: "Show the webhooks", Args: cobra.NoArgs,
		Example: "  singlewindow webhooks list",
		RunE: speak(func(command *cobra.Command, c *client, _ []string) (json.RawMessage, error) {
			return c.askAbout(command, http.MethodGet, "", "", http.StatusOK)
		}, func(out io.Writer, found list) error { return printWebhooks(out, found.Webhooks...) }),
	}
	addClientFlags(command)
	return command
}

func createWebhookCommand() *cobra.Command {
	wanted := api.WebhookWanted{}
	command := &cobra.Command{
		Use: "create URL", Short: "Have events sent to an address; the secret is shown once", Args: cobra.ExactArgs(1),
		Example: "  singlewindow webhooks create https://hooks.example.com/singlewindow --type declaration.status",
		RunE: speak(func(command *cobra.Command, c *client, arguments []string) (json.RawMessage, error) {
			wanted.URL = arguments[0]
			body, err := json.Marshal(wanted)
			if err != nil {
				return nil, err
			}
			return c.askAbout(command, http.MethodPost, "", string(body), http.StatusCreated)
		}, printMade),
	}
	addClientFlags(command)
	command.Flags().StringVar(&wanted.Description, "description", "", "for yourself")
	command.Flags().StringSliceVar(&wanted.EventTypes, "type", nil, "only events of this type; may be repeated")
	return command
}

func rotateWebhookCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "rotate ID", Short: "Give a webhook a new secret, shown once; the older one signs for 24 hours more", Args: cobra.ExactArgs(1),
		Example: "  singlewindow webhooks rotate whk_01KDTP3X8Q0000000000000001",
		RunE: speak(func(command *cobra.Command, c *client, arguments []string) (json.RawMessage, error) {
			return c.askAbout(command, http.MethodPost, "/"+url.PathEscape(arguments[0])+"/secrets", "", http.StatusCreated)
		}, printMade),
	}
	addClientFlags(command)
	return command
}

// oneWebhookCommand is a command that does one thing to one webhook.
func oneWebhookCommand(use, short, method, tail, body string, want int) *cobra.Command {
	command := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		Example: "  singlewindow webhooks " + strings.Replace(use, "ID", "whk_01KDTP3X8Q0000000000000001", 1),
		RunE: speak(func(command *cobra.Command, c *client, arguments []string) (json.RawMessage, error) {
			return c.askAbout(command, method, "/"+url.PathEscape(arguments[0])+tail, body, want)
		}, func(out io.Writer, answer map[string]any) error {
			_, err := fmt.Fprintln(out, answer["state"])
			return err
		}),
	}
	addClientFlags(command)
	return command
}

func deliveriesCommand() *cobra.Command {
	type list struct{ Deliveries []api.DeliveryView }
	var state, after string
	var limit int
	command := &cobra.Command{
		Use: "deliveries ID", Short: "Show what was sent to a webhook, the latest event first", Args: cobra.ExactArgs(1),
		Example: "  singlewindow webhooks deliveries whk_01KDTP3X8Q0000000000000001 --state parked",
		RunE: speak(func(command *cobra.Command, c *client, arguments []string) (json.RawMessage, error) {
			query := url.Values{"limit": {fmt.Sprint(limit)}}
			for name, value := range map[string]string{"state": state, "after": after} {
				if value != "" {
					query.Set(name, value)
				}
			}
			return c.askAbout(command, http.MethodGet, "/"+url.PathEscape(arguments[0])+"/deliveries?"+query.Encode(), "", http.StatusOK)
		}, func(out io.Writer, found list) error { return printDeliveries(out, found.Deliveries...) }),
	}
	addClientFlags(command)
	command.Flags().StringVar(&state, "state", "", "only those: waiting, pending, sending, delivered or parked")
	command.Flags().StringVar(&after, "after", "", "the event of the last one of the page before")
	command.Flags().IntVar(&limit, "limit", 50, "at most so many, up to 200")
	return command
}

func resendCommand() *cobra.Command {
	var from, to string
	command := &cobra.Command{
		Use: "resend ID [EVENT]", Short: "Send one event again, or all of a time (--from, --to)", Args: cobra.RangeArgs(1, 2),
		Example: "  singlewindow webhooks resend whk_01KDTP3X8Q0000000000000001 evt_01KDTP3X8Q0000000000000005\n" +
			"  singlewindow webhooks resend whk_01KDTP3X8Q0000000000000001 --from 2026-03-02T02:03:04Z",
		RunE: speak(func(command *cobra.Command, c *client, arguments []string) (json.RawMessage, error) {
			at := "/" + url.PathEscape(arguments[0])
			if len(arguments) == 2 {
				return c.askAbout(command, http.MethodPost, at+"/deliveries/"+url.PathEscape(arguments[1])+"/resend", "", http.StatusAccepted)
			}
			if from == "" {
				return nil, usageError{fmt.Errorf("name an event, or --from")}
			}
			wanted := map[string]string{"from": from}
			if to != "" {
				wanted["to"] = to
			}
			body, err := json.Marshal(wanted)
			if err != nil {
				return nil, err
			}
			return c.askAbout(command, http.MethodPost, at+"/resend", string(body), http.StatusAccepted)
		}, printResent),
	}
	addClientFlags(command)
	command.Flags().StringVar(&from, "from", "", "events at this moment or later, as in 2026-03-02T02:03:04Z")
	command.Flags().StringVar(&to, "to", "", "events before this moment")
	return command
}

// resent is the answer to either way of sending again.
type resent struct {
	State  string
	Resent int
	Next   *time.Time
}

func printResent(out io.Writer, answer resent) error {
	var err error
	switch {
	case answer.State != "":
		_, err = fmt.Fprintln(out, answer.State)
	case answer.Next != nil:
		_, err = fmt.Fprintf(out, "%d; go on with --from %s\n", answer.Resent, answer.Next.Format(time.RFC3339Nano))
	default:
		_, err = fmt.Fprintln(out, answer.Resent)
	}
	return err
}

func printMade(out io.Writer, made api.MadeWebhook) error {
	_, err := fmt.Fprintf(out, "%s\n%s\n", made.ID, made.Secret)
	return err
}

func printWebhooks(out io.Writer, webhooks ...api.WebhookView) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range webhooks {
		types := strings.Join(one.EventTypes, ",")
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.ID, one.State, one.URL, dash(types), dash(one.Description))
	}
	return table.Flush()
}

func printDeliveries(out io.Writer, deliveries ...api.DeliveryView) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range deliveries {
		next := "-"
		if one.NextAt != nil {
			next = one.NextAt.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%d\t%s\t%d ms\t%s\n",
			one.EventID, dash(one.DeclarationID), one.Number, one.Type, one.State, counted(one.Attempts, "attempt"), one.Status, dash(one.Reason), one.DurationMS, next)
	}
	return table.Flush()
}
