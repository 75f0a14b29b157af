/* Sealing: from the pending records to a chunk that needs nothing else. Runs once per chunk (some
 * 1,900 frames), so plain passes over the records are cheap against zstd. */
#include "format/chunk_builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "format/chunk_builder_impl.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"

enum {
    /* A Chunk record before its records, compression "zstd". */
    CHUNK_FIELDS_BYTES = MCAP_PREFIX_BYTES + 8 + 8 + 8 + 4 + 4 + 4 + 8,
    BITMAP_BYTES = (UINT16_MAX + 1) / 8,
};

static const uint8_t COMPRESSION[4] = {'z', 's', 't', 'd'};

sealed_chunk *sealed_chunk_open(void)
{
    sealed_chunk *chunk = td_alloc_zero(1, sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    td_buf_init(&chunk->bytes, 2 * LIMIT_CHUNK_BYTES);
    td_buf_init(&chunk->schema_records, LIMIT_CHUNK_BYTES);
    td_buf_init(&chunk->channel_records, LIMIT_CHUNK_BYTES);
    td_buf_init(&chunk->names, LIMIT_CHUNK_BYTES);
    return chunk;
}

void sealed_chunk_close(sealed_chunk *chunk)
{
    if (chunk == NULL)
        return;
    td_buf_fini(&chunk->bytes);
    td_buf_fini(&chunk->schema_records);
    td_buf_fini(&chunk->channel_records);
    td_buf_fini(&chunk->names);
    td_free(chunk->channels);
    td_free(chunk->new_channels);
    td_free(chunk->conns);
    td_free(chunk);
}

td_result sealed_chunk_bitmap(const sealed_chunk *chunk, td_buf *out, td_err *err)
{
    uint8_t bits[BITMAP_BYTES] = {0};
    size_t used = 0;
    for (uint32_t i = 0; i < chunk->channel_count; i++) {
        uint16_t id = chunk->channels[i].id;
        bits[id / 8] |= (uint8_t)(1u << (id % 8));
        used = (size_t)id / 8 + 1;
    }
    TD_ASSERT(used <= sizeof bits);
    return td_buf_append(out, bits, used, err);
}

/* Size of all message indexes, known from the counts alone. */
static size_t index_bytes_of(const chunk_builder *b)
{
    return (size_t)b->pending_channel_count * MCAP_INDEX_OVERHEAD_BYTES +
           (size_t)b->pending_count * MCAP_INDEX_ENTRY_BYTES;
}

/* Bytes that names needs for the strings of the new channels. */
static size_t names_bytes_of(const channel_info *info)
{
    return strlen(info->feed) + strlen(info->family) + strlen(info->topic) +
           strlen(info->exchange_topic) + strlen(info->symbol) + strlen(info->message_encoding) +
           strlen(info->schema_name) + info->schema.size + 7;
}

/* Ids of new channels are the last ones given. */
static td_result reserve_names(const chunk_builder *b, sealed_chunk *out, td_err *err)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < b->pending_channel_count; i++) {
        const channel_state *channel = &b->channels.channels[b->pending_channels[i]];
        if (channel->id + b->pending_new_count >= b->next_channel_id)
            bytes += names_bytes_of(&channel->info);
    }
    return td_buf_reserve(&out->names, bytes, err);
}

