#include "archive/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/database.h"
#include "base/escape_format.h"
#include "base/hash.h"

/* "TDCI": marks our files among other databases. */
#define APPLICATION_ID 0x54444349

enum {
    SCHEMA_VERSION = 1,
    VALUE_BYTES_MAX = 1 << 20,
    LINE_BYTES_MAX = 64 << 20,
    /* Values come from a file that any program may have written. */
    BITMAP_BYTES_MAX = (1 << 16) / 8,
    CHUNKS_MAX = 1 << 20, /* far beyond LIMIT_SEGMENT_CHUNKS */
};

/* Times are ns since 1970-01-01 UTC; values above 2^63 - 1 are stored as 2^63 - 1. Text is never
 * NULL: '' means absent. */
static const char SCHEMA[] =
    "CREATE TABLE segments ("
    "    id               INTEGER PRIMARY KEY,"
    "    path             TEXT NOT NULL UNIQUE," /* below the archive */
    "    session          TEXT NOT NULL,"
    "    session_start_ns INTEGER NOT NULL,"
    "    feed             TEXT NOT NULL,"
    "    family           TEXT NOT NULL,"
    "    verb             TEXT NOT NULL,"
    "    version          TEXT NOT NULL,"
    "    number           INTEGER NOT NULL," /* within session and feed */
    "    previous_segment TEXT NOT NULL,"    /* file name */
    "    chain            TEXT NOT NULL,"    /* last value, 32 hex digits */
    "    file_bytes       INTEGER NOT NULL,"
    "    messages         INTEGER NOT NULL,"
    "    chunks           INTEGER NOT NULL,"
    "    first_ns         INTEGER NOT NULL,"
    "    last_ns          INTEGER NOT NULL,"
    "    chunks_hash      INTEGER NOT NULL,"   /* of the rows in chunks */
    "    hash             INTEGER NOT NULL); " /* of this row and all others of the segment */
    "CREATE TABLE channels ("
    "    segment_id       INTEGER NOT NULL,"
    "    mcap_id          INTEGER NOT NULL,"
    "    messages         INTEGER NOT NULL,"
    "    first_ns         INTEGER NOT NULL,"
    "    last_ns          INTEGER NOT NULL,"
    "    feed             TEXT NOT NULL,"
    "    family           TEXT NOT NULL,"
    "    line             INTEGER NOT NULL,"
    "    shard            INTEGER NOT NULL,"
    "    dir              TEXT NOT NULL,"
    "    topic            TEXT NOT NULL,"
    "    exchange_topic   TEXT NOT NULL,"
    "    symbol           TEXT NOT NULL,"
    "    opcode           INTEGER NOT NULL,"
    "    message_encoding TEXT NOT NULL,"
    "    schema_name      TEXT NOT NULL,"
    "    PRIMARY KEY (segment_id, mcap_id)) WITHOUT ROWID; "
    "CREATE TABLE chunks ("
    "    segment_id         INTEGER NOT NULL,"
    "    number             INTEGER NOT NULL," /* in file order, from 0 */
    "    offset             INTEGER NOT NULL,"
    "    chunk_bytes        INTEGER NOT NULL,"
    "    index_bytes        INTEGER NOT NULL,"
    "    uncompressed_bytes INTEGER NOT NULL,"
    "    first_ns           INTEGER NOT NULL,"
    "    last_ns            INTEGER NOT NULL,"
    "    messages           INTEGER NOT NULL,"
    /* bit (id % 8) of byte (id / 8); no zero byte at the end */
    "    bitmap             BLOB NOT NULL,"
    "    PRIMARY KEY (segment_id, number)) WITHOUT ROWID; "
    "CREATE TABLE gaps ("
    "    segment_id  INTEGER NOT NULL,"
    "    feed        TEXT NOT NULL,"
    "    from_ns     INTEGER NOT NULL,"
    "    line        INTEGER NOT NULL,"
    "    shard       INTEGER NOT NULL,"
    "    conn        INTEGER NOT NULL,"
    "    topic       TEXT NOT NULL,"
    "    symbol      TEXT NOT NULL,"
    "    reason      TEXT NOT NULL,"
    "    to_ns       INTEGER NOT NULL," /* 0: the gap is open */
    "    frames_lost INTEGER NOT NULL," /* -1: unknown */
    "    covered_by  TEXT NOT NULL,"
    "    cause       TEXT NOT NULL,"
    "    detail      TEXT NOT NULL,"
    "    PRIMARY KEY (segment_id, feed, from_ns, line, shard, conn, topic, symbol, reason)) "
    "WITHOUT ROWID;";

