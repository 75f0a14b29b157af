/* What is in an archive at a moment, read once for several plans: the segments on the disk, the
 * journal, and the catalog. A view does not change; what follows a growing archive reads a new one.
 * It is for the time in which plans are made; these keep the catalog open for as long as they load
 * chunks from it. One thread at a time per archive. */
#ifndef TD_ARCHIVE_ARCHIVE_VIEW_H
#define TD_ARCHIVE_ARCHIVE_VIEW_H

#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "archive/catalog.h"
#include "archive/feed_past.h"
#include "archive/gap.h"

typedef struct archive_view {
    struct archive *archive;
    archive_listing listing;
    char live[SESSION_ID_BYTES]; /* archive_live_session, asked after listing */
    catalog *catalog;            /* NULL: none that can be used */
    const td_log *log;           /* why it is not used; may be NULL */
    archive_past past;
    gap_list journal_gaps; /* as they were written */
    unsigned user_count;   /* the opener, and who shares the catalog */
} archive_view;

typedef enum view_parts {
    VIEW_ALL,
    VIEW_FILES, /* without the catalog */
} view_parts;

/* Read it. log: why the catalog is not used (NULL: not logged). On success *out is the caller's,
 * for archive_view_close. TD_E_IO. */
TD_MUST_USE td_result archive_view_open(archive *archive, view_parts parts, const td_log *log,
                                        archive_view **out, td_err *err);

/* For its opener: free all but the catalog, which goes with its last user. NULL is fine. */
void archive_view_close(archive_view *view);

/* Become a user of its catalog, also after the view was closed; and end that (NULL is fine). */
archive_view *archive_view_share(archive_view *view);
void archive_view_release(archive_view *view);

/* Load the rows of a listed segment from the catalog, if they describe the file: it has file_bytes
 * bytes, the journal has the same size and chain, and the rows are those that were written. 0: the
 * segment itself must be read; the reason is logged. 1: *out is the caller's, for
 * segment_rows_fini. */
int archive_view_load(archive_view *view, const char *path, uint64_t file_bytes, catalog_part part,
                      segment_rows *out);

#endif
