#include "engine.h"

#include <stdlib.h>
#include <string.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemas.h>

typedef struct {
    engine_violation *kept;
    int most;
    int room; // how many kept has place for
    int count;
    int total;
    int failed;
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

static int make_room(collector *c) {
    if (c->count < c->room) {
        return 1;
    }
    int room = 2 * c->room + 16;
    engine_violation *kept = realloc(c->kept, (size_t)room * sizeof *kept);
    if (kept == NULL) {
        c->failed = 1;
        return 0;
    }
    c->kept = kept;
    c->room = room;
    return 1;
}

static void collect(void *data, raised_error error) {
    collector *c = data;
    engine_violation v = {error->code, 0, place_of(error)};
    if (v.node != NULL && v.node == c->last.node && about_value(v.code) && about_value(c->last.code)) {
        return;
    }
    c->last = v;
    c->total++;
    if (c->count == c->most || !make_room(c)) {
        return;
    }
    v.line = error->line;
    if (v.node != NULL) {
        v.line = (int)xmlGetLineNo(engine_element_of(v.node));
    }
    c->kept[c->count++] = v;
}

int engine_validate(uintptr_t schema, uintptr_t document, int most, engine_violation **found, int *count, int *total) {
    collector c = {.most = most};
    *found = NULL;
    *count = 0;
    *total = 0;
    xmlSchemaValidCtxtPtr context = xmlSchemaNewValidCtxt((xmlSchemaPtr)schema);
    if (context == NULL) {
        return -1;
    }
    xmlSchemaSetValidStructuredErrors(context, (xmlStructuredErrorFunc)collect, &c);
    int answer = xmlSchemaValidateDoc(context, (xmlDocPtr)document);
    xmlSchemaFreeValidCtxt(context);
    *found = c.kept;
    *count = c.count;
    *total = c.total;
    return c.failed ? -1 : answer;
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

static void ignore(void *data, raised_error error) {
    (void)data;
    (void)error;
}

void engine_quiet(uintptr_t parser) {
    ((xmlParserCtxtPtr)parser)->sax->serror = (xmlStructuredErrorFunc)ignore;
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

int engine_has_attribute(xmlNodePtr element, const char *name, const char *namespace) {
    if (*namespace == '\0') {
        return xmlHasNsProp(element, (const xmlChar *)name, NULL) != NULL;
    }
    return xmlHasNsProp(element, (const xmlChar *)name, (const xmlChar *)namespace) != NULL;
}