#define SEGMENT_COLUMNS                                                                            \
    "path, session, session_start_ns, feed, family, verb, version, number, previous_segment, "     \
    "chain, file_bytes, messages, chunks, first_ns, last_ns, chunks_hash, hash"
#define CHANNEL_COLUMNS                                                                            \
    "mcap_id, messages, first_ns, last_ns, feed, family, line, shard, dir, topic, "                \
    "exchange_topic, symbol, opcode, message_encoding, schema_name"
#define CHUNK_COLUMNS                                                                              \
    "number, offset, chunk_bytes, index_bytes, uncompressed_bytes, first_ns, last_ns, messages, "  \
    "bitmap"
/* In the order of GAP_MEMBERS. */
#define GAP_COLUMNS                                                                                \
    "reason, feed, line, shard, conn, topic, symbol, from_ns, to_ns, frames_lost, covered_by, "    \
    "cause, detail"

typedef enum statement {
    STATEMENT_PUT_SEGMENT,
    STATEMENT_PUT_CHANNEL,
    STATEMENT_PUT_CHUNK,
    STATEMENT_PUT_GAP,
    STATEMENT_LOAD_SEGMENT,
    STATEMENT_LOAD_CHANNELS,
    STATEMENT_LOAD_CHUNKS,
    STATEMENT_LOAD_GAPS,
    STATEMENT_LIST,
    STATEMENT_DROP_CHANNELS,
    STATEMENT_DROP_CHUNKS,
    STATEMENT_DROP_GAPS,
    STATEMENT_DROP_SEGMENT, /* last: the others look for its row */
    STATEMENT_COUNT,
} statement;

#define OF_PATH " WHERE segment_id IN (SELECT id FROM segments WHERE path = ?1)"

static const char *const STATEMENTS[STATEMENT_COUNT] = {
    [STATEMENT_PUT_SEGMENT] =
        "INSERT INTO segments (" SEGMENT_COLUMNS ") "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    [STATEMENT_PUT_CHANNEL] =
        "INSERT INTO channels (segment_id, " CHANNEL_COLUMNS ") "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [STATEMENT_PUT_CHUNK] = "INSERT INTO chunks (segment_id, " CHUNK_COLUMNS ") "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [STATEMENT_PUT_GAP] = "INSERT INTO gaps (segment_id, " GAP_COLUMNS ") "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    [STATEMENT_LOAD_SEGMENT] = "SELECT " SEGMENT_COLUMNS ", id FROM segments WHERE path = ?1",
    [STATEMENT_LOAD_CHANNELS] =
        "SELECT " CHANNEL_COLUMNS " FROM channels WHERE segment_id = ?1 ORDER BY mcap_id",
    [STATEMENT_LOAD_CHUNKS] =
        "SELECT " CHUNK_COLUMNS " FROM chunks WHERE segment_id = ?1 ORDER BY number",
    [STATEMENT_LOAD_GAPS] = "SELECT " GAP_COLUMNS " FROM gaps WHERE segment_id = ?1 ORDER BY feed, "
                            "from_ns, line, shard, conn, topic, symbol, reason",
    [STATEMENT_LIST] = "SELECT path, file_bytes, chain FROM segments ORDER BY path",
    [STATEMENT_DROP_CHANNELS] = "DELETE FROM channels" OF_PATH,
    [STATEMENT_DROP_CHUNKS] = "DELETE FROM chunks" OF_PATH,
    [STATEMENT_DROP_GAPS] = "DELETE FROM gaps" OF_PATH,
    [STATEMENT_DROP_SEGMENT] = "DELETE FROM segments WHERE path = ?1",
};

