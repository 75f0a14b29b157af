#include "archive/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/random.h"
#include "base/time_text.h"
#include "format/mcap_decode.h"

#define LOCK_FILE     "lock"
#define MAINTAIN_FILE "maintain.lock"
#define STORE_SCHEME  "s3://"
/* Parts of the line in a lock file that names the lock's holder. */
#define HOLDER_PID     "pid "
#define HOLDER_SINCE   ", since "
#define HOLDER_SESSION ", session "

enum { HOLDER_BYTES = 160 };

struct archive {
    td_io io;
    td_clock clock;
    const td_log *log;
    archive_mode mode;
    uint8_t is_single_file;
    char *path;
    char *verb;
    char *catalog_path;
    td_lock *lock;
    char session[SESSION_ID_BYTES];
    struct archive_view *held_view;
};

struct archive_view *archive_held_view(const archive *a)
{
    return a->held_view;
}

void archive_set_held_view(archive *a, struct archive_view *view)
{
    a->held_view = view;
}

const char *archive_path(const archive *a)
{
    return a->path;
}

archive_mode archive_get_mode(const archive *a)
{
    return a->mode;
}

td_io archive_io(const archive *a)
{
    return a->io;
}

td_clock archive_clock(const archive *a)
{
    return a->clock;
}

const td_log *archive_log(const archive *a)
{
    return a->log;
}

const char *archive_verb(const archive *a)
{
    return a->verb;
}

int archive_is_url(const char *path)
{
    return strncmp(path, STORE_SCHEME, strlen(STORE_SCHEME)) == 0;
}

int archive_is_single_file(const archive *a)
{
    return a->is_single_file;
}

const char *archive_catalog_path(const archive *a)
{
    return a->is_single_file || a->catalog_path[0] == '\0' ? NULL : a->catalog_path;
}

const char *archive_session(const archive *a)
{
    return a->session;
}

td_result archive_join(const archive *a, const char *relative, char out[LIMIT_PATH_BYTES],
                       td_err *err)
{
    int length = a->is_single_file ? snprintf(out, LIMIT_PATH_BYTES, "%s", a->path)
                                   : snprintf(out, LIMIT_PATH_BYTES, "%s/%s", a->path, relative);
    if (length < 0 || length >= (int)LIMIT_PATH_BYTES)
        return td_err_set(err, TD_E_LIMIT, "path below archive '%s' is longer than %u bytes",
                          a->path, LIMIT_PATH_BYTES - 1);
    return TD_OK;
}

td_result archive_file_size(const archive *a, const char *relative, uint64_t *size, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = archive_join(a, relative, path, err);
    return rc == TD_OK ? td_io_size_at(a->io, path, size, err) : rc;
}

/* ---- locks ---- */

/* Get the session at the end of a lock file's line, or "?" if the line does not end with one. */
static void read_session(const char *line, char out[SESSION_ID_BYTES])
{
    size_t prefix = strlen(HOLDER_SESSION);
    size_t length = strlen(line);
    size_t id_bytes = SESSION_ID_BYTES - 1;
    const char *id = length < prefix + id_bytes ? "" : line + length - id_bytes;
    int is_id = id[0] != '\0' && strncmp(id - prefix, HOLDER_SESSION, prefix) == 0 &&
                strspn(id, "0123456789abcdef") == id_bytes;
    (void)snprintf(out, SESSION_ID_BYTES, "%s", is_id ? id : "?");
}

static td_result take_lock(const archive *a, const char *file, td_lock **out, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = archive_join(a, file, path, err);
    if (rc != TD_OK)
        return rc;
    /* The line names the holder: pid, verb, start, and an appender's session. */
    char line[HOLDER_BYTES];
    char since[TD_TIME_TEXT_BYTES];
    td_time_format(clock_wall_ns(a->clock), since);
    since[strlen("2026-11-20T06:00:00")] = '\0'; /* whole seconds are enough for people */
    int has_session = a->session[0] != '\0';
    (void)snprintf(line, sizeof line, HOLDER_PID "%ld, %.40s" HOLDER_SINCE "%sZ%s%s",
                   (long)getpid(), a->verb, since, has_session ? HOLDER_SESSION : "", a->session);
    return td_io_lock(a->io, path, line, out, err);
}

static td_result add_busy(const archive *a, td_result rc, td_err *err)
{
    rc = td_err_add(err, rc, "archive '%s' is in use", a->path);
    td_err_hint(err, "wait for it to end, or give another archive with -a");
    return rc;
}

