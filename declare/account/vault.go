package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"slices"
	"strings"
)

// What a secret begins with, so that people and scanners of leaked files see
// what it is.
const (
	keyPrefix        = "sw_live_"
	agencyPrefix     = "swa_"
	testKeyPrefix    = "sw_test_"
	testAgencyPrefix = "swa_test_"
)

// OfTestWorld tells, by how it begins, whether a secret is a key or a
// credential of the test world.
func OfTestWorld(secret string) bool {
	return strings.HasPrefix(secret, testKeyPrefix) || strings.HasPrefix(secret, testAgencyPrefix)
}

// secretBits of randomness make guessing hopeless; 52 characters carry them.
const (
	secretBits    = 256
	secretLetters = 52
	alphabet      = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's: no letter looks like another
)

var crockford = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// vault makes secrets and the keyed hashes that are kept of them.
type vault struct {
	secret []byte
	random io.Reader
}

func newVault(secret []byte, random io.Reader) (vault, error) {
	if len(secret) < 32 {
		return vault{}, errors.New("account: the server's secret must have at least 32 bytes")
	}
	return vault{slices.Clone(secret), random}, nil
}

func (v vault) make(prefix string) (string, error) {
	var value [secretBits / 8]byte
	if _, err := io.ReadFull(v.random, value[:]); err != nil {
		return "", err
	}
	return prefix + crockford.EncodeToString(value[:]), nil
}

// hash is the keyed hash of a secret. Looking it up by equality tells an
// attacker nothing: without the key nobody can choose what is compared.
func (v vault) hash(secret string) []byte {
	mac := hmac.New(sha256.New, v.secret)
	mac.Write([]byte(secret))
	return mac.Sum(nil)
}

// isSecret spares the database what cannot be a secret of such a kind, in
// either world.
func isSecret(secret, prefix, testPrefix string) bool {
	return wellFormed(prefix, secret) || wellFormed(testPrefix, secret)
}

// wellFormed spares the database what cannot be a secret.
func wellFormed(prefix, secret string) bool {
	letters, found := strings.CutPrefix(secret, prefix)
	return found && len(letters) == secretLetters && strings.Trim(letters, alphabet) == ""
}
