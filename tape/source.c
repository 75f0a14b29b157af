#include "tape/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "format/segment_name.h"

enum { BITMAP_BYTES = (UINT16_MAX + 1) / 8 };

tape_source *source_make(const planned_segment *segment)
{
    tape_source *made = td_alloc_zero(1, sizeof *made);
    const segment_index *index = segment->index;
    const td_bytes name = segment_final_name(index->path);
    made->path = td_strdup(segment->path);
    made->name = td_strndup((const char *)name.data, name.size);
    /* A file without session metadata is a session of its own, distinguished by its name. */
    made->session = td_strdup(index->session[0] == '\0' ? index->path : index->session);
    memcpy(made->feed, index->feed, sizeof made->feed);
    made->session_start_ns = index->session_start_ns;
    made->last_ns = index->last_ns;
    made->number = index->number;
    made->next_ns = index->first_ns;
    return made;
}

void source_shut(tape_source *source)
{
    TD_ASSERT(source->loads == 0);
    segment_reader_close(source->reader);
    source->reader = NULL;
    td_free(source->channels);
    td_free(source->wanted_bits);
    td_free(source->event_bits);
    td_free(source->order);
    source->channels = NULL;
    source->wanted_bits = NULL;
    source->event_bits = NULL;
    source->order = NULL;
    source->channel_count = 0;
    source->channel_capacity = 0;
    source->order_count = 0;
    source->order_next = 0;
}

void source_free(tape_source *source)
{
    if (source == NULL)
        return;
    source_shut(source);
    td_free(source->path);
    td_free(source->name);
    td_free(source->session);
    td_free(source);
}

/* ---- channels ---- */

selection_answer source_options_ask(const source_options *options, const channel_info *info)
{
    selection_answer answer = selection_ask(options->wanted, info);
    if (answer == SELECTION_EVENTS || answer == SELECTION_NO || options->wants_channel == NULL)
        return answer;
    return options->wants_channel(options->user, info) ? answer : SELECTION_NO;
}

static source_use use_of(const source_options *options, const channel_info *info)
{
    selection_answer answer = source_options_ask(options, info);
    if (answer == SELECTION_EVENTS)
        return SOURCE_EVENT;
    if (answer == SELECTION_NO || options->events_only)
        return SOURCE_SKIP;
    return channel_role(info) == ROLE_UNKNOWN ? SOURCE_UNKNOWN : SOURCE_FRAME;
}

/* 1 if what came before a moment is needed to understand the topic's frames after it. */
static int has_state(const topic_row *row)
{
    if (row == NULL)
        return 0;
    if (row->type == MSG_BOOK_CHANGE)
        return 1;
    for (size_t i = 0; i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++) {
        if (row->rules[i].rule == RULE_ANCHORED)
            return 1;
    }
    return 0;
}

static uint8_t is_recording(const segment_reader *reader)
{
    const segment_info *info = segment_reader_info(reader);
    return info->is_ours && strcmp(info->session.verb, "record") == 0;
}

static td_result map_channel(tape_source *source, connection_table *connections,
                             const source_options *options, const segment_channel *from,
                             source_channel *to, td_err *err)
{
    *to = (source_channel){.use = (uint8_t)use_of(options, &from->info)};
    if (to->use == SOURCE_SKIP)
        return TD_OK;
    td_result rc = connection_table_channel(connections, &from->info, &to->channel, err);
    if (rc != TD_OK)
        return rc;
    to->feed = connection_table_get_feed(connections, source->session, source->session_start_ns,
                                         from->info.feed);
    to->slot = connection_table_get_slot(to->feed, from->info.line, from->info.shard);
    to->feed->is_recording |= is_recording(source->reader);
    to->has_lead_in = to->use == SOURCE_FRAME && from->info.dir == CHANNEL_IN &&
                      has_state(to->channel->topic.row);
    uint8_t bit = (uint8_t)(1u << (from->id % 8));
    source->wanted_bits[from->id / 8] |= bit;
    if (to->use == SOURCE_EVENT)
        source->event_bits[from->id / 8] |= bit;
    return TD_OK;
}

/* Map the channels that are new since the last call. */
static td_result map_channels(tape_source *source, connection_table *connections,
                              const source_options *options, td_err *err)
{
    uint32_t count = segment_reader_channel_count(source->reader);
    TD_ASSERT(count >= source->channel_count);
    if (source->wanted_bits == NULL) {
        source->wanted_bits = td_alloc_zero(BITMAP_BYTES, 1);
        source->event_bits = td_alloc_zero(BITMAP_BYTES, 1);
    }
    source->channels = td_array_reach(source->channels, &source->channel_capacity, count,
                                      sizeof *source->channels);
    td_result rc = TD_OK;
    for (uint32_t i = source->channel_count; i < count && rc == TD_OK; i++) {
        const segment_channel *from = segment_reader_channel(source->reader, i);
        TD_ASSERT(from->index == i);
        rc = map_channel(source, connections, options, from, &source->channels[i], err);
    }
    if (rc == TD_OK)
        source->channel_count = count;
    return rc;
}

/* ---- chunks ---- */

static int has_common_bit(td_bytes bitmap, const uint8_t *bits)
{
    size_t size = bitmap.size < BITMAP_BYTES ? bitmap.size : BITMAP_BYTES;
    for (size_t i = 0; i < size; i++) {
        if ((bitmap.data[i] & bits[i]) != 0)
            return 1;
    }
    return 0;
}

