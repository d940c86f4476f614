package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/batch"
	"singlewindow/declare/sheet"
)

// The media types of files, and the format of each.
const (
	mediaCSV    = "text/csv"
	mediaNDJSON = "application/x-ndjson"
	mediaXLSX   = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	mediaXML    = "application/xml"
)

// A file may take its time, but not stand still: so long for all of it, coming
// or being made, and so long without a byte.
const (
	uploadTime  = 30 * time.Minute
	uploadPause = 30 * time.Second
)

const (
	mostMappingBytes   = 256 << 10
	mappingReadTimeout = 10 * time.Second
)

var batchID = regexp.MustCompile(`^bat_[0-9A-HJKMNP-TV-Z]{26}$`)

func (a *api) registerBatches() {
	receive := a.operation(route{
		id: "hand-in-batch", method: http.MethodPost, path: "/v1/batches", status: http.StatusAccepted, tag: "Batches",
		summary: "Hand in a file of declarations",
		description: "The body is the file: CSV, XLSX, NDJSON (a declaration a line), or XML (one message of an agency's form, or several in an element called declarations), at most 100 MB. " +
			"202 means: on disk. Rows with the same reference become one declaration, filed by itself; ask for the batch to see how far it is, and for its rows to see what is wrong and where. " +
			"The same file with the same options is the same batch, under whatever key: the answer is the first one's, and carries Idempotent-Replayed: true.",
		security: tenantKey, scope: account.FileBatches,
		problems: []problemCode{codeBatchTooLarge, codeIdempotencyMissing, codeIdempotencyInvalid, codeKeyReused, codeBodyUnsupported, codeBodyMissing, codeBodyIncomplete, codeBodyTimeout},
	})
	receive.MaxBodyBytes, receive.BodyReadTimeout = batch.MostBytes, uploadPause
	receive.Metadata = map[string]any{metadataTooLarge: string(codeBatchTooLarge)}
	receive.Middlewares = append(receive.Middlewares, a.takesFile)
	huma.Register(a.huma, receive, func(ctx context.Context, in *fileInput) (*batchOutput, error) {
		ctx, cancel := context.WithTimeout(ctx, uploadTime+patience)
		defer cancel()
		return a.receiveBatch(ctx, in)
	})

	handle(a, a.operation(route{
		id: "list-batches", method: http.MethodGet, path: "/v1/batches", tag: "Batches",
		summary: "The batches", description: "The latest first, a page at a time.", security: tenantKey, scope: account.FileBatches,
	}), a.listBatches)
	handle(a, a.operation(route{
		id: "get-batch", method: http.MethodGet, path: "/v1/batches/{id}", tag: "Batches",
		summary:     "How far a batch is",
		description: "format, encoding and sheet are those that were found. refused: the file itself cannot be read, errors says why, and nothing was filed. done: every item has its verdict.",
		security:    tenantKey, scope: account.FileBatches, problems: []problemCode{codeResourceMissing},
	}), a.getBatch)
	handle(a, a.operation(route{
		id: "list-batch-rows", method: http.MethodGet, path: "/v1/batches/{id}/rows", tag: "Batches",
		summary: "What became of the rows of a batch",
		description: "One entry for each declaration, in the order of its first row. filed: it has its own receipt; status is where it stands now, and errors holds what agencies have against it by now. " +
			"rejected: errors says why, and nothing was filed for it. valid: a dry run found nothing, or another item kept an all-or-nothing batch from being filed. Every error names sheet, row and column.",
		security: tenantKey, scope: account.FileBatches, problems: []problemCode{codeResourceMissing},
	}), a.listBatchRows)
	marked := a.operation(route{
		id: "get-batch-file", method: http.MethodGet, path: "/v1/batches/{id}/file", tag: "Batches", media: mediaCSV, also: mediaXLSX,
		summary:     "The marked-up file",
		description: "The table as it came, with the wrong cells coloured (in XLSX) and a last column that says what is wrong, also what agencies answered later. For NDJSON a table of lines and messages. Texts that a spreadsheet program would take for a formula are escaped.",
		security:    tenantKey, scope: account.FileBatches, problems: []problemCode{codeResourceMissing, codeBatchNoTable},
	})
	huma.Register(a.huma, marked, func(ctx context.Context, in *batchInput) (*huma.StreamResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, uploadTime)
		defer cancel()
		return a.markedUp(ctx, in)
	})
	a.registerMappings()
	a.registerTemplates()
}

