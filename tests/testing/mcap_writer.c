#include "tests/testing/mcap_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "format/mcap_encode.h"
#include "format/mcap_summary.h"

enum { OUT_BYTES = 1 << 20 };

/* A message of the open chunk. */
typedef struct index_entry {
    uint64_t log_ns, offset;
    uint16_t id;
} index_entry;

struct mcap_writer {
    td_file *file;
    mcap_writer_options options;
    codec *coder;
    mcap_summary summary;
    uint16_t schema_count, channel_count;
    td_buf out;        /* not in the file yet */
    uint64_t flushed;  /* bytes in the file */
    uint32_t data_crc; /* of them */
    td_buf raw;        /* records of the open chunk */
    td_buf compressed;
    td_buf entries;      /* index_entry */
    td_buf pack, record; /* maps and records while they are encoded */
    uint8_t is_finished;
};

/* File offset of what is appended next. */
static uint64_t position(const mcap_writer *w)
{
    return w->flushed + w->out.size;
}

/* Hand the buffered bytes to the file; the data section's CRC goes on over them. */
static td_result write_out(mcap_writer *w, td_err *err)
{
    td_result rc = td_io_append(w->file, w->out.data, w->out.size, err);
    if (rc != TD_OK)
        return rc;
    w->data_crc = td_crc32(w->data_crc, w->out.data, w->out.size);
    w->flushed += w->out.size;
    td_buf_clear(&w->out);
    return TD_OK;
}

/* A megabyte at a time: memory is bounded, and calls are few. */
static td_result write_out_if_large(mcap_writer *w, td_err *err)
{
    return w->out.size >= OUT_BYTES ? write_out(w, err) : TD_OK;
}

static void begin(mcap_writer *w)
{
    mcap_header header = {.profile = td_bytes_str(w->options.profile),
                          .library = td_bytes_str(w->options.library)};
    mcap_encode_magic(&w->out);
    mcap_encode_header(&w->out, &header);
}

td_result mcap_writer_open(td_io io, const char *path, const mcap_writer_options *options,
                           mcap_writer **out, td_err *err)
{
    *out = NULL;
    mcap_writer *w = td_alloc_zero(1, sizeof *w);
    w->options = *options;
    if (w->options.level == 0)
        w->options.level = 1;
    if (w->options.chunk_bytes == 0)
        w->options.chunk_bytes = LIMIT_CHUNK_TARGET_BYTES;
    mcap_summary_init(&w->summary);
    td_buf_init(&w->out, 2 * SUMMARY_BYTES_MAX);
    td_buf_init(&w->raw, LIMIT_CHUNK_BYTES);
    td_buf_init(&w->compressed, 2 * LIMIT_CHUNK_BYTES);
    td_buf_init(&w->entries, LIMIT_CHUNK_BYTES);
    td_buf_init(&w->pack, LIMIT_RECORD_BYTES);
    td_buf_init(&w->record, LIMIT_RECORD_BYTES);
    w->coder = codec_open();
    td_result rc = td_io_open(io, path, TD_OPEN_CREATE, &w->file, err);
    begin(w);
    if (rc != TD_OK) {
        mcap_writer_close(w);
        return td_err_add(err, rc, "file %s", path);
    }
    *out = w;
    return TD_OK;
}

void mcap_writer_close(mcap_writer *writer)
{
    if (writer == NULL)
        return;
    td_io_close(writer->file);
    codec_close(writer->coder);
    mcap_summary_fini(&writer->summary);
    td_buf_fini(&writer->out);
    td_buf_fini(&writer->raw);
    td_buf_fini(&writer->compressed);
    td_buf_fini(&writer->entries);
    td_buf_fini(&writer->pack);
    td_buf_fini(&writer->record);
    td_free(writer);
}

/* Where schemas, channels and messages go. */
static td_buf *records_of(mcap_writer *w)
{
    return w->options.layout == MCAP_CHUNKED ? &w->raw : &w->out;
}

