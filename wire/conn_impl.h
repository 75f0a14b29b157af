/* The frames of a connection, for its owner, which has the socket and the handshake: wire/client.c
 * or wire/server.c. Loop's thread. */
#ifndef TD_WIRE_CONN_IMPL_H
#define TD_WIRE_CONN_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "wire/conn.h"
#include "wire/link.h"
#include "wire/websocket.h"

/* How client and server differ. */
typedef struct conn_role {
    ws_peer peer;             /* whose frames it reads; it masks its own for a server */
    size_t message_bytes_max; /* of a message that is received, */
    size_t sent_bytes_max;    /* and that is sent */
    size_t queue_bytes_max;   /* of messages that wait; a single one may be longer */
    size_t pong_bytes_max;    /* while more waits, only the latest ping counts */
    uint64_t patience_ns;     /* a peer that closes has so long again whenever it took some of
                                 what waits; 0: it has not */
    /* The payload of a message that is sent compressed. */
    td_bytes (*compress)(wire_conn *conn, wire_outgoing *message);
    /* A compressed message took that time of this thread. */
    void (*inflated)(wire_conn *conn, uint64_t cost_ns);
    /* The peer's close frame has come, or what it sent failed (ws_read). */
    void (*peer_ended)(wire_conn *conn, const ws_event *event);
    /* The time is over: end it. */
    void (*late)(wire_conn *conn);
} conn_role;

typedef enum conn_state {
    CONN_OPENING,
    CONN_OPEN,
    CONN_CLOSING, /* our close frame is put in; the peer's is waited for */
    CONN_ENDING,  /* what waits goes out, then the connection ends: nothing counts any more */
} conn_state;

/* Zero-initialise, and set the first members; memory is the owner's, to be freed by
 * loop_free_later. */
struct wire_conn {
    const conn_role *role;
    const wire_conn_ops *ops;
    void *owner;
    wire_link *link;
    void *user;
    uint8_t is_relay;
    uint8_t is_deflated; /* messages are sent compressed */
    /* Owners read these, and may set members of end. */
    conn_state state;
    wire_end end;               /* cause NONE until a reason is known */
    deflate_receiver *inflater; /* the owner's */
    /* The connection's own. */
    uint8_t is_held;        /* by wire_pause: from the moment it is open */
    uint8_t is_peer_closed; /* of a relay: its close frame came first, and has no answer yet */
    uint8_t is_pong_due;
    size_t pong_size;
    uint8_t pong[WS_CONTROL_BYTES_MAX];
    char reason[WS_CONTROL_BYTES_MAX];
    ws_reader reader;
    wire_timer *timer;       /* until late */
    size_t timed_bytes;      /* that waited when it was set */
    wire_timer *stall_timer; /* set while it is not read, because inflating took too long */
};

/* The upgrade is done: frames begin. inflater (NULL: permessage-deflate was not negotiated) is
 * borrowed for the connection's life. */
void conn_open(wire_conn *self, deflate_receiver *inflater);
void conn_fini(wire_conn *self);

/* As the operations of a link. */
size_t conn_read(wire_conn *self, uint8_t *bytes, size_t size, uint64_t read_ns);
void conn_drained(wire_conn *self);

/* late is called after wait_ns, or later to a peer that takes what waits. */
void conn_set_timer(wire_conn *self, uint64_t wait_ns);

/* Remember why it ends, unless something earlier did; text is borrowed for the connection's life.
 * Returns 1 if this is the reason. */
int conn_note_end(wire_conn *self, wire_cause cause, const char *text);

/* The peer did what the connection ends for: a close frame with the event's code. */
void conn_fail(wire_conn *self, const ws_event *event);

/* What waits goes out, then the stream's end; the peer ends its own. */
void conn_finish(wire_conn *self);

/* End it at once, without what waits; late follows, on the loop's next turn. */
void conn_drop(wire_conn *self);

/* Do not read the peer for wait_ns. */
void conn_stall(wire_conn *self, uint64_t wait_ns);

#endif
