package xsd

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestNothingIsWrittenToStandardError: a parser's complaints quote the document.
func TestNothingIsWrittenToStandardError(t *testing.T) {
	schema := compileOrder(t)
	path := filepath.Join(t.TempDir(), "errors")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := syscall.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Dup3(int(file.Fd()), 2, 0); err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{
		"<a xml:id='not a name'/>", "<a xml:id='x'><b xml:id='x'/></a>", "<a xml:lang='?'/>", "<a xmlns:b='not an address^'/>", "<a>&secret;</a>", "<a", "<b:a/>",
		"<?xml version='1.7'?><a/>", "<a xml:space='other'/>", "<?XML secret?><a/>", "<a xmlns:xml='urn:x'/>", "<a xmlns:b=''/>",
	} {
		valid, _, _ := schema.Validate([]byte(doc)) // an error or a violation, as it may be
		if !valid.IsZero() {
			t.Error("accepted", doc)
		}
	}
	if err := syscall.Dup3(kept, 2, 0); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path)
	if err != nil || len(written) > 0 {
		t.Errorf("%s %v", written, err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if err := syscall.Close(kept); err != nil {
		t.Error(err)
	}
}
