package integration

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"singlewindow/declare"
)

// notIdempotent makes an agency folder whose agency takes every copy of a
// message as another one: nothing but the gateway keeps it from acting twice.
var notIdempotent = map[string]string{"idempotent: true": "idempotent: false"}

// A campaign files declarations and asks again under the same key until each
// has its 202, however often the gateway dies. Each 202 is on its disk before
// it counts.
type campaign struct {
	l       *line
	mu      sync.Mutex
	journal *os.File
	filed   int
	enough  context.CancelFunc // ends the load after what is under way
	pace    *time.Ticker
}

// hurry files so many declarations a second from now on.
func (c *campaign) hurry(rate int) { c.pace.Reset(time.Second / time.Duration(rate)) }

// begin starts clients that file samples in turn under these words; wait ends
// when every declaration has its receipt.
func (l *line) begin(t *testing.T, clients, declarations int, words []string) (c *campaign, wait func()) {
	t.Helper()
	return l.load(t, 0, clients, declarations, words)
}

// load is begin at so many declarations a second, if the gateways keep up with
// that many clients; 0 is as fast as they can.
func (l *line) load(t *testing.T, rate, clients, declarations int, words []string) (c *campaign, wait func()) {
	t.Helper()
	journal, err := os.OpenFile(filepath.Join(l.folder, "receipts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	filing, enough := context.WithCancel(t.Context())
	c = &campaign{l: l, journal: journal, enough: enough, pace: time.NewTicker(time.Second / time.Duration(cmp.Or(rate, 1_000_000)))}
	all := samples(t)
	numbers := make(chan int)
	var working sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), longestLoad)
	for range clients {
		working.Go(func() {
			for number := range numbers {
				reference := fmt.Sprintf("KILL-%d.%s", number, words[number%len(words)])
				if err := c.file(ctx, reference, all[number%len(all)].as(t, reference)); err != nil {
					t.Errorf("%s: %v", reference, err)
				}
			}
		})
	}
	go func() {
		defer close(numbers)
		defer c.pace.Stop()
		for number := range declarations {
			select {
			case <-c.pace.C:
			case <-filing.Done():
				return
			}
			numbers <- number
		}
	}()
	return c, func() { working.Wait(); enough(); cancel(); must(t, journal.Close()) }
}

// file asks until there is a receipt and writes that down.
func (c *campaign) file(ctx context.Context, reference string, body []byte) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		asked := time.Now()
		given, err := c.l.submit(ctx, acme, "key-"+reference, body)
		if c.l.hold != nil {
			c.l.hold(given, err, time.Since(asked))
		}
		switch {
		case err == nil && given.status == http.StatusAccepted:
			return c.note(given.body, body)
		case err == nil && given.status < http.StatusInternalServerError:
			return fmt.Errorf("%d %s", given.status, given.body)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("last answer %d: %w", given.status, errors.Join(ctx.Err(), err))
		}
	}
}

// longestLoad bounds a load that finds nobody to take it.
const longestLoad = 15 * time.Minute

func (c *campaign) note(promise, body []byte) error {
	digest := sha256.Sum256(body)
	noted := receipt{Digest: hex.EncodeToString(digest[:])}
	if err := json.Unmarshal(promise, &noted); err != nil {
		return err
	}
	line, err := json.Marshal(noted)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.journal.Write(append(line, '\n')); err != nil {
		return err
	}
	c.filed++
	return c.journal.Sync()
}

func (c *campaign) receipts(t *testing.T) []declare.Status {
	t.Helper()
	return linesOf[declare.Status](t, c.journal.Name())
}

func (c *campaign) promised(t *testing.T) []receipt {
	t.Helper()
	return linesOf[receipt](t, c.journal.Name())
}

// progress counts what has happened anywhere: receipts, effects, notices.
func (c *campaign) progress(t *testing.T) int {
	t.Helper()
	c.mu.Lock()
	done := c.filed
	c.mu.Unlock()
	for _, office := range c.l.offices {
		done += len(office.effects(t)) + len(office.notices(t))
	}
	return done
}

// seed decides when the gateway is killed. SINGLEWINDOW_TEST_SEED repeats it.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	number := uint64(time.Now().UnixNano())
	if given := os.Getenv("SINGLEWINDOW_TEST_SEED"); given != "" {
		var err error
		number, err = strconv.ParseUint(given, 10, 64)
		must(t, err)
	}
	t.Logf("SINGLEWINDOW_TEST_SEED=%d", number)
	return rand.New(rand.NewPCG(number, number))
}

// TestGatewayKilled kills the gateway with SIGKILL several times while
// declarations are filed, delivered and answered. The agencies here take every
// copy for another message, so that a second sending would show.
func TestGatewayKilled(t *testing.T) {
	t.Parallel()
	const declarations, kills = 39, 3
	random := seed(t)
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), pace: "100ms", gateways: 2})
	words := []string{"default", "reject", "inspect", "docs", "busy", "drop", "twice", "early", "reset", "garbage", "shuffle", "slow"}
	random.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	moments := make([]int, kills)
	for i := range moments { // of the thousand things that will happen, one in each part
		moments[i] = (i*declarations*10 + random.IntN(declarations*10)) / kills
	}
	t.Logf("killed when so many things have happened: %v", moments)
	c, wait := l.begin(t, 4, declarations, words)
	for _, moment := range moments {
		l.killAt(t, c, moment)
	}
	wait()
	l.awaitEnd(t, c)
	t.Logf("%d messages were under way at a kill", l.count(t, "SELECT count(*) FROM message WHERE epoch > attempts"))
	promised := c.promised(t)
	if len(promised) != declarations {
		t.Errorf("%d receipts, want %d", len(promised), declarations)
	}
	l.judge(t, promised)
}

// killAt waits until so much has happened, or nothing does for two seconds
// because what is left waits for leases, then kills the gateway and starts it
// again.
func (l *line) killAt(t *testing.T, c *campaign, moment int) {
	t.Helper()
	done, since := -1, time.Now()
	eventually(t, time.Minute, "enough has happened", func() bool {
		l.gateway.mustRun(t)
		if now := c.progress(t); now != done {
			done, since = now, time.Now()
		}
		return done >= moment || time.Since(since) > 2*time.Second
	})
	l.gateway.kill(t)
	l.startGateway(t)
}

// awaitEnd waits until every filing is decided, which takes at most a lease
// and a few attempts after the last crash.
func (l *line) awaitEnd(t *testing.T, c *campaign) {
	t.Helper()
	eventually(t, 90*time.Second, "every filing is decided", func() bool {
		l.gateway.mustRun(t)
		return l.count(t, undecided) == 0 && l.count(t, unsent) == 0
	})
	for _, receipt := range c.receipts(t) {
		status := l.status(t, acme, receipt.ID)
		want := declare.OverallClosed
		if strings.HasSuffix(status.Reference, ".reject") {
			want = declare.OverallRejected
		}
		if status.Status != want {
			t.Errorf("%s ended as %s, want %s", status.Reference, status.Status, want)
		}
	}
}

// postmaster is the process id of the gateway's private PostgreSQL.
func (l *line) postmaster(t *testing.T) int {
	t.Helper()
	return postmasterIn(t, l.folder)
}
