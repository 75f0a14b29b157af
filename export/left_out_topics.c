#include "export/left_out_topics.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

static uint64_t hash_of(const channel_info *of, td_bytes symbol, const char *supplied_by)
{
    uint64_t hash = td_xxh64(of->feed, strlen(of->feed));
    hash = hash * 31 + td_xxh64(of->topic, strlen(of->topic));
    hash = hash * 31 + td_xxh64(symbol.data, symbol.size);
    return hash * 31 + td_xxh64(supplied_by, strlen(supplied_by));
}

void left_out_topics_add(left_out_topics *table, const channel_info *of, td_bytes symbol,
                         const char *supplied_by)
{
    const uint64_t hash = hash_of(of, symbol, supplied_by);
    row_probe at = row_probe_of(hash);
    while (row_table_next(&table->by_name, &at)) {
        const left_out_topic *listed = &table->items[at.row];
        if (strcmp(listed->feed, of->feed) == 0 && strcmp(listed->topic, of->topic) == 0 &&
            td_bytes_is(symbol, listed->symbol) && strcmp(listed->supplied_by, supplied_by) == 0)
            return;
    }
    table->items = td_array_grow(table->items, table->count, sizeof *table->items);
    row_table_put(&table->by_name, hash, table->count);
    table->items[table->count++] =
        (left_out_topic){.feed = td_strdup(of->feed),
                         .topic = td_strdup(of->topic),
                         .symbol = td_strndup((const char *)symbol.data, symbol.size),
                         .supplied_by = supplied_by};
}

void left_out_topics_fini(left_out_topics *table)
{
    for (size_t i = 0; i < table->count; i++) {
        td_free(table->items[i].feed);
        td_free(table->items[i].topic);
        td_free(table->items[i].symbol);
    }
    td_free(table->items);
    row_table_fini(&table->by_name);
    *table = (left_out_topics){0};
}
