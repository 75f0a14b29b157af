/* Gaps of reason corrupt: frames that were stored and can no longer be read, because a segment is
 * missing, discarded, damaged or changed, or because the journal lost entries. The detail of a
 * segment's row is the path. Rows borrow their texts. One thread at a time per archive. */
#ifndef TD_ARCHIVE_LOST_DATA_H
#define TD_ARCHIVE_LOST_DATA_H

#include <stdint.h>

#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/feed_history.h"
#include "archive/gap.h"
#include "format/chain.h"
#include "format/segment_index.h"

/* A part of a segment cannot be read: the frames from first_ns to last_ns, all or in part. */
gap_row lost_data_frames(const char *feed, const char *path, uint64_t first_ns, uint64_t last_ns);

/* A segment cannot be read from from_ns on; nothing of it is from to_ns or later. */
gap_row lost_data_segment(const char *feed, const char *path, uint64_t from_ns, uint64_t to_ns);

/* Another program removed or changed a segment that a recorder writes, which has frames of the slot
 * from from_ns on. The next session ends the gap. */
gap_row lost_data_changed(const char *feed, const char *path, const chain_conn *slot,
                          uint64_t from_ns);

/* The gap of a segment that is discarded although it had durable frames, for all slots, because the
 * segment's slots are unknown. It begins at the time in the segment's name and ends with the feed's
 * next session. It borrows from the history and the name. */
gap_row lost_data_discarded(archive *archive, const archive_history *past,
                            const past_segment *segment, const segment_name *name);

/* After time_account_add_crashes: add a gap for each lost segment, with a warning, unless its
 * writer or recover journaled one. If it was the last one of a crashed session, the gap reaches to
 * the next session. */
void lost_data_add_missing(const archive_view *view, gap_list *ledger);

/* For each damage of the journal that is not accepted and each feed, add a gap of reason corrupt
 * and GAP_CAUSE_JOURNAL: the time that the lost entries may have described. The gap begins with the
 * feed's last segment before the damage. It ends with the feed's first segment after the damage
 * whose session has only readable gaps: the session began after the damage, or it was the feed's
 * last session before the damage. Without such a segment the gap is open. */
void lost_data_add_journal(const archive_history *past, const archive_listing *listing,
                           gap_list *ledger);

#endif
