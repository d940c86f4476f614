package declare

import "testing"

func TestCheckDigits(t *testing.T) {
	for name, check := range map[string]struct {
		holds func(string) bool
		right []string
		wrong []string
	}{
		"iso6346": {iso6346,
			[]string{"CSQU3054383", "MSCU8492011"},
			[]string{"MSCU8492019", "CSQU3054384", "CSQA3054383", "csqu3054383", "CSQU305438", "CSQU30543833", "C1QU3054383", ""}},
		"imoNumber": {imoNumber,
			[]string{"9074729", "9176187"},
			[]string{"9074728", "9074792", "907472", "IMO9074729", "90747290", "907472A", ""}},
		"mrn": {mrn,
			[]string{"26GB5RUJM2INECIAR0", "26GB2PR1V68J160AR5", "24GB4MJPHFK3WN8AV6", "24GBCLURMAK2W2BA03"},
			[]string{"26GB5RUJM2INECIAR1", "26GB5RUJM2INECAIR0", "26GB5RUJM2INECIAR", "2XGB5RUJM2INECIAR0", "261B5RUJM2INECIAR0", "26gb5RUJM2INECIAR0", "24GB34F7Y1O2CX8PT4", ""}},
		"uscc": {uscc,
			[]string{"91350100M000100Y43"},
			[]string{"91350100M000100Y44", "91350100M001000Y43", "91350100I000100Y43", "91350100M000100Y4", "91350100M000100Y4Z", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range check.right {
				if !check.holds(text) {
					t.Errorf("%s is right and was refused", text)
				}
			}
			for _, text := range check.wrong {
				if check.holds(text) {
					t.Errorf("%q is wrong and was accepted", text)
				}
			}
		})
	}
}

// Every single wrong digit changes the sum by a number that is not a multiple
// of the modulus, except where ISO 6346 folds 10 and 0 together.
func TestCheckDigitsFindOneWrongDigit(t *testing.T) {
	for name, check := range map[string]struct {
		holds func(string) bool
		right string
	}{
		"uscc": {uscc, "91350100M000100Y43"},
		"mrn":  {mrn, "26GB2PR1V68J160AR5"},
		"iso":  {iso6346, "CSQU3054383"},
	} {
		for i := range len(check.right) {
			if !isDigit(check.right[i]) {
				continue
			}
			wrong := []byte(check.right)
			wrong[i] = '0' + (wrong[i]-'0'+1)%10
			if check.holds(string(wrong)) {
				t.Errorf("%s: %s passes though digit %d of %s was changed", name, wrong, i+1, check.right)
			}
		}
	}
}
