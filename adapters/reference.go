package adapters

import (
	_ "embed"
	"strings"
)

//go:embed doc.go
var documentation string

// Reference is the text of this package's documentation, for those who write
// agency folders and have no source at hand.
func Reference() string {
	text, _, _ := strings.Cut(documentation, "\npackage ")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimPrefix(line, "//"), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}