/* 1 if the chunk may hold something that the tape reads. */
static int wants_chunk(const tape_source *source, const source_options *options, uint32_t index)
{
    const segment_chunk *chunk = segment_reader_chunk(source->reader, index);
    if (chunk->first_ns >= options->window.to_ns)
        return 0;
    td_bytes bitmap = segment_reader_bitmap(source->reader, index);
    /* A channel that damage has hidden may be a wanted one: reading the chunk reports the loss. */
    if (chunk->last_ns >= options->lead_from_ns)
        return !chunk->has_channels || has_common_bit(bitmap, source->wanted_bits) ||
               segment_reader_chunk_has_unknown(source->reader, index);
    return !chunk->has_channels || has_common_bit(bitmap, source->event_bits);
}

static uint64_t chunk_first_ns(const tape_source *source, uint32_t order_index)
{
    return segment_reader_chunk(source->reader, source->order[order_index])->first_ns;
}

static int compare_chunks(const void *a, const void *b, void *user)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    const segment_reader *reader = user;
    uint64_t left_ns = segment_reader_chunk(reader, left)->first_ns;
    uint64_t right_ns = segment_reader_chunk(reader, right)->first_ns;
    if (left_ns != right_ns)
        return left_ns < right_ns ? -1 : 1;
    return left < right ? -1 : left > right;
}

/* Our own segments are in order; files of others need not be. */
static void sort_order(tape_source *source)
{
    uint32_t from = source->order_next;
    for (uint32_t i = from + 1; i < source->order_count; i++) {
        if (chunk_first_ns(source, i) < chunk_first_ns(source, i - 1)) {
            qsort_r(source->order + from, source->order_count - from, sizeof source->order[0],
                    compare_chunks, source->reader);
            return;
        }
    }
}

/* Choose among the chunks that are new since the last call. */
static void choose_chunks(tape_source *source, const source_options *options)
{
    uint32_t count = segment_reader_chunk_count(source->reader);
    for (uint32_t i = source->chunks_seen; i < count; i++) {
        if (!wants_chunk(source, options, i))
            continue;
        source->order = td_array_grow(source->order, source->order_count, sizeof source->order[0]);
        source->order[source->order_count++] = i;
    }
    source->chunks_seen = count;
    sort_order(source);
    if (source->order_next < source->order_count)
        source->next_ns = chunk_first_ns(source, source->order_next);
}

/* The recorder may have finished the segment since the plan was made: it has lost its ".open" then.
 */
static td_result open_reader(tape_source *source, td_io io, td_err *err)
{
    td_result rc = segment_reader_open(io, source->path, &source->reader, err);
    if (rc != TD_E_NOTFOUND || !segment_has_open_name(source->path))
        return rc;
    source->path[segment_final_name(source->path).size] = '\0';
    return segment_reader_open(io, source->path, &source->reader, err);
}

/* 1 if a chunk of the plan is wanted: else the segment need not be opened. */
static int has_wanted_chunk(const tape_source *source)
{
    const segment_index *index = read_plan_segment(source->planned, source->planned_at)->index;
    for (size_t i = 0; i < index->chunk_count; i++) {
        if (read_plan_wants_chunk(source->planned, source->planned_at, &index->chunks[i]))
            return 1;
    }
    return 0;
}

/* Open by the read plan, which then drops the segment. A file that is another one than the
 * plan describes, or one of others, is opened for itself. Without a wanted chunk the reader stays
 * NULL.
 */
static td_result open_planned(tape_source *source, td_io io, const td_log *log, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    const planned_segment *segment = read_plan_segment(source->planned, source->planned_at);
    td_result rc = read_plan_load_chunks(source->planned, source->planned_at, &cause);
    int is_wanted = rc != TD_OK || segment->index->is_open || has_wanted_chunk(source);
    if (rc == TD_OK && is_wanted && segment->index->chain_hex[0] != '\0' &&
        !segment->index->is_open)
        rc = segment_reader_open_known(io, source->path, segment->index, &source->reader, &cause);
    read_plan_drop(source->planned, source->planned_at);
    source->planned = NULL;
    if (!is_wanted || source->reader != NULL)
        return TD_OK;
    if (rc != TD_OK)
        td_log_emit(log, TD_LOG_INFO, "reading the segment itself: %s", cause.text);
    return open_reader(source, io, err);
}

td_result source_open(tape_source *source, td_io io, connection_table *connections,
                      const source_options *options, tape_stats *stats, td_err *err)
{
    TD_ASSERT(source->reader == NULL);
    td_result rc = source->planned == NULL ? open_reader(source, io, err)
                                           : open_planned(source, io, options->log, err);
    if (rc == TD_OK && source->reader == NULL)
        return TD_OK;
    if (rc == TD_OK)
        rc = map_channels(source, connections, options, err);
    if (rc != TD_OK) {
        source_shut(source);
        return rc;
    }
    choose_chunks(source, options);
    stats->segments++;
    source->is_live =
        options->is_following && segment_reader_info(source->reader)->state == SEGMENT_OPEN;
    return TD_OK;
}

td_result source_refresh(tape_source *source, connection_table *connections,
                         const source_options *options, td_err *err)
{
    TD_ASSERT(source->loads == 0);
    TD_ASSERT(source->reader != NULL);
    uint32_t added = 0;
    td_result rc = segment_reader_refresh(source->reader, &added, err);
    if (rc == TD_OK)
        rc = map_channels(source, connections, options, err);
    if (rc == TD_OK)
        choose_chunks(source, options);
    if (rc == TD_OK && segment_reader_info(source->reader)->state == SEGMENT_FINISHED)
        source->is_live = 0;
    return rc;
}
