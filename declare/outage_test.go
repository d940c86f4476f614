package declare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What the database did not do is told from what it refused to do.
func TestUnavailableIsNotRefused(t *testing.T) {
	t.Parallel()
	_, dial := net.Dial("unix", "/nowhere")
	server := func(code string) error { return fmt.Errorf("settle: %w", &pgconn.PgError{Code: code}) }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{dial, true}, {io.EOF, true}, {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true}, {net.ErrClosed, true}, {context.DeadlineExceeded, true},
		{server("08006"), true}, {server("53100"), true}, {server("53300"), true}, {server("57P01"), true}, {server("57P03"), true},
		{server("57014"), true}, {server("58030"), true}, {server("25006"), true}, {server("25P03"), true},
		{server("23505"), false}, {server("40P01"), false}, {server("42601"), false}, {server("25001"), false}, {server("22P02"), false}, {server(""), false},
		{errors.New("anything"), false}, {context.Canceled, false}, {ErrMissing, false},
	} {
		if got := unavailable(c.err); got != c.want {
			t.Errorf("%v: %t", c.err, got)
		}
	}
}

// A caller who went away proves nothing about the database; one whose time is
// up does.
func TestWhoWentAwayProvesNothing(t *testing.T) {
	t.Parallel()
	l := &Ledger{pulse: &pulse{}}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := l.judge(gone, io.EOF); errors.Is(err, ErrUnavailable) || l.pulse.misses.Load() != 0 {
		t.Errorf("a caller left: %v", err)
	}
	if err := l.judge(t.Context(), io.EOF); !errors.Is(err, ErrUnavailable) || !errors.Is(err, io.EOF) || l.pulse.misses.Load() != 1 {
		t.Errorf("a lost connection: %v", err)
	}
	if err := l.judge(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// Whoever waits longer than may be is told to ask again; whoever goes away is
// told nothing of the kind.
func TestTheGroupIsLate(t *testing.T) {
	t.Parallel()
	g := newGrouper(1, 0, func(context.Context, []int) []error { return []error{nil} }) // nobody runs it
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := g.do(short, 1); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := g.do(gone, 2); errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// That the database is away is told once, by whoever watches it.
func TestFailuresOfAnOutageAreNotLogged(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	g := &Gateway{log: slog.New(slog.NewTextHandler(&said, nil))}
	g.failed("sweep failed", fmt.Errorf("%w: %w", ErrUnavailable, io.EOF))
	if said.Len() > 0 {
		t.Error(said.String())
	}
	g.failed("sweep failed", io.EOF, "agency", "a")
	if !strings.Contains(said.String(), "agency=a") || !strings.Contains(said.String(), "sweep failed") {
		t.Error(said.String())
	}
}

// What may stand in the ledger unsent is kept until it was given back, within
// bounds, and without its bytes.
func TestLimboIsBounded(t *testing.T) {
	t.Parallel()
	var l limbo
	for range mostInLimbo + 1 {
		l.add(taken{id: "msg_1", body: []byte("bytes")})
	}
	if first := l.first(200); len(first) != 200 || first[0].body != nil {
		t.Errorf("%d", len(first))
	}
	l.drop(mostInLimbo)
	if left := l.first(1); len(left) != 0 {
		t.Errorf("%d too many", len(left))
	}
}