func (a *api) registerMappings() {
	save := a.operation(route{
		id: "save-batch-mapping", method: http.MethodPut, path: "/v1/batch-mappings/{name}", tag: "Batches",
		summary:     "Save a column mapping",
		description: "Says which column of a kind each heading of your own files is; - leaves a column out. Name it in mapping when you hand in a file. One of the same name is replaced; batches handed in before are not touched.",
		security:    tenantKey, scope: account.FileBatches,
		problems: []problemCode{codeMappingRefused, codeMappingTooLarge, codeJSONInvalid, codeBodyUnsupported, codeBodyMissing, codeBodyIncomplete, codeBodyTimeout},
	})
	save.MaxBodyBytes, save.BodyReadTimeout, save.SkipValidateBody = mostMappingBytes+1, mappingReadTimeout, true
	save.Metadata = map[string]any{metadataTooLarge: string(codeMappingTooLarge)}
	save.Middlewares = append(save.Middlewares, a.takes("application/json"))
	handle(a, save, a.saveMapping)
	handle(a, a.operation(route{
		id: "get-batch-mapping", method: http.MethodGet, path: "/v1/batch-mappings/{name}", tag: "Batches",
		summary: "A column mapping", description: "As it was saved.", security: tenantKey, scope: account.FileBatches, problems: []problemCode{codeResourceMissing},
	}), a.getMapping)
	handle(a, a.operation(route{
		id: "list-batch-mappings", method: http.MethodGet, path: "/v1/batch-mappings", tag: "Batches",
		summary: "The column mappings", description: "All of them, by name.", security: tenantKey, scope: account.FileBatches,
	}), a.listMappings)
}

func (a *api) registerTemplates() {
	for format, media := range map[string]string{"csv": mediaCSV, "xlsx": mediaXLSX} {
		handle(a, a.operation(route{
			id: "get-kind-template-" + format, method: http.MethodGet, path: "/v1/kinds/{kind}/template." + format, tag: "Kinds", media: media,
			summary:     "An empty table of a kind, " + strings.ToUpper(format),
			description: "Its columns, made from the kind's schema, for handing in as a batch. XLSX also has the codes to choose from and a sheet of explanations, in the language asked for. The headings of CSV are paths of the schema, or with lang the labels of that language.",
			security:    tenantKey, problems: []problemCode{codeResourceMissing},
		}), func(_ context.Context, in *kindInput) (*fileOutput, error) { return a.template(in, format, media) })
	}
}

// documentFiles tells what huma cannot know: bodies that our own code reads.
func (a *api) documentFiles(document *huma.OpenAPI) error {
	content := map[string]*huma.MediaType{
		mediaXLSX: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary", Description: "A workbook"}},
	}
	for _, text := range []struct{ media, example, what string }{
		{mediaCSV, "hand-in-batch.csv", "A table in UTF-8 or GB18030"},
		{mediaNDJSON, "hand-in-batch.ndjson", "A declaration a line"},
		{mediaXML, "get-message.xml", "Messages of an agency's own form"},
	} {
		example, err := examples.ReadFile("examples/" + text.example)
		if err != nil {
			return err
		}
		content[text.media] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Description: text.what}, Example: string(example)}
	}
	document.Paths["/v1/batches"].Post.RequestBody = &huma.RequestBody{Required: true, Content: content}
	mapping, err := examples.ReadFile("examples/save-batch-mapping.json")
	if err != nil {
		return err
	}
	document.Paths["/v1/batch-mappings/{name}"].Put.RequestBody.Content = map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/MappingView"}, Example: json.RawMessage(mapping)},
	}
	return nil
}

// takesFile lets the files pass that a batch may be; a charset names their
// encoding.
func (a *api) takesFile(ctx huma.Context, next func(huma.Context)) {
	r := ctx.(*request)
	if given := r.Header("Content-Type"); given != "" {
		media, _, err := mime.ParseMediaType(given)
		if err != nil || !slices.Contains([]string{mediaCSV, mediaNDJSON, mediaXLSX, mediaXML, "text/xml", "application/octet-stream"}, media) {
			a.refuse(r, &failure{code: codeBodyUnsupported})
			return
		}
	}
	next(r)
}

