/* The output of `tapedeck sim --list`: the tables of sim/catalog.h. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
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

/* Lists of words: as text a line each, or several of COLUMNS_MAX; as JSON an array each. */
typedef struct listing {
    output_stream *output;
    json_writer *json; /* NULL: text */
    const char *title; /* of the list's line, until it has a word */
    size_t column;     /* of the line so far */
} listing;

enum { COLUMNS_MAX = 80 };

static void begin_words(listing *l, const char *key, const char *title)
{
    l->title = title;
    if (l->json == NULL)
        return;
    json_write_key(l->json, key);
    json_write_array_begin(l->json);
}

static void put_word(listing *l, const char *word)
{
    if (l->json != NULL) {
        json_write_text(l->json, word);
        return;
    }
    if (l->title != NULL) {
        output_printf(l->output, "  %s:", l->title);
        l->column = strlen(l->title) + sizeof "  :" - 1;
        l->title = NULL;
    }
    size_t size = 1 + strlen(word);
    if (l->column + size > COLUMNS_MAX) {
        output_printf(l->output, "\n   ");
        l->column = 3;
    }
    output_printf(l->output, " %s", word);
    l->column += size;
}

static void end_words(listing *l)
{
    if (l->json != NULL)
        json_write_array_end(l->json);
    else if (l->title == NULL)
        output_printf(l->output, "\n");
}

/* The topics of a table that have a row in the family (is_known), or those that have none. Topics
 * that never send anything are left out: there is nothing to record. */
static void list_topics(listing *l, const family *of, const stream_table *table, int is_known)
{
    for (size_t i = 0; table != NULL && i < table->count; i++) {
        const stream_row *row = &table->rows[i];
        listed_row listed;
        topic_match found;
        if (row->kind == STREAM_SILENT || is_repeated(table, i))
            continue;
        list_row(row, &listed);
        for (size_t k = 0; k < listed.count; k++)
            if (topic_match_text(of->topics, of->topic_count, td_bytes_str(listed.topics[k]),
                                 TOPIC_ANY_TIME, &found) == is_known)
                put_word(l, listed.topics[k]);
    }
}

/* Paths of the main net; other nets have the same ones. */
static void list_paths(listing *l, const family *of)
{
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        const family_endpoint *endpoint = &of->endpoints[i];
        int is_listed = endpoint->net != NET_MAIN;
        for (size_t k = 0; k < i && !is_listed; k++)
            is_listed =
                strcmp(family_url_path(of->endpoints[k].url), family_url_path(endpoint->url)) == 0;
        if (!is_listed)
            put_word(l, family_url_path(endpoint->url));
    }
}

/* Names of symbols, for recorders of families that take one symbol a topic. */
static void list_symbols(listing *l, const catalog_row *row, uint32_t count)
{
    if (row->streams == NULL || row->products[0] == PRODUCT_NONE)
        return;
    for (uint32_t i = 0; i < count; i++)
        put_word(l, catalog_instrument(row, i).symbol);
}

static void list_family(listing *l, const family *of, uint32_t symbols)
{
    const catalog_row *row = catalog_find(of->name);
    const struct {
        const char *key, *title;
        const stream_table *table;
        int is_known;
    } topics[] = {
        {"public", "public", row->streams, 1},
        {"private", "private", row->account, 1},
        {"public_unknown", "with --allow-unknown-topic, public", row->streams, 0},
        {"private_unknown", "with --allow-unknown-topic, private", row->account, 0},
    };
    if (l->json == NULL) {
        output_printf(l->output, "%s\n", of->name);
    } else {
        json_write_object_begin(l->json);
        json_write_member_text(l->json, "family", of->name);
    }
    begin_words(l, "paths", "paths");
    list_paths(l, of);
    end_words(l);
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        begin_words(l, topics[i].key, topics[i].title);
        list_topics(l, of, topics[i].table, topics[i].is_known);
        end_words(l);
    }
    begin_words(l, "symbols", "symbols");
    list_symbols(l, row, symbols);
    end_words(l);
    if (l->json != NULL)
        json_write_object_end(l->json);
}

void cmd_sim_list(output_stream *output, const json_options *form, const exchange_options *wanted)
{
    listing l = {.output = output, .json = form->is_json ? output_json_begin(output) : NULL};
    if (l.json != NULL)
        json_write_array_begin(l.json);
    for (uint32_t i = 0; i < wanted->family_count; i++)
        list_family(&l, wanted->families[i], wanted->symbol_count);
    if (l.json == NULL)
        return;
    json_write_array_end(l.json);
    output_json_end(output);
}
