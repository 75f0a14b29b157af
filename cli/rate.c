#include "cli/rate.h"

#include "base/assert.h"

static const uint64_t WINDOW_NS = (RATE_SAMPLES - 1) * RATE_SAMPLE_NS;

__extension__ typedef unsigned __int128 wide;

uint64_t rate_take(rate_window *rate, uint64_t mono_ns, uint64_t total)
{
    uint64_t count = rate->sample_count;
    if (count == 0 ||
        mono_ns - rate->samples[(count - 1) % RATE_SAMPLES].mono_ns >= RATE_SAMPLE_NS) {
        rate->samples[count % RATE_SAMPLES].mono_ns = mono_ns;
        rate->samples[count % RATE_SAMPLES].total = total;
        rate->sample_count = ++count;
    }
    /* The oldest sample inside the window. After a pause that may be the present one alone: then
     * the one before it, which is as old as the pause is long. */
    uint64_t at = count > RATE_SAMPLES ? count - RATE_SAMPLES : 0;
    while (at + 2 < count && mono_ns - rate->samples[at % RATE_SAMPLES].mono_ns > WINDOW_NS)
        at++;
    uint64_t since_ns = mono_ns - rate->samples[at % RATE_SAMPLES].mono_ns;
    TD_ASSERT(total >= rate->samples[at % RATE_SAMPLES].total);
    if (since_ns == 0)
        return 0;
    wide grown = total - rate->samples[at % RATE_SAMPLES].total;
    return (uint64_t)(grown * TD_NS_PER_S / since_ns);
}
