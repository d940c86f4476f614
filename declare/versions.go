package declare

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// roster is the agencies as they are known at one moment. It is never changed,
// only replaced as a whole.
type roster struct {
	names    []string // sorted
	couriers map[string]*courier
	refused  map[string]RefusedFolder
}

// RefusedFolder says why an agency's folder, new or changed, is not in use:
// what was loaded before it, if anything, stays.
type RefusedFolder struct {
	At     time.Time
	Faults []FileError
}

// A Reopener makes a version of an agency again from what [Agency.Archive] of
// it gave. Nothing is sent by what it makes.
type Reopener func(archive []byte) (Agency, error)

// Replace makes these the agencies that count from now on; refused tells, by
// agency, which folders did not become one. Of an agency there may be several
// versions, each valid from another day: they take turns by themselves. An
// agency that is left out stays as it is, because messages may be under way.
// What has begun under another version ends under it.
func (g *Gateway) Replace(ctx context.Context, agencies []Agency, refused map[string]RefusedFolder) error {
	g.replacing.Lock()
	defer g.replacing.Unlock()
	if err := g.register(ctx, agencies); err != nil {
		return err
	}
	g.roster.Store(g.enroll(g.roster.Load(), agencies, refused))
	if err := g.refreshHealth(ctx); err != nil {
		return err
	}
	g.startCouriers()
	return nil
}

// register makes agencies known in the ledger, and keeps their folders there
// before any declaration is accepted under them.
func (g *Gateway) register(ctx context.Context, agencies []Agency) error {
	var names []string
	for _, agency := range agencies {
		names = append(names, agency.Profile().Name)
	}
	slices.Sort(names)
	if err := g.ledger.registerAgencies(ctx, slices.Compact(names), g.now()); err != nil {
		return err
	}
	return g.ledger.keepFolders(ctx, agencies, g.now())
}

// enroll makes the roster that follows before. A courier stays with its agency
// through all its versions: it knows the queue and the agency's health.
func (g *Gateway) enroll(before *roster, agencies []Agency, refused map[string]RefusedFolder) *roster {
	next := &roster{couriers: map[string]*courier{}, refused: refused}
	versions := map[string][]Agency{}
	for _, agency := range agencies {
		name := agency.Profile().Name
		versions[name] = append(versions[name], guarded{agency, g.log})
	}
	for name, all := range versions {
		slices.SortStableFunc(all, func(a, b Agency) int { return b.Profile().ValidFrom.Compare(a.Profile().ValidFrom) })
		if known := before.couriers[name]; known != nil {
			known.versions.Store(&all)
			next.couriers[name] = known
		} else {
			next.couriers[name] = newCourier(g, all...)
		}
	}
	for name, courier := range before.couriers {
		if next.couriers[name] == nil {
			next.couriers[name] = courier
		}
	}
	for name := range next.couriers {
		next.names = append(next.names, name)
	}
	slices.SortFunc(next.names, strings.Compare)
	return next
}

// courier gives the courier of an agency, nil when it is not known here.
func (g *Gateway) courier(agency string) *courier { return g.roster.Load().couriers[agency] }

func (g *Gateway) agencyNames() []string { return g.roster.Load().names }

// Rules gives what the rules of the agencies tell, of every version known here.
func (g *Gateway) Rules() (all []RuleText) {
	r := g.roster.Load()
	for _, name := range r.names {
		for _, version := range *r.couriers[name].versions.Load() {
			all = append(all, version.Profile().Rules...)
		}
	}
	return all
}

// asked gives the agencies that a declaration accepted now may concern: those
// that have an address and a version in force.
func (g *Gateway) asked(now time.Time) []Agency {
	r := g.roster.Load()
	agencies := make([]Agency, 0, len(r.names))
	for _, name := range r.names {
		if agency, inForce := r.couriers[name].version(now); inForce && agency.Profile().On {
			agencies = append(agencies, agency)
		}
	}
	return agencies
}

