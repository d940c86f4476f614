package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Why an attempt did not arrive, and why a delivery stands where it does.
const (
	ReasonStatus      = "status"      // the answer was none of 2xx
	ReasonRedirect    = "redirect"    // the answer leads elsewhere: redirects are not followed
	ReasonGone        = "gone"        // the endpoint answered 410
	ReasonTimeout     = "timeout"     // no answer in time
	ReasonUnreachable = "unreachable" // no connection
	ReasonTLS         = "tls"         // no trusted certificate, or no TLS
	ReasonForbidden   = "forbidden"   // the address is not allowed
	ReasonBroken      = "broken"      // the connection broke, or the answer was no HTTP
	ReasonUnsigned    = "unsigned"    // the gateway could not sign it
	ReasonLapsed      = "lapsed"      // the gateway that sent it died meanwhile
	ReasonStopped     = "stopped"     // the gateway stopped meanwhile
	ReasonDeleted     = "deleted"     // the endpoint was deleted
)

const (
	mostAnswer       = 64 << 10 // of an answer's body is read, so that its connection can be used again
	mostAnswerHeader = 64 << 10
	keepConnection   = 30 * time.Second
	dialTime         = 10 * time.Second
	userAgent        = "singlewindow-webhooks/1"
)

// outcome is how an attempt went.
type outcome struct {
	status int // HTTP; 0: there was no answer
	reason string
	wish   time.Duration // of the receiver, to be left alone
	took   time.Duration
}

func (o outcome) delivered() bool { return o.reason == "" }

// client makes requests under the guard: every connection, whatever it is for,
// is asked about when it is dialled.
func (g *Guard) client(secure bool) *http.Client {
	dialer := net.Dialer{Timeout: dialTime, Control: g.control(secure)}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: dialTime,
			MaxIdleConnsPerHost: 2, MaxIdleConns: 200, IdleConnTimeout: keepConnection, MaxResponseHeaderBytes: mostAnswerHeader, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// attempt sends a delivery once.
func (w *Webhooks) attempt(ctx context.Context, t taken) outcome {
	began := w.now()
	left := t.leaseUntil.Sub(began)
	if left <= 0 { // this process was held up: somebody else may have it now
		return outcome{reason: ReasonStopped}
	}
	limited, cancel := context.WithTimeout(ctx, min(w.timing.Attempt, left))
	defer cancel()
	request, err := w.request(limited, t, began)
	if err != nil {
		w.log.Error("webhooks: not signed", "endpoint", t.endpoint, "error", err)
		return outcome{reason: ReasonUnsigned}
	}
	client := w.secure
	if request.URL.Scheme == "http" {
		client = w.plain
	}
	response, err := client.Do(request)
	if err != nil {
		return outcome{reason: reasonOf(ctx, err), took: w.now().Sub(began)}
	}
	// Whatever the answer's body is and however it ends, its status counts.
	_, _ = io.CopyN(io.Discard, response.Body, mostAnswer)
	_ = response.Body.Close()
	return outcome{response.StatusCode, reasonOfStatus(response.StatusCode), wishOf(response.Header, w.now()), w.now().Sub(began)}
}

// request is the delivery as it goes over the wire, signed with every secret
// that holds.
func (w *Webhooks) request(ctx context.Context, t taken, at time.Time) (*http.Request, error) {
	var signatures []string
	for _, sealed := range t.sealed {
		secret, err := w.vault.open(sealed, t.tenant, t.endpoint)
		if err != nil {
			return nil, err
		}
		signer, err := standardwebhooks.NewWebhook(string(secret))
		if err != nil {
			return nil, errSealed
		}
		signature, err := signer.Sign(t.event, at, t.body)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, signature)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(t.body))
	if err != nil {
		return nil, errForbidden // its text would quote the URL
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set(standardwebhooks.HeaderWebhookID, t.event)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return request, nil
}

// reasonOf tells why there was no answer; sending is the context that only a
// stop ends.
func reasonOf(sending context.Context, err error) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var operation *net.OpError
	var network net.Error
	switch {
	case sending.Err() != nil:
		return ReasonStopped
	case errors.Is(err, errForbidden):
		return ReasonForbidden
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert):
		return ReasonTLS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return ReasonTimeout
	case errors.As(err, &operation) && operation.Op == "dial":
		return ReasonUnreachable
	}
	return ReasonBroken
}

func reasonOfStatus(status int) string {
	switch {
	case status >= 200 && status < 300:
		return ""
	case status >= 300 && status < 400:
		return ReasonRedirect
	case status == http.StatusGone:
		return ReasonGone
	}
	return ReasonStatus
}

// wishOf reads Retry-After: seconds, or a time.
func wishOf(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
