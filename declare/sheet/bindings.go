package sheet

import (
	"slices"
	"sync"
)

// mostBindings is how many headings are remembered: one for each table that is
// being read, and some more.
const mostBindings = 16

// bindings remember the columns of the headings that were met last: all rows
// of a table have one heading, and finding its columns takes longer than
// reading a row.
type bindings struct {
	mu  sync.Mutex
	all []binding // the latest last
}

type binding struct {
	heading []string
	columns []*Column
}

// columns gives those of a heading; nobody may change them.
func (b *bindings) columns(heading []string, find func([]string) []*Column) []*Column {
	b.mu.Lock()
	for _, known := range slices.Backward(b.all) {
		if slices.Equal(known.heading, heading) {
			b.mu.Unlock()
			return known.columns
		}
	}
	b.mu.Unlock()
	columns := find(heading)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all[max(0, len(b.all)-mostBindings+1):], binding{slices.Clone(heading), columns})
	return columns
}
