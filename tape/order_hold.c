#include "tape/order_hold.h"

#include <string.h>

static void raise_until(order_hold *hold, uint64_t ns)
{
    if (ns > hold->until_ns)
        hold->until_ns = ns;
}

void order_hold_add(order_hold *hold, uint64_t mono_ns, uint64_t newest_ns)
{
    if (hold->until_ns == UINT64_MAX)
        hold->until_ns = 0; /* a session has begun since order_hold_end */

    /* No earlier frame can follow samples that are at least delay_ns old. */
    size_t used = 0;
    for (; used < hold->count && mono_ns - hold->samples[used].mono_ns >= hold->delay_ns; used++)
        raise_until(hold, hold->samples[used].newest_ns + 1);
    hold->count -= used;
    memmove(hold->samples, hold->samples + used, hold->count * sizeof hold->samples[0]);

    if (newest_ns > hold->delay_ns)
        raise_until(hold, newest_ns - hold->delay_ns);
    if (hold->count > 0 && hold->samples[hold->count - 1].newest_ns >= newest_ns)
        return;
    if (hold->count == ORDER_HOLD_SAMPLES)
        hold->count--;
    hold->samples[hold->count++] = (order_sample){mono_ns, newest_ns};
}

void order_hold_end(order_hold *hold)
{
    hold->until_ns = UINT64_MAX;
    hold->count = 0;
}
