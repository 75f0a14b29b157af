#include "replay/play/absence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/open_conns.h"
#include "archive/read_plan.h"
#include "archive/time_account.h"
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

/* ---- topics of a feed ---- */

typedef struct known_topic {
    const char *topic, *symbol;
    const channel_info
        *info; /* info from any time of the archive; NULL: the topic has frames in the selection */
} known_topic;

typedef struct topic_list {
    known_topic *rows;
    size_t count;
} topic_list;

static int compare_topics(const void *a, const void *b)
{
    const known_topic *left = a;
    const known_topic *right = b;
    int order = strcmp(left->topic, right->topic);
    return order != 0 ? order : strcmp(left->symbol, right->symbol);
}

/* Sort topics by name. Rows with frames in the selection (info NULL) come first, so that
 * combine_topics keeps them. */
static int compare_rows(const void *a, const void *b)
{
    int order = compare_topics(a, b);
    return order != 0 ? order
                      : (((const known_topic *)a)->info != NULL) -
                            (((const known_topic *)b)->info != NULL);
}

/* Merge the channels (slots, opcodes, segments) of a topic. Called for each segment, so that the
 * list stays short. */
static void combine_topics(topic_list *list)
{
    size_t kept = 0;
    if (list->count == 0)
        return;
    qsort(list->rows, list->count, sizeof list->rows[0], compare_rows);
    for (size_t i = 1; i < list->count; i++)
        if (compare_topics(&list->rows[kept], &list->rows[i]) != 0)
            list->rows[++kept] = list->rows[i];
    list->count = kept + 1;
}

static void add_topic(topic_list *list, const char *topic, const char *symbol,
                      const channel_info *info)
{
    list->rows = td_array_grow(list->rows, list->count, sizeof list->rows[0]);
    list->rows[list->count++] = (known_topic){topic, symbol, info};
}

static void add_segment(topic_list *list, const planned_segment *segment)
{
    for (size_t i = 0; i < segment->index->channel_count; i++) {
        const channel_info *info = &segment->index->channels[i].info;
        if (segment->is_wanted[i] && channel_role(info) == ROLE_DATA)
            add_topic(list, info->topic, info->symbol, info);
    }
    combine_topics(list);
}

/* ---- rows ---- */

typedef struct search {
    const selection *wanted;
    selection_window window;
    archive_view *view;
    read_plan *plan; /* covers all channels of the selection, at any time */
    const stream_table *played;
    absence_list *out;
} search;

static void add_row(const search *s, absence_reason reason, const char *feed, const char *topic,
                    const char *symbol, uint64_t from_ns, uint64_t to_ns)
{
    absence_list *list = s->out;
    TD_ASSERT(from_ns <= to_ns);
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    absence *made = &list->rows[list->count++];
    *made = (absence){.reason = reason,
                      .topic = td_strdup(topic),
                      .symbol = td_strdup(symbol),
                      .from_ns = from_ns,
                      .to_ns = to_ns};
    (void)snprintf(made->feed, sizeof made->feed, "%s", feed); /* a feed's name fits */
}

/* Add archived topics that have no frame in the window and were not granted at end_ns. */
static td_result find_silent(const search *s, const char *feed, selection_window window,
                             uint64_t end_ns, const topic_list *topics, td_err *err)
{
    open_conns grants;
    td_result rc = open_conns_read_feed(s->view, feed, end_ns, &grants, err);
    for (size_t i = 0; i < topics->count && rc == TD_OK; i++) {
        const known_topic *row = &topics->rows[i];
        if (row->info != NULL &&
            !open_conns_has_topic(&grants, td_bytes_str(channel_exchange_topic(row->info)),
                                  family_covers(row->info->family)))
            add_row(s, ABSENCE_TOPIC, feed, row->topic, row->symbol, window.from_ns, window.to_ns);
    }
    open_conns_fini(&grants);
    return rc;
}

/* Find what a feed lacks. A feed is recorded from its first received frame to its last; its
 * segments may be longer, because they also hold events. A selection without a beginning lacks
 * nothing before the first frame, a selection without an end nothing after the last frame. */
static td_result find_in_feed(const search *s, const char *feed, td_err *err)
{
    const selection *wanted = s->wanted;
    selection_window window = s->window;
    topic_list topics = {0};
    uint64_t first_ns = 0;
    uint64_t last_ns = 0;
    archive_feed_range(s->view, feed, &first_ns, &last_ns);
    for (size_t i = 0; i < s->played->count; i++) {
        const stream *played = s->played->items[i];
        if (played->dir == CHANNEL_IN && played->counts.frames > 0 &&
            strcmp(played->feed, feed) == 0)
            add_topic(&topics, played->topic, played->symbol, NULL);
    }
    for (size_t i = 0; i < read_plan_count(s->plan); i++) {
        const planned_segment *segment = read_plan_segment(s->plan, i);
        if (strcmp(segment->index->feed, feed) == 0)
            add_segment(&topics, segment);
    }
    if (wanted->has_from && window.from_ns < first_ns)
        add_row(s, ABSENCE_BEFORE, feed, "", "", window.from_ns,
                window.to_ns < first_ns ? window.to_ns : first_ns);
    if (wanted->has_to && window.to_ns - 1 > last_ns)
        add_row(s, ABSENCE_AFTER, feed, "", "", window.from_ns > last_ns ? window.from_ns : last_ns,
                window.to_ns);
    /* The grants of a session end with the session, which may be at its last frame. */
    uint64_t end_ns = window.to_ns < last_ns ? window.to_ns : last_ns;
    window.from_ns = window.from_ns < first_ns ? first_ns : window.from_ns;
    window.to_ns = window.to_ns > last_ns ? last_ns + 1 : window.to_ns;
    td_result rc = TD_OK;
    if (window.from_ns < window.to_ns)
        rc = find_silent(s, feed, window, end_ns, &topics, err);
    td_free(topics.rows);
    return rc;
}

td_result absence_find(archive *a, const selection *wanted, selection_window window,
                       const stream_table *played, absence_list *out, td_err *err)
{
    selection copy = *wanted;
    read_query all = selection_query(&copy, SELECTION_ALL_TIME);
    search s = {.wanted = wanted, .window = window, .played = played, .out = out};
    *out = (absence_list){0};
    if (!wanted->has_from && !wanted->has_to)
        return TD_OK;
    all.is_quiet = 1;
    all.is_for_channels = 1;
    td_result rc = archive_view_open(a, VIEW_ALL, NULL, &s.view, err);
    all.view = s.view;
    if (rc == TD_OK)
        rc = read_plan_open(a, &all, &s.plan, err);
    const char *feed = rc == TD_OK ? read_plan_next_feed(s.plan, NULL) : NULL;
    for (; feed != NULL && rc == TD_OK; feed = read_plan_next_feed(s.plan, feed))
        rc = find_in_feed(&s, feed, err);
    read_plan_close(s.plan);
    archive_view_close(s.view);
    return rc == TD_OK ? rc : td_err_add(err, rc, "looking for absent parts of the selection");
}
