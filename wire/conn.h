/* A WebSocket connection of either role: its functions and callbacks. wire/client.c and
 * wire/server.c open and own connections; the last part of this header is only for these two. Call
 * everything on the loop's thread.
 *
 * The protocol is strict (wire/websocket.h): a violation of RFC 6455 ends the connection. A client
 * answers the last ping of each read; a server answers each ping while its queue has space. Memory:
 * bytes that wait to be sent, and one message while its fragments are collected.
 *
 * A relay forwards between two connections: its user handles pings, pongs and close frames, and
 * messages stay compressed. */
#ifndef TD_WIRE_CONN_H
#define TD_WIRE_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/ws_message.h"
#include "wire/cause.h"
#include "wire/deflate.h"
#include "wire/loop.h"
#include "wire/websocket.h"

typedef struct wire_conn wire_conn;

/* How a connection ended. Valid during the callback. */
enum { WIRE_BODY_BYTES_MAX = 8 << 10, WIRE_TEXT_BYTES = 768 };
typedef struct wire_end {
    wire_cause cause;
    unsigned http_status;    /* with WIRE_CAUSE_REFUSED, else 0 */
    uint64_t retry_after_ns; /* with WIRE_CAUSE_REFUSED: seconds in the Retry-After header (a date
                                is ignored), as ns, at most LIMIT_RETRY_AFTER_NS; else 0 */
    unsigned close_code;   /* of the peer's close frame (RFC 6455, 7.4), even if ours was first; 0:
                              absent */
    td_bytes close_reason; /* of the same frame; may be empty */
    unsigned sent_code;    /* of our close frame; 0: no frame, or no code in it */
    const char *fields;    /* relay only, with WIRE_CAUSE_REFUSED: header lines to forward */
    td_bytes body;         /* likewise: the received part of the answer's body */
    const char *text;      /* one line, less than WIRE_TEXT_BYTES: the problem and how to fix it */
} wire_end;

/* The peer and the negotiated TLS. Valid during the callback. */
typedef struct wire_peer {
    const char *address;     /* numeric */
    const char *tls_version; /* "TLSv1.3"; NULL without TLS */
    const char *tls_cipher;
    const char *tls_subject;      /* of the peer's certificate */
    const char *extensions;       /* the extensions that the peer agreed to; may be "" */
    const char *fields;           /* relay only: header lines to forward from the peer's answer */
    uint8_t is_deflated;          /* relay only; 1: permessage-deflate was agreed */
    deflate_context sent_context; /* relay only: the agreed context of messages to the peer */
} wire_peer;

/* Callbacks of both roles, on the loop's thread; each may be NULL, except message. user is the
 * connection's. Bytes are valid during the call. */
typedef struct wire_conn_ops {
    void (*message)(void *user, wire_conn *conn, const ws_message *message);
    /* A message was put into the send queue. */
    void (*sent)(void *user, wire_conn *conn, const ws_message *message);
    /* A WebSocket ping (9) or pong (10) from the peer. */
    void (*heartbeat)(void *user, wire_conn *conn, const ws_message *heartbeat);
    /* A pong with this payload was sent in answer to a ping. */
    void (*pong_sent)(void *user, wire_conn *conn, td_bytes bytes);
    /* Relay only: the peer's close frame was received (code WS_CODE_ABSENT: without a code).
     * Unless the frame answers ours, the user must call wire_close within 5 s. */
    void (*closing)(void *user, wire_conn *conn, unsigned code, td_bytes reason);
    /* The send queue is empty: the socket has accepted everything. */
    void (*drained)(void *user, wire_conn *conn);
} wire_conn_ops;

/* A message to any number of a server's clients, sent to one after the other. It is compressed once
 * for all clients with the same window size. */
typedef struct wire_outgoing {
    unsigned opcode; /* 1 text, 2 binary */
    td_bytes bytes;
    uint64_t number; /* set by the server; 0 before the first client */
} wire_outgoing;

/* Queue a message; its bytes are copied. TD_E_NETWORK: the connection is not open. TD_E_LIMIT: the
 * queue would exceed WIRE_SEND_BYTES_MAX (client) or WIRE_PEER_QUEUE_BYTES_MAX (server), so wait
 * for drained; or the message is too long. A server's empty queue accepts any message up to
 * LIMIT_FRAME_BYTES. */
TD_MUST_USE td_result wire_send_message(wire_conn *conn, wire_outgoing *message, td_err *err);

/* As wire_send_message, to one peer. */
TD_MUST_USE td_result wire_send(wire_conn *conn, unsigned opcode, td_bytes bytes, td_err *err);

/* Relay a message (opcode 1 or 2, compressed or not), a ping (9) or a pong (10) as raw bytes. Does
 * nothing if the connection is not open, or if the queue is over the limit of wire_send. The user
 * prevents a full queue by pausing the connection from which it relays. Pausing has no effect only
 * while that connection is closing, for example because the peer here has sent a close frame; if
 * this peer then does not read, its queue can become full. */
void wire_relay(wire_conn *conn, const ws_message *message);

/* The peer's numeric address; "" if unknown. */
enum { WIRE_ADDRESS_BYTES = 64 };
void wire_peer_address(const wire_conn *conn, char out[WIRE_ADDRESS_BYTES]);

/* Bytes that wait to be sent. */
size_t wire_waiting_bytes(const wire_conn *conn);

