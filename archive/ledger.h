/* The ledger: sessions, gaps and notes. It is the union of the journal and of the segments' own
 * events; the catalog has a copy. One thread at a time per archive. */
#ifndef TD_ARCHIVE_LEDGER_H
#define TD_ARCHIVE_LEDGER_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/catalog.h"
#include "archive/gap.h"
#include "archive/journal.h"

/* Every gap of the archive, merged and in order: from the journal and the segments' own events, or
 * the catalog's copy of those, segment by segment, where its checksums hold; the time of segments
 * that the journal lists and the disk lacks; what crashed sessions lack that recover has not ended
 * yet (crash_gaps.h); what lies between sessions of a feed (session_spans.h); and what a damaged
 * journal may have listed. Left out is what lies in time that was pruned. *out is the caller's, for
 * gap_list_fini. */
TD_MUST_USE td_result archive_gaps(archive *archive, gap_list *out, td_err *err);

/* The gaps that the journal and the segments of one feed have: nothing is derived, or left out. */
TD_MUST_USE td_result archive_feed_gaps(archive *archive, const char *feed, gap_list *out,
                                        td_err *err);

/* The gaps that one source has, merged and in order; source: the path of a segment below the
 * archive without ".open", or "" for the journal. Valid during the call. Anything but TD_OK ends
 * what calls it. */
typedef td_result gap_source_fn(void *user, const char *source, const gap_list *rows, td_err *err);

/* The journal, and each segment that has gaps, with those in pruned time. */
TD_MUST_USE td_result archive_each_gap_source(archive *archive, gap_source_fn *fn, void *user,
                                              td_err *err);

/* Add the gaps that the events of one segment open or close to a list, also after a failure those
 * that were found. Events that cannot be read, and damaged chunks, are left out: verify reports
 * them. */
TD_MUST_USE td_result segment_gaps(archive *archive, const char *path, gap_list *into, td_err *err);

/* Every session of the archive, by start: from the journal, and from segments whose session it does
 * not know. *rows is the caller's, for td_free. */
TD_MUST_USE td_result archive_sessions(archive *archive, session_row **rows, size_t *count,
                                       td_err *err);

/* Write a gap into the journal. */
TD_MUST_USE td_result ledger_write_gap(journal *journal, const gap_row *row, td_err *err);

/* Enter the journal from where the catalog has read it to its end: sessions, gaps, notes.
 * Within a transaction. TD_E_NOTFOUND if the catalog's place is none in this journal: it belongs to
 * another one, and everything must be read again. */
TD_MUST_USE td_result ledger_catch_up(archive *archive, catalog *catalog, td_err *err);

#endif
