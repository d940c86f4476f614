package board

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	placeholder = regexp.MustCompile(`\{\d\}`)
	inline      = regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|<script[^>]*>[^<]|javascript:|hx-on`)
	wording     = regexp.MustCompile(`>[^<{]*[A-Za-z\p{Han}]{2}[^<{]*<`)
)

// sources are the package's templates and Go files, where keys of texts stand.
func sources(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"templates/*.html", "*.go"} {
		names, err := fs.Glob(os.DirFS("."), pattern)
		must(t, err)
		for _, name := range names {
			if content, err := os.ReadFile(name); !strings.HasSuffix(name, "_test.go") {
				must(t, err)
				found[name] = string(content)
			}
		}
	}
	return found
}

// Every key that is used exists, and every key that exists is used: by its
// whole name, or where a name is put together, as in (printf "list.state.%s"
// .State) or "list.state."+state, by its beginning.
func TestTextsAreUsedAndComplete(t *testing.T) {
	t.Parallel()
	all, err := loadTexts()
	must(t, err)
	literal := regexp.MustCompile(`\bt "([^"]+)"`)
	composed := regexp.MustCompile(`"([a-z]+(?:\.[A-Za-z]+)*\.)(?:%s[^"]*)?"`)
	used := map[string]bool{}
	for name, content := range sources(t) {
		for _, match := range literal.FindAllStringSubmatch(content, -1) {
			if _, known := all[match[1]]; !known && strings.HasSuffix(name, ".html") {
				t.Errorf("%s: there is no text %q", name, match[1])
			}
		}
		for key := range all {
			used[key] = used[key] || strings.Contains(content, `"`+key+`"`)
		}
		for _, match := range composed.FindAllStringSubmatch(content, -1) {
			for key := range all {
				used[key] = used[key] || strings.HasPrefix(key, match[1])
			}
		}
	}
	for key, sentence := range all {
		if !used[key] {
			t.Errorf("%s is never used", key)
		}
		if !slices.Equal(values(sentence.English), values(sentence.Chinese)) {
			t.Errorf("%s: the languages take different values", key)
		}
	}
}

// values are the places for values in a text, in order of their numbers.
func values(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// Words stand in texts, and what the content policy forbids stands nowhere.
func TestTemplatesHoldNoWordsAndNothingInline(t *testing.T) {
	t.Parallel()
	same := map[string]bool{">English<": true, ">中文<": true, ">XML<": true} // in every language
	for name, content := range sources(t) {
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		for _, found := range inline.FindAllString(content, -1) {
			t.Errorf("%s: %q is refused by the content policy", name, found)
		}
		for _, found := range wording.FindAllString(content, -1) {
			if !same[strings.TrimSpace(found)] {
				t.Errorf("%s: %q belongs into texts", name, found)
			}
		}
	}
}

func TestSaying(t *testing.T) {
	t.Parallel()
	all := texts{"a": {English: "{0} rows in {1}", Chinese: "{1} 中 {0} 行", One: "one row in {1}"}}
	for _, c := range []struct {
		language, want string
		number         int
	}{{"en", "12,345 rows in <{0}>", 12345}, {"en", "one row in <{0}>", 1}, {"zh", "<{0}> 中 1 行", 1}} {
		if got, err := all.say(c.language, "a", c.number, "<{0}>"); err != nil || got != c.want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := all.say("en", "b"); err == nil {
		t.Error("a text there is not is said")
	}
}

func TestTimesAndDurations(t *testing.T) {
	t.Parallel()
	b := newPages(t)
	at := time.Date(2026, 3, 1, 17, 4, 59, 0, time.UTC)
	got, err := b.timeTag(&at)
	if want := `<time datetime="2026-03-01T17:04:59Z" title="2026-03-02 01:04:59 +08:00">2026-03-02 01:04</time>`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := b.timeTag((*time.Time)(nil)); err != nil || got != "–" {
		t.Errorf("%s, %v", got, err)
	}
	for given, want := range map[time.Duration]string{
		-time.Hour: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 59*time.Minute + 59*time.Second: "59 min", time.Hour: "1 h 0 min",
		25*time.Hour + time.Minute: "1 d 1 h", 2000 * 24 * time.Hour: "2,000 d 0 h",
	} {
		if got, err := b.duration("en", given); err != nil || got != want {
			t.Errorf("%v is %q, %v", given, got, err)
		}
	}
	for given, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := groupThousands(given); got != want {
			t.Errorf("%d is %s", given, got)
		}
	}
}

// What was taken from others is what SOURCE says it is.
func TestVendoredFilesAreUnchanged(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("static/SOURCE")
	must(t, err)
	rows := regexp.MustCompile(`(?m)^([0-9a-f]{64})  (\S+)`).FindAllStringSubmatch(string(source), -1)
	if len(rows) < 4 {
		t.Fatalf("only %d files are named", len(rows))
	}
	for _, row := range rows {
		content, err := os.ReadFile("static/" + row[2])
		must(t, err)
		if digest := sha256.Sum256(content); hex.EncodeToString(digest[:]) != row[1] {
			t.Errorf("%s was changed", row[2])
		}
	}
	entries, err := os.ReadDir("static")
	must(t, err)
	for _, entry := range entries {
		if name := entry.Name(); strings.Contains(name, ".min.") && !bytes.Contains(source, []byte("  "+name)) {
			t.Errorf("%s has no source", name)
		}
	}
}
