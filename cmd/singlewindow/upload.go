package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"singlewindow/api"
	"singlewindow/declare/batch"
)

// errRowsRefused ends an upload some of whose rows, already printed, were
// refused.
var errRowsRefused = errors.New("some rows were refused")

// over tells whether nothing more happens to a batch.
func over(b api.BatchView) bool { return b.State == string(batch.Done) || refusedWhole(b) }

// refusedWhole tells whether the file itself could not be read.
func refusedWhole(b api.BatchView) bool { return b.State == string(batch.Refused) }

// batchOptions say how a file is to be read and filed; "" lets the gateway
// find out.
type batchOptions struct {
	kind, mapping, encoding, sheet string
	dryRun, allOrNothing           bool
}

func addBatchFlags(command *cobra.Command, o *batchOptions) {
	flags := command.Flags()
	flags.StringVar(&o.kind, "kind", "goods", "kind of the declarations")
	flags.StringVar(&o.mapping, "mapping", "", "saved column mapping that the headings follow")
	flags.StringVar(&o.encoding, "encoding", "", "encoding of the file: utf-8 or gb18030 (default: found out)")
	flags.StringVar(&o.sheet, "sheet", "", "sheet of a workbook (default: the first)")
	flags.BoolVar(&o.allOrNothing, "all-or-nothing", false, "file nothing of a file in which a row is wrong")
}

func (o batchOptions) query(name string) string {
	values := url.Values{"name": {strings.ToValidUTF8(name, "_")}}
	for key, value := range map[string]string{"kind": o.kind, "mapping": o.mapping, "encoding": o.encoding, "sheet": o.sheet} {
		if value != "" {
			values.Set(key, value)
		}
	}
	for key, value := range map[string]bool{"dryRun": o.dryRun, "allOrNothing": o.allOrNothing} {
		if value {
			values.Set(key, "true")
		}
	}
	return values.Encode()
}

// mediaTypes are what files of these endings are sent as.
var mediaTypes = map[string]string{
	".csv":    "text/csv",
	".ndjson": "application/x-ndjson",
	".jsonl":  "application/x-ndjson",
	".xlsx":   "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".xml":    "application/xml",
}

// How long a file of 100 MB may be on its way, up or down, and how often
// sending one is tried.
const (
	transferTime = 15 * time.Minute
	mostUploads  = 4
)

// unhurried is the client for files that take longer than other answers.
func (c *client) unhurried() *http.Client {
	patient := *c.http
	patient.Timeout = transferTime
	return &patient
}

// upload sends a file of size bytes. Sent again, it is the same batch.
func (c *client) upload(ctx context.Context, name string, body io.Reader, size int64, o batchOptions) (api.BatchView, *problem, error) {
	media := mediaTypes[strings.ToLower(filepath.Ext(name))]
	if media == "" {
		media = "application/octet-stream"
	}
	// The reader hides what else the body can do: being closed by the transport.
	request, err := c.request(ctx, http.MethodPost, "/v1/batches?"+o.query(name), struct{ io.Reader }{body}, map[string]string{"Content-Type": media})
	if err != nil {
		return api.BatchView{}, nil, err
	}
	request.ContentLength = size
	response, err := c.unhurried().Do(request)
	if err != nil {
		return api.BatchView{}, nil, err
	}
	status, content, err := answerOf(response)
	if status == http.StatusOK { // it was here before
		status = http.StatusAccepted
	}
	return decide[api.BatchView](status, http.StatusAccepted, content, err)
}

func (c *client) batch(ctx context.Context, id string) (api.BatchView, *problem, error) {
	status, content, err := c.call(ctx, http.MethodGet, "/v1/batches/"+url.PathEscape(id), nil, nil)
	return decide[api.BatchView](status, http.StatusOK, content, err)
}

// rowPage is one answer of a batch's rows.
type rowPage struct {
	Rows []api.RowView `json:"rows"`
	Next int           `json:"next"` // 0: there is no more
}

// rowsAtOnce are asked for.
const rowsAtOnce = 200

