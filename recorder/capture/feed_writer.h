/* Turns stamped frames of one feed into sealed chunks. The recorder's encoder and import both call
 * it, so their archives have the same form.
 *
 * A frame's secrets are hidden, its channel is found, it is counted and appended to the pending
 * chunk. Segments begin as chunk_builder decides, each with a `segment` event that restates the
 * open connections and their ordinals, and `grant` events that restate their topics. The writer's
 * own events are these, `grant` and `grant_end` (recorder/capture/grants.h), and `redacted` (before
 * a frame in which a secret was overwritten). All others are the caller's.
 *
 * A checkpoint is due at the first data frame of each segment but the first one, and whenever so
 * much was written since the last one that they take no more than a part of the archive.
 *
 * No file is touched: `full` is called when the pending chunk must be sealed before anything can
 * be appended; a caller that also seals by the clock does so between two calls. Receive times rise
 * from frame to frame; an event may repeat the time before it. Nothing is allocated per frame.
 * After a failure the writer can only be closed.
 *
 * One thread, except feed_writer_get_counts. */
#ifndef TD_CAPTURE_FEED_WRITER_H
#define TD_CAPTURE_FEED_WRITER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "recorder/capture/channel_router.h"
#include "recorder/capture/redact.h"
#include "format/chunk_builder.h"
#include "archive/event.h"

typedef struct feed_writer feed_writer;

typedef struct feed_writer_options {
    const char *name; /* borrowed, like the rest */
    const struct family *family;
    const char *session; /* id, for `segment` events */
    redactor *secrets;   /* NULL: nothing to hide */
    const td_log *log;   /* may be NULL */
    /* A chunk is full this long after its first message, by receive times; 0: by size only. */
    uint64_t interval_ns;
    /* Seal the pending chunk (feed_writer_seal). A failure ends the call that needed it. */
    td_result (*full)(void *user, td_err *err);
    void *user;
} feed_writer_options;

/* Where a frame was written. Valid until the next call. */
typedef struct feed_written {
    uint32_t segment; /* as feed_writer_segment */
    channel_route route;
    uint64_t granted_ns; /* as grants_from_ns */
    /* 1: a checkpoint of the states before this frame is due (feed_writer_put_checkpoint). */
    uint8_t wants_checkpoint;
} feed_written;

/* A slot and its latest connection. */
typedef struct feed_slot {
    event_slot at;    /* its ordinals so far */
    uint64_t last_ns; /* receive time of its last frame, or of its beginning */
    uint8_t is_open;
} feed_slot;

/* Counts of what was written. */
typedef struct feed_counts {
    uint64_t in, out, http;
    uint64_t bytes;    /* payload of all three */
    uint64_t control;  /* of in: frames of no topic */
    uint64_t unknown;  /* of in: frames on _unknown */
    uint64_t overflow; /* frames on _unknown, or without their form, because their segment had no
                          channel left */
    uint64_t redacted; /* places in frames where a secret was overwritten */
} feed_counts;

/* A writer for a feed. */
feed_writer *feed_writer_open(const feed_writer_options *options);
/* Messages that were not sealed are lost. NULL is fine. */
void feed_writer_close(feed_writer *self);

/* Append a frame (ordinal 0: the next one). It is as it was written afterwards: its ordinal and
 * channel are known, and its bytes, padded as before and valid until the next call, are without
 * secrets. TD_E_INVALID: a time or an ordinal falls, or the slot has a later connection; what
 * `full` gives. */
TD_MUST_USE td_result feed_writer_frame(feed_writer *self, feed_frame *frame, feed_written *written,
                                        td_err *err);

/* Append an event. TD_E_LIMIT, what `full` gives. */
TD_MUST_USE td_result feed_writer_event(feed_writer *self, uint64_t recv_ns, const event *what,
                                        td_err *err);

/* Set the ordinals of a slot's connection that no frame shows: it has opened (at since_ns, else
 * unchanged), or frames were counted that are not written. Chain
 * records and `segment` events have them. TD_E_INVALID: lower than known; TD_E_LIMIT. */
TD_MUST_USE td_result feed_writer_ordinals(feed_writer *self, const event_slot *at, td_err *err);

/* The slot's connection is closed. complete_ns: as feed_frame has it. */
void feed_writer_closed(feed_writer *self, uint32_t line, uint32_t shard, uint64_t complete_ns);

/* A slot that had a connection, valid until the next call; else NULL. */
const feed_slot *feed_writer_slot(const feed_writer *self, uint32_t line, uint32_t shard);

/* The number of the segment that the last message went to, from 1; 0: none yet. Numbers and infos
 * of channels are a segment's. */
uint32_t feed_writer_segment(const feed_writer *self);

/* Receive time of the last message; 0: none yet. */
uint64_t feed_writer_last_ns(const feed_writer *self);

/* Messages in the pending chunk. */
uint64_t feed_writer_pending_count(const feed_writer *self);

/* Make a chunk of the pending messages, at this zstd level (chunk_builder.h). 0: nothing is
 * pending. */
int feed_writer_seal(feed_writer *self, int level, sealed_chunk *out);

/* Write a checkpoint (format/checkpoint.h), which a frame of that segment was to be preceded by,
 * with the next chunk; record has anything afterwards. One of a segment that has ended is dropped.
 */
void feed_writer_put_checkpoint(feed_writer *self, uint32_t segment, td_buf *record);

/* Any thread; each number is right by itself. */
feed_counts feed_writer_get_counts(const feed_writer *self);

#endif
