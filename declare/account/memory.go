package account

import (
	"sync"
	"time"
)

// recallFor is how long an answer of the database holds: a busy client does
// not ask it for every request, a revoked key is refused this much later.
const recallFor = 5 * time.Second

// mostRemembered bounds the memory; beyond it everything is asked again.
const mostRemembered = 10_000

// memory remembers for a short time whom a hash belongs to. Only hashes that
// belong to somebody are kept: strangers cannot fill it.
type memory[T any] struct {
	now func() time.Time

	mu    sync.Mutex
	known map[string]remembered[T]
}

type remembered[T any] struct {
	who   T
	until time.Time
}

func newMemory[T any](now func() time.Time) *memory[T] {
	return &memory[T]{now: now, known: map[string]remembered[T]{}}
}

// recall tells whom a hash belongs to, asking when it is not remembered. Ask
// also tells when the answer ceases to be true, the zero time for never.
func (m *memory[T]) recall(hash string, ask func() (T, time.Time, error)) (T, error) {
	now := m.now()
	m.mu.Lock()
	entry, found := m.known[hash]
	m.mu.Unlock()
	if found && now.Before(entry.until) {
		return entry.who, nil
	}
	who, expires, err := ask()
	if err != nil {
		var nobody T
		return nobody, err
	}
	until := now.Add(recallFor)
	if !expires.IsZero() && expires.Before(until) {
		until = expires
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= mostRemembered {
		clear(m.known)
	}
	m.known[hash] = remembered[T]{who, until}
	return who, nil
}

// expired tells whether a time of expiry, zero for none, has come.
func expired(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }
