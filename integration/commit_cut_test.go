package integration

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"singlewindow/declare"
)

// TestConnectionCutAtCommit cuts the gateways' connections to the database at
// COMMIT, before PostgreSQL hears of it or before the gateway hears that it is
// done: whoever asked asks again under the same key and gets the one receipt.
func TestConnectionCutAtCommit(t *testing.T) {
	t.Parallel()
	cutAtCommit(t, 20, "default")
}

func TestChaosConnectionCutAtCommit(t *testing.T) {
	onlyLong(t)
	cutAtCommit(t, 500, troubles...)
}

func cutAtCommit(t *testing.T, cuts int64, words ...string) {
	t.Helper()
	at := newDatabase(t)
	k := newCutter(t, at, seed(t))
	l, y := strict(t, lineOptions{at: at, via: k.url(at), gateways: 2})
	c, wait := l.load(t, 50, 32, 1_000_000, words)
	y.takenSince(t, time.Now())
	k.left.Store(cuts)
	eventually(t, 5*time.Minute, "every cut is made", func() bool { l.mustRun(t); return k.left.Load() <= 0 })
	y.takenSince(t, time.Now())
	what := "connection cut at COMMIT"
	number(t, what+", cuts", k.before.Load()+k.after.Load(), cuts)
	t.Logf("%d COMMITs never arrived, %d were done and not answered, %d of them at the intake; %d connections", k.before.Load(), k.after.Load(), k.intakes.Load(), k.connections.Load())
	l.finish(t, c, wait, y, what)
	if k.before.Load()+k.after.Load() < cuts || k.before.Load() == 0 || k.after.Load() == 0 {
		t.Error("too few cuts")
	}
}

// TestLostCommitIsTakenUpAtOnce: what was written down by a COMMIT that nobody
// heard of certainly was not sent. It goes out well before its lease ends, and
// no agency is asked about it.
func TestLostCommitIsTakenUpAtOnce(t *testing.T) {
	t.Parallel()
	at := newDatabase(t)
	k := newCutter(t, at, seed(t))
	k.side, k.intakeOnly = "after", true
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), at: at, via: k.url(at)})
	from, _ := l.widest(t)
	body := from.as(t, "LIMBO-1")
	k.left.Store(1)
	asked := time.Now()
	first, err := l.submit(t.Context(), acme, "key-LIMBO-1", body)
	must(t, err)
	// It found that its key was bound, and by what, or had no time to look.
	if fault := badRefusal(first, time.Since(asked)); first.status != http.StatusAccepted && (first.status != http.StatusServiceUnavailable || fault != "") {
		t.Fatalf("%d %s %s", first.status, fault, first.body)
	}
	given, err := l.submit(t.Context(), acme, "key-LIMBO-1", body)
	must(t, err)
	if given.status != http.StatusAccepted || given.header.Get("Idempotent-Replayed") != "true" {
		t.Fatalf("%d %v %s", given.status, given.header, given.body)
	}
	eventually(t, 8*time.Second, "everything is delivered", func() bool { return l.count(t, unsent) == 0 })
	t.Logf("delivered %v after the COMMIT was lost", time.Since(asked).Round(time.Millisecond))
	if unsure := l.count(t, "SELECT count(*) FROM event WHERE type = 'message.unsure'"); unsure != 0 {
		t.Errorf("%d messages were unsure", unsure)
	}
	eventually(t, 20*time.Second, "everything is decided", func() bool { return l.count(t, undecided) == 0 })
	l.closeOffices(t)
	l.mustAgree(t, []declare.Status{decoded[declare.Status](t, given)})
}

// A cutter is a way to PostgreSQL that breaks at COMMIT.
type cutter struct {
	address, socket            string
	left                       atomic.Int64 // cuts to make
	before, after, connections atomic.Int64
	intakes                    atomic.Int64 // cuts of what a 202 stands for
	side                       string       // before, after; "": either
	intakeOnly                 bool
	mu                         sync.Mutex
	random                     *rand.Rand
}

func newCutter(t *testing.T, at string, random *rand.Rand) *cutter {
	t.Helper()
	to, err := url.Parse(at)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	k := &cutter{address: listener.Addr().String(), random: random, socket: filepath.Join(to.Query().Get("host"), ".s.PGSQL."+to.Query().Get("port"))}
	var relaying sync.WaitGroup
	relaying.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed below
			}
			relaying.Go(func() { k.relay(client) })
		}
	})
	t.Cleanup(func() { must(t, listener.Close()); relaying.Wait() })
	return k
}

// url is the database's, through the cutter.
func (k *cutter) url(at string) string {
	to, _ := url.Parse(at) // parsed before
	return "postgres://postgres@" + k.address + to.Path + "?sslmode=disable"
}

// relay carries one connection, message by message from the client's side.
func (k *cutter) relay(client net.Conn) {
	k.connections.Add(1)
	server, err := net.Dial("unix", k.socket)
	if err != nil {
		client.Close() //nolint:errcheck // it is cut
		return
	}
	var mute atomic.Bool // what PostgreSQL answers is swallowed
	answered := make(chan struct{}, 1)
	var back sync.WaitGroup
	back.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if mute.Load() && n > 0 {
				select {
				case answered <- struct{}{}:
				default:
				}
				n = 0
			}
			if _, failed := client.Write(buffer[:n]); err != nil || failed != nil {
				client.Close() //nolint:errcheck // it is cut
				return
			}
		}
	})
	k.forward(client, server, &mute, answered)
	client.Close() //nolint:errcheck // it is cut
	server.Close() //nolint:errcheck // it is cut
	back.Wait()
}

func (k *cutter) forward(client, server net.Conn, mute *atomic.Bool, answered <-chan struct{}) {
	intake := false
	for opening := true; ; opening = false {
		head := make([]byte, 5) // type and length; the opening message has no type
		if opening {
			head = head[:4]
		}
		if _, err := io.ReadFull(client, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[len(head)-4:])-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		cut := ""
		if !opening && head[0] == 'Q' {
			switch text := strings.ToLower(strings.TrimRight(string(body), "\x00")); {
			case strings.HasPrefix(text, "begin"):
				intake = strings.Contains(text, "tenant:")
			case text == "commit":
				cut = k.choose(intake)
			}
		}
		if cut == "before" {
			return
		}
		mute.Store(cut != "")
		if _, err := server.Write(append(head, body...)); err != nil {
			return
		}
		if cut == "after" {
			<-answered
			return
		}
	}
}

// choose decides whether this COMMIT is cut, and on which side of it: one in
// three at the intake, one in ten of all others.
func (k *cutter) choose(intake bool) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	odds := map[bool]int{true: 3, false: 10}[intake]
	if k.intakeOnly {
		odds = 1
	}
	if k.left.Load() <= 0 || k.intakeOnly && !intake || k.random.IntN(odds) > 0 {
		return ""
	}
	k.left.Add(-1)
	if intake {
		k.intakes.Add(1)
	}
	if k.side == "before" || k.side == "" && k.random.IntN(2) == 0 {
		k.before.Add(1)
		return "before"
	}
	k.after.Add(1)
	return "after"
}
