#include "regress/baseline.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "json/json.h"
#include "json/json_write.h"
#include "schema/canonical.h"

#define OPEN_SUFFIX ".open"

/* A file begins and ends with this. */
static const char MAGIC[8] = {'t', 'd', 'b', 'l', 'i', 'n', 'e', '1'};

enum {
    ROW_BYTES = 24,
    BLOCK_HEAD_BYTES = 24, /* checksum of what follows, first_ns, last_ns */
    BLOCK_BYTES = BLOCK_HEAD_BYTES + ROW_BYTES * BASELINE_BLOCK_ROWS,
    TRAILER_BYTES = 32, /* the index: where it is, its size and checksum; MAGIC */
    INDEX_BYTES_MAX = 1 << 30,
};

typedef struct kept_stream {
    baseline_stream stream; /* first: what callers have */
    uint64_t *blocks;       /* their offsets */
    size_t block_count;
    baseline_block filling; /* frames that are not written yet */
} kept_stream;

struct baseline {
    td_file *file;
    uint64_t end; /* of what was written */
    char *path;
    char *open_path; /* NULL: it is complete */
    td_arena *texts; /* names of streams; what was read of meta */
    baseline_meta meta;
    kept_stream **streams; /* sorted once it is complete */
    size_t stream_count;
    uint8_t bytes[BLOCK_BYTES]; /* of a block; under the mutex */
    pthread_mutex_t mutex;
};

static td_result damaged(const baseline *b, td_err *err, const char *what)
{
    td_err_set(err, TD_E_CORRUPT, "baseline '%s' is damaged: %s", b->path, what);
    td_err_hint(err, "make it again with 'tapedeck regress save'");
    return TD_E_CORRUPT;
}

/* ---- open and close ---- */

static baseline *make(const char *path)
{
    baseline *b = td_alloc_zero(1, sizeof *b);
    b->path = td_strdup(path);
    b->texts = td_arena_open();
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
        td_free(b->streams[i]->blocks);
        td_free(b->streams[i]->filling.rows);
    }
    td_free(b->streams);
    td_free(b->path);
    td_free(b->open_path);
    td_arena_close(b->texts);
    pthread_mutex_destroy(&b->mutex);
    td_free(b);
}

