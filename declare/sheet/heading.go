package sheet

import (
	"fmt"
	"strings"

	"github.com/xuri/excelize/v2"

	"singlewindow/declare"
)

// leftOut is the heading of a column that is not read, and what
// [Source.Columns] maps such a column to.
const leftOut = "-"

// messageHeading is the heading of the column that [Markup] adds. It is left
// out when the mended table comes back.
const messageHeading = "Messages 错误信息"

// Limits on what is told about a heading: a table whose first line is no
// heading has nothing but unknown ones.
const (
	maxHeadingFaults = 200
	maxSuggestions   = 20
	maxHeadingLength = 200 // in characters
)

// bind finds the column of each heading, nil for those left out and unknown.
func (f *Form) bind(heading []string) []*Column { return f.recent.columns(heading, f.recognised) }

func (f *Form) recognised(heading []string) []*Column {
	columns := make([]*Column, len(heading))
	for i, name := range heading {
		columns[i] = f.recognise(name)
	}
	return columns
}

func (f *Form) recognise(heading string) *Column {
	heading = clean(heading)
	if len(heading) == 0 || len(heading) > 4*maxHeadingLength {
		return nil
	}
	if column := f.find(heading); column != nil {
		return column
	}
	return f.byLabel[labelKey(heading)]
}

// CheckHeading tells what is wrong with a heading: columns nobody knows, with
// the nearest known one, and columns that stand twice. The texts name the
// column by its letter and never repeat the heading: where the first line is
// no heading it is a declaration.
//
//	batch.heading.unknown, batch.heading.twice, batch.heading.reference,
//	batch.heading.none
func (f *Form) CheckHeading(heading []string) []declare.Fault {
	var faults []declare.Fault
	first := map[string]string{}
	for i, column := range f.bind(heading) {
		letter := columnName(i)
		switch name := clean(heading[i]); {
		case name == "" || name == leftOut || name == messageHeading:
		case column == nil:
			nearest := ""
			if len(faults) < maxSuggestions {
				nearest = f.nearest(name)
			}
			faults = append(faults, unknownHeading(letter, nearest))
		case first[column.Path] != "":
			faults = append(faults, fault("batch.heading.twice",
				fmt.Sprintf("Columns %s and %s are the same column (%s); keep one of them.", first[column.Path], letter, column.Path),
				fmt.Sprintf("%s 列与 %s 列是同一列（%s），请保留其一。", first[column.Path], letter, column.Path)))
		default:
			first[column.Path] = letter
		}
	}
	switch {
	case len(first) > 0 && first[referencePath] == "":
		faults = append(faults, fault("batch.heading.reference",
			"There is no column for the reference, which tells the declarations apart.", "缺少企业申报编号列，无法区分各票申报。"))
	case len(first) == 0:
		faults = append(faults, fault("batch.heading.none",
			"None of the columns is known: the first line must hold the headings, as a template has them.",
			"没有可识别的列：第一行应为列标题，参见模板。"))
	}
	return faults[:min(len(faults), maxHeadingFaults)]
}

func unknownHeading(letter, nearest string) declare.Fault {
	english := fmt.Sprintf("Column %s: there is no such column.", letter)
	chinese := fmt.Sprintf("%s 列：没有这样的列。", letter)
	if nearest != "" {
		english += fmt.Sprintf(" Was %q meant?", nearest)
		chinese += fmt.Sprintf("是否应为“%s”？", nearest)
	}
	return fault("batch.heading.unknown", english, chinese)
}

// nearest gives the path or label that a heading is most like, "" when there
// is none with fewer than half of its characters changed.
func (f *Form) nearest(heading string) string {
	wanted := []rune(strings.ToLower(heading))
	if len(wanted) > maxHeadingLength {
		return ""
	}
	best, distance := "", len(wanted)/2+1
	consider := func(candidate string) {
		if d := editDistance(wanted, []rune(strings.ToLower(candidate)), distance); d < distance {
			best, distance = candidate, d
		}
	}
	for _, column := range f.columns {
		consider(column.Path)
		consider(column.Label.English)
		consider(column.Label.Chinese)
	}
	for _, path := range f.fields {
		consider(path)
	}
	return best
}

// editDistance counts the characters to change, add or leave out (Levenshtein),
// or gives limit when there are at least so many.
func editDistance(a, b []rune, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		least := row[0]
		for j := range b {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
			least = min(least, row[j+1])
		}
		if least >= limit {
			return limit
		}
	}
	return row[len(b)]
}

// columnName gives A for 0, AA for 26.
func columnName(index int) string {
	name, err := excelize.ColumnNumberToName(index + 1)
	if err != nil {
		return "" // beyond the last column a spreadsheet has; we read far fewer
	}
	return name
}

func fault(code, english, chinese string) declare.Fault {
	return declare.Fault{Code: code, Text: declare.Text{English: english, Chinese: chinese}}
}

func refuse(code, english, chinese string) error {
	return &declare.Refusal{Faults: []declare.Fault{fault(code, english, chinese)}}
}
