package adapters

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"time"

	"singlewindow/declare"
	"singlewindow/mapping"
	"singlewindow/xsd"
)

// Takes implements [declare.Agency].
func (a *Agency) Takes(kind string, tree map[string]any) (bool, error) {
	taken, known := a.takes[kind]
	if !known {
		return false, nil
	}
	return taken.when.Holds(tree)
}

// Draft implements [declare.Agency]. It tells everything at once: the
// agency's rules, what the mapping could not write, and what the schema found
// beyond that.
func (a *Agency) Draft(subject declare.Subject) (declare.Draft, []declare.Fault, error) {
	taken, known := a.takes[subject.Kind]
	if !known {
		return declare.Draft{}, nil, fmt.Errorf("agency %s takes no %s", a.profile.Name, subject.Kind)
	}
	faults, err := a.checkRules(subject)
	if err != nil {
		return declare.Draft{}, nil, err
	}
	document, problems := taken.mapping.Write(subject.Tree, a.values(subject))
	for _, problem := range problems {
		faults = append(faults, a.problemFault(problem))
	}
	valid, violations, err := taken.schema.Validate(document.XML())
	var refused *xsd.GuardError
	switch {
	case errors.As(err, &refused):
		faults = append(faults, a.guardFault(refused))
	case err != nil:
		return declare.Draft{}, nil, err
	}
	told := complaints(problems)
	for _, violation := range violations {
		if !told.explain(violation) {
			faults = append(faults, a.violationFault(violation, document.At(violation.Steps, violation.Attribute)))
		}
	}
	faults = append(faults, a.restFault(violations)...)
	if len(declare.Refusals(faults)) > 0 || valid.IsZero() {
		return declare.Draft{}, faults, nil
	}
	return declare.Draft{Body: valid}, faults, nil
}

func (a *Agency) checkRules(subject declare.Subject) ([]declare.Fault, error) {
	if a.rules == nil {
		return nil, nil
	}
	faults, err := a.rules.Check(subject.Tree, a.day(subject))
	if err != nil {
		return nil, fmt.Errorf("agency %s: %w", a.profile.Name, err)
	}
	for i := range faults {
		faults[i].Agency = a.profile.Name
	}
	return faults, nil
}

// day is the date that validity is judged by: the declaration's own, else the
// day of acceptance where the agency is.
func (a *Agency) day(subject declare.Subject) time.Time {
	if text, ok := subject.Tree["declarationDate"].(string); ok {
		if day, err := time.Parse(time.DateOnly, text); err == nil {
			return day
		}
	}
	year, month, day := subject.AcceptedAt.In(a.profile.Zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// values are what the mapping may ask of the gateway, see the mapping's $names.
func (a *Agency) values(subject declare.Subject) map[string]string {
	function, _ := subject.Tree["functionCode"].(string) // a kind without one supplies ""
	return map[string]string{
		"deliveryId":    subject.MessageID,
		"declarationId": subject.DeclarationID,
		"reference":     subject.Reference,
		"acceptedAt":    subject.AcceptedAt.UTC().Format(time.RFC3339),
		"functionCode":  function,
		"zone":          a.profile.Zone.String(),
	}
}

func (a *Agency) problemFault(problem mapping.Problem) declare.Fault {
	return declare.Fault{
		Code: problem.Code, Pointer: problem.Pointer, Agency: a.profile.Name, XMLPath: problem.Path, Line: problem.Line,
		Text: declare.Text{English: problem.Text("en"), Chinese: problem.Text("zh")},
	}
}

func (a *Agency) violationFault(violation xsd.Violation, origin mapping.Origin) declare.Fault {
	return declare.Fault{
		Code: violation.Code, Pointer: origin.Pointer, Agency: a.profile.Name, XMLPath: violation.Path, Line: violation.Line,
		Text: declare.Text{English: violation.Text("en"), Chinese: violation.Text("zh")},
	}
}

// restFault tells how many violations are not listed; none when all are.
func (a *Agency) restFault(violations xsd.Violations) []declare.Fault {
	rest := violations.Rest("en")
	if rest == "" {
		return nil
	}
	return []declare.Fault{{Code: "xsd.more", Agency: a.profile.Name, Text: declare.Text{English: rest, Chinese: violations.Rest("zh")}}}
}

func (a *Agency) guardFault(refused *xsd.GuardError) declare.Fault {
	return declare.Fault{
		Code: refused.Code, Agency: a.profile.Name, Line: refused.Line,
		Text: declare.Text{English: refused.Text("en"), Chinese: refused.Text("zh")},
	}
}

// explained holds the paths the mapping complained about, and their parents.
type explained struct{ elements, parents map[string]bool }

func complaints(problems []mapping.Problem) explained {
	known := explained{map[string]bool{}, map[string]bool{}}
	for _, problem := range problems {
		at := plainPath(problem.Path)
		known.elements[at] = true
		known.parents[path.Dir(at)] = true
	}
	return known
}

// explain reports whether a violation only repeats, in the schema's words,
// what the mapping told better: the same element, or an order upset by one
// that is missing beside it.
func (e explained) explain(violation xsd.Violation) bool {
	at := plainPath(violation.Path)
	if e.elements[at] {
		return true
	}
	upset := violation.Code == "xsd.missing" || violation.Code == "xsd.unexpected"
	return upset && (e.parents[at] || e.parents[path.Dir(at)])
}

var ornament = regexp.MustCompile(`\[1\]|[^/@:\[\]]+:`)

// plainPath writes a path so that two rooms' ways of writing agree: local
// names, and the first of several has no number.
func plainPath(xmlPath string) string {
	return ornament.ReplaceAllString(xmlPath, "")
}
