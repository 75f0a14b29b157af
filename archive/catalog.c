#include "archive/catalog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/database.h"
#include "base/hash.h"
#include "archive/archive.h"

enum {
    VERSION = 8,     /* version of the format; the rows of each segment begin with it */
    DAY_VERSION = 9, /* likewise, of each day */
    VALUE_LEVEL = 3, /* of zstd; rows repeat texts, and numbers with many zeros */
    /* Limit of one segment's rows or chunks; 4,096 chunks with 64 Ki channels take 34 MiB. */
    VALUE_BYTES_MAX = 256 << 20,
    /* Limit of a chunk's bitmap of channels; checked because any program may have written the file.
     */
    BITMAP_BYTES_MAX = (1 << 16) / 8,
};

static const char TABLE[] =
    "CREATE TABLE IF NOT EXISTS segments ("
    "    path       TEXT NOT NULL PRIMARY KEY," /* below the archive */
    "    file_bytes INTEGER NOT NULL,"
    "    chain      TEXT NOT NULL,"    /* the segment's last chain value, 32 hex digits */
    "    hash       INTEGER NOT NULL," /* of rows as stored */
    "    rows       BLOB NOT NULL,"    /* both packed (pack_value) */
    "    chunks     BLOB NOT NULL);"
    /* An index for STATEMENT_LIST, which then does not read the large columns. */
    "CREATE INDEX IF NOT EXISTS segments_listed ON segments "
    "    (path, file_bytes, chain);"
    "CREATE TABLE IF NOT EXISTS days ("
    "    path       TEXT NOT NULL PRIMARY KEY," /* path of the segments' folder */
    "    hash       INTEGER NOT NULL,"          /* of rows as stored */
    "    rows       BLOB NOT NULL)";            /* packed */

typedef enum statement {
    STATEMENT_PUT,
    STATEMENT_LOAD_ROWS,
    STATEMENT_LOAD_CHUNKS,
    STATEMENT_LIST,
    STATEMENT_DROP,
    STATEMENT_CLEAR,
    STATEMENT_PUT_DAY,
    STATEMENT_LOAD_DAY,
    STATEMENT_EACH_DAY,
    STATEMENT_DROP_DAY,
    STATEMENT_CLEAR_DAYS,
    STATEMENT_DROP_STRAY,
    STATEMENT_COUNT,
} statement;

static const char *const STATEMENTS[STATEMENT_COUNT] = {
    [STATEMENT_PUT] = "INSERT OR REPLACE INTO segments VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_LOAD_ROWS] = "SELECT file_bytes, chain, hash, rows FROM segments WHERE path = ?1",
    [STATEMENT_LOAD_CHUNKS] = "SELECT chunks FROM segments WHERE path = ?1",
    [STATEMENT_LIST] = "SELECT path, file_bytes, chain FROM segments ORDER BY path",
    [STATEMENT_DROP] = "DELETE FROM segments WHERE path = ?1",
    [STATEMENT_CLEAR] = "DELETE FROM segments",
    [STATEMENT_PUT_DAY] = "INSERT OR REPLACE INTO days VALUES (?1, ?2, ?3)",
    [STATEMENT_LOAD_DAY] = "SELECT hash, rows FROM days WHERE path = ?1",
    [STATEMENT_EACH_DAY] = "SELECT path, hash, rows FROM days ORDER BY path",
    [STATEMENT_DROP_DAY] = "DELETE FROM days WHERE path = ?1",
    [STATEMENT_CLEAR_DAYS] = "DELETE FROM days",
    [STATEMENT_DROP_STRAY] =
        ("DELETE FROM days WHERE NOT EXISTS (SELECT 1 FROM segments WHERE "
         "segments.path > days.path || '/' AND segments.path < days.path || '0')"), /* '0' comes
                                                                                       after '/' */
};

struct catalog {
    database *db;
    codec *coder;
};

static const database_kind KIND = {.name = "catalog",
                                   .table = TABLE,
                                   .statements = STATEMENTS,
                                   .statement_count = STATEMENT_COUNT,
                                   .value_bytes_max = VALUE_BYTES_MAX};

static catalog *wrap(database *db)
{
    catalog *made = td_alloc_zero(1, sizeof *made);
    *made = (catalog){.db = db, .coder = codec_open()};
    return made;
}

