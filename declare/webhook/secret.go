package webhook

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"strings"
)

// A signing secret is 256 random bits, written as Standard Webhooks has it.
const (
	secretPrefix = "whsec_"
	secretBytes  = 32
)

// vault makes signing secrets, and seals what must not lie open in the
// database.
type vault struct {
	aead   cipher.AEAD
	random io.Reader
}

// newVault makes its key from the gateway's secret, for this use alone.
func newVault(secret []byte, random io.Reader) (vault, error) {
	if len(secret) < 32 {
		return vault{}, errors.New("webhook: the gateway's secret must have at least 32 bytes")
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "singlewindow webhooks", 32)
	if err != nil {
		return vault{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return vault{}, err
	}
	aead, err := cipher.NewGCM(block)
	return vault{aead, random}, err
}

// make makes a signing secret.
func (v vault) make() (string, error) {
	var value [secretBytes]byte
	if _, err := io.ReadFull(v.random, value[:]); err != nil {
		return "", err
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(value[:]), nil
}

// seal encrypts what belongs to one place, named by its keys: elsewhere it
// cannot be opened.
func (v vault) seal(plain []byte, place ...string) ([]byte, error) {
	nonce := make([]byte, v.aead.NonceSize())
	if _, err := io.ReadFull(v.random, nonce); err != nil {
		return nil, err
	}
	return v.aead.Seal(nonce, nonce, plain, placeName(place)), nil
}

var errSealed = errors.New("webhook: sealed under another secret, or for another place")

func (v vault) open(sealed []byte, place ...string) ([]byte, error) {
	size := v.aead.NonceSize()
	if len(sealed) < size {
		return nil, errSealed
	}
	plain, err := v.aead.Open(nil, sealed[:size], sealed[size:], placeName(place))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// placeName: none of the keys holds a line break.
func placeName(place []string) []byte { return []byte(strings.Join(place, "\n")) }
