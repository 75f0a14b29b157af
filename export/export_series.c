#include "export/export_series.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

enum { SLOTS_MIN = 64 };

void export_series_fini(export_series_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        td_free(table->items[i]->symbol);
        td_free(table->items[i]->file_symbol);
        td_free(table->items[i]->feed);
        td_free(table->items[i]);
    }
    for (size_t i = 0; i < table->choice_count; i++) {
        td_free(table->choices[i].feed);
        td_free(table->choices[i].symbol);
    }
    td_free(table->items);
    td_free(table->slots);
    td_free(table->choices);
    td_free(table->choice_slots);
    *table = (export_series_table){0};
}

/* Names are short: one hash each, mixed by the callers. */
static uint64_t text_hash(td_bytes text)
{
    return td_xxh64(text.data, text.size);
}

/* ---- series ---- */

static uint64_t series_hash(const export_type *type, const char *exchange, const char *file_symbol)
{
    uint64_t hash = text_hash(td_bytes_str(exchange));
    hash = hash * 31 + text_hash(td_bytes_str(file_symbol));
    return hash * 31 + (uint64_t)type->id;
}

/* The slot of a name, or the free one where it belongs. */
static size_t series_slot(const export_series_table *table, const export_type *type,
                          const char *exchange, const char *file_symbol)
{
    TD_ASSERT(table->slot_count > table->count);
    size_t mask = table->slot_count - 1;
    size_t at = (size_t)series_hash(type, exchange, file_symbol) & mask;
    for (; table->slots[at] != 0; at = (at + 1) & mask) {
        const export_series *is = table->items[table->slots[at] - 1];
        if (is->type->id == type->id && strcmp(is->exchange, exchange) == 0 &&
            strcmp(is->file_symbol, file_symbol) == 0)
            break;
    }
    return at;
}

/* Slots hold places in items, so they are rebuilt when those move. */
static void series_index(export_series_table *table)
{
    memset(table->slots, 0, table->slot_count * sizeof *table->slots);
    for (size_t i = 0; i < table->count; i++) {
        const export_series *is = table->items[i];
        table->slots[series_slot(table, is->type, is->exchange, is->file_symbol)] = (uint32_t)i + 1;
    }
}

