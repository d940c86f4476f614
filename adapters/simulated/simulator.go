package simulated

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"singlewindow/adapters"
)

// A Clock is where all time comes from.
type Clock struct {
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

// Options say where a simulator stands.
type Options struct {
	Agencies   []string      // every agency's name, so that a reference can name one
	Accept     string        // bearer token the gateway must show; "" takes anybody
	Gateways   []string      // base addresses notices go to, in turn; none sends none
	Credential string        // bearer token shown to the gateway
	Ledger     string        // file of effects; notices sent are in Ledger + ".notices", calls in Ledger + ".calls"
	Trouble    string        // file that says what ails the agency while it runs; "" keeps it well
	Pace       time.Duration // between notices; 0 is the folder's
	Slow       time.Duration // how late the word slow answers
	Clock      Clock
	Log        *slog.Logger
}

// serialsPerSecond spaces the numbers of ledgers begun at different times: a
// year's seconds times this has nine digits.
const serialsPerSecond = 30

// A Simulator plays one agency. Serve its Handler, and Run it.
type Simulator struct {
	agency  *adapters.Agency
	options Options
	client  *http.Client
	outbox  *outbox
	owed    debts // from before the start
	stopped context.Context
	stop    context.CancelFunc
	taking  sync.RWMutex // read: a message is being taken; write: nothing may be

	effects *ledger // under mu, like all below
	sent    *ledger
	calls   *ledger
	mu      sync.Mutex
	taken   map[string]adapters.Effect // the first effect of each delivery id
	bent    map[string]int             // how often busy or reset struck a delivery id
	serial  uint64
	refused int // notices that the gateway refused for good
}

// sentLine is a line of the notices' ledger.
type sentLine struct {
	DeliveryID string    `json:"deliveryId"`
	Serial     uint64    `json:"serial"` // of the effect
	Template   string    `json:"template"`
	Digest     string    `json:"digest"` // SHA-256 of the notice, in hex
	Status     int       `json:"status"` // the gateway's
	At         time.Time `json:"at"`
}

// Open reads the ledgers of an earlier run.
func Open(agency *adapters.Agency, options Options) (*Simulator, error) {
	if agency.Script() == nil {
		return nil, fmt.Errorf("agency %s: its folder has no simulate.yaml", agency.Profile().Name)
	}
	if options.Pace == 0 {
		options.Pace = agency.Script().Pace
	}
	s := &Simulator{
		agency: agency, options: options, taken: map[string]adapters.Effect{}, bent: map[string]int{},
		client: &http.Client{Timeout: noticeTimeout, Transport: &http.Transport{MaxIdleConns: senders, MaxIdleConnsPerHost: senders}},
	}
	s.outbox = newOutbox(options.Clock, options.Pace, s.pay)
	s.stopped, s.stop = context.WithCancel(context.Background())
	now := options.Clock.Now().UTC()
	s.serial = uint64(now.Sub(time.Date(now.Year(), 1, 1, 0, 0, 0, 0, time.UTC))/time.Second) * serialsPerSecond
	if err := s.replay(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// replay finds out what was taken before and which notices are still owed.
func (s *Simulator) replay() error {
	var effects []adapters.Effect
	var err error
	s.effects, err = openLedger(s.options.Ledger, func(line []byte) error {
		var effect adapters.Effect
		if err := json.Unmarshal(line, &effect); err != nil {
			return err
		}
		effects = append(effects, effect)
		return nil
	})
	if err != nil {
		return err
	}
	sent := map[uint64]int{}
	s.sent, err = openLedger(s.options.Ledger+".notices", func(line []byte) error {
		var entry sentLine
		if err := json.Unmarshal(line, &entry); err != nil {
			return err
		}
		sent[entry.Serial]++
		return nil
	})
	if err != nil {
		return err
	}
	s.calls, err = openLedger(s.options.Ledger+".calls", func([]byte) error { return nil }) // written, never asked
	if err != nil {
		return err
	}
	for _, effect := range effects {
		if _, known := s.taken[effect.DeliveryID]; !known {
			s.taken[effect.DeliveryID] = effect
		}
		s.serial = max(s.serial, effect.Serial)
		owed := s.notices(s.word(effect.Reference))
		if count := sent[effect.Serial]; count < len(owed) && len(s.options.Gateways) > 0 {
			s.owed = append(s.owed, debt{effect: effect, owed: owed[count:], due: effect.At})
		}
	}
	return nil
}

// Run sends notices until ctx ends. It may be called once.
func (s *Simulator) Run(ctx context.Context) {
	defer s.stop()
	var running sync.WaitGroup
	for range senders {
		running.Go(func() { s.outbox.send(ctx) })
	}
	s.outbox.own(ctx, s.owed)
	running.Wait()
}

// Drain waits until the messages under way are answered and every notice owed
// is sent, for the latter at most until ctx ends.
func (s *Simulator) Drain(ctx context.Context) error {
	s.taking.Lock()
	defer s.taking.Unlock()
	return s.outbox.drain(ctx)
}

// Owing gives the delivery ids of the messages about which notices are owed.
// The simulator must run.
func (s *Simulator) Owing(ctx context.Context) ([]string, error) {
	found, err := s.outbox.ask(ctx, s.stopped, move{})
	return found.owing, err
}

// Advance moves the schedule of the notices owed about these deliveries nearer,
// as if the time had passed, and tells how many became due by that. Nothing
// else is moved: not the schedule of other deliveries, and not the times the
// notices bear. The simulator must run.
func (s *Simulator) Advance(ctx context.Context, deliveries []string, by time.Duration) (due int, err error) {
	wanted := map[string]bool{}
	for _, delivery := range deliveries {
		wanted[delivery] = true
	}
	done, err := s.outbox.ask(ctx, s.stopped, move{deliveries: wanted, by: by})
	return done.due, err
}

// Refused counts the notices the gateway refused for good since the start.
func (s *Simulator) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// Close closes the ledgers. Nothing may be under way.
func (s *Simulator) Close() error {
	s.client.CloseIdleConnections()
	var failures []error
	for _, open := range []*ledger{s.effects, s.sent, s.calls} {
		if open != nil {
			failures = append(failures, open.close())
		}
	}
	return errors.Join(failures...)
}
