/* A histogram of durations, mostly of how late frames were. Its size is fixed, so that counting is
 * cheap and a month of frames takes the same memory as a second. Quantiles are exact to 1/16. One
 * thread. */
#ifndef TD_PLAY_LATENESS_H
#define TD_PLAY_LATENESS_H

#include <stdint.h>

enum {
    LATENESS_SUB_BITS = 4,
    LATENESS_BUCKETS = (64 - LATENESS_SUB_BITS + 1) << LATENESS_SUB_BITS
};

typedef struct lateness {
    uint64_t counts[LATENESS_BUCKETS]; /* zero-initialise */
    uint64_t count;
    uint64_t ns_max;
} lateness;

/* Count one duration. */
void lateness_add(lateness *lateness, uint64_t ns);

/* A duration that per_mille thousandths (0 to 1000) of all durations do not exceed. It is the upper
 * bound of a bucket, but at most the longest duration; 0 if nothing was counted. */
uint64_t lateness_quantile_ns(const lateness *lateness, uint32_t per_mille);

#endif
