#include "archive/feed_slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "archive/archive_segment.h"
#include "format/segment_reader.h"

/* A connection that stands is pinged more often than this: a slot that is in no segment of the last
 * minute was not connected then. */
enum { LOOK_BACK_S = 60, HOUR_S = 3600 };

/* What ends a session comes at once: it is in so many chunks at most. */
enum { END_CHUNKS = 8 };

typedef struct reading {
    archive *archive;
    const archive_past *past;
    const feed_slots_query *query;
    feed_slots *out;
    segment_scratch *scratch;
    td_buf channels;       /* of a chunk */
    uint8_t is_import;     /* which segments are being read: those of imports, or the others */
    size_t recorded_count; /* slots of recordings; imports do not move these on */
    uint64_t oldest_s;
} reading;

/* What one channel of a segment is about. */
typedef struct channel_use {
    size_t slot; /* SIZE_MAX: none that counts */
    uint8_t is_data;
    uint8_t has_time; /* its frames say when the slot was there last */
} channel_use;

const past_slot *feed_slots_find(const feed_slots *slots, uint32_t line, uint32_t shard)
{
    for (size_t i = 0; i < slots->slot_count; i++)
        if (slots->slots[i].line == line && slots->slots[i].shard == shard)
            return &slots->slots[i];
    return NULL;
}

uint64_t past_slot_end_ns(const past_slot *slot)
{
    uint64_t end_ns = slot->last_ns != 0 ? slot->last_ns : slot->last_any_ns;
    return slot->complete_ns != 0 && slot->complete_ns < end_ns ? slot->complete_ns : end_ns;
}

static size_t get_slot(feed_slots *out, const channel_info *info)
{
    const past_slot *known = feed_slots_find(out, info->line, info->shard);
    if (known != NULL)
        return (size_t)(known - out->slots);
    out->slots = td_array_grow(out->slots, out->slot_count, sizeof *out->slots);
    out->slots[out->slot_count] = (past_slot){.line = info->line, .shard = info->shard};
    return out->slot_count++;
}

/* ---- topics ---- */

/* Segments come newest first, so the first slot of a topic is its last one. */
static void note_topic(feed_slots *out, const channel_info *info, size_t slot)
{
    char name[LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    int is_unknown = channel_role(info) == ROLE_UNKNOWN;
    if (strlen(info->topic) >= LIMIT_TOPIC_BYTES || strlen(info->symbol) >= LIMIT_SYMBOL_BYTES)
        return; /* another tool's; no feed can ask for it */
    if (is_unknown)
        (void)snprintf(name, sizeof name, "%s.%u.%u", info->topic, info->line, info->shard);
    else
        (void)snprintf(name, sizeof name, "%s.%s", info->topic, info->symbol);
    if (name_index_find(&out->by_name, td_bytes_str(name)) != NAME_INDEX_NONE)
        return;
    out->topics = td_array_grow(out->topics, out->topic_count, sizeof(past_topic *));
    past_topic *made = td_alloc(sizeof *made);
    *made = (past_topic){.name = td_strdup(name),
                         .topic_bytes = strlen(info->topic) + 1,
                         .slot = slot,
                         .is_unknown = is_unknown != 0};
    out->topics[out->topic_count] = made;
    name_index_put(&out->by_name, td_bytes_str(made->name), out->topic_count++);
}

/* Which channels of the segment count, by the reader's index. */
static void use_channels(reading *r, const segment_reader *reader, channel_use *uses)
{
    for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++) {
        const channel_info *info = &segment_reader_channel(reader, i)->info;
        uses[i] = (channel_use){.slot = SIZE_MAX};
        if (info->dir != CHANNEL_IN)
            continue;
        uses[i].slot = get_slot(r->out, info);
        uses[i].has_time = !r->is_import || uses[i].slot >= r->recorded_count;
        uses[i].is_data = channel_role(info) != ROLE_CONTROL || r->query->is_control_data;
    }
}

/* ---- times ---- */

/* Of what a channel has in a chunk, the last that counts; 0: none. */
static uint64_t last_of(const reading *r, uint64_t first_ns, uint64_t last_ns)
{
    if (last_ns <= r->query->before_ns)
        return last_ns;
    return first_ns <= r->query->before_ns ? first_ns : 0;
}

