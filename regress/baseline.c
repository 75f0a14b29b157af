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
#include "book/state_io.h"
#include "base/cli/options.h"
#include "schema/canonical.h"

#define OPEN_SUFFIX ".open"

/* The first and last bytes of a file. */
static const char MAGIC[8] = {'t', 'd', 'b', 'l', 'i', 'n', 'e', '1'};

enum {
    ROW_BYTES = 24,
    BLOCK_HEAD_BYTES = 24, /* checksum of the rest of the block, first_ns, last_ns */
    BLOCK_BYTES = BLOCK_HEAD_BYTES + ROW_BYTES * BASELINE_BLOCK_ROWS,
    TRAILER_BYTES = 32, /* the index's offset, size and checksum; MAGIC */
    INDEX_BYTES_MAX = 1 << 30,
    TEXT_BYTES_MAX = 1 << 20,
};

typedef struct kept_stream {
    baseline_stream stream; /* first: callers get a pointer to it */
    uint64_t *blocks;       /* offsets in the file */
    size_t block_count;
    baseline_block filling; /* rows that are not in the file yet */
} kept_stream;

struct baseline {
    td_file *file;
    uint64_t end; /* size of the file's written part */
    char *path;
    char *open_path; /* NULL once the baseline is complete */
    td_arena *texts; /* names of streams; texts read into meta */
    baseline_meta meta;
    kept_stream **streams; /* sorted once the baseline is complete */
    size_t stream_count;
    uint8_t bytes[BLOCK_BYTES]; /* one block; under the mutex */
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
        (void)rc; /* a leftover file is replaced by the next run */
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

static kept_stream *add_stream(baseline *b)
{
    kept_stream *made = td_arena_alloc(b->texts, sizeof *made);
    *made = (kept_stream){.block_count = 0};
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
    if (b->stream_count < LIMIT_REGRESS_TOPICS) {
        *out = &add_stream(b)->stream;
        **out = baseline_keep_names(b->texts, names);
    } else {
        rc = td_err_set(err, TD_E_LIMIT, "more than %u streams", LIMIT_REGRESS_TOPICS);
        td_err_hint(err, "select fewer feeds, topics or symbols");
    }
    pthread_mutex_unlock(&b->mutex);
    return rc;
}

/* ---- blocks ---- */

/* Writes the pending rows of a stream as a block. */
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
    of->blocks = td_array_grow(of->blocks, of->block_count, sizeof *of->blocks);
    of->blocks[of->block_count++] = b->end;
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

/* Writes a text, or reads it into the baseline's arena. */
static void walk_text(baseline *b, state_io *io, const char **text)
{
    const char *from = *text == NULL ? "" : *text; /* NULL when reading */
    size_t size = state_count(io, strlen(from), TEXT_BYTES_MAX, 1);
    char *kept = td_arena_alloc(b->texts, size + 1);
    if (!state_is_loading(io))
        memcpy(kept, from, size);
    state_raw(io, kept, size);
    kept[size] = '\0';
    *text = kept;
}

static void walk_globs(baseline *b, state_io *io, selection_globs *globs)
{
    size_t count = state_count(io, globs->count, OPTIONS_LIST_MAX, sizeof(uint32_t));
    const char **items = td_arena_alloc(b->texts, count * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        items[i] = state_is_loading(io) ? NULL : globs->items[i];
        walk_text(b, io, &items[i]);
    }
    *globs = (selection_globs){items, count};
}

/* Writes or reads the part of the index before the streams. */
static void walk_meta(baseline *b, state_io *io, size_t *stream_count)
{
    baseline_meta *meta = &b->meta;
    selection *scope = &meta->scope;
    uint32_t canonical = CANONICAL_VERSION;
    state_u32(io, &canonical);
    state_flag(io, &meta->is_damaged);
    walk_text(b, io, &meta->version);
    walk_text(b, io, &meta->decoder);
    walk_text(b, io, &meta->archive);
    walk_globs(b, io, &scope->feeds);
    walk_globs(b, io, &scope->topics);
    walk_globs(b, io, &scope->symbols);
    state_flag(io, &scope->has_from);
    state_u64(io, &scope->from.ns);
    state_flag(io, &scope->has_to);
    state_u64(io, &scope->to.ns);
    scope->from.kind = scope->to.kind = TD_TIME_ABSOLUTE;
    *stream_count = state_count(io, *stream_count, LIMIT_REGRESS_TOPICS, 6 * sizeof(uint32_t));
}

static void walk_stream(baseline *b, state_io *io, kept_stream *of)
{
    walk_text(b, io, &of->stream.feed);
    walk_text(b, io, &of->stream.topic);
    walk_text(b, io, &of->stream.symbol);
    walk_text(b, io, &of->stream.exchange_topic);
    state_u64(io, &of->stream.rows);
    size_t count = state_count(io, of->block_count, UINT32_MAX, sizeof *of->blocks);
    if (state_is_loading(io))
        of->blocks = td_alloc(count * sizeof *of->blocks);
    of->block_count = count;
    for (size_t i = 0; i < count; i++)
        state_u64(io, &of->blocks[i]);
    uint64_t rows = of->stream.rows;
    state_check(io, count == rows / BASELINE_BLOCK_ROWS + (rows % BASELINE_BLOCK_ROWS > 0));
}

/* Writes the index in pieces, because the size of each state is bounded. */
static td_result write_index(baseline *b, td_buf *out, td_err *err)
{
    td_buf piece;
    td_buf_init(&piece, LIMIT_STATE_BYTES);
    state_io io = {.out = &piece};
    size_t count = b->stream_count;
    walk_meta(b, &io, &count);
    td_buf_add(out, piece.data, piece.size);
    for (size_t i = 0; i < count; i++) {
        td_buf_clear(&piece);
        walk_stream(b, &io, b->streams[i]);
        td_buf_add(out, piece.data, piece.size);
    }
    td_buf_fini(&piece);
    return io.is_failed ? td_err_set(err, TD_E_LIMIT, "a stream has too many frames") : TD_OK;
}

td_result baseline_finish(baseline *b, int is_damaged, uint64_t *file_bytes, td_err *err)
{
    TD_ASSERT(b->open_path != NULL);
    b->meta.is_damaged = is_damaged != 0;
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

static td_result read_index(baseline *b, td_bytes bytes, td_err *err)
{
    state_io io = {.in = bytes};
    size_t count = 0;
    if (bytes.size >= 4 && td_le32(bytes.data) != CANONICAL_VERSION) {
        td_err_set(err, TD_E_UNSUPPORTED,
                   "baseline '%s' has hashes of version %u, this program of %d", b->path,
                   td_le32(bytes.data), CANONICAL_VERSION);
        td_err_hint(err, "make it again with 'tapedeck regress save'");
        return TD_E_UNSUPPORTED;
    }
    walk_meta(b, &io, &count);
    for (size_t i = 0; i < count && !io.is_failed; i++)
        walk_stream(b, &io, add_stream(b));
    return io.is_failed || io.in.size > 0 ? damaged(b, err, "its index is malformed") : TD_OK;
}

static td_result read_file(baseline *b, td_err *err)
{
    uint8_t trailer[TRAILER_BYTES];
    char head[sizeof MAGIC];
    uint64_t file_bytes = 0;
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
    rc = td_io_read_exact(b->file, at, bytes, (size_t)size, err);
    if (rc == TD_OK && td_xxh64(bytes, (size_t)size) != td_le64(trailer + 16))
        rc = damaged(b, err, "the checksum of its index fails");
    if (rc == TD_OK)
        rc = read_index(b, td_bytes_of(bytes, (size_t)size), err);
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
