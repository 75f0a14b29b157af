#include "export/export_unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/scan.h"
#include "base/time_text.h"
#include "archive/read_plan.h"
#include "export/export_name.h"

/* ---- names ---- */

void export_unit_format(const export_unit *unit, char out[EXPORT_UNIT_NAME_BYTES])
{
    char date[EXPORT_DATE_BYTES];
    export_date_format(unit->day, date);
    (void)snprintf(out, EXPORT_UNIT_NAME_BYTES, "%.10s.%uof%u", date,
                   unit->number % (EXPORT_UNITS_MAX + 1), unit->count % (EXPORT_UNITS_MAX + 1));
}

int export_unit_parse(const char *name, export_unit *out)
{
    enum { DATE_SIZE = 10 };
    char midnight[EXPORT_UNIT_NAME_BYTES];
    char same[EXPORT_UNIT_NAME_BYTES];
    uint64_t ns, number, count;
    const char *of = strlen(name) < DATE_SIZE ? NULL : strstr(name + DATE_SIZE, "of");
    (void)snprintf(midnight, sizeof midnight, "%.*sT00:00:00Z", (int)DATE_SIZE, name);
    if (of == NULL || of == name + DATE_SIZE ||
        td_time_parse_rfc3339(td_bytes_str(midnight), &ns, NULL) != TD_OK ||
        !td_digits_parse(td_bytes_of(name + DATE_SIZE + 1, (size_t)(of - name) - DATE_SIZE - 1),
                         EXPORT_UNITS_MAX, &number) ||
        !td_digits_parse(td_bytes_str(of + 2), EXPORT_UNITS_MAX, &count) || number == 0 ||
        number > count)
        return 0;
    *out = (export_unit){export_day_of(ns), (uint32_t)number, (uint32_t)count};
    export_unit_format(out, same);
    return strcmp(name, same) == 0;
}

/* ---- the symbols of a day ---- */

int export_can_cut(const export_spec *spec)
{
    int has_symbols = 0;
    for (size_t i = 0; i < spec->format_count; i++) {
        const export_format *format = spec->formats[i];
        if (format->grouping == EXPORT_JOINED || format->add_precision != NULL)
            return 0;
        has_symbols |= format->grouping == EXPORT_PER_SYMBOL;
    }
    return has_symbols;
}

static unit_symbol *find_symbol(const unit_symbols *symbols, td_bytes symbol)
{
    row_probe at = row_probe_of(td_xxh64(symbol.data, symbol.size));
    while (row_table_next(&symbols->by_symbol, &at))
        if (td_bytes_is(symbol, symbols->items[at.row].symbol))
            return &symbols->items[at.row];
    return NULL;
}

static void add_symbol(unit_symbols *symbols, const char *symbol, uint64_t bytes)
{
    unit_symbol *found = find_symbol(symbols, td_bytes_str(symbol));
    if (found == NULL) {
        symbols->items = td_array_grow(symbols->items, symbols->count, sizeof *symbols->items);
        row_table_put(&symbols->by_symbol, td_xxh64(symbol, strlen(symbol)), symbols->count);
        found = &symbols->items[symbols->count++];
        *found = (unit_symbol){.symbol = td_strdup(symbol), .unit = 1};
    }
    found->bytes += bytes;
}

/* Each channel has a share of its segment's bytes, by its number of messages. */
static void add_segment(unit_symbols *symbols, const export_spec *spec,
                        const planned_segment *segment)
{
    const segment_index *index = segment->index;
    symbols->bytes += index->file_bytes;
    symbols->is_recorded |= segment->life == SEGMENT_IS_RECORDED;
    for (size_t i = 0; i < index->channel_count; i++) {
        const segment_channel *channel = &index->channels[i];
        const char *symbol = channel->info.symbol;
        if (!segment->is_wanted[i] || !frame_role_is_of_topic(channel_role(&channel->info)) ||
            symbol[0] == '\0' || strcmp(symbol, "*") == 0 ||
            !export_needs_channel(spec, &channel->info))
            continue;
        int is_known = channel->message_count <= index->message_count && index->message_count > 0;
        add_symbol(symbols, symbol,
                   is_known ? index->file_bytes / index->message_count * channel->message_count
                            : 0);
    }
}

td_result unit_symbols_find(archive *from, const export_spec *spec, const selection *wanted,
                            selection_window window, unit_symbols *out, td_err *err)
{
    selection copy = *wanted;
    read_query query = selection_query(&copy, export_read_window(spec, window));
    read_plan *plan = NULL;
    query.is_quiet = 1; /* the day's tape logs unreadable segments */
    td_result rc = read_plan_open(from, &query, &plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++)
        add_segment(out, spec, read_plan_segment(plan, i));
    read_plan_close(plan);
    return rc;
}

void unit_symbols_fini(unit_symbols *symbols)
{
    for (size_t i = 0; i < symbols->count; i++)
        td_free(symbols->items[i].symbol);
    td_free(symbols->items);
    row_table_fini(&symbols->by_symbol);
    *symbols = (unit_symbols){0};
}

/* ---- the units of a day ---- */

uint32_t unit_symbols_units(const unit_symbols *symbols, const export_spec *spec,
                            uint64_t unit_bytes)
{
    uint64_t groups = symbols->bytes / unit_bytes + (symbols->bytes % unit_bytes != 0);
    if (groups <= 1 || symbols->count <= 1 || !export_can_cut(spec))
        return 1;
    groups = groups > symbols->count ? symbols->count : groups;
    return groups < EXPORT_UNITS_MAX ? 1 + (uint32_t)groups : EXPORT_UNITS_MAX;
}

/* The largest first. */
static int compare_symbols(const void *a, const void *b)
{
    const unit_symbol *x = a;
    const unit_symbol *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return strcmp(x->symbol, y->symbol);
}

/* Gives each symbol to the unit with the fewest bytes so far, the largest symbol first. */
void unit_symbols_share(unit_symbols *symbols, uint32_t unit_count)
{
    uint64_t bytes[EXPORT_UNITS_MAX + 1] = {0};
    if (symbols->count == 0 || unit_count <= 1)
        return;
    qsort(symbols->items, symbols->count, sizeof *symbols->items, compare_symbols);
    row_table_fini(&symbols->by_symbol);
    for (size_t i = 0; i < symbols->count; i++) {
        unit_symbol *each = &symbols->items[i];
        each->unit = 2;
        for (uint32_t unit = 3; unit <= unit_count; unit++)
            if (bytes[unit] < bytes[each->unit])
                each->unit = unit;
        bytes[each->unit] += each->bytes + 1; /* symbols of unknown size are spread, too */
        row_table_put(&symbols->by_symbol, td_xxh64(each->symbol, strlen(each->symbol)), i);
    }
}

uint32_t unit_symbols_find_unit(const unit_symbols *symbols, td_bytes symbol)
{
    const unit_symbol *found = find_symbol(symbols, symbol);
    return found == NULL ? 1 : found->unit;
}