static void take_time(past_slot *slot, const channel_use *use, uint64_t ns)
{
    if (!use->has_time)
        return;
    if (ns > slot->last_any_ns)
        slot->last_any_ns = ns;
    if (use->is_data && ns > slot->last_ns)
        slot->last_ns = ns;
}

/* Message indexes have the times of each channel; a file without them has only the chunk's. */
static td_result chunk_times(reading *r, const segment_reader *reader, uint32_t chunk,
                             const channel_use *uses, td_err *err)
{
    td_err cause;
    td_result rc = segment_reader_chunk_channels(reader, chunk, r->scratch, &r->channels, &cause);
    if (rc == TD_E_IO)
        return td_err_pass(err, rc, &cause);
    if (rc != TD_OK) {
        const segment_chunk *row = segment_reader_chunk(reader, chunk);
        for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++)
            if (uses[i].slot != SIZE_MAX &&
                segment_reader_chunk_has(reader, chunk, segment_reader_channel(reader, i)))
                take_time(&r->out->slots[uses[i].slot], &uses[i],
                          last_of(r, row->first_ns, row->first_ns));
        return TD_OK;
    }
    const sealed_channel *found = (const sealed_channel *)(const void *)r->channels.data;
    size_t count = r->channels.size / sizeof *found;
    for (size_t i = 0; i < count; i++) {
        const segment_channel *channel = segment_reader_channel_by_id(reader, found[i].id);
        if (channel == NULL || uses[channel->index].slot == SIZE_MAX)
            continue;
        const channel_use *use = &uses[channel->index];
        take_time(&r->out->slots[use->slot], use, last_of(r, found[i].first_ns, found[i].last_ns));
    }
    return TD_OK;
}

/* From the end back, each channel once: a chunk without channels that were not seen yet is not
 * read. So topics of the same segment are noted in the order in which they ended. */
static td_result walk_chunks(reading *r, const segment_reader *reader, const channel_use *uses,
                             uint8_t *is_seen, uint32_t *last_chunks, td_err *err)
{
    td_result rc = TD_OK;
    for (uint32_t chunk = segment_reader_chunk_count(reader); chunk > 0 && rc == TD_OK; chunk--) {
        const segment_chunk *row = segment_reader_chunk(reader, chunk - 1);
        uint8_t is_whole = row->last_ns <= r->query->before_ns;
        int is_wanted = 0;
        if (row->first_ns > r->query->before_ns)
            continue;
        for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++) {
            const segment_channel *channel = segment_reader_channel(reader, i);
            if (is_seen[i] || uses[i].slot == SIZE_MAX ||
                !segment_reader_chunk_has(reader, chunk - 1, channel))
                continue;
            is_seen[i] = is_whole;
            is_wanted = 1;
            if (last_chunks[uses[i].slot] == 0)
                last_chunks[uses[i].slot] = chunk;
            if (channel_role(&channel->info) != ROLE_CONTROL)
                note_topic(r->out, &channel->info, uses[i].slot);
        }
        if (is_wanted)
            rc = chunk_times(r, reader, chunk - 1, uses, err);
    }
    return rc;
}

/* ---- segments ---- */

/* Only where the whole chunk counts: what was complete at its end may lie in the future. */
static uint64_t complete_ns(const reading *r, uint64_t end_ns, const chain_conn *conn)
{
    uint64_t late_ns = conn->late_ms * TD_NS_PER_MS;
    return late_ns == 0 || late_ns >= end_ns || end_ns > r->query->before_ns ? 0 : end_ns - late_ns;
}

/* A connection that was closed in order was complete until later than the chunk of its last frame
 * has it: one of the last chunks, which lists it with its end, has that. */
static void note_end(const reading *r, segment_reader *reader, uint32_t chunk, past_slot *slot)
{
    chain_conn conns[CHAIN_CONNS_MAX];
    chain_record chain = {0};
    uint32_t count = segment_reader_chunk_count(reader);
    uint32_t first = count > END_CHUNKS && count - END_CHUNKS > chunk ? count - END_CHUNKS : chunk;
    for (uint32_t later = first + 1; later < count; later++) {
        if (segment_reader_chain(reader, later, conns, &chain, NULL) != TD_OK)
            return;
        uint64_t end_ns = segment_reader_chunk(reader, later)->last_ns;
        for (uint32_t i = 0; i < chain.conn_count; i++)
            if (conns[i].line == slot->line && conns[i].shard == slot->shard &&
                conns[i].conn == slot->conn &&
                complete_ns(r, end_ns, &conns[i]) > slot->complete_ns)
                slot->complete_ns = complete_ns(r, end_ns, &conns[i]);
    }
}

