/* The client's end of a WebSocket connection: TLS and upgrade, then a connection (wire/conn.h). One
 * wire_loop serves any number of connections on one thread; callbacks run on that thread. It
 * delivers bytes: it has no knowledge of archives or dialects.
 *
 * Certificates are verified by default; an error explains what is wrong with one. Names are looked
 * up on threads of their own (wire/resolve.h), so a slow resolver does not delay other connections.
 * Redirects are not followed. HTTPS_PROXY, ALL_PROXY and NO_PROXY are read here (see wire/proxy.h).
 *
 * With permessage-deflate messages are inflated here, up to LIMIT_FRAME_BYTES each, and those sent
 * are not compressed. Other connections wait meanwhile, for a message of 16 MiB of empty blocks
 * 1.2 s. A peer whose messages take more than LIMIT_INFLATE_SHARE of the time is closed
 * (WIRE_CAUSE_TOO_LARGE). */
#ifndef TD_WIRE_CLIENT_H
#define TD_WIRE_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/conn.h"
#include "wire/loop.h"

/* Called on the loop's thread. user is the connection's. */
typedef struct wire_client_ops {
    void (*opened)(void *user, wire_conn *conn, const wire_peer *peer);
    wire_conn_ops conn;
    /* The last call for this connection: conn is gone when it returns. */
    void (*ended)(void *user, const wire_end *end);
} wire_client_ops;

typedef struct wire_client_options {
    const char *url;     /* ws:// or wss://, with path and query */
    const char *ca_file; /* PEM to trust, and nothing else; NULL: the system's CAs. Read for each
                            connection. */
    uint64_t connect_timeout_ns; /* for everything up to the upgrade, at most 60 s; 0: 10 s */
    uint8_t with_deflate; /* 1: offer permessage-deflate (RFC 7692); of a relay: its fields do */
    const char *fields; /* header lines ("Name: text\r\n") of a relay's request; NULL: it is none */
    const wire_client_ops *ops;
    void *user;
} wire_client_options;

/* What may wait to be sent. */
enum { WIRE_SEND_BYTES_MAX = 1 << 20 };

/* Start to connect; callbacks follow, none of them before this returns. TD_E_INVALID for an invalid
 * URL or proxy, TD_E_NETWORK while the loop closes. On success exactly one ended callback follows.
 * options is borrowed for the call. */
TD_MUST_USE td_result wire_connect(wire_loop *loop, const wire_client_options *options,
                                   wire_conn **out, td_err *err);

#endif