struct catalog {
    database *db;
};

static const database_kind KIND = {.name = "catalog",
                                   .application_id = APPLICATION_ID,
                                   .version = SCHEMA_VERSION,
                                   .schema = SCHEMA,
                                   .statements = STATEMENTS,
                                   .statement_count = STATEMENT_COUNT,
                                   .value_bytes_max = VALUE_BYTES_MAX};

td_result catalog_open(const char *path, catalog_mode mode, catalog **out, td_err *err)
{
    static const database_mode MODES[] = {[CATALOG_READ] = DATABASE_READ,
                                          [CATALOG_WRITE] = DATABASE_WRITE,
                                          [CATALOG_APPEND] = DATABASE_APPEND,
                                          [CATALOG_MEMORY] = DATABASE_MEMORY};
    database *db = NULL;
    *out = NULL;
    td_result rc = database_open(&KIND, path, MODES[mode], &db, err);
    if ((rc == TD_E_CORRUPT || rc == TD_E_UNSUPPORTED) && mode != CATALOG_READ) {
        rc = database_remove(&KIND, path, err);
        if (rc == TD_OK)
            rc = database_open(&KIND, path, MODES[mode], &db, err);
    }
    if (rc != TD_OK)
        return rc;
    *out = td_alloc_zero(1, sizeof **out);
    (*out)->db = db;
    return TD_OK;
}

void catalog_close(catalog *c)
{
    if (c == NULL)
        return;
    database_close(c->db);
    td_free(c);
}

td_result catalog_remove(const char *path, td_err *err)
{
    return database_remove(&KIND, path, err);
}

/* ---- the hash ---- */

/* Over what a reader gets, so that whatever changes an answer changes the hash. It finds accidents
 * and edits, not forgery. */

static void hash_number(td_xxh64_state *hash, uint64_t number)
{
    uint8_t bytes[8];
    td_put_le64(bytes, number > INT64_MAX ? INT64_MAX : number); /* as it is stored */
    td_xxh64_update(hash, bytes, sizeof bytes);
}

static void hash_bytes(td_xxh64_state *hash, const void *bytes, size_t size)
{
    hash_number(hash, size);
    if (size > 0)
        td_xxh64_update(hash, bytes, size);
}

static void hash_text(td_xxh64_state *hash, const char *text)
{
    hash_bytes(hash, text, strlen(text));
}

static uint64_t hash_chunks(const segment_index *index)
{
    td_xxh64_state hash;
    td_xxh64_begin(&hash);
    for (size_t i = 0; i < index->chunk_count; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        const uint64_t numbers[] = {
            i,
            chunk->offset,
            chunk->chunk_bytes,
            chunk->index_bytes,
            chunk->uncompressed_bytes,
            chunk->first_ns,
            chunk->last_ns,
            chunk->message_count,
        };
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
            hash_number(&hash, numbers[k]);
        hash_bytes(&hash, index->bitmaps + chunk->bitmap_offset, chunk->bitmap_bytes);
    }
    return td_xxh64_end(&hash);
}

static void hash_channel(td_xxh64_state *hash, const segment_channel *channel)
{
    const channel_info *info = &channel->info;
    const uint64_t numbers[] = {
        channel->id, channel->message_count, channel->first_ns, channel->last_ns, info->line,
        info->shard, (uint64_t)info->opcode,
    };
    const char *const texts[] = {
        info->feed,           info->family, channel_dir_name(info->dir), info->topic,
        info->exchange_topic, info->symbol, info->message_encoding,      info->schema_name,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        hash_number(hash, numbers[i]);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        hash_text(hash, texts[i]);
}

static void hash_gap(td_xxh64_state *hash, const gap_row *row)
{
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        const gap_member *member = &GAP_MEMBERS[i];
        if (gap_member_is_text(member))
            hash_text(hash, gap_member_text(row, member));
        else
            hash_number(hash, gap_member_number(row, member));
    }
}

