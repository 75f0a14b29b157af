/* Live continuity, on a thread of its own behind a ring of its own: every data frame goes through
 * the decoders and books that replay uses. It never holds up recording: when its ring is full,
 * frames are skipped here (they are recorded all the same), their books are unchecked until the
 * next snapshot, and the skips are counted.
 *
 * Its memory is limited to LIMIT_WATCH_BYTES. A book that would exceed the limit is dropped: its
 * topic is unchecked and counted until a segment begins and memory is free again. Other books
 * continue across segments. Recording never depends on the live check.
 *
 * A book that breaks opens a `sequence` gap, which the next snapshot closes; so does a book that
 * another one of its symbol contradicts, until they agree. Trades that a candle has and that did
 * not come are an `aggregate` gap between two of its readings (book/audit.h). All are told to the
 * network thread through `found`. */
#ifndef TD_RECORDER_WATCH_H
#define TD_RECORDER_WATCH_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "format/channel.h"
#include "archive/gap.h"
#include "recorder/config.h"
#include "schema/topic.h"

typedef struct watch watch;

/* A gap that was found or has ended. Strings are valid during the call. */
typedef struct watch_finding {
    uint16_t feed_index;
    const channel_info *channel;
    uint32_t conn;
    uint64_t from_ns;  /* the last frame that was right, or the one that broke the rule */
    uint64_t to_ns;    /* the snapshot that mended it; 0: still broken */
    gap_reason reason; /* GAP_SEQUENCE; GAP_AGGREGATE: trades are missing, and it has both ends */
    rule_id rule;      /* that broke first */
    int64_t expected, found;
} watch_finding;

typedef struct watch_options {
    const recorder_config *config; /* borrowed */
    const td_log *log;
    size_t ring_bytes;
    size_t memory_bytes; /* of channels, books and audits; 0: LIMIT_WATCH_BYTES */
    /* Called on the watch thread. */
    void (*found)(void *user, const watch_finding *finding);
    void *user;
} watch_options;

/* What was checked so far; any thread may ask. */
typedef struct watch_stats {
    uint64_t frames;
    uint64_t skipped; /* not checked: the ring was full, or there is no memory for the topic */
    uint64_t undecoded;
    uint64_t violations;      /* frames that broke a rule of strength error */
    uint64_t broken;          /* books that are broken now */
    uint64_t unchecked_books; /* topics, and comparisons of a symbol's, that were given up for want
                                 of memory; ever */
} watch_stats;

/* Start the thread. TD_E_NOMEM, TD_E_IO. */
TD_MUST_USE td_result watch_open(const watch_options *options, watch **out, td_err *err);

/* Check what is left, end the thread, free; NULL is fine. */
void watch_close(watch *self);

/* Encoder thread: pass on a data frame of channel number channel_index of a feed. info and bytes
 * are copied, or skipped and counted. */
void watch_put(watch *self, uint16_t feed_index, uint32_t channel_index, const channel_info *info,
               uint32_t conn, uint64_t recv_ns, td_bytes bytes);

/* Encoder thread: the same for a frame of the connection itself: a request, or the answer to one.
 * They say from when on a connection's topics are all there. info is the control channel's. */
typedef enum watch_control { WATCH_REQUEST, WATCH_ANSWER } watch_control;
void watch_put_control(watch *self, uint16_t feed_index, watch_control kind,
                       const channel_info *info, uint32_t conn, uint64_t recv_ns, td_bytes bytes);

/* Encoder thread: a connection has ended. Of a topic that several connections have the live check
 * compares the frames of one with other topics (tape/follow.h): another one takes its place. */
void watch_put_closed(watch *self, uint16_t feed_index, uint32_t line, uint32_t shard,
                      uint32_t conn);

/* Encoder thread: a segment of the feed begins. Numbers mean other channels from here on; what is
 * known of a topic and slot goes on under its new number. */
void watch_begin_segment(watch *self, uint16_t feed_index);

/* What of watch_stats.unchecked_books is of one feed. Any thread. */
uint64_t watch_unchecked_books(const watch *self, uint16_t feed_index);

/* 1 if everything that was put has been checked. Any thread but the watch's own. */
int watch_is_idle(const watch *self);

void watch_get_stats(const watch *self, watch_stats *out);

#endif
