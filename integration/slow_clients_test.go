package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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
	if during > 3*before+patience(50*time.Millisecond) { // other tests run beside it
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
		with = append(with, l.honest(t, long)...)
		crowd.leave(t)
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

// A crowd is clients that send a header a byte at a time and begin again when
// they are thrown out. It is a process of its own that gives way to all others:
// the machine of real ones would not be the gateway's.
type crowd struct {
	command *exec.Cmd
	stay    io.Closer // closed, it leaves
	once    sync.Once
}

// comesWithin is the time in which a crowd gathers, one after the other: in step
// it would be one machine's scheduler that is measured, and not the gateway.
const comesWithin = 5 * time.Second

func init() { roles["crowd"] = playCrowd }

// crowd starts one and waits until nine tenths of it are there.
func (l *line) crowd(t *testing.T, number int) *crowd {
	t.Helper()
	c := &crowd{command: exec.Command("/proc/self/exe")}
	c.command.Env = append(os.Environ(), "SINGLEWINDOW_TEST_ROLE=crowd", "SINGLEWINDOW_TEST_CROWD="+l.gateway.address+" "+strconv.Itoa(number))
	c.command.Stderr = os.Stderr
	stay, err := c.command.StdinPipe()
	must(t, err)
	c.stay = stay
	said, err := c.command.StdoutPipe()
	must(t, err)
	must(t, c.command.Start())
	t.Cleanup(func() { c.leave(t) })
	if word, err := bufio.NewReader(said).ReadString('\n'); word != "there\n" {
		t.Fatalf("the slow clients do not come: %q %v", word, err)
	}
	return c
}

func (c *crowd) leave(t *testing.T) {
	c.once.Do(func() {
		must(t, c.stay.Close())
		must(t, c.command.Wait())
	})
}

// playCrowd is the crowd's process.
func playCrowd() int {
	address, count, _ := strings.Cut(os.Getenv("SINGLEWINDOW_TEST_CROWD"), " ")
	number, err := strconv.Atoi(count)
	if err == nil {
		err = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		return 1
	}
	ctx, stop := context.WithCancel(context.Background())
	var open atomic.Int32
	var all sync.WaitGroup
	for i := range number {
		all.Go(func() {
			select {
			case <-time.After(time.Duration(i) * comesWithin / time.Duration(number)):
			case <-ctx.Done():
			}
			for ctx.Err() == nil {
				linger(ctx, address, func() {
					if open.Add(1) == int32(number)*9/10 {
						fmt.Println("there")
					}
				})
			}
		})
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until the test has seen enough
	stop()
	all.Wait()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		return 1
	}
	return 0
}

// linger is one connection, until it is thrown out.
func linger(ctx context.Context, address string, opened func()) {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = connection.Close() }() // the other side may have closed it
	if _, err := connection.Write([]byte("GET /v1/declarations HTTP/1.1\r\nHost: x\r\nX-Slow: ")); err != nil {
		return
	}
	opened()
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
