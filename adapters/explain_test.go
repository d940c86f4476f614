package adapters_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// TestExplain holds what is told of a message to testdata/explained.yaml, line
// by line.
func TestExplain(t *testing.T) {
	content, err := os.ReadFile("testdata/explained.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var wanted struct {
		Declaration string
		Lines       []string
		Others      []string
	}
	if err := yaml.UnmarshalWithOptions(content, &wanted, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	tree, faults := declare.ParseJSON([]byte(wanted.Declaration), declare.MostBytes)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	agency, err := adapters.Load(os.DirFS("testdata/agencies"), demo, adapters.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	defer agency.Close()
	lines, others, err := agency.Explain(declare.Subject{Kind: "parcel", Reference: "R-1", MessageID: "msg_1", Tree: tree.(map[string]any)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range lines {
		told := fmt.Sprint(line.Line)
		for _, node := range line.Nodes {
			told += " | " + strings.TrimSpace(node.Path+" "+node.From+" "+node.Pointer) + " " + strings.TrimPrefix(node.Rule, demo+"/")
		}
		for _, problem := range line.Problems {
			told += " ! " + problem.Code + " " + problem.Pointer
		}
		got = append(got, told)
	}
	if strings.Join(got, "\n") != strings.Join(wanted.Lines, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for i, problem := range others {
		if told := problem.Code + " " + problem.Pointer; i >= len(wanted.Others) || told != wanted.Others[i] {
			t.Errorf("also told: %s", told)
		}
	}
}
