/* The output of `tapedeck sim --list`: a row for each path, topic and symbol of a family. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/result.h"
#include "schema/family.h"
#include "sim/catalog.h"
#include "sim/cmd_sim.h"

/* The part after a topic, by stream_scope. */
static const char *const TAILS[] = {
    [SCOPE_SYMBOL] = ".SYMBOL",           [SCOPE_COIN] = ".COIN",
    [SCOPE_SETTLE] = ".SETTLECOIN",       [SCOPE_COIN_EXPIRY] = ".COIN_USD.DATE",
    [SCOPE_SYMBOL_MINUTE] = ".SYMBOL.1m", [SCOPE_ALL] = "",
};

static void put_row(result_writer *r, const family *of, const char *kind, const char *name)
{
    result_object_begin(r, NULL);
    result_text(r, "family", of->name);
    result_text(r, "kind", kind);
    result_text(r, "name", name);
    result_object_end(r, NULL);
}

static void list_topics(result_writer *r, const family *of, const char *kind,
                        const stream_table *table)
{
    for (size_t i = 0; table != NULL && i < table->count; i++) {
        char topic[LIMIT_TOPIC_BYTES];
        (void)snprintf(topic, sizeof topic, "%s%s", table->rows[i].topic,
                       TAILS[table->rows[i].scope]);
        put_row(r, of, kind, topic);
    }
}

static void list_family(result_writer *r, const family *of, uint32_t symbols)
{
    const catalog_row *row = catalog_find(of->name);
    const char *last = "";
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        const char *path = family_url_path(of->endpoints[i].url);
        if (of->endpoints[i].net != NET_MAIN || strcmp(path, last) == 0)
            continue; /* other nets and hosts have the same paths */
        put_row(r, of, "path", path);
        last = path;
    }
    list_topics(r, of, "topic", row->streams);
    list_topics(r, of, "private", row->account);
    for (uint32_t i = 0; i < catalog_symbol_count(row, symbols); i++)
        put_row(r, of, "symbol", catalog_instrument(row, i).symbol);
}

td_result cmd_sim_list(const json_options *form, const exchange_options *wanted, td_err *err)
{
    static const table_column COLUMNS[] = {{"family", TABLE_LEFT, "{family}"},
                                           {"kind", TABLE_LEFT, "{kind}"},
                                           {"name", TABLE_LEFT, "{name}"}};
    result_writer r;
    output_stream output;
    output_init(&output, stdout);
    result_begin(&r, &output, form);
    result_object_begin(&r, NULL);
    result_table_begin(&r, "rows", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (uint32_t i = 0; i < wanted->family_count; i++)
        list_family(&r, wanted->families[i], wanted->symbol_count);
    result_list_end(&r);
    result_object_end(&r, "{rows}");
    result_end(&r);
    return output_finish(&output, err);
}
