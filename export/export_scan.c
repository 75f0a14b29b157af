#include "export/export_scan.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "archive/read_plan.h"
#include "format/segment_reader.h"
#include "tape/channel_table.h"

/* ---- choices ---- */

void export_choices_fini(export_choices *table)
{
    for (size_t i = 0; i < table->count; i++) {
        td_free(table->items[i]->feed);
        td_free(table->items[i]->symbol);
        td_free(table->items[i]);
    }
    td_free(table->items);
    row_table_fini(&table->by_symbol);
    *table = (export_choices){0};
}

static uint64_t hash_of(td_bytes text)
{
    return td_xxh64(text.data, text.size);
}

static uint64_t choice_hash(const frame_channel *channel, td_bytes symbol)
{
    uint64_t hash = hash_of(td_bytes_str(channel->info.feed)) * 31 + hash_of(symbol);
    return hash * 31 + hash_of(td_bytes_str(channel->family->name));
}

export_choice *export_choice_of_symbol(const export_choices *table, const export_type *type,
                                       const frame_channel *channel, td_bytes symbol)
{
    row_probe at = row_probe_of(choice_hash(channel, symbol));
    while (row_table_next(&table->by_symbol, &at)) {
        export_choice *choice = table->items[at.row];
        if (choice->family == channel->family && choice->prefers == type->prefers &&
            td_bytes_is(symbol, choice->symbol) && strcmp(choice->feed, channel->info.feed) == 0)
            return choice;
    }
    return NULL;
}

export_choice *export_choice_find(const export_choices *table, const export_type *type,
                                  const frame_channel *channel)
{
    return export_choice_of_symbol(table, type, channel, td_bytes_str(channel->info.symbol));
}

td_result export_choice_offer(export_choices *table, const export_type *type,
                              const frame_channel *channel, td_err *err)
{
    const topic_row *row = channel->topic.row;
    export_choice *choice = export_choice_find(table, type, channel);
    if (choice != NULL) {
        if (type->prefers(&channel->family->market, row, choice->row))
            choice->row = row;
        return TD_OK;
    }
    if (table->count == LIMIT_EXPORT_SERIES)
        return td_err_set(err, TD_E_LIMIT, "more than %u topics of symbols in one export",
                          LIMIT_EXPORT_SERIES);
    choice = td_alloc(sizeof *choice);
    *choice = (export_choice){.feed = td_strdup(channel->info.feed),
                              .symbol = td_strdup(channel->info.symbol),
                              .family = channel->family,
                              .prefers = type->prefers,
                              .row = row};
    table->items = td_array_grow(table->items, table->count, sizeof(export_choice *));
    row_table_put(&table->by_symbol, choice_hash(channel, td_bytes_str(choice->symbol)),
                  table->count);
    table->items[table->count++] = choice;
    return TD_OK;
}

/* ---- the scan ---- */

enum { BITMAP_BYTES = (UINT16_MAX + 1) / 8 };

/* A topic that a type takes. */
typedef struct taken_topic {
    const export_type *type;
    const topic_row *row;
    const struct family *family;
    int is_by_row; /* 1: each row goes to the file of its own symbol */
} taken_topic;

typedef struct scan_run {
    const export_scan *scan;
    export_choices *out;
    channel_table *channels; /* one object per channel, for all segments */
    read_plan *plan;
    segment_scratch *scratch;
    td_buf chunk_channels; /* array of sealed_channel */
    taken_topic *taken;    /* each once */
    size_t taken_count;
    row_table counted;          /* hashes of symbols by type; equal hashes count as one symbol */
    uint8_t bits[BITMAP_BYTES]; /* by channel id: 1 if the segment's channel is selected */
} scan_run;

/* ---- channels ---- */

/* Notes that a type takes a topic, and whether a file may have rows of this topic and of another
 * topic of the family. For example, an alert in a topic of all symbols (adlAlert.USDT) is in the
 * file of the alert's symbol, which also has the price limits of that symbol. */
