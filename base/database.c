#include "base/database.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <sys/stat.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/database_file.h"
#include "base/limits.h"

enum {
    APPENDER_WAIT_MS = 100, /* DATABASE_APPEND: a recorder's disk thread must not wait long */
    OTHERS_WAIT_MS = 5000,
    COPY_PAGES = 512, /* 2 MiB, copied without letting a writer in: some milliseconds */
    COPY_TRIES = 4,   /* a writer's transaction begins a copy again */
};

struct database {
    const database_kind *kind;
    sqlite3 *db;
    database_mode mode;
    char *path;
    database_file *file; /* of a td_io; NULL: SQLite opens path itself */
    uint64_t held_ns;    /* when database_hold locked (monotonic clock); 0: not locked */
    sqlite3_stmt *statements[];
};

/* ---- statements ---- */

/* Set err for an SQLite result; returns its td_result. */
static td_result fail(database *d, int sqlite_rc, const char *doing, td_err *err)
{
    static const struct {
        int sqlite_rc;
        td_result code;
    } CODES[] = {
        {SQLITE_BUSY, TD_E_BUSY},        {SQLITE_LOCKED, TD_E_BUSY},
        {SQLITE_PROTOCOL, TD_E_BUSY},    {SQLITE_FULL, TD_E_NOSPACE},
        {SQLITE_NOTADB, TD_E_CORRUPT},   {SQLITE_CORRUPT, TD_E_CORRUPT},
        {SQLITE_ERROR, TD_E_CORRUPT},    {SQLITE_SCHEMA, TD_E_CORRUPT},
        {SQLITE_MISMATCH, TD_E_CORRUPT}, {SQLITE_CONSTRAINT, TD_E_CORRUPT},
        {SQLITE_TOOBIG, TD_E_CORRUPT},   {SQLITE_FORMAT, TD_E_CORRUPT},
        {SQLITE_AUTH, TD_E_CORRUPT},     {SQLITE_READONLY, TD_E_CORRUPT},
    };
    if ((sqlite_rc & 0xff) == SQLITE_NOMEM)
        td_out_of_memory(0);
    td_result code = TD_E_IO;
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++) {
        if (CODES[i].sqlite_rc == (sqlite_rc & 0xff))
            code = CODES[i].code;
    }
    const char *why = d->file == NULL ? "" : database_file_failure(d->file);
    if (why[0] == '\0')
        why = d->db == NULL ? sqlite3_errstr(sqlite_rc) : sqlite3_errmsg(d->db);
    return td_err_set(err, code, "%s '%s': %s: %s", d->kind->name, d->path, doing, why);
}

