/* One feed of an archive_writer: the segment that is being written, and its index for the catalog.
 * For archive/archive_writer only.
 *
 * Life of a segment: made (its file exists and its folder is synced), journalled as opened,
 * written, finished (renamed), journalled as finished. A full disk may interrupt any of these
 * steps; the same call then continues from there. Any other failure makes the feed dead. */
#ifndef TD_ARCHIVE_FEED_SEGMENTS_H
#define TD_ARCHIVE_FEED_SEGMENTS_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/segment_rows.h"
#include "format/chunk_builder.h"
#include "format/segment_writer.h"
#include "archive/feed_history.h"
#include "archive/journal.h"

typedef struct feed_segments feed_segments;

/* Shared by the feeds of a session. archive, journal and version are borrowed until the feeds are
 * closed. */
typedef struct writer_origin {
    struct archive *archive;
    struct journal *journal;
    uint64_t start_ns;
    const char *version;
    segment_sync sync;
} writer_origin;

/* A feed that has no segment yet. documents: as at archive_writer_add_feed. link: the segment that
 * its chain continues. */
feed_segments *feed_segments_open(const writer_origin *origin, const char *feed, const char *family,
                                  const document_set *documents, const feed_link *link);

/* Close the files as they are; NULL is allowed. */
void feed_segments_close(feed_segments *feed);

/* 1 if a segment must be finished before this chunk can be put. */
int feed_segments_ends_before(const feed_segments *feed, const sealed_chunk *chunk);

/* Finish the segment, if there is one. TD_OK, TD_E_NOSPACE (call again), TD_E_IO (dead). */
TD_MUST_USE td_result feed_segments_finish(feed_segments *feed, td_err *err);

/* Total size of this session's segment files, including the one that is being written. */
uint64_t feed_segments_file_bytes(const feed_segments *feed);

/* Write a chunk, in a new segment if the chunk starts one, and make the chunk durable. With
 * SYNC_SEGMENTS, feed_segments_finish makes it durable. Errors as feed_segments_finish. */
TD_MUST_USE td_result feed_segments_put(feed_segments *feed, sealed_chunk *chunk, td_err *err);

/* Add a durable chunk to the segment's rows (segment_rows.h). */
void feed_segments_add_rows(feed_segments *feed, const sealed_chunk *chunk);

/* Rows of the segment that was finished last, for the catalog; valid until the next put. */
const segment_rows *feed_segments_rows(const feed_segments *feed);

/* As archive_writer_make_private. */
void feed_segments_make_private(feed_segments *feed);

#endif
