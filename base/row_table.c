#include "base/row_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { CAPACITY_MIN = 64 };

/* Store at the first free entry from the hash's position on; the table is never full. */
static void insert(row_table *table, row_table_entry entry)
{
    size_t mask = table->capacity - 1;
    size_t at = entry.hash & mask;
    while (table->entries[at].number != 0)
        at = (at + 1) & mask;
    table->entries[at] = entry;
    table->count++;
}

/* Apart, so that row_table_put need not save registers for it. */
static __attribute__((noinline)) void grow(row_table *table)
{
    row_table grown = {.capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity * 2};
    grown.entries = td_alloc_zero(grown.capacity, sizeof *grown.entries);
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].number != 0)
            insert(&grown, table->entries[i]);
    td_free(table->entries);
    *table = grown;
}

void row_table_put(row_table *table, uint64_t hash, size_t row)
{
    TD_ASSERT(row < UINT32_MAX);
    if (table->count == table->capacity / 2)
        grow(table);
    insert(table, (row_table_entry){.hash = row_probe_of(hash).hash, .number = (uint32_t)row + 1});
}

void row_table_clear(row_table *table)
{
    if (table->count > 0)
        memset(table->entries, 0, table->capacity * sizeof *table->entries);
    table->count = 0;
}

void row_table_fini(row_table *table)
{
    td_free(table->entries);
    *table = (row_table){0};
}
