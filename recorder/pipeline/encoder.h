/* The encoder thread: takes records from the ring, hides secrets, finds each frame's channel,
 * builds chunks and passes them to the disk thread; and passes data frames to the continuity
 * thread.
 *
 * A frame that is inflated may take a thousand times as long as its size suggests. A feed whose
 * compressed frames take more than their share of the time (LIMIT_INFLATE_*, by their times of
 * receipt, so that a backlog costs nothing) loses them for a while: they are counted and discarded,
 * unsearched and unwritten. Each connection gets an overload gap for that: open from its first
 * discarded frame on, because frames that are not compressed are still kept.
 *
 * Nothing is allocated per frame. When the ring fills, chunks are compressed with zstd's fast
 * levels until it is nearly empty again. Frames of a feed end up in its own segment, in the ring's
 * order. */
#ifndef TD_PIPELINE_ENCODER_H
#define TD_PIPELINE_ENCODER_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/ring.h"
#include "recorder/capture/redact.h"
#include "recorder/pipeline/disk.h"
#include "recorder/pipeline/pipeline_config.h"
#include "recorder/pipeline/lag.h"
#include "recorder/pipeline/live_check.h"

typedef struct encoder encoder;

typedef struct encoder_options {
    td_ring *ring;          /* borrowed, like the rest */
    disk *disk;             /* fails when encoding fails: from then on records are taken and lost */
    live_check *live_check; /* continuity; NULL: none */
    lag *lag;               /* how late frames become durable; NULL: not measured */
    const pipeline_config *config;
    redactor *const *redactors; /* one per feed; NULL entries: nothing to hide */
    const char *session;        /* id, for `segment` events */
    td_clock clock;
    const td_log *log;
} encoder_options;

/* Counts so far; any thread. */
typedef struct encoder_stats {
    uint64_t frames;
    uint64_t chunks;
    uint64_t compressed_bytes;
    uint64_t unknown_frames;  /* filed under _unknown */
    uint64_t overflow_frames; /* of these, because the segment had no channel left */
    uint64_t redactions;
    uint64_t discarded;      /* compressed frames that cost too much */
    uint64_t discarded_gaps; /* that they are in */
} encoder_stats;

/* Start the thread. TD_E_IO. */
TD_MUST_USE td_result encoder_open(const encoder_options *options, encoder **out, td_err *err);

/* Wait until everything before the stop record (intake_stop) is handed over. The first failure is
 * the result; a failed disk is the disk's to report. */
TD_MUST_USE td_result encoder_join(encoder *self, td_err *err);

/* Free an encoder that was joined. NULL is fine. */
void encoder_close(encoder *self);

void encoder_get_stats(const encoder *self, encoder_stats *out);

#endif