/* chunk_count, chunks_hash: of the chunks, which need not be loaded. */
static uint64_t hash_rows(const segment_rows *rows, uint64_t chunk_count, uint64_t chunks_hash)
{
    const segment_index *index = &rows->index;
    const char *const texts[] = {
        index->path, index->session, index->feed,      index->family,
        index->verb, index->version, index->chain_hex, index->previous_segment,
    };
    const uint64_t numbers[] = {
        index->session_start_ns, index->number,  index->file_bytes, index->message_count,
        index->first_ns,         index->last_ns, chunk_count,       index->channel_count,
        rows->gaps.count,
    };
    td_xxh64_state hash;
    td_xxh64_begin(&hash);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        hash_text(&hash, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        hash_number(&hash, numbers[i]);
    hash_bytes(&hash, &chunks_hash, sizeof chunks_hash);
    for (size_t i = 0; i < index->channel_count; i++)
        hash_channel(&hash, &index->channels[i]);
    for (size_t i = 0; i < rows->gaps.count; i++)
        hash_gap(&hash, &rows->gaps.rows[i]);
    return td_xxh64_end(&hash);
}

/* ---- writing ---- */

static td_result put_segment(catalog *c, const segment_rows *rows, int64_t *id, td_err *err)
{
    const segment_index *index = &rows->index;
    uint64_t chunks_hash = hash_chunks(index);
    database_query query = database_query_begin(c->db, STATEMENT_PUT_SEGMENT);
    database_bind_text(&query, index->path);
    database_bind_text(&query, index->session);
    database_bind_u64(&query, index->session_start_ns);
    database_bind_text(&query, index->feed);
    database_bind_text(&query, index->family);
    database_bind_text(&query, index->verb);
    database_bind_text(&query, index->version);
    database_bind_u64(&query, index->number);
    database_bind_text(&query, index->previous_segment);
    database_bind_text(&query, index->chain_hex);
    database_bind_u64(&query, index->file_bytes);
    database_bind_u64(&query, index->message_count);
    database_bind_u64(&query, index->chunk_count);
    database_bind_u64(&query, index->first_ns);
    database_bind_u64(&query, index->last_ns);
    database_bind_i64(&query, (int64_t)chunks_hash);
    database_bind_i64(&query, (int64_t)hash_rows(rows, index->chunk_count, chunks_hash));
    td_result rc = database_query_run(&query, err);
    *id = rc == TD_OK ? database_last_row_id(c->db) : 0;
    return rc;
}

static td_result put_channel(catalog *c, int64_t id, const segment_channel *channel, td_err *err)
{
    const channel_info *info = &channel->info;
    database_query query = database_query_begin(c->db, STATEMENT_PUT_CHANNEL);
    database_bind_i64(&query, id);
    database_bind_u64(&query, channel->id);
    database_bind_u64(&query, channel->message_count);
    database_bind_u64(&query, channel->first_ns);
    database_bind_u64(&query, channel->last_ns);
    database_bind_text(&query, info->feed);
    database_bind_text(&query, info->family);
    database_bind_u64(&query, info->line);
    database_bind_u64(&query, info->shard);
    database_bind_text(&query, channel_dir_name(info->dir));
    database_bind_text(&query, info->topic);
    database_bind_text(&query, info->exchange_topic);
    database_bind_text(&query, info->symbol);
    database_bind_u64(&query, (uint64_t)info->opcode);
    database_bind_text(&query, info->message_encoding);
    database_bind_text(&query, info->schema_name);
    return database_query_run(&query, err);
}

static td_result put_chunk(catalog *c, int64_t id, const segment_index *index, size_t number,
                           td_err *err)
{
    const segment_chunk *chunk = &index->chunks[number];
    database_query query = database_query_begin(c->db, STATEMENT_PUT_CHUNK);
    database_bind_i64(&query, id);
    database_bind_u64(&query, number);
    database_bind_u64(&query, chunk->offset);
    database_bind_u64(&query, chunk->chunk_bytes);
    database_bind_u64(&query, chunk->index_bytes);
    database_bind_u64(&query, chunk->uncompressed_bytes);
    database_bind_u64(&query, chunk->first_ns);
    database_bind_u64(&query, chunk->last_ns);
    database_bind_u64(&query, chunk->message_count);
    database_bind_blob(&query, index->bitmaps + chunk->bitmap_offset, chunk->bitmap_bytes);
    return database_query_run(&query, err);
}

static td_result put_gap(catalog *c, int64_t id, const gap_row *row, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_PUT_GAP);
    database_bind_i64(&query, id);
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        const gap_member *member = &GAP_MEMBERS[i];
        if (gap_member_is_text(member))
            database_bind_text(&query, gap_member_text(row, member));
        else if (gap_member_number(row, member) == GAP_FRAMES_UNKNOWN)
            database_bind_i64(&query, -1);
        else
            database_bind_u64(&query, gap_member_number(row, member));
    }
    return database_query_run(&query, err);
}

