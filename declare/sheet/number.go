package sheet

import (
	"regexp"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// A spreadsheet holds a number as a binary fraction, writes it into the file
// with up to 17 digits, and shows at most 15: what its user typed is the 15.
const shownDigits = 15

var plainNumber = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)

// shownNumber gives a number of a workbook as its user sees it, without an
// exponent. It is false where digits before the decimal point are lost, as in
// an identifier that was typed as a number.
func shownNumber(raw string) (string, bool) {
	if plainNumber.MatchString(raw) && len(strings.TrimLeft(strings.Replace(raw, ".", "", 1), "+-0")) <= shownDigits {
		return raw, true
	}
	number, ok := parseNumber(raw)
	if !ok {
		return "", false
	}
	before := number.NumDigits() + int(number.Exponent()) // digits before the decimal point; negative for zeros after it
	if number.IsZero() {
		return "0", true
	}
	if before > shownDigits || before < -shownDigits {
		return "", false
	}
	return number.Round(int32(shownDigits - before)).String(), true
}

// parseNumber reads what a spreadsheet writes, and nothing whose digits would
// fill the memory.
func parseNumber(raw string) (decimal.Decimal, bool) {
	if len(raw) > 40 {
		return decimal.Decimal{}, false
	}
	number, err := decimal.NewFromString(raw)
	if err != nil || number.Exponent() > 400 || number.Exponent() < -400 {
		return decimal.Decimal{}, false
	}
	return number, true
}

// The days that a spreadsheet counts from; the earlier calendar takes 1900 for
// a leap year, which it was not.
var (
	dayZero     = time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	dayZero1904 = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
)

const lastDay = 2_958_465 // of the year 9999

// shownDate gives the date, date and time, or time that a number with a date's
// format stands for, in the manner of ISO 8601 and without a time zone.
func shownDate(raw string, from1904 bool) (string, bool) {
	number, ok := parseNumber(raw)
	if !ok || number.IsNegative() || number.GreaterThan(decimal.NewFromInt(lastDay)) {
		return "", false
	}
	days := number.IntPart()
	seconds := number.Sub(decimal.NewFromInt(days)).Mul(decimal.NewFromInt(24 * 60 * 60)).Round(0).IntPart()
	zero := dayZero
	switch {
	case from1904:
		zero = dayZero1904
	case days < 60:
		zero = zero.AddDate(0, 0, 1)
	}
	at := zero.AddDate(0, 0, int(days)).Add(time.Duration(seconds) * time.Second)
	switch {
	case days == 0 && !from1904:
		return at.Format(time.TimeOnly), true
	case seconds == 0:
		return at.Format(time.DateOnly), true
	}
	return at.Format("2006-01-02T15:04:05"), true
}

// isDateFormat tells a number format that shows dates or times, by its number
// if built in and else by its letters, leaving out what stands for itself.
func isDateFormat(id int, code string) bool {
	if code == "" {
		return 14 <= id && id <= 22 || 27 <= id && id <= 36 || 45 <= id && id <= 47 || 50 <= id && id <= 58
	}
	code, _, _ = strings.Cut(asIs.ReplaceAllString(code, ""), ";")
	return strings.ContainsAny(strings.ToLower(code), "ymdhs")
}

var asIs = regexp.MustCompile(`"[^"]*"|\\.|_.|\*.|\[[^\]]*\]|(?i:general)`)
