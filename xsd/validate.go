package xsd

/*
#include <stdlib.h>
#include "engine.h"
*/
import "C"

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"unsafe"

	"github.com/lestrrat-go/libxml2/clib"
	"github.com/lestrrat-go/libxml2/dom"
	"github.com/lestrrat-go/libxml2/parser"
)

// ErrClosed answers a validation after Close.
var ErrClosed = errors.New("xsd: schema is closed")

// Valid is a document that a schema accepted. Only Schema.Validate makes one that is not zero, so holding one is proof.
type Valid struct {
	document     string
	digest       [sha256.Size]byte
	schemaDigest string
}

// Bytes returns a copy of the accepted document.
func (v Valid) Bytes() []byte { return []byte(v.document) }

// Digest is the SHA-256 of the accepted document.
func (v Valid) Digest() [sha256.Size]byte { return v.digest }

// SchemaDigest is the Digest of the schema that accepted it.
func (v Valid) SchemaDigest() string { return v.schemaDigest }

// IsZero tells a Valid nobody validated.
func (v Valid) IsZero() bool { return v.schemaDigest == "" }

// NoEnt, the DTD options, XInclude, Huge and Recover stay off: each lets a document make libxml2 read, expand or guess.
// Compact keeps short texts inside their nodes, which nobody changes here.
const parseOptions = parser.XMLParseNoNet | parser.XMLParseNoError | parser.XMLParseNoWarning | parser.XMLParseBigLines | parser.XMLParseCompact

// MostViolations is how many violations Validate lists. Violations.Total counts them all.
const MostViolations = 200

// Validate answers with a Valid, or with the violations (the first MostViolations), or with an error: *GuardError for a
// document that is refused before or by the parser, ErrClosed, or a failure of libxml2 itself.
func (s *Schema) Validate(doc []byte) (Valid, Violations, error) {
	return s.ValidateListing(doc, MostViolations)
}

// ValidateListing is Validate, listing at most so many violations as most, which is at least 1.
func (s *Schema) ValidateListing(doc []byte, most int) (Valid, Violations, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.compiled == nil {
		return Valid{}, nil, ErrClosed
	}
	if fault := guard(doc); fault != nil {
		return Valid{}, nil, fault
	}
	valid := Valid{document: string(doc), digest: sha256.Sum256(doc), schemaDigest: s.digest}
	if s.slots != nil {
		slot, fault := s.slots.take(valid.digest)
		if fault != nil {
			return Valid{}, nil, fault
		}
		defer s.slots.release(slot)
	}
	violations, err := s.violations(valid.document, most)
	if err != nil || len(violations) > 0 {
		return Valid{}, violations, err
	}
	return valid, nil, nil
}

func (s *Schema) violations(document string, most int) (Violations, error) {
	parsed, err := parse(document)
	if err != nil {
		return nil, err
	}
	defer parsed.Free()
	var found *C.engine_violation
	var count, total C.int
	answer := C.engine_validate(C.uintptr_t(s.compiled.Pointer()), C.uintptr_t(parsed.Pointer()), C.int(max(most, 1)), &found, &count, &total)
	defer C.free(unsafe.Pointer(found))
	if answer < 0 || (answer > 0) != (total > 0) {
		return nil, fmt.Errorf("xsd: libxml2 answered %d with %d violations", int(answer), int(total))
	}
	describe := describer{model: s.model, missing: map[C.xmlNodePtr]int{}, families: map[C.xmlNodePtr]*family{}}
	violations := make(Violations, 0, count)
	for _, raw := range unsafe.Slice(found, count) {
		violation := describe.violation(raw)
		violation.total = int(total)
		violations = append(violations, violation)
	}
	return violations, nil
}

// parse returns a document that the caller frees, once.
func parse(document string) (*dom.Document, error) {
	context, err := parser.NewCtxt("<x/>", parseOptions) // the text is replaced by XMLCtxtReadMemory
	if err != nil {
		return nil, fmt.Errorf("xsd: no parser: %w", err)
	}
	C.engine_quiet(C.uintptr_t(context.Pointer()))
	pointer, failure := clib.XMLCtxtReadMemory(context, document, "", "", int(parseOptions))
	line := int(C.engine_stopped_at(C.uintptr_t(context.Pointer())))
	sound := C.engine_namespaces_sound(C.uintptr_t(context.Pointer())) != 0
	if err := context.Free(); err != nil {
		return nil, fmt.Errorf("xsd: parser not freed: %w", err)
	}
	if failure != nil {
		return nil, &GuardError{Code: "xml.malformed", Line: line}
	}
	parsed := dom.WrapDocument(pointer)
	if !sound {
		parsed.Free()
		return nil, &GuardError{Code: "xml.malformed", Line: line}
	}
	return parsed, nil
}
