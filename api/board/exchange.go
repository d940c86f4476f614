package board

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"singlewindow/declare"
	queries "singlewindow/declare/board"
)

// exchange is what goes to and fro between us and an agency: a sort of it.
type exchange struct {
	path  string // in addresses
	title string // key
	read  func(*queries.Board, context.Context, declare.Scope, string, string, string) (queries.Text, error)
}

var (
	messages = exchange{"messages", "declaration.message.title", (*queries.Board).Message}
	notices  = exchange{"notices", "declaration.notice.title", (*queries.Board).Notice}
)

// exchangePage shows the bytes, set so that people can read them.
type exchangePage struct {
	Title, ID, Agency string
	XML               string
	Size              string
	Cut               bool // more than is shown
	Raw, Back         string
	Reference         string
}

// mostShown bounds what is shown of a message in bytes; all of it can be
// downloaded.
const mostShown = 512 << 10

func (b *board) shownExchange(what exchange) func(http.ResponseWriter, *http.Request, visitor) {
	return func(w http.ResponseWriter, r *http.Request, v visitor) {
		text, known := b.exchanged(w, r, v, what)
		if !known {
			return
		}
		tenant, id, _ := named(r)
		line, err := b.queries.Line(r.Context(), v.Scope(), tenant, id)
		if err != nil {
			b.fail(w, r, v, err)
			return
		}
		shown, cut := readable(text.Body)
		b.render(w, r, v, "exchange", exchangePage{
			Title: what.title, ID: r.PathValue("exchange"), Agency: text.Agency, XML: shown, Cut: cut, Size: groupThousands(len(text.Body)),
			Raw: r.URL.Path + "/xml", Back: declarationAddress(tenant, id), Reference: line.Reference,
		})
	}
}

// rawExchange gives the bytes as they went over the wire.
func (b *board) rawExchange(what exchange) func(http.ResponseWriter, *http.Request, visitor) {
	return func(w http.ResponseWriter, r *http.Request, v visitor) {
		if text, known := b.exchanged(w, r, v, what); known {
			b.download(w, r, text.Body, r.PathValue("exchange"))
		}
	}
}

func (b *board) download(w http.ResponseWriter, r *http.Request, body []byte, name string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.xml"`, name))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		b.log.Debug("download not taken", "path", r.URL.Path, "error", err)
	}
}

// exchanged reads what the address names, or answers that it is missing.
func (b *board) exchanged(w http.ResponseWriter, r *http.Request, v visitor, what exchange) (queries.Text, bool) {
	tenant, id, known := named(r)
	name := r.PathValue("exchange")
	if !known || !exchangeForm.MatchString(name) {
		b.missing(w, r, v)
		return queries.Text{}, false
	}
	text, err := what.read(b.queries, r.Context(), v.Scope(), tenant, id, name)
	switch {
	case errors.Is(err, declare.ErrMissing):
		b.missing(w, r, v)
	case err != nil:
		b.fail(w, r, v, err)
	}
	return text, err == nil
}

// readable sets XML with a line for each element. What is no XML is given as
// it came. It is text for people: the bytes themselves are for download.
func readable(body []byte) (text string, cut bool) {
	cut = len(body) > mostShown
	if cut {
		body = body[:mostShown]
	}
	if set, good := indented(body); good && !cut {
		return set, false
	}
	return strings.ToValidUTF8(string(body), "\uFFFD"), cut
}

// indented reads XML token by token; attributes and prefixes stay as they are.
func indented(body []byte) (string, bool) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	var out strings.Builder
	depth, open := 0, false // open: the last thing written began an element
	line := func() {
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(strings.Repeat("  ", min(depth, 40)))
	}
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return out.String(), depth == 0 && out.Len() > 0
		}
		if err != nil {
			return "", false
		}
		switch token := token.(type) {
		case xml.StartElement:
			line()
			out.WriteString("<" + qualified(token.Name))
			for _, attribute := range token.Attr {
				out.WriteString(" " + qualified(attribute.Name) + `="` + escaped(attribute.Value) + `"`)
			}
			out.WriteByte('>')
			depth++
			open = true
		case xml.EndElement:
			depth--
			if !open {
				line()
			}
			out.WriteString("</" + qualified(token.Name) + ">")
			open = false
		case xml.CharData:
			if written := strings.TrimSpace(string(token)); written != "" {
				if !open {
					line()
				}
				out.WriteString(escaped(written))
			}
		case xml.Comment:
			line()
			out.WriteString("<!--" + string(token) + "-->")
			open = false
		case xml.ProcInst:
			line()
			out.WriteString("<?" + token.Target + " " + string(token.Inst) + "?>")
		case xml.Directive:
			return "", false
		}
	}
}

func qualified(name xml.Name) string {
	if name.Space == "" {
		return name.Local
	}
	return name.Space + ":" + name.Local
}

func escaped(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}
