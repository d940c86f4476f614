package adapters

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed agencies
var embedded embed.FS

// Embedded holds the agency folders built in, one directory each.
func Embedded() fs.FS {
	folders, err := fs.Sub(embedded, "agencies")
	if err != nil {
		panic(err) // the directory's name is a constant of this file
	}
	return folders
}

// Names lists the agency folders of fsys in the order of their names. Of one
// agency there may be several versions: NAME, NAME@2027, …
func Names(fsys fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
