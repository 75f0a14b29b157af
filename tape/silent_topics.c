#include "tape/silent_topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_span.h"
#include "archive/name_index.h"
#include "archive/read_plan.h"
#include "archive/segment_rows.h"
#include "archive/topic_list.h"
#include "schema/dialect.h"
#include "schema/family.h"
#include "tape/granted_topics.h"

void silent_list_fini(silent_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        td_free(list->rows[i].exchange_topic);
    for (size_t i = 0; i < list->sending_count; i++)
        td_free(list->sending[i].exchange_topic);
    td_free(list->rows);
    td_free(list->sending);
    *list = (silent_list){0};
}

int silent_topic_is_overdue(const silent_topic *row)
{
    const int is_due = row->row->speaks != SPEAKS_AT_ONCE || row->unanswered_ns != 0;
    return row->granted_ns != 0 && !row->is_proven && topic_row_must_speak(row->row) && is_due &&
           row->time.to_ns - row->time.from_ns >= TOPIC_SILENCE_NS;
}

const char *silent_topic_state(const silent_topic *row)
{
    return row->granted_ns != 0 ? "granted" : "refused";
}

void silent_json_members(json_writer *json, const silent_topic *row)
{
    json_write_member_text(json, "feed", row->feed);
    json_write_member_text(json, "topic", row->topic);
    json_write_member_text(json, "symbol", row->symbol[0] == '\0' ? NULL : row->symbol);
    json_write_member_text(json, "state", silent_topic_state(row));
    json_write_member_text(json, "speaks", topic_speech_name(row->row->speaks));
    json_write_member_u64(json, "from_ns", row->time.from_ns);
    json_write_member_u64(json, "to_ns", row->time.to_ns);
}

/* A grant of a topic that speaks at once. */
typedef struct prompt_grant {
    const family *of;
    size_t row; /* index in the list of silent topics */
    uint64_t granted_ns;
} prompt_grant;

typedef struct opening_list {
    prompt_grant *items;
    size_t count;
} opening_list;

/* A search in one feed. */
typedef struct search {
    archive_view *view;
    const selection *wanted;
    selection_window window;
    const read_plan *plan; /* covers the segments of the window */
    const char *feed;
    const topic_list *sending; /* topics with frames in the window */
    name_index found;          /* requested topics; rows are indexes in `out` */
    silent_list *out;
    opening_list *openings;
} search;

/* Replies that were fetched over HTTP show nothing about what the exchange sends. */
static int is_sent(const channel_info *info)
{
    return channel_role(info) == ROLE_DATA && (info->form & FORM_FETCHED) == 0;
}

/* Add the topics of which a plan's segments have frames in the window, by the exchange's names. */
static void note_sending(topic_list *sending, const read_plan *plan, selection_window window)
{
    for (size_t k = 0; k < read_plan_count(plan); k++) {
        const segment_index *index = read_plan_segment(plan, k)->index;
        for (size_t i = 0; i < index->channel_count; i++) {
            const segment_channel *channel = &index->channels[i];
            if (is_sent(&channel->info) && segment_index_first_ns(index, channel) < window.to_ns &&
                segment_index_last_ns(index, channel) >= window.from_ns)
                (void)topic_list_add(sending, index, channel,
                                     channel_exchange_topic(&channel->info));
        }
    }
}

/* Time of the last frame of a topic that was asked for; 0: none. The frames' topic may differ from
 * it ("order.linear"). */
static uint64_t last_sent_ns(const topic_list *sending, const char *feed, const family *of,
                             const char *topic)
{
    uint64_t last_ns = 0;
    for (size_t i = topic_list_find_exchange(sending, feed, topic); i != TOPIC_LIST_NONE;
         i = sending->rows[i].next_same) {
        TD_ASSERT(sending->rows != NULL);
        last_ns = sending->rows[i].last_ns > last_ns ? sending->rows[i].last_ns : last_ns;
    }
    for (size_t i = 0; of->dialect->covers != dialect_covers_same && i < sending->count; i++) {
        const topic_entry *row = &sending->rows[i];
        if (row->last_ns > last_ns && strcmp(row->feed, feed) == 0 &&
            grant_covers(td_bytes_str(topic), td_bytes_str(topic_entry_exchange_topic(row)),
                         of->dialect->covers))
            last_ns = row->last_ns;
    }
    return last_ns;
}

static void copy_text(char *out, size_t size, td_bytes text)
{
    (void)snprintf(out, size, "%.*s", (int)text.size, (const char *)text.data);
}

/* The row of an asked topic; SIZE_MAX: it is not selected, or unknown. *is_answered: 1 if it has
 * frames in the window, and if it speaks at once, since the grant. */
