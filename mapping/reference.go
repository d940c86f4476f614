package mapping

import (
	_ "embed"
	"strings"
)

//go:embed doc.go
var documentation string

// Reference is the text of this package's documentation, for those who write
// mapping files and have no source at hand.
func Reference() string { return PackageText(documentation) }

// PackageText is the package comment of a Go file, as plain text.
func PackageText(source string) string {
	text, _, _ := strings.Cut(source, "\npackage ")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimPrefix(line, "//"), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}
