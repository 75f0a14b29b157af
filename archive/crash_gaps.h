/* Gaps of reason `crash`: the time after the last durable frames of a session that ended without a
 * stop. recover writes them into the journal; until then readers derive the same rows from the
 * segments. One thread at a time per archive. */
#ifndef TD_ARCHIVE_CRASH_GAPS_H
#define TD_ARCHIVE_CRASH_GAPS_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/feed_history.h"
#include "archive/gap.h"

/* Cause of the crash gap after an unfinished import; a recorder's crash gap has another one. */
#define CRASH_CAUSE_IMPORT "import ended before its end"

/* The end of a crash gap that begins at from_ns in the session of the segment `row`. It is the time
 * of the first message in the feed's next segment that belongs to another session and begins after
 * from_ns, or GAP_OPEN. */
uint64_t crash_gaps_end(archive *archive, const archive_history *past, const past_segment *row,
                        uint64_t from_ns);

/* 1 if `row` is its session's last segment of the feed, apart from discarded and lost ones. */
int crash_gaps_is_last(const archive_history *past, const past_segment *row);

/* Add the gaps of crashed sessions that recover has not written yet: one for each slot, from its
 * last durable frame, unless a gap in *out covers that time. A session crashed if it is not
 * live and has an unfinished segment or no end in the journal. *out already has the ledger's other
 * gaps. Damaged segments are skipped. If nothing is durable in an unfinished segment, it is marked
 * as PAST_DISCARDED in the view's past. TD_E_IO. */
td_result crash_gaps_find(archive_view *view, gap_list *out, td_err *err);

#endif
