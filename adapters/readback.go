package adapters

import (
	"errors"
	"maps"
	"slices"

	"singlewindow/declare"
	"singlewindow/mapping"
	"singlewindow/xsd"
)

// ReadBack reads a message of ours, or one written elsewhere for this agency,
// back into a declaration. The faults tell what its schema refuses, or what
// the mapping cannot carry, by XML path: then there is no tree.
func (a *Agency) ReadBack(message []byte) (map[string]any, []declare.Fault, error) {
	var faults []declare.Fault
	for _, kind := range slices.Sorted(maps.Keys(a.takes)) {
		taken := a.takes[kind]
		valid, violations, err := taken.schema.Validate(message)
		var refused *xsd.GuardError
		if errors.As(err, &refused) {
			return nil, []declare.Fault{a.guardFault(refused)}, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if valid.IsZero() {
			for _, violation := range violations {
				faults = append(faults, a.violationFault(violation, mapping.Origin{}))
			}
			faults = append(faults, a.restFault(violations)...)
			continue
		}
		tree, problems := taken.mapping.Read(message)
		if len(problems) == 0 {
			tree["kind"] = kind
			return tree, nil, nil
		}
		faults = nil
		for _, problem := range problems {
			faults = append(faults, a.problemFault(problem))
		}
		return nil, faults, nil
	}
	return nil, faults, nil
}

// A ToldNotice is a notice as samples/answers/*.json, and the command line, tell it.
type ToldNotice struct {
	MessageID string                `json:"messageId,omitempty"`
	Numbers   map[string]string     `json:"numbers,omitempty"`
	IssuedAt  string                `json:"issuedAt,omitempty"` // RFC 3339, UTC
	Version   int                   `json:"version,omitempty"`
	Word      string                `json:"word"`
	Decision  declare.Decision      `json:"decision"`
	Rank      int                   `json:"rank"`
	Reopens   bool                  `json:"reopens,omitempty"`
	Opens     bool                  `json:"opens,omitempty"`
	Text      declare.Text          `json:"text"`
	Remark    string                `json:"remark,omitempty"`
	Errors    []declare.AgencyError `json:"errors,omitempty"`

	Documents []declare.DocumentWanted `json:"documents,omitempty"`
	Duties    []declare.Duty           `json:"duties,omitempty"`
}

func told(reading declare.Reading) ToldNotice {
	notice := ToldNotice{
		MessageID: reading.MessageID, Numbers: reading.Numbers, Version: reading.Version, Word: reading.Word, Decision: reading.Decision,
		Rank: reading.Rank, Reopens: reading.Reopens, Text: reading.Text, Remark: reading.Remark, Errors: reading.Errors,
		Opens: reading.Opens, Documents: reading.Documents, Duties: reading.Duties,
	}
	if !reading.IssuedAt.IsZero() {
		notice.IssuedAt = reading.IssuedAt.UTC().Format(timeFormat)
	}
	return notice
}

// ReadNotice reads a notice of the agency. Given the declaration it answers,
// what it points at is named by JSON Pointers into that. The error is a
// [*declare.Unreadable] when the bytes are no notice of the agency.
func (a *Agency) ReadNotice(body []byte, answered *declare.Subject) (ToldNotice, error) {
	reading, err := a.Read(body)
	if err != nil {
		return ToldNotice{}, err
	}
	notice := told(reading)
	if answered == nil {
		return notice, nil
	}
	var paths []string
	var pointers []*string
	for i := range notice.Errors {
		paths, pointers = append(paths, notice.Errors[i].XMLPath), append(pointers, &notice.Errors[i].Pointer)
	}
	for i := range notice.Documents {
		paths, pointers = append(paths, notice.Documents[i].XMLPath), append(pointers, &notice.Documents[i].Pointer)
	}
	for i := range notice.Duties {
		paths, pointers = append(paths, notice.Duties[i].XMLPath), append(pointers, &notice.Duties[i].Pointer)
	}
	for i, pointer := range a.Locate(*answered, paths...) {
		*pointers[i] = pointer
	}
	return notice, nil
}
