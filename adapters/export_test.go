package adapters

import (
	"errors"

	"singlewindow/declare"
)

// Render and Validate are the two halves of Draft, for benchmarks.
func (a *Agency) Render(subject declare.Subject) error {
	_, problems := a.takes[subject.Kind].mapping.Write(subject.Tree, a.values(subject))
	if len(problems) > 0 {
		return errors.New(problems[0].Text("en"))
	}
	return nil
}

// Validate asks the schema of a kind.
func (a *Agency) Validate(kind string, message []byte) error {
	_, _, err := a.takes[kind].schema.Validate(message)
	return err
}