static td_result drop_rows(catalog *c, const char *path, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = STATEMENT_DROP_CHANNELS; i <= STATEMENT_DROP_SEGMENT && rc == TD_OK; i++) {
        database_query query = database_query_begin(c->db, i);
        database_bind_text(&query, path);
        rc = database_query_run(&query, err);
    }
    return rc;
}

static td_result put_rows(catalog *c, const segment_rows *rows, td_err *err)
{
    const segment_index *index = &rows->index;
    int64_t id = 0;
    td_result rc = drop_rows(c, index->path, err);
    if (rc == TD_OK)
        rc = put_segment(c, rows, &id, err);
    for (size_t i = 0; i < index->channel_count && rc == TD_OK; i++)
        rc = put_channel(c, id, &index->channels[i], err);
    for (size_t i = 0; i < index->chunk_count && rc == TD_OK; i++)
        rc = put_chunk(c, id, index, i, err);
    for (size_t i = 0; i < rows->gaps.count && rc == TD_OK; i++)
        rc = put_gap(c, id, &rows->gaps.rows[i], err);
    return rc;
}

static td_result end_transaction(catalog *c, td_result rc, td_err *err)
{
    if (rc == TD_OK)
        rc = database_commit(c->db, err);
    if (rc != TD_OK)
        database_abort(c->db);
    return rc;
}

td_result catalog_put(catalog *c, const segment_rows *rows, td_err *err)
{
    TD_ASSERT(!rows->index.is_open);
    TD_ASSERT(rows->index.depth == INDEX_FULL);
    td_result rc = database_begin(c->db, err);
    return rc == TD_OK ? end_transaction(c, put_rows(c, rows, err), err) : rc;
}

td_result catalog_drop(catalog *c, const char *path, td_err *err)
{
    td_result rc = database_begin(c->db, err);
    return rc == TD_OK ? end_transaction(c, drop_rows(c, path, err), err) : rc;
}

td_result catalog_clear(catalog *c, td_err *err)
{
    td_result rc = database_begin(c->db, err);
    if (rc != TD_OK)
        return rc;
    rc = database_run_sql(c->db,
                          "DELETE FROM segments; DELETE FROM channels; DELETE FROM chunks; "
                          "DELETE FROM gaps",
                          "removing rows", err);
    return end_transaction(c, rc, err);
}

/* ---- reading ---- */

/* One that is too long is not what was written: it becomes empty, which has another hash. */
static void copy_text(char *out, size_t out_bytes, const char *text)
{
    (void)snprintf(out, out_bytes, "%s", strlen(text) < out_bytes ? text : "");
}

td_result catalog_list(catalog *c, catalog_entries *out, td_err *err)
{
    *out = (catalog_entries){0};
    database_query query = database_query_begin(c->db, STATEMENT_LIST);
    td_result rc;
    while ((rc = database_query_next(&query, err)) == TD_OK) {
        out->rows = td_array_grow(out->rows, out->count, sizeof out->rows[0]);
        catalog_entry *row = &out->rows[out->count++];
        *row = (catalog_entry){.path = td_strdup(database_column_text(&query, 0)),
                               .file_bytes = database_column_u64(&query, 1)};
        copy_text(row->chain_hex, sizeof row->chain_hex, database_column_text(&query, 2));
    }
    return database_query_end(&query, rc);
}

