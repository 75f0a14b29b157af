#include "regress/baseline.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/database.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "base/limits.h"

/* "TDBL": marks our files among other databases. */
#define APPLICATION_ID 0x5444424c
#define OPEN_SUFFIX    ".open"

enum { ROW_BYTES = 24, BLOCK_BYTES = ROW_BYTES * BASELINE_BLOCK_ROWS, NUMBER_BYTES = 24 };

/* Times are ns since 1970-01-01 UTC. rows: 24 bytes each, three little-endian numbers. checksum of
 * a block: XXH64 over its place, times and rows. meta's `content`: over all streams and the other
 * texts of meta. */
static const char *const SCHEMA[] = {
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE streams (id INTEGER PRIMARY KEY, feed TEXT NOT NULL, topic TEXT NOT NULL, "
    "symbol TEXT NOT NULL, exchange_topic TEXT NOT NULL, rows INTEGER NOT NULL);"
    "CREATE TABLE blocks (stream INTEGER NOT NULL, number INTEGER NOT NULL, "
    "first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, checksum INTEGER NOT NULL, "
    "rows BLOB NOT NULL, PRIMARY KEY (stream, number));",
};
enum { SCHEMA_VERSION = sizeof SCHEMA / sizeof SCHEMA[0] };

typedef enum statement {
    PUT_META,
    GET_META,
    PUT_STREAM,
    GET_STREAMS,
    PUT_BLOCK,
    GET_BLOCK,
    STATEMENT_COUNT,
} statement;

static const char *const STATEMENTS[STATEMENT_COUNT] = {
    [PUT_META] = "INSERT INTO meta (key, value) VALUES (?1, ?2)",
    [GET_META] = "SELECT value FROM meta WHERE key = ?1",
    [PUT_STREAM] = "INSERT INTO streams (id, feed, topic, symbol, exchange_topic, rows) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [GET_STREAMS] = "SELECT id, feed, topic, symbol, exchange_topic, rows FROM streams ORDER BY id",
    [PUT_BLOCK] = "INSERT INTO blocks (stream, number, first_ns, last_ns, checksum, rows) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [GET_BLOCK] = "SELECT first_ns, last_ns, checksum, rows FROM blocks "
                  "WHERE stream = ?1 AND number = ?2",
};

static const database_kind KIND = {.name = "baseline",
                                   .application_id = APPLICATION_ID,
                                   .version = SCHEMA_VERSION,
                                   .schema = SCHEMA,
                                   .statements = STATEMENTS,
                                   .statement_count = STATEMENT_COUNT,
                                   .journal = DATABASE_ROLLBACK,
                                   .value_bytes_max = 1 << 20};

typedef enum meta_key {
    META_CANONICAL,
    META_MEMBERS,
    META_DAMAGED,
    META_VERSION,
    META_DECODER,
    META_SELECTION,
    META_ARCHIVE,
    META_CONTENT, /* the last */
    META_COUNT,
} meta_key;

static const char *const META_KEYS[META_COUNT] = {
    [META_CANONICAL] = "canonical", [META_MEMBERS] = "members", [META_DAMAGED] = "damaged",
    [META_VERSION] = "version",     [META_DECODER] = "decoder", [META_SELECTION] = "selection",
    [META_ARCHIVE] = "archive",     [META_CONTENT] = "content",
};

static const char *const MEMBERS[] = {[CANONICAL_PLAIN] = "plain", [CANONICAL_WHOLE] = "whole"};

/* A stream with its names in one piece of memory. */
typedef struct kept_stream {
    baseline_stream stream;
    char names[];
} kept_stream;

struct baseline {
    database *db;
    char *path;
    char *open_path; /* NULL: it is complete */
    baseline_meta meta;
    char *texts[META_COUNT]; /* of meta */
    kept_stream **by_id;     /* id - 1 */
    kept_stream **sorted;    /* of a complete one */
    size_t stream_count;
    uint8_t *bytes; /* of a block; under the mutex */
    pthread_mutex_t mutex;
};

static td_result damaged(const baseline *b, td_err *err, const char *format, ...) TD_PRINTF(3, 4);
static td_result damaged(const baseline *b, td_err *err, const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args); /* cut if it is too long */
    va_end(args);
    td_err_set(err, TD_E_CORRUPT, "baseline '%s' is damaged: %s", b->path, what);
    td_err_hint(err, "make it again with 'tapedeck regress save'");
    return TD_E_CORRUPT;
}

