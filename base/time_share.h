/* What work that delays others may cost: LIMIT_INFLATE_SHARE of the time, and what was not used of
 * the last second. Zero-initialise. */
#ifndef TD_BASE_TIME_SHARE_H
#define TD_BASE_TIME_SHARE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/limits.h"

typedef struct time_share {
    uint64_t paid_ns; /* the time at which all work so far is within its share */
    uint64_t latest_ns;
} time_share;

/* Work took cost_ns; the time is mono_ns, or the latest that was given: messages in pieces are as
 * old as their first byte. Returns how long no more work is due; 0: it is within its share. */
static inline uint64_t time_share_spend(time_share *self, uint64_t mono_ns, uint64_t cost_ns)
{
    if (mono_ns > self->latest_ns)
        self->latest_ns = mono_ns;
    uint64_t since_ns = self->latest_ns > TD_NS_PER_S ? self->latest_ns - TD_NS_PER_S : 0;
    if (self->paid_ns < since_ns)
        self->paid_ns = since_ns;
    self->paid_ns += cost_ns * LIMIT_INFLATE_SHARE;
    return self->paid_ns > self->latest_ns ? self->paid_ns - self->latest_ns : 0;
}

#endif