td_result catalog_open(const char *path, catalog_mode mode, catalog **out, td_err *err)
{
    static const database_mode MODES[] = {[CATALOG_READ] = DATABASE_READ,
                                          [CATALOG_WRITE] = DATABASE_WRITE,
                                          [CATALOG_APPEND] = DATABASE_APPEND};
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
    *out = wrap(db);
    return TD_OK;
}

td_result catalog_open_of(const archive *a, catalog **out, td_err *err)
{
    const char *path = archive_catalog_path(a);
    database *db = NULL;
    *out = NULL;
    if (path == NULL)
        return td_err_set(err, TD_E_NOTFOUND, "'%s' has no catalog", archive_path(a));
    if (!archive_is_url(path))
        return catalog_open(path, CATALOG_READ, out, err);
    td_result rc = database_open_in(&KIND, archive_io(a), path, &db, err);
    if (rc != TD_OK)
        return rc;
    *out = wrap(db);
    return TD_OK;
}

td_result catalog_copy(catalog *c, size_t bytes_max, uint8_t **out, size_t *bytes, td_err *err)
{
    return database_copy(c->db, bytes_max, out, bytes, err);
}

void catalog_close(catalog *c)
{
    if (c == NULL)
        return;
    database_close(c->db);
    codec_close(c->coder);
    td_free(c);
}

td_result catalog_remove(const char *path, td_err *err)
{
    return database_remove(&KIND, path, err);
}

/* ---- rows as bytes ---- */

typedef enum row_field_type {
    FIELD_U16,
    FIELD_U32,
    FIELD_U64,
    FIELD_TEXT,  /* char * */
    FIELD_CHARS, /* an array of char */
    FIELD_BYTES, /* td_bytes */
} row_field_type;

/* A member of a row. In the stored form, a number has 8 bytes, little-endian; a text ends with NUL;
 * before bytes there is a number, their size. */
typedef struct field {
    row_field_type type;
    size_t offset;
    size_t size; /* of the member */
} field;

typedef struct row_kind {
    const field *fields;
    size_t field_count;
} row_kind;

/* Single values of a segment; its lists follow. */
typedef struct segment_row {
    segment_index index; /* without lists */
    uint64_t channel_count, gap_count, conn_count, grant_count, checkpoint_count, chunk_count;
    uint64_t unknown_ns;
    uint64_t chunks_hash; /* of the chunks' bytes, which are loaded separately */
} segment_row;

/* A row of one of the lists, except chunks. */
typedef union list_row {
    segment_channel channel;
    gap_row gap;
    conn_row conn;
    grant_row grant;
    segment_checkpoint checkpoint;
} list_row;

typedef struct chunk_row {
    segment_chunk chunk;
    td_bytes bitmap;
} chunk_row;

#define FIELD(of, type, member)                                                                    \
    {                                                                                              \
        FIELD_##type, offsetof(of, member), sizeof((of *)NULL)->member                             \
    }

static const field SEGMENT_FIELDS[] = {
    FIELD(segment_row, TEXT, index.path),
    FIELD(segment_row, CHARS, index.session),
    FIELD(segment_row, U64, index.session_start_ns),
    FIELD(segment_row, CHARS, index.feed),
    FIELD(segment_row, CHARS, index.family),
    FIELD(segment_row, CHARS, index.verb),
    FIELD(segment_row, CHARS, index.version),
    FIELD(segment_row, U32, index.number),
    FIELD(segment_row, TEXT, index.previous_segment),
    FIELD(segment_row, CHARS, index.chain_hex),
    FIELD(segment_row, U64, index.file_bytes),
    FIELD(segment_row, U64, index.message_count),
    FIELD(segment_row, U64, index.first_ns),
    FIELD(segment_row, U64, index.last_ns),
    FIELD(segment_row, U64, channel_count),
    FIELD(segment_row, U64, gap_count),
    FIELD(segment_row, U64, conn_count),
    FIELD(segment_row, U64, grant_count),
    FIELD(segment_row, U64, checkpoint_count),
    FIELD(segment_row, U64, unknown_ns),
    FIELD(segment_row, U64, chunk_count),
    FIELD(segment_row, U64, chunks_hash),
};

static const field CHANNEL_FIELDS[] = {
    FIELD(segment_channel, U16, id),
    FIELD(segment_channel, U64, message_count),
    FIELD(segment_channel, U64, first_ns),
    FIELD(segment_channel, U64, last_ns),
    FIELD(segment_channel, TEXT, info.feed),
    FIELD(segment_channel, TEXT, info.family),
    FIELD(segment_channel, U32, info.line),
    FIELD(segment_channel, U32, info.shard),
    FIELD(segment_channel, U32, info.dir),
    FIELD(segment_channel, TEXT, info.topic),
    FIELD(segment_channel, TEXT, info.exchange_topic),
    FIELD(segment_channel, TEXT, info.symbol),
    FIELD(segment_channel, U32, info.opcode),
    FIELD(segment_channel, U32, info.form),
    FIELD(segment_channel, TEXT, info.message_encoding),
};

