package adapters

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"singlewindow/declare"
)

// xmlPoisoned is what the XML room says of a document that killed the process
// more than once.
const xmlPoisoned = "xml.poisoned"

const (
	answerLimit     = 1 << 20 // bytes of an answer that are read at most
	retryAfterLimit = time.Hour
	idleLimit       = 30 * time.Second
	timeFormat      = "2006-01-02T15:04:05.000Z07:00" // RFC 3339 with milliseconds
)

// A line is the wire to one agency: its own connections and its own cap, so
// that no agency's trouble takes anything from another.
type line struct {
	client    *resty.Client
	transport *http.Transport
	token     string
	inFlight  chan struct{}
}

func newLine(token string, inFlight int) *line {
	transport := &http.Transport{
		MaxIdleConns: inFlight, MaxIdleConnsPerHost: inFlight, IdleConnTimeout: idleLimit, DisableCompression: true,
	}
	client := resty.NewWithClient(&http.Client{Transport: transport}).
		SetResponseBodyLimit(answerLimit).
		SetRedirectPolicy(resty.RedirectPolicyFunc(func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }))
	return &line{client: client, transport: transport, token: token, inFlight: make(chan struct{}, inFlight)}
}

func (l *line) close() { l.transport.CloseIdleConnections() }

// An exchange is one request and what came of it, before anybody asks what
// it means for the message.
type exchange struct {
	outcome   declare.Outcome
	took      time.Duration
	abandoned bool // by us, before there was an answer
	looked    bool // it was a question, and the agency answered it
}

// Send implements [declare.Agency].
func (a *Agency) Send(ctx context.Context, dispatch declare.Dispatch) declare.Outcome {
	if !a.profile.On {
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonAgencyUnavailable}
	}
	return a.guarded(ctx, dispatch, a.post)
}

// guarded speaks to the agency within its cap, its deadline and its breaker,
// which lets a probe pass.
func (a *Agency) guarded(ctx context.Context, dispatch declare.Dispatch, speak func(context.Context, declare.Dispatch) exchange) declare.Outcome {
	ctx, cancel := context.WithTimeout(ctx, a.profile.Deadline)
	defer cancel()
	select {
	case a.line.inFlight <- struct{}{}:
		defer func() { <-a.line.inFlight }()
	case <-ctx.Done():
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonBusy}
	}
	if dispatch.Probe {
		return speak(ctx, dispatch).outcome
	}
	breaker := a.breaker.Load()
	outcome := breaker.guard(func() exchange { return speak(ctx, dispatch) })
	// What ends badly after the agency was found to be back began before.
	outcome.Tripped = outcome.Tripped && breaker == a.breaker.Load()
	return outcome
}

// Resume implements [declare.Agency].
func (a *Agency) Resume() {
	a.breaker.Store(newBreaker(a.profile, a.file.Breaker, true))
}

func (a *Agency) post(ctx context.Context, dispatch declare.Dispatch) exchange {
	call := a.line.request(ctx)
	call.SetHeader("Content-Type", "application/xml").
		SetHeader("X-Delivery-Id", dispatch.MessageID).
		SetBody(bytes.NewReader(dispatch.Body))
	if !dispatch.FirstSentAt.IsZero() {
		call.SetHeader("X-Possible-Duplicate", dispatch.FirstSentAt.UTC().Format(timeFormat))
	}
	response, err := call.do(http.MethodPost, a.url+"/messages")
	done := exchange{took: response.Time(), abandoned: err != nil && errors.Is(ctx.Err(), context.Canceled)}
	done.outcome = a.outcome(dispatch, response, err, call.left())
	return done
}

// outcome weighs an answer to a message. Whatever is not provably one thing
// or the other is unsure.
func (a *Agency) outcome(dispatch declare.Dispatch, response *resty.Response, err error, left bool) declare.Outcome {
	status := response.StatusCode() // 0 without a response
	answers := a.file.Answers
	switch {
	case slices.Contains(answers.Denied, status):
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonDenied, Status: status, Denied: true}
	case slices.Contains(answers.NotTaken, status):
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonBusy, Status: status, RetryAfter: retryAfter(response)}
	case err != nil && !left:
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonConnection}
	case err != nil:
		return declare.Outcome{Reason: reasonOf(err), Status: status}
	case slices.Contains(answers.Taken, status):
		return a.taken(response)
	case slices.Contains(answers.Understood, status):
		return a.understand(dispatch, response)
	case status >= http.StatusInternalServerError:
		return declare.Outcome{Reason: declare.ReasonServerError, Status: status, RetryAfter: retryAfter(response)}
	}
	return declare.Outcome{Reason: declare.ReasonNotUnderstood, Status: status}
}

