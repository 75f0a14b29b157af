#include "play/absence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "archive/granted.h"
#include "archive/read_plan.h"
#include "archive/session_spans.h"
#include "schema/dialect.h"
#include "schema/family.h"
#include "tape/cursor.h"

const char *absence_why_name(absence_why why)
{
    static const char *const NAMES[ABSENCE_WHY_COUNT] = {
        [ABSENCE_BEFORE] = "before_first_frame",
        [ABSENCE_AFTER] = "after_last_frame",
        [ABSENCE_TOPIC] = "not_subscribed",
    };
    TD_ASSERT(why < ABSENCE_WHY_COUNT);
    return NAMES[why];
}

void absence_list_fini(absence_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        td_free(list->rows[i].topic);
        td_free(list->rows[i].symbol);
    }
    td_free(list->rows);
    *list = (absence_list){0};
}

/* ---- what the archive has of the selection, at any time ---- */

typedef struct known_topic {
    const channel_info *info; /* of the plan */
    uint8_t is_played;        /* 1: it has frames in the selection */
} known_topic;

typedef struct known_feed {
    const char *name; /* of the plan */
    uint64_t first_ns, last_ns;
    known_topic *topics; /* sorted, each once */
    size_t topic_count;
} known_feed;

typedef struct inventory {
    read_plan *plan;
    known_feed *feeds;
    size_t count;
} inventory;

static void inventory_fini(inventory *all)
{
    for (size_t i = 0; i < all->count; i++)
        td_free(all->feeds[i].topics);
    td_free(all->feeds);
    read_plan_close(all->plan);
}

static known_feed *get_feed(inventory *all, const segment_index *segment)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->feeds[i].name, segment->feed) == 0)
            return &all->feeds[i];
    all->feeds = td_array_grow(all->feeds, all->count, sizeof *all->feeds);
    known_feed *made = &all->feeds[all->count++];
    *made = (known_feed){
        .name = segment->feed, .first_ns = segment->first_ns, .last_ns = segment->last_ns};
    return made;
}

static int compare_topics(const void *a, const void *b)
{
    const channel_info *left = ((const known_topic *)a)->info;
    const channel_info *right = ((const known_topic *)b)->info;
    int order = strcmp(left->topic, right->topic);
    return order != 0 ? order : strcmp(left->symbol, right->symbol);
}

/* Slots, opcodes and segments of one topic become one; called for each segment, so that they never
 * get many. */
static void merge_topics(known_feed *feed)
{
    size_t kept = 0;
    if (feed->topic_count == 0)
        return;
    qsort(feed->topics, feed->topic_count, sizeof feed->topics[0], compare_topics);
    for (size_t i = 1; i < feed->topic_count; i++) {
        if (compare_topics(&feed->topics[kept], &feed->topics[i]) != 0)
            feed->topics[++kept] = feed->topics[i];
    }
    feed->topic_count = kept + 1;
}

static void add_segment(inventory *all, const planned_segment *segment)
{
    const segment_index *index = segment->index;
    known_feed *feed = get_feed(all, index);
    if (index->first_ns < feed->first_ns)
        feed->first_ns = index->first_ns;
    if (index->last_ns > feed->last_ns)
        feed->last_ns = index->last_ns;
    for (size_t i = 0; i < index->channel_count; i++) {
        const channel_info *info = &index->channels[i].info;
        if (!segment->is_wanted[i] || channel_role(info) != ROLE_DATA)
            continue;
        feed->topics = td_array_grow(feed->topics, feed->topic_count, sizeof *feed->topics);
        feed->topics[feed->topic_count++] = (known_topic){.info = info};
    }
    merge_topics(feed);
}

/* Segments also hold events: a feed is there from its first received frame to its last. A single
 * file does not distinguish sessions. */
static void set_ranges(inventory *all, archive_view *view)
{
    for (size_t i = 0; i < all->count; i++) {
        known_feed *feed = &all->feeds[i];
        uint64_t first_ns;
        uint64_t last_ns;
        archive_feed_range(view, feed->name, &first_ns, &last_ns);
        if (last_ns == 0)
            continue;
        feed->first_ns = first_ns;
        feed->last_ns = last_ns;
    }
}

