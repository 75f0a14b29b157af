/* The catalog: an SQLite index of the finished segments of an archive. It is derived: deleting it
 * loses nothing (reindex.h). A reader of a segment's rows compares the file size and the chain in
 * them with the file and the journal (archive_view.h); a hash shows that the rows are as they were
 * written. If a check fails, the reader reads the segment itself.
 *
 * Transactions are short, and nothing is synced (base/database.h). One thread at a time per
 * catalog. */
#ifndef TD_ARCHIVE_CATALOG_H
#define TD_ARCHIVE_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "archive/segment_rows.h"

typedef struct catalog catalog;
struct archive;

typedef enum catalog_mode {
    CATALOG_READ,   /* writes nothing; works on a read-only folder */
    CATALOG_WRITE,  /* created if missing; an unusable one is removed first */
    CATALOG_APPEND, /* the same, with short waits for locks */
} catalog_mode;

/* Open. TD_E_NOTFOUND (reading); TD_E_CORRUPT, TD_E_UNSUPPORTED (reading: not a catalog, or
 * damaged); TD_E_BUSY (locked), TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result catalog_open(const char *path, catalog_mode mode, catalog **out, td_err *err);

/* Open an archive's catalog (archive_catalog_path) for reading. The one in a store is read like its
 * other files: only the pages that are needed. Errors as above, also of td_io_open. */
TD_MUST_USE td_result catalog_open_of(const struct archive *archive, catalog **out, td_err *err);

/* Close; NULL is allowed. */
void catalog_close(catalog *catalog);

/* Remove the catalog's files, if they exist. */
TD_MUST_USE td_result catalog_remove(const char *path, td_err *err);

/* ---- writing: each call is a transaction ---- */

/* Errors: TD_E_BUSY, TD_E_NOSPACE, TD_E_IO; TD_E_CORRUPT; TD_E_NOTFOUND if another program removed
 * or replaced the file. */

/* Insert or replace a finished segment's rows (INDEX_FULL). TD_E_LIMIT if they are too large. */
TD_MUST_USE td_result catalog_put(catalog *catalog, const segment_rows *rows, td_err *err);

/* catalog_drop removes a segment, catalog_clear all segments, and catalog_drop_stray the briefs of
 * days that have no segment. */
TD_MUST_USE td_result catalog_drop(catalog *catalog, const char *path, td_err *err);
TD_MUST_USE td_result catalog_clear(catalog *catalog, td_err *err);
TD_MUST_USE td_result catalog_drop_stray(catalog *catalog, td_err *err);

/* ---- reading ---- */

/* A segment in the catalog. */
typedef struct catalog_entry {
    char *path;
    uint64_t file_bytes;
    char chain_hex[33];
} catalog_entry;
typedef struct catalog_entries {
    catalog_entry *rows; /* sorted by path */
    size_t count;
} catalog_entries;

/* List the segments. The caller releases *out with catalog_entries_fini, also after a failure. */
TD_MUST_USE td_result catalog_list(catalog *catalog, catalog_entries *out, td_err *err);
void catalog_entries_fini(catalog_entries *entries);

/* The entry with this path, or NULL. */
const catalog_entry *catalog_entries_find(const catalog_entries *entries, const char *path);

/* How much of a segment to load. */
typedef enum catalog_part {
    CATALOG_INDEX,  /* without connections, grants and chunks, which are many */
    CATALOG_GRANTS, /* connections and grants, without channels, gaps, checkpoints and chunks */
    CATALOG_ROWS,   /* without chunks */
    CATALOG_ROWS_AND_CHUNKS,
} catalog_part;

/* Copy the catalog's file (database_copy). The caller frees *out with td_free. */
TD_MUST_USE td_result catalog_copy(catalog *catalog, size_t bytes_max, uint8_t **out, size_t *bytes,
                                   td_err *err);

/* Receives the brief of a segment, which is valid during the call. */
typedef void catalog_brief_fn(void *user, const segment_brief *brief);

/* Call fn with the briefs of all segments, by path. Briefs of a day that are not as they were
 * written are left out: a segment may have no brief. */
TD_MUST_USE td_result catalog_each_brief(catalog *catalog, catalog_brief_fn *fn, void *user,
                                         td_err *err);

/* Check that all rows of a segment and its brief can be loaded; fails as catalog_load does. */
TD_MUST_USE td_result catalog_check(catalog *catalog, const char *path, td_err *err);

/* Load the rows of the segment at path. TD_E_NOTFOUND; TD_E_CORRUPT if they are not as they were
 * written. On success the caller releases *out with segment_rows_fini. */
TD_MUST_USE td_result catalog_load(catalog *catalog, const char *path, catalog_part part,
                                   segment_rows *out, td_err *err);

/* For many loads: catalog_hold before each (database_hold), catalog_release after the last. */
void catalog_hold(catalog *catalog);
void catalog_release(catalog *catalog);

#endif
