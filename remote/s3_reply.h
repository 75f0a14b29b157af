/* Documents that an S3 store replies with: a page of a list, and an error. Reads the few elements
 * that are needed, which have only text: their names are unique in these documents. No store sends
 * them with attributes, comments or CDATA. Pure functions; any thread. */
#ifndef TD_REMOTE_S3_REPLY_H
#define TD_REMOTE_S3_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* Texts of an error document, decoded, truncated, and "" if absent. */
typedef struct s3_error {
    char code[64];
    char message[256];
    char region[64];
    char endpoint[256];
} s3_error;

/* Read an error document. Another text gives an empty error, as far as it could be read. */
void s3_reply_error(td_bytes body, s3_error *out);

/* 1 if a reply is a page of a list with its end. */
int s3_reply_is_page(td_bytes body);

enum { S3_TOKEN_BYTES = 8192 }; /* of a token for the next page, with the NUL */

typedef struct s3_page {
    size_t object_count;
    uint8_t is_truncated;       /* the list has a further page */
    char token[S3_TOKEN_BYTES]; /* its token */
} s3_page;

/* An object of a list. */
typedef struct s3_object {
    const char *key; /* valid during the call */
    uint64_t bytes;
    uint64_t modified_ns; /* when it was made, by the store's clock; 0: the list does not tell */
} s3_object;

/* Called for each object, in the page's order. A result other than TD_OK ends the page and is its
 * result. */
typedef td_result s3_object_fn(void *user, const s3_object *object, td_err *err);

/* Read a page of ListObjectsV2. TD_E_CORRUPT: not such a document. */
TD_MUST_USE td_result s3_reply_page(td_bytes body, s3_object_fn *fn, void *user, s3_page *out,
                                    td_err *err);

#endif
