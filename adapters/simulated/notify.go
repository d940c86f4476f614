package simulated

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const noticeTimeout = 10 * time.Second

// owe queues the notices of an effect.
func (s *Simulator) owe(d debt) {
	if len(d.owed) > 0 && len(s.options.Gateways) > 0 {
		s.outbox.add(s.stopped, d)
	}
}

// pay sends the first notice of a debt and returns what is then owed. The
// gateway may be away for a while, so that the next attempt asks the next
// address: only an answer that refuses the notice for good lets it go.
func (s *Simulator) pay(ctx context.Context, d debt) (debt, bool) {
	if len(d.owed) == 0 || len(s.options.Gateways) == 0 {
		return d, false
	}
	next := d.owed[0]
	at := d.effect.At.Add(time.Duration(next.index) * s.options.Pace)
	body, err := s.agency.Script().Fill(next.step, d.effect, at)
	if err != nil {
		s.options.Log.Error("notice not written", "error", err)
		return d, false
	}
	gateway := s.options.Gateways[(d.effect.Serial+uint64(d.attempt))%uint64(len(s.options.Gateways))]
	status, err := s.post(ctx, gateway, body, s.agency.Script().Header(d.effect))
	if !settled(status) {
		s.options.Log.Info("notice will be sent again", "delivery", d.effect.DeliveryID, "status", status, "error", err)
		d.due = s.options.Clock.Now().Add(backoff(d.attempt))
		d.attempt++
		return d, true
	}
	s.record(d, next, body, status)
	d.owed, d.attempt = d.owed[1:], 0
	d.later(s.options.Clock.Now(), s.options.Pace)
	return d, len(d.owed) > 0
}

// settled reports whether an answer is the gateway's last word.
func settled(status int) bool {
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return false
	case status >= 200 && status < 300, status >= 400 && status < 500:
		return true
	}
	return false
}

// post answers with the status, 0 when there was none.
func (s *Simulator) post(ctx context.Context, gateway string, body []byte, header http.Header) (int, error) {
	address := strings.TrimRight(gateway, "/") + "/v1/agencies/" + url.PathEscape(s.agency.Profile().Name) + "/notices"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/xml")
	request.Header.Set("Authorization", "Bearer "+s.options.Credential)
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body) // to the end, so that the connection can be used again
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

func (s *Simulator) record(d debt, sent notice, body []byte, status int) {
	digest := sha256.Sum256(body)
	line := sentLine{
		DeliveryID: d.effect.DeliveryID, Serial: d.effect.Serial, Template: sent.step.File(),
		Digest: hex.EncodeToString(digest[:]), Status: status, At: s.options.Clock.Now().UTC(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if status >= 400 {
		s.refused++
		s.options.Log.Error("notice refused", "delivery", line.DeliveryID, "status", status)
	}
	if err := s.sent.append(line); err != nil {
		s.options.Log.Error("notice not recorded", "error", err)
	}
}
