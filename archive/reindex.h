/* The catalog, made from what is on disk: segments and journal alone. */
#ifndef TD_ARCHIVE_REINDEX_H
#define TD_ARCHIVE_REINDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/catalog.h"
#include "archive/gap.h"
#include "archive/ledger.h"
#include "format/segment_index.h"

typedef enum reindex_scope {
    REINDEX_ALL,     /* forget the old catalog and read every segment */
    REINDEX_CHANGED, /* read only segments that the catalog has not as they are on disk */
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
    reindex_progress_fn *progress;  /* may be NULL */
    int (*should_stop)(void *user); /* called before each segment; 1: end with TD_E_BUSY, the
                                     * catalog stays out of date. May be NULL. */
    /* A segment's rows are in the catalog now, in the transaction that goes on. May be NULL. */
    td_result (*entered)(void *user, catalog *catalog, const segment_index *index, td_err *err);
    void *user;
} reindex_options;

/* Rebuild the archive's catalog on disk. A catalog that cannot be used is removed first. A
 * maintainer, or an appender. A maintainer without an appender beside it checks every row also of
 * segments that have not changed, and puts right those that are not as they were written. TD_E_IO,
 * TD_E_NOSPACE, TD_E_BUSY (the catalog is locked for good). */
TD_MUST_USE td_result archive_reindex(archive *archive, const reindex_options *options,
                                      reindex_report *report, td_err *err);

/* The same into an open catalog (for instance CATALOG_MEMORY: reading only, also from a read-only
 * archive or a single file). report may be NULL. */
TD_MUST_USE td_result archive_reindex_into(archive *archive, catalog *catalog,
                                           const reindex_options *options, reindex_report *report,
                                           td_err *err);

/* Why the catalog is out of date, as one line in what ("the file is missing", "lists x, which
 * cannot be read"); "" if it is current. Nothing is written. */
enum { CATALOG_WHAT_BYTES = 512 };
TD_MUST_USE td_result archive_check_catalog(archive *archive, char what[CATALOG_WHAT_BYTES],
                                            td_err *err);

/* The same for a writer that continues the catalog: whether it has read the journal to its end, and
 * has as many segments as are listed. Readers of a segment compare its row with the file. */
TD_MUST_USE td_result archive_check_catalog_place(archive *archive, const archive_listing *listing,
                                                  char what[CATALOG_WHAT_BYTES], td_err *err);

#endif