/* ---- open and close ---- */

static baseline *make(const char *path)
{
    baseline *b = td_alloc_zero(1, sizeof *b);
    b->path = td_strdup(path);
    b->bytes = td_alloc(BLOCK_BYTES);
    pthread_mutex_init(&b->mutex, NULL);
    return b;
}

static void remove_open_file(const baseline *b)
{
    td_err ignored;
    td_result rc = database_remove(&KIND, b->open_path, &ignored);
    (void)rc; /* the next run replaces it */
}

void baseline_close(baseline *b)
{
    if (b == NULL)
        return;
    database_close(b->db);
    if (b->open_path != NULL)
        remove_open_file(b);
    for (size_t i = 0; i < b->stream_count; i++)
        td_free(b->by_id[i]);
    for (size_t i = 0; i < META_COUNT; i++)
        td_free(b->texts[i]);
    td_free(b->by_id);
    td_free(b->sorted);
    td_free(b->bytes);
    td_free(b->path);
    td_free(b->open_path);
    pthread_mutex_destroy(&b->mutex);
    td_free(b);
}

const baseline_meta *baseline_get_meta(const baseline *b)
{
    return &b->meta;
}

const char *baseline_path(const baseline *b)
{
    return b->path;
}

/* 1 if a file says that it is a baseline: SQLite's header has the application's id at byte 68. */
static int is_baseline(const char *path)
{
    enum { ID_AT = 68, HEAD_BYTES = ID_AT + 4 };
    uint8_t head[HEAD_BYTES] = {0};
    td_file *file = NULL;
    td_err ignored;
    if (td_io_open(io_posix(), path, TD_OPEN_READ, &file, &ignored) != TD_OK)
        return 0;
    td_result rc = td_io_read_exact(file, 0, head, sizeof head, &ignored);
    td_io_close(file);
    return rc == TD_OK && memcmp(head, "SQLite format 3", 16) == 0 &&
           head[ID_AT] == (APPLICATION_ID >> 24 & 0xff) &&
           head[ID_AT + 1] == (APPLICATION_ID >> 16 & 0xff) &&
           head[ID_AT + 2] == (APPLICATION_ID >> 8 & 0xff) &&
           head[ID_AT + 3] == (APPLICATION_ID & 0xff);
}

td_result baseline_check_path(const char *path, baseline_existing existing, td_err *err)
{
    uint64_t bytes;
    td_err cause;
    if (td_io_size_at(io_posix(), path, &bytes, &cause) == TD_E_NOTFOUND)
        return TD_OK;
    if (existing == BASELINE_KEEP) {
        td_err_set(err, TD_E_INVALID, "'%s' exists already", path);
        td_err_hint(err, "give --force to replace it, or another name");
        return TD_E_INVALID;
    }
    if (is_baseline(path))
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "'%s' is not replaced: it is not a baseline", path);
    td_err_hint(err, "give another name");
    return TD_E_INVALID;
}

td_result baseline_create(const char *path, const baseline_meta *meta, baseline **out, td_err *err)
{
    baseline *b = make(path);
    size_t bytes = strlen(path) + sizeof OPEN_SUFFIX;
    b->open_path = td_alloc(bytes);
    (void)snprintf(b->open_path, bytes, "%s" OPEN_SUFFIX, path); /* fits */
    b->meta = *meta;
    td_result rc = database_remove(&KIND, b->open_path, err);
    if (rc == TD_OK)
        rc = database_open(&KIND, b->open_path, DATABASE_WRITE, &b->db, err);
    if (rc == TD_OK)
        rc = database_begin(b->db, err);
    if (rc == TD_OK)
        *out = b;
    else
        baseline_close(b);
    return rc;
}

