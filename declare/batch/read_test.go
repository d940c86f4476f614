package batch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"singlewindow/declare"
	"singlewindow/declare/sheet"
)

// goodsForm is the table form of goods without code lists.
func goodsForm(t *testing.T) *sheet.Form {
	t.Helper()
	kinds, err := declare.LoadKinds()
	if err != nil {
		t.Fatal(err)
	}
	form, err := sheet.NewForm(kinds["goods"], nil)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// placed reads a table and gives what its items have come to.
func placed(t *testing.T, table string) (r *reading, kept, beyond int) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.csv")
	if err := os.WriteFile(name, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}()
	reader, err := sheet.Open(file, sheet.Source{Format: sheet.CSV})
	if err != nil {
		t.Fatal(err)
	}
	r = &reading{turn: &turn{}, form: goodsForm(t), table: reader, items: map[string]int{}, sizes: map[int]size{}}
	for {
		row, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return r, kept, beyond
		}
		if err != nil {
			t.Fatal(err)
		}
		one := r.place(row)
		if one.Cells != nil {
			kept++
		}
		for _, fault := range one.Faults {
			if fault.Code == "batch.itemTooLarge" {
				beyond++
			}
		}
	}
}

// An item of many rows that hold next to nothing is bounded by what it takes
// in memory, and says so once; others are not touched.
func TestItemOfManyEmptyCells(t *testing.T) {
	heading := "reference" + strings.Repeat(",-", 999) + "\n"
	r, kept, beyond := placed(t, heading+strings.Repeat("R"+strings.Repeat(",", 999)+"\n", 5000)+"S"+strings.Repeat(",", 999)+"\n")
	if r.count != 2 || beyond != 1 || kept < 1000 || kept > 3000 {
		t.Errorf("%d items, %d rows kept, told %d times", r.count, kept, beyond)
	}
	if whole := r.sizes[1]; whole.bytes > mostItemBytes+faultBytesAtMost {
		t.Errorf("the item takes %d bytes", whole.bytes)
	}
	if r.sizes[2].beyond {
		t.Error("the other item is beyond too")
	}
}

// faultBytesAtMost is room for the one fault.
const faultBytesAtMost = 1 << 10

// As many rows as a declaration may have items fit.
func TestItemOfManyRows(t *testing.T) {
	heading := "reference" + strings.Repeat(",-", 79) + "\n"
	_, kept, beyond := placed(t, heading+strings.Repeat("REFERENCE-1"+strings.Repeat(",123456", 79)+"\n", 9999))
	if kept != 9999 || beyond != 0 {
		t.Errorf("%d rows kept, told %d times", kept, beyond)
	}
}
