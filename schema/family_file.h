/* Reads families from text: one YAML document for each, in the language of docs/families.md.
 *
 * A document may use the sets of fields and the topics of others. Everything that is read lives as
 * long as the arena. Errors name the document and the line, what is allowed there, and what was
 * probably meant. One thread per call. */
#ifndef TD_SCHEMA_FAMILY_FILE_H
#define TD_SCHEMA_FAMILY_FILE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/document_set.h"
#include "base/err.h"
#include "schema/exchange.h"
#include "schema/family_row.h"

/* Texts of documents, by name ("v5-linear", without ".yaml"). */
typedef struct family_texts {
    /* Get a document's text. Returns 0 if it is absent. */
    int (*find)(void *user, td_bytes name, td_bytes *text);
    /* Get an exchange, from the document of this name. TD_E_INVALID: it is absent, or a mistake. */
    td_result (*exchange)(void *user, td_bytes name, const exchange_row **out, td_err *err);
    document_source source; /* of all that are found */
    void *user;
} family_texts;

/* Read the document `name`, which describes a family. TD_E_INVALID: a mistake in it, or in a
 * document that it uses. */
TD_MUST_USE td_result family_file_read(const family_texts *texts, const char *name,
                                       td_arena *memory, family *out, td_err *err);

/* *out becomes 1 if the document has the key `family`: others are only used. TD_E_INVALID: it is
 * not YAML, or a key is there twice. */
TD_MUST_USE td_result family_file_is_family(const family_texts *texts, const char *name, int *out,
                                            td_err *err);

#endif