static const field GAP_FIELDS[] = {
    FIELD(gap_row, U32, reason),      FIELD(gap_row, TEXT, feed),       FIELD(gap_row, U32, line),
    FIELD(gap_row, U32, shard),       FIELD(gap_row, U32, conn),        FIELD(gap_row, TEXT, topic),
    FIELD(gap_row, TEXT, symbol),     FIELD(gap_row, U64, from_ns),     FIELD(gap_row, U64, to_ns),
    FIELD(gap_row, U64, frames_lost), FIELD(gap_row, TEXT, covered_by), FIELD(gap_row, TEXT, cause),
    FIELD(gap_row, TEXT, detail),
};

static const field CONN_FIELDS[] = {
    FIELD(conn_row, U32, line),        FIELD(conn_row, U32, shard),
    FIELD(conn_row, U32, conn),        FIELD(conn_row, U64, since_ns),
    FIELD(conn_row, U64, to_ns),       FIELD(conn_row, U64, frames_in),
    FIELD(conn_row, U64, complete_ns), FIELD(conn_row, U32, is_replaced),
};

static const field GRANT_FIELDS[] = {
    FIELD(grant_row, U64, conn),  FIELD(grant_row, TEXT, topic),  FIELD(grant_row, U64, from_ns),
    FIELD(grant_row, U64, to_ns), FIELD(grant_row, TEXT, source), FIELD(grant_row, TEXT, reason),
};

static const field CHECKPOINT_FIELDS[] = {
    FIELD(segment_checkpoint, U64, at_ns),
    FIELD(segment_checkpoint, U64, offset),
    FIELD(segment_checkpoint, U64, bytes),
};

static const field BRIEF_FIELDS[] = {
    FIELD(segment_brief, TEXT, path),        FIELD(segment_brief, U64, file_bytes),
    FIELD(segment_brief, CHARS, chain_hex),  FIELD(segment_brief, U64, first_in_ns),
    FIELD(segment_brief, U64, last_in_ns),   FIELD(segment_brief, U64, last_ns),
    FIELD(segment_brief, U32, is_capture),   FIELD(segment_brief, U64, channels_hash),
    FIELD(segment_brief, U64, granted_hash), FIELD(segment_brief, U32, has_ended_grants),
    FIELD(segment_brief, U64, gap_count),
};

static const field CHUNK_FIELDS[] = {
    FIELD(chunk_row, U64, chunk.offset),        FIELD(chunk_row, U64, chunk.chunk_bytes),
    FIELD(chunk_row, U64, chunk.index_bytes),   FIELD(chunk_row, U64, chunk.uncompressed_bytes),
    FIELD(chunk_row, U64, chunk.first_ns),      FIELD(chunk_row, U64, chunk.last_ns),
    FIELD(chunk_row, U64, chunk.message_count), FIELD(chunk_row, BYTES, bitmap),
};

#define ROW_KIND(fields)                                                                           \
    {                                                                                              \
        fields, sizeof(fields) / sizeof(fields)[0]                                                 \
    }

static const row_kind SEGMENT_ROW = ROW_KIND(SEGMENT_FIELDS);
static const row_kind CHANNEL_ROW = ROW_KIND(CHANNEL_FIELDS);
static const row_kind GAP_ROW = ROW_KIND(GAP_FIELDS);
static const row_kind CONN_ROW = ROW_KIND(CONN_FIELDS);
static const row_kind GRANT_ROW = ROW_KIND(GRANT_FIELDS);
static const row_kind CHECKPOINT_ROW = ROW_KIND(CHECKPOINT_FIELDS);
static const row_kind BRIEF_ROW = ROW_KIND(BRIEF_FIELDS);
static const row_kind CHUNK_ROW = ROW_KIND(CHUNK_FIELDS);

static void put_number(td_buf *out, uint64_t number)
{
    uint8_t bytes[8];
    td_put_le64(bytes, number);
    td_buf_add(out, bytes, sizeof bytes);
}

static uint64_t number_of(const field *of, const void *at)
{
    if (of->type == FIELD_U16)
        return *(const uint16_t *)at;
    return of->type == FIELD_U32 ? *(const uint32_t *)at : *(const uint64_t *)at;
}

