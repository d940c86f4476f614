package account

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestMemoryHoldsForItsTime(t *testing.T) {
	c := &clock{at: time.Unix(1e9, 0)}
	m := newMemory[string](c.now)
	asked := 0
	recall := func() {
		t.Helper()
		who, err := m.recall("h", func() (string, time.Time, error) { asked++; return "acme", time.Time{}, nil })
		if who != "acme" || err != nil {
			t.Errorf("%q %v", who, err)
		}
	}
	recall()
	c.pass(recallFor - time.Millisecond)
	recall()
	if asked != 1 {
		t.Errorf("asked %d times within the time", asked)
	}
	c.pass(time.Millisecond)
	recall()
	if asked != 2 {
		t.Errorf("asked %d times after it", asked)
	}
}

func TestMemoryDoesNotOutliveAKey(t *testing.T) {
	c := &clock{at: time.Unix(1e9, 0)}
	m := newMemory[string](c.now)
	expires := c.now().Add(time.Second)
	ask := func() (string, time.Time, error) {
		if expired(expires, c.now()) {
			return "", expires, ErrUnknown
		}
		return "acme", expires, nil
	}
	if _, err := m.recall("h", ask); err != nil {
		t.Error(err)
	}
	c.pass(time.Second)
	if who, err := m.recall("h", ask); !errors.Is(err, ErrUnknown) || who != "" {
		t.Errorf("an expired key is %q, %v", who, err)
	}
}

func TestMemoryKeepsNoStrangersAndIsBounded(t *testing.T) {
	c := &clock{at: time.Unix(1e9, 0)}
	m := newMemory[int](c.now)
	if _, err := m.recall("stranger", func() (int, time.Time, error) { return 1, time.Time{}, ErrUnknown }); !errors.Is(err, ErrUnknown) || len(m.known) != 0 {
		t.Errorf("%v, %d kept", err, len(m.known))
	}
	for i := range mostRemembered + 5 {
		if _, err := m.recall(fmt.Sprint(i), func() (int, time.Time, error) { return i, time.Time{}, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.known) != 5 {
		t.Errorf("%d kept", len(m.known))
	}
}
