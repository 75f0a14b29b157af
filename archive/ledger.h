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

/* Every gap of the archive, merged and in order: from the journal and the segments' own events, or
 * the catalog's copy of those, where it has the segment; the time of segments
 * that the journal lists and the disk lacks; what crashed sessions lack that recover has not ended
 * yet (crash_gaps.h); what lies between sessions of a feed (session_spans.h); and what a damaged
 * journal may have listed. Left out is what lies in time that was pruned. *out is the caller's, for
 * gap_list_fini. */
TD_MUST_USE td_result archive_gaps(archive *archive, gap_list *out, td_err *err);

/* The same for a caller that has a view. */
void archive_gaps_of(archive_view *view, gap_list *out);

/* Add the gaps that the journal and the segments have: nothing is derived, or left out. */
void archive_written_gaps(archive_view *view, gap_list *out);

/* Every session of the archive, by start: from the journal, and from segments whose session it does
 * not know. The view keeps them; one that is open there and not live is crashed. */
void archive_sessions(archive_view *view, session_row **rows, size_t *count);

#endif
