/* Limits work that delays other connections: it may take one part in LIMIT_INFLATE_SHARE of the
 * time, plus the unused share of the last second. Zero-initialise. */
#ifndef TD_BASE_TIME_SHARE_H
#define TD_BASE_TIME_SHARE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/limits.h"

typedef struct time_share {
    uint64_t paid_ns; /* time at which all work so far is within its share */
    uint64_t latest_ns;
} time_share;

/* Add work of cost_ns at mono_ns. If an earlier call had a later time, that time counts instead: a
 * message in pieces has the time of its first byte. Returns how long to pause; 0: the work is
 * within its share. */
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
