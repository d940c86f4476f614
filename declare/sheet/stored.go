package sheet

import (
	"bytes"
	"encoding/json"
	"fmt"

	"singlewindow/declare"
)

// keptRow is a row on disk. Its file's headings are kept once, by whoever
// keeps the rows.
type keptRow struct {
	Sheet    string                `json:"s,omitempty"`
	Number   int                   `json:"n"`
	Cells    []string              `json:"c,omitempty"`
	Document string                `json:"d,omitempty"`
	Faults   []declare.Fault       `json:"f,omitempty"`
	Wrong    map[int]declare.Fault `json:"w,omitempty"`
}

// Keep gives a row as bytes, for [KeptRow].
func (r Row) Keep() ([]byte, error) {
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(keptRow{r.Sheet, r.Number, r.Cells, string(r.Document), r.Faults, r.wrong})
	return content.Bytes(), err
}

// KeptRow gives a kept row back; labels are those of its [Reader].
func KeptRow(content []byte, labels []string) (Row, error) {
	var kept keptRow
	if err := json.Unmarshal(content, &kept); err != nil {
		return Row{}, fmt.Errorf("sheet: a kept row cannot be read: %w", err)
	}
	row := Row{Sheet: kept.Sheet, Number: kept.Number, Cells: kept.Cells, Faults: kept.Faults, labels: labels, wrong: kept.Wrong}
	if kept.Document != "" {
		row.Document = []byte(kept.Document)
	}
	return row, nil
}

// Labels gives the headings as they stand in the file, none for NDJSON.
func (r *Reader) Labels() []string { return r.labels }
