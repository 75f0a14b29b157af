#include "play/stream_table.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"

void stream_table_fini(stream_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        stream_close(table->items[i]);
    td_free(table->items);
    slot_table_fini(&table->by_key);
    *table = (stream_table){0};
}

static uint64_t hash_of(const channel_info *info)
{
    uint64_t hash = td_xxh64(info->feed, strlen(info->feed));
    hash = hash * 31 + td_xxh64(info->topic, strlen(info->topic));
    hash = hash * 31 + td_xxh64(info->symbol, strlen(info->symbol));
    return hash * 31 + (uint64_t)info->dir;
}

static int compare_streams(const stream *a, const stream *b)
{
    int order = strcmp(a->feed, b->feed);
    if (order == 0)
        order = strcmp(a->topic, b->topic);
    if (order == 0)
        order = strcmp(a->symbol, b->symbol);
    return order != 0 ? order : (int)a->dir - (int)b->dir;
}

stream *stream_table_get(stream_table *table, const frame_channel *channel)
{
    uint64_t hash = hash_of(&channel->info);
    slot_probe at = slot_probe_of(hash);
    stream *made = stream_open(channel);
    while (slot_table_next(&table->by_key, &at)) {
        if (compare_streams(table->items[at.row], made) != 0)
            continue;
        stream_close(made);
        return table->items[at.row];
    }
    table->items = td_array_grow(table->items, table->count, sizeof(stream *));
    slot_table_put(&table->by_key, hash, table->count);
    table->items[table->count++] = made;
    return made;
}

static int compare_items(const void *a, const void *b)
{
    return compare_streams(*(stream *const *)a, *(stream *const *)b);
}

void stream_table_sort(stream_table *table)
{
    if (table->count > 0)
        qsort(table->items, table->count, sizeof(stream *), compare_items);
}
