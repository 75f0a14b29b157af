/* The catalog, made from the segments and the journal. */
#ifndef TD_ARCHIVE_REINDEX_H
#define TD_ARCHIVE_REINDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/catalog.h"

typedef enum reindex_scope {
    REINDEX_ALL,     /* forget the old catalog and read every segment */
    REINDEX_CHANGED, /* read only finished segments that the catalog has not as they are */
} reindex_scope;

typedef struct reindex_report {
    uint64_t segments_read;
    uint64_t segments_kept; /* the catalog had them as they are */
    uint64_t segments_gone; /* rows without a file, forgotten */
    uint64_t segments_unreadable;
    uint64_t segments_missing; /* the journal knows them, the disk lacks them: logged */
    uint64_t segments_cut;     /* not what the journal lists: logged */
    uint64_t unexpected;
} reindex_report;

/* Called after each segment; done of total. */
typedef void reindex_progress_fn(void *user, uint64_t done, uint64_t total);

typedef struct reindex_options {
    reindex_scope scope;
    reindex_progress_fn *progress; /* may be NULL */
    void *user;
} reindex_options;

/* Bring the archive's catalog on disk up to date. One that cannot be used is removed first. A
 * maintainer, an appender, or a reader whose catalog is elsewhere. An appender checks only that
 * each segment has rows for what the journal lists, the others the rows and files of all segments.
 * TD_E_IO, TD_E_NOSPACE, TD_E_BUSY (the catalog is locked for good). */
TD_MUST_USE td_result archive_reindex(archive *archive, const reindex_options *options,
                                      reindex_report *report, td_err *err);

/* The same for those who only leave a catalog behind: REINDEX_CHANGED. A failure is logged, and
 * every two seconds how far it is. report may be NULL. */
void archive_update_catalog(archive *archive, reindex_report *report);

/* The same into an open catalog, also from a read-only archive. */
TD_MUST_USE td_result archive_reindex_into(archive *archive, catalog *catalog,
                                           const reindex_options *options, reindex_report *report,
                                           td_err *err);

/* Called with a reason for each segment whose rows are not as they were written. */
typedef void catalog_flaw_fn(void *user, const char *what);

/* Why the catalog is out of date, as one line in what ("the file is missing", "lists x, which is
 * missing"); "" if it has each finished segment as it is on disk. Then all rows are loaded, too,
 * unless fn is NULL. Nothing is written. */
enum { CATALOG_WHAT_BYTES = 512 };
void archive_check_catalog(archive_view *view, catalog_flaw_fn *fn, void *user,
                           char what[CATALOG_WHAT_BYTES]);

#endif