static void put_row(td_buf *out, const row_kind *kind, const void *row)
{
    for (size_t i = 0; i < kind->field_count; i++) {
        const field *of = &kind->fields[i];
        const void *at = (const char *)row + of->offset;
        const td_bytes *bytes = at;
        if (of->type == FIELD_TEXT || of->type == FIELD_CHARS) {
            const char *text = of->type == FIELD_TEXT ? *(const char *const *)at : at;
            td_buf_add(out, text, strlen(text) + 1);
        } else if (of->type == FIELD_BYTES) {
            put_number(out, bytes->size);
            td_buf_add(out, bytes->data, bytes->size);
        } else {
            put_number(out, number_of(of, at));
        }
    }
}

/* Read `size` bytes from the front; 0 if there are fewer. */
static int read_bytes(td_bytes *from, uint64_t size, td_bytes *out)
{
    if (size > from->size)
        return 0;
    *out = td_bytes_of(from->data, (size_t)size);
    *from = td_bytes_of(from->data + size, from->size - (size_t)size);
    return 1;
}

static int read_number(td_bytes *from, uint64_t *out)
{
    td_bytes bytes;
    if (!read_bytes(from, sizeof *out, &bytes))
        return 0;
    *out = td_le64(bytes.data);
    return 1;
}

static int read_text(td_bytes *from, size_t size_max, td_bytes *out)
{
    const uint8_t *end = from->size == 0 ? NULL : memchr(from->data, '\0', from->size);
    return end != NULL && (size_t)(end - from->data) < size_max &&
           read_bytes(from, (uint64_t)(end - from->data) + 1, out);
}

static int read_field(td_bytes *from, const field *of, void *at)
{
    uint64_t number = 0;
    td_bytes bytes;
    if (of->type == FIELD_TEXT || of->type == FIELD_CHARS) {
        if (!read_text(from, of->type == FIELD_CHARS ? of->size : SIZE_MAX, &bytes))
            return 0;
        if (of->type == FIELD_CHARS)
            memcpy(at, bytes.data, bytes.size);
        else
            *(const char **)at = (const char *)bytes.data;
        return 1;
    }
    if (!read_number(from, &number))
        return 0;
    if (of->type == FIELD_BYTES)
        return read_bytes(from, number, at);
    if (of->type == FIELD_U16)
        *(uint16_t *)at = (uint16_t)number;
    else if (of->type == FIELD_U32)
        *(uint32_t *)at = (uint32_t)number;
    else
        *(uint64_t *)at = number;
    return 1;
}

/* Read a row that put_row wrote, and advance `from`. Texts and bytes are not copied. 0 if the bytes
 * are not such a row. */
static int read_row(td_bytes *from, const row_kind *kind, void *row)
{
    for (size_t i = 0; i < kind->field_count; i++)
        if (!read_field(from, &kind->fields[i], (char *)row + kind->fields[i].offset))
            return 0;
    return 1;
}

/* ---- stored values ---- */

/* A value as it is stored: its size, and the value compressed. Questions read rows of many
 * segments, from a store's copy by requests: compressed, they have a sixth of the bytes. */
static void pack_value(catalog *c, td_bytes value, td_buf *out)
{
    const size_t bound = codec_bound(value.size);
    put_number(out, value.size);
    td_buf_grow(out, out->size + bound);
    out->size += codec_compress(c->coder, VALUE_LEVEL, value, out->data + out->size, bound);
}

/* *out: the value, which the caller frees with td_free. 0: the bytes are not a packed value. */
static int unpack_value(catalog *c, td_bytes stored, uint8_t **out, td_bytes *value)
{
    uint64_t size = 0;
    *out = NULL;
    if (!read_number(&stored, &size) || size > VALUE_BYTES_MAX)
        return 0;
    *out = td_alloc((size_t)size + 1);
    *value = td_bytes_of(*out, (size_t)size);
    return codec_expand(c->coder, stored, *out, (size_t)size) == size;
}

/* ---- days: briefs by folder ---- */

/* Length of the segment's folder; 0 if its path has no folder. */
static size_t folder_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path);
}

/* Reads the briefs of a day. */
typedef struct day_reader {
    td_bytes folder;
    uint8_t *unpacked;
    td_bytes rest;
    td_bytes row; /* bytes of the last brief */
    gap_row *gaps;
    size_t gap_capacity;
} day_reader;

