/* Rewrites finished segments of an archive in place: packed, or again as they were recorded
 * (format/segment_repack.h). The new file is written to packing/, read back and compared, made
 * known in the journal, and only then replaces the segment, by a rename. So at each moment the
 * segment's name has a whole file, and the journal lists it. A file that a killed run left in
 * packing/ is removed by the next one and by recovery. */
#ifndef TD_ARCHIVE_REPACK_H
#define TD_ARCHIVE_REPACK_H

#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "base/err.h"
#include "base/time_span.h"
#include "format/segment_writer.h"

/* Which segments. */
typedef struct repack_query {
    time_span time;                                  /* segments with frames of this time */
    uint64_t before_ns;                              /* whose last frame is earlier than this */
    chunk_form form;                                 /* and that are to have this form */
    int (*wants_feed)(void *user, const char *feed); /* NULL: all */
    void *user;
} repack_query;

/* A segment that the query finds. */
typedef struct repack_candidate {
    char *path; /* below the archive */
    char feed[LIMIT_NAME_BYTES];
    uint64_t bytes, message_count;
    uint64_t first_ns, last_ns;
} repack_candidate;

typedef struct repack_list {
    repack_candidate *rows; /* by time */
    size_t count;
    size_t unreadable; /* segments that cannot be read, or are missing */
} repack_list;

/* Find finished segments that have another form. Packing fast leaves segments that are packed best
 * as they are. For any mode. The caller releases *out with repack_list_fini, also after a failure.
 * TD_E_IO. */
TD_MUST_USE td_result archive_repack_find(archive *archive, const repack_query *query,
                                          repack_list *out, td_err *err);
void repack_list_fini(repack_list *list);

/* Estimate how many bytes the segments would have afterwards, from one chunk of each of at most 16
 * of them. 0: unknown, because none of these can be read. For any mode. */
uint64_t archive_repack_estimate(archive *archive, const repack_list *list, chunk_form form);

typedef struct repack_report {
    segment_totals totals; /* of the new file */
    uint64_t old_bytes;
    uint8_t is_done; /* 0: the segment has the form already, or is gone */
} repack_report;

/* Rewrite the finished segment at path, for a maintainer. Its caller checks that the disk has space
 * for the segment once more, and brings the catalog up to date afterwards. TD_E_CORRUPT,
 * TD_E_TRUNCATED: the segment is damaged, or could not be read back as it is, and was left;
 * TD_E_UNSUPPORTED: a later version wrote it; TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result archive_repack(archive *archive, const char *path, chunk_form form,
                                     repack_report *report, td_err *err);

/* Remove what a killed run left in packing/. For a maintainer, or an appender that holds its lock.
 * TD_E_IO. */
TD_MUST_USE td_result archive_repack_clear(archive *archive, td_err *err);

#endif