/* ---- streams ---- */

static char *copy_name(char **at, const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = memcpy(*at, name, size);
    *at += size;
    return copy;
}

static kept_stream *keep_stream(baseline *b, const baseline_stream *from)
{
    size_t bytes = strlen(from->feed) + strlen(from->topic) + strlen(from->symbol) +
                   strlen(from->exchange_topic) + 4;
    kept_stream *made = td_alloc_zero(1, sizeof *made + bytes);
    char *at = made->names;
    made->stream = *from;
    made->stream.feed = copy_name(&at, from->feed);
    made->stream.topic = copy_name(&at, from->topic);
    made->stream.symbol = copy_name(&at, from->symbol);
    made->stream.exchange_topic = copy_name(&at, from->exchange_topic);
    b->by_id = td_array_grow(b->by_id, b->stream_count, sizeof(kept_stream *));
    b->by_id[b->stream_count++] = made;
    made->stream.id = (uint32_t)b->stream_count;
    return made;
}

int baseline_compare_names(const baseline_stream *a, const baseline_stream *b)
{
    int order = strcmp(a->feed, b->feed);
    if (order == 0)
        order = strcmp(a->topic, b->topic);
    if (order == 0)
        order = strcmp(a->symbol, b->symbol);
    if (order == 0 && a->topic[0] == '\0')
        order = strcmp(a->exchange_topic, b->exchange_topic);
    return order;
}

static int compare_kept(const void *a, const void *b)
{
    return baseline_compare_names(&(*(kept_stream *const *)a)->stream,
                                  &(*(kept_stream *const *)b)->stream);
}

static void sort_streams(baseline *b)
{
    if (b->stream_count == 0)
        return;
    b->sorted = td_alloc(b->stream_count * sizeof(kept_stream *));
    memcpy(b->sorted, b->by_id, b->stream_count * sizeof(kept_stream *));
    qsort(b->sorted, b->stream_count, sizeof(kept_stream *), compare_kept);
}

size_t baseline_stream_count(const baseline *b)
{
    return b->stream_count;
}

const baseline_stream *baseline_stream_at(const baseline *b, size_t index)
{
    TD_ASSERT(index < b->stream_count);
    return &b->sorted[index]->stream;
}

