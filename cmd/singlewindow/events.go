package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"singlewindow/api"
	"singlewindow/declare"
)

const (
	// comeBack is how long a lost stream is left before it is taken up again.
	comeBack = time.Second
	// silence longer than this means that a stream is dead: the gateway sends
	// something every 15 seconds.
	silence = 45 * time.Second
	// longestEvent bounds one line of a stream.
	longestEvent = 16 << 20
)

func eventsCommand() *cobra.Command {
	var follow, inJSON bool
	var after, declaration string
	command := &cobra.Command{
		Use: "events", Short: "Show what happened to your declarations, or follow what happens", Args: cobra.NoArgs,
		Long: "Prints a line for each event: when, whose reference, its number within the declaration, type, agency, data, cursor. Where no\n" +
			"terminal is, a line is JSON. With --follow it goes on until Ctrl-C, over restarts of the gateway: no event is missed and none\n" +
			"comes twice.",
		Example: "  singlewindow events --declaration ACME-7\n  singlewindow events --follow --json | jq .type",
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := newClient(command)
			if err != nil {
				return err
			}
			inJSON, err := eventsInJSON(command, inJSON)
			if err != nil {
				return err
			}
			if declaration != "" && after != "" && !follow {
				return usageError{errors.New("--after goes with --declaration only where --follow does")}
			}
			show := showEvent(command.OutOrStdout(), inJSON)
			s := &stream{client: c, path: "/v1/events", after: after, messages: command.ErrOrStderr(), show: func(e heard) error { return show(e.FeedEvent) }}
			var of declare.Status
			if declaration != "" {
				if of, err = c.one(command, declaration); err != nil {
					return err
				}
				s.path = "/v1/declarations/" + url.PathEscape(of.ID) + "/events"
			}
			switch {
			case follow:
				ctx, stop := untilStopped(command)
				defer stop()
				return s.follow(ctx)
			case declaration != "":
				return c.readEventsOf(command, of, show)
			}
			return c.readEvents(command, after, show)
		},
	}
	addClientFlags(command)
	flags := command.Flags()
	flags.BoolVarP(&follow, "follow", "f", false, "go on until stopped, over restarts of the gateway, with what happens from now on")
	flags.StringVar(&after, "after", "", "begin behind this cursor, the last column; beginning: with everything there is")
	flags.StringVar(&declaration, "declaration", "", "only of this one: its id, its reference or any number of it")
	flags.BoolVar(&inJSON, "json", false, "a line of JSON for each event, as it is anyway where no terminal is")
	return command
}

// eventsInJSON: on a terminal people read, elsewhere programs do, unless the
// command says how it wants it.
func eventsInJSON(command *cobra.Command, asked bool) (bool, error) {
	inJSON, err := asJSON(command)
	if err != nil || command.Flags().Changed("output") {
		return inJSON || asked, err
	}
	screen, isFile := command.OutOrStdout().(*os.File)
	return asked || !isFile || !term.IsTerminal(int(screen.Fd())), nil
}

// one finds the declaration that has this id, reference or number.
func (c *client) one(command *cobra.Command, name string) (declare.Status, error) {
	statuses, p, err := c.lookUp(command.Context(), name)
	switch {
	case err != nil:
		return declare.Status{}, err
	case p != nil:
		printProblem(command.ErrOrStderr(), "", p)
		return declare.Status{}, errRefused
	case len(statuses) == 0:
		fmt.Fprintln(command.ErrOrStderr(), "singlewindow: no declaration of yours has this number")
		return declare.Status{}, errRefused
	case len(statuses) > 1:
		fmt.Fprintln(command.ErrOrStderr(), "singlewindow: several declarations of yours have this number: name one by its id")
		return declare.Status{}, errRefused
	}
	return statuses[0], nil
}

// showEvent prints one event on one line.
func showEvent(out io.Writer, inJSON bool) func(api.FeedEvent) error {
	return func(e api.FeedEvent) error {
		if inJSON { // without a cursor where there is none
			return printLine(out, struct {
				Cursor string `json:"cursor,omitempty"`
				api.FeedEvent
			}{e.Cursor, e})
		}
		_, err := fmt.Fprintf(out, "%s  %s  %d  %s  %s  %s  %s\n", e.At.Format(lineTime), e.Reference, e.Number, e.Type, dash(e.Agency), e.Data, dash(e.Cursor))
		return err
	}
}

// lineTime is how lines of events begin.
const lineTime = "2006-01-02T15:04:05.000Z07:00"

