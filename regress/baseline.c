#include "regress/baseline.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "regress/baseline_impl.h"

/* "TDBL": marks our files among other databases. */
#define APPLICATION_ID 0x5444424c

/* Times are ns since 1970-01-01 UTC. Text is never NULL: '' means absent. checksum: 64 bits over
 * the row's other columns, in their order (baseline_sum_*). Statements of a released version never
 * change. */
static const char *const SCHEMA[] = {
    "CREATE TABLE meta (key TEXT PRIMARY KEY, number INTEGER NOT NULL, text TEXT NOT NULL, "
    "checksum INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE streams (id INTEGER PRIMARY KEY, " /* 1, 2, 3 … by their first frames */
    "feed TEXT NOT NULL, topic TEXT NOT NULL, symbol TEXT NOT NULL, exchange_topic TEXT NOT NULL, "
    "family TEXT NOT NULL, has_book INTEGER NOT NULL, frames INTEGER NOT NULL, "
    "decoded INTEGER NOT NULL, undecoded INTEGER NOT NULL, items INTEGER NOT NULL, "
    "snapshots INTEGER NOT NULL, deltas INTEGER NOT NULL, first_ns INTEGER NOT NULL, "
    "last_ns INTEGER NOT NULL, checksum INTEGER NOT NULL);"
    /* place: stream * 2^32 + number. ids: 2 bytes a frame, hashes: 8 bytes, little-endian; they
     * come last, so that the rest is read without them. A block that the reference has: both are
     * empty, and the checksum is over that of the reference's row, and place */
    "CREATE TABLE blocks (place INTEGER PRIMARY KEY, frames INTEGER NOT NULL, "
    "first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, checksum INTEGER NOT NULL, "
    "ids BLOB NOT NULL, hashes BLOB NOT NULL);"
    /* first: frame in its stream. lines: zstd, bytes when uncompressed */
    "CREATE TABLE decodes (stream INTEGER NOT NULL, first INTEGER NOT NULL, "
    "frames INTEGER NOT NULL, bytes INTEGER NOT NULL, lines BLOB NOT NULL, "
    "checksum INTEGER NOT NULL, PRIMARY KEY (stream, first));",
};
enum { SCHEMA_VERSION = sizeof SCHEMA / sizeof SCHEMA[0] };

static const char *const STATEMENTS[STATEMENT_COUNT] = {
    [STATEMENT_PUT_META] =
        "INSERT OR REPLACE INTO meta (key, number, text, checksum) VALUES (?1, ?2, ?3, ?4)",
    [STATEMENT_GET_META] = "SELECT number, text, checksum FROM meta WHERE key = ?1",
    [STATEMENT_PUT_STREAM] =
        "INSERT OR REPLACE INTO streams (id, feed, topic, symbol, exchange_topic, family, "
        "has_book, frames, decoded, undecoded, items, snapshots, deltas, first_ns, last_ns, "
        "checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [STATEMENT_GET_STREAMS] =
        "SELECT id, feed, topic, symbol, exchange_topic, family, has_book, frames, decoded, "
        "undecoded, items, snapshots, deltas, first_ns, last_ns, checksum FROM streams ORDER BY id",
    [STATEMENT_PUT_BLOCK] = "INSERT OR REPLACE INTO blocks (place, frames, first_ns, last_ns, "
                            "checksum, ids, hashes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [STATEMENT_GET_BLOCK] =
        "SELECT frames, first_ns, last_ns, checksum, ids, hashes FROM blocks WHERE place = ?1",
    [STATEMENT_GET_BLOCK_SUM] =
        "SELECT frames, first_ns, last_ns, checksum FROM blocks WHERE place = ?1",
    [STATEMENT_GET_BLOCK_SUMS] = "SELECT checksum FROM blocks ORDER BY place",
    [STATEMENT_FIND_OWN_BLOCK] = "SELECT place FROM blocks WHERE place BETWEEN ?1 AND ?2 "
                                 "AND length(ids) > 0 ORDER BY place LIMIT 1",
    [STATEMENT_PUT_PIECE] = "INSERT INTO decodes (stream, first, frames, bytes, lines, checksum) "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_FIND_PIECE] = "SELECT first, frames, bytes, lines, checksum FROM decodes "
                             "WHERE stream = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1",
    [STATEMENT_SUM_PIECES] = "SELECT coalesce(sum(length(lines)), 0) FROM decodes",
};

