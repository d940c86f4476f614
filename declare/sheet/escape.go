package sheet

import "strings"

// formulaStarts begin what a spreadsheet program may compute instead of show.
const formulaStarts = "=+-@\t\r\n＝＋－＠"

// escape puts an apostrophe before a text that would be taken for a formula;
// a plain number is none.
func escape(text string) string {
	if text == "" || plainNumber.MatchString(text) || strings.IndexAny(text, formulaStarts) != 0 {
		return text
	}
	return "'" + text
}

// unescape takes away the apostrophe of escape, in a table that comes back.
func unescape(text string) string {
	if rest, quoted := strings.CutPrefix(text, "'"); quoted && escape(rest) != rest {
		return rest
	}
	return text
}