static void day_reader_fini(day_reader *day)
{
    td_free(day->unpacked);
    td_free(day->gaps);
}

/* Begin to read a day. 1 if the bytes are as they were written, and belong to this folder. */
static int day_begin(day_reader *day, catalog *c, td_bytes folder, int64_t hash, td_bytes rows)
{
    uint64_t version = 0;
    td_bytes written;
    day->folder = folder;
    td_free(day->unpacked);
    day->unpacked = NULL;
    return (uint64_t)hash == td_xxh64(rows.data, rows.size) &&
           unpack_value(c, rows, &day->unpacked, &day->rest) && read_number(&day->rest, &version) &&
           version == DAY_VERSION && read_text(&day->rest, SIZE_MAX, &written) &&
           td_bytes_equal(td_bytes_of(written.data, written.size - 1), folder);
}

/* The next brief, valid until the next call. 0 at the end, or if the bytes are not a brief. */
static int day_next(day_reader *day, segment_brief *out)
{
    const td_bytes from = day->rest;
    *out = (segment_brief){0};
    if (from.size == 0 || !read_row(&day->rest, &BRIEF_ROW, out) ||
        folder_bytes(out->path) != day->folder.size ||
        memcmp(out->path, day->folder.data, day->folder.size) != 0)
        return 0;
    for (size_t i = 0; i < out->gap_count; i++) {
        gap_row row = {0};
        if (!read_row(&day->rest, &GAP_ROW, &row) || row.reason >= GAP_REASON_COUNT)
            return 0;
        day->gaps = td_array_reach(day->gaps, &day->gap_capacity, i, sizeof day->gaps[0]);
        day->gaps[i] = row;
    }
    out->gaps = day->gaps;
    day->row = td_bytes_of(from.data, from.size - day->rest.size);
    return 1;
}

static void put_brief(td_buf *out, const segment_brief *brief)
{
    put_row(out, &BRIEF_ROW, brief);
    for (size_t i = 0; i < brief->gap_count; i++)
        put_row(out, &GAP_ROW, &brief->gaps[i]);
}

/* Copy the day's rows to out, with this brief inserted or replaced; if brief is NULL, without the
 * brief of the segment at path. Returns the number of briefs. */
static size_t change_day(day_reader *day, const char *path, const segment_brief *brief, td_buf *out)
{
    segment_brief other;
    size_t count = 0;
    int is_put = brief == NULL;
    put_number(out, DAY_VERSION);
    td_buf_add(out, day->folder.data, day->folder.size);
    td_buf_add(out, "", 1);
    while (day_next(day, &other)) {
        int order = strcmp(other.path, path);
        if (order >= 0 && !is_put) {
            put_brief(out, brief);
            is_put = 1;
            count++;
        }
        if (order == 0)
            continue;
        td_buf_add(out, day->row.data, day->row.size);
        count++;
    }
    if (!is_put)
        put_brief(out, brief);
    return count + !is_put;
}

static td_result store_day(catalog *c, td_bytes folder, size_t count, td_bytes rows, td_err *err)
{
    if (rows.size > VALUE_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "catalog: a day of over %d MiB", VALUE_BYTES_MAX >> 20);
    database_query query =
        database_query_begin(c->db, count == 0 ? STATEMENT_DROP_DAY : STATEMENT_PUT_DAY);
    database_bind_bytes(&query, folder);
    td_buf stored;
    td_buf_init(&stored, SIZE_MAX);
    if (count > 0) {
        pack_value(c, rows, &stored);
        database_bind_i64(&query, (int64_t)td_xxh64(stored.data, stored.size));
        database_bind_blob(&query, stored.data, stored.size);
    }
    td_result rc = database_query_run(&query, err);
    td_buf_fini(&stored);
    return rc;
}

/* Replace the brief of a segment in its day; if brief is NULL, remove it. If the day's rows are not
 * as they were written, all are dropped, so the day's other segments have no briefs. */
static td_result put_in_day(catalog *c, const char *path, const segment_brief *brief, td_err *err)
{
    const td_bytes folder = td_bytes_of(path, folder_bytes(path));
    day_reader day = {.folder = folder};
    td_buf rows;
    size_t count = 0;
    td_buf_init(&rows, SIZE_MAX);
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_DAY);
    database_bind_bytes(&query, folder);
    td_result rc = database_query_next(&query, err);
    int has_day = rc == TD_OK && day_begin(&day, c, folder, database_column_i64(&query, 0),
                                           database_column_blob(&query, 1));
    if (!has_day)
        day.rest = td_bytes_of(NULL, 0);
    if (rc == TD_OK || rc == TD_EOF)
        count = change_day(&day, path, brief, &rows);
    rc = database_query_end(&query, rc);
    if (rc == TD_OK)
        rc = store_day(c, folder, count, td_buf_view(&rows), err);
    day_reader_fini(&day);
    td_buf_fini(&rows);
    return rc;
}

