package declare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnavailable is given while the database is gone, starting, read-only, out
// of connections, full or slower than a caller can wait. When the connection
// was lost during COMMIT, what was to be written may stand all the same: the
// caller must ask again, under the same key.
var ErrUnavailable = errors.New("declare: the database is not available")

// answerWithin is how long somebody who waits for an answer waits for the
// database: two seconds are promised for the whole answer.
const answerWithin = 1500 * time.Millisecond

// longestTransaction bounds the gateway's own work, at both ends of the
// connection. It is no longer than what a lease has to spare, so that no
// message is sent under a lease that took longer to write than it holds.
const longestTransaction = 5 * time.Second

// longestLock bounds the wait for rows that somebody else holds: those who
// share a transaction with whoever waits are then written without them.
const longestLock = time.Second

// PostgreSQL's codes for what passes without a change of ours: by class, and
// three of others, for a read-only transaction, for a session ended because
// this process stood still in the middle of one, and for rows that somebody
// else held for longer than lock_timeout.
const (
	classConnection = "08"
	classResources  = "53" // no disk, no memory, no connections
	classOperator   = "57" // shut down, starting, cancelled, timed out
	classSystem     = "58" // input and output
	codeReadOnly    = "25006"
	codeIdle        = "25P03"
	codeLocked      = "55P03"
	codeCancelled   = "57014" // by statement_timeout
)

// unavailable tells whether err says that the database was not there to do
// what was asked, not that it refused to.
func unavailable(err error) bool {
	var connect *pgconn.ConnectError
	var server *pgconn.PgError
	var network net.Error
	switch {
	case errors.As(err, &connect):
		return true
	case errors.As(err, &server):
		switch sqlClass(server) {
		case classConnection, classResources, classOperator, classSystem:
			return true
		}
		return slices.Contains([]string{codeReadOnly, codeIdle, codeLocked}, server.Code)
	}
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

// blocked tells whether err is about what one statement touched, not about the
// database: others of the same group may fare better alone.
func blocked(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && (server.Code == codeCancelled || server.Code == codeLocked)
}

// locked tells whether somebody else held the rows for too long.
func locked(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == codeLocked
}

// pulse counts what the database did not do, until somebody looks.
type pulse struct {
	misses   atomic.Int64
	cause    atomic.Pointer[error] // of the latest
	readOnly atomic.Bool
	gone     atomic.Bool // as far as the operator was told
}

// judge turns what the database could not do into [ErrUnavailable]. A caller
// who went away proves nothing about the database.
func (l *Ledger) judge(caller context.Context, err error) error {
	if err == nil || errors.Is(caller.Err(), context.Canceled) || !unavailable(err) {
		return err
	}
	if blocked(err) || caller.Err() != nil { // somebody's row, or somebody's own haste: no news of the database
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == codeReadOnly {
		l.pulse.readOnly.Store(true)
	}
	l.pulse.cause.Store(&err)
	l.pulse.misses.Add(1)
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Ping tells whether the database can be asked and, after it could not, that
// it can write again.
func (l *Ledger) Ping(ctx context.Context) error {
	if l.pulse.gone.Load() {
		return l.proveWritable(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	return l.judge(ctx, l.pool.Ping(limited))
}

// proveWritable changes nothing, but only where changes are possible.
func (l *Ledger) proveWritable(ctx context.Context) error {
	return l.one(ctx, SystemScope, "prove_writable", nil, func(rows pgx.Rows) error {
		rows.Close()
		return rows.Err()
	})
}

// watchLedger tells the operator once when the database goes and once when it
// is back, however many requests and sweeps fail in between.
func (g *Gateway) watchLedger(ctx context.Context) {
	ticker := time.NewTicker(g.timing.Sweep)
	defer ticker.Stop()
	p := g.ledger.pulse
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		misses := p.misses.Swap(0)
		switch {
		case misses > 0 && !p.gone.Swap(true):
			since = g.now()
			g.log.Error("the database is not available: requests are answered 503 and nothing is sent until it is back", "error", logText(*p.cause.Load()))
		case misses == 0 && p.gone.Load() && g.ledger.proveWritable(ctx) == nil:
			p.gone.Store(false)
			g.log.Info("the database is back", "after", g.now().Sub(since).Round(time.Millisecond))
			g.wakeCouriers()
		}
		// A session that began read-only stays so.
		if p.readOnly.Swap(false) {
			g.ledger.pool.Reset()
		}
	}
}

func (g *Gateway) wakeCouriers() {
	for _, courier := range g.roster.Load().couriers {
		courier.wake()
	}
}

// failed logs a failure of the gateway's own work. That the database is not
// available is told by watchLedger.
func (g *Gateway) failed(what string, err error, about ...any) {
	if !errors.Is(err, ErrUnavailable) {
		g.log.Error(what, append(about, "error", logText(err))...)
	}
}
