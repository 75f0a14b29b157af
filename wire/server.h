/* The server's end: a TLS WebSocket server that accepts clients on given paths and answers
 * 404 elsewhere. Then each has a connection (wire/conn.h). Refusals are HTTP/1.1 with the reason in
 * the body. Subprotocols that clients offer are ignored, as the exchange does. Runs in a wire_loop
 * beside client connections; callbacks on the loop's thread.
 *
 * Messages to a peer are framed into its queue and go out at the end of the loop's turn, because a
 * system call per message costs more than the message. permessage-deflate (RFC 7692) is agreed to
 * if a client offers it, without context takeover: then a compressed message serves all peers whose
 * windows are of the same size, and is made once for them. */
#ifndef TD_WIRE_SERVER_H
#define TD_WIRE_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "wire/conn.h"
#include "wire/loop.h"
#include "wire/origin.h"

typedef struct wire_server wire_server;

/* Text of the answer to a request that is not upgraded; NUL-terminated. */
enum { WIRE_ANSWER_BYTES = 4096 };

/* The body of a request that a relay hands on: more get 413. */
enum { WIRE_REQUEST_BYTES_MAX = 64 << 10 };

/* A request that a relay hands on; NUL-terminated, valid during the call. */
typedef struct wire_request {
    const char *method; /* of one that is no upgrade */
    td_bytes body;      /* likewise */
    const char *target; /* path and query */
    td_bytes path;
    const char *fields;  /* header lines to hand on */
    const char *address; /* of the client, numeric */
} wire_request;

typedef struct wire_server_ops {
    /* A client asks for path with query (text after "?", may be empty). Returns the HTTP status to
     * answer: 101 accepts an upgrade (a request for none gets 426), others answer the request: 404,
     * 401, 403, 502 …, 200 for a page; then text, which is "" at first, can get the answer without
     * its last end of line. NULL: every upgrade is accepted. */
    unsigned (*accept)(void *server_user, td_bytes path, td_bytes query,
                       char text[WIRE_ANSWER_BYTES]);
    /* As accept, for the method POST; a body is not read. NULL: it gets 405. */
    unsigned (*post)(void *server_user, td_bytes path, td_bytes query,
                     char text[WIRE_ANSWER_BYTES]);
    /* A request for no upgrade: append JSON, of at most LIMIT_FRAME_BYTES, and return 1; 0: accept
     * answers. May be NULL. */
    int (*page)(void *server_user, td_bytes path, td_bytes query, td_buf *json);
    /* The upgrade is done. The result becomes the connection's user pointer; NULL refuses (1011).
     */
    void *(*opened)(void *server_user, wire_conn *conn, td_bytes path, td_bytes query);
    wire_conn_ops conn;
    /* The last call for a connection that opened accepted, when the peer's close frame has come or
     * the connection has ended: conn is gone. May be NULL. */
    void (*closed)(void *user);
    /* A relay has this in place of opened. The result becomes the connection's user pointer, for
     * wire_peer_accept or wire_peer_refuse, later; NULL: it was refused. closed comes with the
     * connection's end. */
    void *(*asked)(void *server_user, wire_conn *conn, const wire_request *request);
    /* Of a relay, in place of accept, post and page: a request for no upgrade, with its body, of at
     * most WIRE_REQUEST_BYTES_MAX. The result is for wire_peer_refuse, later, and the user of
     * requested_closed, which comes with the connection's end, answered or not. */
    void *(*requested)(void *server_user, wire_conn *conn, const wire_request *request);
    void (*requested_closed)(void *user);
} wire_server_ops;

typedef struct wire_server_options {
    const char *listen;   /* "HOST:PORT"; port 0: the kernel chooses; "[::1]:0" for IPv6 */
    const char *tls_cert; /* PEM files; both NULL: a certificate is made (see wire/tls.h) */
    const char *tls_key;
    uint8_t is_plain;    /* 1: no TLS */
    origin_list origins; /* origins of web pages that may ask, besides pages of this machine;
                            borrowed for the server's life. A relay hands all of them on */
    const wire_server_ops *ops;
    void *user;
} wire_server_options;

/* Listen. TD_E_INVALID (address, certificate), TD_E_NETWORK (port taken, no such address), TD_E_IO.
 * options is borrowed for the call, ops for the server's life. */
TD_MUST_USE td_result wire_server_open(wire_loop *loop, const wire_server_options *options,
                                       wire_server **out, td_err *err);
/* Ends all its connections, with their closed callbacks. Not from inside a callback. NULL is fine.
 */
void wire_server_close(wire_server *server);

/* The URL that clients use, without a path: "wss://127.0.0.1:41234"; valid until close. */
const char *wire_server_url(const wire_server *server);

/* PEM of the certificate that clients should trust; NULL without TLS, and if the chain that was
 * given does not hold it. Valid until close. */
const char *wire_server_ca_pem(const wire_server *server);

/* Remove the ready file of an earlier program that was killed, before writing another one. A
 * missing file is no error, and path NULL does nothing. TD_E_IO. */
TD_MUST_USE td_result wire_remove_ready(td_io io, const char *path, td_err *err);

/* Write the ready file ({"url":..,"ca_file":..}) and, beside it, <path>.pem: each appears under its
 * name complete, the ready file last. ca_file is absolute;
 * null, and not written, without wire_server_ca_pem(). path NULL does nothing. */
TD_MUST_USE td_result wire_server_write_ready(const wire_server *server, td_io io, const char *path,
                                              td_err *err);

/* What may wait to be sent. */
enum { WIRE_PEER_QUEUE_BYTES_MAX = 8 << 20 };

/* ---- of a relay ---- */

/* Accept the upgrade as the other end did; or answer with a status, header lines and a body. */
void wire_peer_accept(wire_conn *conn, const wire_peer *other);
void wire_peer_refuse(wire_conn *conn, unsigned status, const char *fields, td_bytes body);

#endif
