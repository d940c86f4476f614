package api

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"

	"singlewindow/declare"
)

//go:embed problems.html
var problemsHTML string

var pages = template.Must(template.New("pages").Parse(problemsHTML))

// pagePolicy lets a page load our style sheet and nothing else: it has no
// script and sends nothing.
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is what every template sees as its dot.
type page struct {
	Language string
	Path     string
	Data     any
}

func (p page) drawn(name string) ([]byte, error) {
	var html bytes.Buffer
	err := pages.ExecuteTemplate(&html, name, p)
	return html.Bytes(), err
}

// Say gives one of the words of the frame.
func (p page) Say(key string) string { return pageTexts[key].In(p.Language) }

// Text is the example as text, for a page.
func (e Explanation) Text() string { return string(e.Example) }

// Related gives the codes that stand in the example, but for its own.
func (e Explanation) Related() (codes []string) {
	for _, part := range strings.Split(string(e.Example), `"code": "`)[1:] {
		if code, _, _ := strings.Cut(part, `"`); code != e.Code {
			codes = append(codes, code)
		}
	}
	return codes
}

var pageTexts = map[string]declare.Text{
	"problems": {English: "Problems", Chinese: "问题代码"},
	"lead":     {English: "Every code the API answers with. A code never changes its meaning.", Chinese: "接口答复中的全部代码。代码的含义不会改变。"},
	"status":   {English: "HTTP status", Chinese: "HTTP 状态"},
	"code":     {English: "Code", Chinese: "代码"},
	"means":    {English: "Means", Chinese: "含义"},
	"of":       {English: "Rule of", Chinese: "规则所属"},
	"cause":    {English: "Cause", Chinese: "原因"},
	"example":  {English: "Example", Chinese: "示例"},
	"cure":     {English: "Cure", Chinese: "处理方法"},
	"all":      {English: "All codes", Chinese: "全部代码"},
	"see":      {English: "In the example", Chinese: "示例中的代码"},
	"docs":     {English: "API reference", Chinese: "接口文档"},
	"skip":     {English: "Skip to the content", Chinese: "跳到正文"},
	"table":    {English: "Codes, with the status of the answer and what they mean", Chinese: "代码、答复状态及含义"},
}