const baseline_meta *baseline_get_meta(const baseline *b)
{
    return &b->meta;
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

static const char *keep_text(td_arena *in, const char *text)
{
    return td_arena_copy(in, text, strlen(text) + 1);
}

baseline_stream baseline_keep_names(td_arena *in, const baseline_stream *names)
{
    return (baseline_stream){.feed = keep_text(in, names->feed),
                             .topic = keep_text(in, names->topic),
                             .symbol = keep_text(in, names->symbol),
                             .exchange_topic = keep_text(in, names->exchange_topic)};
}

static kept_stream *keep_stream(baseline *b, const baseline_stream *names)
{
    kept_stream *made = td_arena_alloc(b->texts, sizeof *made);
    *made = (kept_stream){.stream = baseline_keep_names(b->texts, names)};
    b->streams = td_array_grow(b->streams, b->stream_count, sizeof(kept_stream *));
    b->streams[b->stream_count++] = made;
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
    if (b->stream_count > 0)
        qsort(b->streams, b->stream_count, sizeof(kept_stream *), compare_kept);
}

size_t baseline_stream_count(const baseline *b)
{
    return b->stream_count;
}

const baseline_stream *baseline_stream_at(const baseline *b, size_t index)
{
    TD_ASSERT(index < b->stream_count);
    return &b->streams[index]->stream;
}

const baseline_stream *baseline_find_stream(const baseline *b, const baseline_stream *names)
{
    const kept_stream wanted = {.stream = *names};
    const kept_stream *key = &wanted;
    if (b->stream_count == 0)
        return NULL;
    kept_stream **same =
        bsearch(&key, b->streams, b->stream_count, sizeof(kept_stream *), compare_kept);
    if (same != NULL)
        return &(*same)->stream;
    for (size_t i = 0; i < b->stream_count && names->exchange_topic[0] != '\0'; i++) {
        const baseline_stream *at = &b->streams[i]->stream;
        if ((at->topic[0] == '\0') != (names->topic[0] == '\0') &&
            strcmp(at->feed, names->feed) == 0 &&
            strcmp(at->exchange_topic, names->exchange_topic) == 0)
            return at;
    }
    return NULL;
}

td_result baseline_add_stream(baseline *b, const baseline_stream *names, baseline_stream **out,
                              td_err *err)
{
    TD_ASSERT(b->open_path != NULL);
    pthread_mutex_lock(&b->mutex);
    td_result rc = TD_OK;
    if (b->stream_count < LIMIT_REGRESS_STREAMS) {
        *out = &keep_stream(b, names)->stream;
    } else {
        rc = td_err_set(err, TD_E_LIMIT, "more than %u streams", LIMIT_REGRESS_STREAMS);
        td_err_hint(err, "select fewer feeds, topics or symbols");
    }
    pthread_mutex_unlock(&b->mutex);
    return rc;
}

/* ---- blocks ---- */

static void add_offset(kept_stream *of, uint64_t at)
{
    of->blocks = td_array_grow(of->blocks, of->block_count, sizeof *of->blocks);
    of->blocks[of->block_count++] = at;
}

/* Write what a stream has. */
static td_result write_block(baseline *b, kept_stream *of, td_err *err)
{
    baseline_block *block = &of->filling;
    size_t size = BLOCK_HEAD_BYTES + ROW_BYTES * block->count;
    pthread_mutex_lock(&b->mutex);
    td_put_le64(b->bytes + 8, block->first_ns);
    td_put_le64(b->bytes + 16, block->last_ns);
    for (size_t i = 0; i < block->count; i++) {
        uint8_t *row = b->bytes + BLOCK_HEAD_BYTES + ROW_BYTES * i;
        td_put_le64(row, block->rows[i].bytes);
        td_put_le64(row + 8, block->rows[i].decode);
        td_put_le64(row + 16, block->rows[i].book);
    }
    td_put_le64(b->bytes, td_xxh64(b->bytes + 8, size - 8));
    add_offset(of, b->end);
    of->stream.rows += block->count;
    block->count = 0;
    b->end += size;
    td_result rc = td_io_append(b->file, b->bytes, size, err);
    pthread_mutex_unlock(&b->mutex);
    return rc;
}

td_result baseline_add_row(baseline *b, baseline_stream *of, const baseline_row *row,
                           uint64_t recv_ns, td_err *err)
{
    TD_ASSERT(b->open_path != NULL);
    kept_stream *kept = (kept_stream *)of;
    baseline_block *block = &kept->filling;
    if (block->rows == NULL)
        block->rows = td_alloc(BASELINE_BLOCK_ROWS * sizeof *block->rows);
    if (block->count == 0)
        block->first_ns = recv_ns;
    block->last_ns = recv_ns;
    block->rows[block->count++] = *row;
    return block->count < BASELINE_BLOCK_ROWS ? TD_OK : write_block(b, kept, err);
}

td_result baseline_read_block(baseline *b, const baseline_stream *of, uint32_t number,
                              baseline_block *out, td_err *err)
{
    const kept_stream *kept = (const kept_stream *)of;
    char what[64];
    if (number >= kept->block_count)
        return TD_EOF;
    uint64_t left = of->rows - (uint64_t)number * BASELINE_BLOCK_ROWS;
    out->count = left < BASELINE_BLOCK_ROWS ? (size_t)left : BASELINE_BLOCK_ROWS;
    size_t size = BLOCK_HEAD_BYTES + ROW_BYTES * out->count;
    pthread_mutex_lock(&b->mutex);
    td_result rc = td_io_read_exact(b->file, kept->blocks[number], b->bytes, size, err);
    if (rc == TD_E_TRUNCATED ||
        (rc == TD_OK && td_xxh64(b->bytes + 8, size - 8) != td_le64(b->bytes))) {
        (void)snprintf(what, sizeof what, "the checksum of a block of %s fails", of->topic);
        rc = damaged(b, err, what);
    }
    out->first_ns = td_le64(b->bytes + 8);
    out->last_ns = td_le64(b->bytes + 16);
    for (size_t i = 0; i < out->count; i++) {
        const uint8_t *row = b->bytes + BLOCK_HEAD_BYTES + ROW_BYTES * i;
        out->rows[i] = (baseline_row){td_le64(row), td_le64(row + 8), td_le64(row + 16)};
    }
    pthread_mutex_unlock(&b->mutex);
    return rc;
}

/* ---- the index ---- */

void baseline_set_damaged(baseline *b)
{
    b->meta.is_damaged = 1;
}

static void write_globs(json_writer *json, const char *name, selection_globs globs)
{
    json_write_key(json, name);
    json_write_array_begin(json);
    for (size_t i = 0; i < globs.count; i++)
        json_write_text(json, globs.items[i]);
    json_write_array_end(json);
}

static void write_stream(json_writer *json, const kept_stream *of)
{
    json_write_object_begin(json);
    json_write_member_text(json, "feed", of->stream.feed);
    json_write_member_text(json, "topic", of->stream.topic);
    json_write_member_text(json, "symbol", of->stream.symbol);
    json_write_member_text(json, "exchange_topic", of->stream.exchange_topic);
    json_write_member_u64(json, "frames", of->stream.rows);
    json_write_key(json, "blocks");
    json_write_array_begin(json);
    for (size_t i = 0; i < of->block_count; i++)
        json_write_u64(json, of->blocks[i]);
    json_write_array_end(json);
    json_write_object_end(json);
}

static td_result write_index(const baseline *b, td_buf *out, td_err *err)
{
    const selection *covered = &b->meta.covered;
    json_writer json;
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_u64(&json, "canonical", CANONICAL_VERSION);
    json_write_member_bool(&json, "damaged", b->meta.is_damaged);
    json_write_member_text(&json, "version", b->meta.version);
    json_write_member_text(&json, "decoder", b->meta.decoder);
    json_write_member_text(&json, "archive", b->meta.archive);
    write_globs(&json, "feeds", covered->feeds);
    write_globs(&json, "topics", covered->topics);
    write_globs(&json, "symbols", covered->symbols);
    if (covered->has_from)
        json_write_member_u64(&json, "from_ns", covered->from.ns);
    if (covered->has_to)
        json_write_member_u64(&json, "to_ns", covered->to.ns);
    json_write_key(&json, "streams");
    json_write_array_begin(&json);
    for (size_t i = 0; i < b->stream_count; i++)
        write_stream(&json, b->streams[i]);
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
    td_result rc = TD_OK;
    for (size_t i = 0; i < b->stream_count && rc == TD_OK; i++)
        if (b->streams[i]->filling.count > 0)
            rc = write_block(b, b->streams[i], err);
    if (rc == TD_OK)
        rc = write_index(b, &index, err);
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

static const char *keep_bytes(baseline *b, td_bytes text)
{
    char *kept = td_arena_alloc(b->texts, text.size + 1);
    memcpy(kept, text.data, text.size);
    kept[text.size] = '\0';
    return kept;
}

/* 1 if the member is a text. */
static int read_text(baseline *b, json_value object, const char *key, const char **out)
{
    td_bytes text;
    int is_text = json_find_text(object, key, &text);
    if (is_text)
        *out = keep_bytes(b, text);
    return is_text;
}

static int read_globs(baseline *b, json_value root, const char *key, selection_globs *out)
{
    json_value list;
    json_value item;
    td_bytes text;
    if (!json_find(root, key, &list))
        return 0;
    const char **items = td_arena_alloc(b->texts, json_count(list) * sizeof *items);
    *out = (selection_globs){items, 0};
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &item);) {
        if (!json_text(item, &text))
            return 0;
        items[out->count++] = keep_bytes(b, text);
    }
    return 1;
}

