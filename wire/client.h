/* The client's end of a WebSocket connection: TLS and upgrade, then a connection (wire/conn.h). One
 * wire_loop serves any number of connections on one thread; callbacks run on that thread.
 *
 * Certificates are verified; an error text explains why one was rejected. Names are looked up on
 * other threads (wire/resolve.h), so a slow resolver does not delay other connections. Redirects
 * are not followed. HTTPS_PROXY, ALL_PROXY and NO_PROXY are read (wire/proxy.h).
 *
 * With permessage-deflate, received messages are inflated, up to LIMIT_FRAME_BYTES each; sent
 * messages are not compressed. Other connections wait while a message is inflated: 1.2 s for 16 MiB
 * of empty blocks. If a peer's messages take more than LIMIT_INFLATE_SHARE of the time, the
 * connection is ended (WIRE_CAUSE_TOO_LARGE). */
#ifndef TD_WIRE_CLIENT_H
#define TD_WIRE_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/conn.h"
#include "wire/loop.h"

/* Called on the loop's thread. user: wire_client_options.user. */
typedef struct wire_client_ops {
    void (*opened)(void *user, wire_conn *conn, const wire_peer *peer);
    wire_conn_ops conn;
    /* The last call for this connection: conn is freed afterwards. */
    void (*ended)(void *user, const wire_end *end);
} wire_client_ops;

typedef struct wire_client_options {
    const char *url;     /* ws:// or wss://, with path and query */
    const char *ca_file; /* PEM file with the only CAs to trust; NULL: the system's CAs. Read for
                            each connection. */
    uint64_t connect_timeout_ns; /* time limit until the upgrade is done, at most 60 s; 0: 10 s */
    uint32_t address_first; /* which of the host's addresses is tried first, modulo their number */
    uint8_t with_deflate; /* 1: offer permessage-deflate (RFC 7692); in a relay, set it if the lines
                             of `fields` offer it */
    const char *fields; /* relay only: lines ("Name: text\r\n") of the request; NULL: not a relay */
    const wire_client_ops *ops;
    void *user;
} wire_client_options;

/* Maximum bytes that wait to be sent. */
enum { WIRE_SEND_BYTES_MAX = 1 << 20 };

/* Start to connect; callbacks follow after this returns. On success, exactly one ended callback
 * follows. TD_E_INVALID: the URL, the proxy or the time limit is invalid. TD_E_NETWORK: the loop is
 * closing. TD_E_LIMIT, TD_E_IO: the name cannot be looked up now (resolver_start). options is
 * borrowed for the call. */
TD_MUST_USE td_result wire_connect(wire_loop *loop, const wire_client_options *options,
                                   wire_conn **out, td_err *err);

#endif
