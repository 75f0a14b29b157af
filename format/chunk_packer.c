#include "format/chunk_packer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "format/chunk_channels.h"
#include "format/chunk_codec.h"
#include "format/mcap_encode.h"
#include "pack/pack.h"

enum {
    /* With PACK_FAST, columns of less than this part of the records are not compared with zstd,
     * which would cost a third of the time. */
    COLUMNS_ARE_SMALL = 12,
};

/* zstd level of a chunk that columns do not make smaller. */
static const int LEVEL_INSTEAD[] = {[PACK_FAST] = 3, [PACK_BEST] = 19};

struct chunk_packer {
    codec *coder;
    /* By channel id; 0: not in the chunk. At first the channel's position in out->channels, from 1;
     * later the position of its next index entry. */
    size_t *index_positions;
    size_t index_position_capacity;
    td_buf trial; /* of chunk_packer_pack_columns */
};

chunk_packer *chunk_packer_open(void)
{
    chunk_packer *packer = td_alloc_zero(1, sizeof *packer);
    packer->coder = codec_open();
    td_buf_init(&packer->trial, SIZE_MAX);
    return packer;
}

void chunk_packer_close(chunk_packer *packer)
{
    if (packer == NULL)
        return;
    codec_close(packer->coder);
    td_free(packer->index_positions);
    td_buf_fini(&packer->trial);
    td_free(packer);
}

/* Size of a record. Packing walks the records twice: some 1,900 frames a chunk, which is cheap
 * compared to zstd. */
static size_t record_bytes(const uint8_t *record)
{
    return MCAP_PREFIX_BYTES + (size_t)td_le64(record + 1);
}

static void add_channel(chunk_packer *packer, uint16_t id, uint64_t first_ns, sealed_chunk *out)
{
    out->channels = td_array_reach(out->channels, &out->channel_capacity, out->channel_count,
                                   sizeof *out->channels);
    out->channels[out->channel_count++] =
        (sealed_channel){.id = id, .first_ns = first_ns, .last_ns = first_ns};
    packer->index_positions[id] = out->channel_count;
}

/* Collect counts and times per channel. */
static void count_messages(chunk_packer *packer, td_bytes records, sealed_chunk *out)
{
    for (size_t at = 0; at < records.size; at += record_bytes(records.data + at)) {
        const uint8_t *record = records.data + at;
        if (record[0] != MCAP_MESSAGE)
            continue;
        uint16_t id = td_le16(record + 9);
        uint64_t log_ns = td_le64(record + 15);
        td_array_ensure((void **)&packer->index_positions, &packer->index_position_capacity, id,
                        sizeof *packer->index_positions);
        if (packer->index_positions[id] == 0)
            add_channel(packer, id, log_ns, out);
        sealed_channel *channel = &out->channels[packer->index_positions[id] - 1];
        channel->message_count++;
        if (log_ns < channel->first_ns)
            channel->first_ns = log_ns;
        if (log_ns > channel->last_ns)
            channel->last_ns = log_ns;
    }
}

/* Sort the channels, and sum them up. */
static void sum_channels(sealed_chunk *out)
{
    out->message_count = out->index_bytes = out->first_ns = out->last_ns = 0;
    if (out->channel_count > 1)
        qsort(out->channels, out->channel_count, sizeof *out->channels, sealed_channel_by_id);
    for (uint32_t i = 0; i < out->channel_count; i++) {
        const sealed_channel *channel = &out->channels[i];
        out->message_count += channel->message_count;
        if (i == 0 || channel->first_ns < out->first_ns)
            out->first_ns = channel->first_ns;
        if (channel->last_ns > out->last_ns)
            out->last_ns = channel->last_ns;
    }
}

/* Place the Message Index records after the chunk. */
static void assign_index_offsets(sealed_chunk *out)
{
    for (uint32_t i = 0; i < out->channel_count; i++) {
        sealed_channel *channel = &out->channels[i];
        channel->index_offset = out->index_bytes;
        out->index_bytes +=
            MCAP_INDEX_OVERHEAD_BYTES + channel->message_count * MCAP_INDEX_ENTRY_BYTES;
    }
}

/* Bytes of a Chunk record before its records. */
static size_t fields_bytes(const char *compression)
{
    return MCAP_PREFIX_BYTES + 8 + 8 + 8 + 4 + 4 + strlen(compression) + 8;
}

/* Write the fields of the Chunk record, which precede its `compressed` bytes. */
static void write_fields(sealed_chunk *out, const char *compression, td_bytes records,
                         size_t compressed)
{
    const size_t fields = fields_bytes(compression);
    const td_bytes name = td_bytes_str(compression);
    uint8_t *p = out->bytes.data;
    mcap_write_prefix(p, MCAP_CHUNK, fields - MCAP_PREFIX_BYTES + compressed);
    td_put_le64(p + 9, out->first_ns);
    td_put_le64(p + 17, out->last_ns);
    td_put_le64(p + 25, records.size);
    td_put_le32(p + 33, td_crc32(0, records.data, records.size));
    td_put_le32(p + 37, (uint32_t)name.size);
    memcpy(p + 41, name.data, name.size);
    td_put_le64(p + 41 + name.size, compressed);
    out->compression = compression;
    out->compressed_bytes = compressed;
    out->uncompressed_bytes = records.size;
    out->chunk_bytes = fields + compressed;
    out->bytes.size = (size_t)out->chunk_bytes;
}

