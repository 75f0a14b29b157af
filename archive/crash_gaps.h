/* Rows of reason `crash`: what a session that ended without a stop lacks after its last durable
 * frames. recover writes them into the journal; until then readers derive the same rows from the
 * segments. One thread at a time per archive. */
#ifndef TD_ARCHIVE_CRASH_GAPS_H
#define TD_ARCHIVE_CRASH_GAPS_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/feed_history.h"
#include "archive/gap.h"

/* The cause of a crash gap after half an import; that of a recorder's has another. */
#define CRASH_CAUSE_IMPORT "import ended before its end"

/* The first message of the feed's next segment of another session, if it is later than from_ns: the
 * end of what row's session lacks. Else GAP_OPEN. */
uint64_t crash_gaps_end(archive *archive, const archive_history *past, const past_segment *row,
                        uint64_t from_ns);

/* 1 if no later segment of the same session and feed holds anything. */
int crash_gaps_is_last(const archive_history *past, const past_segment *row);

/* Add the rows of all crashed sessions that recover has not ended yet, one for each slot, from its
 * last durable frame on, unless a row of the list covers its time: those that are not live and
 * have an unfinished segment, or no end in the journal. *out has the ledger's other rows. A damaged
 * segment adds none. The view's past: an unfinished segment without anything durable becomes
 * PAST_DISCARDED. TD_E_IO. */
td_result crash_gaps_find(archive_view *view, gap_list *out, td_err *err);

#endif
