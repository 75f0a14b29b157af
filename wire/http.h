/* One HTTP request: the reply's status and body, or why it failed. It connects as a WebSocket
 * connection does: look-up on another thread, every address in turn, proxies, certificates verified
 * and explained. Redirects are not followed: a reply from another address than the requested one
 * would be recorded under the wrong URL. Nothing is requested in
 * compressed form; a server that compresses nevertheless marks the reply.
 *
 * Bounds: time for the whole of it, and bytes of the body. One connection per request, closed
 * after the reply: requests are minutes apart. Loop's thread only. */
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
    wire_cause cause;   /* NONE: a whole reply came, whatever its status; TOO_LARGE, TIMEOUT, … */
    unsigned status;    /* of the reply, as far as it came; 0: none */
    td_bytes body;      /* whole if cause is NONE; without DECODE_PADDING_BYTES after it */
    const char *fields; /* header lines of a reply to hand on (handshake_copy_fields); "" before */
    uint8_t is_encoded; /* 1: it has a Content-Encoding */
    uint64_t recv_mono_ns; /* when the last of it had been read */
    const char *text;      /* of a failure: one line; else "" */
} wire_http_end;

typedef struct wire_http_options {
    const char *url;        /* http:// or https:// */
    const char *ca_file;    /* as wire_client_options */
    uint64_t timeout_ns;    /* for the whole request, at most 60 s; 0: 10 s */
    size_t reply_bytes_max; /* of the body; at most LIMIT_FRAME_BYTES */
    const char *method;     /* NULL: GET */
    const char *fields;     /* header lines in place of our own; NULL: those */
    td_bytes body;          /* of the request; empty: none */
    /* The last call for this request: it is gone when this returns. */
    void (*done)(void *user, const wire_http_end *end);
    void *user;
} wire_http_options;

/* Send a request; done is called once, never before this returns.
 * TD_E_INVALID for an invalid URL or proxy, TD_E_NETWORK while the loop closes: then done is not
 * called. options is borrowed for the call. */
TD_MUST_USE td_result wire_http_send(wire_loop *loop, const wire_http_options *options,
                                     wire_http **out, td_err *err);

/* Cancel a request: done will not be called. Not from inside done. NULL is fine. */
void wire_http_cancel(wire_http *http);

#endif