static int read_stream(baseline *b, json_value from)
{
    json_value blocks;
    json_value block;
    baseline_stream names;
    uint64_t rows;
    uint64_t at;
    if (!read_text(b, from, "feed", &names.feed) || !read_text(b, from, "topic", &names.topic) ||
        !read_text(b, from, "symbol", &names.symbol) ||
        !read_text(b, from, "exchange_topic", &names.exchange_topic) ||
        !json_find_u64(from, "frames", &rows) || !json_find(from, "blocks", &blocks))
        return 0;
    kept_stream *made = keep_stream(b, &names);
    made->stream.rows = rows;
    for (json_iter it = json_iter_of(blocks); json_next(&it, NULL, &block);) {
        if (!json_u64(block, &at))
            return 0;
        add_offset(made, at);
    }
    return made->block_count == rows / BASELINE_BLOCK_ROWS + (rows % BASELINE_BLOCK_ROWS > 0);
}

static int read_meta(baseline *b, json_value root)
{
    baseline_meta *meta = &b->meta;
    selection *covered = &meta->covered;
    json_value value;
    int is_damaged;
    covered->has_from = (uint8_t)json_find_u64(root, "from_ns", &covered->from.ns);
    covered->has_to = (uint8_t)json_find_u64(root, "to_ns", &covered->to.ns);
    covered->from.kind = covered->to.kind = TD_TIME_ABSOLUTE;
    if (!json_find(root, "damaged", &value) || !json_bool(value, &is_damaged) ||
        !read_text(b, root, "version", &meta->version) ||
        !read_text(b, root, "decoder", &meta->decoder) ||
        !read_text(b, root, "archive", &meta->archive) ||
        !read_globs(b, root, "feeds", &covered->feeds) ||
        !read_globs(b, root, "topics", &covered->topics) ||
        !read_globs(b, root, "symbols", &covered->symbols))
        return 0;
    meta->is_damaged = (uint8_t)is_damaged;
    return 1;
}

