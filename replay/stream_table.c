#include "replay/stream_table.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

enum { SLOTS_MIN = 64 };

void stream_table_fini(stream_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        stream_close(table->items[i]);
    td_free(table->items);
    td_free(table->slots);
    *table = (stream_table){0};
}

static uint64_t key_hash(const stream_key *key)
{
    uint64_t hash = td_xxh64(key->feed, strlen(key->feed));
    hash = hash * 31 + td_xxh64(key->topic.data, key->topic.size);
    hash = hash * 31 + td_xxh64(key->symbol.data, key->symbol.size);
    return hash * 31 + (uint64_t)key->dir;
}

static stream_key key_of(const stream *s)
{
    return (stream_key){s->feed, s->match.topic, s->match.symbol, s->dir};
}

static int key_is(const stream *s, const stream_key *key)
{
    return s->dir == key->dir && td_bytes_equal(s->match.symbol, key->symbol) &&
           td_bytes_equal(s->match.topic, key->topic) && strcmp(s->feed, key->feed) == 0;
}

/* The slot of a key, or the free one where it belongs. */
static size_t slot_find(const stream_table *table, const stream_key *key)
{
    TD_ASSERT(table->slot_count > table->count);
    size_t mask = table->slot_count - 1;
    TD_ASSERT((table->slot_count & mask) == 0);
    size_t at = (size_t)key_hash(key) & mask;
    while (table->slots[at] != 0 && !key_is(table->items[table->slots[at] - 1], key))
        at = (at + 1) & mask;
    return at;
}

/* Twice the room, before half of it is used. */
static td_result table_grow(stream_table *table, td_err *err)
{
    size_t slot_count = table->slot_count == 0 ? SLOTS_MIN : table->slot_count * 2;
    uint32_t *slots = td_alloc_zero(slot_count, sizeof *slots);
    if (slots == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu streams", slot_count);
    stream **items = td_realloc(table->items, slot_count, sizeof(stream *));
    if (items == NULL) {
        td_free(slots);
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu streams", slot_count);
    }
    td_free(table->slots);
    table->items = items;
    table->slots = slots;
    table->slot_count = slot_count;
    table->capacity = slot_count;
    for (size_t i = 0; i < table->count; i++) {
        stream_key key = key_of(items[i]);
        slots[slot_find(table, &key)] = (uint32_t)i + 1;
    }
    return TD_OK;
}

td_result stream_table_get(stream_table *table, const stream_key *key, const topic_row *row,
                           stream **out, td_err *err)
{
    if (table->count * 2 >= table->slot_count) {
        td_result rc = table_grow(table, err);
        if (rc != TD_OK)
            return rc;
    }
    size_t at = slot_find(table, key);
    TD_ASSERT(table->slots[at] <= table->count);
    if (table->slots[at] == 0) {
        stream *made;
        td_result rc = stream_open(key, row, &made, err);
        if (rc != TD_OK)
            return rc;
        TD_ASSERT(table->count < table->capacity);
        table->items[table->count++] = made;
        table->slots[at] = (uint32_t)table->count;
    }
    *out = table->items[table->slots[at] - 1];
    return TD_OK;
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
