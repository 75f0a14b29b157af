/* One session of recording, from received frames to an archive: recovers after a crash, begins the
 * session, starts the threads, and stops them in an order that loses nothing.
 *
 *   network thread   intake; calls all functions here unless stated otherwise
 *        | ring
 *   encoder thread                 classify, chunk, compress
 *        | chunk queue                  | ring
 *   disk thread                    live check's thread
 *
 * Stopping: the rings are drained; the encoder seals what is left; the disk thread makes it
 * durable; the session's end goes into the journal. Another thread than the network thread may do
 * this. */
#ifndef TD_PIPELINE_RECORDING_H
#define TD_PIPELINE_RECORDING_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "archive/archive_writer.h"
#include "recorder/pipeline/encoder.h"
#include "recorder/pipeline/intake.h"
#include "recorder/pipeline/lag.h"
#include "recorder/pipeline/live_check.h"
#include "recorder/pipeline/pipeline_config.h"

typedef struct recording recording;

typedef struct recording_options {
    const char *session; /* its id; borrowed, like the other pointers */
    const char *verb;
    /* Feeds may be added while it runs, each before its first event: set the feed, then feed_count.
     */
    const pipeline_config *config;
    td_clock clock;
    const td_log *log;
    /* Disk thread, after the fdatasync of the chunk and before its catalog commit. May be NULL. */
    void (*durable)(void *user, size_t feed_index, const sealed_chunk *chunk, uint64_t lag_ns);
    /* Disk thread, or in recording_finish: a segment is finished; its path. May be NULL. */
    void (*finished)(void *user, const char *path);
    /* recording_tick: the live check found the begin or end of a gap. It was recorded, unless its
     * reason is GAP_STALE or its cause LIVE_FINDINGS_NARROW. May be NULL. */
    void (*found)(void *user, uint16_t feed_index, const gap_row *gap);
    /* As in intake_options. */
    void (*pause)(void *user);
    void (*resume)(void *user);
    void *user;
} recording_options;

/* Current totals. Several threads count them, so their times may differ slightly. */
typedef struct recording_stats {
    intake_stats intake;
    encoder_stats encoder;
    live_check_stats live_check;
    lag_stats lag;
    uint64_t ring_percent;
    uint64_t file_bytes; /* size of the session's segment files; 0 until it is finished */
} recording_stats;

/* Open the intake; what it takes stays in the ring until recording_start. *out must be closed even
 * after a failure. */
TD_MUST_USE td_result recording_open(const recording_options *options, recording **out,
                                     td_err *err);

/* Recover, and begin the session in an archive, which is open for appending and borrowed. start_ns:
 * 0, or of a session that continues after another process. Any thread, and others may use the
 * intake at the same time. TD_E_NOSPACE: less than min_free is free, and nothing was written. */
TD_MUST_USE td_result recording_begin(recording *self, archive *into, uint64_t start_ns,
                                      td_err *err);

/* The archive's writer, between begin and start, to write gaps that the session's start opens or
 * ends. */
archive_writer *recording_writer(recording *self);
/* When the session began, wall clock. */
uint64_t recording_start_ns(const recording *self);

/* Start the threads. TD_E_IO. */
TD_MUST_USE td_result recording_start(recording *self, td_err *err);

/* The session's intake, between open and finish. */
intake *recording_intake(recording *self);

/* Write the feed's `session` event. Call before any other event or frame of the feed. */
void recording_begin_feed(recording *self, uint16_t feed_index);

/* Call at least every 10 ms. */
void recording_tick(recording *self);

/* 1 if it cannot continue: the disk failed, disk space is short, or the archive's lock is lost. */
int recording_must_end(recording *self);

/* End the session; receive nothing after this call. Returns the first failure. Everything received
 * before is durable when it returns, except after TD_E_IO, or if the disk was completely full. If
 * disk space was short or the lock lost, the session ends normally, with an error as its result. */
TD_MUST_USE td_result recording_finish(recording *self, td_err *err);

/* How full the ring is; between open and close. */
uint64_t recording_ring_percent(const recording *self);

/* Get the current totals; between start and close. */
void recording_get_stats(const recording *self, recording_stats *out);
grants_counts recording_get_topics(const recording *self, uint16_t feed_index);

/* Free. A session that was not finished is left for recovery. NULL is fine. */
void recording_close(recording *self);

#endif
