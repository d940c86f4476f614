package declare

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var everyAttempt = func() (all []attempt) {
	for i := range 8 {
		for denials := range 3 {
			all = append(all, attempt{inquirable: i&1 > 0, idempotent: i&2 > 0, asked: i&4 > 0, denials: denials})
		}
	}
	return all
}()

// A courier that holds a message always finds a line, and never one that
// leaves the message in its hands for ever; every line is found by somebody.
func TestProtocolIsCompleteAndHasNoDeadLine(t *testing.T) {
	t.Parallel()
	possible := map[Delivery][]happening{
		DeliveryQueued:   {onTaken, onNotice},
		DeliveryUnsure:   {onTaken, onNotice, onOfficerSent, onOfficerResend, onOfficerGaveUp},
		DeliverySending:  {onAccepted, onRejected, onNotTaken, onNotTried, onNoAnswer, onLeaseExpired, onBytesChanged, onOurFailures},
		asking:           {onAccepted, onRejected, onNotTaken, onNotTried, onNoAnswer, onUnknown, onLeaseExpired, onBytesChanged, onOurFailures},
		DeliverySetAside: {onNotice, onOfficerSent, onOfficerResend, onOfficerGaveUp},
	}
	found := make([]bool, len(protocol))
	for from, happenings := range possible {
		for _, on := range happenings {
			for _, a := range everyAttempt {
				if on == onUnknown {
					a.denials++
				}
				line := slices.IndexFunc(protocol, func(l transition) bool {
					return slices.Contains(l.from, from) && slices.Contains(l.on, on) && (l.when == nil || l.when(a))
				})
				if line < 0 {
					t.Errorf("%s, %s, %+v: no line", from, on, a)
					continue
				}
				found[line] = true
			}
		}
	}
	for i, line := range protocol {
		if !found[i] {
			t.Errorf("line %d (%v on %v) is never found", i, line.from, line.on)
		}
		if line.to == DeliverySending && line.from[0] == DeliverySending {
			t.Errorf("line %d goes round in a circle", i)
		}
	}
}

// What is delivered or refused stays so, whatever happens.
func TestProtocolEnds(t *testing.T) {
	t.Parallel()
	for _, from := range []Delivery{DeliveryDelivered, DeliveryRefused} {
		for _, to := range deliveries {
			if from.MayBecome(to) != (from == to) {
				t.Errorf("%s may become %s", from, to)
			}
		}
	}
}

// An officer's word does what the protocol says.
func TestOfficersFollowTheProtocol(t *testing.T) {
	t.Parallel()
	for resolution, on := range map[Resolution]happening{
		ResolutionDelivered: onOfficerSent, ResolutionResend: onOfficerResend, ResolutionAbandon: onOfficerGaveUp,
	} {
		for _, from := range []Delivery{DeliveryUnsure, DeliverySetAside} {
			if line := (&attempt{}).next(from, on); line.to != officerMoves[resolution].to {
				t.Errorf("%s: %s goes to %s", resolution, from, officerMoves[resolution].to)
			}
		}
	}
}

// The changes of a recorded decision that the ledger lets through are exactly
// those that one more notice can bring about: every set of three notices, each
// of them the last to arrive.
func TestDecisionsMayBecomeWhatTheFoldMakesThem(t *testing.T) {
	t.Parallel()
	type change struct {
		from, to Decision
		reopened bool
	}
	seen := map[change]bool{}
	var words []heardNotice
	for _, decision := range Decisions {
		words = append(words, heardNotice{decision: decision}, heardNotice{decision: decision, reopens: true}, heardNotice{decision: decision, opens: true})
	}
	notices := make([]heardNotice, 3)
	for i := range len(words) * len(words) * len(words) {
		reopened := false
		for version, n := range []int{i % len(words), i / len(words) % len(words), i / len(words) / len(words)} {
			notices[version] = words[n]
			notices[version].version = version
			reopened = reopened || words[n].reopens || words[n].opens
		}
		to := fold(notices, []string{"version"}, foldStart).decision
		for late := range notices {
			before := slices.Delete(slices.Clone(notices), late, late+1)
			seen[change{fold(before, []string{"version"}, foldStart).decision, to, reopened}] = true
		}
	}
	for _, from := range Decisions {
		for _, to := range Decisions {
			for _, reopened := range []bool{false, true} {
				if from != to && from.MayBecome(to, reopened) != seen[change{from, to, reopened}] {
					t.Errorf("%s may become %s, reopened %t: %t", from, to, reopened, from.MayBecome(to, reopened))
				}
			}
		}
	}
}

// A history is what an agency said, in the order it arrived: copies among it,
// and the moment at which our own send was settled.
type history struct {
	arrivals []heard
	settled  int // before which arrival; len(arrivals): after them all
	outcome  happening
}

