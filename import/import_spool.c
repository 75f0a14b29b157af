#include "import/import_spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "json/json.h"

enum {
    BLOCK_BYTES = 256 << 10, /* a slot's block is written once it holds this much */
    HEAD_BYTES = 48,         /* of a record in a block, see put_head */
};

/* Where a block of a slot lies in the scratch file. */
typedef struct spool_block {
    uint64_t at;
    size_t size;
} spool_block;

/* One slot's records: blocks in the file, and the one that is being filled or read. */
typedef struct spool_stream {
    td_buf block;
    spool_block *blocks;
    size_t block_count;
    size_t next_block; /* reading: the one to load next */
    size_t read_at;    /* reading: offset of the present record in block */
    uint64_t head_ns;  /* reading: time of the present record */
    uint8_t is_live;   /* reading: there is a present record */
} spool_stream;

struct import_spool {
    td_file *file;
    uint64_t file_bytes;
    spool_stream streams[LIMIT_FEED_SLOTS];
    uint32_t stream_count; /* slots seen so far */
    uint32_t returned;     /* the stream whose record was returned last, or stream_count */
    uint8_t is_reading;
};

td_result import_spool_open(td_io io, const char *folder, import_spool **out, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/tapedeck-import-%ld.tmp", folder, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof path)
        return td_err_set(err, TD_E_LIMIT, "scratch folder '%s': the path is too long", folder);
    import_spool *s = td_alloc_zero(1, sizeof *s);
    for (uint32_t i = 0; i < LIMIT_FEED_SLOTS; i++)
        td_buf_init(&s->streams[i].block, LIMIT_IMPORT_LINE_BYTES + BLOCK_BYTES + LIMIT_URL_BYTES +
                                              HEAD_BYTES + JSON_PADDING_BYTES);
    td_result rc = td_io_open(io, path, TD_OPEN_CREATE, &s->file, err);
    if (rc == TD_OK)
        rc = td_io_unlink(io, path, err); /* so that a crash leaves no file */
    if (rc != TD_OK) {
        import_spool_close(s);
        return td_err_add(err, rc, "scratch file");
    }
    *out = s;
    return TD_OK;
}

void import_spool_close(import_spool *spool)
{
    if (spool == NULL)
        return;
    td_io_close(spool->file);
    for (uint32_t i = 0; i < LIMIT_FEED_SLOTS; i++) {
        td_buf_fini(&spool->streams[i].block);
        td_free(spool->streams[i].blocks);
    }
    td_free(spool);
}

/* Write the stream's block to the file and remember where. */
static td_result flush_block(import_spool *s, spool_stream *stream, td_err *err)
{
    if (stream->block.size == 0)
        return TD_OK;
    stream->blocks = td_array_grow(stream->blocks, stream->block_count, sizeof *stream->blocks);
    td_result rc = td_io_append(s->file, stream->block.data, stream->block.size, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "scratch file of %" PRIu64 " bytes", s->file_bytes);
    stream->blocks[stream->block_count++] =
        (spool_block){.at = s->file_bytes, .size = stream->block.size};
    s->file_bytes += stream->block.size;
    td_buf_clear(&stream->block);
    return TD_OK;
}

/* Layout of a record: effective and own time, line of the file, connection, sizes of URL and data,
 * kind, dir, time source, is_new_conn; then URL and data. */
static void put_head(uint8_t *head, const import_record *record, const import_place *place)
{
    td_put_le64(head, place->effective_ns);
    td_put_le64(head + 8, record->time_ns);
    td_put_le32(head + 16, place->conn);
    td_put_le32(head + 20, (uint32_t)record->url.size);
    td_put_le64(head + 24, record->data.size);
    head[32] = (uint8_t)record->kind;
    head[33] = (uint8_t)record->dir;
    head[34] = (uint8_t)record->time_source;
    head[35] = place->is_new_conn;
}

