/* The ledger: sessions and gaps. It is the union of the journal and of the segments' own events.
 * One thread at a time per archive. */
#ifndef TD_ARCHIVE_LEDGER_H
#define TD_ARCHIVE_LEDGER_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/gap.h"
#include "archive/journal.h"

/* Get every gap of the archive, merged and sorted:
 *   - gaps in the journal, and in the segments' own events or the catalog's copy of these events
 *   - the time of segments that are not on disk, but in the journal, or named by a later segment
 *   - crash gaps that recover has not written yet (time_account.h)
 *   - of a gap that its connection's pongs disprove in part, both parts (disproved_gaps.h)
 *   - gaps between sessions of a feed (time_account.h)
 *   - the time that lost entries of a damaged journal may have described (lost_data.h)
 * Gaps in pruned time are left out. The caller releases *out with gap_list_fini. */
TD_MUST_USE td_result archive_gaps(archive *archive, gap_list *out, td_err *err);

/* As archive_gaps, for a caller that has a view. */
void archive_gaps_of(archive_view *view, gap_list *out);

/* Add all gaps in the journal and the segments, and no derived gaps. */
void archive_written_gaps(archive_view *view, gap_list *out);

/* Every session of the archive, by start: from the journal, and from segments of sessions that the
 * journal lacks. The view owns the rows. A session is marked as crashed if it has no end and is not
 * live. */
void archive_sessions(archive_view *view, session_row **rows, size_t *count);

#endif