// taken is an outcome whose status says all. It is a notice all the same when
// a header carries a number: later notices may name the message by that alone.
func (a *Agency) taken(response *resty.Response) declare.Outcome {
	outcome := declare.Outcome{Verdict: declare.VerdictAccepted, Reason: declare.ReasonAnswered, Status: response.StatusCode()}
	if carried := a.profile.Carried(response.Header().Get); len(carried) > 0 {
		outcome.Answer = append([]byte{}, response.Body()...)
		outcome.Reading = declare.Reading{Carried: carried, Decision: declare.DecisionNone}
	}
	return outcome
}

// understand reads an answer as a notice. One that names another message is
// not an answer to this one.
func (a *Agency) understand(dispatch declare.Dispatch, response *resty.Response) declare.Outcome {
	reading, err := a.Read(response.Body())
	var unreadable *declare.Unreadable
	if errors.As(err, &unreadable) && unreadable.Code == xmlPoisoned {
		return declare.Outcome{Reason: declare.ReasonPoisoned, Status: response.StatusCode()}
	}
	if err != nil || reading.MessageID != "" && reading.MessageID != dispatch.MessageID {
		return declare.Outcome{Reason: declare.ReasonNotUnderstood, Status: response.StatusCode()}
	}
	reading.Carried = a.profile.Carried(response.Header().Get)
	verdict := declare.VerdictAccepted
	if reading.Decision == declare.DecisionRejected {
		verdict = declare.VerdictRejected
	}
	return declare.Outcome{
		Verdict: verdict, Reason: declare.ReasonAnswered, Status: response.StatusCode(), Answer: response.Body(), Reading: reading,
	}
}

// Inquire implements [declare.Agency].
func (a *Agency) Inquire(ctx context.Context, dispatch declare.Dispatch) declare.Outcome {
	if a.file.Inquire == nil {
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonNoWayToAsk}
	}
	if !a.profile.On {
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonAgencyUnavailable}
	}
	return a.guarded(ctx, dispatch, a.ask)
}

func (a *Agency) ask(ctx context.Context, dispatch declare.Dispatch) exchange {
	at := strings.ReplaceAll(a.file.Inquire.Path, "{deliveryId}", url.PathEscape(dispatch.MessageID))
	response, err := a.line.request(ctx).do(http.MethodGet, a.url+at)
	done := exchange{took: response.Time(), abandoned: err != nil && errors.Is(ctx.Err(), context.Canceled)}
	done.outcome = a.told(dispatch, response, err)
	done.looked = done.outcome.Reason == declare.ReasonAnswered || done.outcome.Reason == declare.ReasonUnknownToAgency
	return done
}

// told weighs an answer to a question about a message.
func (a *Agency) told(dispatch declare.Dispatch, response *resty.Response, err error) declare.Outcome {
	status := response.StatusCode()
	switch {
	case status == http.StatusOK && err == nil:
		return a.understand(dispatch, response)
	case status == http.StatusNotFound:
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: declare.ReasonUnknownToAgency, Status: status}
	case status == 0:
		return declare.Outcome{Verdict: declare.VerdictUnreachable, Reason: reasonOf(err)}
	}
	return a.outcome(dispatch, response, err, true)
}

// A call is a request that knows whether any of it may have left.
type call struct {
	*resty.Request
	onWire *atomic.Bool
}

// request watches the connection: before there is one, nothing can have left.
// Go asks for another one for the same request only if nothing was written to
// the first: no request carries a key that would allow more.
func (l *line) request(ctx context.Context) call {
	onWire := &atomic.Bool{}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { onWire.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { onWire.Store(true) },
	})
	request := l.client.R().SetContext(ctx)
	if l.token != "" {
		request.SetHeader("Authorization", "Bearer "+l.token)
	}
	return call{Request: request, onWire: onWire}
}

// do answers with a response even where there is none: one without a status.
func (c call) do(method, address string) (*resty.Response, error) {
	response, err := c.Execute(method, address)
	if response == nil {
		response = &resty.Response{Request: c.Request}
	}
	return response, err
}

func (c call) left() bool { return c.onWire.Load() }

func reasonOf(err error) string {
	var network net.Error
	switch {
	case errors.Is(err, resty.ErrResponseBodyTooLarge):
		return declare.ReasonNotUnderstood
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &network) && network.Timeout():
		return declare.ReasonTimeout
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return declare.ReasonConnection
	}
	return declare.ReasonReset
}

// retryAfter reads seconds or an HTTP date; a date counts from the agency's
// own clock, as its Date header shows it.
func retryAfter(response *resty.Response) time.Duration {
	text := response.Header().Get("Retry-After")
	var wait time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if until, err := http.ParseTime(text); err == nil {
		now, err := http.ParseTime(response.Header().Get("Date"))
		if err != nil {
			now = response.ReceivedAt()
		}
		wait = until.Sub(now)
	}
	return min(max(wait, 0), retryAfterLimit)
}
