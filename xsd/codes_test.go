package xsd

import "testing"

// TestEveryNumberHasTexts goes through all numbers of libxml2's schema validator, XML_SCHEMAV_NOROOT to XML_SCHEMAV_MISC.
func TestEveryNumberHasTexts(t *testing.T) {
	if len(kinds) != 1879-1801+1 {
		t.Errorf("%d numbers known", len(kinds))
	}
	for number, kind := range kinds {
		if number < 1801 || number > 1879 {
			t.Errorf("%d is not a number of the schema validator", number)
		}
		if codeTexts[kind.code].en == "" {
			t.Errorf("%d: code %s has no text", number, kind.code)
		}
		if _, known := facetTexts[kind.facet]; !known && kind.facet != "" && kind.facet != "content" {
			t.Errorf("%d: facet %s has no text", number, kind.facet)
		}
		for _, limit := range []string{"", "7"} {
			v := Violation{Code: kind.code, Facet: kind.facet, Limit: limit}
			if kind.facet == "content" && limit != "" {
				v.Limit = "text"
			}
			if en, zh := v.Text("en"), v.Text("zh"); en == "" || zh == "" || en == zh {
				t.Errorf("%d with limit %q: %q, %q", number, limit, en, zh)
			}
		}
	}
}