static td_result read_index(baseline *b, json_value root, td_err *err)
{
    json_value streams;
    json_value of;
    uint64_t canonical = 0;
    if (!json_find_u64(root, "canonical", &canonical) || !json_find(root, "streams", &streams))
        return damaged(b, err, "its index lacks a member");
    if (canonical != CANONICAL_VERSION) {
        td_err_set(err, TD_E_UNSUPPORTED,
                   "baseline '%s' has hashes of version %" PRIu64 ", this program of %d", b->path,
                   canonical, CANONICAL_VERSION);
        td_err_hint(err, "make it again with 'tapedeck regress save'");
        return TD_E_UNSUPPORTED;
    }
    int is_sound = read_meta(b, root);
    for (json_iter it = json_iter_of(streams); is_sound && json_next(&it, NULL, &of);)
        is_sound = b->stream_count < LIMIT_REGRESS_STREAMS && read_stream(b, of);
    return is_sound ? TD_OK : damaged(b, err, "its index lacks a member");
}

static td_result read_file(baseline *b, td_err *err)
{
    uint8_t trailer[TRAILER_BYTES];
    char head[sizeof MAGIC];
    uint64_t file_bytes = 0;
    json_value root = {0};
    td_result rc = td_io_size(b->file, &file_bytes, err);
    if (rc != TD_OK)
        return rc;
    if (td_io_read_exact(b->file, 0, head, sizeof head, NULL) != TD_OK ||
        memcmp(head, MAGIC, sizeof MAGIC) != 0) {
        td_err_set(err, TD_E_UNSUPPORTED, "'%s' is not a baseline", b->path);
        td_err_hint(err, "'tapedeck regress save' makes one");
        return TD_E_UNSUPPORTED;
    }
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
