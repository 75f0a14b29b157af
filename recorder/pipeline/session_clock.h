/* Receive times of a session: strictly increasing over all feeds and both directions, however the
 * machine's wall clock moves.
 *
 * recv_ns = monotonic clock + offset, but at least 1 more than the last recv_ns. At the start of
 * the session the offset is such that recv_ns is the wall clock's time, even if the archive has
 * later frames. Then the wall clock is compared once a second. If it steps:
 *
 *   forward, up to LIMIT_CLOCK_TRUST_NS  adopted at once
 *   forward, more                        adopted after LIMIT_CLOCK_CONFIRM_NS, so that one wrong
 *                                        reading does not change the times of frames
 *   back, up to LIMIT_CLOCK_TRUST_NS     held: times stay ahead by that much
 *   back, more                           wrong after LIMIT_CLOCK_CONFIRM_NS: times must rise, so
 *                                        they stay wrong in this session: end it, and begin a new
 *                                        one
 *
 * A suspension of the machine is not a step: the boot-time clock measures it, and it is added to
 * the offset at once. Network thread only. */
#ifndef TD_PIPELINE_SESSION_CLOCK_H
#define TD_PIPELINE_SESSION_CLOCK_H

#include <stdint.h>

#include "base/clock.h"
#include "base/limits.h"

/* A smaller difference of the wall clock is drift, and gets no event. */
#define SESSION_CLOCK_STEP_MIN_NS (UINT64_C(1) * TD_NS_PER_MS)
/* Interval of comparisons with the wall clock. */
#define SESSION_CLOCK_CHECK_NS TD_NS_PER_S

typedef struct session_clock {
    td_clock clock;
    int64_t offset_ns;        /* recv time minus monotonic time */
    int64_t held_step_ns;     /* reported step back of the wall clock (<= 0) while times are held */
    int64_t pending_step_ns;  /* a large step that may be adopted if it lasts; 0: none */
    uint64_t pending_mono_ns; /* when it was first seen */
    uint64_t suspended_ns;    /* boot-time clock minus monotonic clock, when last read */
    uint64_t last_recv_ns;
    uint64_t next_check_mono_ns;
    uint8_t is_wrong; /* 1: CLOCK_STEP_WRONG was reported for pending_step_ns */
} session_clock;

/* Result of a comparison with the wall clock. */
typedef enum session_clock_step {
    CLOCK_STEP_NONE,
    CLOCK_STEP_SEEN,      /* a large step, forward or back; not adopted yet */
    CLOCK_STEP_ADOPTED,   /* times jump ahead by step_ns */
    CLOCK_STEP_WITHDRAWN, /* the large step (step_ns) was reversed before it was adopted */
    CLOCK_STEP_HELD,      /* a small step back: times stay ahead by -step_ns */
    CLOCK_STEP_WRONG,     /* a large step back has lasted: this session's times are ahead by
                           * -step_ns and stay so; begin a new one */
} session_clock_step;

/* Stable name: "seen", "adopted", "withdrawn", "held", "new_session". Not for CLOCK_STEP_NONE. */
const char *session_clock_step_name(session_clock_step step);

/* Start a session's clock: sets the offset. */
void session_clock_init(session_clock *self, td_clock clock);

/* The session's time of mono_ns. session_clock_stamp returns the same, or a later time if times
 * must rise. */
uint64_t session_clock_at(const session_clock *self, uint64_t mono_ns);

/* Receive time for mono_ns; greater than the last one. */
uint64_t session_clock_stamp(session_clock *self, uint64_t mono_ns);

/* Compare with the wall clock if a second has passed since the last comparison. Each step is
 * reported once; *step_ns is its size, negative if backward. */
session_clock_step session_clock_check(session_clock *self, int64_t *step_ns);

/* Time in ns that the machine was suspended since the last call; it is added to the offset. */
uint64_t session_clock_add_suspension(session_clock *self);

#endif
