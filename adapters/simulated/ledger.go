package simulated

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// A ledger is a file of JSON lines that only grows. It is not synchronised to
// disk: it must survive this process, not the machine. One goroutine at a
// time may append.
type ledger struct{ file *os.File }

// openLedger gives each line that is already there to replay.
func openLedger(name string, replay func(line []byte) error) (*ledger, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		if err := replay(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	return &ledger{file: file}, lines.Err()
}

func (l *ledger) append(entry any) error {
	line, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	_, err = l.file.Write(append(line, '\n'))
	return err
}

func (l *ledger) close() error { return l.file.Close() }
