#include "base/slot_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

enum { CAPACITY_MIN = 64 };

static_assert((LIMIT_TABLE_ROWS & (LIMIT_TABLE_ROWS - 1)) == 0, "tables double up to it");

/* Into the first free slot, from the hash's own on. There is one. */
static void enter(slot_table *table, table_slot slot)
{
    size_t mask = table->capacity - 1;
    size_t at = slot.hash & mask;
    while (table->slots[at].entry != 0)
        at = (at + 1) & mask;
    table->slots[at] = slot;
    table->count++;
}

td_result slot_table_reserve(slot_table *table, size_t rows, const char *what, td_err *err)
{
    if (slot_table_has_space(table, rows))
        return TD_OK;
    if (rows > LIMIT_TABLE_ROWS)
        return td_err_set(err, TD_E_LIMIT, "more than %u %s", LIMIT_TABLE_ROWS, what);
    slot_table grown = {.capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity * 2};
    while (!slot_table_has_space(&grown, rows))
        grown.capacity *= 2;
    grown.slots = td_alloc_zero(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu %s", rows, what);
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].entry != 0)
            enter(&grown, table->slots[i]);
    td_free(table->slots);
    *table = grown;
    return TD_OK;
}

void slot_table_put(slot_table *table, uint64_t hash, size_t row)
{
    TD_ASSERT(slot_table_has_space(table, table->count + 1));
    TD_ASSERT(row < UINT32_MAX);
    enter(table, (table_slot){.hash = slot_probe_of(hash).hash, .entry = (uint32_t)row + 1});
}

void slot_table_clear(slot_table *table)
{
    if (table->count > 0)
        memset(table->slots, 0, table->capacity * sizeof *table->slots);
    table->count = 0;
}

void slot_table_fini(slot_table *table)
{
    td_free(table->slots);
    *table = (slot_table){0};
}
