/* Tests whether a server can be reached: looks its name up, connects, does the TLS handshake and
 * verifies the certificate as a WebSocket client does (wire/dial.h), and then closes. Nothing is
 * requested from the server. Loop's thread only. */
#ifndef TD_WIRE_PROBE_H
#define TD_WIRE_PROBE_H

#include <stdint.h>

#include "base/err.h"
#include "base/url.h"
#include "wire/cause.h"
#include "wire/loop.h"

typedef struct wire_probe_options {
    const td_server_url *server;
    const char *ca_file; /* as in wire_client_options */
    uint64_t timeout_ns; /* at most 60 s; 0: 10 s */
    /* The only call. cause NONE: the server was reached. text: reason of a failure, one line, valid
     * during the call; else "". */
    void (*done)(void *user, wire_cause cause, const char *text);
    void *user;
} wire_probe_options;

/* Begin. On success, done is called once, after this returns, at the latest when the loop closes.
 * On failure, done is not called; errors as in wire_connect (wire/client.h). options is borrowed
 * for the call. */
TD_MUST_USE td_result wire_probe_begin(wire_loop *loop, const wire_probe_options *options,
                                       td_err *err);

#endif