td_result catalog_each_brief(catalog *c, catalog_brief_fn *fn, void *user, td_err *err)
{
    day_reader day = {0};
    segment_brief brief;
    database_query query = database_query_begin(c->db, STATEMENT_EACH_DAY);
    td_result rc;
    while ((rc = database_query_next(&query, err)) == TD_OK) {
        if (!day_begin(&day, c, td_bytes_str(database_column_text(&query, 0)),
                       database_column_i64(&query, 1), database_column_blob(&query, 2)))
            continue;
        while (day_next(&day, &brief))
            fn(user, &brief);
    }
    day_reader_fini(&day);
    return database_query_end(&query, rc);
}

/* ---- writing ---- */

static void put_chunks(const segment_index *index, td_buf *out)
{
    for (size_t i = 0; i < index->chunk_count; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        const chunk_row row = {
            .chunk = *chunk,
            .bitmap = td_bytes_of(index->bitmaps + chunk->bitmap_offset, chunk->bitmap_bytes)};
        put_row(out, &CHUNK_ROW, &row);
    }
}

static void put_lists(const segment_rows *rows, td_bytes chunks, td_buf *out)
{
    const segment_index *index = &rows->index;
    const segment_row row = {.index = *index,
                             .channel_count = index->channel_count,
                             .gap_count = rows->gaps.count,
                             .conn_count = rows->conn_count,
                             .grant_count = rows->grant_count,
                             .checkpoint_count = index->checkpoint_count,
                             .unknown_ns = rows->unknown_ns,
                             .chunk_count = index->chunk_count,
                             .chunks_hash = td_xxh64(chunks.data, chunks.size)};
    put_number(out, VERSION);
    put_row(out, &SEGMENT_ROW, &row);
    for (size_t i = 0; i < index->channel_count; i++)
        put_row(out, &CHANNEL_ROW, &index->channels[i]);
    for (size_t i = 0; i < rows->gaps.count; i++)
        put_row(out, &GAP_ROW, &rows->gaps.rows[i]);
    for (size_t i = 0; i < index->checkpoint_count; i++)
        put_row(out, &CHECKPOINT_ROW, &index->checkpoints[i]);
    for (size_t i = 0; i < rows->conn_count; i++)
        put_row(out, &CONN_ROW, &rows->conns[i]);
    for (size_t i = 0; i < rows->grant_count; i++)
        put_row(out, &GRANT_ROW, &rows->grants[i]);
}

static td_result put_segment(catalog *c, const segment_index *index, td_bytes rows, td_bytes chunks,
                             td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_PUT);
    database_bind_text(&query, index->path);
    database_bind_u64(&query, index->file_bytes);
    database_bind_text(&query, index->chain_hex);
    database_bind_i64(&query, (int64_t)td_xxh64(rows.data, rows.size));
    database_bind_blob(&query, rows.data, rows.size);
    database_bind_blob(&query, chunks.data, chunks.size);
    return database_query_run(&query, err);
}

td_result catalog_put(catalog *c, const segment_rows *rows, td_err *err)
{
    td_buf value, stored_chunks, stored_rows;
    TD_ASSERT(!rows->index.is_open);
    TD_ASSERT(rows->index.depth == INDEX_FULL);
    td_buf_init(&value, SIZE_MAX);
    td_buf_init(&stored_chunks, SIZE_MAX);
    td_buf_init(&stored_rows, SIZE_MAX);
    put_chunks(&rows->index, &value);
    pack_value(c, td_buf_view(&value), &stored_chunks);
    size_t bytes_most = value.size;
    td_buf_clear(&value);
    put_lists(rows, td_buf_view(&stored_chunks), &value);
    pack_value(c, td_buf_view(&value), &stored_rows);
    bytes_most = value.size > bytes_most ? value.size : bytes_most;
    td_buf_fini(&value);
    const segment_brief brief = segment_rows_brief(rows);
    td_result rc =
        bytes_most <= VALUE_BYTES_MAX
            ? database_begin(c->db, err)
            : td_err_set(err, TD_E_LIMIT, "catalog: segment %s: its rows have over %d MiB",
                         rows->index.path, VALUE_BYTES_MAX >> 20);
    if (rc == TD_OK) {
        rc = put_segment(c, &rows->index, td_buf_view(&stored_rows), td_buf_view(&stored_chunks),
                         err);
        if (rc == TD_OK)
            rc = put_in_day(c, brief.path, &brief, err);
        rc = database_end(c->db, rc, err);
    }
    td_buf_fini(&stored_rows);
    td_buf_fini(&stored_chunks);
    return rc;
}

