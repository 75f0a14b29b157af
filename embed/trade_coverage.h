/* Trades of a tape with TAPEDECK_WITH_COVERAGE: which ones belong to the selection by their
 * exchange time, which ones a snapshot repeats, and for how long trades of a stream may be missing.
 * Streams have their numbers of the tape. One thread. */
#ifndef TD_EMBED_TRADE_COVERAGE_H
#define TD_EMBED_TRADE_COVERAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "schema/frame.h"
#include "tape/coverage.h"
#include "tape/cursor.h"

/* The members after window are private. */
typedef struct trade_coverage {
    selection_window window; /* the selection's; the tape reads COVERAGE_DELAY_NS more */
    const gap_list *ledger;
    topic_times *times; /* NULL once the tape has ended */
    struct covered_stream *streams;
    size_t count;
} trade_coverage;

/* Begin. ledger: the whole ledger, sorted; borrowed, and must not change. *out must be closed even
 * after a failure; NULL is fine. TD_E_IO. */
TD_MUST_USE td_result trade_coverage_open(archive *from, selection_window window,
                                          const gap_list *ledger, trade_coverage **out,
                                          td_err *err);
void trade_coverage_close(trade_coverage *self);

/* Add a stream's next frame, if it has trades. info: of the stream, until close. trust may be NULL.
 * TD_E_IO. */
TD_MUST_USE td_result trade_coverage_add(trade_coverage *self, size_t stream,
                                         const channel_info *info, const frame_ref *frame,
                                         const trust_answer *trust, td_err *err);

/* 1 if an earlier frame had the trade of a frame that was added. Else the trade is remembered. */
int trade_coverage_repeats(trade_coverage *self, size_t stream, const frame_ref *frame,
                           const msg_trade *trade);

/* The tape has ended, with this cursor. TD_E_IO. */
TD_MUST_USE td_result trade_coverage_end(trade_coverage *self, const cursor *at, td_err *err);

/* For how many ns of an interval trades of a stream may be missing: all, before the end. */
uint64_t trade_coverage_missing_ns(const trade_coverage *self, size_t stream, uint64_t from_ns,
                                   uint64_t to_ns);

#endif