static int compare_feeds(const void *a, const void *b)
{
    return strcmp(((const known_feed *)a)->name, ((const known_feed *)b)->name);
}

static td_result take_inventory(archive *a, const selection *wanted, inventory *all, td_err *err)
{
    selection copy = *wanted;
    read_query query = selection_query(&copy, SELECTION_ALL_TIME);
    query.is_quiet = 1;
    *all = (inventory){0};
    td_result rc = archive_view_open(a, VIEW_ALL, NULL, &query.view, err);
    if (rc == TD_OK)
        rc = read_plan_open(a, &query, &all->plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(all->plan); i++)
        add_segment(all, read_plan_segment(all->plan, i));
    if (rc == TD_OK) {
        set_ranges(all, query.view);
        if (all->count > 0)
            qsort(all->feeds, all->count, sizeof all->feeds[0], compare_feeds);
    }
    archive_view_close(query.view);
    return rc;
}

/* ---- rows ---- */

static void add_row(absence_list *list, const absence *row, const char *topic, const char *symbol)
{
    absence made = *row;
    TD_ASSERT(row->from_ns <= row->to_ns);
    made.topic = td_strdup(topic);
    made.symbol = td_strdup(symbol);
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    list->rows[list->count++] = made;
}

static absence row_of(absence_why why, const known_feed *feed, uint64_t from_ns, uint64_t to_ns)
{
    absence row = {.why = why, .from_ns = from_ns, .to_ns = to_ns};
    (void)snprintf(row.feed, sizeof row.feed, "%s", feed->name); /* feeds' names are as short */
    return row;
}

/* A selection without a beginning, or without an end, lacks nothing there. */
static void find_outside(const absence_query *query, const known_feed *feed, absence_list *out)
{
    selection_window window = query->window;
    if (query->wanted->has_from && window.from_ns < feed->first_ns) {
        uint64_t to_ns = window.to_ns < feed->first_ns ? window.to_ns : feed->first_ns;
        const absence row = row_of(ABSENCE_BEFORE, feed, window.from_ns, to_ns);
        add_row(out, &row, "", "");
    }
    if (query->wanted->has_to && window.to_ns - 1 > feed->last_ns) {
        uint64_t from_ns = window.from_ns > feed->last_ns ? window.from_ns : feed->last_ns;
        const absence row = row_of(ABSENCE_AFTER, feed, from_ns, window.to_ns);
        add_row(out, &row, "", "");
    }
}

/* ---- topics without a frame ---- */

/* What was played is marked; returns how many topics are left. */
static size_t mark_played(known_feed *feed, const stream_table *played)
{
    size_t left = feed->topic_count;
    for (size_t i = 0; i < played->count; i++) {
        const stream *s = played->items[i];
        const channel_info info = {.topic = s->topic, .symbol = s->symbol};
        const known_topic key = {.info = &info};
        if (s->dir != CHANNEL_IN || s->counts.frames == 0 || feed->topic_count == 0 ||
            strcmp(s->feed, feed->name) != 0)
            continue;
        known_topic *found =
            bsearch(&key, feed->topics, feed->topic_count, sizeof feed->topics[0], compare_topics);
        if (found == NULL || found->is_played)
            continue;
        found->is_played = 1;
        left--;
    }
    return left;
}

/* A glob that fits this text and no other. */
static char *glob_of(const char *text)
{
    char *glob = td_alloc(2 * strlen(text) + 1);
    char *at = glob;
    for (; *text != '\0'; text++) {
        if (strchr("*?[]\\", *text) != NULL)
            *at++ = '\\';
        *at++ = *text;
    }
    *at = '\0';
    return glob;
}

/* The feed's own text for a topic; foreign files have none. */
static const char *text_of(const known_topic *topic)
{
    const channel_info *info = topic->info;
    return info->exchange_topic[0] != '\0' ? info->exchange_topic : info->topic;
}

/* Topics that may be granted: what damage hides is unknown. */
typedef struct feed_grants {
    granted *known;
    int is_damaged;
} feed_grants;

