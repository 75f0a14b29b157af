/* A WebSocket connection, of either role: what its user does with it, and what it calls. A client's
 * comes from wire/client.h, a server's from wire/server.h. Loop's thread.
 *
 * The protocol is strict (wire/websocket.h): what RFC 6455 forbids ends the connection. Pings are
 * answered: by a client the last one of a read, by a server each one while its queue has space for
 * the answers. Memory: what waits to be sent, and one message while its pieces are put together.
 *
 * The connection of a relay hands on what another one sends and receives: pings, pongs and close
 * frames are left to its user, and messages stay compressed as they are. */
#ifndef TD_WIRE_CONN_H
#define TD_WIRE_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/ws_message.h"
#include "wire/cause.h"
#include "wire/deflate.h"

typedef struct wire_conn wire_conn;

/* How a connection ended. Valid during the callback. */
enum { WIRE_BODY_BYTES_MAX = 8 << 10, WIRE_TEXT_BYTES = 768 };
typedef struct wire_end {
    wire_cause cause;
    unsigned http_status;    /* of WIRE_CAUSE_REFUSED, else 0 */
    uint64_t retry_after_ns; /* of WIRE_CAUSE_REFUSED: the time in its Retry-After header, in
                                seconds there (a date is passed over), at most
                                LIMIT_RETRY_AFTER_NS; else 0 */
    unsigned close_code;     /* of the peer's close frame (RFC 6455, 7.4), also after ours */
    td_bytes close_reason;   /* of the same; both 0 if absent */
    unsigned sent_code;      /* of our close frame; 0: none was sent, or it had none */
    const char *fields;      /* of WIRE_CAUSE_REFUSED, of a relay: header lines to hand on, */
    td_bytes body;           /* and as much of the body as came, up to WIRE_BODY_BYTES_MAX */
    const char *text; /* one line, at most WIRE_TEXT_BYTES with its NUL: what failed and how to
                         fix it */
} wire_end;

/* The peer, and the negotiated TLS. Valid during the callback. */
typedef struct wire_peer {
    const char *address;     /* numeric */
    const char *tls_version; /* "TLSv1.3"; NULL without TLS */
    const char *tls_cipher;
    const char *tls_subject;      /* of the peer's certificate */
    const char *extensions;       /* as it agreed to them; "": none */
    const char *fields;           /* of a relay: header lines of its answer to hand on */
    uint8_t is_deflated;          /* of a relay: permessage-deflate is among the extensions, */
    deflate_context sent_context; /* and what messages to the peer refer to */
} wire_peer;

/* What both roles call, on the loop's thread; each may be NULL, except message. user is the
 * connection's. Bytes are valid during the call. */
typedef struct wire_conn_ops {
    void (*message)(void *user, wire_conn *conn, const ws_message *message);
    /* A message was handed to the socket's queue. */
    void (*sent)(void *user, wire_conn *conn, const ws_message *message);
    /* A WebSocket ping (9) or pong (10) from the peer. */
    void (*heartbeat)(void *user, wire_conn *conn, const ws_message *heartbeat);
    /* A ping was answered: the payload of our pong. */
    void (*pong_sent)(void *user, wire_conn *conn, td_bytes bytes);
    /* Of a relay: the peer's close frame has come, with the code (WS_CODE_ABSENT: none). If it is
     * no answer to ours, wire_close is due within seconds. */
    void (*closing)(void *user, wire_conn *conn, unsigned code, td_bytes reason);
    /* All that waited was handed to the socket. */
    void (*drained)(void *user, wire_conn *conn);
} wire_conn_ops;

/* A message to any number of clients of a server, one after the other: compressed once for all
 * whose windows are of the same size. */
typedef struct wire_outgoing {
    unsigned opcode; /* 1 text, 2 binary */
    td_bytes bytes;
    uint64_t number; /* the server's; 0 before the first client */
} wire_outgoing;

/* Queue a message; its bytes are copied. TD_E_NETWORK: not between opened and the end, or it is
 * closing. TD_E_LIMIT: more would wait than WIRE_SEND_BYTES_MAX of a client,
 * WIRE_PEER_QUEUE_BYTES_MAX of a server, whose empty queue takes any message up to
 * LIMIT_FRAME_BYTES: wait for drained. */
TD_MUST_USE td_result wire_send_message(wire_conn *conn, wire_outgoing *message, td_err *err);

/* The same with a message to one peer. */
TD_MUST_USE td_result wire_send(wire_conn *conn, unsigned opcode, td_bytes bytes, td_err *err);

/* Relay a message (1, 2), compressed or not, ping (9) or pong (10): its raw bytes. Ignored before
 * opened, once the connection is closing, and while more waits than wire_send allows: the user
 * pauses the other connection before that, which is only impossible for a client that has sent its
 * close frame and does not read. */
void wire_relay(wire_conn *conn, const ws_message *message);

/* Bytes that wait to be sent. */
size_t wire_waiting_bytes(const wire_conn *conn);

/* Why the connection ends: a close frame went or came, it was cut off, reset or refused.
 * WIRE_CAUSE_NONE while it does not. */
wire_cause wire_conn_cause(const wire_conn *conn);

/* Stop and resume reading this connection's socket: the peer is held back by TCP. Inside a message
 * callback up to 128 KiB that were read before may still follow after resuming, none before it. */
void wire_pause(wire_conn *conn);
void wire_resume(wire_conn *conn);

/* Close: what is queued, a close frame with code (1000 = normal; WS_CODE_ABSENT: without one) and
 * 123 bytes of the reason; the end follows, never inside this call. A client waits 2 s for the
 * peer's close frame, and hands over what comes until then. A server waits for a peer that takes
 * what is queued, and for 5 s after that; what comes does not count. Nothing if it is closing
 * already, or ended before it opened.
 * code 0 drops the queue and ends the connection at once, without a close frame, as a crashed
 * program would; also one that is closing. */
void wire_close(wire_conn *conn, unsigned code, td_bytes reason);

/* End it without a close frame; the end follows. */
void wire_cut_off(wire_conn *conn, wire_cut how);

#endif
