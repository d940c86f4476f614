package integration

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"singlewindow/adapters"
)

// allowed says which rooms a room may import; a name ending in /… stands for
// everything below. A room's tests may also use the room's own parts.
var allowed = map[string][]string{
	"declare":             {},
	"declare/account":     {"declare"},
	"declare/board":       {"declare"},
	"declare/clearance":   {"declare"},
	"declare/batch":       {"declare", "declare/sheet"},
	"declare/sheet":       {"declare"},
	"declare/event":       {"declare"},
	"mapping":             {},
	"xsd":                 {},
	"adapters":            {"declare", "mapping", "xsd"},
	"adapters/simulated":  {"adapters", "declare", "mapping", "xsd"},
	"api":                 {"declare", "declare/…"},
	"api/board":           {"declare", "declare/…"},
	"cmd/privatepostgres": {},
	"cmd/agencysim":       {"*"},
	"cmd/singlewindow":    {"*"},
	"integration":         {"*"},
}

// sqlOwners are the packages whose files may speak to PostgreSQL.
var sqlOwners = []string{
	"declare", "declare/account", "declare/batch", "declare/board", "declare/clearance", "declare/event",
	"cmd/privatepostgres", "cmd/singlewindow/bench.go", "integration",
}

var vague = []string{"util", "utils", "common", "model", "models", "types", "service", "helper", "helpers", "internal"}

// TestImportRule holds the arrows between the rooms.
func TestImportRule(t *testing.T) {
	eachGoFile(t, func(room, file string, content []byte) {
		rule, known := allowed[room]
		if !known {
			t.Errorf("%s: room %s is not in the design", file, room)
			return
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, content, parser.ImportsOnly)
		must(t, err)
		for _, spec := range parsed.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			must(t, err)
			other, ours := strings.CutPrefix(path, "singlewindow/")
			within := strings.HasSuffix(file, "_test.go") && strings.HasPrefix(other, room+"/")
			if ours && other != room && !within && !permits(rule, other) {
				t.Errorf("%s imports %s, which its room may not", file, other)
			}
			if strings.HasPrefix(path, "github.com/jackc/pgx") && !ownsSQL(room, file) {
				t.Errorf("%s imports %s, which only the owners of SQL may", file, path)
			}
		}
	})
}

func permits(rule []string, room string) bool {
	for _, entry := range rule {
		below, all := strings.CutSuffix(entry, "…")
		if entry == "*" || entry == room || all && strings.HasPrefix(room, below) {
			return true
		}
	}
	return false
}

func ownsSQL(room, file string) bool {
	for _, owner := range sqlOwners {
		if owner == room || owner == file {
			return true
		}
	}
	return false
}

// TestNoFileNamesAnAgency: an agency is data, its name stands in no Go file.
func TestNoFileNamesAnAgency(t *testing.T) {
	names, err := adapters.Names(adapters.Embedded())
	must(t, err)
	if len(names) < 4 {
		t.Fatalf("only %d agency folders", len(names))
	}
	eachGoFile(t, func(_, file string, content []byte) {
		for _, name := range names {
			if strings.Contains(string(content), name) {
				t.Errorf("%s names the agency %s", file, name)
			}
		}
	})
}

// TestNoVagueNames: a package is called after what it owns.
func TestNoVagueNames(t *testing.T) {
	eachGoFile(t, func(room, file string, _ []byte) {
		for _, part := range strings.Split(room, "/") {
			for _, name := range vague {
				if part == name {
					t.Errorf("%s stands in a package called %s", file, name)
				}
			}
		}
	})
}

// eachGoFile visits every Go file of the project with its room.
func eachGoFile(t *testing.T, visit func(room, file string, content []byte)) {
	t.Helper()
	count := 0
	root := os.DirFS("..")
	must(t, fs.WalkDir(root, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && file != "." {
			return fs.SkipDir
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		content, err := fs.ReadFile(root, file)
		count++
		visit(filepath.Dir(file), file, content)
		return err
	}))
	if count < 30 {
		t.Fatalf("only %d Go files seen", count)
	}
}