func drawHistory(t *rapid.T, said []heard) history {
	copies := rapid.SliceOfN(rapid.SampledFrom(said), 0, 6).Draw(t, "copies")
	arrivals := rapid.Permutation(slices.Concat(said, copies)).Draw(t, "arrivals")
	return history{
		arrivals: arrivals,
		settled:  rapid.IntRange(0, len(arrivals)).Draw(t, "settled"),
		outcome:  rapid.SampledFrom([]happening{onAccepted, onNoAnswer, onLeaseExpired, onNotTaken}).Draw(t, "outcome"),
	}
}

// live goes through a history as the gateway does: a copy is kept once, each
// new notice folds everything heard so far, and may show that the message
// arrived.
func (h history) live(t *rapid.T, order []string) (standing, Delivery) {
	var inbox []heardNotice
	var digests [][]byte
	delivery, stand := DeliverySending, standing{decision: DecisionNone}
	reopened := false
	for i := range len(h.arrivals) + 1 {
		if i == h.settled {
			delivery = (&attempt{asked: true}).next(delivery, h.outcome).to
		}
		if i < len(h.arrivals) {
			notice := h.arrivals[i]
			if sum := notice.digest(); !slices.ContainsFunc(digests, func(known []byte) bool { return bytes.Equal(known, sum) }) {
				digests = append(digests, sum)
				inbox = append(inbox, heardOfReading(notice, len(inbox)))
				reopened = reopened || notice.reading.Reopens || notice.reading.Opens
			}
			before := stand.decision
			if stand = fold(inbox, order, foldStart); !before.MayBecome(stand.decision, reopened) {
				t.Fatalf("%s became %s", before, stand.decision)
			}
		}
		if len(inbox) > 0 {
			delivery = (&attempt{}).next(delivery, onNotice).to
		}
	}
	return stand, delivery
}

// heardOfReading is a notice as the ledger gives it back.
func heardOfReading(n heard, arrival int) heardNotice {
	return heardNotice{
		id: "ntc_" + strconv.Itoa(1000+arrival), receivedAt: foldStart.Add(time.Duration(arrival) * time.Minute),
		issuedAt: n.reading.IssuedAt, version: n.reading.Version, rank: n.reading.Rank, word: n.reading.Word,
		decision: n.reading.Decision, reopens: n.reading.Reopens, opens: n.reading.Opens,
	}
}

func drawSaid(t *rapid.T) []heard {
	one := rapid.Custom(func(t *rapid.T) heard {
		word := rapid.SampledFrom(foldWords).Draw(t, "word")
		version := rapid.IntRange(0, 2).Draw(t, "version")
		reading := Reading{Word: word.word, Decision: word.decision, Rank: word.rank, Reopens: word.reopens, Opens: word.opens, Version: version}
		if minute := rapid.IntRange(-1, 2).Draw(t, "issued"); minute >= 0 {
			reading.IssuedAt = foldStart.Add(time.Duration(minute) * time.Minute)
		}
		number := rapid.IntRange(0, 2).Draw(t, "number") // so that equal words may be two notices
		return heard{body: []byte(reading.Word + reading.IssuedAt.String() + strconv.Itoa(version) + strconv.Itoa(number)), reading: reading}
	})
	return rapid.SliceOfN(one, 1, 7).Draw(t, "said")
}

// TestEveryHistoryComesToTheSame: whatever the order in which an agency's
// notices arrive, however often, before or after our own send is settled, the
// decision and the delivery are the same.
func TestEveryHistoryComesToTheSame(t *testing.T) {
	t.Parallel()
	live(t, 1000)
}

// TestChaosEveryHistoryComesToTheSame is the same over many more histories.
func TestChaosEveryHistoryComesToTheSame(t *testing.T) {
	if os.Getenv("SINGLEWINDOW_TEST_LONG") == "" {
		t.Skip("a long form: make chaos or make long")
	}
	const histories = 100_000
	t.Logf("NUMBER histories whose decision equals the fold: %d (bar %d)", live(t, histories), histories)
}

// live goes through at least so many histories and counts them.
func live(t *testing.T, histories int) (lived int) {
	t.Helper()
	for lived < histories {
		rapid.Check(t, func(t *rapid.T) {
			said, order := drawSaid(t), drawOrder(t)
			want := history{arrivals: said, outcome: onAccepted}
			stand, delivery := want.live(t, order)
			got, now := drawHistory(t, said).live(t, order)
			if got.decision != stand.decision || got.word != stand.word || now != delivery {
				t.Fatalf("%s %q, %s; in another order %s %q, %s", stand.decision, stand.word, delivery, got.decision, got.word, now)
			}
			lived++
		})
	}
	return lived
}
