package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/declare"
)

// client speaks to a gateway's REST interface.
type client struct {
	server, key, language string
	http                  *http.Client
}

// problem is the one shape in which the gateway says no.
type problem struct {
	Title  string        `json:"title"`
	Status int           `json:"status"`
	Code   string        `json:"code"`
	Detail string        `json:"detail"`
	Errors []problemItem `json:"errors"`
}

// passing tells whether the problem is not about what was sent, so that the
// same request may be answered better later.
func (p *problem) passing() bool {
	switch p.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return p.Status >= http.StatusInternalServerError
}

type problemItem struct {
	Code    string `json:"code"`
	Pointer string `json:"pointer,omitempty"`
	Message string `json:"message"`
	Agency  string `json:"agency,omitempty"`
}

func addClientFlags(command *cobra.Command) {
	addGatewayFlags(command)
	addOutputFlag(command)
}

// addGatewayFlags declares where the gateway is and how to speak with it.
func addGatewayFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.String("server", envOr("SINGLEWINDOW_SERVER", "http://127.0.0.1:8080"), "address of the gateway (SINGLEWINDOW_SERVER)")
	flags.String("key-file", "", "file with the API key (otherwise SINGLEWINDOW_KEY)")
	flags.String("language", "en", "language of messages: en or zh")
}

func addOutputFlag(command *cobra.Command) {
	command.Flags().StringP("output", "o", "table", "table or json")
}

func envOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// asJSON tells whether the output is wanted as JSON.
func asJSON(command *cobra.Command) (bool, error) {
	output, err := command.Flags().GetString("output")
	if err == nil && output != "table" && output != "json" {
		err = usageError{errors.New("--output is table or json")}
	}
	return output == "json", err
}

// printJSON prints what people read too: indented, and with < and & as they are.
func printJSON(out io.Writer, what any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(what)
}

func newClient(command *cobra.Command) (*client, error) {
	flags := command.Flags()
	server, err := flags.GetString("server")
	if err != nil {
		return nil, err
	}
	keyFile, err := flags.GetString("key-file")
	if err != nil {
		return nil, err
	}
	language, err := flags.GetString("language")
	if err != nil {
		return nil, err
	}
	key := os.Getenv("SINGLEWINDOW_KEY")
	if keyFile != "" {
		content, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, usageError{err}
		}
		key = strings.TrimSpace(string(content))
	}
	if key == "" {
		return nil, usageError{errors.New("no API key: set SINGLEWINDOW_KEY or give --key-file")}
	}
	return &client{strings.TrimRight(server, "/"), key, language, &http.Client{Timeout: time.Minute}}, nil
}

// call makes one request and reads the answer, at most 64 MB.
func (c *client) call(ctx context.Context, method, path string, body []byte, header map[string]string) (int, []byte, error) {
	request, err := c.request(ctx, method, path, bytes.NewReader(body), header)
	if err != nil {
		return 0, nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	return answerOf(response)
}

func (c *client) request(ctx context.Context, method, path string, body io.Reader, header map[string]string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Accept-Language", c.language)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	return request, nil
}

func answerOf(response *http.Response) (int, []byte, error) {
	content, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	return response.StatusCode, content, errors.Join(err, response.Body.Close())
}

// submit files a declaration under a key made of its bytes, so that the same
// file handed in twice is filed once.
func (c *client) submit(ctx context.Context, body []byte) (declare.Status, *problem, error) {
	digest := sha256.Sum256(body)
	status, content, err := c.call(ctx, http.MethodPost, "/v1/declarations", body, map[string]string{
		"Content-Type": "application/json", "Idempotency-Key": "file-" + hex.EncodeToString(digest[:])})
	return decide[declare.Status](status, http.StatusAccepted, content, err)
}

func (c *client) status(ctx context.Context, id string) (declare.Status, *problem, error) {
	status, content, err := c.call(ctx, http.MethodGet, "/v1/declarations/"+url.PathEscape(id), nil, nil)
	return decide[declare.Status](status, http.StatusOK, content, err)
}

// decide reads an answer as what was asked for, or as a problem.
func decide[T any](status, want int, content []byte, err error) (T, *problem, error) {
	var answer T
	if err != nil {
		return answer, nil, err
	}
	if status == want {
		return answer, nil, json.Unmarshal(content, &answer)
	}
	var p problem
	if err := json.Unmarshal(content, &p); err != nil || p.Code == "" {
		return answer, nil, fmt.Errorf("the gateway answered %d with something that is no problem report", status)
	}
	return answer, &p, nil
}

func submitCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "submit FILE…", Short: "File declarations", Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, files []string) error {
			c, err := newClient(command)
			if err != nil {
				return err
			}
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			return c.submitFiles(command, files, inJSON)
		},
	}
	addClientFlags(command)
	return command
}