const baseline_stream *baseline_find_stream(const baseline *b, const baseline_stream *names)
{
    size_t low = 0;
    size_t high = b->stream_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = baseline_compare_names(names, &b->sorted[middle]->stream);
        if (order == 0)
            return &b->sorted[middle]->stream;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- blocks ---- */

static uint64_t sum_block(uint32_t id, uint32_t number, const baseline_block *block, td_bytes rows)
{
    uint8_t seed[40];
    td_put_le64(seed, (uint64_t)id << 32 | number);
    td_put_le64(seed + 8, block->first_ns);
    td_put_le64(seed + 16, block->last_ns);
    td_put_le64(seed + 24, block->count);
    td_put_le64(seed + 32, td_xxh64(rows.data, rows.size));
    return td_xxh64(seed, sizeof seed);
}

static td_bytes pack_rows(const baseline_block *block, uint8_t *out)
{
    for (size_t i = 0; i < block->count; i++) {
        td_put_le64(out + ROW_BYTES * i, block->rows[i].bytes);
        td_put_le64(out + ROW_BYTES * i + 8, block->rows[i].decode);
        td_put_le64(out + ROW_BYTES * i + 16, block->rows[i].book);
    }
    return td_bytes_of(out, ROW_BYTES * block->count);
}

static void unpack_rows(td_bytes from, baseline_row *out)
{
    for (size_t i = 0; i < from.size / ROW_BYTES; i++)
        out[i] = (baseline_row){.bytes = td_le64(from.data + ROW_BYTES * i),
                                .decode = td_le64(from.data + ROW_BYTES * i + 8),
                                .book = td_le64(from.data + ROW_BYTES * i + 16)};
}

td_result baseline_add_stream(baseline *b, const baseline_stream *stream, uint32_t *id, td_err *err)
{
    TD_ASSERT(b->open_path != NULL);
    pthread_mutex_lock(&b->mutex);
    td_result rc = TD_OK;
    if (b->stream_count < LIMIT_REGRESS_STREAMS) {
        kept_stream *made = keep_stream(b, stream);
        made->stream.rows = 0;
        *id = made->stream.id;
    } else {
        rc = td_err_set(err, TD_E_LIMIT, "more than %u streams", LIMIT_REGRESS_STREAMS);
        td_err_hint(err, "select fewer feeds, topics or symbols");
    }
    pthread_mutex_unlock(&b->mutex);
    return rc;
}

td_result baseline_add_block(baseline *b, uint32_t id, uint32_t number, const baseline_block *block,
                             td_err *err)
{
    TD_ASSERT(b->open_path != NULL);
    TD_ASSERT(block->count > 0 && block->count <= BASELINE_BLOCK_ROWS);
    pthread_mutex_lock(&b->mutex);
    TD_ASSERT(id > 0 && id <= b->stream_count);
    kept_stream *of = b->by_id[id - 1];
    TD_ASSERT(of->stream.rows == (uint64_t)number * BASELINE_BLOCK_ROWS);
    const td_bytes rows = pack_rows(block, b->bytes);
    uint64_t sum = sum_block(id, number, block, rows);
    database_query query = database_query_begin(b->db, PUT_BLOCK);
    database_bind_u64(&query, id);
    database_bind_u64(&query, number);
    database_bind_u64(&query, block->first_ns);
    database_bind_u64(&query, block->last_ns);
    database_bind_i64(&query, (int64_t)sum);
    database_bind_blob(&query, rows.data, rows.size);
    td_result rc = database_query_run(&query, err);
    of->stream.rows += block->count;
    pthread_mutex_unlock(&b->mutex);
    return rc == TD_EOF ? TD_OK : rc;
}

/* Under the mutex: the row of a block, unpacked. */
static td_result read_row(baseline *b, const baseline_stream *of, uint32_t number,
                          baseline_row *rows, baseline_block *block, td_err *err)
{
    database_query query = database_query_begin(b->db, GET_BLOCK);
    database_bind_u64(&query, of->id);
    database_bind_u64(&query, number);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_EOF)
        rc = damaged(b, err, "block %u of %s/%s is missing", number, of->feed, of->topic);
    if (rc != TD_OK)
        return database_query_end(&query, rc);
    const td_bytes packed = database_column_blob(&query, 3);
    *block = (baseline_block){.first_ns = database_column_u64(&query, 0),
                              .last_ns = database_column_u64(&query, 1),
                              .count = packed.size / ROW_BYTES,
                              .rows = rows};
    uint64_t left = of->rows - (uint64_t)number * BASELINE_BLOCK_ROWS;
    size_t expected = left < BASELINE_BLOCK_ROWS ? (size_t)left : BASELINE_BLOCK_ROWS;
    if (packed.size != ROW_BYTES * expected ||
        sum_block(of->id, number, block, packed) != (uint64_t)database_column_i64(&query, 2))
        rc =
            damaged(b, err, "the checksum of block %u of %s/%s fails", number, of->feed, of->topic);
    else
        unpack_rows(packed, rows);
    return database_query_end(&query, rc);
}

td_result baseline_read_block(baseline *b, const baseline_stream *of, uint32_t number,
                              baseline_row *rows, baseline_block *block, td_err *err)
{
    if ((uint64_t)number * BASELINE_BLOCK_ROWS >= of->rows)
        return TD_EOF;
    pthread_mutex_lock(&b->mutex);
    td_result rc = read_row(b, of, number, rows, block, err);
    pthread_mutex_unlock(&b->mutex);
    return rc;
}

/* ---- meta ---- */

void baseline_set_damaged(baseline *b)
{
    b->meta.is_damaged = 1;
}

