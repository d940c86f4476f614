package api

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsFiles are the reference page and what it loads; docs/SOURCE says where
// the files of others are from.
//
//go:embed docs/docs.html docs/page.css docs/start.js docs/scalar.js.gz
var docsFiles embed.FS

// docsPolicy lets the reference run its own script and ask this gateway and
// nobody else. The script makes the style elements whose digests stand here,
// the same whenever it runs, and sets styles of single elements.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src-elem 'self' " +
	"'sha256-rO+6k1mDRASa9Q8IQu9I3bF+bjRdxDreAZCyGSaxzeI=' " +
	"'sha256-d7niGYA9R/xp7r1pyc/+3ntTepKCabnrqd2exao76s4=' " +
	"'sha256-ZW1GSuo0pKyEx5Ar7ZC5Dflb/mjatjeTW9aVx0iZAzE=' " +
	"'sha256-DLlkYCuDYGe6ME23YkUFB7Tc36rGDeo4mVBFbZX3uaU=' " +
	"'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' " +
	"; style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// serveDocs serves the reference: /docs, read from /openapi.json by a script,
// and without scripts a list of the operations.
func (a *api) serveDocs(document *huma.OpenAPI) error {
	html, err := docsPage(document)
	if err != nil {
		return err
	}
	a.serveFile("/docs", "text/html; charset=utf-8", html, false)
	for name, media := range map[string]string{"page.css": "text/css; charset=utf-8", "start.js": "text/javascript; charset=utf-8", "scalar.js.gz": "text/javascript; charset=utf-8"} {
		content, err := docsFiles.ReadFile("docs/" + name)
		if err != nil {
			return err
		}
		plain, zipped := strings.CutSuffix(name, ".gz")
		a.serveFile("/docs/"+plain, media, content, zipped)
	}
	return nil
}

// operationLine is an operation in the list for whoever runs no scripts.
type operationLine struct{ Method, Path, Summary, ID string }

func docsPage(document *huma.OpenAPI) ([]byte, error) {
	source, err := docsFiles.ReadFile("docs/docs.html")
	if err != nil {
		return nil, err
	}
	layout, err := template.New("docs").Parse(string(source))
	if err != nil {
		return nil, err
	}
	var lines []operationLine
	for _, operation := range operationsOf(document) {
		lines = append(lines, operationLine{operation.Method, operation.Path, operation.Summary, operation.OperationID})
	}
	slices.SortFunc(lines, func(a, b operationLine) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	var html bytes.Buffer
	err = layout.Execute(&html, lines)
	return html.Bytes(), err
}

// serveFile serves a file that changes only with the program; zipped ones are
// kept so and unpacked for whoever cannot.
func (a *api) serveFile(at, media string, content []byte, zipped bool) {
	digest := sha256.Sum256(content)
	etag := `"` + hex.EncodeToString(digest[:16]) + `"`
	a.mux.HandleFunc("GET "+at, func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", media)
		header.Set("Content-Security-Policy", docsPolicy)
		header.Set("Cache-Control", "no-cache")
		header.Set("ETag", etag)
		header.Set("Vary", "Accept-Encoding")
		header.Set("Referrer-Policy", "no-referrer")
		if matches(r.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		var body io.Reader = bytes.NewReader(content)
		if zipped && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			header.Set("Content-Encoding", "gzip")
		} else if zipped {
			unzipped, err := gzip.NewReader(body)
			if err != nil {
				panic(err) // what was built in is not what was packed
			}
			body = unzipped
		}
		if _, err := io.Copy(w, body); err != nil {
			a.log.Debug("answer not read", "requestId", r.Header.Get(headerRequestID), "error", err)
		}
	})
}
