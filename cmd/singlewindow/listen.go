package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"singlewindow/declare/event"
)

const (
	// forwardTime is how long the developer's program may take to answer.
	forwardTime = 15 * time.Second
	// mostAnswer is how much of an answer is read, so that the connection can
	// be used again; what stands in it does not count.
	mostAnswer = 64 << 10

	secretPrefix = "whsec_"
)

// Bounds that Standard Webhooks sets to a secret, in bytes.
const leastSecret, mostSecret, freshSecret = 24, 64, 32

func listenCommand() *cobra.Command {
	var o listenOptions
	command := &cobra.Command{
		Use: "listen --forward-to URL", Short: "Send events to a program of yours as webhooks would come", Args: cobra.NoArgs,
		Long: "Follows your events and posts each to URL, which may be on your own machine, as a webhook by Standard Webhooks 1.0:\n" +
			"{\"type\", \"timestamp\", \"data\"}, data being the event as GET /v1/events has it, signed with a secret that is made and printed at\n" +
			"the start. Prints a line for each with the answer's status. An answer that is none, or no good one, stops nothing and is\n" +
			"not tried again. Over restarts of the gateway no event is missed. It ends with Ctrl-C.",
		Example: "  singlewindow listen --forward-to http://localhost:3000/hooks --types filing.decision,declaration.status",
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := newClient(command)
			if err != nil {
				return err
			}
			f, secret, err := o.forwarder()
			if err != nil {
				return usageError{err}
			}
			ctx, stop := untilStopped(command)
			defer stop()
			if f.out = command.OutOrStdout(); secret != "" {
				fmt.Fprintf(command.ErrOrStderr(), "singlewindow: signing with %s\n", secret)
			}
			show := func(e heard) error { return f.forward(ctx, e) }
			s := &stream{client: c, path: "/v1/events", after: o.after, messages: command.ErrOrStderr(), show: show}
			return s.follow(ctx)
		},
	}
	addGatewayFlags(command)
	flags := command.Flags()
	flags.StringVar(&o.to, "forward-to", "", "address of your program")
	flags.StringSliceVar(&o.types, "types", nil, "only events of these types, with commas between; filing.* is all that begin so (default: all)")
	flags.StringVar(&o.secret, "secret", "", "sign with this whsec_… (SINGLEWINDOW_WEBHOOK_SECRET) instead of a new one")
	flags.StringVar(&o.after, "after", "", "begin behind this cursor of an event; beginning: with everything there is")
	flags.BoolVar(&o.inJSON, "print-json", false, "a line of JSON for each, with the body that was sent")
	return command
}

type listenOptions struct {
	to, secret, after string
	types             []string
	inJSON            bool
}

// forwarder is ready to sign and send; the secret is given where it was made
// here, and is not known to anybody yet.
func (o listenOptions) forwarder() (f *forwarder, made string, err error) {
	target, err := url.Parse(o.to)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, "", errors.New("--forward-to is the http or https address of your program")
	}
	for _, wanted := range o.types {
		if !slices.ContainsFunc(event.Types, func(known event.Type) bool { return fits(wanted, known.Name) }) {
			return nil, "", fmt.Errorf("--types: there is no event %s; there are %s", wanted, strings.Join(eventTypes(), ", "))
		}
	}
	secret := cmp.Or(o.secret, os.Getenv("SINGLEWINDOW_WEBHOOK_SECRET"))
	if secret == "" {
		secret = newSecret()
		made = secret
	}
	signer, err := signerWith(secret)
	if err != nil {
		return nil, "", err
	}
	return &forwarder{o, signer, nil, &http.Client{
		Timeout:       forwardTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // as for webhooks
	}}, made, nil
}

func eventTypes() (names []string) {
	for _, known := range event.Types {
		names = append(names, known.Name)
	}
	return names
}

// fits tells whether a type of event is wanted.
func fits(wanted, name string) bool {
	begins, all := strings.CutSuffix(wanted, "*")
	return wanted == name || all && strings.HasPrefix(name, begins)
}

func newSecret() string {
	key := make([]byte, freshSecret)
	if _, err := rand.Read(key); err != nil {
		panic(err) // which crypto/rand promises not to return
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// signerWith checks a secret, which is never repeated, before the library does.
func signerWith(secret string) (*standardwebhooks.Webhook, error) {
	text, prefixed := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !prefixed || err != nil || len(key) < leastSecret || len(key) > mostSecret {
		return nil, fmt.Errorf("a secret is %s and %d to %d bytes in base64", secretPrefix, leastSecret, mostSecret)
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// forwarder sends events on, one after the other.
type forwarder struct {
	listenOptions
	signer *standardwebhooks.Webhook
	out    io.Writer
	http   *http.Client
}

// signed is the body of each.
type signed struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"` // when it happened
	Data      json.RawMessage `json:"data"`
}

// forwarded is what became of one, as --print-json tells it.
type forwarded struct {
	ID     string          `json:"id"`
	Status int             `json:"status,omitempty"` // of the answer; 0: there was none
	Error  string          `json:"error,omitempty"`
	TookMS int64           `json:"tookMs"`
	Body   json.RawMessage `json:"body"`
}

// forward sends an event where it is wanted and tells what came of it. Only
// being stopped is an error.
func (f *forwarder) forward(ctx context.Context, e heard) error {
	if len(f.types) > 0 && !slices.ContainsFunc(f.types, func(wanted string) bool { return fits(wanted, e.Type) }) {
		return nil
	}
	body, err := json.Marshal(signed{e.Type, e.At, e.raw})
	if err != nil {
		return err
	}
	begun := time.Now()
	status, err := f.post(ctx, e.ID, begun, body)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	sent := forwarded{ID: e.ID, Status: status, TookMS: time.Since(begun).Milliseconds(), Body: body}
	if err != nil {
		sent.Error = reason(err)
	}
	if f.inJSON {
		return printLine(f.out, sent)
	}
	_, err = fmt.Fprintf(f.out, "%s  %s  %d  %s  %s  → %s  %d ms\n",
		e.At.Format(lineTime), e.Reference, e.Number, e.Type, dash(e.Agency), sent.answer(), sent.TookMS)
	return err
}

func (s forwarded) answer() string {
	if s.Error != "" {
		return s.Error
	}
	return strings.TrimSpace(strconv.Itoa(s.Status) + " " + http.StatusText(s.Status))
}

// reason is why there was no answer, without what the line says anyway.
func reason(err error) string {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return err.Error()
}

// post makes the request that a webhook is.
func (f *forwarder) post(ctx context.Context, id string, at time.Time, body []byte) (status int, err error) {
	signature, err := f.signer.Sign(id, at, body)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.to, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, value := range map[string]string{
		"Content-Type":                          "application/json",
		"User-Agent":                            "singlewindow/" + version,
		standardwebhooks.HeaderWebhookID:        id,
		standardwebhooks.HeaderWebhookTimestamp: strconv.FormatInt(at.Unix(), 10),
		standardwebhooks.HeaderWebhookSignature: signature,
	} {
		request.Header.Set(name, value)
	}
	response, err := f.http.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.CopyN(io.Discard, response.Body, mostAnswer)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return response.StatusCode, errors.Join(err, response.Body.Close())
}
