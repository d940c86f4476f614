package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/api/board"
	"singlewindow/cmd/privatepostgres"
	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/batch"
	"singlewindow/declare/clearance"
	"singlewindow/declare/event"
	"singlewindow/declare/webhook"
	"singlewindow/xsd"
)

// store is the ledger and what stands beside it, opened.
type store struct {
	ledger    *declare.Ledger
	accounts  *account.Accounts
	clearance *clearance.Clearance
	ids       *declare.IDs
	test      bool                    // it is the test world's
	private   *privatepostgres.Server // nil when the database is somebody else's
	options   privatepostgres.Options // of the private one
	stopBy    time.Time               // when a fast stop of the private one is given up; zero: in its own time
}

// openStore connects to the configured database, or starts the private one.
// beside lets a command work next to a gateway that owns the private one.
func openStore(ctx context.Context, s settings, beside bool, log *slog.Logger) (*store, error) {
	opened := &store{ids: declare.NewIDs(time.Now, rand.Reader)}
	url := s.Database
	opened.options = privatepostgres.Options{Folder: s.Data, Binaries: s.PostgresBin, Log: log}
	if url == "" && beside {
		url, _ = privatepostgres.Running(ctx, opened.options)
	}
	if url == "" {
		var err error
		if opened.private, err = privatepostgres.Start(ctx, opened.options); err != nil {
			return nil, err
		}
		url = opened.private.URL()
	}
	if err := opened.connect(ctx, s, url, log); err != nil {
		return nil, errors.Join(ofAnotherPast(err, s), opened.close())
	}
	return opened, nil
}

// ofAnotherPast says what to do where the tables that are there do not fit the
// statements that should bring them up to date.
func ofAnotherPast(err error, s settings) error {
	if !errors.Is(err, declare.ErrAnotherPast) {
		return err
	}
	return fmt.Errorf("%s has tables that this version cannot bring up to date; they were left as they are, and another --data folder, without --database, makes a new database: %w", s.whichDatabase(), err)
}

func (o *store) connect(ctx context.Context, s settings, url string, log *slog.Logger) error {
	var err error
	if o.ledger, err = declare.OpenLedger(ctx, url, time.Now()); err != nil {
		return err
	}
	secret, err := secretOf(s.Data)
	if err != nil {
		return err
	}
	openAccounts := account.Open
	if o.test {
		openAccounts = account.OpenTest
	}
	if o.accounts, err = openAccounts(ctx, o.ledger, secret, o.ids, time.Now, rand.Reader); err != nil {
		return err
	}
	o.clearance, err = clearance.Open(ctx, o.ledger, time.Now, clearance.DefaultPause, log)
	return err
}

// close ends in the opposite order of opening.
func (o *store) close() error {
	if o.ledger != nil {
		o.ledger.Close()
	}
	if o.private == nil {
		return nil
	}
	ctx := context.Background()
	if !o.stopBy.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, o.stopBy)
		defer cancel()
	}
	return o.private.Stop(ctx)
}

// secretOf gives the secret that keys are hashed with: made once, beside the
// data, readable by this user only. Gateways that share a database share it.
func secretOf(data string) ([]byte, error) {
	file := filepath.Join(data, "key-secret")
	secret, err := os.ReadFile(file)
	if err == nil && len(secret) == 32 {
		return secret, nil
	}
	if err == nil {
		return nil, fmt.Errorf("%s is damaged: it must have 32 bytes; without the old one every API key is void", file)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	secret = make([]byte, 32)
	if _, err := io.ReadFull(rand.Reader, secret); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o711); err != nil {
		return nil, err
	}
	return secret, writeOnce(file, secret)
}

// writeOnce writes a file that must not exist yet, durably: a crash leaves the
// whole file or none.
func writeOnce(file string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Link(temporary.Name(), file)
	}
	return errors.Join(err, os.Remove(temporary.Name()))
}

