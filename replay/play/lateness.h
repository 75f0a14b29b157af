/* How late things were: a histogram of durations with a fixed size, so that counting costs nothing
 * and a month of frames takes the same memory as a second. Quantiles are exact to 1/16. One thread.
 */
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

/* The duration that a share of all (per mille, 0 to 1000) does not exceed: upper bound of its
 * bucket, at most the largest seen; 0 if nothing was counted. */
uint64_t lateness_quantile_ns(const lateness *lateness, uint32_t per_mille);

#endif
