package declare

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The first ten characters are the example of the ULID specification, which
// writes a time the same way.
func TestIDsExample(t *testing.T) {
	t.Parallel()
	clock := func() time.Time { return time.UnixMilli(1469918176385).Add(999 * time.Microsecond) }
	for _, check := range []struct {
		random byte
		want   string
	}{
		{0x00, "dec_01ARYZ6S410000000000000000"},
		{0x01, "dec_01ARYZ6S41040G2081040G2081"},
		{0xff, "dec_01ARYZ6S41ZZZZZZZZZZZZZZZZ"},
	} {
		ids := NewIDs(clock, bytes.NewReader(bytes.Repeat([]byte{check.random}, 10)))
		if id := ids.New("dec"); id != check.want {
			t.Errorf("%s, not %s", id, check.want)
		}
	}
}

func TestIDsSortByTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, 1<<48-2).Draw(t, "at")
		later := rapid.Int64Range(at+1, 1<<48-1).Draw(t, "later")
		random := rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "random")
		var now int64
		ids := NewIDs(func() time.Time { return time.UnixMilli(now) }, bytes.NewReader(random))
		now = at
		first := ids.New("evt")
		now = later
		if second := ids.New("evt"); first >= second || len(first) != len(second) {
			t.Fatalf("%s before %s", first, second)
		}
	})
}

// Many goroutines at one moment: only the randomness tells their ids apart.
func TestIDsAreUnique(t *testing.T) {
	t.Parallel()
	ids := NewIDs(func() time.Time { return foldStart }, rand.Reader)
	made := make([][]string, 8)
	var makers sync.WaitGroup
	for i := range made {
		makers.Go(func() {
			for range 500 {
				made[i] = append(made[i], ids.New("msg"))
			}
		})
	}
	makers.Wait()
	seen := map[string]bool{}
	for _, list := range made {
		for _, id := range list {
			if seen[id] {
				t.Fatalf("%s twice", id)
			}
			seen[id] = true
		}
	}
}

// Every check of an identifier in the database accepts ours with its prefix,
// whatever the randomness.
func TestIDsPassTheDatabasesChecks(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(`id ~ '(\^([a-z]{3})_[^']*)'`)
	checked := map[string]*regexp.Regexp{}
	for _, folder := range []string{"sql/migrations/*.sql", "*/sql/migrations/*.sql"} {
		files, err := filepath.Glob(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			schema, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range pattern.FindAllStringSubmatch(string(schema), -1) {
				checked[found[2]] = regexp.MustCompile(found[1])
			}
		}
	}
	for _, prefix := range []string{"dec", "msg", "ntc", "evt"} {
		if checked[prefix] == nil {
			t.Errorf("the ledger does not check %s_", prefix)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, 1<<48-1).Draw(t, "at")
		random := rapid.SliceOfN(rapid.Byte(), 10*len(checked), 10*len(checked)).Draw(t, "random")
		ids := NewIDs(func() time.Time { return time.UnixMilli(at) }, bytes.NewReader(random))
		for prefix, check := range checked {
			if id := ids.New(prefix); !check.MatchString(id) || len(id) > 30 {
				t.Fatalf("%s is not %s", id, check)
			}
		}
	})
}

func TestIDsStopWithoutRandomness(t *testing.T) {
	t.Parallel()
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "randomness") {
			t.Errorf("%s", said)
		}
	}()
	id := NewIDs(func() time.Time { return foldStart }, strings.NewReader("too short")).New("dec")
	t.Errorf("made %s", id)
}