// gateway is a running gateway with its doors open.
type gateway struct {
	*store
	settings settings
	schemas  fs.FS // supplies agency folders; nil supplies nothing
	folders  *adapters.Folders
	slots    *xsd.Slots
	readers  atomic.Pointer[[]*adapters.Agency] // of messages, see readXML
	gateway  *declare.Gateway
	batches  *batch.Batches
	events   *event.Stream
	webhooks *webhook.Webhooks
	handler  http.Handler
	doors    *doors
	stopping atomic.Bool
	world    *testWorld                                                                       // beside it; nil when there is none
	clock    func(ctx context.Context, tenant string, by time.Duration) (api.TestTime, error) // of the test world; else nil
}

func openGateway(ctx context.Context, s settings, log *slog.Logger) (*gateway, error) {
	opened, err := openStore(ctx, s, false, log)
	if err != nil {
		return nil, err
	}
	g := &gateway{store: opened}
	if err := g.open(ctx, s, log); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func (g *gateway) open(ctx context.Context, s settings, log *slog.Logger) error {
	deployments, err := s.deployments()
	if err != nil {
		return err
	}
	if g.doors, err = openDoors(s, log); err != nil {
		return err
	}
	if err := g.openFolders(s, deployments, log); err != nil {
		return err
	}
	if g.slots, err = xsd.OpenSlots(filepath.Join(s.Data, "validating")); err != nil {
		return err
	}
	if g.slots.Poisoned() > 0 {
		log.Warn("documents that were being validated when the process died are refused from now on", "count", g.slots.Poisoned())
	}
	kinds, err := declare.LoadKinds()
	if err != nil {
		return err
	}
	for _, agency := range g.folders.Agencies() {
		agency.UseSlots(g.slots)
	}
	g.gateway = declare.New(g.ledger, kinds, g.agencies(), g.reopen, g.ids, time.Now, declare.DefaultTiming(), log)
	if err := g.openBatches(ctx, kinds, log); err != nil {
		return err
	}
	g.events = event.Open(g.ledger, log, newsEvery)
	if err := g.openWebhooks(ctx, s, log); err != nil {
		return err
	}
	issuer, err := s.issuer(log)
	if err != nil {
		return err
	}
	g.handler = split(
		api.Observe("board", board.New(board.Options{Gateway: g.gateway, Ledger: g.ledger, Events: g.events, Kinds: kinds, Accounts: g.accounts, Clearance: g.clearance, IDs: g.ids, Now: time.Now, Log: log, Zone: time.Local}), g.doors.note),
		api.New(api.Options{
			Gateway: g.gateway, Accounts: g.accounts, Batches: g.batches, Clearance: g.clearance, Kinds: kinds, Events: g.events, IDs: g.ids, Log: log, Version: version, Ping: g.ready,
			Webhooks: g.webhooks, Issuer: issuer, TestClock: g.clock, Limits: g.doors.limits, Load: g.doors.load, Observe: g.doors.note,
		}))
	if err := g.openWorld(ctx, s, log); err != nil || g.test {
		return err
	}
	g.handler = g.doors.handler(g.handler)
	return nil
}

// newsEvery is how often events are looked for while somebody follows them.
const newsEvery = 250 * time.Millisecond

// split gives the officials' pages what is theirs, and all else to the API,
// each with its path as it came. Who comes with a browser and knows only the
// host is led to the pages.
func split(pages, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case board.Holds(r.URL.Path):
			pages.ServeHTTP(w, r)
		case r.URL.Path == "/" && r.Method == http.MethodGet:
			http.Redirect(w, r, board.Root, http.StatusSeeOther)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// ready tells whether a request can be answered well: not while stopping, and
// not without the database.
func (g *gateway) ready(ctx context.Context) error {
	if g.stopping.Load() {
		return errors.New("stopping")
	}
	return g.ledger.Ping(ctx)
}

// How a stop is paced: half a minute is promised for all of it.
const (
	noticeTime = time.Second      // for whoever asks /readyz to send requests elsewhere
	answerTime = 5 * time.Second  // for the answers under way
	stopTime   = 22 * time.Second // for all of it but closing the database
	storeTime  = 24 * time.Second // for all of it but ending a database by force
)

// run serves on listener until ctx ends, then stops in order: not ready any
// more, no new requests, no new messages taken, what is under way finished and
// recorded.
func (g *gateway) run(ctx context.Context, listener net.Listener, log *slog.Logger) error {
	server := g.doors.server(g.handler, log)
	monitor, err := g.openMonitor(log)
	if err != nil {
		return err
	}
	defer monitor.close(log)
	delivering, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDelivering()
	delivered, served, lost, followed, worked := make(chan error, 1), make(chan error, 1), make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { delivered <- g.gateway.Deliver(delivering) }()
	go func() { served <- g.doors.serve(server, listener) }()
	beside, stopBeside := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { g.watch(beside, log) })
	helpers.Go(func() { followed <- g.events.Run(beside) }) // its end ends every stream
	helpers.Go(func() { lost <- g.keepDatabase(beside, log) })
	helpers.Go(func() { g.clearance.Run(beside) })
	helpers.Go(func() { g.webhooks.Run(beside) })
	if g.doors.pair != nil {
		helpers.Go(func() { g.doors.pair.watch(beside, log) })
	}
	go func() { worked <- g.batches.Run(beside) }()
	apart := make(chan error, 1)
	go func() { apart <- g.world.run(beside, delivering, log) }()

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-delivered:
		delivered <- nil
	case failure = <-served:
	case failure = <-lost:
	case failure = <-worked:
		worked <- nil
	}
	g.stopping.Store(true)
	g.stopBy = time.Now().Add(storeTime)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	stopBeside()
	helpers.Wait()
	failure = errors.Join(failure, <-followed)
	failure = errors.Join(failure, g.drain(stopping, server, failure == nil, log), <-worked)
	stopDelivering()
	select {
	case err := <-delivered:
		return errors.Join(failure, err, g.world.awaitEnd(stopping, apart, log))
	case <-stopping.Done():
		log.Warn("stopping while agencies still have not answered: they are asked about those messages after the next start")
		return failure
	}
}

