/* Checks continuity while recording, on its own thread with its own ring: every data frame passes
 * through the decoders and books that replay uses. It never delays recording: when its ring is
 * full, frames are recorded but not checked; the books are then unchecked until the next snapshot,
 * and skipped frames are counted.
 *
 * Its memory is limited to LIMIT_LIVE_CHECK_BYTES. A symbol whose state would exceed the limit is
 * dropped: its topics are counted and not checked. When a segment begins and less than half of the
 * memory is free, symbols without a frame in the previous segment lose their state. If half is free
 * after that, dropped symbols are checked again. Other states continue across segments.
 *
 * A book that breaks opens a `sequence` gap, which the next snapshot closes. Two books of a symbol
 * that contradict each other open a `sequence` gap each, until they agree. Trades that a candle
 * includes but that were not received are an `aggregate` gap between two readings of the candle
 * (book/audit.h). A topic that is silent for far longer than usual, while its connection delivers
 * others, has a `stale` gap, which its next frame closes; whether it still was subscribed, only the
 * caller knows. It is found again each minute. The network thread, or import, fetches and records
 * these findings; if they exceed LIVE_CHECK_FINDINGS_BYTES, the rest is logged only.
 *
 * It saves its states as checkpoints, so that readers can begin in the middle of a recording. After
 * the first skipped frame or dropped state it makes no more checkpoints, because its states differ
 * from a reader's. */
#ifndef TD_PIPELINE_LIVE_CHECK_H
#define TD_PIPELINE_LIVE_CHECK_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/gap.h"
#include "recorder/capture/feed_writer.h"
#include "recorder/pipeline/pipeline_config.h"
#include "schema/topic.h"

typedef struct live_check live_check;

typedef struct live_check_options {
    const pipeline_config *config; /* borrowed */
    const td_log *log;
    const char *session; /* session id, so that states name connections as states of a tape do */
    uint8_t is_recorder; /* 1: recorded by `record` (book/conn_choice.h) */
    size_t ring_bytes;   /* 0: no thread, live_check_put itself checks, and its frames need
                            DECODE_PADDING_BYTES */
    size_t memory_bytes; /* limit for channels, books and audits; 0: LIMIT_LIVE_CHECK_BYTES */
} live_check_options;

#define LIVE_CHECK_FINDINGS_BYTES ((size_t)1 << 20)

/* Counts so far; any thread. */
typedef struct live_check_stats {
    uint64_t frames;
    uint64_t skipped; /* not checked: the ring was full, or no memory was left for the topic */
    uint64_t undecoded;
    uint64_t violations;      /* frames that violate a rule of strength error */
    uint64_t broken;          /* books that are broken now */
    uint64_t unchecked_books; /* topics dropped for lack of memory, since the start */
    uint64_t states_left_out; /* states missing in checkpoints: too large, or with several
                                 connections of one topic */
} live_check_stats;

/* Start the thread. TD_E_IO. */
TD_MUST_USE td_result live_check_open(const live_check_options *options, live_check **out,
                                      td_err *err);

/* Check the remaining records, end the thread, free; NULL is fine. */
void live_check_close(live_check *self);

/* Encoder thread. put: pass on a frame that the feed's writer has written, if it is data; it is
 * copied, or skipped and counted. write_checkpoint: give the writer the feed's latest checkpoint,
 * if a new one was made. */
void live_check_put(live_check *self, uint16_t feed_index, const feed_frame *frame,
                    const feed_written *written);
void live_check_write_checkpoint(live_check *self, uint16_t feed_index, feed_writer *writer);

/* Network thread, or import's: remove the oldest finding; 0 if there is no more. A finding is a gap
 * that begins or ends; its cause is the rule. A `sequence` gap begins at the last frame
 * without a violation, or, if there is no such frame, at the violating one, and ends with a
 * snapshot. Texts are valid until the next call. */
int live_check_next_finding(live_check *self, uint16_t *feed_index, gap_row *out);

/* 1 if the finding belongs in the ledger as it is: it is neither a silence, which is a gap only of
 * a topic that still is subscribed, nor about a book that is right (LIVE_FINDINGS_NARROW). */
int live_check_is_gap(const gap_row *found);

/* live_check_stats.unchecked_books of one feed. Any thread. */
uint64_t live_check_unchecked_books(const live_check *self, uint16_t feed_index);

/* 1 if every record is checked. Any thread except the live check's own. */
int live_check_is_idle(const live_check *self);

/* Any thread. */
void live_check_get_stats(const live_check *self, live_check_stats *out);

#endif
