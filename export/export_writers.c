#include "export/export_writers.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "export/export_name.h"
#include "schema/exchange.h"

/* ---- counts ---- */

void export_counts_break(export_counts *counts, const trust_break *broke)
{
    TD_ASSERT(broke->reason != TIME_IS_RIGHT);
    if (counts->breaks == NULL)
        counts->breaks = td_alloc_zero(LIMIT_EXPORT_BREAKS, sizeof *counts->breaks);
    if (counts->break_count < LIMIT_EXPORT_BREAKS)
        counts->breaks[counts->break_count] = *broke;
    counts->break_count++;
}

void export_counts_restart(export_counts *counts, uint64_t recv_ns)
{
    if (counts->break_count > 0 && counts->break_count <= LIMIT_EXPORT_BREAKS)
        counts->breaks[counts->break_count - 1].to_ns = recv_ns;
}

/* ---- the table ---- */

void export_writers_init(export_writers *table)
{
    (void)pthread_mutex_init(&table->lock, NULL);
}

void export_writers_fini(export_writers *table)
{
    for (size_t i = 0; i < table->count; i++) {
        export_writer *writer = table->items[i];
        if (writer->owner == writer)
            writer->output->format->close(writer->format_writer);
        (void)pthread_mutex_destroy(&writer->lock);
        export_files_fini(&writer->files);
        td_free(writer->counts.breaks);
        td_free(writer->symbol);
        td_free(writer->feed);
        td_free(writer->topic);
        td_free(writer);
    }
    td_free(table->items);
    row_table_fini(&table->by_name);
    td_free(table->passes);
    row_table_fini(&table->by_symbol);
    (void)pthread_mutex_destroy(&table->lock);
}

void export_writers_drop(export_writers *table, const export_format *format)
{
    for (size_t i = 0; i < table->count; i++) {
        export_writer *writer = table->items[i];
        if (writer->output->format != format)
            continue;
        format->close(writer->format_writer);
        export_files_discard(&writer->files);
        export_files_fini(&writer->files);
        td_free(writer->counts.breaks);
        writer->format_writer = NULL;
        writer->counts = (export_counts){0};
    }
}

static uint64_t text_hash(const char *text)
{
    return td_xxh64(text, strlen(text));
}

/* origin: the rows' feed with EXPORT_JOINED, else their exchange. */
static uint64_t writer_hash(const export_output *output, const char *origin, const char *symbol)
{
    return (text_hash(output->format->name) * 31 + text_hash(output->name)) * 31 +
           text_hash(origin) * 31 + text_hash(symbol);
}

static export_writer *find_writer(const export_writers *table, const export_output *output,
                                  const char *origin, const char *symbol)
{
    row_probe at = row_probe_of(writer_hash(output, origin, symbol));
    while (row_table_next(&table->by_name, &at)) {
        export_writer *writer = table->items[at.row];
        int is_joined = output->format->grouping == EXPORT_JOINED;
        if (writer->output == output &&
            strcmp(is_joined ? writer->source.feed : writer->source.exchange, origin) == 0 &&
            strcmp(writer->symbol, symbol) == 0)
            return writer;
    }
    return NULL;
}

/* ---- passes ---- */

/* The pass of a symbol; NULL: not chosen yet. */
static const unsigned *find_pass(const export_writers *table, uint64_t hash)
{
    row_probe at = row_probe_of(hash);
    return row_table_next(&table->by_symbol, &at) ? &table->passes[at.row] : NULL;
}

static int is_of_unit(const export_writers *table, td_bytes symbol)
{
    return table->symbols == NULL || unit_symbols_find_unit(table->symbols, symbol) == table->unit;
}

int export_writers_may_have(export_writers *table, td_bytes symbol)
{
    if (!is_of_unit(table, symbol))
        return 0;
    (void)pthread_mutex_lock(&table->lock);
    const unsigned *pass = find_pass(table, td_xxh64(symbol.data, symbol.size));
    int may_have = pass == NULL || *pass == table->pass;
    (void)pthread_mutex_unlock(&table->lock);
    return may_have;
}

/* 1 if a symbol's files are written in this pass. Gives the symbol a pass at the first call. */
static int is_in_pass(export_writers *table, const export_output *output, const char *symbol)
{
    if (output->format->grouping == EXPORT_PER_DAY || symbol[0] == '\0')
        return table->pass == 0;
    if (!is_of_unit(table, td_bytes_str(symbol)))
        return 0;
    const uint64_t hash = text_hash(symbol);
    const unsigned *pass = find_pass(table, hash);
    if (pass != NULL)
        return *pass == table->pass;
    if (table->symbols_max != 0 && table->pass_symbols == table->symbols_max) {
        table->has_more = 1;
        return 0;
    }
    table->pass_symbols++;
    table->passes = td_array_grow(table->passes, table->symbol_count, sizeof *table->passes);
    row_table_put(&table->by_symbol, hash, table->symbol_count);
    table->passes[table->symbol_count++] = table->pass;
    return 1;
}

