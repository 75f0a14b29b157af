/* Measures the lag of durability: the time from reading a chunk's oldest frame or event off its
 * socket until the chunk's fdatasync has returned, by the monotonic clock. A chunk closes after
 * three quarters of commit_interval; the rest of the lag is due to the disk or the machine.
 *
 * A late period is a time in which chunks are late. It begins when the lag of a chunk exceeds
 * commit_interval, even if the chunk is not yet durable. It ends once no chunk was late for
 * LAG_CALM_NS (or two commit_intervals, if that is longer), so that a disk at its limit gives one
 * period instead of many. The encoder reports sealed chunks, the disk thread durable chunks, in
 * the same order; the network thread polls for changes. */
#ifndef TD_PIPELINE_LAG_H
#define TD_PIPELINE_LAG_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "format/chunk_builder.h"

#define LAG_CALM_NS (10 * TD_NS_PER_S)

typedef struct lag lag;

/* limit_ns: commit_interval. chunk_count: maximum number of sealed chunks that are not durable yet,
 * at least 1. */
lag *lag_open(td_clock clock, uint64_t limit_ns, size_t chunk_count);
void lag_close(lag *self);

/* Encoder: call before a sealed chunk is passed to the disk thread. Its oldest frame or event was
 * received at oldest_mono_ns. */
void lag_sealed(lag *self, uint64_t oldest_mono_ns, const sealed_chunk *chunk);

/* Disk thread: the oldest sealed chunk is now durable. Returns its lag. */
uint64_t lag_durable(lag *self);

typedef struct lag_stats {
    uint64_t last_ns; /* lag of the last durable chunk, or the lag so far of the oldest waiting
                         chunk, if greater */
    uint64_t max_ns;
    uint64_t mean_ns;     /* mean lag of durable chunks */
    uint64_t late_chunks; /* durable chunks with a lag beyond the limit */
} lag_stats;

/* Any thread. */
void lag_get_stats(lag *self, lag_stats *out);

typedef enum lag_change { LAG_UNCHANGED, LAG_BEGINS, LAG_ENDS } lag_change;

/* A late period, so far. */
typedef struct lag_period {
    uint64_t first_ns; /* receive time of the first message in its first late chunk */
    uint64_t last_ns;  /* receive time of the last message in its last late durable chunk, or 0 */
    uint64_t worst_ns; /* largest lag */
    uint64_t frames;   /* frames in its late durable chunks */
} lag_period;

/* Network thread, at each tick: report whether a period began or ended. *out is the period.
 * is_over: recording stops, which ends a period and begins none. */
lag_change lag_check(lag *self, int is_over, lag_period *out);

#endif