void catalog_entries_fini(catalog_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        td_free(entries->rows[i].path);
    td_free(entries->rows);
    *entries = (catalog_entries){0};
}

static int compare_entry(const void *path, const void *row)
{
    return strcmp(path, ((const catalog_entry *)row)->path);
}

const catalog_entry *catalog_entries_find(const catalog_entries *entries, const char *path)
{
    if (entries->count == 0)
        return NULL;
    return bsearch(path, entries->rows, entries->count, sizeof entries->rows[0], compare_entry);
}

static td_result wrong_rows(const segment_index *index, const char *what, td_err *err)
{
    return td_err_set(err, TD_E_CORRUPT, "catalog: segment %s: its %s are not as they were written",
                      index->path, what);
}

/* What a segment's row has besides the index. */
typedef struct segment_hashes {
    int64_t id;
    uint64_t chunk_count, chunks, all;
} segment_hashes;

static td_result load_segment(catalog *c, const char *path, segment_index *out,
                              segment_hashes *hashes, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_SEGMENT);
    database_bind_text(&query, path);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_EOF)
        rc = td_err_set(err, TD_E_NOTFOUND, "segment %s is not in the catalog", path);
    if (rc != TD_OK)
        return database_query_end(&query, rc);
    *out = (segment_index){
        .depth = INDEX_FULL,
        .path = td_strdup(database_column_text(&query, 0)),
        .session_start_ns = database_column_u64(&query, 2),
        .number = (uint32_t)database_column_u64(&query, 7),
        .previous_segment = td_strdup(database_column_text(&query, 8)),
        .file_bytes = database_column_u64(&query, 10),
        .message_count = database_column_u64(&query, 11),
        .first_ns = database_column_u64(&query, 13),
        .last_ns = database_column_u64(&query, 14),
    };
    copy_text(out->session, sizeof out->session, database_column_text(&query, 1));
    copy_text(out->feed, sizeof out->feed, database_column_text(&query, 3));
    copy_text(out->family, sizeof out->family, database_column_text(&query, 4));
    copy_text(out->verb, sizeof out->verb, database_column_text(&query, 5));
    copy_text(out->version, sizeof out->version, database_column_text(&query, 6));
    copy_text(out->chain_hex, sizeof out->chain_hex, database_column_text(&query, 9));
    *hashes = (segment_hashes){.chunk_count = database_column_u64(&query, 12),
                               .chunks = (uint64_t)database_column_i64(&query, 15),
                               .all = (uint64_t)database_column_i64(&query, 16),
                               .id = database_column_i64(&query, 17)};
    return database_query_end(&query, rc);
}

static td_result load_channels(catalog *c, int64_t id, segment_index *out, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_CHANNELS);
    database_bind_i64(&query, id);
    td_result rc;
    while ((rc = database_query_next(&query, err)) == TD_OK) {
        segment_channel row = {.id = (uint16_t)database_column_u64(&query, 0),
                               .message_count = database_column_u64(&query, 1),
                               .first_ns = database_column_u64(&query, 2),
                               .last_ns = database_column_u64(&query, 3),
                               .info = {
                                   .feed = database_column_text(&query, 4),
                                   .family = database_column_text(&query, 5),
                                   .line = (uint32_t)database_column_u64(&query, 6),
                                   .shard = (uint32_t)database_column_u64(&query, 7),
                                   .topic = database_column_text(&query, 9),
                                   .exchange_topic = database_column_text(&query, 10),
                                   .symbol = database_column_text(&query, 11),
                                   .opcode = database_column_u64(&query, 12) == OPCODE_BINARY
                                                 ? OPCODE_BINARY
                                                 : OPCODE_TEXT,
                                   .message_encoding = database_column_text(&query, 13),
                                   .schema_name = database_column_text(&query, 14),
                               }};
        int is_after = out->channel_count == 0 || out->channels[out->channel_count - 1].id < row.id;
        if (!channel_dir_parse(td_bytes_str(database_column_text(&query, 8)), &row.info.dir) ||
            !is_after)
            return database_query_end(&query, wrong_rows(out, "channels", err));
        segment_index_add_channel(out, &row);
    }
    return database_query_end(&query, rc);
}