static void note_taken(scan_run *run, const export_type *type, const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    const taken_topic topic = {.type = type,
                               .row = row,
                               .family = channel->family,
                               .is_by_row = export_entries_have_symbols(row) &&
                                            (type->flags & EXPORT_ALL_SYMBOLS) == 0};
    for (size_t i = 0; i < run->taken_count; i++) {
        const taken_topic *other = &run->taken[i];
        if (other->type != type || other->family != topic.family)
            continue;
        if (other->row == row)
            return;
        run->out->has_shared_files |= other->is_by_row || topic.is_by_row;
    }
    run->taken = td_array_grow(run->taken, run->taken_count, sizeof *run->taken);
    run->taken[run->taken_count++] = topic;
}

/* If a channel was recorded as unknown, but this version has a schema row for its topic, replaces
 * it by the topic's channel, as the tape does for its frames; NULL if that is not selected. */
static td_result describe_channel(scan_run *run, frame_channel **channel, td_err *err)
{
    channel_info info = (*channel)->info;
    const family *of = (*channel)->family;
    char topic[LIMIT_TOPIC_BYTES], symbol[LIMIT_SYMBOL_BYTES];
    td_bytes text = td_bytes_str(info.exchange_topic);
    topic_match found;
    if ((*channel)->role != ROLE_UNKNOWN || of == NULL ||
        !topic_match_text(of->topics, of->topic_count, text, TOPIC_ANY_TIME, &found) ||
        found.topic.size >= sizeof topic || found.symbol.size >= sizeof symbol)
        return TD_OK;
    *channel = NULL;
    if (!selection_has_topic(run->scan->wanted, found.topic, text, found.symbol))
        return TD_OK;
    (void)snprintf(topic, sizeof topic, "%.*s", (int)found.topic.size,
                   (const char *)found.topic.data);
    (void)snprintf(symbol, sizeof symbol, "%.*s", (int)found.symbol.size,
                   (const char *)found.symbol.data);
    info.topic = topic;
    info.symbol = symbol;
    return channel_table_get(run->channels, &info, channel, err);
}

/* Offers the topic of a channel that has frames in the selection. */
static td_result offer_channel(scan_run *run, const channel_info *info, td_err *err)
{
    frame_channel *channel = NULL;
    td_result rc = channel_table_get(run->channels, info, &channel, err);
    if (rc == TD_OK)
        rc = describe_channel(run, &channel, err);
    if (rc != TD_OK || channel == NULL || !frame_role_is_of_topic(channel->role))
        return rc;
    for (size_t i = 0; rc == TD_OK && i < run->scan->type_count; i++) {
        const export_type *type = run->scan->types[i];
        if (channel->family == NULL || !export_type_takes(type, run->scan->settings, channel))
            continue;
        /* A symbol counts once per family, because feeds of one family share file names. */
        uint64_t hash = hash_of(td_bytes_str(channel->info.symbol)) * 31 +
                        hash_of(td_bytes_str(channel->family->name)) + i;
        row_probe at = row_probe_of(hash);
        if (!row_table_next(&run->counted, &at))
            row_table_put(&run->counted, hash, (size_t)run->scan->symbols[i]++);
        if (channel->topic.row != NULL)
            note_taken(run, type, channel);
        if (channel->topic.row != NULL && channel->topic.row->type != type->message &&
            type->also != NULL)
            run->out->has_members = 1;
        if (type->joins != NULL && type->joins(channel))
            run->out->has_joined = 1;
        else if (export_chooses(type, channel))
            rc = export_choice_offer(run->out, type, channel, err);
    }
    return rc;
}

/* ---- segments ---- */

static int is_in(const selection_window *window, uint64_t first_ns, uint64_t last_ns)
{
    return last_ns >= window->from_ns && first_ns < window->to_ns;
}

/* Adds the channels of a chunk that is only partly in the selection, by the times in its message
 * indexes. A channel is added even if it has frames before and after the selection only. */
