/* The frames of a connection, for its owner, which has the socket and the handshake (wire/client.c
 * or wire/server.c). Loop's thread. */
#ifndef TD_WIRE_CONN_IMPL_H
#define TD_WIRE_CONN_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "wire/conn.h"
#include "wire/link.h"
#include "wire/websocket.h"

/* Differences between client and server. */
typedef struct conn_role {
    ws_peer peer;             /* sender of the frames it reads; frames to a server are masked */
    size_t message_bytes_max; /* of a received message */
    size_t sent_bytes_max;    /* of a sent message */
    size_t queue_bytes_max;   /* of queued messages; a single one may be longer */
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
    wire_link *link;
    void *user;
    uint8_t is_relay;
    uint8_t is_deflated; /* 1: messages are sent compressed */
    /* Owners read these, and may set members of end. */
    conn_state state;
    wire_end end;               /* cause is WIRE_CAUSE_NONE until the end has a cause */
    deflate_receiver *inflater; /* borrowed from the owner */
    /* Private to conn.c. */
    uint8_t
        is_pause_requested; /* wire_pause was called; takes effect once the connection is open */
    uint8_t is_peer_closed; /* relay only: the peer sent its close frame first, not answered yet */
    uint8_t is_pong_due;
    size_t pong_size;
    uint8_t pong[WS_CONTROL_BYTES_MAX];
    char reason[WS_CONTROL_BYTES_MAX];
    ws_reader reader;
    wire_timer *timer;       /* calls role->timed_out */
    size_t timed_bytes;      /* queued bytes when the timer was set */
    wire_timer *stall_timer; /* set while reading is suspended because inflating took too long */
};

/* Call when the upgrade is done; frames follow. inflater (NULL: permessage-deflate was not
 * negotiated) is borrowed for the connection's life. conn_fini frees what the connection owns. */
void conn_open(wire_conn *self, deflate_receiver *inflater);
void conn_fini(wire_conn *self);

/* Called from the link_ops of the same names. */
size_t conn_read(wire_conn *self, uint8_t *bytes, size_t size, uint64_t read_ns);
void conn_drained(wire_conn *self);

/* Call role->timed_out after wait_ns, extended by patience_ns while the peer takes queued bytes. */
void conn_set_timer(wire_conn *self, uint64_t wait_ns);

/* Note why the connection ends, unless a cause is noted already; text is borrowed for the
 * connection's life. Returns 1 if the cause was noted. */
int conn_note_end(wire_conn *self, wire_cause cause, const char *text);

/* End the connection because of the peer's behaviour, with a close frame with the event's code. */
void conn_fail(wire_conn *self, const ws_event *event);

/* Send the queue, then the TCP end, and wait for the peer's. */
void conn_finish(wire_conn *self);

/* End at once and drop the queue; role->timed_out is called on the loop's next turn. */
void conn_drop(wire_conn *self);

/* Stop reading for wait_ns. */
void conn_stall(wire_conn *self, uint64_t wait_ns);

#endif
