#include "play/stream_table.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

void stream_table_fini(stream_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        stream_close(table->items[i]);
    td_free(table->items);
    slot_table_fini(&table->by_key);
    slot_table_fini(&table->by_symbol);
    *table = (stream_table){0};
}

static uint64_t key_hash(const stream_key *key)
{
    uint64_t hash = td_xxh64(key->feed, strlen(key->feed));
    hash = hash * 31 + td_xxh64(key->topic.data, key->topic.size);
    hash = hash * 31 + td_xxh64(key->symbol.data, key->symbol.size);
    return hash * 31 + (uint64_t)key->dir;
}

static int key_is(const stream *s, const stream_key *key)
{
    return s->dir == key->dir && td_bytes_is(key->symbol, s->symbol) &&
           td_bytes_is(key->topic, s->topic) && strcmp(s->feed, key->feed) == 0;
}

static uint64_t symbol_hash(const stream *s)
{
    return td_xxh64(s->feed, strlen(s->feed)) * 31 + td_xxh64(s->symbol, strlen(s->symbol));
}

/* The first stream with the feed and symbol of this one, or NULL. */
static stream *find_sibling(const stream_table *table, const stream *of)
{
    slot_probe at = slot_probe_of(symbol_hash(of));
    while (slot_table_next(&table->by_symbol, &at)) {
        stream *first = table->items[at.row];
        if (strcmp(first->symbol, of->symbol) == 0 && strcmp(first->feed, of->feed) == 0)
            return first;
    }
    return NULL;
}

stream *stream_table_get(stream_table *table, const stream_key *key, const stream_origin *origin)
{
    uint64_t hash = key_hash(key);
    slot_probe at = slot_probe_of(hash);
    while (slot_table_next(&table->by_key, &at))
        if (key_is(table->items[at.row], key))
            return table->items[at.row];
    stream *made = stream_open(key, origin);
    table->items = td_array_grow(table->items, table->count, sizeof(stream *));
    slot_table_put(&table->by_key, hash, table->count);
    if (find_sibling(table, made) == NULL)
        slot_table_put(&table->by_symbol, symbol_hash(made), table->count);
    table->items[table->count++] = made;
    return made;
}

stream *stream_table_sibling(const stream_table *table, const stream *of)
{
    stream *first = find_sibling(table, of);
    TD_ASSERT(first != NULL);
    return first;
}

static int compare_items(const void *a, const void *b)
{
    return stream_compare(*(stream *const *)a, *(stream *const *)b);
}

void stream_table_sort(stream_table *table)
{
    if (table->count > 0)
        qsort(table->items, table->count, sizeof(stream *), compare_items);
}
