/* Receive times of a session: strictly increasing over all feeds and both directions, however the
 * machine's wall clock moves.
 *
 * recv_ns = monotonic clock + offset, and at least one more than the last. The offset is the wall
 * clock's at the start, compared once a second: a step forward of more than 1 ms is adopted, a step
 * backward is held until the next session. Network thread only. */
#ifndef TD_RECORDER_SESSION_CLOCK_H
#define TD_RECORDER_SESSION_CLOCK_H

#include <stdint.h>

#include "base/clock.h"

/* A forward step of the wall clock up to this size is drift that is not worth an event. */
#define SESSION_CLOCK_STEP_MIN_NS (UINT64_C(1) * TD_NS_PER_MS)
/* How often the wall clock is compared. */
#define SESSION_CLOCK_CHECK_NS TD_NS_PER_S

typedef struct session_clock {
    td_clock clock;
    int64_t offset_ns; /* recv time minus monotonic time */
    int64_t behind_ns; /* how far the wall clock is behind a held offset (<= 0) */
    uint64_t last_recv_ns;
    uint64_t next_check_mono_ns;
} session_clock;

/* What a comparison with the wall clock found. */
typedef enum session_clock_step {
    CLOCK_STEP_NONE,
    CLOCK_STEP_FORWARD,  /* adopted: times jump ahead by step_ns */
    CLOCK_STEP_BACKWARD, /* held: the wall clock is behind by step_ns until the next session */
} session_clock_step;

/* Start a session: the offset is taken now, and no time will be at or below after_ns (0: no bound),
 * which is the last time of an earlier session in the same archive. */
void session_clock_init(session_clock *self, td_clock clock, uint64_t after_ns);

/* The receive time of what happened at mono_ns. Each call gives more than the one before. */
uint64_t session_clock_stamp(session_clock *self, uint64_t mono_ns);

/* Compare with the wall clock if a second has passed since the last comparison. A step is reported
 * once, in the call that found it; *step_ns is its size. */
session_clock_step session_clock_check(session_clock *self, int64_t *step_ns);

#endif