static td_result add_partial_chunk(scan_run *run, const segment_reader *reader, uint32_t chunk,
                                   td_err *err)
{
    td_result rc =
        segment_reader_chunk_channels(reader, chunk, run->scratch, &run->chunk_channels, err);
    if (rc != TD_OK)
        return rc;
    const sealed_channel *found = (const sealed_channel *)(const void *)run->chunk_channels.data;
    for (size_t i = 0; i < run->chunk_channels.size / sizeof *found; i++)
        if (is_in(&run->scan->window, found[i].first_ns, found[i].last_ns))
            run->bits[found[i].id / 8] |= (uint8_t)(1U << (found[i].id % 8));
    return TD_OK;
}

/* Adds the channels of a segment's chunks. Opens the segment only if a chunk is partly in the
 * selection. */
static td_result add_chunks(scan_run *run, const planned_segment *segment, td_err *err)
{
    const segment_index *index = segment->index;
    const selection_window *window = &run->scan->window;
    segment_reader *reader = NULL;
    td_result rc = TD_OK;
    for (uint32_t i = 0; i < index->chunk_count && rc == TD_OK; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        if (!is_in(window, chunk->first_ns, chunk->last_ns))
            continue;
        const uint8_t *bitmap = index->bitmaps + chunk->bitmap_offset;
        if (chunk->first_ns >= window->from_ns && chunk->last_ns < window->to_ns) {
            for (uint32_t k = 0; k < chunk->bitmap_bytes; k++)
                run->bits[k] |= bitmap[k];
            continue;
        }
        if (reader == NULL)
            rc = segment_reader_open(archive_io(run->scan->from), segment->path, &reader, err);
        if (rc == TD_OK && (i >= segment_reader_chunk_count(reader) ||
                            segment_reader_chunk(reader, i)->offset != chunk->offset))
            rc = TD_E_CORRUPT; /* the file is not the one in the read plan */
        if (rc == TD_OK)
            rc = add_partial_chunk(run, reader, i, err);
    }
    segment_reader_close(reader);
    return rc;
}

/* Adds the selected channels of a segment. Skips unreadable data, which the tape reports. */
static td_result scan_segment(scan_run *run, size_t i, td_err *err)
{
    td_err ignored;
    td_err_clear(&ignored);
    memset(run->bits, 0, sizeof run->bits);
    const planned_segment *segment = read_plan_segment(run->plan, i);
    if (read_plan_load_chunks(run->plan, i, &ignored) == TD_OK)
        (void)add_chunks(run, segment, &ignored);
    td_result rc = TD_OK;
    for (size_t k = 0; k < segment->index->channel_count && rc == TD_OK; k++) {
        const segment_channel *channel = &segment->index->channels[k];
        if (segment->is_wanted[k] && (run->bits[channel->id / 8] & 1U << (channel->id % 8)) != 0)
            rc = offer_channel(run, &channel->info, err);
    }
    read_plan_drop(run->plan, i);
    return rc;
}

td_result export_scan_run(const export_scan *scan, export_choices *out, td_err *err)
{
    scan_run *run = td_alloc_zero(1, sizeof *run);
    run->scan = scan;
    run->out = out;
    run->channels = channel_table_open();
    run->scratch = segment_scratch_open();
    td_buf_init(&run->chunk_channels, SIZE_MAX);
    selection copy = *scan->wanted;
    read_query query = selection_query(&copy, scan->window);
    query.is_quiet = 1; /* the tape logs unreadable segments */
    td_result rc = read_plan_open(scan->from, &query, &run->plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(run->plan); i++)
        rc = scan_segment(run, i, err);
    read_plan_close(run->plan);
    segment_scratch_close(run->scratch);
    td_buf_fini(&run->chunk_channels);
    channel_table_close(run->channels);
    row_table_fini(&run->counted);
    td_free(run->taken);
    td_free(run);
    return rc;
}