type fileInput struct {
	Caller
	Once
	Length       int64  `header:"Content-Length" doc:"Bytes of the file"`
	ContentType  string `header:"Content-Type" doc:"The media type; a charset of utf-8 or gb18030 names the encoding"`
	Kind         string `query:"kind" required:"true" doc:"The kind of declaration the rows become" example:"goods"`
	Name         string `query:"name" required:"true" doc:"The file's name, 1 to 255 printable characters; only shown" example:"october.csv"`
	Format       string `query:"format" enum:"csv,xlsx,ndjson,xml" doc:"Without it, it is found out"`
	Encoding     string `query:"encoding" enum:"utf-8,gb18030,gbk,gb2312" doc:"Of CSV and NDJSON; without it, it is found out"`
	Sheet        string `query:"sheet" doc:"Of XLSX: the sheet to read; without it the first one"`
	Mapping      string `query:"mapping" doc:"A saved column mapping"`
	DryRun       bool   `query:"dryRun" doc:"Check everything, file nothing"`
	AllOrNothing bool   `query:"allOrNothing" doc:"File nothing while anything in the file has to be mended"`
}

// BatchView is a batch as enterprises see it.
type BatchView struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Kind         string          `json:"kind"`
	Format       string          `json:"format,omitempty" doc:"csv, xlsx, ndjson or xml; absent until it is found"`
	Encoding     string          `json:"encoding,omitempty" doc:"The one that was used"`
	Sheet        string          `json:"sheet,omitempty" doc:"The one that was read"`
	State        string          `json:"state" enum:"reading,filing,done,refused"`
	DryRun       bool            `json:"dryRun"`
	AllOrNothing bool            `json:"allOrNothing"`
	ReceivedAt   time.Time       `json:"receivedAt"`
	FinishedAt   *time.Time      `json:"finishedAt,omitempty"`
	Rows         int             `json:"rows" doc:"Read so far"`
	Items        int             `json:"items" doc:"Declarations found so far"`
	Filed        int             `json:"filed"`
	Rejected     int             `json:"rejected"`
	Valid        int             `json:"valid" doc:"Found sound but not filed"`
	Waiting      int             `json:"waiting" doc:"Without a verdict yet"`
	Errors       []CellComplaint `json:"errors" doc:"What is wrong with the file as a whole"`
}

// CellComplaint is one thing to mend, with its place in the file.
type CellComplaint struct {
	Complaint
	Sheet   string `json:"sheet,omitempty"`
	Row     int    `json:"row,omitempty" doc:"As the spreadsheet program numbers it; 1 is the first line"`
	Column  string `json:"column,omitempty" doc:"A, B, … AA; absent: the row as a whole"`
	Heading string `json:"heading,omitempty" doc:"The column's heading, or of a column that is missing"`
}

// RowView is what became of the rows of one declaration.
type RowView struct {
	Sheet         string          `json:"sheet,omitempty"`
	Row           int             `json:"row" doc:"The first of them"`
	Rows          []int           `json:"rows" doc:"All of them"`
	Reference     string          `json:"reference"`
	Verdict       string          `json:"verdict" enum:"waiting,filed,rejected,valid"`
	DeclarationID string          `json:"declarationId,omitempty"`
	Status        string          `json:"status,omitempty" doc:"Where the declaration stands now"`
	Errors        []CellComplaint `json:"errors"`
}

type batchOutput struct {
	Location string `header:"Location" doc:"Where the batch is found from now on"`
	Replayed string `header:"Idempotent-Replayed" doc:"true: the same file was handed in before, this is its batch"`
	Body     BatchView
}

