#include "replay/play/absence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "archive/open_conns.h"
#include "archive/read_plan.h"
#include "archive/topic_list.h"
#include "tape/lost_topics.h"
#include "schema/family.h"

void absence_list_fini(absence_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        td_free(list->rows[i].topic);
        td_free(list->rows[i].symbol);
    }
    td_free(list->rows);
    *list = (absence_list){0};
}

int absence_list_is_asked(const absence_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->rows[i].is_asked)
            return 1;
    return 0;
}

const char *absence_reason_name(absence_reason reason)
{
    static const char *const NAMES[ABSENCE_REASON_COUNT] = {[ABSENCE_BEFORE] = "before_first_frame",
                                                            [ABSENCE_AFTER] = "after_last_frame",
                                                            [ABSENCE_TOPIC] = "not_subscribed"};
    return NAMES[reason];
}

void absence_json_members(json_writer *json, const absence *row)
{
    json_write_member_text(json, "why", absence_reason_name(row->reason));
    json_write_member_text(json, "feed", row->feed);
    json_write_member_text(json, "topic", row->topic[0] == '\0' ? NULL : row->topic);
    json_write_member_text(json, "symbol", row->symbol[0] == '\0' ? NULL : row->symbol);
    json_write_member_u64(json, "from_ns", row->time.from_ns);
    json_write_member_u64(json, "to_ns", row->time.to_ns);
}

/* ---- topics ---- */

/* Add the topics of selected channels at any time of the archive. */
static void find_topics(topic_list *list, const read_plan *plan)
{
    for (size_t k = 0; k < read_plan_count(plan); k++) {
        const planned_segment *segment = read_plan_segment(plan, k);
        for (size_t i = 0; i < segment->index->channel_count; i++) {
            const segment_channel *channel = &segment->index->channels[i];
            if (segment->is_wanted[i] && channel_role(&channel->info) == ROLE_DATA)
                (void)topic_list_add(list, segment->index, channel, channel->info.topic);
        }
    }
}

static int has_played(const stream_table *played, const topic_entry *row)
{
    const stream_name name = {
        .feed = row->feed, .topic = row->topic, .symbol = row->symbol, .dir = CHANNEL_IN};
    const stream *s = stream_table_find(played, &name);
    return s != NULL && s->counts.frames > 0;
}

/* ---- rows ---- */

typedef struct search {
    const selection *wanted;
    selection_window window;
    archive_view *view;
    topic_list topics; /* of the selection, at any time */
    const stream_table *played;
    lost_topic_list lost; /* a gap reports them */
    absence_list *out;
} search;

static void add_row(const search *s, absence_reason reason, int is_asked, const topic_entry *of,
                    const char *feed, time_span part)
{
    absence_list *list = s->out;
    TD_ASSERT(part.from_ns <= part.to_ns);
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    absence *made = &list->rows[list->count++];
    *made = (absence){.reason = reason,
                      .topic = td_strdup(of == NULL ? "" : of->topic),
                      .symbol = td_strdup(of == NULL ? "" : of->symbol),
                      .time = part,
                      .is_asked = (uint8_t)is_asked};
    (void)snprintf(made->feed, sizeof made->feed, "%s", feed); /* a feed's name fits */
}

/* Add archived topics that have no frame in the window and were not granted at its end. */
static void add_topics(const search *s, const char *feed, selection_window window,
                       const open_conns *grants)
{
    for (size_t i = 0; i < s->topics.count; i++) {
        const topic_entry *row = &s->topics.rows[i];
        if (strcmp(row->feed, feed) == 0 && !has_played(s->played, row) &&
            lost_topic_list_find(&s->lost, row->feed, row->topic, row->symbol) == NULL &&
            !open_conns_has_topic(grants, td_bytes_str(topic_entry_exchange_topic(row)),
                                  family_covers(row->family)))
            add_row(s, ABSENCE_TOPIC, 1, row, feed, window);
    }
}

/* Find what a feed lacks. A feed is recorded from its first received frame to its last; its
 * segments may be longer, because they also hold events. A window without a beginning lacks nothing
 * before the first frame, one without an end nothing after the last frame. Of a day without these
 * bounds, only a feed that was recorded on it lacks something. */
