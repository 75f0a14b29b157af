/* The server's end of WebSocket connections: listens, with TLS, and gives each accepted client a
 * connection (wire/conn.h). Refusals are HTTP/1.1 answers with the reason in the body. Subprotocols
 * that clients offer are ignored, as the exchange does. Runs in a wire_loop, together with client
 * connections; callbacks on the loop's thread.
 *
 * Messages to a peer are framed into its queue and sent at the end of the loop's turn, because a
 * system call per message costs more than the message. The server agrees to permessage-deflate (RFC
 * 7692) if a client offers it, without context takeover: a message is compressed once for all peers
 * with the same window size. */
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

/* Maximum text of an answer to a request that is not upgraded, with the NUL. */
enum { WIRE_ANSWER_BYTES = 4096 };

/* Maximum body of a request that a relay forwards; larger ones get 413. */
enum { WIRE_REQUEST_BYTES_MAX = 64 << 10 };

/* A request that a relay forwards. Strings are valid during the call. */
typedef struct wire_request {
    const char *method; /* of a request that is no upgrade */
    td_bytes body;      /* of a request that is no upgrade */
    const char *target; /* path and query */
    td_bytes path;
    const char *fields;  /* header lines to forward */
    const char *address; /* of the client, numeric */
} wire_request;

typedef struct wire_server_ops {
    /* A client requests path with query (text after "?", may be empty). Returns the HTTP status of
     * the answer. 101 accepts an upgrade; a request that is no upgrade then gets 426. With another
     * status (404, 401, 200 for a page …), the answer's body is text, and a line feed is appended.
     * The callback writes text, which is "" before. NULL: every upgrade is accepted. */
    unsigned (*accept)(void *server_user, td_bytes path, td_bytes query,
                       char text[WIRE_ANSWER_BYTES]);
    /* As accept, for another method than GET; its body is not read. NULL: answer 405. */
    unsigned (*command)(void *server_user, td_bytes method, td_bytes path, td_bytes query,
                        char text[WIRE_ANSWER_BYTES]);
    /* For a request that is no upgrade: append at most LIMIT_FRAME_BYTES of JSON and return 1, or
     * return 0 to let accept answer. May be NULL. */
    int (*page)(void *server_user, td_bytes path, td_bytes query, td_buf *json);
    /* The upgrade is done. The result becomes the connection's user pointer; NULL: close (1011). */
    void *(*opened)(void *server_user, wire_conn *conn, td_bytes path, td_bytes query);
    wire_conn_ops conn;
    /* The last call for a connection that the callback `opened` accepted: the peer sent its close
     * frame, or the connection ended. The user must not use conn afterwards. May be NULL. */
    void (*closed)(void *user);
    /* Relay only, instead of opened. The result becomes the connection's user pointer; the user
     * calls wire_peer_accept or wire_peer_refuse later. NULL: the user has already refused. closed
     * is called at the connection's end. */
    void *(*upgrade_requested)(void *server_user, wire_conn *conn, const wire_request *request);
    /* Relay only, instead of accept, command and page: a request that is no upgrade, with its body
     * of at most WIRE_REQUEST_BYTES_MAX. The user calls wire_peer_refuse to answer. The result is
     * passed to requested_closed at the connection's end, whether there was an answer or not. */
    void *(*requested)(void *server_user, wire_conn *conn, const wire_request *request);
    void (*requested_closed)(void *user);
} wire_server_ops;

typedef struct wire_server_options {
    const char *listen;   /* "HOST:PORT"; port 0: the kernel chooses; "[::1]:0" for IPv6 */
    const char *tls_cert; /* PEM files; both NULL: a certificate is generated (wire/tls.h) */
    const char *tls_key;
    uint8_t is_plain;    /* 1: no TLS */
    origin_list origins; /* web pages that may use the server, besides this machine's; borrowed for
                            the server's life. A relay accepts any origin */
    const wire_server_ops *ops;
    void *user;
} wire_server_options;

/* Listen. TD_E_INVALID (address, certificate), TD_E_NETWORK (cannot listen there), TD_E_IO. options
 * is borrowed for the call, ops for the server's life. */
TD_MUST_USE td_result wire_server_open(wire_loop *loop, const wire_server_options *options,
                                       wire_server **out, td_err *err);
/* End all connections, with their closed callbacks, and free the server. Not from inside a
 * callback. NULL is fine. */
void wire_server_close(wire_server *server);

/* The URL for clients, without a path: "wss://127.0.0.1:41234"; valid until close. */
const char *wire_server_url(const wire_server *server);

/* PEM of the certificate that clients should trust; NULL without TLS, or if the given chain does
 * not contain it. Valid until close. */
const char *wire_server_ca_pem(const wire_server *server);

/* Remove the ready file that a killed program may have left, before writing a new one. A missing
 * file is no error, and path NULL does nothing. TD_E_IO. */
TD_MUST_USE td_result wire_remove_ready(td_io io, const char *path, td_err *err);

/* Write the ready file ({"url":..,"ca_file":..}) and <path>.pem. Each appears under its name only
 * when complete, the ready file last. ca_file is the absolute path of the .pem file; without
 * wire_server_ca_pem() it is null, and no .pem file is written. path NULL does nothing. */
TD_MUST_USE td_result wire_server_write_ready(const wire_server *server, td_io io, const char *path,
                                              td_err *err);

/* Maximum bytes that wait to be sent to a peer. */
enum { WIRE_PEER_QUEUE_BYTES_MAX = 8 << 20 };

/* ---- relay only ---- */

/* wire_peer_accept accepts the upgrade with what the relay's other peer agreed to;
 * wire_peer_refuse answers with a status, header lines and a body. */
void wire_peer_accept(wire_conn *conn, const wire_peer *other);
void wire_peer_refuse(wire_conn *conn, unsigned status, const char *fields, td_bytes body);

#endif