/* All memory that sealing wants; nothing behind this fails but zstd. */
static td_result reserve_all(const chunk_builder *b, sealed_chunk *out, td_err *err)
{
    size_t bytes = CHUNK_FIELDS_BYTES + codec_bound(CODEC_ZSTD, b->raw.size) + index_bytes_of(b) +
                   CHAIN_RECORD_BYTES_MAX;
    td_result rc = td_buf_reserve(&out->bytes, bytes, err);
    if (rc != TD_OK)
        return rc;
    sealed_channel *channels = td_array_reach(out->channels, &out->channel_capacity,
                                              b->pending_channel_count, sizeof *channels);
    if (channels != NULL)
        out->channels = channels;
    sealed_new_channel *news = td_array_reach(out->new_channels, &out->new_channel_capacity,
                                              b->pending_new_count, sizeof *news);
    if (news != NULL)
        out->new_channels = news;
    chain_conn *conns =
        td_array_reach(out->conns, &out->conn_capacity, b->conns.count, sizeof *conns);
    if (conns != NULL)
        out->conns = conns;
    if (channels == NULL || news == NULL || conns == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for the entries of a chunk");
    return reserve_names(b, out, err);
}

/* Forget the content, keep the memory. */
static void clear(sealed_chunk *out)
{
    td_buf_clear(&out->bytes);
    td_buf_clear(&out->schema_records);
    td_buf_clear(&out->channel_records);
    td_buf_clear(&out->names);
    out->channel_count = 0;
    out->new_channel_count = 0;
    out->new_schema_count = 0;
    out->conn_count = 0;
}

static int by_id(const void *a, const void *b)
{
    const sealed_channel *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Counts and times per channel; the places of their indexes. cursors lead from id to the next
 * entry. */
static void fill_channels(chunk_builder *b, sealed_chunk *out)
{
    for (uint32_t i = 0; i < b->pending_channel_count; i++) {
        const channel_state *channel = &b->channels.channels[b->pending_channels[i]];
        TD_ASSERT(channel->segment_number == b->segment_number);
        TD_ASSERT(channel->pending_count > 0);
        out->channels[i] = (sealed_channel){.id = channel->id,
                                            .message_count = channel->pending_count,
                                            .first_ns = channel->pending_first_ns,
                                            .last_ns = channel->pending_last_ns};
    }
    out->channel_count = b->pending_channel_count;
    qsort(out->channels, out->channel_count, sizeof *out->channels, by_id);
    uint64_t offset = 0;
    for (uint32_t i = 0; i < out->channel_count; i++) {
        out->channels[i].index_offset = offset;
        offset +=
            MCAP_INDEX_OVERHEAD_BYTES + out->channels[i].message_count * MCAP_INDEX_ENTRY_BYTES;
    }
    TD_ASSERT(offset == index_bytes_of(b));
}

/* The Chunk record: compressed in place, so that nothing is copied; fields before it afterwards. */
static td_result compress(chunk_builder *b, sealed_chunk *out, td_err *err)
{
    TD_ASSERT(out->bytes.size == 0);
    size_t compressed;
    td_result rc = codec_compress(b->coder, CODEC_ZSTD, b->options.level, td_buf_view(&b->raw),
                                  out->bytes.data + CHUNK_FIELDS_BYTES,
                                  codec_bound(CODEC_ZSTD, b->raw.size), &compressed, err);
    if (rc != TD_OK)
        return rc;
    uint8_t *p = out->bytes.data;
    mcap_write_prefix(p, MCAP_CHUNK, CHUNK_FIELDS_BYTES - MCAP_PREFIX_BYTES + compressed);
    td_put_le64(p + 9, b->pending_first_ns);
    td_put_le64(p + 17, b->last_ns);
    td_put_le64(p + 25, b->raw.size);
    td_put_le32(p + 33, td_crc32(0, b->raw.data, b->raw.size));
    td_put_le32(p + 37, sizeof COMPRESSION);
    memcpy(p + 41, COMPRESSION, sizeof COMPRESSION);
    td_put_le64(p + 45, compressed);
    out->compressed_bytes = compressed;
    out->uncompressed_bytes = b->raw.size;
    out->chunk_bytes = CHUNK_FIELDS_BYTES + compressed;
    out->bytes.size = (size_t)out->chunk_bytes;
    return TD_OK;
}

/* Heads of the index records; the states' cursors are set on their first entries. */
static void begin_indexes(const chunk_builder *b, sealed_chunk *out, size_t *cursors)
{
    uint8_t *base = out->bytes.data + out->chunk_bytes;
    for (uint32_t i = 0; i < out->channel_count; i++) {
        const sealed_channel *channel = &out->channels[i];
        size_t entries = (size_t)channel->message_count * MCAP_INDEX_ENTRY_BYTES;
        uint8_t *p = base + channel->index_offset;
        mcap_write_prefix(p, MCAP_MESSAGE_INDEX, 2 + 4 + entries);
        td_put_le16(p + 9, channel->id);
        td_put_le32(p + 11, (uint32_t)entries);
        cursors[channel->id] = (size_t)channel->index_offset + MCAP_INDEX_OVERHEAD_BYTES;
    }
    out->index_bytes = index_bytes_of(b);
    out->bytes.size += (size_t)out->index_bytes;
    TD_ASSERT(out->bytes.size <= out->bytes.capacity);
}

/* One pass over the records: index entries, and copies of schemas and channels that are new, not
 * repeated: their ids are the last ones given. */
static td_result walk_records(const chunk_builder *b, sealed_chunk *out, size_t *cursors,
                              td_err *err)
{
    uint8_t *base = out->bytes.data + out->chunk_bytes;
    const uint8_t *raw = b->raw.data;
    uint32_t first_channel = b->next_channel_id - b->pending_new_count;
    uint32_t first_schema = b->next_schema_id - b->pending_schema_count;
    td_result rc = TD_OK;
    for (size_t at = 0; at < b->raw.size && rc == TD_OK;) {
        const uint8_t *record = raw + at;
        size_t bytes = MCAP_PREFIX_BYTES + (size_t)td_le64(record + 1);
        if (TD_LIKELY(record[0] == MCAP_MESSAGE)) {
            size_t *cursor = &cursors[td_le16(record + 9)];
            memcpy(base + *cursor, record + 15, 8); /* log_time, already little-endian */
            td_put_le64(base + *cursor + 8, at);
            *cursor += MCAP_INDEX_ENTRY_BYTES;
        } else if (record[0] == MCAP_SCHEMA) {
            if (td_le16(record + MCAP_PREFIX_BYTES) >= first_schema) {
                rc = td_buf_append(&out->schema_records, record, bytes, err);
                out->new_schema_count++;
            }
        } else {
            TD_ASSERT(record[0] == MCAP_CHANNEL);
            if (td_le16(record + MCAP_PREFIX_BYTES) >= first_channel)
                rc = td_buf_append(&out->channel_records, record, bytes, err);
        }
        at += bytes;
        TD_ASSERT(at <= b->raw.size);
    }
    return rc;
}

static const char *copy_name(sealed_chunk *out, const char *name)
{
    size_t bytes = strlen(name) + 1;
    TD_ASSERT(out->names.capacity - out->names.size >= bytes);
    char *copy = (char *)out->names.data + out->names.size;
    memcpy(copy, name, bytes);
    out->names.size += bytes;
    return copy;
}

/* The sealed chunk lives on while the builder goes on: it has strings of its own. */
static channel_info copy_info(sealed_chunk *out, const channel_info *info)
{
    channel_info copy = *info;
    copy.feed = copy_name(out, info->feed);
    copy.family = copy_name(out, info->family);
    copy.topic = copy_name(out, info->topic);
    copy.exchange_topic = copy_name(out, info->exchange_topic);
    copy.symbol = copy_name(out, info->symbol);
    copy.message_encoding = copy_name(out, info->message_encoding);
    copy.schema_name = copy_name(out, info->schema_name);
    copy.schema = td_bytes_of(out->names.data + out->names.size, info->schema.size);
    TD_ASSERT(out->names.capacity - out->names.size >= info->schema.size);
    if (info->schema.size > 0)
        memcpy(out->names.data + out->names.size, info->schema.data, info->schema.size);
    out->names.size += info->schema.size;
    return copy;
}

static int new_by_id(const void *a, const void *b)
{
    const sealed_new_channel *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* A new channel has its first message in the chunk that defines it. */
static void fill_new_channels(const chunk_builder *b, sealed_chunk *out)
{
    uint32_t first_new = b->next_channel_id - b->pending_new_count;
    for (uint32_t i = 0; i < b->pending_channel_count; i++) {
        const channel_state *channel = &b->channels.channels[b->pending_channels[i]];
        if (channel->id < first_new)
            continue;
        TD_ASSERT(out->new_channel_count < out->new_channel_capacity);
        out->new_channels[out->new_channel_count++] =
            (sealed_new_channel){.id = channel->id, .info = copy_info(out, &channel->info)};
    }
    TD_ASSERT(out->new_channel_count == b->pending_new_count);
    if (out->new_channel_count > 1)
        qsort(out->new_channels, out->new_channel_count, sizeof *out->new_channels, new_by_id);
}

/* What catalog and chain record want to know. */
static void fill_rest(const chunk_builder *b, sealed_chunk *out)
{
    out->first_ns = b->pending_first_ns;
    out->last_ns = b->last_ns;
    out->message_count = b->pending_count;
    out->frame_count = b->pending_frames;
    out->segment_first_ns = b->segment_first_ns;
    out->segment_number = b->segment_number;
    out->starts_segment = b->pending_starts_segment;
    out->cause = b->segment_cause;
    out->totals = b->totals;
    for (uint32_t i = 0; i < b->conns.count; i++)
        out->conns[i] = b->conns.conns[i].conn;
    out->conn_count = b->conns.count;
}

/* The builder goes on with an empty chunk of the same segment. */
static void begin_next(chunk_builder *b, const sealed_chunk *sealed)
{
    for (uint32_t i = 0; i < b->pending_channel_count; i++)
        b->channels.channels[b->pending_channels[i]].pending_count = 0;
    conn_table_sweep(&b->conns);
    td_buf_clear(&b->raw);
    b->pending_channel_count = 0;
    b->pending_new_count = 0;
    b->pending_schema_count = 0;
    b->pending_count = 0;
    b->pending_frames = 0;
    b->pending_starts_segment = 0;
    b->segment_chunks++;
    b->chunk_number++;
    b->segment_bytes += sealed->bytes.size + MCAP_PREFIX_BYTES + CHAIN_FIXED_BYTES +
                        (uint64_t)sealed->conn_count * CHAIN_CONN_BYTES + CHAIN_VALUE_BYTES;
    b->segment_index_entries += sealed->channel_count;
}

td_result chunk_builder_seal(chunk_builder *builder, sealed_chunk *out, td_err *err)
{
    chunk_builder *b = builder;
    clear(out);
    if (b->pending_count == 0)
        return TD_EOF;
    td_result rc = reserve_all(b, out, err);
    if (rc == TD_OK)
        rc = compress(b, out, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "chunk of %zu bytes", b->raw.size);
    fill_channels(b, out);
    begin_indexes(b, out, b->cursors);
    rc = walk_records(b, out, b->cursors, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "chunk of %zu bytes", b->raw.size);
    TD_ASSERT(out->new_schema_count == b->pending_schema_count);
    fill_new_channels(b, out);
    fill_rest(b, out);
    begin_next(b, out);
    return TD_OK;
}