/* Message indexes list a channel's messages by time; log times need not rise in the file. */
static int by_id_and_time(const void *a, const void *b)
{
    const index_entry *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    if (x->log_ns != y->log_ns)
        return x->log_ns < y->log_ns ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The Chunk record; index learns its place and sizes. */
static void append_chunk(mcap_writer *w, mcap_chunk_index *index)
{
    TD_ASSERT(w->raw.size > 0);
    codec_kind kind = w->options.compression;
    td_bytes records = td_buf_view(&w->raw);
    if (kind == CODEC_ZSTD) {
        size_t bound = codec_bound(records.size);
        td_buf_clear(&w->compressed);
        td_buf_grow(&w->compressed, bound);
        w->compressed.size =
            codec_compress(w->coder, w->options.level, records, w->compressed.data, bound);
        records = td_buf_view(&w->compressed);
    }
    mcap_chunk chunk = {.start_ns = index->start_ns,
                        .end_ns = index->end_ns,
                        .uncompressed_bytes = w->raw.size,
                        .uncompressed_crc = td_crc32(0, w->raw.data, w->raw.size),
                        .compression = td_bytes_str(codec_name(kind)),
                        .records = records};
    index->chunk_offset = position(w);
    index->compression = chunk.compression;
    index->compressed_bytes = records.size;
    index->uncompressed_bytes = w->raw.size;
    mcap_encode_chunk(&w->out, &chunk);
    index->chunk_bytes = position(w) - index->chunk_offset;
}

/* One Message Index record: the entries [from, to), all of one channel. */
static void append_index(mcap_writer *w, const index_entry *entries, size_t from, size_t to)
{
    TD_ASSERT(from < to);
    td_buf_clear(&w->record);
    for (size_t i = from; i < to; i++)
        mcap_pack_entry(&w->record, entries[i].log_ns, entries[i].offset);
    mcap_pack_count(&w->pack, entries[from].id, position(w));
    mcap_message_index index = {.channel_id = entries[from].id,
                                .entries = {td_buf_view(&w->record)}};
    mcap_encode_message_index(&w->out, &index);
}

/* One record per channel with a message in the chunk. */
static void append_indexes(mcap_writer *w, mcap_chunk_index *index)
{
    const index_entry *entries = (const index_entry *)(const void *)w->entries.data;
    size_t count = w->entries.size / sizeof *entries;
    uint64_t start = position(w);
    td_buf_clear(&w->pack);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && entries[to].id == entries[from].id; to++) {
        }
        append_index(w, entries, from, to);
    }
    index->index_offsets.bytes = td_buf_view(&w->pack);
    index->index_bytes = position(w) - start;
}

td_result mcap_writer_flush(mcap_writer *writer, td_err *err)
{
    mcap_writer *w = writer;
    if (w->raw.size == 0)
        return TD_OK;
    mcap_chunk_index index = {0};
    index_entry *entries = (index_entry *)(void *)w->entries.data;
    size_t count = w->entries.size / sizeof *entries;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || entries[i].log_ns < index.start_ns)
            index.start_ns = entries[i].log_ns;
        if (entries[i].log_ns > index.end_ns)
            index.end_ns = entries[i].log_ns;
    }
    if (count > 1)
        qsort(entries, count, sizeof *entries, by_id_and_time);
    append_chunk(w, &index);
    append_indexes(w, &index);
    mcap_summary_add_chunk(&w->summary, &index);
    td_buf_clear(&w->raw);
    td_buf_clear(&w->entries);
    return write_out_if_large(w, err);
}

td_result mcap_writer_schema(mcap_writer *writer, td_bytes name, td_bytes encoding, td_bytes data,
                             uint16_t *id, td_err *err)
{
    mcap_writer *w = writer;
    TD_ASSERT(!w->is_finished);
    if (w->schema_count == UINT16_MAX)
        return td_err_set(err, TD_E_LIMIT, "65,535 schemas are there already");
    mcap_schema schema = {
        .id = (uint16_t)(w->schema_count + 1), .name = name, .encoding = encoding, .data = data};
    mcap_encode_schema(&w->summary.schemas, &schema);
    mcap_encode_schema(records_of(w), &schema);
    w->summary.schema_count = ++w->schema_count;
    *id = schema.id;
    return write_out_if_large(w, err);
}