func (c *client) rowsAfter(ctx context.Context, id, verdict string, after int) (rowPage, *problem, error) {
	values := url.Values{"limit": {strconv.Itoa(rowsAtOnce)}, "after": {strconv.Itoa(after)}}
	if verdict != "" {
		values.Set("verdict", verdict)
	}
	status, content, err := c.call(ctx, http.MethodGet, "/v1/batches/"+url.PathEscape(id)+"/rows?"+values.Encode(), nil, nil)
	return decide[rowPage](status, http.StatusOK, content, err)
}

// rows reads all rows of a verdict, "" for any; lost is told of each failure
// and says when to give up, see insist.
func (c *client) rows(ctx context.Context, id, verdict string, lost func(error) error) ([]api.RowView, error) {
	rows := []api.RowView{}
	for after := 0; ; {
		page, err := insist(ctx, lost, func() (rowPage, *problem, error) { return c.rowsAfter(ctx, id, verdict, after) })
		if err != nil {
			return rows, err
		}
		rows = append(rows, page.Rows...)
		if after = page.Next; after == 0 {
			return rows, nil
		}
	}
}

// markedUp writes the file back with its wrong cells marked, and gives the
// media type it has.
func (c *client) markedUp(ctx context.Context, id string, out io.Writer) (string, *problem, error) {
	request, err := c.request(ctx, http.MethodGet, "/v1/batches/"+url.PathEscape(id)+"/file", nil, nil)
	if err != nil {
		return "", nil, err
	}
	response, err := c.unhurried().Do(request)
	if err != nil {
		return "", nil, err
	}
	if response.StatusCode != http.StatusOK {
		status, content, err := answerOf(response)
		_, p, err := decide[struct{}](status, http.StatusOK, content, err)
		return "", p, err
	}
	_, err = io.Copy(out, response.Body)
	return response.Header.Get("Content-Type"), nil, errors.Join(err, response.Body.Close())
}

// refusal is a problem that no repetition mends.
type refusal struct{ *problem }

func (r refusal) Error() string {
	text := fmt.Sprintf("%s (%s)", r.Title, r.Code)
	for _, item := range r.Errors {
		text += fmt.Sprintf("; %s: %s", item.Pointer, item.Message)
	}
	return text
}

