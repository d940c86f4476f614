package adapters_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/declare"
)

// BenchmarkOutside measures one message that nobody here wrote, the one whose
// size is nearest to 5 KB: written (render), judged by its schema (validate),
// both together with the agency's rules (draft), and read back (read, which
// validates first). cpu-µs/op is the processor time of the whole process, the
// garbage collector's included.
func BenchmarkOutside(b *testing.B) {
	agency := outsideAgency(b)
	message, tree := nearest(b, agency, 5<<10)
	subject := declare.Subject{Kind: kindOf(tree), Tree: tree, AcceptedAt: sampleDay}
	if _, faults, err := agency.Draft(subject); err != nil || len(faults) > 0 {
		b.Fatal(err, faults)
	}
	b.Logf("%d bytes", len(message))
	perOperation(b, "render", func() error { return agency.Render(subject) })
	perOperation(b, "validate", func() error { return agency.Validate(subject.Kind, message) })
	perOperation(b, "draft", func() error { _, _, err := agency.Draft(subject); return err })
	perOperation(b, "read", func() error { _, _, err := agency.ReadBack(message); return err })
}

func kindOf(tree map[string]any) string {
	kind, _ := tree["kind"].(string)
	return kind
}

// nearest finds the message that reads back and whose size is nearest to one.
func nearest(b *testing.B, agency *adapters.Agency, size int) (message []byte, tree map[string]any) {
	b.Helper()
	distance := func(content []byte) int { return max(len(content)-size, size-len(content)) }
	for _, file := range outsideFiles(b) {
		content, err := os.ReadFile(file)
		must(b, err)
		if message != nil && distance(content) >= distance(message) {
			continue
		}
		if read, faults, err := agency.ReadBack(content); err == nil && len(faults) == 0 {
			message, tree = content, read
		}
	}
	return message, tree
}

func perOperation(b *testing.B, name string, do func() error) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		before := processorTime(b)
		for b.Loop() {
			must(b, do())
		}
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	})
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
