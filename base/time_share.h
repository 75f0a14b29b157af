/* What work that delays others may cost: a share of the time, and what was not used of the last
 * second. Zero-initialise. */
#ifndef TD_BASE_TIME_SHARE_H
#define TD_BASE_TIME_SHARE_H

#include <stdint.h>

#include "base/limits.h"

typedef struct time_share {
    uint64_t credit_ns;
    uint64_t mono_ns; /* when it was that much */
} time_share;

/* Work took cost_ns; the time is mono_ns. 1; 0: that is more than LIMIT_INFLATE_SHARE allows. */
static inline int time_share_spend(time_share *self, uint64_t mono_ns, uint64_t cost_ns)
{
    uint64_t since_ns = mono_ns > self->mono_ns ? mono_ns - self->mono_ns : 0;
    uint64_t credit_ns = self->credit_ns + since_ns / LIMIT_INFLATE_SHARE;
    if (credit_ns > LIMIT_INFLATE_NS)
        credit_ns = LIMIT_INFLATE_NS;
    self->mono_ns = mono_ns;
    self->credit_ns = cost_ns < credit_ns ? credit_ns - cost_ns : 0;
    return cost_ns <= credit_ns;
}

#endif
