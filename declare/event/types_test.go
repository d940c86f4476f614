package event

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every event the gateway can write is in the table: this reads its source, in
// which an event is made by tell alone, its first apart.
func TestEveryTypeIsDocumented(t *testing.T) {
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			call, is := node.(*ast.CallExpr)
			if !is {
				return true
			}
			if function, is := call.Fun.(*ast.SelectorExpr); is && function.Sel.Name == "tell" && len(call.Args) == 6 {
				told++
				checkType(t, file, call.Args[2])
			}
			return true
		})
	}
	if told < 6 {
		t.Errorf("only %d places that tell", told)
	}
	if !documented("declaration.accepted") {
		t.Error("the first event is not documented")
	}
	for _, known := range Types {
		if known.Means.English == "" || known.Means.Chinese == "" {
			t.Errorf("%s has no texts", known.Name)
		}
	}
}

// checkType looks at a type as it stands in the source: a text, or a text that
// a delivery state completes.
func checkType(t *testing.T, file string, argument ast.Expr) {
	t.Helper()
	sum, completed := argument.(*ast.BinaryExpr)
	if completed {
		argument = sum.X
	}
	literal, is := argument.(*ast.BasicLit)
	if !is {
		t.Errorf("%s: a type is not written out", file)
		return
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	if completed && name != "message." || !completed && !documented(name) {
		t.Errorf("%s: %s is not in the table", file, name)
	}
	for _, state := range []string{"queued", "unsure", "delivered", "refused", "setAside"} {
		if !documented("message." + state) {
			t.Errorf("message.%s is not in the table", state)
		}
	}
}

func documented(name string) bool {
	return slices.ContainsFunc(Types, func(known Type) bool { return known.Name == name && strings.Count(name, ".") == 1 })
}
