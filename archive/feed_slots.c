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
    uint64_t oldest_s;
} reading;

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
    if (strlen(info->topic) >= LIMIT_TOPIC_BYTES || strlen(info->symbol) >= LIMIT_SYMBOL_BYTES)
        return; /* another tool's; no feed can ask for it */
    (void)snprintf(name, sizeof name, "%s.%s", info->topic, info->symbol);
    if (name_index_find(&out->by_name, td_bytes_str(name)) != NAME_INDEX_NONE)
        return;
    out->topics = td_array_grow(out->topics, out->topic_count, sizeof(past_topic *));
    past_topic *made = td_alloc(sizeof *made);
    *made =
        (past_topic){.name = td_strdup(name), .topic_bytes = strlen(info->topic) + 1, .slot = slot};
    out->topics[out->topic_count] = made;
    name_index_put(&out->by_name, td_bytes_str(made->name), out->topic_count++);
}

/* ---- segments ---- */

/* When the last frame of a channel came that counts; 0: none. Of one whose clock was ahead only the
 * first is known. */
static uint64_t last_of(const reading *r, const segment_channel *channel)
{
    if (channel->last_ns <= r->query->before_ns)
        return channel->last_ns;
    return channel->first_ns <= r->query->before_ns ? channel->first_ns : 0;
}

static int compare_latest_first(const void *a, const void *b)
{
    const segment_channel *left = *(const segment_channel *const *)a;
    const segment_channel *right = *(const segment_channel *const *)b;
    return left->last_ns > right->last_ns ? -1 : left->last_ns < right->last_ns;
}

/* A slot that the channel moves on is of the segment's session now. */
static void take_channel(reading *r, const segment_index *index, const segment_channel *channel)
{
    uint64_t ns = last_of(r, channel);
    if (channel->info.dir != CHANNEL_IN || ns == 0)
        return;
    size_t at = get_slot(r->out, &channel->info);
    past_slot *slot = &r->out->slots[at];
    int is_data = channel_role(&channel->info) != ROLE_CONTROL;
    if (channel_role(&channel->info) == ROLE_DATA)
        note_topic(r->out, &channel->info, at);
    if (ns > slot->last_any_ns) {
        const session_row *session = archive_past_session(r->past, index->session);
        slot->last_any_ns = ns;
        slot->is_crashed = session == NULL || session->state != SESSION_STOPPED;
        slot->conn = 0;
        slot->complete_ns = 0;
        memcpy(slot->session, index->session, sizeof slot->session);
    }
    if ((is_data || r->query->is_control_data) && ns > slot->last_ns)
        slot->last_ns = ns;
}

/* The last chunk with frames of the slot that count, from 1; 0: none. */
static uint32_t last_chunk(const reading *r, const segment_reader *reader, const past_slot *slot)
{
    uint32_t chunk = segment_reader_chunk_count(reader);
    for (; chunk > 0; chunk--) {
        if (segment_reader_chunk(reader, chunk - 1)->first_ns > r->query->before_ns)
            continue;
        for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++) {
            const segment_channel *channel = segment_reader_channel(reader, i);
            if (channel->info.dir == CHANNEL_IN && channel->info.line == slot->line &&
                channel->info.shard == slot->shard &&
                segment_reader_chunk_has(reader, chunk - 1, channel))
                return chunk;
        }
    }
    return 0;
}

/* The slot's connection as of the chunk with its last frame, and what was complete at its end; if
 * that lies in the future, it is not known. A connection that was closed in order was complete
 * until later: one of the segment's last chunks lists it with its end. */
