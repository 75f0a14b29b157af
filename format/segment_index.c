#include "format/segment_index.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* bytes of a bitmap of all MCAP channel ids */
enum { BITMAP_BYTES_MAX = (1 << 16) / 8 };

/* Maximum bytes of a file's bitmaps: far more than a segment's 4,096 chunks need. */
static const size_t BITMAPS_BYTES_MAX = (size_t)256 << 20;

void segment_index_add_channel(segment_index *index, const segment_channel *channel)
{
    TD_ASSERT(index->channel_count == 0 ||
              index->channels[index->channel_count - 1].id < channel->id);
    index->channels = td_array_grow(index->channels, index->channel_count, sizeof *index->channels);
    segment_channel *made = &index->channels[index->channel_count];
    *made = *channel;
    made->index = (uint32_t)index->channel_count++;
    segment_channel_own_strings(made);
}

td_result segment_index_add_chunk(segment_index *index, const segment_chunk *chunk, td_bytes bitmap,
                                  td_err *err)
{
    TD_ASSERT(bitmap.size <= BITMAP_BYTES_MAX);
    size_t offset = index->bitmap_bytes;
    if (bitmap.size > BITMAPS_BYTES_MAX - offset)
        return td_err_set(err, TD_E_LIMIT, "chunk bitmaps of more than %zu bytes",
                          BITMAPS_BYTES_MAX);
    /* One array for the bitmaps of all chunks, allocated even if all are empty. */
    index->bitmaps =
        td_array_reach(index->bitmaps, &index->bitmap_capacity, offset + bitmap.size, 1);
    if (bitmap.size > 0)
        memcpy(index->bitmaps + offset, bitmap.data, bitmap.size);
    index->bitmap_bytes = offset + bitmap.size;
    index->chunks = td_array_grow(index->chunks, index->chunk_count, sizeof *index->chunks);
    segment_chunk *made = &index->chunks[index->chunk_count++];
    *made = *chunk;
    made->bitmap_offset = (uint32_t)offset;
    made->bitmap_bytes = (uint32_t)bitmap.size;
    return TD_OK;
}

void segment_index_add_checkpoint(segment_index *index, const segment_checkpoint *checkpoint)
{
    index->checkpoints =
        td_array_grow(index->checkpoints, index->checkpoint_count, sizeof *index->checkpoints);
    index->checkpoints[index->checkpoint_count++] = *checkpoint;
}

static void drop_chunks(segment_index *index)
{
    td_free(index->chunks);
    td_free(index->bitmaps);
    index->chunks = NULL;
    index->chunk_count = 0;
    index->bitmaps = NULL;
    index->bitmap_bytes = 0;
    index->bitmap_capacity = 0;
}

void segment_index_take_chunks(segment_index *index, segment_index *from)
{
    TD_ASSERT(index != from);
    drop_chunks(index);
    index->chunks = from->chunks;
    index->chunk_count = from->chunk_count;
    index->bitmaps = from->bitmaps;
    index->bitmap_bytes = from->bitmap_bytes;
    index->bitmap_capacity = from->bitmap_capacity;
    from->chunks = NULL;
    from->bitmaps = NULL;
    segment_index_fini(from);
}

void segment_index_drop_lists(segment_index *index)
{
    for (size_t i = 0; i < index->channel_count; i++)
        segment_channel_free_strings(&index->channels[i]);
    td_free(index->channels);
    index->channels = NULL;
    index->channel_count = 0;
    td_free(index->checkpoints);
    index->checkpoints = NULL;
    index->checkpoint_count = 0;
    drop_chunks(index);
}

void segment_index_fini(segment_index *index)
{
    segment_index_drop_lists(index);
    td_free(index->path);
    td_free(index->previous_segment);
    *index = (segment_index){0};
}

/* Position of the first channel whose id is at least `id`. */
static size_t channel_position(const segment_index *index, uint16_t id)
{
    TD_ASSERT(index->channel_count == 0 || index->channels != NULL);
    size_t low = 0;
    size_t high = index->channel_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->channels[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void segment_index_count(segment_index *index, const sealed_channel *channels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = channel_position(index, channels[i].id);
        if (at == index->channel_count || index->channels[at].id != channels[i].id)
            continue; /* the file does not define the channel of this message index */
        segment_channel *channel = &index->channels[at];
        if (channel->message_count == 0 || channels[i].first_ns < channel->first_ns)
            channel->first_ns = channels[i].first_ns;
        if (channels[i].last_ns > channel->last_ns)
            channel->last_ns = channels[i].last_ns;
        channel->message_count += channels[i].message_count;
    }
}

/* 1 if the chunk has messages of an undefined channel. */
static int chunk_has_unknown(const segment_index *index, const segment_chunk *chunk)
{
    for (size_t id = 0; id < (size_t)chunk->bitmap_bytes * 8; id++) {
        if ((index->bitmaps[chunk->bitmap_offset + id / 8] >> (id % 8) & 1) == 0)
            continue;
        size_t at = channel_position(index, (uint16_t)id);
        if (at == index->channel_count || index->channels[at].id != id)
            return 1;
    }
    return 0;
}

int segment_index_has_unknown(const segment_index *index)
{
    /* An index from the catalog may lack the chunks but counts all messages; an index from a walk
     * over a file does not count messages of undefined channels but has the chunks. */
    uint64_t named = 0;
    int is_counted = index->message_count != UINT64_MAX;
    for (size_t i = 0; i < index->channel_count && is_counted; i++) {
        is_counted = index->channels[i].message_count != UINT64_MAX;
        named += index->channels[i].message_count;
    }
    if (is_counted)
        return named < index->message_count;
    for (size_t i = 0; i < index->chunk_count; i++) {
        if (chunk_has_unknown(index, &index->chunks[i]))
            return 1;
    }
    return 0;
}
