package integration

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDependenciesHaveReasons: every direct dependency stands in the document
// with its reason and licence, and no other does.
func TestDependenciesHaveReasons(t *testing.T) {
	module, err := os.ReadFile("../go.mod")
	must(t, err)
	document, err := os.ReadFile("../docs/dependencies.md")
	must(t, err)
	wanted := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(module), -1) {
		wanted[line[1]] = true
	}
	if len(wanted) < 10 {
		t.Fatalf("only %d direct dependencies found", len(wanted))
	}
	for _, row := range regexp.MustCompile(`(?m)^\| (\S+/\S+) \|([^|]+)\|([^|]+)\|$`).FindAllStringSubmatch(string(document), -1) {
		if !wanted[row[1]] {
			t.Errorf("%s is in the document and no direct dependency", row[1])
		}
		if strings.TrimSpace(row[2]) == "" || strings.TrimSpace(row[3]) == "" {
			t.Errorf("%s has no reason or no licence", row[1])
		}
		delete(wanted, row[1])
	}
	for name := range wanted {
		t.Errorf("%s has no reason in docs/dependencies.md", name)
	}
}