static const database_kind KIND = {.name = "baseline",
                                   .application_id = APPLICATION_ID,
                                   .version = SCHEMA_VERSION,
                                   .schema = SCHEMA,
                                   .statements = STATEMENTS,
                                   .statement_count = STATEMENT_COUNT,
                                   .journal = DATABASE_ROLLBACK,
                                   .value_bytes_max = LIMIT_REGRESS_DECODE_BYTES};

/* ---- checksums ---- */

uint64_t baseline_sum_bytes(uint64_t sum, const void *bytes, size_t size)
{
    uint8_t both[16];
    td_put_le64(both, sum);
    td_put_le64(both + 8, td_xxh64(bytes, size));
    return td_xxh64(both, sizeof both);
}

uint64_t baseline_sum_number(uint64_t sum, uint64_t number)
{
    uint8_t bytes[8];
    td_put_le64(bytes, number);
    return baseline_sum_bytes(sum, bytes, sizeof bytes);
}

static uint64_t sum_text(uint64_t sum, const char *text)
{
    return baseline_sum_bytes(sum, text, strlen(text));
}

void baseline_bind_sum(database_query *query, uint64_t sum)
{
    database_bind_i64(query, (int64_t)sum);
}

uint64_t baseline_column_sum(const database_query *query, int column)
{
    return (uint64_t)database_column_i64(query, column);
}

td_result baseline_damage(const baseline *b, td_err *err, const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args); /* cut if it is too long */
    va_end(args);
    td_err_set(err, TD_E_CORRUPT, "baseline '%s' is damaged: %s", database_path(b->db), what);
    td_err_hint(err, "make it again with 'tapedeck regress save'");
    return TD_E_CORRUPT;
}

/* ---- meta ---- */

/* Where the texts of meta are: key in the file, and member. */
static const struct {
    const char *key;
    size_t offset;
} TEXTS[META_TEXTS] = {
    {"version", offsetof(baseline_meta, version)},
    {"decoder", offsetof(baseline_meta, decoder)},
    {"decoder_id", offsetof(baseline_meta, decoder_id)},
    {"selection", offsetof(baseline_meta, selection)},
    {"archive", offsetof(baseline_meta, archive)},
    {"map", offsetof(baseline_meta, map)},
    {"reference", offsetof(baseline_meta, reference)},
};

static const char **text_member(baseline_meta *meta, size_t i)
{
    return (const char **)((char *)meta + TEXTS[i].offset);
}

static td_result set_text(baseline *b, size_t i, const char *text, td_err *err)
{
    char *copy = td_strdup(text == NULL ? "" : text);
    if (copy == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a baseline");
    td_free(b->texts[i]);
    b->texts[i] = copy;
    *text_member(&b->meta, i) = copy;
    return TD_OK;
}

static td_result put_meta(baseline *b, const char *key, uint64_t number, const char *text,
                          td_err *err)
{
    database_query query = database_query_begin(b->db, STATEMENT_PUT_META);
    database_bind_text(&query, key);
    database_bind_u64(&query, number);
    database_bind_text(&query, text);
    baseline_bind_sum(&query, sum_text(baseline_sum_number(sum_text(0, key), number), text));
    return database_query_run(&query, err);
}

static td_result get_meta(baseline *b, const char *key, uint64_t *number, size_t text, td_err *err)
{
    database_query query = database_query_begin(b->db, STATEMENT_GET_META);
    database_bind_text(&query, key);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_OK) {
        const char *found = database_column_text(&query, 1);
        *number = database_column_u64(&query, 0);
        if (sum_text(baseline_sum_number(sum_text(0, key), *number), found) !=
            baseline_column_sum(&query, 2))
            rc = baseline_damage(b, err, "the checksum of '%s' is wrong", key);
        else if (text < META_TEXTS)
            rc = set_text(b, text, found, err);
    }
    int is_absent = rc == TD_EOF;
    rc = database_query_end(&query, rc);
    return rc == TD_OK && is_absent ? TD_EOF : rc;
}

