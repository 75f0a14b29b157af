/* Heartbeats that a server sends to one client, by the client's dialect: of its own accord, or
 * because the client asked for them. All servers (sim, serve) use it. Without timers and sockets:
 * the owner calls heartbeats_step at due_ns, while every_ns is not 0. One thread. */
#ifndef TD_SCHEMA_HEARTBEATS_H
#define TD_SCHEMA_HEARTBEATS_H

#include "schema/dialect.h"

/* The close code of a connection whose heartbeat was not answered (Deribit, docs/sim.md). */
enum { HEARTBEAT_UNANSWERED_CODE = 4000 };

typedef enum heartbeat_step {
    HEARTBEAT_WAIT, /* until the new due_ns */
    HEARTBEAT_SEND,
    HEARTBEAT_UNANSWERED, /* the one before was to be answered */
} heartbeat_step;

typedef struct heartbeats {
    const dialect *spoken;
    uint64_t every_ns; /* time from one to the next; 0: no heartbeats */
    uint64_t due_ns;   /* monotonic */
    uint64_t count;    /* of those sent */
    uint8_t is_unanswered;
} heartbeats;

/* The client speaks this dialect from now on; those that it asked for before end. */
void heartbeats_begin(heartbeats *self, const dialect *spoken, uint64_t now_ns);

/* The client asked for heartbeats, or for none, or pinged, which answers one. */
void heartbeats_requested(heartbeats *self, const dialect_request *request, uint64_t now_ns);

/* A frame was sent to the client: heartbeats that fill pauses wait again. */
void heartbeats_on_frame(heartbeats *self, uint64_t now_ns);

/* due_ns may have come: whether to send a heartbeat now. */
heartbeat_step heartbeats_step(heartbeats *self, uint64_t now_ns);

#endif
