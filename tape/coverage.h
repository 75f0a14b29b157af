/* Which part of an interval of exchange time the archive has of a topic: whether nothing is missing
 * in it. (tape/topic_trust.h answers another question: whether a frame's state is derived rightly.)
 *
 * A topic is received from its grant, or its first frame where no grant is known, up to the end of
 * the recording, less the gaps of the ledger, damage, and frames that cannot be read. Because a
 * connection keeps the order, what a frame has is there however early the row of a gap begins: what
 * is missing lies between the last frame of the old connection and the first of the new one. Both
 * bound a hole by their exchange times; without them it is bounded by times of receipt, widened by
 * the most that frames were ahead of and behind the exchange's clock, and COVERAGE_CLOCK_NS.
 *
 * One per stream (book/conn_choice.h), which is given its frames that are no copies. One thread. */
#ifndef TD_TAPE_COVERAGE_H
#define TD_TAPE_COVERAGE_H

#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "archive/gap.h"
#include "schema/frame.h"
#include "schema/message.h"
#include "tape/selection.h"
#include "tape/topic_trust.h"

#define COVERAGE_CLOCK_NS UINT64_C(1000000000)

/* Of what the exchange made until a time, how long after it something may be received. */
#define COVERAGE_DELAY_NS UINT64_C(10000000000)

#define COVERAGE_ALWAYS UINT64_MAX

typedef struct coverage_span {
    uint64_t from_ns, to_ns;
} coverage_span;

/* Zero-initialise. */
typedef struct coverage {
    coverage_span *holes; /* in exchange time, in order, apart */
    size_t hole_count;
    size_t gap_next;       /* of the ledger: the first that was not looked at */
    coverage_span pending; /* of receipt: something may be missing before the next frame */
    uint8_t has_pending;
    uint8_t is_old_sound; /* 1: frames of the connection before count until another one has some */
    const frame_conn *conn;
    uint64_t recv_ns;     /* of the last frame; 0: none */
    uint64_t exchange_ns; /* the latest of any frame's entries */
    uint64_t delay_ns, ahead_ns;
    uint64_t damaged_until_ns;
} coverage;

/* A frame: the exchange times of its first and last entry; 0 and 0: it has none, or cannot be
 * decoded. */
typedef struct coverage_frame {
    const frame_ref *frame;
    uint64_t first_ns, last_ns;
    uint8_t is_doubtful; /* 1: it cannot be decoded, or broke a rule of its topic */
} coverage_frame;

void coverage_fini(coverage *self);

/* Begin: what lies outside the window is not covered. since_ns: the topic was received since then;
 * 0: since before the window. ledger: all of it, in its order, the same each time. */
void coverage_begin(coverage *self, const gap_list *ledger, const channel_info *info,
                    selection_window window, uint64_t since_ns);

/* The next frame; those of the COVERAGE_DELAY_NS after the window, too. */
void coverage_add(coverage *self, const gap_list *ledger, const coverage_frame *next);

/* A frame of trades as coverage_add takes it; trust is its answer, NULL where none is asked for.
 * The exchange time of a trade is that of its frame, or of receipt, where it has none. */
coverage_frame coverage_frame_of(const frame_ref *frame, const trust_answer *trust);
uint64_t coverage_trade_ns(const frame_ref *frame, const msg_trade *trade);

/* There are no more frames, and the topic was received until until_ns; COVERAGE_ALWAYS: for
 * COVERAGE_DELAY_NS after the window. */
void coverage_end(coverage *self, const gap_list *ledger, const channel_info *info,
                  selection_window window, uint64_t damaged_until_ns, uint64_t until_ns);

/* How much of an interval of exchange time is missing. What comes after the last frame is known
 * after coverage_end only. */
uint64_t coverage_missing_ns(const coverage *self, uint64_t from_ns, uint64_t to_ns);

/* ---- how long topics were received ---- */

typedef struct topic_times topic_times;

/* For topics of an archive in a window. NULL is fine to close. */
TD_MUST_USE td_result topic_times_open(archive *from, selection_window window, topic_times **out,
                                       td_err *err);
void topic_times_close(topic_times *self);

/* Since when and until when a topic was received, of which a frame is the first in the window, and
 * last_ns the time of the last. *since_ns 0: since before it; *until_ns COVERAGE_ALWAYS: for
 * COVERAGE_DELAY_NS after it. TD_E_IO. */
TD_MUST_USE td_result topic_times_since(topic_times *self, const frame_ref *first,
                                        uint64_t *since_ns, td_err *err);
TD_MUST_USE td_result topic_times_until(topic_times *self, const channel_info *info,
                                        uint64_t last_ns, uint64_t *until_ns, td_err *err);

#endif