static td_result put_meta(baseline *b, meta_key key, const char *value, td_err *err)
{
    database_query query = database_query_begin(b->db, PUT_META);
    database_bind_text(&query, META_KEYS[key]);
    database_bind_text(&query, value);
    td_result rc = database_query_run(&query, err);
    return rc == TD_EOF ? TD_OK : rc;
}

static uint64_t add_text(uint64_t sum, const char *text)
{
    uint8_t both[16];
    td_put_le64(both, sum);
    td_put_le64(both + 8, td_xxh64(text, strlen(text)));
    return td_xxh64(both, sizeof both);
}

/* Checksum over all streams, and the texts of meta but for the last. */
static void write_content(const baseline *b, const char *const texts[META_COUNT],
                          char out[NUMBER_BYTES])
{
    uint64_t sum = 0;
    for (int key = 0; key < META_CONTENT; key++)
        sum = add_text(sum, texts[key]);
    for (size_t i = 0; i < b->stream_count; i++) {
        const baseline_stream *of = &b->by_id[i]->stream;
        char rows[NUMBER_BYTES];
        (void)snprintf(rows, sizeof rows, "%" PRIu64, of->rows); /* fits */
        const char *const parts[] = {of->feed, of->topic, of->symbol, of->exchange_topic, rows};
        for (size_t part = 0; part < sizeof parts / sizeof *parts; part++)
            sum = add_text(sum, parts[part]);
    }
    (void)snprintf(out, NUMBER_BYTES, "%016" PRIx64, sum); /* fits */
}

static td_result put_all_meta(baseline *b, td_err *err)
{
    char canonical[NUMBER_BYTES];
    char content[NUMBER_BYTES];
    (void)snprintf(canonical, sizeof canonical, "%d", CANONICAL_VERSION); /* fits */
    const char *texts[META_COUNT] = {
        [META_CANONICAL] = canonical,
        [META_MEMBERS] = MEMBERS[b->meta.members],
        [META_DAMAGED] = b->meta.is_damaged ? "yes" : "no",
        [META_VERSION] = b->meta.version,
        [META_DECODER] = b->meta.decoder,
        [META_SELECTION] = b->meta.selection,
        [META_ARCHIVE] = b->meta.archive,
    };
    td_result rc = TD_OK;
    write_content(b, texts, content);
    texts[META_CONTENT] = content;
    for (int key = 0; key < META_COUNT && rc == TD_OK; key++)
        rc = put_meta(b, (meta_key)key, texts[key], err);
    return rc;
}

static td_result put_streams(baseline *b, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < b->stream_count && rc == TD_OK; i++) {
        const baseline_stream *of = &b->by_id[i]->stream;
        database_query query = database_query_begin(b->db, PUT_STREAM);
        database_bind_u64(&query, of->id);
        database_bind_text(&query, of->feed);
        database_bind_text(&query, of->topic);
        database_bind_text(&query, of->symbol);
        database_bind_text(&query, of->exchange_topic);
        database_bind_u64(&query, of->rows);
        rc = database_query_run(&query, err);
        rc = rc == TD_EOF ? TD_OK : rc;
    }
    return rc;
}

static td_result rename_whole(baseline *b, td_err *err)
{
    char folder[LIMIT_PATH_BYTES];
    const char *slash = strrchr(b->path, '/');
    int length = slash == NULL ? 0 : (int)(slash - b->path) + 1;
    if (snprintf(folder, sizeof folder, "%.*s.", length, b->path) >= (int)sizeof folder)
        return td_err_set(err, TD_E_INVALID, "the name '%s' is too long", b->path);
    td_result rc = td_io_rename(io_posix(), b->open_path, b->path, err);
    if (rc != TD_OK)
        return rc;
    td_free(b->open_path);
    b->open_path = NULL;
    return td_io_sync_dir(io_posix(), folder, err);
}

