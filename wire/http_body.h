/* Reads the body of an HTTP/1.1 reply from the bytes after its head. The body's length, its
 * last chunk, or the end of the connection determines where the body ends (RFC 9112, 6.3 and 7.1).
 * No sockets. Memory: the bound and one read, in a buffer that grows by doubling. */
#ifndef TD_WIRE_HTTP_BODY_H
#define TD_WIRE_HTTP_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

typedef enum body_result { BODY_MORE, BODY_WHOLE, BODY_MALFORMED, BODY_TOO_LARGE } body_result;

/* The body's encoding, and its bytes so far. */
typedef struct http_body {
    int64_t length; /* -1: unknown */
    uint8_t is_chunked;
    uint8_t is_last; /* 1: only trailers follow */
    size_t bytes_max;
    size_t size;  /* of the body so far */
    td_buf bytes; /* the body so far, then an incomplete chunk */
} http_body;

/* length: Content-Length, or -1; ignored if chunked. The caller frees body->bytes. */
void http_body_init(http_body *body, int64_t length, int is_chunked, size_t bytes_max);

/* Add bytes of the connection; bytes after the body's end are ignored. Do not call it again after
 * a result other than BODY_MORE. */
body_result http_body_read(http_body *body, td_bytes bytes);

/* 1 if the body is complete when the connection ends now: the body has no length and no chunks, and
 * if it begins as JSON, the JSON is complete. */
int http_body_ends_here(const http_body *body);

/* The body so far; valid until the next call. */
static inline td_bytes http_body_view(const http_body *body)
{
    return td_bytes_of(body->bytes.data, body->size);
}

#endif
