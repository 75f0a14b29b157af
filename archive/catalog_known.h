/* Which segments a catalog knows, in memory, for comparing with what is on disk; and a catalog that
 * is read only as far as it matches that. One thread at a time. */
#ifndef TD_ARCHIVE_CATALOG_KNOWN_H
#define TD_ARCHIVE_CATALOG_KNOWN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "archive/catalog.h"

/* The row of a path with or without ".open", or NULL. */
const catalog_segment *known_segments_find(const known_segments *known, const char *path);

/* 1 if a finished segment is in the list as it is on disk, its row intact. Never for an open one,
 * which has to be read to know how far it is. */
int known_segments_match(const known_segments *known, const archive_segment *segment);

/* ---- reading what matches ---- */

/* An archive's catalog, for reading. Without one that can be used, no segment is known, and each is
 * read itself. */
typedef struct known_catalog {
    struct catalog *catalog; /* NULL: none that can be used */
    known_segments segments;
    const td_log *log; /* why a catalog, or a segment's rows, are not used; NULL: not logged */
    td_log_level level;
} known_catalog;

/* Open the archive's catalog; one that is missing or unusable is logged, and no failure. On success
 * *out is the caller's, for known_catalog_close. TD_E_NOMEM. */
TD_MUST_USE td_result known_catalog_open(archive *archive, const td_log *log, td_log_level level,
                                         known_catalog *out, td_err *err);
void known_catalog_close(known_catalog *known);

/* 1 if the catalog describes the segment as it is on disk: known_segments_match. */
int known_catalog_has(const known_catalog *known, const archive_segment *segment);

/* Load a segment that the catalog has: catalog_load_segment, catalog_load_gaps. TD_E_NOTFOUND if
 * its rows are not those that were written, or the catalog cannot be read any more: the reason is
 * logged, and the segment is to be read itself. TD_E_NOMEM. */
TD_MUST_USE td_result known_catalog_load(known_catalog *known, const char *path, catalog_part part,
                                         segment_index *out, td_err *err);
TD_MUST_USE td_result known_catalog_load_gaps(known_catalog *known, const char *path, gap_list *out,
                                              td_err *err);

#endif
