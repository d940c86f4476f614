package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"singlewindow/adapters"
	"singlewindow/adapters/simulated"
	"singlewindow/api"
	"singlewindow/declare"
	"singlewindow/declare/account"
)

const (
	headerWorld    = "Singlewindow-World"
	slowAnswer     = 3 * time.Second // of a simulated agency, at the word slow
	closeTime      = 2 * time.Second // for what the simulated agencies still say at a stop
	mostTestAhead  = 100 * 365 * 24 * time.Hour
	simulatedRoot  = "/agencies/"
	testDataFolder = "test"
)

// testWorld is a second installation beside the live one, in the same process
// and database: its own tables, accounts, gateway and API, and agencies that
// are simulated behind a loopback address of its own. Nothing leads from it to
// the live one or to a real agency.
type testWorld struct {
	inside     *gateway
	agencies   map[string]*simulated.Simulator // by name
	listener   net.Listener                    // where they are, and where their notices go
	mu         sync.Mutex
	testClocks map[string]time.Duration // how far each tenant's is ahead
}

// openWorld opens the test world where it is wanted; from then on the bearer
// of a request says which world it is for.
func (g *gateway) openWorld(ctx context.Context, s settings, log *slog.Logger) error {
	wanted, err := s.testWorld()
	if err != nil || !wanted || g.test {
		return err
	}
	begun := time.Now()
	g.world = &testWorld{testClocks: map[string]time.Duration{}, agencies: map[string]*simulated.Simulator{}}
	if err := g.world.open(ctx, s, g.store, log.With("world", declare.TestWorld)); err != nil {
		return err // closing the gateway closes it
	}
	g.handler = byWorld(g.handler, inTestWorld(g.world.inside.handler))
	log.Info("the test world is open", "agencies", len(g.world.agencies), "took", time.Since(begun).Round(time.Millisecond))
	return nil
}

func (w *testWorld) open(ctx context.Context, s settings, live *store, log *slog.Logger) error {
	opened, err := live.testStore(ctx, s, log)
	if err != nil {
		return err
	}
	w.inside = &gateway{store: opened, clock: w.advance}
	s.Data = filepath.Join(s.Data, testDataFolder)
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return err
	}
	if w.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	if s.given, err = w.deployments(); err != nil {
		return err
	}
	s.Agencies, s.AgencyFolders, s.JWTIssuer, s.reread = nil, "", "", nil
	if err := w.inside.open(ctx, s, log); err != nil {
		return err
	}
	return w.simulate(ctx, s, log)
}

// testStore is the store of the test world in the same database.
func (o *store) testStore(ctx context.Context, s settings, log *slog.Logger) (*store, error) {
	url, err := declare.OpenTestWorld(ctx, o.ledger.URL())
	if err != nil {
		return nil, err
	}
	opened := &store{ids: o.ids, test: true}
	if err := opened.connect(ctx, s, url, log); err != nil {
		return nil, errors.Join(err, opened.close())
	}
	return opened, nil
}

func (w *testWorld) address() string { return "http://" + w.listener.Addr().String() }

// deployments gives every built-in agency that can be played an address here.
func (w *testWorld) deployments() (adapters.Deployments, error) {
	scripts, err := fs.Glob(adapters.Embedded(), "*/simulate.yaml")
	if err != nil {
		return nil, err
	}
	found := adapters.Deployments{}
	for _, script := range scripts {
		name := path.Dir(script)
		found[name] = adapters.Deployment{URL: w.address() + simulatedRoot + name, Token: rand.Text()}
	}
	return found, nil
}

// simulate opens the agencies; each is played from the folder that the gateway
// loaded for it.
func (w *testWorld) simulate(ctx context.Context, s settings, log *slog.Logger) error {
	names, err := adapters.Names(adapters.Embedded())
	if err != nil {
		return err
	}
	pace, err := s.testPace()
	if err != nil {
		return err
	}
	for _, agency := range w.inside.folders.Agencies() {
		name := agency.Profile().Name
		if !agency.Profile().On {
			continue // it lacks its schemas
		}
		credential, err := w.credential(ctx, filepath.Join(s.Data, name+".credential"), name)
		if err != nil {
			return err
		}
		w.agencies[name], err = simulated.Open(agency, simulated.Options{
			Agencies: names, Accept: s.given[name].Token, Gateways: []string{w.address()}, Credential: credential,
			Ledger: filepath.Join(s.Data, name+".effects"), Pace: pace, Slow: slowAnswer,
			Clock: simulated.Clock{Now: time.Now, After: time.After}, Log: log.With("agency", name),
		})
		if err != nil {
			delete(w.agencies, name)
			return err
		}
	}
	return nil
}