static td_result lock_for_mode(archive *a, td_err *err)
{
    td_result rc = TD_OK;
    if (a->mode == ARCHIVE_APPEND)
        rc = take_lock(a, LOCK_FILE, &a->lock, err);
    else if (a->mode == ARCHIVE_MAINTAIN)
        rc = take_lock(a, MAINTAIN_FILE, &a->lock, err);
    if (rc == TD_OK)
        return rc;
    return rc == TD_E_BUSY ? add_busy(a, rc, err)
                           : td_err_add(err, rc, "cannot lock archive '%s'", a->path);
}

td_result archive_live_session(archive *a, char out[SESSION_ID_BYTES], td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_lock_view view = {0};
    td_err cause;
    td_err_clear(&cause);
    out[0] = '\0';
    if (a->is_single_file)
        return TD_OK;
    if (a->mode == ARCHIVE_APPEND) {
        memcpy(out, a->session, SESSION_ID_BYTES);
        return TD_OK;
    }
    td_result rc = archive_join(a, LOCK_FILE, path, &cause);
    if (rc == TD_OK)
        rc = td_io_check_lock(a->io, path, &view, &cause);
    if (rc == TD_OK && view.is_held)
        read_session(view.holder, out);
    /* A reader takes a failure as "no session is live". */
    if (rc == TD_OK || a->mode == ARCHIVE_READ)
        return TD_OK;
    return td_err_set(err, rc, "cannot determine which process appends to '%s': %s", a->path,
                      cause.text);
}

td_result archive_check_free(const archive *a, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_lock_view view = {0};
    td_result rc = archive_join(a, LOCK_FILE, path, err);
    if (rc == TD_OK)
        rc = td_io_check_lock(a->io, path, &view, err);
    if (rc != TD_OK || !view.is_held)
        return rc;
    rc = td_err_set(err, TD_E_BUSY, "'%s' is locked by %s", path,
                    view.holder[0] == '\0' ? "another process" : view.holder);
    return add_busy(a, rc, err);
}

td_result archive_check_lock(const archive *a, td_err *err)
{
    td_name_state state = TD_NAME_GONE;
    TD_ASSERT(a->mode == ARCHIVE_APPEND);
    td_result rc = td_io_lock_name(a->lock, &state, err);
    if (rc != TD_OK || state == TD_NAME_SAME)
        return rc;
    rc = td_err_set(err, TD_E_BUSY,
                    "archive '%s': the file 'lock' was %s; %s records what it has received and "
                    "ends",
                    a->path, state == TD_NAME_GONE ? "removed" : "replaced", a->verb);
    td_err_hint(err, "start again; locks end by themselves: never remove '%s/" LOCK_FILE "'",
                a->path);
    return rc;
}

td_result archive_lock_maintain(archive *a, td_lock **out, td_err *err)
{
    TD_ASSERT(a->mode != ARCHIVE_READ);
    *out = NULL;
    if (a->mode == ARCHIVE_MAINTAIN)
        return TD_OK;
    return take_lock(a, MAINTAIN_FILE, out, err);
}

/* ---- opening ---- */

static td_result note_entry(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    (void)err;
    int *is_archive = user;
    if ((kind == TD_ENTRY_DIR && strcmp(name, "capture") == 0) ||
        (kind == TD_ENTRY_FILE && strcmp(name, "journal.mcap.open") == 0))
        *is_archive = 1;
    return TD_OK;
}

/* 1 if the file has a segment's name, begins like a segment, or cannot be read. */
static int may_be_segment(const archive *a)
{
    uint8_t magic[MCAP_MAGIC_BYTES];
    td_file *file = NULL;
    size_t got = 0;
    const char *dot = strstr(a->path, ".mcap");
    if (dot != NULL && (dot[5] == '\0' || strcmp(dot, ".mcap.open") == 0))
        return 1;
    int is_one = td_io_open(a->io, a->path, TD_OPEN_READ, &file, NULL) != TD_OK ||
                 td_io_read_at(file, 0, magic, sizeof magic, &got, NULL) != TD_OK ||
                 (got == sizeof magic && mcap_check_magic(magic, NULL) == TD_OK);
    td_io_close(file);
    return is_one;
}

/* Accept a single file for reading only: maintainers need a folder with a journal. */
static td_result allow_single_file(archive *a, td_err *err)
{
    td_err_clear(err);
    if (!may_be_segment(a)) {
        td_err_set(err, TD_E_INVALID,
                   "'%s' is not a tapedeck archive: it does not begin as an MCAP file", a->path);
        td_err_hint(err, "give an archive's folder, or a .mcap file of one");
        return TD_E_INVALID;
    }
    if (a->mode == ARCHIVE_READ) {
        a->is_single_file = 1;
        return TD_OK;
    }
    td_result rc = td_err_set(err, TD_E_UNSUPPORTED,
                              "cannot open archive '%s': it is a single file, and %s works on an "
                              "archive's folder",
                              a->path, a->verb);
    td_err_hint(err,
                "give the folder that holds its journal, with -a; readers (verify, cat, replay "
                "…) accept a single file, also an unfinished one");
    return rc;
}