td_result baseline_finish(baseline *b, uint64_t *file_bytes, td_err *err)
{
    TD_ASSERT(b->open_path != NULL);
    td_result rc = put_streams(b, err);
    if (rc == TD_OK)
        rc = put_all_meta(b, err);
    if (rc == TD_OK)
        rc = database_commit(b->db, err);
    if (rc != TD_OK)
        return rc;
    database_close(b->db);
    b->db = NULL;
    rc = rename_whole(b, err);
    if (rc == TD_OK)
        rc = td_io_size_at(io_posix(), b->path, file_bytes, err);
    if (rc == TD_OK)
        rc = database_open(&KIND, b->path, DATABASE_READ, &b->db, err);
    sort_streams(b);
    return rc;
}

static td_result read_meta(baseline *b, td_err *err)
{
    td_result rc = TD_OK;
    for (int key = 0; key < META_COUNT && rc == TD_OK; key++) {
        database_query query = database_query_begin(b->db, GET_META);
        database_bind_text(&query, META_KEYS[key]);
        rc = database_query_next(&query, err);
        if (rc == TD_OK)
            b->texts[key] = td_strdup(database_column_text(&query, 0));
        if (rc == TD_EOF)
            rc = damaged(b, err, "it has no %s", META_KEYS[key]);
        rc = database_query_end(&query, rc);
    }
    if (rc != TD_OK)
        return rc;
    char *const *texts = b->texts;
    b->meta = (baseline_meta){
        .members = strcmp(texts[META_MEMBERS], "whole") == 0 ? CANONICAL_WHOLE : CANONICAL_PLAIN,
        .is_damaged = strcmp(texts[META_DAMAGED], "yes") == 0,
        .version = texts[META_VERSION],
        .decoder = texts[META_DECODER],
        .selection = texts[META_SELECTION],
        .archive = texts[META_ARCHIVE]};
    if (strtoul(texts[META_CANONICAL], NULL, 10) == CANONICAL_VERSION)
        return TD_OK;
    td_err_set(err, TD_E_UNSUPPORTED, "baseline '%s' has hashes of version %s, this program of %d",
               b->path, texts[META_CANONICAL], CANONICAL_VERSION);
    td_err_hint(err, "make it again with 'tapedeck regress save'");
    return TD_E_UNSUPPORTED;
}

static td_result read_streams(baseline *b, td_err *err)
{
    td_result rc = TD_OK;
    database_query query = database_query_begin(b->db, GET_STREAMS);
    while (rc == TD_OK) {
        rc = database_query_next(&query, err);
        if (rc != TD_OK)
            break;
        const baseline_stream row = {.feed = database_column_text(&query, 1),
                                     .topic = database_column_text(&query, 2),
                                     .symbol = database_column_text(&query, 3),
                                     .exchange_topic = database_column_text(&query, 4),
                                     .rows = database_column_u64(&query, 5)};
        if (b->stream_count >= LIMIT_REGRESS_STREAMS ||
            database_column_u64(&query, 0) != b->stream_count + 1)
            rc = damaged(b, err, "stream %zu is missing", b->stream_count + 1);
        else
            (void)keep_stream(b, &row);
    }
    return database_query_end(&query, rc);
}

td_result baseline_open(const char *path, baseline **out, td_err *err)
{
    char content[NUMBER_BYTES];
    uint64_t bytes;
    td_err cause;
    if (td_io_size_at(io_posix(), path, &bytes, &cause) == TD_OK && !is_baseline(path)) {
        td_err_set(err, TD_E_UNSUPPORTED, "'%s' is not a baseline", path);
        td_err_hint(err, "'tapedeck regress save' makes one");
        return TD_E_UNSUPPORTED;
    }
    baseline *b = make(path);
    td_result rc = database_open(&KIND, path, DATABASE_READ, &b->db, err);
    if (rc == TD_OK)
        rc = read_meta(b, err);
    if (rc == TD_OK)
        rc = read_streams(b, err);
    if (rc == TD_OK) {
        write_content(b, (const char *const *)b->texts, content);
        if (strcmp(content, b->texts[META_CONTENT]) != 0)
            rc = damaged(b, err, "the checksum of its streams fails");
    }
    if (rc != TD_OK) {
        baseline_close(b);
        return rc;
    }
    sort_streams(b);
    *out = b;
    return TD_OK;
}
