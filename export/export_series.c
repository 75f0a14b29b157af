#include "export/export_series.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

/* ---- counts ---- */

void export_counts_break(export_counts *counts, const export_break *broke)
{
    TD_ASSERT(broke->cause != BREAK_NONE);
    if (counts->breaks == NULL)
        counts->breaks = td_alloc_zero(LIMIT_EXPORT_BREAKS, sizeof *counts->breaks);
    if (counts->break_count < LIMIT_EXPORT_BREAKS)
        counts->breaks[counts->break_count] = *broke;
    counts->break_count++;
}

void export_counts_restart(export_counts *counts, uint64_t recv_ns)
{
    if (counts->break_count == 0 || counts->break_count > LIMIT_EXPORT_BREAKS)
        return;
    TD_ASSERT(counts->breaks != NULL);
    export_break *last = &counts->breaks[counts->break_count - 1];
    TD_ASSERT(last->from_ns <= recv_ns);
    if (last->to_ns == 0)
        last->to_ns = recv_ns;
}

void export_counts_clear(export_counts *counts)
{
    td_free(counts->breaks);
    *counts = (export_counts){0};
}

/* ---- the table ---- */

void export_series_fini(export_series_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        td_free(table->items[i]->symbol);
        td_free(table->items[i]->file_symbol);
        td_free(table->items[i]->feed);
        TD_ASSERT(table->items[i]->file == NULL);
        export_counts_clear(&table->items[i]->counts);
        td_free(table->items[i]);
    }
    td_free(table->items);
    slot_table_fini(&table->slots);
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
    return hash * 31 + text_hash(td_bytes_str(type->name));
}

/* Put items[i] where series_hash finds it. */
static void series_index(export_series_table *table, size_t i)
{
    const export_series *is = table->items[i];
    slot_table_put(&table->slots, series_hash(is->type, is->exchange, is->file_symbol), i);
}

td_result export_series_get(export_series_table *table, const export_type *type,
                            const char *exchange, const char *symbol, const char *file_symbol,
                            export_series **out, td_err *err)
{
    TD_ASSERT(strlen(file_symbol) == strlen(symbol));
    slot_probe at = slot_probe_of(series_hash(type, exchange, file_symbol));
    while (slot_table_next(&table->slots, &at)) {
        *out = table->items[at.row];
        if ((*out)->type == type && strcmp((*out)->exchange, exchange) == 0 &&
            strcmp((*out)->file_symbol, file_symbol) == 0)
            return TD_OK;
    }
    if (table->count == LIMIT_EXPORT_SERIES) {
        td_err_set(err, TD_E_LIMIT, "more than %u symbols and types in one export",
                   LIMIT_EXPORT_SERIES);
        td_err_hint(err, "narrow it by --symbol, --type or --from and --to");
        return TD_E_LIMIT;
    }
    export_series *made = td_alloc_zero(1, sizeof *made);
    *made = (export_series){.type = type,
                            .exchange = exchange,
                            .symbol = td_strdup(symbol),
                            .file_symbol = td_strdup(file_symbol),
                            .day = EXPORT_DAY_NONE};
    table->items = td_array_grow(table->items, table->count, sizeof(export_series *));
    table->items[table->count] = *out = made;
    series_index(table, table->count++);
    return TD_OK;
}

td_result export_series_of(export_series_table *table, const export_place *place, td_bytes symbol,
                           export_series **out, const char **refusal, td_err *err)
{
    char cell[LIMIT_SYMBOL_BYTES];
    char file_symbol[LIMIT_SYMBOL_BYTES];
    TD_ASSERT(place->type != NULL);
    *out = NULL;
    *refusal = NULL;
    if (place->market == NULL)
        return export_series_get(table, place->type, "", "", "", out, err);
    *refusal = export_symbol_refusal(symbol);
    if (*refusal != NULL)
        return TD_OK;
    export_symbol_format(symbol, cell);
    export_symbol_for_file(cell, file_symbol);
    return export_series_get(table, place->type, place->market->exchange, cell, file_symbol, out,
                             err);
}

/* The error names what would share the file, because the remedy differs: a feed, a symbol, a time.
 */
static td_result explain_clash(const export_series *series, const char *feed, uint32_t line,
                               const char *symbol, td_err *err)
{
    char date[EXPORT_DATE_BYTES];
    export_date_format(series->day, date);
    if (strcmp(series->symbol, symbol) != 0)
        td_err_set(err, TD_E_INVALID, "symbols '%s' and '%s' would share a %s file of %s",
                   series->symbol, symbol, series->type->name, date);
    else if (strcmp(series->feed, feed) != 0)
        td_err_set(err, TD_E_INVALID, "feeds '%s' and '%s' would share the %s file of %s, %s",
                   series->feed, feed, series->type->name, symbol, date);
    else
        td_err_set(err, TD_E_INVALID, "lines %u and %u would share the %s file of %s%s%s",
                   series->line, line, series->type->name, symbol, symbol[0] == '\0' ? "" : ", ",
                   date);
    td_err_hint(err, "export them into folders of their own: choose by --feed, --symbol, or time");
    return TD_E_INVALID;
}

td_result export_series_note(export_series_table *table, export_series *series, uint32_t day,
                             const char *feed, uint32_t line, const char *symbol, td_err *err)
{
    TD_ASSERT(day != EXPORT_DAY_NONE);
    if (series->day == day) {
        TD_ASSERT(series->feed != NULL);
        if (strcmp(series->feed, feed) != 0 || series->line != line ||
            strcmp(series->symbol, symbol) != 0)
            return explain_clash(series, feed, line, symbol, err);
        return TD_OK;
    }
    TD_ASSERT(series->day == EXPORT_DAY_NONE || series->day < day);
    if (series->feed == NULL || strcmp(series->feed, feed) != 0) {
        td_free(series->feed);
        series->feed = td_strdup(feed);
    }
    series->day = day;
    series->line = line;
    TD_ASSERT(table->day_files == 0 || day >= table->day);
    if (day != table->day)
        table->day_files = 0;
    table->day = day;
    if (++table->day_files <= LIMIT_EXPORT_FILES)
        return TD_OK;
    td_err_set(err, TD_E_LIMIT, "more than %u files of one day", LIMIT_EXPORT_FILES);
    td_err_hint(err, "narrow the selection by --symbol, or export one --type at a time");
    return TD_E_LIMIT;
}

/* The order of a manifest's files within a day. */
static int compare_series(const void *a, const void *b)
{
    const export_series *x = *(export_series *const *)a;
    const export_series *y = *(export_series *const *)b;
    int order = strcmp(x->exchange, y->exchange);
    if (order == 0)
        order = (x->type > y->type) - (x->type < y->type); /* both are of one format's array */
    return order != 0 ? order : strcmp(x->file_symbol, y->file_symbol);
}

void export_series_sort(export_series_table *table)
{
    if (table->count == 0)
        return;
    qsort(table->items, table->count, sizeof(export_series *), compare_series);
    slot_table_clear(&table->slots);
    for (size_t i = 0; i < table->count; i++)
        series_index(table, i);
}
