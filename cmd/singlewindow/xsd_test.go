package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// xsdLines runs the command, in the folder of the schemas, and gives what it printed and how it would exit.
func xsdLines(t *testing.T, stdin string, arguments ...string) (lines []verdict, exit int, message string) {
	t.Helper()
	t.Chdir(filepath.Join("..", "..", "xsd", "testdata"))
	root := rootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetIn(strings.NewReader(stdin))
	root.SetArgs(append([]string{"xsd"}, arguments...))
	err := root.ExecuteContext(t.Context())
	var usage usageError
	switch {
	case errors.As(err, &usage):
		exit, message = 2, err.Error()
	case errors.Is(err, errRefused):
		exit = 1
	case err != nil:
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var line verdict
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines, exit, message
}

func TestXSDCommand(t *testing.T) {
	faulty := filepath.Join(t.TempDir(), "faulty.xml")
	order, err := os.ReadFile(filepath.Join("..", "..", "xsd", "testdata", "order.xml"))
	if err != nil {
		t.Fatal(err)
	}
	many := strings.Replace(string(order), "<Lines>", "<Lines>"+strings.Repeat(`<Line><Number>0</Number><Net unit="KGM">1</Net></Line>`, 300), 1)
	if err := os.WriteFile(faulty, []byte(many), 0o644); err != nil {
		t.Fatal(err)
	}
	lines, exit, _ := xsdLines(t, "<!DOCTYPE a><a/>", "--schema", "order.xsd", "order.xml", faulty, "-", "nowhere.xml")
	if exit != 1 || len(lines) != 4 {
		t.Fatal(exit, lines)
	}
	if !lines[0].Valid || lines[0].File != "order.xml" || lines[0].Total != 0 {
		t.Errorf("%+v", lines[0])
	}
	if v := lines[1]; v.Valid || v.Total != 300 || len(v.Violations) != 300 {
		t.Errorf("%d of %d violations", len(v.Violations), v.Total)
	} else if last := v.Violations[299]; last.Path != "/Order/Lines/Line[300]/Number" || last.Code != "xsd.type" || last.Line != 13 || last.Text == "" {
		t.Errorf("%+v", last)
	}
	for i, code := range map[int]string{2: "xml.doctype", 3: "file.unreadable"} {
		if lines[i].Error == nil || lines[i].Error.Code != code || lines[i].Valid {
			t.Errorf("%+v", lines[i])
		}
	}
}

func TestXSDCommandOfSeveralNamespaces(t *testing.T) {
	const letter = `<e:Envelope xmlns:e="urn:example:envelope" xmlns="urn:example:letter"><e:Sender>A</e:Sender><Letter><Page>N</Page></Letter></e:Envelope>`
	if lines, exit, message := xsdLines(t, strings.Replace(letter, "N", "1", 1), "--schema", "sets/strict/driver.xsd", "-"); exit != 0 || !lines[0].Valid {
		t.Error(exit, lines, message)
	}
	lines, exit, _ := xsdLines(t, letter, "--language", "zh", "--schema", "sets/strict/driver.xsd", "-")
	if exit != 1 || lines[0].Violations[0].Path != "/e:Envelope/Letter/Page" || !strings.Contains(lines[0].Violations[0].Text, "类型") {
		t.Errorf("%d %+v", exit, lines)
	}
}

func TestXSDCommandUsage(t *testing.T) {
	for _, c := range []struct {
		says      string
		arguments []string
	}{
		{"--schema", []string{"order.xml"}},
		{"at least 1", []string{"--schema", "order.xsd"}},
		{"--language", []string{"--schema", "order.xsd", "--language", "fr", "order.xml"}},
		{"unknown-type.xsd:3: ", []string{"--schema", "broken/in-an-include.xsd", "order.xml"}},
		{"network.xsd:2: ", []string{"--schema", "broken/network.xsd", "order.xml"}},
		{"nowhere.xsd", []string{"--schema", "nowhere.xsd", "order.xml"}},
	} {
		if lines, exit, message := xsdLines(t, "", c.arguments...); exit != 2 || len(lines) != 0 || !strings.Contains(message, c.says) {
			t.Errorf("%q: %d, %q", c.arguments, exit, message)
		}
	}
}
