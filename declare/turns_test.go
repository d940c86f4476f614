package declare

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Equal submissions wait for each other, at most five seconds; others do not.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		key := keyOfTenant{"acme", "k"}
		over, err := all.take(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range []keyOfTenant{{"bolt", "k"}, {"acme", "l"}} {
			free, err := all.take(t.Context(), other)
			if err != nil {
				t.Fatal(err)
			}
			free()
		}
		begun := time.Now()
		if _, err := all.take(t.Context(), key); !errors.Is(err, ErrKeyInFlight) || time.Since(begun) != keyPatience {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := all.take(gone, key); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		passed := make(chan func(), 2)
		for range 2 {
			go func() {
				next, err := all.take(t.Context(), key)
				if err != nil {
					t.Error(err)
				}
				passed <- next
			}()
		}
		synctest.Wait()
		if len(passed) != 0 {
			t.Error("a turn was given twice")
		}
		over()
		synctest.Wait()
		if len(passed) != 1 {
			t.Errorf("%d had the turn at once", len(passed))
		}
		(<-passed)()
		(<-passed)()
		if len(all.under) != 0 {
			t.Errorf("%d turns are left", len(all.under))
		}
	})
}
