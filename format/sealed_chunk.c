#include "format/sealed_chunk.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

enum { BITMAP_BYTES = (UINT16_MAX + 1) / 8 };

int sealed_channel_by_id(const void *a, const void *b)
{
    const sealed_channel *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

sealed_chunk *sealed_chunk_open(void)
{
    sealed_chunk *chunk = td_alloc_zero(1, sizeof *chunk);
    td_buf_init(&chunk->bytes, SIZE_MAX); /* bounded by the sizes of its records */
    td_buf_init(&chunk->channel_records, LIMIT_CHUNK_BYTES);
    td_buf_init(&chunk->events, 2 * LIMIT_CHUNK_BYTES);
    td_buf_init(&chunk->checkpoint, LIMIT_RECORD_BYTES);
    return chunk;
}

static void drop_new_channels(sealed_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->new_channel_count; i++)
        segment_channel_free_strings(&chunk->new_channels[i]);
    chunk->new_channel_count = 0;
}

void sealed_chunk_close(sealed_chunk *chunk)
{
    if (chunk == NULL)
        return;
    drop_new_channels(chunk);
    td_buf_fini(&chunk->bytes);
    td_buf_fini(&chunk->channel_records);
    td_buf_fini(&chunk->events);
    td_buf_fini(&chunk->checkpoint);
    td_free(chunk->channels);
    td_free(chunk->new_channels);
    td_free(chunk->conns);
    td_free(chunk);
}

void sealed_chunk_clear(sealed_chunk *chunk)
{
    td_buf_clear(&chunk->bytes);
    td_buf_clear(&chunk->channel_records);
    td_buf_clear(&chunk->events);
    td_buf_clear(&chunk->checkpoint);
    drop_new_channels(chunk);
    chunk->channel_count = 0;
    chunk->channel_record_count = 0;
    chunk->conn_count = 0;
}

void sealed_chunk_bitmap(const sealed_chunk *chunk, td_buf *out)
{
    uint8_t bits[BITMAP_BYTES] = {0};
    size_t used = 0;
    for (uint32_t i = 0; i < chunk->channel_count; i++) {
        uint16_t id = chunk->channels[i].id;
        bits[id / 8] |= (uint8_t)(1u << (id % 8));
        used = (size_t)id / 8 + 1;
    }
    TD_ASSERT(used <= sizeof bits);
    td_buf_add(out, bits, used);
}

int sealed_chunk_event(const sealed_chunk *chunk, size_t *at, uint64_t *recv_ns, td_bytes *text)
{
    uint64_t head[2];
    if (*at == chunk->events.size)
        return 0;
    memcpy(head, chunk->events.data + *at, sizeof head);
    *recv_ns = head[0];
    *text = td_bytes_of(chunk->events.data + *at + sizeof head, (size_t)head[1]);
    *at += sizeof head + text->size;
    return 1;
}
