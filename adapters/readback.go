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