static td_result load_chunks(catalog *c, int64_t id, segment_index *out, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_CHUNKS);
    database_bind_i64(&query, id);
    td_result rc = TD_OK;
    while (rc == TD_OK && (rc = database_query_next(&query, err)) == TD_OK) {
        td_bytes bitmap = database_column_blob(&query, 8);
        segment_chunk row = {
            .offset = database_column_u64(&query, 1),
            .chunk_bytes = database_column_u64(&query, 2),
            .index_bytes = database_column_u64(&query, 3),
            .uncompressed_bytes = database_column_u64(&query, 4),
            .first_ns = database_column_u64(&query, 5),
            .last_ns = database_column_u64(&query, 6),
            .message_count = database_column_u64(&query, 7),
            .has_channels = 1,
        };
        if (bitmap.size > BITMAP_BYTES_MAX || out->chunk_count >= CHUNKS_MAX ||
            database_column_u64(&query, 0) != out->chunk_count)
            rc = wrong_rows(out, "chunks", err);
        else
            rc = segment_index_add_chunk(out, &row, bitmap, err);
    }
    return database_query_end(&query, rc);
}

static td_result load_gaps(catalog *c, int64_t id, segment_rows *out, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_GAPS);
    database_bind_i64(&query, id);
    td_result rc;
    while ((rc = database_query_next(&query, err)) == TD_OK) {
        gap_row row = {0};
        for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
            const gap_member *member = &GAP_MEMBERS[i];
            if (member->type == GAP_MEMBER_TEXT)
                gap_member_set_text(&row, member, database_column_text(&query, (int)i));
            else if (member->type != GAP_MEMBER_REASON)
                gap_member_set_number(&row, member,
                                      database_column_i64(&query, (int)i) < 0
                                          ? GAP_FRAMES_UNKNOWN
                                          : database_column_u64(&query, (int)i));
            else if (!gap_reason_parse(td_bytes_str(database_column_text(&query, (int)i)),
                                       &row.reason))
                return database_query_end(&query, wrong_rows(&out->index, "gaps", err));
        }
        gap_list_add(&out->gaps, &row);
    }
    return database_query_end(&query, rc);
}

static td_result load_rows(catalog *c, const char *path, catalog_part part, segment_rows *out,
                           td_err *err)
{
    segment_hashes hashes = {0};
    td_result rc = load_segment(c, path, &out->index, &hashes, err);
    if (rc == TD_OK)
        rc = load_channels(c, hashes.id, &out->index, err);
    if (rc == TD_OK)
        rc = load_gaps(c, hashes.id, out, err);
    if (rc == TD_OK && hash_rows(out, hashes.chunk_count, hashes.chunks) != hashes.all)
        rc = wrong_rows(&out->index, "rows", err);
    if (rc != TD_OK || part == CATALOG_ROWS)
        return rc;
    rc = load_chunks(c, hashes.id, &out->index, err);
    if (rc == TD_OK &&
        (out->index.chunk_count != hashes.chunk_count || hash_chunks(&out->index) != hashes.chunks))
        rc = wrong_rows(&out->index, "chunks", err);
    return rc;
}

td_result catalog_load(catalog *c, const char *path, catalog_part part, segment_rows *out,
                       td_err *err)
{
    *out = (segment_rows){0};
    td_result rc = load_rows(c, path, part, out, err);
    if (rc == TD_OK && database_is_disturbed(c->db))
        rc = td_err_set(err, TD_E_BUSY, "catalog '%s': a writer began to use it",
                        database_path(c->db));
    if (rc != TD_OK)
        segment_rows_fini(out);
    return rc;
}

/* ---- as text ---- */

