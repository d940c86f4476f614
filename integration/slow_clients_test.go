package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bareLine is a gateway as a process, without agencies.
func bareLine(t *testing.T, flags ...string) *line {
	t.Helper()
	l := newBare(t, flags...)
	l.startDoor(t, l.gateway)
	return l
}

// newBare is a bareLine whose gateway is not started yet.
func newBare(t *testing.T, flags ...string) *line {
	t.Helper()
	l := &line{lineOptions: lineOptions{flags: flags}, keys: map[string]string{}, offices: map[string]*office{}, folder: t.TempDir()}
	l.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(l.client.CloseIdleConnections)
	l.openDoors(t)
	l.enroll(t)
	return l
}

// TestSlowClients: two hundred clients that never finish their headers keep
// nobody waiting.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	before, during := slowClients(t, 200, 2, 1500*time.Millisecond)
	if during > 3*before+50*time.Millisecond { // other tests run beside it
		t.Errorf("p99 %v, without slow clients %v", during, before)
	}
}

// TestLongSlowClients is the promise: two thousand of them, and the honest
// p99 within 1.5×.
func TestLongSlowClients(t *testing.T) {
	onlyLong(t)
	before, during := slowClients(t, 2000, 6, 10*time.Second)
	if during > before*3/2 {
		t.Errorf("p99 %v, without slow clients %v", during, before)
	}
}

// slowClients measures the p99 of a hundred honest requests a second in turns,
// without and with slow clients, so that whatever else the machine does comes
// to both.
func slowClients(t *testing.T, slow, rounds int, long time.Duration) (before, during time.Duration) {
	t.Helper()
	l := bareLine(t)
	l.honest(t, time.Second) // connections, plans and caches are warm then
	var without, with []time.Duration
	for range rounds {
		without = append(without, l.honest(t, long)...)
		crowd := l.crowd(t, slow)
		eventually(t, 30*time.Second, "the slow clients are there", func() bool { return int(crowd.open.Load()) >= slow*9/10 })
		with = append(with, l.honest(t, long)...)
		crowd.leave()
	}
	before, during = percentile(without, 99), percentile(with, 99)
	number(t, fmt.Sprintf("honest p99 beside %d slow-header clients", slow),
		fmt.Sprintf("%v, without them %v (p50 %v, %v)", during.Round(10*time.Microsecond), before.Round(10*time.Microsecond), percentile(with, 50).Round(10*time.Microsecond), percentile(without, 50).Round(10*time.Microsecond)), "1.5×")
	return before, during
}

// honest asks a hundred times a second, whatever the answers take, and gives
// how long they took from when they were due.
func (l *line) honest(t *testing.T, long time.Duration) (took []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	began := time.Now()
	for due := began; due.Before(began.Add(long)); due = due.Add(10 * time.Millisecond) {
		<-time.After(time.Until(due))
		all.Go(func() {
			given, err := l.try(t.Context(), l.keys[acme], http.MethodGet, "/v1/declarations?limit=1", nil)
			if err != nil || given.status != http.StatusOK {
				t.Errorf("%d %v", given.status, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(due))
		})
	}
	all.Wait()
	return took
}

// crowd is clients that send a header a byte at a time and begin again when
// they are thrown out.
type crowd struct {
	open atomic.Int32
	stop context.CancelFunc
	all  sync.WaitGroup
}

// comesWithin is the time in which a crowd gathers, one after the other: in step
// it would be one machine's scheduler that is measured, and not the gateway.
const comesWithin = 5 * time.Second

func (l *line) crowd(t *testing.T, number int) *crowd {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := &crowd{stop: stop}
	t.Cleanup(c.leave)
	for i := range number {
		c.all.Go(func() {
			select {
			case <-time.After(time.Duration(i) * comesWithin / time.Duration(number)):
			case <-ctx.Done():
			}
			for ctx.Err() == nil {
				c.linger(ctx, l.gateway.address)
			}
		})
	}
	return c
}

func (c *crowd) leave() {
	c.stop()
	c.all.Wait()
}

// linger is one connection, until it is thrown out.
func (c *crowd) linger(ctx context.Context, address string) {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	c.open.Add(1)
	defer c.open.Add(-1)
	defer func() { _ = connection.Close() }() // the other side may have closed it
	if _, err := connection.Write([]byte("GET /v1/declarations HTTP/1.1\r\nHost: x\r\nX-Slow: ")); err != nil {
		return
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = connection.Read(make([]byte, 512)) // an answer or the end: it is over
	}()
	defer func() { <-gone }()
	defer func() { _ = connection.SetDeadline(time.Now()) }()
	drip := time.NewTicker(time.Second)
	defer drip.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-gone:
			return
		case <-drip.C:
			if _, err := connection.Write([]byte("a")); err != nil {
				return
			}
		}
	}
}
