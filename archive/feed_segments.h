/* One feed of an archive_writer: its segment being written, and the index of that segment as the
 * catalog gets it. Inside of archive/archive_writer only.
 *
 * Life of a segment: made (the file is there and its folder synced), journalled as opened, written,
 * finished (renamed), journalled as finished. A full disk may stop it between any two of these; the
 * same call then continues from where it stopped. Any other failure makes the feed dead. */
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

/* What the feeds of a session share; borrowed until they are closed, version too. */
typedef struct writer_origin {
    struct archive *archive;
    struct journal *journal;
    uint64_t start_ns;
    const char *version;
    segment_sync sync;
} writer_origin;

/* A feed without a segment yet; link: what its chain continues. */
feed_segments *feed_segments_open(const writer_origin *origin, const char *feed, const char *family,
                                  const feed_link *link);

/* Close the files as they are; NULL is fine. */
void feed_segments_close(feed_segments *feed);

/* 1 if there is a segment to finish before this chunk can be put. */
int feed_segments_ends_before(const feed_segments *feed, const sealed_chunk *chunk);

/* Finish the segment, if there is one. TD_OK, TD_E_NOSPACE (again, please), TD_E_IO (dead). */
TD_MUST_USE td_result feed_segments_finish(feed_segments *feed, td_err *err);

/* Size of all segment files of this session, the one that is being written too. */
uint64_t feed_segments_file_bytes(const feed_segments *feed);

/* Write a chunk, in a new segment if it starts one, and make it durable unless the session syncs
 * with its segments. As feed_segments_finish. */
TD_MUST_USE td_result feed_segments_put(feed_segments *feed, sealed_chunk *chunk, td_err *err);

/* Add a durable chunk to the segment's rows. */
void feed_segments_note(feed_segments *feed, const sealed_chunk *chunk);

/* The rows of the segment that was finished last, for the catalog; valid until the next put. */
const segment_rows *feed_segments_rows(const feed_segments *feed);

/* As archive_writer_make_private. */
void feed_segments_make_private(feed_segments *feed);

#endif