// version gives the agency as it is at a moment: of the versions that apply
// from a day not after today where the agency is, the latest. Before any
// applies it is the first that will, and not in force.
func (c *courier) version(now time.Time) (agency Agency, inForce bool) {
	versions := *c.versions.Load()
	for _, agency := range versions {
		if agency.Profile().applies(now) {
			return agency, true
		}
	}
	return versions[len(versions)-1], false
}

// next gives the version that takes over first, if any waits.
func (c *courier) next(now time.Time) *Profile {
	for _, agency := range slices.Backward(*c.versions.Load()) {
		if profile := agency.Profile(); !profile.applies(now) {
			return &profile
		}
	}
	return nil
}

// applies tells whether the day the version is valid from has begun where the
// agency is.
func (p Profile) applies(now time.Time) bool {
	year, month, day := p.ValidFrom.Date()
	return !now.Before(time.Date(year, month, day, 0, 0, 0, 0, p.Zone))
}

// mostReopened bounds how many former versions are kept open: a compiled
// schema takes megabytes.
const mostReopened = 8

// shelf holds former versions of agencies, opened again for declarations that
// were accepted under them, the latest used first.
type shelf struct {
	reopen Reopener
	mu     sync.Mutex
	opened []Agency
}

// acceptedUnder gives the version of an agency that made a message: one in use,
// else one made again from its archive. Where that cannot be done the version
// in force has to answer.
func (g *Gateway) acceptedUnder(ctx context.Context, c *courier, digest string) Agency {
	if digest == "" { // from before versions were kept
		return c.agency()
	}
	for _, agency := range *c.versions.Load() {
		if agency.Profile().Digest == digest {
			return agency
		}
	}
	agency, err := g.reopened(ctx, c.name, digest)
	if err != nil {
		g.log.Warn("a former version of an agency cannot be opened, the present one answers", "agency", c.name, "digest", digest, "error", err)
		return c.agency()
	}
	return agency
}

// reopened asks the database without holding the shelf: while that hangs, the
// versions that stand there are given out all the same.
func (g *Gateway) reopened(ctx context.Context, name, digest string) (Agency, error) {
	s := &g.shelf
	if agency := s.take(name, digest); agency != nil {
		return agency, nil
	}
	archive, err := g.desk.folder(ctx, name, digest)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if agency := s.standing(name, digest); agency != nil { // somebody else was faster
		return agency, nil
	}
	made, err := s.reopen(archive)
	if err != nil {
		return nil, err
	}
	var agency Agency = guarded{made, g.log}
	s.opened = slices.Insert(s.opened, 0, agency)
	s.opened = slices.Clip(s.opened[:min(len(s.opened), mostReopened)])
	return agency, nil
}

func (s *shelf) take(name, digest string) Agency {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing(name, digest)
}

// standing gives a version that stands on the shelf, nil when it does not, and
// puts it first. The caller holds the lock.
func (s *shelf) standing(name, digest string) Agency {
	at := slices.IndexFunc(s.opened, func(a Agency) bool { return a.Profile().Digest == digest && a.Profile().Name == name })
	if at < 0 {
		return nil
	}
	agency := s.opened[at]
	s.opened = slices.Insert(slices.Delete(s.opened, at, at+1), 0, agency)
	return agency
}

// keepFolders stores the folders that the ledger does not have yet.
func (l *Ledger) keepFolders(ctx context.Context, agencies []Agency, now time.Time) error {
	var all []string
	for _, agency := range agencies {
		if digest := agency.Profile().Digest; digest != "" {
			all = append(all, digest)
		}
	}
	return l.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("known_folders"), all)
		if err != nil {
			return err
		}
		known, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, agency := range agencies {
			p := agency.Profile()
			if p.Digest == "" || slices.Contains(known, p.Digest) {
				continue
			}
			if _, err := tx.Exec(ctx, statement("insert_folder"), p.Digest, p.Name, p.Version, p.ValidFrom, now, agency.Archive()); err != nil {
				return err
			}
		}
		return nil
	})
}

// folder gives the archive of a version; [ErrMissing] when nobody kept it.
func (l *Ledger) folder(ctx context.Context, agency, digest string) (archive []byte, err error) {
	err = l.Within(ctx, SystemScope, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement("folder"), agency, digest).Scan(&archive)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrMissing
	}
	return archive, err
}