/* A column of a line: a separator that no name has, its name, and its value without backslashes. */
#define FIELD(name, value)                                                                         \
    "|| char(31) || '" name "=' || replace(coalesce(" value ", ''), '\\', '\\x5c') "
#define COLUMN(name)     FIELD(name, name)
#define OF_SEGMENT       FIELD("path", "segments.path")
#define FROM_BOTH(table) "FROM " table " LEFT JOIN segments ON segments.id = segment_id "

static const char *const DUMPS[] = {
    "SELECT 'segment' " COLUMN("path") COLUMN("session") COLUMN("session_start_ns") COLUMN("feed")
        COLUMN("family") COLUMN("verb") COLUMN("version") COLUMN("number")
            COLUMN("previous_segment") COLUMN("chain") COLUMN("file_bytes") COLUMN("messages")
                COLUMN("chunks") COLUMN("first_ns") COLUMN("last_ns") COLUMN("chunks_hash")
                    COLUMN("hash") "FROM segments ORDER BY path",
    "SELECT 'channel' " OF_SEGMENT COLUMN("mcap_id") FIELD("messages", "channels.messages")
        FIELD("first_ns", "channels.first_ns") FIELD("last_ns", "channels.last_ns")
            FIELD("feed", "channels.feed") FIELD("family", "channels.family") COLUMN("line")
                COLUMN("shard") COLUMN("dir") COLUMN("topic") COLUMN("exchange_topic")
                    COLUMN("symbol") COLUMN("opcode") COLUMN("message_encoding")
                        COLUMN("schema_name")
                            FROM_BOTH("channels") "ORDER BY segments.path, mcap_id",
    "SELECT 'chunk' " OF_SEGMENT FIELD("number", "chunks.number") COLUMN("offset")
        COLUMN("chunk_bytes") COLUMN("index_bytes") COLUMN("uncompressed_bytes")
            FIELD("first_ns", "chunks.first_ns") FIELD("last_ns", "chunks.last_ns")
                FIELD("messages", "chunks.messages") FIELD("bitmap", "hex(bitmap)")
                    FROM_BOTH("chunks") "ORDER BY segments.path, chunks.number",
    "SELECT 'gap' " OF_SEGMENT FIELD("feed", "gaps.feed") COLUMN("from_ns") COLUMN("line")
        COLUMN("shard") COLUMN("conn") COLUMN("topic") COLUMN("symbol") COLUMN("reason")
            COLUMN("to_ns") COLUMN("frames_lost") COLUMN("covered_by") COLUMN("cause")
                COLUMN("detail") FROM_BOTH("gaps") "ORDER BY segments.path, gaps.feed, from_ns, "
                                                   "line, shard, conn, topic, symbol, reason",
};

/* Escaped as for a screen; a tab begins a column. */
static td_result dump_line(const char *text, td_buf *line, catalog_line_fn *fn, void *user,
                           td_err *err)
{
    td_buf_clear(line);
    for (;;) {
        size_t size = strcspn(text, "\x1f");
        td_result rc = td_escape_append(line, td_bytes_of(text, size), err);
        if (rc == TD_OK && text[size] != '\0')
            rc = td_buf_append(line, "\t", 1, err);
        if (rc != TD_OK)
            return rc;
        if (text[size] == '\0')
            return fn(user, td_buf_view(line), err);
        text += size + 1;
    }
}

td_result catalog_dump(catalog *c, catalog_line_fn *fn, void *user, td_err *err)
{
    td_buf line;
    td_buf_init(&line, LINE_BYTES_MAX);
    td_result rc = TD_OK;
    for (size_t i = 0; i < sizeof DUMPS / sizeof DUMPS[0] && rc == TD_OK; i++) {
        database_query query = database_once_begin(c->db, DUMPS[i]);
        td_result found = TD_OK;
        while (rc == TD_OK && (found = database_query_next(&query, err)) == TD_OK)
            rc = dump_line(database_column_text(&query, 0), &line, fn, user, err);
        database_once_end(&query);
        if (rc == TD_OK && found != TD_EOF)
            rc = found;
    }
    td_buf_fini(&line);
    return rc;
}
