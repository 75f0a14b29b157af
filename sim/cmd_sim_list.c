/* The output of `tapedeck sim --list`: the tables of sim/catalog.h. */
#include <string.h>

#include "base/assert.h"
#include "cli/output.h"
#include "schema/family.h"
#include "sim/cmd_sim.h"
#include "sim/catalog.h"

/* The part after a topic, by stream_scope. */
static const char *const TAILS[] = {
    [SCOPE_SYMBOL] = ".SYMBOL",
    [SCOPE_COIN] = ".COIN",
    [SCOPE_SETTLE] = ".SETTLECOIN",
    [SCOPE_COIN_EXPIRY] = ".COIN_USD.DATE",
    [SCOPE_SYMBOL_INTERVAL] = ".SYMBOL.1m",
    [SCOPE_ALL] = "",
};

/* 1 if a row differs from the one before in its products alone. */
static int is_repeated(const stream_table *table, size_t index)
{
    return index > 0 && strcmp(table->rows[index].topic, table->rows[index - 1].topic) == 0;
}

static void print_table(output_stream *o, const char *what, const stream_table *table)
{
    if (table == NULL)
        return;
    output_printf(o, "  %s:", what);
    for (size_t i = 0; i < table->count; i++) {
        const stream_row *row = &table->rows[i];
        for (int k = 0; row->intervals != NULL && k < CANDLE_INTERVALS; k++)
            if (row->intervals[k] != NULL && row->scope != SCOPE_SYMBOL_INTERVAL)
                output_printf(o, " %s.%s%s", row->topic, row->intervals[k], TAILS[row->scope]);
        if (!is_repeated(table, i) &&
            (row->intervals == NULL || row->scope == SCOPE_SYMBOL_INTERVAL))
            output_printf(o, " %s%s", row->topic, TAILS[row->scope]);
    }
    output_printf(o, "\n");
}

/* Paths of the main net; other nets have the same ones. */
static void print_paths(output_stream *o, const family *of)
{
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        const family_endpoint *endpoint = &of->endpoints[i];
        int is_known = endpoint->net != NET_MAIN;
        for (size_t k = 0; k < i && !is_known; k++)
            is_known =
                strcmp(family_url_path(of->endpoints[k].url), family_url_path(endpoint->url)) == 0;
        if (!is_known)
            output_printf(o, " %s", family_url_path(endpoint->url));
    }
}

/* Names of symbols, for recorders of families that take one symbol a topic. */
static void print_symbols(output_stream *o, const catalog_row *row, uint32_t count)
{
    if (row->streams == NULL || row->products[0] == PRODUCT_NONE)
        return;
    output_printf(o, "  symbols:");
    for (uint32_t i = 0; i < count; i++) {
        instrument made = catalog_instrument(row, i);
        output_printf(o, " %s", made.symbol);
    }
    output_printf(o, "\n");
}

td_result cmd_sim_list(FILE *out, uint32_t symbols, td_err *err)
{
    TD_ASSERT(symbols > 0 && symbols <= INSTRUMENTS_MAX);
    output_stream o;
    size_t count = 0;
    const catalog_row *rows = catalog_table(&count);
    output_init(&o, out);
    for (size_t i = 0; i < count; i++) {
        const family *of = family_find(td_bytes_str(rows[i].family));
        TD_ASSERT(of != NULL);
        output_printf(&o, "%s", rows[i].family);
        print_paths(&o, of);
        output_printf(&o, "\n");
        print_table(&o, "public", rows[i].streams);
        print_table(&o, "private", rows[i].account);
        print_symbols(&o, &rows[i], symbols);
    }
    return output_finish(&o, err);
}
