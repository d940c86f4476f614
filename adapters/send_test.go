package adapters_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"singlewindow/adapters"
	"singlewindow/declare"
)

func TestScenarios(t *testing.T) {
	address, ledger := simulate(t)
	for _, scenario := range []struct {
		reference, reason string
		verdict           declare.Verdict
		status            int
		effects           int
	}{
		{"T-1", declare.ReasonAnswered, declare.VerdictAccepted, 200, 1},
		{"T-2.reject", declare.ReasonAnswered, declare.VerdictRejected, 422, 1},
		{"T-3.busy", declare.ReasonBusy, declare.VerdictUnreachable, 503, 0},
		{"T-4.drop", declare.ReasonReset, declare.VerdictUnsure, 0, 1},
		{"T-5.drop.demo-agency", declare.ReasonReset, declare.VerdictUnsure, 0, 1},
		{"T-6.drop.other-agency", declare.ReasonAnswered, declare.VerdictAccepted, 200, 1},
		{"T-7.reset", declare.ReasonReset, declare.VerdictUnsure, 0, 0},
		{"T-8.garbage", declare.ReasonNotUnderstood, declare.VerdictUnsure, 200, 1},
		{"T-9.slow", declare.ReasonAnswered, declare.VerdictAccepted, 200, 1},
	} {
		t.Run(scenario.reference, func(t *testing.T) {
			agency := load(t, adapters.Deployment{URL: address, Token: token})
			before := lines(t, ledger)
			id := "msg_" + scenario.reference
			draft, faults, err := agency.Draft(subject(id, scenario.reference))
			if err != nil || len(faults) > 0 {
				t.Fatal(err, faults)
			}
			outcome := agency.Send(context.Background(), declare.Dispatch{MessageID: id, Body: draft.Body.Bytes()})
			expect(t, outcome, scenario.verdict, scenario.reason, scenario.status)
			if got := lines(t, ledger) - before; got != scenario.effects {
				t.Errorf("%d effects, want %d", got, scenario.effects)
			}
			if scenario.reason == declare.ReasonAnswered {
				if outcome.Reading.MessageID != id || outcome.Reading.Numbers["parcelNo"] == "" || len(outcome.Answer) == 0 {
					t.Errorf("the answer reads as %+v", outcome.Reading)
				}
			}
			if scenario.reason == declare.ReasonBusy && outcome.RetryAfter != time.Second {
				t.Errorf("retry after %v", outcome.RetryAfter)
			}
		})
	}
}

func lines(t *testing.T, file string) int {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(content, []byte("\n"))
}

func TestCredentialRefused(t *testing.T) {
	address, _ := simulate(t)
	agency := load(t, adapters.Deployment{URL: address, Token: "another"})
	for range 10 {
		outcome := send(t, agency, "T-1")
		expect(t, outcome, declare.VerdictUnreachable, declare.ReasonDenied, 401)
		if !outcome.Denied || outcome.Tripped {
			t.Fatalf("denied %v, tripped %v", outcome.Denied, outcome.Tripped)
		}
	}
}

func TestOff(t *testing.T) {
	agency := load(t, adapters.Deployment{})
	if agency.Profile().On {
		t.Error("an agency without an address is on")
	}
	expect(t, send(t, agency, "T-1"), declare.VerdictUnreachable, declare.ReasonAgencyUnavailable, 0)
}

