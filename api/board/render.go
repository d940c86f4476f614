package board

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the parsed templates: language, then name of the page's file.
type pages map[string]map[string]*template.Template

// A page is what every template sees as its dot.
type page struct {
	Visitor visitor
	Path    string // of the request
	Query   url.Values
	Data    any // the page's own
}

// Here tells whether the page is at href or below it, for the menu.
func (p page) Here(href string) bool {
	return p.Path == href || href != Root && strings.HasPrefix(p.Path, href+"/")
}

// In gives this same page in another language.
func (p page) In(language string) string {
	query := url.Values{}
	for name, values := range p.Query {
		query[name] = values
	}
	query.Set("lang", language)
	return p.Path + "?" + query.Encode()
}

// loadPages parses every page once per language. A page file defines "title"
// and "main", and whatever parts it renders alone; files that begin with an
// underscore are shared by all pages.
func (b *board) loadPages() (pages, error) {
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	parsed := pages{}
	for _, language := range spoken {
		parsed[language] = map[string]*template.Template{}
		layout, err := template.New("layout.html").Funcs(b.functions(language)).Option("missingkey=error").ParseFS(templateFiles, "templates/layout.html", "templates/_*.html")
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := strings.TrimSuffix(entry.Name(), ".html")
			if name == "layout" || strings.HasPrefix(name, "_") {
				continue
			}
			set, err := layout.Clone()
			if err != nil {
				return nil, err
			}
			if parsed[language][name], err = set.ParseFS(templateFiles, path.Join("templates", entry.Name())); err != nil {
				return nil, err
			}
		}
	}
	return parsed, nil
}

// functions are what templates may call beside Go's own.
func (b *board) functions(language string) template.FuncMap {
	return template.FuncMap{
		"t":        func(key string, values ...any) (string, error) { return b.texts.say(language, key, values...) },
		"agency":   func(name string) string { return b.agencyTitle(language, name) },
		"static":   b.static.address,
		"time":     b.timeTag,
		"duration": func(d time.Duration) (string, error) { return b.duration(language, d) },
		"number":   groupThousands,
		"day":      func(at time.Time) string { return at.In(b.zone).Format(time.DateOnly) },
		"zone":     func() string { return strings.TrimSuffix(b.now().In(b.zone).Format("UTC-07:00"), "+00:00") },
	}
}

// agencyTitle is what people call an agency; its name where there is no gateway
// to know better.
func (b *board) agencyTitle(language, name string) string {
	if b.gateway == nil {
		return name
	}
	return inLanguage(language, b.gateway.AgencyTitle(name))
}

// render draws a page, 200.
func (b *board) render(w http.ResponseWriter, r *http.Request, v visitor, name string, data any) {
	b.renderStatus(w, r, v, http.StatusOK, name, data)
}

// renderStatus draws a whole page into memory, then answers: a fault while
// drawing does not leave half a page.
func (b *board) renderStatus(w http.ResponseWriter, r *http.Request, v visitor, status int, name string, data any) {
	b.draw(w, r, v, status, name, "layout.html", data)
}

// renderPart draws one block of a page's templates alone, for scripts.
func (b *board) renderPart(w http.ResponseWriter, r *http.Request, v visitor, name, block string, data any) {
	b.draw(w, r, v, http.StatusOK, name, block, data)
}

// wantsPart tells whether htmx asks, which then wants a part of the page. Not
// when it restores a page from history.
func wantsPart(r *http.Request) bool {
	return r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-History-Restore-Request") != "true"
}

func (b *board) draw(w http.ResponseWriter, r *http.Request, v visitor, status int, name, block string, data any) {
	html, err := b.drawn(r, v, name, block, data)
	if err != nil {
		if name == "error" { // it cannot be said in HTML
			b.log.Error("error page", "error", err)
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		b.fail(w, r, v, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.Lang)
	w.WriteHeader(status)
	if _, err := w.Write(html); err != nil {
		b.log.Debug("page not taken", "path", r.URL.Path, "error", err)
	}
}

// drawn gives a block's HTML, also for events that carry parts of a page.
func (b *board) drawn(r *http.Request, v visitor, name, block string, data any) ([]byte, error) {
	set, known := b.pages[v.Lang][name]
	if !known {
		return nil, fmt.Errorf("board: there is no page %q in language %q", name, v.Lang)
	}
	var html bytes.Buffer
	err := set.ExecuteTemplate(&html, block, page{Visitor: v, Path: r.URL.Path, Query: r.URL.Query(), Data: data})
	return html.Bytes(), err
}

// timeTag shows a moment to the minute, in the board's zone; the exact one is
// in the tag. A nil or zero time is a dash.
func (b *board) timeTag(at any) (template.HTML, error) {
	var moment time.Time
	switch given := at.(type) {
	case time.Time:
		moment = given
	case *time.Time:
		if given != nil {
			moment = *given
		}
	default:
		return "", fmt.Errorf("board: %T is no time", at)
	}
	if moment.IsZero() {
		return "–", nil
	}
	local := moment.In(b.zone)
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // made of digits only
		moment.UTC().Format(time.RFC3339), local.Format("2006-01-02 15:04:05 -07:00"), local.Format("2006-01-02 15:04"))), nil
}

// duration says a time span in its two largest units.
func (b *board) duration(language string, d time.Duration) (string, error) {
	minutes := int(d / time.Minute)
	hours, days := minutes/60, minutes/60/24
	switch {
	case d < time.Minute:
		return b.texts.say(language, "frame.seconds", max(0, int(d/time.Second)))
	case hours == 0:
		return b.texts.say(language, "frame.minutes", minutes)
	case days == 0:
		return b.texts.say(language, "frame.hours", hours, minutes%60)
	}
	return b.texts.say(language, "frame.days", days, hours%24)
}

// groupThousands writes a whole number as people read it: 12,345.
func groupThousands(number int) string {
	digits, sign := strconv.Itoa(number), ""
	if number < 0 {
		digits, sign = digits[1:], "-"
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
