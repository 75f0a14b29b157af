/* Appending to an archive: one session, one segment being written per feed, and what belongs to
 * them: journal acts, the chain from one segment of a feed to the next, rows in the catalog. Both
 * writers use it: import from its one thread, the recorder from its disk thread.
 *
 * Order, for every chunk: append, fdatasync, durable callback. A frame is durable when the callback
 * says so, and not before; if a sync fails, never. A segment goes into the catalog when it is
 * finished; what the catalog lacks is entered when the session ends.
 *
 * One thread at a time. */
#ifndef TD_ARCHIVE_ARCHIVE_WRITER_H
#define TD_ARCHIVE_ARCHIVE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "format/chunk_builder.h"
#include "archive/feed_history.h"
#include "archive/gap.h"
#include "archive/imports.h"
#include "format/segment_writer.h"

typedef struct archive_writer archive_writer;

typedef struct archive_writer_options {
    const char *version; /* of the program; goes into segments and the journal */
    uint64_t start_ns;   /* start of the session, wall clock */
    segment_sync sync;
    /* The frames of this chunk are durable now. Called inside archive_writer_put; NULL with
     * SYNC_SEGMENTS, and where nothing waits for it. */
    void (*durable)(void *user, size_t feed_index, const sealed_chunk *chunk);
    void *user;
    uint64_t *file_bytes; /* close sets it to the size of the session's segment files; or NULL */
} archive_writer_options;

/* Begin a session: it is in the journal when this returns. The archive is open for appending, and
 * borrowed until close. A catalog that cannot be used does not stop it. TD_E_BUSY if a segment of
 * another session is being written (its lock file was removed); TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result archive_writer_open(archive *archive, const archive_writer_options *options,
                                          archive_writer **out, td_err *err);

/* Add a feed (1 to LIMIT_FEEDS; feed_name_is_valid holds). Its first chunk opens a
 * segment. *index counts 0, 1, … in order of adding. Crashed segments of the feed should have been
 * recovered before (archive_recover): if not, the chain continues from the last that can be proved.
 * TD_E_INVALID, TD_E_LIMIT, TD_E_CORRUPT. */
TD_MUST_USE td_result archive_writer_add_feed(archive_writer *writer, const char *feed,
                                              const char *family, size_t *index, td_err *err);

/* Write rows into the journal, durably: gaps that the session's start opens or ends. TD_E_IO,
 * TD_E_NOSPACE. */
TD_MUST_USE td_result archive_writer_put_gaps(archive_writer *writer, const gap_row *rows,
                                              size_t count, td_err *err);

/* Write down that the session imports this content into the feed (imports.h). TD_E_IO,
 * TD_E_NOSPACE. */
TD_MUST_USE td_result archive_writer_put_import(archive_writer *writer, const char *feed,
                                                const capture_content *content, td_err *err);

/* Keep others out of this feed's segments, from its next one on: files that only their owner may
 * read (0600), in folders that only their owner may enter (0700). A folder of another user stays as
 * it is, with a warning. */
void archive_writer_make_private(archive_writer *writer, size_t feed_index);

/* Write a sealed chunk and make it durable; one that starts a segment finishes the one before it.
 * TD_OK; TD_E_NOSPACE: nothing of it is durable, the same chunk may be put again; anything else,
 * also that another program removed, replaced or changed the segment or the journal:
 * this feed's writer is dead (every later put is TD_E_IO), close the archive_writer and let recover
 * look. */
TD_MUST_USE td_result archive_writer_put(archive_writer *writer, size_t feed_index,
                                         sealed_chunk *chunk, td_err *err);

/* Whether this session still keeps other appenders away; as archive_check_lock. After a failure
 * what was put stays, and the session should end. */
TD_MUST_USE td_result archive_writer_check_lock(const archive_writer *writer, td_err *err);

typedef enum writer_end {
    WRITER_STOP,    /* clean: finish segments, journal the stop, leave a matching catalog */
    WRITER_ABANDON, /* after a failure: close files as they are; recover will look at them */
} writer_end;

/* End the session and free; NULL is fine. The first failure is returned, the rest is still done. */
TD_MUST_USE td_result archive_writer_close(archive_writer *writer, writer_end end, uint64_t stop_ns,
                                           td_err *err);

#endif
