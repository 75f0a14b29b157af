/* The encoder thread: takes records from the ring, hides secrets, finds each frame's channel,
 * builds chunks and passes them to the disk thread. It also passes data frames to the live check.
 *
 * Inflating a frame may take a thousand times as long as its size suggests. If a feed's compressed
 * frames take more than their share of the time (LIMIT_INFLATE_*), they are counted and discarded
 * for a while. The share is measured by times of receipt, so that a backlog does not count against
 * a feed. Each connection gets an overload gap. The gap opens at the connection's first discarded
 * frame, because other frames are still written.
 *
 * Nothing is allocated per frame. When the ring is half full, chunks are compressed with zstd's
 * fast levels until it is nearly empty. Each feed has its own segments, with its frames in the
 * ring's order. */
#ifndef TD_PIPELINE_ENCODER_H
#define TD_PIPELINE_ENCODER_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/ring.h"
#include "recorder/pipeline/disk.h"
#include "recorder/pipeline/pipeline_config.h"
#include "recorder/pipeline/lag.h"
#include "recorder/pipeline/live_check.h"

typedef struct encoder encoder;

typedef struct encoder_options {
    td_ring *ring;          /* borrowed, like the other pointers */
    disk *disk;             /* disk_fail is called when encoding fails; later records are lost */
    live_check *live_check; /* NULL: frames are not checked */
    lag *lag;               /* NULL: the lag is not measured */
    const pipeline_config *config;
    const char *session; /* session id, for `segment` events */
    td_clock clock;
    const td_log *log;
} encoder_options;

/* Counts so far; any thread. */
typedef struct encoder_stats {
    uint64_t frames;
    uint64_t chunks;
    uint64_t compressed_bytes;
    uint64_t unknown_frames;  /* written to _unknown */
    uint64_t overflow_frames; /* written to _unknown, or without their form, because the segment had
                                 no channel left */
    uint64_t redactions;
    uint64_t discarded; /* compressed frames discarded because they took too much time */
    uint64_t gaps;      /* opened for discarded frames, or by the exchange's numbers of frames */
} encoder_stats;

/* Start the thread. TD_E_IO. */
TD_MUST_USE td_result encoder_open(const encoder_options *options, encoder **out, td_err *err);

/* Wait until all records before the stop record (intake_stop) are encoded and passed on. Returns
 * the first failure; a failure of the disk is returned by disk_close. */
TD_MUST_USE td_result encoder_join(encoder *self, td_err *err);

/* Free an encoder that was joined. NULL is fine. */
void encoder_close(encoder *self);

/* Any thread. */
void encoder_get_stats(const encoder *self, encoder_stats *out);
feed_counts encoder_get_feed_counts(const encoder *self, uint16_t feed_index);

#endif
