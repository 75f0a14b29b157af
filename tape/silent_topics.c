#include "tape/silent_topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/name_index.h"
#include "archive/read_plan.h"
#include "archive/segment_rows.h"
#include "schema/dialect.h"
#include "schema/family.h"

void silent_list_fini(silent_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        td_free(list->rows[i].exchange_topic);
    td_free(list->rows);
    *list = (silent_list){0};
}

int silent_topic_is_overdue(const silent_topic *row, selection_window window)
{
    const int is_due =
        row->row->speaks != SPEAKS_AT_ONCE || row->is_never || row->granted_ns >= window.from_ns;
    return row->granted_ns != 0 && !row->is_proven && topic_row_must_speak(row->row) && is_due &&
           row->to_ns - row->from_ns >= TOPIC_SILENCE_NS;
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
    json_write_member_u64(json, "from_ns", row->from_ns);
    json_write_member_u64(json, "to_ns", row->to_ns);
}

/* A search in one feed. */
typedef struct search {
    archive_view *view;
    const selection *wanted;
    selection_window window;
    const read_plan *plan; /* covers the segments of the window */
    const char *feed;
    name_index sending; /* topics with frames in the window, under the exchange's names */
    name_index found;   /* requested topics without frames; rows are indexes in `out` */
    silent_list *out;
} search;

/* Replies that were fetched over HTTP show nothing about what the exchange sends. */
static int is_sent(const channel_info *info)
{
    return channel_role(info) == ROLE_DATA && (info->form & FORM_FETCHED) == 0;
}

static void note_sending(name_index *sending, const segment_index *index, selection_window window)
{
    for (size_t i = 0; i < index->channel_count; i++) {
        const segment_channel *channel = &index->channels[i];
        const channel_info *info = &channel->info;
        const uint64_t first_ns = channel->first_ns != 0 ? channel->first_ns : index->first_ns;
        const uint64_t last_ns = channel->last_ns != 0 ? channel->last_ns : index->last_ns;
        const td_bytes name =
            td_bytes_str(info->exchange_topic[0] != '\0' ? info->exchange_topic : info->topic);
        if (is_sent(info) && first_ns < window.to_ns && last_ns >= window.from_ns)
            name_index_put(sending, name, 0);
    }
}

/* 1 if a topic that was asked for has sent frames. The frames' topic may differ from it
 * ("order.linear"). */
static int has_sent(const name_index *sending, const family *of, td_bytes topic)
{
    if (name_index_find(sending, topic) != NAME_INDEX_NONE)
        return 1;
    for (size_t i = 0; of->dialect->covers != dialect_covers_same && i < sending->count; i++)
        if (of->dialect->covers(topic, sending->names[i].name))
            return 1;
    return 0;
}

static void copy_text(char *out, size_t size, td_bytes text)
{
    (void)snprintf(out, size, "%.*s", (int)text.size, (const char *)text.data);
}

/* The row of an asked topic without a frame in the window; SIZE_MAX: it has frames, or is not
 * selected or unknown. */
static size_t get_silent(search *s, const segment_index *index, const grant_row *grant)
{
    topic_match match;
    const family *of = family_find(td_bytes_str(index->family));
    const td_bytes text = td_bytes_str(grant->topic);
    const size_t known = name_index_find(&s->found, text);
    if (known != NAME_INDEX_NONE)
        return known;
    if (of == NULL ||
        !topic_match_text(of->topics, of->topic_count, text, grant->from_ns, &match) ||
        !selection_has_topic(s->wanted, match.topic, text, match.symbol) ||
        has_sent(&s->sending, of, text))
        return SIZE_MAX;
    silent_list *out = s->out;
    out->rows = td_array_grow(out->rows, out->count, sizeof *out->rows);
    silent_topic *made = &out->rows[out->count];
    *made =
        (silent_topic){.exchange_topic = td_strdup(grant->topic), .row = match.row, .is_never = 1};
    copy_text(made->feed, sizeof made->feed, td_bytes_str(s->feed));
    copy_text(made->family, sizeof made->family, td_bytes_str(index->family));
    copy_text(made->topic, sizeof made->topic, match.topic);
    copy_text(made->symbol, sizeof made->symbol, match.symbol);
    name_index_put(&s->found, td_bytes_str(made->exchange_topic), out->count);
    return out->count++;
}

