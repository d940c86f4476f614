package xsd

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// setCase is a document that a schema set of testdata/sets has to judge.
type setCase struct {
	Schema string // the file, driver.xsd unless told otherwise
	Text   string
	Valid  bool
	Paths  []string
	Says   string // of the first violation
}

// eachSet calls run for every case of every schema set, with the path of its schema.
func eachSet(t *testing.T, run func(t *testing.T, schema string, c setCase)) {
	files, err := filepath.Glob(filepath.Join("testdata", "sets", "*", "set.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		folder := filepath.Dir(file)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []setCase
		if err := yaml.UnmarshalWithOptions(content, &cases, yaml.Strict()); err != nil {
			t.Fatal(file, err)
		}
		for _, c := range cases {
			if c.Schema == "" {
				c.Schema = "driver.xsd"
			}
			t.Run(filepath.Base(folder), func(t *testing.T) { run(t, filepath.Join(folder, c.Schema), c) })
		}
	}
}

func TestSets(t *testing.T) {
	eachSet(t, func(t *testing.T, file string, c setCase) {
		schema, err := Compile(file)
		if err != nil {
			t.Fatal(err)
		}
		defer schema.Close()
		valid, violations, err := schema.Validate([]byte(c.Text))
		if err != nil || valid.IsZero() == c.Valid {
			t.Fatalf("%s: %+v %v", c.Text, violations, err)
		}
		if c.Valid {
			fits(t, schema.Model(), []byte(c.Text))
			return
		}
		var paths []string
		for _, v := range violations {
			paths = append(paths, v.Path)
		}
		if !slices.Equal(paths, c.Paths) || violations[0].Text("en") != c.Says {
			t.Errorf("%s: %q says %s", c.Text, paths, violations[0].Text("en"))
		}
	})
}
