/* Live continuity, on its own thread with its own ring: every data frame goes through
 * the decoders and books that replay uses. It never holds up recording: when its ring is full,
 * frames are skipped here (they are recorded all the same), their books are unchecked until the
 * next snapshot, and the skips are counted.
 *
 * Its memory is limited to LIMIT_LIVE_CHECK_BYTES. A symbol whose state would exceed the limit is
 * dropped: its topics are unchecked and counted until a segment begins and half of the memory is
 * free. While less is free, symbols without a frame in the last segment lose their state. States
 * continue across segments. Recording never depends on the live check.
 *
 * A book that breaks opens a `sequence` gap, which the next snapshot closes; so does a book that
 * another one of its symbol contradicts, until they agree. Trades that a candle has and that did
 * not come are an `aggregate` gap between two of its readings (book/audit.h). All wait for the
 * network thread, which records them; what does not fit (LIVE_CHECK_FOUND_BYTES) is logged.
 *
 * It saves its states as checkpoints, from which readers begin in the middle of a recording. There
 * are none once frames were skipped or a state was dropped: those that remain differ from a
 * reader's.
 */
#ifndef TD_PIPELINE_LIVE_CHECK_H
#define TD_PIPELINE_LIVE_CHECK_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/event.h"
#include "recorder/capture/feed_writer.h"
#include "recorder/pipeline/pipeline_config.h"
#include "schema/topic.h"

typedef struct live_check live_check;

typedef struct live_check_options {
    const pipeline_config *config; /* borrowed */
    const td_log *log;
    const char *session; /* its id, so that states know their connections as those of a tape do */
    uint8_t is_recorder; /* 1: the session is a recorder's (book/conn_choice.h) */
    size_t ring_bytes; /* 0: no thread, live_check_put checks; its frames are padded for decoding */
    size_t memory_bytes; /* of channels, books and audits; 0: LIMIT_LIVE_CHECK_BYTES */
} live_check_options;

#define LIVE_CHECK_FOUND_BYTES ((size_t)1 << 20)

/* Counts so far; any thread. */
typedef struct live_check_stats {
    uint64_t frames;
    uint64_t skipped; /* not checked: the ring was full, or there is no memory for the topic */
    uint64_t undecoded;
    uint64_t violations;      /* frames that broke a rule of strength error */
    uint64_t broken;          /* books that are broken now */
    uint64_t unchecked_books; /* topics, dropped for lack of memory; ever */
    uint64_t states_left_out; /* of checkpoints: too large, or of several connections at a time */
} live_check_stats;

/* Start the thread. TD_E_IO. */
TD_MUST_USE td_result live_check_open(const live_check_options *options, live_check **out,
                                      td_err *err);

/* Check the remaining records, end the thread, free; NULL is fine. */
void live_check_close(live_check *self);

/* Encoder thread: pass on a frame that a feed's writer has written, if it is data; it is copied, or
 * skipped and counted. And give the writer the feed's checkpoint if one was made since. */
void live_check_put(live_check *self, uint16_t feed_index, const feed_frame *frame,
                    const feed_written *written);
void live_check_write_checkpoint(live_check *self, uint16_t feed_index, feed_writer *writer);

/* Network thread: remove the oldest event that was found; 0 if absent. EVENT_GAP: a gap begins or
 * ends; its cause is the rule. A `sequence` gap begins at the last frame without a violation, or
 * the violating one, and ends with a snapshot. Texts are valid until the next call. Without a
 * thread nothing is kept. */
int live_check_next_found(live_check *self, uint16_t *feed_index, event *out);

/* live_check_stats.unchecked_books of one feed. Any thread. */
uint64_t live_check_unchecked_books(const live_check *self, uint16_t feed_index);

/* 1 if every record is checked. Any thread but its own. */
int live_check_is_idle(const live_check *self);

void live_check_get_stats(const live_check *self, live_check_stats *out);

#endif
