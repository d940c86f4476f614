package integration

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

// TestAgenciesTakeWhatATemplateHolds: of the kind's samples, no more than the
// columns of the template are written into a table; what is read back is a
// sound declaration, and every agency that takes it can draft its message.
// Among them the samples concern every agency whose schemas are here.
func TestAgenciesTakeWhatATemplateHolds(t *testing.T) {
	t.Parallel()
	all, err := kinds()
	must(t, err)
	lists, err := declare.CodeLists()
	must(t, err)
	agencies, err := embedded()
	if len(agencies) < 4 {
		t.Fatal(err)
	}
	kind := all["goods"]
	form, err := sheet.NewForm(kind, lists)
	must(t, err)
	drafted := map[string]bool{}
	for _, name := range []string{"import-minimal", "import-5-items", "import-dangerous-goods-sea", "import-dangerous-5-items", "export-1-item"} {
		t.Run(name, func(t *testing.T) {
			body, err := fs.ReadFile(kind.Samples, name+".json")
			must(t, err)
			tree := throughTable(t, form, body)
			on := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
			faults, err := kind.Check(tree, on)
			must(t, err)
			if refusals := declare.Refusals(faults); len(refusals) > 0 {
				t.Fatal(refusals)
			}
			for _, agency := range agencies {
				taken, err := agency.Takes(kind.Name, tree)
				must(t, err)
				if !taken {
					continue
				}
				_, faults, err := agency.Draft(declare.Subject{DeclarationID: "dec_00000000000000000000000001", MessageID: "msg_00000000000000000000000001",
					Reference: fmt.Sprint(tree["reference"]), Kind: kind.Name, Tree: tree, AcceptedAt: on})
				must(t, err)
				for _, fault := range declare.Refusals(faults) {
					t.Errorf("%s: %s at %s: %s", agency.Profile().Name, fault.Code, fault.Pointer, fault.Text.English)
				}
				drafted[agency.Profile().Name] = true
			}
		})
	}
	if len(drafted) < 4 {
		t.Errorf("only %v were asked", drafted)
	}
}

// throughTable writes what a template has columns for into a CSV file, and
// gives the declaration read from it.
func throughTable(t *testing.T, form *sheet.Form, body []byte) map[string]any {
	t.Helper()
	var sample map[string]any
	must(t, json.Unmarshal(body, &sample))
	items := sample["goodsShipment"].(map[string]any)["governmentAgencyGoodsItems"].([]any)
	var heading []string
	rows := make([][]string, len(items))
	for _, column := range form.Columns() {
		heading = append(heading, column.Path)
		for i := range rows {
			rows[i] = append(rows[i], valueAt(sample, column, i))
		}
	}
	var text bytes.Buffer
	must(t, csv.NewWriter(&text).WriteAll(slices.Concat([][]string{heading}, rows)))
	name := filepath.Join(t.TempDir(), "table.csv")
	must(t, os.WriteFile(name, text.Bytes(), 0o600))
	file, err := os.Open(name)
	must(t, err)
	defer file.Close() //nolint:errcheck // only read from
	reader, err := sheet.Open(file, sheet.Source{})
	must(t, err)
	if faults := form.CheckHeading(reader.Heading()); len(faults) > 0 {
		t.Fatal(faults)
	}
	var read []sheet.Row
	for {
		row, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		read = append(read, row)
	}
	document, _, faults := form.Build(reader.Heading(), read)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	tree, faults := declare.ParseJSON(document, 1<<20)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return tree.(map[string]any)
}

// valueAt writes the value of a column in the row of an item.
func valueAt(value any, column sheet.Column, item int) string {
	for step := range strings.SplitSeq(column.Path, ".") {
		if array, isArray := value.([]any); isArray {
			number, err := strconv.Atoi(step)
			if err != nil { // the array of the rows has no number
				value = array[item].(map[string]any)[step]
				continue
			}
			if number > len(array) {
				return ""
			}
			value = array[number-1]
			continue
		}
		object, _ := value.(map[string]any)
		value = object[step]
	}
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
