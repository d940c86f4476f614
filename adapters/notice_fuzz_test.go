package adapters_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"unicode/utf8"

	"singlewindow/adapters"
	"singlewindow/declare"
)

var plainNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// FuzzNotice reads anything as a notice of every agency: it is understood, or
// refused with a code, and what is understood is fit for the ledger. The corpus
// is the answers every folder shows and testdata/fuzz.
func FuzzNotice(f *testing.F) {
	folders := adapters.Embedded()
	if _, err := os.Stat(outside); err == nil {
		folders = adapters.Supply(folders, os.DirFS(filepath.Join(outside, "schemas")))
	}
	answers, err := fs.Glob(folders, "*/samples/answers/*.xml")
	must(f, err)
	for _, file := range answers {
		content, err := fs.ReadFile(folders, file)
		must(f, err)
		f.Add(content)
	}
	names, err := adapters.Names(folders)
	must(f, err)
	var agencies []*adapters.Agency
	for _, name := range names {
		agency, err := adapters.Load(folders, name, adapters.Deployment{})
		must(f, err)
		f.Cleanup(agency.Close)
		if len(agency.Missing()) == 0 {
			agencies = append(agencies, agency)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, agency := range agencies {
			reading, err := agency.Read(body)
			var unreadable *declare.Unreadable
			switch {
			case errors.As(err, &unreadable):
				if unreadable.Code == "" || len(unreadable.Faults) == 0 {
					t.Errorf("refused without a reason: %+v", unreadable)
				}
			case err != nil:
				t.Error(err)
			default:
				mustBeFit(t, reading)
			}
		}
	})
}

func mustBeFit(t *testing.T, reading declare.Reading) {
	t.Helper()
	if reading.Word == "" || reading.Decision == "" || reading.Version < 0 && reading.Version != int(int32(reading.Version)) {
		t.Errorf("%+v", reading)
	}
	texts := []string{reading.Word, reading.Remark, reading.MessageID}
	for _, value := range reading.Numbers {
		texts = append(texts, value)
	}
	for _, complaint := range reading.Errors {
		texts = append(texts, complaint.Code, complaint.Text, complaint.Chain, complaint.XMLPath)
	}
	for _, duty := range reading.Duties {
		for _, number := range []string{duty.BaseAmount.Value, duty.BaseQuantity.Value, duty.Rate, duty.Deducted.Value, duty.Assessed.Value, duty.Payable.Value} {
			if number != "" && !plainNumber.MatchString(number) {
				t.Errorf("%q is no decimal", number)
			}
		}
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			t.Errorf("%q is no text", text)
		}
	}
}
