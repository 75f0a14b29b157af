/* The server's end: a TLS WebSocket server that accepts clients on the paths it is told and answers
 * 404 elsewhere. Runs in a wire_loop beside client connections; callbacks on the loop's thread. */
#ifndef TD_WIRE_SERVER_H
#define TD_WIRE_SERVER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/client.h"

typedef struct wire_server wire_server;
typedef struct wire_peer_conn wire_peer_conn;

typedef struct wire_server_ops {
    /* A client asks to upgrade on path with query (text behind "?", may be empty). Returns the HTTP
     * status to answer: 101 accepts, 404, 401, 403, 502 … refuse. */
    unsigned (*accept)(void *server_user, td_bytes path, td_bytes query);
    /* The upgrade is done. The result becomes the connection's user pointer; NULL refuses (1011). */
    void *(*opened)(void *server_user, wire_peer_conn *conn, td_bytes path, td_bytes query);
    void (*message)(void *user, wire_peer_conn *conn, unsigned opcode, td_bytes bytes);
    /* Everything that was queued has been handed to the socket: send more now. */
    void (*drained)(void *user, wire_peer_conn *conn);
    void (*closed)(void *user);
} wire_server_ops;

typedef struct wire_server_options {
    const char *listen;   /* "HOST:PORT"; port 0: the kernel chooses; "[::1]:0" for IPv6 */
    const char *tls_cert; /* PEM files; both NULL: a certificate is made (see wire/tls.h) */
    const char *tls_key;
    uint8_t is_plain;     /* 1: no TLS */
    const wire_server_ops *ops;
    void *user;
} wire_server_options;

/* Listen. TD_E_INVALID (address, certificate), TD_E_NETWORK (port taken). */
TD_MUST_USE td_result wire_server_open(wire_loop *loop, const wire_server_options *options,
                                       wire_server **out, td_err *err);
void wire_server_close(wire_server *server);

/* The URL that clients use, without a path: "wss://127.0.0.1:41234"; valid until close. */
const char *wire_server_url(const wire_server *server);

/* PEM of the certificate that clients should trust, or NULL without TLS; valid until close. */
const char *wire_server_ca_pem(const wire_server *server);

/* Write the ready file ({"url":..,"ca_file":..}) and, beside it, <path>.pem, complete before either
 * appears under its name. */
TD_MUST_USE td_result wire_server_write_ready(const wire_server *server, const char *path,
                                              td_err *err);

/* Queue a message (opcode 1 text, 2 binary). The bytes are copied. TD_E_LIMIT once more than
 * wire_peer_queue_bytes_max are queued: wait for drained. */
TD_MUST_USE td_result wire_peer_send(wire_peer_conn *conn, unsigned opcode, td_bytes bytes,
                                     td_err *err);

/* Bytes queued and not yet taken by the socket. */
size_t wire_peer_queued_bytes(const wire_peer_conn *conn);
enum { WIRE_PEER_QUEUE_BYTES_MAX = 8 << 20 };

/* Close with a code once what is queued has gone out. */
void wire_peer_close(wire_peer_conn *conn, unsigned code);

#endif
