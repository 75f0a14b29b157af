/* Rebuilds the catalog from the segments and the journal. */
#ifndef TD_ARCHIVE_REINDEX_H
#define TD_ARCHIVE_REINDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/catalog.h"

typedef enum reindex_scope {
    REINDEX_ALL,     /* discard the old catalog and read every segment */
    REINDEX_CHANGED, /* read only finished segments that the catalog lacks, or has with another
                        content */
} reindex_scope;

typedef struct reindex_report {
    uint64_t segments_read;
    uint64_t segments_kept; /* the catalog had them as they are on disk */
    uint64_t segments_gone; /* rows without a file, removed */
    uint64_t segments_unreadable;
    uint64_t segments_missing; /* in the journal but not on disk: logged */
    uint64_t segments_cut;     /* not as the journal lists them: logged */
    uint64_t unexpected;
} reindex_report;

/* Called after each segment. */
typedef void reindex_progress_fn(void *user, uint64_t done, uint64_t total);

typedef struct reindex_options {
    reindex_scope scope;
    reindex_progress_fn *progress; /* may be NULL */
    void *user;
} reindex_options;

/* Bring the archive's catalog on disk up to date; an unusable one is removed first. For a
 * maintainer, an appender, or a reader whose catalog is elsewhere. An appender only checks that
 * each segment has rows that match the journal; the others check the rows and the files of all
 * segments. TD_E_IO, TD_E_NOSPACE, TD_E_BUSY (the catalog stays locked). */
TD_MUST_USE td_result archive_reindex(archive *archive, const reindex_options *options,
                                      reindex_report *report, td_err *err);

/* As archive_reindex with REINDEX_CHANGED, for callers whose main work is done: a failure is
 * logged, and the progress every two seconds. report may be NULL. */
void archive_update_catalog(archive *archive, reindex_report *report);

/* As archive_reindex, into an open catalog; the archive may be read-only. */
TD_MUST_USE td_result archive_reindex_into(archive *archive, catalog *catalog,
                                           const reindex_options *options, reindex_report *report,
                                           td_err *err);

/* Receives a reason for each segment whose rows are not as they were written. */
typedef void catalog_flaw_fn(void *user, const char *what);

/* Write to `what`, as one line, why the catalog is out of date ("the file is missing", "does not
 * list x as it is on disk"). If the catalog has each finished segment as it is on disk, `what` gets
 * "", and all rows are loaded, too, unless fn is NULL. Writes nothing to disk. */
enum { CATALOG_WHAT_BYTES = 512 };
void archive_check_catalog(archive_view *view, catalog_flaw_fn *fn, void *user,
                           char what[CATALOG_WHAT_BYTES]);

#endif
