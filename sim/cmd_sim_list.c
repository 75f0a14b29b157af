/* The output of `tapedeck sim --list`: the tables of sim/catalog.h. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "cli/output.h"
#include "schema/family.h"
#include "schema/topic.h"
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

/* Topics of a row, each as a recorder may write it with a symbol in place of the capital word. */
typedef struct listed_row {
    char topics[CANDLE_INTERVALS][LIMIT_TOPIC_BYTES];
    size_t count;
} listed_row;

static void list_row(const stream_row *row, listed_row *out)
{
    out->count = 0;
    if (row->intervals == NULL || row->scope == SCOPE_SYMBOL_INTERVAL) {
        (void)snprintf(out->topics[out->count++], LIMIT_TOPIC_BYTES, "%s%s", row->topic,
                       TAILS[row->scope]);
        return;
    }
    for (int k = 0; k < CANDLE_INTERVALS; k++)
        if (row->intervals[k] != NULL)
            (void)snprintf(out->topics[out->count++], LIMIT_TOPIC_BYTES, "%s.%s%s", row->topic,
                           row->intervals[k], TAILS[row->scope]);
}

/* 1 if a row differs from the one before in its products alone. */
static int is_repeated(const stream_table *table, size_t index)
{
    return index > 0 && strcmp(table->rows[index].topic, table->rows[index - 1].topic) == 0;
}

/* Which topics: those with a row in the family, which are decoded; those without. */
typedef enum listed_part { LISTED_DECODED, LISTED_RAW } listed_part;

/* Topics that never send anything are left out: there is nothing to record. */
static void print_table(output_stream *o, const family *of, const char *what,
                        const stream_table *table, listed_part part)
{
    int has_any = 0;
    for (size_t i = 0; table != NULL && i < table->count; i++) {
        const stream_row *row = &table->rows[i];
        listed_row listed;
        topic_match found;
        if (row->kind == STREAM_SILENT || is_repeated(table, i))
            continue;
        list_row(row, &listed);
        for (size_t k = 0; k < listed.count; k++) {
            int is_raw = !topic_match_text(of->topics, of->topic_count,
                                           td_bytes_str(listed.topics[k]), TOPIC_ANY_TIME, &found);
            if (is_raw != (part == LISTED_RAW))
                continue;
            if (!has_any)
                output_printf(o, "  %s:", what);
            has_any = 1;
            output_printf(o, " %s", listed.topics[k]);
        }
    }
    if (has_any)
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
        print_table(&o, of, "public", rows[i].streams, LISTED_DECODED);
        print_table(&o, of, "private", rows[i].account, LISTED_DECODED);
        print_table(&o, of, "with --allow-unknown-topic, public", rows[i].streams, LISTED_RAW);
        print_table(&o, of, "with --allow-unknown-topic, private", rows[i].account, LISTED_RAW);
        print_symbols(&o, &rows[i], symbols);
    }
    return output_finish(&o, err);
}
