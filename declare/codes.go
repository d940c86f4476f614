package declare

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// FileError is a fault in a file of data: a rule, a code list, a schema. Line
// and Column count from one and are 0 where the fault has no such place.
type FileError struct {
	File   string
	Line   int
	Column int
	Text   string
}

func (e *FileError) Error() string {
	place := ""
	if e.File != "" {
		place = e.File + ":"
	}
	if e.Line > 0 {
		place += fmt.Sprintf("%d:", e.Line)
	}
	if e.Column > 0 {
		place += fmt.Sprintf("%d:", e.Column)
	}
	return strings.TrimSpace(place + " " + e.Text)
}

// CodeList is one canonical code list. What stands in a complete list is all
// there is; an excerpt holds what is used here, so that a value missing from
// it may still be right.
type CodeList struct {
	Name     string
	Source   string
	Complete bool
	Entries  []Code

	byCode map[string][]Code
}

// Code is one entry. The days it is valid are ISO 8601 dates, both included;
// an empty one is open. A code may stand several times with other days.
type Code struct {
	Code      string
	Title     Text
	ValidFrom string
	ValidTo   string
}

// Has tells whether the code stands in the list, whatever the day.
func (l *CodeList) Has(code string) bool { return len(l.byCode[code]) > 0 }

// On gives the entries valid on a day (an ISO 8601 date), all of them for "".
func (l *CodeList) On(day string) []Code {
	if day == "" {
		return l.Entries
	}
	var valid []Code
	for _, code := range l.Entries {
		if code.validOn(day) {
			valid = append(valid, code)
		}
	}
	return valid
}

// check judges a value of the declaration on a day (an ISO 8601 date). The
// fault has no pointer yet.
func (l *CodeList) check(value, day string) (fault Fault, valid bool) {
	entries := l.byCode[value]
	switch {
	case slices.ContainsFunc(entries, func(c Code) bool { return c.validOn(day) }):
		return Fault{}, true
	case len(entries) > 0:
		return Fault{Code: "code.expired", Text: Text{
			English: fmt.Sprintf("This code of the list %q is not valid on the date of the declaration.", l.Name),
			Chinese: fmt.Sprintf("代码表 %q 中的该代码在申报日期无效。", l.Name),
		}}, false
	case l.Complete:
		return Fault{Code: "code.unknown", Text: Text{
			English: fmt.Sprintf("The code list %q has no such code.", l.Name),
			Chinese: fmt.Sprintf("代码表 %q 中没有该代码。", l.Name),
		}}, false
	}
	return Fault{Code: "code.unknown", Advice: true, Text: Text{
		English: fmt.Sprintf("Our excerpt of the code list %q does not have this code; check that it is meant.", l.Name),
		Chinese: fmt.Sprintf("代码表 %q 的节选中没有该代码，请核对。", l.Name),
	}}, false
}

func (c Code) validOn(day string) bool {
	return (c.ValidFrom == "" || c.ValidFrom <= day) && (c.ValidTo == "" || day <= c.ValidTo)
}

// CodeLists gives the canonical code lists by name. They are read once.
var CodeLists = sync.OnceValues(func() (map[string]*CodeList, error) {
	files, err := fs.Glob(embedded, "codes/*.csv")
	if err != nil {
		return nil, err
	}
	lists := map[string]*CodeList{}
	for _, file := range files {
		src, err := embedded.ReadFile(file)
		if err != nil {
			return nil, err
		}
		list, err := parseCodeList(file, src)
		if err != nil {
			return nil, err
		}
		lists[list.Name] = list
	}
	return lists, nil
})

// parseCodeList reads
//
//	# source: where it is from; complete|excerpt
//	code,en,zh,validFrom,validTo
//
// and the entries after it. The error is a *FileError.
func parseCodeList(file string, src []byte) (*CodeList, error) {
	first, rest, _ := bytes.Cut(src, []byte("\n"))
	list := &CodeList{Name: strings.TrimSuffix(path.Base(file), ".csv"), byCode: map[string][]Code{}}
	source, isSource := strings.CutPrefix(string(first), "# source: ")
	end := strings.LastIndex(source, ";")
	if !isSource || end < 0 {
		return nil, &FileError{file, 1, 0, "the first line must be: # source: …; complete or excerpt"}
	}
	list.Source = strings.TrimSpace(source[:end])
	switch strings.TrimSpace(source[end+1:]) {
	case "complete":
		list.Complete = true
	case "excerpt":
	default:
		return nil, &FileError{file, 1, 0, "the first line must end with complete or excerpt"}
	}
	rows := csv.NewReader(bytes.NewReader(rest))
	rows.FieldsPerRecord = 5
	header, err := rows.Read()
	if err != nil {
		return nil, codeListError(file, err)
	}
	if strings.Join(header, ",") != "code,en,zh,validFrom,validTo" {
		return nil, &FileError{file, 2, 0, "the header must be code,en,zh,validFrom,validTo"}
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, codeListError(file, err)
		}
		if err := list.add(row); err != nil {
			line, _ := rows.FieldPos(0)
			return nil, &FileError{file, line + 1, 0, err.Error()}
		}
	}
}

// codeListError moves a CSV fault one line down: the reader never saw the
// first line.
func codeListError(file string, err error) error {
	var fault *csv.ParseError
	if errors.As(err, &fault) {
		return &FileError{file, fault.Line + 1, fault.Column, fault.Err.Error()}
	}
	return &FileError{file, 0, 0, err.Error()}
}

func (l *CodeList) add(row []string) error {
	code := Code{Code: row[0], Title: Text{row[1], row[2]}, ValidFrom: row[3], ValidTo: row[4]}
	for _, day := range row[3:] {
		if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
			return errors.New("a day of validity is not a date YYYY-MM-DD")
		}
	}
	switch {
	case code.Code == "" || code.Title.English == "":
		return errors.New("an entry needs a code and an English title")
	case code.ValidTo != "" && code.ValidTo < code.ValidFrom:
		return errors.New("the entry ends before it begins")
	}
	for _, other := range l.byCode[code.Code] {
		if (other.ValidTo == "" || code.ValidFrom <= other.ValidTo) && (code.ValidTo == "" || other.ValidFrom <= code.ValidTo) {
			return errors.New("the code stands twice on the same day")
		}
	}
	l.Entries = append(l.Entries, code)
	l.byCode[code.Code] = append(l.byCode[code.Code], code)
	return nil
}
