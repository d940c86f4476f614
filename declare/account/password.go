package account

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"singlewindow/declare"
)

// ErrBadPassword is given for a password that cannot be taken.
var ErrBadPassword = errors.New("account: a password has 12 to 128 characters, not all the same, and no control characters")

const (
	leastPassword = 12
	mostPassword  = 128
)

// hashing is what one hash costs: 64 MiB and about a tenth of a second. A hash
// carries its own parameters, so these may be raised at any time.
var hashing = argon2id.Params{Memory: 64 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// mostHashing at once: sign-ins, however many, take no more memory than this
// many times 64 MiB; the others wait. More than there are processors would
// only take turns.
var mostHashing = min(4, runtime.GOMAXPROCS(0))

// decoy is a hash with our parameters that no password has: who is unknown is
// refused after the same work as who is known.
const decoy = "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// press hashes passwords, few at a time.
type press struct{ places chan struct{} }

func newPress() press { return press{make(chan struct{}, mostHashing)} }

// placePatience bounds the wait for a place: whoever would wait longer asks
// again, and a crowd at the door does not grow.
const placePatience = 5 * time.Second

// place waits for a place to hash in, which must be left afterwards; the error
// is [declare.ErrUnavailable] when none is free.
func (p press) place(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, placePatience)
	defer cancel()
	select {
	case p.places <- struct{}{}:
		return func() { <-p.places }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: too many passwords at once", declare.ErrUnavailable)
	}
}

// hash is the hash to keep of a password; [ErrBadPassword] when it is too weak.
func (p press) hash(ctx context.Context, password string) (string, error) {
	password = norm.NFC.String(password)
	if !isPassword(password) {
		return "", ErrBadPassword
	}
	leave, err := p.place(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	defer runtime.GC() // as in matches
	return argon2id.CreateHash(password, &hashing)
}

// matches tells whether a hash is that of a password; the caller has a place.
// What it leaves behind is collected at once: the collector, tuned to be lazy,
// would let it pile up.
func matches(password, hash string) (bool, error) {
	if len(password) > mostPassword*utf8.UTFMax {
		password = "" // nobody's, and no work for us
	}
	defer runtime.GC()
	return argon2id.ComparePasswordAndHash(norm.NFC.String(password), hash)
}

func isPassword(password string) bool {
	length := utf8.RuneCountInString(password)
	if length < leastPassword || length > mostPassword || !utf8.ValidString(password) || strings.IndexFunc(password, unicode.IsControl) >= 0 {
		return false
	}
	first, _ := utf8.DecodeRuneInString(password)
	return strings.Trim(password, string(first)) != ""
}
