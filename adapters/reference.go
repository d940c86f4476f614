package adapters

import (
	_ "embed"

	"singlewindow/mapping"
)

//go:embed doc.go
var documentation string

// Reference is the text of this package's documentation, for those who write
// agency folders and have no source at hand.
func Reference() string { return mapping.PackageText(documentation) }
