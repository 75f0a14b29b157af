#include "regress/baseline.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "json/json.h"
#include "json/json_write.h"

#define OPEN_SUFFIX ".open"

/* A file begins and ends with this. */
static const char MAGIC[8] = {'t', 'd', 'b', 'l', 'i', 'n', 'e', '1'};

enum {
    ROW_BYTES = 24,
    BLOCK_BYTES = ROW_BYTES * BASELINE_BLOCK_ROWS,
    TRAILER_BYTES = 32, /* the index: where it is, its size and checksum; MAGIC */
    INDEX_BYTES_MAX = 1 << 30,
    SUM_BYTES = 17,
};

/* Where a block is. */
typedef struct block_place {
    uint64_t at;
    uint64_t first_ns, last_ns;
    uint64_t sum; /* XXH64 of its rows */
} block_place;

/* A stream with its names in one piece of memory. */
typedef struct kept_stream {
    baseline_stream stream;
    block_place *blocks;
    size_t block_count;
    char names[];
} kept_stream;

struct baseline {
    td_file *file;
    uint64_t end; /* of what was written */
    char *path;
    char *open_path; /* NULL: it is complete */
    baseline_meta meta;
    char *version, *decoder, *selection, *archive; /* of meta, if it was read */
    kept_stream **by_id;                           /* id - 1 */
    kept_stream **sorted;                          /* of a complete one */
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

void baseline_close(baseline *b)
{
    if (b == NULL)
        return;
    td_io_close(b->file);
    if (b->open_path != NULL) {
        td_result rc = td_io_unlink(io_posix(), b->open_path, NULL);
        (void)rc; /* the next run replaces it */
    }
    for (size_t i = 0; i < b->stream_count; i++) {
        td_free(b->by_id[i]->blocks);
        td_free(b->by_id[i]);
    }
    char *const texts[] = {b->version, b->decoder, b->selection, b->archive, b->path, b->open_path};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        td_free(texts[i]);
    td_free(b->by_id);
    td_free(b->sorted);
    td_free(b->bytes);
    pthread_mutex_destroy(&b->mutex);
    td_free(b);
}

const baseline_meta *baseline_get_meta(const baseline *b)
{
    return &b->meta;
}

static int is_baseline(const char *path)
{
    char head[sizeof MAGIC] = {0};
    td_file *file = NULL;
    if (td_io_open(io_posix(), path, TD_OPEN_READ, &file, NULL) != TD_OK)
        return 0;
    td_result rc = td_io_read_exact(file, 0, head, sizeof head, NULL);
    td_io_close(file);
    return rc == TD_OK && memcmp(head, MAGIC, sizeof MAGIC) == 0;
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
    td_result rc = td_io_unlink(io_posix(), b->open_path, err);
    if (rc == TD_OK || rc == TD_E_NOTFOUND)
        rc = td_io_open(io_posix(), b->open_path, TD_OPEN_CREATE, &b->file, err);
    if (rc == TD_OK)
        rc = td_io_append(b->file, MAGIC, sizeof MAGIC, err);
    b->end = sizeof MAGIC;
    if (rc == TD_OK)
        *out = b;
    else
        baseline_close(b);
    return rc;
}

/* ---- streams ---- */

static const char *copy_name(char **at, const char *name)
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
    made->stream = (baseline_stream){.rows = from->rows,
                                     .feed = copy_name(&at, from->feed),
                                     .topic = copy_name(&at, from->topic),
                                     .symbol = copy_name(&at, from->symbol),
                                     .exchange_topic = copy_name(&at, from->exchange_topic)};
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

td_result baseline_add_block(baseline *b, uint32_t id, const baseline_block *block, td_err *err)
{
    TD_ASSERT(b->open_path != NULL);
    TD_ASSERT(block->count > 0 && block->count <= BASELINE_BLOCK_ROWS);
    pthread_mutex_lock(&b->mutex);
    TD_ASSERT(id > 0 && id <= b->stream_count);
    kept_stream *of = b->by_id[id - 1];
    TD_ASSERT(of->stream.rows == of->block_count * BASELINE_BLOCK_ROWS);
    const td_bytes rows = pack_rows(block, b->bytes);
    of->blocks = td_array_grow(of->blocks, of->block_count, sizeof *of->blocks);
    of->blocks[of->block_count++] = (block_place){.at = b->end,
                                                  .first_ns = block->first_ns,
                                                  .last_ns = block->last_ns,
                                                  .sum = td_xxh64(rows.data, rows.size)};
    of->stream.rows += block->count;
    b->end += rows.size;
    td_result rc = td_io_append(b->file, rows.data, rows.size, err);
    pthread_mutex_unlock(&b->mutex);
    return rc;
}

td_result baseline_read_block(baseline *b, const baseline_stream *of, uint32_t number,
                              baseline_row *rows, baseline_block *block, td_err *err)
{
    const kept_stream *kept = b->by_id[of->id - 1];
    if (number >= kept->block_count)
        return TD_EOF;
    const block_place *place = &kept->blocks[number];
    uint64_t left = of->rows - (uint64_t)number * BASELINE_BLOCK_ROWS;
    size_t count = left < BASELINE_BLOCK_ROWS ? (size_t)left : BASELINE_BLOCK_ROWS;
    *block = (baseline_block){
        .first_ns = place->first_ns, .last_ns = place->last_ns, .count = count, .rows = rows};
    pthread_mutex_lock(&b->mutex);
    td_result rc = td_io_read_exact(b->file, place->at, b->bytes, ROW_BYTES * count, err);
    if (rc == TD_E_TRUNCATED ||
        (rc == TD_OK && td_xxh64(b->bytes, ROW_BYTES * count) != place->sum))
        rc =
            damaged(b, err, "the checksum of block %u of %s/%s fails", number, of->feed, of->topic);
    if (rc == TD_OK)
        unpack_rows(td_bytes_of(b->bytes, ROW_BYTES * count), rows);
    pthread_mutex_unlock(&b->mutex);
    return rc;
}

/* ---- the index ---- */

void baseline_set_damaged(baseline *b)
{
    b->meta.is_damaged = 1;
}

static void write_stream(json_writer *json, const kept_stream *of)
{
    char sum[SUM_BYTES];
    json_write_object_begin(json);
    json_write_member_text(json, "feed", of->stream.feed);
    json_write_member_text(json, "topic", of->stream.topic);
    json_write_member_text(json, "symbol", of->stream.symbol);
    json_write_member_text(json, "exchange_topic", of->stream.exchange_topic);
    json_write_member_u64(json, "frames", of->stream.rows);
    json_write_key(json, "blocks");
    json_write_array_begin(json);
    for (size_t i = 0; i < of->block_count; i++) {
        (void)snprintf(sum, sizeof sum, "%016" PRIx64, of->blocks[i].sum); /* fits */
        json_write_object_begin(json);
        json_write_member_u64(json, "at", of->blocks[i].at);
        json_write_member_u64(json, "first_ns", of->blocks[i].first_ns);
        json_write_member_u64(json, "last_ns", of->blocks[i].last_ns);
        json_write_member_text(json, "xxh64", sum);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

static td_result write_index(const baseline *b, td_buf *out, td_err *err)
{
    json_writer json;
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_u64(&json, "canonical", CANONICAL_VERSION);
    json_write_member_bool(&json, "whole", b->meta.members == CANONICAL_WHOLE);
    json_write_member_bool(&json, "damaged", b->meta.is_damaged);
    json_write_member_text(&json, "version", b->meta.version);
    json_write_member_text(&json, "decoder", b->meta.decoder);
    json_write_member_text(&json, "selection", b->meta.selection);
    json_write_member_text(&json, "archive", b->meta.archive);
    json_write_key(&json, "streams");
    json_write_array_begin(&json);
    for (size_t i = 0; i < b->stream_count; i++)
        write_stream(&json, b->by_id[i]);
    json_write_array_end(&json);
    json_write_object_end(&json);
    return json_write_end(&json, err);
}

td_result baseline_finish(baseline *b, uint64_t *file_bytes, td_err *err)
{
    TD_ASSERT(b->open_path != NULL);
    uint8_t trailer[TRAILER_BYTES];
    td_buf index;
    td_buf_init(&index, INDEX_BYTES_MAX);
    td_result rc = write_index(b, &index, err);
    td_put_le64(trailer, b->end);
    td_put_le64(trailer + 8, index.size);
    td_put_le64(trailer + 16, td_xxh64(index.data, index.size));
    memcpy(trailer + 24, MAGIC, sizeof MAGIC);
    *file_bytes = b->end + index.size + sizeof trailer;
    if (rc == TD_OK)
        rc = td_io_append(b->file, index.data, index.size, err);
    if (rc == TD_OK)
        rc = td_io_append(b->file, trailer, sizeof trailer, err);
    if (rc == TD_OK)
        rc = td_io_sync(b->file, err);
    if (rc == TD_OK)
        rc = td_io_publish(io_posix(), b->open_path, b->path, err);
    td_buf_fini(&index);
    if (rc != TD_OK)
        return rc;
    td_free(b->open_path);
    b->open_path = NULL;
    sort_streams(b);
    return TD_OK;
}

/* A copy of a text, for td_free; NULL: absent. */
static char *read_text(json_value object, const char *key)
{
    td_bytes text;
    return json_find_text(object, key, &text) ? td_strndup((const char *)text.data, text.size)
                                              : NULL;
}

static int read_block_place(json_value from, block_place *out)
{
    td_bytes sum;
    char hex[SUM_BYTES] = "";
    if (!json_find_u64(from, "at", &out->at) || !json_find_u64(from, "first_ns", &out->first_ns) ||
        !json_find_u64(from, "last_ns", &out->last_ns) || !json_find_text(from, "xxh64", &sum) ||
        sum.size != sizeof hex - 1)
        return 0;
    memcpy(hex, sum.data, sum.size);
    out->sum = strtoull(hex, NULL, 16);
    return 1;
}

static int read_stream(baseline *b, json_value from)
{
    json_value blocks;
    json_value block;
    baseline_stream row;
    char *const texts[] = {read_text(from, "feed"), read_text(from, "topic"),
                           read_text(from, "symbol"), read_text(from, "exchange_topic")};
    int is_sound = texts[0] != NULL && texts[1] != NULL && texts[2] != NULL && texts[3] != NULL &&
                   json_find_u64(from, "frames", &row.rows) && json_find(from, "blocks", &blocks);
    if (is_sound) {
        row.feed = texts[0];
        row.topic = texts[1];
        row.symbol = texts[2];
        row.exchange_topic = texts[3];
        kept_stream *made = keep_stream(b, &row);
        for (json_iter it = json_iter_of(blocks); is_sound && json_next(&it, NULL, &block);) {
            made->blocks = td_array_grow(made->blocks, made->block_count, sizeof *made->blocks);
            is_sound = read_block_place(block, &made->blocks[made->block_count++]);
        }
        is_sound = is_sound && made->block_count == row.rows / BASELINE_BLOCK_ROWS +
                                                        (row.rows % BASELINE_BLOCK_ROWS > 0);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        td_free(texts[i]);
    return is_sound;
}

static td_result read_index(baseline *b, json_value root, td_err *err)
{
    json_value value;
    json_value of;
    uint64_t canonical = 0;
    int is_whole = 0;
    int is_damaged = 0;
    b->version = read_text(root, "version");
    b->decoder = read_text(root, "decoder");
    b->selection = read_text(root, "selection");
    b->archive = read_text(root, "archive");
    if (!json_find_u64(root, "canonical", &canonical) || !json_find(root, "whole", &value) ||
        !json_bool(value, &is_whole) || !json_find(root, "damaged", &value) ||
        !json_bool(value, &is_damaged) || b->version == NULL || b->decoder == NULL ||
        b->selection == NULL || b->archive == NULL || !json_find(root, "streams", &value))
        return damaged(b, err, "its index lacks a member");
    b->meta = (baseline_meta){.members = is_whole ? CANONICAL_WHOLE : CANONICAL_PLAIN,
                              .is_damaged = (uint8_t)is_damaged,
                              .version = b->version,
                              .decoder = b->decoder,
                              .selection = b->selection,
                              .archive = b->archive};
    if (canonical != CANONICAL_VERSION) {
        td_err_set(err, TD_E_UNSUPPORTED,
                   "baseline '%s' has hashes of version %" PRIu64 ", this program of %d", b->path,
                   canonical, CANONICAL_VERSION);
        td_err_hint(err, "make it again with 'tapedeck regress save'");
        return TD_E_UNSUPPORTED;
    }
    for (json_iter it = json_iter_of(value); json_next(&it, NULL, &of);)
        if (b->stream_count == LIMIT_REGRESS_STREAMS || !read_stream(b, of))
            return damaged(b, err, "stream %zu of its index", b->stream_count);
    return TD_OK;
}

static td_result read_file(baseline *b, td_err *err)
{
    uint8_t trailer[TRAILER_BYTES];
    uint64_t file_bytes = 0;
    json_value root = {0};
    td_result rc = td_io_size(b->file, &file_bytes, err);
    if (rc != TD_OK)
        return rc;
    if (file_bytes < TRAILER_BYTES ||
        td_io_read_exact(b->file, file_bytes - TRAILER_BYTES, trailer, TRAILER_BYTES, err) !=
            TD_OK ||
        memcmp(trailer + 24, MAGIC, sizeof MAGIC) != 0)
        return damaged(b, err, "its end is missing");
    uint64_t at = td_le64(trailer);
    uint64_t size = td_le64(trailer + 8);
    if (size > INDEX_BYTES_MAX || at > file_bytes || size != file_bytes - TRAILER_BYTES - at)
        return damaged(b, err, "its index is not where it should be");
    uint8_t *bytes = td_alloc((size_t)size);
    json_parser *parser = json_parser_open(INDEX_BYTES_MAX);
    rc = td_io_read_exact(b->file, at, bytes, (size_t)size, err);
    if (rc == TD_OK &&
        (td_xxh64(bytes, (size_t)size) != td_le64(trailer + 16) ||
         json_parse(parser, td_bytes_of(bytes, (size_t)size), JSON_COPIED, &root, NULL) != TD_OK))
        rc = damaged(b, err, "the checksum of its index fails");
    if (rc == TD_OK)
        rc = read_index(b, root, err);
    json_parser_close(parser);
    td_free(bytes);
    return rc;
}

td_result baseline_open(const char *path, baseline **out, td_err *err)
{
    baseline *b = make(path);
    td_result rc = td_io_open(io_posix(), path, TD_OPEN_READ, &b->file, err);
    if (rc == TD_OK && !is_baseline(path)) {
        rc = td_err_set(err, TD_E_UNSUPPORTED, "'%s' is not a baseline", path);
        td_err_hint(err, "'tapedeck regress save' makes one");
    }
    if (rc == TD_OK)
        rc = read_file(b, err);
    if (rc != TD_OK) {
        baseline_close(b);
        return rc;
    }
    sort_streams(b);
    *out = b;
    return TD_OK;
}
