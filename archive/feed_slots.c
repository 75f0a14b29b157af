#include "archive/feed_slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

/* LOOK_BACK_S: how far back segments are read to find whether a slot was connected. An open
 * connection is pinged more often, so a slot without frames in these segments was not connected. */
enum { LOOK_BACK_S = 60, HOUR_S = 3600 };

typedef struct reading {
    archive_view *view;
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

int past_slot_is_replaced(const feed_slots *slots, const past_slot *slot)
{
    if (slot->replaced_ns == 0 || slot->replaced_ns < slot->last_any_ns)
        return 0;
    for (size_t i = 0; i < slots->slot_count; i++)
        if (slots->slots[i].shard == slot->shard && slots->slots[i].line != slot->line &&
            slots->slots[i].last_any_ns > slot->last_any_ns)
            return 1;
    return 0;
}

static size_t get_slot(feed_slots *out, uint32_t line, uint32_t shard)
{
    const past_slot *known = feed_slots_find(out, line, shard);
    if (known != NULL)
        return (size_t)(known - out->slots);
    out->slots = td_array_grow(out->slots, out->slot_count, sizeof *out->slots);
    out->slots[out->slot_count] = (past_slot){.line = line, .shard = shard};
    return out->slot_count++;
}

/* ---- topics ---- */

static void note_topic(feed_slots *out, const segment_channel *channel, size_t slot,
                       uint64_t last_ns)
{
    const channel_info *info = &channel->info;
    const uint64_t frames = channel->message_count == UINT64_MAX ? 0 : channel->message_count;
    char name[LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    if (strlen(info->topic) >= LIMIT_TOPIC_BYTES || strlen(info->symbol) >= LIMIT_SYMBOL_BYTES)
        return; /* from another tool; no feed can subscribe to it */
    (void)snprintf(name, sizeof name, "%s.%s", info->topic, info->symbol);
    size_t known = name_index_find(&out->by_name, td_bytes_str(name));
    if (known != NAME_INDEX_NONE) {
        past_topic *topic = out->topics[known];
        topic->slot = last_ns > topic->last_ns ? slot : topic->slot;
        topic->last_ns = last_ns > topic->last_ns ? last_ns : topic->last_ns;
        topic->frames += frames;
        return;
    }
    out->topics = td_array_grow(out->topics, out->topic_count, sizeof(past_topic *));
    past_topic *made = td_alloc(sizeof *made);
    *made = (past_topic){.name = td_strdup(name),
                         .topic_bytes = strlen(info->topic) + 1,
                         .slot = slot,
                         .last_ns = last_ns,
                         .frames = frames};
    out->topics[out->topic_count] = made;
    name_index_put(&out->by_name, td_bytes_str(made->name), out->topic_count++);
}

/* ---- segments ---- */

/* Note the channel's last frame. If it is the latest frame of the slot so far, set the slot's
 * session to the segment's session. */
static void add_channel(reading *r, const segment_index *index, const segment_channel *channel)
{
    const uint64_t before_ns = r->query->before_ns;
    uint64_t ns = channel->last_ns;
    if (ns > before_ns) /* the clock was ahead: only the time of the first frame is known */
        ns = channel->first_ns <= before_ns ? channel->first_ns : 0;
    if (channel->info.dir != CHANNEL_IN || ns == 0)
        return;
    size_t at = get_slot(r->out, channel->info.line, channel->info.shard);
    past_slot *slot = &r->out->slots[at];
    int is_data = channel_role(&channel->info) != ROLE_CONTROL;
    if (channel_role(&channel->info) == ROLE_DATA)
        note_topic(r->out, channel, at, ns);
    if (ns > slot->last_any_ns) {
        slot->last_any_ns = ns;
        slot->is_crashed = archive_history_is_crashed(&r->view->past, index->session) != 0;
        slot->conn = 0;
        slot->complete_ns = 0;
        memcpy(slot->session, index->session, sizeof slot->session);
    }
    if ((is_data || r->query->is_control_data) && ns > slot->last_ns)
        slot->last_ns = ns;
}

/* Set the slot's connection to the last one that received frames. The slot's complete_ns becomes
 * the connection's, or 0 if the connection's is later than before_ns. */
static void note_connection(const reading *r, const segment_rows *rows, past_slot *slot)
{
    for (size_t i = 0; i < rows->conn_count; i++) {
        const conn_row *row = &rows->conns[i];
        if (row->line != slot->line || row->shard != slot->shard || row->frames_in == 0 ||
            row->since_ns > r->query->before_ns || row->conn < slot->conn)
            continue;
        slot->conn = row->conn;
        slot->complete_ns = row->complete_ns <= r->query->before_ns ? row->complete_ns : 0;
    }
}

static void note_replaced(feed_slots *out, const conn_row *row)
{
    past_slot *slot = &out->slots[get_slot(out, row->line, row->shard)];
    if (row->to_ns > slot->replaced_ns)
        slot->replaced_ns = row->to_ns;
}

static void add_segment(reading *r, const segment_rows *rows)
{
    const segment_index *index = &rows->index;
    for (size_t i = 0; i < index->channel_count; i++)
        add_channel(r, index, &index->channels[i]);
    for (size_t i = 0; i < rows->conn_count; i++)
        if (rows->conns[i].is_replaced && rows->conns[i].to_ns <= r->query->before_ns)
            note_replaced(r->out, &rows->conns[i]);
    for (size_t i = 0; i < r->out->slot_count; i++) {
        past_slot *slot = &r->out->slots[i];
        if (slot->conn == 0 && strcmp(slot->session, index->session) == 0)
            note_connection(r, rows, slot);
    }
}

/* Read a segment. If the query is for one session, an I/O error is a failure, because the segment
 * may hold the session's last frames. */
static td_result read_segment(reading *r, const archive_segment *segment, td_err *err)
{
    segment_rows rows;
    td_err cause;
    td_err_clear(&cause);
    td_result rc = archive_view_read(r->view, segment->path, archive_view_size(r->view, segment),
                                     CATALOG_ROWS, &rows, &cause);
    if (rc == TD_OK)
        add_segment(r, &rows);
    else if (rc != TD_E_IO || r->query->session == NULL)
        td_log_emit(archive_log(r->view->archive), TD_LOG_WARNING, "%s: skipped: %s", segment->path,
                    cause.text);
    segment_rows_fini(&rows);
    return rc == TD_E_IO && r->query->session != NULL
               ? td_err_set(err, rc, "%s: %s", segment->path, cause.text)
               : TD_OK;
}

/* ---- search ---- */

static int has_shard(const feed_slots *out, uint32_t shard)
{
    for (size_t i = 0; i < out->slot_count; i++)
        if (out->slots[i].shard == shard)
            return 1;
    return 0;
}

/* 1 if older segments cannot change the result. A segment holds one UTC hour, so segments of
 * earlier hours cannot hold later frames. */
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
        if (!has_shard(out, shard))
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

static size_t choose(const reading *r, const archive_listing *listing,
                     const archive_segment **chosen)
{
    size_t count = 0;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *name = &listing->segments[i].name;
        if (!name->is_parsed || strcmp(name->feed, r->query->feed) != 0 ||
            name->first_s > r->query->before_ns / TD_NS_PER_S ||
            (r->query->session != NULL ? strcmp(name->session, r->query->session) != 0
                                       : archive_history_is_import(&r->view->past, name->session)))
            continue;
        chosen[count++] = &listing->segments[i];
    }
    qsort((void *)chosen, count, sizeof(const archive_segment *), compare_newest_first);
    return count;
}

/* Fail if the query is for one session and one of the session's segments could not be listed,
 * because the segment may hold the session's last frames. */
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

td_result feed_slots_read(archive_view *view, const feed_slots_query *query, feed_slots *out,
                          td_err *err)
{
    TD_ASSERT(query->feed != NULL);
    *out = (feed_slots){0};
    reading r = {.view = view, .query = query, .out = out};
    td_result rc = check_listed(query, &view->listing, err);
    const archive_segment **chosen =
        td_alloc_zero(view->listing.segment_count + 1, sizeof(const archive_segment *));
    size_t count = rc == TD_OK ? choose(&r, &view->listing, chosen) : 0;
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        if (i > 0 && is_enough(&r, chosen[i]->name.first_s))
            break;
        if (i >= FEED_SLOTS_SEGMENTS_MAX && out->slot_count > 0)
            break;
        rc = read_segment(&r, chosen[i], err);
        r.oldest_s = chosen[i]->name.first_s;
    }
    td_free((void *)chosen);
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
