// The calls into libxml2 that github.com/lestrrat-go/libxml2 does not offer: validation that keeps every violation with
// its node, compile errors with file and line, and the place of a node in its document. Pointers arrive as uintptr_t
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

// One element on the way from the root element to a node. name and namespace belong to the document.
typedef struct {
    const char *name;
    const char *namespace;
    int position; // 0-based among the element siblings
    int ordinal;  // 1-based among the element siblings of the same name
    int repeated; // whether there is more than one of that name
} engine_frame;

void engine_start(void);

// Validates; *found holds *count violations (free() it), *total how many there were. Returns libxml2's answer: 0 valid, > 0 invalid, < 0 failed.
int engine_validate(uintptr_t schema, uintptr_t document, engine_violation **found, int *count, int *total);

// Between these two calls, on one thread, the first error of that thread is kept in error.
void engine_watch(engine_error *error);
void engine_unwatch(void);
void engine_free_error(engine_error *error);

// After a parse: whether names resolve to namespaces, and where the parser stopped.
int engine_namespaces_sound(uintptr_t parser);
int engine_stopped_at(uintptr_t parser);

// Fills frames from the root down to the element of node (an attribute's owner) and returns their number, -1 if there are more than size.
int engine_frames(xmlNodePtr node, engine_frame *frames, int size);

xmlNodePtr engine_element_of(xmlNodePtr node);
xmlNodePtr engine_first_child(xmlNodePtr element);
xmlNodePtr engine_next_sibling(xmlNodePtr element);
int engine_has_attribute(xmlNodePtr element, const char *name, const char *namespace);

#endif