int export_writers_next_pass(export_writers *table)
{
    int has_more = table->has_more;
    table->pass += (unsigned)has_more;
    table->pass_symbols = 0;
    table->has_more = 0;
    return has_more;
}

/* Sets the error for two names that would share a file. Names them in byte order, so that the error
 * does not depend on which row came first. */
static td_result explain_clash(const export_writer *writer, const char *what, const char *one,
                               const char *two, td_err *err)
{
    int is_first = strcmp(one, two) < 0;
    td_err_set(err, TD_E_INVALID, "%s '%s' and '%s' would share the %s file of %s%s%s", what,
               is_first ? one : two, is_first ? two : one, writer->source.name, writer->symbol,
               writer->symbol[0] == '\0' ? "" : ", ", writer->target.date);
    td_err_hint(err,
                "export them into separate folders: choose by --feed, --symbol, --topic or time");
    return TD_E_INVALID;
}

static td_result check_count(const export_writers *table, td_err *err)
{
    if (table->count < LIMIT_EXPORT_SERIES)
        return TD_OK;
    td_err_set(err, TD_E_LIMIT, "more than %u files of one day", LIMIT_EXPORT_SERIES);
    td_err_hint(err, "narrow the selection by --symbol, or export one --type at a time");
    return TD_E_LIMIT;
}

static export_writer *add_writer(export_writers *table, const export_output *output,
                                 const char *exchange, const char *symbol)
{
    export_writer *made = td_alloc_zero(1, sizeof *made);
    made->output = output;
    made->owner = made;
    made->symbol = td_strdup(symbol);
    made->source = (export_source){
        .type = output->type, .name = output->name, .exchange = exchange, .symbol = made->symbol};
    made->files = (export_files){.folder = table->folder,
                                 .prefix = table->has_prefixes ? output->format->folder : ""};
    made->target = table->template;
    made->target.source = output->format->grouping == EXPORT_PER_DAY ? NULL : &made->source;
    made->target.files = &made->files;
    made->target.counts = &made->counts;
    (void)pthread_mutex_init(&made->lock, NULL);
    table->items = td_array_grow(table->items, table->count, sizeof(export_writer *));
    table->items[table->count++] = made;
    return made;
}

const char *export_exchange_of(const family *of)
{
    return of != NULL && of->market.exchange != NULL ? of->market.exchange : exchange_of(of)->name;
}

/* The format's first output. With EXPORT_JOINED, the writers of this output own the files. */
static const export_output *first_output(const export_writers *table, const export_output *output)
{
    const export_output *first = table->template.outputs;
    while (first->format != output->format)
        first++;
    return first;
}

/* Finds or makes a writer, with the table locked. channel NULL: rows without a channel, or of
 * several, which an EXPORT_JOINED format does not have. */
static td_result get_writer(export_writers *table, const export_output *output,
                            const char *exchange, const frame_channel *channel, const char *symbol,
                            export_writer **out, td_err *err)
{
    export_writer *owner = NULL;
    td_result rc = TD_OK;
    const int is_joined = output->format->grouping == EXPORT_JOINED;
    TD_ASSERT(!is_joined || channel != NULL); /* find_writer compares the channel's feed */
    if (output->format->grouping == EXPORT_PER_DAY)
        rc = export_writers_of_day(table, output, &owner, err);
    const char *origin = is_joined ? channel->info.feed : exchange;
    *out = find_writer(table, output, origin, symbol);
    if (*out != NULL)
        return TD_OK;
    if (rc == TD_OK)
        rc = check_count(table, err);
    if (rc == TD_OK && is_joined && output != first_output(table, output))
        rc = get_writer(table, first_output(table, output), exchange, channel, symbol, &owner, err);
    if (rc != TD_OK)
        return rc;
    *out = add_writer(table, output, exchange, symbol);
    row_table_put(&table->by_name, writer_hash(output, origin, symbol), table->count - 1);
    (*out)->owner = owner != NULL ? owner : *out;
    if (channel == NULL)
        return TD_OK;
    (*out)->source.feed = channel->info.feed;
    if (is_joined) { /* also asked for after the pass */
        (*out)->source.feed = (*out)->feed = td_strdup(channel->info.feed);
        (*out)->line = channel->info.line;
    }
    (*out)->source.family = channel->family;
    (*out)->source.row = channel->topic.row;
    return TD_OK;
}

