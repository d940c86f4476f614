package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSafeNames: what the gateway says names a file that stays in its folder,
// and different references never the same one.
func TestSafeNames(t *testing.T) {
	if usual := "ACME-7.reject_1"; safeName(usual) != usual {
		t.Errorf("%s becomes %s", usual, safeName(usual))
	}
	said := rapid.StringOf(rapid.SampledFrom([]rune("A_/\\%2F5C\n\u0085.长")))
	rapid.Check(t, func(t *rapid.T) {
		one, other := said.Draw(t, "one"), said.Draw(t, "other")
		if one != other && safeName(one) == safeName(other) {
			t.Fatalf("%q and %q are both %q", one, other, safeName(one))
		}
		if name := safeName(one) + statusEnding; filepath.Base(name) != name {
			t.Fatalf("%q leaves its folder", name)
		}
	})
}

// TestRefusalsOfOneName refuses files whose names, or what is left of them,
// would stand in each other's place: every file and every text is kept.
func TestRefusalsOfOneName(t *testing.T) {
	w := &watcher{folder: t.TempDir()}
	unlock, err := w.open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}()
	refusals := 0
	take := func(name string) string {
		t.Helper()
		if err := os.WriteFile(w.in(outFolder, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		taken, err := w.take(name)
		if err != nil {
			t.Fatal(err)
		}
		return taken
	}
	refuse := func(taken string) {
		t.Helper()
		refusals++
		err := w.refuse(taken, w.in(ownFolder, takenFolder, taken), refusals, func(out io.Writer) { fmt.Fprintf(out, "text %d", refusals) })
		if err != nil {
			t.Fatal(err)
		}
	}
	kept := func() (texts []string) {
		entries, err := os.ReadDir(w.in(failFolder))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			content, err := os.ReadFile(w.in(failFolder, entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(content))
		}
		return texts
	}

	refuse(take("a.csv"))
	refuse(take("a.csv"))
	refuse(take("a.csv.errors.txt")) // named like what is wrong with the first
	first, second := take("b.csv"), take("b.csv.errors.txt")
	refuse(second)
	refuse(first)
	for number := 1; number <= refusals; number++ {
		if text := fmt.Sprintf("text %d", number); !slices.Contains(kept(), text) {
			t.Errorf("%s is lost: %q", text, kept())
		}
	}
	if texts := kept(); len(texts) != 2*refusals {
		t.Errorf("%d files in FailBox, not %d: %q", len(texts), 2*refusals, texts)
	}

	// Mended and dropped again, while what was wrong with it still lies there.
	for _, name := range []string{w.in(failFolder, "a.csv"), w.in(inFolder, "a.csv"+resultEnding)} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	refuse(take("a.csv"))
	if !slices.Contains(kept(), "text 1") {
		t.Error("a second file of the same name overwrote what was wrong with the first")
	}
}