func (a *api) receiveBatch(ctx context.Context, in *fileInput) (*batchOutput, error) {
	body := in.request.slowly()
	if err := in.judge(); err != nil {
		_ = body.Close() // as below
		return nil, err
	}
	if in.Length > batch.MostBytes {
		return nil, errors.Join(batch.ErrTooLarge, body.Close())
	}
	received, err := a.batches.Receive(ctx, batch.Upload{
		Tenant: in.request.tenant, Key: in.Key, Name: in.Name, Kind: in.Kind, Format: in.Format, Encoding: in.encoding(), Sheet: in.Sheet,
		Mapping: in.Mapping, DryRun: in.DryRun, AllOrNothing: in.AllOrNothing,
	}, body)
	if err != nil {
		// The answer matters more than whether the rest of the body came.
		_ = body.Close()
		return nil, err
	}
	out := &batchOutput{Location: "/v1/batches/" + received.ID, Body: a.viewOfBatch(in.request.asker, received)}
	if received.Replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// encoding is the one asked for, else the media type's charset.
func (in *fileInput) encoding() string {
	_, parameters, err := mime.ParseMediaType(in.ContentType)
	charset := strings.ToLower(parameters["charset"])
	if in.Encoding != "" || err != nil || !slices.Contains(batch.Encodings, charset) {
		return in.Encoding
	}
	return charset
}

// slowly gives the body of a request that may take longer than the server
// allows: as long as something comes.
func (r *request) slowly() io.ReadCloser {
	body, _ := r.BodyReader().(io.ReadCloser) // it always is one
	_, w := humago.Unwrap(r.exchange)
	return &slow{ReadCloser: body, connection: http.NewResponseController(w), until: time.Now().Add(uploadTime)}
}

type slow struct {
	io.ReadCloser
	connection *http.ResponseController
	until      time.Time // all of it
	extended   time.Time
}

// Read implements [io.Reader].
func (s *slow) Read(into []byte) (int, error) {
	if err := s.extend(); err != nil {
		return 0, err
	}
	return s.ReadCloser.Read(into)
}

func (s *slow) extend() error {
	now := time.Now()
	if now.Sub(s.extended) < time.Second {
		return nil
	}
	s.extended = now
	deadline := now.Add(uploadPause)
	if deadline.After(s.until) {
		deadline = s.until
	}
	err := errors.Join(s.connection.SetReadDeadline(deadline), s.connection.SetWriteDeadline(deadline.Add(2*patience)))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil // no connection to a network
	}
	return err
}

func (a *api) viewOfBatch(who asker, b batch.Batch) BatchView {
	return BatchView{
		ID: b.ID, Name: b.Name, Kind: b.Kind, Format: b.Format, Encoding: b.Encoding, Sheet: b.Sheet, State: string(b.State),
		DryRun: b.DryRun, AllOrNothing: b.AllOrNothing, ReceivedAt: b.ReceivedAt, FinishedAt: b.FinishedAt,
		Rows: b.Rows, Items: b.Items, Filed: b.Filed, Rejected: b.Rejected, Valid: b.Valid, Waiting: b.Waiting(), Errors: a.cellComplaints(who, b.Errors),
	}
}

func (a *api) cellComplaints(who asker, faults []batch.Fault) []CellComplaint {
	all := make([]CellComplaint, len(faults))
	for i, f := range faults {
		told := a.complaints(who, codeDeclarationRefused, []declare.Fault{f.Fault})
		all[i] = CellComplaint{told[0], f.Sheet, f.Row, f.Column, f.Heading}
	}
	return all
}

type batchesInput struct {
	Caller
	After string `query:"after" maxLength:"30" doc:"The last one of the page before" example:"bat_01KDTP3X8Q0000000000000001"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most so many"`
}

type batchesOutput struct {
	Body struct {
		Batches []BatchView `json:"batches"`
	}
}

func (a *api) listBatches(ctx context.Context, in *batchesInput) (*batchesOutput, error) {
	out := &batchesOutput{}
	out.Body.Batches = []BatchView{}
	if in.After != "" && !batchID.MatchString(in.After) {
		return out, nil
	}
	found, err := a.batches.List(ctx, in.request.tenant, in.After, in.Limit)
	for _, one := range found {
		out.Body.Batches = append(out.Body.Batches, a.viewOfBatch(in.request.asker, one))
	}
	return out, err
}

type batchInput struct {
	Caller
	ID string `path:"id" doc:"The batch's id" example:"bat_01KDTP3X8Q0000000000000001"`
}

type oneBatchOutput struct{ Body BatchView }

func (a *api) getBatch(ctx context.Context, in *batchInput) (*oneBatchOutput, error) {
	if !batchID.MatchString(in.ID) {
		return nil, declare.ErrMissing
	}
	found, err := a.batches.Batch(ctx, in.request.tenant, in.ID)
	if err != nil {
		return nil, err
	}
	return &oneBatchOutput{a.viewOfBatch(in.request.asker, found)}, nil
}

