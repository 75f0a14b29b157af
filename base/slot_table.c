#include "base/slot_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { CAPACITY_MIN = 64 };

/* Store at the first free entry from the hash's position on; the table is never full. */
static void enter(slot_table *table, table_slot slot)
{
    size_t mask = table->capacity - 1;
    size_t at = slot.hash & mask;
    while (table->slots[at].entry != 0)
        at = (at + 1) & mask;
    table->slots[at] = slot;
    table->count++;
}

static void grow(slot_table *table)
{
    slot_table grown = {.capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity * 2};
    grown.slots = td_alloc_zero(grown.capacity, sizeof *grown.slots);
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].entry != 0)
            enter(&grown, table->slots[i]);
    td_free(table->slots);
    *table = grown;
}

void slot_table_put(slot_table *table, uint64_t hash, size_t row)
{
    TD_ASSERT(row < UINT32_MAX);
    if (table->count == table->capacity / 2)
        grow(table);
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
