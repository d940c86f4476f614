package simulated

import (
	"slices"
	"strings"

	"singlewindow/adapters"
)

// The words that bend the wire; see the package comment.
const (
	wordDefault = "default"
	wordSlow    = "slow"
	wordBusy    = "busy"
	wordReset   = "reset"
	wordDrop    = "drop"
	wordGarbage = "garbage"
	wordTwice   = "twice"
	wordEarly   = "early"
	wordSilent  = "silent"
	wordShuffle = "shuffle"
)

// word finds what a reference asks of this agency.
func (s *Simulator) word(reference string) string {
	parts := strings.Split(reference, ".")[1:] // what stands before the first dot is never a word
	if last := len(parts) - 1; last >= 0 && slices.Contains(s.options.Agencies, parts[last]) {
		if parts[last] != s.agency.Profile().Name {
			return wordDefault
		}
		parts = parts[:last]
	}
	if len(parts) == 0 {
		return wordDefault
	}
	return parts[len(parts)-1]
}

// chain is the folder's for its own words, its default chain for all others.
func (s *Simulator) chain(word string) []adapters.Step {
	words := s.agency.Script().Words
	if chain := words[word]; len(chain) > 0 {
		return chain
	}
	return words[wordDefault]
}

// A notice is one step of a chain; its index decides the time it bears.
type notice struct {
	step  adapters.Step
	index int
}

// notices are what is owed after the answer, in the order of sending.
func (s *Simulator) notices(word string) []notice {
	var owed []notice
	for i, step := range s.chain(word) {
		switch {
		case i == 0 || word == wordSilent:
		case word == wordTwice:
			owed = append(owed, notice{step, i}, notice{step, i})
		default:
			owed = append(owed, notice{step, i})
		}
	}
	if word == wordShuffle {
		slices.Reverse(owed)
	}
	return owed
}
