package api

import (
	"crypto/sha256"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// strangers remembers which addresses show keys that are none: beyond so many
// a minute nobody is asked about more of them. Keys that were good lately pass
// from there all the same, so that one wrong program behind an address does not
// lock out the others. Addresses of this machine have no limit: behind a proxy
// that is not named to us they would stand for everybody.
type strangers struct {
	most int // a minute; 0: no limit
	now  func() time.Time

	mu      sync.Mutex
	failing lately[netip.Addr, *rate.Limiter]
	good    lately[[sha256.Size]byte, struct{}]
}

// mostStrangers bounds what is remembered, twice.
const mostStrangers = 10_000

func newStrangers(most int, now func() time.Time) *strangers {
	return &strangers{most: most, now: now, failing: newLately[netip.Addr, *rate.Limiter](mostStrangers), good: newLately[[sha256.Size]byte, struct{}](mostStrangers)}
}

// barred tells for how many seconds an address may not show a key that has not
// been good lately; 0 when it may.
func (s *strangers) barred(address netip.Addr, bearer string) (after int) {
	if s.most == 0 || !address.IsValid() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket, known := s.failing.get(address)
	if !known {
		return 0
	}
	left := int(math.Floor(bucket.TokensAt(s.now())))
	if left >= 1 {
		return 0
	}
	if _, known := s.good.get(sha256.Sum256([]byte(bearer))); known {
		return 0
	}
	return max(1, seconds(60*(1-left), s.most))
}

// note remembers how a key from an address fared.
func (s *strangers) note(address netip.Addr, bearer string, good bool) {
	if s.most == 0 || !address.IsValid() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if good {
		s.good.put(sha256.Sum256([]byte(bearer)), struct{}{})
		return
	}
	bucket, known := s.failing.get(address)
	if !known {
		bucket = rate.NewLimiter(rate.Every(time.Minute/time.Duration(s.most)), s.most)
		s.failing.put(address, bucket)
	}
	bucket.AllowN(s.now(), 1)
}

// addressOfStranger is whom failures are counted against: of IPv6 the network,
// all of which one visitor has. It is not valid for addresses of this machine.
func addressOfStranger(remote string) (address netip.Addr) {
	whole, err := netip.ParseAddrPort(remote)
	if err != nil || whole.Addr().Unmap().IsLoopback() {
		return address
	}
	if address = whole.Addr().Unmap().WithZone(""); address.Is6() {
		address = netip.PrefixFrom(address, 64).Masked().Addr()
	}
	return address
}

// lately is a map that forgets what was not used for a while, and never holds
// more than twice its bound.
type lately[K comparable, V any] struct {
	most       int
	young, old map[K]V
}

func newLately[K comparable, V any](most int) lately[K, V] {
	return lately[K, V]{most: most, young: map[K]V{}, old: map[K]V{}}
}

func (l *lately[K, V]) get(key K) (V, bool) {
	value, known := l.young[key]
	if !known {
		if value, known = l.old[key]; known {
			l.put(key, value)
		}
	}
	return value, known
}

func (l *lately[K, V]) put(key K, value V) {
	if _, known := l.young[key]; !known && len(l.young) >= l.most {
		l.young, l.old = map[K]V{}, l.young
	}
	l.young[key] = value
}