type batchRowsInput struct {
	Caller
	ID      string `path:"id" doc:"The batch's id" example:"bat_01KDTP3X8Q0000000000000001"`
	Verdict string `query:"verdict" enum:"waiting,filed,rejected,valid" doc:"Only those with this verdict"`
	After   int    `query:"after" minimum:"0" maximum:"1000000" doc:"next of the page before"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most so many"`
}

type batchRowsOutput struct {
	Body struct {
		Rows []RowView `json:"rows"`
		Next int       `json:"next,omitempty" doc:"Ask again with after set to this; absent: that was all there is by now"`
	}
}

func (a *api) listBatchRows(ctx context.Context, in *batchRowsInput) (*batchRowsOutput, error) {
	if !batchID.MatchString(in.ID) {
		return nil, declare.ErrMissing
	}
	results, err := a.batches.Rows(ctx, in.request.tenant, in.ID, batch.Verdict(in.Verdict), in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &batchRowsOutput{}
	out.Body.Rows = make([]RowView, len(results))
	faults := 0
	for i, r := range results {
		faults += len(r.Errors)
		out.Body.Rows[i] = RowView{
			Sheet: r.Sheet, Row: r.Lines[0], Rows: r.Lines, Reference: r.Reference, Verdict: string(r.Verdict), DeclarationID: r.DeclarationID,
			Status: string(r.Status), Errors: a.cellComplaints(in.request.asker, r.Errors),
		}
	}
	if len(results) == in.Limit || faults > batch.FaultsTogether {
		out.Body.Next = results[len(results)-1].Number
	}
	return out, nil
}

func (a *api) markedUp(ctx context.Context, in *batchInput) (*huma.StreamResponse, error) {
	if !batchID.MatchString(in.ID) {
		return nil, declare.ErrMissing
	}
	if err := in.request.takesTime(); err != nil {
		return nil, err
	}
	marked, err := a.batches.MarkedUp(ctx, in.request.tenant, in.ID, in.request.language)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(huma.Context) { a.sendMarked(in.request, marked) }}, nil
}

// takesTime lets a file be made for longer than the server allows: its own
// deadlines would end the request's context and keep the answer from going out.
func (r *request) takesTime() error {
	_, w := humago.Unwrap(r.exchange)
	connection, until := http.NewResponseController(w), time.Now().Add(uploadTime+patience)
	err := errors.Join(connection.SetReadDeadline(until), connection.SetWriteDeadline(until))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil // no connection to a network
	}
	return err
}

