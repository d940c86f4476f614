package declare

// Text is one sentence in the two languages the window speaks.
type Text struct {
	English string `json:"en" yaml:"en"`
	Chinese string `json:"zh" yaml:"zh"`
}

// In gives the sentence in language ("en" or "zh"), English where Chinese is
// missing.
func (t Text) In(language string) string {
	if language == "zh" && t.Chinese != "" {
		return t.Chinese
	}
	return t.English
}

// A Fault is something the user can mend: what is wrong (a code that never
// changes its meaning), where (RFC 6901 pointer into what the user wrote) and
// why, in words. It never carries the value itself: faults are logged, mailed
// and shown to people who may not see the declaration.
type Fault struct {
	Code    string
	Pointer string
	Text    Text

	// Agency is set when one agency alone asks for this; XMLPath and Line
	// then locate the fault in that agency's message.
	Agency  string
	XMLPath string
	Line    int

	// Advice marks what is worth telling but refuses nothing, such as a value
	// missing from a code list that is only an excerpt.
	Advice bool
}

// Refusals keeps the faults that refuse a declaration and drops advice.
func Refusals(faults []Fault) []Fault {
	var refusals []Fault
	for _, fault := range faults {
		if !fault.Advice {
			refusals = append(refusals, fault)
		}
	}
	return refusals
}
