package account

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
)

func newTestVault(t *testing.T, secret string) vault {
	t.Helper()
	v, err := newVault([]byte(strings.Repeat(secret, 32)), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSecrets(t *testing.T) {
	v := newTestVault(t, "s")
	for _, prefix := range []string{keyPrefix, agencyPrefix} {
		secret, err := v.make(prefix)
		if err != nil {
			t.Fatal(err)
		}
		if !wellFormed(prefix, secret) || len(secret) != len(prefix)+52 {
			t.Errorf("%d characters", len(secret))
		}
		again, err := v.make(prefix)
		if err != nil || again == secret {
			t.Errorf("the same secret twice, or %v", err)
		}
	}
}

// All 256 bits are in the text: a different last bit is a different secret.
func TestASecretCarriesEveryBit(t *testing.T) {
	texts := map[string]bool{}
	for bit := range secretBits {
		var value [secretBits / 8]byte
		value[bit/8] = 1 << (bit % 8)
		v, err := newVault(make([]byte, 32), bytes.NewReader(value[:]))
		if err != nil {
			t.Fatal(err)
		}
		text, err := v.make(keyPrefix)
		if err != nil {
			t.Fatal(err)
		}
		texts[text] = true
	}
	if len(texts) != secretBits {
		t.Errorf("%d different secrets of %d", len(texts), secretBits)
	}
}

func TestWhatIsNoSecretIsNotAskedFor(t *testing.T) {
	good := keyPrefix + strings.Repeat("0", 52)
	for _, bad := range []string{"", keyPrefix, good + "0", good[:len(good)-1], keyPrefix + strings.Repeat("a", 52), keyPrefix + strings.Repeat("U", 52), agencyPrefix + strings.Repeat("0", 52), good[:len(good)-2] + "é"} {
		if wellFormed(keyPrefix, bad) {
			t.Errorf("%q passes", bad)
		}
	}
	if !wellFormed(keyPrefix, good) {
		t.Error("a good one does not pass")
	}
}

func TestTheHashNeedsTheServersSecret(t *testing.T) {
	one, other := newTestVault(t, "a"), newTestVault(t, "b")
	if bytes.Equal(one.hash("x"), other.hash("x")) || !bytes.Equal(one.hash("x"), one.hash("x")) || len(one.hash("x")) != 32 {
		t.Error("the hash is not keyed")
	}
	if _, err := newVault(make([]byte, 31), rand.Reader); err == nil {
		t.Error("a short secret is taken")
	}
}
