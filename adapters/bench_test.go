package adapters_test

import (
	"io/fs"
	"path"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// BenchmarkEmbedded drafts a sample of the built-in kinds at every agency
// built in that takes it, and reads that agency's sample answers.
func BenchmarkEmbedded(b *testing.B) {
	names, err := adapters.Names(adapters.Embedded())
	if err != nil || len(names) == 0 {
		b.Fatal(names, err)
	}
	filed := largest(b)
	for _, name := range names {
		agency, err := adapters.Load(adapters.Embedded(), name, adapters.Deployment{})
		if err != nil {
			b.Fatal(err)
		}
		defer agency.Close()
		if takes, err := agency.Takes(filed.Kind, filed.Tree); err != nil || !takes {
			b.Fatalf("%s does not take the sample: %v", name, err)
		}
		b.Run("takes/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := agency.Takes(filed.Kind, filed.Tree); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("draft/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if draft, faults, err := agency.Draft(filed); err != nil || draft.Body == nil {
					b.Fatal(err, faults)
				}
			}
		})
		b.Run("read/"+name, func(b *testing.B) { readAnswers(b, agency, name) })
	}
}

// largest is the sample of any kind with the most bytes.
func largest(b *testing.B) declare.Subject {
	b.Helper()
	kinds, err := declare.LoadKinds()
	if err != nil {
		b.Fatal(err)
	}
	var body []byte
	subject := declare.Subject{
		DeclarationID: "dec_00000000000000000000000001", MessageID: "msg_00000000000000000000000001",
		Reference: "T-1", AcceptedAt: time.Date(2026, time.March, 2, 2, 3, 4, 0, time.UTC),
	}
	for name, kind := range kinds {
		files, err := fs.Glob(kind.Samples, "*.json")
		if err != nil {
			b.Fatal(err)
		}
		for _, file := range files {
			content, err := fs.ReadFile(kind.Samples, file)
			if err != nil {
				b.Fatal(err)
			}
			if len(content) > len(body) {
				body, subject.Kind = content, name
			}
		}
	}
	tree, faults := declare.ParseJSON(body, declare.MostBytes)
	if len(faults) > 0 {
		b.Fatal(faults)
	}
	subject.Tree, _ = tree.(map[string]any)
	return subject
}

// readAnswers measures the reading of one answer, on average over the samples.
func readAnswers(b *testing.B, agency *adapters.Agency, name string) {
	files, err := fs.Glob(adapters.Embedded(), path.Join(name, "samples/answers/*.xml"))
	if err != nil || len(files) == 0 {
		b.Fatal(files, err)
	}
	var answers [][]byte
	for _, file := range files {
		content, err := fs.ReadFile(adapters.Embedded(), file)
		if err != nil {
			b.Fatal(err)
		}
		answers = append(answers, content)
	}
	b.ReportAllocs()
	at := 0
	for b.Loop() {
		if _, err := agency.Read(answers[at]); err != nil {
			b.Fatal(files[at], err)
		}
		at = (at + 1) % len(answers)
	}
}
