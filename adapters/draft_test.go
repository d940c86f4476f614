package adapters_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/declare"
	"singlewindow/xsd"
)

func TestTakes(t *testing.T) {
	agency := load(t, adapters.Deployment{})
	for _, c := range []struct {
		kind, office string
		want         bool
	}{{"parcel", "south", true}, {"parcel", "nobody", false}, {"letter", "south", false}} {
		got, err := agency.Takes(c.kind, map[string]any{"office": c.office})
		if err != nil || got != c.want {
			t.Errorf("%s for %s: %v, %v", c.kind, c.office, got, err)
		}
	}
	if _, _, err := agency.Draft(declare.Subject{Kind: "letter"}); err == nil {
		t.Error("a kind the agency does not take was drafted")
	}
}

func TestProfile(t *testing.T) {
	profile := load(t, adapters.Deployment{URL: "http://127.0.0.1:1"}).Profile()
	if !profile.On || profile.Name != demo || profile.Deadline != time.Second || profile.InFlight != 4 || profile.Probe != time.Second ||
		!profile.Idempotent || !profile.Inquirable || strings.Join(profile.Order, " ") != "version issuedAt rank" ||
		strings.Join(profile.Kinds, " ") != "parcel" || profile.Zone.String() != "Asia/Shanghai" ||
		!profile.ValidFrom.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", profile)
	}
	for _, address := range []string{"127.0.0.1:80", "ftp://host", "http://"} {
		if _, err := adapters.Load(os.DirFS("testdata/agencies"), demo, adapters.Deployment{URL: address}); err == nil {
			t.Errorf("%q was taken as an address", address)
		}
	}
}

// TestDraftNamesEveryPlace: one declaration, wrong in every way at once.
func TestDraftNamesEveryPlace(t *testing.T) {
	agency := load(t, adapters.Deployment{})
	wrong := subject(messageID, "T-1")
	mass := map[string]any{"value": "1.234", "unit": "secret"}
	wrong.Tree["lines"] = []any{
		map[string]any{"name": "secret name of more than ten", "mass": mass},
		map[string]any{"mass": map[string]any{"value": "1", "unit": "KGM"}},
		map[string]any{"name": "Tea", "mass": map[string]any{"value": "1"}},
	}
	wrong.Tree["office"] = "secret"
	draft, faults, err := agency.Draft(wrong)
	if err != nil || draft.Body != nil {
		t.Fatal(err, draft)
	}
	want := map[string]string{ // pointer → code, path in the message
		"/note":               "demo.note.whereHeavy ",
		"/office":             "map.code /Parcel/Head/Office",
		"/lines/0/name":       "xsd.maxLength /Parcel/Lines/Line[1]/Name",
		"/lines/0/mass/value": "map.decimal /Parcel/Lines/Line[1]/Mass",
		"/lines/1/name":       "map.missing /Parcel/Lines/Line[2]/Name",
		"/lines/2/mass/unit":  "map.missing /Parcel/Lines/Line[3]/Mass/@unit",
	}
	for _, fault := range faults {
		if want[fault.Pointer] != fault.Code+" "+fault.XMLPath {
			t.Errorf("%s %s at %s", fault.Code, fault.XMLPath, fault.Pointer)
		}
		delete(want, fault.Pointer)
		if fault.Agency != demo || fault.Text.English == "" || fault.Text.Chinese == "" || fault.XMLPath != "" && fault.Line == 0 {
			t.Errorf("%+v", fault)
		}
		if text, err := json.Marshal(fault); err != nil || strings.Contains(string(text), "secret") {
			t.Errorf("a value is told: %s, %v", text, err)
		}
	}
	for pointer, what := range want {
		t.Errorf("not found: %s at %s", what, pointer)
	}
}

func TestDraftIsSealed(t *testing.T) {
	agency := load(t, adapters.Deployment{})
	draft, faults, err := agency.Draft(subject(messageID, "T-1"))
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	if _, sealed := draft.Body.(xsd.Valid); !sealed || len(draft.Body.SchemaDigest()) != 64 {
		t.Errorf("%T %s", draft.Body, draft.Body.SchemaDigest())
	}
	id, reference, err := agency.Receive(draft.Body.Bytes())
	if err != nil || id != messageID || reference != "T-1" {
		t.Error(id, reference, err)
	}
}

