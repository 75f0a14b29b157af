/* What is in an archive at a moment, read once for several plans: the segments on the disk, and
 * what catalog and journal know. A view does not change; what follows a growing archive reads a new
 * one. It is for the time in which plans are made; these keep the catalog open for as long as they
 * load chunks from it. One thread at a time per archive. */
#ifndef TD_ARCHIVE_ARCHIVE_VIEW_H
#define TD_ARCHIVE_ARCHIVE_VIEW_H

#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "archive/catalog_known.h"
#include "archive/feed_past.h"

typedef struct archive_view {
    struct archive *archive;
    archive_listing listing;
    char live[SESSION_ID_BYTES]; /* archive_live_session, asked after listing */
    known_catalog known;
    archive_past past;
    td_result past_result; /* of reading the journal; without it the past is empty */
    td_err past_error;
    unsigned user_count; /* the opener, and who shares the catalog */
} archive_view;

typedef enum view_parts {
    VIEW_ALL,
    VIEW_FILES, /* without the catalog: no segment is known */
} view_parts;

/* Read it. log: why the catalog is not used (NULL: not logged). On success *out is the caller's,
 * for archive_view_close. TD_E_IO. */
TD_MUST_USE td_result archive_view_open(archive *archive, view_parts parts, const td_log *log,
                                        archive_view **out, td_err *err);

/* For its opener: free all but the catalog, which goes with its last user. NULL is fine. */
void archive_view_close(archive_view *view);

/* 1 if entries of the journal are lost, or it cannot be read: what may be missing is not known. */
int archive_view_lacks_journal(const archive_view *view);

/* Become a user of its catalog, also after the view was closed; and end that (NULL is fine). */
archive_view *archive_view_share(archive_view *view);
void archive_view_release(archive_view *view);

#endif