/* Write the Chunk record. The records are compressed to their final position. */
static void compress(chunk_packer *packer, int level, td_bytes records, sealed_chunk *out)
{
    const size_t fields = fields_bytes(CHUNK_ZSTD);
    size_t bound = codec_bound(records.size);
    td_buf_grow(&out->bytes, fields + bound + (size_t)out->index_bytes);
    write_fields(out, CHUNK_ZSTD, records,
                 codec_compress(packer->coder, level, records, out->bytes.data + fields, bound));
}

/* Write the heads of the index records, and point index_positions to their first entries. */
static void begin_indexes(const chunk_packer *packer, sealed_chunk *out)
{
    uint8_t *base = out->bytes.data + out->chunk_bytes;
    for (uint32_t i = 0; i < out->channel_count; i++) {
        const sealed_channel *channel = &out->channels[i];
        size_t entries = (size_t)channel->message_count * MCAP_INDEX_ENTRY_BYTES;
        uint8_t *p = base + channel->index_offset;
        mcap_write_prefix(p, MCAP_MESSAGE_INDEX, 2 + 4 + entries);
        td_put_le16(p + 9, channel->id);
        td_put_le32(p + 11, (uint32_t)entries);
        packer->index_positions[channel->id] =
            (size_t)channel->index_offset + MCAP_INDEX_OVERHEAD_BYTES;
    }
    out->bytes.size += (size_t)out->index_bytes;
    TD_ASSERT(out->bytes.size <= out->bytes.capacity);
}

static void write_entries(const chunk_packer *packer, td_bytes records, sealed_chunk *out)
{
    uint8_t *base = out->bytes.data + out->chunk_bytes;
    for (size_t at = 0; at < records.size; at += record_bytes(records.data + at)) {
        const uint8_t *record = records.data + at;
        if (record[0] != MCAP_MESSAGE)
            continue;
        size_t *position = &packer->index_positions[td_le16(record + 9)];
        memcpy(base + *position, record + 15, 8); /* log_time, already little-endian */
        td_put_le64(base + *position + 8, at);
        *position += MCAP_INDEX_ENTRY_BYTES;
    }
}

static void forget_channels(const chunk_packer *packer, const sealed_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->channel_count; i++)
        packer->index_positions[chunk->channels[i].id] = 0;
}

void chunk_packer_pack(chunk_packer *packer, int level, td_bytes records, sealed_chunk *out)
{
    sealed_chunk_clear(out);
    count_messages(packer, records, out);
    sum_channels(out);
    assign_index_offsets(out);
    compress(packer, level, records, out);
    begin_indexes(packer, out);
    write_entries(packer, records, out);
    forget_channels(packer, out);
}

/* 1 if a zstd chunk of these records, with its indexes, is smaller than the packed chunk. */
static int is_zstd_smaller(chunk_packer *packer, pack_effort effort, td_bytes records,
                           const sealed_chunk *packed)
{
    const int level = LEVEL_INSTEAD[effort];
    const size_t bound = codec_bound(records.size);
    const uint64_t indexes = (uint64_t)packed->channel_count * MCAP_INDEX_OVERHEAD_BYTES +
                             packed->message_count * MCAP_INDEX_ENTRY_BYTES;
    if (effort == PACK_FAST && packed->compressed_bytes < records.size / COLUMNS_ARE_SMALL)
        return 0;
    td_buf_clear(&packer->trial);
    td_buf_grow(&packer->trial, bound);
    return fields_bytes(CHUNK_ZSTD) + indexes +
               codec_compress(packer->coder, level, records, packer->trial.data, bound) <
           packed->bytes.size;
}

void chunk_packer_pack_columns(chunk_packer *packer, pack_effort effort, td_bytes records,
                               sealed_chunk *out)
{
    const size_t fields = fields_bytes(CHUNK_PACKED);
    sealed_chunk_clear(out);
    td_buf_grow(&out->bytes, fields);
    out->bytes.size = fields;
    td_result rc = pack_encode(packer->coder, records, effort, &out->bytes, NULL);
    count_messages(packer, records, out);
    forget_channels(packer, out);
    sum_channels(out);
    write_fields(out, CHUNK_PACKED, records, out->bytes.size - fields);
    chunk_channels_encode(&out->bytes, out->channels, out->channel_count);
    out->index_bytes = out->bytes.size - out->chunk_bytes;
    if (rc != TD_OK || is_zstd_smaller(packer, effort, records, out))
        chunk_packer_pack(packer, LEVEL_INSTEAD[effort], records, out);
}
