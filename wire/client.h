/* The client's end of a WebSocket connection: TLS, upgrade, whole messages in and out. One
 * wire_loop serves any number of connections on one thread; callbacks run on that thread. It
 * delivers bytes: it has no knowledge of archives or dialects.
 *
 * Certificates are verified by default; an error explains what is wrong with one. Names are looked
 * up on threads of their own (wire/resolve.h), so a slow resolver does not delay other connections.
 * Redirects are not followed. HTTPS_PROXY, ALL_PROXY and NO_PROXY are read here (see wire/proxy.h).
 *
 * The protocol is strict (wire/websocket.h): what RFC 6455 forbids ends the connection. Every ping
 * and pong is reported with its payload; of the pings of one read the last one is answered. Memory:
 * what waits to be sent, and up to LIMIT_FRAME_BYTES while a message in pieces is put together.
 *
 * A relay (options.fields) hands on what another connection sends and receives: pings, pongs and
 * close frames are left to it, and messages stay compressed as they are.
 *
 * With permessage-deflate messages are inflated here, up to LIMIT_FRAME_BYTES each, and those sent
 * are not compressed. Other connections wait meanwhile, for a message of 16 MiB of empty blocks
 * 1.2 s. A peer whose messages take more than LIMIT_INFLATE_SHARE of the time is closed
 * (WIRE_CAUSE_TOO_LARGE). */
#ifndef TD_WIRE_CLIENT_H
#define TD_WIRE_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/cause.h"
#include "wire/deflate.h"
#include "wire/loop.h"

typedef struct wire_conn wire_conn;

/* How a connection ended. Valid during the callback. */
enum { WIRE_BODY_BYTES_MAX = 8 << 10, WIRE_TEXT_BYTES = 768 };
typedef struct wire_end {
    wire_cause cause;
    unsigned http_status;    /* of WIRE_CAUSE_REFUSED, else 0 */
    uint64_t retry_after_ns; /* of WIRE_CAUSE_REFUSED: the time in its Retry-After header, in
                                seconds there (a date is passed over), at most
                                LIMIT_RETRY_AFTER_NS; else 0 */
    unsigned close_code;     /* of the peer's close frame (RFC 6455, 7.4), whoever closed first */
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

/* A message, whole: fragments are reassembled, compressed ones inflated. */
typedef struct wire_message {
    unsigned opcode; /* 1: text, 2: binary */
    td_bytes bytes;
    td_bytes raw;            /* as it came, for wire_relay and wire_peer_relay */
    uint64_t recv_mono_ns;   /* its first bytes have been read (monotonic clock) */
    uint64_t kernel_mono_ns; /* the kernel had received what was read then; 0: unknown */
    uint64_t end_mono_ns;    /* its last bytes have been read */
    uint8_t is_compressed;   /* it came so (RFC 7692) */
    uint8_t is_fragmented;   /* it came in several frames */
} wire_message;

/* Called on the loop's thread. user is the connection's. Bytes are valid during the call. */
typedef struct wire_client_ops {
    void (*opened)(void *user, wire_conn *conn, const wire_peer *peer);
    void (*message)(void *user, wire_conn *conn, const wire_message *message);
    /* A message was handed to the socket. */
    void (*sent)(void *user, wire_conn *conn, unsigned opcode, td_bytes bytes,
                 uint64_t sent_mono_ns);
    /* A WebSocket ping (9) or pong (10) from the peer, with its payload. */
    void (*heartbeat)(void *user, wire_conn *conn, unsigned opcode, td_bytes bytes);
    /* A ping was answered: the payload of our pong. */
    void (*pong_sent)(void *user, wire_conn *conn, td_bytes bytes);
    /* Of a relay: the peer's close frame has come, with the code (WS_CODE_ABSENT: none). If it is
     * no answer to ours, wire_relay_close is due within seconds. */
    void (*closing)(void *user, wire_conn *conn, unsigned code, td_bytes reason);
    /* All that waited was handed to the socket. May be NULL. */
    void (*drained)(void *user, wire_conn *conn);
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

/* Start to connect; callbacks follow, none of them before this returns. TD_E_INVALID for an invalid
 * URL or proxy, TD_E_NETWORK while the loop closes. On success exactly one ended callback follows.
 * options is borrowed for the call. */
TD_MUST_USE td_result wire_connect(wire_loop *loop, const wire_client_options *options,
                                   wire_conn **out, td_err *err);

/* Send a text message, copied. TD_E_NETWORK: not between opened and the end, or it is closing.
 * TD_E_LIMIT: more than WIRE_SEND_BYTES_MAX would wait to be sent. */
enum { WIRE_SEND_BYTES_MAX = 1 << 20 };
TD_MUST_USE td_result wire_send(wire_conn *conn, td_bytes text, td_err *err);

/* Relay a message (1, 2), ping (9) or pong (10) of at most WIRE_SEND_BYTES_MAX, compressed or not.
 * The user keeps what waits below that. Ignored before opened, and once the connection is closing.
 */
void wire_relay(wire_conn *conn, unsigned opcode, td_bytes raw, int is_compressed);

/* Bytes that wait to be sent. */
size_t wire_waiting_bytes(const wire_conn *conn);

/* 1 once it is closing: a close frame went or came, or it was cut off. */
int wire_is_closing(const wire_conn *conn);

/* Stop and resume reading this connection's socket: the peer is held back by TCP. Inside a message
 * callback up to 128 KiB that were read before may still follow after resuming, none before it. */
void wire_pause(wire_conn *conn);
void wire_resume(wire_conn *conn);

/* Close: what is queued, a close frame with code (1000 = normal), then ended with
 * WIRE_CAUSE_CLOSED_BY_US, once the peer has closed too, after 2 s at the latest. What the peer
 * sends until then is handed over like everything before. */
void wire_close(wire_conn *conn, unsigned code);

/* The same with the reason of a close frame that is handed on, and WS_CODE_ABSENT; also the answer
 * to the peer's. */
void wire_relay_close(wire_conn *conn, unsigned code, td_bytes reason);

/* End it without a close frame; ended follows. */
void wire_cut_off(wire_conn *conn, wire_cut how);

#endif
