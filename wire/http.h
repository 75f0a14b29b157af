/* One HTTP GET: the reply's status and body, or why there is none. It goes the same way as a
 * WebSocket connection does (wire/client.h): look-up off the thread, every address in turn,
 * proxies, certificates verified and judged in words. Redirects are not followed: a reply that
 * answers another address than the one that was asked is no reply to keep. Nothing is asked for in
 * compressed form, so the body is what the server has.
 *
 * Bounds: time for the whole of it, and bytes of the body. One connection per request, closed
 * behind the reply: requests are minutes apart. Loop's thread only. */
#ifndef TD_WIRE_HTTP_H
#define TD_WIRE_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/client.h"

typedef struct wire_http wire_http;

/* How a request ended. Valid during the callback. */
typedef struct wire_http_end {
    wire_cause cause; /* NONE: a whole reply came, whatever its status; TOO_LARGE, TIMEOUT, … */
    unsigned status;  /* of the reply, as far as it came; 0: none */
    td_bytes body;    /* whole if cause is NONE; DECODE_PADDING_BYTES are not behind it */
    uint64_t recv_mono_ns; /* when the last of it had been read */
    const char *text;      /* of a failure: one line for people, in words; "" else */
} wire_http_end;

typedef struct wire_http_options {
    const char *url;        /* http:// or https:// */
    const char *ca_file;    /* as wire_client_options */
    const char *proxy;      /* likewise */
    uint64_t timeout_ns;    /* for the whole request, at most 60 s; 0: 10 s */
    size_t reply_bytes_max; /* of the body; at most LIMIT_FRAME_BYTES; 0: that */
    /* The last call for this request: it is gone when this returns. */
    void (*done)(void *user, const wire_http_end *end);
    void *user;
} wire_http_options;

/* Ask; everything after is the one call of done, which never comes before this returns.
 * TD_E_INVALID for a URL or proxy that is none, TD_E_UNSUPPORTED for a proxy of another kind,
 * TD_E_NETWORK while the loop closes, TD_E_NOMEM: then done is not called. options is borrowed for
 * the call. */
TD_MUST_USE td_result wire_http_get(wire_loop *loop, const wire_http_options *options,
                                    wire_http **out, td_err *err);

/* Give a request up: done will not be called. Not from inside done. NULL is fine. */
void wire_http_cancel(wire_http *http);

#endif
