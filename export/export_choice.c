#include "export/export_choice.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

void export_choices_fini(export_choices *table)
{
    for (size_t i = 0; i < table->count; i++) {
        td_free(table->items[i].feed);
        td_free(table->items[i].symbol);
    }
    td_free(table->items);
    slot_table_fini(&table->slots);
    *table = (export_choices){0};
}

static uint64_t hash_of(td_bytes text)
{
    return td_xxh64(text.data, text.size);
}

static uint64_t choice_hash(const char *feed, const export_market *market, td_bytes symbol)
{
    uint64_t hash = hash_of(td_bytes_str(feed)) * 31 + hash_of(symbol);
    return hash * 31 + hash_of(td_bytes_str(market->exchange));
}

export_choice *export_choice_find(const export_choices *table, const char *feed,
                                  const export_market *market, td_bytes symbol)
{
    slot_probe at = slot_probe_of(choice_hash(feed, market, symbol));
    while (slot_table_next(&table->slots, &at)) {
        export_choice *is = &table->items[at.row];
        if (is->market == market && td_bytes_is(symbol, is->symbol) && strcmp(is->feed, feed) == 0)
            return is;
    }
    return NULL;
}

td_result export_choice_offer(export_choices *table, const char *feed, td_bytes symbol,
                              const export_market *market, const topic_row *row, td_err *err)
{
    TD_ASSERT(export_is_book_topic(row, 0));
    export_choice *is = export_choice_find(table, feed, market, symbol);
    if (is != NULL) {
        if (export_prefers_book(market, row, is->row))
            is->row = row;
        return TD_OK;
    }
    if (table->count == LIMIT_EXPORT_SERIES)
        return td_err_set(err, TD_E_LIMIT, "more than %u books in one export", LIMIT_EXPORT_SERIES);
    table->items = td_array_grow(table->items, table->count, sizeof *table->items);
    slot_table_put(&table->slots, choice_hash(feed, market, symbol), table->count);
    table->items[table->count++] =
        (export_choice){.feed = td_strdup(feed),
                        .symbol = td_strndup((const char *)symbol.data, symbol.size),
                        .market = market,
                        .row = row};
    return TD_OK;
}
