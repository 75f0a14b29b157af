#include "base/cli/rate.h"

#include "base/assert.h"

__extension__ typedef unsigned __int128 wide;

uint64_t rate_update(rate_window *rate, uint64_t mono_ns, uint64_t total)
{
    rate_mark now = {mono_ns, total};
    if (rate->recent.mono_ns == 0)
        rate->before = rate->recent = now;
    if (mono_ns - rate->recent.mono_ns >= RATE_WINDOW_NS) {
        rate->before = rate->recent;
        rate->recent = now;
    }
    TD_ASSERT(total >= rate->before.total);
    uint64_t since_ns = mono_ns - rate->before.mono_ns;
    wide grown = total - rate->before.total;
    return since_ns == 0 ? 0 : (uint64_t)(grown * TD_NS_PER_S / since_ns);
}
