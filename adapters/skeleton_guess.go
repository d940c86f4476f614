package adapters

import (
	"path"
	"slices"
	"strings"

	"singlewindow/declare"
)

// A field is a place of a kind where a value stands, or an array of them.
type field struct {
	pointer string // entries of arrays as *: /items/*/id
	form    string // integer, boolean, date, date-time; "" is any text
	unit    string // name of the member beside a value that is its unit
	isArray bool
}

// fieldsOf takes the fields of a kind as a mapping does: a value and its unit
// or currency are one.
func fieldsOf(kind *declare.Kind) []field {
	members := map[string][]string{} // by the object around
	for _, f := range kind.Fields() {
		members[path.Dir(f.Pointer)] = append(members[path.Dir(f.Pointer)], path.Base(f.Pointer))
	}
	var fields []field
	for _, f := range kind.Fields() {
		one := field{pointer: f.Pointer, isArray: f.Form == "array"}
		if f.Form != "array" && f.Form != "text" {
			one.form = f.Form
		}
		beside := members[path.Dir(f.Pointer)]
		isMeasure := len(beside) == 2 && slices.Contains(beside, "value") && strings.Count(f.Pointer, "/") > 1
		switch {
		case isMeasure && path.Base(f.Pointer) != "value":
			continue
		case isMeasure:
			one.unit = beside[0]
			if one.unit == "value" {
				one.unit = beside[1]
			}
		}
		fields = append(fields, one)
	}
	return fields
}

// names are the steps of a field without array entries and the member value.
func (f *field) names() []string {
	var names []string
	for step := range strings.SplitSeq(strings.TrimPrefix(f.pointer, "/"), "/") {
		if step != "*" {
			names = append(names, step)
		}
	}
	if f.unit != "" {
		names = names[:len(names)-1]
	}
	return names
}

// array is the innermost array around a field, "" if none is.
func (f *field) array() string {
	at := strings.LastIndex(f.pointer, "/*/")
	if at < 0 {
		return ""
	}
	return f.pointer[:at]
}

// source writes the field as a rule inside array has it.
func (f *field) source(array string) string { return relativeTo(f.pointer, array) }

func (f *field) unitSource(array string) string {
	if f.unit == "" {
		return ""
	}
	return strings.TrimSuffix(f.source(array), "value") + f.unit
}

func relativeTo(pointer, array string) string {
	if within, ok := strings.CutPrefix(pointer, array+"/*/"); ok && array != "" {
		return within
	}
	return pointer
}

// guess finds the field whose name is that of an element and whose place is
// likest to the element's; nil where none is likelier than all others.
func (m *skeletonMapping) guess(path []string, array string) *field {
	return m.likeliest(path, array, func(f *field) bool {
		names := f.names()
		return !f.isArray && !strings.HasSuffix(f.pointer, "/*") && sameName(names[len(names)-1], path[len(path)-1])
	})
}

// guessArray finds the array for a repeated element.
func (m *skeletonMapping) guessArray(path []string, array string) string {
	found := m.likeliest(path, array, func(f *field) bool {
		names := f.names()
		return f.isArray && sameName(names[len(names)-1], path[len(path)-1])
	})
	if found == nil {
		return ""
	}
	return found.pointer
}

func (m *skeletonMapping) likeliest(path []string, array string, fits func(*field) bool) *field {
	var best *field
	bestScore, rivals, count := -1, 0, 0
	for i := range m.fields {
		f := &m.fields[i]
		if f.array() != array || len(f.names()) == 0 || !fits(f) {
			continue
		}
		count++
		score := alike(f.names(), path)
		switch {
		case score > bestScore:
			best, bestScore, rivals = f, score, 0
		case score == bestScore:
			rivals++
		}
	}
	if rivals > 0 || bestScore <= 1 && count > 1 {
		return m.atTop(path, array, fits)
	}
	return best
}

// atTop lets a name that says something, near the top of the message, be that
// of the declaration itself.
func (m *skeletonMapping) atTop(path []string, array string, fits func(*field) bool) *field {
	for i := range m.fields {
		f := &m.fields[i]
		if array == "" && len(path) <= 3 && len(path[len(path)-1]) > len("Name") && len(f.names()) == 1 && fits(f) {
			return f
		}
	}
	return nil
}

// alike counts the names of a path that a field's place has too.
func alike(names, path []string) int {
	score := 0
	for _, name := range names {
		if slices.ContainsFunc(path, func(step string) bool { return sameName(name, step) }) {
			score++
		}
	}
	return score
}

// sameName compares a field with an element: case aside, and a repeated field
// has the plural.
func sameName(field, element string) bool {
	return strings.EqualFold(field, element) || strings.EqualFold(field, element+"s") || strings.EqualFold(field, element+"es")
}
