package simulated

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"

	"singlewindow/adapters"
	"singlewindow/declare"
)

const (
	messageLimit = 20 << 20 // bytes
	busyTimes    = 2        // a message is told to come back so often
	resetTimes   = 1
)

// Handler takes messages at POST /messages and answers inquiries where the
// folder offers them.
func (s *Simulator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /messages", s.message)
	if path := s.agency.Inquiry(); path != "" {
		mux.HandleFunc("GET "+path, s.inquiry)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown, wanted := []byte(r.Header.Get("Authorization")), []byte("Bearer "+s.options.Accept)
		if s.options.Accept != "" && subtle.ConstantTimeCompare(shown, wanted) != 1 {
			http.Error(w, "the credential is not accepted", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Simulator) message(w http.ResponseWriter, r *http.Request) {
	ails, admitted := s.admit(w, r)
	if !admitted {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, messageLimit))
	if err != nil {
		http.Error(w, "the message was not received whole", http.StatusBadRequest)
		return
	}
	deliveryID, reference, err := s.agency.Receive(body)
	var refused *declare.Unreadable
	if errors.As(err, &refused) {
		s.options.Log.Warn("message refused by its schema", "delivery", r.Header.Get("X-Delivery-Id"), "code", refused.Code, "faults", len(refused.Faults))
		http.Error(w, "the message is not valid: "+refused.Code, http.StatusBadRequest)
		return
	}
	if err != nil {
		s.failed(w, err)
		return
	}
	if deliveryID == "" {
		deliveryID = r.Header.Get("X-Delivery-Id")
	}
	s.take(w, r, ails, deliveryID, reference, sha256.Sum256(body))
}

// take plays the scenario a message's reference asks for, as far as what ails
// the agency allows.
func (s *Simulator) take(w http.ResponseWriter, r *http.Request, ails trouble, deliveryID, reference string, digest [32]byte) {
	s.taking.RLock()
	defer s.taking.RUnlock()
	word := s.word(reference)
	switch {
	case word == wordBusy && s.strike(deliveryID, busyTimes):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	case word == wordReset && s.strike(deliveryID, resetTimes):
		s.hangUp(w, true)
		return
	}
	effect, fresh, err := s.write(deliveryID, reference, hex.EncodeToString(digest[:]))
	if err != nil {
		s.failed(w, err)
		return
	}
	if !fresh {
		s.reply(w, r, ails, effect, s.chain(s.word(effect.Reference))[0].Answer)
		return
	}
	owed := debt{effect: effect, owed: s.notices(word), due: effect.At.Add(s.options.Pace)}
	if word == wordEarly {
		owed, _ = s.pay(r.Context(), owed) // what was not paid now stays owed
	}
	defer s.owe(owed)
	switch word {
	case wordDrop:
		s.hangUp(w, false)
		return
	case wordGarbage:
		ails = trouble{word: troubleGarbage}
	case wordSlow:
		ails = trouble{word: troubleSlow}
	}
	s.reply(w, r, ails, effect, s.chain(word)[0].Answer)
}

// reply answers about an effect, unless what ails the agency spoils or delays
// the answer.
func (s *Simulator) reply(w http.ResponseWriter, r *http.Request, ails trouble, effect adapters.Effect, status int) {
	if ails.word == troubleGarbage {
		w.Header().Set("Content-Type", "application/xml")
		s.put(w, []byte("<<<< not what was asked for >>>>"))
		return
	}
	if wait := ails.late(s.options.Slow); wait > 0 {
		select {
		case <-s.options.Clock.After(wait):
		case <-r.Context().Done():
			return
		case <-s.stopped.Done():
			return
		}
	}
	s.answer(w, effect, status)
}

// inquiry answers from what the ledger says, as the message itself was or
// would have been answered.
func (s *Simulator) inquiry(w http.ResponseWriter, r *http.Request) {
	ails, admitted := s.admit(w, r)
	if !admitted {
		return
	}
	effect, known := s.earlier(r.PathValue("deliveryId"))
	if !known {
		http.Error(w, "no such message", http.StatusNotFound)
		return
	}
	s.reply(w, r, ails, effect, http.StatusOK)
}

func (s *Simulator) answer(w http.ResponseWriter, effect adapters.Effect, status int) {
	body, err := s.agency.Script().Fill(s.chain(s.word(effect.Reference))[0], effect, effect.At)
	if err != nil {
		s.failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	maps.Copy(w.Header(), s.agency.Script().Header(effect))
	w.WriteHeader(status)
	s.put(w, body)
}

// put sends the answer at once, so that notices are not owed before it left.
func (s *Simulator) put(w http.ResponseWriter, body []byte) {
	_, err := w.Write(body)
	if err == nil {
		err = http.NewResponseController(w).Flush()
	}
	if err != nil {
		s.options.Log.Info("answer not delivered", "error", err)
	}
}

func (s *Simulator) failed(w http.ResponseWriter, err error) {
	s.options.Log.Error("message not handled", "error", err)
	http.Error(w, "the simulator failed", http.StatusInternalServerError)
}

// hangUp closes the connection without an answer, with a reset if asked.
func (s *Simulator) hangUp(w http.ResponseWriter, reset bool) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.failed(w, err)
		return
	}
	if plain, ok := connection.(*net.TCPConn); ok && reset {
		err = plain.SetLinger(0)
	}
	if err = errors.Join(err, connection.Close()); err != nil {
		s.options.Log.Info("connection not closed", "error", err)
	}
}

func (s *Simulator) earlier(deliveryID string) (adapters.Effect, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	effect, known := s.taken[deliveryID]
	return effect, known
}

// strike reports whether a delivery id is still to be hindered, and counts.
func (s *Simulator) strike(deliveryID string, times int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bent[deliveryID]++
	return s.bent[deliveryID] <= times
}

// write takes a message: from here on it counts. A copy is not fresh where
// the folder says that copies have no second effect.
func (s *Simulator) write(deliveryID, reference, digest string) (effect adapters.Effect, fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if earlier, known := s.taken[deliveryID]; known && s.agency.Profile().Idempotent {
		return earlier, false, nil
	}
	s.serial++
	effect = adapters.Effect{DeliveryID: deliveryID, Reference: reference, Digest: digest, At: s.options.Clock.Now().UTC(), Serial: s.serial}
	if err := s.effects.append(effect); err != nil {
		return effect, false, err
	}
	if _, known := s.taken[deliveryID]; !known {
		s.taken[deliveryID] = effect
	}
	return effect, true, nil
}