/* What changes while a baseline is made. */
static td_result put_progress(baseline *b, td_err *err)
{
    td_result rc = put_meta(b, "resume_ns", b->meta.resume_ns, "", err);
    if (rc == TD_OK)
        rc = put_meta(b, "is_complete", b->meta.is_complete, "", err);
    if (rc == TD_OK)
        rc = put_meta(b, "content", b->meta.content, "", err);
    if (rc == TD_OK)
        rc = put_meta(b, "segments", b->meta.segments, "", err);
    if (rc == TD_OK)
        rc = put_meta(b, "is_damaged", b->meta.is_damaged, "", err);
    return rc;
}

static td_result put_all_meta(baseline *b, td_err *err)
{
    td_result rc = put_progress(b, err);
    if (rc == TD_OK)
        rc = put_meta(b, "canonical", b->meta.canonical, "", err);
    if (rc == TD_OK)
        rc = put_meta(b, "members", (uint64_t)b->meta.members, "", err);
    if (rc == TD_OK)
        rc = put_meta(b, "is_full", b->meta.is_full, "", err);
    for (size_t i = 0; i < META_TEXTS && rc == TD_OK; i++)
        rc = put_meta(b, TEXTS[i].key, 0, *text_member(&b->meta, i), err);
    return rc;
}

/* The file is made in two steps; a run may be killed between them, or before. */
static td_result refuse_empty(const char *path, td_err *err)
{
    td_err_set(err, TD_E_TRUNCATED, "baseline '%s' is empty: its run was stopped as it began",
               path);
    td_err_hint(err, "give the command that made it again");
    return TD_E_TRUNCATED;
}

static td_result get_all_meta(baseline *b, td_err *err)
{
    static const char *const NUMBERS[] = {"canonical",  "members",   "is_full", "is_complete",
                                          "is_damaged", "resume_ns", "content", "segments"};
    enum { META_NUMBERS = sizeof NUMBERS / sizeof NUMBERS[0] };
    uint64_t found[META_NUMBERS] = {0};
    const char *missing = NULL;
    size_t missing_count = 0;
    for (size_t i = 0; i < META_NUMBERS + META_TEXTS; i++) {
        int is_text = i >= META_NUMBERS;
        uint64_t nothing;
        const char *key = is_text ? TEXTS[i - META_NUMBERS].key : NUMBERS[i];
        td_result rc = get_meta(b, key, is_text ? &nothing : &found[i],
                                is_text ? i - META_NUMBERS : META_TEXTS, err);
        if (rc != TD_OK && rc != TD_EOF)
            return rc;
        missing_count += rc == TD_EOF;
        if (rc == TD_EOF)
            missing = key;
    }
    if (missing_count == META_NUMBERS + META_TEXTS)
        return refuse_empty(database_path(b->db), err);
    if (missing != NULL)
        return baseline_damage(b, err, "it has no '%s'", missing);
    b->meta.canonical = (uint32_t)found[0];
    b->meta.members = found[1] == CANONICAL_WHOLE ? CANONICAL_WHOLE : CANONICAL_PLAIN;
    b->meta.is_full = found[2] != 0;
    b->meta.is_complete = found[3] != 0;
    b->meta.is_damaged = found[4] != 0;
    b->meta.resume_ns = found[5];
    b->meta.content = found[6];
    b->meta.segments = found[7];
    if (found[0] == CANONICAL_VERSION)
        return TD_OK;
    td_err_set(err, TD_E_UNSUPPORTED,
               "baseline '%s': its hashes are of version %" PRIu64
               " of the canonical form, this program's of version %d",
               database_path(b->db), found[0], CANONICAL_VERSION);
    td_err_hint(err, "make it again with 'tapedeck regress save'");
    return TD_E_UNSUPPORTED;
}

/* ---- streams ---- */

static uint64_t names_hash(const char *feed, const char *topic, const char *symbol,
                           const char *exchange_topic)
{
    uint64_t sum = sum_text(sum_text(sum_text(0, feed), topic), symbol);
    return topic[0] == '\0' ? sum_text(sum, exchange_topic) : sum;
}

int baseline_compare_names(const char *feed, const char *topic, const char *symbol,
                           td_bytes exchange_topic, const baseline_stream *with)
{
    int order = strcmp(feed, with->feed);
    if (order == 0)
        order = strcmp(topic, with->topic);
    if (order == 0)
        order = strcmp(symbol, with->symbol);
    if (order == 0 && topic[0] == '\0')
        order = td_bytes_compare(exchange_topic, td_bytes_str(with->exchange_topic));
    return order;
}

