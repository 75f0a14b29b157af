/* Measures the lag of durability: the time from reading a chunk's oldest frame or event off its
 * socket until the chunk's fdatasync has returned, by the monotonic clock. A chunk closes after
 * three quarters of commit_interval; the rest of the lag is due to the disk or the machine.
 *
 * A stretch is a period in which chunks are late. It begins with the first chunk whose lag exceeds
 * commit_interval, also while the chunk still waits for the disk. It ends once no chunk was late
 * for LAG_CALM_NS (or two commit_intervals, if these are longer), so that a disk at its limit gives
 * one stretch instead of many. The encoder reports sealed chunks, the disk thread durable ones, in
 * the same order; the network thread asks for changes. */
#ifndef TD_PIPELINE_LAG_H
#define TD_PIPELINE_LAG_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "format/chunk_builder.h"

#define LAG_CALM_NS (10 * TD_NS_PER_S)

typedef struct lag lag;

/* limit_ns: commit_interval. chunk_count: sealed chunks that are not durable, at most; 1 or more.
 */
lag *lag_open(td_clock clock, uint64_t limit_ns, size_t chunk_count);
void lag_close(lag *self);

/* Encoder: this chunk is sealed, and goes to the disk thread after this call; the oldest frame or
 * event in it came at oldest_mono_ns. */
void lag_sealed(lag *self, uint64_t oldest_mono_ns, const sealed_chunk *chunk);

/* Disk thread: the oldest of the sealed chunks is durable. Returns its lag. */
uint64_t lag_durable(lag *self);

typedef struct lag_stats {
    uint64_t last_ns; /* of the last chunk, or of the oldest that is not durable if that is older by
                         now */
    uint64_t max_ns;
    uint64_t mean_ns;     /* over chunks */
    uint64_t late_chunks; /* beyond the limit */
} lag_stats;

/* Any thread. */
void lag_get_stats(lag *self, lag_stats *out);

typedef enum lag_change { LAG_UNCHANGED, LAG_BEGINS, LAG_ENDS } lag_change;

/* A stretch, so far. */
typedef struct lag_stretch {
    uint64_t from_ns;  /* receive time of its first late chunk's first message */
    uint64_t to_ns;    /* of its last late chunk's last message; 0: none of it is durable yet */
    uint64_t worst_ns; /* largest lag */
    uint64_t frames;   /* in its late chunks that are durable */
} lag_stretch;

/* Network thread, at each tick: whether a stretch began or ended. is_over: recording stops, which
 * ends one, and none begins. */
lag_change lag_check(lag *self, int is_over, lag_stretch *out);

#endif
