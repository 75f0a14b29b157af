/* The catalog: an SQLite index of the finished segments of an archive. It is derived: deleting it
 * loses nothing (reindex.h). Whoever reads a segment's rows from it compares size and chain with
 * the file and the journal (archive_view.h), and one hash shows that the rows are those that were
 * written: else the segment itself is read.
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

typedef enum catalog_mode {
    CATALOG_READ,   /* nothing is written; works on a read-only folder */
    CATALOG_WRITE,  /* made if missing; one that cannot be used is removed first */
    CATALOG_APPEND, /* the same, with short waits for locks */
} catalog_mode;

/* Open. TD_E_NOTFOUND (reading); TD_E_CORRUPT, TD_E_UNSUPPORTED (reading: not a catalog, or
 * damaged); TD_E_BUSY (locked), TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result catalog_open(const char *path, catalog_mode mode, catalog **out, td_err *err);

/* Close; NULL is fine. */
void catalog_close(catalog *catalog);

/* Remove the catalog's files; none there is fine. */
TD_MUST_USE td_result catalog_remove(const char *path, td_err *err);

/* ---- writing: each call is a transaction ---- */

/* TD_E_BUSY, TD_E_NOSPACE, TD_E_IO; TD_E_CORRUPT; TD_E_NOTFOUND if the file was removed or replaced
 * under us. */

/* Insert or replace the rows of a finished segment (INDEX_FULL). TD_E_LIMIT: they are too large. */
TD_MUST_USE td_result catalog_put(catalog *catalog, const segment_rows *rows, td_err *err);

/* Forget a segment, or all of them; or the briefs of days without one. */
TD_MUST_USE td_result catalog_drop(catalog *catalog, const char *path, td_err *err);
TD_MUST_USE td_result catalog_clear(catalog *catalog, td_err *err);
TD_MUST_USE td_result catalog_drop_stray(catalog *catalog, td_err *err);

/* ---- reading ---- */

/* A segment that the catalog has. */
typedef struct catalog_entry {
    char *path;
    uint64_t file_bytes;
    char chain_hex[33];
} catalog_entry;
typedef struct catalog_entries {
    catalog_entry *rows; /* by path */
    size_t count;
} catalog_entries;

/* List them. *out is the caller's, for catalog_entries_fini, also after a failure. */
TD_MUST_USE td_result catalog_list(catalog *catalog, catalog_entries *out, td_err *err);
void catalog_entries_fini(catalog_entries *entries);

/* The entry of that path, or NULL. */
const catalog_entry *catalog_entries_find(const catalog_entries *entries, const char *path);

/* How much to load of a segment. */
typedef enum catalog_part {
    CATALOG_INDEX, /* without connections, grants and chunks, of which there are many */
    CATALOG_ROWS,  /* without chunks */
    CATALOG_ROWS_AND_CHUNKS,
} catalog_part;

/* Called with the brief of a segment; it is valid during the call. */
typedef void catalog_brief_fn(void *user, const segment_brief *brief);

/* Call fn for the briefs of all segments, by path. Those of a day that are not as they were written
 * are left out: the catalog need not have one for each segment. */
TD_MUST_USE td_result catalog_each_brief(catalog *catalog, catalog_brief_fn *fn, void *user,
                                         td_err *err);

/* Load all rows of a segment and its brief, and drop them: fails as catalog_load does. */
TD_MUST_USE td_result catalog_check(catalog *catalog, const char *path, td_err *err);

/* Load the rows of the segment of that path. TD_E_NOTFOUND; TD_E_CORRUPT if they are not those that
 * were written. On success *out is the caller's, for segment_rows_fini. */
TD_MUST_USE td_result catalog_load(catalog *catalog, const char *path, catalog_part part,
                                   segment_rows *out, td_err *err);

/* Around many loads: database_hold before each, database_let_go after the last. */
void catalog_hold(catalog *catalog);
void catalog_let_go(catalog *catalog);

#endif