// drain lets whoever watches /readyz turn away, then finishes the requests
// under way. ctx bounds the whole stop.
func (g *gateway) drain(ctx context.Context, server *http.Server, announced bool, log *slog.Logger) error {
	if announced {
		notice, cancel := context.WithTimeout(ctx, noticeTime)
		defer cancel()
		<-notice.Done()
	}
	closing, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := server.Shutdown(closing)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("requests were broken off: their clients did not finish")
		err = server.Close()
	}
	return err
}

// How often the private PostgreSQL may end by itself before the gateway does:
// something is wrong that starting it again does not mend.
const (
	mostRestarts  = 5
	restartWindow = time.Minute
)

// keepDatabase starts the private PostgreSQL again when it has ended by
// itself, until ctx ends; meanwhile requests are answered 503. After a start
// that failed the next one waits, each time a second longer. It gives up with an
// error when that comes too often.
func (g *gateway) keepDatabase(ctx context.Context, log *slog.Logger) error {
	if g.private == nil {
		<-ctx.Done()
		return nil
	}
	var ends []time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.private.Done():
		}
		pause := time.Duration(0)
		for cause := g.private.Err(); cause != nil; pause += time.Second {
			now := time.Now()
			ends = slices.DeleteFunc(ends, func(end time.Time) bool { return now.Sub(end) > restartWindow })
			if ends = append(ends, now); len(ends) > mostRestarts {
				return fmt.Errorf("the private PostgreSQL ended %d times within %v: %w", len(ends), restartWindow, cause)
			}
			log.Error("the private PostgreSQL ended, starting it again", "error", cause)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			again, err := privatepostgres.Start(ctx, g.options)
			if err == nil {
				g.private = again
			} else if ctx.Err() != nil {
				return nil //nolint:nilerr // it was stopped, as asked
			}
			cause = err
		}
	}
}

func (g *gateway) close() error {
	err := g.world.close()
	if g.folders != nil {
		for _, agency := range g.folders.Agencies() {
			agency.Close()
		}
	}
	if g.slots != nil {
		err = errors.Join(err, g.slots.Close())
	}
	return errors.Join(err, g.store.close())
}
