package xsd

/*
#cgo pkg-config: libxml-2.0
#include "engine.h"
*/
import "C"

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	libxsd "github.com/lestrrat-go/libxml2/xsd"
)

// Schema is a compiled schema set. It is safe for concurrent use; Close waits for validations under way. One that nobody
// can reach any more is freed without Close: a set that was replaced has users nobody can count.
type Schema struct {
	mu       sync.RWMutex
	compiled *libxsd.Schema // nil once closed
	slots    *Slots
	digest   string
	model    *Model
	unused   runtime.Cleanup
}

// CompileError says where a schema set is wrong. Line and Column are 1-based, 0 when unknown.
type CompileError struct {
	File   string
	Line   int
	Column int
	Text   string

	cause error
}

// Unwrap gives the reason, where there is one: fs.ErrNotExist for a file of the set that is absent.
func (e *CompileError) Unwrap() error { return e.cause }

func (e *CompileError) Error() string {
	at := e.File
	for _, number := range []int{e.Line, e.Column} {
		if number > 0 {
			at += ":" + strconv.Itoa(number)
		}
	}
	return at + ": " + e.Text
}

// compiling serialises libxml2's schema compiler, which is not safe to run twice at once.
var compiling sync.Mutex

// Compile reads the driver schema at path and every file it includes or imports by relative location. Locations on the
// network are refused. Any error is a *CompileError. Compile once and keep the Schema: compiling costs memory that
// libxml2 does not give back.
func Compile(path string) (*Schema, error) { return CompileIn("", path) }

// CompileIn is Compile for a schema that a stranger wrote: nothing outside
// directory is read, whatever its includes say. "" confines nothing.
func CompileIn(directory, path string) (*Schema, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, &CompileError{File: path, Text: err.Error()}
	}
	set, err := readSet(directory, path)
	if err != nil {
		return nil, err
	}
	compiled, err := compile(path)
	if err != nil {
		return nil, err
	}
	model, err := newModel(set)
	if err != nil {
		compiled.Free()
		return nil, err
	}
	s := &Schema{compiled: compiled, digest: set.digest(), model: model}
	s.unused = runtime.AddCleanup(s, (*libxsd.Schema).Free, compiled)
	return s, nil
}

// compile keeps its thread: libxml2 reports compile errors to a handler that belongs to the thread.
func compile(path string) (*libxsd.Schema, error) {
	compiling.Lock()
	defer compiling.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	C.engine_start()
	var first C.engine_error
	pinner := runtime.Pinner{}
	pinner.Pin(&first)
	defer pinner.Unpin()
	C.engine_watch(&first)
	compiled, err := libxsd.ParseFromFile(path)
	C.engine_unwatch()
	defer C.engine_free_error(&first)
	if err == nil {
		return compiled, nil
	}
	failure := &CompileError{File: path, Line: int(first.line), Column: int(first.column), Text: err.Error()}
	if first.text != nil {
		failure.Text = strings.TrimSpace(C.GoString(first.text))
	}
	if first.file != nil {
		failure.File = C.GoString(first.file)
	}
	return nil, failure
}

// Digest is the SHA-256, in hex, over the names and bytes of all files of the set.
func (s *Schema) Digest() string { return s.digest }

// Model is what the schema set demands, element by element.
func (s *Schema) Model() *Model { return s.model }

// UseSlots makes every later validation leave its document's digest in slots while libxml2 works on it.
func (s *Schema) UseSlots(slots *Slots) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots = slots
}

// Close frees the compiled schema. Validate answers ErrClosed from then on.
func (s *Schema) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.compiled != nil {
		s.unused.Stop()
		s.compiled.Free()
		s.compiled = nil
	}
}
