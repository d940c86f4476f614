package mapping

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
)

// List is a code list: our codes and the agency's, each pair valid for a time.
type List struct {
	Name     string
	Source   string // where the list is from, as its first line says
	Complete bool   // false: an excerpt

	byOurs, byTheirs map[string][]entry // in the order of the file
	entries          int
}

type entry struct {
	ours, theirs string
	from, to     string // YYYY-MM-DD, both inclusive; empty: open
}

func (e entry) valid(day string) bool {
	return day == "" || (e.from == "" || e.from <= day) && (e.to == "" || day <= e.to)
}

// Theirs gives the agency's code valid on a day (YYYY-MM-DD; "" takes the first).
func (l *List) Theirs(ours, day string) (string, bool) {
	for _, e := range l.byOurs[ours] {
		if e.valid(day) {
			return e.theirs, true
		}
	}
	return "", false
}

// Ours gives our code of the first entry with the agency's code, whatever its dates.
func (l *List) Ours(theirs string) (string, bool) {
	if entries := l.byTheirs[theirs]; len(entries) > 0 {
		return entries[0].ours, true
	}
	return "", false
}

// Len is the number of entries.
func (l *List) Len() int { return l.entries }

// ambiguous names the first of the agency's codes that stands for several of ours.
func (l *List) ambiguous() (theirs string, found bool) {
	for code, entries := range l.byTheirs {
		several := slices.ContainsFunc(entries, func(e entry) bool { return e.ours != entries[0].ours })
		if several && (!found || code < theirs) {
			theirs, found = code, true
		}
	}
	return theirs, found
}

var listColumns = []string{"ours", "theirs", "en", "zh", "validFrom", "validTo"}

// ParseList reads a code list file; the form is in the package comment. name is
// what mapping files call it. The error is Faults.
func ParseList(name string, src []byte) (*List, error) {
	l := &List{Name: name, byOurs: map[string][]entry{}, byTheirs: map[string][]entry{}}
	p := &listParser{list: l, lines: strings.Split(string(src), "\n")}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	first, _, _ := strings.Cut(string(src), "\n")
	p.source(strings.TrimSpace(first))
	p.records(src)
	if p.faults != nil {
		return nil, p.faults
	}
	return l, nil
}

type listParser struct {
	list   *List
	lines  []string
	faults Faults
}

func (p *listParser) fault(line, column int, text string) {
	f := &Fault{File: p.list.Name + ".csv", Line: line, Column: column, Text: text}
	if line <= len(p.lines) {
		f.Excerpt = p.lines[line-1]
	}
	p.faults = append(p.faults, f)
}

func (p *listParser) source(line string) {
	text, isSource := strings.CutPrefix(line, "# source:")
	at := strings.LastIndexByte(text, ';')
	if !isSource || at < 0 {
		p.fault(1, 1, `the first line must read "# source: where from; complete" or "…; excerpt"`)
		return
	}
	p.list.Source = strings.TrimSpace(text[:at])
	switch mark := strings.TrimSpace(text[at+1:]); mark {
	case "complete":
		p.list.Complete = true
	case "excerpt":
	default:
		p.fault(1, 1, "the first line must end in complete or excerpt")
	}
}

func (p *listParser) records(src []byte) {
	reader := csv.NewReader(bytes.NewReader(src))
	reader.Comment = '#'
	header, err := reader.Read()
	if err != nil {
		p.fault(2, 1, "no header: "+strings.Join(listColumns, ","))
		return
	}
	for i, name := range header {
		if !slices.Contains(listColumns, name) || slices.Index(header, name) != i {
			p.fault(2, 1, "unknown or repeated column; a list has "+strings.Join(listColumns, ","))
			return
		}
	}
	if !slices.Contains(header, "ours") || !slices.Contains(header, "theirs") {
		p.fault(2, 1, "a list needs the columns ours and theirs")
		return
	}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if bad := new(csv.ParseError); errors.As(err, &bad) {
			p.fault(bad.Line, bad.Column, bad.Err.Error())
			return // what follows cannot be told apart
		}
		fields := map[string]string{}
		for i, name := range header {
			fields[name] = record[i]
		}
		line, _ := reader.FieldPos(0)
		p.add(line, entry{fields["ours"], fields["theirs"], fields["validFrom"], fields["validTo"]})
	}
}

func (p *listParser) add(line int, e entry) {
	for _, day := range []string{e.from, e.to} {
		if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
			p.fault(line, 1, "validFrom and validTo are dates, YYYY-MM-DD")
			return
		}
	}
	if e.ours == "" || e.theirs == "" {
		p.fault(line, 1, "an entry needs both codes")
		return
	}
	for _, other := range p.list.byOurs[e.ours] {
		if (e.to == "" || other.from <= e.to) && (other.to == "" || e.from <= other.to) {
			p.fault(line, 1, "our code "+e.ours+" stands twice for the same time")
			return
		}
	}
	p.list.byOurs[e.ours] = append(p.list.byOurs[e.ours], e)
	p.list.byTheirs[e.theirs] = append(p.list.byTheirs[e.theirs], e)
	p.list.entries++
}