static td_result run(catalog *c, statement which, td_err *err)
{
    database_query query = database_query_begin(c->db, which);
    return database_query_run(&query, err);
}

td_result catalog_drop(catalog *c, const char *path, td_err *err)
{
    td_result rc = database_begin(c->db, err);
    if (rc != TD_OK)
        return rc;
    database_query query = database_query_begin(c->db, STATEMENT_DROP);
    database_bind_text(&query, path);
    rc = database_query_run(&query, err);
    if (rc == TD_OK)
        rc = put_in_day(c, path, NULL, err);
    return database_end(c->db, rc, err);
}

td_result catalog_clear(catalog *c, td_err *err)
{
    td_result rc = database_begin(c->db, err);
    if (rc != TD_OK)
        return rc;
    rc = run(c, STATEMENT_CLEAR, err);
    if (rc == TD_OK)
        rc = run(c, STATEMENT_CLEAR_DAYS, err);
    return database_end(c->db, rc, err);
}

td_result catalog_drop_stray(catalog *c, td_err *err)
{
    return run(c, STATEMENT_DROP_STRAY, err);
}

/* ---- reading ---- */

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
        /* A segment's chain always fits; a longer text matches no segment anyway. */
        (void)snprintf(row->chain_hex, sizeof row->chain_hex, "%s",
                       database_column_text(&query, 2));
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

/* Add a row to its list; 0 if no segment can have such a row: any program may have written it. */
static int add_row(segment_rows *out, const row_kind *kind, const list_row *row)
{
    const segment_index *index = &out->index;
    if (kind == &CONN_ROW)
        return segment_rows_add_conn(out, &row->conn);
    if (kind == &GRANT_ROW)
        return row->grant.conn < out->conn_count && segment_rows_add_grant(out, &row->grant);
    if (kind == &CHECKPOINT_ROW)
        segment_index_add_checkpoint(&out->index, &row->checkpoint);
    else if (kind == &GAP_ROW && row->gap.reason < GAP_REASON_COUNT)
        gap_list_add(&out->gaps, &row->gap);
    else if (kind == &CHANNEL_ROW && row->channel.info.dir <= CHANNEL_EVENT &&
             (index->channel_count == 0 ||
              index->channels[index->channel_count - 1].id < row->channel.id))
        segment_index_add_channel(&out->index, &row->channel);
    else
        return 0;
    return 1;
}

/* out NULL: skip the list. */
static int read_list(td_bytes *from, const row_kind *kind, uint64_t count, segment_rows *out)
{
    for (uint64_t i = 0; i < count; i++) {
        list_row row = {0};
        if (!read_row(from, kind, &row) || (out != NULL && !add_row(out, kind, &row)))
            return 0;
    }
    return 1;
}

static int read_chunks(td_bytes from, uint64_t count, segment_index *out)
{
    for (uint64_t i = 0; i < count; i++) {
        chunk_row row = {0};
        if (!read_row(&from, &CHUNK_ROW, &row) || row.bitmap.size > BITMAP_BYTES_MAX ||
            segment_index_add_chunk(out, &row.chunk, row.bitmap, NULL) != TD_OK)
            return 0;
    }
    return from.size == 0;
}

static td_result wrong_rows(const char *path, const char *what, td_err *err)
{
    return td_err_set(err, TD_E_CORRUPT, "catalog: segment %s: its %s are not as they were written",
                      path, what);
}

