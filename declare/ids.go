package declare

import (
	"io"
	"sync"
	"time"
)

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// IDs makes identifiers that sort by the time they were made: a prefix and 26
// Crockford characters of a 128-bit value, 48 bits of milliseconds before 80
// random ones.
type IDs struct {
	now    func() time.Time
	mu     sync.Mutex
	random io.Reader
}

// NewIDs makes a source of identifiers from a clock and a source of
// randomness; the randomness must never fail.
func NewIDs(now func() time.Time, random io.Reader) *IDs {
	return &IDs{now: now, random: random}
}

// New gives an identifier such as dec_01JD8Q….
func (s *IDs) New(prefix string) string {
	var value [16]byte
	at := s.now().UnixMilli()
	for i := range 6 {
		value[i] = byte(at >> (40 - 8*i))
	}
	s.mu.Lock()
	_, err := io.ReadFull(s.random, value[6:])
	s.mu.Unlock()
	if err != nil {
		panic("declare: no randomness: " + err.Error())
	}
	return spellID(prefix, value)
}

func spellID(prefix string, value [16]byte) string {
	var high, low uint64
	for i := range 8 {
		high, low = high<<8|uint64(value[i]), low<<8|uint64(value[i+8])
	}
	text := make([]byte, 26)
	for i := len(text) - 1; i >= 0; i-- {
		text[i] = crockford[low&31]
		low, high = low>>5|high<<59, high>>5
	}
	return prefix + "_" + string(text)
}
