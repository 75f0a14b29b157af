/* One session of recording, from stamped frames to an archive: recovers after a crash, begins the
 * session, starts the threads, and stops in an order that loses nothing.
 *
 *   network thread   intake; calls everything here, unless another one is named
 *        | ring
 *   encoder thread                 classify, chunk, compress
 *        | chunk queue                  | ring
 *   disk thread                    continuity thread
 *
 * Stopping: the rings are drained; the encoder seals what is left; the disk thread makes it
 * durable; the session's end goes into the journal. Another thread may take it over for that. */
#ifndef TD_PIPELINE_RECORDING_H
#define TD_PIPELINE_RECORDING_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "archive/archive_writer.h"
#include "recorder/capture/redact.h"
#include "recorder/pipeline/encoder.h"
#include "recorder/pipeline/intake.h"
#include "recorder/pipeline/lag.h"
#include "recorder/pipeline/live_check.h"
#include "recorder/pipeline/pipeline_config.h"

typedef struct recording recording;

typedef struct recording_options {
    archive *archive; /* open for appending; borrowed, like the rest */
    const pipeline_config *config;
    redactor *const *redactors; /* one per feed; NULL entries: nothing to hide. Segments of the
                                   others are private: orders, balances and other data that only
                                   the holder of a key may see */
    td_clock clock;
    const td_log *log;
    /* Disk thread, after the fdatasync of the chunk and before its catalog commit. May be NULL. */
    void (*durable)(void *user, size_t feed_index, const sealed_chunk *chunk, uint64_t lag_ns);
    /* As intake_options. */
    void (*pause)(void *user);
    void (*resume)(void *user);
    void *user;
} recording_options;

/* Current totals: numbers of several threads, each right by itself. */
typedef struct recording_stats {
    intake_stats intake;
    encoder_stats encoder;
    live_check_stats live_check;
    lag_stats lag;
    uint64_t ring_percent;
    uint64_t file_bytes; /* once it is finished: size of the session's segment files */
} recording_stats;

/* Recover, and begin the session. TD_E_NOSPACE: less than min_free is free, and nothing was
 * written. recording_close is due in any case. */
TD_MUST_USE td_result recording_open(const recording_options *options, recording **out,
                                     td_err *err);

/* Between open and start: for gaps that the session's start opens or ends. */
archive_writer *recording_writer(recording *self);
/* When the session began, wall clock. */
uint64_t recording_start_ns(const recording *self);

/* Start the threads. TD_E_IO. */
TD_MUST_USE td_result recording_start(recording *self, td_err *err);

/* The session's intake, between start and finish. */
intake *recording_intake(recording *self);

/* Write the session's event at the head of the feed's tape: due before any other event or frame of
 * the feed. */
void recording_begin_feed(recording *self, uint16_t feed_index);

/* Call at least every 10 ms. */
void recording_tick(recording *self);

/* 1 if it cannot continue: the disk failed, its space is short, or the archive's lock is gone. */
int recording_must_end(recording *self);

/* End the session; nothing is received any more. The first failure is the result; everything
 * received before is durable when it returns, but after TD_E_IO, and a disk that was really full.
 * Little disk space left, or the lock lost, is a normal end with an error as its result. */
TD_MUST_USE td_result recording_finish(recording *self, td_err *err);

void recording_get_stats(const recording *self, recording_stats *out);

/* Free; what was not finished is left to recover. NULL is fine. */
void recording_close(recording *self);

#endif