static int is_events(void *user, const channel_info *info)
{
    (void)user;
    return channel_role(info) == ROLE_EVENT;
}

static td_result read_grants(archive *a, const selection *wanted, const td_log *log,
                             feed_grants *to, td_err *err)
{
    const cursor_options options = {.log = log, .with_events = 1, .wants_channel = is_events};
    cursor *t = NULL;
    td_result rc = cursor_open(a, wanted, &options, &t, err);
    if (rc != TD_OK)
        return rc;
    const frame_ref *frame;
    for (rc = cursor_next(t, &frame, err); rc == TD_OK; rc = cursor_next(t, &frame, err)) {
        if (frame->event != NULL)
            granted_add(to->known, frame->conn->session, frame->event);
    }
    cursor_stats stats;
    cursor_get_stats(t, &stats);
    to->is_damaged = cursor_is_damaged(&stats);
    cursor_close(t);
    return rc == TD_EOF ? TD_OK : rc;
}

/* From the beginning of the connections that were open at the selection's beginning to its end, or
 * the feed's last frame: what is granted then? */
static td_result learn(archive *a, const absence_query *query, const known_feed *feed,
                       feed_grants *to, td_err *err)
{
    /* A session may stop in the moment of its last frame. */
    uint64_t end_ns = query->window.to_ns < feed->last_ns ? query->window.to_ns : feed->last_ns;
    if (end_ns <= query->lead_from_ns) /* nothing but the last frame is left */
        return TD_OK;
    char *name = glob_of(feed->name);
    const selection wanted = {.feeds = {(const char *const *)&name, 1},
                              .from = {TD_TIME_ABSOLUTE, query->lead_from_ns},
                              .to = {TD_TIME_ABSOLUTE, end_ns},
                              .has_from = 1,
                              .has_to = 1};
    td_result rc = read_grants(a, &wanted, query->log, to, err);
    td_free(name);
    return rc;
}

static int is_granted(const feed_grants *grants, const known_topic *topic)
{
    const family *of = family_find(td_bytes_str(topic->info->family));
    return grants->is_damaged || granted_has(grants->known, td_bytes_str(text_of(topic)),
                                             of == NULL ? NULL : of->dialect->covers);
}

static td_result find_topics(archive *a, const absence_query *query, known_feed *feed,
                             const stream_table *played, absence_list *out, td_err *err)
{
    selection_window window = query->window;
    size_t left = mark_played(feed, played);
    window.from_ns = window.from_ns < feed->first_ns ? feed->first_ns : window.from_ns;
    window.to_ns = window.to_ns > feed->last_ns ? feed->last_ns + 1 : window.to_ns;
    /* No topics left to report, or the window lies outside of what the feed recorded. */
    if (left == 0 || window.from_ns >= window.to_ns)
        return TD_OK;
    feed_grants grants = {.known = granted_open()};
    td_result rc = learn(a, query, feed, &grants, err);
    const absence row = row_of(ABSENCE_TOPIC, feed, window.from_ns, window.to_ns);
    for (size_t i = 0; i < feed->topic_count && rc == TD_OK; i++) {
        const known_topic *topic = &feed->topics[i];
        if (!topic->is_played && !is_granted(&grants, topic))
            add_row(out, &row, topic->info->topic, topic->info->symbol);
    }
    granted_close(grants.known);
    return rc;
}

td_result absence_find(archive *a, const absence_query *query, const stream_table *played,
                       absence_list *out, td_err *err)
{
    inventory all;
    *out = (absence_list){0};
    if (!query->wanted->has_from && !query->wanted->has_to)
        return TD_OK;
    TD_ASSERT(query->lead_from_ns <= query->window.from_ns);
    td_result rc = take_inventory(a, query->wanted, &all, err);
    for (size_t i = 0; i < all.count && rc == TD_OK; i++) {
        find_outside(query, &all.feeds[i], out);
        rc = find_topics(a, query, &all.feeds[i], played, out, err);
    }
    inventory_fini(&all);
    return rc == TD_OK ? rc : td_err_add(err, rc, "what is absent from the selection");
}