static size_t get_row(search *s, const family *of, const grant_row *grant, int *is_answered)
{
    topic_match match;
    const td_bytes text = td_bytes_str(grant->topic);
    const size_t known = name_index_find(&s->found, text);
    if (known == NAME_INDEX_NONE &&
        (!granted_topic_match(of, grant, &match) ||
         !selection_has_topic(s->wanted, match.topic, text, match.symbol)))
        return SIZE_MAX;
    silent_list *out = s->out;
    const topic_row *row = known == NAME_INDEX_NONE ? match.row : out->rows[known].row;
    const uint64_t last_ns = known == NAME_INDEX_NONE
                                 ? last_sent_ns(s->sending, s->feed, of, grant->topic)
                                 : out->rows[known].last_ns;
    *is_answered = last_ns != 0 && (row->speaks != SPEAKS_AT_ONCE || grant->source[0] == '\0' ||
                                    last_ns >= grant->from_ns);
    if (known != NAME_INDEX_NONE)
        return known;
    out->rows = td_array_grow(out->rows, out->count, sizeof *out->rows);
    silent_topic *made = &out->rows[out->count];
    *made = (silent_topic){
        .exchange_topic = td_strdup(grant->topic), .row = match.row, .last_ns = last_ns};
    copy_text(made->feed, sizeof made->feed, td_bytes_str(s->feed));
    copy_text(made->family, sizeof made->family, td_bytes_str(of->name));
    copy_text(made->topic, sizeof made->topic, match.topic);
    copy_text(made->symbol, sizeof made->symbol, match.symbol);
    name_index_put(&s->found, td_bytes_str(made->exchange_topic), out->count);
    return out->count++;
}

static void add_opening(opening_list *list, const family *of, size_t row, uint64_t granted_ns)
{
    if (list->count > 0 && list->items[list->count - 1].row == row &&
        list->items[list->count - 1].granted_ns == granted_ns)
        return; /* the next segment repeats it */
    list->items = td_array_grow(list->items, list->count, sizeof *list->items);
    list->items[list->count++] = (prompt_grant){of, row, granted_ns};
}

static td_result add_grants(search *s, const segment_index *index, td_err *err)
{
    segment_rows rows = {0};
    const family *of = family_find(td_bytes_str(index->family));
    if (of == NULL)
        return TD_OK;
    td_result rc =
        archive_view_read(s->view, index->path, index->file_bytes, CATALOG_GRANTS, &rows, err);
    for (size_t i = 0; rc == TD_OK && i < rows.grant_count; i++) {
        const grant_row *grant = &rows.grants[i];
        const conn_row *conn = &rows.conns[grant->conn];
        const int is_refused = grant->source[0] == '\0';
        const time_span granted = {grant->from_ns, grant->to_ns != 0  ? grant->to_ns
                                                   : conn->to_ns != 0 ? conn->to_ns
                                                                      : index->last_ns};
        const time_span common = time_span_clip(granted, s->window);
        if (granted.from_ns >= s->window.to_ns || granted.to_ns < s->window.from_ns)
            continue;
        int is_answered = 0;
        const size_t at = get_row(s, of, grant, &is_answered);
        if (at == SIZE_MAX)
            continue;
        silent_topic *row = &s->out->rows[at];
        if (!is_refused && (row->first_ns == 0 || grant->from_ns < row->first_ns))
            row->first_ns = grant->from_ns;
        if (is_answered)
            continue;
        if (!is_refused && row->row->speaks == SPEAKS_AT_ONCE)
            add_opening(s->openings, of, at, grant->from_ns);
        if (row->time.from_ns == 0 || (row->granted_ns == 0 && !is_refused))
            row->time.from_ns = common.from_ns;
        if (!is_refused && row->granted_ns == 0)
            row->granted_ns = grant->from_ns;
        if (is_refused && row->granted_ns != 0)
            continue;
        row->time.to_ns = common.to_ns > row->time.to_ns ? common.to_ns : row->time.to_ns;
        row->line = conn->line;
        row->shard = conn->shard;
    }
    segment_rows_fini(&rows);
    return rc == TD_E_IO ? rc : TD_OK; /* readers of the frames report other failures */
}

static td_result find_in_feed(search *s, td_err *err)
{
    td_result rc = TD_OK;
    archive_view_begin_loads(s->view);
    for (size_t i = 0; i < read_plan_count(s->plan) && rc == TD_OK; i++) {
        const segment_index *index = read_plan_segment(s->plan, i)->index;
        if (strcmp(index->feed, s->feed) == 0)
            rc = add_grants(s, index, err);
    }
    archive_view_end_loads(s->view);
    name_index_fini(&s->found);
    return rc;
}