// printLine prints JSON on one line, with < and & as they are.
func printLine(out io.Writer, what any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(what)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// readEvents shows what there is, page by page.
func (c *client) readEvents(command *cobra.Command, after string, show func(api.FeedEvent) error) error {
	const limit = 500
	for {
		query := url.Values{"after": {after}, "limit": {fmt.Sprint(limit)}}
		status, content, err := c.call(command.Context(), http.MethodGet, "/v1/events?"+query.Encode(), nil, nil)
		page, p, err := decide[api.EventPage](status, http.StatusOK, content, err)
		if err != nil {
			return err
		}
		if p != nil {
			printProblem(command.ErrOrStderr(), "", p)
			return errRefused
		}
		for _, e := range page.Events {
			if err := show(e); err != nil {
				return err
			}
		}
		if after = page.Next; len(page.Events) < limit {
			return nil
		}
	}
}

// readEventsOf shows what happened to one declaration, which has no cursors.
func (c *client) readEventsOf(command *cobra.Command, of declare.Status, show func(api.FeedEvent) error) error {
	status, content, err := c.call(command.Context(), http.MethodGet, "/v1/declarations/"+url.PathEscape(of.ID)+"/events", nil, nil)
	list, p, err := decide[api.EventList](status, http.StatusOK, content, err)
	if err != nil {
		return err
	}
	if p != nil {
		printProblem(command.ErrOrStderr(), "", p)
		return errRefused
	}
	for _, e := range list.Events {
		told := api.FeedEvent{ID: e.ID, DeclarationID: of.ID, Reference: of.Reference, Number: e.Number, Type: e.Type, Agency: e.Agency, At: e.At, Data: e.Data}
		if err := show(told); err != nil {
			return err
		}
	}
	return nil
}

// errLost says that a stream ended and may be taken up again.
var errLost = errors.New("the stream ended")

// stream follows events over everything that interrupts it.
type stream struct {
	client   *client
	path     string // of the operation
	after    string // the cursor it begins behind, as --after says; "" is now
	messages io.Writer
	show     func(heard) error // an error of its own ends the stream for good

	last string // the id it goes on behind
	lost bool   // which was said
}

// heard is one event of a stream.
type heard struct {
	api.FeedEvent
	raw json.RawMessage // as the gateway wrote it, with what this program does not know
}

// follow takes the stream up again until ctx ends.
func (s *stream) follow(ctx context.Context) error {
	for {
		err := s.once(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was stopped, as asked
		}
		if !errors.Is(err, errLost) {
			return err
		}
		if !s.lost {
			fmt.Fprintf(s.messages, "singlewindow: %v, taking it up again\n", err)
			s.lost = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(comeBack):
		}
	}
}

// once reads one stream to its end and keeps the place in it up to date.
func (s *stream) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	path, header := s.path, map[string]string{"Accept": "text/event-stream"}
	if s.last != "" {
		header["Last-Event-ID"] = s.last
	} else {
		path += "?" + url.Values{"after": {s.after}}.Encode()
	}
	request, err := s.client.request(ctx, http.MethodGet, path, nil, header)
	if err != nil {
		return err
	}
	response, err := (&http.Client{}).Do(request) // without the client's time limit
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	if response.StatusCode != http.StatusOK {
		return errors.Join(s.refused(response), response.Body.Close())
	}
	if s.lost {
		fmt.Fprintln(s.messages, "singlewindow: the stream goes on")
		s.lost = false
	}
	err = s.read(response.Body, func() { watchdog.Reset(silence) })
	// What is left of the stream is not wanted, and how its end goes is no news.
	_ = response.Body.Close()
	return err
}

// refused tells a refusal for good from one that passes.
func (s *stream) refused(response *http.Response) error {
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	_, p, err := decide[struct{}](response.StatusCode, http.StatusOK, content, err)
	if err != nil || response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w: the gateway answered %d", errLost, response.StatusCode)
	}
	printProblem(s.messages, "", p)
	return errRefused
}

// read reads Server-Sent Events. The error is errLost when the stream is
// over, or what show gives.
func (s *stream) read(body io.Reader, alive func()) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, longestEvent)
	var id, data string
	for lines.Scan() {
		alive()
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "id":
			id = value
		case name == "data":
			data = value
		case lines.Text() == "": // the event is complete
			if data != "" {
				e := heard{raw: json.RawMessage(data)}
				if err := json.Unmarshal(e.raw, &e.FeedEvent); err != nil {
					return err
				}
				if err := s.show(e); err != nil {
					return err
				}
			}
			if id != "" {
				s.last = id
			}
			id, data = "", ""
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return errLost
}
