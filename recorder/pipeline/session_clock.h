/* Receive times of a session: strictly increasing over all feeds and both directions, however the
 * machine's wall clock moves.
 *
 * recv_ns = monotonic clock + offset, and at least one more than the last. The offset is the wall
 * clock's at the start of the session, whatever an archive holds already; the wall clock is
 * compared once a second:
 *
 *   forward, up to LIMIT_CLOCK_TRUST_NS  adopted at once
 *   forward, more                        adopted once it has lasted for LIMIT_CLOCK_CONFIRM_NS: one
 *                                        wrong reading leaves no trace in the times of frames
 *   back, up to LIMIT_CLOCK_TRUST_NS     held: times stay ahead by that much
 *   back, more, as long                  times cannot become right in this session, for they must
 *                                        rise: it should end, and a new one begin
 *
 * A suspension of the machine is not a step: the boot-time clock measures it, and it is added to
 * the offset at once. Network thread only. */
#ifndef TD_PIPELINE_SESSION_CLOCK_H
#define TD_PIPELINE_SESSION_CLOCK_H

#include <stdint.h>

#include "base/clock.h"
#include "base/limits.h"

/* A difference of the wall clock up to this size is drift that is not worth an event. */
#define SESSION_CLOCK_STEP_MIN_NS (UINT64_C(1) * TD_NS_PER_MS)
/* How often the wall clock is compared. */
#define SESSION_CLOCK_CHECK_NS TD_NS_PER_S

typedef struct session_clock {
    td_clock clock;
    int64_t offset_ns;     /* recv time minus monotonic time */
    int64_t behind_ns;     /* how far the wall clock is behind a held offset (<= 0) */
    int64_t seen_ns;       /* a large step that is being observed; 0: none */
    uint64_t seen_mono_ns; /* since when */
    uint64_t suspended_ns; /* boot-time minus monotonic clock, as it was looked at last */
    uint64_t last_recv_ns;
    uint64_t next_check_mono_ns;
    uint8_t is_wrong; /* 1: CLOCK_STEP_WRONG was reported of the step that is being observed */
} session_clock;

/* What a comparison with the wall clock found. Stable names: session_clock_step_name. */
typedef enum session_clock_step {
    CLOCK_STEP_NONE,
    CLOCK_STEP_SEEN,      /* a large step, either way; not adopted, and observed from now on */
    CLOCK_STEP_ADOPTED,   /* times jump ahead by step_ns */
    CLOCK_STEP_WITHDRAWN, /* the large step that was seen (step_ns) has been taken back */
    CLOCK_STEP_HELD,      /* a small step back: times stay ahead by -step_ns */
    CLOCK_STEP_WRONG,     /* a large step back has lasted: this session's times are ahead by
                           * -step_ns and stay so; begin a new one */
} session_clock_step;

/* "seen", "adopted", "withdrawn", "held", "new_session"; not of CLOCK_STEP_NONE. */
const char *session_clock_step_name(session_clock_step step);

/* Start a session: the offset is taken now. */
void session_clock_init(session_clock *self, td_clock clock);

/* The time that mono_ns is in this session: what session_clock_stamp gives, unless it must raise
 * it. */
uint64_t session_clock_at(const session_clock *self, uint64_t mono_ns);

/* Receive time for mono_ns; greater than that of the call before. */
uint64_t session_clock_stamp(session_clock *self, uint64_t mono_ns);

/* Compare with the wall clock if a second has passed since the last comparison. A step is reported
 * once, in the call that found it; *step_ns is its size, negative backward. */
session_clock_step session_clock_check(session_clock *self, int64_t *step_ns);

/* How long the machine was suspended since the last call, in ns; the offset includes it. */
uint64_t session_clock_add_suspension(session_clock *self);

#endif
