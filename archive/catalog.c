#include "archive/catalog.h"

#include <stdio.h>
#include <string.h>

#include <sys/stat.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "archive/catalog_impl.h"

/* "TDCK": marks our files among other databases. */
#define APPLICATION_ID 0x5444434b

enum {
    APPENDER_WAIT_MS = 100, /* the disk thread must not stand still for an index */
    OTHERS_WAIT_MS = 5000,
    WAL_PAGES_MAX = 4096,      /* 16 MiB: then an appender checkpoints between two commits */
    VALUE_BYTES_MAX = 1 << 20, /* largest text or blob that is taken from a file */
};

static const char *const STATEMENTS[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_PUT_META] = "INSERT INTO meta (key, value) VALUES (?1, ?2) "
                           "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [STATEMENT_GET_META] = "SELECT value FROM meta WHERE key = ?1",
    [STATEMENT_PUT_SESSION] =
        "INSERT OR REPLACE INTO sessions (" SESSION_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_END_SESSION] = "UPDATE sessions SET state = ?2, stop_ns = ?3 WHERE session = ?1",
    [STATEMENT_PUT_SEGMENT] =
        "INSERT INTO segments (" SEGMENT_COLUMNS ") "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, "
        "?19, ?20) "
        "ON CONFLICT (path) DO UPDATE SET is_open = excluded.is_open, session = excluded.session, "
        "session_start_ns = excluded.session_start_ns, feed = excluded.feed, "
        "family = excluded.family, verb = excluded.verb, version = excluded.version, "
        "number = excluded.number, previous_segment = excluded.previous_segment, "
        "chain = excluded.chain, file_bytes = excluded.file_bytes, messages = excluded.messages, "
        "chunks = excluded.chunks, first_ns = excluded.first_ns, last_ns = excluded.last_ns, "
        "row_checksum = excluded.row_checksum, channel_checksum = excluded.channel_checksum, "
        "chunk_checksum = excluded.chunk_checksum",
    [STATEMENT_FIND_SEGMENT] = "SELECT id FROM segments WHERE path = ?1",
    [STATEMENT_DROP_SEGMENT] = "DELETE FROM segments WHERE id = ?1",
    [STATEMENT_DROP_CHUNKS] = "DELETE FROM chunks WHERE segment_id = ?1",
    [STATEMENT_DROP_SEGMENT_CHANNELS] = "DELETE FROM segment_channels WHERE segment_id = ?1",
    [STATEMENT_DROP_GAPS] = "DELETE FROM gaps WHERE told_by = ?1",
    [STATEMENT_FIND_CHANNEL] =
        "SELECT id FROM channels WHERE feed = ?1 AND family = ?2 AND line = ?3 AND shard = ?4 "
        "AND dir = ?5 AND topic = ?6 AND exchange_topic = ?7 AND symbol = ?8 AND opcode = ?9 "
        "AND message_encoding = ?10 AND schema_name = ?11",
    [STATEMENT_PUT_CHANNEL] = "INSERT INTO channels (" CHANNEL_COLUMNS ") "
                              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [STATEMENT_PUT_SEGMENT_CHANNEL] =
        "INSERT INTO segment_channels (segment_id, mcap_id, channel_id, messages, first_ns, "
        "last_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (segment_id, mcap_id) DO UPDATE SET "
        "channel_id = excluded.channel_id, messages = excluded.messages, "
        "first_ns = excluded.first_ns, last_ns = excluded.last_ns",
    [STATEMENT_PUT_CHUNK] = "INSERT OR REPLACE INTO chunks (segment_id, " CHUNK_COLUMNS ") "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [STATEMENT_PUT_GAP] =
        "INSERT INTO gaps (" GAP_COLUMNS ") "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) "
        "ON CONFLICT (feed, from_ns, line, shard, conn, topic, symbol, reason, told_by) "
        "DO UPDATE SET "
        "to_ns = max(to_ns, excluded.to_ns), frames_lost = max(frames_lost, excluded.frames_lost), "
        "covered_by = max(covered_by, excluded.covered_by), cause = max(cause, excluded.cause), "
        "detail = max(detail, excluded.detail)",
    [STATEMENT_FIND_GAP] =
        "SELECT " GAP_COLUMNS " FROM gaps WHERE feed = ?1 AND from_ns = ?2 AND line = ?3 AND "
        "shard = ?4 AND conn = ?5 AND topic = ?6 AND symbol = ?7 AND reason = ?8 AND told_by = ?9",
    [STATEMENT_GET_GAP_CHECKSUM] = "SELECT gap_checksum FROM segments WHERE path = ?1",
    [STATEMENT_SET_GAP_CHECKSUM] = "UPDATE segments SET gap_checksum = ?2 WHERE path = ?1",
    [STATEMENT_PUT_NOTE] =
        "INSERT OR REPLACE INTO notes (" NOTE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)",
    [STATEMENT_LOAD_SEGMENT] = "SELECT id, " SEGMENT_COLUMNS " FROM segments WHERE path = ?1",
    [STATEMENT_LOAD_CHANNELS] =
        "SELECT mcap_id, messages, first_ns, last_ns, " CHANNEL_COLUMNS " FROM segment_channels "
        "LEFT JOIN channels ON channels.id = channel_id WHERE segment_id = ?1 ORDER BY mcap_id",
    [STATEMENT_LOAD_CHUNKS] = "SELECT " CHUNK_COLUMNS " FROM chunks WHERE segment_id = ?1 "
                              "ORDER BY number",
    [STATEMENT_EACH_SEGMENT] = "SELECT id, " SEGMENT_COLUMNS " FROM segments ORDER BY path",
    [STATEMENT_LOAD_GAPS] = "SELECT " GAP_COLUMNS " FROM gaps WHERE told_by = ?1 ORDER BY feed, "
                            "from_ns, line, shard, conn, topic, symbol, reason",
};

