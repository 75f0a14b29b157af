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

/* Space for one more stream. */
static td_result table_grow(stream_table *table, td_err *err)
{
    size_t count = table->count + 1;
    td_result rc = slot_table_reserve(&table->by_key, count, "streams", err);
    if (rc == TD_OK)
        rc = slot_table_reserve(&table->by_symbol, count, "streams", err);
    if (rc != TD_OK)
        return rc;
    table->items = td_array_grow(table->items, table->count, sizeof(stream *));
    return TD_OK;
}

td_result stream_table_get(stream_table *table, const stream_key *key, const stream_origin *origin,
                           stream **out, td_err *err)
{
    uint64_t hash = key_hash(key);
    slot_probe at = slot_probe_of(hash);
    while (slot_table_next(&table->by_key, &at)) {
        *out = table->items[at.row];
        if (key_is(*out, key))
            return TD_OK;
    }
    td_result rc = table_grow(table, err);
    if (rc != TD_OK)
        return rc;
    *out = stream_open(key, origin);
    slot_table_put(&table->by_key, hash, table->count);
    if (find_sibling(table, *out) == NULL)
        slot_table_put(&table->by_symbol, symbol_hash(*out), table->count);
    table->items[table->count++] = *out;
    return TD_OK;
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
