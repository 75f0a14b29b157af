/* Turns stamped frames of one feed into sealed chunks. The recorder's encoder and import both use
 * this writer, so both write the same kind of archive.
 *
 * For each frame, the writer hides secrets, finds the channel, counts the frame and appends it to
 * the pending chunk. chunk_builder decides when a segment begins. Each segment begins with a
 * `segment` event that restates the open connections and their ordinals, and `grant` events that
 * restate their topics. The writer itself writes these events, and during the segment the events of
 * recorder/capture/grants.h (`grant`, `grant_end`, `limit`), `redacted` before a frame in which a
 * secret was overwritten, and `gap` before one whose number shows that frames of its connection did
 * not arrive, or that has entries of several symbols. Callers write all other events.
 *
 * A checkpoint is due at the first data frame of each segment except the first. Another one is due
 * whenever so much was written since the last that checkpoints stay a small fraction of the
 * archive.
 *
 * The writer accesses no files: it calls `full` when the pending chunk must be sealed before the
 * next message. A caller that also seals by the clock does so between two calls. Receive times rise
 * from frame to frame; an event may repeat the previous time. Nothing is allocated per frame. After
 * a failure the writer can only be closed.
 *
 * One thread, except feed_writer_get_counts. */
#ifndef TD_CAPTURE_FEED_WRITER_H
#define TD_CAPTURE_FEED_WRITER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "recorder/capture/channel_router.h"
#include "recorder/capture/grants.h"
#include "recorder/capture/redact.h"
#include "format/chunk_builder.h"
#include "archive/event.h"

typedef struct feed_writer feed_writer;

typedef struct feed_writer_options {
    const char *name; /* borrowed, like the other pointers */
    const struct family *family;
    const char *session; /* session id, for `segment` events */
    redactor *secrets;   /* NULL: nothing to hide */
    const td_log *log;   /* may be NULL */
    /* A chunk is full this long after its first message, by receive times; 0: by size only. */
    uint64_t interval_ns;
    uint32_t segment_count; /* as in pipeline_feed, like alone_ns */
    uint64_t alone_ns;
    /* 1: the frames are an archive's, whose gaps the caller writes: the exchange's numbers of them
     * are not judged again. */
    uint8_t is_copy;
    /* Must seal the pending chunk (feed_writer_seal). The call of the writer that needed the seal
     * returns a failure of this callback. */
    td_result (*full)(void *user, td_err *err);
    void *user;
} feed_writer_options;

/* Where a frame was written. Valid until the next call. */
typedef struct feed_written {
    uint32_t segment; /* as feed_writer_segment */
    channel_route route;
    uint64_t granted_ns; /* grants_from_ns of the frame's connection */
    trade_grant trades;  /* grants_of_trades of its channel */
    /* Frames of its connection are missing since then, as the exchange's numbers show
     * (schema/conn_counter.h), and no data frame has told it yet, or the frame is one of a topic
     * with state and has entries of several symbols; 0: neither. A gap was written. */
    uint64_t lost_from_ns;
    /* 1: a checkpoint of the states before this frame is due (feed_writer_put_checkpoint). */
    uint8_t wants_checkpoint;
} feed_written;

/* A slot with its latest connection. */
typedef struct feed_slot {
    event_slot at;    /* the connection's ordinals so far */
    uint64_t last_ns; /* receive time of the connection's last frame; its beginning before the
                         first frame */
    uint8_t is_open;
} feed_slot;

/* Counts of what was written. */
typedef struct feed_counts {
    uint64_t in, out, http;
    uint64_t bytes;         /* payload of inbound and outbound frames and HTTP replies */
    uint64_t control;       /* inbound frames without a topic */
    uint64_t unknown;       /* inbound frames on _unknown */
    uint64_t overflow;      /* frames with channel_route.is_overflow */
    uint64_t redacted;      /* occurrences of secrets that were overwritten */
    uint64_t sequence_gaps; /* gaps that this writer found */
    grants_counts topics;   /* as of feed_writer_count_topics */
} feed_counts;

/* Open a writer for a feed. */
feed_writer *feed_writer_open(const feed_writer_options *options);
/* Free. Pending messages that were not sealed are lost. NULL is fine. */
void feed_writer_close(feed_writer *self);

/* Append a frame (ordinal 0: the next one). Afterwards *frame is as it was written: its ordinal and
 * channel are set, and its secrets are overwritten. Its bytes are padded as before, and valid until
 * the next call. TD_E_INVALID: the frame's time or ordinal is lower than the last frame's, or the
 * slot has a later connection; also failures of `full`. */
TD_MUST_USE td_result feed_writer_frame(feed_writer *self, feed_frame *frame, feed_written *written,
                                        td_err *err);

/* Count the topics that are granted and silent, if they may have changed; log those that became
 * overdue. */
void feed_writer_count_topics(feed_writer *self, uint64_t now_ns);

/* Append an event. TD_E_LIMIT: it is too large; also failures of `full`. */
TD_MUST_USE td_result feed_writer_event(feed_writer *self, uint64_t recv_ns, const event *what,
                                        td_err *err);

/* Set the ordinals of a slot's connection when no frame shows them: the connection has opened, at
 * at->since_ns, or frames were counted but not written (since_ns is then ignored). Chain records
 * and `segment` events state the ordinals. TD_E_INVALID: an ordinal is lower than the known one;
 * TD_E_LIMIT. */
TD_MUST_USE td_result feed_writer_ordinals(feed_writer *self, const event_slot *at, td_err *err);

/* The slot's connection is closed. complete_ns: as in feed_frame. */
void feed_writer_closed(feed_writer *self, uint32_t line, uint32_t shard, uint64_t complete_ns);

/* A slot, valid until the next call; NULL if it never had a connection. */
const feed_slot *feed_writer_slot(const feed_writer *self, uint32_t line, uint32_t shard);

/* Let the next chunk begin a segment. */
void feed_writer_end_segment(feed_writer *self);

/* Number of the last message's segment, from 1; 0 before the first message. Channel numbers and
 * infos are valid within one segment. */
uint32_t feed_writer_segment(const feed_writer *self);

/* Receive time of the last message; 0 before the first. */
uint64_t feed_writer_last_ns(const feed_writer *self);

/* Messages in the pending chunk. */
uint64_t feed_writer_pending_count(const feed_writer *self);

/* Make a chunk of the pending messages, at this zstd level (chunk_builder.h). Returns 0 if nothing
 * is pending. */
int feed_writer_seal(feed_writer *self, int level, sealed_chunk *out);

/* Write a checkpoint (format/checkpoint.h) with the next chunk. segment: the segment of the frame
 * before which it was due; if that segment has ended, the checkpoint is dropped. Afterwards
 * record's content is undefined. */
void feed_writer_put_checkpoint(feed_writer *self, uint32_t segment, td_buf *record);

/* Any thread. Each number is exact, but they may be of slightly different times. */
feed_counts feed_writer_get_counts(const feed_writer *self);

#endif
