#include "export/export_precision.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

void export_precisions_fini(export_precisions *table)
{
    td_free(table->items);
    row_table_fini(&table->by_instrument);
    *table = (export_precisions){0};
}

static export_precision *find(const export_precisions *table, const char *instrument)
{
    row_probe at = row_probe_of(td_xxh64(instrument, strlen(instrument)));
    while (row_table_next(&table->by_instrument, &at))
        if (strcmp(table->items[at.row].instrument, instrument) == 0)
            return &table->items[at.row];
    return NULL;
}

const export_precision *export_precisions_find(const export_precisions *table,
                                               const char *instrument)
{
    return find(table, instrument);
}

void export_precisions_raise(export_precisions *table, const export_precision *to)
{
    export_precision *known = find(table, to->instrument);
    if (known == NULL) {
        row_table_put(&table->by_instrument, td_xxh64(to->instrument, strlen(to->instrument)),
                      table->count);
        table->items = td_array_grow(table->items, table->count, sizeof *table->items);
        table->items[table->count++] = *to;
        return;
    }
    known->price = to->price > known->price ? to->price : known->price;
    known->size = to->size > known->size ? to->size : known->size;
}

void export_precisions_join(export_precisions *table, const export_precisions *other)
{
    for (size_t i = 0; i < other->count; i++)
        export_precisions_raise(table, &other->items[i]);
}
