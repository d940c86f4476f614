package api

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Exchange is one request and its answer, for logs and counters: nothing in it
// is a value of a declaration, an address asked for, or a key.
type Exchange struct {
	Operation string // its id in the OpenAPI document; none where there is no such address
	Method    string
	Status    int // 0: broken off without an answer
	Problem   string
	Tenant    string // "" for strangers and agencies
	RequestID string
	TraceID   string // "" without a traceparent
	Stream    bool
	Took      time.Duration
	In, Out   int64 // bytes of the bodies; In is -1 when it was not told beforehand
}

// NoOperation is the operation of requests for addresses that there are not.
const NoOperation = "none"

const headerTraceParent = "Traceparent"

// traceParent is W3C's, of a version whose first parts are as in version 00.
var traceParent = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$`)

// traceOf reads the id of the trace a request belongs to, "" when it tells
// none, or what it tells is not valid: the standard says to go on without.
func traceOf(header http.Header) string {
	given := header.Values(headerTraceParent)
	if len(given) != 1 || len(given[0]) > 256 {
		return ""
	}
	parts := traceParent.FindStringSubmatch(given[0])
	switch {
	case parts == nil, parts[1] == "ff", parts[1] == "00" && parts[4] != "",
		strings.Trim(parts[2], "0") == "", strings.Trim(parts[3], "0") == "":
		return ""
	}
	return parts[2]
}

// Observe lets note see every exchange of a handler that is not this API's,
// under one name.
func Observe(operation string, next http.Handler, note func(Exchange)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := &answer{ResponseWriter: w}
		began := time.Now()
		defer func() { note(given.exchange(operation, r, began)) }()
		next.ServeHTTP(given, r)
	})
}

// exchange is what came of a request.
func (a *answer) exchange(operation string, r *http.Request, began time.Time) Exchange {
	return Exchange{
		Operation: operation, Method: r.Method, Status: a.status, Problem: string(a.problem), Tenant: a.tenant,
		RequestID: a.Header().Get(headerRequestID), TraceID: traceOf(r.Header), Stream: strings.HasPrefix(a.Header().Get("Content-Type"), mediaStream),
		Took: time.Since(began), In: r.ContentLength, Out: a.bytes,
	}
}