/* Find the first grants that no frame followed. A grant in force may be older than the window, so
 * query becomes the time from the oldest grant on, and `sending` has its topics. The list has the
 * topics of a feed one after another. */
static td_result find_unanswered(archive *from, read_query *query, silent_list *list,
                                 const opening_list *openings, topic_list *sending, td_err *err)
{
    read_plan *plan = NULL;
    td_result rc = TD_OK;
    if (query->time.from_ns > 0) {
        for (size_t i = 0; i < openings->count; i++)
            if (openings->items[i].granted_ns < query->time.from_ns)
                query->time.from_ns = openings->items[i].granted_ns;
        topic_list_fini(sending);
        rc = read_plan_open(from, query, &plan, err);
        if (rc == TD_OK)
            note_sending(sending, plan, (selection_window){0, query->time.to_ns});
        read_plan_close(plan);
    }
    for (size_t i = 0; rc == TD_OK && i < openings->count; i++) {
        const prompt_grant *at = &openings->items[i];
        silent_topic *row = &list->rows[at->row];
        const uint64_t last_ns = last_sent_ns(sending, row->feed, at->of, row->exchange_topic);
        const int is_due = (last_ns == 0 && row->last_ns == 0) ||
                           row->time.to_ns >= at->granted_ns + TOPIC_SILENCE_NS;
        if (last_ns < at->granted_ns && is_due &&
            (row->unanswered_ns == 0 || at->granted_ns < row->unanswered_ns))
            row->unanswered_ns = at->granted_ns;
    }
    return rc;
}

static int compare_sending(const void *a, const void *b)
{
    const silent_topic *left = a;
    const silent_topic *right = b;
    const int order = strcmp(left->feed, right->feed);
    return order != 0 ? order : strcmp(left->exchange_topic, right->exchange_topic);
}

/* Take topics apart that sent frames, and are silent for less than TOPIC_SILENCE_NS. */
static void take_sending(silent_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->rows[i].last_ns == 0 || list->rows[i].unanswered_ns != 0) {
            list->rows[kept++] = list->rows[i];
            continue;
        }
        list->sending = td_array_grow(list->sending, list->sending_count, sizeof *list->sending);
        list->sending[list->sending_count++] = list->rows[i];
    }
    list->count = kept;
    if (list->sending_count > 0)
        qsort(list->sending, list->sending_count, sizeof *list->sending, compare_sending);
}

uint64_t silent_list_first_ns(const silent_list *list, const char *feed, const char *exchange_topic)
{
    size_t low = 0;
    size_t high = list->sending_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const silent_topic *row = &list->sending[middle];
        int order = strcmp(row->feed, feed);
        order = order != 0 ? order : strcmp(row->exchange_topic, exchange_topic);
        if (order == 0)
            return row->first_ns;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static int wants_feed(void *user, const char *feed)
{
    return selection_has_feed(user, feed);
}

static int compare_rows(const void *a, const void *b)
{
    const silent_topic *left = a;
    const silent_topic *right = b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->topic, right->topic);
    return order != 0 ? order : strcmp(left->symbol, right->symbol);
}

td_result silent_topics_find(archive *from, archive_view *view, const read_plan *plan,
                             const selection *wanted, selection_window window, silent_list *out,
                             td_err *err)
{
    selection named = *wanted;
    read_plan *made = NULL;
    archive_view *opened = NULL;
    opening_list openings = {0};
    topic_list sending = {0};
    td_result rc = TD_OK;
    *out = (silent_list){0};
    if (view == NULL) {
        rc = archive_view_open(from, VIEW_ALL, NULL, &opened, err);
        view = opened;
    }
    read_query query = {
        .time = window, .wants_feed = wants_feed, .is_quiet = 1, .user = &named, .view = view};
    if (rc == TD_OK && plan == NULL) {
        rc = read_plan_open(from, &query, &made, err);
        plan = made;
    }
    if (rc == TD_OK)
        note_sending(&sending, plan, window);
    const char *feed = rc == TD_OK ? read_plan_next_feed(plan, NULL) : NULL;
    for (; feed != NULL && rc == TD_OK; feed = read_plan_next_feed(plan, feed)) {
        search s = {.view = view,
                    .wanted = &named,
                    .window = window,
                    .plan = plan,
                    .feed = feed,
                    .sending = &sending,
                    .out = out,
                    .openings = &openings};
        rc = find_in_feed(&s, err);
    }
    if (rc == TD_OK && openings.count > 0)
        rc = find_unanswered(from, &query, out, &openings, &sending, err);
    td_free(openings.items);
    topic_list_fini(&sending);
    take_sending(out);
    if (out->count > 0)
        qsort(out->rows, out->count, sizeof *out->rows, compare_rows);
    read_plan_close(made);
    archive_view_close(opened);
    return rc;
}