// TestAnswers is about agencies that no simulator plays.
func TestAnswers(t *testing.T) {
	wait := func(r *http.Request) { <-r.Context().Done() } // until the caller has had enough
	notice := func(id string) string {
		return "<ParcelNotice><DeliveryId>" + id + "</DeliveryId><IssuedAt>20260302100304</IssuedAt><Status>TAKEN</Status></ParcelNotice>"
	}
	answer := func(status int, body string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	date := "Mon, 02 Mar 2026 02:03:04 GMT"
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		verdict declare.Verdict
		reason  string
		status  int
		after   time.Duration
	}{
		"understood":          {answer(200, notice(messageID)), declare.VerdictAccepted, declare.ReasonAnswered, 200, 0},
		"another message":     {answer(200, notice("msg_other")), declare.VerdictUnsure, declare.ReasonNotUnderstood, 200, 0},
		"empty":               {answer(200, ""), declare.VerdictUnsure, declare.ReasonNotUnderstood, 200, 0},
		"unknown word":        {answer(200, strings.Replace(notice(messageID), "TAKEN", "HM", 1)), declare.VerdictUnsure, declare.ReasonNotUnderstood, 200, 0},
		"status not listed":   {answer(201, notice(messageID)), declare.VerdictUnsure, declare.ReasonNotUnderstood, 201, 0},
		"server error":        {answer(500, notice(messageID)), declare.VerdictUnsure, declare.ReasonServerError, 500, 0},
		"redirect":            {answer(307, "", "Location", "/elsewhere"), declare.VerdictUnsure, declare.ReasonNotUnderstood, 307, 0},
		"too large":           {answer(200, notice(messageID)+strings.Repeat(" ", 1<<20)), declare.VerdictUnsure, declare.ReasonNotUnderstood, 200, 0},
		"busy until a date":   {answer(429, "", "Date", date, "Retry-After", "Mon, 02 Mar 2026 02:04:04 GMT"), declare.VerdictUnreachable, declare.ReasonBusy, 429, time.Minute},
		"busy for a day":      {answer(429, "", "Retry-After", "86400"), declare.VerdictUnreachable, declare.ReasonBusy, 429, time.Hour},
		"error, with a wish":  {answer(502, "", "Retry-After", "7"), declare.VerdictUnsure, declare.ReasonServerError, 502, 7 * time.Second},
		"busy until too late": {answer(503, "", "Date", date, "Retry-After", "Tue, 03 Mar 2026 02:04:04 GMT"), declare.VerdictUnreachable, declare.ReasonBusy, 503, time.Hour},
		"busy until the past": {answer(503, "", "Date", date, "Retry-After", "Sun, 01 Mar 2026 02:04:04 GMT"), declare.VerdictUnreachable, declare.ReasonBusy, 503, 0},
		"busy, nonsense":      {answer(503, "", "Retry-After", "-5"), declare.VerdictUnreachable, declare.ReasonBusy, 503, 0},
		"hangs":               {func(_ http.ResponseWriter, r *http.Request) { wait(r) }, declare.VerdictUnsure, declare.ReasonTimeout, 0, 0},
		"hangs half way": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "<Parcel")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			wait(r)
		}, declare.VerdictUnsure, declare.ReasonTimeout, 200, 0},
		"cut half way": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			fmt.Fprint(w, "<Parcel")
		}, declare.VerdictUnsure, declare.ReasonReset, 200, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					t.Error(err)
				}
				c.handler(w, r)
			}))
			outcome := send(t, load(t, adapters.Deployment{URL: address}), "T-1")
			expect(t, outcome, c.verdict, c.reason, c.status)
			if outcome.RetryAfter != c.after {
				t.Errorf("retry after %v, want %v", outcome.RetryAfter, c.after)
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests", requests.Load())
			}
		})
	}
}

func TestNothingSent(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for name, address := range map[string]string{
		"refused": "http://" + closed,
		"no TLS":  strings.Replace(serve(t, http.NotFoundHandler()), "http:", "https:", 1),
		"no name": "http://agency.invalid:1",
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, send(t, load(t, adapters.Deployment{URL: address}), "T-1"), declare.VerdictUnreachable, declare.ReasonConnection, 0)
		})
	}
}

func TestHeaders(t *testing.T) {
	heard := make(chan http.Header, 1)
	var body []byte
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/base/messages" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		heard <- r.Header
		w.WriteHeader(http.StatusTeapot)
	}))
	agency := load(t, adapters.Deployment{URL: address + "/base/", Token: token})
	dispatch := message(t, agency, "T-1")
	agency.Send(context.Background(), dispatch)
	headers := <-heard
	if !bytes.Equal(body, dispatch.Body) {
		t.Error("the bytes sent are not the bytes drafted")
	}
	for name, want := range map[string]string{
		"Content-Type": "application/xml", "X-Delivery-Id": messageID, "Authorization": "Bearer " + token,
		"X-Possible-Duplicate": "", "Idempotency-Key": "", "X-Idempotency-Key": "",
	} {
		if got := headers.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	dispatch.FirstSentAt = time.Date(2026, 3, 2, 10, 3, 4, 5e6, time.FixedZone("", 8*3600))
	agency.Send(context.Background(), dispatch)
	if got := (<-heard).Get("X-Possible-Duplicate"); got != "2026-03-02T02:03:04.005Z" {
		t.Errorf("X-Possible-Duplicate is %q", got)
	}
}

func TestBreaker(t *testing.T) {
	var status, requests atomic.Int32
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(int(status.Load()))
	}))
	agency := load(t, adapters.Deployment{URL: address})
	status.Store(http.StatusInternalServerError)
	tripped := 0
	for range 4 { // the folder's minimum
		if send(t, agency, "T-1").Tripped {
			tripped++
		}
	}
	if tripped != 1 {
		t.Fatalf("%d outcomes tripped the breaker", tripped)
	}
	expect(t, send(t, agency, "T-1"), declare.VerdictUnreachable, declare.ReasonBreakerOpen, 0)
	if requests.Load() != 4 {
		t.Fatalf("%d requests, want 4: an open breaker lets nothing out", requests.Load())
	}
	probe := message(t, agency, "T-1")
	probe.Probe = true
	expect(t, agency.Send(context.Background(), probe), declare.VerdictUnsure, declare.ReasonServerError, 500)
	expect(t, send(t, agency, "T-1"), declare.VerdictUnreachable, declare.ReasonBreakerOpen, 0)
	agency.Resume()
	expect(t, send(t, agency, "T-1"), declare.VerdictUnsure, declare.ReasonServerError, 500)
}