/* Load a segment's rows except its chunks into out; *row gets the counts and the chunks' hash. */
static td_result load_rows(catalog *c, const char *path, catalog_part part, segment_row *row,
                           segment_rows *out, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_ROWS);
    database_bind_text(&query, path);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_EOF)
        rc = td_err_set(err, TD_E_NOTFOUND, "segment %s is not in the catalog", path);
    if (rc != TD_OK)
        return database_query_end(&query, rc);
    uint64_t version = 0;
    uint8_t *unpacked = NULL;
    td_bytes bytes = database_column_blob(&query, 3);
    if ((uint64_t)database_column_i64(&query, 2) != td_xxh64(bytes.data, bytes.size) ||
        !unpack_value(c, bytes, &unpacked, &bytes) || !read_number(&bytes, &version) ||
        version != VERSION || !read_row(&bytes, &SEGMENT_ROW, row) ||
        strcmp(row->index.path, path) != 0 ||
        row->index.file_bytes != database_column_u64(&query, 0) ||
        strcmp(row->index.chain_hex, database_column_text(&query, 1)) != 0) {
        row->index = (segment_index){0};
        td_free(unpacked);
        return database_query_end(&query, wrong_rows(path, "rows", err));
    }
    out->index = row->index;
    out->index.depth = INDEX_FULL;
    out->index.path = td_strdup(row->index.path);
    out->index.previous_segment = td_strdup(row->index.previous_segment);
    out->unknown_ns = row->unknown_ns;
    row->index = (segment_index){0};
    segment_rows *lists = part == CATALOG_GRANTS ? NULL : out;
    if (!read_list(&bytes, &CHANNEL_ROW, row->channel_count, lists) ||
        !read_list(&bytes, &GAP_ROW, row->gap_count, lists) ||
        !read_list(&bytes, &CHECKPOINT_ROW, row->checkpoint_count, lists))
        rc = wrong_rows(path, "rows", err);
    if (rc == TD_OK && part != CATALOG_INDEX &&
        (!read_list(&bytes, &CONN_ROW, row->conn_count, out) ||
         !read_list(&bytes, &GRANT_ROW, row->grant_count, out) || bytes.size > 0))
        rc = wrong_rows(path, "rows", err);
    td_free(unpacked);
    return database_query_end(&query, rc);
}

static td_result load_chunks(catalog *c, const segment_row *row, segment_index *out, td_err *err)
{
    uint8_t *unpacked = NULL;
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_CHUNKS);
    database_bind_text(&query, out->path);
    td_result rc = database_query_next(&query, err);
    td_bytes bytes = rc == TD_OK ? database_column_blob(&query, 0) : td_bytes_of(NULL, 0);
    if (rc == TD_EOF || (rc == TD_OK && (td_xxh64(bytes.data, bytes.size) != row->chunks_hash ||
                                         !unpack_value(c, bytes, &unpacked, &bytes) ||
                                         !read_chunks(bytes, row->chunk_count, out))))
        rc = wrong_rows(out->path, "chunks", err);
    td_free(unpacked);
    return database_query_end(&query, rc);
}

td_result catalog_load(catalog *c, const char *path, catalog_part part, segment_rows *out,
                       td_err *err)
{
    segment_row row = {0};
    *out = (segment_rows){0};
    td_result rc = load_rows(c, path, part, &row, out, err);
    if (rc == TD_OK && part == CATALOG_ROWS_AND_CHUNKS)
        rc = load_chunks(c, &row, &out->index, err);
    if (rc != TD_OK)
        segment_rows_fini(out);
    return rc;
}

td_result catalog_check(catalog *c, const char *path, td_err *err)
{
    segment_rows rows;
    td_result rc = catalog_load(c, path, CATALOG_ROWS_AND_CHUNKS, &rows, err);
    if (rc != TD_OK)
        return rc;
    /* The segment's day must have exactly this brief. */
    const segment_brief brief = segment_rows_brief(&rows);
    const td_bytes folder = td_bytes_of(brief.path, folder_bytes(brief.path));
    day_reader day = {0};
    segment_brief found;
    td_buf bytes;
    int has_brief = 0;
    td_buf_init(&bytes, SIZE_MAX);
    put_brief(&bytes, &brief);
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_DAY);
    database_bind_bytes(&query, folder);
    rc = database_query_next(&query, err);
    if (rc == TD_OK &&
        day_begin(&day, c, folder, database_column_i64(&query, 0), database_column_blob(&query, 1)))
        while (!has_brief && day_next(&day, &found))
            has_brief = td_bytes_equal(day.row, td_buf_view(&bytes));
    rc = database_query_end(&query, rc);
    if (rc == TD_OK && !has_brief)
        rc = wrong_rows(path, "short rows", err);
    day_reader_fini(&day);
    td_buf_fini(&bytes);
    segment_rows_fini(&rows);
    return rc;
}

void catalog_hold(catalog *c)
{
    database_hold(c->db);
}

void catalog_release(catalog *c)
{
    database_release(c->db);
}
