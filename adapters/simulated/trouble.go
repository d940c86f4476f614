package simulated

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// The words of the trouble file; see the package comment.
const (
	troubleHang    = "hang"
	troubleSlow    = "slow"
	troubleError   = "error"
	troubleGarbage = "garbage"
	troubleBusy    = "busy"
	troubleUntil   = "busy-until"
	troubleDenied  = "denied"
	troubleFlap    = "flap"
)

// A trouble is what ails the agency now; the zero value is good health.
type trouble struct{ word, detail string }

// ails reads what ails the agency at this moment. A file that says what
// nobody understands is an error of whoever wrote it, and told.
func (s *Simulator) ails() trouble {
	if s.options.Trouble == "" {
		return trouble{}
	}
	content, err := os.ReadFile(s.options.Trouble)
	if err != nil && !os.IsNotExist(err) {
		s.options.Log.Error("trouble not read", "error", err)
	}
	fields := strings.Fields(string(content))
	if len(fields) == 0 {
		return trouble{}
	}
	t := trouble{word: fields[0]}
	if len(fields) > 1 {
		t.detail = fields[1]
	}
	if t.word == troubleFlap && s.well(t) {
		return trouble{}
	}
	return t
}

// well tells whether a flapping agency has one of its good spells: they take
// turns with the bad ones by the clock.
func (s *Simulator) well(t trouble) bool {
	spell, err := time.ParseDuration(t.detail)
	if err != nil || spell <= 0 {
		s.options.Log.Error("flap needs the time of a spell, such as flap 2s", "detail", t.detail)
		return false
	}
	return s.options.Clock.Now().UnixNano()/int64(spell)%2 == 0
}

// number is the detail as a count, or the usual one.
func (t trouble) number(usual int) int {
	if number, err := strconv.Atoi(t.detail); err == nil {
		return number
	}
	return usual
}

// admit writes a request down and tells what ails the agency while it is
// looked at; false: the trouble was all there was to it.
func (s *Simulator) admit(w http.ResponseWriter, r *http.Request) (trouble, bool) {
	t := s.ails()
	s.note(r, t)
	return t, !s.suffer(w, r, t)
}

// suffer plays a trouble that keeps the agency from looking at a request at
// all, and reports whether it did.
func (s *Simulator) suffer(w http.ResponseWriter, r *http.Request, t trouble) bool {
	switch t.word {
	case troubleHang:
		// Only when the body is read does the server notice that the caller left.
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			s.options.Log.Info("message not received whole", "error", err)
		}
		select {
		case <-r.Context().Done():
		case <-s.stopped.Done():
		}
	case troubleError, troubleFlap:
		http.Error(w, "out of order", t.number(http.StatusInternalServerError))
	case troubleBusy:
		w.Header().Set("Retry-After", strconv.Itoa(t.number(1)))
		http.Error(w, "busy", http.StatusServiceUnavailable)
	case troubleUntil:
		until := s.options.Clock.Now().Add(time.Duration(t.number(1)) * time.Second)
		w.Header().Set("Retry-After", until.UTC().Format(http.TimeFormat))
		http.Error(w, "busy", http.StatusServiceUnavailable)
	case troubleDenied:
		http.Error(w, "the credential is not accepted", t.number(http.StatusUnauthorized))
	default:
		return false
	}
	return true
}

// late is how long an answer is held back, 0 when it is not.
func (t trouble) late(usual time.Duration) time.Duration {
	if t.word != troubleSlow {
		return 0
	}
	if wait, err := time.ParseDuration(t.detail); err == nil {
		return wait
	}
	return usual
}

// A Call is one request that reached the agency, whatever became of it.
type Call struct {
	At         time.Time `json:"at"`
	DeliveryID string    `json:"deliveryId"`
	Inquiry    bool      `json:"inquiry,omitempty"`
	Copy       bool      `json:"copy,omitempty"` // marked as a possible duplicate
	Trouble    string    `json:"trouble,omitempty"`
}

// note writes a call down before anything comes of it.
func (s *Simulator) note(r *http.Request, t trouble) {
	call := Call{At: s.options.Clock.Now().UTC(), DeliveryID: r.PathValue("deliveryId"), Trouble: t.word}
	if r.Method == http.MethodGet {
		call.Inquiry = true
	} else {
		call.DeliveryID, call.Copy = r.Header.Get("X-Delivery-Id"), r.Header.Get("X-Possible-Duplicate") != ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.calls.append(call); err != nil {
		s.options.Log.Error("call not recorded", "error", err)
	}
}
