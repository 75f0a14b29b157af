/* Non-empty segments that are not in the journal. They occur in a copy of an archive whose journal
 * was copied before its segments; the chain proves that they belong to the archive. */
#ifndef TD_ARCHIVE_FEED_UNLISTED_H
#define TD_ARCHIVE_FEED_UNLISTED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/feed_history.h"
#include "format/segment_index.h"
#include "format/segment_writer.h"

typedef struct unlisted_segment {
    segment_index index;   /* its lists are empty */
    segment_totals totals; /* of the file, as the journal lists them */
    uint8_t is_linked;     /* 1: it continues the feed's last segment in the journal, directly or
                              through other rows */
} unlisted_segment;

typedef struct unlisted_list {
    unlisted_segment *rows; /* linked segments first, in the order of their chains */
    size_t count;
} unlisted_list;

/* Read the heads and last chain values of the segments that past does not have. Segments that
 * cannot be read, or that another program wrote, are left out. The caller releases *out with
 * unlisted_list_fini, also after a failure. TD_E_IO. */
TD_MUST_USE td_result unlisted_list_read(archive *archive, const archive_history *past,
                                         const archive_listing *listing, unlisted_list *out,
                                         td_err *err);
void unlisted_list_fini(unlisted_list *list);

/* Add to past the segments that neither it nor the disk has, although one that past does not have
 * continues their chain: they are missing (past_segment.is_chained). Where the journal lost entries
 * or is absent, only those with an earlier segment on disk, because others may have been pruned.
 * read gets a segment's index, empty after a failure. TD_E_IO. */
typedef td_result unlisted_read_fn(void *user, const archive_segment *segment, segment_index *out,
                                   td_err *err);
TD_MUST_USE td_result unlisted_add_missing(archive *archive, archive_history *past,
                                           const archive_listing *listing, unlisted_read_fn *read,
                                           void *user, td_err *err);

#endif
