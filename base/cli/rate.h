/* The recent rate of a count, for status lines: over the last seconds, not since the start. One
 * thread. */
#ifndef TD_CLI_RATE_H
#define TD_CLI_RATE_H

#include <stdint.h>

#include "base/clock.h"

#define RATE_WINDOW_NS (5 * TD_NS_PER_S)

typedef struct rate_mark {
    uint64_t mono_ns;
    uint64_t total;
} rate_mark;

/* Totals at two times at least RATE_WINDOW_NS apart. Zero-initialise. */
typedef struct rate_window {
    rate_mark before, recent;
} rate_window;

/* Add the total at mono_ns (neither may decrease) and return its growth per second over the last
 * five to ten seconds, or since the first call if that is later. 0 at first. */
uint64_t rate_update(rate_window *rate, uint64_t mono_ns, uint64_t total);

#endif
