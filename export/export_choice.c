#include "export/export_choice.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

enum { SLOTS_MIN = 64 };

void export_choices_fini(export_choices *table)
{
    for (size_t i = 0; i < table->count; i++) {
        td_free(table->items[i].feed);
        td_free(table->items[i].symbol);
    }
    td_free(table->items);
    td_free(table->slots);
    *table = (export_choices){0};
}

static uint64_t hash_of(td_bytes text)
{
    return td_xxh64(text.data, text.size);
}

static size_t slot_of(const export_choices *table, const char *feed, const export_market *market,
                      td_bytes symbol)
{
    TD_ASSERT(table->slot_count > table->count);
    size_t mask = table->slot_count - 1;
    uint64_t hash = hash_of(td_bytes_str(feed)) * 31 + hash_of(symbol);
    size_t at = (size_t)(hash * 31 + hash_of(td_bytes_str(market->exchange))) & mask;
    for (; table->slots[at] != 0; at = (at + 1) & mask) {
        const export_choice *is = &table->items[table->slots[at] - 1];
        if (is->market == market && td_bytes_is(symbol, is->symbol) && strcmp(is->feed, feed) == 0)
            break;
    }
    return at;
}

/* Twice the space, before half of it is used. On failure the table is as it was. */
static td_result grow(export_choices *table, td_err *err)
{
    size_t slot_count = table->slot_count == 0 ? SLOTS_MIN : table->slot_count * 2;
    export_choice *items = td_realloc(table->items, slot_count, sizeof *items);
    if (items != NULL)
        table->items = items;
    uint32_t *slots = td_alloc_zero(slot_count, sizeof *slots);
    if (items == NULL || slots == NULL) {
        td_free(slots);
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu books", slot_count);
    }
    td_free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    for (size_t i = 0; i < table->count; i++) {
        const export_choice *is = &table->items[i];
        table->slots[slot_of(table, is->feed, is->market, td_bytes_str(is->symbol))] =
            (uint32_t)i + 1;
    }
    return TD_OK;
}

const export_choice *export_choice_find(const export_choices *table, const char *feed,
                                        const export_market *market, td_bytes symbol)
{
    if (table->slot_count == 0)
        return NULL;
    uint32_t found = table->slots[slot_of(table, feed, market, symbol)];
    TD_ASSERT(found <= table->count);
    return found == 0 ? NULL : &table->items[found - 1];
}

td_result export_choice_offer(export_choices *table, const char *feed, td_bytes symbol,
                              const export_market *market, const topic_row *row, td_err *err)
{
    TD_ASSERT(export_is_book_topic(row, 0));
    if (table->count * 2 >= table->slot_count) {
        if (table->count >= LIMIT_EXPORT_SERIES)
            return td_err_set(err, TD_E_LIMIT, "more than %u books in one export",
                              LIMIT_EXPORT_SERIES);
        td_result rc = grow(table, err);
        if (rc != TD_OK)
            return rc;
    }
    size_t slot = slot_of(table, feed, market, symbol);
    if (table->slots[slot] != 0) {
        export_choice *is = &table->items[table->slots[slot] - 1];
        TD_ASSERT(is->market == market);
        if (export_prefers_book(market, row, is->row))
            is->row = row;
        return TD_OK;
    }
    export_choice made = {.feed = td_strdup(feed),
                          .symbol = td_strndup((const char *)symbol.data, symbol.size),
                          .market = market,
                          .row = row};
    if (made.feed == NULL || made.symbol == NULL) {
        td_free(made.feed);
        td_free(made.symbol);
        return td_err_set(err, TD_E_NOMEM, "no memory for a book");
    }
    table->items[table->count++] = made;
    table->slots[slot] = (uint32_t)table->count;
    return TD_OK;
}
