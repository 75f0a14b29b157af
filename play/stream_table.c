#include "play/stream_table.h"

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
    td_free(table->by_symbol);
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
    return (stream_key){s->feed, td_bytes_str(s->topic), td_bytes_str(s->symbol), s->dir};
}

static int key_is(const stream *s, const stream_key *key)
{
    return s->dir == key->dir && td_bytes_is(key->symbol, s->symbol) &&
           td_bytes_is(key->topic, s->topic) && strcmp(s->feed, key->feed) == 0;
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

static uint64_t symbol_hash(const stream *s)
{
    return td_xxh64(s->feed, strlen(s->feed)) * 31 + td_xxh64(s->symbol, strlen(s->symbol));
}

/* The entry of a stream's symbol, or the free one where it belongs. */
static size_t symbol_find(const stream_table *table, const stream *s)
{
    TD_ASSERT(table->slot_count > table->count);
    size_t mask = table->slot_count - 1;
    size_t at = (size_t)symbol_hash(s) & mask;
    for (; table->by_symbol[at] != 0; at = (at + 1) & mask) {
        const stream *first = table->items[table->by_symbol[at] - 1];
        if (strcmp(first->symbol, s->symbol) == 0 && strcmp(first->feed, s->feed) == 0)
            break;
    }
    return at;
}

/* Put item i into both indexes. */
static void table_index(stream_table *table, size_t i)
{
    stream_key key = key_of(table->items[i]);
    table->slots[slot_find(table, &key)] = (uint32_t)i + 1;
    size_t entry = symbol_find(table, table->items[i]);
    if (table->by_symbol[entry] == 0)
        table->by_symbol[entry] = (uint32_t)i + 1;
}

/* Twice the space, before half of it is used. On failure the table is as it was. */
static td_result table_grow(stream_table *table, td_err *err)
{
    size_t slot_count = table->slot_count == 0 ? SLOTS_MIN : table->slot_count * 2;
    uint32_t *slots = td_alloc_zero(slot_count, sizeof *slots);
    uint32_t *by_symbol = td_alloc_zero(slot_count, sizeof *by_symbol);
    stream **items = NULL;
    if (slots != NULL && by_symbol != NULL)
        items = td_realloc(table->items, slot_count, sizeof(stream *));
    if (items == NULL) {
        td_free(slots);
        td_free(by_symbol);
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu streams", slot_count);
    }
    td_free(table->slots);
    td_free(table->by_symbol);
    table->items = items;
    table->slots = slots;
    table->by_symbol = by_symbol;
    table->slot_count = slot_count;
    for (size_t i = 0; i < table->count; i++)
        table_index(table, i);
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
        table->items[table->count] = made;
        table_index(table, table->count++);
    }
    TD_ASSERT(table->slots[at] != 0);
    *out = table->items[table->slots[at] - 1];
    return TD_OK;
}

stream *stream_table_sibling(const stream_table *table, const stream *of)
{
    uint32_t first = table->by_symbol[symbol_find(table, of)];
    TD_ASSERT(first != 0);
    return table->items[first - 1];
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