// sendMarked sends a file that may take longer than the server allows.
func (a *api) sendMarked(r *request, marked *batch.Marked) {
	media := mediaXLSX
	if marked.Format == "csv" {
		media = mime.FormatMediaType(mediaCSV, map[string]string{"charset": marked.Encoding})
	}
	r.SetHeader("Content-Type", media)
	r.SetHeader("Content-Disposition", attachment(marked.Name))
	r.SetHeader("Content-Length", strconv.FormatInt(marked.Size, 10))
	r.SetStatus(http.StatusOK)
	_, w := humago.Unwrap(r.exchange)
	connection := http.NewResponseController(w)
	var err error
	for err == nil {
		if deadline := connection.SetWriteDeadline(time.Now().Add(uploadPause)); deadline != nil && !errors.Is(deadline, errors.ErrUnsupported) {
			err = deadline
			break
		}
		_, err = io.CopyN(r.BodyWriter(), marked, 1<<20)
	}
	if err = errors.Join(marked.Close(), ended(err)); err != nil {
		a.log.Debug("file not read", "requestId", r.requestID, "error", err)
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// attachment names a file to save: the last part of what its sender called it.
func attachment(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	return mime.FormatMediaType("attachment", map[string]string{"filename": name})
}

// MappingView is a column mapping.
type MappingView struct {
	Name    string            `json:"name,omitempty" doc:"In answers: its name"`
	Kind    string            `json:"kind" doc:"The kind whose columns they are"`
	Columns map[string]string `json:"columns" doc:"Heading in your files to column of ours; - for a column that is not to be read"`
}

type mappingInput struct {
	Caller
	Name    string `path:"name" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"The mapping's name" example:"erp-export"`
	RawBody []byte `contentType:"application/json"`
}

type mappingOutput struct{ Body MappingView }

func (a *api) saveMapping(ctx context.Context, in *mappingInput) (*mappingOutput, error) {
	value, faults := declare.ParseJSON(in.RawBody, mostMappingBytes)
	if len(faults) > 0 {
		return nil, &failure{code: codeJSONInvalid, faults: faults}
	}
	mapping, ok := mappingOf(value)
	if mapping.Name = in.Name; !ok {
		return nil, batch.ErrColumns
	}
	if err := a.batches.SaveMapping(ctx, in.request.tenant, mapping); err != nil {
		return nil, mappingProblem(err)
	}
	return &mappingOutput{viewOfMapping(mapping)}, nil
}

// mappingProblem: here the kind is part of the body.
func mappingProblem(err error) error {
	if errors.Is(err, batch.ErrKind) {
		return &failure{code: codeMappingRefused, faults: []declare.Fault{{Code: string(codeMappingRefused), Pointer: "/kind"}}}
	}
	return err
}

func mappingOf(value any) (batch.Mapping, bool) {
	tree, _ := value.(map[string]any) // what is none has no members
	kind, _ := tree["kind"].(string)
	columns, ok := tree["columns"].(map[string]any)
	mapping := batch.Mapping{Kind: kind, Columns: map[string]string{}}
	for heading, column := range columns {
		text, isText := column.(string)
		ok = ok && isText
		mapping.Columns[heading] = text
	}
	for name := range maps.Keys(tree) {
		ok = ok && slices.Contains([]string{"name", "kind", "columns"}, name)
	}
	return mapping, ok
}

func viewOfMapping(mapping batch.Mapping) MappingView {
	return MappingView{mapping.Name, mapping.Kind, mapping.Columns}
}

type mappingNameInput struct {
	Caller
	Name string `path:"name" doc:"The mapping's name" example:"erp-export"`
}

func (a *api) getMapping(ctx context.Context, in *mappingNameInput) (*mappingOutput, error) {
	found, err := a.batches.Mapping(ctx, in.request.tenant, in.Name)
	if err != nil {
		return nil, err
	}
	return &mappingOutput{viewOfMapping(found)}, nil
}

type mappingsInput struct{ Caller }

type mappingsOutput struct {
	Body struct {
		Mappings []MappingView `json:"mappings"`
	}
}

func (a *api) listMappings(ctx context.Context, in *mappingsInput) (*mappingsOutput, error) {
	found, err := a.batches.Mappings(ctx, in.request.tenant)
	out := &mappingsOutput{}
	out.Body.Mappings = []MappingView{}
	for _, mapping := range found {
		out.Body.Mappings = append(out.Body.Mappings, viewOfMapping(mapping))
	}
	return out, err
}

type fileOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition" doc:"The name to save it under"`
	Body        []byte
}

func (a *api) template(in *kindInput, format, media string) (*fileOutput, error) {
	form := a.batches.Form(in.Kind)
	if form == nil {
		return nil, declare.ErrMissing
	}
	var file bytes.Buffer
	language := in.request.language
	if format == sheet.CSV && (in.Lang == "" || in.Lang == "all") {
		language = "" // for programs
	}
	if err := form.Template(&file, format, language); err != nil {
		return nil, err
	}
	return &fileOutput{media, attachment(in.Kind + "." + format), file.Bytes()}, nil
}

// batchFinding tells what an error about a file amounts to.
func batchFinding(err error) (finding, bool) {
	for _, known := range []struct {
		err   error
		found finding
	}{
		{batch.ErrTooLarge, finding{code: codeBatchTooLarge}},
		{batch.ErrEmpty, finding{code: codeBodyMissing}},
		{batch.ErrNoTable, finding{code: codeBatchNoTable}},
		{batch.ErrColumns, finding{code: codeMappingRefused, faults: []declare.Fault{{Code: string(codeMappingRefused), Pointer: "/columns"}}}},
		{batch.ErrName, invalidQuery("name")},
		{batch.ErrKind, invalidQuery("kind")},
		{batch.ErrFormat, invalidQuery("format")},
		{batch.ErrSheet, invalidQuery("sheet")},
		{batch.ErrMapping, invalidQuery("mapping")},
	} {
		if errors.Is(err, known.err) {
			return known.found, true
		}
	}
	return finding{}, false
}

func invalidQuery(name string) finding {
	return finding{code: codeParameterInvalid, faults: []declare.Fault{{Code: string(codeParameterInvalid), Pointer: "/query/" + name}}}
}