func TestBreakerKeepsRefusals(t *testing.T) {
	address, _ := simulate(t)
	agency := load(t, adapters.Deployment{URL: address, Token: token})
	for range 10 {
		expect(t, send(t, agency, "T-1.reject"), declare.VerdictRejected, declare.ReasonAnswered, 422)
	}
}

func TestBreakerCountsSlowness(t *testing.T) {
	address, _ := simulate(t)
	agency := load(t, adapters.Deployment{URL: address, Token: token})
	var tripped atomic.Int32
	var sending sync.WaitGroup
	for i := range 4 {
		draft, _, err := agency.Draft(subject(fmt.Sprint("msg_", i), "T-1.slow"))
		if err != nil {
			t.Fatal(err)
		}
		sending.Go(func() {
			outcome := agency.Send(context.Background(), declare.Dispatch{MessageID: fmt.Sprint("msg_", i), Body: draft.Body.Bytes()})
			expect(t, outcome, declare.VerdictAccepted, declare.ReasonAnswered, 200)
			if outcome.Tripped {
				tripped.Add(1)
			}
		})
	}
	sending.Wait()
	if tripped.Load() != 1 {
		t.Errorf("%d outcomes tripped the breaker", tripped.Load())
	}
	expect(t, send(t, agency, "T-1"), declare.VerdictUnreachable, declare.ReasonBreakerOpen, 0)
}

// TestGivingUp: a gateway that stops must not think ill of its agencies.
func TestGivingUp(t *testing.T) {
	arrived := make(chan struct{})
	address := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil { // so that the server notices the caller leave
			t.Error(err)
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	agency := load(t, adapters.Deployment{URL: address})
	dispatch := message(t, agency, "T-1")
	for range 6 {
		ctx, cancel := context.WithCancel(context.Background())
		outcome := make(chan declare.Outcome)
		go func() { outcome <- agency.Send(ctx, dispatch) }()
		<-arrived
		cancel()
		if got := <-outcome; got.Verdict != declare.VerdictUnsure || got.Tripped {
			t.Fatalf("got %+v", got)
		}
	}
}

func TestInFlightCap(t *testing.T) {
	var now atomic.Int32
	full, leave := make(chan struct{}, 20), make(chan struct{})
	var limit int
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if got := int(now.Add(1)); got > limit {
			t.Errorf("%d messages on the wire at once, want at most %d", got, limit)
		}
		full <- struct{}{}
		<-leave
		now.Add(-1)
		w.WriteHeader(http.StatusTeapot)
	}))
	agency := load(t, adapters.Deployment{URL: address})
	limit = agency.Profile().InFlight
	dispatch := message(t, agency, "T-1")
	dispatch.Probe = true
	var sending sync.WaitGroup
	for range 12 {
		sending.Go(func() { agency.Send(context.Background(), dispatch) })
	}
	for range limit {
		<-full
	}
	close(leave)
	sending.Wait()
}