td_result export_writers_get(export_writers *table, const export_output *output,
                             const frame_channel *channel, td_bytes symbol, export_writer **out,
                             const char **refusal, td_err *err)
{
    char cell[LIMIT_SYMBOL_BYTES] = "";
    unsigned flags = output->type->flags;
    int is_needed =
        (flags & EXPORT_ALL_SYMBOLS) == 0 && !((flags & EXPORT_NO_SYMBOL) != 0 && symbol.size == 0);
    *out = NULL;
    *refusal = is_needed ? export_symbol_refusal(symbol) : NULL;
    if (*refusal != NULL)
        return TD_OK;
    if (is_needed)
        memcpy(cell, symbol.data, symbol.size);
    (void)pthread_mutex_lock(&table->lock);
    td_result rc = TD_OK;
    if (is_in_pass(table, output, cell))
        rc =
            get_writer(table, output, export_exchange_of(channel->family), channel, cell, out, err);
    (void)pthread_mutex_unlock(&table->lock);
    return rc;
}

td_result export_writers_of_day(export_writers *table, const export_output *output,
                                export_writer **out, td_err *err)
{
    for (size_t i = 0; i < table->count; i++) {
        *out = table->items[i];
        if ((*out)->owner == *out && (*out)->output->format == output->format)
            return TD_OK;
    }
    td_result rc = check_count(table, err);
    if (rc == TD_OK)
        *out = add_writer(table, output, "", "");
    return rc;
}

td_result export_writers_of_type(export_writers *table, const export_output *output,
                                 const family *of, export_writer **out, td_err *err)
{
    const int is_of_replies = (output->type->flags & EXPORT_OF_REPLIES) != 0;
    const char *name = is_of_replies ? exchange_of(of)->name : export_exchange_of(of);
    (void)pthread_mutex_lock(&table->lock);
    td_result rc = get_writer(table, output, name, NULL, "", out, err);
    (void)pthread_mutex_unlock(&table->lock);
    return rc;
}

/* Two topics of several symbols may repeat each other's rows: trades.future.BTC and trades.any.any.
 * If the symbol has a topic of its own, they have no rows in the file. */
static td_result claim_topic(export_writer *writer, const frame_channel *channel, td_err *err)
{
    if (writer->output->type->prefers == NULL || channel->topic.row == NULL ||
        !export_entries_have_symbols(channel->topic.row))
        return TD_OK;
    if (writer->topic == NULL)
        writer->topic = td_strdup(channel->info.exchange_topic);
    return strcmp(writer->topic, channel->info.exchange_topic) == 0
               ? TD_OK
               : explain_clash(writer, "topics", writer->topic, channel->info.exchange_topic, err);
}

td_result export_writer_claim(export_writer *writer, const frame_channel *channel, td_err *err)
{
    const channel_info *from = &channel->info;
    const export_grouping grouping = writer->output->format->grouping;
    export_writer *owner = grouping == EXPORT_JOINED ? writer->owner : writer;
    if (channel == writer->claimed)
        return TD_OK;
    td_result rc = grouping == EXPORT_PER_DAY ? TD_OK : claim_topic(writer, channel, err);
    if (rc != TD_OK)
        return rc;
    char one[16];
    char two[16];
    if (owner->feed == NULL) {
        owner->feed = td_strdup(from->feed);
        owner->line = from->line;
    }
    if (grouping != EXPORT_PER_DAY && strcmp(owner->feed, from->feed) != 0)
        return explain_clash(owner, "feeds", owner->feed, from->feed, err);
    if (owner->line == from->line) {
        writer->claimed = channel;
        return TD_OK;
    }
    (void)snprintf(one, sizeof one, "%u", owner->line);
    (void)snprintf(two, sizeof two, "%u", from->line);
    return explain_clash(owner, "lines", one, two, err);
}

td_result export_writer_put(void *ctx, const export_row *row, td_err *err)
{
    export_writer *writer = ctx;
    export_writer *owner = writer->owner;
    const export_format *format = owner->output->format;
    export_counts *counts = &owner->counts;
    export_row each = *row;
    td_result rc = TD_OK;
    if (owner->format_writer == NULL && row->is_gap && format->grouping != EXPORT_JOINED)
        return TD_OK; /* a file does not begin with a gap, except if it holds several types */
    if (owner->format_writer == NULL)
        owner->format_writer = format->open(&owner->target);
    do {
        if (format->wants != NULL && !format->wants(owner->format_writer, &each))
            continue;
        writer->has_rows = 1;
        counts->rows += !each.is_gap;
        counts->rows_synthesized += !each.is_gap && (each.flags & ROW_SYNTHESIZED) != 0;
        rc = format->row(owner->format_writer, &writer->source, &each, err);
    } while (rc == TD_OK && export_row_next(&each));
    return rc;
}

int export_writer_shares_symbol(const export_target *target, const export_format *format)
{
    for (size_t i = 0; i < target->writers->count; i++) {
        const export_writer *writer = target->writers->items[i];
        if (writer->output->format == format &&
            strcmp(writer->symbol, target->source->symbol) == 0 &&
            strcmp(writer->source.feed, target->source->feed) != 0)
            return 1;
    }
    return 0;
}