/* The slot's connection as of this chunk, which has its last frame. */
static void note_connection(const reading *r, segment_reader *reader, uint32_t chunk,
                            past_slot *slot)
{
    chain_conn conns[CHAIN_CONNS_MAX];
    chain_record chain = {0};
    slot->conn = 0;
    slot->complete_ns = 0;
    if (segment_reader_chain(reader, chunk, conns, &chain, NULL) != TD_OK)
        return;
    for (uint32_t i = 0; i < chain.conn_count; i++)
        if (conns[i].line == slot->line && conns[i].shard == slot->shard &&
            conns[i].conn > slot->conn) {
            slot->conn = conns[i].conn;
            slot->complete_ns =
                complete_ns(r, segment_reader_chunk(reader, chunk)->last_ns, &conns[i]);
        }
    if (slot->complete_ns != 0)
        note_end(r, reader, chunk, slot);
}

/* Slots that this segment moved on are of its session now. last_chunks: of each slot, the number of
 * the last chunk that has frames of it, from 1. */
static void name_session(reading *r, segment_reader *reader, const uint64_t *before,
                         size_t before_count, const uint32_t *last_chunks)
{
    const char *session = segment_reader_info(reader)->session.session;
    const session_row *row = archive_past_session(r->past, session);
    int is_crashed = row == NULL || row->state != SESSION_STOPPED;
    for (size_t i = 0; i < r->out->slot_count; i++) {
        past_slot *slot = &r->out->slots[i];
        if (i < before_count && slot->last_any_ns == before[i])
            continue;
        (void)snprintf(slot->session, sizeof slot->session, "%.8s", session);
        slot->is_crashed = is_crashed != 0;
        if (last_chunks[i] > 0)
            note_connection(r, reader, last_chunks[i] - 1, slot);
    }
}

static td_result read_segment(reading *r, segment_reader *reader, td_err *err)
{
    size_t channel_count = segment_reader_channel_count(reader);
    size_t before_count = r->out->slot_count;
    channel_use *uses = td_alloc_zero(channel_count + 1, sizeof *uses);
    uint8_t *is_seen = td_alloc_zero(channel_count + 1, 1);
    uint64_t *before = td_alloc_zero(before_count + 1, sizeof *before);
    for (size_t i = 0; i < before_count; i++)
        before[i] = r->out->slots[i].last_any_ns;
    use_channels(r, reader, uses);
    uint32_t *last_chunks = td_alloc_zero(r->out->slot_count + 1, sizeof *last_chunks);
    td_result rc = walk_chunks(r, reader, uses, is_seen, last_chunks, err);
    if (rc == TD_OK)
        name_session(r, reader, before, before_count, last_chunks);
    td_free(last_chunks);
    td_free(uses);
    td_free(is_seen);
    td_free(before);
    return rc;
}

static td_result open_and_read(reading *r, const archive_segment *segment, td_err *err)
{
    segment_reader *reader = NULL;
    td_err cause;
    td_err_clear(&cause);
    td_result rc = archive_open_segment(r->archive, segment->path, &reader, &cause);
    if (rc == TD_OK)
        rc = read_segment(r, reader, &cause);
    segment_reader_close(reader);
    if (rc == TD_OK || (rc == TD_E_TRUNCATED && segment->name.is_open))
        return TD_OK; /* nothing durable is in it yet */
    if (rc == TD_E_IO && r->query->session != NULL)
        return td_err_set(err, rc, "%s: %s", segment->path, cause.text);
    td_log_emit(archive_log(r->archive), TD_LOG_WARNING, "%s: skipped: %s", segment->path,
                cause.text);
    return TD_OK;
}

/* ---- all of it ---- */

/* A segment's frames are of one hour of UTC: one of an earlier hour has none that is later. */
static int is_enough(const reading *r, uint64_t next_s)
{
    const feed_slots *out = r->out;
    uint64_t newest_s = 0;
    for (size_t i = 0; i < out->slot_count; i++) {
        uint64_t last_s = out->slots[i].last_ns / TD_NS_PER_S;
        if (last_s == 0 || next_s / HOUR_S >= last_s / HOUR_S)
            return 0;
        newest_s = last_s > newest_s ? last_s : newest_s;
    }
    for (uint32_t shard = 0; shard < r->query->shard_count; shard++)
        if (feed_slots_find(out, 0, shard) == NULL)
            return 0;
    return out->slot_count > 0 && r->oldest_s + LOOK_BACK_S <= newest_s;
}

