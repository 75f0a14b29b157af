/* What is in an archive at a moment, read once for several plans: the segments on the disk, the
 * journal, and the catalog. A view does not change; what follows a growing archive reads a new one.
 * A plan keeps its view for as long as it loads chunks from the catalog. One thread at a time per
 * archive. */
#ifndef TD_ARCHIVE_ARCHIVE_VIEW_H
#define TD_ARCHIVE_ARCHIVE_VIEW_H

#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "archive/catalog.h"
#include "archive/feed_history.h"
#include "archive/gap.h"

typedef struct archive_view {
    struct archive *archive;
    archive_listing listing;
    char live[SESSION_ID_BYTES]; /* archive_live_session, asked after listing */
    catalog *catalog;            /* NULL: none that can be used, or it rests */
    uint8_t rests;               /* 1: it is opened when it is needed */
    uint64_t rested_ns;          /* of the last archive_view_rest, by the monotonic clock */
    unsigned busy_count;         /* how many of them in a row came soon after the one before */
    unsigned loader_count;       /* archive_view_begin_loads */
    const td_log *log;           /* why it is not used; may be NULL */
    archive_history past;
    gap_list journal_gaps; /* as they were written */
    unsigned user_count;   /* the opener, and those who share it */
} archive_view;

typedef enum view_parts {
    VIEW_ALL,
    VIEW_FILES, /* without the catalog */
} view_parts;

/* Read it. log: why the catalog is not used (NULL: not logged). On success *out is the caller's,
 * for archive_view_close. TD_E_IO. */
TD_MUST_USE td_result archive_view_open(archive *archive, view_parts parts, const td_log *log,
                                        archive_view **out, td_err *err);

/* Read one (VIEW_ALL), which every archive_view_open of VIEW_ALL then shares, until the end of
 * that: all that a caller finds out is of one moment, and read once. For reading only, where
 * nothing looks for what is new. TD_E_IO. */
TD_MUST_USE td_result archive_view_hold(archive *archive, td_err *err);
void archive_view_let_go(archive *archive);

/* Become one more of its users; and end that, for its opener too: the last one frees it. NULL is
 * fine. */
archive_view *archive_view_share(archive_view *view);
void archive_view_close(archive_view *view);

/* Close the catalog until it is needed again: SQLite keeps up to 2 MiB of it in memory. It stays
 * open while calls follow each other quickly, because a read of many segments would open it for
 * each. */
void archive_view_rest(archive_view *view);

/* Many segments are loaded one after the other: each then costs less. In pairs, which nest; nothing
 * else is waited for between them. */
void archive_view_begin_loads(archive_view *view);
void archive_view_end_loads(archive_view *view);

/* Size of a listed segment's file, looked at when it is first needed: frames of ten seconds need
 * few of ten thousand. 0: it cannot be read. */
uint64_t archive_view_size(archive_view *view, const archive_segment *segment);

/* Load the rows of a listed segment from the catalog, if they describe the file: it has file_bytes
 * bytes, the journal has the same size and chain, and the rows are those that were written. 0: the
 * segment itself must be read; the reason is logged. 1: *out is the caller's, for
 * segment_rows_fini. */
int archive_view_load(archive_view *view, const char *path, uint64_t file_bytes, catalog_part part,
                      segment_rows *out);

/* Called with a listed segment and its brief. */
typedef void archive_brief_fn(void *user, const archive_segment *segment,
                              const segment_brief *brief);

/* Call fn for each listed segment that the catalog has a brief of which describes the file, as
 * archive_view_load has it, and set has_brief of these, one byte for each listed segment, to 1. */
void archive_view_each_brief(archive_view *view, archive_brief_fn *fn, void *user,
                             uint8_t *has_brief);

/* Receive time of the newest message (events included) that is not later than until_ns; 0: absent.
 * It may be in any segment, not only in the one that was written last: a clock may have been wrong,
 * and an import adds old data. Where a chunk lies on both sides of until_ns it is the chunk's first
 * time. Unreadable files are skipped. */
uint64_t archive_view_newest_ns(archive_view *view, uint64_t until_ns);

/* The rows of a listed segment, this part of them at least: from the catalog, or as
 * segment_rows_read. */
TD_MUST_USE td_result archive_view_read(archive_view *view, const char *path, uint64_t file_bytes,
                                        catalog_part part, segment_rows *out, td_err *err);

#endif
