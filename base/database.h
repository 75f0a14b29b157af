/* An SQLite database of tapedeck: opened hardened, identified, read and
 * written by statements that are prepared once. The catalog of an archive is one
 * (archive/catalog.h).
 *
 * A file may have been written by any program: nothing that it brings along is run (triggers,
 * views), and its values are bounded. One thread at a time per database. */
#ifndef TD_BASE_DATABASE_H
#define TD_BASE_DATABASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct sqlite3_stmt;

/* A kind of database files. */
typedef struct database_kind {
    const char *name;  /* in messages: "catalog" */
    const char *table; /* CREATE TABLE IF NOT EXISTS ..., or several of them */
    const char *const *statements;
    size_t statement_count;
    uint32_t value_bytes_max; /* largest text or blob that is taken from a file */
} database_kind;

typedef enum database_mode {
    DATABASE_READ,   /* nothing is written; works on a read-only folder */
    DATABASE_WRITE,  /* made if missing */
    DATABASE_APPEND, /* as DATABASE_WRITE, but locks are waited for a tenth of a second only */
} database_mode;

typedef struct database database;

/* Open. TD_E_NOTFOUND (reading), TD_E_CORRUPT (not of this kind, or damaged), TD_E_UNSUPPORTED (not
 * a regular file), TD_E_BUSY (locked), TD_E_IO, TD_E_NOSPACE. The kind is borrowed until close. */
TD_MUST_USE td_result database_open(const database_kind *kind, const char *path, database_mode mode,
                                    database **out, td_err *err);

/* Close; NULL is fine. */
void database_close(database *db);

/* Remove the database and SQLite's files beside it; none there is fine. */
TD_MUST_USE td_result database_remove(const database_kind *kind, const char *path, td_err *err);

/* ---- statements ---- */

/* A statement with its values being bound, in order. */
typedef struct database_query {
    database *db;
    struct sqlite3_stmt *stmt;
    int next; /* number of the next parameter */
} database_query;

/* The kind's statement of this index, ready for binding. */
database_query database_query_begin(database *db, size_t which);

/* Bind the next parameter. Numbers beyond 2^63 - 1 are cut to it; text and bytes are borrowed until
 * the end. _bytes binds a text that ends with its size; _null nothing. */
void database_bind_u64(database_query *query, uint64_t value);
void database_bind_i64(database_query *query, int64_t value);
void database_bind_text(database_query *query, const char *text);
void database_bind_bytes(database_query *query, td_bytes text);
void database_bind_null(database_query *query);
void database_bind_blob(database_query *query, const void *bytes, size_t size);

/* The next row: TD_OK, TD_EOF, TD_E_*. */
TD_MUST_USE td_result database_query_next(database_query *query, td_err *err);

/* End a statement after its last row, or before; rc is what reading its rows came to, and is
 * returned: TD_EOF as TD_OK. */
td_result database_query_end(database_query *query, td_result rc);

/* Many reads follow one another: hold the lock that each of them would take and check for itself.
 * Called before each; a writer waits for DATABASE_HOLD_NS of reads at most. It cannot fail: without
 * the lock each read takes its own. And end that, which is needed before a long pause. */
#define DATABASE_HOLD_NS UINT64_C(20000000)
void database_hold(database *db);
void database_let_go(database *db);

/* Run a statement that gives no rows: a transaction of its own. TD_E_BUSY, TD_E_NOSPACE, TD_E_IO,
 * TD_E_CORRUPT; TD_E_NOTFOUND if the file was removed or replaced under us. */
TD_MUST_USE td_result database_query_run(database_query *query, td_err *err);

/* Several statements that write are one transaction: begin before the first one, and end after the
 * last one, or the first that fails. rc is what they came to: TD_OK keeps what they wrote, anything
 * else undoes it and is returned. Fails as database_query_run does. */
TD_MUST_USE td_result database_begin(database *db, td_err *err);
TD_MUST_USE td_result database_end(database *db, td_result rc, td_err *err);

/* Column as a number >= 0 (anything else reads as 0), as any number, as text ("" for anything else)
 * and as a blob (empty for anything else); the latter two are valid until the next row. */
int64_t database_column_i64(const database_query *query, int column);
uint64_t database_column_u64(const database_query *query, int column);
const char *database_column_text(const database_query *query, int column);
td_bytes database_column_blob(const database_query *query, int column);

#endif
