/* The archive: a folder that holds capture segments, the journal, the catalog and the locks; or,
 * for reading, a single .mcap file, or an archive in a store. FORMAT.md has the layout.
 *
 * Reading needs no write permission and creates no file. At a time, one appender (record, import,
 * merge) and one maintainer (recover, reindex, prune) may have an archive open. Locks ensure this;
 * a second appender or maintainer gets an error that names the pid, verb and start of the lock's
 * holder. Other files in the folder are listed as unexpected, skipped and never touched.
 *
 * One thread at a time per archive, except the functions that only return what is fixed at open
 * (archive_path, archive_io, archive_clock, archive_log). */
#ifndef TD_ARCHIVE_ARCHIVE_H
#define TD_ARCHIVE_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "format/segment_name.h"

typedef struct archive archive;

typedef enum archive_mode {
    ARCHIVE_READ,     /* no lock; writes nothing */
    ARCHIVE_APPEND,   /* the one appender; makes the folder if it is missing */
    ARCHIVE_MAINTAIN, /* the one maintainer, which never touches a live session's open segments */
} archive_mode;

typedef struct archive_options {
    td_io io;
    td_clock clock;
    const td_log *log;        /* may be NULL; borrowed until close */
    const char *verb;         /* names this process in the lock file; NULL is allowed for readers */
    const char *catalog_path; /* NULL: catalog.sqlite in the archive (SQLite does its own I/O on a
                               * disk, so a simulated one needs the catalog elsewhere) */
    const char *session;      /* of an appender: the session that it continues after another process
                                 (archive_writer_options.continues); NULL: a new one */
} archive_options;

/* Open. TD_E_NOTFOUND; TD_E_BUSY: err names the lock's holder; TD_E_INVALID: path is not an archive
 * or has a wrong length; TD_E_UNSUPPORTED: only readers can open a single file or an archive in a
 * store; TD_E_IO. On
 * success the caller closes *out with archive_close. */
TD_MUST_USE td_result archive_open(const archive_options *options, const char *path,
                                   archive_mode mode, archive **out, td_err *err);

/* Release the lock and free; NULL is allowed. */
void archive_close(archive *archive);

/* As given to open. Strings are valid until close. */
const char *archive_path(const archive *archive);
archive_mode archive_get_mode(const archive *archive);
td_io archive_io(const archive *archive);
td_clock archive_clock(const archive *archive);
const td_log *archive_log(const archive *archive);
const char *archive_verb(const archive *archive);

/* 1 if a path names an archive in a store (s3://…), or a file of one: it is only read, through the
 * table of remote/remote_io.h, and has no locks. */
int archive_is_url(const char *path);

/* 1 if the archive is a single .mcap file: it has no catalog, no journal and no locks. */
int archive_is_single_file(const archive *archive);

/* Path of the catalog: the given one, else CATALOG_FILE in the archive. NULL for a single file, and
 * in a store that has no catalog, without a given one. */
#define CATALOG_FILE "catalog.sqlite"
const char *archive_catalog_path(const archive *archive);

/* The view that archive_view_hold keeps, or NULL. */
struct archive_view *archive_held_view(const archive *archive);
void archive_set_held_view(archive *archive, struct archive_view *view);

/* Session id (8 hex digits) of an appender, chosen at open; "" for the others. */
const char *archive_session(const archive *archive);

/* "<archive>/<relative>" in out, or the file itself for a single file (relative is then its name).
 * TD_E_LIMIT if it is too long. */
TD_MUST_USE td_result archive_join(const archive *archive, const char *relative,
                                   char out[LIMIT_PATH_BYTES], td_err *err);

/* Size of a file below the archive: td_io_size_at. */
TD_MUST_USE td_result archive_file_size(const archive *archive, const char *relative,
                                        uint64_t *size, td_err *err);

/* ---- what is in the folder ---- */

typedef struct archive_segment {
    char *path; /* below the archive, with ".open" if unfinished; of a single file, its name */
    segment_name name;
    uint64_t size_bytes; /* 0 for finished segments in archive_list_names: see archive_view_size */
    uint8_t is_locked;   /* 1: open, and its writer or a recovery holds its lock */
} archive_segment;

/* A file or folder that is not a part of the archive, or cannot be read. */
typedef struct unexpected_file {
    char *path;            /* below the archive */
    char *what;            /* "not a segment", "cannot be listed: Permission denied" */
    uint8_t is_copy;       /* 1: an open segment of which a finished file exists */
    uint8_t is_unreadable; /* 1: a folder, or a file with a segment's name: it may hold frames */
} unexpected_file;

typedef struct archive_listing {
    archive_segment *segments; /* in byte order of path: by day, then feed, then time */
    size_t segment_count;
    unexpected_file *unexpected;
    size_t unexpected_count;
} archive_listing;

/* List the capture segments, each once. If a segment exists finished and open, the finished one is
 * listed and the open one is an unexpected file. A folder that cannot be read is an unexpected
 * file, too. The caller releases *out with archive_listing_fini, also after a failure.
 * TD_E_NOTFOUND and TD_E_IO, for a single file only. */
TD_MUST_USE td_result archive_list(archive *archive, archive_listing *out, td_err *err);

/* As archive_list, but finished segments are listed by name, without accessing their files, so that
 * beginning a session costs hardly more in a large archive. Unreadable segments are listed, too. */
TD_MUST_USE td_result archive_list_names(archive *archive, archive_listing *out, td_err *err);
void archive_listing_fini(archive_listing *listing);

/* The segment with this path, or NULL. */
const archive_segment *archive_listing_find(const archive_listing *listing, const char *path);

/* The time in which an unreadable or missing segment may have had frames: segment_name_span, up to
 * the next listed segment of the same feed and session. */
time_span archive_segment_time(const archive_listing *listing, const segment_name *name);

/* ---- other processes that use the archive ---- */

/* Id of the session whose appender is running: "" if no appender holds the lock, "?" if its holder
 * line cannot be read. Writes nothing. Maintainers call this after listing open segments: a session
 * that starts in between would otherwise appear crashed. */
TD_MUST_USE td_result archive_live_session(archive *archive, char out[SESSION_ID_BYTES],
                                           td_err *err);

/* 1 if the open segment is in use: its file is locked, or it belongs to the session `live`, which
 * archive_live_session returned ("?": any session). */
int archive_segment_is_live(const archive_segment *segment, const char *live);

/* 1 if the session is running: it is `live`, or one of its segments is locked. */
int archive_session_is_live(const archive_listing *listing, const char *live, const char *session);

/* Check that no appender holds the lock, without taking it. TD_E_BUSY, as ARCHIVE_APPEND at
 * archive_open; TD_E_IO, TD_E_UNSUPPORTED. */
TD_MUST_USE td_result archive_check_free(const archive *archive, td_err *err);

/* Check that an appender's lock still excludes others. TD_E_BUSY if its lock file was removed or
 * replaced: another appender may begin at any time. TD_E_IO. */
TD_MUST_USE td_result archive_check_lock(const archive *archive, td_err *err);

/* Take maintain.lock for an appender that must recover before it appends; td_io_unlock releases it.
 * For a maintainer, which already holds it, *out is NULL. TD_E_BUSY. */
TD_MUST_USE td_result archive_lock_maintain(archive *archive, td_lock **out, td_err *err);

/* Create the folder torn/, durably; out gets its path. */
TD_MUST_USE td_result archive_make_torn(archive *archive, char out[LIMIT_PATH_BYTES], td_err *err);

#endif
