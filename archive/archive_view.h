/* The content of an archive at one time, read once for several plans: the segments on disk, the
 * journal and the catalog. A view does not change; a reader that follows a growing archive opens
 * new views. A plan keeps its view as long as it loads chunks from the catalog. One thread at a
 * time per archive. */
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
    char live[SESSION_ID_BYTES]; /* archive_live_session, read after listing */
    catalog *catalog;            /* NULL: unusable, or closed until needed */
    uint8_t is_catalog_closed;   /* 1: closed until needed */
    uint64_t closed_ns;    /* time of the last archive_view_close_catalog, by the monotonic clock */
    unsigned busy_count;   /* number of archive_view_close_catalog calls in quick succession */
    unsigned loader_count; /* nesting of archive_view_begin_loads */
    const td_log *log;     /* gets the reason if the catalog is not used; may be NULL */
    archive_history past;
    gap_list journal_gaps; /* all gaps in the journal; archive_gaps_of adds the gaps for damage */
    unsigned user_count;   /* the opener and the users that share it */
} archive_view;

typedef enum view_parts {
    VIEW_ALL,
    VIEW_FILES, /* without the catalog */
} view_parts;

/* Read an archive. log gets the reason if the catalog is not used; may be NULL. On success the
 * caller releases *out with archive_view_close. TD_E_IO. */
TD_MUST_USE td_result archive_view_open(archive *archive, view_parts parts, const td_log *log,
                                        archive_view **out, td_err *err);

/* Read a view (VIEW_ALL) that every archive_view_open of VIEW_ALL shares until archive_view_let_go,
 * so that a caller reads the archive once and sees one state of it. Only for readers that need no
 * newer state. TD_E_IO. */
TD_MUST_USE td_result archive_view_hold(archive *archive, td_err *err);
void archive_view_let_go(archive *archive);

/* archive_view_share adds a user. archive_view_close removes a user, also the opener; removing the
 * last one frees the view. Close accepts NULL. */
archive_view *archive_view_share(archive_view *view);
void archive_view_close(archive_view *view);

/* Close the catalog until it is needed again: SQLite keeps up to 2 MiB of it in memory. It stays
 * open if calls follow each other quickly, because reading many segments would otherwise open it
 * for each. */
void archive_view_close_catalog(archive_view *view);

/* Call these before and after loading many segments: each load is then cheaper. Pairs may nest; do
 * not wait in between. */
void archive_view_begin_loads(archive_view *view);
void archive_view_end_loads(archive_view *view);

/* Size of a listed segment's file; 0 if the size cannot be read. Each size is read when it is first
 * needed, because a query for ten seconds needs only a few of ten thousand sizes. */
uint64_t archive_view_size(archive_view *view, const archive_segment *segment);

/* Load the rows of a listed segment from the catalog. Returns 1 if the rows describe the file: the
 * file size in the rows is file_bytes, the journal's entry (if present) has the same size and chain
 * as the rows, and the rows are as they were written. On 1 the caller releases *out with
 * segment_rows_fini. On 0 the caller reads the segment itself; damaged rows and an unusable catalog
 * are logged. */
int archive_view_load(archive_view *view, const char *path, uint64_t file_bytes, catalog_part part,
                      segment_rows *out);

/* Receives a listed segment and its brief (segment_rows.h). */
typedef void archive_brief_fn(void *user, const archive_segment *segment,
                              const segment_brief *brief);

/* Call fn for each listed segment whose brief in the catalog describes the file (as in
 * archive_view_load). has_brief has one byte for each listed segment; the bytes of these segments
 * are set to 1. */
void archive_view_each_brief(archive_view *view, archive_brief_fn *fn, void *user,
                             uint8_t *has_brief);

/* Receive time of the newest message (events included) that is not later than until_ns, or 0. Any
 * segment may have it, not only the one written last, because a clock may have been wrong and
 * imports add old data. If until_ns is within a chunk, the chunk's first time counts. Unreadable
 * files are skipped. */
uint64_t archive_view_newest_ns(archive_view *view, uint64_t until_ns);

/* Read at least this part of a listed segment's rows: from the catalog, or with
 * segment_rows_read. */
TD_MUST_USE td_result archive_view_read(archive_view *view, const char *path, uint64_t file_bytes,
                                        catalog_part part, segment_rows *out, td_err *err);

#endif
