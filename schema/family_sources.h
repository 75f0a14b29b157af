/* The document of a family, and those that it uses, while they are read (schema/family_file.h,
 * sim/catalog_file.h). One thread. */
#ifndef TD_SCHEMA_FAMILY_SOURCES_H
#define TD_SCHEMA_FAMILY_SOURCES_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/document.h"
#include "base/err.h"
#include "schema/exchange.h"

enum { FAMILY_USES_MAX = 4, FAMILY_SHARED_MAX = 16 };

typedef struct family_sources {
    document at[FAMILY_SHARED_MAX]; /* the family's own is the first */
    size_t count, own_count;        /* own: closed with the family */
} family_sources;

/* Texts of documents, by name ("v5-linear", without ".yaml"). */
typedef struct family_texts {
    /* Get a document's text. Returns 0 if it is absent. */
    int (*find)(void *user, td_bytes name, td_bytes *text);
    /* Get an exchange, from the document of this name. TD_E_INVALID: it is absent, or a mistake. */
    td_result (*exchange)(void *user, td_bytes name, const exchange_row **out, td_err *err);
    document_source source; /* of all that are found */
    family_sources *shared; /* of a reader of many families, with one memory: keeps the documents
                               that they use, to be parsed once; NULL: each closes its own */
    void *user;
} family_texts;

/* Open a single document. TD_E_INVALID: it is absent, or not YAML; *out is then not open. */
TD_MUST_USE td_result family_source_open(const family_texts *texts, td_bytes name, td_arena *memory,
                                         void *user, document *out, td_err *err);

/* Open all, with this memory and user. TD_E_INVALID: a mistake. Close them in any case. */
TD_MUST_USE td_result family_sources_open(const family_texts *texts, const char *name,
                                          td_arena *memory, void *user, family_sources *out,
                                          td_err *err);

/* Close those that are open. */
void family_sources_close(family_sources *sources);

#endif
