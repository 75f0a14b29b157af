/* A few named texts that belong together, such as a document and those that it uses, and a hash of
 * them. Names and texts are views. */
#ifndef TD_BASE_DOCUMENT_SET_H
#define TD_BASE_DOCUMENT_SET_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"

/* Where a document is from. An archive keeps the documents by which it was recorded: what earlier
 * versions of the programs ignored in them is refused only in documents that are given now. */
typedef enum document_source { DOCUMENT_GIVEN, DOCUMENT_KEPT } document_source;

enum { DOCUMENT_SET_MAX = 8 };

typedef struct named_document {
    td_bytes name; /* without ".yaml" */
    td_bytes text;
} named_document;

typedef struct document_set {
    named_document at[DOCUMENT_SET_MAX];
    size_t count;
    char hash[TD_HASH128_HEX_BYTES]; /* set by document_set_seal; "": not yet */
} document_set;

/* Add a document, if no document of the set has this name. TD_E_LIMIT: the set is full. */
TD_MUST_USE td_result document_set_add(document_set *set, td_bytes name, td_bytes text,
                                       td_err *err);

/* Get a document's text. Returns 0 if it is absent. */
int document_set_find(const document_set *set, td_bytes name, td_bytes *text);

/* Set the hash: XXH3-128 of all names and texts, each after its size (8 bytes, little-endian). */
void document_set_seal(document_set *set);

#endif
