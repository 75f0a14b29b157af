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

/* Lists of words: as text a title and its words, as JSON an array. */
typedef struct listing {
    output_stream *output;
    json_writer *json; /* NULL: text */
    size_t column;     /* of the line so far */
} listing;

enum { COLUMNS_MAX = 80 };

static void begin_words(listing *l, const char *title)
{
    if (l->json != NULL) {
        json_write_key(l->json, title);
        json_write_array_begin(l->json);
        return;
    }
    output_printf(l->output, "  %s:", title);
    l->column = strlen(title) + sizeof "  :" - 1;
}

static void put_word(listing *l, const char *word)
{
    if (l->json != NULL) {
        json_write_text(l->json, word);
        return;
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
    else
        output_printf(l->output, "\n");
}

/* A topic that the family has a row for, as a recorder may write it with a symbol in place of the
 * capital word. */
static void put_topic(listing *l, const family *of, const char *topic, const char *interval,
                      const char *tail)
{
    char text[LIMIT_TOPIC_BYTES];
    topic_match found;
    (void)snprintf(text, sizeof text, "%s%s%s%s", topic, interval[0] != '\0' ? "." : "", interval,
                   tail);
    if (topic_match_text(of->topics, of->topic_count, td_bytes_str(text), TOPIC_ANY_TIME, &found))
        put_word(l, text);
}

static void list_topics(listing *l, const family *of, const char *title, const stream_table *table)
{
    begin_words(l, title);
    for (size_t i = 0; table != NULL && i < table->count; i++) {
        const stream_row *row = &table->rows[i];
        int is_candle = row->intervals != NULL && row->scope != SCOPE_SYMBOL_INTERVAL;
        if (!is_candle && row->kind != STREAM_SILENT)
            put_topic(l, of, row->topic, "", TAILS[row->scope]);
        for (int k = 0; is_candle && k < CANDLE_INTERVALS; k++)
            if (row->intervals[k] != NULL)
                put_topic(l, of, row->topic, row->intervals[k], TAILS[row->scope]);
    }
    end_words(l);
}

/* Paths of the main net; other nets have the same ones. */
static void list_paths(listing *l, const family *of)
{
    begin_words(l, "paths");
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++)
        if (of->endpoints[i].net == NET_MAIN)
            put_word(l, family_url_path(of->endpoints[i].url));
    end_words(l);
}

static void list_family(listing *l, const family *of, uint32_t symbols)
{
    const catalog_row *row = catalog_find(of->name);
    if (l->json == NULL) {
        output_printf(l->output, "%s\n", of->name);
    } else {
        json_write_object_begin(l->json);
        json_write_member_text(l->json, "family", of->name);
    }
    list_paths(l, of);
    list_topics(l, of, "public", row->streams);
    list_topics(l, of, "private", row->account);
    begin_words(l, "symbols");
    for (uint32_t i = 0; row->streams != NULL && i < symbols; i++)
        put_word(l, catalog_instrument(row, i).symbol);
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
