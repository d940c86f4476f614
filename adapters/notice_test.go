package adapters_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// answerOf gives an answer that the agency's own folder shows.
func answerOf(t *testing.T, agency *adapters.Agency, name string) string {
	t.Helper()
	content, err := fs.ReadFile(adapters.Embedded(), agency.Profile().Name+"/samples/answers/"+name+".xml")
	must(t, err)
	return string(content)
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	must(t, decoder.Decode(into))
}

// TestNoticesByNamesAreStillGuarded changes good notices so that they must not
// be understood, however little their schema has to say.
func TestNoticesByNamesAreStillGuarded(t *testing.T) {
	agency := outsideAgency(t)
	var changes []struct{ Name, Answer, Old, New, Code string }
	readJSON(t, "testdata/notices.json", &changes)
	for _, one := range changes {
		t.Run(one.Name, func(t *testing.T) {
			body := answerOf(t, agency, one.Answer)
			if _, err := agency.Read([]byte(body)); err != nil {
				t.Fatal(err)
			}
			changed := strings.ReplaceAll(body, one.Old, one.New)
			if changed == body {
				t.Fatal("nothing was changed")
			}
			_, err := agency.Read([]byte(changed))
			var unreadable *declare.Unreadable
			if !errors.As(err, &unreadable) || unreadable.Code != one.Code {
				t.Errorf("%v, not %s", err, one.Code)
			}
		})
	}
}

// TestPointersLeadSomewhere takes paths to what the declaration has, and to
// where what it lacks would stand.
func TestPointersLeadSomewhere(t *testing.T) {
	agency := outsideAgency(t)
	var expected struct {
		Declaration map[string]any
		Pointers    map[string]string
	}
	readJSON(t, "testdata/pointers.json", &expected)
	kind, _ := expected.Declaration["kind"].(string) // one without a kind is taken by nobody
	subject := declare.Subject{Kind: kind, Tree: expected.Declaration, AcceptedAt: sampleDay}
	for path, want := range expected.Pointers {
		if got := agency.Locate(subject, path)[0]; got != want {
			t.Errorf("%s leads to %q, not %q", path, got, want)
		}
	}
}