// credential is what an agency shows with its notices: the one from before,
// while it is good.
func (w *testWorld) credential(ctx context.Context, file, name string) (string, error) {
	content, err := os.ReadFile(file)
	if err == nil {
		agency, err := w.inside.accounts.AuthenticateAgency(ctx, string(content))
		if err == nil && agency == name {
			return string(content), nil
		}
		if err != nil && !errors.Is(err, account.ErrUnknown) {
			return "", err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	credential, err := w.inside.accounts.CreateAgencyCredential(ctx, name)
	if err != nil {
		return "", err
	}
	return credential, os.WriteFile(file, []byte(credential), 0o600)
}

// door is the loopback address: the agencies, and the API for their notices.
func (w *testWorld) door() http.Handler {
	mux := http.NewServeMux()
	for name, agency := range w.agencies {
		at := simulatedRoot + name
		mux.Handle(at+"/", http.StripPrefix(at, agency.Handler()))
	}
	mux.Handle("/v1/", inTestWorld(w.inside.handler))
	return mux
}

// run works until beside ends and, for messages under way, until delivering
// ends; then it stops in order: the gateway, and after it the agencies, which
// send what they still owe after the next start.
func (w *testWorld) run(beside, delivering context.Context, log *slog.Logger) error {
	if w == nil {
		return nil
	}
	server := &http.Server{Handler: w.door(), ReadHeaderTimeout: answerTime, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(w.listener) }()
	playing, halt := context.WithCancel(context.WithoutCancel(beside))
	defer halt()
	var agencies sync.WaitGroup
	for _, agency := range w.agencies {
		agencies.Go(func() { agency.Run(playing) })
	}
	failure := w.work(beside, delivering, log)
	halt()
	agencies.Wait()
	closing, cancel := context.WithTimeout(context.WithoutCancel(beside), closeTime)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		failure = errors.Join(failure, server.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		failure = errors.Join(failure, err)
	}
	return failure
}

// work runs everything of the installation that [gateway.run] runs of the live
// one, but for what both share.
func (w *testWorld) work(beside, delivering context.Context, log *slog.Logger) error {
	g := w.inside
	sending, stopSending := context.WithCancel(context.WithoutCancel(beside))
	defer stopSending()
	var couriers, helpers sync.WaitGroup
	var delivered, followed, worked error
	couriers.Go(func() {
		if delivered = g.gateway.Deliver(sending); delivered != nil {
			log.Error("the test world takes nothing any more, the live one goes on", "error", delivered)
		}
	})
	helpers.Go(func() { followed = g.events.Run(beside) })
	helpers.Go(func() { worked = g.batches.Run(beside) })
	helpers.Go(func() { g.clearance.Run(beside) })
	helpers.Go(func() { g.webhooks.Run(beside) })
	helpers.Wait()
	<-delivering.Done()
	stopSending()
	couriers.Wait()
	return errors.Join(delivered, followed, worked)
}

// awaitEnd waits for run to return, at most until ctx ends.
func (w *testWorld) awaitEnd(ctx context.Context, ended <-chan error, log *slog.Logger) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		log.Warn("stopping while the test world still works: it goes on after the next start")
		return nil
	}
}

func (w *testWorld) close() error {
	if w == nil {
		return nil
	}
	var failure error
	for _, agency := range w.agencies {
		failure = errors.Join(failure, agency.Close())
	}
	if w.inside != nil {
		failure = errors.Join(failure, w.inside.close())
	}
	if w.listener != nil {
		// A world that ran has closed it already.
		if err := w.listener.Close(); !errors.Is(err, net.ErrClosed) {
			failure = errors.Join(failure, err)
		}
	}
	return failure
}

// advance moves a tenant's test clock: the schedule of what the simulated
// agencies still owe to its declarations.
func (w *testWorld) advance(ctx context.Context, tenant string, by time.Duration) (api.TestTime, error) {
	due := 0
	for _, agency := range w.agencies {
		owing, err := agency.Owing(ctx)
		if err != nil {
			return api.TestTime{}, err
		}
		own, err := w.inside.gateway.Own(ctx, tenant, owing)
		if err != nil {
			return api.TestTime{}, err
		}
		became, err := agency.Advance(ctx, own, by)
		if err != nil {
			return api.TestTime{}, err
		}
		due += became
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.testClocks[tenant] = min(w.testClocks[tenant]+by, mostTestAhead)
	return api.TestTime{Now: time.Now().Add(w.testClocks[tenant]).UTC().Truncate(time.Millisecond), Due: due}, nil
}

// byWorld gives each request to the world its bearer is of.
func byWorld(live, test http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Bearer") && account.OfTestWorld(strings.TrimSpace(bearer)) {
			test.ServeHTTP(w, r)
			return
		}
		live.ServeHTTP(w, r)
	})
}

// inTestWorld marks every answer.
func inTestWorld(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(headerWorld, declare.TestWorld)
		handler.ServeHTTP(w, r)
	})
}
