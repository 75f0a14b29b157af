#include "book/symbol_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

void symbol_table_fini(symbol_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        symbol_state_close(table->items[i]->state);
        td_free(table->items[i]);
    }
    td_free(table->items);
    row_table_fini(&table->by_name);
    *table = (symbol_table){0};
}

symbol_entry *symbol_table_get(symbol_table *table, const char *feed, const char *symbol)
{
    const size_t feed_bytes = strlen(feed) + 1;
    const size_t symbol_bytes = strlen(symbol) + 1;
    const uint64_t hash = td_xxh64(feed, feed_bytes) * 31 + td_xxh64(symbol, symbol_bytes);
    row_probe at = row_probe_of(hash);
    while (row_table_next(&table->by_name, &at)) {
        symbol_entry *known = table->items[at.row];
        if (strcmp(known->symbol, symbol) == 0 && strcmp(known->feed, feed) == 0)
            return known;
    }
    symbol_entry *made = td_alloc_zero(1, sizeof *made + feed_bytes + symbol_bytes);
    made->feed = memcpy(made->names, feed, feed_bytes);
    made->symbol = memcpy(made->names + feed_bytes, symbol, symbol_bytes);
    row_table_put(&table->by_name, hash, table->count);
    table->items = td_array_grow(table->items, table->count, sizeof(symbol_entry *));
    table->items[table->count++] = made;
    return made;
}

size_t symbol_entry_bytes(const symbol_entry *entry)
{
    return sizeof *entry + strlen(entry->feed) + 1 + strlen(entry->symbol) + 1;
}

symbol_state *symbol_entry_state(symbol_entry *entry, symbol_audits audits)
{
    if (entry->state == NULL)
        entry->state = symbol_state_open(audits);
    return entry->state;
}

symbol_topic *symbol_table_topic(symbol_table *table, const channel_info *info,
                                 symbol_audits audits)
{
    symbol_entry *of = symbol_table_get(table, info->feed, info->symbol);
    return symbol_state_topic(symbol_entry_state(of, audits), td_bytes_str(info->topic),
                              info->line);
}

void symbol_table_take(symbol_table *table, symbol_table *from)
{
    for (size_t i = 0; i < from->count; i++) {
        symbol_entry *taken = from->items[i];
        if (taken->state != NULL)
            symbol_state_move(&symbol_table_get(table, taken->feed, taken->symbol)->state,
                              taken->state);
        taken->state = NULL;
    }
}