static void note_connection(const reading *r, segment_reader *reader, past_slot *slot)
{
    chain_conn conns[CHAIN_CONNS_MAX];
    chain_record chain = {0};
    const uint32_t count = segment_reader_chunk_count(reader);
    const uint32_t last = last_chunk(r, reader, slot);
    for (uint32_t chunk = last; chunk > 0 && chunk <= count; chunk++) {
        if (chunk > last && chunk + END_CHUNKS <= count)
            continue;
        if (segment_reader_chain(reader, chunk - 1, conns, &chain, NULL) != TD_OK)
            return;
        uint64_t end_ns = segment_reader_chunk(reader, chunk - 1)->last_ns;
        for (uint32_t i = 0; i < chain.conn_count; i++) {
            uint64_t late_ns = conns[i].late_ms * TD_NS_PER_MS;
            if (conns[i].line != slot->line || conns[i].shard != slot->shard)
                continue;
            if (chunk == last && conns[i].conn > slot->conn) {
                slot->conn = conns[i].conn;
                slot->complete_ns = 0;
            }
            if (conns[i].conn == slot->conn && late_ns > 0 && late_ns < end_ns &&
                end_ns <= r->query->before_ns && end_ns - late_ns > slot->complete_ns)
                slot->complete_ns = end_ns - late_ns;
        }
        if (slot->complete_ns == 0)
            return;
    }
}

static void take_segment(reading *r, const segment_index *index)
{
    const segment_channel **channels = td_alloc_zero(index->channel_count + 1, sizeof(void *));
    segment_reader *reader = NULL;
    for (size_t i = 0; i < index->channel_count; i++)
        channels[i] = &index->channels[i];
    qsort((void *)channels, index->channel_count, sizeof(void *), compare_latest_first);
    for (size_t i = 0; i < index->channel_count; i++)
        take_channel(r, index, channels[i]);
    td_free((void *)channels);
    if (archive_open_segment(r->archive, index->path, &reader, NULL) != TD_OK)
        return; /* what it lacks is reported with its index */
    for (size_t i = 0; i < r->out->slot_count; i++) {
        past_slot *slot = &r->out->slots[i];
        if (slot->conn == 0 && strcmp(slot->session, index->session) == 0)
            note_connection(r, reader, slot);
    }
    segment_reader_close(reader);
}

/* Of one session every segment counts: one that could not be read may hold its last frames. */
static td_result read_segment(reading *r, const archive_segment *segment, td_err *err)
{
    segment_index index;
    td_err cause;
    td_err_clear(&cause);
    td_result rc = archive_read_index(r->archive, segment->path, INDEX_FULL, &index, &cause);
    if (rc == TD_OK) {
        take_segment(r, &index);
        segment_index_fini(&index);
        return TD_OK;
    }
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
            (r->query->session != NULL ? strcmp(name->session, r->query->session) != 0
                                       : is_of_import(r, name->session)))
            continue;
        chosen[count++] = &listing->segments[i];
    }
    qsort((void *)chosen, count, sizeof(const archive_segment *), compare_newest_first);
    return count;
}

/* Of one session every segment counts: one that could not be listed may hold its last frames. */
static td_result check_listed(const feed_slots_query *query, const archive_listing *listing,
                              td_err *err)
{
    for (size_t i = 0; i < listing->unexpected_count && query->session != NULL; i++) {
        const unexpected_file *file = &listing->unexpected[i];
        segment_name name;
        int is_other =
            segment_name_parse(segment_file_name(file->path), &name) &&
            (strcmp(name.feed, query->feed) != 0 || strcmp(name.session, query->session) != 0);
        if (file->is_unreadable && !is_other)
            return td_err_set(err, TD_E_IO, "%s: %s", file->path, file->what);
    }
    return TD_OK;
}

td_result feed_slots_read(archive *a, const archive_past *past, const feed_slots_query *query,
                          feed_slots *out, td_err *err)
{
    TD_ASSERT(query->feed != NULL);
    *out = (feed_slots){0};
    reading r = {.archive = a, .past = past, .query = query, .out = out};
    archive_listing listing = {0};
    td_result rc = archive_list(a, &listing, err);
    if (rc == TD_OK)
        rc = check_listed(query, &listing, err);
    const archive_segment **chosen =
        td_alloc_zero(listing.segment_count + 1, sizeof(const archive_segment *));
    size_t count = rc == TD_OK ? choose(&r, &listing, chosen) : 0;
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        if (i > 0 && is_enough(&r, chosen[i]->name.first_s))
            break;
        if (i >= FEED_SLOTS_SEGMENTS_MAX && out->slot_count > 0)
            break;
        rc = read_segment(&r, chosen[i], err);
        r.oldest_s = chosen[i]->name.first_s;
    }
    td_free((void *)chosen);
    archive_listing_fini(&listing);
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
