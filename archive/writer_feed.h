/* One feed of an archive_writer: its segment being written, and the index of that segment as the
 * catalog gets it. Inside of archive/archive_writer only.
 *
 * Life of a segment: made (the file is there and its folder synced), journalled as opened, written,
 * finished (renamed), journalled as finished. A full disk may stop it between any two of these; the
 * same call then continues from where it stopped. Any other failure makes the feed dead. */
#ifndef TD_ARCHIVE_WRITER_FEED_H
#define TD_ARCHIVE_WRITER_FEED_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/segment_rows.h"
#include "format/chunk_builder.h"
#include "archive/feed_past.h"
#include "archive/journal.h"

typedef struct writer_feed writer_feed;

/* What the feeds of a session share; borrowed until they are closed, version too. */
typedef struct writer_origin {
    struct archive *archive;
    struct journal *journal;
    uint64_t start_ns;
    const char *version;
} writer_origin;

/* A feed without a segment yet; link: what its chain continues. */
writer_feed *writer_feed_open(const writer_origin *origin, const char *feed, const char *family,
                              const feed_link *link);

/* Close the files as they are; NULL is fine. */
void writer_feed_close(writer_feed *feed);

/* 1 if there is a segment to finish before this chunk can be put. */
int writer_feed_ends_before(const writer_feed *feed, const sealed_chunk *chunk);

/* Finish the segment, if there is one. TD_OK, TD_E_NOSPACE (again, please), TD_E_IO (dead). */
TD_MUST_USE td_result writer_feed_finish(writer_feed *feed, td_err *err);

/* Size of all segment files of this session, the one that is being written too. */
uint64_t writer_feed_file_bytes(const writer_feed *feed);

/* Write a chunk and make it durable, in a new segment if it starts one. As writer_feed_finish. */
TD_MUST_USE td_result writer_feed_put(writer_feed *feed, sealed_chunk *chunk, td_err *err);

/* Add a durable chunk to the segment's rows. */
void writer_feed_note(writer_feed *feed, const sealed_chunk *chunk);

/* The rows of the segment that was finished last, for the catalog; valid until the next put. */
const segment_rows *writer_feed_rows(const writer_feed *feed);

/* As archive_writer_make_private. */
void writer_feed_make_private(writer_feed *feed);

#endif