/* Accept what a reader can open: a folder with a journal or capture/ in it, or a file. */
static td_result check_path(archive *a, td_err *err)
{
    int is_archive = 0;
    uint64_t size;
    td_result rc = td_io_list(a->io, a->path, note_entry, &is_archive, err);
    if (rc == TD_OK && is_archive)
        return TD_OK;
    if (rc == TD_OK) {
        rc = td_err_set(err, TD_E_INVALID,
                        "'%s' is not a tapedeck archive: neither capture/ nor a journal "
                        "is in it",
                        a->path);
        td_err_hint(err, "an archive is made by record or import");
        return rc;
    }
    if (td_io_size_at(a->io, a->path, &size, NULL) == TD_OK)
        return allow_single_file(a, err);
    return td_err_add(err, rc, "cannot open archive '%s'", a->path);
}

static void set_session(archive *a, const char *session)
{
    uint8_t random[4];
    if (session != NULL) {
        (void)snprintf(a->session, sizeof a->session, "%s", session);
        return;
    }
    td_random_system(random, sizeof random);
    (void)snprintf(a->session, sizeof a->session, "%02x%02x%02x%02x", random[0], random[1],
                   random[2], random[3]);
}

static td_result open_by_mode(archive *a, const char *session, td_err *err)
{
    td_result rc = TD_OK;
    if (a->mode != ARCHIVE_APPEND) {
        rc = check_path(a, err);
    } else {
        rc = td_io_mkdir_all(a->io, a->path, err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "cannot make archive '%s'", a->path);
        set_session(a, session);
    }
    if (rc == TD_OK)
        rc = lock_for_mode(a, err);
    return rc;
}

td_result archive_open(const archive_options *options, const char *path, archive_mode mode,
                       archive **out, td_err *err)
{
    TD_ASSERT(mode == ARCHIVE_READ || options->verb != NULL);
    *out = NULL;
    if (path[0] == '\0' || strlen(path) >= LIMIT_PATH_BYTES - 64)
        return td_err_set(err, TD_E_INVALID, "archive path of %zu bytes: 1 to %u are allowed",
                          strlen(path), LIMIT_PATH_BYTES - 65);
    if (archive_is_url(path) && mode != ARCHIVE_READ) {
        td_result rc = td_err_set(err, TD_E_UNSUPPORTED,
                                  "%s cannot use '%s': an archive in a store is only read",
                                  options->verb, path);
        td_err_hint(err, "give an archive's folder; 'tapedeck push' copies it to the store");
        return rc;
    }
    archive *made = td_alloc_zero(1, sizeof *made);
    made->io = options->io;
    made->clock = options->clock;
    made->log = options->log;
    made->mode = mode;
    made->path = td_strdup(path);
    made->verb = td_strdup(options->verb == NULL ? "read" : options->verb);
    /* "dir/" and "dir" are the same archive; "/" stays. */
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';)
        made->path[--length] = '\0';
    char in_archive[LIMIT_PATH_BYTES]; /* fits: path's length was checked */
    uint64_t catalog_bytes;
    (void)snprintf(in_archive, sizeof in_archive, "%s/" CATALOG_FILE, made->path);
    if (archive_is_url(path) && td_io_size_at(made->io, in_archive, &catalog_bytes, NULL) != TD_OK)
        in_archive[0] = '\0';
    made->catalog_path =
        td_strdup(options->catalog_path != NULL ? options->catalog_path : in_archive);
    td_result rc = open_by_mode(made, options->session, err);
    if (rc != TD_OK) {
        archive_close(made);
        return rc;
    }
    td_log_emit(archive_log(made), TD_LOG_DEBUG, "archive '%s' is open; its catalog is '%s'",
                made->path, made->catalog_path[0] == '\0' ? "none" : made->catalog_path);
    *out = made;
    return TD_OK;
}

void archive_close(archive *a)
{
    if (a == NULL)
        return;
    TD_ASSERT(a->held_view == NULL);
    td_io_unlock(a->lock);
    td_free(a->path);
    td_free(a->verb);
    td_free(a->catalog_path);
    td_free(a);
}

td_result archive_make_torn(archive *a, char out[LIMIT_PATH_BYTES], td_err *err)
{
    TD_ASSERT(a->mode != ARCHIVE_READ);
    td_result rc = archive_join(a, "torn", out, err);
    return rc == TD_OK ? td_io_mkdir_below(a->io, a->path, "torn", err) : rc;
}