static int compare_streams(const void *a, const void *b)
{
    const baseline_stream *left = *(baseline_stream *const *)a;
    return baseline_compare_names(left->feed, left->topic, left->symbol,
                                  td_bytes_str(left->exchange_topic), *(baseline_stream *const *)b);
}

const baseline_stream *baseline_find_stream(const baseline *b, const char *feed, const char *topic,
                                            const char *symbol, const char *exchange_topic)
{
    slot_probe at = slot_probe_of(names_hash(feed, topic, symbol, exchange_topic));
    while (slot_table_next(&b->by_names, &at)) {
        const baseline_stream *found = b->streams[at.row];
        if (baseline_compare_names(feed, topic, symbol, td_bytes_str(exchange_topic), found) == 0)
            return found;
    }
    return NULL;
}

baseline_stream *baseline_stream_of(const baseline *b, uint32_t id)
{
    return id >= 1 && id <= b->stream_count ? b->streams[id - 1] : NULL;
}

baseline_stream *baseline_stream_copy(const baseline_stream *from, td_bytes exchange_topic)
{
    const td_bytes texts[] = {td_bytes_str(from->feed), td_bytes_str(from->topic),
                              td_bytes_str(from->symbol), exchange_topic,
                              td_bytes_str(from->family)};
    const char *copies[sizeof texts / sizeof texts[0]];
    size_t size = sizeof *from;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        size += texts[i].size + 1;
    baseline_stream *made = td_alloc(size);
    if (made == NULL)
        return NULL;
    char *to = (char *)(made + 1);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].size > 0)
            memcpy(to, texts[i].data, texts[i].size);
        to[texts[i].size] = '\0';
        copies[i] = to;
        to += texts[i].size + 1;
    }
    *made = *from;
    made->feed = copies[0];
    made->topic = copies[1];
    made->symbol = copies[2];
    made->exchange_topic = copies[3];
    made->family = copies[4];
    return made;
}

static td_result add_stream(baseline *b, const baseline_stream *stream, baseline_stream **out,
                            td_err *err)
{
    if (b->stream_count == LIMIT_REGRESS_STREAMS) {
        td_err_set(err, TD_E_LIMIT, "baseline '%s': more than %u streams", database_path(b->db),
                   LIMIT_REGRESS_STREAMS);
        td_err_hint(err, "select fewer feeds, topics or symbols");
        return TD_E_LIMIT;
    }
    td_result rc = slot_table_reserve(&b->by_names, b->stream_count + 1, "streams", err);
    if (rc != TD_OK)
        return rc;
    baseline_stream **streams =
        td_array_grow(b->streams, b->stream_count, sizeof(baseline_stream *));
    if (streams != NULL)
        b->streams = streams;
    baseline_stream *made =
        streams == NULL ? NULL : baseline_stream_copy(stream, td_bytes_str(stream->exchange_topic));
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu streams", b->stream_count + 1);
    made->id = (uint32_t)b->stream_count + 1;
    slot_table_put(&b->by_names,
                   names_hash(made->feed, made->topic, made->symbol, made->exchange_topic),
                   b->stream_count);
    b->streams[b->stream_count++] = made;
    *out = made;
    return TD_OK;
}

size_t baseline_stream_count(const baseline *b)
{
    return b->sorted_count;
}

