/* An SQLite database of tapedeck, such as the catalog of an archive (archive/catalog.h). Opening
 * hardens and identifies it; statements are prepared once.
 *
 * Any program may have written the file: its triggers and views are not run, and its values are
 * bounded. One thread at a time per database. */
#ifndef TD_BASE_DATABASE_H
#define TD_BASE_DATABASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"

struct sqlite3_stmt;

/* A kind of database file. */
typedef struct database_kind {
    const char *name;              /* for messages: "catalog" */
    const char *table;             /* one or more CREATE TABLE IF NOT EXISTS ... */
    const char *const *statements; /* to read, only those that begin with SELECT exist */
    size_t statement_count;
    uint32_t value_bytes_max; /* largest text or blob that is read from a file */
} database_kind;

typedef enum database_mode {
    DATABASE_READ,   /* writes nothing; works in a read-only folder */
    DATABASE_WRITE,  /* created if missing */
    DATABASE_APPEND, /* as DATABASE_WRITE, but waits only a tenth of a second for locks */
} database_mode;

typedef struct database database;

/* Open a database, which borrows kind until close. TD_E_NOTFOUND (the file is missing, with
 * DATABASE_READ), TD_E_CORRUPT (a file of another kind, or a damaged one), TD_E_UNSUPPORTED (not a
 * regular file), TD_E_BUSY (locked), TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result database_open(const database_kind *kind, const char *path, database_mode mode,
                                    database **out, td_err *err);

/* Open, for reading, a database in a file of io, which nothing changes while it is open
 * (base/database_file.h). Errors also of td_io_open. */
TD_MUST_USE td_result database_open_in(const database_kind *kind, td_io io, const char *path,
                                       database **out, td_err *err);

/* Close; NULL is fine. */
void database_close(database *db);

/* Remove the database and SQLite's files beside it; missing files are no error. TD_E_UNSUPPORTED (a
 * folder has the name of one of these files), TD_E_IO. */
TD_MUST_USE td_result database_remove(const database_kind *kind, const char *path, td_err *err);

/* Copy the file as it is between two transactions. A writer waits for some milliseconds at most.
 * The caller frees *out with td_free. TD_E_LIMIT: more than bytes_max; TD_E_BUSY: writers hold the
 * lock, or change the file all the time; TD_E_IO, TD_E_CORRUPT. */
TD_MUST_USE td_result database_copy(database *db, size_t bytes_max, uint8_t **out, size_t *bytes,
                                    td_err *err);

/* ---- statements ---- */

/* A statement whose parameters are bound in order. */
typedef struct database_query {
    database *db;
    struct sqlite3_stmt *stmt;
    int next; /* number of the next parameter */
} database_query;

/* Begin statement number `which` of the kind, to bind its parameters. */
database_query database_query_begin(database *db, size_t which);

/* Bind the next parameter. Numbers above 2^63 - 1 become 2^63 - 1. Text and bytes are borrowed
 * until database_query_end. _bytes binds text of a given size; _null binds NULL. */
void database_bind_u64(database_query *query, uint64_t value);
void database_bind_i64(database_query *query, int64_t value);
void database_bind_text(database_query *query, const char *text);
void database_bind_bytes(database_query *query, td_bytes text);
void database_bind_null(database_query *query);
void database_bind_blob(database_query *query, const void *bytes, size_t size);

/* Get the next row: TD_OK, TD_EOF, TD_E_*. */
TD_MUST_USE td_result database_query_next(database_query *query, td_err *err);

/* End a statement, after its last row or earlier. rc: the result of reading its rows. Returns rc,
 * or TD_OK for TD_EOF. */
td_result database_query_end(database_query *query, td_result rc);

/* As database_query_end, but parameters stay bound, also for the next run if it skips them
 * (next += n). */
td_result database_query_end_bound(database_query *query, td_result rc);

/* Replace a statement of the kind, which no query is using, by another text. TD_E_*. */
TD_MUST_USE td_result database_prepare(database *db, size_t which, const char *sql, td_err *err);

/* For many reads in sequence: keep SQLite's shared lock instead of taking it for each read. Call
 * database_hold before each read; it renews the lock after DATABASE_HOLD_NS, so a writer waits at
 * most that long. If it cannot get the lock, each read locks for itself. Call database_release
 * before a long pause. */
#define DATABASE_HOLD_NS UINT64_C(20000000)
void database_hold(database *db);
void database_release(database *db);

/* Run a statement without result rows, as its own transaction. TD_E_BUSY, TD_E_NOSPACE, TD_E_IO,
 * TD_E_CORRUPT; TD_E_NOTFOUND if the file was removed or replaced. */
TD_MUST_USE td_result database_query_run(database_query *query, td_err *err);

/* Run several writing statements as one transaction: call database_begin before the first
 * statement, and database_end after the last one or the first one that fails. rc: the statements'
 * result; TD_OK commits; any other result rolls back and is returned. Other failures as for
 * database_query_run. */
TD_MUST_USE td_result database_begin(database *db, td_err *err);
TD_MUST_USE td_result database_end(database *db, td_result rc, td_err *err);

/* A column of the current row. _u64 returns 0 unless the column is an integer >= 0, _text returns
 * "" unless it is text, _blob is empty unless it is a blob. Text and blobs are valid until the next
 * row. */
int64_t database_column_i64(const database_query *query, int column);
uint64_t database_column_u64(const database_query *query, int column);
const char *database_column_text(const database_query *query, int column);
td_bytes database_column_blob(const database_query *query, int column);

#endif
