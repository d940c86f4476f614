#include "engine.h"

#include <stdlib.h>
#include <string.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemas.h>

enum { KEPT = 200 };

typedef struct {
    engine_violation kept[KEPT];
    int count;
    int total;
    engine_violation last;
} collector;

// libxml2 2.9 to 2.14 differ in whether the error is const.
#if LIBXML_VERSION >= 21200
typedef const xmlError *raised_error;
#else
typedef xmlErrorPtr raised_error;
#endif

void engine_start(void) {
    xmlInitParser();
    xmlSetExternalEntityLoader(xmlNoNetExternalEntityLoader);
}

// A wrong value is reported once per facet and once more for its type: all of them are one violation.
static int about_value(int code) {
    return code >= XML_SCHEMAV_CVC_DATATYPE_VALID_1_2_1 && code <= XML_SCHEMAV_CVC_ENUMERATION_VALID;
}

static const xmlChar *namespace_of(xmlNsPtr ns) {
    return ns == NULL ? NULL : ns->href;
}

// The rest of text behind start, NULL if text is NULL or begins otherwise.
static const char *behind(const char *text, const xmlChar *start) {
    size_t length = strlen((const char *)start);
    if (text == NULL || strncmp(text, (const char *)start, length) != 0) {
        return NULL;
    }
    return text + length;
}

static const char *behind_name(const char *text, xmlNsPtr ns, const xmlChar *name) {
    if (ns != NULL) {
        text = behind(behind(behind(text, BAD_CAST "{"), ns->href), BAD_CAST "}");
    }
    return behind(text, name);
}

// libxml2 gives the element also where the fault is at one of its attributes, and names the attribute at the start of its
// message only. Answers the attribute so named, else the element.
static xmlNodePtr place_of(raised_error error) {
    xmlNodePtr element = error->node;
    if (element == NULL || element->type != XML_ELEMENT_NODE) {
        return element;
    }
    const char *text = behind_name(behind(error->message, BAD_CAST "Element '"), element->ns, element->name);
    text = behind(text, BAD_CAST "', attribute '");
    for (xmlAttrPtr attribute = element->properties; attribute != NULL; attribute = attribute->next) {
        if (behind(behind_name(text, attribute->ns, attribute->name), BAD_CAST "'") != NULL) {
            return (xmlNodePtr)attribute;
        }
    }
    return element;
}

static void collect(void *data, raised_error error) {
    collector *c = data;
    engine_violation v = {error->code, 0, place_of(error)};
    if (v.node != NULL && v.node == c->last.node && about_value(v.code) && about_value(c->last.code)) {
        return;
    }
    c->last = v;
    c->total++;
    if (c->count == KEPT) {
        return;
    }
    v.line = error->line;
    if (v.node != NULL) {
        v.line = (int)xmlGetLineNo(engine_element_of(v.node));
    }
    c->kept[c->count++] = v;
}

int engine_validate(uintptr_t schema, uintptr_t document, engine_violation **found, int *count, int *total) {
    collector c;
    c.count = 0;
    c.total = 0;
    c.last.code = 0;
    c.last.node = NULL;
    *found = NULL;
    xmlSchemaValidCtxtPtr context = xmlSchemaNewValidCtxt((xmlSchemaPtr)schema);
    if (context == NULL) {
        return -1;
    }
    xmlSchemaSetValidStructuredErrors(context, (xmlStructuredErrorFunc)collect, &c);
    int answer = xmlSchemaValidateDoc(context, (xmlDocPtr)document);
    xmlSchemaFreeValidCtxt(context);
    if (c.count > 0) {
        size_t size = (size_t)c.count * sizeof(engine_violation);
        *found = malloc(size);
        if (*found == NULL) {
            return -1;
        }
        memcpy(*found, c.kept, size);
    }
    *count = c.count;
    *total = c.total;
    return answer;
}

static char *copy(const char *text) {
    return text == NULL ? NULL : strdup(text);
}

static void keep_first(void *data, raised_error error) {
    engine_error *first = data;
    if (first->text != NULL || error->level < XML_ERR_ERROR) {
        return;
    }
    first->line = error->line;
    first->column = error->int2;
    first->file = copy(error->file);
    first->text = copy(error->message);
}

void engine_watch(engine_error *error) {
    xmlSetStructuredErrorFunc(error, (xmlStructuredErrorFunc)keep_first);
}

void engine_unwatch(void) {
    xmlSetStructuredErrorFunc(NULL, NULL);
}

void engine_free_error(engine_error *error) {
    free(error->file);
    free(error->text);
}

int engine_namespaces_sound(uintptr_t parser) {
    return ((xmlParserCtxtPtr)parser)->nsWellFormed;
}

int engine_stopped_at(uintptr_t parser) {
    const xmlError *error = xmlCtxtGetLastError((xmlParserCtxtPtr)parser);
    return error == NULL ? 0 : error->line;
}

xmlNodePtr engine_element_of(xmlNodePtr node) {
    while (node != NULL && node->type != XML_ELEMENT_NODE) {
        node = node->parent;
    }
    return node;
}

xmlNodePtr engine_first_child(xmlNodePtr element) {
    return xmlFirstElementChild(element);
}

xmlNodePtr engine_next_sibling(xmlNodePtr element) {
    return xmlNextElementSibling(element);
}

int engine_has_attribute(xmlNodePtr element, const char *name, const char *namespace) {
    if (*namespace == '\0') {
        return xmlHasNsProp(element, (const xmlChar *)name, NULL) != NULL;
    }
    return xmlHasNsProp(element, (const xmlChar *)name, (const xmlChar *)namespace) != NULL;
}

static int same_name(xmlNodePtr a, xmlNodePtr b) {
    return xmlStrEqual(a->name, b->name) && xmlStrEqual(namespace_of(a->ns), namespace_of(b->ns));
}

static engine_frame frame_of(xmlNodePtr element) {
    engine_frame frame = {(const char *)element->name, (const char *)namespace_of(element->ns), 0, 1, 0};
    xmlNodePtr sibling;
    for (sibling = xmlPreviousElementSibling(element); sibling != NULL; sibling = xmlPreviousElementSibling(sibling)) {
        frame.position++;
        frame.ordinal += same_name(sibling, element);
    }
    frame.repeated = frame.ordinal > 1;
    for (sibling = xmlNextElementSibling(element); sibling != NULL && !frame.repeated; sibling = xmlNextElementSibling(sibling)) {
        frame.repeated = same_name(sibling, element);
    }
    return frame;
}

int engine_frames(xmlNodePtr node, engine_frame *frames, int size) {
    int depth = 0;
    xmlNodePtr element;
    for (element = engine_element_of(node); element != NULL; element = engine_element_of(element->parent)) {
        depth++;
    }
    if (depth > size) {
        return -1;
    }
    int at = depth;
    for (element = engine_element_of(node); element != NULL; element = engine_element_of(element->parent)) {
        frames[--at] = frame_of(element);
    }
    return depth;
}
