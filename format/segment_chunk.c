/* One chunk of a segment, by the reader's list: its records, and the channels of its messages. */
#include "format/segment_reader_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "format/mcap_decode.h"

segment_scratch *segment_scratch_open(void)
{
    segment_scratch *scratch = td_alloc_zero(1, sizeof *scratch);
    td_buf_init(&scratch->bytes, LIMIT_RECORD_BYTES);
    scratch->coder = codec_open();
    return scratch;
}

void segment_scratch_close(segment_scratch *scratch)
{
    if (scratch == NULL)
        return;
    td_buf_fini(&scratch->bytes);
    codec_close(scratch->coder);
    td_free(scratch);
}

/* Read [at, at + size) into out. The file belongs to one thread at a time. */
static td_result read_range(const segment_reader *reader, uint64_t at, uint64_t size, td_buf *out,
                            td_err *err)
{
    TD_ASSERT(out != NULL);
    td_buf_clear(out);
    if (size > LIMIT_RECORD_BYTES)
        return td_err_set(err, TD_E_LIMIT, "%" PRIu64 " bytes at %" PRIu64 ": limit %zu", size, at,
                          LIMIT_RECORD_BYTES);
    td_result rc = td_buf_reserve(out, (size_t)size, err);
    if (rc != TD_OK)
        return rc;
    pthread_mutex_t *lock = (pthread_mutex_t *)&reader->file_lock;
    (void)pthread_mutex_lock(lock); /* cannot fail: initialised, not held by this thread */
    rc = td_io_read_exact(reader->file, at, out->data, (size_t)size, err);
    (void)pthread_mutex_unlock(lock);
    if (rc == TD_OK)
        out->size = (size_t)size;
    return rc;
}

/* JSON parsers read beyond the last frame. */
static void add_padding(td_buf *out)
{
    TD_ASSERT(out->capacity - out->size >= SEGMENT_PADDING_BYTES);
    memset(out->data + out->size, 0, SEGMENT_PADDING_BYTES);
}

/* Read the listed Chunk record again: the file may have changed. */
static td_result read_chunk(const segment_reader *reader, const segment_chunk *chunk,
                            segment_scratch *scratch, td_buf *out, td_err *err)
{
    TD_ASSERT(!chunk->is_run);
    if (chunk->chunk_bytes < MCAP_PREFIX_BYTES)
        return td_err_set(err, TD_E_CORRUPT, "chunk of %" PRIu64 " bytes", chunk->chunk_bytes);
    td_result rc = read_range(reader, chunk->offset, chunk->chunk_bytes, &scratch->bytes, err);
    if (rc != TD_OK)
        return rc;
    const uint8_t *p = scratch->bytes.data;
    TD_ASSERT(p != NULL);
    if (p[0] != MCAP_CHUNK || td_le64(p + 1) != chunk->chunk_bytes - MCAP_PREFIX_BYTES)
        return td_err_set(err, TD_E_CORRUPT, "no chunk of %" PRIu64 " bytes there",
                          chunk->chunk_bytes);
    mcap_chunk record;
    rc = mcap_decode_chunk(
        td_bytes_of(p + MCAP_PREFIX_BYTES, scratch->bytes.size - MCAP_PREFIX_BYTES), &record, err);
    if (rc == TD_OK && reader->info.is_ours && record.uncompressed_crc == 0)
        rc = td_err_set(err, TD_E_CORRUPT, "chunk without CRC");
    if (rc == TD_OK)
        rc = codec_unpack(scratch->coder, &record, SEGMENT_PADDING_BYTES, out, err);
    return rc;
}

td_result segment_reader_read(const segment_reader *reader, uint32_t index,
                              segment_scratch *scratch, td_buf *out, td_err *err)
{
    const segment_chunk *chunk = segment_reader_chunk(reader, index);
    td_buf_clear(out);
    td_result rc;
    if (chunk->is_run) {
        rc = td_buf_reserve(out, (size_t)chunk->chunk_bytes + SEGMENT_PADDING_BYTES, err);
        if (rc == TD_OK)
            rc = read_range(reader, chunk->offset, chunk->chunk_bytes, out, err);
    } else {
        rc = read_chunk(reader, chunk, scratch, out, err);
    }
    if (rc != TD_OK) {
        td_buf_clear(out);
        return td_err_add(err, rc, "chunk at %" PRIu64, chunk->offset);
    }
    add_padding(out);
    return TD_OK;
}

/* Append the channel of a message index, as sealed_channel; nothing if the index has no entries. */
static td_result append_index_channel(const mcap_message_index *index, uint64_t offset, td_buf *out,
                                      td_err *err)
{
    TD_ASSERT(index->entries.bytes.size % MCAP_INDEX_ENTRY_BYTES == 0);
    sealed_channel channel = {.id = index->channel_id, .index_offset = offset};
    mcap_packed rest = index->entries;
    uint64_t log_ns, message_at;
    while (mcap_next_entry(&rest, &log_ns, &message_at)) {
        if (channel.message_count == 0 || log_ns < channel.first_ns)
            channel.first_ns = log_ns;
        if (log_ns > channel.last_ns)
            channel.last_ns = log_ns;
        channel.message_count++;
    }
    return channel.message_count == 0 ? TD_OK : td_buf_append(out, &channel, sizeof channel, err);
}

static int by_id(const void *a, const void *b)
{
    const sealed_channel *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

td_result segment_reader_chunk_channels(const segment_reader *reader, uint32_t index,
                                        segment_scratch *scratch, td_buf *out, td_err *err)
{
    const segment_chunk *chunk = segment_reader_chunk(reader, index);
    td_buf_clear(out);
    if (chunk->index_bytes == 0)
        return td_err_set(err, TD_E_UNSUPPORTED, "chunk at %" PRIu64 " has no message indexes",
                          chunk->offset);
    td_result rc = read_range(reader, chunk->offset + chunk->chunk_bytes, chunk->index_bytes,
                              &scratch->bytes, err);
    size_t at = 0;
    mcap_record record;
    while (rc == TD_OK) {
        rc = mcap_next_record(td_buf_view(&scratch->bytes), &at, &record, err);
        mcap_message_index entry;
        if (rc == TD_OK && record.opcode != MCAP_MESSAGE_INDEX)
            rc = td_err_set(err, TD_E_CORRUPT, "%s record among the message indexes",
                            mcap_opcode_name(record.opcode));
        if (rc == TD_OK)
            rc = mcap_decode_message_index(record.content, &entry, err);
        if (rc == TD_OK)
            rc = append_index_channel(&entry, record.offset, out, err);
    }
    if (rc == TD_E_TRUNCATED)
        rc = TD_E_CORRUPT;
    if (rc != TD_EOF)
        return td_err_add(err, rc, "message indexes of the chunk at %" PRIu64, chunk->offset);
    if (out->size > 0)
        qsort(out->data, out->size / sizeof(sealed_channel), sizeof(sealed_channel), by_id);
    return TD_OK;
}
