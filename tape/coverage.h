/* Computes which part of an interval of exchange time is covered for a topic: no frame of that part
 * is missing. (tape/topic_trust.h answers another question: whether a frame's state is right.)
 *
 * A topic is received from its grant (from its first frame, if the grant is unknown) to the end of
 * the recording, except in gaps of the ledger, damage and unreadable frames. A gap may begin in the
 * ledger before the last frame that was received. But a connection keeps the order of frames, so
 * only frames between the last frame of the old connection and the first frame of the new
 * connection are missing. The exchange times of these two frames bound the hole. If these times are
 * unknown, receive times bound the hole, widened by the greatest observed lead and delay of frames
 * against the exchange's clock, and by COVERAGE_CLOCK_NS.
 *
 * One coverage per stream (book/conn_choice.h); it gets the stream's frames, and its copies, whose
 * entries count as missing if only copies came.
 * One thread. */
#ifndef TD_TAPE_COVERAGE_H
#define TD_TAPE_COVERAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/time_span.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "schema/frame.h"
#include "schema/message.h"
#include "tape/selection.h"
#include "tape/topic_trust.h"

#define COVERAGE_CLOCK_NS UINT64_C(1000000000)

/* How long after an exchange time its frames may still be received, and, by a recorder's clock that
 * is behind the exchange's, how long before it. */
#define COVERAGE_DELAY_NS UINT64_C(10000000000)

#define COVERAGE_ALWAYS UINT64_MAX

/* Zero-initialise. */
typedef struct coverage {
    time_span *holes; /* in exchange time, sorted, disjoint */
    size_t hole_count;
    size_t gap_next;   /* index of the ledger's next gap to read */
    time_span pending; /* receive times in which frames before the next frame may be missing */
    uint8_t has_pending;
    uint8_t is_old_sound; /* 1: further frames of the old connection shorten the pending time */
    const frame_conn *conn;
    uint64_t read_ns;     /* earlier frames are ignored */
    uint64_t recv_ns;     /* of the last frame, or 0 */
    uint64_t exchange_ns; /* latest exchange time in any frame */
    uint64_t delay_ns, ahead_ns;
    uint64_t damaged_until_ns;
    time_span copied; /* what is missing if only copies come until the end; from_ns 0: nothing */
} coverage;

/* A frame, with the exchange times of its first and last entry, both 0 if it has no entry or cannot
 * be decoded. */
typedef struct coverage_frame {
    const frame_ref *frame;
    uint64_t first_ns, last_ns;
    uint8_t is_doubtful; /* 1: it cannot be decoded, or breaks a rule of its topic */
} coverage_frame;

/* Free the holes. */
void coverage_fini(coverage *self);

/* Begin. Time outside the window is not covered. since_ns: the topic's reception began then; 0:
 * more than COVERAGE_DELAY_NS before the window. ledger: the whole ledger, sorted; the same in each
 * call. */
void coverage_begin(coverage *self, const gap_list *ledger, const channel_info *info,
                    selection_window window, uint64_t since_ns);

/* Add the next frame, from COVERAGE_DELAY_NS before the window until as long after it; earlier
 * frames are ignored. */
void coverage_add(coverage *self, const gap_list *ledger, const coverage_frame *next);

/* A frame of trades for coverage_add; trust may be NULL. The exchange time of a trade is its own,
 * or its frame's, or the receive time. */
coverage_frame coverage_frame_of(const frame_ref *frame, const trust_answer *trust);
uint64_t coverage_trade_ns(const frame_ref *frame, const msg_trade *trade);

/* 1 if a trade belongs to the window: its exchange time is in it, and its frame is one for
 * coverage_add. A trade that is received too late or too early for the window with its time belongs
 * to the window in which it is received. */
int coverage_has_trade(selection_window window, uint64_t recv_ns, uint64_t exchange_ns);

/* End: there are no more frames. until_ns: the topic was received until then; COVERAGE_ALWAYS:
 * until COVERAGE_DELAY_NS after the window. */
void coverage_end(coverage *self, const gap_list *ledger, const channel_info *info,
                  selection_window window, uint64_t damaged_until_ns, uint64_t until_ns);

/* Missing part of an interval of exchange time. The time after the last frame is known only after
 * coverage_end. */
uint64_t coverage_missing_ns(const coverage *self, uint64_t from_ns, uint64_t to_ns);

/* ---- when topics were received ---- */

typedef struct topic_times topic_times;

/* For topics of an archive in a window. Closing NULL is allowed. */
TD_MUST_USE td_result topic_times_open(archive *from, selection_window window, topic_times **out,
                                       td_err *err);
void topic_times_close(topic_times *self);

/* From when and until when a topic was received. first: the topic's first frame;
 * last_ns: time of the topic's last frame. *since_ns is 0 if the topic was received since more than
 * COVERAGE_DELAY_NS before the window. *until_ns is COVERAGE_ALWAYS if it was received until
 * COVERAGE_DELAY_NS after the window. TD_E_IO. */
TD_MUST_USE td_result topic_times_since(topic_times *self, const frame_ref *first,
                                        uint64_t *since_ns, td_err *err);
TD_MUST_USE td_result topic_times_until(topic_times *self, const channel_info *info,
                                        uint64_t last_ns, uint64_t *until_ns, td_err *err);

#endif