static td_result add_grants(search *s, const segment_index *index, td_err *err)
{
    segment_rows rows = {0};
    td_result rc =
        archive_view_read(s->view, index->path, index->file_bytes, CATALOG_ROWS, &rows, err);
    for (size_t i = 0; rc == TD_OK && i < rows.grant_count; i++) {
        const grant_row *grant = &rows.grants[i];
        const conn_row *conn = &rows.conns[grant->conn];
        const int is_refused = grant->source[0] == '\0';
        uint64_t to_ns = grant->to_ns != 0  ? grant->to_ns
                         : conn->to_ns != 0 ? conn->to_ns
                                            : index->last_ns;
        if (grant->from_ns >= s->window.to_ns || to_ns < s->window.from_ns)
            continue;
        const size_t at = get_silent(s, index, grant);
        if (at == SIZE_MAX)
            continue;
        silent_topic *row = &s->out->rows[at];
        const uint64_t from_ns =
            grant->from_ns > s->window.from_ns ? grant->from_ns : s->window.from_ns;
        to_ns = to_ns < s->window.to_ns ? to_ns : s->window.to_ns;
        if (row->from_ns == 0 || (row->granted_ns == 0 && !is_refused))
            row->from_ns = from_ns;
        if (!is_refused && row->granted_ns == 0)
            row->granted_ns = grant->from_ns;
        if (is_refused && row->granted_ns != 0)
            continue;
        row->to_ns = to_ns > row->to_ns ? to_ns : row->to_ns;
        row->line = conn->line;
        row->shard = conn->shard;
    }
    segment_rows_fini(&rows);
    return rc == TD_E_IO ? rc : TD_OK; /* readers of the frames report other failures */
}

static td_result find_in_feed(search *s, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < read_plan_count(s->plan); i++) {
        const segment_index *index = read_plan_segment(s->plan, i)->index;
        if (strcmp(index->feed, s->feed) == 0)
            note_sending(&s->sending, index, s->window);
    }
    for (size_t i = 0; i < read_plan_count(s->plan) && rc == TD_OK; i++) {
        const segment_index *index = read_plan_segment(s->plan, i)->index;
        if (strcmp(index->feed, s->feed) == 0)
            rc = add_grants(s, index, err);
    }
    name_index_fini(&s->sending);
    name_index_fini(&s->found);
    return rc;
}

/* Look at the whole archive for frames of the topics that speak at once: of these, the first frame
 * shows more than later ones. The list has the topics of a feed one after another. */
static td_result find_earlier(archive *from, const read_query *all, silent_list *list, td_err *err)
{
    read_plan *plan = NULL;
    name_index sending = {0};
    const char *feed = "";
    td_result rc = read_plan_open(from, all, &plan, err);
    for (size_t i = 0; rc == TD_OK && i < list->count; i++) {
        silent_topic *row = &list->rows[i];
        const family *of = family_find(td_bytes_str(row->family));
        TD_ASSERT(row->feed != NULL);
        const int is_next = strcmp(row->feed, feed) != 0;
        if (is_next)
            name_index_fini(&sending);
        for (size_t k = 0; is_next && k < read_plan_count(plan); k++) {
            const segment_index *index = read_plan_segment(plan, k)->index;
            if (strcmp(index->feed, row->feed) == 0)
                note_sending(&sending, index, SELECTION_ALL_TIME);
        }
        feed = row->feed;
        row->is_never = of == NULL || !has_sent(&sending, of, td_bytes_str(row->exchange_topic));
    }
    name_index_fini(&sending);
    read_plan_close(plan);
    return rc;
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

td_result silent_topics_find(archive *from, archive_view *view, const selection *wanted,
                             selection_window window, silent_list *out, td_err *err)
{
    selection named = *wanted;
    read_plan *plan = NULL;
    archive_view *opened = NULL;
    td_result rc = TD_OK;
    *out = (silent_list){0};
    if (view == NULL) {
        rc = archive_view_open(from, VIEW_ALL, NULL, &opened, err);
        view = opened;
    }
    read_query query = {.from_ns = window.from_ns,
                        .to_ns = window.to_ns,
                        .wants_feed = wants_feed,
                        .is_quiet = 1,
                        .user = &named,
                        .view = view};
    if (rc == TD_OK)
        rc = read_plan_open(from, &query, &plan, err);
    const char *feed = rc == TD_OK ? read_plan_next_feed(plan, NULL) : NULL;
    for (; feed != NULL && rc == TD_OK; feed = read_plan_next_feed(plan, feed)) {
        search s = {.view = view,
                    .wanted = &named,
                    .window = window,
                    .plan = plan,
                    .feed = feed,
                    .out = out};
        rc = find_in_feed(&s, err);
    }
    int is_any_at_once = 0;
    for (size_t i = 0; i < out->count; i++)
        is_any_at_once |= out->rows[i].row->speaks == SPEAKS_AT_ONCE;
    query.from_ns = 0;
    query.to_ns = UINT64_MAX;
    query.is_for_channels = 1;
    if (rc == TD_OK && is_any_at_once)
        rc = find_earlier(from, &query, out, err);
    if (out->count > 0)
        qsort(out->rows, out->count, sizeof *out->rows, compare_rows);
    read_plan_close(plan);
    archive_view_close(opened);
    return rc;
}