/* ---- statements ---- */

td_result catalog_fail(catalog *c, int sqlite_rc, const char *doing, td_err *err)
{
    static const struct {
        int sqlite_rc;
        td_result code;
    } CODES[] = {
        {SQLITE_BUSY, TD_E_BUSY},          {SQLITE_LOCKED, TD_E_BUSY},
        {SQLITE_PROTOCOL, TD_E_BUSY},      {SQLITE_FULL, TD_E_NOSPACE},
        {SQLITE_NOMEM, TD_E_NOMEM},        {SQLITE_NOTADB, TD_E_CORRUPT},
        {SQLITE_CORRUPT, TD_E_CORRUPT},    {SQLITE_ERROR, TD_E_CORRUPT},
        {SQLITE_SCHEMA, TD_E_CORRUPT},     {SQLITE_MISMATCH, TD_E_CORRUPT},
        {SQLITE_CONSTRAINT, TD_E_CORRUPT}, {SQLITE_TOOBIG, TD_E_CORRUPT},
        {SQLITE_FORMAT, TD_E_CORRUPT},     {SQLITE_AUTH, TD_E_CORRUPT},
    };
    td_result code = TD_E_IO;
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++) {
        if (CODES[i].sqlite_rc == (sqlite_rc & 0xff))
            code = CODES[i].code;
    }
    /* Without memory SQLite's own words may be about what it could not do then. */
    int is_plain = c->db == NULL || code == TD_E_NOMEM;
    return td_err_set(err, code, "catalog '%s': %s: %s", c->path == NULL ? "(memory)" : c->path,
                      doing, is_plain ? sqlite3_errstr(sqlite_rc) : sqlite3_errmsg(c->db));
}

catalog_query catalog_query_begin(catalog *c, catalog_statement which)
{
    TD_ASSERT(which < STATEMENT_COUNT);
    catalog_query query = {.catalog = c, .next = 1, .rc = SQLITE_OK};
    if (c->statements[which] == NULL)
        query.rc = sqlite3_prepare_v3(c->db, STATEMENTS[which], -1, SQLITE_PREPARE_PERSISTENT,
                                      &c->statements[which], NULL);
    query.stmt = c->statements[which];
    return query;
}

catalog_query catalog_once_begin(catalog *c, const char *sql)
{
    catalog_query query = {.catalog = c, .next = 1};
    query.rc = sqlite3_prepare_v2(c->db, sql, -1, &query.stmt, NULL);
    return query;
}