static int has_any(const feed_slots *out)
{
    for (size_t i = 0; i < out->slot_count; i++)
        if (out->slots[i].last_ns != 0)
            return 1;
    return 0;
}

static int compare_newest_first(const void *a, const void *b)
{
    const archive_segment *left = *(const archive_segment *const *)a;
    const archive_segment *right = *(const archive_segment *const *)b;
    if (left->name.first_s != right->name.first_s)
        return left->name.first_s > right->name.first_s ? -1 : 1;
    return -strcmp(left->path, right->path);
}

static int is_of_import(const reading *r, const char *session)
{
    const session_row *row = archive_past_session(r->past, session);
    return row != NULL && session_is_import(row);
}

static size_t choose(const reading *r, const archive_listing *listing,
                     const archive_segment **chosen)
{
    size_t count = 0;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *name = &listing->segments[i].name;
        if (!name->is_parsed || strcmp(name->feed, r->query->feed) != 0 ||
            name->first_s > r->query->before_ns / TD_NS_PER_S ||
            (r->query->session != NULL && strcmp(name->session, r->query->session) != 0) ||
            is_of_import(r, name->session) != r->is_import)
            continue;
        chosen[count++] = &listing->segments[i];
    }
    qsort((void *)chosen, count, sizeof(const archive_segment *), compare_newest_first);
    return count;
}

static td_result read_all(reading *r, const archive_listing *listing, td_err *err)
{
    const archive_segment **chosen =
        td_alloc_zero(listing->segment_count + 1, sizeof(const archive_segment *));
    size_t count = choose(r, listing, chosen);
    td_result rc = TD_OK;
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        if (i > 0 && is_enough(r, chosen[i]->name.first_s))
            break;
        if (i >= FEED_SLOTS_SEGMENTS_MAX && has_any(r->out))
            break;
        rc = open_and_read(r, chosen[i], err);
        r->oldest_s = chosen[i]->name.first_s;
    }
    td_free((void *)chosen);
    return rc;
}

/* Of one session every segment counts: one that could not be looked at may hold its last frames. */
static td_result check_listed(const feed_slots_query *query, const archive_listing *listing,
                              td_err *err)
{
    for (size_t i = 0; i < listing->unexpected_count && query->session != NULL; i++) {
        const unexpected_file *file = &listing->unexpected[i];
        segment_name name;
        if (file->is_unreadable && segment_name_parse(segment_file_name(file->path), &name) &&
            strcmp(name.feed, query->feed) == 0 && strcmp(name.session, query->session) == 0)
            return td_err_set(err, TD_E_IO, "%s: %s", file->path, file->what);
    }
    return TD_OK;
}

td_result feed_slots_read(archive *a, const archive_past *past, const feed_slots_query *query,
                          feed_slots *out, td_err *err)
{
    TD_ASSERT(query->feed != NULL);
    *out = (feed_slots){0};
    reading r = {
        .archive = a, .past = past, .query = query, .out = out, .scratch = segment_scratch_open()};
    td_buf_init(&r.channels, (size_t)LIMIT_SEGMENT_CHANNELS * sizeof(sealed_channel) * 2);
    archive_listing listing = {0};
    td_result rc = archive_list(a, &listing, err);
    if (rc == TD_OK)
        rc = check_listed(query, &listing, err);
    if (rc == TD_OK)
        rc = read_all(&r, &listing, err);
    r.recorded_count = out->slot_count;
    r.is_import = 1;
    if (rc == TD_OK)
        rc = read_all(&r, &listing, err);
    archive_listing_fini(&listing);
    segment_scratch_close(r.scratch);
    td_buf_fini(&r.channels);
    return rc;
}

void feed_slots_fini(feed_slots *slots)
{
    for (size_t i = 0; i < slots->topic_count; i++) {
        td_free(slots->topics[i]->name);
        td_free(slots->topics[i]);
    }
    td_free(slots->topics);
    td_free(slots->slots);
    name_index_fini(&slots->by_name);
    *slots = (feed_slots){0};
}