td_result mcap_writer_channel(mcap_writer *writer, td_bytes topic, uint16_t schema_id,
                              td_bytes message_encoding, const mcap_pair *metadata,
                              size_t metadata_count, uint16_t *id, td_err *err)
{
    mcap_writer *w = writer;
    TD_ASSERT(!w->is_finished);
    if (w->channel_count == UINT16_MAX)
        return td_err_set(err, TD_E_LIMIT, "65,535 channels are there already");
    if (schema_id > w->schema_count)
        return td_err_set(err, TD_E_INVALID, "schema %u is not known", schema_id);
    td_buf_clear(&w->pack);
    for (size_t i = 0; i < metadata_count; i++)
        mcap_pack_pair(&w->pack, metadata[i].key, metadata[i].value);
    mcap_channel channel = {.id = (uint16_t)(w->channel_count + 1),
                            .schema_id = schema_id,
                            .topic = topic,
                            .message_encoding = message_encoding,
                            .metadata = {td_buf_view(&w->pack)}};
    mcap_encode_channel(&w->summary.channels, &channel);
    mcap_encode_channel(records_of(w), &channel);
    w->summary.channel_count = ++w->channel_count;
    *id = channel.id;
    return write_out_if_large(w, err);
}

td_result mcap_writer_message(mcap_writer *writer, const mcap_message *message, td_err *err)
{
    mcap_writer *w = writer;
    TD_ASSERT(!w->is_finished);
    if (message->channel_id == 0 || message->channel_id > w->channel_count)
        return td_err_set(err, TD_E_INVALID, "channel %u is not known", message->channel_id);
    if (message->data.size > LIMIT_FRAME_BYTES)
        return td_err_set(err, TD_E_LIMIT, "message of %zu bytes: limit %zu", message->data.size,
                          LIMIT_FRAME_BYTES);
    td_result rc = TD_OK;
    if (w->raw.size >= w->options.chunk_bytes)
        rc = mcap_writer_flush(w, err);
    index_entry entry = {
        .log_ns = message->log_ns, .offset = w->raw.size, .id = message->channel_id};
    if (rc != TD_OK)
        return rc;
    if (w->options.layout == MCAP_CHUNKED)
        td_buf_add(&w->entries, &entry, sizeof entry);
    mcap_encode_message(records_of(w), message);
    mcap_summary_count_messages(&w->summary, message->channel_id, 1, message->log_ns,
                                message->log_ns);
    return write_out_if_large(w, err);
}

td_result mcap_writer_attachment(mcap_writer *writer, const mcap_attachment *attachment,
                                 td_err *err)
{
    mcap_writer *w = writer;
    TD_ASSERT(!w->is_finished);
    td_result rc = mcap_writer_flush(w, err);
    mcap_encode_attachment(&w->out, attachment);
    w->summary.attachment_count++;
    return rc == TD_OK ? write_out_if_large(w, err) : rc;
}

td_result mcap_writer_metadata(mcap_writer *writer, td_bytes name, const mcap_pair *pairs,
                               size_t pair_count, td_err *err)
{
    mcap_writer *w = writer;
    TD_ASSERT(!w->is_finished);
    td_result rc = mcap_writer_flush(w, err);
    td_buf_clear(&w->pack);
    for (size_t i = 0; i < pair_count; i++)
        mcap_pack_pair(&w->pack, pairs[i].key, pairs[i].value);
    mcap_metadata metadata = {.name = name, .pairs = {td_buf_view(&w->pack)}};
    mcap_metadata_index index = {.offset = position(w), .name = name};
    mcap_encode_metadata(&w->out, &metadata);
    index.length = position(w) - index.offset;
    mcap_summary_add_metadata(&w->summary, &index);
    return rc == TD_OK ? write_out_if_large(w, err) : rc;
}

td_result mcap_writer_private(mcap_writer *writer, uint8_t opcode, td_bytes content, td_err *err)
{
    mcap_writer *w = writer;
    TD_ASSERT(!w->is_finished);
    TD_ASSERT(opcode >= MCAP_PRIVATE_FIRST);
    td_result rc = mcap_writer_flush(w, err);
    mcap_encode_raw(&w->out, opcode, content);
    return rc == TD_OK ? write_out_if_large(w, err) : rc;
}

td_result mcap_writer_finish(mcap_writer *writer, td_err *err)
{
    mcap_writer *w = writer;
    TD_ASSERT(!w->is_finished);
    td_result rc = mcap_writer_flush(w, err);
    if (rc == TD_OK)
        rc = write_out(w, err);
    if (rc == TD_OK) {
        mcap_summary_append_end(&w->summary, &w->out, w->flushed, w->data_crc);
        rc = write_out(w, err);
    }
    if (rc == TD_OK)
        rc = td_io_sync(w->file, err);
    w->is_finished = 1;
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "end of the MCAP file");
}
