/* The body of an HTTP/1.1 reply, out of the bytes that follow its head: its end is known by its
 * length, its last chunk, or the connection's end (RFC 9112, 6.3 and 7.1). No sockets; memory stays
 * below the bound, one read and the doubling of a buffer. */
#ifndef TD_WIRE_HTTP_BODY_H
#define TD_WIRE_HTTP_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

typedef enum body_result { BODY_MORE, BODY_WHOLE, BODY_MALFORMED, BODY_TOO_LARGE } body_result;

/* How the body comes, and what has come of it. */
typedef struct http_body {
    int64_t length; /* -1: unknown */
    uint8_t is_chunked;
    uint8_t is_last; /* only trailers follow */
    size_t bytes_max;
    size_t size;  /* of the body so far, which begins the buffer; */
    td_buf bytes; /* a chunk that is not whole follows it */
} http_body;

/* length: as Content-Length has it, -1 without; a body in chunks has none. The caller frees
 * body->bytes. */
void http_body_init(http_body *body, int64_t length, int is_chunked, size_t bytes_max);

/* Read more bytes of the stream. What follows a whole body is ignored. After another result than
 * BODY_MORE the body is over. */
body_result http_body_read(http_body *body, td_bytes bytes);

/* 1 if the connection's end, now, is the body's: nothing else tells where it is, and a body that
 * begins as JSON ends as JSON. */
int http_body_ends_here(const http_body *body);

/* The body so far; valid until the next call. */
static inline td_bytes http_body_view(const http_body *body)
{
    return td_bytes_of(body->bytes.data, body->size);
}

#endif