/* The cause of the connection's end, from the time when a close frame is sent or received, or the
 * connection is cut off, reset or refused. WIRE_CAUSE_NONE before. */
wire_cause wire_conn_cause(const wire_conn *conn);

/* Pause and resume reading this connection's socket: TCP holds the peer back. No message is
 * delivered while paused. After resuming, up to 128 KiB that were read earlier may be delivered
 * first. */
void wire_pause(wire_conn *conn);
void wire_resume(wire_conn *conn);

/* Close: send the queue, then a close frame with code (1000 = normal; WS_CODE_ABSENT: without a
 * code) and up to 123 bytes of the reason. The callback for the end follows, never inside this
 * call. A client waits 2 s for the peer's close frame and still delivers messages. A server waits
 * as long as the peer takes queued bytes, and 5 s after that; it ignores messages. A connection
 * that has not opened ends at once. No effect on a connection that is already closing, unless code
 * is 0: code 0 drops the queue and ends any connection at once without a close frame, as a crashed
 * program would. */
void wire_close(wire_conn *conn, unsigned code, td_bytes reason);

/* End the connection without a close frame; the callback for the end follows. */
void wire_cut_off(wire_conn *conn, wire_cut how);

/* ---- for the owner (wire/client.c, wire/server.c), which has the socket and the handshake ---- */

/* Differences between client and server. */
typedef struct conn_role {
    ws_peer peer;             /* sender of the received frames; a client masks its own frames */
    size_t message_bytes_max; /* of a received message */
    size_t sent_bytes_max;    /* of a sent message */
    size_t queue_bytes_max;   /* of queued messages; one message in an empty queue may be longer */
    size_t pong_bytes_max; /* while more bytes wait, pongs are held back and only the latest ping is
                              answered */
    uint64_t patience_ns;  /* when closing: extend the time limit by this whenever the peer took
                              queued bytes; 0: never extend */
    /* Returns the compressed payload of a message to send. */
    td_bytes (*compress)(wire_conn *conn, wire_outgoing *message);
    /* A received compressed message cost this much CPU time of this thread. */
    void (*inflated)(wire_conn *conn, uint64_t cost_ns);
    /* The peer sent a close frame or broke the protocol (ws_read). */
    void (*peer_ended)(wire_conn *conn, const ws_event *event);
    /* The time limit passed: end the connection. */
    void (*timed_out)(wire_conn *conn);
} conn_role;

typedef enum conn_state {
    CONN_OPENING,
    CONN_OPEN,
    CONN_CLOSING, /* our close frame is queued; waits for the peer's */
    CONN_ENDING,  /* sends the queue and then ends; received bytes are ignored */
} conn_state;

/* Zero-initialise, and set the members up to is_deflated; the owner frees the memory by
 * loop_free_later. */
struct wire_conn {
    const conn_role *role;
    const wire_conn_ops *ops;
    void *owner;
    struct wire_link *link;
    void *user;
    uint8_t is_relay;
    uint8_t is_deflated; /* 1: messages are sent compressed */
    /* Owners read these, and may set members of end. */
    conn_state state;
    wire_end end;               /* cause is WIRE_CAUSE_NONE until the cause is known */
    deflate_receiver *inflater; /* borrowed from the owner */
    wire_timer *timer;          /* calls role->timed_out; an owner may cancel it */
    /* Private to conn.c. */
    uint8_t is_pause_requested; /* by wire_pause; takes effect once the connection is open */
    uint8_t is_peer_closed; /* relay only: the peer sent its close frame first, not answered yet */
    uint8_t is_pong_due;
    size_t pong_size;
    uint8_t pong[WS_CONTROL_BYTES_MAX];
    char reason[WS_CONTROL_BYTES_MAX];
    ws_reader reader;
    size_t timed_bytes;      /* queued bytes when the timer was set */
    wire_timer *stall_timer; /* set while reading is suspended because inflating took too long */
};

/* Call when the upgrade is done; frames follow. inflater (NULL: permessage-deflate was not
 * negotiated) is borrowed for the connection's life. conn_fini frees what the connection owns. */
void conn_open(wire_conn *self, deflate_receiver *inflater);
void conn_fini(wire_conn *self);

/* For the owner's link_ops: `received` calls conn_read with its arguments and returns the result;
 * `drained` calls conn_drained. */
size_t conn_read(wire_conn *self, uint8_t *bytes, size_t size, uint64_t read_ns);
void conn_drained(wire_conn *self);

/* Call role->timed_out after wait_ns, extended by patience_ns while the peer takes queued bytes. */
void conn_set_timer(wire_conn *self, uint64_t wait_ns);

/* Note why the connection ends, unless a cause is noted already; text is borrowed for the
 * connection's life. Returns 1 if the cause was noted. */
int conn_note_end(wire_conn *self, wire_cause cause, const char *text);

/* End the connection because of what the peer sent. The close frame has the event's code. */
void conn_fail(wire_conn *self, const ws_event *event);

/* Send the queue, then the end of the TCP stream, and wait until the peer ends its stream. */
void conn_finish(wire_conn *self);

/* End at once and drop the queue; role->timed_out is called on the loop's next turn. */
void conn_drop(wire_conn *self);

/* Stop reading for wait_ns. */
void conn_stall(wire_conn *self, uint64_t wait_ns);

#endif
