/* An open connection as the recorder and the tap record it, besides its frames: its events, its
 * WebSocket pings and pongs, and how long it is known to be complete.
 *
 * Pings and pongs. In each second the first ones are events of their own; the rest, of a peer that
 * floods, are only counted.
 *
 * Completeness. An exchange answers a ping in order with everything else, so with the answer
 * everything that it sent before the ping was sent has been received (intake_slot.complete_ns).
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

/* Which answers a ping has: a pong of the same kind. */
typedef enum ping_kind { PING_WEBSOCKET, PING_DIALECT, PING_KINDS } ping_kind;

/* Pings without an answer, oldest first: the receive times when they were sent, 0 if not recorded.
 * Beyond OPEN_PINGS_MAX the further ones are only counted. */
typedef struct open_pings {
    uint64_t sent_ns[OPEN_PINGS_MAX];
    size_t count;
    size_t further;
} open_pings;

/* Zero, but for the first members. */
typedef struct recorded_conn {
    td_clock clock;
    redactor *redactor; /* NULL: nothing to hide */
    intake *intake;     /* NULL: it is not recorded now */
    intake_slot *slot;
    open_pings pings[PING_KINDS];
    uint64_t second_mono_ns;     /* begin of the present second */
    uint32_t heartbeats_written; /* in it */
    uint64_t heartbeats_further[HEARTBEAT_KINDS];
    uint8_t is_flooded; /* there were further ones */
} recorded_conn;

/* The connection has opened, or a session begins with it: the slot has its next connection. Writes
 * a `connect` event, and a `tls` event if there is a version; peer has the members of both. */
void recorded_conn_begin(recorded_conn *self, intake *into, intake_slot *slot, const event *peer);

/* It has ended. Writes a `disconnect` event with this reason, and returns its time. The caller
 * closes the slot (intake_closed) once it knows what that means for complete_ns. */
uint64_t recorded_conn_end(recorded_conn *self, const event *disconnect, td_bytes reason);

/* Write an event, with the slot and its connection; returns its time. */
uint64_t recorded_conn_emit(const recorded_conn *self, const event *what);

/* A WebSocket ping or pong with its payload. 1: the first one that is only counted. */
int recorded_conn_heartbeat(recorded_conn *self, heartbeat_kind kind, td_bytes payload);

/* The second may be over: events of the heartbeats that were only counted. */
void recorded_conn_tick(recorded_conn *self);

/* A ping was sent to the exchange, or its oldest open one of this kind is answered. */
void recorded_conn_pinged(recorded_conn *self, ping_kind kind);
void recorded_conn_ponged(recorded_conn *self, ping_kind kind);

/* Pings of this kind without an answer. */
size_t recorded_conn_open_pings(const recorded_conn *self, ping_kind kind);

#endif
