/* One HTTP request. It ends with the reply's status and body, or with the reason of the failure. A
 * request connects as a WebSocket client does (wire/dial.h). Redirects are not followed: a reply
 * from another address would be recorded under the wrong URL. No compression is requested;
 * is_encoded marks a reply that is compressed nevertheless.
 *
 * Bounds: time of the whole request, and bytes of the body. Each request has its own connection,
 * closed after the reply, because requests are minutes apart. Loop's thread only. */
#ifndef TD_WIRE_HTTP_H
#define TD_WIRE_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/cause.h"
#include "wire/loop.h"

typedef struct wire_http wire_http;

/* How a request ended. Valid during the callback. */
typedef struct wire_http_end {
    wire_cause cause;   /* NONE: a whole reply was received, whatever its status */
    unsigned status;    /* of the reply; 0: not received */
    td_bytes body;      /* complete if cause is NONE; without DECODE_PADDING_BYTES after it */
    const char *fields; /* header lines of the reply to forward (handshake_copy_fields); "" if not
                           received */
    uint8_t is_encoded; /* 1: the reply has a Content-Encoding */
    uint64_t recv_mono_ns; /* when the last bytes of the reply were read */
    const char *text;      /* reason of a failure, one line; else "" */
} wire_http_end;

typedef struct wire_http_options {
    const char *url;        /* http:// or https:// */
    const char *ca_file;    /* as in wire_client_options */
    uint64_t timeout_ns;    /* for the whole request, at most 60 s; 0: 10 s */
    size_t reply_bytes_max; /* of the body; at most LIMIT_FRAME_BYTES */
    const char *method;     /* NULL: GET */
    const char *fields;     /* header lines instead of our own, or NULL */
    td_bytes body;          /* of the request; may be empty */
    /* The last call for this request: the request is freed afterwards. */
    void (*done)(void *user, const wire_http_end *end);
    void *user;
} wire_http_options;

/* Send a request. On success, done is called once, after this returns. On failure, done is not
 * called; errors as in wire_connect (wire/client.h). options is borrowed for the call. */
TD_MUST_USE td_result wire_http_send(wire_loop *loop, const wire_http_options *options,
                                     wire_http **out, td_err *err);

/* Cancel a request: done will not be called. Not from inside done. NULL is fine. */
void wire_http_cancel(wire_http *http);

#endif