// insist repeats a request until the gateway decides: the network may be lost,
// the gateway be restarted or its database be away. lost is told why each time
// and may give up by returning an error.
func insist[T any](ctx context.Context, lost func(error) error, ask func() (T, *problem, error)) (T, error) {
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		answer, p, err := ask()
		if p != nil {
			err = refusal{p}
		}
		var here *fs.PathError // what is wrong with a file of ours stays wrong
		if err == nil || p != nil && !p.passing() || errors.As(err, &here) {
			return answer, err
		}
		if ctx.Err() == nil {
			err = lost(err)
		}
		if err != nil {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return answer, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func uploadCommand() *cobra.Command {
	var u uploading
	command := &cobra.Command{
		Use: "upload FILE…", Short: "File whole files of declarations: CSV, XLSX, NDJSON or XML", Args: cobra.MinimumNArgs(1),
		Long: "Uploads files, waits until every row is filed or refused, and prints each refused row with its sheet, row, column, heading,\n" +
			"code and message. A file that was uploaded before is the same batch: nothing is filed twice, and the answer tells how it went.\n\n" +
			"Exits with 0 when every row was taken, 4 when some rows were refused, 1 when a file was refused as a whole or could not be\n" +
			"sent, 2 when the command is wrong.",
		RunE: func(command *cobra.Command, files []string) error {
			var err error
			if u.client, err = newClient(command); err != nil {
				return err
			}
			if u.inJSON, err = asJSON(command); err != nil {
				return err
			}
			if u.marked != "" && (len(files) > 1 || u.leave) {
				return usageError{errors.New("--marked-up goes with one FILE and without --no-wait")}
			}
			u.out, u.messages = command.OutOrStdout(), command.ErrOrStderr()
			ctx, stop := untilStopped(command)
			defer stop()
			return u.files(ctx, files)
		},
	}
	addClientFlags(command)
	addBatchFlags(command, &u.options)
	flags := command.Flags()
	flags.BoolVar(&u.options.dryRun, "dry-run", false, "check everything, file nothing")
	flags.BoolVar(&u.leave, "no-wait", false, "end once the files are on the gateway's disk; uploading the same file again tells how it went")
	flags.StringVar(&u.marked, "marked-up", "", "save the file with its wrong cells coloured and a column of messages")
	return command
}

// uploading is one run of the command.
type uploading struct {
	client        *client
	options       batchOptions
	leave, inJSON bool
	marked        string
	out, messages io.Writer
}

// uploaded is what is known of a file in the end.
type uploaded struct {
	File    string        `json:"file"`
	Batch   api.BatchView `json:"batch"`
	Refused []api.RowView `json:"refused"`
}

func (u *uploading) files(ctx context.Context, names []string) error {
	for _, name := range names { // all of them before the first is sent
		if info, err := os.Stat(name); err != nil {
			return usageError{err}
		} else if !info.Mode().IsRegular() {
			return usageError{fmt.Errorf("%s is no file", name)}
		}
	}
	all := []uploaded{}
	var failure error
	for _, name := range names {
		one, err := u.file(ctx, name)
		if one.Batch.ID != "" {
			all = append(all, one)
		}
		var refused refusal
		if errors.As(err, &refused) {
			printProblem(u.messages, name, refused.problem)
			err = errRefused
		} else if err != nil && !errors.Is(err, errRefused) && !errors.Is(err, errRowsRefused) {
			failure = errors.Join(failure, fmt.Errorf("%s: %w", name, err))
			break
		}
		failure = errors.Join(failure, err)
	}
	if u.inJSON {
		failure = errors.Join(failure, printJSON(u.out, all))
	}
	return failure
}

// file uploads one file and tells what became of it.
func (u *uploading) file(ctx context.Context, name string) (uploaded, error) {
	one := uploaded{File: name, Refused: []api.RowView{}}
	gauge := newGauge(u.messages, filepath.Base(name))
	defer gauge.end()
	var err error
	if one.Batch, err = u.send(ctx, name, gauge); err != nil {
		return one, err
	}
	if u.leave {
		return one, u.tell(one)
	}
	if one.Batch, err = u.wait(ctx, one.Batch, gauge); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%s goes on at the gateway; the same upload again tells how it went", one.Batch.ID)
		}
		return one, err
	}
	if one.Refused, err = u.client.rows(ctx, one.Batch.ID, string(batch.Rejected), gauge.lost); err != nil {
		return one, err
	}
	gauge.end()
	err = u.tell(one)
	if u.marked != "" {
		err = errors.Join(err, u.saveMarked(ctx, one.Batch.ID, gauge))
	}
	return one, err
}

// send uploads the file; when that breaks off it starts again a few times.
func (u *uploading) send(ctx context.Context, name string, gauge *gauge) (api.BatchView, error) {
	file, err := os.Open(name)
	if err != nil {
		return api.BatchView{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return api.BatchView{}, errors.Join(err, file.Close())
	}
	tries := 0
	sent, err := insist(ctx, func(err error) error {
		if tries++; tries == mostUploads {
			return err
		}
		return gauge.lost(err)
	}, func() (api.BatchView, *problem, error) {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return api.BatchView{}, nil, err
		}
		body := io.TeeReader(io.LimitReader(file, info.Size()), gauge.sending(info.Size()))
		return u.client.upload(ctx, filepath.Base(name), body, info.Size(), u.options)
	})
	return sent, errors.Join(err, file.Close())
}

// wait looks at the batch until it is done.
func (u *uploading) wait(ctx context.Context, b api.BatchView, gauge *gauge) (api.BatchView, error) {
	for pause := 100 * time.Millisecond; !over(b); pause = min(pause*5/4, time.Second) {
		gauge.show(b)
		select {
		case <-ctx.Done():
			return b, ctx.Err()
		case <-time.After(pause):
		}
		fresh, err := insist(ctx, gauge.lost, func() (api.BatchView, *problem, error) { return u.client.batch(ctx, b.ID) })
		if err != nil {
			return b, err
		}
		b = fresh
	}
	gauge.show(b)
	return b, nil
}

