package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// leastTeeth is how many builds broken on purpose there must be.
const leastTeeth = 20

// TestTeethFit is the short form of make teeth: each patch of .ci/teeth still
// applies, is in the list, and the tests that must see it are there.
func TestTeethFit(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	must(t, err)
	list, err := os.ReadFile(filepath.Join(root, ".ci/teeth/teeth"))
	must(t, err)
	patches, err := filepath.Glob(filepath.Join(root, ".ci/teeth/*.patch"))
	must(t, err)
	listed := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "|")
		if len(fields) != 4 {
			t.Fatalf("%d fields, not 4: %s", len(fields), line)
		}
		for i := range fields {
			if fields[i] = strings.TrimSpace(fields[i]); fields[i] == "" {
				t.Errorf("an empty field: %s", line)
			}
		}
		tooth, at := fields[0], filepath.Join(root, fields[1])
		listed[tooth] = true
		check := exec.CommandContext(t.Context(), "git", "apply", "--check", filepath.Join(root, ".ci/teeth", tooth+".patch"))
		check.Dir = root
		// Where the tree is a copy within some other repository, git would skip everything.
		check.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(root))
		if said, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", tooth, err, said)
		}
		for test := range strings.SplitSeq(fields[2], ",") {
			if tests := testsOf(t, at); !tests[test] {
				t.Errorf("%s: %s has no %s", tooth, fields[1], test)
			}
		}
	}
	for _, patch := range patches {
		if tooth := strings.TrimSuffix(filepath.Base(patch), ".patch"); !listed[tooth] {
			t.Errorf("%s is not listed", tooth)
		}
	}
	if len(listed) < leastTeeth {
		t.Errorf("only %d teeth", len(listed))
	}
}

// TestEveryGuaranteeHasItsTest: what docs/guarantees.md says shows a promise
// is there, and stands in every line of its table.
func TestEveryGuaranteeHasItsTest(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../docs/guarantees.md")
	must(t, err)
	tests := testsOf(t, "../integration", "../declare", "../api", "../adapters")
	named, promises := regexp.MustCompile("`(Test[A-Za-z]+)`"), 0
	for line := range strings.Lines(string(document)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| promise") {
			continue
		}
		promises++
		shown := named.FindAllStringSubmatch(line, -1)
		if len(shown) == 0 {
			t.Errorf("no test shows it: %s", line)
		}
		for _, test := range shown {
			if !tests[test[1]] {
				t.Errorf("there is no %s: %s", test[1], line)
			}
		}
	}
	if promises < 15 {
		t.Errorf("only %d promises", promises)
	}
}

// testsOf names the tests in these folders.
func testsOf(t *testing.T, folders ...string) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	is := regexp.MustCompile(`^func (Test\w+)\(t \*testing\.T\)`)
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		must(t, err)
		for _, file := range files {
			content, err := os.ReadFile(file)
			must(t, err)
			for line := range strings.Lines(string(content)) {
				if !strings.HasPrefix(line, "func Test") {
					continue
				}
				if found := is.FindStringSubmatch(line); found != nil {
					tests[found[1]] = true
				}
			}
		}
	}
	return tests
}
