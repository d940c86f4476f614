package adapters_test

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"singlewindow/adapters"
)

// FuzzCheck changes bytes of one file of the demonstration folder: whatever it
// then holds, the check ends, and what it tells names a file of the folder.
func FuzzCheck(f *testing.F) {
	folder := fstest.MapFS{}
	source := os.DirFS("testdata/agencies")
	err := fs.WalkDir(source, demo, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(source, file)
		folder[file] = &fstest.MapFile{Data: content}
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	files := slices.Sorted(maps.Keys(folder))
	random := rand.New(rand.NewPCG(1, 2))
	insertions := []string{"", "\n", "- ", ": ", "{", "[", "\"", "&a", "*a", "<", "</x>", "\x00", "\xff", ",", "FILL-IN", "!!binary x", "? ", "|\n", "# "}
	for which := range files {
		for range 3 {
			f.Add(uint8(which), uint16(random.UintN(2000)), uint8(random.UintN(20)), insertions[random.IntN(len(insertions))])
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, cut uint8, insert string) {
		name := files[int(which)%len(files)]
		content := string(folder[name].Data)
		from := int(at) % (len(content) + 1)
		to := min(from+int(cut), len(content))
		changed := maps.Clone(folder)
		changed[name] = &fstest.MapFile{Data: []byte(content[:from] + insert + content[to:])}
		for _, fault := range adapters.Check(changed, demo).Faults {
			if !strings.HasPrefix(fault.File, demo+"/") || fault.Text == "" {
				t.Errorf("%s: %#v", name, fault)
			}
		}
	})
}
