/* Inside of the client's end: shared by client.c (its functions), client_connect.c (from URL to
 * libwebsockets), client_callback.c (what libwebsockets says) and http.c (requests that never
 * become a WebSocket). */
#ifndef TD_WIRE_CLIENT_IMPL_H
#define TD_WIRE_CLIENT_IMPL_H

#include "base/url.h"
#include "wire/loop_impl.h"
#include "wire/proxy.h"
#include "wire/tls.h"
#include "wire/tunnel.h"

enum { CLOSE_REASON_BYTES_MAX = 123 }; /* RFC 6455, 5.5 */

/* How far a connection has come; says what a failure means. */
typedef enum conn_stage {
    CONN_RESOLVING,
    CONN_CONNECTING, /* TCP, to the proxy and through it if there is one */
    CONN_SECURING,   /* TLS */
    CONN_UPGRADING,  /* the request is out: upgrade, or the HTTP reply's status */
    CONN_REPLYING,   /* CONN_HTTP: the status is there, the body comes */
    CONN_OPEN,
} conn_stage;

/* What a connection is for. */
typedef enum conn_kind {
    CONN_WEBSOCKET,
    CONN_HTTP, /* its user is a wire_http; it never gets to CONN_OPEN */
} conn_kind;

/* One wire_send, queued: header and text lie one behind the other in wire_conn.queue. */
typedef struct queued_send {
    size_t size;
} queued_send;

struct wire_conn {
    wire_loop *loop;
    wire_conn *next, *prev; /* in the loop's list */
    const wire_client_ops *ops;
    void *user;

    conn_kind kind;
    td_server_url url;
    wire_proxy proxy;
    tunnel *tunnel; /* through the proxy, while it is being made */
    int tunnel_fd;  /* then: the connected socket that libwebsockets gets; -1: none */
    char *ca_file;
    conn_stage stage;
    struct lws *wsi;      /* NULL before and between attempts */
    wire_timer *deadline; /* of connecting, then of closing */
    wire_timer *step;     /* the next attempt, or an end to be told */
    resolve_job *job;
    resolve_answer addresses;
    size_t address_next;

    wire_assembly assembly;
    td_buf queue;    /* queued_send and text, one after the other */
    size_t queue_at; /* what is before was handed over */
    td_buf scratch;  /* one message with libwebsockets' room in front; masked in place */

    uint8_t is_starting; /* inside libwebsockets' connect */
    uint8_t is_paused;
    uint8_t is_closing; /* wire_close was called */
    uint8_t is_close_sent;
    uint8_t is_writable_due; /* a writable callback follows that no ping has caused */
    uint8_t is_refused;      /* a message could not be taken while it was closing */
    uint16_t close_code;     /* ours */

    tls_finding finding;
    wire_end end; /* cause NONE until something said why; text and reason below */
    char end_text[768];
    char end_reason[CLOSE_REASON_BYTES_MAX];
};

extern const struct lws_protocols CLIENT_PROTOCOLS[]; /* by conn_kind */
extern const lws_retry_bo_t CLIENT_NO_KEEPALIVE;

/* wire_connect, for either kind. */
TD_MUST_USE td_result conn_open(wire_loop *loop, const wire_client_options *options, conn_kind kind,
                                wire_conn **out, td_err *err);

/* Remember why the connection ends, unless something earlier did. */
void conn_fail(wire_conn *conn, wire_cause cause, const char *format, ...) TD_PRINTF(3, 4);

/* Take the connection off the loop, tell its user, free it. */
void conn_end(wire_conn *conn);

/* End it on the loop's next turn, for places that must not call back. */
void conn_end_later(wire_conn *conn);

/* Cut the TCP connection on the loop's next turn, without a close frame. */
void conn_cut(wire_conn *conn);

/* Start to say good-bye on an open connection, because of a cause that is set. */
void conn_start_close(wire_conn *conn, unsigned code);

/* Begin: look the name up, or go to the first address at once. */
TD_MUST_USE td_result conn_begin(wire_conn *conn, td_err *err);

/* Is an address left to try, and: try it on the loop's next turn. */
int conn_has_next_address(const wire_conn *conn);
void conn_next_later(wire_conn *conn);

/* An attempt came to nothing, with HTTP status (0: none) and libwebsockets' own reason: tries the
 * next address, or ends the connection. */
void conn_attempt_failed(wire_conn *conn, unsigned status, td_bytes text);

/* libwebsockets has a socket: give it the one that goes through the proxy instead, if there is
 * one. 0, or -1 to end the attempt. */
TD_MUST_USE int conn_take_tunnel(wire_conn *conn, struct lws *wsi);

/* What libwebsockets says before either kind is open. The result is libwebsockets'. */
int conn_on_handshake(wire_conn *conn, struct lws *wsi, enum lws_callback_reasons reason, void *in,
                      size_t size);

/* Does this callback say that the connection is no more? While an attempt is being started its
 * failure is the starter's result, not a callback's. */
int conn_is_end(enum lws_callback_reasons reason);

/* The callback of CONN_HTTP. */
int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t size);

/* Request the writable callback. Clients request it only here, because a callback without a request
 * means that a ping was answered (client_callback.c). */
void conn_ask_writable(wire_conn *conn);

/* Writable: send what is queued, then close if that was asked for. The result is libwebsockets': -1
 * closes the connection. */
int conn_on_writable(wire_conn *conn);

#endif
