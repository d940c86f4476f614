// The calls into libxml2 that github.com/lestrrat-go/libxml2 does not offer: validation that keeps every violation with
// its node, compile errors with file and line, and a few looks at nodes. Pointers arrive as uintptr_t
// because that is how the Go binding hands them out.
#ifndef SINGLEWINDOW_XSD_ENGINE_H
#define SINGLEWINDOW_XSD_ENGINE_H

#include <stdint.h>
#include <libxml/tree.h>

// One violation: libxml2's number and the element or attribute it names. node lives as long as the document.
typedef struct {
    int code;
    int line;
    xmlNodePtr node;
} engine_violation;

// The first compile error libxml2 reported; file and text are freed by engine_free_error.
typedef struct {
    int line;
    int column;
    char *file;
    char *text;
} engine_error;

void engine_start(void);

// Validates; *found holds the first *count violations (free() it), at most so many as most; *total is how many there were.
// Returns libxml2's answer: 0 valid, > 0 invalid, < 0 failed.
int engine_validate(uintptr_t schema, uintptr_t document, int most, engine_violation **found, int *count, int *total);

// Between these two calls, on one thread, the first error of that thread is kept in error.
void engine_watch(engine_error *error);
void engine_unwatch(void);
void engine_free_error(engine_error *error);

// Keeps a parser from writing to standard error, where some of its errors, with a piece of the document, go in spite of
// every option.
void engine_quiet(uintptr_t parser);

// After a parse: whether names resolve to namespaces, and where the parser stopped.
int engine_namespaces_sound(uintptr_t parser);
int engine_stopped_at(uintptr_t parser);

// The element itself, or the owner of an attribute or a text.
xmlNodePtr engine_element_of(xmlNodePtr node);
int engine_has_attribute(xmlNodePtr element, const char *name, const char *namespace);

#endif
