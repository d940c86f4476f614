package adapters

import (
	"testing"

	"singlewindow/xsd"
)

func TestValuesAreHeldToEveryFacet(t *testing.T) {
	limit := func(number int) *int { return &number }
	for _, c := range []struct {
		name   string
		facets xsd.Facets
		fixed  string
		good   []string
		bad    []string
	}{
		{name: "no type", good: []string{"", " anything "}},
		{name: "digits", facets: xsd.Facets{Base: "decimal", TotalDigits: limit(4), FractionDigits: limit(2)}, good: []string{"1.20", "99.99", " 1 "}, bad: []string{"1.234", "12345", "1,2", ""}},
		{name: "range", facets: xsd.Facets{Base: "integer", MinInclusive: "1", MaxExclusive: "10"}, good: []string{"1", "09"}, bad: []string{"0", "10", "1.0"}},
		{name: "patterns", facets: xsd.Facets{Base: "string", Patterns: []string{`\i\c*`, `[A-Z-[IO]]{2}|x`}}, good: []string{"AB", "x"}, bad: []string{"AI", "1B", "ABC", "xx"}},
		{name: "lengths", facets: xsd.Facets{Base: "string", MinLength: limit(2), MaxLength: limit(3)}, good: []string{"中文", "abc"}, bad: []string{"a", "abcd"}},
		{name: "length", facets: xsd.Facets{Base: "token", Length: limit(2), MinLength: limit(1)}, good: []string{"ab", " ab "}, bad: []string{"abc"}},
		{name: "white space", facets: xsd.Facets{Base: "string", WhiteSpace: "collapse", Enumeration: []string{"a b"}}, good: []string{" a  b"}, bad: []string{"ab"}},
		{name: "kept space", facets: xsd.Facets{Base: "string", WhiteSpace: "preserve", Enumeration: []string{"a b"}}, good: []string{"a b"}, bad: []string{"a  b"}},
		{name: "fixed", facets: xsd.Facets{Base: "decimal"}, fixed: "1.0", good: []string{"1"}, bad: []string{"2"}},
		{name: "names", facets: xsd.Facets{Base: "ID"}, good: []string{"a"}, bad: []string{"1"}},
		{name: "date", facets: xsd.Facets{Base: "date"}, good: []string{"2026-03-02"}, bad: []string{"20260302", "2026-02-30"}},
		{name: "union of lists", facets: xsd.Facets{Base: "union", Enumeration: []string{"A", "B"}}, good: []string{"A"}, bad: []string{"C"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := &checker{}
			for i, value := range append(c.good, c.bad...) {
				check.claims = append(check.claims, claim{value: value, facets: c.facets, fixed: c.fixed, fault: Fault{File: "f", Line: i + 1}})
			}
			check.judgeClaims()
			refused := map[int]bool{}
			for _, fault := range check.report.Faults {
				refused[fault.Line-1] = true
			}
			for i, claim := range check.claims {
				if refused[i] != (i >= len(c.good)) {
					t.Errorf("%q: refused %v", claim.value, refused[i])
				}
			}
		})
	}
	free := &checker{claims: []claim{{value: "a", facets: xsd.Facets{Base: "union"}}}}
	if free.judgeClaims(); len(free.report.Unjudged) != 1 || len(free.report.Faults) != 0 {
		t.Errorf("a union without an enumeration: %+v", free.report)
	}
}
