package declare

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestPoints: every fault point named in the code is listed, and every one
// listed stands in the code exactly once.
func TestPoints(t *testing.T) {
	calls := map[string]int{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if called, ok := call.Fun.(*ast.Ident); ok && called.Name == "point" {
					calls[nameOf(t, file, call)]++
				}
			}
			return true
		})
	}
	for _, p := range points {
		if calls[p.name] != 1 || p.between == "" {
			t.Errorf("%s stands in the code %d times; between: %q", p.name, calls[p.name], p.between)
		}
		delete(calls, p.name)
	}
	for name := range calls {
		t.Errorf("%s is not listed", name)
	}
	if len(points) < 25 {
		t.Errorf("only %d points", len(points))
	}
}

// nameOf is the point that a call names, which must be a literal.
func nameOf(t *testing.T, file string, call *ast.CallExpr) string {
	t.Helper()
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		t.Fatalf("%s: a point's name must be a literal", file)
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