/* Bring sorted up to date. */
static td_result sort_streams(baseline *b, td_err *err)
{
    if (b->sorted_count == b->stream_count)
        return TD_OK;
    baseline_stream **sorted = td_realloc(b->sorted, b->stream_count, sizeof(baseline_stream *));
    if (sorted == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu streams", b->stream_count);
    b->sorted = sorted;
    memcpy(sorted, b->streams, b->stream_count * sizeof(baseline_stream *));
    qsort(sorted, b->stream_count, sizeof(baseline_stream *), compare_streams);
    b->sorted_count = b->stream_count;
    return TD_OK;
}

const baseline_stream *baseline_stream_at(const baseline *b, size_t index)
{
    TD_ASSERT(index < b->sorted_count);
    return b->sorted[index];
}

/* The columns of a stream that are numbers, in their order. */
enum { STREAM_NUMBERS = 9 };

static void stream_numbers(const baseline_stream *s, uint64_t out[STREAM_NUMBERS])
{
    const uint64_t numbers[STREAM_NUMBERS] = {s->has_book,  s->frames,   s->decoded,
                                              s->undecoded, s->items,    s->snapshots,
                                              s->deltas,    s->first_ns, s->last_ns};
    memcpy(out, numbers, sizeof numbers);
}

static uint64_t stream_sum(const baseline_stream *s)
{
    uint64_t numbers[STREAM_NUMBERS];
    uint64_t sum = baseline_sum_number(0, s->id);
    sum = sum_text(sum_text(sum_text(sum, s->feed), s->topic), s->symbol);
    sum = sum_text(sum_text(sum, s->exchange_topic), s->family);
    stream_numbers(s, numbers);
    for (size_t i = 0; i < STREAM_NUMBERS; i++)
        sum = baseline_sum_number(sum, numbers[i]);
    return sum;
}

td_result baseline_put_stream(baseline *b, const baseline_stream *stream, uint32_t *id, td_err *err)
{
    TD_ASSERT(b->access == BASELINE_EXTEND);
    baseline_stream *own = (baseline_stream *)baseline_find_stream(
        b, stream->feed, stream->topic, stream->symbol, stream->exchange_topic);
    td_result rc = own == NULL ? add_stream(b, stream, &own, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    baseline_stream next = *stream;
    next.id = own->id;
    next.feed = own->feed;
    next.topic = own->topic;
    next.symbol = own->symbol;
    next.exchange_topic = own->exchange_topic;
    next.family = own->family;
    next.has_book = own->has_book;
    *own = next;
    *id = own->id;
    database_query query = database_query_begin(b->db, STATEMENT_PUT_STREAM);
    database_bind_u64(&query, own->id);
    database_bind_text(&query, own->feed);
    database_bind_text(&query, own->topic);
    database_bind_text(&query, own->symbol);
    database_bind_text(&query, own->exchange_topic);
    database_bind_text(&query, own->family);
    uint64_t numbers[STREAM_NUMBERS];
    stream_numbers(own, numbers);
    for (size_t i = 0; i < STREAM_NUMBERS; i++)
        database_bind_u64(&query, numbers[i]);
    baseline_bind_sum(&query, stream_sum(own));
    return database_query_run(&query, err);
}

static td_result load_stream(baseline *b, const database_query *query, td_err *err)
{
    const baseline_stream found = {.id = (uint32_t)database_column_u64(query, 0),
                                   .feed = database_column_text(query, 1),
                                   .topic = database_column_text(query, 2),
                                   .symbol = database_column_text(query, 3),
                                   .exchange_topic = database_column_text(query, 4),
                                   .family = database_column_text(query, 5),
                                   .has_book = database_column_u64(query, 6) != 0,
                                   .frames = database_column_u64(query, 7),
                                   .decoded = database_column_u64(query, 8),
                                   .undecoded = database_column_u64(query, 9),
                                   .items = database_column_u64(query, 10),
                                   .snapshots = database_column_u64(query, 11),
                                   .deltas = database_column_u64(query, 12),
                                   .first_ns = database_column_u64(query, 13),
                                   .last_ns = database_column_u64(query, 14)};
    baseline_stream *made;
    if (found.id != b->stream_count + 1 || stream_sum(&found) != baseline_column_sum(query, 15))
        return baseline_damage(b, err, "the checksum of stream %zu is wrong", b->stream_count + 1);
    return add_stream(b, &found, &made, err);
}

static td_result load_streams(baseline *b, td_err *err)
{
    uint64_t count = 0;
    database_query query = database_query_begin(b->db, STATEMENT_GET_STREAMS);
    td_result rc = TD_OK;
    while (rc == TD_OK && (rc = database_query_next(&query, err)) == TD_OK)
        rc = load_stream(b, &query, err);
    rc = database_query_end(&query, rc);
    if (rc == TD_OK)
        rc = get_meta(b, "streams", &count, META_TEXTS, err);
    if (rc == TD_OK && count != b->stream_count)
        rc = baseline_damage(b, err, "it has %zu of %" PRIu64 " streams", b->stream_count, count);
    return rc == TD_OK ? sort_streams(b, err) : rc;
}

/* ---- life ---- */

static td_result make(baseline_access access, baseline **out, td_err *err)
{
    *out = td_alloc_zero(1, sizeof **out);
    if (*out == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a baseline");
    (*out)->access = access;
    td_buf_init(&(*out)->lines, LIMIT_REGRESS_DECODE_BYTES);
    return TD_OK;
}

void baseline_close(baseline *b)
{
    if (b == NULL)
        return;
    database_close(b->db);
    for (size_t i = 0; i < META_TEXTS; i++)
        td_free(b->texts[i]);
    for (size_t i = 0; i < b->stream_count; i++)
        td_free(b->streams[i]);
    td_free(b->streams);
    td_free(b->sorted);
    slot_table_fini(&b->by_names);
    td_buf_fini(&b->lines);
    codec_close(b->coder);
    td_free(b);
}

/* Only what begins as SQLite's files do and has our mark is one of ours. An empty file is what a
 * crash leaves between creating it and its first table. */
static td_result check_mark(const char *path, int *is_empty, td_err *err)
{
    static const uint8_t MAGIC[16] = "SQLite format 3";
    enum { HEAD_BYTES = 100, APPLICATION_AT = 68 };
    uint8_t head[HEAD_BYTES] = {0};
    size_t got = 0;
    td_file *file = NULL;
    td_result rc = td_io_open(io_posix(), path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = td_io_read_at(file, 0, head, sizeof head, &got, err);
    td_io_close(file);
    if (rc == TD_E_NOTFOUND)
        return td_err_set(err, rc, "there is no baseline '%s'", path);
    if (rc != TD_OK)
        return rc;
    const uint8_t *mark = head + APPLICATION_AT;
    uint32_t application =
        (uint32_t)mark[0] << 24 | (uint32_t)mark[1] << 16 | (uint32_t)mark[2] << 8 | mark[3];
    *is_empty = got == 0;
    if (*is_empty || (memcmp(head, MAGIC, sizeof MAGIC) == 0 && application == APPLICATION_ID))
        return TD_OK;
    return td_err_set(err, TD_E_UNSUPPORTED, "'%s' is not a baseline", path);
}

static td_result begin_writing(baseline *b, td_err *err)
{
    td_result rc = database_run_sql(b->db, "PRAGMA locking_mode = EXCLUSIVE", "locking", err);
    return rc == TD_OK ? database_begin(b->db, err) : rc;
}

static td_result create_in(baseline *b, const char *path, const baseline_meta *meta, td_err *err)
{
    td_result rc = database_open(&KIND, path, DATABASE_WRITE, &b->db, err);
    if (rc != TD_OK)
        return rc;
    b->meta = *meta;
    b->meta.canonical = CANONICAL_VERSION;
    b->meta.is_complete = 0;
    b->meta.is_damaged = 0;
    b->meta.resume_ns = 0;
    b->meta.content = 0;
    b->meta.segments = 0;
    for (size_t i = 0; i < META_TEXTS && rc == TD_OK; i++)
        rc = set_text(b, i, *text_member(&b->meta, i), err);
    if (rc == TD_OK)
        rc = begin_writing(b, err);
    if (rc == TD_OK)
        rc = put_all_meta(b, err);
    return rc == TD_OK ? baseline_commit(b, 0, err) : rc;
}

td_result baseline_create(const char *path, const baseline_meta *meta, baseline **out, td_err *err)
{
    *out = NULL;
    int is_empty = 0;
    td_err none;
    td_result rc = check_mark(path, &is_empty, &none);
    if (rc != TD_E_NOTFOUND && !is_empty)
        return td_err_set(err, TD_E_INVALID, "'%s' exists", path);
    baseline *made;
    rc = make(BASELINE_EXTEND, &made, err);
    if (rc == TD_OK)
        rc = create_in(made, path, meta, err);
    if (rc != TD_OK) {
        baseline_close(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

static td_result open_in(baseline *b, const char *path, td_err *err)
{
    int is_empty;
    td_result rc = check_mark(path, &is_empty, err);
    if (rc == TD_OK && is_empty)
        rc = refuse_empty(path, err);
    if (rc == TD_OK)
        rc = database_open(&KIND, path, b->access == BASELINE_READ ? DATABASE_READ : DATABASE_WRITE,
                           &b->db, err);
    if (rc == TD_OK)
        rc = get_all_meta(b, err);
    if (rc == TD_OK)
        rc = load_streams(b, err);
    if (rc == TD_OK && b->access == BASELINE_EXTEND)
        rc = begin_writing(b, err);
    return rc;
}

td_result baseline_open(const char *path, baseline_access access, baseline **out, td_err *err)
{
    *out = NULL;
    baseline *made;
    td_result rc = make(access, &made, err);
    if (rc == TD_OK)
        rc = open_in(made, path, err);
    if (rc == TD_E_BUSY)
        td_err_hint(err, "another tapedeck is writing it: wait until that has ended");
    if (rc != TD_OK) {
        baseline_close(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

td_result baseline_remove(const char *path, td_err *err)
{
    int is_empty;
    td_result rc = check_mark(path, &is_empty, err);
    if (rc == TD_E_NOTFOUND)
        return TD_OK;
    return rc == TD_OK ? database_remove(&KIND, path, err) : rc;
}

const baseline_meta *baseline_get_meta(const baseline *b)
{
    return &b->meta;
}

void baseline_set_reference(baseline *b, baseline *reference)
{
    TD_ASSERT(b->meta.reference[0] != '\0');
    b->reference = reference;
}

void baseline_name_content(const baseline *b, char out[BASELINE_CONTENT_BYTES])
{
    TD_ASSERT(b->meta.is_complete);
    (void)snprintf(out, BASELINE_CONTENT_BYTES, "%016" PRIx64, b->meta.content); /* fits */
}

td_result baseline_get_size(baseline *b, baseline_size *out, td_err *err)
{
    int64_t bytes = 0;
    td_result rc = td_io_size_at(io_posix(), database_path(b->db), &out->file_bytes, err);
    if (rc != TD_OK)
        return rc;
    database_query query = database_query_begin(b->db, STATEMENT_SUM_PIECES);
    rc = database_query_number(&query, &bytes, err);
    out->decode_bytes = (uint64_t)bytes;
    return rc;
}

/* ---- commits ---- */

void baseline_set_damaged(baseline *b)
{
    TD_ASSERT(b->access == BASELINE_EXTEND);
    b->meta.is_damaged = 1;
}

void baseline_set_segments(baseline *b, uint64_t segments)
{
    TD_ASSERT(b->access == BASELINE_EXTEND);
    TD_ASSERT(segments <= INT64_MAX);
    b->meta.segments = segments;
}

static td_result commit(baseline *b, td_err *err)
{
    td_result rc = put_progress(b, err);
    if (rc == TD_OK)
        rc = put_meta(b, "streams", b->stream_count, "", err);
    if (rc == TD_OK)
        rc = database_commit(b->db, err);
    if (rc == TD_OK)
        rc = sort_streams(b, err);
    return rc;
}

td_result baseline_commit(baseline *b, uint64_t resume_ns, td_err *err)
{
    TD_ASSERT(b->access == BASELINE_EXTEND);
    TD_ASSERT(!b->meta.is_complete);
    b->meta.resume_ns = resume_ns;
    td_result rc = commit(b, err);
    return rc == TD_OK ? database_begin(b->db, err) : rc;
}

static td_result sum_content(baseline *b, td_err *err)
{
    uint64_t sum = 0;
    td_result rc = baseline_sum_blocks(b, &sum, err);
    for (size_t i = 0; i < b->stream_count; i++)
        sum = baseline_sum_number(sum, stream_sum(b->streams[i]));
    b->meta.content = sum & INT64_MAX; /* numbers of meta have no sign */
    return rc;
}

td_result baseline_finish(baseline *b, td_err *err)
{
    TD_ASSERT(b->access == BASELINE_EXTEND);
    td_result rc = sum_content(b, err);
    b->meta.is_complete = 1;
    if (rc == TD_OK)
        rc = commit(b, err);
    if (rc == TD_OK) /* the next access to the file lets go of the lock */
        rc = database_run_sql(b->db,
                              "PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sqlite_schema",
                              "unlocking", err);
    b->access = BASELINE_READ;
    return rc;
}
