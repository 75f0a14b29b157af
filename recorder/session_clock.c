#include "recorder/session_clock.h"

#include "base/assert.h"

static int64_t wall_offset_ns(td_clock clock)
{
    return (int64_t)clock_wall_ns(clock) - (int64_t)clock_mono_ns(clock);
}

void session_clock_init(session_clock *self, td_clock clock, uint64_t after_ns)
{
    *self = (session_clock){
        .clock = clock,
        .offset_ns = wall_offset_ns(clock),
        .last_recv_ns = after_ns,
        .next_check_mono_ns = clock_mono_ns(clock) + SESSION_CLOCK_CHECK_NS,
    };
}

uint64_t session_clock_stamp(session_clock *self, uint64_t mono_ns)
{
    int64_t at_ns = (int64_t)mono_ns + self->offset_ns;
    uint64_t recv_ns = at_ns < 0 ? 0 : (uint64_t)at_ns;
    if (recv_ns <= self->last_recv_ns)
        recv_ns = self->last_recv_ns + 1;
    TD_ASSERT(recv_ns > self->last_recv_ns);
    self->last_recv_ns = recv_ns;
    return recv_ns;
}

session_clock_step session_clock_check(session_clock *self, int64_t *step_ns)
{
    uint64_t mono_ns = clock_mono_ns(self->clock);
    *step_ns = 0;
    if (mono_ns < self->next_check_mono_ns)
        return CLOCK_STEP_NONE;
    self->next_check_mono_ns = mono_ns + SESSION_CLOCK_CHECK_NS;
    int64_t ahead_ns = wall_offset_ns(self->clock) - self->offset_ns;
    if (ahead_ns > (int64_t)SESSION_CLOCK_STEP_MIN_NS) {
        self->offset_ns += ahead_ns;
        self->behind_ns = 0;
        *step_ns = ahead_ns;
        return CLOCK_STEP_FORWARD;
    }
    /* Report a backward step once, and again only when it has grown by more than drift does. */
    if (ahead_ns < self->behind_ns - (int64_t)SESSION_CLOCK_STEP_MIN_NS) {
        *step_ns = -ahead_ns;
        self->behind_ns = ahead_ns;
        return CLOCK_STEP_BACKWARD;
    }
    return CLOCK_STEP_NONE;
}