/* Run SQL text without result rows. */
static td_result run_sql(database *d, const char *sql, const char *doing, td_err *err)
{
    int rc = sqlite3_exec(d->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? TD_OK : fail(d, rc, doing, err);
}

database_query database_query_begin(database *d, size_t which)
{
    TD_ASSERT(which < d->kind->statement_count);
    return (database_query){.db = d, .stmt = d->statements[which], .next = 1};
}

/* Check the result of a bind call. It fails only if memory runs out: callers bind only existing
 * parameters, and values within the limit. */
static void check_bound(database_query *query, int rc)
{
    if (rc == SQLITE_NOMEM)
        td_out_of_memory(0);
    TD_ASSERT(rc == SQLITE_OK);
    query->next++;
}

void database_bind_i64(database_query *query, int64_t value)
{
    check_bound(query, sqlite3_bind_int64(query->stmt, query->next, value));
}

void database_bind_u64(database_query *query, uint64_t value)
{
    database_bind_i64(query, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void database_bind_text(database_query *query, const char *text)
{
    TD_ASSERT(text != NULL);
    check_bound(query, sqlite3_bind_text(query->stmt, query->next, text, -1, SQLITE_STATIC));
}

void database_bind_bytes(database_query *query, td_bytes text)
{
    check_bound(query, sqlite3_bind_text64(query->stmt, query->next,
                                           text.size == 0 ? "" : (const char *)text.data, text.size,
                                           SQLITE_STATIC, SQLITE_UTF8));
}

void database_bind_null(database_query *query)
{
    check_bound(query, sqlite3_bind_null(query->stmt, query->next));
}

void database_bind_blob(database_query *query, const void *bytes, size_t size)
{
    /* A NULL pointer would bind NULL instead of an empty blob. */
    check_bound(query, sqlite3_bind_blob64(query->stmt, query->next, size == 0 ? "" : bytes, size,
                                           SQLITE_STATIC));
}

td_result database_query_end_bound(database_query *query, td_result rc)
{
    /* The reset returns the failure of the last step, which was reported. */
    (void)sqlite3_reset(query->stmt);
    return rc == TD_EOF ? TD_OK : rc;
}

td_result database_query_end(database_query *query, td_result rc)
{
    rc = database_query_end_bound(query, rc);
    (void)sqlite3_clear_bindings(query->stmt);
    return rc;
}

td_result database_query_next(database_query *query, td_err *err)
{
    int rc = sqlite3_step(query->stmt);
    if (rc == SQLITE_ROW)
        return TD_OK;
    return rc == SQLITE_DONE ? TD_EOF : fail(query->db, rc, "reading or writing", err);
}

void database_release(database *d)
{
    if (d->held_ns != 0)
        (void)sqlite3_exec(d->db, "COMMIT", NULL, NULL, NULL); /* nothing was written */
    d->held_ns = 0;
}

void database_hold(database *d)
{
    const uint64_t now_ns = clock_mono_ns(clock_real());
    TD_ASSERT(d->mode == DATABASE_READ);
    if (d->held_ns != 0 && now_ns - d->held_ns < DATABASE_HOLD_NS)
        return;
    database_release(d);
    if (sqlite3_exec(d->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK)
        d->held_ns = now_ns;
}

td_result database_query_run(database_query *query, td_err *err)
{
    const database *d = query->db;
    int has_moved = 0;
    td_result rc = TD_OK;
    TD_ASSERT(d->mode != DATABASE_READ);
    if (sqlite3_file_control(d->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved) == SQLITE_OK &&
        has_moved)
        rc = td_err_set(err, TD_E_NOTFOUND, "%s '%s': removed or replaced while in use",
                        d->kind->name, d->path);
    return database_query_end(query, rc == TD_OK ? database_query_next(query, err) : rc);
}

td_result database_begin(database *d, td_err *err)
{
    TD_ASSERT(d->mode != DATABASE_READ);
    return run_sql(d, "BEGIN IMMEDIATE", "beginning to write", err);
}

td_result database_end(database *d, td_result rc, td_err *err)
{
    if (rc == TD_OK)
        rc = run_sql(d, "COMMIT", "writing", err);
    /* After some failures SQLite has rolled back already. */
    if (rc != TD_OK && sqlite3_get_autocommit(d->db) == 0)
        (void)sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

uint64_t database_column_u64(const database_query *query, int column)
{
    if (sqlite3_column_type(query->stmt, column) != SQLITE_INTEGER)
        return 0;
    int64_t value = sqlite3_column_int64(query->stmt, column);
    return value < 0 ? 0 : (uint64_t)value;
}

int64_t database_column_i64(const database_query *query, int column)
{
    return sqlite3_column_int64(query->stmt, column);
}

const char *database_column_text(const database_query *query, int column)
{
    if (sqlite3_column_type(query->stmt, column) != SQLITE_TEXT)
        return "";
    const char *text = (const char *)sqlite3_column_text(query->stmt, column);
    if (text == NULL)
        td_out_of_memory(0);
    return text;
}

td_bytes database_column_blob(const database_query *query, int column)
{
    if (sqlite3_column_type(query->stmt, column) != SQLITE_BLOB)
        return (td_bytes){0};
    const void *bytes = sqlite3_column_blob(query->stmt, column);
    size_t size = (size_t)sqlite3_column_bytes(query->stmt, column);
    if (bytes == NULL && size > 0)
        td_out_of_memory(size);
    return td_bytes_of(bytes, size);
}

/* ---- opening ---- */

/* Let SQLite run no triggers, views or functions of the file's schema. */
static td_result harden(database *d, td_err *err)
{
    (void)sqlite3_extended_result_codes(d->db, 1); /* fails only for NULL */
    (void)sqlite3_limit(d->db, SQLITE_LIMIT_LENGTH, (int)d->kind->value_bytes_max);
    static const int SWITCHES[][2] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                      {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                                      {SQLITE_DBCONFIG_ENABLE_VIEW, 0}};
    for (size_t i = 0; i < sizeof SWITCHES / sizeof SWITCHES[0]; i++) {
        int rc = sqlite3_db_config(d->db, SWITCHES[i][0], SWITCHES[i][1], NULL);
        if (rc != SQLITE_OK)
            return fail(d, rc, "configuring", err);
    }
    int wait_ms = d->mode == DATABASE_APPEND ? APPENDER_WAIT_MS : OTHERS_WAIT_MS;
    int rc = sqlite3_busy_timeout(d->db, wait_ms);
    if (rc != SQLITE_OK)
        return fail(d, rc, "configuring", err);
    return run_sql(d, "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;", "configuring",
                   err);
}

/* Check that the file is a regular one. SQLite would wait forever for a writer of a FIFO, and
 * would write through a symbolic link. (Its own flag against links also refuses links in parent
 * folders, which are fine.) An empty file counts as missing, as in SQLite. */
static td_result check_file(const database *d, td_err *err)
{
    struct stat info;
    int is_read = d->mode == DATABASE_READ;
    int is_known = (is_read ? stat(d->path, &info) : lstat(d->path, &info)) == 0;
    if (!is_known && errno != ENOENT)
        return td_err_set_os(err, errno, "%s '%s'", d->kind->name, d->path);
    if (!is_known || (S_ISREG(info.st_mode) && info.st_size == 0))
        return is_read ? td_err_set(err, TD_E_NOTFOUND, "%s '%s': does not exist", d->kind->name,
                                    d->path)
                       : TD_OK;
    return S_ISREG(info.st_mode) ? TD_OK
                                 : td_err_set(err, TD_E_UNSUPPORTED, "%s '%s': not a regular file",
                                              d->kind->name, d->path);
}

/* Open the file with SQLite. DATABASE_READ creates no file and needs only read permission. So it
 * cannot roll back a transaction that a crash left unfinished: reads fail until the next writer
 * opens the file. */
static td_result open_file(database *d, td_err *err)
{
    int how = d->mode == DATABASE_READ ? SQLITE_OPEN_READONLY
                                       : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    const char *vfs = d->file == NULL ? NULL : database_file_vfs(d->file);
    int rc = sqlite3_open_v2(d->path, &d->db, how | SQLITE_OPEN_NOMUTEX, vfs);
    if (rc != SQLITE_OK)
        return fail(d, rc, "opening", err);
    if (d->mode != DATABASE_READ && sqlite3_db_readonly(d->db, "main") == 1)
        return td_err_set(err, TD_E_IO, "%s '%s': cannot be written", d->kind->name, d->path);
    return TD_OK;
}

/* Create the tables if missing, in a transaction that also checks whether writing is possible: the
 * file's header may require a later SQLite. Synchronous is off: a power cut may leave the file in
 * any state, but its content is derived, and hashes are checked on reading. */
static td_result make_table(database *d, td_err *err)
{
    td_result rc = run_sql(d,
                           "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF;"
                           "BEGIN IMMEDIATE",
                           "beginning to write", err);
    if (rc == TD_OK)
        rc = run_sql(d, d->kind->table, "making its table", err);
    return rc == TD_OK ? run_sql(d, "COMMIT", "making its table", err) : rc;
}

td_result database_prepare(database *d, size_t which, const char *sql, td_err *err)
{
    (void)sqlite3_finalize(d->statements[which]);
    d->statements[which] = NULL;
    int rc =
        sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &d->statements[which], NULL);
    return rc == SQLITE_OK ? TD_OK : fail(d, rc, "preparing", err);
}

/* Prepare the kind's statements; to read, only those that read. Fails for a file of another kind or
 * version, which lacks the tables. */
static td_result prepare_all(database *d, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < d->kind->statement_count; i++)
        if (d->mode != DATABASE_READ || strncmp(d->kind->statements[i], "SELECT", 6) == 0)
            rc = database_prepare(d, i, d->kind->statements[i], err);
    return rc;
}

static td_result open_database(database *d, td_err *err)
{
    td_result rc = d->file == NULL ? check_file(d, err) : TD_OK;
    if (rc == TD_OK)
        rc = open_file(d, err);
    if (rc == TD_OK)
        rc = harden(d, err);
    if (rc == TD_OK && d->mode != DATABASE_READ)
        rc = make_table(d, err);
    return rc == TD_OK ? prepare_all(d, err) : rc;
}

/* Takes file. */
static td_result open_either(const database_kind *kind, const char *path, database_mode mode,
                             database_file *file, database **out, td_err *err)
{
    database *made =
        td_alloc_zero(1, sizeof *made + kind->statement_count * sizeof(sqlite3_stmt *));
    *out = NULL;
    made->kind = kind;
    made->mode = mode;
    made->path = td_strdup(path);
    made->file = file;
    td_result rc = open_database(made, err);
    if (rc != TD_OK) {
        database_close(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

td_result database_open(const database_kind *kind, const char *path, database_mode mode,
                        database **out, td_err *err)
{
    return open_either(kind, path, mode, NULL, out, err);
}

td_result database_open_in(const database_kind *kind, td_io io, const char *path, database **out,
                           td_err *err)
{
    database_file *file = NULL;
    *out = NULL;
    td_result rc = database_file_open(io, path, &file, err);
    return rc == TD_OK ? open_either(kind, path, DATABASE_READ, file, out, err) : rc;
}

void database_close(database *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->kind->statement_count; i++)
        (void)sqlite3_finalize(d->statements[i]); /* returns its last step's result */
    (void)sqlite3_close_v2(d->db);
    database_file_close(d->file);
    td_free(d->path);
    td_free(d);
}

/* ---- a copy ---- */

/* Copy all pages to a database in memory, some at a time. Returns SQLite's result. */
static int copy_pages(const database *d, sqlite3 *to)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", d->db, "main");
    if (backup == NULL)
        return sqlite3_errcode(to);
    int left = INT_MAX;
    int rc = SQLITE_OK;
    for (unsigned tries = 0; rc == SQLITE_OK;) {
        rc = sqlite3_backup_step(backup, COPY_PAGES);
        tries += sqlite3_backup_remaining(backup) >= left; /* it began again */
        left = sqlite3_backup_remaining(backup);
        if (rc == SQLITE_OK && tries == COPY_TRIES)
            rc = SQLITE_BUSY;
    }
    (void)sqlite3_backup_finish(backup); /* the result of the last step */
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

td_result database_copy(database *d, size_t bytes_max, uint8_t **out, size_t *bytes, td_err *err)
{
    sqlite3 *to = NULL;
    sqlite3_int64 most = (sqlite3_int64)bytes_max, found = 0;
    td_result result = TD_OK;
    *out = NULL;
    int rc = sqlite3_open_v2(
        "copy", &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, "memdb");
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(to, "main", SQLITE_FCNTL_SIZE_LIMIT, &most);
    if (rc == SQLITE_OK)
        rc = copy_pages(d, to);
    const uint8_t *copied =
        rc == SQLITE_OK ? sqlite3_serialize(to, "main", &found, SQLITE_SERIALIZE_NOCOPY) : NULL;
    if (copied != NULL) {
        *bytes = (size_t)found;
        *out = td_alloc(*bytes);
        memcpy(*out, copied, *bytes);
    } else if ((rc & 0xff) == SQLITE_FULL) {
        result = td_err_set(err, TD_E_LIMIT, "%s '%s' has more than %zu bytes", d->kind->name,
                            d->path, bytes_max);
    } else {
        result = fail(d, rc == SQLITE_OK ? SQLITE_ERROR : rc, "copying", err);
    }
    (void)sqlite3_close_v2(to);
    return result;
}

td_result database_remove(const database_kind *kind, const char *path, td_err *err)
{
    static const char *const SUFFIXES[] = {"", "-wal", "-shm", "-journal"};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    td_result result = TD_OK;
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof SUFFIXES[0]; i++) {
        char full[LIMIT_PATH_BYTES + 16];
        (void)snprintf(full, sizeof full, "%s%s", path, SUFFIXES[i]);
        struct stat info;
        int rc = vfs->xDelete(vfs, full, 0);
        if (rc == SQLITE_OK || rc == SQLITE_IOERR_DELETE_NOENT || result != TD_OK)
            continue;
        if (stat(full, &info) == 0 && S_ISDIR(info.st_mode))
            result = td_err_set(err, TD_E_UNSUPPORTED,
                                "cannot remove %s file '%s': it is a folder; move it away",
                                kind->name, full);
        else
            result = td_err_set(err, TD_E_IO, "cannot remove %s file '%s': %s", kind->name, full,
                                sqlite3_errstr(rc));
    }
    return result;
}
