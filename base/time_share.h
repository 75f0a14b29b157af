/* Limits work that delays other connections to a share of the time: one in LIMIT_INFLATE_SHARE,
 * plus the unused share of the last second. Zero-initialise. */
#ifndef TD_BASE_TIME_SHARE_H
#define TD_BASE_TIME_SHARE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/limits.h"

typedef struct time_share {
    uint64_t paid_ns; /* time at which all work so far is within its share */
    uint64_t latest_ns;
} time_share;

/* Add work of cost_ns, at mono_ns or the latest time given so far (a message in pieces has the time
 * of its first byte, which may be earlier). Returns how long to pause; 0: the work is within its
 * share. */
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