func TestInquire(t *testing.T) {
	address, _ := simulate(t)
	agency := load(t, adapters.Deployment{URL: address, Token: token})
	dispatch := message(t, agency, "T-1.drop")
	unknown := agency.Inquire(context.Background(), dispatch)
	expect(t, unknown, declare.VerdictUnreachable, declare.ReasonUnknownToAgency, 404)
	expect(t, agency.Send(context.Background(), dispatch), declare.VerdictUnsure, declare.ReasonReset, 0)
	known := agency.Inquire(context.Background(), dispatch)
	expect(t, known, declare.VerdictAccepted, declare.ReasonAnswered, 200)
	if known.Reading.Numbers["parcelNo"] == "" {
		t.Error("the inquiry tells no number")
	}

	refused := message(t, agency, "T-2.reject")
	refused.MessageID = "msg_2"
	draft, _, err := agency.Draft(subject(refused.MessageID, "T-2.reject"))
	if err != nil {
		t.Fatal(err)
	}
	refused.Body = draft.Body.Bytes()
	expect(t, agency.Send(context.Background(), refused), declare.VerdictRejected, declare.ReasonAnswered, 422)
	expect(t, agency.Inquire(context.Background(), refused), declare.VerdictRejected, declare.ReasonAnswered, 200)

	denied := load(t, adapters.Deployment{URL: address, Token: "another"}).Inquire(context.Background(), dispatch)
	if !denied.Denied {
		t.Error("a refused credential is not told")
	}
	away := load(t, adapters.Deployment{URL: "http://127.0.0.1:1"})
	expect(t, away.Inquire(context.Background(), dispatch), declare.VerdictUnreachable, declare.ReasonConnection, 0)
	rubbish := load(t, adapters.Deployment{URL: serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hm") }))})
	expect(t, rubbish.Inquire(context.Background(), dispatch), declare.VerdictUnsure, declare.ReasonNotUnderstood, 200)
}

// TestBreakerOfARun: as many failures in a row as are enough to judge by open
// the breaker, however much went well before them.
func TestBreakerOfARun(t *testing.T) {
	var ill atomic.Bool
	agency := sometimes(t, &ill)
	for range 20 {
		expect(t, send(t, agency, "T-1"), declare.VerdictAccepted, declare.ReasonAnswered, 200)
	}
	ill.Store(true)
	for failures := 1; failures <= 4; failures++ { // the folder's minimum
		if tripped := send(t, agency, "T-1").Tripped; tripped != (failures == 4) {
			t.Errorf("failure %d: tripped %t", failures, tripped)
		}
	}
}

// TestBreakerOfARelapse: an agency that is just back has yet to prove itself;
// one that did is judged like any other.
func TestBreakerOfARelapse(t *testing.T) {
	for proven, enough := range map[int]int{0: 3, 3: 3, 4: 4} { // the folder's minimum
		var ill atomic.Bool
		agency := sometimes(t, &ill)
		agency.Resume()
		for range proven {
			expect(t, send(t, agency, "T-1"), declare.VerdictAccepted, declare.ReasonAnswered, 200)
		}
		ill.Store(true)
		for failures := 1; failures <= enough; failures++ {
			if tripped := send(t, agency, "T-1").Tripped; tripped != (failures == enough) {
				t.Errorf("after %d good ones, failure %d: tripped %t", proven, failures, tripped)
			}
		}
	}
}

// TestBreakerOfThePast: exchanges that began before the agency was found to be
// back and fail after it say nothing about it now.
func TestBreakerOfThePast(t *testing.T) {
	arrived, leave := make(chan struct{}), make(chan struct{})
	agency := load(t, adapters.Deployment{URL: serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-leave
		w.WriteHeader(http.StatusInternalServerError)
	}))})
	dispatch := message(t, agency, "T-1")
	outcomes := make(chan declare.Outcome, 4)
	for range 4 { // the folder's minimum
		go func() { outcomes <- agency.Send(context.Background(), dispatch) }()
		<-arrived
	}
	agency.Resume()
	close(leave)
	for range 4 {
		if got := <-outcomes; got.Tripped || got.Reason != declare.ReasonServerError {
			t.Errorf("got %+v", got)
		}
	}
}

// TestBreakerOfInquiries: a question that fails is an exchange that failed, one
// that is answered says nothing of whether messages are taken, and an open
// breaker lets neither out, except as a probe.
func TestBreakerOfInquiries(t *testing.T) {
	var ill atomic.Bool
	agency := sometimes(t, &ill)
	dispatch := message(t, agency, "T-1")
	ill.Store(true)
	for failures := 1; failures <= 4; failures++ {
		ill.Store(false)
		expect(t, agency.Inquire(context.Background(), dispatch), declare.VerdictUnreachable, declare.ReasonUnknownToAgency, 404)
		ill.Store(true)
		outcome := agency.Inquire(context.Background(), dispatch)
		expect(t, outcome, declare.VerdictUnsure, declare.ReasonServerError, 500)
		if outcome.Tripped != (failures == 4) {
			t.Errorf("failure %d: tripped %t", failures, outcome.Tripped)
		}
	}
	ill.Store(false)
	expect(t, agency.Inquire(context.Background(), dispatch), declare.VerdictUnreachable, declare.ReasonBreakerOpen, 0)
	dispatch.Probe = true
	expect(t, agency.Inquire(context.Background(), dispatch), declare.VerdictUnreachable, declare.ReasonUnknownToAgency, 404)
}

// sometimes is an agency that is ill when told so, and else takes messages and
// knows none.
func sometimes(t *testing.T, ill *atomic.Bool) *adapters.Agency {
	t.Helper()
	return load(t, adapters.Deployment{URL: serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case ill.Load():
			http.Error(w, "out of order", http.StatusInternalServerError)
		case r.Method == http.MethodGet:
			http.NotFound(w, r)
		default:
			fmt.Fprintf(w, "<ParcelNotice><DeliveryId>%s</DeliveryId><IssuedAt>20260302100304</IssuedAt><Status>TAKEN</Status></ParcelNotice>", messageID)
		}
	}))})
}
