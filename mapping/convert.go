package mapping

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

func problem(code, reason string) *Problem {
	p := &Problem{Code: code}
	if reason != "" {
		p.Detail = map[string]string{"reason": reason}
	}
	return p
}

// decimalVerb checks, converts and rounds a decimal number.
type decimalVerb struct {
	places  int32 // digits after the point; -1: any number
	unit    *pointer
	to      string
	round   bool
	factors *List // unit → how many of the base unit it is
}

// plainDecimal also bounds what reaches the decimal package: an exponent could
// make a short text a number of gigabytes.
var plainDecimal = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$`)

const maxDecimal = 40

func (d *decimalVerb) check(text string) *Problem {
	if len(text) > maxDecimal || !plainDecimal.MatchString(text) {
		return problem("map.decimal", "")
	}
	_, fraction, _ := strings.Cut(text, ".")
	if d.places >= 0 && len(strings.TrimRight(fraction, "0")) > int(d.places) { // zeros at the end say nothing
		p := problem("map.decimal", "places")
		p.Detail["places"] = fmt.Sprint(d.places)
		return p
	}
	return nil
}

// write keeps the text as it is, trailing zeros too, unless it must convert or round.
func (d *decimalVerb) write(text, unit string) (string, *Problem) {
	bad := d.check(text)
	same := unit == "" || unit == d.to
	if bad == nil && same {
		return text, nil
	}
	if bad != nil && bad.Detail == nil {
		return "", bad
	}
	value, err := decimal.NewFromString(text)
	if err != nil {
		return "", problem("map.decimal", "")
	}
	if !same {
		if value, bad = d.convert(value, unit); bad != nil {
			return "", bad
		}
		text = value.String()
		bad = d.check(text)
	}
	if bad != nil && bad.Detail["reason"] == "places" && d.round {
		return value.StringFixed(d.places), nil
	}
	return text, bad
}

func (d *decimalVerb) convert(value decimal.Decimal, unit string) (decimal.Decimal, *Problem) {
	from, known := d.factors.Theirs(unit, "")
	if !known {
		p := problem("map.code", "")
		p.List = d.factors.Name
		return value, p
	}
	to, _ := d.factors.Theirs(d.to, "") // known since Compile
	base := value.Mul(decimal.RequireFromString(from))
	divisor := decimal.RequireFromString(to)
	const precision = 20
	result := base.DivRound(divisor, precision)
	if !result.Mul(divisor).Equal(base) && !d.round {
		return value, problem("map.decimal", "")
	}
	return result, nil
}

// dateVerb writes dates and times in an agency's layouts.
type dateVerb struct {
	layouts   []layout
	attribute string         // the attribute that tells the layouts apart; "" if none
	zone      *time.Location // nil: the agency's
	always    bool           // convert to the zone even if the layout shows an offset
}

type layout struct {
	code, text  string
	clock, zone bool // the layout shows a time of day, an offset
}

func parseLayout(code, text string) (layout, bool) {
	morning := time.Date(2019, 11, 22, 0, 0, 0, 0, time.UTC)
	evening := time.Date(2019, 11, 22, 21, 34, 56, 0, time.UTC)
	abroad := time.Date(2019, 11, 22, 0, 0, 0, 0, time.FixedZone("", 5*3600))
	written := morning.Format(text)
	back, err := time.Parse(text, written)
	return layout{code, text, written != evening.Format(text), written != abroad.Format(text)},
		err == nil && back.Equal(morning)
}

// canonical is a date or time as the tree has it: YYYY-MM-DD or RFC 3339.
func canonical(text string) (t time.Time, clock bool, err error) {
	if len(text) == len(time.DateOnly) {
		t, err = time.Parse(time.DateOnly, text)
		return t, false, err
	}
	t, err = time.Parse(time.RFC3339, text)
	return t, true, err
}

// choose takes the first layout that shows a time of day exactly if the value has one.
func (d *dateVerb) choose(clock bool) layout {
	for _, l := range d.layouts {
		if l.clock == clock {
			return l
		}
	}
	return d.layouts[0]
}

func (d *dateVerb) write(text string, agency *time.Location) (written, code string, bad *Problem) {
	t, clock, err := canonical(text)
	l := d.choose(clock)
	switch {
	case err != nil:
		return "", "", problem("map.date", "")
	case l.clock && !clock:
		return "", "", problem("map.date", "clock")
	case clock && (!l.zone || d.always) && d.zoneOr(agency) == nil:
		return "", "", problem("map.date", "zone")
	}
	return d.format(l, t, clock, strings.HasSuffix(text, "+00:00"), agency), l.code, nil
}

func (d *dateVerb) zoneOr(agency *time.Location) *time.Location {
	if d.zone != nil {
		return d.zone
	}
	return agency
}

func (d *dateVerb) format(l layout, t time.Time, clock, plusZero bool, agency *time.Location) string {
	form := l.text
	switch {
	case clock && (!l.zone || d.always):
		t = t.In(orUTC(d.zoneOr(agency)))
	case clock && plusZero: // +00 and Z are the same time, but not the same message
		form = strings.Replace(form, "Z07", "-07", 1)
	}
	written := t.Format(form)
	if l.zone {
		if back, err := time.Parse(l.text, written); err != nil || back.Unix() != t.Unix() && l.clock {
			return t.UTC().Format(form) // the layout cuts this offset short
		}
	}
	return written
}

// read tries the layouts in turn; what would not be written back alike is refused.
func (d *dateVerb) read(text, code string, agency *time.Location) (string, *Problem) {
	zone, bad := d.zoneOr(agency), problem("map.date", "")
	for _, l := range d.layouts {
		if l.code != code {
			continue
		}
		if l.clock && (!l.zone || d.always) && zone == nil {
			bad = problem("map.date", "zone")
			continue
		}
		t, err := time.ParseInLocation(l.text, text, orUTC(zone))
		if err != nil {
			continue
		}
		if !l.clock {
			if t.Format(l.text) == text && d.choose(false).code == code {
				return t.Format(time.DateOnly), nil
			}
			continue
		}
		for _, plusZero := range []bool{false, true} {
			value := t.Format(time.RFC3339Nano)
			if plusZero {
				value = strings.TrimSuffix(value, "Z") + "+00:00"
			}
			if d.format(l, t, true, plusZero, zone) == text && d.choose(true).code == code {
				return value, nil
			}
		}
	}
	return "", bad
}

func orUTC(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}