void catalog_once_end(catalog_query *query)
{
    /* The result repeats that of the last step. */
    (void)sqlite3_finalize(query->stmt);
    query->stmt = NULL;
}

static void keep_failure(catalog_query *query, int rc)
{
    if (query->rc == SQLITE_OK)
        query->rc = rc;
    query->next++;
}

void catalog_bind_i64(catalog_query *query, int64_t value)
{
    if (query->stmt != NULL)
        keep_failure(query, sqlite3_bind_int64(query->stmt, query->next, value));
}

void catalog_bind_u64(catalog_query *query, uint64_t value)
{
    catalog_bind_i64(query, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void catalog_bind_text(catalog_query *query, const char *text)
{
    TD_ASSERT(text != NULL);
    if (query->stmt != NULL)
        keep_failure(query, sqlite3_bind_text(query->stmt, query->next, text, -1, SQLITE_STATIC));
}

void catalog_bind_blob(catalog_query *query, const void *bytes, size_t size)
{
    /* A NULL pointer would bind NULL, an empty blob is meant. */
    if (query->stmt != NULL)
        keep_failure(query, sqlite3_bind_blob64(query->stmt, query->next, size == 0 ? "" : bytes,
                                                size, SQLITE_STATIC));
}

td_result catalog_query_end(catalog_query *query, td_result rc)
{
    /* Resetting repeats the failure of the last step, which was reported. */
    if (query->stmt != NULL) {
        (void)sqlite3_reset(query->stmt);
        (void)sqlite3_clear_bindings(query->stmt);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* 1 if every text and blob of the row is in memory. SQLite returns NULL for what it has no memory
 * for, and a row without its symbols would leave frames out of a read plan. SQLite keeps what this
 * function fetched, so that later reads of the columns cannot fail. */
static int row_is_whole(sqlite3_stmt *stmt)
{
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        int type = sqlite3_column_type(stmt, i);
        if (type == SQLITE_TEXT && sqlite3_column_text(stmt, i) == NULL)
            return 0;
        if (type == SQLITE_BLOB && sqlite3_column_blob(stmt, i) == NULL &&
            sqlite3_column_bytes(stmt, i) > 0)
            return 0;
    }
    return 1;
}

td_result catalog_query_next(catalog_query *query, td_err *err)
{
    int rc = query->rc == SQLITE_OK ? sqlite3_step(query->stmt) : query->rc;
    if (rc == SQLITE_ROW && row_is_whole(query->stmt))
        return TD_OK;
    if (rc == SQLITE_DONE)
        return TD_EOF;
    return catalog_fail(query->catalog, rc == SQLITE_ROW ? SQLITE_NOMEM : rc,
                        query->stmt == NULL ? "preparing" : "reading or writing", err);
}

td_result catalog_query_run(catalog_query *query, td_err *err)
{
    return catalog_query_end(query, catalog_query_next(query, err));
}

td_result catalog_query_number(catalog_query *query, int64_t *out, td_err *err)
{
    td_result rc = catalog_query_next(query, err);
    if (rc == TD_OK)
        *out = catalog_column_i64(query, 0);
    (void)catalog_query_end(query, rc);
    return rc;
}

uint64_t catalog_column_u64(const catalog_query *query, int column)
{
    if (sqlite3_column_type(query->stmt, column) != SQLITE_INTEGER)
        return 0;
    int64_t value = sqlite3_column_int64(query->stmt, column);
    return value < 0 ? 0 : (uint64_t)value;
}

int64_t catalog_column_i64(const catalog_query *query, int column)
{
    return sqlite3_column_int64(query->stmt, column);
}

const char *catalog_column_text(const catalog_query *query, int column)
{
    if (sqlite3_column_type(query->stmt, column) != SQLITE_TEXT)
        return "";
    const char *text = (const char *)sqlite3_column_text(query->stmt, column);
    return text == NULL ? "" : text;
}

/* ---- opening ---- */

td_result catalog_run_sql(catalog *c, const char *sql, const char *doing, td_err *err)
{
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? TD_OK : catalog_fail(c, rc, doing, err);
}

static td_result read_number(catalog *c, const char *sql, uint64_t *out, td_err *err)
{
    int64_t number = 0;
    catalog_query query = catalog_once_begin(c, sql);
    td_result rc = catalog_query_number(&query, &number, err);
    *out = number < 0 ? 0 : (uint64_t)number;
    catalog_once_end(&query);
    return rc == TD_EOF
               ? td_err_set(err, TD_E_CORRUPT, "catalog '%s': no answer to %s", c->path, sql)
               : rc;
}

/* Nothing that a file could bring along is run: no triggers, no views, no functions of its schema.
 */
static td_result harden(catalog *c, td_err *err)
{
    (void)sqlite3_extended_result_codes(c->db, 1); /* fails on NULL only */
    (void)sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    static const int SWITCHES[][2] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                      {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                                      {SQLITE_DBCONFIG_ENABLE_VIEW, 0}};
    for (size_t i = 0; i < sizeof SWITCHES / sizeof SWITCHES[0]; i++) {
        int rc = sqlite3_db_config(c->db, SWITCHES[i][0], SWITCHES[i][1], NULL);
        if (rc != SQLITE_OK)
            return catalog_fail(c, rc, "configuring", err);
    }
    int wait_ms = c->mode == CATALOG_APPENDER ? APPENDER_WAIT_MS : OTHERS_WAIT_MS;
    int rc = sqlite3_busy_timeout(c->db, wait_ms);
    if (rc != SQLITE_OK)
        return catalog_fail(c, rc, "configuring", err);
    return catalog_run_sql(c, "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;",
                           "configuring", err);
}

/* "file:<path with everything odd escaped>?immutable=1" */
static char *immutable_uri(const char *path)
{
    TD_ASSERT(path != NULL);
    td_buf uri;
    td_buf_init(&uri, LIMIT_PATH_BYTES * 3 + 32);
    td_result rc = td_buf_append(&uri, "file:", 5, NULL);
    for (const char *c = path; *c != '\0' && rc == TD_OK; c++) {
        int is_plain = strchr("%?#", *c) == NULL && (unsigned char)*c > ' ';
        rc = is_plain ? td_buf_append(&uri, c, 1, NULL)
                      : td_buf_printf(&uri, NULL, "%%%02x", (unsigned)(unsigned char)*c);
    }
    if (rc == TD_OK)
        rc = td_buf_append(&uri, "?immutable=1", sizeof "?immutable=1", NULL);
    if (rc == TD_OK)
        return (char *)uri.data;
    td_buf_fini(&uri);
    return NULL;
}

static int has_file(const char *path, const char *suffix)
{
    char full[LIMIT_PATH_BYTES + 16];
    (void)snprintf(full, sizeof full, "%s%s", path, suffix);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int is_there = 0;
    int rc = vfs->xAccess(vfs, full, SQLITE_ACCESS_EXISTS, &is_there);
    return rc == SQLITE_OK && is_there;
}

/* Reading must make no file. A database that another process has open for writing, or that a crash
 * left, has a WAL: it is read through that. One without is read as a file that does not change, for
 * which SQLite needs neither locks nor shared memory; catalog_load_segment looks again whether that
 * held.
 */
static td_result open_for_reading(catalog *c, td_err *err)
{
    TD_ASSERT(c->path != NULL);
    if (!has_file(c->path, ""))
        return td_err_set(err, TD_E_NOTFOUND, "catalog '%s': not there", c->path);
    /* SQLite would wait without end for a writer of a FIFO. */
    struct stat info;
    if (stat(c->path, &info) == 0 && !S_ISREG(info.st_mode))
        return td_err_set(err, TD_E_UNSUPPORTED, "catalog '%s': not a regular file", c->path);
    c->is_immutable = !has_file(c->path, "-wal");
    char *uri = c->is_immutable ? immutable_uri(c->path) : NULL;
    if (c->is_immutable && uri == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to open catalog '%s'", c->path);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | (uri == NULL ? 0 : SQLITE_OPEN_URI);
    int rc = sqlite3_open_v2(uri == NULL ? c->path : uri, &c->db, flags, NULL);
    td_free(uri);
    return rc == SQLITE_OK ? TD_OK : catalog_fail(c, rc, "opening", err);
}

/* SQLite would follow it, and write into whatever it leads to. (Its own flag against that refuses
 * links in folders above, too, where they are fine.) */
static td_result refuse_link(const catalog *c, td_err *err)
{
    struct stat info;
    if (c->mode == CATALOG_MEMORY || lstat(c->path, &info) != 0 || S_ISREG(info.st_mode))
        return TD_OK;
    return td_err_set(err, TD_E_UNSUPPORTED, "catalog '%s': not a regular file", c->path);
}

static td_result open_for_writing(catalog *c, td_err *err)
{
    td_result refused = refuse_link(c, err);
    if (refused != TD_OK)
        return refused;
    const char *name = c->mode == CATALOG_MEMORY ? ":memory:" : c->path;
    int rc = sqlite3_open_v2(
        name, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK && sqlite3_db_readonly(c->db, "main") == 1)
        return td_err_set(err, TD_E_IO, "catalog '%s': cannot be written", c->path);
    return rc == SQLITE_OK ? TD_OK : catalog_fail(c, rc, "opening", err);
}

/* Whose file it is and of which version: 0 for an empty one. */
static td_result read_version(catalog *c, uint64_t *version, td_err *err)
{
    uint64_t application = 0;
    uint64_t objects = 0;
    td_result rc = read_number(c, "PRAGMA application_id", &application, err);
    if (rc == TD_OK)
        rc = read_number(c, "PRAGMA user_version", version, err);
    if (rc == TD_OK)
        rc = read_number(c, "SELECT count(*) FROM sqlite_schema", &objects, err);
    if (rc != TD_OK)
        return rc;
    if (application == 0 && objects == 0 && *version == 0)
        return TD_OK;
    if (application != APPLICATION_ID || *version == 0)
        return td_err_set(err, TD_E_CORRUPT, "catalog '%s': not a catalog of tapedeck", c->path);
    if (*version > CATALOG_SCHEMA_VERSION)
        return td_err_set(err, TD_E_UNSUPPORTED,
                          "catalog '%s': schema version %llu, this program knows up to %d", c->path,
                          (unsigned long long)*version, CATALOG_SCHEMA_VERSION);
    return TD_OK;
}

static td_result migrate_steps(catalog *c, td_err *err)
{
    uint64_t version = 0;
    td_result rc = read_version(c, &version, err); /* again: another process may have been faster */
    for (; rc == TD_OK && version < CATALOG_SCHEMA_VERSION; version++)
        rc = catalog_run_sql(c, catalog_sql_versions[version], "making tables", err);
    char pragmas[96];
    (void)snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   APPLICATION_ID, CATALOG_SCHEMA_VERSION);
    return rc == TD_OK ? catalog_run_sql(c, pragmas, "making tables", err) : rc;
}

static td_result migrate(catalog *c, td_err *err)
{
    td_result rc = catalog_begin(c, err);
    if (rc != TD_OK)
        return rc;
    rc = migrate_steps(c, err);
    if (rc == TD_OK)
        rc = catalog_commit(c, err);
    if (rc != TD_OK)
        catalog_abort(c);
    return rc;
}

static int count_wal_pages(void *user, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    catalog *c = user;
    c->wal_pages = pages;
    return SQLITE_OK;
}

static td_result set_write_modes(catalog *c, td_err *err)
{
    if (c->mode == CATALOG_MEMORY)
        return TD_OK;
    /* Losing the last transactions in a power cut leaves an older catalog, which is only out of
     * date. */
    td_result rc = catalog_run_sql(c, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
                                   "turning on the write-ahead log", err);
    if (rc == TD_OK && c->mode == CATALOG_APPENDER)
        (void)sqlite3_wal_hook(c->db, count_wal_pages, c); /* takes the automatic one's place */
    return rc;
}

static td_result open_database(catalog *c, td_err *err)
{
    uint64_t version = 0;
    td_result rc = c->mode == CATALOG_READ ? open_for_reading(c, err) : open_for_writing(c, err);
    if (rc == TD_OK)
        rc = harden(c, err);
    if (rc == TD_OK)
        rc = read_version(c, &version, err);
    if (rc != TD_OK)
        return rc;
    if (c->mode == CATALOG_READ)
        return version == CATALOG_SCHEMA_VERSION
                   ? TD_OK
                   : td_err_set(err, TD_E_UNSUPPORTED, "catalog '%s': schema version %llu, not %d",
                                c->path, (unsigned long long)version, CATALOG_SCHEMA_VERSION);
    /* The file could be opened for writing, but its header asks for a later SQLite to write it. */
    if (sqlite3_db_readonly(c->db, "main") == 1)
        return td_err_set(err, TD_E_CORRUPT, "catalog '%s': its header forbids to write", c->path);
    rc = set_write_modes(c, err);
    if (rc == TD_OK && version < CATALOG_SCHEMA_VERSION)
        rc = migrate(c, err);
    return rc;
}

td_result catalog_open(const char *path, catalog_mode mode, catalog **out, td_err *err)
{
    TD_ASSERT(path != NULL || mode == CATALOG_MEMORY);
    *out = NULL;
    catalog *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a catalog");
    made->mode = mode;
    td_result rc = TD_OK;
    if (mode != CATALOG_MEMORY) {
        made->path = td_strdup(path);
        if (made->path == NULL)
            rc = td_err_set(err, TD_E_NOMEM, "no memory for a catalog");
    }
    if (rc == TD_OK)
        rc = open_database(made, err);
    if (rc != TD_OK) {
        catalog_close(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

void catalog_close(catalog *c)
{
    if (c == NULL)
        return;
    catalog_abort(c);
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        (void)sqlite3_finalize(c->statements[i]); /* repeats the result of its last step */
    /* The last connection checkpoints by itself when it closes. Nothing was promised by a catalog,
     * so a failure here loses nothing that reindex does not bring back. */
    (void)sqlite3_close_v2(c->db);
    td_free(c->path);
    td_free(c);
}

td_result catalog_remove(const char *path, td_err *err)
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
            result =
                td_err_set(err, TD_E_UNSUPPORTED,
                           "cannot remove catalog file '%s': it is a folder; move it away", full);
        else
            result = td_err_set(err, TD_E_IO, "cannot remove catalog file '%s': %s", full,
                                sqlite3_errstr(rc));
    }
    return result;
}

int catalog_is_disturbed(const catalog *c)
{
    return c->is_immutable && has_file(c->path, "-wal");
}

/* ---- transactions ---- */

static td_result check_not_moved(catalog *c, td_err *err)
{
    int has_moved = 0;
    if (c->mode == CATALOG_MEMORY ||
        sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved) != SQLITE_OK ||
        !has_moved)
        return TD_OK;
    return td_err_set(err, TD_E_NOTFOUND, "catalog '%s': removed or replaced while in use",
                      c->path);
}

td_result catalog_begin(catalog *c, td_err *err)
{
    TD_ASSERT(c->mode != CATALOG_READ);
    TD_ASSERT(!c->is_in_transaction);
    td_result rc = check_not_moved(c, err);
    if (rc != TD_OK)
        return rc;
    catalog_query query = catalog_query_begin(c, STATEMENT_BEGIN);
    rc = catalog_query_run(&query, err);
    c->is_in_transaction = rc == TD_OK;
    return rc;
}

td_result catalog_commit(catalog *c, td_err *err)
{
    TD_ASSERT(c->is_in_transaction);
    catalog_query query = catalog_query_begin(c, STATEMENT_COMMIT);
    td_result rc = catalog_query_run(&query, err);
    if (rc != TD_OK)
        return rc;
    c->is_in_transaction = 0;
    if (c->wal_pages > WAL_PAGES_MAX) {
        /* Passive: readers and other writers are not waited for. What it could not do is done by
         * the next one, so its result does not matter. */
        (void)sqlite3_wal_checkpoint_v2(c->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        c->wal_pages = 0;
    }
    return TD_OK;
}

void catalog_abort(catalog *c)
{
    if (!c->is_in_transaction)
        return;
    c->is_in_transaction = 0;
    /* Fails if SQLite rolled back by itself, which is as good. */
    (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
}
