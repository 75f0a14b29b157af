/* Events of a connection's WebSocket pings and pongs. In each second the first ones are events of
 * their own; the rest, of a peer that floods, are only counted. Network thread only. */
#ifndef TD_PIPELINE_HEARTBEATS_H
#define TD_PIPELINE_HEARTBEATS_H

#include <stdint.h>

#include "base/bytes.h"
#include "capture/redact.h"
#include "pipeline/intake.h"

enum { HEARTBEATS_A_SECOND = 10 };

typedef enum heartbeat_kind {
    PING_IN,
    PONG_IN,
    PING_OUT,
    PONG_OUT,
    HEARTBEAT_KINDS
} heartbeat_kind;

/* Zero is a connection that begins. */
typedef struct heartbeats {
    uint64_t since_mono_ns; /* the present second */
    uint32_t written;
    uint64_t further[HEARTBEAT_KINDS];
    uint8_t is_flood; /* there were further ones */
} heartbeats;

/* Where the events go. */
typedef struct heartbeat_target {
    intake *intake;
    const intake_slot *slot;
    redactor *redactor; /* NULL: nothing to hide */
    uint64_t mono_ns;   /* now */
} heartbeat_target;

/* A control frame with its payload. 1: the first one that is only counted. */
int heartbeats_note(heartbeats *self, const heartbeat_target *to, heartbeat_kind kind,
                    td_bytes payload);

/* The second may be over, or the connection is: events of those that were only counted. */
void heartbeats_tick(heartbeats *self, const heartbeat_target *to);
void heartbeats_end(heartbeats *self, const heartbeat_target *to);

/* A control frame's bytes without secrets, in copy. */
td_bytes heartbeats_hide(redactor *secrets, td_bytes bytes, uint8_t copy[EVENT_CONTROL_BYTES_MAX]);

#endif