/* Twice the space, before half of it is used. On failure the table is as it was. */
static td_result series_grow(export_series_table *table, td_err *err)
{
    size_t slot_count = table->slot_count == 0 ? SLOTS_MIN : table->slot_count * 2;
    export_series **items = td_realloc(table->items, slot_count, sizeof(export_series *));
    if (items != NULL)
        table->items = items;
    uint32_t *slots = td_realloc(table->slots, slot_count, sizeof *slots);
    if (slots != NULL)
        table->slots = slots;
    if (items == NULL || slots == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu names of files", slot_count);
    table->slot_count = slot_count;
    series_index(table);
    return TD_OK;
}

export_series *export_series_find(const export_series_table *table, const export_type *type,
                                  const char *exchange, const char *file_symbol)
{
    if (table->slot_count == 0)
        return NULL;
    uint32_t found = table->slots[series_slot(table, type, exchange, file_symbol)];
    TD_ASSERT(found <= table->count);
    return found == 0 ? NULL : table->items[found - 1];
}

/* Names are copied: channels do not outlive the first look's tape. */
static td_result series_make(const export_type *type, const char *exchange, const char *symbol,
                             const char *file_symbol, export_series **out, td_err *err)
{
    export_series *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a name of files");
    TD_ASSERT(strlen(file_symbol) == strlen(symbol));
    *made = (export_series){.type = type,
                            .exchange = exchange,
                            .symbol = td_strdup(symbol),
                            .file_symbol = td_strdup(file_symbol),
                            .day = EXPORT_DAY_NONE};
    if (made->symbol == NULL || made->file_symbol == NULL) {
        td_free(made->symbol);
        td_free(made->file_symbol);
        td_free(made);
        return td_err_set(err, TD_E_NOMEM, "no memory for a name of files");
    }
    *out = made;
    return TD_OK;
}

td_result export_series_get(export_series_table *table, const export_type *type,
                            const char *exchange, const char *symbol, const char *file_symbol,
                            export_series **out, td_err *err)
{
    *out = export_series_find(table, type, exchange, file_symbol);
    if (*out != NULL)
        return TD_OK;
    if (table->count == LIMIT_EXPORT_SERIES) {
        td_err_set(err, TD_E_LIMIT, "more than %u symbols and types in one export",
                   LIMIT_EXPORT_SERIES);
        td_err_hint(err, "narrow it by --symbol, --type or --from and --to");
        return TD_E_LIMIT;
    }
    td_result rc = table->count * 2 >= table->slot_count ? series_grow(table, err) : TD_OK;
    if (rc == TD_OK)
        rc = series_make(type, exchange, symbol, file_symbol, out, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(table->count < LIMIT_EXPORT_SERIES);
    TD_ASSERT(table->slots[series_slot(table, type, exchange, file_symbol)] == 0);
    table->slots[series_slot(table, type, exchange, file_symbol)] = (uint32_t)table->count + 1;
    table->items[table->count++] = *out;
    return TD_OK;
}

/* Says what would share the file, for the way out differs: a feed, a symbol, a time. */
static td_result explain_clash(const export_series *series, const char *feed, uint32_t line,
                               const char *symbol, td_err *err)
{
    char date[EXPORT_DATE_BYTES];
    export_date_format(series->day, date);
    if (feed[0] == '\0')
        td_err_set(err, TD_E_INVALID, "lines %u and %u would share the %s file of %s", series->line,
                   line, series->type->name, date);
    else if (strcmp(series->symbol, symbol) != 0)
        td_err_set(err, TD_E_INVALID, "symbols '%s' and '%s' would share a %s file of %s",
                   series->symbol, symbol, series->type->name, date);
    else if (strcmp(series->feed, feed) != 0)
        td_err_set(err, TD_E_INVALID, "feeds '%s' and '%s' would share the %s file of %s, %s",
                   series->feed, feed, series->type->name, symbol, date);
    else
        td_err_set(err, TD_E_INVALID,
                   "lines %u and %u of feed '%s' would share the %s file of %s, %s", series->line,
                   line, feed, series->type->name, symbol, date);
    td_err_hint(err, "export them into folders of their own: choose by --feed, --symbol, or time");
    return TD_E_INVALID;
}

td_result export_series_note(export_series *series, uint32_t day, const char *feed, uint32_t line,
                             const char *symbol, int *is_new, td_err *err)
{
    *is_new = series->day != day;
    TD_ASSERT(day != EXPORT_DAY_NONE);
    if (!*is_new) {
        TD_ASSERT(series->feed != NULL);
        if (strcmp(series->feed, feed) != 0 || series->line != line ||
            strcmp(series->symbol, symbol) != 0)
            return explain_clash(series, feed, line, symbol, err);
        return TD_OK;
    }
    TD_ASSERT(series->day == EXPORT_DAY_NONE || series->day < day);
    if (series->feed == NULL || strcmp(series->feed, feed) != 0) {
        char *copy = td_strdup(feed);
        if (copy == NULL)
            return td_err_set(err, TD_E_NOMEM, "no memory for a feed's name");
        td_free(series->feed);
        series->feed = copy;
    }
    series->day = day;
    series->line = line;
    return TD_OK;
}

/* The order of a manifest's files within a day. */
static int compare_series(const void *a, const void *b)
{
    const export_series *x = *(export_series *const *)a;
    const export_series *y = *(export_series *const *)b;
    int order = strcmp(x->exchange, y->exchange);
    if (order == 0)
        order = (int)x->type->id - (int)y->type->id;
    return order != 0 ? order : strcmp(x->file_symbol, y->file_symbol);
}

void export_series_sort(export_series_table *table)
{
    if (table->count == 0)
        return;
    qsort(table->items, table->count, sizeof(export_series *), compare_series);
    series_index(table);
}

/* ---- choices of topics ---- */

static size_t choice_slot(const export_series_table *table, const char *feed,
                          const export_market *market, td_bytes symbol)
{
    TD_ASSERT(table->choice_slot_count > table->choice_count);
    size_t mask = table->choice_slot_count - 1;
    uint64_t hash = text_hash(td_bytes_str(feed)) * 31 + text_hash(symbol);
    size_t at = (size_t)(hash * 31 + text_hash(td_bytes_str(market->exchange))) & mask;
    for (; table->choice_slots[at] != 0; at = (at + 1) & mask) {
        const export_choice *is = &table->choices[table->choice_slots[at] - 1];
        if (is->market == market && td_bytes_is(symbol, is->symbol) && strcmp(is->feed, feed) == 0)
            break;
    }
    return at;
}

/* As series_grow. */
static td_result choices_grow(export_series_table *table, td_err *err)
{
    size_t slot_count = table->choice_slot_count == 0 ? SLOTS_MIN : table->choice_slot_count * 2;
    export_choice *choices = td_realloc(table->choices, slot_count, sizeof *choices);
    if (choices != NULL)
        table->choices = choices;
    uint32_t *slots = td_alloc_zero(slot_count, sizeof *slots);
    if (choices == NULL || slots == NULL) {
        td_free(slots);
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu books", slot_count);
    }
    td_free(table->choice_slots);
    table->choice_slots = slots;
    table->choice_slot_count = slot_count;
    for (size_t i = 0; i < table->choice_count; i++) {
        const export_choice *is = &table->choices[i];
        table->choice_slots[choice_slot(table, is->feed, is->market, td_bytes_str(is->symbol))] =
            (uint32_t)i + 1;
    }
    return TD_OK;
}

const export_choice *export_choice_find(const export_series_table *table, const char *feed,
                                        const export_market *market, td_bytes symbol)
{
    if (table->choice_slot_count == 0)
        return NULL;
    uint32_t found = table->choice_slots[choice_slot(table, feed, market, symbol)];
    TD_ASSERT(found <= table->choice_count);
    return found == 0 ? NULL : &table->choices[found - 1];
}

td_result export_choice_offer(export_series_table *table, const char *feed, td_bytes symbol,
                              const export_market *market, const topic_row *row, td_err *err)
{
    TD_ASSERT(export_is_book_topic(row, 0));
    if (table->choice_count * 2 >= table->choice_slot_count) {
        if (table->choice_count >= LIMIT_EXPORT_SERIES)
            return td_err_set(err, TD_E_LIMIT, "more than %u books in one export",
                              LIMIT_EXPORT_SERIES);
        td_result rc = choices_grow(table, err);
        if (rc != TD_OK)
            return rc;
    }
    size_t slot = choice_slot(table, feed, market, symbol);
    if (table->choice_slots[slot] != 0) {
        export_choice *is = &table->choices[table->choice_slots[slot] - 1];
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
    table->choices[table->choice_count++] = made;
    table->choice_slots[slot] = (uint32_t)table->choice_count;
    return TD_OK;
}
