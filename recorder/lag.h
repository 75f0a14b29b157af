/* Measures the lag of durability: the time from reading a chunk's oldest frame or event off its
 * socket until the chunk's fdatasync has returned, by the monotonic clock. A chunk closes after
 * three quarters of commit_interval; the rest of the lag is due to the disk or the machine.
 *
 * A stretch is a period in which chunks are late. It begins with the first chunk whose lag exceeds
 * commit_interval, also while the chunk still waits for the disk. It ends once no chunk was late
 * for LAG_CALM_NS (or two commit_intervals, if these are longer), so that a disk at its limit gives
 * one stretch instead of many. There is one for all feeds, and one for each feed with a ring of its
 * own, of chunks that are late because that feed's frames take long. The encoder reports sealed
 * chunks, the disk thread durable ones, in the same order; the network thread records stretches as
 * `overload` events. */
#ifndef TD_RECORDER_LAG_H
#define TD_RECORDER_LAG_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "format/chunk_builder.h"
#include "recorder/intake.h"

#define LAG_CALM_NS (10 * TD_NS_PER_S)

typedef struct lag lag;

/* limit_ns: commit_interval. chunk_count: sealed chunks that are not durable, at most; 1 or more.
 */
lag *lag_open(td_clock clock, uint64_t limit_ns, size_t chunk_count);
void lag_close(lag *self);

/* Encoder: this chunk is sealed, and goes to the disk thread after this call; the oldest frame or
 * event in it came at oldest_mono_ns, and the encoder was ready to seal it at ready_mono_ns. path:
 * 0, or 1 + the index of a feed with a ring of its own. */
void lag_sealed(lag *self, size_t path, uint64_t oldest_mono_ns, uint64_t ready_mono_ns,
                const sealed_chunk *chunk);

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

/* Why the first late chunk of a stretch was late. */
typedef enum lag_cause {
    LAG_CAUSE_DISK,       /* it waited for the disk */
    LAG_CAUSE_PROCESSING, /* it waited for the encoder */
    LAG_CAUSE_PAUSE,      /* in time but for a while in which the recorder did not run */
} lag_cause;

/* A stretch, so far. */
typedef struct lag_stretch {
    size_t path; /* 0: of all feeds; else 1 + the index of the feed that is late */
    lag_cause cause;
    size_t by; /* LAG_CAUSE_PROCESSING: as path, the feed whose frames take the time; 0: unknown */
    uint64_t limit_ns;
    uint64_t from_ns;  /* receive time of its first late chunk's first message */
    uint64_t to_ns;    /* of its last late chunk's last message; 0: none of it is durable yet */
    uint64_t worst_ns; /* largest lag */
    uint64_t frames;   /* in its late chunks that are durable */
} lag_stretch;

/* Network thread, at each tick, until it returns LAG_UNCHANGED: whether a stretch began or ended.
 */
lag_change lag_take(lag *self, lag_stretch *out);

/* Network thread, when recording stops, until it returns LAG_UNCHANGED: LAG_ENDS for each open
 * stretch. */
lag_change lag_stop(lag *self, lag_stretch *out);

/* Network thread: record the change as an event of the feeds that it is about, and log it. */
void lag_emit(lag_change change, const lag_stretch *stretch, intake *into,
              const recorder_config *config, const td_log *log);

#endif
