package declare

import (
	"reflect"
	"testing"
)

func TestTextSpeaksTwoLanguages(t *testing.T) {
	t.Parallel()
	both, english := Text{"Name is missing.", "缺少名称。"}, Text{English: "Name is missing."}
	for _, check := range []struct {
		text     Text
		language string
		want     string
	}{
		{both, "en", both.English}, {both, "zh", both.Chinese}, {both, "", both.English}, {both, "fr", both.English},
		{english, "zh", english.English}, {english, "en", english.English}, {Text{}, "zh", ""},
	} {
		if got := check.text.In(check.language); got != check.want {
			t.Errorf("%+v in %q: %q, not %q", check.text, check.language, got, check.want)
		}
	}
}

func TestRefusalsLeaveAdviceOut(t *testing.T) {
	t.Parallel()
	advice, first, second := Fault{Code: "code.unknown", Advice: true}, Fault{Code: "schema.type"}, Fault{Code: "schema.required", Agency: "port"}
	for _, check := range []struct{ faults, want []Fault }{
		{nil, nil},
		{[]Fault{advice}, nil},
		{[]Fault{first, second}, []Fault{first, second}},
		{[]Fault{advice, first, advice, second, advice}, []Fault{first, second}},
	} {
		if got := Refusals(check.faults); !reflect.DeepEqual(got, check.want) {
			t.Errorf("%+v of %+v", got, check.faults)
		}
	}
	faults := []Fault{advice, first}
	if Refusals(faults); faults[0] != advice || faults[1] != first {
		t.Errorf("what was given became %+v", faults)
	}
}