static td_result find_in_feed(const search *s, const char *feed, td_err *err)
{
    const selection *wanted = s->wanted;
    selection_window window = s->window;
    uint64_t first_ns = 0;
    uint64_t last_ns = 0;
    open_conns grants;
    td_result rc =
        open_conns_read_end(s->view, feed, window.to_ns, &grants, &first_ns, &last_ns, err);
    const time_span recorded = {first_ns, last_ns + 1};
    const int is_of_day = time_span_overlaps(window, recorded);
    if (window.from_ns < first_ns && (wanted->has_from || (window.from_ns > 0 && is_of_day)))
        add_row(s, ABSENCE_BEFORE, wanted->has_from, NULL, feed,
                (time_span){window.from_ns, window.to_ns < first_ns ? window.to_ns : first_ns});
    if (window.to_ns - 1 > last_ns && (wanted->has_to || (window.to_ns < UINT64_MAX && is_of_day)))
        add_row(s, ABSENCE_AFTER, wanted->has_to, NULL, feed,
                (time_span){window.from_ns > last_ns ? window.from_ns : last_ns, window.to_ns});
    window.from_ns = window.from_ns < first_ns ? first_ns : window.from_ns;
    window.to_ns = window.to_ns > last_ns ? last_ns + 1 : window.to_ns;
    if (rc == TD_OK && window.from_ns < window.to_ns && (wanted->has_from || wanted->has_to))
        add_topics(s, feed, window, &grants);
    open_conns_fini(&grants);
    return rc;
}

td_result absence_find(archive *a, const gap_list *ledger, const selection *wanted,
                       selection_window window, const stream_table *played, absence_list *out,
                       td_err *err)
{
    const int is_bounded = wanted->has_from || wanted->has_to;
    selection copy = *wanted;
    read_query all = selection_query(&copy, SELECTION_ALL_TIME);
    read_plan *plan = NULL;
    search s = {.wanted = wanted, .window = window, .played = played, .out = out};
    *out = (absence_list){0};
    if (!is_bounded && window.from_ns == 0 && window.to_ns == UINT64_MAX)
        return TD_OK;
    all.is_quiet = 1;
    all.is_for_channels = 1;
    td_result rc = archive_view_open(a, VIEW_ALL, NULL, &s.view, err);
    all.view = s.view;
    if (rc == TD_OK)
        rc = read_plan_open(a, &all, &plan, err);
    if (rc == TD_OK && is_bounded) {
        find_topics(&s.topics, plan);
        topic_list_sort(&s.topics);
        rc = lost_topics_find(s.view, ledger, wanted, window.from_ns, &s.lost, err);
    }
    const char *feed = rc == TD_OK ? read_plan_next_feed(plan, NULL) : NULL;
    for (; feed != NULL && rc == TD_OK; feed = read_plan_next_feed(plan, feed))
        rc = find_in_feed(&s, feed, err);
    topic_list_fini(&s.topics);
    td_free(s.lost.rows);
    read_plan_close(plan);
    archive_view_close(s.view);
    return rc == TD_OK ? rc : td_err_add(err, rc, "looking for absent parts of the selection");
}

td_result absence_find_days(archive *from, const selection *wanted, selection_window window,
                            absent_days *out, td_err *err)
{
    selection feeds = *wanted;
    time_span recorded = TIME_SPAN_NONE;
    read_plan *plan = NULL;
    *out = (absent_days){0};
    if (!wanted->has_from && !wanted->has_to)
        return TD_OK;
    feeds.topics.count = 0;
    feeds.symbols.count = 0;
    read_query query = selection_query(&feeds, window);
    query.is_quiet = 1;
    td_result rc = read_plan_open(from, &query, &plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        recorded = time_span_join(recorded, (time_span){index->first_ns, index->last_ns + 1});
    }
    read_plan_close(plan);
    recorded = time_span_clip(recorded, window);
    if (rc != TD_OK || time_span_ns(recorded) == 0)
        return rc; /* only gaps */
    if (wanted->has_from) {
        out->from = (uint32_t)(window.from_ns / TD_NS_PER_DAY);
        out->first = (uint32_t)(recorded.from_ns / TD_NS_PER_DAY);
    }
    if (wanted->has_to) {
        out->after = (uint32_t)((recorded.to_ns - 1) / TD_NS_PER_DAY) + 1;
        out->to = (uint32_t)((window.to_ns - 1) / TD_NS_PER_DAY) + 1;
    }
    return TD_OK;
}
