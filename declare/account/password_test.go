package account

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"

	"singlewindow/declare"
)

// The decoy costs what a password costs, and nobody has it.
func TestTheDecoyCostsTheSame(t *testing.T) {
	t.Parallel()
	params, salt, key, err := argon2id.DecodeHash(decoy)
	if err != nil || *params != hashing || len(salt) != 16 || len(key) != 32 {
		t.Errorf("%+v, %v", params, err)
	}
	if match, err := matches("", decoy); match || err != nil {
		t.Errorf("somebody has it: %v", err)
	}
}

// Only so many hash at once; who finds no place is told to come again.
func TestFewHashAtOnce(t *testing.T) {
	t.Parallel()
	p := newPress()
	for range mostHashing {
		p.places <- struct{}{}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.hash(ended, "correct horse battery"); !errors.Is(err, declare.ErrUnavailable) {
		t.Errorf("one more hashes: %v", err)
	}
	if _, err := (&Accounts{press: p}).SignIn(ended, "name", "correct horse battery"); !errors.Is(err, declare.ErrUnavailable) {
		t.Errorf("one more signs in: %v", err)
	}
	<-p.places
	hash, err := p.hash(t.Context(), "correct horse battery")
	if err != nil || len(p.places) != mostHashing-1 {
		t.Fatalf("%v, %d places taken", err, len(p.places))
	}
	for password, want := range map[string]bool{"correct horse battery": true, "correct horse batterz": false, "": false, strings.Repeat("x", 1<<20): false} {
		if match, err := matches(password, hash); match != want || err != nil {
			t.Errorf("%d characters match: %v, %v", len(password), match, err)
		}
	}
}
