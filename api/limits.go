package api

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/time/rate"
)

// Limits are what one tenant may ask of this process, and how often one
// address may show a key that is none. What is zero has no limit.
type Limits struct {
	Requests int // a second, of any kind
	Bytes    int // a second, of bodies
	Items    int // a second, declarations filed or tried one by one
	Failures int // a minute, of one address
}

// limitWindow is how long a tenant may save up what it does not use.
const limitWindow = 10 // seconds

// metadataItems marks, in an operation's metadata, those whose body is a
// declaration.
const metadataItems = "items"

// mostUnread is how much of a body may be left unread for the connection to be
// kept: the server takes so much off the wire by itself before it answers.
const mostUnread = 64 << 10

// policy is a limit as the headers tell it (draft-ietf-httpapi-ratelimit-headers):
// a quota of rate × limitWindow, which fills again at rate a second.
type policy struct {
	name string // in the headers
	unit string // "" is requests
	rate int
	code problemCode
}

func (p policy) quota() int { return p.rate * limitWindow }

// policies are the limits that there are, in the order of the headers.
func (l Limits) policies() (all []policy) {
	for _, p := range []policy{
		{"requests", "", l.Requests, codeLimitRequests},
		{"bytes", "content-bytes", l.Bytes, codeLimitBytes},
		{"items", "items", l.Items, codeLimitItems},
	} {
		if p.rate > 0 {
			all = append(all, p)
		}
	}
	return all
}

// limiter holds what each tenant has left. There are as many as tenants that
// have shown a good key.
type limiter struct {
	policies []policy
	told     string // RateLimit-Policy
	now      func() time.Time

	mu      sync.Mutex
	tenants map[string]*allowance
}

// allowance is what one tenant has left, bucket by bucket as the policies are.
type allowance struct {
	mu       sync.Mutex
	policies []policy
	buckets  []*rate.Limiter
}

func newLimiter(limits Limits, now func() time.Time) *limiter {
	l := &limiter{policies: limits.policies(), now: now, tenants: map[string]*allowance{}}
	told := make([]string, len(l.policies))
	for i, p := range l.policies {
		told[i] = fmt.Sprintf("%q;q=%d", p.name, p.quota())
		if p.unit != "" {
			told[i] += fmt.Sprintf(";qu=%q", p.unit)
		}
		told[i] += ";w=" + strconv.Itoa(limitWindow)
	}
	l.told = strings.Join(told, ", ")
	return l
}

func (l *limiter) of(tenant string) *allowance {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.tenants[tenant]
	if known == nil {
		known = &allowance{policies: l.policies}
		for _, p := range l.policies {
			known.buckets = append(known.buckets, rate.NewLimiter(rate.Limit(p.rate), p.quota()))
		}
		l.tenants[tenant] = known
	}
	return known
}

// cost is what a request takes, by the name of the policy.
type cost map[string]int

// take takes a cost where all of it can be had: one of requests and items, and
// something of bytes, of which a long body then takes more than there is. Else
// it takes nothing and tells which limit is in the way, and for how long.
func (a *allowance) take(now time.Time, wanted cost) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, p := range a.policies {
		if left := a.left(i, now); wanted[p.name] > 0 && left < 1 {
			return &tooSoon{p.code, seconds(1-left, p.rate)}
		}
	}
	for i, p := range a.policies {
		a.spend(i, now, wanted[p.name])
	}
	return nil
}

// left is what is in a bucket, less than nothing after a long body.
func (a *allowance) left(bucket int, now time.Time) int {
	return int(math.Floor(a.buckets[bucket].TokensAt(now)))
}

// spend takes from a bucket though it may not hold as much. Beyond a whole
// quota nothing is owed.
func (a *allowance) spend(bucket int, now time.Time, number int) {
	a.buckets[bucket].ReserveN(now, min(number, a.policies[bucket].quota()))
}

// read spends the bytes of a body whose length was not told before.
func (a *allowance) read(now time.Time, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, p := range a.policies {
		if p.name == "bytes" {
			a.spend(i, now, bytes)
		}
	}
}

// tell gives RateLimit: what is left of each quota, and in how many seconds it
// is whole again.
func (a *allowance) tell(now time.Time) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := make([]string, len(a.policies))
	for i, p := range a.policies {
		left := a.left(i, now)
		told[i] = fmt.Sprintf("%q;r=%d;t=%d", p.name, max(0, left), seconds(p.quota()-left, p.rate))
	}
	return strings.Join(told, ", ")
}

// seconds is how long a bucket takes to gain a number, in whole seconds.
func seconds(number, rate int) int { return (number + rate - 1) / rate }

// tooSoon is an answer to ask again later, in whole seconds.
type tooSoon struct {
	code  problemCode
	after int
}

func (t *tooSoon) Error() string { return string(t.code) }

func (t *tooSoon) finding() finding {
	return finding{code: t.code, headers: map[string]string{"Retry-After": strconv.Itoa(max(1, t.after))}}
}

// withinLimits lets a tenant's request pass while the tenant has something
// left, before its body is read, and tells what is left.
func (a *api) withinLimits(r *request, next func(huma.Context)) {
	inner, w := humago.Unwrap(r.exchange)
	if given, ours := w.(*answer); ours {
		given.tenant = r.tenant
	}
	leave, err := a.load.admit(r.tenant, staysOpen(r.Operation(), r.Header("Accept")))
	defer leave()
	if len(a.limits.policies) > 0 {
		now, allowed := a.limits.now(), a.limits.of(r.tenant)
		if err == nil {
			err = allowed.take(now, costOf(r.Operation(), inner.ContentLength))
		}
		r.SetHeader("RateLimit-Policy", a.limits.told)
		r.SetHeader("RateLimit", allowed.tell(now))
		if inner.ContentLength < 0 {
			r.counted = func(bytes int) { allowed.read(a.limits.now(), bytes) }
		}
	}
	if err != nil {
		a.dismiss(r, inner, err)
		return
	}
	next(r)
}

func costOf(operation *huma.Operation, length int64) cost {
	wanted := cost{"requests": 1}
	if items, takes := operation.Metadata[metadataItems].(int); takes {
		wanted["items"] = items
	}
	if length != 0 { // of an unknown length: what is read is counted then
		wanted["bytes"] = int(max(1, min(length, operation.MaxBodyBytes+mostDrained)))
	}
	return wanted
}

// dismiss refuses a request whose body nobody is going to read.
func (a *api) dismiss(r *request, inner *http.Request, err error) {
	if longBody(inner) {
		r.SetHeader("Connection", "close")
	}
	a.refuse(r, err)
}

func longBody(r *http.Request) bool { return r.ContentLength < 0 || r.ContentLength > mostUnread }

// documentLimits tells of the headers that answers to a tenant carry.
func documentLimits(operation *huma.Operation) {
	text := &huma.Schema{Type: huma.TypeString}
	for status, response := range operation.Responses {
		tooMany := status == strconv.Itoa(http.StatusTooManyRequests)
		if !tooMany && status[0] != '2' {
			continue
		}
		if response.Headers == nil {
			response.Headers = map[string]*huma.Param{}
		}
		response.Headers["RateLimit-Policy"] = &huma.Param{Schema: text, Description: "Your limits: q in w seconds, of requests, bytes and items"}
		response.Headers["RateLimit"] = &huma.Param{Schema: text, Description: "What is left of each (r), and in how many seconds it is whole again (t)"}
		if tooMany {
			response.Headers["Retry-After"] = &huma.Param{Schema: text, Description: "Seconds to wait"}
		}
	}
}
