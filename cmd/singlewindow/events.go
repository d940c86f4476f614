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
	"strings"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/api"
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
	var follow bool
	var after string
	command := &cobra.Command{
		Use: "events", Short: "Show what happened to your declarations, or follow what happens", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := newClient(command)
			if err != nil {
				return err
			}
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			show := showEvent(command.OutOrStdout(), inJSON)
			if follow {
				ctx, stop := untilStopped(command)
				defer stop()
				return c.followEvents(ctx, command, after, show)
			}
			return c.readEvents(command, after, show)
		},
	}
	addClientFlags(command)
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on until stopped, over restarts of the gateway, with what happens from now on")
	command.Flags().StringVar(&after, "after", "", "begin behind this cursor, the last column; beginning: with everything there is")
	return command
}

// showEvent prints one event on one line.
func showEvent(out io.Writer, inJSON bool) func(api.FeedEvent) error {
	return func(e api.FeedEvent) error {
		if inJSON {
			encoder := json.NewEncoder(out)
			encoder.SetEscapeHTML(false)
			return encoder.Encode(e)
		}
		_, err := fmt.Fprintf(out, "%s  %s  %d  %s  %s  %s  %s\n", e.At.Format("2006-01-02T15:04:05.000Z07:00"), e.Reference, e.Number, e.Type, dash(e.Agency), e.Data, e.Cursor)
		return err
	}
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

// errLost says that a stream ended and may be taken up again.
var errLost = errors.New("the stream ended")

// followEvents takes the stream up again until ctx ends.
func (c *client) followEvents(ctx context.Context, command *cobra.Command, after string, show func(api.FeedEvent) error) error {
	for {
		err := c.followOnce(ctx, command, &after, show)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was stopped, as asked
		}
		if !errors.Is(err, errLost) {
			return err
		}
		fmt.Fprintf(command.ErrOrStderr(), "singlewindow: %v, taking it up again\n", err)
		select {
		case <-ctx.Done():
		case <-time.After(comeBack):
		}
	}
}

// followOnce reads one stream to its end and keeps the cursor up to date.
func (c *client) followOnce(ctx context.Context, command *cobra.Command, after *string, show func(api.FeedEvent) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+"/v1/events?"+url.Values{"after": {*after}}.Encode(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Accept-Language", c.language)
	request.Header.Set("Accept", "text/event-stream")
	response, err := (&http.Client{}).Do(request) // without the client's time limit
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	if response.StatusCode != http.StatusOK {
		return errors.Join(refusedStream(command, response), response.Body.Close())
	}
	err = readStream(response.Body, func() { watchdog.Reset(silence) }, after, show)
	// What is left of the stream is not wanted, and how its end goes is no news.
	_ = response.Body.Close()
	return err
}

// refusedStream tells a refusal for good from one that passes.
func refusedStream(command *cobra.Command, response *http.Response) error {
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	_, p, err := decide[struct{}](response.StatusCode, http.StatusOK, content, err)
	if err != nil || response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w: the gateway answered %d", errLost, response.StatusCode)
	}
	printProblem(command.ErrOrStderr(), "", p)
	return errRefused
}

// readStream reads Server-Sent Events. The error is errLost when the stream is
// over, or what show gives.
func readStream(stream io.Reader, alive func(), after *string, show func(api.FeedEvent) error) error {
	lines := bufio.NewScanner(stream)
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
				var e api.FeedEvent
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					return err
				}
				if err := show(e); err != nil {
					return err
				}
			}
			if id != "" {
				*after = id
			}
			id, data = "", ""
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return errLost
}
