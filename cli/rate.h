/* The rate of a count over the last seconds, for status lines: what happens now, not the average
 * since the start. One thread. */
#ifndef TD_CLI_RATE_H
#define TD_CLI_RATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

enum { RATE_SAMPLES = 11 };

#define RATE_SAMPLE_NS (TD_NS_PER_S / 2)

/* Totals at moments that are at least RATE_SAMPLE_NS apart; zeroed is empty. */
typedef struct rate_window {
    struct {
        uint64_t mono_ns;
        uint64_t total;
    } samples[RATE_SAMPLES]; /* a ring */
    uint64_t sample_count;   /* ever */
} rate_window;

/* Take the total at this moment (neither falls from call to call) and return how much it grew a
 * second over the last five seconds, or since the first call if that is later. 0 at first. */
uint64_t rate_take(rate_window *rate, uint64_t mono_ns, uint64_t total);

#endif