func (c *client) submitFiles(command *cobra.Command, files []string, inJSON bool) error {
	var bodies [][]byte
	for _, file := range files { // all of them before the first is filed
		body, err := readFile(command, file)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	receipts := []declare.Status{}
	var failure error
	for i, file := range files {
		receipt, p, err := c.submit(command.Context(), bodies[i])
		if err != nil {
			failure = fmt.Errorf("%s: %w", file, err)
			break
		}
		if p != nil {
			failure = errRefused
			printProblem(command.ErrOrStderr(), file, p)
			continue
		}
		receipts = append(receipts, receipt)
	}
	return errors.Join(failure, printStatuses(command.OutOrStdout(), receipts, inJSON))
}

func validateCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "validate FILE", Short: "Check a declaration against every agency, filing nothing", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, files []string) error {
			c, err := newClient(command)
			if err != nil {
				return err
			}
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			body, err := readFile(command, files[0])
			if err != nil {
				return err
			}
			return c.validate(command, body, inJSON)
		},
	}
	addClientFlags(command)
	return command
}

// examination is the answer of a dry run.
type examination struct {
	Valid    bool `json:"valid"`
	Messages []struct {
		Agency string `json:"agency"`
		XML    string `json:"xml"`
	} `json:"messages"`
	Errors   []problemItem `json:"errors"`
	Warnings []problemItem `json:"warnings"`
}

func (c *client) validate(command *cobra.Command, body []byte, inJSON bool) error {
	status, content, err := c.call(command.Context(), http.MethodPost, "/v1/declarations:validate", body, map[string]string{"Content-Type": "application/json"})
	answer, p, err := decide[examination](status, http.StatusOK, content, err)
	if err != nil {
		return err
	}
	if p != nil {
		printProblem(command.ErrOrStderr(), "", p)
		return errRefused
	}
	if inJSON {
		if _, err := command.OutOrStdout().Write(append(content, '\n')); err != nil {
			return err
		}
	} else {
		for _, message := range answer.Messages {
			fmt.Fprintf(command.OutOrStdout(), "<!-- %s -->\n%s\n", message.Agency, message.XML)
		}
		printItems(command.ErrOrStderr(), answer.Errors)
		printItems(command.ErrOrStderr(), answer.Warnings)
	}
	if !answer.Valid {
		return errRefused
	}
	return nil
}

func statusCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "status ID|REFERENCE", Short: "Show where a declaration stands; any number that belongs to it will do", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			c, err := newClient(command)
			if err != nil {
				return err
			}
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			statuses, p, err := c.lookUp(command.Context(), arguments[0])
			if err != nil {
				return err
			}
			if p != nil {
				printProblem(command.ErrOrStderr(), "", p)
				return errRefused
			}
			if len(statuses) == 0 {
				fmt.Fprintln(command.ErrOrStderr(), "singlewindow: no declaration of yours has this number")
				return errRefused
			}
			return printStatuses(command.OutOrStdout(), statuses, inJSON)
		},
	}
	addClientFlags(command)
	return command
}

// lookUp finds by id, by reference, or by any other number.
func (c *client) lookUp(ctx context.Context, name string) ([]declare.Status, *problem, error) {
	if strings.HasPrefix(name, "dec_") {
		status, p, err := c.status(ctx, name)
		return []declare.Status{status}, p, err
	}
	for _, parameter := range []string{"reference", "number"} {
		status, content, err := c.call(ctx, http.MethodGet, "/v1/declarations?"+url.Values{parameter: {name}}.Encode(), nil, nil)
		found, p, err := decide[struct{ Declarations []declare.Status }](status, http.StatusOK, content, err)
		if err != nil || p != nil || len(found.Declarations) > 0 {
			return found.Declarations, p, err
		}
	}
	return nil, nil, nil
}

// readFile reads a file, or standard input for "-".
func readFile(command *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(command.InOrStdin(), declare.MostBytes+1))
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, usageError{err}
	}
	return content, nil
}

func printProblem(out io.Writer, file string, p *problem) {
	if file != "" {
		fmt.Fprintf(out, "%s: ", file)
	}
	fmt.Fprintf(out, "%s (%s)\n", p.Title, p.Code)
	printItems(out, p.Errors)
}

func printItems(out io.Writer, items []problemItem) {
	for _, item := range items {
		fmt.Fprintf(out, "  %s\n    %s [%s]", item.Pointer, item.Message, item.Code)
		if item.Agency != "" {
			fmt.Fprintf(out, " for %s", item.Agency)
		}
		fmt.Fprintln(out)
	}
}

func printStatuses(out io.Writer, statuses []declare.Status, inJSON bool) error {
	if inJSON {
		return printJSON(out, statuses)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, status := range statuses {
		fmt.Fprintf(table, "%s\t%s\t%s\twaiting for %s: %s\n", status.ID, status.Reference, status.Status, status.WaitingFor.Who, status.WaitingFor.Why)
		for _, filing := range status.Filings {
			fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", filing.Agency, filing.Delivery, filing.Decision, numbersText(filing.AgencyNumbers))
		}
	}
	return table.Flush()
}

func numbersText(numbers map[string]string) string {
	var parts []string
	for name, value := range numbers {
		parts = append(parts, name+" "+value)
	}
	return strings.Join(parts, ", ")
}