// TestDraftOfPoison: a message that was being read at two deaths of the
// process is refused, not tried again.
func TestDraftOfPoison(t *testing.T) {
	agency := load(t, adapters.Deployment{})
	draft, _, err := agency.Draft(subject(messageID, "T-1"))
	if err != nil {
		t.Fatal(err)
	}
	digest := draft.Body.Digest()
	left := make([]byte, 256*len(digest)) // what a dead process leaves: its slots, and earlier deaths behind them
	copy(left, digest[:])
	left = append(left, digest[:]...)
	file := filepath.Join(t.TempDir(), "slots")
	if err := os.WriteFile(file, left, 0o600); err != nil {
		t.Fatal(err)
	}
	slots, err := xsd.OpenSlots(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := slots.Close(); err != nil {
			t.Error(err)
		}
	})
	agency.UseSlots(slots)
	_, faults, err := agency.Draft(subject(messageID, "T-1"))
	if err != nil || len(faults) != 1 || faults[0].Code != "xml.poisoned" || faults[0].Agency != demo {
		t.Errorf("%v %v", faults, err)
	}
	if _, faults, err := agency.Draft(subject(messageID, "T-2")); err != nil || len(faults) > 0 {
		t.Error(faults, err)
	}
}

func TestLocate(t *testing.T) {
	agency := load(t, adapters.Deployment{})
	filed := subject(messageID, "T-1")
	line := filed.Tree["lines"].([]any)[0]
	filed.Tree["lines"] = []any{line, line}
	for path, want := range map[string]string{
		"/Parcel/Head/Office":              "/office",
		"Head/Office":                      "/office",
		"/Head/Office":                     "/office",
		"Lines/Line[2]/Name":               "/lines/1/name",
		"Lines/Line[1]/Name":               "/lines/0/name",
		"Lines/Line/Name":                  "/lines/0/name",
		"Lines/Line[2]/Mass/@unit":         "/lines/1/mass/unit",
		"Lines[1]/Line[2]/Nothing[3]/Here": "/lines/1",
		"Lines/Line[9]/Name":               "/lines/2/name", // it would be the next
		"Head/DeliveryId":                  "",
		"/":                                "",
		"":                                 "",
		"hm":                               "",
	} {
		if got := agency.Locate(filed, path)[0]; got != want {
			t.Errorf("%q is from %q, want %q", path, got, want)
		}
	}
	filed.Kind = "letter"
	if got := agency.Locate(filed, "Head/Office")[0]; got != "" {
		t.Errorf("a kind the agency does not take is from %q", got)
	}
}

func TestRead(t *testing.T) {
	agency := load(t, adapters.Deployment{})
	content, err := os.ReadFile("testdata/agencies/demo-agency/samples/answers/refused.xml")
	if err != nil {
		t.Fatal(err)
	}
	reading, err := agency.Read(content)
	if err != nil || reading.Decision != declare.DecisionRejected || len(reading.Errors) != 1 || reading.Errors[0].XMLPath != "Lines/Line[2]/Name" {
		t.Errorf("%+v, %v", reading, err)
	}
	good := string(content)
	for name, c := range map[string]struct{ notice, code, path string }{
		"no XML":     {"hm", "xml.malformed", ""},
		"DOCTYPE":    {"<!DOCTYPE x>" + good[38:], "xml.doctype", ""},
		"invalid":    {strings.Replace(good, "<Code>E7</Code>", "", 1), "xsd.invalid", "/ParcelNotice/Error/Text"},
		"other root": {"<Greeting>secret</Greeting>", "notice.root", "/Greeting"},
		"word":       {strings.Replace(good, "REFUSED", "secret", 1), "notice.word", "/ParcelNotice/Status"},
		"time":       {strings.Replace(good, "20260302100304", "secret", 1), "notice.time", "/ParcelNotice/IssuedAt"},
		"version":    {strings.Replace(good, "<Version>2", "<Version>99999999999999999999", 1), "notice.version", "/ParcelNotice/Version"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := agency.Read([]byte(c.notice))
			unreadable := new(declare.Unreadable)
			if !errors.As(err, &unreadable) || unreadable.Code != c.code || len(unreadable.Faults) == 0 {
				t.Fatalf("%v", err)
			}
			fault := unreadable.Faults[0]
			if fault.XMLPath != c.path || fault.Pointer != "" || fault.Text.English == "" || fault.Text.Chinese == "" || strings.Contains(fault.Text.English, "secret") {
				t.Errorf("%+v", fault)
			}
		})
	}
}

func BenchmarkDraft(b *testing.B) {
	agency, err := adapters.Load(os.DirFS("testdata/agencies"), demo, adapters.Deployment{})
	if err != nil {
		b.Fatal(err)
	}
	defer agency.Close()
	filed := subject(messageID, "T-1")
	for b.Loop() {
		if _, faults, err := agency.Draft(filed); err != nil || len(faults) > 0 {
			b.Fatal(err, faults)
		}
	}
}
