package simulated

import (
	"context"
	"testing"
	"time"

	"singlewindow/adapters"
)

// A schedule that is moved brings exactly what would have come in that time.
func TestAScheduleIsMoved(t *testing.T) {
	const pace = time.Hour
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		by   time.Duration
		due  []int           // by each of two such moves
		next []time.Duration // when the notices come: waits one after the other
	}{
		{0, []int{0, 0}, []time.Duration{time.Hour, time.Hour, time.Hour}},
		{20 * time.Minute, []int{0, 0}, []time.Duration{20 * time.Minute, time.Hour, time.Hour}},
		{40 * time.Minute, []int{0, 1}, []time.Duration{0, 40 * time.Minute, time.Hour}},
		{time.Hour, []int{1, 1}, []time.Duration{0, 0, time.Hour}},
		{90 * time.Minute, []int{1, 2}, []time.Duration{0, 0, 0}},
		{30 * 24 * time.Hour, []int{3, 0}, []time.Duration{0, 0, 0}},
	} {
		d := debt{owed: make([]notice, 3), due: now.Add(pace)}
		for move, want := range c.due {
			if got := d.advance(now, c.by, pace); got != want {
				t.Errorf("%v, move %d: %d became due, want %d", c.by, move+1, got, want)
			}
		}
		for i, want := range c.next {
			if got := d.due.Sub(now); got != want {
				t.Errorf("%v twice: notice %d waits %v, want %v", c.by, i+1, got, want)
			}
			d.owed = d.owed[1:]
			d.later(now, pace)
		}
	}
}

// Only the deliveries that are named are moved, also while a notice is on the
// wire.
func TestOnlyTheNamedAreMoved(t *testing.T) {
	sent, answered := make(chan string), make(chan struct{})
	o := newOutbox(Clock{Now: time.Now, After: time.After}, time.Hour, func(_ context.Context, d debt) (debt, bool) {
		sent <- d.effect.DeliveryID
		<-answered
		d.owed = d.owed[1:]
		d.later(time.Now(), time.Hour)
		return d, len(d.owed) > 0
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{}, 2)
	var queue debts
	for i, delivery := range []string{"mine", "other"} {
		queue = append(queue, debt{effect: adapters.Effect{DeliveryID: delivery, Serial: uint64(i)}, owed: make([]notice, 3), due: time.Now().Add(time.Hour)})
	}
	go func() { o.own(ctx, queue); ended <- struct{}{} }()
	go func() { o.send(ctx); ended <- struct{}{} }()
	defer func() { stop(); <-ended; <-ended }()
	advance := func(by time.Duration) moved {
		t.Helper()
		done, err := o.ask(ctx, ctx, move{deliveries: map[string]bool{"mine": true}, by: by})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	if done := advance(time.Hour); done.due != 1 || len(done.owing) != 2 {
		t.Errorf("%+v", done)
	}
	if delivery := <-sent; delivery != "mine" {
		t.Errorf("%s was sent", delivery)
	}
	if done := advance(24 * time.Hour); done.due != 2 || len(done.owing) != 2 { // the first is on the wire
		t.Errorf("%+v", done)
	}
	if done := advance(24 * time.Hour); done.due != 0 {
		t.Errorf("what was due becomes due again: %+v", done)
	}
	answered <- struct{}{}
	for range 2 {
		if delivery := <-sent; delivery != "mine" {
			t.Errorf("%s was sent", delivery)
		}
		if done := advance(24 * time.Hour); done.due != 0 {
			t.Errorf("what was due becomes due again: %+v", done)
		}
		answered <- struct{}{}
	}
	if done := advance(time.Minute); done.due != 0 || done.owing[0] != "other" {
		t.Errorf("%+v", done)
	}
}
