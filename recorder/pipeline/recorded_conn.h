/* Records an open connection's events, its WebSocket pings and pongs, and the time until which it
 * is known to be complete, but not its frames. Used by the recorder and the tap.
 *
 * Pings and pongs. The first HEARTBEATS_A_SECOND of each second are recorded one by one; the rest,
 * from a peer that floods, are only counted.
 *
 * Completeness. An exchange answers a ping in order with all other messages. So once the answer
 * arrives, everything that the exchange sent before the ping was sent has been received
 * (intake_slot.complete_ns).
 *
 * Network thread only. */
#ifndef TD_PIPELINE_RECORDED_CONN_H
#define TD_PIPELINE_RECORDED_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "archive/event.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "recorder/capture/redact.h"
#include "recorder/pipeline/intake.h"

enum { HEARTBEATS_A_SECOND = 10, OPEN_PINGS_MAX = 16 };

/* WebSocket pings and pongs. */
typedef enum heartbeat_kind {
    PING_IN,
    PONG_IN,
    PING_OUT,
    PONG_OUT,
    HEARTBEAT_KINDS
} heartbeat_kind;

/* Kinds of pings; each is answered by a pong of the same kind. */
typedef enum ping_kind { PING_WEBSOCKET, PING_DIALECT, PING_KINDS } ping_kind;

/* Unanswered pings, oldest first: the session's time when each was sent, 0 if not recorded. Beyond
 * OPEN_PINGS_MAX they are only counted. */
typedef struct open_pings {
    uint64_t sent_ns[OPEN_PINGS_MAX];
    size_t count;
    size_t extra;
} open_pings;

/* Set clock and redactor, and zero the rest. */
typedef struct recorded_conn {
    td_clock clock;
    redactor *redactor; /* NULL: nothing to hide */
    intake *intake;     /* NULL: not recorded now */
    intake_slot *slot;
    open_pings pings[PING_KINDS];
    uint64_t second_mono_ns;     /* begin of the current second */
    uint32_t heartbeats_written; /* events in this second */
    uint64_t heartbeats_extra[HEARTBEAT_KINDS];
    uint8_t is_flooded; /* 1: a ping or pong was only counted, in this second or an earlier one */
} recorded_conn;

/* The connection has opened, or a new session begins to record it: it becomes the slot's next
 * connection. Writes a `connect` event, and a `tls` event if peer has a tls_version; peer has the
 * members of both events. */
void recorded_conn_begin(recorded_conn *self, intake *into, intake_slot *slot, const event *peer);

/* The connection has ended. Writes a `disconnect` event with this reason (of the close frame), and
 * returns its time. The caller then updates complete_ns and calls intake_closed. */
uint64_t recorded_conn_end(recorded_conn *self, const event *disconnect, td_bytes reason);

/* Write an event of this slot and connection; returns its time. */
uint64_t recorded_conn_emit(const recorded_conn *self, const event *what);

/* Record a WebSocket ping or pong with its payload. Returns 1 for the first one that is only
 * counted. */
int recorded_conn_heartbeat(recorded_conn *self, heartbeat_kind kind, td_bytes payload);

/* If a second has passed, write events for the pings and pongs that were only counted. */
void recorded_conn_tick(recorded_conn *self);

/* A ping was sent to the exchange; the oldest open ping of this kind was answered. */
void recorded_conn_pinged(recorded_conn *self, ping_kind kind);
void recorded_conn_ponged(recorded_conn *self, ping_kind kind);

/* Number of unanswered pings of this kind. */
size_t recorded_conn_open_pings(const recorded_conn *self, ping_kind kind);

#endif
