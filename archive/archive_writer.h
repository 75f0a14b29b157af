/* Appends to an archive: one session, with one open segment per feed, their journal entries, the
 * chain from one segment of a feed to the next, and rows in the catalog. Import uses it on its only
 * thread, the recorder on its disk thread.
 *
 * Order for every chunk: append, fdatasync, durable callback. A frame is durable when the callback
 * is called, not before, and never if a sync fails. A segment enters the catalog when it is
 * finished; segments that the catalog lacks are added when the session ends.
 *
 * One thread at a time. */
#ifndef TD_ARCHIVE_ARCHIVE_WRITER_H
#define TD_ARCHIVE_ARCHIVE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "archive/imports.h"
#include "format/segment_writer.h"

typedef struct archive_writer archive_writer;

typedef struct archive_writer_options {
    const char *version; /* of the program; stored in segments and the journal */
    uint64_t start_ns;   /* start of the session, wall clock */
    uint8_t continues;   /* 1: the session exists, and another process has ended its part of it
                            (archive_options.session) */
    segment_sync sync;
    /* Called inside archive_writer_put when the frames of this chunk are durable. NULL with
     * SYNC_SEGMENTS; may be NULL otherwise. */
    void (*durable)(void *user, size_t feed_index, const sealed_chunk *chunk);
    /* A segment is finished, has its final name and is in the journal: its path below the archive.
     * Called inside archive_writer_put and archive_writer_close. May be NULL. */
    void (*finished)(void *user, const char *path);
    void *user;
    uint64_t *file_bytes; /* close sets it to the total size of the session's segment files; may be
                             NULL */
} archive_writer_options;

/* Begin a session, and write its start into the journal. The archive is open for appending, and
 * borrowed until close. An unusable catalog does not prevent a session. TD_E_BUSY: a segment of
 * another session is being written, because the archive's lock file was removed; or the id of a new
 * session was used before. TD_E_INVALID: the archive is a cut. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result archive_writer_open(archive *archive, const archive_writer_options *options,
                                          archive_writer **out, td_err *err);

/* Add a feed (1 to LIMIT_FEEDS; feed_name_is_valid holds). Its first chunk opens a segment. *index
 * counts 0, 1, … in the order of calls. Crashed segments of the feed should have been recovered
 * (archive_recover); otherwise the chain continues from the last value that can be proved.
 * documents: of the family, for each segment to keep, borrowed until close; NULL: they are not
 * kept. TD_E_INVALID, TD_E_LIMIT, TD_E_CORRUPT. */
TD_MUST_USE td_result archive_writer_add_feed(archive_writer *writer, const char *feed,
                                              const char *family, const document_set *documents,
                                              size_t *index, td_err *err);

/* Number of the feed's last segment in this session; 0 if absent. For a session that
 * continues. */
uint32_t archive_writer_last_number(const archive_writer *writer, const char *feed);

/* Write into the journal, durably, the gaps that the session's start opens or ends. TD_E_IO,
 * TD_E_NOSPACE. */
TD_MUST_USE td_result archive_writer_put_gaps(archive_writer *writer, const gap_row *rows,
                                              size_t count, td_err *err);

/* Write into the journal that the session imports this content into the feed (imports.h). TD_E_IO,
 * TD_E_NOSPACE. */
TD_MUST_USE td_result archive_writer_put_import(archive_writer *writer, const char *feed,
                                                const capture_content *content, td_err *err);

/* From its next segment on, make the feed's segments private: files of mode 0600 in folders of mode
 * 0700. A folder of another user is not changed, with a warning. */
void archive_writer_make_private(archive_writer *writer, size_t feed_index);

/* Write a sealed chunk and make it durable. A chunk that starts a segment first finishes the
 * previous segment. TD_E_NOSPACE: nothing of the chunk is durable, and it may be put again. After
 * any other error this feed's writer is dead, and every later put returns TD_E_IO: close the
 * archive_writer and recover. It is also an error if another program removed, replaced or changed
 * the segment or the journal. */
TD_MUST_USE td_result archive_writer_put(archive_writer *writer, size_t feed_index,
                                         sealed_chunk *chunk, td_err *err);

/* Check that this session still excludes other appenders, as archive_check_lock. After a failure
 * the session should end; chunks that were put stay. */
TD_MUST_USE td_result archive_writer_check_lock(const archive_writer *writer, td_err *err);

typedef enum writer_end {
    WRITER_STOP, /* clean: finish segments, write the stop into the journal, complete the catalog */
    WRITER_ABANDON, /* after a failure: close files as they are, for recover */
} writer_end;

/* End the session and free; NULL is allowed. Continues after failures; returns the first. */
TD_MUST_USE td_result archive_writer_close(archive_writer *writer, writer_end end, uint64_t stop_ns,
                                           td_err *err);

#endif
