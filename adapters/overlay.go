package adapters

import (
	"io/fs"
	"slices"
	"strings"
)

// Overlay lays the agency folders of upper over those of lower: a folder in
// upper replaces the whole folder of that name, the others stay.
func Overlay(upper, lower fs.FS) fs.FS { return overlay{upper, lower} }

type overlay struct{ upper, lower fs.FS }

func (o overlay) Open(name string) (fs.File, error) {
	folder, _, _ := strings.Cut(name, "/")
	if _, err := fs.Stat(o.upper, folder); err == nil && folder != "." {
		return o.upper.Open(name)
	}
	return o.lower.Open(name)
}

// ReadDir is what lists the folders of both.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != "." {
		folder, _, _ := strings.Cut(name, "/")
		if _, err := fs.Stat(o.upper, folder); err == nil {
			return fs.ReadDir(o.upper, name)
		}
		return fs.ReadDir(o.lower, name)
	}
	entries, err := fs.ReadDir(o.upper, name)
	if err != nil {
		return nil, err
	}
	below, err := fs.ReadDir(o.lower, name)
	for _, entry := range below {
		if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == entry.Name() }) {
			entries = append(entries, entry)
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}