td_result import_spool_put(import_spool *spool, const import_record *record,
                           const import_place *place, td_err *err)
{
    TD_ASSERT(!spool->is_reading);
    TD_ASSERT(place->slot < LIMIT_FEED_SLOTS);
    spool_stream *stream = &spool->streams[place->slot];
    if (place->slot >= spool->stream_count)
        spool->stream_count = place->slot + 1;
    uint8_t head[HEAD_BYTES] = {0};
    put_head(head, record, place);
    td_result rc = td_buf_append(&stream->block, head, sizeof head, err);
    if (rc == TD_OK)
        rc = td_buf_append(&stream->block, record->url.data, record->url.size, err);
    if (rc == TD_OK)
        rc = td_buf_append(&stream->block, record->data.data, record->data.size, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "sorting a capture");
    return stream->block.size >= BLOCK_BYTES ? flush_block(spool, stream, err) : TD_OK;
}

/* Load the stream's next block; it is live if there was one. */
static td_result load_block(import_spool *s, spool_stream *stream, td_err *err)
{
    stream->is_live = stream->next_block < stream->block_count;
    td_buf_clear(&stream->block);
    if (!stream->is_live)
        return TD_OK;
    spool_block block = stream->blocks[stream->next_block++];
    td_result rc = td_buf_reserve(&stream->block, block.size + JSON_PADDING_BYTES, err);
    if (rc == TD_OK)
        rc = td_io_read_exact(s->file, block.at, stream->block.data, block.size, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "scratch file, block at %" PRIu64, block.at);
    stream->block.size = block.size;
    stream->read_at = 0;
    return TD_OK;
}

/* Look at the record at read_at, loading a block if there is none left in this one. */
static td_result look(import_spool *s, const import_slots *slots, uint32_t index, td_err *err)
{
    spool_stream *stream = &s->streams[index];
    if (stream->read_at == stream->block.size) {
        td_result rc = load_block(s, stream, err);
        if (rc != TD_OK || !stream->is_live)
            return rc;
    }
    TD_ASSERT(stream->block.size - stream->read_at >= HEAD_BYTES);
    uint64_t effective_ns = td_le64(stream->block.data + stream->read_at);
    uint64_t first_ns = import_slots_at(slots, index)->first_ns;
    stream->head_ns = effective_ns > first_ns ? effective_ns : first_ns;
    return TD_OK;
}

static td_result begin_reading(import_spool *s, const import_slots *slots, td_err *err)
{
    for (uint32_t i = 0; i < s->stream_count; i++) {
        td_result rc = flush_block(s, &s->streams[i], err);
        if (rc == TD_OK)
            rc = look(s, slots, i, err);
        if (rc != TD_OK)
            return rc;
    }
    s->is_reading = 1;
    s->returned = s->stream_count;
    return TD_OK;
}

/* Fill record and place from the stream's present record, and step over it. */
static void take_record(spool_stream *stream, import_record *record, import_place *place)
{
    const uint8_t *head = stream->block.data + stream->read_at;
    size_t url_size = td_le32(head + 20);
    size_t data_size = td_le64(head + 24);
    *record = (import_record){.kind = (import_kind)head[32],
                              .dir = (frame_dir)head[33],
                              .time_source = (import_time_source)head[34],
                              .time_ns = td_le64(head + 8),
                              .url = td_bytes_of(head + HEAD_BYTES, url_size),
                              .data = td_bytes_of(head + HEAD_BYTES + url_size, data_size)};
    place->conn = td_le32(head + 16);
    place->is_new_conn = head[35];
    place->effective_ns = stream->head_ns;
    stream->read_at += HEAD_BYTES + url_size + data_size;
    TD_ASSERT(stream->read_at <= stream->block.size);
}

td_result import_spool_next(import_spool *spool, const import_slots *slots, import_record *record,
                            import_place *place, td_err *err)
{
    td_result rc = TD_OK;
    if (!spool->is_reading)
        rc = begin_reading(spool, slots, err);
    else if (spool->returned < spool->stream_count)
        rc = look(spool, slots, spool->returned, err);
    if (rc != TD_OK)
        return rc;
    uint32_t first = spool->stream_count;
    for (uint32_t i = 0; i < spool->stream_count; i++) {
        const spool_stream *stream = &spool->streams[i];
        if (stream->is_live &&
            (first == spool->stream_count || stream->head_ns < spool->streams[first].head_ns))
            first = i;
    }
    spool->returned = first;
    if (first == spool->stream_count)
        return TD_EOF;
    place->slot = first;
    take_record(&spool->streams[first], record, place);
    return TD_OK;
}
