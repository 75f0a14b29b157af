/* Signature version 4 of requests to S3 (AWS, S3 API reference, "Signature Calculations for the
 * Authorization Header: Transferring Payload in a Single Chunk"). Pure functions; any thread.
 *
 * The functions append to a td_buf, whose limit the caller sets for its own inputs. */
#ifndef TD_REMOTE_S3_SIGN_H
#define TD_REMOTE_S3_SIGN_H

#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"

/* A header; the name is in lower case. */
typedef struct s3_pair {
    const char *name;
    const char *value;
} s3_pair;

/* Append text with each byte as %XX except letters, digits, "-._~" and the bytes of kept ("/" for a
 * path, "" for a parameter). */
void s3_sign_encode(td_bytes text, const char *kept, td_buf *out);

typedef struct s3_request {
    const char *method;
    td_bytes path;  /* encoded, begins with '/' */
    td_bytes query; /* NAME=VALUE&…, encoded, sorted by name; may be empty */
    /* Sorted by name. host, x-amz-date and x-amz-content-sha256 are required; all of them are
     * signed. Values have no space at either end, and no two spaces together. */
    const s3_pair *headers;
    size_t header_count;
} s3_request;

/* Append the value of the header Authorization, and a NUL. */
void s3_sign_authorization(const s3_request *request, const char *region, const char *key_id,
                           const char *secret, td_buf *out);

#endif
