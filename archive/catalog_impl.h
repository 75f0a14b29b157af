/* Inside of the catalog: what catalog*.c share. The only header of ours that knows SQLite's types.
 */
#ifndef TD_ARCHIVE_CATALOG_IMPL_H
#define TD_ARCHIVE_CATALOG_IMPL_H

#include "base/buf.h"
#include "archive/catalog.h"

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

/* Columns of the tables, in the order in which they are written, read and dumped. */
#define SESSION_COLUMNS "session, start_ns, stop_ns, state, verb, version"
#define SEGMENT_COLUMNS                                                                            \
    "path, is_open, session, session_start_ns, feed, family, verb, version, number, "              \
    "previous_segment, chain, file_bytes, messages, chunks, first_ns, last_ns, row_checksum, "     \
    "channel_checksum, chunk_checksum, gap_checksum"
#define CHANNEL_COLUMNS                                                                            \
    "feed, family, line, shard, dir, topic, exchange_topic, symbol, opcode, message_encoding, "    \
    "schema_name"
#define CHUNK_COLUMNS                                                                              \
    "number, offset, chunk_bytes, index_bytes, uncompressed_bytes, first_ns, last_ns, messages, "  \
    "bitmap"
#define GAP_COLUMNS                                                                                \
    "feed, from_ns, line, shard, conn, topic, symbol, reason, told_by, to_ns, frames_lost, "       \
    "covered_by, cause, detail"
#define NOTE_COLUMNS "time_ns, from_ns, to_ns, feed, text"

/* Statements that are prepared once and kept. Their text is in catalog.c. */
typedef enum catalog_statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_PUT_META,
    STATEMENT_GET_META,
    STATEMENT_PUT_SESSION,
    STATEMENT_END_SESSION,
    STATEMENT_PUT_SEGMENT,
    STATEMENT_FIND_SEGMENT,
    STATEMENT_DROP_SEGMENT,
    STATEMENT_DROP_CHUNKS,
    STATEMENT_DROP_SEGMENT_CHANNELS,
    STATEMENT_DROP_GAPS,
    STATEMENT_FIND_CHANNEL,
    STATEMENT_PUT_CHANNEL,
    STATEMENT_PUT_SEGMENT_CHANNEL,
    STATEMENT_PUT_CHUNK,
    STATEMENT_PUT_GAP,
    STATEMENT_FIND_GAP,
    STATEMENT_GET_GAP_CHECKSUM,
    STATEMENT_SET_GAP_CHECKSUM,
    STATEMENT_PUT_NOTE,
    STATEMENT_LOAD_SEGMENT,
    STATEMENT_LOAD_CHANNELS,
    STATEMENT_LOAD_CHUNKS,
    STATEMENT_EACH_SEGMENT,
    STATEMENT_LOAD_GAPS,
    STATEMENT_COUNT,
} catalog_statement;

struct catalog {
    sqlite3 *db;
    catalog_mode mode;
    char *path; /* NULL in memory */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    uint8_t is_immutable; /* 1: read without locks, because no process had it open for writing */
    uint8_t is_in_transaction;
    int wal_pages; /* after the last commit */
};

/* A statement with its values being bound, in order. The first failure, of preparing it too, is
 * kept for the call that runs it. */
typedef struct catalog_query {
    catalog *catalog;
    sqlite3_stmt *stmt; /* NULL: it could not be prepared */
    int next;           /* number of the next parameter */
    int rc;             /* SQLite's */
} catalog_query;

/* Set err for one of SQLite's results; returns the code that belongs to it. */
td_result catalog_fail(catalog *catalog, int sqlite_rc, const char *doing, td_err *err);

/* The statement, ready for binding. */
catalog_query catalog_query_begin(catalog *catalog, catalog_statement which);

/* Bind the next parameter. Numbers beyond 2^63 - 1 are cut to it; text is borrowed until the end.
 */
void catalog_bind_u64(catalog_query *query, uint64_t value);
void catalog_bind_i64(catalog_query *query, int64_t value);
void catalog_bind_text(catalog_query *query, const char *text);
void catalog_bind_blob(catalog_query *query, const void *bytes, size_t size);

/* The next row: TD_OK, TD_EOF, TD_E_*; TD_E_CORRUPT if the statement does not fit this database. */
TD_MUST_USE td_result catalog_query_next(catalog_query *query, td_err *err);

/* End a statement after its last row, or before; rc is what reading its rows came to, and is
 * returned: TD_EOF as TD_OK. */
td_result catalog_query_end(catalog_query *query, td_result rc);

/* Run a statement that gives no rows, or one row of one number. TD_EOF: it gives none. */
TD_MUST_USE td_result catalog_query_run(catalog_query *query, td_err *err);
TD_MUST_USE td_result catalog_query_number(catalog_query *query, int64_t *out, td_err *err);

/* Run SQL text that gives no rows. */
TD_MUST_USE td_result catalog_run_sql(catalog *catalog, const char *sql, const char *doing,
                                      td_err *err);

/* Column as a number >= 0 (anything else reads as 0), as any number, and as text ("" for anything
 * else), valid until the next row. */
int64_t catalog_column_i64(const catalog_query *query, int column);
uint64_t catalog_column_u64(const catalog_query *query, int column);
const char *catalog_column_text(const catalog_query *query, int column);

/* Prepare text that is not in the table, for a statement used once: finish with catalog_once_end.
 */
catalog_query catalog_once_begin(catalog *catalog, const char *sql);
void catalog_once_end(catalog_query *query);

/* 1 if a catalog that is read without locks has got a writer meanwhile: what was read may be torn.
 */
int catalog_is_disturbed(const catalog *catalog);

/* A gap row as STATEMENT_LOAD_GAPS and STATEMENT_FIND_GAP give it; strings are valid until the next
 * row. TD_E_CORRUPT if its reason is none. */
TD_MUST_USE td_result catalog_read_gap(const catalog_query *query, gap_row *out, td_err *err);

/* The gaps in a segment's events (path: as the catalog has it), added to list, which may be NULL;
 * *sum is what their checksum must be. */
TD_MUST_USE td_result catalog_read_gaps(catalog *catalog, const char *path, gap_list *list,
                                        uint64_t *sum, td_err *err);

/* ---- checksums (catalog_checksum.c); FORMAT.md defines them ---- */

/* Those of a segment's row. Sums are modulo 2^64. */
typedef struct segment_checksums {
    uint64_t row;
    uint64_t channels;
    uint64_t chunks;
    uint64_t gaps;
} segment_checksums;

/* What a sum over rows of the segment begins with. path: as the catalog has it. */
uint64_t checksum_begin(const char *path);

/* Of one row: add them to a sum. */
uint64_t checksum_channel(const segment_channel *channel);
uint64_t checksum_chunk(size_t number, const segment_chunk *chunk, const uint8_t *bitmap);
uint64_t checksum_gap(const gap_row *row);

/* Of the segment's own row: what segment_index holds but channels and chunks. */
uint64_t checksum_segment(const char *path, const segment_index *index, uint64_t chunk_count);

/* Row, channels and chunks of a finished segment; gaps is left alone. */
void checksum_index(const char *path, const segment_index *index, segment_checksums *out);

/* Statements of catalog.sql by version, element 0 leading to version 1: made by the build. */
extern const char *const catalog_sql_versions[CATALOG_SCHEMA_VERSION];

#endif
