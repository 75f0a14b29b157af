/* Checksums of the catalog's rows: over what a reader gets, so that whatever changes an answer
 * changes a checksum, and over rows in any order, so that one more row costs the same at any size.
 * They find accidents and edits, not forgery. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "archive/catalog_impl.h"

/* Bytes of a bitmap over all ids that MCAP can have. */
enum { IDS_BITMAP_BYTES = (1 << 16) / 8 };

static uint64_t mix(uint64_t sum, const void *bytes, size_t size)
{
    uint8_t both[16];
    td_put_le64(both, sum);
    td_put_le64(both + 8, td_xxh64(bytes, size));
    return td_xxh64(both, sizeof both);
}

static uint64_t mix_text(uint64_t sum, const char *text)
{
    return mix(sum, text, strlen(text));
}

/* As it is stored: values beyond 2^63 - 1 are cut to it. */
static uint64_t mix_number(uint64_t sum, uint64_t value)
{
    uint8_t bytes[8];
    td_put_le64(bytes, value > INT64_MAX ? INT64_MAX : value);
    return mix(sum, bytes, sizeof bytes);
}

uint64_t checksum_begin(const char *path)
{
    return mix_text(0, path);
}

uint64_t checksum_channel(const segment_channel *channel)
{
    const channel_info *info = &channel->info;
    const char *const texts[] = {
        info->feed,           info->family, channel_dir_name(info->dir), info->topic,
        info->exchange_topic, info->symbol, info->message_encoding,      info->schema_name};
    const uint64_t numbers[] = {
        channel->id, channel->message_count, channel->first_ns, channel->last_ns, info->line,
        info->shard, (uint64_t)info->opcode};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sum = mix_number(sum, numbers[i]);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        sum = mix_text(sum, texts[i] == NULL ? "" : texts[i]);
    return sum;
}

uint64_t checksum_chunk(size_t number, const segment_chunk *chunk, const uint8_t *bitmap)
{
    const uint64_t numbers[] = {number,
                                chunk->offset,
                                chunk->chunk_bytes,
                                chunk->index_bytes,
                                chunk->uncompressed_bytes,
                                chunk->first_ns,
                                chunk->last_ns,
                                chunk->message_count};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sum = mix_number(sum, numbers[i]);
    return mix(sum, chunk->bitmap_bytes == 0 ? (const uint8_t *)"" : bitmap, chunk->bitmap_bytes);
}

uint64_t checksum_gap(const gap_row *row)
{
    const char *const texts[] = {
        row->feed,       row->topic, row->symbol, gap_reason_name(row->reason),
        row->covered_by, row->cause, row->detail};
    const uint64_t numbers[] = {row->from_ns, row->to_ns, row->line, row->shard, row->conn};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sum = mix_number(sum, numbers[i]);
    /* Stored as -1. */
    int is_known = row->frames_lost != GAP_FRAMES_UNKNOWN;
    sum = is_known ? mix_number(sum, row->frames_lost) : mix_text(sum, "unknown");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        sum = mix_text(sum, texts[i]);
    return sum;
}

uint64_t checksum_segment(const char *path, const segment_index *index, uint64_t chunk_count)
{
    const char *const texts[] = {
        path,           index->session,          index->feed,     index->family, index->verb,
        index->version, index->previous_segment, index->chain_hex};
    const uint64_t numbers[] = {index->session_start_ns, index->number, index->file_bytes,
                                index->message_count,    chunk_count,   index->first_ns,
                                index->last_ns};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        sum = mix_text(sum, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sum = mix_number(sum, numbers[i]);
    return sum;
}

/* Channels that are in a chunk: the others have no row. */
static void mark_channels(const segment_index *index, uint8_t marks[IDS_BITMAP_BYTES])
{
    memset(marks, 0, IDS_BITMAP_BYTES);
    for (size_t i = 0; i < index->chunk_count; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        TD_ASSERT(chunk->bitmap_bytes <= IDS_BITMAP_BYTES);
        if (!chunk->has_channels)
            memset(marks, 0xff, IDS_BITMAP_BYTES);
        for (size_t k = 0; k < chunk->bitmap_bytes; k++)
            marks[k] |= index->bitmaps[chunk->bitmap_offset + k];
    }
}

void checksum_index(const char *path, const segment_index *index, segment_checksums *out)
{
    uint8_t marks[IDS_BITMAP_BYTES];
    TD_ASSERT(!index->is_open);
    mark_channels(index, marks);
    out->row = checksum_segment(path, index, index->chunk_count);
    out->channels = out->chunks = checksum_begin(path);
    for (size_t i = 0; i < index->channel_count; i++) {
        uint16_t id = index->channels[i].id;
        if ((marks[id / 8] >> (id % 8) & 1) != 0)
            out->channels += checksum_channel(&index->channels[i]);
    }
    for (size_t i = 0; i < index->chunk_count; i++)
        out->chunks +=
            checksum_chunk(i, &index->chunks[i], index->bitmaps + index->chunks[i].bitmap_offset);
}
