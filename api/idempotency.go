package api

import "regexp"

const headerIdempotencyKey = "Idempotency-Key"

var idempotencyKey = regexp.MustCompile(`^[\x21-\x7e]{1,255}$`)

// Once is part of the input of every operation that makes something: under the
// same key it is made once.
type Once struct {
	Key string `header:"Idempotency-Key" doc:"1 to 255 visible ASCII characters, new for each thing to be made; asked again under the same key, nothing is made twice" example:"9b2f6a2e-7c1d-4f58-9a53-0d5c7a1f2b11"`
}

// judge refuses what is no key. The document says that the key is required;
// huma is not told, because the problem is one of its own.
func (o Once) judge() error {
	switch {
	case o.Key == "":
		return &failure{code: codeIdempotencyMissing}
	case !idempotencyKey.MatchString(o.Key):
		return &failure{code: codeIdempotencyInvalid}
	}
	return nil
}
