package api

import (
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// Load is what is under way at once in this process, and what may be. Beyond
// it requests are turned away at once: whoever is let in is answered as fast as
// ever. Make one with [NewLoad].
type Load struct {
	mostRequests, mostStreams int

	mu                      sync.Mutex
	requests, open, streams int
	shed                    int
	tenants                 map[string]int
}

// NewLoad bounds the requests under way, and the streams that are open; 0 is
// no bound. Of the requests one tenant may have three quarters, and those that
// anybody may make, which need no key, have a quarter.
func NewLoad(requests, streams int) *Load {
	return &Load{mostRequests: requests, mostStreams: streams, tenants: map[string]int{}}
}

// Now tells how much is under way, and how many were turned away so far.
func (l *Load) Now() (requests, streams, shed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests + l.open, l.streams, l.shed
}

// enter counts a request, a stream, or a request that is open to anybody, until
// leave is called. It is false, and nothing is counted, when there are too many.
func (l *Load) enter(stream, open bool) (leave func(), entered bool) {
	number, most := &l.requests, l.mostRequests
	switch {
	case stream:
		number, most = &l.streams, l.mostStreams
	case open:
		number, most = &l.open, (l.mostRequests+3)/4
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if most > 0 && *number >= most {
		l.shed++
		return nil, false
	}
	*number++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		*number--
	}, true
}

// admit counts a tenant's request until leave is called: one tenant cannot have
// all there is. Streams have a bound of their own.
func (l *Load) admit(tenant string, stream bool) (leave func(), err error) {
	if stream || l.mostRequests == 0 {
		return func() {}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tenants[tenant] >= max(1, l.mostRequests*3/4) {
		l.shed++
		return func() {}, &tooSoon{code: codeLimitConcurrent, after: 1}
	}
	l.tenants[tenant]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.tenants[tenant]--; l.tenants[tenant] == 0 {
			delete(l.tenants, tenant)
		}
	}, nil
}

// enter counts a request while it is under way. Whoever asks after our health
// is always answered.
func (a *api) enter(pattern string, r *http.Request) (leave func(), entered bool) {
	operation := a.routes[pattern]
	if operation != nil && slices.Contains(operation.Tags, tagHealth) {
		return func() {}, true
	}
	return a.load.enter(staysOpen(operation, r.Header.Get("Accept")), operation == nil || len(operation.Security) == 0)
}

// staysOpen tells whether the answer to a request stays open.
func staysOpen(operation *huma.Operation, accept string) bool {
	if operation == nil {
		return false
	}
	success := operation.Responses[strconv.Itoa(operation.DefaultStatus)]
	return success != nil && success.Content[mediaStream] != nil && asksForStream(accept)
}

// turnAway answers where there is no room, at once.
func (a *api) turnAway(w http.ResponseWriter, r *http.Request) {
	if longBody(r) {
		w.Header().Set("Connection", "close")
	}
	a.write(w, askerOfRequest(r), (&tooSoon{code: codeOverloaded, after: 1}).finding())
}

// nameOf is the id of the operation that a pattern leads to.
func (a *api) nameOf(pattern string) string {
	switch operation := a.routes[pattern]; {
	case operation != nil:
		return operation.OperationID
	case pattern == "":
		return NoOperation
	}
	return "document" // the OpenAPI document is none of its own operations
}