// saveMarked writes the marked-up file beside its place, then puts it there.
func (u *uploading) saveMarked(ctx context.Context, id string, gauge *gauge) error {
	_, err := insist(ctx, gauge.lost, func() (string, *problem, error) { return u.client.saveMarked(ctx, id, u.marked) })
	return err
}

func (c *client) saveMarked(ctx context.Context, id, name string) (media string, p *problem, err error) {
	err = replaceFile(name, func(out io.Writer) error {
		media, p, err = c.markedUp(ctx, id, out)
		if p != nil {
			return refusal{p}
		}
		return err
	})
	if p != nil {
		err = nil
	}
	return media, p, err
}

// replaceFile writes a file as a whole or not at all: whoever reads it sees
// what was there or what is.
func replaceFile(name string, write func(io.Writer) error) error {
	temporary := name + ".tmp"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|noFollow, 0o644)
	if err != nil {
		return err
	}
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return os.Rename(temporary, name)
}

// tell prints what became of the file; the error says which exit code that is.
func (u *uploading) tell(one uploaded) error {
	b := one.Batch
	if !u.inJSON {
		fmt.Fprintf(u.out, "%s  %s\n", one.File, summary(b))
		printFaults(u.out, b.Errors)
		printRows(u.out, one.Refused)
	}
	switch {
	case refusedWhole(b) && len(one.Refused) == 0:
		return errRefused
	case len(one.Refused) > 0:
		return errRowsRefused
	}
	return nil
}

// summary is one line; the gateway's number of a batch comes first.
func summary(b api.BatchView) string {
	if !over(b) || refusedWhole(b) {
		return fmt.Sprintf("%s  %s", b.ID, b.State)
	}
	found := b.Format
	if b.Encoding != "" {
		found += " in " + b.Encoding
	}
	if b.Sheet != "" {
		found += fmt.Sprintf(", sheet %q", b.Sheet)
	}
	text := fmt.Sprintf("%s  %s (%s): %d rows, %d declarations: %d refused, %d filed", b.ID, b.State, found, b.Rows, b.Items, b.Rejected, b.Filed)
	if b.Valid > 0 {
		text += fmt.Sprintf(", %d good but not filed", b.Valid)
	}
	return text
}

func printRows(out io.Writer, rows []api.RowView) {
	for _, row := range rows {
		fmt.Fprintf(out, "%s  %s\n", placeText(api.CellComplaint{Sheet: row.Sheet, Row: row.Row}), row.Reference)
		printFaults(out, row.Errors)
	}
}

func printFaults(out io.Writer, faults []api.CellComplaint) {
	for _, fault := range faults {
		fmt.Fprintf(out, "  %s\n    %s [%s]", placeText(fault), fault.Message, fault.Code)
		if fault.Agency != "" {
			fmt.Fprintf(out, " for %s", fault.Agency)
		}
		fmt.Fprintln(out)
	}
}

// placeText says where a fault is. Names of sheets and headings are the file's
// own: quoted, they do nothing to a terminal.
func placeText(fault api.CellComplaint) string {
	var parts []string
	if fault.Sheet != "" {
		parts = append(parts, fmt.Sprintf("sheet %q", fault.Sheet))
	}
	if fault.Row > 0 {
		parts = append(parts, fmt.Sprintf("row %d", fault.Row))
	}
	if fault.Column != "" {
		parts = append(parts, "column "+fault.Column)
	}
	text := strings.Join(parts, ", ")
	switch {
	case fault.Heading != "":
		text += fmt.Sprintf(" %q", fault.Heading)
	case fault.Column == "" && fault.Pointer != "":
		text += " " + fault.Pointer
	}
	if text == "" {
		return "the file"
	}
	return strings.TrimSpace(text)
}
