#include "recorder/pipeline/session_clock.h"

#include "base/assert.h"

/* Two readings of a large step that differ by less than this are of the same step: the clock may be
 * slewed meanwhile. */
#define SAME_STEP_NS ((int64_t)(100 * TD_NS_PER_MS))

/* Both clocks are read up to READINGS times, until a reading takes at most READING_NS. */
enum { READINGS = 8, READING_NS = 2000 };

#define TRUST_NS    ((int64_t)LIMIT_CLOCK_TRUST_NS)
#define STEP_MIN_NS ((int64_t)SESSION_CLOCK_STEP_MIN_NS)

const char *session_clock_step_name(session_clock_step step)
{
    static const char *const NAMES[] = {
        [CLOCK_STEP_SEEN] = "seen",           [CLOCK_STEP_ADOPTED] = "adopted",
        [CLOCK_STEP_WITHDRAWN] = "withdrawn", [CLOCK_STEP_HELD] = "held",
        [CLOCK_STEP_WRONG] = "new_session",
    };
    TD_ASSERT(step > CLOCK_STEP_NONE);
    TD_ASSERT(step <= CLOCK_STEP_WRONG);
    return NAMES[step];
}

/* Return another clock's time minus the monotonic clock's. If the thread waited for a CPU between
 * reading the two, the offset, and all receive times of the session, would be wrong by that wait.
 * So the fastest of several readings counts. */
static int64_t offset_of(td_clock clock, uint64_t (*read_other)(td_clock clock))
{
    uint64_t least_ns = UINT64_MAX;
    int64_t offset_ns = 0;
    for (int i = 0; i < READINGS && least_ns > READING_NS; i++) {
        uint64_t begin_ns = clock_mono_ns(clock);
        uint64_t other_ns = read_other(clock);
        uint64_t took_ns = clock_mono_ns(clock) - begin_ns;
        if (took_ns >= least_ns)
            continue;
        least_ns = took_ns;
        offset_ns = (int64_t)other_ns - (int64_t)(begin_ns + took_ns / 2);
    }
    return offset_ns;
}

/* Return the time suspended: it is the boot-time clock's time minus the monotonic clock's. */
static uint64_t read_suspended_ns(td_clock clock)
{
    int64_t suspended_ns = offset_of(clock, clock_boot_ns);
    return suspended_ns > 0 ? (uint64_t)suspended_ns : 0;
}

void session_clock_init(session_clock *self, td_clock clock)
{
    *self = (session_clock){
        .clock = clock,
        .offset_ns = offset_of(clock, clock_wall_ns),
        .suspended_ns = read_suspended_ns(clock),
        .next_check_mono_ns = clock_mono_ns(clock) + SESSION_CLOCK_CHECK_NS,
    };
}

uint64_t session_clock_at(const session_clock *self, uint64_t mono_ns)
{
    int64_t at_ns = (int64_t)mono_ns + self->offset_ns;
    return at_ns < 0 ? 0 : (uint64_t)at_ns;
}

uint64_t session_clock_stamp(session_clock *self, uint64_t mono_ns)
{
    uint64_t recv_ns = session_clock_at(self, mono_ns);
    if (recv_ns <= self->last_recv_ns)
        recv_ns = self->last_recv_ns + 1;
    TD_ASSERT(recv_ns > self->last_recv_ns);
    self->last_recv_ns = recv_ns;
    return recv_ns;
}

static session_clock_step adopt(session_clock *self, int64_t ahead_ns)
{
    TD_ASSERT(ahead_ns > 0);
    self->offset_ns += ahead_ns;
    self->held_step_ns = 0;
    self->pending_step_ns = 0;
    return CLOCK_STEP_ADOPTED;
}

/* Handle a wall clock that agrees with the session's times, or nearly so. */
static session_clock_step check_small(session_clock *self, int64_t ahead_ns, int64_t *step_ns)
{
    if (self->pending_step_ns != 0) {
        *step_ns = self->pending_step_ns;
        self->pending_step_ns = 0;
        return CLOCK_STEP_WITHDRAWN;
    }
    if (ahead_ns > STEP_MIN_NS)
        return adopt(self, ahead_ns);
    /* Report a backward step once, and again only when it has grown by more than drift. */
    if (ahead_ns >= self->held_step_ns - STEP_MIN_NS)
        return CLOCK_STEP_NONE;
    self->held_step_ns = ahead_ns;
    return CLOCK_STEP_HELD;
}

/* Handle a wall clock that differs from the session's times by a large step, which counts only once
 * it has lasted. */
static session_clock_step check_large(session_clock *self, int64_t ahead_ns, uint64_t mono_ns)
{
    int64_t change_ns = ahead_ns - self->pending_step_ns;
    if (self->pending_step_ns == 0 || change_ns > SAME_STEP_NS || change_ns < -SAME_STEP_NS) {
        self->pending_step_ns = ahead_ns;
        self->pending_mono_ns = mono_ns;
        self->is_wrong = 0;
        return CLOCK_STEP_SEEN;
    }
    if (mono_ns - self->pending_mono_ns < LIMIT_CLOCK_CONFIRM_NS || self->is_wrong)
        return CLOCK_STEP_NONE;
    if (ahead_ns > 0)
        return adopt(self, ahead_ns);
    self->is_wrong = 1;
    return CLOCK_STEP_WRONG;
}

session_clock_step session_clock_check(session_clock *self, int64_t *step_ns)
{
    uint64_t mono_ns = clock_mono_ns(self->clock);
    *step_ns = 0;
    if (mono_ns < self->next_check_mono_ns)
        return CLOCK_STEP_NONE;
    self->next_check_mono_ns = mono_ns + SESSION_CLOCK_CHECK_NS;
    int64_t ahead_ns = offset_of(self->clock, clock_wall_ns) - self->offset_ns;
    *step_ns = ahead_ns;
    if (ahead_ns <= TRUST_NS && ahead_ns >= -TRUST_NS)
        return check_small(self, ahead_ns, step_ns);
    return check_large(self, ahead_ns, mono_ns);
}

uint64_t session_clock_add_suspension(session_clock *self)
{
    uint64_t suspended_ns = read_suspended_ns(self->clock);
    if (suspended_ns <= self->suspended_ns + SESSION_CLOCK_STEP_MIN_NS)
        return 0; /* the difference is only the time between reading the two clocks */
    uint64_t since_ns = suspended_ns - self->suspended_ns;
    self->suspended_ns = suspended_ns;
    self->offset_ns += (int64_t)since_ns;
    return since_ns;
}
